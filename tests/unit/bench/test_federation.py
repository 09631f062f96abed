"""Servers in couples: their configuration is that of the one alone, with federation added."""

import os
import socket
from pathlib import Path

import pytest

from bench import federation
from bench.federation import COUPLES, Couple, Federated, FederatedXmppd
from bench.ports import PortTaken, check, common_port, free_port
from bench.servers import ServerError, make_certificate


@pytest.mark.parametrize("kind", COUPLES, ids=lambda kind: kind.name)
def test_each_listens_at_an_address_of_its_own(
    kind: type[Federated], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federation, "PORT", free_port("127.0.0.1"))
    couple = Couple(kind, tmp_path, make_certificate(tmp_path))
    assert couple.sides[0].other == couple.sides[1].address
    for server in couple.sides:
        assert server.target.domain == server.address
        files = [file for file in server.folder.iterdir() if file.is_file()]
        text = "".join(file.read_text() for file in files)
        assert str(server.s2s_port) in text
        assert "dialback" in text


def test_no_two_servers_have_the_same_address() -> None:
    addresses = [address for kind in COUPLES for address in kind.addresses]
    assert len(set(addresses)) == len(addresses)


def test_a_configuration_that_has_changed_is_noticed(tmp_path: Path) -> None:
    class Outdated(FederatedXmppd):
        def edits(self) -> dict[str, str]:
            return {"what is not there any more": ""}

    with pytest.raises(ServerError, match="what is not there any more"):
        Couple(Outdated, tmp_path, make_certificate(tmp_path))


def test_who_holds_a_port_is_told() -> None:
    """Also where it listens at another address than the one that is wanted."""
    with socket.create_server(("0.0.0.0", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"127\.0\.0\.32:{port} .*process {os.getpid()}\)"):
            check(["127.0.0.32"], port)
    check(["127.0.0.32"], port)


def test_a_port_is_free_at_both_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.42", 0)) as held:
        free = free_port("127.0.0.32")
        ports = iter([held.getsockname()[1], free])
        monkeypatch.setattr("bench.ports.free_port", lambda _: next(ports))
        assert common_port(["127.0.0.32", "127.0.0.42"]) == free
