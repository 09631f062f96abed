"""A real server process for tests: generated configuration, its own folder, free loopback ports.

    with ServerProcess() as server:
        server.create("juliet@example.org")
        socket.create_connection(server.address)      # STARTTLS; server.direct_tls begins with TLS
        server.run("sessions", host="example.org")    # any command of xmppctl
        server.wait_for_log("session opened")

Tests take the fixture `server`, one process for the whole run (`tests/conftest.py`); who needs
other options starts an own one: `ServerProcess(more='[c2s.limits]\\noutbound_bytes = 65536')`.
`stop` ends it with SIGTERM and fails when a traceback was logged; `with` does so at its end.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

CHECKOUT = Path(__file__).parents[2]
PASSWORD = "secret"
HOSTS = ("example.org", "example.net")
PATIENCE_S = 40.0  # for a machine that is busy; nothing waits so long when all is well
# All tests come from one address, and they come quickly: no limit by address shall stop them.
CONFIG = """\
data_dir = "{folder}/data"

[tls]
self_signed = true

[c2s]
listen = ["tcp:{port}:interface={interface}"]
direct_tls = ["tcp:{tls_port}:interface={interface}"]
{c2s}
[c2s.limits]
unauthenticated_per_address = 10000
connections_per_second = 100000.0
{limits}
[s2s]
listen = ["tcp:{s2s_port}:interface={interface}"]
direct_tls = ["tcp:{s2s_tls_port}:interface={interface}"]
{s2s}
[auth]
scram_iterations = 10000
failures = 1000000
{auth}
[database]
{database}
[modules]
enable = {enable}
disable = {disable}
paths = {paths}

