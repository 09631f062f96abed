"""Roles and affiliations, asked for and changed: muc#admin (XEP-0045 §8.2 to §8.5, §9, §10.3).

A set holds only what shall change, and is done whole or not at all. Affiliations are stored first:
`read_*` checks and says what shall be, `apply_*` does it when that is durable.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from xmppd.api import JID, Copies, Element, JIDError, Message, StanzaError, jid
from xmppd.modules.muc import entering, inviting, versions
from xmppd.modules.muc.config import may_see_members
from xmppd.modules.muc.names import (
    ADMIN,
    AFFILIATIONS,
    USER,
    Affiliation,
    Outgoing,
    Role,
    affiliation_of,
    folded,
    role_of,
)
from xmppd.modules.muc.presences import Why, announce, gone, item, roll, status
from xmppd.modules.muc.privileges import Person, check_affiliation, check_role, role_after
from xmppd.modules.muc.room import Occupant, Room, Standing

MOST_ITEMS = 1000
MOST_REASON = 1000  # characters


def _without(what: Outgoing, out: set[JID]) -> Outgoing | None:
    """What is left of it for those who are not `out`."""
    if not isinstance(what, Copies):
        return None if what.to in out else what
    left = [to for to in what.jids if to not in out]
    return what.among(left) if left else None


@dataclass(slots=True)
class Outcome:
    """What is to be sent: `first` to those who are removed, then the asker's result, then
    `rest` (§8.2, §9.1).
    """

    first: list[Outgoing] = field(default_factory=list)
    rest: list[Outgoing] = field(default_factory=list)
    outside: list[Outgoing] = field(default_factory=list)  # to people who are not in the room
    out: list[tuple[Occupant, JID]] = field(default_factory=list)  # sessions not inside any more

    @property
    def news(self) -> list[Outgoing]:
        """The rest, for those who are still inside."""
        if not self.out:
            return self.rest
        out = {session for _, session in self.out}
        return [left for each in self.rest if (left := _without(each, out)) is not None]

    def add(self, other: "Outcome") -> None:
        self.first += other.first
        self.rest += other.rest
        self.outside += other.outside
        self.out += other.out


@dataclass(frozen=True, slots=True)
class RoleChange:
    occupant: Occupant
    role: Role
    why: Why


@dataclass(frozen=True, slots=True)
class Change:
    """Of one user's affiliation, or of the nickname that is reserved."""

    user: JID
    old: Affiliation
    new: Standing
    why: Why = field(default_factory=Why)


def person(room: Room, who: JID) -> Person:
    """Whoever asks: by the session's role and the user's affiliation."""
    occupant = room.sessions.get(who)
    role = Role.NONE if occupant is None else occupant.role
    if occupant is None:
        role = max((each.role for each in room.present(who.bare)), default=Role.NONE)
    return Person(who.bare, room.affiliation(who.bare), role)


# Lists


def listing(room: Room, asker: JID, query: Element) -> Element:
    """The list that one `<item/>` asks for: a role's or an affiliation's (§8.5, §9.2, §9.5, §9.8,
    §10.5, §10.8). Raises bad-request, forbidden.
    """
    asked = query.all(ADMIN, "item")
    if len(asked) != 1:
        raise StanzaError("bad-request", "one list is asked for by one item")
    who = person(room, asker)
    if asked[0].get("role") is not None and asked[0].get("affiliation") is None:
        items = _in_role(room, who, role_of(asked[0].get("role")))
    else:
        items = _having(room, who, affiliation_of(asked[0].get("affiliation")))
    return Element(ADMIN, "query", None, *items)


def _in_role(room: Room, who: Person, role: Role) -> list[Element]:
    if who.role is not Role.MODERATOR and who.affiliation < Affiliation.ADMIN:
        raise StanzaError("forbidden", "only moderators see these lists")
    if role is Role.MODERATOR and who.affiliation < Affiliation.ADMIN:
        raise StanzaError("forbidden", "only admins see the list of moderators")
    return [
        item(room.affiliation(each.user), role, address=each.shown, nick=each.nick, ns_=ADMIN)
        for each in room.occupants.values()
        if each.role is role
    ]


def _having(room: Room, who: Person, affiliation: Affiliation) -> list[Element]:
    if affiliation is Affiliation.OUTCAST and who.affiliation < Affiliation.ADMIN:
        raise StanzaError("forbidden", "only admins see who is banned")
    if not may_see_members(room.config, who.affiliation, who.role):
        raise StanzaError("forbidden", "you may not see this list")
    made = []
    for user in room.having(affiliation):
        standing = room.standings[user]
        entry = item(affiliation, address=user, nick=standing.nick, ns_=ADMIN)
        if affiliation is Affiliation.OUTCAST and standing.reason:
            entry.append(Element(ADMIN, "reason", None, standing.reason))
        made.append(entry)
    return made


