"""The service on a stanza's way: finds the room, lets it act, and sends what comes of it.

Subclassed by `orders` (IQs that change a room) and `commands` (operators).
"""

from typing import Any

from xmppd.api import (
    IQ,
    JID,
    STOP,
    Done,
    Element,
    Message,
    Presence,
    Stanza,
    StanzaError,
    ns,
)
from xmppd.modules.muc import (
    configuring,
    entering,
    extras,
    governing,
    inviting,
    offered,
    registering,
    slow,
    speaking,
    store,
    voice,
)
from xmppd.modules.muc.base import RoomBase
from xmppd.modules.muc.governing import Change
from xmppd.modules.muc.names import USER, Affiliation, Outgoing, Role
from xmppd.modules.muc.presences import Why, to_others
from xmppd.modules.muc.retracting import RETRACTS
from xmppd.modules.muc.room import Occupant, Room, Standing, remember

# Errors that say that nobody is there (§14.1.2); from whom we send presence and messages to all,
# service-unavailable says it too: RFC 6121 §8.5.3.2 wants it from servers.
UNREACHED = frozenset(("gone", "remote-server-not-found", "remote-server-timeout"))
GONE = UNREACHED | {
    *("item-not-found", "jid-malformed", "recipient-unavailable", "redirect"),
    "service-unavailable",
}
MOST_ASKED = 1000


