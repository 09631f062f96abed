"""Whatever happens in a room, each occupant sees what the room's state says (hypothesis)."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from xmppd.api import JID, Copies, Element, Presence, StanzaError, jid, ns
from xmppd.modules.muc import configuring, entering, governing
from xmppd.modules.muc.config import WORDS
from xmppd.modules.muc.governing import Change, Outcome, RoleChange
from xmppd.modules.muc.names import USER, Affiliation, Outgoing, Role
from xmppd.modules.muc.presences import Why
from xmppd.modules.muc.room import Occupant, Room, Standing

ROOM = jid("coven@rooms.example.org")
USERS = ["crone", "hag", "hecate", "witch"]
SESSIONS = [jid(f"{user}@example.org/{place}") for user in USERS for place in ("pda", "desk")]
NICKS = ["First", "second", "FIRST", "third", "a b", "a  b"]
OWNER = jid("owner@example.org")
Line = tuple[str, str, str]  # affiliation, role, show

sessions = st.sampled_from(SESSIONS)
nicks = st.sampled_from(NICKS)
shows = st.sampled_from(["", "away", "dnd"])
priorities = st.integers(-1, 2)


class Views(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.room = Room(ROOM, b"secret")
        self.room.stand(OWNER, Standing(Affiliation.OWNER))
        self.seen: dict[JID, dict[str, Line]] = {}
        self.own: dict[JID, str] = {}  # under which name each session knows itself

    # What the sessions receive

    def deliver(self, stanzas: Iterable[Outgoing]) -> None:
        for stanza in stanzas:
            if isinstance(stanza, Copies):
                self.deliver(stanza)
            elif isinstance(stanza, Presence):
                self.hear(stanza)

    def hear(self, presence: Presence) -> None:
        to, nick = presence.to, presence.from_.resource
        x = presence.child(USER, "x")
        assert x is not None
        item = x.child(USER, "item")
        assert item is not None
        codes = {status.get("code") for status in x.all(USER, "status")}
        own = "110" in codes
        self.check_address(to, item, own)
        view = self.seen.setdefault(to, {})
        if presence.type == "unavailable":
            assert own or nick in view, f"{to} never saw {nick}, which goes"
            view.pop(nick, None)
            if own:
                self.own.pop(to, None)
            if own and "303" not in codes:
                del self.seen[to]
        else:
            view[nick] = (item.get("affiliation") or "", item.get("role") or "", presence.show)
            if own:
                self.own[to] = nick

    def check_address(self, to: JID, item: Element, own: bool) -> None:
        """Real addresses are for moderators, for all in a non-anonymous room, and one's own."""
        if item.get("jid") is None or own:
            return
        there = self.room.sessions.get(to)
        if there is not None and jid(item.get("jid") or "").bare != to.bare:
            assert self.room.sees_addresses(there), f"{to} saw {item.get('jid')}"

    # What happens

    def presence(self, session: JID, nick: str, show: str, priority: int, enter: bool) -> Presence:
        children = [Element(ns.CLIENT, "priority", None, str(priority))]
        if show:
            children.append(Element(ns.CLIENT, "show", None, show))
        if enter:
            children.append(Element(ns.MUC, "x"))
        return Presence(JID(ROOM.local, ROOM.domain, nick), session, "", None, *children)

    @rule(session=sessions, nick=nicks, show=shows, priority=priorities, enter=st.booleans())
    def appear(self, session: JID, nick: str, show: str, priority: int, enter: bool) -> None:
        """Enter, change nickname or presence, or ask for everything again."""
        before = self.room.sessions.get(session)
        presence = self.presence(session, nick, show, priority, enter)
        try:
            told = entering.arrive(self.room, entering.read(presence))
        except StanzaError:
            assert self.room.sessions.get(session) is before
            return
        self.deliver(told)

    @rule(session=sessions, lost=st.booleans())
    def go(self, session: JID, lost: bool) -> None:
        gone = Presence(ROOM, session, "unavailable")
        if lost:
            self.deliver(entering.lose(self.room, session))
        else:
            self.deliver(entering.leave(self.room, session, gone))

    @precondition(lambda self: self.room.occupants)
    @rule(data=st.data(), role=st.sampled_from(list(Role)))
    def give_role(self, data: st.DataObject, role: Role) -> None:
        occupant: Occupant = data.draw(st.sampled_from(list(self.room.occupants.values())))
        change = RoleChange(occupant, role, Why(reason="so be it"))
        self.conclude(governing.apply_roles(self.room, [change]))

    @rule(user=sessions, new=st.sampled_from(list(Affiliation)))
    def affiliate(self, user: JID, new: Affiliation) -> None:
        change = Change(user.bare, self.room.affiliation(user.bare), Standing(new))
        self.conclude(governing.apply_affiliations(self.room, [change]))

    @rule(
        members=st.booleans(),
        moderated=st.booleans(),
        whois=st.sampled_from(["anyone", "moderators"]),
        shown=st.sets(st.sampled_from(WORDS)),
        most=st.sampled_from([0, 2]),
        quiet=st.booleans(),
        lock=st.booleans(),
    )
    def configure(
        self,
        members: bool,
        moderated: bool,
        whois: str,
        shown: set[str],
        most: int,
        quiet: bool,
        lock: bool,
    ) -> None:
        config = replace(
            self.room.config,
            members_only=members,
            moderated=moderated,
            whois=whois,
            max_users=most,
            quiet=quiet,
            lock_nicks=lock,
            broadcast=tuple(word for word in WORDS if word in shown),
        )
        self.conclude(configuring.apply(self.room, configuring.Plan(config, [])))

    def conclude(self, outcome: Outcome) -> None:
        self.deliver(outcome.first)
        self.deliver(outcome.news)

    # What must be true

    @invariant()
    def all_inside_see_the_room(self) -> None:
        assert set(self.seen) == set(self.room.sessions)
        for session, occupant in self.room.sessions.items():
            assert self.own[session] == occupant.nick
            assert self.seen[session] == self.expected(occupant), session

    def expected(self, viewer: Occupant) -> dict[str, Line]:
        return {
            each.nick: (
                self.room.affiliation(each.user).word,
                each.role.word,
                each.sessions[each.shown].show,
            )
            for each in self.room.occupants.values()
            if each is viewer or self.room.shows(each)
        }

    @invariant()
    def the_books_agree(self) -> None:
        room = self.room
        by_session = {s: o for o in room.occupants.values() for s in o.sessions}
        assert by_session == room.sessions
        assert {o for people in room.users.values() for o in people} == set(
            room.occupants.values()
        )
        for occupant in room.occupants.values():
            assert room.affiliation(occupant.user) is not Affiliation.OUTCAST
            assert occupant.role is not Role.NONE
            assert {session.bare for session in occupant.sessions} == {occupant.user}


TestViews = Views.TestCase
TestViews.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
