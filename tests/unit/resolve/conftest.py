"""A network that the test plays: who answers, who refuses, what the DNS says, what time it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from xmppd.config.outgoing import OutgoingOptions
from xmppd.resolve.dialer import Dialer
from xmppd.resolve.errors import LookupFailed
from xmppd.resolve.records import Kind, Records
from xmppd.resolve.targets import Service, Target
from xmppd.resolve.wire import Silence
from xmppd.transport.connection import StreamTransport
from xmppd.transport.flusher import Flusher
from xmppd.transport.wheel import TimerWheel


class Line:
    """A TCP connection, or an attempt at one."""

    def __init__(self, network: Network, host: str, port: int, factory: Any) -> None:
        self.network, self.host, self.port, self.factory = network, host, port, factory
        self.protocol: Any = None
        self.over = False

    def answers(self) -> Any:
        self.protocol = self.factory.buildProtocol(IPv4Address("TCP", self.host, self.port))
        if self.protocol is not None:
            self.protocol.makeConnection(self)
        return self.protocol

    def fails(self, error: Exception | None = None) -> None:
        self.over = True
        self.factory.clientConnectionFailed(self, Failure(error or Refused(111)))

    def hangs_up(self) -> None:
        self.over = True
        self.protocol.connectionLost(Failure(Refused(111)))

    # As Twisted's connector and transport

    def disconnect(self) -> None:
        self.over = True

    def abortConnection(self) -> None:
        self.over = True
        self.network.callLater(0, self.hangs_up)

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", self.host, self.port)

    def write(self, data: bytes) -> None: ...
    def loseConnection(self) -> None:
        self.hangs_up()


class Network(Clock):
    """The lines in the order in which they were tried."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30) -> Line:
        self.lines.append(Line(self, host, port, factory))
        return self.lines[-1]

    @property
    def tried(self) -> list[str]:
        return [line.host for line in self.lines]

    @property
    def running(self) -> list[str]:
        return [line.host for line in self.lines if not line.over]


class Zone:
    """The DNS. What is not in it does not exist; `silent` names get no answer until told."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, Kind], Any] = {}
        self.asked: list[str] = []
        self.open: dict[tuple[str, Kind], Deferred[Records[Any]]] = {}
        self.late: set[tuple[str, Kind]] = set()

    def add(self, name: str, *values: Any, secure: bool = False) -> None:
        kind = Kind.SRV
        if isinstance(values[0], str):
            kind = Kind.AAAA if ":" in values[0] else Kind.A
        self.records[name, kind] = Records(values, 300, secure)

    async def lookup(self, name: str, kind: Kind) -> Records[Any]:
        self.asked.append(f"{name} {kind.name}")
        if (name, kind) in self.late:
            self.open[name, kind] = Deferred()
            return await self.open[name, kind]
        found = self.records.get((name, kind), Records())
        if isinstance(found, LookupFailed):
            raise found
        return found

    def fails(self, name: str, kind: Kind, *, silently: bool = False) -> None:
        self.records[name, kind] = Silence("nobody") if silently else LookupFailed("SERVFAIL")

    def says(self, name: str, kind: Kind, *values: Any) -> None:
        """The answer to a late question comes."""
        self.open.pop((name, kind)).callback(Records(values, 300))


class Connection(StreamTransport):
    """Writes down what happens to it."""

    def __init__(self, network: Network, target: Target) -> None:
        super().__init__(Flusher(network), TimerWheel(network))
        self.target = target
        self.events: list[str] = []

    def opened(self) -> None:
        self.events.append("opened")

    def lost(self, why: str) -> None:
        self.events.append("lost")


class Result:
    """Of something awaited: `value` or `error` once it is there."""

    def __init__(self, awaited: Any) -> None:
        self.value: Any = None
        self.error: Any = None
        self.deferred: Any = Deferred.fromCoroutine(awaited)
        self.deferred.addCallbacks(self._good, self._bad)

    def _good(self, value: Any) -> None:
        self.value = value

    def _bad(self, failure: Failure) -> None:
        self.error = failure.value

    @property
    def pending(self) -> bool:
        return self.value is None and self.error is None


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
def connect(network: Network, zone: Zone) -> Callable[..., Any]:
    """Begin to connect to a domain; options as in the file. With `negotiates` it is done when
    `judges(n, problem)` was told of a connection; None means that it serves.
    """

    def connect(domain: str, negotiates: bool = False, **options: Any) -> Any:
        own = options.pop("own", ())
        verdicts: list[Any] = []

        async def negotiated(connection: Connection) -> None:
            verdicts.append(Deferred())
            await verdicts[-1]

        def judges(number: int, problem: Exception | None) -> None:
            if problem is None:
                verdicts[number].callback(None)
            else:
                verdicts[number].errback(problem)

        dialer = Dialer(
            network, zone, OutgoingOptions(**options), is_own=lambda address: address in own
        )
        check = negotiated if negotiates else None
        result: Any = Result(connected(dialer, domain, network, made, check))
        result.made, result.judges = made, judges
        return result

    made: list[Connection] = []
    return connect


@pytest.fixture
def outcome() -> type[Result]:
    return Result


async def connected(
    dialer: Dialer, domain: str, network: Network, made: list[Connection], check: Any
) -> Any:
    def make(target: Target) -> Connection:
        made.append(Connection(network, target))
        return made[-1]

    return await dialer.connect(domain, make, check)


def srv(target: str, priority: int = 0, weight: int = 0, port: int = 5269) -> Service:
    return Service(priority, weight, port, target)


@pytest.fixture(name="srv")
def srv_fixture() -> Callable[..., Service]:
    return srv