"""


class CommandFailed(Exception):
    """The server refused a command; `kind` is usage, failed or crashed."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class ServerProcess:
    """One server. It is not running until `start`, which returns when it serves.

    `hosts` are its virtual hosts, each with a self-signed certificate; `admins` administer all
    of them. `enable` names modules beside the usual ones, `disable` those not to run. `options`
    are those of modules, by name. `c2s`, `limits`, `s2s`, `auth` and `database` are lines for
    these tables of the file, `paths` are folders with modules, `ports` the four to listen on
    (c2s, s2s, each with direct TLS behind it) at the address `interface`, `more` text for its
    end. `kill -9` is `server.kill()`, after which `start` starts it again with the same data
    and ports. `python` and `cwd` run another installation than this checkout's. `before` stands
    before its command, to run it in a network namespace.
    """

    def __init__(
        self,
        *,
        hosts: Sequence[str] = HOSTS,
        admins: Sequence[str] = (),
        enable: Sequence[str] = ("register",),
        disable: Sequence[str] = (),
        options: Mapping[str, Mapping[str, object]] | None = None,
        c2s: str = "",
        limits: str = "",
        s2s: str = "",
        auth: str = "",
        database: str = "",
        paths: Sequence[Path] = (),
        ports: Sequence[int] = (),
        interface: str = "127.0.0.1",
        more: str = "",
        python: str = sys.executable,
        cwd: Path = CHECKOUT,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        # short: the path of a Unix socket may have 107 bytes
        self.folder = Path(tempfile.mkdtemp(prefix="xmppd-"))
        self.port, self.tls_port, self.s2s_port, self.s2s_tls_port = ports or free_ports(4)
        self.interface = interface
        self.hosts = tuple(hosts)
        self.config = self.folder / "xmppd.toml"
        text = CONFIG.format(
            folder=self.folder,
            interface=interface,
            port=self.port,
            tls_port=self.tls_port,
            c2s=c2s,
            limits=limits,
            s2s_port=self.s2s_port,
            s2s_tls_port=self.s2s_tls_port,
            s2s=s2s,
            auth=auth,
            database=database,
            enable=json.dumps(list(enable)),
            disable=json.dumps(list(disable)),
            paths=json.dumps([str(path) for path in paths]),
        )
        for name, values in (options or {}).items():
            text += f"[modules.{name}]\n"
            text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        for host in hosts:
            text += f'[hosts."{host}"]\nadmins = {json.dumps(list(admins))}\n'
        self.config.write_text(text + more)
        self._command = [*before, python, "-m", "xmppd", "--config", str(self.config)]
        self._cwd = cwd
        self._environment = {**os.environ, **(environment or {})}
        self._child: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: list[str] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()
        self.clean()

    # Where it is

    @property
    def address(self) -> tuple[str, int]:
        """For connections that begin in the clear (STARTTLS)."""
        return (self.interface, self.port)

    @property
    def direct_tls(self) -> tuple[str, int]:
        """For connections that begin with TLS."""
        return (self.interface, self.tls_port)

    @property
    def control_socket(self) -> Path:
        """The control socket, for `xmppctl --socket`."""
        return self.folder / "data" / "ctl.sock"

    @property
    def pid(self) -> int:
        assert self._child is not None, "it was not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    # Its life

    def start(self) -> None:
        """Start it and wait until it serves. AssertionError with its log if it ends instead."""
        assert not self.running
        before = len(self._lines)
        self._child = subprocess.Popen(
            self._command,
            cwd=self._cwd,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, args=[self._child], daemon=True)
        self._reader.start()
        self.wait_for_log("Serving ", since=before)

    def stop(self) -> None:
        """SIGTERM; its clients are told. AssertionError for a failure, or a logged traceback."""
        code = self._end(signal.SIGTERM)
        assert code in (0, -signal.SIGTERM), f"it ended with {code}; its log:\n{self.log}"
        self.assert_no_traceback()

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        if self.running:
            self._end(signal.SIGKILL)

    def clean(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGHUP for a reload."""
        assert self._child is not None
        self._child.send_signal(number)

    def _end(self, number: signal.Signals) -> int:
        assert self._child is not None
        assert self._reader is not None
        self._child.send_signal(number)
        try:
            return self._child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            raise AssertionError(f"it does not stop; its log:\n{self.log}") from None
        finally:
            self._child.wait()
            self._reader.join(PATIENCE_S)

    # Its log

    def _read(self, child: "subprocess.Popen[str]") -> None:
        assert child.stdout is not None
        with child.stdout as lines:
            for line in lines:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()
        with self._news:
            child.wait()
            self._news.notify_all()

    @property
    def log(self) -> str:
        """All that it has logged so far, over all its starts."""
        with self._news:
            return "".join(self._lines)

    @property
    def log_lines(self) -> int:
        """How many lines there are: a mark for `wait_for_log(since=...)`."""
        with self._news:
            return len(self._lines)

    def wait_for_log(self, text: str, since: int = 0, timeout_s: float = PATIENCE_S) -> str:
        """The first line with `text` after line `since`, when it comes."""

        def found() -> str | None:
            return next((line for line in self._lines[since:] if text in line), None)

        with self._news:
            self._news.wait_for(lambda: found() or not self.running, timeout_s)
            line = found()
            everything = "".join(self._lines)
        assert line is not None, f"it never logged {text!r}; its log:\n{everything}"
        return line

    def assert_no_traceback(self) -> None:
        assert "Traceback (most recent call last)" not in self.log, self.log

    # Commands and accounts

    def run(self, command: str, **arguments: object) -> Any:
        """Run a command of `xmppctl`: its text, its record (dict), or its rows (list of lists).

        Raises CommandFailed.
        """
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(PATIENCE_S)
            control.connect(str(self.control_socket))
            request = {"command": command, "arguments": arguments}
            control.sendall(json.dumps(request).encode() + b"\n")
            with control.makefile() as reader:
                answer = json.loads(reader.readline())
        if not answer["ok"]:
            raise CommandFailed(answer["kind"], answer["error"])
        result = answer["result"]
        return result[{"rows": "rows", "record": "values", "text": "text"}[result["kind"]]]

    def create(self, address: str, password: str = PASSWORD) -> None:
        """Create the account of a bare JID. Raises CommandFailed when it exists."""
        self.run("adduser", jid=address, password=password)

    def delete(self, address: str) -> None:
        """Remove the account and all that belongs to it; its sessions end."""
        self.run("deluser", jid=address)

    def accounts(self) -> list[str]:
        """The bare JIDs of all accounts."""
        return [row[0] for row in self.run("users")]


def free_ports(count: int) -> list[int]:
    """Loopback ports that are free now, all different."""
    with_ports = [socket.socket() for _ in range(count)]
    try:
        for each in with_ports:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in with_ports]
    finally:
        for each in with_ports:
            each.close()
