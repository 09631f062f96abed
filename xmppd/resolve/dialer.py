"""Connections to other servers: which places to try, in which order, for how long."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as Late

from xmppd.hooks import spawn
from xmppd.resolve.addresses import AddressRules, is_own
from xmppd.resolve.discovery import find_others, find_targets, read_routes
from xmppd.resolve.errors import DialFailed, HandshakeFailed, NotServed
from xmppd.resolve.nameservers import Nameservers
from xmppd.resolve.race import Dials
from xmppd.resolve.reach import Reach, Unreachable, limit
from xmppd.resolve.resolver import Lookup, Resolver
from xmppd.transport.connection import StreamTransport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol

    from xmppd.config.outgoing import OutgoingOptions
    from xmppd.resolve.targets import Target

C = TypeVar("C", bound=StreamTransport)
Problem = Unreachable | NotServed

LEAST_S = 5.0  # for each place, however many there are
NEGOTIATION_S = 10.0  # at least, for one that was reached while there are others
MOST_REDIRECTS = 3  # RFC 6120 §4.9.3.19: at least 2 but no more than 5
TIMEOUT = "remote-server-timeout"


class Dialer:
    """Connects to the server of a domain; one for the process.

    Finding it: `routes` of the configuration, else SRV records of both kinds (RFC 6120 §3.2.1,
    XEP-0368), else the domain's own addresses at port 5269 (§3.2.2).
    """

    def __init__(
        self,
        reactor: Dials,
        resolver: Lookup,
        options: OutgoingOptions,
        *,
        is_own: Callable[[str], bool] = is_own,
    ) -> None:
        self.resolver = resolver
        self.reactor = reactor
        self._is_own = is_own
        self._set(options)

    def configure(self, options: OutgoingOptions) -> None:
        """Take over reloaded options, for connections to come."""
        self._set(options)
        if isinstance(self.resolver, Resolver):
            self.resolver.configure(Nameservers(options.nameservers), options.dns_timeout)

    def _set(self, options: OutgoingOptions) -> None:
        self._routes = read_routes(options.routes)
        self.timeout_s = options.connect_timeout
        self._rules = AddressRules(
            allow_private=options.allow_private, networks=options.networks, is_own=self._is_own
        )

    async def connect(
        self,
        domain: str,
        make_connection: Callable[[Target], C],
        negotiated: Callable[[C], Coroutine[Any, Any, None]] | None = None,
    ) -> C:
        """The first connection that comes about; for `target.direct_tls` its handshake is done.

        `make_connection(target)` makes one that is not connected yet; for `target.direct_tls` it
        must set `direct_tls` of it: the context of `PeerTLS.client(..., direct=True)`. It is
        called for those addresses only that have answered, so mostly once; again where the one
        before came to nothing, which has then been told by `lost`. `opened` (and `secured`) are
        called before this returns. `negotiated(connection)`, if there is one, is awaited then; it
        raises NotServed if the next place shall be tried. Raises DialFailed. Cancelling the
        Deferred that waits for this ends all attempts.
        """
        return await Tour(self, domain, make_connection, negotiated or _still_open).connect()

    async def reach(self, host: str, port: int, build: Callable[[], IProtocol]) -> IProtocol:
        """Connect a protocol to a host itself, no SRV asked: for HTTPS. Raises Unreachable."""
        reach = Reach(self.reactor, self.resolver, self._rules)
        return await reach.connect(host, port, build, self.timeout_s)

    async def find(self, domain: str) -> list[Target]:
        """The places of a domain's server. Raises DialFailed."""
        finding = spawn(find_targets(domain, self.resolver, self._routes))
        limit(finding, self.timeout_s, self.reactor)
        try:
            return await finding
        except Late:
            text = f"{domain} was not reached in {self.timeout_s:g} s"
            raise DialFailed("remote-server-timeout", text) from None

    async def reach_target(
        self, target: Target, build: Callable[[], IProtocol], limit_s: float
    ) -> None:
        """Raises Unreachable."""
        rules = None if target.fixed else self._rules
        reach = Reach(self.reactor, self.resolver, rules)
        await reach.connect(target.host, target.port, build, limit_s)


