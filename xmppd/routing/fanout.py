"""One stanza for many of a host's accounts and resources (RFC 6121 §8.5): rooms, presence, nodes.

Copies are alike but for `to`, so what does not depend on the receiver is decided once: for whom
handlers have anything to do with them (`on(..., concerns=...)`), and what is written. What is left
for each receiver is to find its sessions and to hand them the bytes. Where more is to be decided,
a copy becomes a stanza and goes the whole way, by `Router.route`:

* the receiver concerns a handler of `user_receives`, `user_hears` or `message_delivered`
  (blocking, limits, an archive, push);
* something of the receiver's is not durable yet, and the copy waits behind it;
* there is no session to take it: it is stored, answered with an error, or dropped.

A session that concerns handlers of `session_receives` (client state), or whose client acknowledges
(stream management), is given the stanza instead of bytes, and no more is decided about it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xmppd import events
from xmppd.hooks import Concerned, Hooks
from xmppd.jid import JID
from xmppd.routing.iqs import refusal
from xmppd.routing.router import Router
from xmppd.sessions import Session, SessionTable
from xmppd.stanza import Copies, Message, Presence, Stanza

Takers = Callable[[JID], Sequence[Session]]


class FanOut:
    """The router's destination for copies to one virtual host; shares `gates` with `Delivery`."""

    def __init__(
        self,
        router: Router,
        hooks: Hooks,
        sessions: SessionTable,
        gates: Mapping[JID, object],
        settle: Callable[[], object],
    ) -> None:
        self._router = router
        self._settle = settle  # what copies for clients that are away owe to the disk
        self._lookup = sessions.lookup
        self._gates = gates
        self._receives = hooks.of(events.user_receives)
        self._hears = hooks.of(events.user_hears)
        self._reads = hooks.of(events.session_receives)
        self._delivered = hooks.of(events.message_delivered)

    def send(self, copies: Copies[Any]) -> None:
        """Each copy, in order, has the effect that it has by `Delivery.route`."""
        takers = self._takers(copies.stanza)
        if takers is None:
            for each in copies:
                _ = self._router.route(each)
        else:
            self._hand_out(copies, takers)
            self._settle()

    def _takers(self, stanza: object) -> Takers | None:
        """How to find the sessions that get it; None: it must go the whole way."""
        if isinstance(stanza, Message):
            if stanza.type == "groupchat":
                return self._named
            return None if stanza.type == "error" else self._ready
        if isinstance(stanza, Presence) and stanza.type in ("", "unavailable"):
            return self._available
        return None

    def _named(self, to: JID) -> Sequence[Session]:
        """The session of that full JID; none for a bare JID (§8.5.2.1.1)."""
        for session in self._lookup(to.bare, ()):
            if session.jid == to:
                return (session,)
        return ()

    def _ready(self, to: JID) -> Sequence[Session]:
        """For a bare JID the sessions of non-negative priority."""
        if to.resource:
            return self._named(to)
        sessions = self._lookup(to, ())
        for session in sessions:
            if session.priority is None or session.priority < 0:
                return [each for each in sessions if (each.priority or 0) >= 0 and each.available]
        return sessions

    def _available(self, to: JID) -> Sequence[Session]:
        if to.resource:
            return self._named(to)
        sessions = self._lookup(to, ())
        for session in sessions:
            if session.priority is None:
                return [each for each in sessions if each.priority is not None]
        return sessions

    def _concerned(self, stanza: Any) -> Concerned:
        """The accounts that handlers want to hear of before or after it is handed over."""
        before = self._receives.concerned(stanza)
        if stanza.kind == "message":
            return before + self._delivered.concerned(stanza)
        return before + self._hears.concerned(stanza)

    def _hand_out(self, copies: Copies[Any], takers: Takers) -> None:
        users, readers = self._concerned(copies.stanza), self._reads.concerned(copies.stanza)
        gates, route = self._gates, self._router.route
        for to, data in zip(copies.jids, copies.written(), strict=True):
            sessions = takers(to)
            if (
                not sessions
                or (gates and to.bare in gates)
                or (users and _any_in((to.bare,), users))
            ):
                _ = route(copies.copy(to))
                continue
            if readers and _any_in(sessions, readers):
                self._give(copies.copy(to), sessions)
                continue
            kept = None  # one for all that keep it: for an account it is stored once
            for session in sessions:
                if session.managed is not None:
                    kept = kept or copies.copy(to)
                    session.managed.deliver(kept, session, data)
                elif session.outlet is not None:
                    session.outlet.write(data)

    def _give(self, stanza: Stanza, sessions: Sequence[Session]) -> None:
        """To sessions of which one concerns a handler: each asks its own."""
        try:
            for session in sessions:
                session.send(stanza)
        except Exception as problem:
            _ = self._router.bounce(stanza, refusal(problem))


def _any_in(these: Sequence[object], concerned: Concerned) -> bool:
    for those in concerned:  # a loop: a generator costs a call for each
        for each in these:
            if each in those:
                return True
    return False
