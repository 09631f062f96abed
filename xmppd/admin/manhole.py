"""The manhole: a Python prompt with the live objects, over telnet.

Whoever logs in owns the process, so it is off by default, wants a password, and listens on
loopback or a Unix socket only.
"""

import hmac
import rlcompleter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.manhole import Manhole
from twisted.conch.telnet import (
    ECHO,
    NegotiationError,
    StatefulTelnetProtocol,
    TelnetBootstrapProtocol,
    TelnetTransport,
)
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.admin.commands import Commands
from xmppd.admin.control import listen_privately
from xmppd.admin.output import Result
from xmppd.admin.prompt import Interpreter, equipped
from xmppd.admin.reactor import Clock, Port, Reactor, Timer
from xmppd.config.types import Listener, read_endpoint
from xmppd.hooks import spawn

ATTEMPTS = 3
LOGIN_S = 60.0
VISITORS = 4

log = Logger()
Namespace = Mapping[str, object]


class ManholeError(Exception):
    """The manhole cannot be opened as configured; the text is a sentence for the operator."""


class Prompt(Manhole):
    """Twisted's interpreter, with names completed by TAB."""

    namespace: dict[str, object]
    interpreter: Interpreter

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.interpreter = Interpreter(self, self.namespace)  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:
        try:
            super().lineReceived(line)  # type: ignore[no-untyped-call]
        except SystemExit:  # for this visit alone
            self.handle_QUIT()  # type: ignore[no-untyped-call]

    def handle_TAB(self) -> None:
        typed = b"".join(self.lineBuffer[: self.lineBufferIndex]).decode(errors="replace")
        word = typed[len(typed.rstrip(NAME_CHARACTERS)) :]
        found = completions(self.namespace, word) if word else []
        if not found:
            super().handle_TAB()  # type: ignore[no-untyped-call]
            return
        common = common_beginning(found)
        if len(found) > 1 and common == word:
            self.addOutput("\n" + "  ".join(found) + "\n", isAsync=True)  # type: ignore[no-untyped-call]
        for character in common[len(word) :].encode():
            self.characterReceived(bytes([character]), None)  # type: ignore[no-untyped-call]

    def _deliverBuffer(self, buf: bytes | list[bytes]) -> None:
        """Type a line again, after output came in between: Twisted hands over a list there, and
        takes it for bytes.
        """
        super()._deliverBuffer(b"".join(buf) if isinstance(buf, list) else buf)  # type: ignore[no-untyped-call]


NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."


def completions(namespace: Namespace, word: str) -> list[str]:
    """What `word` (a name, or dotted names) may become, without private names."""
    completer = rlcompleter.Completer(dict(namespace))
    found: set[str] = set()
    for number in range(1000):  # more nobody reads
        try:
            candidate = completer.complete(word, number)
        except Exception:  # an attribute's own code runs here; it may raise anything
            break
        if candidate is None:
            break
        found.add(candidate.rstrip("() "))
    return sorted(found)


def common_beginning(words: list[str]) -> str:
    """`words` are sorted: what the first and the last share, all do."""
    first, last = words[0], words[-1]
    same = (n for n in range(len(first)) if first[: n + 1] != last[: n + 1])
    return first[: next(same, len(first))]


class Login(StatefulTelnetProtocol):
    """Asks for user and password over telnet, and closes after three failures.

    Unlike Twisted's own, it does not wait for the client to agree on who echoes, so that a
    client which cannot negotiate (netcat) gets in as well.
    """

    transport: Any  # Twisted's telnet transport, which has no types
    state = "User"

    def __init__(self, factory: "ManholeFactory") -> None:
        self._owner = factory
        self._failures = 0
        self._user = b""
        self._prompt: TelnetBootstrapProtocol | None = None
        self._timer: Timer | None = None

    def connectionMade(self) -> None:
        if not self._owner.opened(self):
            self.transport.write(b"Too many visitors.\n")
            self.transport.loseConnection()
            return
        self._timer = self._owner.clock.callLater(LOGIN_S, self.transport.loseConnection)
        self.transport.write(b"Username: ")

    def connectionLost(self, reason: Any = None) -> None:  # as Twisted calls it
        self._owner.closed(self)
        self._stop_timer()
        prompt, self._prompt = self._prompt, None
        if prompt is not None:
            prompt.connectionLost(reason)  # type: ignore[no-untyped-call]

    def telnet_User(self, line: bytes) -> str:
        self._user = line.strip(b"\r")
        self.transport.will(ECHO)
        self.transport.write(b"Password: ")
        return "Password"

    def telnet_Password(self, line: bytes) -> str:
        self.transport.wont(ECHO)
        if self._owner.knows(self._user, line.strip(b"\r")):
            self._enter()
            return "Command"
        self._failures += 1
        log.warn("manhole: wrong user or password, {failures}", failures=self._failures)
        self.transport.write(b"\nAuthentication failed\n")
        if self._failures >= ATTEMPTS:
            self.transport.loseConnection()
            return "Discard"
        self.transport.write(b"Username: ")
        return "User"

    def telnet_Command(self, line: bytes) -> None:
        """Lines that came in one piece with the password belong to the prompt."""
        if self._prompt is not None:
            self._prompt.dataReceived(line + b"\n")  # type: ignore[no-untyped-call]

    def _enter(self) -> None:
        self._stop_timer()
        log.info("manhole: a visitor logged in")
        prompt = TelnetBootstrapProtocol(  # type: ignore[no-untyped-call]
            ServerProtocol, Prompt, equipped(self._owner.namespace())
        )
        self._prompt = prompt
        prompt.makeConnection(self.transport)  # type: ignore[no-untyped-call]
        self.transport.protocol = Relay(self, prompt)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class Relay:
    """What the telnet transport talks to after login: the prompt, and the end of it to both."""

    def __init__(self, login: Login, prompt: TelnetBootstrapProtocol) -> None:
        self._login = login
        self._prompt = prompt

    def __getattr__(self, name: str) -> Any:  # ITelnetProtocol, as the prompt answers it
        return getattr(self._prompt, name)

    def connectionLost(self, reason: Any) -> None:
        self._login.connectionLost(reason)


