"""Clients that can resume their session."""

import socket

from tests.faults.people import PATIENCE_S, Connect, joins
from tests.support.client import TLSClient
from tests.support.server import ServerProcess
from xmppd.jid import jid
from xmppd.ns import SM
from xmppd.xml import Element, to_xml

R, ENABLE = f"<r xmlns='{SM}'/>", f"<enable xmlns='{SM}' resume='true'/>"


class Phone:
    """A client that counts (XEP-0198), and comes back."""

    patience_s = PATIENCE_S

    def __init__(
        self,
        server: ServerProcess,
        address: str,
        connect: Connect = socket.create_connection,
    ) -> None:
        self.server = server
        self.address = address
        self.connect = connect
        self.client = joins(server, address, connect=connect)
        self.client.sends(ENABLE)
        self.id = self.nonza("enabled").get("id") or ""
        self.handled = 0
        self.bodies: list[str] = []
        self.told: list[str] = []  # errors

    def nonza(self, name: str) -> Element:
        """The next element of that name; messages before it are counted."""
        while True:
            came = self.client.reads()
            if came.ns == SM:
                if came.name == name:
                    return came
                assert came.name == "r", to_xml(came)
                continue
            self._takes(came)

    def acknowledged(self) -> int:
        """How many of ours the server answers for."""
        self.client.sends(R)
        return int(self.nonza("a").get("h") or -1)

    def acknowledges(self) -> None:
        self.client.sends(f"<a xmlns='{SM}' h='{self.handled}'/>")

    def cuts(self) -> None:
        self.client.disconnect()

    def comes_back(self) -> Element:
        """<resumed/> or <failed/>."""
        self.client = client = TLSClient(
            self.server.address, jid(self.address), connect=self.connect
        )
        client.socket.settimeout(self.patience_s)
        client.opens()
        client.secures()
        client.logs_in()
        client.sends(f"<resume xmlns='{SM}' previd='{self.id}' h='{self.handled}'/>")
        answer = client.reads()
        assert answer.ns == SM, to_xml(answer)
        return answer

    def until(self, last: str) -> list[str]:
        """What comes up to the message with this id."""
        while last not in self.bodies:
            came = self.client.reads()
            if came.ns != SM:
                self._takes(came)
        return self.bodies

    def _takes(self, stanza: Element) -> None:
        self.handled += 1
        if stanza.get("type") == "error":
            self.told.append(to_xml(stanza))
        elif stanza.name == "message":
            self.bodies.append(stanza.get("id") or "")
