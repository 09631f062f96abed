"""Connections to other servers: which places to try, in which order, for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as Late

from xmppd.hooks import spawn
from xmppd.resolve.addresses import AddressRules, is_own
from xmppd.resolve.discovery import find_targets, read_routes
from xmppd.resolve.errors import Condition, DialFailed, HandshakeFailed
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

LEAST_S = 5.0  # for each place, however many there are


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
        self._reactor = reactor
        self._is_own = is_own
        self._set(options)

    def configure(self, options: OutgoingOptions) -> None:
        """Take over reloaded options, for connections to come."""
        self._set(options)
        if isinstance(self.resolver, Resolver):
            self.resolver.configure(Nameservers(options.nameservers), options.dns_timeout)

    def _set(self, options: OutgoingOptions) -> None:
        self._routes = read_routes(options.routes)
        self._timeout_s = options.connect_timeout
        self._rules = AddressRules(
            allow_private=options.allow_private, networks=options.networks, is_own=self._is_own
        )

    async def connect(self, domain: str, make_connection: Callable[[Target], C]) -> C:
        """The first connection that comes about; for `target.direct_tls` its handshake is done.

        `make_connection(target)` makes one that is not connected yet; for `target.direct_tls` it
        must set `direct_tls` of it: the context of `PeerTLS.client(..., direct=True)`. It is
        called for those addresses only that have answered, so mostly once; again where the
        handshake of the one before failed, which has then been told by `lost`. `opened` (and
        `secured`) are called before this returns. Raises DialFailed. Cancelling the Deferred
        that waits for this ends all attempts.
        """
        attempt = spawn(self._connect(domain, make_connection))
        limit(attempt, self._timeout_s, self._reactor)
        try:
            return await attempt
        except Late:
            text = f"{domain} was not reached in {self._timeout_s:g} s"
            raise DialFailed("remote-server-timeout", text) from None

    async def reach(self, host: str, port: int, build: Callable[[], IProtocol]) -> IProtocol:
        """Connect a protocol to a host itself, no SRV asked: for HTTPS. Raises Unreachable."""
        reach = Reach(self._reactor, self.resolver, self._rules)
        return await reach.connect(host, port, build, self._timeout_s)

    async def _connect(self, domain: str, make_connection: Callable[[Target], C]) -> C:
        until = self._reactor.seconds() + self._timeout_s
        targets = await find_targets(domain, self.resolver, self._routes)
        failures: list[tuple[Target, Unreachable]] = []
        for number, target in enumerate(targets):
            left_s = until - self._reactor.seconds()
            share_s = max(LEAST_S, left_s / (len(targets) - number))
            try:
                return await self._try(target, make_connection, share_s)
            except Unreachable as error:
                failures.append((target, error))
        raise _failure(domain, failures)

    async def _try(self, target: Target, make: Callable[[Target], C], share_s: float) -> C:
        """Raises Unreachable."""
        made: list[C] = []
        handshake: Deferred[None] = Deferred(lambda _: made[0].abort("no TLS handshake in time"))

        def build() -> IProtocol:
            made.append(make(target))
            if target.direct_tls:
                made[0].handshake_ended = _telling(handshake)
            return cast("IProtocol", made[0])

        rules = None if target.fixed else self._rules
        reach = Reach(self._reactor, self.resolver, rules)
        try:
            await reach.connect(target.host, target.port, build, share_s)
        except BaseException:
            for connection in made:  # it answered when nobody waited any more
                connection.abort("given up")
            raise
        if target.direct_tls:
            await self._secured(handshake, share_s)
        elif not made[0].open:
            raise Unreachable("it hung up at once", exists=True)
        return made[0]

    async def _secured(self, handshake: Deferred[None], limit_s: float) -> None:
        limit(handshake, limit_s, self._reactor)
        try:
            await handshake
        except HandshakeFailed as error:
            raise Unreachable(f"TLS failed: {error}", exists=True) from None
        except Late:
            raise Unreachable("no TLS handshake in time", exists=True) from None


def _failure(domain: str, failures: list[tuple[Target, Unreachable]]) -> DialFailed:
    """RFC 6120 §8.3.3.16: no SRV records, and nobody at port 5269: there is no server."""
    answered = any(error.exists and not target.fallback for target, error in failures)
    condition: Condition = "remote-server-timeout" if answered else "remote-server-not-found"
    tried = [f"{target}: {error}" for target, error in failures]
    told = f"no connection to {domain}"
    return DialFailed(condition, f"{told}: {'; '.join(tried)}", tried, told)


def _telling(handshake: Deferred[None]) -> Callable[[str], None]:
    def ended(why: str) -> None:
        if handshake.called:
            return
        if why:
            handshake.errback(HandshakeFailed(why))
        else:
            handshake.callback(None)

    return ended
