"""Accepted connections: what Twisted keeps of each is there for who asks, and takes no memory."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import tcp
from twisted.internet.error import ConnectionDone
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from xmppd.transport.accepted import AcceptedConnection, make_lean
from xmppd.transport.connection import StreamTransport
from xmppd.transport.flusher import Flusher
from xmppd.transport.wheel import TimerWheel


class Reactor:
    """What a descriptor asks of one."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def addReader(self, reader: object) -> None:
        self.told.append("read")

    def removeReader(self, reader: object) -> None:
        self.told.append("do not read")

    def addWriter(self, writer: object) -> None: ...
    def removeWriter(self, writer: object) -> None: ...


class Heard(Protocol):
    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.lost = 0

    def dataReceived(self, data: bytes) -> None:
        self.data.append(data)

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        self.lost += 1


class Port:
    _realPortNumber = 5222  # noqa: N815  # Twisted's name
    transport: type = tcp.Server


@pytest.fixture
def pair() -> Iterator[tuple[Any, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        accepted, address = listening.accept()
    port: Any = Port()
    make_lean(port)
    with client, accepted:
        yield port.transport(accepted, Heard(), address, port, 7, Reactor()), client


def test_what_twisted_keeps_of_each_connection_is_made_when_asked(
    pair: tuple[Any, socket.socket],
) -> None:
    server, client = pair
    kept = vars(server)
    for name in ("client", "fileno", "logstr", "repstr", "_tempDataBuffer"):
        assert name not in kept
    assert server.client == client.getsockname()
    assert (server.getPeer().host, server.getPeer().port) == client.getsockname()
    assert server.fileno() == server.socket.fileno()
    assert server.logPrefix() == "Heard,0,127.0.0.1"
    assert repr(server) == "<Heard from 127.0.0.1 on 5222>"


def test_a_read_hands_on_what_came_and_tells_of_the_end(pair: tuple[Any, socket.socket]) -> None:
    server, client = pair
    assert server.doRead() is None  # nothing there yet
    client.sendall(b"hello")
    assert server.doRead() is None
    assert server.protocol.data == [b"hello"]
    client.close()
    assert server.doRead() is CONNECTION_DONE
    server.socket.close()
    assert server.doRead() is CONNECTION_LOST


def test_what_is_written_waits_and_is_sent_in_order(pair: tuple[Any, socket.socket]) -> None:
    server, client = pair
    server.write(b"one ")
    server.writeSequence([b"two ", b"three"])
    server.doWrite()
    assert client.recv(100) == b"one two three"


def test_a_lost_connection_has_no_descriptor_and_can_still_be_logged(
    pair: tuple[Any, socket.socket],
) -> None:
    server, _ = pair
    protocol = server.protocol
    for _ in range(2):
        server.connectionLost(Failure(ConnectionDone()))
    assert protocol.lost == 1
    assert server.fileno() == -1
    assert server.getPeer().host == "127.0.0.1"
    assert "127.0.0.1" in server.logPrefix() + repr(server)


def test_a_pause_in_which_nothing_comes_is_not_told_to_the_reactor(
    pair: tuple[Any, socket.socket],
) -> None:
    server, client = pair
    server.reactor.told.clear()
    server.pauseProducing()
    server.resumeProducing()
    assert server.reactor.told == []
    client.sendall(b"hello")
    server.doRead()
    assert server.protocol.data == [b"hello"]


def test_what_comes_in_a_pause_stays_in_the_kernel_until_its_end(
    pair: tuple[Any, socket.socket],
) -> None:
    server, client = pair
    server.reactor.told.clear()
    client.sendall(b"hello")
    server.pauseProducing()
    assert server.doRead() is None
    server.pauseProducing()
    assert server.reactor.told == ["do not read"]
    assert server.protocol.data == []
    server.resumeProducing()
    assert server.reactor.told == ["do not read", "read"]
    server.doRead()
    assert server.protocol.data == [b"hello"]


def test_fin_is_sent_at_once_and_with_the_peers_the_connection_is_over(
    pair: tuple[Any, socket.socket],
) -> None:
    server, client = pair
    protocol = server.protocol
    server.loseWriteConnection()
    assert client.recv(100) == b""
    server.readConnectionLost(Failure(ConnectionDone()))
    assert protocol.lost == 1


def test_fin_comes_after_what_waits_to_be_sent(pair: tuple[Any, socket.socket]) -> None:
    server, client = pair
    server.write(b"last words")
    server.loseWriteConnection()
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(100)
    server.doWrite()
    assert client.recv(100) == b"last words"
    assert client.recv(100) == b""


def test_ports_with_connections_of_their_own_keep_them() -> None:
    class Other(tcp.Server):
        pass

    port = Port()
    port.transport = Other
    make_lean(port)
    assert port.transport is Other
    assert issubclass(AcceptedConnection, tcp.Server)


def test_a_stream_on_it_is_known_by_its_address_and_does_not_wait_for_more(
    pair: tuple[Any, socket.socket],
) -> None:
    server, _ = pair
    clock = Clock()
    stream = StreamTransport(Flusher(clock), TimerWheel(clock))
    stream.makeConnection(server)
    assert stream.peer_address == "127.0.0.1"
    assert server.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_its_line_of_the_log_has_a_prefix_for_who_asks(pair: tuple[Any, socket.socket]) -> None:
    server, _ = pair
    assert server.logPrefix() == f"Heard,0,{server.hostname}"