def length(room: Room, query: Element) -> int:
    """How many items a list would have, before it is made."""
    wanted = [each.get("affiliation") or "" for each in query.all(ADMIN, "item")]
    affiliation = AFFILIATIONS.get(wanted[0]) if wanted else None
    if affiliation is None:
        return len(room.occupants)
    return sum(1 for each in room.standings.values() if each.affiliation is affiliation)


# Changes, read and checked


def items_of(query: Element) -> list[Element]:
    """Raises bad-request where there is nothing to do, or where an item says both (§15.4)."""
    items = query.all(ADMIN, "item")
    if not items or len(items) > MOST_ITEMS:
        raise StanzaError("bad-request", f"1 to {MOST_ITEMS} items are wanted")
    for each in items:
        if (each.get("role") is None) == (each.get("affiliation") is None):
            raise StanzaError("bad-request", "an item has either a role or an affiliation")
    return items


def read_roles(room: Room, actor: JID, items: Iterable[Element]) -> list[RoleChange]:
    """Raises what forbids any of them."""
    who = person(room, actor)
    changes = []
    for each in items:
        if each.get("role") is None:
            continue
        new = role_of(each.get("role"))
        if who.role is not Role.MODERATOR and who.affiliation < Affiliation.ADMIN:
            raise StanzaError("forbidden", "only moderators change roles")
        occupant = _named(room, each)
        target = Person(occupant.user, room.affiliation(occupant.user), occupant.role)
        check_role(who, target, new)
        changes.append(RoleChange(occupant, new, _why(room, actor, each)))
    return changes


def _named(room: Room, each: Element) -> Occupant:
    nick = each.get("nick")
    if not nick:
        raise StanzaError("bad-request", "a role is changed by nickname")
    occupant = room.occupant(nick)
    if occupant is None:
        raise StanzaError("item-not-found", f"{nick} is not in this room")
    return occupant


def read_affiliations(room: Room, actor: JID, items: Iterable[Element]) -> list[Change]:
    """Raises what forbids any of them; conflict where the last owner would be gone."""
    who = person(room, actor)
    changes: dict[JID, Change] = {}
    for each in items:
        if each.get("affiliation") is None:
            continue
        new = affiliation_of(each.get("affiliation"))
        if who.affiliation < Affiliation.ADMIN:
            raise StanzaError("forbidden", "only admins and owners change affiliations")
        user = _addressed(room, each, new)
        old = room.affiliation(user)
        check_affiliation(who, user, old, new)
        nick = _reserved(room, user, new, each)
        why = _why(room, actor, each)
        changes[user] = Change(user, old, Standing(new, nick, why.reason), why)
    check_owners(room, changes.values())
    return list(changes.values())


def _addressed(room: Room, each: Element, new: Affiliation) -> JID:
    """Whom an item is about: by JID, of which the bare one counts; or by nickname, as older
    clients do.
    """
    text = each.get("jid")
    if not text:
        return _named(room, each).user
    try:
        user = jid(text).bare
    except JIDError as fault:
        raise StanzaError("jid-malformed", str(fault)) from None
    if not user.local and new > Affiliation.NONE:
        raise StanzaError("bad-request", "a whole domain can only be banned")
    return user


def _reserved(room: Room, user: JID, new: Affiliation, each: Element) -> str:
    """The nickname that goes with it: members may be given one; who is out keeps none (§9.1)."""
    if new <= Affiliation.NONE:
        return ""
    nick = each.get("nick")
    if nick is None or (each.get("jid") is None):
        return room.nick_of(user)
    if nick:
        check_reservable(room, nick, user)
    return nick


def check_reservable(room: Room, nick: str, user: JID) -> str:
    """The nickname in its prepared form. Raises jid-malformed, conflict (§7.10)."""
    try:
        prepared = room.jid.with_resource(nick).resource
    except JIDError as fault:
        raise StanzaError("jid-malformed", str(fault)) from None
    room.check_nick(prepared, user)
    return prepared


def check_owners(room: Room, changes: Iterable[Change]) -> None:
    """Every room has an owner (§10). Raises conflict."""
    owners = set(room.having(Affiliation.OWNER))
    had = bool(owners)
    for change in changes:
        owners.discard(change.user)
        if change.new.affiliation is Affiliation.OWNER:
            owners.add(change.user)
    if had and not owners:
        raise StanzaError("conflict", "the room needs an owner")


def _why(room: Room, actor: JID, each: Element) -> Why:
    occupant = room.sessions.get(actor)
    reason = (each.child_text(ADMIN, "reason") or "").strip()[:MOST_REASON]
    return Why(actor="" if occupant is None else occupant.nick, reason=reason)


# Changes, done


