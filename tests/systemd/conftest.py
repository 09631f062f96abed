"""A server process as systemd would run it, with sockets that stand for systemd's own."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xmppd.transport.certificates import self_signed

CHECKOUT = Path(__file__).parents[2]
PATIENCE_S = 40.0  # for a machine that is busy; nothing waits so long when all is well
CONFIG = """\
data_dir = "{folder}/data"

[c2s]
listen = ["{listen}"]
direct_tls = ["unix:{folder}/tls.sock"]

[s2s]
enabled = false

[hosts."example.org"]
certificate = "{folder}/certificate.pem"
key = "{folder}/key.pem"
"""


class Stream:
    """A client that opens a stream and reads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.settimeout(PATIENCE_S)

    def opens(self) -> bytes:
        self._connection.sendall(
            b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='example.org' "
            b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
        )
        return self.reads_until(b"</stream:features>")

    def reads_until(self, end: bytes) -> bytes:
        """All that comes up to `end`; fails when the connection closes before."""
        seen = b""
        while end not in seen:
            received = self._connection.recv(4096)
            assert received, f"closed after {seen!r}"
            seen += received
        return seen

    def sends(self, data: bytes) -> None:
        self._connection.sendall(data)

    def is_closed(self) -> bool:
        return self._connection.recv(4096) == b""

    def leaves(self) -> None:
        self._connection.close()


class Process:
    """One configured server; `start` returns when it has told that it is ready."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "xmppd.toml"
        self.log = folder / "log"
        self.child: subprocess.Popen[bytes] | None = None
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.settimeout(0.5)
        self._doors: list[socket.socket] = []
        self.new_certificate()
        self.configure()

    def configure(self, more: str = "", listen: str = "") -> None:
        listen = listen or f"unix:{self.folder}/c2s.sock"
        self.config.write_text(CONFIG.format(folder=self.folder, listen=listen) + more)

    def new_certificate(self) -> None:
        made = self.folder / f"made-{len(list(self.folder.iterdir()))}"
        certificate, key = self_signed(["example.org"], made)
        certificate.replace(self.folder / "certificate.pem")
        key.replace(self.folder / "key.pem")

    def launch(self, *before: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start the child without waiting; `before` stands before its command."""
        command = [*before, sys.executable, "-m", "xmppd", "--config", str(self.config)]
        given = {**os.environ, **environment, "NOTIFY_SOCKET": str(self.folder / "notify")}
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(command, cwd=CHECKOUT, env=given, stdout=log, stderr=log)
        return self.child

    def start(self, **environment: str) -> None:
        self.launch(**environment)
        assert self.says_until("READY=1")

    def says(self) -> list[str]:
        """The next message to systemd."""
        for _ in range(int(PATIENCE_S / 0.5)):
            try:
                return self._notify.recv(4096).decode().split("\n")
            except TimeoutError:
                if self.child is None or self.child.poll() is not None:
                    break
        raise AssertionError(f"silent; its log:\n{self.log.read_text()}")

    def says_until(self, word: str) -> list[str]:
        """The first message to systemd that has this line; others are passed over."""
        while word not in (said := self.says()):
            pass
        return said

    def signal(self, number: signal.Signals) -> None:
        assert self.child is not None
        self.child.send_signal(number)

    def ends(self) -> int:
        """Wait for its end; the exit code, which after a signal is the signal's, negative."""
        assert self.child is not None
        return self.child.wait(PATIENCE_S)

    def connects(self, name: str = "c2s.sock") -> Stream:
        return Stream(self._door(name))

    @staticmethod
    def stream(connection: socket.socket) -> Stream:
        return Stream(connection)

    def certificate(self) -> bytes | None:
        """What a client sees in the handshake of a new connection."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(self._door("tls.sock"), server_hostname="example.org") as tls:
            return tls.getpeercert(binary_form=True)

    def runs(self, command: str, **arguments: object) -> Any:
        """A command over the control socket: the text, record or rows of its answer."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(PATIENCE_S)
            control.connect(str(self.folder / "data" / "ctl.sock"))
            asked = {"command": command, "arguments": arguments}
            control.sendall(json.dumps(asked).encode() + b"\n")
            with control.makefile() as reader:
                answer = json.loads(reader.readline())
        assert answer["ok"], answer
        result = answer["result"]
        return result.get("rows", result.get("text"))

    def _door(self, name: str) -> socket.socket:
        door = socket.socket(socket.AF_UNIX)
        door.settimeout(PATIENCE_S)
        door.connect(str(self.folder / name))
        self._doors.append(door)
        return door

    def close(self) -> None:
        for door in self._doors:
            door.close()
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self._notify.close()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    made.close()
