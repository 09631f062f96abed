"""A client's connection as its session sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from xmppd.transport.connection import Pause
from xmppd.xml import StreamError

if TYPE_CHECKING:
    from xmppd.c2s.negotiation import Negotiation


class _Write(Protocol):
    def __call__(self, data: bytes) -> None: ...


class ConnectionOutlet:
    """The connection as its session sees it (`xmppd.sessions.Outlet`)."""

    __slots__ = ("_connection", "write")

    def __init__(self, connection: "Negotiation") -> None:
        self._connection = connection
        self.write: _Write = connection.write

    def close(self, error: StreamError | None = None) -> None:
        self._connection.end(error)

    def detach(self) -> None:
        self._connection.yield_session()

    def pause(self) -> None:
        self._connection.pause(Pause.SLOW_READER)

    def resume(self) -> None:
        self._connection.resume(Pause.SLOW_READER)

    def hold(self) -> None:
        self._connection.hold_output()

    def release(self) -> None:
        self._connection.release_output()

    @contextmanager
    def ahead(self) -> Iterator[None]:
        self.write = self._connection.write_ahead
        try:
            yield
        finally:
            self.write = self._connection.write

    @property
    def buffered(self) -> int:
        return self._connection.buffered
