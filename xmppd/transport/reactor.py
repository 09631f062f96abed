"""Twisted's epoll reactor with a shorter way to who reads, and one flush a pass.

Twisted calls each descriptor inside a logging context and through two methods: about 4 µs a read,
as much as all hooks of a message. Here a descriptor that has bytes to read, and nothing else, is
called at once; all else goes Twisted's way. And since this is where a pass begins and ends, what
all reads of a pass have written to a connection is sent together.
"""

import errno
import sys
from select import EPOLLIN
from typing import TYPE_CHECKING, Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.python import log as legacy_log

if TYPE_CHECKING:
    from xmppd.transport.flusher import Flusher


# Served in one pass. Twisted asks for as many as there are descriptors, and Python makes room for
# as many each time: with 10,000 sessions that doubled what a message costs.
MOST_EVENTS = 256


class StreamReactor(EPollReactor):
    """Install it before anybody imports `twisted.internet.reactor`."""

    flusher: "Flusher | None" = None  # set once there is one

    # Twisted's own attributes, which it does not type
    _poller: Any
    _selectables: dict[int, Any]

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
            with flusher:
                self._serve(ready)

    doIteration = doPoll  # noqa: N815

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        selectables = self._selectables
        for fd, event in ready:
            selectable = selectables.get(fd)
            if selectable is None:
                continue  # closed by one served before it
            if event != EPOLLIN:
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
