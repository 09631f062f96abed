"""Accepts connections of other servers."""

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from xmppd.s2s.federation import Federation
from xmppd.s2s.incoming import IncomingConnection


class PeerFactory(ServerFactory):
    """Makes an `IncomingConnection` for whom `Admission` admits."""

    noisy = False

    def __init__(self, federation: Federation) -> None:
        self._federation = federation

    def buildProtocol(self, addr: IAddress | None) -> IncomingConnection | None:
        service = self._federation.service
        if self._federation.stopping:
            return None
        ticket = service.admission.admit(getattr(addr, "host", ""))
        if ticket is None:
            return None
        connection = IncomingConnection(self._federation)
        connection.factory = self
        connection.ticket = ticket
        return connection
