"""Happy Eyeballs: several addresses of one host, tried with small delays (RFC 8305 §5).

The first that answers has won, and the rest are given up. A protocol is made for the winner only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import TCPTimedOutError
from twisted.internet.error import TimeoutError as Late
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

ATTEMPT_DELAY_S = 0.25  # RFC 8305 §8
MOST_ADDRESSES = 16


class Dials(Protocol):
    """What is used of Twisted's reactor."""

    def seconds(self) -> float: ...
    def callLater(self, delay: float, callable: Any, /, *args: object) -> Any: ...
    def connectTCP(
        self, host: str, port: int, factory: ClientFactory, timeout: float = 30
    ) -> Any: ...


class NoneAnswered(Exception):
    """All addresses failed; the text says how."""


def interleaved(addresses: Sequence[str], last: str = "") -> list[str]:
    """IPv6 first, or the family that `last` was not; then in turns (RFC 8305 §4). Each once."""
    families = [[one for one in addresses if (":" in one) is six] for six in (True, False)]
    if ":" in last:
        families.reverse()
    mixed = [one for pair in zip_longest(*families) for one in pair if one is not None]
    return list(dict.fromkeys(mixed))


class Race:
    """`answered` fires with the protocol that `build` made for the first address to answer.

    More addresses may come (`add`) until `no_more` is called; then the failure of the last one
    left is NoneAnswered. Cancelling `answered` gives up all attempts.
    """

    def __init__(
        self, reactor: Dials, port: int, build: Callable[[], IProtocol], timeout_s: float
    ) -> None:
        self.answered: Deferred[IProtocol] = Deferred(lambda _: self._stop())
        self._reactor = reactor
        self._port = port
        self._build = build
        self._timeout_s = timeout_s
        self._waiting: list[str] = []
        self._running: dict[_Attempt, Any] = {}  # to their connectors
        self._failures: list[str] = []
        self._known = 0
        self._last = ""
        self._next: Any = None
        self._complete = False
        self._over = False

    def add(self, addresses: Sequence[str]) -> None:
        """Try these too; begins at once where nothing is being tried."""
        fresh = addresses[: max(0, MOST_ADDRESSES - self._known)]
        self._known += len(fresh)
        self._waiting = interleaved([*self._waiting, *fresh], self._last)
        if not self._running:
            self._start_now()

    def no_more(self) -> None:
        self._complete = True
        self._fail_if_done()

    def _start_now(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._start_next()

    def _start_next(self) -> None:
        self._next = None
        if self._over or not self._waiting:
            self._fail_if_done()
            return
        address = self._last = self._waiting.pop(0)
        # before connecting: a failure may be told while it is being called
        self._next = self._reactor.callLater(ATTEMPT_DELAY_S, self._start_next)
        attempt = _Attempt(self, address)
        self._running[attempt] = None
        connector = self._reactor.connectTCP(address, self._port, attempt, self._timeout_s)
        if attempt in self._running:
            self._running[attempt] = connector

    def won(self, attempt: _Attempt) -> IProtocol | None:
        """The protocol for an address that has answered; None where another one was faster."""
        if self._over:
            return None
        self._running.pop(attempt)
        self._stop()
        try:
            protocol = self._build()
        except Exception:
            self.answered.errback()
            return None
        # The protocol is told first that it is connected.
        self._reactor.callLater(0, self._tell, protocol)
        return protocol

    def _tell(self, protocol: IProtocol) -> None:
        if not self.answered.called:
            self.answered.callback(protocol)

    def failed(self, attempt: _Attempt, why: str) -> None:
        if self._over or attempt not in self._running:
            return
        del self._running[attempt]
        self._failures.append(f"{attempt.address}: {why}")
        self._start_now()

    def _fail_if_done(self) -> None:
        if self._over or self._running or self._waiting or not self._complete:
            return
        self._stop()
        why = "; ".join(self._failures) or "it has no address"
        self.answered.errback(NoneAnswered(why))

    def _stop(self) -> None:
        self._over = True
        if self._next is not None and self._next.active():
            self._next.cancel()
        connectors = [connector for connector in self._running.values() if connector is not None]
        self._running.clear()
        for connector in connectors:
            connector.disconnect()


class _Attempt(ClientFactory):
    noisy = False

    def __init__(self, race: Race, address: str) -> None:
        self.address = address
        self._race = race

    def buildProtocol(self, addr: object) -> Any:  # None closes the connection
        return self._race.won(self)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._race.failed(self, _words(reason.value))


def _words(error: object) -> str:
    """The system's words, as "Connection refused"; Twisted's have them twice."""
    if isinstance(error, TCPTimedOutError | Late):
        return "no answer"
    number = getattr(error, "osError", None)
    return os.strerror(number) if isinstance(number, int) else str(error).rstrip(".")
