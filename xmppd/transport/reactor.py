"""Twisted's epoll reactor with a shorter way to who reads, and one flush a pass.

Twisted calls each descriptor inside a logging context and through two methods: about 4 µs a read,
as much as all hooks of a message. Here a descriptor that has bytes to read, and nothing else, is
called at once; all else goes Twisted's way. And since this is where a pass begins and ends, what
all reads of a pass have written to a connection is sent together.

Nor is Twisted asked with each pass what is due: nine calls, where mostly nothing is. It is as soon
as there is a new timed call, one whose time has come, a call from a thread or a stop.
"""

import errno
import sys
from select import EPOLLIN, EPOLLOUT
from typing import TYPE_CHECKING, Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.logger import Logger
from twisted.python import log as legacy_log

if TYPE_CHECKING:
    from xmppd.transport.flusher import Flusher


log = Logger()

# What the loop asks Twisted's reactor for, which promises none of it: without, its loop is taken.
PARTS = ("_justStopped", "_newTimedCalls", "_pendingTimedCalls", "_started", "threadCallQueue")
LONGEST_S = 3600.0  # epoll_wait counts milliseconds in 31 bits; an hour will do

# Served in one pass. Twisted asks for as many as there are descriptors, and Python makes room for
# as many each time: with 10,000 sessions that doubled what a message costs.
MOST_EVENTS = 256


class StreamReactor(EPollReactor):
    """Install it before anybody imports `twisted.internet.reactor`."""

    flusher: "Flusher | None" = None  # set once there is one

    # Twisted's own attributes, which it does not type
    _poller: Any
    _selectables: dict[int, Any]
    _pendingTimedCalls: list[Any]  # noqa: N815

    def mainLoop(self) -> None:
        """Until the reactor is stopped. What fails is logged, and the loop goes on."""
        if not all(hasattr(self, part) for part in PARTS):
            super().mainLoop()
            return
        while self._started:
            try:
                self._run()
            except BaseException:  # as Twisted's, which a KeyboardInterrupt does not end either
                log.failure("Unexpected error in main loop")

    def _run(self) -> None:
        while self._started:
            timed = self._pendingTimedCalls  # a heap; Twisted exchanges it now and then
            wait_s = min(timed[0].time - self.seconds(), LONGEST_S) if timed else None
            if (
                self.threadCallQueue
                or self._newTimedCalls
                or self._justStopped
                or not self.running
                or (wait_s is not None and wait_s <= 0.0)
            ):
                self.runUntilCurrent()
                wait_s = self.timeout() if self.running else 0.0
            self.doPoll(wait_s)

    def doPoll(self, timeout: float | None) -> None:
        """Wait for what can be read or written, and have it done."""
        try:
            ready = self._poller.poll(-1 if timeout is None else timeout, MOST_EVENTS)
        except OSError as problem:
            if problem.errno == errno.EINTR:
                return
            raise
        flusher = self.flusher
        if flusher is None:
            self._serve(ready)
        elif ready:
            flusher.depth += 1
            try:
                self._serve(ready)
            finally:
                flusher.depth -= 1
                if flusher.dirty and not flusher.depth:
                    flusher.flush()

    doIteration = doPoll  # noqa: N815

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        selectables = self._selectables
        for fd, event in ready:
            selectable = selectables.get(fd)
            if selectable is None:
                continue  # closed by one served before it
            if event != EPOLLIN and (event & EPOLLOUT or not event & EPOLLIN):
                legacy_log.callWithLogger(  # type: ignore[no-untyped-call]
                    selectable, self._doReadOrWrite, selectable, fd, event
                )
                continue
            try:
                lost = selectable.doRead()
            except Exception:
                legacy_log.err()  # type: ignore[no-untyped-call]
                lost = sys.exc_info()[1]
            if lost:
                self._disconnectSelectable(  # type: ignore[no-untyped-call]
                    selectable, lost, True
                )


def install_first() -> bool:
    """Make it the process's reactor, unless one is installed already or was asked for by name."""
    if "twisted.internet.reactor" in sys.modules:
        return False
    installReactor(StreamReactor())  # type: ignore[no-untyped-call]
    return True
