"""Coming, changing name or presence, and going (XEP-0045 §7.1 to §7.7, §7.14, §12.1).

Functions of a room that change it and return what must be sent, in this order.
"""

import hmac
from dataclasses import dataclass

from xmppd.api import JID, Element, Message, Presence, StanzaError, delay
from xmppd.modules.muc import versions
from xmppd.modules.muc.config import may_see_members
from xmppd.modules.muc.history import Asked
from xmppd.modules.muc.names import MUC, USER, Affiliation, Outgoing, Role, is_same
from xmppd.modules.muc.presences import (
    PLAIN,
    Why,
    announce,
    cleaned,
    current,
    farewell,
    gone,
    item,
    roll,
    status,
    to_others,
)
from xmppd.modules.muc.room import EXTRA_SEATS, Occupant, Room, subject_element

LOST = Why(codes=("333",))
MOST_SESSIONS = 20  # of one occupant
MOST_NICKS = 10  # of one user


@dataclass(frozen=True, slots=True)
class Entry:
    """What a client wants that sends available presence to a nickname."""

    presence: Presence  # without what only the room may say
    syncs: bool  # it says that it speaks the protocol: it enters, or has lost track (§7.1.1)
    password: str
    history: Asked
    versions: str | None = None  # of affiliations that it knows; "" wants all (XEP-0463)

    @property
    def session(self) -> JID:
        return self.presence.from_

    @property
    def nick(self) -> str:
        return self.presence.to.resource


def read(presence: Presence) -> Entry:
    """Raises bad-request for what is malformed, jid-malformed without a nickname."""
    room, x = presence.to.bare, presence.child(MUC, "x")
    if not presence.to.resource:
        raise StanzaError("jid-malformed", "a nickname is needed")
    _ = presence.priority
    wish = None if x is None else x.child(MUC, "history")
    asked = Asked() if wish is None else Asked.from_element(wish)
    asked.check()
    password = "" if x is None else (x.child_text(MUC, "password") or "")
    known = None if x is None else x.child(versions.NS, "mav")
    since = None if known is None else known.get("since") or ""
    return Entry(cleaned(presence, room), x is not None, password, asked, since)


def not_inside(presence: Presence) -> Presence:
    """To who speaks as an occupant and is none: it has lost track, and must enter (§7.1.15)."""
    about = item(Affiliation.NONE, Role.NONE)
    x = Element(USER, "x", None, about, *status("110", "307", "333"))
    return Presence(presence.from_, presence.to, "unavailable", presence.id, x)


def refusal(presence: Presence, problem: StanzaError) -> Presence:
    """Why somebody does not get in, or not under that name: with `<x/>` as in the examples of
    §7.2, by which slixmpp knows what the error is about.
    """
    problem.by = presence.to.bare
    x = Element(MUC, "x")
    return Presence(presence.from_, presence.to, "error", presence.id, x, problem.element())


def probed(room: Room, probe: Presence) -> list[Outgoing]:
    """Who is inside may ask for an occupant's presence again, or whether the room is there
    (§15.3 rule 4): all that its user's sessions see. Others are told nothing.
    """
    session = probe.from_
    mine = room.sessions.get(session) or next(iter(room.present(session.bare)), None)
    if mine is None:
        return []
    if not probe.to.resource:
        return [Presence(session, room.jid)]
    asked = room.occupant(probe.to.resource)
    if asked is None:
        return [Presence(session, probe.to, "unavailable")]
    if asked is not mine and not room.shows(asked):
        return []
    return [current(room, asked, address=room.sees_addresses(mine)).copy(to=session)]


# Coming


def arrive(room: Room, entry: Entry, codes: tuple[str, ...] = ()) -> list[Outgoing]:
    """Available presence to a nickname, from inside or outside. Raises what the sender is told."""
    inside = room.sessions.get(entry.session)
    if inside is None:
        if not entry.syncs:
            return [not_inside(entry.presence)]
        return _enter(room, entry, codes)
    same = entry.nick == inside.nick
    told = update(room, inside, entry) if same else rename(room, inside, entry)
    return told + _greeting(room, entry, ()) if entry.syncs else told  # it has lost track


def check(room: Room, entry: Entry, nick: str) -> None:
    """May this user enter, under this name? Raises the errors of §7.2.16."""
    user = entry.session.bare
    affiliation = room.affiliation(user)
    if room.locked and affiliation is not Affiliation.OWNER:
        raise StanzaError("item-not-found", "the room is not configured yet")
    if affiliation is Affiliation.OUTCAST:
        raise StanzaError("forbidden", "you are banned from this room")
    if room.config.members_only and affiliation < Affiliation.MEMBER:
        raise StanzaError("registration-required", "only members may enter")
    if room.config.protected and not _same(entry.password, room.config.password):
        raise StanzaError("not-authorized", "the password is missing or wrong")
    room.check_nick(nick, user)
    _check_seats(room, user, nick, affiliation)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _check_seats(room: Room, user: JID, nick: str, affiliation: Affiliation) -> None:
    mine = room.present(user)
    there = next((o for o in mine if o.nick == nick), None)
    if there is not None:
        if len(there.sessions) >= MOST_SESSIONS:
            raise StanzaError("resource-constraint", "too many sessions under this nickname")
        return
    if len(mine) >= MOST_NICKS:  # a server invents as many resources as it wants
        raise StanzaError("resource-constraint", "you are here under too many names")
    extra = EXTRA_SEATS if affiliation >= Affiliation.ADMIN else 0
    most = room.config.max_users
    if most and len(room.occupants) >= most + extra:
        raise StanzaError("service-unavailable", "the room is full", type="wait")


