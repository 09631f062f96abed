"""A reactor of the test's own, that runs while the test waits, in its thread.

loop = Loop()
loop.wait(resolver.lookup("example.org", Kind.A))
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.python.failure import Failure

T = TypeVar("T")
PATIENCE_S = 20.0


class Loop:
    def __init__(self) -> None:
        # it must not become the process's reactor, which other tests may want to install
        self.reactor: Any = EPollReactor()
        self.reactor.seconds = time.monotonic

    def wait(self, awaited: Awaitable[T]) -> T:
        """Its result; raises what it raises."""

        async def it() -> T:
            return await awaited

        out: list[Any] = []
        Deferred.fromCoroutine(it()).addBoth(out.append)
        self.until(lambda: bool(out))
        if isinstance(out[0], Failure):
            out[0].raiseException()
        return cast(T, out[0])

    def until(self, reached: Callable[[], bool]) -> None:
        """Run until it is true."""
        end = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < end, "it never happened"
            self.reactor.iterate(self.reactor.timeout() or 0.05)

    def close(self) -> None:
        """Close all that is left open."""
        self.reactor.removeAll()
        for call in self.reactor.getDelayedCalls():
            call.cancel()
