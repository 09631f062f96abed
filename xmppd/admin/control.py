"""The control socket: commands over a Unix socket that only its owner (and root) may open.

One JSON object a line, each way, one request at a time on a connection::

    {"list": true}                                    -> {"ok": true, "commands": [...]}
    {"command": "kick", "arguments": {"jid": "..."}}  -> {"ok": true, "result": {...}}
                                                      -> {"ok": false, "error": "a sentence",
                                                          "kind": "usage" | "failed" | "crashed"}
"""

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.protocols.policies import TimeoutMixin

from xmppd.admin.commands import CommandError, Commands, UsageError
from xmppd.admin.output import result_to_json
from xmppd.admin.reactor import Clock, Port, Reactor
from xmppd.auth import AuthBusy
from xmppd.hooks import spawn
from xmppd.storage import StorageError

PATH_BYTES = 107  # sun_path of unix(7), less the closing NUL
REQUEST_BYTES = 65536
IDLE_S = 60.0
LEAVING_S = 2.0  # for a client to read the answer, when the server stops
CLIENTS = 16

log = Logger()


class SocketError(Exception):
    """The control socket cannot be opened; the text is a sentence for the operator."""


class ControlConnection(LineOnlyReceiver, TimeoutMixin):
    """One xmppctl. What takes longer than the idle time, as a command may, is waited for."""

    transport: Any  # a zope Interface, which mypy cannot read
    delimiter = b"\n"
    MAX_LENGTH = REQUEST_BYTES

    def __init__(self, commands: Commands, factory: "ControlFactory") -> None:
        self._commands = commands
        self._owner = factory
        self._busy = False
        self.gone: Deferred[None] = Deferred()  # fires when the connection is no more

    def callLater(self, period: float, func: Any) -> Any:  # TimeoutMixin's clock
        return self._owner.clock.callLater(period, func)

    def connectionMade(self) -> None:
        if not self._owner.opened(self):
            self._answer({"ok": False, "kind": "failed", "error": "too many xmppctl at once"})
            self.transport.loseConnection()
            return
        self.setTimeout(IDLE_S)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: object = None) -> None:
        self.setTimeout(None)  # type: ignore[no-untyped-call]
        self._owner.closed(self)
        self.gone.callback(None)

    def lineReceived(self, line: bytes) -> None:
        if self._busy:
            self._answer({"ok": False, "kind": "usage", "error": "one request at a time"})
            self.transport.loseConnection()
            return
        self._busy = True
        self.setTimeout(None)  # type: ignore[no-untyped-call]
        _ = spawn(self._serve(line))  # it handles its own failures

    async def _serve(self, line: bytes) -> None:
        answer = await self._run(line)
        self._busy = False
        if not self.gone.called:
            self._answer(answer)
            self.setTimeout(IDLE_S)  # type: ignore[no-untyped-call]

    async def _run(self, line: bytes) -> dict[str, object]:
        try:
            match read_request(line):
                case {"list": True}:
                    return {"ok": True, "commands": self._commands.describe()}
                case {"command": str(name), "arguments": dict(arguments)}:
                    result = await self._commands.run(name, arguments)
                    return {"ok": True, "result": result_to_json(result)}
            raise UsageError("the request is neither a list nor a command")
        except CommandError as error:
            kind = "usage" if isinstance(error, UsageError) else "failed"
            return {"ok": False, "kind": kind, "error": str(error)}
        except (StorageError, AuthBusy) as error:  # for the moment; nothing to be mended here
            return {"ok": False, "kind": "failed", "error": str(error) or "too busy, try again"}
        except Exception as error:
            log.failure("a command failed")  # its arguments may hold a password: not logged
            why = f"{type(error).__name__}; the traceback is in the server's log"
            return {"ok": False, "kind": "crashed", "error": why}

    def _answer(self, answer: dict[str, object]) -> None:
        self.sendLine(json.dumps(answer).encode())  # type: ignore[no-untyped-call]


def read_request(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError("the request is not one line of JSON") from None


class ControlFactory(Factory[ControlConnection]):
    """Makes connections, and turns away more than `clients` at once."""

    noisy = False

    def __init__(self, commands: Commands, clock: Clock, clients: int = CLIENTS) -> None:
        self.clock = clock
        self._commands = commands
        self._clients = clients
        self._open: set[ControlConnection] = set()

    def buildProtocol(self, addr: object) -> ControlConnection:
        return ControlConnection(self._commands, self)

    def opened(self, connection: ControlConnection) -> bool:
        """False: there are enough already."""
        if len(self._open) >= self._clients:
            return False
        self._open.add(connection)
        return True

    def closed(self, connection: ControlConnection) -> None:
        self._open.discard(connection)

    async def close_all(self) -> None:
        """Close once the answers that were written have gone out; who does not read is cut off."""
        leaving = list(self._open)
        for connection in leaving:
            connection.transport.loseConnection()
        cut_off = self.clock.callLater(LEAVING_S, self._abort_all)
        for connection in leaving:
            await connection.gone
        if cut_off.active():
            cut_off.cancel()

    def _abort_all(self) -> None:
        for connection in list(self._open):
            connection.transport.abortConnection()


class ControlServer(Service):
    """Serves `commands` at `path` while it runs. Starting raises SocketError."""

    name = "control"

    def __init__(self, reactor: Reactor, commands: Commands, path: Path) -> None:
        self._reactor = reactor
        self._factory = ControlFactory(commands, reactor)
        self._path = path
        self._port: Port | None = None

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._port = listen_privately(self._reactor, self._path, self._factory)

    def stopService(self) -> "Deferred[None]":
        super().stopService()  # type: ignore[no-untyped-call]
        return spawn(self._close())

    async def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        await self._factory.close_all()


def listen_privately(reactor: Reactor, path: Path, factory: "Factory[Any]") -> Port:
    """Listen at `path`, mode 0600 from its first moment; raises SocketError."""
    claim(path)
    before = os.umask(0o177)  # a chmod after bind(2) would leave it open to all for a moment
    try:
        port: Port = reactor.listenUNIX(str(path), factory, mode=0o600, backlog=CLIENTS)
        return port
    except OSError as error:
        raise SocketError(f"cannot listen at {path}: {error}") from None
    finally:
        os.umask(before)


def claim(path: Path) -> None:
    """Make room for a socket at `path`: remove a stale one, leave a living one and all else."""
    if len(os.fsencode(path)) > PATH_BYTES:
        raise SocketError(f"the path of a socket may have {PATH_BYTES} bytes: {path} is longer")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SocketError(f"cannot use {path.parent} for a socket: {error}") from None
    if not stat.S_ISSOCK(mode):
        raise SocketError(f"{path} exists and is not a socket; it was left alone")
    if answers(path):
        raise SocketError(f"another server answers at {path}")
    path.unlink(missing_ok=True)


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # full backlog, no permission: somebody is there
            return True
    return True