def _nick(room: Room, entry: Entry) -> str:
    """Under which name the client is let in: the reserved one where names are locked (§7.1.3),
    and that of the user's other sessions where it differs in nothing that can be seen.
    """
    user = entry.session.bare
    locked = room.nick_of(user) if room.config.lock_nicks else ""
    if locked:
        return locked
    return next((o.nick for o in room.present(user) if is_same(o.nick, entry.nick)), entry.nick)


def _enter(room: Room, entry: Entry, codes: tuple[str, ...]) -> list[Outgoing]:
    user, nick = entry.session.bare, _nick(room, entry)
    check(room, entry, nick)
    if nick != entry.nick:
        codes += ("210",)
    occupant = room.seat(nick, user, room.role_at_entry(user))
    first = not occupant.sessions
    room.sessions[entry.session] = occupant
    shown = occupant.put(entry.session, entry.presence)
    told = _greeting(room, entry, codes)
    if first or not shown:
        return (to_others(room, occupant) if first else []) + told
    rest = [session for session in occupant.sessions if session != entry.session]
    return announce(room, occupant, to=rest) + told


def _greeting(room: Room, entry: Entry, codes: tuple[str, ...]) -> list[Outgoing]:
    """All that who enters is told, in the order of §7.1: others, self, history, subject."""
    occupant = room.sessions[entry.session]
    if not room.config.anonymous:
        codes += ("100",)
    if room.config.logging:
        codes += ("170",)
    told = [] if entry.versions is None else affiliations(room, entry, occupant)
    told += roll(room, entry.session, occupant, address=room.sees_addresses(occupant))
    own = [entry.session]
    until = None if entry.versions is None else (None, room.versions.current)
    why = Why(own=codes, versions=until)
    told += announce(room, occupant, why, to=own, id=entry.presence.id, others=False)
    told += room.tail.newest(entry.history, room.config.history, room.jid, entry.session)
    told.append(subject(room, entry.session))
    return told


def affiliations(room: Room, entry: Entry, occupant: Occupant) -> list[Outgoing]:
    """Who has which affiliation, or what of it has changed (XEP-0463 §5.2). For who may not see
    that, an error.
    """
    room.versioned = True
    mine = room.affiliation(occupant.user)
    if not may_see_members(room.config, mine, occupant.role):
        problem = StanzaError("forbidden", "you may not see the affiliations", by=room.jid)
        return [Message(entry.session, room.jid, "error", entry.presence.id, problem.element())]
    since = entry.versions or ""
    changed = room.versions.since(since) if since else None
    if changed is not None and not changed:
        return []
    users = [*room.standings] if changed is None else changed
    if mine < Affiliation.ADMIN:  # nor who is banned (§9.2)
        users = [u for u in users if room.affiliation(u) is not Affiliation.OUTCAST]
    begin = None if changed is None else since
    items = [item(room.affiliation(user), address=user) for user in users]
    parts = versions.parts(items, room.versions.current, begin)
    marked = [Element(USER, "x", None, mark, *part) for mark, part in parts]
    return [Message(entry.session, room.jid, "", None, x) for x in marked]


def subject(room: Room, to: JID) -> Message:
    """The present subject, for who enters (§7.1.12); empty if there is none."""
    known = room.subject
    said = list(known.elements) or [subject_element()]
    when = [delay(known.at, room.jid)] if known.at is not None else []
    return Message(to, known.by or room.jid, "groupchat", None, *said, *when)


# Being there


def update(room: Room, occupant: Occupant, entry: Entry) -> list[Outgoing]:
    """Another presence of a session (§7.7). Its own client always hears of it, unless it asked
    for everything anyhow.
    """
    before = occupant.sessions[entry.session]
    shown = occupant.put(entry.session, entry.presence)
    if entry.syncs and before.raw == entry.presence.raw:
        return []  # it has nothing new to say
    if not shown:
        own = [] if entry.syncs else [entry.session]
        return announce(room, occupant, to=own, id=entry.presence.id, others=False)
    rest = [session for session in occupant.sessions if session != entry.session]
    told = announce(room, occupant, to=rest)
    if entry.syncs:
        return told
    own = [entry.session]
    return told + announce(room, occupant, to=own, id=entry.presence.id, others=False)


