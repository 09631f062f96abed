"""Servers to attack. The usual one has the default limits and is shared by all tests."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.abuse.authority import Authority
from tests.abuse.server import Server
from tests.abuse.wire import Wire
from xmppd.transport.certificates import self_signed

FAULTY = '''\
"""A module with a fault in each hook."""
from xmppd.api import IQ, JID, Module, Session, Stanza, events, iq_get, on


class Faulty(Module):
    name = "faulty"

    @on(events.user_sends)
    def sends(self, stanza: Stanza, session: Session) -> None:
        if stanza.id == "crash-sends":
            raise RuntimeError("in user_sends")

    @on(events.user_receives)
    def receives(self, stanza: Stanza, user: JID) -> None:
        answer = stanza.type == "error"
        if stanza.id == "crash-always" or (stanza.id == "crash-receives" and not answer):
            raise RuntimeError("in user_receives")

    @iq_get("urn:example:faulty", "query")
    def answer(self, iq: IQ) -> None:
        raise RuntimeError("in a handler")
'''
LEAK_BYTES = 50 * 2**20
OPTIONS = """
[auth]
scram_iterations = 10000
failures = 10000
[tls]
client_ca = "{authority}"
[modules]
paths = ["{modules}"]
enable = ["faulty", "archive"]
"""


@pytest.fixture(scope="session", autouse=True)
def _many_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(["example.org", "other.example"], tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs certificates of users."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def usual(
    tmp_path_factory: pytest.TempPathFactory,
    certificate: tuple[Path, Path],
    authority: Authority,
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("usual")
    modules = folder / "modules"
    modules.mkdir()
    (modules / "faulty.py").write_text(FAULTY)
    options = OPTIONS.format(authority=authority.path, modules=modules)
    server = Server(folder, certificate, options)
    try:
        yield server.start()
        assert_nothing_leaked(server)
    finally:
        server.stop()


def assert_nothing_leaked(server: Server) -> None:
    """After all these attacks: what a first login takes is there from its start on."""
    assert server.settles_at(server.at_start.descriptors + 9) < server.at_start.descriptors + 10
    assert server.resident() - server.at_start.resident < LEAK_BYTES


@pytest.fixture
def server(usual: Server, wires: "list[Wire]") -> Iterator[Server]:
    """The usual one; after each test it must be well, and no traceback in its log."""
    before = len(usual.logged())
    yield usual
    for wire in wires:
        wire.close()
    usual.is_well()
    assert "Traceback" not in usual.logged()[before:], usual.logged()[before:]


@pytest.fixture
def wires() -> list[Wire]:
    """Those that are closed after the test."""
    return []


@pytest.fixture
def wire(server: Server, wires: list[Wire]) -> Wire:
    """A fresh connection."""
    wires.append(Wire(server))
    return wires[-1]
