"""Debian's name servers as ordinary processes on a loopback port, and hostile ones of our own.

with Nsd(tmp_path, {"example.net": ZONE}) as server:
    Resolver(loop.reactor, Nameservers([server.address]))
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from twisted.names import dns

SOA = "@ 300 IN SOA ns admin 1 3600 600 86400 60\n@ 300 IN NS ns\nns 300 IN A 127.0.0.1\n"
PATIENCE_S = 20.0


def free_port() -> int:
    """Free for UDP and TCP."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port: int = udp.getsockname()[1]
            try:
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Daemon:
    """A process that serves the DNS on `port`."""

    program = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        with (self.folder / f"{self.program}.log").open("wb") as log:
            self._child = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child is not None
        self._child.terminate()
        try:
            self._child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _wait(self) -> None:
        """Until it takes TCP connections."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            assert self._child is not None
            assert self._child.poll() is None, self.log
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"{self.program} does not serve: {self.log}")

    @property
    def log(self) -> str:
        return (self.folder / f"{self.program}.log").read_text(errors="replace")


def installed(program: str) -> bool:
    return shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is not None


class Nsd(Daemon):
    """NLnet Labs' authoritative server; `zones` are the lines of each behind the SOA."""

    program = "nsd"

    def __init__(self, folder: Path, zones: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._zones = zones

    def command(self) -> list[str]:
        config = f"""
            server:
              ip-address: 127.0.0.1
              port: {self.port}
              username: ""
              chroot: ""
              zonesdir: "{self.folder}"
              database: ""
              pidfile: ""
              xfrdfile: "{self.folder}/xfrd.state"
              zonelistfile: "{self.folder}/zone.list"
              server-count: 1
              rrl-ratelimit: 0
            remote-control:
              control-enable: no
        """
        for name, lines in self._zones.items():
            zone = f"$ORIGIN {name}.\n$TTL 300\n{SOA}{textwrap.dedent(lines)}"
            (self.folder / f"{name}.zone").write_text(zone)
            config += f"""
            zone:
              name: {name}
              zonefile: {name}.zone
            """
        (self.folder / "nsd.conf").write_text(textwrap.dedent(config))
        return ["/usr/sbin/nsd", "-d", "-c", str(self.folder / "nsd.conf")]


class Knot(Daemon):
    """CZ.NIC's authoritative server, which signs its one zone by itself (DNSSEC)."""

    program = "knotd"

    def __init__(self, folder: Path, zone: str, lines: str) -> None:
        super().__init__(folder)
        self.zone = zone
        self._lines = lines

    def command(self) -> list[str]:
        zone = f"$ORIGIN {self.zone}.\n$TTL 300\n{SOA}{textwrap.dedent(self._lines)}"
        (self.folder / f"{self.zone}.zone").write_text(zone)
        config = f"""
            server:
                rundir: "{self.folder}"
                listen: 127.0.0.1@{self.port}
            database:
                storage: "{self.folder}"
            policy:
              - id: test
                algorithm: ecdsap256sha256
                single-type-signing: on
            template:
              - id: default
                storage: "{self.folder}"
                zonefile-sync: 0
                journal-content: none
                zonefile-load: whole
            zone:
              - domain: {self.zone}
                file: "{self.zone}.zone"
                dnssec-signing: on
                dnssec-policy: test
        """
        (self.folder / "knot.conf").write_text(textwrap.dedent(config))
        return ["/usr/sbin/knotd", "-c", str(self.folder / "knot.conf")]


class Unbound(Daemon):
    """NLnet Labs' validating resolver, for one zone of `source`, whose key it trusts."""

    program = "unbound"

    def __init__(self, folder: Path, zone: str, source: Daemon, anchor: str = "") -> None:
        super().__init__(folder)
        self._zone = zone
        self._source = source
        self._anchor = anchor

    def command(self) -> list[str]:
        config = f"""
            server:
              interface: 127.0.0.1@{self.port}
              do-daemonize: no
              username: ""
              chroot: ""
              directory: "{self.folder}"
              pidfile: ""
              use-syslog: no
              do-not-query-localhost: no
              module-config: "validator iterator"
              {f'trust-anchor: "{self._anchor}"' if self._anchor else ""}
            stub-zone:
              name: "{self._zone}"
              stub-addr: 127.0.0.1@{self._source.port}
            remote-control:
              control-enable: no
        """
        (self.folder / "unbound.conf").write_text(textwrap.dedent(config))
        return ["/usr/sbin/unbound", "-d", "-p", "-c", str(self.folder / "unbound.conf")]


class Hostile:
    """Answers UDP with what `reply(message, data)` gives, and TCP with `stream(message, data)`.

    Each gives datagrams or chunks to send; `message` is the parsed question. It counts questions.
    """

    def __init__(
        self,
        reply: Callable[[Any, bytes], list[bytes]],
        stream: Callable[[Any, bytes], list[bytes]] = lambda message, data: [],
    ) -> None:
        self.port = free_port()
        self.questions: list[tuple[int, int]] = []  # id, source port
        self._reply, self._stream = reply, stream
        self._udp = socket.socket(type=socket.SOCK_DGRAM)
        self._tcp = socket.socket()
        for each in (self._udp, self._tcp):
            each.bind(("127.0.0.1", self.port))
        self._tcp.listen()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._u, self._t)]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._udp, self._tcp):
            each.shutdown(socket.SHUT_RDWR) if each is self._tcp else None
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._udp.close()
        self._tcp.close()

    def _u(self) -> None:
        while True:
            data, source = self._udp.recvfrom(4096)
            if not data:
                return
            message = parsed(data)
            self.questions.append((message.id, source[1]))
            for datagram in self._reply(message, data):
                self._udp.sendto(datagram, source)

    def _t(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE_S)
                data = connection.recv(4096)
                if data:
                    for chunk in self._stream(parsed(data[2:]), data[2:]):
                        connection.sendall(chunk)


def parsed(data: bytes) -> Any:
    message = dns.Message()
    message.fromStr(data)
    return message


def answer(question: Any, *records: Any, **changes: Any) -> bytes:
    """An answer to `question` with these records (`dns.RRHeader`); `changes` of the header."""
    message: Any = dns.Message(id=question.id, answer=1, recDes=1, recAv=1, maxSize=65535)
    message.queries = list(question.queries)
    message.answers = list(records)
    for name, value in changes.items():
        setattr(message, name, value)
    return bytes(message.toStr())


def address(name: str, where: str, ttl: int = 60) -> Any:
    """An A record."""
    return dns.RRHeader(name.encode(), dns.A, ttl=ttl, payload=dns.Record_A(where, ttl))
