"""The lab: a DNS server, an authority, Debian's servers and ours, at their own addresses."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.peers.network import Network, Place, make_network
from tests.peers.pairs import Pair
from tests.peers.sites import Ejabberd, Lab, Ours, Prosody, Site
from tests.peers.zone import NameServer, Zone
from tests.support.authority import Authority

PROGRAMS = {"prosody": "prosody", "ejabberdctl": "ejabberd", "nsd": "nsd", "ip": "iproute2"}
KINDS_OF_SITES: dict[str, Callable[[str, Place, Lab], Site]] = {
    "prosody": Prosody,
    "ejabberd": Ejabberd,
    "ours": Ours,
    "theirs": Ours,
}
PAIRS = [("prosody", "ejabberd"), ("ours", "prosody"), ("ours", "ejabberd"), ("ours", "theirs")]
DIRECTIONS = [f"{a}-{b}" for one in PAIRS for a, b in (one, one[::-1])]
Sites = dict[str, Site]


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [
        package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)
    ]
    if missing:
        pytest.skip(f"NO FEDERATION WAS TESTED: not installed: {', '.join(missing)}")
    try:
        made = make_network(tmp_path_factory.mktemp("network") / "resolv.conf")
    except OSError as error:
        pytest.skip(f"NO FEDERATION WAS TESTED: neither network namespaces nor port 53: {error}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def sites(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """All of them, running; by their labels."""
    folder = tmp_path_factory.mktemp("lab")
    place = network.place("dns")
    lab = Lab(folder, Authority.make(), network.net, list(KINDS_OF_SITES))
    zone = Zone(place.address)
    made: Sites = {
        label: kind(label, network.place(label), lab) for label, kind in KINDS_OF_SITES.items()
    }
    for site in made.values():
        site.is_in(zone)
    zone.add_service("noservice.example", 0, "")
    zone.add_address("alone.example", place.address)
    zone.add_service("down.example", 5269, "alone.example")
    name_server = NameServer(place, folder, zone)
    try:
        name_server.start()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda site: site.start(), made.values()))
        yield made
    finally:
        for site in made.values():
            site.stop()
            site.clean()
        name_server.stop()


@pytest.fixture(params=DIRECTIONS)
def ends(request: pytest.FixtureRequest, sites: Sites) -> tuple[Site, Site]:
    """Each pair of sites, and each in the other direction."""
    here, _, there = request.param.partition("-")
    return sites[here], sites[there]


@pytest.fixture
def pair(ends: tuple[Site, Site]) -> Iterator[Pair]:
    made = Pair(*ends)
    yield made
    made.close()


@pytest.fixture(params=["-".join(one) for one in PAIRS if "ours" in one])
def restarting(request: pytest.FixtureRequest, sites: Sites) -> Iterator[Pair]:
    """Each pair once: either end restarts in the test. What others lose among themselves then is
    not ours to judge.
    """
    here, _, there = request.param.partition("-")
    made = Pair(sites[here], sites[there])
    yield made
    made.close()
