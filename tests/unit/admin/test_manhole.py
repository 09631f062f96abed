"""The manhole: who is let in, and what is found there. Telnet is spoken for real."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from xmppd.admin.commands import CommandError, Commands, Secret, command
from xmppd.admin.manhole import (
    ManholeError,
    ManholeFactory,
    command_functions,
    completions,
    private_endpoint,
)
from xmppd.admin.output import Rows

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
ECHO = 1

SERVER = """
import sys
from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
from xmppd.admin.commands import CommandError
from xmppd.admin.manhole import ManholeServer
live = [1, 2]
def refuse():
    "Refuse."
    raise CommandError("not today")
names = {"live": live, "refuse": refuse}
server = ManholeServer(reactor, sys.argv[1], "admin", "pass word", lambda: names)
server.startService()
print(getattr(server.listening.getHost(), "port", 0), flush=True)
reactor.run()
"""


@pytest.mark.parametrize(
    "listen", ["tcp:4022:interface=127.0.0.1", r"tcp6:4022:interface=\:\:1", "unix:/run/x/m.sock"]
)
def test_endpoints_of_this_machine_are_accepted(listen: str) -> None:
    assert private_endpoint(listen).is_local


@pytest.mark.parametrize(
    "listen",
    [
        "tcp:4022",
        "tcp:4022:interface=0.0.0.0",
        "tcp:4022:interface=192.0.2.1",
        r"tcp6:4022:interface=\:\:",
        "systemd:domain=INET:name=m",
        "no endpoint",
    ],
)
def test_every_other_endpoint_is_refused(listen: str) -> None:
    with pytest.raises(ManholeError):
        private_endpoint(listen)


@pytest.mark.parametrize(
    "user, password, known",
    [
        (b"admin", b"pass word", True),
        (b"admin", b"pass wor", False),
        (b"admin", b"", False),
        (b"other", b"pass word", False),
        (b"\xff", b"\xff", False),
    ],
)
def test_both_user_and_password_must_be_right(user: bytes, password: bytes, known: bool) -> None:
    assert ManholeFactory("admin", "pass word", dict, Clock()).knows(user, password) is known


class Garden:
    def __init__(self) -> None:
        self.waiting: Deferred[str] = Deferred()

    @command("add-up", "Add.")
    def add(self, one: int, two: int = 1) -> Rows:
        return Rows(("sum",), [(one + two,)])

    @command("wait", "Wait.")
    async def wait(self, password: Secret) -> str:
        return await self.waiting

    @command("refuse", "Refuse.")
    def refuse(self) -> str:
        raise CommandError("not today")


@pytest.fixture
def garden() -> Garden:
    return Garden()


@pytest.fixture
def commands(garden: Garden) -> Commands:
    commands = Commands()
    commands.add_from(garden)
    return commands


def test_commands_are_functions_that_answer_at_once(commands: Commands) -> None:
    functions = command_functions(commands)
    assert sorted(functions) == ["add_up", "refuse", "wait"]
    assert repr(functions["add_up"](2, two=3)) == "sum\n5"
    assert functions["add_up"].__doc__ == "Add.\n\nadd-up(one, two)"


def test_a_command_that_takes_time_is_a_deferred(commands: Commands, garden: Garden) -> None:
    waiting = command_functions(commands)["wait"]("secret")
    assert isinstance(waiting, Deferred)
    garden.waiting.callback("done")
    seen: list[object] = []
    waiting.addCallback(seen.append)
    assert seen == ["done"]


def test_a_command_that_fails_raises_at_the_prompt(commands: Commands) -> None:
    with pytest.raises(CommandError, match="not today"):
        command_functions(commands)["refuse"]()
    with pytest.raises(TypeError, match="takes 2 arguments"):
        command_functions(commands)["add_up"](1, 2, 3)


def test_names_are_completed() -> None:
    class Host:
        name = "example.org"
        sessions = ()
        _private = 1

    namespace = {"host": Host(), "hosts": {}}
    assert completions(namespace, "hos") == ["host", "hosts"]
    assert completions(namespace, "host.") == ["host.name", "host.sessions"]
    assert completions(namespace, "host.absent.x") == []


class Telnet:
    """A telnet client (RFC 854): declines every option but the server's echo (RFC 857)."""

    def __init__(self, connection: socket.socket, negotiates: bool = True) -> None:
        self._connection = connection
        self._connection.settimeout(20)
        self._negotiates = negotiates
        self._raw = b""
        self.text = b""

    def reads_until(self, wanted: bytes) -> bytes:
        """All text up to and with `wanted`; the end of the connection fails."""
        while wanted not in self.text:
            received = self._connection.recv(4096)
            assert received, f"closed after {self.text!r}"
            self._raw += received
            self._take()
        before, found, self.text = self.text.partition(wanted)
        return before + found

    def reads_to_the_end(self) -> bytes:
        while received := self._connection.recv(4096):
            self._raw += received
            self._take()
        return self.text

    def types(self, line: str) -> None:
        self._connection.sendall(line.encode() + b"\r\n")

    def logs_in(self, user: str, password: str) -> None:
        self.reads_until(b"Username: ")
        self.types(user)
        self.reads_until(b"Password: ")
        self.types(password)

    def _take(self) -> None:
        """Move text over and answer commands, as far as they have arrived whole."""
        while self._raw:
            if self._raw[0] != IAC:
                text, mark, rest = self._raw.partition(b"\xff")
                self.text += text
                self._raw = mark + rest
            elif len(self._raw) >= 2 and self._raw[1] == SB:
                if bytes([IAC, SE]) not in self._raw:
                    return
                self._raw = self._raw.partition(bytes([IAC, SE]))[2]
            elif len(self._raw) >= 3:
                self._answer(self._raw[1], self._raw[2])
                self._raw = self._raw[3:]
            else:
                return

    def _answer(self, verb: int, option: int) -> None:
        if not self._negotiates:
            return
        if verb == WILL:
            self._connection.sendall(bytes([IAC, DO if option == ECHO else DONT, option]))
        elif verb == DO:
            self._connection.sendall(bytes([IAC, WONT, option]))
        elif verb == WONT and option == ECHO:
            self._connection.sendall(bytes([IAC, DONT, option]))


