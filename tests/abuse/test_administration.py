"""The machine's side: modules with faults, the control socket, keys that everybody can read."""

import os
import stat
from pathlib import Path

import pytest

from tests.abuse.server import Server
from tests.abuse.wire import Wire, error_condition
from xmppd.transport.certificates import self_signed


@pytest.mark.parametrize(
    "sent",
    [
        "<message id='crash-sends' to='juliet@example.org'><body>x</body></message>",
        "<iq type='get' id='crash-sends' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<message id='crash-receives' to='juliet@example.org'><body>x</body></message>",
        "<iq type='get' id='crash-answer' to='example.org'>"
        "<query xmlns='urn:example:faulty'/></iq>",
    ],
)
def test_a_fault_in_a_module_costs_one_stanza(usual: Server, sent: str) -> None:
    wire = Wire(usual).online("romeo", "crash").new_stream()
    before = len(usual.logged())
    id_ = sent.partition("id='")[2].partition("'")[0]
    assert error_condition(wire.send(sent).answer(id_)) == "internal-server-error"
    wire.sync().close()
    logged = usual.logged()[before:]
    assert "faulty" in logged
    assert logged.count("Traceback") == 1
    usual.is_well()


def test_a_fault_that_swallows_its_own_error_leaves_the_stream_alone(usual: Server) -> None:
    wire = Wire(usual).online("romeo", "crash").new_stream()
    wire.send("<message id='crash-always' to='juliet@example.org'/>").sync().close()
    assert "faulty" in usual.logged()
    usual.is_well()


def test_only_the_servers_own_user_opens_the_control_socket(usual: Server) -> None:
    folder = usual.folder / "data"
    assert stat.S_IMODE((folder / "ctl.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "xmppd.sqlite").stat().st_mode) & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be warned of being root")
def test_running_as_root_warns(usual: Server) -> None:
    assert "runs as root" in usual.logged()


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o666])
def test_a_key_that_everybody_can_read_stops_the_start(tmp_path: Path, mode: int) -> None:
    certificate, key = self_signed(["example.org", "other.example"], tmp_path / "keys")
    key.chmod(mode)
    server = Server(tmp_path, (certificate, key))
    with pytest.raises(AssertionError):
        server.start()
    assert server.child is not None
    assert server.child.wait(10) != 0
    assert str(key) in server.logged()
    assert "chmod" in server.logged()
