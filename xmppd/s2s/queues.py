"""What waits for other servers: how much, for how long, and what becomes of it."""

from twisted.internet.defer import Deferred

from xmppd.config.s2s import S2SLimits
from xmppd.routing.router import Done
from xmppd.s2s.peer import Peer, Route
from xmppd.s2s.service import Service
from xmppd.s2s.shares import Shares
from xmppd.stanza import Stanza, StanzaError

HELD_BACK_BYTES = 256 * 1024  # waiting for a slow peer, its senders are not read from


class Queues:
    """The queues of all routes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._shares = Shares(service.options.limits.queue_total)

    def configure(self, limits: S2SLimits) -> None:
        self._shares.most = limits.queue_total

    def put(self, route: Route, stanza: Stanza) -> Done:
        """At the end of its queue; raises StanzaError where it may not wait."""
        self._check(route, stanza)
        service, peer = self._service, route.peer
        self._shares.add(stanza.from_.bare, route.put(stanza, service.clock.seconds()))
        if route.timer is None:
            timeout_s = service.options.queue_timeout
            route.timer = service.wheel.add(timeout_s, self._expire, route)
        if route.link is None or peer.size < HELD_BACK_BYTES:
            return None
        held: Deferred[None] = Deferred()
        peer.relief.append(held)
        return held

    def _check(self, route: Route, stanza: Stanza) -> None:
        peer, limits = route.peer, self._service.options.limits
        if not (route.link or route.asking or peer.opening or route.queue):
            now = self._service.clock.seconds()
            error = peer.backoff.refuses(now) or route.backoff.refuses(now)
            if error is not None:
                raise StanzaError(error.condition, error.text)
        if peer.stanzas >= limits.queue_stanzas or peer.size >= limits.queue_bytes:
            raise StanzaError("remote-server-timeout", "too much waits for that server already")
        if not self._shares.has_room(stanza.from_.bare):
            raise StanzaError(
                "resource-constraint", "too much waits for other servers", type="wait"
            )

    def _pop(self, route: Route) -> Stanza:
        """The oldest that waits."""
        stanza, size = route.pop()
        self._shares.remove(stanza.from_.bare, size)
        return stanza

    def _expire(self, route: Route) -> None:
        """Nothing waits longer than `queue_timeout`."""
        timeout_s, now = self._service.options.queue_timeout, self._service.clock.seconds()
        route.timer = None
        late = StanzaError("remote-server-timeout", f"not reached in {timeout_s:.0f} s")
        while route.queue and now - route.queue[0].since >= timeout_s:
            self.bounce(self._pop(route), late)
        if route.queue:
            left_s = timeout_s - (now - route.queue[0].since)
            route.timer = self._service.wheel.add(left_s, self._expire, route)
        self.relieve(route.peer)

    def flush(self, route: Route) -> None:
        """Send what waits, as far as the link takes it."""
        link = route.link
        while route.queue and link is not None and not link.blocked:
            link.forward(self._pop(route))
        if not route.queue and route.timer is not None:
            route.timer.cancel()
            route.timer = None
        self.relieve(route.peer)

    def give_back(self, route: Route, error: StanzaError) -> None:
        """What waits goes back to its senders."""
        while route.queue:
            self.bounce(self._pop(route), error)
        self.flush(route)

    def relieve(self, peer: Peer) -> None:
        """There is room again: those who wrote are read from again."""
        if peer.relief and peer.size < HELD_BACK_BYTES // 2:
            held, peer.relief = peer.relief, []
            for each in held:
                each.callback(None)

    def bounce(self, stanza: Stanza, error: StanzaError) -> Done:
        """Tell the sender. For broadcast presence nobody waits, and errors are not answered."""
        if stanza.kind == "presence" and not stanza.directed:
            return None
        return self._service.router.bounce(stanza, error)
