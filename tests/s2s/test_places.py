"""A domain with several servers in the DNS: which failures lead to the next, which are final."""

import ssl
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.names import dns

from tests.abuse.wire import Wire
from tests.s2s.hostile.conftest import Peered
from tests.s2s.hostile.test_hosts import body_is, condition, says
from tests.support.authority import Authority
from tests.support.nameservers import Hostile, address
from tests.support.nameservers import answer as dns_answer
from tests.support.peer import OFFER_EXTERNAL, OFFER_TLS, PEM, Host, server_context

PATIENCE_S = 40.0
ERROR = (
    "<stream:error><{0} xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{1}</{0}></stream:error>"
    "</stream:stream>"
)
NO_TLS = "<stream:features/>"
TLS_REFUSED = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"


class Names:
    """The DNS of `example`: SRV records of each domain, in the order of their priority."""

    def __init__(self) -> None:
        self._srv: dict[str, list[Any]] = {}
        self.server = Hostile(self._reply)

    def has(self, domain: str, *ports: int, direct: tuple[int, ...] = ()) -> None:
        for name, of, first in (("_xmpp-server", ports, 1), ("_xmpps-server", direct, 0)):
            self._srv[f"{name}._tcp.{domain}"] = [
                dns.RRHeader(
                    f"{name}._tcp.{domain}".encode(),
                    dns.SRV,
                    ttl=60,
                    payload=dns.Record_SRV(first + n, 0, port, b"loop." + domain.encode()),
                )
                for n, port in enumerate(of)
            ]

    def _reply(self, message: Any, data: bytes) -> list[bytes]:
        query = message.queries[0]
        name = query.name.name.decode().lower()
        if query.type == dns.SRV:
            return [dns_answer(message, *self._srv.get(name, ()))]
        if query.type == dns.A and name.endswith(".example"):
            return [dns_answer(message, address(name, "127.0.0.1"))]
        return [dns_answer(message)]


class Placed(Peered):
    nameserver: str

    def _toml(self, certificate: PEM) -> str:
        lines = super()._toml(certificate).splitlines()
        other = ("nameservers", "connect_timeout", "negotiation_timeout", "queue_timeout")
        kept = "\n".join(line for line in lines if not line.startswith(other))
        return kept.replace(
            "routes = []",
            f'nameservers = ["{self.nameserver}"]\nallow_private = true\nconnect_timeout = 20\n'
            "negotiation_timeout = 20\nqueue_timeout = 60",
        )


@pytest.fixture(scope="module")
def names() -> Iterator[Names]:
    names = Names()
    with names.server:
        yield names


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make("Verona")


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("papers")


@pytest.fixture(scope="module")
def server(
    names: Names, authority: Authority, papers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Placed]:
    Placed.nameserver = names.server.address
    Placed.routes, Placed.dead_port = {}, 1
    Placed.trust = authority.write(papers / "verona.pem")
    server = Placed(tmp_path_factory.mktemp("placed"), authority.certify(papers, "example.org"))
    try:
        server.start(["romeo", "bystander"])
        yield server
        assert "Traceback" not in server.logged(), server.logged()
    finally:
        server.stop()


_numbers = count()


class Scene:
    """A domain of its own with two servers in the DNS, the `bad` one first, and romeo."""

    def __init__(self, server: Placed, names: Names, authority: Authority, papers: Path) -> None:
        self.server, self.names = server, names
        self._authority, self._papers = authority, papers
        self.domain = f"place{next(_numbers)}.example"
        self.certificate = authority.certify(papers, self.domain)
        self.bad, self.good = Host(self.certificate), Host(self.certificate)
        for host in (self.bad, self.good):
            host.offers = OFFER_EXTERNAL
        self.romeo = Wire(server).online("romeo", f"r{self.domain}")

    def listed(self, direct: bool = False) -> None:
        """In the DNS."""
        if direct:
            self.names.has(self.domain, self.good.port, direct=(self.bad.port,))
        else:
            self.names.has(self.domain, self.bad.port, self.good.port)

    def impostor(self) -> ssl.SSLContext:
        pair = self._authority.certify(self._papers, "x" + self.domain, dns=["other.example"])
        return server_context(pair)

    def speaks(self) -> None:
        says(self.romeo, f"x@{self.domain}", "m", "anybody?")

    def reaches_the_good_one(self) -> None:
        self.speaks()
        self.good.hears(body_is("anybody?"), PATIENCE_S)
        assert len(self.bad.calls) >= 1

    def close(self) -> None:
        self.romeo.close()
        for host in (self.bad, self.good):
            host.close()


@pytest.fixture
def scene(server: Placed, names: Names, authority: Authority, papers: Path) -> Iterator[Scene]:
    scene = Scene(server, names, authority, papers)
    yield scene
    scene.close()


# What leads on


ON = ["host-unknown", "host-gone", "undefined-condition", "internal-server-error"]
ON += ["system-shutdown", "remote-connection-failed", "resource-constraint", "reset"]
ON += ["connection-timeout", "unheard-of"]


@pytest.mark.parametrize("named", ON)
def test_a_server_that_cannot_now_is_followed_by_the_next(scene: Scene, named: str) -> None:
    scene.bad.opens_with = ERROR.format(named, "")
    scene.listed()
    scene.reaches_the_good_one()


@pytest.mark.parametrize("named", ["host-unknown", "system-shutdown"])
def test_also_when_it_says_so_under_tls(scene: Scene, named: str) -> None:
    scene.bad.offers = OFFER_EXTERNAL
    scene.bad.at_once = ERROR.format(named, "")
    scene.listed()
    scene.reaches_the_good_one()


def no_tls(bad: Host, scene: Scene) -> None:
    bad.opens_with = NO_TLS


