"""What is said to a room and not to all in it: invitations, refusals, answers to its forms
(XEP-0045 §7.8.2, §7.13, §9.5, §9.9).
"""

from typing import Any

from xmppd.api import JID, Done, Element, Message, StanzaError, ns
from xmppd.modules.muc import configuring, extras, governing, inviting, registering, voice
from xmppd.modules.muc.base import RoomBase
from xmppd.modules.muc.governing import Change
from xmppd.modules.muc.names import USER, Affiliation, Role
from xmppd.modules.muc.presences import Why
from xmppd.modules.muc.room import Room, Standing


class RoomRequests(RoomBase):
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
            if not self.may_write_outside(message.from_, len(made)):
                raise StanzaError("resource-constraint", "too many invitations", type="wait")
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
            asked = voice.request(room, occupant, form)
            if asked and not self._voices.take(message.from_.bare, self._now()):
                raise StanzaError("resource-constraint", "you have asked already", type="wait")
            self.deliver(asked)
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
