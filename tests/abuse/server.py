"""The server under attack: a real process, with what can be measured of it from outside."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.abuse.wire import END, PATIENCE_S, Wire, password_of, stream_error

CHECKOUT = Path(__file__).parents[2]
START_S = 60.0  # on a busy machine
USERS = ("romeo", "juliet", "mallory", "quiet", "flooder", "flooded", "bystander")


class Size(NamedTuple):
    """Of a process: what it holds, in descriptors and bytes."""

    descriptors: int
    resident: int


class Server:
    """One process with the host example.org; `options` is added to its configuration."""

    def __init__(self, folder: Path, certificate: tuple[Path, Path], options: str = "") -> None:
        self.folder = folder
        self.log = folder / "log"
        self.port, self.tls_port = free_port(), free_port()
        self.config = folder / "xmppd.toml"
        self.config.write_text(self._toml(certificate) + options)
        self._addresses = 256
        self.child: subprocess.Popen[bytes] | None = None
        self.bystander: Wire | None = None

    def _toml(self, certificate: tuple[Path, Path]) -> str:
        lines = [
            f'data_dir = "{self.folder}/data"',
            '[hosts."example.org"]',
            f'certificate = "{certificate[0]}"',
            f'key = "{certificate[1]}"',
            '[hosts."other.example"]',
            f'certificate = "{certificate[0]}"',
            f'key = "{certificate[1]}"',
            "[s2s]",
            "enabled = false",
            "[c2s]",
            f'listen = ["tcp:{self.port}:interface=127.0.0.1"]',
            f'direct_tls = ["tcp:{self.tls_port}:interface=127.0.0.1"]',
            "idle_ping = 3600",  # the bystander says nothing for whole files of tests
        ]
        return "\n".join(lines) + "\n"

    def start(self, users: Iterable[str] = USERS, *before: str) -> "Server":
        """`before` stands before its command."""
        command = [*before, sys.executable, "-m", "xmppd", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while "Serving" not in self.logged():
            assert self.child.poll() is None, self.logged()
            assert time.monotonic() < deadline, self.logged()
            time.sleep(0.05)
        for user in users:
            self.runs("adduser", jid=f"{user}@example.org", password=password_of(user))
        self.bystander = Wire(self).online("bystander", "here")
        self.at_start = Size(self.descriptors(), self.resident())
        return self

    def stop(self) -> int:
        """The exit code."""
        assert self.child is not None
        if self.bystander is not None:
            self.bystander.close()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(START_S)
        finally:
            self.child.kill()

    def runs(self, command: str, **arguments: object) -> object:
        """A command over the control socket."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(START_S)
            control.connect(str(self.folder / "data" / "ctl.sock"))
            asked = {"command": command, "arguments": arguments}
            control.sendall(json.dumps(asked).encode() + b"\n")
            with control.makefile() as reader:
                answer = json.loads(reader.readline())
        assert answer["ok"], answer
        return answer["result"]

    def new_address(self) -> str:
        self._addresses += 1
        number = self._addresses
        return f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"

    def logged(self, address: str | None = None) -> str:
        """The log; only the lines about an address if one is given."""
        text = self.log.read_text(errors="backslashreplace") if self.log.exists() else ""
        if address is None:
            return text
        mark = re.compile(rf"\b{re.escape(address)}\b")
        return "\n".join(line for line in text.splitlines() if mark.search(line))

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident(self) -> int:
        """Bytes."""
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def processor_s(self) -> float:
        """Processor time, of user and system."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def settles_at(self, descriptors: int) -> int:
        """Its descriptors, once they are down to so many or have had their time."""
        deadline = time.monotonic() + PATIENCE_S
        while (now := self.descriptors()) > descriptors and time.monotonic() < deadline:
            time.sleep(0.05)
        return now

    def is_well(self) -> None:
        """It runs, and a session that has nothing to do with all this is served."""
        assert self.child is not None
        assert self.child.poll() is None, self.logged()[-4000:]
        assert self.bystander is not None
        self.bystander.new_stream()
        self.bystander.socket.settimeout(2.0)
        self.bystander.sync()


def refusal(server: Server, wire: Wire) -> str:
    """The condition by which the stream was ended, as it has to be: a stream error, the end of the
    stream, FIN in time, and one line for the operator with the address.
    """
    received = wire.until_closed()
    assert wire.ended == "fin", f"{wire.ended}: {received!r:.2000}"
    assert received.endswith(END), received[-2000:]
    condition = stream_error(received)
    assert condition, received[-2000:]
    lines = server.logged(wire.source).splitlines()
    told = [line for line in lines if condition in line]
    assert len(told) == 1, lines
    wire.close()
    return condition


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
