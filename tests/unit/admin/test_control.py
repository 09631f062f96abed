"""The control socket: who may open it, and what is said over it."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from xmppd.admin.commands import CommandError, Commands, command
from xmppd.admin.control import (
    IDLE_S,
    LEAVING_S,
    REQUEST_BYTES,
    ControlConnection,
    ControlFactory,
    SocketError,
    claim,
)
from xmppd.hooks import spawn
from xmppd.storage import DatabaseBusy


class Garden:
    def __init__(self) -> None:
        self.waiting: Deferred[str] = Deferred()

    @command("greet", "Say hello.")
    def greet(self, name: str) -> str:
        return f"hello {name}"

    @command("refuse", "Fail with a sentence.")
    def refuse(self) -> str:
        raise CommandError("not today")

    @command("store", "Fail as the database does.")
    async def store(self) -> str:
        raise DatabaseBusy("1000 wait for the database already")

    @command("crash", "Fail with a bug.")
    def crash(self) -> str:
        raise ZeroDivisionError("secret")

    @command("wait", "Take time.")
    async def wait(self) -> str:
        return await self.waiting


class Client:
    """One connection to a factory, in memory."""

    def __init__(self, factory: ControlFactory) -> None:
        self.protocol: ControlConnection = factory.buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)

    def says(self, line: bytes) -> None:
        self.protocol.dataReceived(line + b"\n")

    def hears(self) -> list[Any]:
        heard = self.transport.value()
        self.transport.clear()
        return [json.loads(line) for line in heard.splitlines()]

    def leaves(self) -> None:
        self.protocol.connectionLost()


class Scene:
    def __init__(self) -> None:
        self.clock = Clock()
        self.garden = Garden()
        commands = Commands()
        commands.add_from(self.garden)
        self.factory = ControlFactory(commands, self.clock, clients=2)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_command_is_answered_with_its_result(scene: Scene) -> None:
    client = Client(scene.factory)
    client.says(b'{"command": "greet", "arguments": {"name": "juliet"}}')
    assert client.hears() == [{"ok": True, "result": {"kind": "text", "text": "hello juliet"}}]


def test_the_list_describes_every_command(scene: Scene) -> None:
    client = Client(scene.factory)
    client.says(b'{"list": true}')
    [answer] = client.hears()
    assert [told["name"] for told in answer["commands"]] == [
        "crash",
        "greet",
        "refuse",
        "store",
        "wait",
    ]


@pytest.mark.parametrize(
    "line, kind, sentence",
    [
        (b"", "usage", "not one line of JSON"),
        (b"[" * 60000, "usage", "not one line of JSON"),
        (b"\xff", "usage", "not one line of JSON"),
        (b"[]", "usage", "neither a list nor a command"),
        (b'{"command": 1, "arguments": {}}', "usage", "neither a list nor a command"),
        (b'{"command": "greet"}', "usage", "neither a list nor a command"),
        (b'{"command": "sing", "arguments": {}}', "usage", "no command 'sing'"),
        (b'{"command": "greet", "arguments": {}}', "usage", "greet needs name"),
        (b'{"command": "refuse", "arguments": {}}', "failed", "not today"),
        (b'{"command": "store", "arguments": {}}', "failed", "1000 wait for the database"),
    ],
)
def test_what_cannot_be_done_is_answered_with_a_sentence(
    scene: Scene, line: bytes, kind: str, sentence: str
) -> None:
    client = Client(scene.factory)
    client.says(line)
    [answer] = client.hears()
    assert (answer["ok"], answer["kind"]) == (False, kind)
    assert sentence in answer["error"]


def test_a_bug_is_named_without_its_details(scene: Scene) -> None:
    client = Client(scene.factory)
    client.says(b'{"command": "crash", "arguments": {}}')
    [answer] = client.hears()
    assert answer["kind"] == "crashed"
    assert "ZeroDivisionError" in answer["error"]
    assert "secret" not in answer["error"]


def test_a_connection_serves_one_request_at_a_time(scene: Scene) -> None:
    client = Client(scene.factory)
    client.says(b'{"command": "wait", "arguments": {}}')
    client.says(b'{"list": true}')
    assert client.hears() == [{"ok": False, "kind": "usage", "error": "one request at a time"}]
    assert client.transport.disconnecting


def test_several_requests_follow_each_other_on_one_connection(scene: Scene) -> None:
    client = Client(scene.factory)
    client.says(b'{"list": true}\n{"list": true}')
    assert len(client.hears()) == 2


def test_clients_beyond_the_limit_are_turned_away_and_places_are_given_back(scene: Scene) -> None:
    first, _, third = (Client(scene.factory) for _ in range(3))
    assert third.transport.disconnecting
    assert third.hears()[0]["error"] == "too many xmppctl at once"
    third.leaves()
    first.leaves()
    assert not Client(scene.factory).transport.disconnecting


def test_an_idle_client_is_closed_and_a_waiting_one_is_not(scene: Scene) -> None:
    idle, busy = Client(scene.factory), Client(scene.factory)
    busy.says(b'{"command": "wait", "arguments": {}}')
    scene.clock.advance(IDLE_S + 1)
    assert idle.transport.disconnecting
    assert not busy.transport.disconnecting
    scene.garden.waiting.callback("at last")
    assert busy.hears()[0]["result"]["text"] == "at last"


def test_the_answer_to_a_client_that_left_is_dropped(scene: Scene) -> None:
    client = Client(scene.factory)
    client.says(b'{"command": "wait", "arguments": {}}')
    client.leaves()
    scene.garden.waiting.callback("too late")
    assert client.hears() == []
    assert scene.clock.getDelayedCalls() == []


def test_closing_waits_until_the_answers_have_gone_out(scene: Scene) -> None:
    first, second = Client(scene.factory), Client(scene.factory)
    first.says(b'{"list": true}')
    closing = spawn(scene.factory.close_all())
    assert first.transport.disconnecting
    assert second.transport.disconnecting
    first.leaves()
    assert not closing.called
    second.leaves()
    assert closing.called
    assert scene.clock.getDelayedCalls() == []


def test_a_client_that_does_not_read_its_answer_is_cut_off_when_the_server_stops(
    scene: Scene,
) -> None:
    client = Client(scene.factory)
    closing = spawn(scene.factory.close_all())
    scene.clock.advance(LEAVING_S - 0.1)
    assert not client.transport.disconnected
    scene.clock.advance(0.1)
    assert client.transport.disconnected
    client.leaves()
    assert closing.called


def test_an_endless_line_ends_the_connection(scene: Scene) -> None:
    client = Client(scene.factory)
    client.protocol.dataReceived(b"x" * (REQUEST_BYTES + 2))
    assert client.transport.disconnecting


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "ctl.sock"))
        yield bound


def test_a_stale_socket_makes_room(tmp_path: Path, listener: socket.socket) -> None:
    listener.close()
    claim(tmp_path / "ctl.sock")
    assert not (tmp_path / "ctl.sock").exists()


def test_the_socket_of_a_living_server_stays(tmp_path: Path, listener: socket.socket) -> None:
    listener.listen()
    with pytest.raises(SocketError, match="another server answers"):
        claim(tmp_path / "ctl.sock")
    assert (tmp_path / "ctl.sock").exists()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ctl.sock").write_text("mine")
    with pytest.raises(SocketError, match="not a socket"):
        claim(tmp_path / "ctl.sock")
    assert (tmp_path / "ctl.sock").read_text() == "mine"


def test_a_symbolic_link_is_not_followed(tmp_path: Path, listener: socket.socket) -> None:
    listener.close()
    (tmp_path / "link").symlink_to(tmp_path / "ctl.sock")
    with pytest.raises(SocketError, match="not a socket"):
        claim(tmp_path / "link")


def test_a_missing_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    claim(tmp_path / "run" / "ctl.sock")
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_a_path_that_the_kernel_would_refuse_is_refused_with_its_limit() -> None:
    with pytest.raises(SocketError, match="107 bytes"):
        claim(Path("/tmp") / ("x" * 108))
    claim(Path(f"/tmp/xmppd-{os.getpid()}".ljust(107, "x")))