def rename(room: Room, occupant: Occupant, entry: Entry) -> list[Outgoing]:
    """The session takes another nickname (§7.6); other sessions of the occupant keep theirs.
    Raises conflict, not-acceptable where names are locked, jid-malformed.
    """
    user, nick = occupant.user, entry.nick
    locked = room.nick_of(user) if room.config.lock_nicks else ""
    if locked and nick != locked:
        raise StanzaError("not-acceptable", "members keep their nickname in this room")
    room.check_nick(nick, user)
    real = occupant.shown
    was_shown = real == entry.session
    # To those who see it go under the old name: leave the seat first, so that a change of case
    # alone finds the name free.
    room.unseat(entry.session)
    last = not occupant.sessions
    renamed = Why(codes=("303",), nick=nick)
    said = Presence(room.jid, entry.session, "unavailable")
    told: list[Outgoing] = []
    if last:
        told += gone(room, occupant, said, renamed, session=real)
    told.append(farewell(room, occupant, said, renamed, None, entry.session, "110"))
    told[-1] = told[-1].copy(to=entry.session)
    if not last and was_shown:
        told += announce(room, occupant)
    told += _under(room, entry, nick, occupant.role)
    if not last and room.shows(occupant):  # the old name is another's now, to this session
        known = room.sees_addresses(room.sessions[entry.session])
        told.append(current(room, occupant, address=known).copy(to=entry.session))
    return told


def _under(room: Room, entry: Entry, nick: str, role: Role) -> list[Outgoing]:
    """Take the seat under the new name, which may be that of another session of the user."""
    known = room.present(entry.session.bare)
    nick = next((o.nick for o in known if is_same(o.nick, nick)), nick)
    own = ("210",) if nick != entry.nick else ()
    occupant = room.seat(nick, entry.session.bare, role)
    first = not occupant.sessions
    room.sessions[entry.session] = occupant
    shown = occupant.put(entry.session, entry.presence)
    told = to_others(room, occupant) if first or shown else []
    rest = [session for session in occupant.sessions if session != entry.session]
    if rest and shown:
        told += announce(room, occupant, to=rest, others=False)
    mine = [entry.session]
    return told + announce(
        room, occupant, Why(own=own), to=mine, id=entry.presence.id, others=False
    )


# Going


def leave(room: Room, session: JID, said: Presence, why: Why = PLAIN) -> list[Outgoing]:
    """One session goes, by itself (§7.14) or because it cannot be reached (§12.1)."""
    occupant = room.sessions.get(session)
    if occupant is None:
        return []
    real = occupant.shown
    _, changed = room.unseat(session)
    said = _parting(said, room.jid)
    own = farewell(room, occupant, said, why, None, session, "110")
    told: list[Outgoing] = [own.copy(to=session, id=said.id)]
    if not occupant.sessions:
        return told + gone(room, occupant, said, why, session=real)
    return told + announce(room, occupant) if changed else told


def _parting(said: Presence, room: JID) -> Presence:
    """Who goes goes, whatever it says; what is malformed is not passed on."""
    try:
        _ = said.priority
    except StanzaError:
        return said.copy(children=())
    return cleaned(said, room)


def lose(room: Room, session: JID) -> list[Outgoing]:
    """A session that stanzas do not reach is out, with status 333."""
    return leave(room, session, Presence(room.jid, session, "unavailable"), LOST)


def remove(
    room: Room, occupant: Occupant, why: Why, affiliation: Affiliation | None = None
) -> tuple[list[Outgoing], list[Outgoing]]:
    """All sessions of an occupant are out: what they are told, and what the rest is told (§8.2,
    §9.1). `affiliation` is what it has become.
    """
    sessions, real = list(occupant.sessions), occupant.shown
    for session in sessions:
        room.unseat(session)
    said = Presence(room.jid, real, "unavailable")
    own: list[Outgoing] = []
    for session in sessions:
        parting = farewell(room, occupant, said, why, affiliation, session, "110")
        own.append(parting.copy(to=session))
    return own, gone(room, occupant, said, why, affiliation=affiliation, session=real)


def destroy(room: Room, venue: Element) -> list[Outgoing]:
    """The room is gone: one presence to each session, with `<destroy/>` (§10.9)."""
    told: list[Outgoing] = []
    for session, occupant in room.sessions.items():
        about = item(Affiliation.NONE, Role.NONE)
        x = Element(USER, "x", None, about, venue, *status("110"))
        told.append(Presence(session, occupant.jid, "unavailable", None, x))
    room.sessions.clear()
    room.occupants.clear()
    room.users.clear()
    room.destroyed = True
    return told


def close(room: Room) -> list[Outgoing]:
    """The service shuts down (§12.2)."""
    why = Why(codes=("332",))
    told: list[Outgoing] = []
    for session, occupant in room.sessions.items():
        said = Presence(room.jid, session, "unavailable")
        parting = farewell(room, occupant, said, why, None, session, "110")
        told.append(parting.copy(to=session))
    return told
