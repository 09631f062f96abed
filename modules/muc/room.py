"""A room's state, and what is asked of it on the way of each stanza. No I/O.

The other files' functions change it and return the stanzas to be sent, in their order.
"""

import hmac
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar
from xml.sax.saxutils import escape

from twisted.internet.defer import DeferredLock

from xmppd.api import JID, Element, Presence, StanzaError, ns
from xmppd.modules.muc.config import Config
from xmppd.modules.muc.hats import Hats
from xmppd.modules.muc.history import Tail
from xmppd.modules.muc.names import OCCUPANT_ID, Affiliation, Role, folded
from xmppd.modules.muc.versions import Versions

K = TypeVar("K")
V = TypeVar("V")
SHOWS: Final = {"chat": 4, "": 3, "away": 2, "xa": 1, "dnd": 0}  # who is most available
MOST_VOICES: Final = 1000  # roles that are remembered of who has left
MOST_ID: Final = 1023  # characters of a stanza's id that is remembered
EXTRA_SEATS: Final = 20  # for admins and owners of a full room (§7.2.9)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is stored of one user: never "none" without a nickname or reason to keep it."""

    affiliation: Affiliation
    nick: str = ""  # reserved (§7.10)
    reason: str = ""


@dataclass(slots=True)
class Subject:
    """The subject, and who set it when (§7.2.15); both None where nobody ever did."""

    elements: tuple[Element, ...] = ()
    by: JID | None = None
    at: datetime | None = None


class Occupant:
    """Who is in the room under one nickname, with one or more sessions (§7.2.8)."""

    __slots__ = ("active", "id", "jid", "presences", "role", "sessions", "shown", "tag", "user")

    def __init__(self, jid: JID, user: JID, role: Role, id: str) -> None:
        self.jid = jid
        self.user = user
        self.role = role
        self.id = id
        self.tag = f"<occupant-id xmlns='{OCCUPANT_ID}' id='{id}'/>".encode()
        self.sessions: dict[JID, Presence] = {}  # by full JID; the last to speak is the last
        self.shown = user  # the session whose presence the others see
        self.active = False  # has said something
        self.presences: dict[bool, Presence] = {}  # as written, with and without the real JID

    @property
    def nick(self) -> str:
        return self.jid.resource

    def put(self, session: JID, presence: Presence) -> bool:
        """Take over what a session says; whether the others see another presence now."""
        self.sessions.pop(session, None)
        self.sessions[session] = presence
        return self._choose(session)

    def drop(self, session: JID) -> bool:
        """A session is gone; whether the others see another presence now."""
        del self.sessions[session]
        return self._choose(session)

    def _choose(self, changed: JID) -> bool:
        """The most available session is shown, of equals the last to speak."""
        before = self.shown
        rank = (-1000, 0)
        for session, presence in self.sessions.items():
            here = (presence.priority, SHOWS.get(presence.show, 3))
            if here >= rank:
                rank, self.shown = here, session
        self.changed()
        return self.shown != before or self.shown == changed

    def changed(self) -> None:
        """What is written about it is not true any more."""
        self.presences.clear()


