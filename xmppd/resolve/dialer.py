"""Connections to other servers: which places to try, in which order, for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as Late

from xmppd.hooks import spawn
from xmppd.resolve.addresses import AddressRules, is_own
from xmppd.resolve.discovery import Addresses, find_targets, read_routes
from xmppd.resolve.errors import Condition, DialFailed, HandshakeFailed
from xmppd.resolve.nameservers import Nameservers
from xmppd.resolve.race import Dials, NoneAnswered, Race
from xmppd.resolve.resolver import Lookup, Resolver
from xmppd.transport.connection import StreamTransport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol

    from xmppd.config.outgoing import OutgoingOptions
    from xmppd.resolve.targets import Target

C = TypeVar("C", bound=StreamTransport)

LEAST_S = 5.0  # for each place, however many there are


class Unreachable(Exception):
    """One target did not work out. `exists` is false where the DNS or the rules say no."""

    def __init__(self, why: str, *, exists: bool) -> None:
        super().__init__(why)
        self.exists = exists


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
        self._reactor = reactor
        self.resolver = resolver
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
        self.rules = AddressRules(
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
        _limit(attempt, self._timeout_s, self._reactor)
        try:
            return await attempt
        except Late:
            text = f"{domain} was not reached in {self._timeout_s:g} s"
            raise DialFailed("remote-server-timeout", text) from None

    async def _connect(self, domain: str, make_connection: Callable[[Target], C]) -> C:
        until = self._reactor.seconds() + self._timeout_s
        targets = await find_targets(domain, self.resolver, self._routes)
        failures: list[tuple[Target, Unreachable]] = []
        for number, target in enumerate(targets):
            left_s = until - self._reactor.seconds()
            share_s = max(LEAST_S, left_s / (len(targets) - number))
            try:
                return await _Attempt(self, target, make_connection, share_s).result()
            except Unreachable as error:
                failures.append((target, error))
        raise _failure(domain, failures)

    @property
    def reactor(self) -> Dials:
        return self._reactor


def _failure(domain: str, failures: list[tuple[Target, Unreachable]]) -> DialFailed:
    """RFC 6120 §8.3.3.16: no SRV records, and nobody at port 5269: there is no server."""
    answered = any(error.exists and not target.fallback for target, error in failures)
    condition: Condition = "remote-server-timeout" if answered else "remote-server-not-found"
    tried = [f"{target}: {error}" for target, error in failures]
    return DialFailed(condition, f"no connection to {domain}: {'; '.join(tried)}", tried)


def _limit(waiting: Deferred[Any], limit_s: float, reactor: Any) -> None:
    """Late, if it has no result by then."""
    _ = waiting.addTimeout(limit_s, reactor)


class _Attempt(Generic[C]):
    """One target: its addresses, the race of them, and the handshake where it begins with TLS."""

    def __init__(
        self, dialer: Dialer, target: Target, make: Callable[[Target], C], timeout_s: float
    ) -> None:
        self._dialer = dialer
        self._target = target
        self._make = make
        self._timeout_s = timeout_s
        self._refused: list[str] = []
        self._dns_failure = ""
        self._accepted: list[str] = []

    async def result(self) -> C:
        """The connection, or Unreachable."""
        connected = spawn(self._connect())
        _limit(connected, self._timeout_s, self._dialer.reactor)
        try:
            return await connected
        except Late:
            raise Unreachable(f"no answer in {self._timeout_s:.0f} s", exists=True) from None
        except HandshakeFailed as error:
            raise Unreachable(f"TLS failed: {error}", exists=True) from None
        except NoneAnswered as error:
            raise self._unreachable(str(error)) from None

    def _unreachable(self, why: str) -> Unreachable:
        if self._accepted:
            return Unreachable(why, exists=True)
        if self._dns_failure:
            return Unreachable(f"the DNS fails: {self._dns_failure}", exists=True)
        return Unreachable("; ".join(self._refused) or why, exists=False)

    async def _connect(self) -> C:
        made: list[C] = []
        handshake: Deferred[None] = Deferred(lambda _: made[0].abort("no TLS handshake in time"))

        def build() -> IProtocol:
            connection = self._make(self._target)
            made.append(connection)
            if self._target.direct_tls:
                connection.handshake_ended = _to(handshake)
            return cast("IProtocol", connection)

        try:
            await self._race(build)
        except BaseException:
            for connection in made:  # it answered, and nobody waits any more
                connection.abort("given up")
            raise
        connection = made[0]
        if self._target.direct_tls:
            await handshake
        elif not connection.open:
            raise NoneAnswered("it hung up at once")
        return connection

    async def _race(self, build: Callable[[], IProtocol]) -> None:
        dialer = self._dialer
        race = Race(dialer.reactor, self._target.port, build, self._timeout_s)

        def complete(failure: str) -> None:
            self._dns_failure = failure
            race.no_more()

        addresses = Addresses(
            dialer.resolver,
            dialer.reactor.callLater,
            lambda found: race.add(self._permitted(found)),
            complete,
        )
        try:
            addresses.start(self._target.host)
            await race.answered
        finally:
            addresses.stop()

    def _permitted(self, addresses: list[str]) -> list[str]:
        for address in addresses:
            refusal = "" if self._target.fixed else self._dialer.rules.refusal(address)
            if refusal:
                self._refused.append(refusal)
            else:
                self._accepted.append(address)
        return [address for address in addresses if address in self._accepted]


def _to(handshake: Deferred[None]) -> Callable[[str], None]:
    def ended(why: str) -> None:
        if handshake.called:
            return
        if why:
            handshake.errback(HandshakeFailed(why))
        else:
            handshake.callback(None)

    return ended
