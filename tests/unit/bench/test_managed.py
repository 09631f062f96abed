"""A client that counts wrong, or a server that does, must not make acknowledgements look cheap."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import LoadError, Target
from bench.managed import EVERY, REQUEST, SM, ManagedClient
from bench.servers import Ejabberd, Prosody, Server

TARGET = Target("127.0.0.1", 5222, "bench.example", "secret")
ASKS = f"<r xmlns='{SM}'/>".encode()
MESSAGE = b"<message from='a@b'><body>Art thou</body></message>"
Ends = tuple[ManagedClient, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The client, and the server's end."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with ours, theirs:
        yield ManagedClient(ours, TARGET, "romeo"), theirs


@pytest.mark.parametrize("cut", [1, len(MESSAGE) - 3, len(MESSAGE), len(MESSAGE) + 10])
def test_what_it_hears_is_counted_once_wherever_it_is_cut(ends: Ends, cut: int) -> None:
    client, server = ends
    whole = MESSAGE + b"<presence from='a@b'/>" + MESSAGE
    for part in (whole[:cut], whole[cut:], ASKS):
        server.sendall(part)
        client.hear()
    assert server.recv(1000) == f"<a xmlns='{SM}' h='3'/>".encode()


def test_it_asks_for_every_few_stanzas(ends: Ends) -> None:
    client, server = ends
    for _ in range(2 * EVERY):
        client.say(MESSAGE)
    assert server.recv(10000) == (MESSAGE * EVERY + REQUEST) * 2


def test_a_server_must_answer_for_all_that_was_said(ends: Ends) -> None:
    client, server = ends
    client.say(MESSAGE)
    server.sendall(f"<a xmlns='{SM}' h='0'/><a h='1' xmlns='{SM}'/>".encode())
    client.is_acknowledged()


def test_a_server_that_answers_for_more_is_noticed(ends: Ends) -> None:
    client, server = ends
    client.say(MESSAGE)
    server.sendall(f"<a xmlns='{SM}' h='2'/>".encode())
    with pytest.raises(LoadError, match="said 1 and is answered for 2"):
        client.is_acknowledged()


@pytest.mark.parametrize("answer", [b"<enabled xmlns='%s'/>", b"<failed xmlns='%s'/>"])
def test_who_cannot_resume_is_not_measured(ends: Ends, answer: bytes) -> None:
    client, server = ends
    server.sendall(answer % SM.encode())
    with pytest.raises(LoadError, match="cannot have its stream managed"):
        client.enable()


@pytest.mark.parametrize(
    ("kind", "name", "module"),
    [(Prosody, "prosody.cfg.lua", "smacks"), (Ejabberd, "ejabberd.yml", "mod_stream_mgmt")],
)
def test_others_offer_it_when_it_is_measured(
    kind: type[Server], name: str, module: str, tmp_path: Path
) -> None:
    certificate = tmp_path / "bench.crt"
    certificate.write_text("")
    server = kind(tmp_path, certificate, certificate)
    assert module not in (server.folder / name).read_text()
    server.manages = True
    server.configure()
    assert module in (server.folder / name).read_text()
