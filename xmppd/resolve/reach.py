"""One host and port: its addresses, those that are permitted, and the race of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as Late

from xmppd.hooks import spawn
from xmppd.resolve.discovery import Addresses
from xmppd.resolve.race import Dials, NoneAnswered, Race

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol

    from xmppd.resolve.addresses import AddressRules
    from xmppd.resolve.resolver import Lookup


class Unreachable(Exception):
    """A host did not work out. `exists` is false where the DNS or the rules say no."""

    def __init__(self, why: str, *, exists: bool) -> None:
        super().__init__(why)
        self.exists = exists


def limit(waiting: Deferred[Any], limit_s: float, reactor: Any) -> None:
    """Cancelled, and failed with Late, if it has no result by then."""
    _ = waiting.addTimeout(limit_s, reactor)


class Reach:
    """`rules` None: whatever address it has will do, the operator has named it."""

    def __init__(self, reactor: Dials, resolver: Lookup, rules: AddressRules | None) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._rules = rules
        self._accepted: list[str] = []
        self._refused: list[str] = []
        self._dns_failure = ""

    async def connect(
        self, host: str, port: int, build: Callable[[], IProtocol], timeout_s: float
    ) -> IProtocol:
        """The protocol that `build` made, connected. Raises Unreachable."""
        racing = spawn(self._race(host, port, build, timeout_s))
        limit(racing, timeout_s, self._reactor)
        try:
            return await racing
        except Late:
            raise Unreachable(f"no answer in {timeout_s:.0f} s", exists=True) from None
        except NoneAnswered as error:
            raise self._unreachable(str(error)) from None

    def _unreachable(self, why: str) -> Unreachable:
        if self._accepted:
            return Unreachable(why, exists=True)
        if self._dns_failure:
            return Unreachable(f"the DNS fails: {self._dns_failure}", exists=True)
        return Unreachable("; ".join(self._refused) or why, exists=False)

    async def _race(
        self, host: str, port: int, build: Callable[[], IProtocol], timeout_s: float
    ) -> IProtocol:
        race = Race(self._reactor, port, build, timeout_s)

        def complete(failure: str) -> None:
            self._dns_failure = failure
            race.no_more()

        addresses = Addresses(
            self._resolver,
            self._reactor.callLater,
            lambda found: race.add(self._permitted(found)),
            complete,
        )
        try:
            addresses.start(host)
            return await race.answered
        finally:
            addresses.stop()

    def _permitted(self, addresses: list[str]) -> list[str]:
        permitted: list[str] = []
        for address in addresses:
            refusal = self._rules.refusal(address) if self._rules is not None else ""
            (self._refused if refusal else permitted).append(refusal or address)
        self._accepted += permitted
        return permitted