class Negotiation(TelnetTransport):
    """Telnet's side of a connection. An option that does not come about is no error: the client
    declined it, never answered, or left. Twisted's prompt would log each with its traceback.
    """

    def do(self, option: bytes) -> "Deferred[object]":
        return super().do(option).addErrback(not_agreed)  # type: ignore[no-any-return, no-untyped-call]

    def will(self, option: bytes) -> "Deferred[object]":
        return super().will(option).addErrback(not_agreed)  # type: ignore[no-any-return, no-untyped-call]

    def wont(self, option: bytes) -> "Deferred[object]":
        return super().wont(option).addErrback(not_agreed)  # type: ignore[no-any-return, no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        try:
            super().dataReceived(data)  # type: ignore[no-untyped-call]
        except (ValueError, IndexError) as error:  # as Twisted raises for what RFC 854 lacks
            log.warn("manhole: a visitor speaks no telnet: {error!r}", error=error)
            self.loseConnection()  # type: ignore[no-untyped-call]


def not_agreed(failure: Failure) -> None:
    failure.trap(NegotiationError, ConnectionClosed)  # type: ignore[no-untyped-call]


class ManholeFactory(Factory[Negotiation]):
    """Makes telnet connections; `namespace` is asked at each login, so it is always fresh."""

    noisy = False

    def __init__(
        self, user: str, password: str, namespace: Callable[[], Namespace], clock: Clock
    ) -> None:
        self.clock = clock
        self.namespace = namespace
        self._user = user.encode()
        self._password = password.encode()
        self._open: set[Login] = set()

    def buildProtocol(self, addr: object) -> Negotiation:
        return Negotiation(Login, self)  # type: ignore[no-untyped-call]

    def knows(self, user: bytes, password: bytes) -> bool:
        """Both are compared always, in constant time."""
        right_user = hmac.compare_digest(user, self._user)
        return hmac.compare_digest(password, self._password) and right_user

    def opened(self, login: Login) -> bool:
        """False: there are enough visitors already."""
        if len(self._open) >= VISITORS:
            return False
        self._open.add(login)
        return True

    def closed(self, login: Login) -> None:
        self._open.discard(login)

    def close_all(self) -> None:
        for login in list(self._open):
            login.transport.loseConnection()


class ManholeServer(Service):
    """Serves the prompt at `listen`, an endpoint: a loopback address or a Unix socket.

    Making one raises ManholeError for an endpoint that others could reach, or without a password.
    """

    name = "manhole"

    def __init__(
        self,
        reactor: Reactor,
        listen: str,
        user: str,
        password: str,
        namespace: Callable[[], Namespace],
    ) -> None:
        self._endpoint = private_endpoint(listen)
        if not user or not password:
            raise ManholeError("the manhole wants both a user and a password")
        self._reactor = reactor
        self._factory = ManholeFactory(user, password, namespace, reactor)
        self.listening: Port | None = None  # None while it does not run

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        where = self._endpoint
        if where.kind == "unix":
            self.listening = listen_privately(self._reactor, Path(where.target), self._factory)
        else:
            address = where.interface.replace("localhost", "127.0.0.1")
            port = where.port or 0
            self.listening = self._reactor.listenTCP(port, self._factory, interface=address)

    def stopService(self) -> "Deferred[None] | None":
        super().stopService()  # type: ignore[no-untyped-call]
        listening, self.listening = self.listening, None
        self._factory.close_all()
        return None if listening is None else listening.stopListening()


def private_endpoint(listen: str) -> Listener:
    """`listen` taken apart; raises ManholeError unless only this machine can reach it."""
    try:
        where = read_endpoint(listen)
    except ValueError as error:
        raise ManholeError(f"manhole: {listen!r} {error}") from None
    if not where.is_local:
        raise ManholeError(
            f"the manhole listens on 127.0.0.1, ::1 or a Unix socket, not on {listen!r}: whoever "
            "reaches it owns the server"
        )
    return where


def command_functions(commands: Commands) -> dict[str, Callable[..., object]]:
    """The commands as functions; `-` in a name becomes `_`."""
    return {known.name.replace("-", "_"): as_function(commands, known.name) for known in commands}


def as_function(commands: Commands, name: str) -> Callable[..., object]:
    """Positional arguments as declared; the answer, or a Deferred when it takes time."""
    known = next(known for known in commands if known.name == name)
    names = [parameter.name for parameter in known.parameters]

    def call(*given: object, **named: object) -> object:
        if len(given) > len(names):
            raise TypeError(f"{name} takes {len(names)} arguments")
        arguments = dict(zip(names, given, strict=False)) | named
        return at_once(spawn(commands.run(name, arguments)))

    call.__name__ = name
    call.__doc__ = f"{known.help}\n\n{name}({', '.join(names)})"
    return call


def at_once(waiting: "Deferred[Result]") -> object:
    """The result itself where it is there already."""
    if not waiting.called or waiting.paused:
        return waiting
    settled: list[Result | Failure] = []
    _ = waiting.addBoth(settled.append)
    if isinstance(settled[0], Failure):
        settled[0].raiseException()
    return settled[0]
