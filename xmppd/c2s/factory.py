"""Accepts clients' connections, one factory for each listener."""

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from xmppd.c2s.connection import ClientConnection
from xmppd.c2s.service import Service
from xmppd.xml import StreamError

log = Logger()


class ClientFactory(ServerFactory):
    """Makes a `ClientConnection` for whom `Admission` admits; knows those that are there.

    `Listener(..., direct_tls=...)` makes its connections begin with TLS (XEP-0368).
    """

    noisy = False

    def __init__(self, service: Service) -> None:
        self.connections: set[ClientConnection] = set()
        self._service = service
        self._stopping: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> ClientConnection | None:
        if self._stopping is not None:
            return None
        host = getattr(addr, "host", "")
        ticket = self._service.admission.admit(host)
        if ticket is None:
            return None
        connection = ClientConnection(self, self._service)
        connection.factory = self
        connection.ticket = ticket
        return connection

    def gone(self, connection: ClientConnection) -> None:
        """The connection is lost."""
        self.connections.discard(connection)
        if self._stopping is not None and not self.connections and not self._stopping.called:
            self._stopping.callback(None)

    def reset(self, domain: str) -> None:
        """The host `domain` is served no more: its clients are sent away (RFC 6120 §4.9.3.16)."""
        for connection in list(self.connections):
            if connection.domain == domain:
                connection.end(StreamError("reset"))

    def shutdown(self) -> Deferred[None]:
        """Send all clients away with system-shutdown; fires when they are gone, in 5 s at most."""
        if self._stopping is None:
            self._stopping = Deferred()
        if not self.connections:
            return succeed(None)
        for connection in list(self.connections):
            connection.end(StreamError("system-shutdown"))
        return self._stopping
