"""The resolver with real name servers, and with those that lie, stall and flood."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import gatherResults
from twisted.names import dns

from tests.support.loop import Loop
from tests.support.nameservers import Hostile, Nsd, address, answer, installed
from xmppd.hooks import spawn
from xmppd.resolve.errors import LookupFailed
from xmppd.resolve.nameservers import Nameservers
from xmppd.resolve.records import Kind
from xmppd.resolve.resolver import Resolver
from xmppd.resolve.targets import Service
from xmppd.resolve.wire import Silence

ZONE = """
    @ IN A 192.0.2.1
    @ IN A 192.0.2.2
    @ IN AAAA 2001:db8::1
    _xmpp-server._tcp IN SRV 5 10 5269 xmpp
    _xmpps-server._tcp IN SRV 0 0 0 .
    alias IN CNAME second
    second IN CNAME @
    circle IN CNAME elcric
    elcric IN CNAME circle
    empty IN TXT "nothing else"
    short 1 IN A 192.0.2.3
""" + "\n".join(
    f"many IN SRV 0 0 {5000 + n} a-host-with-a-rather-long-name-{n}" for n in range(40)
)


@pytest.fixture(scope="module")
def nsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nsd]:
    assert installed("nsd"), "apt install nsd: without it the DNS is not tested"
    zone = "\n".join(line.strip() for line in ZONE.splitlines())
    with Nsd(tmp_path_factory.mktemp("nsd"), {"example.net": zone}) as server:
        yield server


@pytest.fixture
def resolver(loop: Loop, nsd: Nsd) -> Resolver:
    return Resolver(loop.reactor, Nameservers([nsd.address]))


def ask(loop: Loop, server: Any, name: str = "example.net", **how: Any) -> Any:
    resolver = Resolver(loop.reactor, Nameservers([server.address]), **how)
    return loop.wait(resolver.lookup(name, Kind.A))


# A real one


def test_addresses_services_and_refusals_are_read(loop: Loop, resolver: Resolver) -> None:
    four = loop.wait(resolver.lookup("example.net", Kind.A))
    assert sorted(four.values) == ["192.0.2.1", "192.0.2.2"]
    assert four.ttl_s == 300
    assert loop.wait(resolver.lookup("example.net", Kind.AAAA)).values == ("2001:db8::1",)
    services = loop.wait(resolver.lookup("_xmpp-server._tcp.example.net", Kind.SRV))
    assert services.values == (Service(5, 10, 5269, "xmpp.example.net"),)
    (refusal,) = loop.wait(resolver.lookup("_xmpps-server._tcp.example.net", Kind.SRV)).values
    assert refusal.is_refusal


@pytest.mark.parametrize("name", ["empty.example.net", "nobody.example.net"])
def test_nothing_is_an_answer_that_is_kept_as_well(
    loop: Loop, resolver: Resolver, name: str
) -> None:
    found = loop.wait(resolver.lookup(name, Kind.A))
    assert (found.values, found.ttl_s) == ((), 60)  # the SOA's minimum (RFC 2308 §5)


def test_aliases_are_followed(loop: Loop, resolver: Resolver) -> None:
    found = loop.wait(resolver.lookup("alias.example.net", Kind.A))
    assert sorted(found.values) == ["192.0.2.1", "192.0.2.2"]


def test_aliases_in_a_circle_come_to_an_end(loop: Loop, resolver: Resolver) -> None:
    with pytest.raises(LookupFailed, match="circle"):
        loop.wait(resolver.lookup("circle.example.net", Kind.A))


def test_an_answer_too_long_for_udp_comes_by_tcp_and_is_bounded(
    loop: Loop, resolver: Resolver
) -> None:
    assert len(loop.wait(resolver.lookup("many.example.net", Kind.SRV)).values) == 32


def test_a_server_that_refuses_says_so(loop: Loop, resolver: Resolver) -> None:
    with pytest.raises(LookupFailed, match="REFUSED"):
        loop.wait(resolver.lookup("not-its-zone.example", Kind.A))


# Hostile ones


def test_each_question_has_a_port_and_an_id_of_its_own(loop: Loop) -> None:
    with Hostile(lambda question, data: [answer(question)]) as server:
        resolver = Resolver(loop.reactor, Nameservers([server.address]))
        for number in range(20):
            loop.wait(resolver.lookup(f"{number}.example.net", Kind.A))
        assert len({port for _, port in server.questions}) > 15
        assert len({identity for identity, _ in server.questions}) > 15


def spoofs(question: Any, data: bytes) -> list[bytes]:
    """Wrong in all that a spoofer who is not on the way gets wrong; then the true answer."""
    evil = address("example.net", "203.0.113.66")
    other = dns.Query(b"example.com", dns.A, dns.IN)
    return [
        answer(question, evil, id=question.id ^ 1),
        answer(question, evil, queries=[other]),
        answer(question, evil, queries=[]),
        answer(question, evil, answer=0),
        answer(question, address("example.net", "192.0.2.1")),
    ]


def test_what_answers_another_question_is_not_heard(loop: Loop) -> None:
    with Hostile(spoofs) as server:
        assert ask(loop, server).values == ("192.0.2.1",)


def test_an_answer_from_another_address_is_not_heard(loop: Loop) -> None:
    import socket

    def from_elsewhere(question: Any, data: bytes) -> list[bytes]:
        evil = answer(question, address("example.net", "203.0.113.66"))
        with socket.socket(type=socket.SOCK_DGRAM) as other:
            other.sendto(evil, ("127.0.0.1", server.questions[-1][1]))
        return [answer(question, address("example.net", "192.0.2.1"))]

    with Hostile(from_elsewhere) as server:
        assert ask(loop, server).values == ("192.0.2.1",)


def by_tcp(question: Any, data: bytes) -> list[bytes]:
    true = answer(question, address("example.net", "192.0.2.1"))
    return [struct.pack("!H", len(true)), true[:7], true[7:]]


def test_who_is_flooded_with_guesses_asks_by_tcp(loop: Loop) -> None:
    evil = address("example.net", "203.0.113.66")

    def guess(question: Any, data: bytes) -> list[bytes]:
        return [answer(question, evil, id=question.id ^ n) for n in range(1, 50)]

    with Hostile(guess, by_tcp) as server:
        assert ask(loop, server).values == ("192.0.2.1",)


NONSENSE: dict[str, Any] = {
    "nothing in it": lambda question, data: [b"\0"],
    "the question itself": lambda question, data: [data],
    "half of it": lambda question, data: [answer(question, address("a", "192.0.2.1"))[:-7]],
    "a name that points at itself": lambda question, data: [
        data[:2] + b"\x81\x80" + b"\0\1\0\1\0\0\0\0" + b"\xc0\x0c\0\1\0\1"
    ],
    "records that are not there": lambda question, data: [
        data[:2] + b"\x81\x80" + b"\0\1\xff\xff\xff\xff\xff\xff" + data[12:]
    ],
    "random bytes": lambda question, data: [data[:2] + bytes(range(256))],
    "a short address": lambda question, data: [
        data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + data[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\1\0\2ab"
    ],
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_no_answer(loop: Loop, nonsense: Any) -> None:
    with Hostile(nonsense) as server, pytest.raises(LookupFailed):
        ask(loop, server, timeout_s=0.6)


def test_a_black_hole_ends_in_time(loop: Loop) -> None:
    with Hostile(lambda question, data: []) as server, pytest.raises(Silence):
        ask(loop, server, timeout_s=0.6)


def test_the_next_server_is_asked_when_one_is_silent_or_fails(loop: Loop, nsd: Nsd) -> None:
    failing = Hostile(lambda question, data: [answer(question, rCode=dns.ESERVER)])
    with Hostile(lambda question, data: []) as silent, failing:
        servers = Nameservers([silent.address, failing.address, nsd.address])
        resolver = Resolver(loop.reactor, servers)
        assert len(loop.wait(resolver.lookup("example.net", Kind.A)).values) == 2


def test_a_server_that_fails_is_named_with_its_error(loop: Loop) -> None:
    servfail = Hostile(lambda question, data: [answer(question, rCode=dns.ESERVER)])
    with servfail, pytest.raises(LookupFailed, match="SERVFAIL"):
        ask(loop, servfail)
    assert len(servfail.questions) == 1


def test_a_huge_answer_is_refused(loop: Loop) -> None:
    def truncated(question: Any, data: bytes) -> list[bytes]:
        return [answer(question, trunc=1)]

    def huge(question: Any, data: bytes) -> list[bytes]:
        return [b"\xff\xff" + b"\0" * 65535]

    with Hostile(truncated, huge) as server, pytest.raises(LookupFailed, match="65535 bytes"):
        ask(loop, server)


TCP_FAULTS: dict[str, Any] = {
    "hangs up": lambda question, data: [],
    "stalls": lambda question, data: [b"\0"],
    "truncated again": lambda question, data: [framed(answer(question, trunc=1))],
    "another question": lambda question, data: [framed(answer(question, id=question.id ^ 1))],
    "nonsense": lambda question, data: [framed(b"\0\1\2")],
}


def framed(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


@pytest.mark.parametrize("stream", TCP_FAULTS.values(), ids=TCP_FAULTS)
def test_faults_by_tcp_end_the_lookup(loop: Loop, stream: Any) -> None:
    truncated = Hostile(lambda question, data: [answer(question, trunc=1)], stream)
    with truncated, pytest.raises(LookupFailed):
        ask(loop, truncated, timeout_s=1)


def test_nobody_at_the_name_servers_port_is_noticed_at_once(loop: Loop) -> None:
    with Hostile(lambda question, data: []) as server:
        pass
    with pytest.raises(LookupFailed, match="nobody answers"):
        ask(loop, server)


def test_a_name_server_that_is_not_on_the_network_is_no_answer(loop: Loop) -> None:
    resolver = Resolver(loop.reactor, Nameservers(["[2001:db8::53]:53"]), timeout_s=0.6)
    with pytest.raises(LookupFailed):
        loop.wait(resolver.lookup("example.net", Kind.A))


def test_lookups_leave_nothing_open(loop: Loop) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Hostile(lambda question, data: [answer(question)]) as server:
        for number in range(20):
            ask(loop, server, f"{number}.example.net")
    assert len(os.listdir("/proc/self/fd")) <= before


# Bounds


def test_what_is_known_is_not_asked_again_and_what_is_under_way_only_once(loop: Loop) -> None:
    def reply(question: Any, data: bytes) -> list[bytes]:
        return [answer(question, address("example.net", "192.0.2.1"))]

    with Hostile(reply) as server:
        resolver = Resolver(loop.reactor, Nameservers([server.address]))
        together = [spawn(resolver.lookup("example.net", Kind.A)) for _ in range(20)]
        together[3].addErrback(lambda _: None).cancel()
        found = loop.wait(gatherResults([each for each in together if each is not together[3]]))
        assert {records.values for records in found} == {("192.0.2.1",)}
        loop.wait(resolver.lookup("example.net", Kind.A))
        assert len(server.questions) == 1


def test_a_failure_is_kept_for_a_moment(loop: Loop) -> None:
    with Hostile(lambda question, data: [answer(question, rCode=dns.ESERVER)]) as server:
        resolver = Resolver(loop.reactor, Nameservers([server.address]))
        for _ in range(3):
            with pytest.raises(LookupFailed, match="SERVFAIL"):
                loop.wait(resolver.lookup("example.net", Kind.A))
        assert len(server.questions) == 1


def test_questions_at_once_and_those_that_wait_are_bounded(loop: Loop) -> None:
    with Hostile(lambda question, data: []) as server:
        resolver = Resolver(
            loop.reactor, Nameservers([server.address]), timeout_s=1, at_once=3, waiting=5
        )
        outcomes: list[Any] = []
        for number in range(12):
            lookup = spawn(resolver.lookup(f"{number}.example.net", Kind.A))
            lookup.addErrback(lambda failure: outcomes.append(failure.getErrorMessage()))
        assert outcomes == ["too many lookups at once"] * 4
        loop.until(lambda: len(server.questions) == 3)
        loop.until(lambda: len(outcomes) == 12)