@contextmanager
def serving(listen: str, log: IO[bytes] | None = None) -> Iterator[int]:
    """A process with a manhole; the number of its port, 0 for a Unix socket.

    `log` is whole once the process has ended.
    """
    command_line = [sys.executable, "-c", SERVER, listen]
    with subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=log) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving("tcp:0:interface=127.0.0.1") as number:
        yield number


@pytest.fixture
def telnet(port: int) -> Iterator[Telnet]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        yield Telnet(connection)


def test_who_logs_in_reads_and_changes_the_live_objects(telnet: Telnet) -> None:
    telnet.logs_in("admin", "pass word")
    telnet.reads_until(b">>> ")
    telnet.types("live.append(40 + 2)")
    telnet.reads_until(b">>> ")
    telnet.types("sum(live)")
    telnet.reads_until(b"sum(live)")
    assert b"45" in telnet.reads_until(b">>> ")


@pytest.mark.parametrize("typed", ["help", "help()"])
def test_help_lists_what_there_is_and_waits_for_nothing(telnet: Telnet, typed: str) -> None:
    telnet.logs_in("admin", "pass word")
    telnet.reads_until(b">>> ")
    telnet.types(typed)
    telnet.reads_until(b"There is live, refuse.")
    telnet.reads_until(b">>> ")


def test_help_tells_what_a_thing_is(telnet: Telnet) -> None:
    telnet.logs_in("admin", "pass word")
    telnet.reads_until(b">>> ")
    telnet.types("help(refuse)")
    telnet.reads_until(b"Refuse.")


def test_a_command_that_cannot_be_done_says_why_in_a_line(telnet: Telnet) -> None:
    telnet.logs_in("admin", "pass word")
    telnet.reads_until(b">>> ")
    telnet.types("refuse()")
    assert b"Traceback" not in telnet.reads_until(b"not today")
    telnet.types("1/0")
    telnet.reads_until(b"Traceback")
    telnet.reads_until(b"ZeroDivisionError")


def test_tab_completes_at_the_prompt(telnet: Telnet) -> None:
    telnet.logs_in("admin", "pass word")
    telnet.reads_until(b">>> ")
    telnet.types("liv\t.__class__")
    assert b"<class 'list'>" in telnet.reads_until(b"list'>")


def test_a_line_typed_half_goes_on_after_its_completions_were_shown(telnet: Telnet) -> None:
    telnet.logs_in("admin", "pass word")
    telnet.reads_until(b">>> ")
    telnet.types("live.c\topy()")
    telnet.reads_until(b"live.clear  live.copy  live.count")
    assert b"[1, 2" in telnet.reads_until(b"[1, 2")