class Tour(Generic[C]):
    """One way from place to place, until a server is found that serves."""

    def __init__(
        self,
        dialer: Dialer,
        domain: str,
        make: Callable[[Target], C],
        negotiated: Callable[[C], Coroutine[Any, Any, None]],
    ) -> None:
        self._dialer = dialer
        self._reactor = dialer.reactor
        self._domain = domain
        self._make = make
        self._negotiated = negotiated
        self._until = self._reactor.seconds() + dialer.timeout_s
        self._ahead: list[Target] = []
        self._failures: list[tuple[Target, Problem]] = []
        self._redirects = 0

    @property
    def _left_s(self) -> float:
        return self._until - self._reactor.seconds()

    async def connect(self) -> C:
        """Raises DialFailed."""
        self._ahead = await self._dialer.find(self._domain)
        while self._ahead and self._left_s > 0:
            share_s = max(LEAST_S, self._left_s / len(self._ahead))
            target = self._ahead.pop(0)
            try:
                return await self._try(target, min(share_s, self._left_s))
            except (Unreachable, NotServed) as problem:
                self._failures.append((target, problem))
                if isinstance(problem, NotServed) and problem.other:
                    await self._follow(problem.other, target)
        raise _failure(self._domain, self._failures)

    async def _follow(self, place: str, target: Target) -> None:
        """Go where the server sends us, some times (RFC 6120 §4.9.3.19)."""
        self._redirects += 1
        if self._redirects > MOST_REDIRECTS:
            return
        known = {each for each, _ in self._failures}
        try:
            others = await find_others(place, self._dialer.resolver, target)
        except DialFailed:
            return
        self._ahead = [other for other in others if other not in known] + self._ahead

    async def _try(self, target: Target, share_s: float) -> C:
        """Raises Unreachable, or NotServed."""
        made: list[C] = []
        handshake: Deferred[None] = Deferred(lambda _: made[0].abort("no TLS handshake in time"))

        def build() -> IProtocol:
            made.append(self._make(target))
            if target.direct_tls:
                made[0].handshake_ended = _telling(handshake)
            return cast("IProtocol", made[0])

        try:
            await self._dialer.reach_target(target, build, share_s)
        except BaseException:
            for connection in made:  # it answered when nobody waited any more
                connection.abort("given up")
            raise
        if target.direct_tls:
            await self._secured(handshake, share_s)
        await self._settled(made[0], share_s)
        return made[0]

    async def _secured(self, handshake: Deferred[None], limit_s: float) -> None:
        limit(handshake, limit_s, self._reactor)
        try:
            await handshake
        except HandshakeFailed as error:
            raise Unreachable(f"TLS failed: {error}", exists=True) from None
        except Late:
            raise Unreachable("no TLS handshake in time", exists=True) from None

    async def _settled(self, connection: C, share_s: float) -> None:
        """The last place has all the time that the connection gives itself."""
        settling = spawn(self._negotiated(connection))
        if self._ahead:
            limit(settling, max(share_s, NEGOTIATION_S), self._reactor)
        try:
            await settling
        except Late:
            connection.abort("no stream in time")
            raise Unreachable("its stream was not negotiated in time", exists=True) from None


async def _still_open(connection: StreamTransport) -> None:
    if not connection.open:
        raise NotServed("remote-server-timeout", "it hung up at once")


def _failure(domain: str, failures: list[tuple[Target, Problem]]) -> DialFailed:
    """What may pass counts before what stays, and what a preferred place says before others."""
    conditions = [_condition(target, problem) for target, problem in failures]
    chosen = TIMEOUT if TIMEOUT in conditions or not conditions else conditions[0]
    tried = [f"{target}: {problem}" for target, problem in failures]
    none = f"no connection to {domain}"
    said = [str(p) for _, p in failures if isinstance(p, NotServed) and p.condition == chosen]
    return DialFailed(chosen, f"{none}: {'; '.join(tried)}", tried, said[0] if said else none)


def _condition(target: Target, problem: Problem) -> str:
    """RFC 6120 §8.3.3.16: no SRV records, and nobody at port 5269: there is no server."""
    if isinstance(problem, NotServed):
        return problem.condition
    return TIMEOUT if problem.exists and not target.fallback else "remote-server-not-found"


def _telling(handshake: Deferred[None]) -> Callable[[str], None]:
    def ended(why: str) -> None:
        if handshake.called:
            return
        if why:
            handshake.errback(HandshakeFailed(why))
        else:
            handshake.callback(None)

    return ended
