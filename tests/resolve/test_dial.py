"""From a domain to a secured stream, all real: nsd, TCP, TLS from the first byte on and later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.protocol import Factory

from tests.support.authority import Authority
from tests.support.loop import Loop
from tests.support.nameservers import Hostile, Nsd, free_port, installed
from xmppd.config.outgoing import OutgoingOptions
from xmppd.resolve import DialFailed, Target, make_dialer, make_prover
from xmppd.transport.connection import StreamTransport
from xmppd.transport.flusher import Flusher
from xmppd.transport.peer_tls import PeerTLS, PeerTLSSettings
from xmppd.transport.proof import Role
from xmppd.transport.wheel import TimerWheel

OURS, THEIRS = "example.org", "example.net"


class Stream(StreamTransport):
    """Says hello in either role, and remembers what it heard."""

    heard = b""
    ended = ""
    greets = False

    def opened(self) -> None:
        if self.greets and self.direct_tls is None:
            self.write(b"hello")

    def secured(self) -> None:
        if self.greets:
            self.write(b"hello, in private")

    def received(self, data: bytes) -> None:
        self.heard += data

    def lost(self, why: str) -> None:
        self.ended = why


class Peer(Factory):
    """Listens on loopback as another server would."""

    noisy = False

    def __init__(self, loop: Loop, tls: Any = None, host: str = "127.0.0.1") -> None:
        self.streams: list[Stream] = []
        self._loop, self._tls = loop, tls
        self._port = loop.reactor.listenTCP(0, self, interface=host)
        self.port: int = self._port.getHost().port

    def buildProtocol(self, addr: object) -> Any:
        stream = Stream(Flusher(self._loop.reactor), TimerWheel(self._loop.reactor))
        stream.direct_tls = self._tls
        self.streams.append(stream)
        return stream


@pytest.fixture
def authority() -> Authority:
    return Authority.make()


@pytest.fixture
def trust(authority: Authority, tmp_path: Path) -> Path:
    return authority.write(tmp_path / "ca.pem")


@pytest.fixture
def ours(authority: Authority, trust: Path, tmp_path: Path) -> PeerTLS:
    return PeerTLS({OURS: authority.certify(tmp_path, OURS)}, PeerTLSSettings(trust=trust))


@pytest.fixture
def theirs(authority: Authority, trust: Path, tmp_path: Path) -> PeerTLS:
    return PeerTLS({THEIRS: authority.certify(tmp_path, THEIRS)}, PeerTLSSettings(trust=trust))


class Dial:
    """Connects to a domain whose zone has these lines."""

    def __init__(self, loop: Loop, folder: Path, tls: PeerTLS) -> None:
        self._loop, self._folder, self._tls = loop, folder, tls
        self.flusher, self.wheel = Flusher(loop.reactor), TimerWheel(loop.reactor)
        self.targets: list[Target] = []

    def make(self, target: Target) -> Stream:
        self.targets.append(target)
        stream = Stream(self.flusher, self.wheel)
        stream.greets = True
        if target.direct_tls:
            stream.direct_tls = self._tls.client(OURS, THEIRS, direct=True)
        return stream

    def __call__(self, zone: str, **options: Any) -> Stream:
        with Nsd(self._folder, {THEIRS: zone}) as nsd:
            return self.ask(nsd, **options)

    def ask(self, server: Any, **options: Any) -> Stream:
        self.options = OutgoingOptions(
            **{"nameservers": [server.address], "allow_private": True, **options}
        )
        self.dialer = make_dialer(self._loop.reactor, self.options)
        return self._loop.wait(self.dialer.connect(THEIRS, self.make))


@pytest.fixture
def dial(loop: Loop, tmp_path: Path, ours: PeerTLS) -> Dial:
    assert installed("nsd"), "apt install nsd: without it the DNS is not tested"
    return Dial(loop, tmp_path, ours)


def test_a_stream_begins_in_the_clear_and_turns_to_tls(
    loop: Loop, dial: Dial, ours: PeerTLS, theirs: PeerTLS
) -> None:
    peer = Peer(loop)
    stream = dial(f"_xmpp-server._tcp SRV 0 0 {peer.port} xmpp\nxmpp A 127.0.0.1")
    loop.until(lambda: bool(peer.streams) and peer.streams[0].heard == b"hello")
    peer.streams[0].start_tls(theirs.server(THEIRS))
    stream.start_tls(ours.client(OURS, THEIRS))
    loop.until(lambda: peer.streams[0].heard.endswith(b"private") and stream.secure)
    prover = make_prover(loop.reactor, dial.dialer, dial.options)
    assert stream.engine is not None
    assert peer.streams[0].engine is not None
    assert loop.wait(prover.judge(stream.engine, THEIRS, Role.TLS_SERVER, dial.targets[0])).proves
    assert loop.wait(prover.judge(peer.streams[0].engine, OURS, Role.TLS_CLIENT)).proves


def test_tls_from_the_first_byte_on_is_there_when_connect_returns(
    loop: Loop, dial: Dial, theirs: PeerTLS
) -> None:
    peer = Peer(loop, theirs.server(THEIRS))
    stream = dial(f"_xmpps-server._tcp SRV 0 0 {peer.port} xmpp\nxmpp A 127.0.0.1")
    assert stream.secure
    loop.until(lambda: bool(peer.streams[0].heard))
    assert peer.streams[0].heard == b"hello, in private"
    assert peer.streams[0].engine is not None
    assert peer.streams[0].engine.alpn == "xmpp-server"
    assert peer.streams[0].engine.server_name == THEIRS


def test_where_its_handshake_fails_the_next_target_serves(loop: Loop, dial: Dial) -> None:
    silent, talks_no_tls, good = free_port(), Peer(loop), Peer(loop)
    talks_no_tls.buildProtocol = lambda addr: _shouting(loop)  # type: ignore[method-assign]
    stream = dial(f"""
        _xmpps-server._tcp SRV 1 0 {silent} xmpp
        _xmpps-server._tcp SRV 2 0 {talks_no_tls.port} xmpp
        _xmpp-server._tcp SRV 3 0 {good.port} xmpp
        xmpp A 127.0.0.1
    """)
    loop.until(lambda: bool(good.streams) and good.streams[0].heard == b"hello")
    assert [target.direct_tls for target in dial.targets] == [True, False]
    assert stream.open


def _shouting(loop: Loop) -> Stream:
    class Shouting(Stream):
        def opened(self) -> None:
            self.write(b"<stream:stream>")

    return Shouting(Flusher(loop.reactor), TimerWheel(loop.reactor))


def test_both_families_are_tried(loop: Loop, dial: Dial) -> None:
    peer = Peer(loop)  # on IPv4 alone
    stream = dial(f"_xmpp-server._tcp SRV 0 0 {peer.port} xmpp\nxmpp A 127.0.0.1\nxmpp AAAA ::1")
    assert stream.peer_address == "127.0.0.1"


def test_a_black_hole_of_a_resolver_ends_in_time_with_a_timeout(loop: Loop, dial: Dial) -> None:
    with Hostile(lambda question, data: []) as server, pytest.raises(DialFailed) as failed:
        dial.ask(server, connect_timeout=1.0)
    assert failed.value.condition == "remote-server-timeout"


def test_nobody_there_is_a_timeout_with_srv_and_not_found_without(loop: Loop, dial: Dial) -> None:
    with pytest.raises(DialFailed) as failed:
        dial(f"_xmpp-server._tcp SRV 0 0 {free_port()} xmpp\nxmpp A 127.0.0.1")
    assert failed.value.condition == "remote-server-timeout"
    assert "127.0.0.1: Connection refused" in failed.value.text
    with pytest.raises(DialFailed) as failed:
        dial("")
    assert failed.value.condition == "remote-server-not-found"


def test_loopback_is_refused_unless_allowed(loop: Loop, dial: Dial) -> None:
    peer = Peer(loop)
    with pytest.raises(DialFailed) as failed:
        dial(f"_xmpp-server._tcp SRV 0 0 {peer.port} xmpp\nxmpp A 127.0.0.1", allow_private=False)
    assert failed.value.condition == "remote-server-not-found"
    assert "127.0.0.1 is a loopback address" in failed.value.text
    assert peer.streams == []


def test_this_machines_own_address_is_known(loop: Loop) -> None:
    import socket

    from xmppd.resolve.addresses import is_own

    assert is_own("127.0.0.1")
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        assert is_own(probe.getsockname()[0])
    assert not is_own("192.0.2.1")
