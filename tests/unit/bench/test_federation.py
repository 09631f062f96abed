"""Servers in couples: their configuration is that of the one alone, with federation added."""

from pathlib import Path

import pytest

from bench.federation import COUPLES, PORT, Couple, Federated
from bench.servers import ServerError, make_certificate


@pytest.mark.parametrize("kind", COUPLES, ids=lambda kind: kind.name)
def test_each_listens_at_an_address_of_its_own(kind: type[Federated], tmp_path: Path) -> None:
    couple = Couple(kind, tmp_path, make_certificate(tmp_path))
    assert couple.sides[0].other == couple.sides[1].address
    for server in couple.sides:
        assert server.target.domain == server.address
        files = [file for file in server.folder.iterdir() if file.is_file()]
        text = "".join(file.read_text() for file in files)
        assert str(PORT) in text
        assert "dialback" in text


def test_no_two_servers_have_the_same_address() -> None:
    addresses = [address for kind in COUPLES for address in kind.addresses]
    assert len(set(addresses)) == len(addresses)


def test_a_configuration_that_has_changed_is_noticed(tmp_path: Path) -> None:
    class Outdated(COUPLES[0]):  # type: ignore[misc]  # one of those classes
        def edits(self) -> dict[str, str]:
            return {"what is not there any more": ""}

    with pytest.raises(ServerError, match="what is not there any more"):
        Couple(Outdated, tmp_path, make_certificate(tmp_path))
