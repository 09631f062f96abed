"""Clients of a real host, over connections without a network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.logger import globalLogPublisher

from xmppd.auth import Attempts, SQLAccounts
from xmppd.c2s import ClientConnection, ClientFactory, Extensions, Service
from xmppd.c2s.negotiation import RESTART_S
from xmppd.config import HostOptions, Options
from xmppd.config.server import C2SOptions
from xmppd.host import Host, make_host
from xmppd.module import Module, ModuleHost
from xmppd.routing import Router
from xmppd.storage import InlineDatabase
from xmppd.stream.sasl import Channel
from xmppd.testing.stage import result_of
from xmppd.transport.admission import Admission
from xmppd.transport.certificates import self_signed
from xmppd.transport.flusher import Flusher
from xmppd.transport.store import CertificateStore
from xmppd.transport.tls import TLSContext
from xmppd.transport.wheel import TimerWheel

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
HEADER = (
    "<?xml version='1.0'?><stream:stream to='example.org' version='1.0'"
    " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
)


class Wire(StringTransportWithDisconnection):
    """The socket: says whether it is read from, and that it is gone."""

    def abortConnection(self) -> None:
        self.loseConnection()

    @property
    def reading(self) -> bool:
        return self.producerState == "producing"


class Client:
    """The other end of a `ClientConnection` that asks for no TLS."""

    header = HEADER

    def __init__(self, connection: ClientConnection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock
        self.wire = Wire()
        self.wire.protocol = connection
        connection.makeConnection(self.wire)
        self.clock.advance(0)

    def sends(self, text: str) -> str:
        """What comes back until the next pass of the reactor."""
        self.connection.dataReceived(text.encode())
        if "<stream:stream" in text:
            self.clock.advance(RESTART_S)  # which the answer to a restarted stream's header takes
        return self.hears()

    def hears(self) -> str:
        self.clock.advance(0)
        heard = self.wire.value().decode()
        self.wire.clear()
        return heard

    def logs_in(self, user: str = "juliet", password: str = "secret") -> str:
        self.sends(HEADER)
        return self.tries(user, password)

    def tries(self, user: str = "juliet", password: str = "secret") -> str:
        data = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.sends(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{data}</auth>")

    def binds(self, resource: str = "balcony", user: str = "juliet") -> str:
        assert "<success" in self.logs_in(user)
        self.sends(HEADER)
        return self.asks_for(resource)

    def asks_for(self, resource: str) -> str:
        return self.sends(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            f"<resource>{resource}</resource></bind></iq>"
        )

    def cuts(self) -> None:
        """The network is gone."""
        self.wire.loseConnection()

    @property
    def gone(self) -> bool:
        return not self.wire.connected


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(1000)
    return clock


@pytest.fixture
def host(clock: Clock) -> Host:
    database = InlineDatabase()
    accounts = SQLAccounts.inline(database, "example.org")
    made = make_host(
        "example.org",
        HostOptions(),
        accounts=accounts,
        database=database,
        router=Router(),
        clock=clock,  # type: ignore[arg-type]  # IReactorTime, which mypy cannot see
    )
    made.router.claim("example.org", made.delivery.route)
    for user in ("juliet", "romeo"):
        result_of(accounts.create(user, "secret"))
    return made


@pytest.fixture
def start(host: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Module], Options], None]:
    """Gives the host a module; streams are under TLS then, for all that they know."""

    def start(kind: type[Module], options: Options) -> None:
        host.modules = ModuleHost(host)
        result_of(host.modules.start({kind: options}))

    monkeypatch.setattr(
        "xmppd.c2s.negotiation.channel_of",
        lambda connection, domain: Channel(domain, secure=True),
    )
    return start


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateStore:
    folder = tmp_path_factory.mktemp("certificates")
    return CertificateStore({"example.org": self_signed(["example.org"], folder)})


@pytest.fixture
def service(clock: Clock, host: Host, certificates: CertificateStore) -> Service:
    """Takes passwords in the clear, so that most tests need no TLS."""
    return Service(
        hosts={"example.org": host},
        options=C2SOptions(plaintext_auth=True),
        certificates=certificates,
        flusher=Flusher(clock),
        wheel=TimerWheel(clock),
        clock=clock,
        admission=Admission(clock.seconds, descriptor_limit=10_000, descriptors=lambda: 0),
        attempts=Attempts(clock.seconds),
        extensions=Extensions(),
    )


@pytest.fixture
def factory(service: Service) -> ClientFactory:
    return ClientFactory(service)


@pytest.fixture
def connect(factory: ClientFactory, clock: Clock) -> Callable[..., Client]:
    def made(direct_tls: TLSContext | None = None) -> Client:
        connection = factory.buildProtocol(IPv4Address("TCP", "192.168.1.1", 5555))
        assert connection is not None
        connection.direct_tls = direct_tls
        return Client(connection, clock)

    return made


@pytest.fixture
def client(connect: Callable[[], Client]) -> Client:
    return connect()


@pytest.fixture
def bound(client: Client) -> Client:
    """juliet@example.org/balcony."""
    assert "<jid>juliet@example.org/balcony</jid>" in client.binds()
    return client


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """What is logged meanwhile."""
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)
