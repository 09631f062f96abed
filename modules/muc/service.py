"""The service on a stanza's way: finds the room, lets it act, and sends what comes of it.

Subclassed by `orders` (IQs that change a room) and `commands` (operators).
"""

from collections.abc import Coroutine
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
)
from xmppd.modules.muc import (
    entering,
    graves,
    hiding,
    offered,
    registering,
    slow,
    speaking,
    store,
)
from xmppd.modules.muc.names import USER, Affiliation, Outgoing
from xmppd.modules.muc.presences import to_others
from xmppd.modules.muc.requests import RoomRequests
from xmppd.modules.muc.retracting import RETRACTS
from xmppd.modules.muc.room import MOST_ID, Occupant, Room, Standing, remember

# Errors that say that nobody is there (§14.1.2); from whom we send presence and messages to all,
# service-unavailable says it too: RFC 6121 §8.5.3.2 wants it from servers.
UNREACHED = frozenset(("gone", "remote-server-not-found", "remote-server-timeout"))
GONE = UNREACHED | {
    *("item-not-found", "jid-malformed", "recipient-unavailable", "redirect"),
    "service-unavailable",
}
# What a client answers by itself does not say that it is gone.
PM_GONE = UNREACHED | {"recipient-unavailable", "redirect"}
MOST_ASKED = 1000
HEAVY = 1000  # sessions: what goes to so many more counts once more


def weight(room: Room | None) -> int:
    """For how many one counts that all in this room are told of."""
    return 1 if room is None else 1 + len(room.sessions) // HEAVY


class RoomService(RoomRequests):
    def take(self, stanza: Stanza) -> Done:
        if isinstance(stanza, Message) and stanza.to.local:
            try:
                return self._message(stanza)
            except StanzaError as problem:
                raise _by_room(stanza, problem) from None
        if isinstance(stanza, Presence) and stanza.to.local:
            return self._presence(stanza)
        if isinstance(stanza, IQ) and stanza.to.local:
            return self._iq(stanza)
        return super().take(stanza)

    def later(self, stanza: Stanza, work: Coroutine[Any, Any, None]) -> Done:
        return super().later(stanza, self._worked(stanza, work))

    @staticmethod
    async def _worked(stanza: Stanza, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StanzaError as problem:
            raise _by_room(stanza, problem) from None

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
        cost = 1 if message.to.resource else weight(room)
        if not self._messages.take(message.from_.bare, self._now(), cost):
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
            speaking.check_subject(room, speaking.may_speak(room, message))  # it has waited
            if room.config.persistent:
                await self.stored.put(store.record(room, subject=subject))
            room.subject = subject
            done = self.utter(room, speaking.purified(room, message), occupant, seen=False)
        if done is not None:
            await done

    def _to_one(self, room: Room, message: Message) -> Done:
        made, sessions = speaking.private(room, message)
        if made.id is not None and len(made.id) <= MOST_ID:
            for session in sessions:
                answer = (message.from_, message.to)
                remember(room.asked, (session.bare, made.id, made.from_), answer, MOST_ASKED)
        self.deliver([made.copies(sessions)])
        return None

    def _returned(self, room: Room, message: Message) -> Done:
        """An error comes back: of a private message or invitation to who sent it, else it says
        whether somebody is gone (§12.1).
        """
        answer = room.asked.get((message.from_.bare, message.id or "", message.to))
        if answer is not None:
            self._pass_error(room, message, *answer)
        self._lose(room, message, GONE if answer is None else PM_GONE)
        return None

    def _pass_error(self, room: Room, message: Message, asker: JID, to: JID) -> None:
        """To who has written a private message or invited; a real address only if it is known."""
        occupant, problem = room.sessions.get(asker), message.error
        if occupant is None or problem is None:
            return
        hidden = message.from_ if to.resource and not room.sees_addresses(occupant) else None
        problem = hiding.anonymous(problem, hidden)
        self.deliver([Message(asker, to, "error", message.id, problem.element())])

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
        self._check_presence(presence, weight(room) if inside else 1)
        entry = entering.read(presence)
        if room is not None and inside:
            if entry.syncs:  # is told everything once more
                self._count_join(room, entry)
            self._move(room, entry)
        elif not entry.syncs:
            self.deliver([entering.not_inside(presence)])
        elif self._hook_entering.filter(presence) is STOP:
            return None
        else:
            self._count_join(room, entry)
            if room is None:
                return self.later(presence, self._enter_later(presence, entry))
            self._enter(room, entry)
        return None

    def _count_join(self, room: Room | None, entry: entering.Entry) -> None:
        """Raises resource-constraint."""
        listed = 0 if room is None or entry.versions is None else len(room.standings)
        cost = weight(room) + listed // HEAVY
        if not self._joins.take(entry.session.bare, self._now(), cost):
            raise StanzaError("resource-constraint", "too many rooms at once", type="wait")

    def _check_presence(self, presence: Presence, cost: int) -> None:
        if len(presence.raw) > self.options.max_presence:
            raise StanzaError("policy-violation", f"over {self.options.max_presence} bytes")
        self.check_length(presence.to.resource)
        if not self._presences.take(presence.from_.bare, self._now(), cost):
            raise StanzaError("resource-constraint", "slower, please", type="wait")

    def check_list(self, user: JID, items: int) -> None:
        """A long list counts as a large room does; small ones are free. Raises
        resource-constraint.
        """
        cost = items // HEAVY
        if cost and not self._joins.take(user.bare, self._now(), cost):
            raise StanzaError("resource-constraint", "too many long lists at once", type="wait")

    def check_length(self, nick: str) -> None:
        """Raises not-acceptable."""
        if len(nick) > self.options.max_nick:
            raise StanzaError("not-acceptable", "this nickname is too long")

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
        if room is None:
            await self.check_free(name, entry.session.bare)
            room = self.rooms.get(name)  # somebody else may have made it meanwhile
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

    async def check_free(self, name: str, user: JID) -> None:
        """Raises gone where a room of that name was destroyed, and this user did not own it."""
        if self.options.destroyed_names:
            graves.check(await self.graves.find(name), user)

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


def _by_room(stanza: Stanza, problem: StanzaError) -> StanzaError:
    """Messages go through many hands: the room says that the error is its own (§7.5)."""
    if isinstance(stanza, Message) and stanza.to.local and problem.by is None:
        problem.by = stanza.to.bare
    return problem