@dataclass(eq=False)
class Room:
    """One room. `locked`: its owner has not configured it yet (§10.1)."""

    jid: JID
    secret: bytes
    config: Config = field(default_factory=Config)
    locked: bool = False
    created: int = 0  # microseconds since 1970; no two rooms have the same
    standings: dict[JID, Standing] = field(default_factory=dict)
    reserved: dict[str, JID] = field(default_factory=dict)  # by folded nickname
    subject: Subject = field(default_factory=Subject)
    tail: Tail = field(default_factory=Tail)
    occupants: dict[str, Occupant] = field(default_factory=dict)  # by folded nickname
    sessions: dict[JID, Occupant] = field(default_factory=dict)  # by full JID
    users: dict[JID, list[Occupant]] = field(default_factory=dict)  # by bare JID
    voices: OrderedDict[JID, Role] = field(default_factory=OrderedDict)
    invited: OrderedDict[JID, JID] = field(default_factory=OrderedDict)  # by whom
    applicants: OrderedDict[JID, str] = field(default_factory=OrderedDict)  # for which nickname
    # whose private messages and invitations an error may answer, by the bare JID that got them,
    # their id and whom they were from: the sender, and as whom it gets the error
    asked: OrderedDict[tuple[JID, str, JID], tuple[JID, JID]] = field(default_factory=OrderedDict)
    changing: DeferredLock = field(default_factory=DeferredLock)  # for what is stored first
    destroyed: bool = False
    vcard: str = ""  # of the room itself, with its avatar (XEP-0486)
    hats: Hats = field(default_factory=Hats)
    versions: Versions = field(default_factory=Versions)
    versioned: bool = False  # somebody inside counts them
    said_at: OrderedDict[JID, float] = field(default_factory=OrderedDict)  # for slow mode

    @property
    def name(self) -> str:
        return self.jid.local

    @property
    def empty(self) -> bool:
        return not self.sessions

    # Who is what

    def affiliation(self, user: JID) -> Affiliation:
        """Of a bare JID; a ban of its domain counts too (§9.2)."""
        standing = self.standings.get(user)
        if standing is not None and standing.affiliation is not Affiliation.NONE:
            return standing.affiliation
        if user.local and self.is_banned(JID("", user.domain, "")):
            return Affiliation.OUTCAST
        return Affiliation.NONE

    def is_banned(self, user: JID) -> bool:
        standing = self.standings.get(user)
        return standing is not None and standing.affiliation is Affiliation.OUTCAST

    def nick_of(self, user: JID) -> str:
        """The nickname reserved for this bare JID; "" for none."""
        standing = self.standings.get(user)
        return standing.nick if standing is not None else ""

    def having(self, affiliation: Affiliation) -> list[JID]:
        """All bare JIDs with that affiliation, the longest known first."""
        return [u for u, standing in self.standings.items() if standing.affiliation == affiliation]

    def stand(self, user: JID, standing: Standing) -> None:
        """Take over an affiliation with its nickname, as it is stored now."""
        before = self.nick_of(user)
        if before and self.reserved.get(folded(before)) == user:
            del self.reserved[folded(before)]
        if standing.affiliation is Affiliation.NONE and not standing.nick:
            self.standings.pop(user, None)
        else:
            self.standings[user] = standing
        if standing.nick:
            self.reserved[folded(standing.nick)] = user

    def default_role(self, affiliation: Affiliation) -> Role:
        """The role at the entrance (§5.1.2)."""
        if affiliation >= Affiliation.ADMIN:
            return Role.MODERATOR
        if affiliation is Affiliation.MEMBER or not self.config.moderated:
            return Role.PARTICIPANT
        return Role.VISITOR

    def role_at_entry(self, user: JID) -> Role:
        """As above, but voice that was given or taken in an earlier visit stays so (§5.1)."""
        affiliation = self.affiliation(user)
        if affiliation >= Affiliation.ADMIN:
            return Role.MODERATOR
        return self.voices.get(user, self.default_role(affiliation))

    def remember_voice(self, user: JID, role: Role) -> None:
        self.voices.pop(user, None)
        if role in (Role.VISITOR, Role.PARTICIPANT):
            remember(self.voices, user, role, MOST_VOICES)

    # Who is there

    def occupant(self, nick: str) -> Occupant | None:
        """Who is there under exactly this nickname."""
        found = self.occupants.get(folded(nick))
        return found if found is not None and found.nick == nick else None

    def present(self, user: JID) -> list[Occupant]:
        """Under which nicknames this bare JID (or anybody of this domain) is there."""
        if user.local:
            return list(self.users.get(user, ()))
        mine = [people for bare, people in self.users.items() if bare.domain == user]
        return [occupant for people in mine for occupant in people]

    def check_nick(self, nick: str, user: JID) -> None:
        """Raises jid-malformed for one that cannot be seen, conflict if it is another's (§7.2.8),
        in use or reserved.
        """
        key = folded(nick)
        if not key:
            raise StanzaError("jid-malformed", "a nickname that can be seen is needed")
        there = self.occupants.get(key)
        if there is not None and there.user != user:
            raise StanzaError("conflict", "this nickname is in use")
        if self.reserved.get(key, user) != user:
            raise StanzaError("conflict", "this nickname is reserved")

    def seat(self, nick: str, user: JID, role: Role) -> Occupant:
        """The occupant under that nickname, a new one if there is none."""
        key = folded(nick)
        if key not in self.occupants:
            address = JID(self.jid.local, self.jid.domain, nick, self.jid)
            made = Occupant(address, user, role, self.id_of(user))
            self.occupants[key] = made
            self.users.setdefault(user, []).append(made)
        return self.occupants[key]

    def unseat(self, session: JID) -> tuple[Occupant, bool]:
        """A session is out; its occupant, and whether the others see a change (also: gone)."""
        occupant = self.sessions.pop(session)
        changed = occupant.drop(session)
        if not occupant.sessions:
            del self.occupants[folded(occupant.nick)]
            people = self.users[occupant.user]
            people.remove(occupant)
            if not people:
                del self.users[occupant.user]
        return occupant, changed or not occupant.sessions

    def id_of(self, user: JID) -> str:
        """The same for a user in all visits, another in each room, and it tells nothing
        (XEP-0421 §4.1).
        """
        return hmac.digest(self.secret, user.encode(), "sha256").hex()

    # Who sees what

    def shows(self, occupant: Occupant, role: Role | None = None) -> bool:
        """Whether the occupant's presence is shown to others: by its role (presencebroadcast), or
        the one it is about to have; in a quiet room when it has said something.
        """
        role = occupant.role if role is None else role
        if role.word not in self.config.broadcast:
            return False
        return not self.config.quiet or occupant.active or role is Role.MODERATOR

    def sees_addresses(self, occupant: Occupant) -> bool:
        return occupant.role is Role.MODERATOR or not self.config.anonymous

    def moderators(self) -> Iterator[Occupant]:
        return (o for o in self.occupants.values() if o.role is Role.MODERATOR)

    def others(self, but: Occupant) -> tuple[list[JID], list[JID]]:
        """The full JIDs of all sessions of other occupants: of those who see real addresses,
        and of those who do not.
        """
        knowing: list[JID] = []
        others: list[JID] = []
        open_ = not self.config.anonymous
        for occupant in self.occupants.values():
            if occupant is not but:
                seeing = open_ or occupant.role is Role.MODERATOR
                (knowing if seeing else others).extend(occupant.sessions)
        return knowing, others


def remember(what: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """Put it at the end; the oldest makes way."""
    what.pop(key, None)
    what[key] = value
    if len(what) > most:
        what.popitem(last=False)


def subject_element(text: str = "") -> Element:
    return Element(ns.CLIENT, "subject", None, *([text] if text else []))


def escaped(text: str) -> str:
    """For an attribute in single quotes."""
    return escape(text, {"'": "&apos;"})