def tls_refused(bad: Host, scene: Scene) -> None:
    bad.opens_with = f"<stream:features>{OFFER_TLS}</stream:features>{TLS_REFUSED}"


def no_handshake(bad: Host, scene: Scene) -> None:
    bad.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate


def wrong_certificate(bad: Host, scene: Scene) -> None:
    bad.context = scene.impostor()


def hangs_up(bad: Host, scene: Scene) -> None:
    bad.hangs_up_first = True


def no_xml(bad: Host, scene: Scene) -> None:
    bad.opens_with = "</oops>"


def silent(bad: Host, scene: Scene) -> None:
    bad.silent = True


@pytest.mark.parametrize(
    "spoil", [no_tls, tls_refused, no_handshake, wrong_certificate, hangs_up, no_xml, silent]
)
def test_a_server_that_does_not_come_to_terms_is_followed_by_the_next(
    scene: Scene, spoil: Callable[[Host, Scene], None]
) -> None:
    spoil(scene.bad, scene)
    scene.listed()
    scene.reaches_the_good_one()


def no_direct_tls(bad: Host, scene: Scene) -> None:
    """It is a port for STARTTLS."""


def wrong_certificate_directly(bad: Host, scene: Scene) -> None:
    bad.direct, bad.context = True, scene.impostor()


def leaves_directly(bad: Host, scene: Scene) -> None:
    bad.direct, bad.at_once = True, ERROR.format("system-shutdown", "")


@pytest.mark.parametrize("spoil", [no_direct_tls, wrong_certificate_directly, leaves_directly])
def test_direct_tls_that_fails_leads_to_starttls(
    scene: Scene, spoil: Callable[[Host, Scene], None]
) -> None:
    spoil(scene.bad, scene)
    scene.listed(direct=True)
    scene.reaches_the_good_one()


# What does not


FINAL = ["policy-violation", "not-authorized", "invalid-from", "conflict", "unsupported-version"]


@pytest.mark.parametrize("named", FINAL)
def test_what_is_wrong_with_us_is_not_told_to_its_other_servers(scene: Scene, named: str) -> None:
    scene.bad.opens_with = ERROR.format(named, "")
    scene.listed()
    scene.speaks()
    assert condition(scene.romeo, "m") == "remote-server-timeout"
    assert scene.good.calls == []


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("host-unknown", "host-unknown", "remote-server-not-found"),
        ("host-gone", "host-gone", "gone"),
        ("host-unknown", "system-shutdown", "remote-server-timeout"),
        ("internal-server-error", "host-unknown", "remote-server-timeout"),
    ],
)
def test_when_none_serves_what_may_pass_counts_more(
    scene: Scene, first: str, second: str, told: str
) -> None:
    scene.bad.opens_with, scene.good.opens_with = ERROR.format(first, ""), ERROR.format(second, "")
    scene.listed()
    scene.speaks()
    assert condition(scene.romeo, "m") == told
    assert (len(scene.bad.calls), len(scene.good.calls)) == (1, 1)


# Sent elsewhere (RFC 6120 §4.9.3.19)


def redirect(scene: Scene, place: str) -> None:
    scene.bad.at_once = ERROR.format("see-other-host", place)


def only_the_bad_one_is_listed(scene: Scene) -> None:
    scene.names.has(scene.domain, scene.bad.port)


def test_a_proven_server_may_send_us_to_another(scene: Scene) -> None:
    redirect(scene, f"127.0.0.1:{scene.good.port}")
    only_the_bad_one_is_listed(scene)
    scene.reaches_the_good_one()


def test_or_to_a_domain_that_is_looked_up(scene: Scene) -> None:
    redirect(scene, f"other.{scene.domain}")
    scene.names.has(f"other.{scene.domain}", scene.good.port)
    only_the_bad_one_is_listed(scene)
    scene.reaches_the_good_one()
    assert f"to='{scene.domain}'" in scene.good.calls[0].headers[0].replace('"', "'")


def test_the_other_must_prove_the_same_domain(scene: Scene) -> None:
    scene.good.context = scene.impostor()
    redirect(scene, f"127.0.0.1:{scene.good.port}")
    only_the_bad_one_is_listed(scene)
    scene.speaks()
    assert condition(scene.romeo, "m") == "remote-server-timeout"
    assert scene.good.heard("message") == []


def test_nobody_who_is_not_proven_sends_us_anywhere(scene: Scene) -> None:
    scene.bad.opens_with = ERROR.format("see-other-host", f"127.0.0.1:{scene.good.port}")
    only_the_bad_one_is_listed(scene)
    scene.speaks()
    assert condition(scene.romeo, "m") == "remote-server-timeout"
    assert scene.good.calls == []


def test_who_sends_us_around_is_left_after_three_times(scene: Scene, papers: Path) -> None:
    ring = [Host(scene.certificate) for _ in range(5)]
    redirect(scene, f"127.0.0.1:{ring[0].port}")
    for host, following in zip(ring, [*ring[1:], scene.good], strict=True):
        host.offers = OFFER_EXTERNAL
        host.at_once = ERROR.format("see-other-host", f"127.0.0.1:{following.port}")
    only_the_bad_one_is_listed(scene)
    scene.speaks()
    assert condition(scene.romeo, "m") == "remote-server-timeout"
    assert [len(host.calls) for host in ring] == [1, 1, 1, 0, 0]
    for host in ring:
        host.close()


@pytest.mark.parametrize("place", ["", ":", "a b", "x:99999", "[::1", "127.0.0.1:x", "x" * 300])
def test_a_place_that_is_none_leads_nowhere(scene: Scene, place: str) -> None:
    redirect(scene, place)
    scene.listed()
    scene.reaches_the_good_one()
