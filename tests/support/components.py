"""Components over connections without a network, beside hosts with clients in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransportWithDisconnection

from xmppd.auth import Attempts
from xmppd.components import Components
from xmppd.components.connection import ComponentConnection
from xmppd.components.service import ComponentFactory
from xmppd.config import ComponentConfig, ComponentOptions, ComponentsOptions, Secret
from xmppd.ns import CLIENT, COMPONENT
from xmppd.stream.component import digest
from xmppd.testing import Talk
from xmppd.testing.actor import Recorder
from xmppd.transport.admission import Admission
from xmppd.transport.flusher import Flusher
from xmppd.transport.wheel import TimerWheel
from xmppd.xml import Element, parse_fragment

DOMAIN = "gateway.example.org"
SECRET = "sesame"


class Wire(StringTransportWithDisconnection):
    """The socket: says whether it is read from, and that it is gone."""

    def abortConnection(self) -> None:
        if self.connected:
            self.loseConnection()

    @property
    def reading(self) -> bool:
        return self.producerState == "producing"


class Peer:
    """The other end of a `ComponentConnection`."""

    def __init__(self, connection: ComponentConnection, clock: Any) -> None:
        self.connection = connection
        self.clock = clock
        self.wire = Wire()
        self.wire.protocol = connection
        connection.makeConnection(self.wire)

    def sends(self, text: str) -> str:
        """What comes back until the next pass of the reactor."""
        self.connection.dataReceived(text.encode())
        return self.hears()

    def hears(self) -> str:
        self.clock.advance(0)
        heard = self.wire.value().decode()
        self.wire.clear()
        return heard

    def opens(self, domain: str = DOMAIN) -> str:
        """The stream's id."""
        answer = self.sends(
            f"<stream:stream xmlns='{COMPONENT}' to='{domain}'"
            " xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        return answer.partition(" id='")[2].partition("'")[0]

    def proves(self, domain: str = DOMAIN, secret: str = SECRET) -> str:
        return self.sends(f"<handshake>{digest(self.opens(domain), secret)}</handshake>")

    def cuts(self) -> None:
        self.wire.loseConnection()

    @property
    def gone(self) -> bool:
        return not self.wire.connected


class Yard:
    """A host with external components."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.clock = talk.clock
        self.components = Components(
            router=talk.router,
            hosts=talk.hosts,
            clock=talk.clock,
            attempts=Attempts(talk.clock.seconds, failures=3),
        )
        self.factory = ComponentFactory(
            self.components,
            router=talk.router,
            admission=Admission(
                talk.clock.seconds, descriptor_limit=10_000, descriptors=lambda: 0
            ),
            flusher=Flusher(talk.clock),
            wheel=TimerWheel(talk.clock),
        )

    def configure(
        self, components: Mapping[str, Mapping[str, object]], **options: object
    ) -> list[str]:
        made = {
            domain: ComponentConfig(
                domain,
                str(values.get("host", "example.org")),
                ComponentOptions(**{"secret": Secret(SECRET), **values}),  # type: ignore[arg-type]
            )
            for domain, values in components.items()
        }
        return self.components.configure(ComponentsOptions(**options), made)  # type: ignore[arg-type]

    def connects(self) -> Peer:
        connection = self.factory.buildProtocol(IPv4Address("TCP", "192.168.1.1", 5555))
        assert connection is not None
        return Peer(connection, self.clock)

    def joins(self, domain: str = DOMAIN) -> Peer:
        """A component that is connected."""
        peer = self.connects()
        assert peer.proves(domain).startswith("<handshake/>")
        return peer


class Actor(Recorder):
    """A component in a conversation, as `xmppd.testing` has clients."""

    def __init__(self, peer: Peer, name: str) -> None:
        super().__init__(name)
        self.peer = peer

    def sends(self, xml: str) -> None:
        self.peer.connection.dataReceived(xml.encode())

    def fetch(self, count: int) -> None:
        for node in parse_fragment(self.peer.hears().encode(), CLIENT):
            if isinstance(node, Element):
                self.record(node)

    def settle(self) -> None:
        self.fetch(0)


def actor(yard: Yard, domain: str = DOMAIN) -> Actor:
    """A component that has just connected; what it was told since is still to be received."""
    peer = yard.connects()
    answer = peer.proves(domain)
    assert answer.startswith("<handshake/>"), answer
    made = Actor(peer, domain)
    for node in parse_fragment(answer.removeprefix("<handshake/>").encode(), CLIENT):
        if isinstance(node, Element):
            made.record(node)
    return made
