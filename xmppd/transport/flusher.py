"""Gathered writes: one send for each connection and reactor pass.

Without it each stanza is a system call of its own, and with TLS a record of its own: 7-8 µs
more a message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger

if TYPE_CHECKING:
    from types import TracebackType

    from xmppd.clock import Clock

log = Logger()


class Flushable(Protocol):
    """What a Flusher flushes: `StreamTransport`."""

    def flush(self) -> None: ...
    def abort(self, why: str = ...) -> None: ...


class Flusher:
    """Knows the connections with unsent writes; one for each process.

    While bytes that came in are being handled anywhere (`depth` > 0), writes wait; all are sent
    when `depth` is 0 again. A write outside of that waits for the reactor's next pass. Work
    that writes to many connections from elsewhere (a timer) may enter it: `with flusher: ...`.
    """

    __slots__ = ("_clock", "_scheduled", "depth", "dirty")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scheduled = False
        self.depth = 0
        self.dirty: list[Flushable] = []

    def add(self, connection: Flushable) -> None:
        """`connection` has something to send. It adds itself once until it is flushed."""
        self.dirty.append(connection)
        if not self.depth and not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._pass)

    def call_soon(self, call: Callable[[], object]) -> None:
        """Call `call()` in the reactor's next pass."""
        self._clock.callLater(0, call)

    def flush(self) -> None:
        """Send now what waits. What is written meanwhile goes out as well."""
        self.depth += 1
        try:
            while self.dirty:
                batch, self.dirty = self.dirty, []
                for connection in batch:
                    try:
                        connection.flush()
                    except Exception:
                        log.failure("Sending failed; the connection is closed")
                        connection.abort("internal error")
        finally:
            self.depth -= 1

    def _pass(self) -> None:
        self._scheduled = False
        if not self.depth:
            self.flush()

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.depth -= 1
        if not self.depth and self.dirty:
            self.flush()
