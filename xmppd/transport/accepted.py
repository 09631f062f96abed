"""Twisted's end of an accepted TCP connection, without what most connections are never asked for.

Twisted makes two lines for the log, a list, a tuple, a bound method and a number for each, 400
bytes; here they are made when somebody asks. And a read is two calls shorter.

Nor is the kernel told what mostly changes nothing. A client that is not to be read from for a time
waits for an answer anyway: only if it does say something, it is taken out of what is polled. And
what ends is ended at once, where Twisted takes another pass of the reactor to do it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from enum import IntEnum
from errno import EWOULDBLOCK
from typing import TYPE_CHECKING, Any, Final

from twisted.internet import tcp
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST

if TYPE_CHECKING:
    from twisted.python.failure import Failure


class _WhenAsked:
    """An attribute that each asking makes anew, while the object has none of that name."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Any], object]) -> None:
        self._make = make

    def __get__(self, owner: Any, of: type) -> Any:
        return self if owner is None else self._make(owner)


def _log_prefix(server: Any) -> str:
    """As Twisted writes it."""
    prefix = tcp.Server._getLogPrefix(server, getattr(server, "protocol", None))
    return f"{prefix},{server.sessionno},{server.hostname}"


def _shown(server: Any) -> str:
    name = type(getattr(server, "protocol", None)).__name__
    return f"<{name} from {server.hostname} on {server.server._realPortNumber}>"


def _peer(server: Any) -> tuple[Any, ...]:
    """Its address and port; once it is gone the port is 0. Twisted keeps an IPv6 address with its
    zone, which the socket does not tell: so does `hostname`.
    """
    try:
        return (server.hostname, *server.socket.getpeername()[1:])
    except (OSError, AttributeError):  # Twisted deletes the socket in the end
        return (server.hostname, 0)


def _writes(server: Any) -> list[bytes]:
    """What waits for a slow peer: kept from now on."""
    writes: list[bytes] = []
    server._tempDataBuffer = writes
    return writes


# What `tcp.Server` keeps of each connection, and who makes it here. A Twisted that has other
# attributes keeps them.
_MADE: Final[dict[str, Callable[[Any], object]]] = {
    "_tempDataBuffer": _writes,
    "client": _peer,
    "logstr": _log_prefix,
    "repstr": _shown,
}


_NOT_KEPT: Final = (*_MADE, "fileno")


class _Rest(IntEnum):
    """Whether a connection is not read from, and whether the reactor has been told."""

    NOT, WANTED, TOLD = range(3)


class AcceptedConnection(tcp.Server):
    """What a port of ours makes for each connection that it accepts (`Port.transport`)."""

    protocol: Any  # Twisted's interfaces say nothing to mypy
    reactor: Any
    _rest = _Rest.NOT

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sessionno = 0  # how many came before is of no use
        for name in _NOT_KEPT:
            try:  # to look into `__dict__` would make one
                delattr(self, name)
            except AttributeError:
                pass

    def _getLogPrefix(self, application: object) -> str:
        """Asked while it is made, for lines that are thrown away: see `_log_prefix`."""
        return ""

    def tune(self) -> None:
        """No delay of small writes, and a network that has gone is noticed some day."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def fileno(self) -> int:
        """As long as there is a socket; -1 afterwards, as Twisted wants it."""
        return self.socket.fileno() if self.connected else -1

    def connectionLost(self, reason: Failure) -> None:
        """Twisted deletes the method that it has put into each connection."""
        if not self.disconnected:
            self.fileno = self.socket.fileno  # type: ignore[method-assign]
        super().connectionLost(reason)

    def pauseProducing(self) -> None:
        """Read no more. What comes from now on stays in the kernel."""
        self._rest = self._rest or _Rest.WANTED

    def resumeProducing(self) -> None:
        told, self._rest = self._rest is _Rest.TOLD, _Rest.NOT
        if told:
            super().resumeProducing()  # type: ignore[no-untyped-call]

    def loseWriteConnection(self) -> None:
        """Send FIN: at once, if nothing waits to be sent before it."""
        if not self.connected or self.dataBuffer or self._tempDataLen or self.producer is not None:
            super().loseWriteConnection()  # type: ignore[no-untyped-call]
        elif not self._writeDisconnected:
            self._writeDisconnected = True
            self._closeWriteConnection()

    def readConnectionLost(self, reason: Failure) -> None:
        """FIN has come. With ours sent already that was all."""
        if self._writeDisconnected:
            self.connectionLost(reason)
        else:
            super().readConnectionLost(reason)

    def doRead(self) -> Any:
        """Hand on what has come. A value says that nothing will come any more, and why."""
        if self._rest:
            self._rest = _Rest.TOLD
            self.stopReading()  # type: ignore[no-untyped-call]
            return None
        try:
            data = self.socket.recv(self.bufferSize)
        except OSError as problem:
            return None if problem.errno == EWOULDBLOCK else CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self.protocol.dataReceived(data)
        return None


for _name, _make in _MADE.items():
    setattr(AcceptedConnection, _name, _WhenAsked(_make))


def make_lean(port: Any) -> None:
    """Have this port, if it is one of Twisted's for TCP, make such connections."""
    if getattr(port, "transport", None) is tcp.Server:
        port.transport = AcceptedConnection
