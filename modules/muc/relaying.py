"""IQs from occupant to occupant, without telling either's address (XEP-0045 §15.4), and answers to
who asks whether it is still inside (XEP-0410 1.1.0).
"""

import secrets
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from xmppd.api import IQ, JID, Element, StanzaError, lenient_jid, ns
from xmppd.modules.muc.room import Occupant, Room

VCARD = "vcard-temp"
# What a client asks of an account, not of one of its connections.
TO_ACCOUNT = frozenset(((VCARD, "vCard"), (ns.PUBSUB, "pubsub")))
MOST_WAITING = 10_000
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

    def save(self) -> list[tuple[str, ...]]:
        """As plain values, for who takes this one's place."""
        return [tuple(map(str, (id, *each))) for id, each in self._waiting.items()]

    def restore(self, saved: Iterable[tuple[str, ...]]) -> None:
        for id, asked, asker, asker_id, occupant, room, until in saved:
            waiting = (lenient_jid(asked), lenient_jid(asker), asker_id, lenient_jid(occupant))
            self._waiting[id] = Waiting(*waiting, room, float(until))

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
        if len(self._waiting) >= MOST_WAITING:
            raise StanzaError("resource-constraint", "too many requests wait for an answer")
        of_account = not TO_ACCOUNT.isdisjoint(iq.payloads)
        asked = to.user if of_account else to.shown
        id = secrets.token_hex(12)
        self._waiting[id] = Waiting(
            asked, iq.from_, iq.id or "", iq.to, room.name, now + PATIENCE_S
        )
        return iq.copy(to=asked, from_=sender.jid, id=id)

    def _tidy(self, now: float) -> None:
        while self._waiting and next(iter(self._waiting.values())).until < now:
            self._waiting.popitem(last=False)

    def answer(self, room: Room | None, iq: IQ) -> IQ | None:
        """An answer, as the asker gets it; None for what nobody has asked."""
        waiting = self._waiting.get(iq.id or "")
        if waiting is None or waiting.asked.bare != iq.from_.bare:
            return None
        del self._waiting[iq.id or ""]
        if room is None or waiting.room != room.name or waiting.asker not in room.sessions:
            return None
        hidden = not room.sees_addresses(room.sessions[waiting.asker])
        made = iq.copy(to=waiting.asker, from_=waiting.as_occupant, id=waiting.id)
        if hidden or iq.type == "error":
            made = made.copy(children=[_without_address(child) for child in made.children])
        return made


def _outside(iq: IQ) -> StanzaError:
    """§6.6; XEP-0410 §3.2: the client takes not-acceptable as "you are not inside"."""
    if iq.has(ns.DISCO_INFO) or iq.has(ns.DISCO_ITEMS):
        return StanzaError("bad-request", "only occupants may ask occupants")
    return StanzaError("not-acceptable", "only occupants may ask occupants", type="cancel")


def _without_address(child: Element) -> Element:
    """The payload of an answer without who it is from: an error says who found it, a card may
    name the address (XEP-0054 §3).
    """
    if (child.ns, child.name) == (ns.CLIENT, "error") and "by" in child.attrs:
        attrs = {name: value for name, value in child.attrs.items() if name != "by"}
        return Element(child.ns, child.name, attrs, *child.children)
    if child.ns == VCARD:
        kept = [
            part for part in child.children if isinstance(part, str) or part.name != "JABBERID"
        ]
        return Element(child.ns, child.name, child.attrs, *kept)
    return child
