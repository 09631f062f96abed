"""Accepts clients' connections, one factory for each listener."""

from xmppd.c2s.connection import ClientConnection
from xmppd.c2s.service import Service
from xmppd.transport.serving import ServingFactory
from xmppd.xml import StreamError


class ClientFactory(ServingFactory[ClientConnection]):
    """Its connections are `ClientConnection`s."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.admission)
        self._service = service

    def make(self) -> ClientConnection:
        return ClientConnection(self, self._service)

    def reset(self, domain: str) -> None:
        """The host `domain` is served no more: its clients are sent away (RFC 6120 §4.9.3.16)."""
        for connection in list(self.connections):
            if connection.domain == domain:
                connection.end(StreamError("reset"))
