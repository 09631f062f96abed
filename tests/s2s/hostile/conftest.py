"""A server of ours among servers that mean no good."""

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.abuse.server import Server, free_port
from tests.abuse.wire import Wire
from tests.support.authority import Authority
from tests.support.peer import PEM, Caller, Host

# Nobody is bound to prove these by a certificate; all others are.
SPOKEN = ("spoken.example", "victim.example", "slow.example", "flood.example")
# Each for one test, as what happened to it is remembered for a while.
SINGLE = tuple(f"single{number}.example" for number in range(60))
USERS = ("romeo", "juliet", "bystander")


class Peered(Server):
    """It finds all other servers by `routes`; what it serves is example.org and other.example."""

    routes: dict[str, int]
    trust: Path

    def _toml(self, certificate: PEM) -> str:
        self.s2s_port, self.s2s_tls_port = free_port(), free_port()
        routes = ", ".join(f'"{domain}=127.0.0.1:{port}"' for domain, port in self.routes.items())
        peers = "".join(
            f'[[s2s.peers]]\ndomain = "{domain}"\ncertificates = "dialback"\n' for domain in SPOKEN
        )
        s2s = f"""
[s2s]
listen = ["tcp:{self.s2s_port}:interface=127.0.0.1"]
direct_tls = ["tcp:{self.s2s_tls_port}:interface=127.0.0.1"]
routes = [{routes}]
trust = "{self.trust}"
nameservers = ["127.0.0.1:{self.dead_port}"]
dns_timeout = 1
connect_timeout = 3
negotiation_timeout = 3
queue_timeout = 3
deny = ["denied.example"]
{peers}
"""
        plain = super()._toml(certificate)
        assert "[s2s]\nenabled = false\n" in plain
        return plain.replace("[s2s]\nenabled = false\n", "") + s2s

    dead_port: int  # of a name server that hears, and never answers

    def closes(self, domain: str) -> None:
        """Its connections with that server, if there are any: the next stanza opens a new one."""
        if any(domain in str(row) for row in self.rows("s2s")):
            self.runs("s2s-close", domain=domain)

    def rows(self, command: str) -> list[list[object]]:
        result = self.runs(command)
        assert isinstance(result, dict)
        rows: list[list[object]] = result["rows"]
        return rows


class Door:
    """Where other servers knock."""

    def __init__(self, server: Peered) -> None:
        self.server = server
        self.port = server.s2s_port
        self.tls_port = server.s2s_tls_port

    def new_address(self) -> str:
        return self.server.new_address()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.make("Verona")


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of certificates."""
    return tmp_path_factory.mktemp("papers")


@pytest.fixture(scope="session")
def hosts(authority: Authority, papers: Path) -> Iterator[dict[str, Host]]:
    """Those that are called, by domain; some have a certificate that proves nothing."""
    made = {
        domain: Host(authority.certify(papers, f"host-{domain}", dns=[domain]))
        for domain in ("proven.example", "slow.example", "flood.example", *SINGLE)
    }
    for domain in ("spoken.example", "victim.example"):
        pair = authority.certify(papers, f"host-{domain}", dns=[domain], self_signed=True)
        made[domain] = Host(pair)
    pair = authority.certify(papers, "host-impostor", dns=["proven.example"])
    made["impostor.example"] = Host(pair)
    pair = authority.certify(papers, "host-old", dns=["old.example"], days=(-10, -1))
    made["old.example"] = Host(pair)
    yield made
    for host in made.values():
        host.close()


@pytest.fixture(scope="session")
def usual(
    hosts: dict[str, Host],
    authority: Authority,
    papers: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Peered]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    own = authority.certify(papers, "own", dns=["example.org", "other.example"])
    black_hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    black_hole.bind(("127.0.0.1", 0))
    Peered.dead_port = black_hole.getsockname()[1]
    Peered.routes = {domain: host.port for domain, host in hosts.items()}
    Peered.routes["dead.example"] = free_port()
    Peered.trust = authority.write(papers / "verona.pem")
    server = Peered(tmp_path_factory.mktemp("usual"), own)
    try:
        server.start(USERS)
        yield server
    finally:
        server.stop()
        black_hole.close()


@pytest.fixture
def server(usual: Peered, hosts: dict[str, Host], wires: list[Wire]) -> Iterator[Peered]:
    """The usual one; after each test it is well, without a traceback, and without links."""
    before = len(usual.logged())
    yield usual
    for wire in wires:
        wire.close()
    for host in hosts.values():
        host.forget()
    usual.is_well()
    assert "Traceback" not in usual.logged()[before:], usual.logged()[before:]


@pytest.fixture
def wires() -> list[Wire]:
    """Those that are closed after the test."""
    return []


@pytest.fixture
def door(server: Peered) -> Door:
    return Door(server)


class Calls:
    """Makes callers that are hung up after the test."""

    def __init__(self, door: Door, wires: list[Wire]) -> None:
        self._door = door
        self._wires = wires

    def __call__(self, domain: str = "proven.example", to: str = "example.org") -> Caller:
        made = Caller(self._door, domain, to)
        self._wires.append(made)
        return made


@pytest.fixture
def call(door: Door, wires: list[Wire]) -> Calls:
    return Calls(door, wires)


@pytest.fixture(scope="session")
def proof(authority: Authority, papers: Path) -> PEM:
    """What proves proven.example."""
    return authority.certify(papers, "proven", dns=["proven.example"])


_singles = iter(SINGLE)


@pytest.fixture
def single(hosts: dict[str, Host]) -> tuple[str, Host]:
    """A domain that no other test has, with its host; it has a good certificate."""
    domain = next(_singles)
    return domain, hosts[domain]


@pytest.fixture
def juliet(server: Peered, wires: list[Wire]) -> Wire:
    """She is there, and hears what gets through."""
    made = Wire(server).online("juliet", "balcony")
    wires.append(made)
    return made


@pytest.fixture
def romeo(server: Peered, wires: list[Wire]) -> Wire:
    made = Wire(server).online("romeo", "orchard")
    wires.append(made)
    return made
