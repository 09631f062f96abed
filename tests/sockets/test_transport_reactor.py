"""The transport under a real reactor, which a child process runs: sends, ends, descriptors."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVER = """
import sys
from pathlib import Path
from twisted.internet import epollreactor
epollreactor.install()
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from xmppd.transport.admission import Admission, AdmissionLimits
from xmppd.transport.certificates import self_signed
from xmppd.transport.connection import StreamTransport
from xmppd.transport.flusher import Flusher
from xmppd.transport.listeners import Listener
from xmppd.transport.store import CertificateStore, TLSSettings
from xmppd.transport.wheel import TimerWheel

flusher, wheel = Flusher(reactor), TimerWheel(reactor)
pair = self_signed(["localhost"], Path(sys.argv[1]))
store = CertificateStore({"localhost": pair}, TLSSettings(engine=sys.argv[2]))
admission = Admission(reactor.seconds, AdmissionLimits(per_address=3, rate=1000))

def say(text):
    print(text, flush=True)

class Echo(StreamTransport):
    def received(self, data):
        for line in data.splitlines(keepends=True):
            word, _, rest = line.strip().partition(b" ")
            if word == b"tls":
                self.write(b"proceed\\n")
                self.start_tls(store.context())
            elif word == b"much":
                self.write(b"z" * int(rest))
            elif word == b"bye":
                self.write(b"farewell\\n")
                self.close(timeout_s=1)
            elif word == b"abort":
                self.abort("told to")
            elif word == b"pause":
                self.pause()
                self.write(b"paused\\n")
                reactor.callLater(0.05, self.resume)
            else:
                self.write(line)

    def secured(self):
        say("secured " + self.engine.version)

    def lost(self, why):
        say("lost: " + why)

class Streams(Factory):
    noisy = False
    def buildProtocol(self, addr):
        ticket = admission.admit(addr.host)
        if ticket is None:
            return None
        echo = Echo(flusher, wheel)
        echo.ticket = ticket
        return echo

def start():
    plain = Listener(reactor, "tcp:0:interface=127.0.0.1", Streams())
    direct = Listener(reactor, "tcp:0:interface=127.0.0.1", Streams(), direct_tls=store.context)
    for listener in (plain, direct):
        listener.startService()
    taken = plain.port.getHost().port
    try:
        Listener(reactor, f"tcp:{taken}:interface=127.0.0.1", Streams()).startService()
    except Exception as error:
        say(f"{taken} {direct.port.getHost().port} {error}")

reactor.callWhenRunning(start)
reactor.run()
"""


class Server:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        port, direct_port, self.taken = self.said().split(" ", 2)
        self.port, self.direct_port = int(port), int(direct_port)

    def said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def connect(self, port: int | None = None) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", port or self.port), timeout=20)
        client.settimeout(20)
        return client


@pytest.fixture(params=["pyopenssl", "stdlib"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    arguments = [sys.executable, "-c", textwrap.dedent(SERVER), str(tmp_path), request.param]
    root = Path(__file__).parents[2]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


def _read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := client.recv(65536)):
        data += more
    return data


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_a_taken_port_is_told_in_a_sentence(server: Server) -> None:
    assert server.taken.endswith("Address already in use")
    assert server.taken.startswith("cannot listen on 'tcp:")


def test_starttls_then_much_to_a_slow_reader_then_close(server: Server) -> None:
    with server.connect() as raw:
        raw.sendall(b"hello\ntls\n")
        assert _read(raw, 14) == b"hello\nproceed\n"
        with _tls().wrap_socket(raw) as client:
            assert server.said() == "secured TLSv1.3"
            client.sendall(b"much 1500000\nbye\n")
            assert _read(client, 1 << 30) == b"z" * 1500000 + b"farewell\n"
    assert server.said() == "lost: closed by us"


def test_direct_tls(server: Server) -> None:
    with _tls().wrap_socket(server.connect(server.direct_port)) as client:
        client.sendall(b"hello\n")
        assert client.recv(100) == b"hello\n"


def test_last_words_arrive_though_the_peer_keeps_sending(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"bye\n" + b"x" * 1_000_000)
        assert _read(client, 1 << 30) == b"farewell\n"
    assert server.said() == "lost: closed by us"


def test_fin_behind_a_request_is_answered_and_closed(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"much 1000000\n")
        client.shutdown(socket.SHUT_WR)
        assert len(_read(client, 1 << 30)) == 1_000_000
    assert server.said() == "lost: closed by the peer"


def test_a_reset_is_noticed(server: Server) -> None:
    client = server.connect()
    client.sendall(b"hello\n")
    assert client.recv(100) == b"hello\n"
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert server.said().startswith("lost: Connection to the other side was lost")


def test_abort_resets(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"abort\n")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
    assert server.said() == "lost: told to"


def test_a_paused_connection_goes_on_where_it_was(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"pause\n")
        assert _read(client, 7) == b"paused\n"
        client.sendall(b"one\n")
        client.sendall(b"two\n")
        assert _read(client, 8) == b"one\ntwo\n"


def test_strangers_above_the_limit_are_closed_and_places_come_back(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(3)]
        for client in clients:
            client.sendall(b"x\n")
            assert client.recv(10) == b"x\n"
        with server.connect() as fourth:
            assert fourth.recv(10) == b""
        clients[0].close()
        assert server.said() == "lost: closed by the peer"
        with server.connect() as fifth:
            fifth.sendall(b"x\n")
            assert fifth.recv(10) == b"x\n"
