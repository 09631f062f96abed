"""How the room shows who is there: presence with `<x xmlns='...muc#user'/>` (XEP-0045 §7.2.3)."""

from collections.abc import Iterable
from dataclasses import dataclass

from xmppd.api import JID, Element, Presence, ns
from xmppd.modules.muc import hats, versions
from xmppd.modules.muc.names import MUC, OCCUPANT_ID, RETRACTED, USER, Affiliation, Outgoing, Role
from xmppd.modules.muc.room import Occupant, Room

# What only the room says, whoever sends it (§15.3; XEP-0421 §4); by expanded name.
RESERVED = frozenset((USER, MUC, OCCUPANT_ID, hats.NS))

ADDRESSES = ("http://jabber.org/protocol/address", "addresses")  # XEP-0033
ADDRESSED = frozenset(("delay", "stanza-id", "addresses"))


@dataclass(frozen=True, slots=True)
class Why:
    """What else is to be said: status codes for all and for the occupant itself, who has done
    it, why, and the nickname to come (§7.6).
    """

    codes: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    actor: str = ""  # a nickname
    reason: str = ""
    nick: str = ""
    versions: tuple[str | None, str] | None = None  # of affiliations, before and after (XEP-0463)


PLAIN = Why()


def cleaned(presence: Presence, room: JID) -> Presence:
    """What a client says of itself, without what only the room may say, and without what its
    server may have added that tells its address.
    """
    if not any(of in RESERVED or name in ADDRESSED for of, name in presence.payloads):
        return presence
    sender = presence.from_.bare
    return presence.copy(without=lambda c: is_forged(c, room) or tells_sender(c, sender))


def is_forged(child: Element, room: JID) -> bool:
    """Whether it is something that the room alone says."""
    if child.ns in RESERVED or (child.ns, child.name) == RETRACTED:
        return True
    if (child.ns, child.name) == (ns.STANZA_IDS, "stanza-id"):
        return child.get("by") == room
    if (child.ns, child.name) == ADDRESSES:  # who has said something is told by rooms (§7.2.13)
        return any(each.get("type") == "ofrom" for each in child.elements)
    return (child.ns, child.name) == (ns.DELAY, "delay") and _bare(child.get("from")) == room


def tells_sender(child: Element, sender: JID) -> bool:
    """Whether it is a note on the way here with the address of who has sent the stanza."""
    if child.name not in ADDRESSED or child.ns not in (ns.DELAY, ns.STANZA_IDS):
        return False
    return sender in (_bare(child.get("from")), _bare(child.get("by")))


def _bare(text: str | None) -> str:
    return (text or "").partition("/")[0]


def status(*codes: str) -> list[Element]:
    return [Element(USER, "status", {"code": code}) for code in codes]


def item(
    affiliation: Affiliation,
    role: Role | None = None,
    *,
    address: JID | None = None,
    nick: str = "",
    why: Why = PLAIN,
    ns_: str = USER,
) -> Element:
    """`<item/>`, with the real JID `address` where it may be seen."""
    made = Element(ns_, "item", {"affiliation": affiliation.word})
    if role is not None:
        made.attrs["role"] = role.word
    if address is not None:
        made.attrs["jid"] = address
    if nick:
        made.attrs["nick"] = nick
    if why.actor:
        made.append(Element(ns_, "actor", {"nick": why.actor}))
    if why.reason:
        made.append(Element(ns_, "reason", None, why.reason))
    return made


def current(room: Room, occupant: Occupant, *, address: bool) -> Presence:
    """The occupant's presence as others see it; written once, until something changes."""
    known = occupant.presences.get(address)
    if known is None:
        known = occupant.presences[address] = _available(room, occupant, address, PLAIN, ())
        _ = known.raw
    return known


def _available(
    room: Room, occupant: Occupant, address: bool, why: Why, codes: Iterable[str]
) -> Presence:
    real = occupant.shown if address else None
    about = item(room.affiliation(occupant.user), occupant.role, address=real, why=why)
    said = occupant.sessions[occupant.shown]
    return _made(room, occupant, said, "", about, codes, why)


def _made(
    room: Room,
    occupant: Occupant,
    said: Presence,
    type_: str,
    about: Element,
    codes: Iterable[str],
    why: Why = PLAIN,
) -> Presence:
    x = Element(USER, "x", None, about, *status(*codes))
    if why.versions is not None:
        x.append(versions.element(why.versions[1], why.versions[0]))
    added = [x, Element(OCCUPANT_ID, "occupant-id", {"id": occupant.id})]
    worn = room.hats.of(occupant.user) if room.hats else None
    if worn is not None:
        added.append(worn)
    made = said.copy(to=room.jid, from_=occupant.jid, type=type_, id=None, add=added)
    made.directed = True
    return made


def announce(
    room: Room,
    occupant: Occupant,
    why: Why = PLAIN,
    *,
    to: Iterable[JID] | None = None,
    id: str | None = None,
    others: bool = True,
) -> list[Outgoing]:
    """The occupant's presence as it is now: to all others who may see it, and last to its own
    sessions (`to`: to these of them), with status 110 and the stanza's `id`.
    """
    told = to_others(room, occupant, why) if others else []
    own = _available(room, occupant, True, why, (*why.codes, "110", *why.own))
    told += own.copy(id=id).copies(occupant.sessions if to is None else to)
    return told


def to_others(room: Room, occupant: Occupant, why: Why = PLAIN) -> list[Outgoing]:
    """The occupant's presence to all sessions of others."""
    if not room.shows(occupant):
        return []
    told: list[Outgoing] = []
    for address, sessions in zip((True, False), room.others(occupant), strict=True):
        if sessions and (why.codes or why.reason or why.actor or why.versions):
            told.append(_available(room, occupant, address, why, why.codes).copies(sessions))
        elif sessions:
            told.append(current(room, occupant, address=address).copies(sessions))
    return told


def roll(room: Room, to: JID, but: Occupant, *, address: bool) -> list[Outgoing]:
    """The presence of everybody else, for one session (§7.2.3)."""
    if room.config.quiet:
        there = [each for each in room.occupants.values() if each is not but and room.shows(each)]
        return [current(room, each, address=address).copy(to=to) for each in there]
    shown = {role for role in Role if role.word in room.config.broadcast}
    return [
        current(room, occupant, address=address).copy(to=to)
        for occupant in room.occupants.values()
        if occupant.role in shown and occupant is not but
    ]


def gone(
    room: Room,
    occupant: Occupant,
    said: Presence,
    why: Why = PLAIN,
    *,
    affiliation: Affiliation | None = None,
    session: JID | None = None,
) -> list[Outgoing]:
    """To all others: the occupant is not there any more (§7.14), or not under this name (§7.6).
    `session` is the real JID that it had.
    """
    if not room.shows(occupant):
        return []
    told: list[Outgoing] = []
    for address, sessions in zip((True, False), room.others(occupant), strict=True):
        if sessions:
            real = session if address else None
            made = farewell(room, occupant, said, why, affiliation, real)
            told.append(made.copies(sessions))
    return told


def farewell(
    room: Room,
    occupant: Occupant,
    said: Presence,
    why: Why,
    affiliation: Affiliation | None = None,
    address: JID | None = None,
    *codes: str,
) -> Presence:
    """Unavailable presence; who changes the nickname only keeps the role (§7.6)."""
    if affiliation is None:
        affiliation = room.affiliation(occupant.user)
    role = occupant.role if why.nick else Role.NONE
    about = item(affiliation, role, address=address, nick=why.nick, why=why)
    return _made(room, occupant, said, "unavailable", about, (*why.codes, *codes), why)
