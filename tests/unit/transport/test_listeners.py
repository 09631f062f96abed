"""Endpoint strings and what is said about bad ones."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactor

from xmppd.transport.listeners import BACKLOG, Listener, ListenError
from xmppd.transport.store import CertificateStore

TCP = "tcp:5222:interface=127.0.0.1"


@pytest.mark.parametrize("description", ["", "tcp", "tcp:abc", "carrier:pigeon", "tcp:1:x=2"])
def test_a_bad_endpoint_is_told_in_a_sentence(description: str) -> None:
    with pytest.raises(ListenError, match="is no endpoint"):
        Listener(MemoryReactor(), description, Factory())


def test_a_listener_listens_with_a_long_backlog() -> None:
    reactor = MemoryReactor()
    listener = Listener(reactor, TCP, Factory())
    listener.privilegedStartService()
    listener.startService()
    ((port, _, backlog, interface),) = reactor.tcpServers
    assert (port, backlog, interface) == (5222, BACKLOG, "127.0.0.1")
    listener.stopService()
    assert listener.port is None


def test_the_operators_backlog_is_kept() -> None:
    reactor = MemoryReactor()
    Listener(reactor, f"{TCP}:backlog=7", Factory()).startService()
    assert reactor.tcpServers[0][2] == 7


def test_a_taken_port_is_told_in_a_sentence() -> None:
    class Taken(MemoryReactor):
        def listenTCP(self, *args: object, **options: object) -> object:  # type: ignore[override]
            raise CannotListenError("127.0.0.1", 5222, OSError(98, "Address already in use"))

    listener = Listener(Taken(), TCP, Factory())
    with pytest.raises(ListenError, match=f"cannot listen on '{TCP}': Address already in use"):
        listener.startService()


def test_direct_tls_marks_connections_with_the_context_of_that_time(
    connection: Protocol, store: CertificateStore
) -> None:
    class Streams(Factory):
        def buildProtocol(self, addr: object) -> Protocol | None:
            return connection if addr == peer else None

    peer = IPv4Address("TCP", "192.0.2.1", 1)
    reactor = MemoryReactor()
    Listener(reactor, TCP, Streams(), direct_tls=store.context).startService()
    factory = reactor.tcpServers[0][1]
    assert factory.buildProtocol(None) is None
    assert factory.buildProtocol(peer).direct_tls is store.context()
