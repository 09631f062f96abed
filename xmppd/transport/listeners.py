"""Listening sockets as services, from endpoint strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from xmppd.transport.accepted import make_lean
from xmppd.transport.connection import StreamTransport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress
    from twisted.python.failure import Failure

    from xmppd.transport.tls import TLSContext

log = Logger()

BACKLOG = 1024


class ListenError(Exception):
    """A sentence for the operator: which endpoint, and what is wrong with it."""


class Listener(Service):
    """Listens while it runs.

    `description` is an endpoint string, as "tcp:5222:interface=127.0.0.1",
    "systemd:domain=INET:name=c2s", "unix:/run/xmppd/c2s.sock". ListenError is raised for a bad
    one when made, and for a socket that cannot be had (taken, forbidden) when started. With
    `direct_tls` connections begin with TLS (XEP-0368), in the context that it gives then.
    """

    def __init__(
        self,
        reactor: Any,  # Twisted's reactor: many interfaces at once
        description: str,
        factory: Factory,
        *,
        direct_tls: Callable[[], TLSContext] | None = None,
    ) -> None:
        self.description = description
        self.port: Any = None  # IListeningPort while it listens
        self._factory = factory if direct_tls is None else _DirectTLS(factory, direct_tls)
        try:
            self._endpoint = serverFromString(  # type: ignore[no-untyped-call]
                reactor, with_backlog(description)
            )
        except Exception as error:  # plugins raise what they like
            raise ListenError(f"{description!r} is no endpoint: {_sentence(error)}") from error

    def privilegedStartService(self) -> None:
        """Listen before privileges are dropped."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        if self.port is None:
            self._listen()

    def stopService(self) -> Deferred[None]:
        super().stopService()  # type: ignore[no-untyped-call]
        port, self.port = self.port, None
        stopped = None if port is None else port.stopListening()
        return stopped if isinstance(stopped, Deferred) else succeed(None)

    def _listen(self) -> None:
        failures: list[Failure] = []
        self._endpoint.listen(self._factory).addCallbacks(self._listening, failures.append)
        if failures:  # all endpoints of Twisted know at once
            reason = _sentence(failures[0].value)
            raise ListenError(f"cannot listen on {self.description!r}: {reason}")

    def _listening(self, port: Any) -> None:
        self.port = port
        make_lean(port)
        log.info("Listening on {description}", description=self.description)


class _DirectTLS(Factory):
    """Marks the connections of another factory as TLS from the first byte on."""

    noisy = False

    def __init__(self, factory: Factory, context: Callable[[], TLSContext]) -> None:
        self._factory = factory
        self._context = context

    def doStart(self) -> None:
        self._factory.doStart()  # type: ignore[no-untyped-call]

    def doStop(self) -> None:
        self._factory.doStop()  # type: ignore[no-untyped-call]

    def buildProtocol(self, addr: IAddress | None) -> Any:  # as Twisted's own
        protocol = self._factory.buildProtocol(addr)
        if isinstance(protocol, StreamTransport):
            protocol.direct_tls = self._context()
        return protocol


def with_backlog(description: str) -> str:
    """Room for a herd: after a restart all clients come at once, and Twisted's default is 50."""
    kind = description.partition(":")[0]
    if kind in ("tcp", "tcp6", "unix") and ":backlog=" not in description:
        return f"{description}:backlog={BACKLOG}"
    return description


def _sentence(error: object) -> str:
    if isinstance(error, CannotListenError):
        reason = error.socketError
        return getattr(reason, "strerror", None) or str(reason)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
