"""Presence: who sees whom, from the first to the last stanza of a session (RFC 6121 §4).

Broadcast to subscribed contacts and own resources, probes and their answers, directed presence
and its bookkeeping. Who may see whom is the roster's to say.
"""

from collections.abc import Callable, Container, Iterable
from functools import partial

from xmppd.api import (
    JID,
    STOP,
    Module,
    Options,
    PerSession,
    Presence,
    Session,
    StanzaError,
    Stop,
    Those,
    delay,
    events,
    on,
    option,
    uses,
    uses_if,
)
from xmppd.modules.blocking import Blocking, addresses_blocked, addresses_unblocked
from xmppd.modules.last import LastActivity
from xmppd.modules.roster import Roster


class PresenceOptions(Options):
    max_directed: int = option(
        1000,
        "Addresses to which one session may have sent directed presence at a time.",
        at_least=10,
    )


class PresenceBroadcast(Module):
    name = "presence"
    options: PresenceOptions
    roster = uses(Roster)
    last = uses_if(LastActivity)
    blocking = uses_if(Blocking)
    directed: PerSession[set[JID]] = PerSession(set)  # told so, and not by broadcast (§4.6.3)

    # What a session says of itself (§4.2.2, §4.4.2, §4.5.2)

    @on(events.presence_changed)
    def announce(self, session: Session, presence: Presence, previous: Presence | None) -> None:
        if presence.type == "unavailable":
            self._part(session, presence, previous)
        elif previous is None:
            self._enter(session, presence)
        else:
            self._broadcast(session, presence)

    def _enter(self, session: Session, presence: Presence) -> None:
        """Initial presence: all are told, and the session is told of all (§4.2.2, §4.3.1)."""
        self._broadcast(session, presence)
        for other in self.host.sessions.of(session.user):
            if other.presence is not None and other is not session:
                session.send(other.presence.copy(to=session.jid))
        items = self.roster.contacts(session.user).values()
        seen = self._allowed(session.user, [item.contact for item in items if item.to])
        for contact in seen:
            if contact.domain == self.host.name and self.host.sessions.available(contact):
                # Only this session needs to hear of a local contact; an absent one need not be
                # asked (§4.3.1), which saves a login many visits to the database.
                self._route(Presence(contact, session.jid, "probe"))
        self.send_in_turn(
            Presence(contact, session.user, "probe")
            for contact in seen
            if contact.domain != self.host.name
        )

    def _part(self, session: Session, presence: Presence, previous: Presence | None) -> None:
        """The session is no longer available (§4.5.2), or says so without having been."""
        if previous is not None:
            self._broadcast(session, presence)
        self._leave_directed(session, presence, broadcast=previous is not None)

    def _broadcast(self, session: Session, presence: Presence) -> None:
        """To subscribed contacts and to all available resources of the account itself."""
        self._to_own(session, presence)
        items = self.roster.contacts(session.user).values()
        told = self._allowed(session.user, [item.contact for item in items if item.from_])
        self.host.router.route_copies(presence.copies(self._reachable(told)))

    def _allowed(self, user: JID, contacts: list[JID]) -> list[JID]:
        blocking = self.blocking
        return contacts if blocking is None else blocking.allowed(user, contacts)

    def _reachable(self, contacts: list[JID]) -> list[JID]:
        """Those with somebody to tell; most local contacts are away most of the time."""
        here, online = self.host.name, self.host.sessions.of
        return [to for to in contacts if to.domain != here or not to.local or online(to)]

    def _to_own(self, session: Session, presence: Presence) -> None:
        for own in self.host.sessions.of(session.user):
            if own.priority is not None or own is session:
                own.send(presence)

    # Directed presence (§4.6)

    @on(events.user_directs)
    def note(self, presence: Presence, session: Session) -> None:
        """Remember who must be told when this session becomes unavailable (§4.6.3)."""
        if presence.type == "":
            self._remember(session, presence.to)
        elif presence.type == "unavailable" and session in self.directed:
            self.directed[session].discard(presence.to)

    def _remember(self, session: Session, to: JID) -> None:
        directed = self.directed[session]
        if to not in directed and len(directed) >= self.options.max_directed:
            raise StanzaError("resource-constraint", "too much directed presence", type="wait")
        directed.add(to)

    def _strikes(self, presence: Presence) -> bool | Container[JID]:
        return presence.type == "unavailable" and Those(partial(self._has_told, presence.from_))

    def _has_told(self, peer: JID, user: JID) -> bool:
        """Whether a session of the user has directed presence to it, or may have."""
        sessions = [each for each in self.host.sessions.of(user) if each in self.directed]
        return any(peer.is_bare or peer in self.directed[each] for each in sessions)

    @on(events.user_hears, concerns=_strikes)
    def strike(self, presence: Presence, user: JID) -> None:
        """Who has told the user that it is gone need not be told of the user (§4.6.1)."""
        if presence.type != "unavailable":
            return
        for session in self.host.sessions.of(user):
            if session in self.directed and presence.to in (user, session.jid):
                self._strike(session, presence.from_)

    def _strike(self, session: Session, gone: JID) -> None:
        """A bare JID stands for all its resources."""
        told = self.directed[session]
        told.discard(gone)
        if gone.is_bare:
            told -= {to for to in told if to.bare == gone}

    def _leave_directed(self, session: Session, gone: Presence, *, broadcast: bool) -> None:
        """Who was told by directed presence hears of the end, once: not who got the broadcast."""
        if session not in self.directed:
            return
        contacts = self.roster.contacts(session.user) if broadcast else {}
        told = self.directed[session]
        del self.directed[session]
        for to in told:
            item = contacts.get(to.bare)
            if item is None or not item.from_:
                self._route(gone.copy(to=to))

    @on(events.session_closed)
    def close(self, session: Session, why: str) -> None:
        """What was directed while it was not available is still owed (§4.6.3 rule 3)."""
        if session in self.directed:
            gone = Presence(session.user, session.jid, "unavailable")
            self._leave_directed(session, gone, broadcast=False)

    # Probes (§4.3.2, §4.6.6)

    @on(events.probe_arriving)
    async def answer(self, probe: Presence, user: JID) -> Stop:
        """The same answer to all who may not see: whether the account exists is not told."""
        if await self.roster.may_see(user, probe.from_):
            for reply in await self._seen(probe, user):
                self._route(reply)
        elif not self._answer_directed(probe, user):
            self._route(Presence(probe.from_, user, "unsubscribed", probe.id))
        return STOP

    async def _seen(self, probe: Presence, user: JID) -> Iterable[Presence]:
        if probe.to.resource:
            session = self.host.sessions.get(probe.to)
            if session is not None and session.presence is not None:
                return [Presence(probe.from_, session.jid, "", session.presence.id)]
            return [Presence(probe.from_, probe.to, "unavailable", probe.id)]
        shown = [s.presence for s in self.host.sessions.of(user) if s.presence is not None]
        if shown:
            return [presence.copy(to=probe.from_) for presence in shown]
        return [await self._gone(probe, user)]

    async def _gone(self, probe: Presence, user: JID) -> Presence:
        """Not available, since when (§4.3.2 rule 3)."""
        presence = Presence(probe.from_, user, "unavailable", probe.id)
        seen = None if self.last is None else await self.last.seen(user)
        return presence if seen is None else presence.copy(add=[delay(seen, user)])

    def _answer_directed(self, probe: Presence, user: JID) -> bool:
        """Mere availability to who got directed presence of that resource (§4.6.6): to the room
        also, where it was an occupant's address.
        """
        session = self.host.sessions.get(probe.to) if probe.to.resource else None
        if session is None or session not in self.directed:
            return False
        if all(to.bare != probe.from_.bare for to in self.directed[session]):
            return False
        self._route(Presence(probe.from_, session.jid, "", probe.id))
        return True

    # Blocking (XEP-0191 §3.3, §3.4)

    @on(addresses_blocked)
    def hide(self, user: JID, matches: Callable[[JID], bool]) -> None:
        """Who could see the user sees it go, as by a logout."""
        for item in self.roster.contacts(user).values():
            if item.from_ and matches(item.contact):
                self.withdraw(user, item.contact)
        for session in self.host.sessions.of(user):
            if session in self.directed:
                self._take_back(session, [to for to in self.directed[session] if matches(to)])

    def _take_back(self, session: Session, directed: list[JID]) -> None:
        for to in directed:
            self.directed[session].discard(to)
            self._route(Presence(to, session.jid, "unavailable"))

    @on(addresses_unblocked)
    def show(self, user: JID, matches: Callable[[JID], bool]) -> None:
        """Both see each other again, as far as they may."""
        found = [item for item in self.roster.contacts(user).values() if matches(item.contact)]
        for item in found:
            if item.from_:
                self.introduce(user, item.contact)
        if self.host.sessions.available(user):
            self.send_in_turn(Presence(i.contact, user, "probe") for i in found if i.to)

    # For other modules

    def change(self, session: Session, presence: Presence) -> None:
        """Tell all who may see an available session something else of it, in its name."""
        session.presence = presence
        self._broadcast(session, presence)

    def introduce(self, user: JID, contact: JID) -> None:
        """`contact` may see `user` from now on: send what there is to see (§3.1.5)."""
        if not self._allowed(user, [contact]):
            return
        for session in self.host.sessions.of(user):
            if session.presence is not None:
                self._route(session.presence.copy(to=contact))

    def withdraw(self, user: JID, contact: JID) -> None:
        """`contact` may not see `user` any more: all resources are gone for it (§3.2.2)."""
        for session in self.host.sessions.of(user):
            if session.presence is not None:
                self._route(Presence(contact, session.jid, "unavailable"))
                if session in self.directed:
                    self._strike(session, contact)

    def send_in_turn(self, presences: Iterable[Presence]) -> None:
        """Send what may make work for each receiver's server: to a domain one after another."""
        domains: dict[str, list[Presence]] = {}
        for presence in presences:
            domains.setdefault(presence.to.domain, []).append(presence)
        for queue in domains.values():
            self.background(self._in_turn(queue))

    async def _in_turn(self, queue: list[Presence]) -> None:
        for presence in queue:
            done = self.host.router.route(presence)
            if done is not None:
                await done

    def _route(self, presence: Presence) -> None:
        done = self.host.router.route(presence)
        if done is not None:
            self.background(done)