def apply_roles(room: Room, changes: Iterable[RoleChange]) -> Outcome:
    """§8.2 to §8.4, §9.6, §9.7."""
    outcome = Outcome()
    for change in changes:
        if room.occupants.get(folded(change.occupant.nick)) is not change.occupant:
            continue  # named twice, and gone already
        if change.role is Role.NONE:
            outcome.add(kick(room, change.occupant, change.why))
        else:
            room.remember_voice(change.occupant.user, change.role)
            outcome.rest += in_role(room, change.occupant, change.role, change.why)
    return outcome


def in_role(room: Room, occupant: Occupant, role: Role, why: Why) -> list[Outgoing]:
    """All are told of the role. Who becomes a moderator sees addresses from then on."""
    told: list[Outgoing] = []
    saw = room.sees_addresses(occupant)
    said = occupant.sessions[occupant.shown]
    if room.shows(occupant) and not room.shows(occupant, role):
        told += gone(room, occupant, said.copy(children=()), session=occupant.shown)
    occupant.role = role
    occupant.changed()
    told += announce(room, occupant, why)
    if room.sees_addresses(occupant) and not saw:
        for session in occupant.sessions:
            told += roll(room, session, occupant, address=True)
    return told


def kick(room: Room, occupant: Occupant, why: Why) -> Outcome:
    """Out with it (§8.2)."""
    outcome = Outcome()
    _out(room, outcome, occupant, replace(why, codes=("307",)), None)
    return outcome


def apply_affiliations(room: Room, changes: Iterable[Change], *, quiet: bool = False) -> Outcome:
    """Take over what is stored now, tell all, and those who are not there too (§9.1 to §10.8);
    `quiet`: who is not there hears of it otherwise.
    """
    outcome = Outcome()
    for change in changes:
        room.stand(change.user, change.new)
        if change.new.affiliation is change.old:
            continue
        counted = room.versions.bump(change.user)
        if room.versioned:
            change = replace(change, why=replace(change.why, versions=counted))
        room.voices.pop(change.user, None)
        there = room.present(change.user)
        for occupant in there:
            _affect(room, outcome, occupant, change)
        if not there and change.user.local:
            outcome.outside += [] if quiet else _tell_absent(room, change)
            outcome.rest += _tell_of_absent(room, change)
    return outcome


def _affect(room: Room, outcome: Outcome, occupant: Occupant, change: Change) -> None:
    """What becomes of an occupant with a new affiliation."""
    affiliation = room.affiliation(occupant.user)
    if affiliation is Affiliation.OUTCAST:
        why = replace(change.why, codes=("301",))
        _out(room, outcome, occupant, why, affiliation)
    elif room.config.members_only and affiliation is Affiliation.NONE:
        _out(room, outcome, occupant, replace(change.why, codes=("321",)), affiliation)
    else:
        default = room.default_role(affiliation)
        role = role_after(occupant.role, affiliation, default)
        outcome.rest += in_role(room, occupant, role, change.why)


def _out(
    room: Room, outcome: Outcome, occupant: Occupant, why: Why, affiliation: Affiliation | None
) -> None:
    outcome.out += [(occupant, session) for session in occupant.sessions]
    own, rest = entering.remove(room, occupant, why, affiliation)
    outcome.first += own
    outcome.rest += rest


def outsiders_out(room: Room) -> Outcome:
    """The room is for members only from now on: all others are out (§10.2)."""
    outcome = Outcome()
    for occupant in list(room.occupants.values()):
        if room.affiliation(occupant.user) < Affiliation.MEMBER:
            _out(room, outcome, occupant, Why(codes=("322",)), None)
    return outcome


def _tell_absent(room: Room, change: Change) -> list[Outgoing]:
    """The user is told (§14.1, status 101) or invited (§9.5)."""
    new = change.new.affiliation
    if room.config.members_only and change.old < Affiliation.MEMBER <= new:
        return [inviting.invitation(room, change.user, room.jid, [])]
    about = item(new, why=Why(reason=change.why.reason))
    x = Element(USER, "x", None, about, *status("101"))
    return [Message(change.user, room.jid, "normal", None, x)]


def _tell_of_absent(room: Room, change: Change) -> list[Outgoing]:
    """Occupants are told who has become what, as far as they may see the address (§10.3)."""
    new = change.new.affiliation
    about = item(new, Role.NONE, address=change.user, nick=change.new.nick)
    x = Element(USER, "x", None, about)
    if change.why.versions is not None:
        x.append(versions.element(change.why.versions[1], change.why.versions[0]))
    news = Message(room.jid, room.jid, "normal", None, x)
    seeing = [each for each in room.occupants.values() if room.sees_addresses(each)]
    return [news.copies(s for occupant in seeing for s in occupant.sessions)]
