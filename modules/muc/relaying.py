"""IQs from occupant to occupant, without telling either's address (XEP-0045 §15.4), and answers to
who asks whether it is still inside (XEP-0410 1.1.0).
"""

import secrets
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from xmppd.api import IQ, JID, StanzaError, lenient_jid, ns
from xmppd.modules.muc.hiding import without_addresses
from xmppd.modules.muc.room import MOST_ID, Occupant, Room

VCARD = "vcard-temp"
# What a client asks of an account, not of one of its connections.
TO_ACCOUNT = frozenset(((VCARD, "vCard"), (ns.PUBSUB, "pubsub")))
MOST_WAITING = 10_000  # then the oldest makes way: nobody's questions shut others out
MOST_EACH = 500  # of one user
PATIENCE_S = 600.0


class Waiting(NamedTuple):
    """A request on its way: whose answer is awaited, by whom, under which id."""

    asked: JID  # who may answer: a full JID, or the bare one of an account
    asker: JID
    id: str
    as_occupant: JID  # whom the asker has written to
    room: str
    until: float


class Relay:
    """The requests that wait for an answer, of all rooms of a service."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()
        self._by_user: Counter[JID] = Counter()

    def save(self) -> list[tuple[str, ...]]:
        """As plain values, for who takes this one's place."""
        return [tuple(map(str, (id, *each))) for id, each in self._waiting.items()]

    def restore(self, saved: Iterable[tuple[str, ...]]) -> None:
        for id, asked, asker, asker_id, occupant, room, until in saved:
            waiting = (lenient_jid(asked), lenient_jid(asker), asker_id, lenient_jid(occupant))
            self._wait(id, Waiting(*waiting, room, float(until)))

    def __len__(self) -> int:
        return len(self._waiting)

    def request(self, room: Room | None, iq: IQ, now: float) -> IQ:
        """A request to an occupant: how it goes on, or its answer. Raises what is to be told to
        who is not inside.
        """
        sender = None if room is None else room.sessions.get(iq.from_)
        if room is None or sender is None:
            raise _outside(iq)
        to = room.occupant(iq.to.resource)
        if to is None:
            raise StanzaError("item-not-found", "nobody has this nickname here")
        if to is sender and iq.has(ns.PING, "ping"):
            return iq.result()
        return self._forward(room, iq, sender, to, now)

    def _forward(self, room: Room, iq: IQ, sender: Occupant, to: Occupant, now: float) -> IQ:
        self._tidy(now)
        if len(iq.id or "") > MOST_ID:
            raise StanzaError("bad-request", "this id is too long to be remembered")
        if self._by_user[iq.from_.bare] >= MOST_EACH:
            raise StanzaError("resource-constraint", "too many of your requests wait already")
        of_account = iq.type == "get" and not TO_ACCOUNT.isdisjoint(iq.payloads)
        asked = to.user if of_account else to.shown
        id = secrets.token_hex(12)
        until = now + PATIENCE_S
        self._wait(id, Waiting(asked, iq.from_, iq.id or "", iq.to, room.name, until))
        return iq.copy(to=asked, from_=sender.jid, id=id)

    def _wait(self, id: str, waiting: Waiting) -> None:
        self._waiting[id] = waiting
        self._by_user[waiting.asker.bare] += 1
        if len(self._waiting) > MOST_WAITING:
            self._end(next(iter(self._waiting)))

    def _end(self, id: str) -> None:
        user = self._waiting.pop(id).asker.bare
        self._by_user[user] -= 1
        if not self._by_user[user]:
            del self._by_user[user]

    def _tidy(self, now: float) -> None:
        while self._waiting and next(iter(self._waiting.values())).until < now:
            self._end(next(iter(self._waiting)))

    def answer(self, room: Room | None, iq: IQ) -> IQ | None:
        """An answer, as the asker gets it; None for what nobody has asked."""
        waiting = self._waiting.get(iq.id or "")
        if waiting is None or waiting.asked.bare != iq.from_.bare:
            return None
        self._end(iq.id or "")
        if room is None or waiting.room != room.name or waiting.asker not in room.sessions:
            return None
        hidden = not room.sees_addresses(room.sessions[waiting.asker])
        made = iq.copy(to=waiting.asker, from_=waiting.as_occupant, id=waiting.id)
        if hidden or iq.type == "error":
            hidden_ = iq.from_ if hidden else None
            made = made.copy(children=without_addresses(made.children, hidden_))
        return made


def _outside(iq: IQ) -> StanzaError:
    """§6.6; XEP-0410 §3.2: the client takes not-acceptable as "you are not inside"."""
    if iq.has(ns.DISCO_INFO) or iq.has(ns.DISCO_ITEMS):
        return StanzaError("bad-request", "only occupants may ask occupants")
    return StanzaError("not-acceptable", "only occupants may ask occupants", type="cancel")