def test_a_wrong_password_is_refused_and_asked_for_again(telnet: Telnet) -> None:
    telnet.logs_in("admin", "wrong")
    telnet.reads_until(b"Authentication failed")
    telnet.logs_in("admin", "pass word")
    telnet.reads_until(b">>> ")


def test_the_third_failure_closes(telnet: Telnet) -> None:
    for password in ("", "wrong", "Pass word"):
        telnet.logs_in("admin", password)
        telnet.reads_until(b"Authentication failed")
    assert b"Username" not in telnet.reads_to_the_end()


def test_a_client_that_cannot_negotiate_gets_in(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        netcat = Telnet(connection, negotiates=False)
        netcat.logs_in("admin", "pass word")
        netcat.reads_until(b">>> ")


def log_of_a_visit(folder: Path, visit: Callable[[socket.socket], None]) -> str:
    """What the server logged; it is stopped while the visitor is still there, if it stays."""
    path = folder / "log"
    with (
        path.open("wb") as log,
        socket.socket() as connection,
        serving("tcp:0:interface=127.0.0.1", log) as port,
    ):
        connection.connect(("127.0.0.1", port))
        visit(connection)
    return path.read_text()


def stays(connection: socket.socket) -> None:
    visitor = Telnet(connection, negotiates=False)
    visitor.logs_in("admin", "pass word")
    visitor.reads_until(b">>> ")


def leaves_at_the_password(connection: socket.socket) -> None:
    visitor = Telnet(connection, negotiates=False)
    visitor.reads_until(b"Username: ")
    visitor.types("admin")
    visitor.reads_until(b"Password: ")
    connection.shutdown(socket.SHUT_WR)
    visitor.reads_to_the_end()


def quits(connection: socket.socket) -> None:
    visitor = Telnet(connection, negotiates=False)
    visitor.logs_in("admin", "pass word")
    visitor.reads_until(b">>> ")
    visitor.types("quit()")
    visitor.reads_to_the_end()


def leaves_at_the_prompt(connection: socket.socket) -> None:
    stays(connection)
    connection.shutdown(socket.SHUT_WR)
    Telnet(connection, negotiates=False).reads_to_the_end()


def refuses_all_options(connection: socket.socket) -> None:
    visitor = Telnet(connection)
    visitor.logs_in("admin", "pass word")
    visitor.reads_until(b">>> ")
    visitor.types("len(live)")
    visitor.reads_until(b">>> ")


def speaks_no_telnet(connection: socket.socket) -> None:
    connection.sendall(bytes([IAC, 0]))
    Telnet(connection, negotiates=False).reads_to_the_end()


def negotiates_about_nothing(connection: socket.socket) -> None:
    connection.sendall(bytes([IAC, SB, IAC, SE]))
    Telnet(connection, negotiates=False).reads_to_the_end()


@pytest.mark.parametrize(
    "visit",
    [
        stays,
        leaves_at_the_password,
        leaves_at_the_prompt,
        quits,
        refuses_all_options,
        speaks_no_telnet,
        negotiates_about_nothing,
    ],
)
def test_a_client_that_does_not_negotiate_leaves_no_traceback_in_the_log(
    tmp_path: Path, visit: Callable[[socket.socket], None]
) -> None:
    log = log_of_a_visit(tmp_path, visit)
    assert "Traceback" not in log
    assert "critical" not in log
    assert "Unhandled" not in log


def test_more_visitors_than_four_are_turned_away() -> None:
    with serving("tcp:0:interface=127.0.0.1") as port, ExitStack() as doors:
        visitors = [
            doors.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(5)
        ]
        for visitor in visitors[:4]:
            Telnet(visitor).reads_until(b"Username: ")
        assert Telnet(visitors[4]).reads_to_the_end() == b"Too many visitors.\r\n"


def test_on_a_unix_socket_only_the_owner_may_enter(tmp_path: Path) -> None:
    path = tmp_path / "manhole.sock"
    with serving(f"unix:{path}"):
        assert path.stat().st_mode & 0o777 == 0o600
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            telnet = Telnet(connection)
            telnet.logs_in("admin", "pass word")
            telnet.reads_until(b">>> ")
    assert not path.exists()