class RoomService(RoomBase):
    def take(self, stanza: Stanza) -> Done:
        if isinstance(stanza, Message) and stanza.to.local:
            return self._message(stanza)
        if isinstance(stanza, Presence) and stanza.to.local:
            return self._presence(stanza)
        if isinstance(stanza, IQ) and stanza.to.local:
            return self._iq(stanza)
        return super().take(stanza)

    # Messages

    def _message(self, message: Message) -> Done:
        room = self.rooms.get(message.to.local)
        if message.type == "error":
            return None if room is None else self._returned(room, message)
        if room is not None:
            return self._say(room, message)
        if message.to.resource:
            raise StanzaError("not-acceptable", "only occupants may write to occupants")
        return self.later(message, self._say_later(message))

    async def _say_later(self, message: Message) -> None:
        done = self._say(await self.room(message.to), message)
        if done is not None:
            await done

    def _say(self, room: Room, message: Message) -> Done:
        if room.locked and message.from_ not in room.sessions:
            raise StanzaError("item-not-found", "there is no such room")
        if not self._messages.take(message.from_.bare, self._now()):
            raise StanzaError("resource-constraint", "slower, please", type="wait")
        if len(message.raw) > self.options.max_message:
            raise StanzaError("policy-violation", f"over {self.options.max_message} bytes")
        if message.to.resource:
            return self._to_one(room, message)
        if message.type == "groupchat":
            return self._to_all(room, message)
        return self._to_room(room, message)

    def _to_all(self, room: Room, message: Message) -> Done:
        occupant = speaking.may_speak(room, message)
        if speaking.is_subject_change(message):
            speaking.check_subject(room, occupant)
            return self.later(message, self._subject(room, message, occupant))
        if RETRACTS in message.payloads:
            return self.retract(room, message, occupant)
        if room.config.slow_mode and speaking.BODY in message.payloads:
            slow.check(room, occupant, self._now())
        return self._speak(room, message, occupant)

    def retract(self, room: Room, message: Message, occupant: Occupant) -> Done:
        """An occupant takes back what it said: see `moderating`."""
        return self._speak(room, message, occupant)

    def _speak(self, room: Room, message: Message, occupant: Occupant) -> Done:
        if self._hook_message.handlers:
            passed = self._hook_message.filter(message, room, occupant)
            if passed is STOP:
                return None
            message = passed
        if room.config.quiet and not occupant.active:
            self.deliver(self._appear(room, occupant))
        return self.utter(room, speaking.purified(room, message), occupant)

    @staticmethod
    def _appear(room: Room, occupant: Occupant) -> list[Outgoing]:
        """In a quiet room others see who speaks from the first word on."""
        shown = room.shows(occupant)
        occupant.active = True
        return [] if shown else to_others(room, occupant)

    async def _subject(self, room: Room, message: Message, occupant: Occupant) -> None:
        """Stored first, then told to all (§8.1)."""
        subject = speaking.new_subject(message, occupant)
        async with room.changing:
            self._check_alive(room)
            if room.config.persistent:
                await self.stored.put(store.record(room, subject=subject))
            room.subject = subject
            done = self.utter(room, speaking.purified(room, message), occupant, seen=False)
        if done is not None:
            await done

    def _to_one(self, room: Room, message: Message) -> Done:
        made, sessions = speaking.private(room, message)
        if made.id is not None:
            for session in sessions:
                answer = (message.from_, message.to)
                remember(room.asked, (session.bare, made.id), answer, MOST_ASKED)
        self.deliver([made.copies(sessions)])
        return None

    def _to_room(self, room: Room, message: Message) -> Done:
        """Not to the others: invitations, refusals, forms (§7.8.2, §7.13)."""
        x, form = message.child(USER, "x"), message.child(ns.FORMS, "x")
        if x is not None and inviting.is_invitation(x):
            return self.later(message, self._invite(room, message, x))
        if x is not None and x.child(USER, "decline") is not None:
            self.deliver(inviting.declined(room, message, x))
            self.remember(room, extras.INVITED)
            return None
        if form is not None:
            return self._form(room, message, form)
        if message.type == "headline":
            return None
        if message.from_ not in room.sessions:
            raise StanzaError("not-acceptable", "only occupants may write to this room")
        raise StanzaError("bad-request", "messages to all are of type groupchat")

    async def _invite(self, room: Room, message: Message, x: Element) -> None:
        async with room.changing:
            self._check_alive(room)
            made = inviting.read(room, message, x)
            await self.stand(room, changes := self._let_in(room, made))
            outcome = governing.apply_affiliations(room, changes, quiet=True)
        for invitation in made:
            inviting.note(room, invitation, message.from_)
        self.remember(room, extras.INVITED)
        self.deliver([*outcome.news, *(each.message for each in made)])

    @staticmethod
    def _let_in(room: Room, made: list[inviting.Invitation]) -> list[Change]:
        """Whom somebody may invite into a members-only room becomes a member (§9.5)."""
        if not room.config.members_only:
            return []
        users = dict.fromkeys(each.invitee.bare for each in made)
        new = [user for user in users if room.affiliation(user) is Affiliation.NONE]
        return [Change(u, Affiliation.NONE, Standing(Affiliation.MEMBER)) for u in new if u.local]

    def _form(self, room: Room, message: Message, x: Element) -> Done:
        occupant = room.sessions.get(message.from_)
        if occupant is None:
            raise StanzaError("not-acceptable", "only occupants may write to this room")
        form = configuring.any_form(x)
        if registering.is_answer(form):
            return self.later(message, self._decide(room, message.from_, form))
        form = voice.submitted(x)
        if not voice.is_answer(form):
            self.deliver(voice.request(room, occupant, form))
            return None
        visitor = voice.approved(room, occupant, form)
        if visitor is not None:
            room.remember_voice(visitor.user, Role.PARTICIPANT)
            self.remember(room, extras.VOICES)
            why = Why(actor=occupant.nick)
            self.deliver(governing.in_role(room, visitor, Role.PARTICIPANT, why))
        return None

    async def _decide(self, room: Room, admin: JID, form: Any) -> None:
        async with room.changing:
            self._check_alive(room)
            change = registering.answered(room, admin, form)
            self.remember(room, extras.APPLICANTS)
            if change is None:
                return
            await self.stand(room, [change])
            outcome = governing.apply_affiliations(room, [change])
        self.conclude(room, outcome, [change])

    def _returned(self, room: Room, message: Message) -> Done:
        """An error comes back: of a private message or invitation to who sent it, else it says
        whether somebody is gone (§12.1).
        """
        answer = room.asked.get((message.from_.bare, message.id or ""))
        if answer is not None:
            asker, to = answer
            if asker in room.sessions and message.error is not None:
                problem = message.error
                problem.by = None  # would tell the address
                error = Message(asker, to, "error", message.id, problem.element())
                self.deliver([error])
            return None
        self._lose(room, message, GONE)
        return None

    def _lose(self, room: Room, stanza: Stanza, conditions: frozenset[str]) -> None:
        session, error = stanza.from_, stanza.error
        occupant = room.sessions.get(session)
        if occupant is None or error is None or error.condition not in conditions:
            return
        self.deliver(entering.lose(room, session))
        self.left(room, occupant, session)

    # Presence

    def _presence(self, presence: Presence) -> Done:
        room = self.rooms.get(presence.to.local)
        if presence.type == "error":
            if room is not None:
                self._lose(room, presence, GONE)
            return None
        if presence.type == "unavailable":
            if room is not None:
                self._leave(room, presence)
            return None
        if presence.type == "probe" and room is not None:
            self.deliver(entering.probed(room, presence))
        if presence.type:
            return None  # no request to come or go (§15.3)
        try:
            return self._available(room, presence)
        except StanzaError as problem:
            self.deliver([entering.refusal(presence, problem)])
            return None

    def _available(self, room: Room | None, presence: Presence) -> Done:
        inside = room is not None and presence.from_ in room.sessions
        self._check_presence(presence)
        entry = entering.read(presence)
        if room is not None and inside:
            self._move(room, entry)
        elif not entry.syncs:
            self.deliver([entering.not_inside(presence)])
        elif self._hook_entering.filter(presence) is STOP:
            return None
        elif not self._joins.take(presence.from_.bare, self._now()):
            raise StanzaError("resource-constraint", "too many rooms at once", type="wait")
        elif room is not None:
            self._enter(room, entry)
        else:
            return self.later(presence, self._enter_later(presence, entry))
        return None

    def _check_presence(self, presence: Presence) -> None:
        if len(presence.raw) > self.options.max_presence:
            raise StanzaError("policy-violation", f"over {self.options.max_presence} bytes")
        if len(presence.to.resource) > self.options.max_nick:
            raise StanzaError("not-acceptable", "this nickname is too long")
        if not self._presences.take(presence.from_.bare, self._now()):
            raise StanzaError("resource-constraint", "slower, please", type="wait")

    def _move(self, room: Room, entry: entering.Entry) -> None:
        """An occupant's presence changes, or its nickname."""
        self.deliver(entering.arrive(room, entry))

    async def _enter_later(self, presence: Presence, entry: entering.Entry) -> None:
        try:
            await self._enter_absent(entry)
        except StanzaError as problem:
            self.deliver([entering.refusal(presence, problem)])

    async def _enter_absent(self, entry: entering.Entry) -> None:
        """Into a room that is not in memory: stored, or new (§7.2.11, §10.1)."""
        name = entry.presence.to.local
        room = await self.rooms.find(name)
        if self._replaced:
            self.send(entry.presence)
            return
        if room is not None:
            self._enter(room, entry)
            return
        room = self.make(name, entry.session.bare)
        try:
            self._enter(room, entry, ("201",))
        except StanzaError:
            self.rooms.drop(room)
            raise
        self.fire(offered.room_created, room, entry.session.bare)

    def make(self, name: str, user: JID) -> Room:
        """A new room of this user. Raises not-allowed, resource-constraint."""
        self.check_creator(user)
        if len(self.rooms) >= self.options.max_rooms or not self._made.take(user, self._now()):
            raise StanzaError("resource-constraint", "too many rooms were made", type="wait")
        room = self.new_room(name)
        room.stand(user, Standing(Affiliation.OWNER))
        return room

    def check_creator(self, user: JID) -> None:
        """May this user make rooms? Raises not-allowed (§10.1.1)."""
        who = self.options.create
        allowed = who == "anyone" or self.host.is_admin(user)
        if not allowed and not (who == "local" and self.host.router.serves(user.domain)):
            raise StanzaError("not-allowed", "you may not make rooms here")

    def _enter(self, room: Room, entry: entering.Entry, codes: tuple[str, ...] = ()) -> None:
        if not self._room_joins.take(room.name, self._now()):
            self.rooms.settle(room)
            raise StanzaError("resource-constraint", "too many enter this room", type="wait")
        try:
            told = entering.arrive(room, entry, codes)
        finally:
            self.rooms.settle(room)
        self.deliver(told)
        occupant = room.sessions[entry.session]
        self.fire(offered.occupant_joined, room, occupant, entry.session)
        self.greet(room, entry.session, occupant)
        if room.applicants and room.affiliation(occupant.user) >= Affiliation.ADMIN:
            to = entry.session
            self.deliver(
                registering.question(room, *each, to) for each in registering.pending(room)
            )

    def _leave(self, room: Room, presence: Presence) -> None:
        session = presence.from_
        occupant = room.sessions.get(session)
        if occupant is None:
            return  # ignored in silence (§15.3)
        if room.locked and len(room.sessions) == 1:  # §10.1.3, last paragraph
            self.end(room, Element(USER, "destroy"))
            return
        self.deliver(entering.leave(room, session, presence))
        self.left(room, occupant, session)

    # IQs to occupants

    def _iq(self, iq: IQ) -> Done:
        room = self.rooms.get(iq.to.local)
        if iq.is_request:
            self.deliver([self.relay.request(room, iq, self._now())])
            return None
        answer = self.relay.answer(room, iq)
        if answer is not None:
            self.deliver([answer])
        if iq.type == "error" and room is not None:
            self._lose(room, iq, UNREACHED)
        return None
