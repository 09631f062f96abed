"""What administration wants of a reactor, in types that mypy can read (zope's it cannot)."""

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from xmppd.clock import Clock, Timer

__all__ = ["Clock", "Port", "Reactor", "Timer"]


class Port(Protocol):
    """IListeningPort."""

    def getHost(self) -> object: ...
    def stopListening(self) -> "Deferred[None] | None": ...


class Reactor(Clock, Protocol):
    """IReactorTCP, IReactorUNIX and IReactorTime; `Any` is a Port."""

    def listenTCP(
        self, port: int, factory: "Factory[Any]", backlog: int = 50, interface: str = ""
    ) -> Any: ...
    def listenUNIX(
        self, address: str, factory: "Factory[Any]", backlog: int = 50, mode: int = 0o666
    ) -> Any: ...
