"""Where clients' stanzas come in: sessions are opened, their stanzas taken, and closed again."""

from collections.abc import Callable
from typing import NamedTuple

from twisted.internet.defer import succeed

from xmppd import events
from xmppd.hooks import STOP, Hooks, spawn
from xmppd.jid import jid
from xmppd.routing.delivery import SUBSCRIPTIONS
from xmppd.routing.gate import Commit
from xmppd.routing.iqs import refusal, settled
from xmppd.routing.router import Done, Router, Storing
from xmppd.sessions import Outlet, Session, SessionTable
from xmppd.stanza import Presence, Stanza, StanzaError
from xmppd.storage import visit
from xmppd.xml import StreamError


class SessionPolicy(NamedTuple):
    """How many sessions an account may have, and who yields when two want the same resource."""

    max_sessions: int = 20
    replace_older: bool = (
        True  # False: the newer bind is refused with conflict (RFC 6120 §7.7.2.2)
    )


class Intake:
    """The door of one virtual host for its clients' sessions."""

    def __init__(
        self,
        router: Router,
        hooks: Hooks,
        sessions: SessionTable,
        policy: Callable[[], SessionPolicy] = SessionPolicy,
    ) -> None:
        self._router = router
        self._sessions = sessions
        self._policy = policy
        self._loads = hooks.of(events.session_loads)
        self._opening = hooks.of(events.session_opening)
        self._bound = hooks.of(events.session_bound)
        self._closed = hooks.of(events.session_closed)
        self._hibernated = hooks.of(events.session_hibernated)
        self._resumed = hooks.of(events.session_resumed)
        self._sends = hooks.of(events.user_sends)
        self._announces = hooks.of(events.user_announces)
        self._directs = hooks.of(events.user_directs)
        self._changed = hooks.of(events.presence_changed)
        self._subscribing = hooks.of(events.subscription_sending)
        self._owed: Commit | None = None

    # A session's life

    async def open(self, session: Session) -> None:
        """Make the session known (RFC 6120 §7). Raises StanzaError for the bind's answer."""
        await self._prepare(session)
        if session.outlet is None:
            return  # lost while waiting
        self._make_room(session, yielding=True)  # the world has moved
        self._sessions.add(session)
        self._bound.signal(session)

    async def _prepare(self, session: Session) -> None:
        """Before anybody can see it: what it needs is read, and modules may refuse it."""
        self._make_room(session, yielding=False)
        try:
            await visit(self._loads.gather(session))
            if await self._opening.wait(session) is STOP:
                raise StanzaError("not-allowed")
        except Exception as problem:
            raise refusal(problem) from None

    def _make_room(self, session: Session, *, yielding: bool) -> None:
        """Check limit and conflict; with `yielding` an older session of the same name goes."""
        policy = self._policy()
        older = self._sessions.get(session.jid)
        if older is not None:
            if not policy.replace_older:
                raise StanzaError("conflict")
            if yielding:
                older.close(StreamError("conflict"))
                self.close(older, "replaced by a newer session")
        elif len(self._sessions.of(session.user)) >= policy.max_sessions:
            self._end_oldest_absent(session)

    def _end_oldest_absent(self, session: Session) -> None:
        """Who has lost its connection must not keep others out."""
        for other in self._sessions.of(session.user):
            if other.hibernating:
                self.close(other, "made room for a newer session")
                return
        raise StanzaError("resource-constraint", "too many sessions", type="wait")

    def close(self, session: Session, why: str) -> None:
        """The connection is lost or the stream closed; may be called more than once."""
        session.outlet = None
        if not self._sessions.remove(session):
            return
        if session.presence is not None:
            gone = Presence(session.user, session.jid, "unavailable")
            self._show(session, gone)
        self._closed.signal(session, why)

    def hibernate(self, session: Session, why: str) -> None:
        """The connection is lost, and the client may come back (XEP-0198 §5)."""
        session.outlet = None
        if session.managed is not None and self._sessions.get(session.jid) is session:
            session.managed.hibernate(self.close)
            self._hibernated.signal(session, why)

    def resume(self, session: Session, outlet: Outlet) -> None:
        """The client is back, and was told so: it gets again what it has not acknowledged."""
        assert session.managed is not None
        session.outlet = outlet
        session.managed.replay(outlet, jid(session.jid.domain))
        self._resumed.signal(session)

    async def restore(self, session: Session) -> None:
        """Make a session known that was stored, without a connection. Raises StanzaError."""
        await self._prepare(session)
        if self._sessions.get(session.jid) is not None:
            raise StanzaError("conflict")
        self._sessions.add(session)
        if session.managed is not None:
            session.managed.hibernate(self.close)

    # A session's stanzas

    def accept(self, session: Session, stanza: Stanza) -> Done:
        """Take one stanza from the client, checked and stamped by its stream. Never raises."""
        if session.managed is not None:
            session.managed.handle()
        try:
            if stanza.fault is not None:
                raise stanza.fault
            passed = self._sends.filter(stanza, session) if self._sends.handlers else stanza
            if passed is STOP:
                done = None
            elif isinstance(stanza := passed, Presence):
                done = self._presence(session, stanza)
            else:
                done = self._router.route(stanza)
        except Exception as problem:
            done = self._router.bounce(stanza, refusal(problem))
        if done.__class__ is Storing:  # isinstance() asks Python code, since Deferred is abstract
            assert isinstance(done, Storing)
            done.outlet = session.outlet
            session.hold_for(done)
            done = None
        if self._owed is not None:
            self._hold_for_owed(session)
        if session.undurable is None:
            return done
        return session.undurable.taken(len(stanza.raw)) if done is None else done

    def owes(self, commit: Commit) -> None:
        """For a handler of `user_sends`: the stanza that it has in hand is durable only with
        `commit` (`Session.hold_for`). That begins when the stanza is routed, so that whoever
        receives it may join.
        """
        self._owed = commit

    def _hold_for_owed(self, session: Session) -> None:
        owed, self._owed = self._owed, None
        done = None if owed is None else owed.done()
        if done is not None:
            session.hold_for(done)

    def _presence(self, session: Session, presence: Presence) -> Done:
        """Broadcast (RFC 6121 §4.2, §4.4, §4.5), subscriptions (§3) and directed presence
        (§4.6).
        """
        if presence.directed:
            if presence.type in SUBSCRIPTIONS:
                return settled(spawn(self._subscribe(session, presence)))
            passed = self._directs.filter(presence, session)
            return None if passed is STOP else self._router.route(passed)
        if presence.type not in ("", "unavailable"):
            raise StanzaError("bad-request", f"presence of type {presence.type} needs a 'to'")
        if presence.type == "" and self._announces.handlers:
            announced = self._announces.filter(presence, session)
            if announced is STOP:
                return None
            presence = announced
        self._show(session, presence)
        return None

    def _show(self, session: Session, presence: Presence) -> None:
        previous = session.presence
        if presence.type == "":
            session.priority = presence.priority
            session.presence = presence
        else:
            session.priority = session.presence = None
        self._changed.signal(session, presence, previous)

    async def _subscribe(self, session: Session, presence: Presence) -> None:
        asked = presence.copy(from_=session.user, to=presence.to.bare)
        try:
            passed = await self._subscribing.wait(asked, session)
        except Exception as problem:
            done = self._router.bounce(presence, refusal(problem))
        else:
            done = None if passed is STOP else self._router.route(passed)
        await (done or succeed(None))
