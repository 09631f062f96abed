"""Connections without a network: a kernel that takes as many bytes as the test says."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from xmppd.transport.certificates import self_signed
from xmppd.transport.connection import StreamTransport
from xmppd.transport.flusher import Flusher
from xmppd.transport.store import CertificateStore, TLSSettings
from xmppd.transport.wheel import TimerWheel

Pair = tuple[Path, Path]


class KernelSocket(socket.socket):
    """Takes `room` bytes, then says EAGAIN; `sends` has what each call brought."""

    room = 1 << 30
    broken: OSError | None = None

    def __init__(self) -> None:
        super().__init__(socket.AF_UNIX)
        self.sends: list[bytes] = []

    def send(self, data: Any, flags: int = 0) -> int:
        if self.broken is not None:
            raise self.broken
        if not self.room:
            raise BlockingIOError
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.sends.append(taken)
        return len(taken)


class KernelTransport:
    """As Twisted's TCP connection: a socket, a buffer behind it, a pull producer."""

    def __init__(self) -> None:
        self.socket = KernelSocket()
        self.waiting = b""
        self.producer: Any = None
        self.reading = True
        self.ended = ""

    @property
    def sent(self) -> bytes:
        return b"".join(self.socket.sends)

    def getHandle(self) -> KernelSocket:
        return self.socket

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 5555)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.keep_alive = enabled

    def write(self, data: bytes) -> None:
        self.waiting += data

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert self.producer is None
        self.producer = producer
        producer.resumeProducing()

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def loseWriteConnection(self) -> None:
        self.ended = self.ended or "fin"

    def loseConnection(self) -> None:
        self.ended = "closed"

    def abortConnection(self) -> None:
        self.ended = "aborted"

    def drain(self, room: int = 1 << 30) -> None:
        """The peer reads: what waited is gone, and `room` more bytes fit."""
        self.socket.room = room
        self.socket.sends.append(self.waiting)
        self.waiting = b""
        if self.producer is not None:
            self.producer.resumeProducing()


class Recorder(StreamTransport):
    """A connection whose owner writes down what happens, and answers with `reply`."""

    def __init__(self, clock: Clock, flusher: Flusher, wheel: TimerWheel) -> None:
        super().__init__(flusher, wheel)
        self.clock = clock
        self.flusher = flusher
        self.events: list[str] = []
        self.reply: Callable[[bytes], None] = lambda data: None

    def opened(self) -> None:
        self.events.append("opened")

    def received(self, data: bytes) -> None:
        self.events.append(f"received {data.decode()}")
        self.reply(data)

    def secured(self) -> None:
        self.events.append("secured")

    def drained(self) -> None:
        self.events.append("drained")

    def lost(self, why: str) -> None:
        self.events.append(f"lost: {why}")

    @property
    def wire(self) -> KernelTransport:
        assert isinstance(self.transport, KernelTransport)
        return self.transport

    def turn(self) -> None:
        """The reactor's next pass."""
        self.clock.advance(0)

    def gone(self, reason: Exception | None = None) -> None:
        """The socket is gone."""
        self.connectionLost(Failure(reason or ConnectionDone()))


class TLSClient:
    """The other end of a handshake, with the standard library's TLS."""

    def __init__(self, connection: Recorder, context: ssl.SSLContext, name: str | None) -> None:
        self._connection = connection
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._seen = len(connection.wire.sent)

    def exchange(self) -> None:
        """Carry bytes to and fro until nobody has more to say."""
        while True:
            sent = self._out.read()
            if sent:
                self._connection.dataReceived(sent)
            answered = self._connection.wire.sent[self._seen :]
            self._seen += len(answered)
            self._in.write(answered)
            if not sent and not answered:
                return

    def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                before = self._seen
                self.exchange()
                if self._seen == before:
                    raise
            else:
                self.exchange()
                return

    def say(self, data: bytes) -> None:
        self.tls.write(data)
        self.exchange()

    def hear(self) -> bytes:
        """All that has come; the test fails with SSLWantReadError where that is nothing."""
        self.exchange()
        heard = self.tls.read(1 << 20)
        while self._in.pending or self.tls.pending():
            heard += self.tls.read(1 << 20)
        return heard


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wheel(clock: Clock) -> TimerWheel:
    return TimerWheel(clock)


@pytest.fixture
def connect(clock: Clock, wheel: TimerWheel) -> Iterator[Callable[[], Recorder]]:
    """Makes connections that share a flusher."""
    flusher = Flusher(clock)
    made: list[KernelTransport] = []

    def make() -> Recorder:
        connection = Recorder(clock, flusher, wheel)
        made.append(KernelTransport())
        connection.makeConnection(made[-1])  # type: ignore[arg-type]
        return connection

    yield make
    for transport in made:
        transport.socket.close()


@pytest.fixture
def connection(connect: Callable[[], Recorder]) -> Recorder:
    return connect()


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Certificates of two hosts; the first is the default."""
    directory = tmp_path_factory.mktemp("certificates")
    hosts = ("example.org", "example.net")
    return {host: self_signed([host], directory) for host in hosts}


@pytest.fixture(params=["pyopenssl", "stdlib"])
def store(request: pytest.FixtureRequest, pairs: dict[str, Pair]) -> CertificateStore:
    return CertificateStore(pairs, TLSSettings(engine=request.param))


@pytest.fixture
def openssl_store(pairs: dict[str, Pair]) -> CertificateStore:
    return CertificateStore(pairs)


@pytest.fixture
def client_context(pairs: dict[str, Pair]) -> ssl.SSLContext:
    """A client that trusts our certificates and insists on the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for certificate, _ in pairs.values():
        context.load_verify_locations(certificate)
    return context


@pytest.fixture
def tls_client(connection: Recorder, client_context: ssl.SSLContext) -> Callable[..., TLSClient]:
    """A client on the other end of `connection`, not yet greeted."""

    def make(name: str | None = "example.org") -> TLSClient:
        return TLSClient(connection, client_context, name)

    return make
