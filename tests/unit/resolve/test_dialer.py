"""Which places are tried, in which order, for how long, and what the sender is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from xmppd.config.outgoing import OutgoingOptions
from xmppd.resolve.dialer import Dialer
from xmppd.resolve.discovery import find_others
from xmppd.resolve.errors import DialFailed, NotServed
from xmppd.resolve.records import Kind, Records
from xmppd.resolve.targets import Service, Target

STARTTLS, DIRECT = "_xmpp-server._tcp.example.net", "_xmpps-server._tcp.example.net"
ONE, TWO, THREE = "8.8.8.1", "8.8.8.2", "8.8.8.3"
SIX = "2001:4860::1"

Connect = Callable[..., Any]


def error_of(result: Any) -> DialFailed:
    assert isinstance(result.error, DialFailed), result.error or result.value
    return result.error


# Where


def test_the_target_of_an_srv_record_is_connected_to(
    connect: Connect, network: Any, zone: Any, srv: Any
) -> None:
    zone.add(STARTTLS, srv("xmpp.example.net", port=5299))
    zone.add("xmpp.example.net", ONE)
    result = connect("example.net")
    assert (network.lines[0].host, network.lines[0].port) == (ONE, 5299)
    network.lines[0].answers()
    network.advance(0)
    assert result.value.events == ["opened"]
    assert not result.value.target.direct_tls
    network.advance(60)
    assert result.value.events == ["opened"]


def test_without_srv_records_the_domain_itself_is_tried(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", ONE)
    connect("example.net")
    assert (network.lines[0].host, network.lines[0].port) == (ONE, 5269)


def test_with_srv_records_the_domain_itself_is_never_tried(
    connect: Connect, network: Any, zone: Any, srv: Any
) -> None:
    zone.add(STARTTLS, srv("xmpp.example.net"))
    zone.add("example.net", ONE)
    zone.add("xmpp.example.net", TWO)
    result = connect("example.net")
    network.lines[0].fails()
    assert network.tried == [TWO]
    assert error_of(result).condition == "remote-server-timeout"


NO_SERVICE: dict[str, tuple[str, ...]] = {"both": (STARTTLS, DIRECT), "one": (DIRECT,)}


@pytest.mark.parametrize("refused", NO_SERVICE.values(), ids=NO_SERVICE)
def test_a_dot_as_target_means_that_there_is_no_service(
    connect: Connect, network: Any, zone: Any, srv: Any, refused: Any
) -> None:
    zone.add("example.net", ONE)
    for name in refused:
        zone.add(name, srv("."))
    result = connect("example.net")
    assert error_of(result).condition == "remote-server-not-found"
    assert network.lines == []


def test_a_dot_for_direct_tls_leaves_starttls(
    connect: Connect, network: Any, zone: Any, srv: Any
) -> None:
    zone.add(DIRECT, srv("."))
    zone.add(STARTTLS, srv("xmpp.example.net"))
    zone.add("xmpp.example.net", ONE)
    connect("example.net")
    assert network.tried == [ONE]


def test_both_kinds_of_records_are_mixed_by_priority(
    connect: Connect, network: Any, zone: Any, srv: Any
) -> None:
    zone.add(STARTTLS, srv("a.example.net", 10), srv("b.example.net", 30))
    zone.add(DIRECT, srv("c.example.net", 20, port=443))
    for name, address in (("a", ONE), ("c", TWO), ("b", THREE)):
        zone.add(f"{name}.example.net", address)
    result = connect("example.net")
    for _ in range(3):
        network.lines[-1].fails()
    assert network.tried == [ONE, TWO, THREE]
    assert error_of(result).tried[1].startswith("c.example.net:443 (direct TLS): ")


def test_where_the_dns_does_not_answer_for_srv_the_domain_is_tried(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.fails(STARTTLS, Kind.SRV, silently=True)
    zone.fails(DIRECT, Kind.SRV, silently=True)
    zone.add("example.net", ONE)
    connect("example.net")
    assert network.tried == [ONE]


def test_where_the_dns_fails_for_srv_nothing_else_is_tried(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.fails(STARTTLS, Kind.SRV)
    zone.add("example.net", ONE)
    error = error_of(connect("example.net"))
    assert (error.condition, error.text) == (
        "remote-server-timeout",
        "the DNS fails for example.net: SERVFAIL",
    )


def test_a_failure_for_direct_tls_only_does_not_matter(
    connect: Connect, network: Any, zone: Any, srv: Any
) -> None:
    zone.fails(DIRECT, Kind.SRV)
    zone.add(STARTTLS, srv("xmpp.example.net"))
    zone.add("xmpp.example.net", ONE)
    connect("example.net")
    assert network.tried == [ONE]


def test_a_domain_that_is_no_host_is_not_found(connect: Connect, network: Any) -> None:
    assert error_of(connect("example.net")).condition == "remote-server-not-found"
    assert network.lines == []


def test_nobody_at_the_fallback_port_means_not_found(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", ONE)
    result = connect("example.net")
    network.lines[0].fails()
    error = error_of(result)
    assert error.condition == "remote-server-not-found"
    assert f"{ONE}: Connection refused" in error.text
    assert error.told == "no connection to example.net"  # nobody scans networks with our help


@pytest.mark.parametrize(
    "domain",
    ["a" * 64 + ".example", ".".join(["abcdefgh"] * 28), "exa mple", "a..b", "-x.example"],
)
def test_what_the_dns_cannot_have_is_not_asked(
    connect: Connect, network: Any, zone: Any, domain: str
) -> None:
    assert error_of(connect(domain)).condition == "remote-server-not-found"
    assert zone.asked == []


def test_internationalised_domains_are_asked_in_a_labels(connect: Connect, zone: Any) -> None:
    connect("bücher.example")
    assert "_xmpp-server._tcp.xn--bcher-kva.example SRV" in zone.asked


def test_an_address_as_domain_is_connected_to(connect: Connect, network: Any, zone: Any) -> None:
    connect(ONE)
    connect(f"[{SIX}]")
    assert network.tried == [ONE, SIX]
    assert zone.asked == []


def test_the_operators_word_is_taken_whatever_the_dns_says(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", ONE)
    routes = ["example.net=127.0.0.1:6000", "example.com=tls:[::1]:6001"]
    result = connect("example.net", routes=routes)
    other = connect("example.com", routes=routes)
    assert [(line.host, line.port) for line in network.lines] == [
        ("127.0.0.1", 6000),
        ("::1", 6001),
    ]
    network.lines[0].answers()
    network.lines[1].answers()
    network.advance(0)
    assert result.value.target.fixed
    assert other.made[1].target.direct_tls


# Addresses that strangers must not lead to


FORBIDDEN = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.1.1",
    "172.16.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_private_addresses_are_not_connected_to(
    connect: Connect, network: Any, zone: Any, srv: Any, address: str
) -> None:
    zone.add(STARTTLS, srv("xmpp.example.net"))
    zone.add("xmpp.example.net", address)
    for domain in ("example.net", f"[{address}]" if ":" in address else address):
        assert error_of(connect(domain)).condition == "remote-server-not-found"
    assert network.lines == []


def test_addresses_of_this_machine_are_not_connected_to(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", ONE, TWO)
    result = connect("example.net", own=[ONE])
    network.lines[0].fails()
    assert network.tried == [TWO]
    alone = connect("example.net", own=[ONE, TWO])
    assert f"{ONE} is an address of this machine" in error_of(alone).text
    assert error_of(result)


def test_localhost_is_refused_without_a_question(connect: Connect, zone: Any) -> None:
    for domain in ("localhost", "xmpp.localhost"):
        error = error_of(connect(domain))
        assert error.condition == "remote-server-not-found"
        assert "loopback" in error.text
    assert zone.asked == []


@pytest.mark.parametrize("options", [{"allow_private": True}, {"networks": ["10.0.0.0/8"]}])
def test_they_are_where_the_operator_allows_it(
    connect: Connect, network: Any, zone: Any, options: Any
) -> None:
    zone.add("example.net", "10.1.2.3")
    connect("example.net", **options)
    assert network.tried == ["10.1.2.3"]


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "::", "ff02::1", "::ffff:0.0.0.0"])
def test_what_is_no_address_of_a_server_never_is(
    connect: Connect, network: Any, zone: Any, address: str
) -> None:
    zone.add("example.net", address)
    assert error_of(connect("example.net", allow_private=True))
    assert network.lines == []


# Happy Eyeballs


def test_families_take_turns_with_a_quarter_second_between(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", ONE, TWO)
    zone.records["example.net", Kind.AAAA] = Records((SIX, "2001:4860::2"), 300)
    connect("example.net")
    assert network.tried == [SIX]
    network.advance(0.24)
    assert network.tried == [SIX]
    network.pump([0.02, 0.25, 0.25])
    assert network.tried == [SIX, ONE, "2001:4860::2", TWO]


def test_the_first_to_answer_wins_and_the_others_are_given_up(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", ONE, TWO, THREE)
    result = connect("example.net")
    network.pump([0.25])
    network.lines[1].answers()
    network.pump([0.25, 0.25])
    assert network.tried == [ONE, TWO]
    assert network.running == [TWO]
    assert result.value.peer_address == TWO
    assert network.lines[0].answers() is None
    assert len(result.made) == 1


def test_a_failure_begins_the_next_attempt_at_once(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", ONE, TWO)
    connect("example.net")
    network.lines[0].fails()
    assert network.tried == [ONE, TWO]


def test_ipv4_waits_a_moment_for_the_addresses_of_ipv6(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", ONE)
    zone.late.add(("example.net", Kind.AAAA))
    connect("example.net")
    network.advance(0.04)
    assert network.tried == []
    network.advance(0.02)
    assert network.tried == [ONE]
    zone.says("example.net", Kind.AAAA, SIX)
    network.advance(0.25)
    assert network.tried == [ONE, SIX]


def test_ipv6_does_not_wait_for_the_addresses_of_ipv4(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.late.add(("example.net", Kind.A))
    zone.records["example.net", Kind.AAAA] = Records((SIX,), 300)
    result = connect("example.net")
    assert network.tried == [SIX]
    network.lines[0].fails()
    assert result.pending  # there may be others to come
    zone.says("example.net", Kind.A, ONE)
    assert network.tried == [SIX, ONE]


def test_no_more_than_sixteen_addresses_are_tried(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", *(f"8.8.4.{n}" for n in range(1, 40)))
    result = connect("example.net")
    while result.pending:
        network.lines[-1].fails()
    assert len(network.lines) == 16


# Time


def test_a_black_hole_gets_its_share_of_the_time_and_the_next_target_its_chance(
    connect: Connect, network: Any, zone: Any, srv: Any
) -> None:
    zone.add(STARTTLS, srv("a.example.net", 1), srv("b.example.net", 2), srv("c.example.net", 3))
    for name, address in (("a", ONE), ("b", TWO), ("c", THREE)):
        zone.add(f"{name}.example.net", address)
    result = connect("example.net")
    network.advance(10)
    assert network.running == [TWO]
    network.advance(10)
    assert network.running == [THREE]
    network.advance(10)
    assert error_of(result).condition == "remote-server-timeout"
    assert network.running == []


def test_the_whole_takes_no_longer_than_the_limit(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.late |= {(STARTTLS, Kind.SRV), (DIRECT, Kind.SRV)}
    result = connect("example.net", connect_timeout=7.0)
    network.advance(6.9)
    assert result.pending
    network.advance(0.2)
    error = error_of(result)
    assert (error.condition, error.text) == (
        "remote-server-timeout",
        "example.net was not reached in 7 s",
    )


def test_cancelling_ends_all_attempts(connect: Connect, network: Any, zone: Any) -> None:
    zone.add("example.net", ONE, TWO)
    result = connect("example.net")
    network.advance(0.3)
    result.deferred.cancel()
    network.advance(5)
    assert network.running == []
    assert network.tried == [ONE, TWO]
    assert [call for call in network.getDelayedCalls() if call.active()] == []


def test_one_that_answers_while_all_is_given_up_is_closed(
    connect: Connect, network: Any, zone: Any
) -> None:
    zone.add("example.net", ONE)
    result = connect("example.net")
    network.lines[0].answers()  # and the news would come in the next pass
    result.deferred.cancel()
    network.advance(0)
    assert result.made[0].events == ["opened", "lost"]


def test_one_that_hangs_up_at_once_is_no_connection(
    connect: Connect, network: Any, zone: Any, srv: Any
) -> None:
    zone.add(STARTTLS, srv("a.example.net", 1), srv("b.example.net", 2))
    zone.add("a.example.net", ONE)
    zone.add("b.example.net", TWO)
    result = connect("example.net")
    network.lines[0].answers()
    network.lines[0].hangs_up()
    network.advance(0)
    assert network.running == [TWO]
    network.lines[1].answers()
    network.advance(0)
    assert result.value.peer_address == TWO


# Direct TLS


@pytest.fixture
def direct(connect: Connect, zone: Any, srv: Any) -> Any:
    zone.add(DIRECT, srv("a.example.net", 1, port=5270))
    zone.add(STARTTLS, srv("b.example.net", 2))
    zone.add("a.example.net", ONE)
    zone.add("b.example.net", TWO)
    return connect("example.net")


def test_direct_tls_is_waited_for(direct: Any, network: Any) -> None:
    network.lines[0].answers()
    network.advance(0)
    assert direct.pending
    direct.made[0]._became_secure()
    assert direct.value is direct.made[0]
    assert direct.value.target.direct_tls


def test_when_its_handshake_fails_the_next_target_is_tried(direct: Any, network: Any) -> None:
    network.lines[0].answers()
    network.advance(0)
    network.lines[0].hangs_up()
    assert direct.made[0].events == ["opened", "lost"]
    assert network.running == [TWO]
    network.lines[1].fails()
    assert "TLS failed" in error_of(direct).tried[0]


def test_a_handshake_that_stalls_is_given_up(direct: Any, network: Any) -> None:
    network.lines[0].answers()
    network.advance(0)
    network.pump([15, 0.1])
    assert direct.made[0].events == ["opened", "lost"]
    assert network.running == [TWO]


def test_what_fails_to_make_a_connection_fails_the_attempt(network: Any, zone: Any) -> None:
    def make(target: Any) -> Any:
        raise ZeroDivisionError

    zone.add("example.net", ONE)
    dialer = Dialer(network, zone, OutgoingOptions(), is_own=lambda address: False)
    failures: list[Any] = []
    Deferred.fromCoroutine(dialer.connect("example.net", make)).addErrback(failures.append)
    assert network.lines[0].answers() is None
    assert failures[0].type is ZeroDivisionError


# Until one serves


@pytest.fixture
def served(connect: Connect, network: Any, zone: Any, srv: Any) -> Any:
    """Of two targets, each of which is negotiated with when it was reached."""
    zone.add(STARTTLS, srv("a.example.net", 1), srv("b.example.net", 2))
    zone.add("a.example.net", ONE)
    zone.add("b.example.net", TWO)
    return connect("example.net", negotiates=True)


def answers(network: Any) -> None:
    network.lines[-1].answers()
    network.advance(0)


def test_a_connection_is_waited_for_until_it_is_negotiated(served: Any, network: Any) -> None:
    answers(network)
    assert served.pending
    served.judges(0, None)
    assert served.value is served.made[0]
    assert network.tried == [ONE]


def test_one_that_does_not_serve_is_followed_by_the_next(served: Any, network: Any) -> None:
    answers(network)
    served.judges(0, NotServed("gone", "it left"))
    assert network.tried == [ONE, TWO]
    answers(network)
    served.judges(1, NotServed("remote-server-not-found", "who?"))
    error = error_of(served)
    assert (error.condition, error.told) == ("gone", "it left")
    assert error.tried == ("a.example.net:5269: it left", "b.example.net:5269: who?")


def test_a_failure_that_may_pass_counts_more(served: Any, network: Any) -> None:
    answers(network)
    served.judges(0, NotServed("gone", "it left"))
    network.lines[-1].fails()
    error = error_of(served)
    assert (error.condition, error.told) == (
        "remote-server-timeout",
        "no connection to example.net",
    )


def test_one_that_says_nothing_has_its_share_of_the_time(served: Any, network: Any) -> None:
    answers(network)
    network.advance(14.9)
    assert network.tried == [ONE]
    network.advance(0.2)
    assert network.tried == [ONE, TWO]
    assert served.made[0].events == ["opened", "lost"]


def test_the_last_one_is_not_hurried(served: Any, network: Any) -> None:
    network.lines[-1].fails()
    answers(network)
    network.advance(100)
    assert served.pending
    served.judges(0, None)
    assert served.value.peer_address == TWO


def test_when_the_time_is_over_no_other_is_tried(
    connect: Connect, served: Any, network: Any
) -> None:
    again = connect("example.net", negotiates=True, connect_timeout=5.0)
    answers(network)
    network.advance(10)
    assert error_of(again).condition == "remote-server-timeout"
    assert network.tried == [ONE, ONE]


def test_where_a_server_sends_us_is_tried_first(served: Any, network: Any, zone: Any) -> None:
    zone.add("c.example.com", THREE)
    answers(network)
    served.judges(0, NotServed("remote-server-timeout", "there", other="c.example.com:5300"))
    assert (network.lines[-1].host, network.lines[-1].port) == (THREE, 5300)
    network.lines[-1].fails()
    assert network.tried == [ONE, THREE, TWO]


@pytest.mark.parametrize("place", ["127.0.0.1:5300", "[::1]:22", "localhost:80", "10.1.2.3"])
def test_nobody_sends_us_to_private_addresses(served: Any, network: Any, place: str) -> None:
    answers(network)
    served.judges(0, NotServed("remote-server-timeout", "there", other=place))
    assert network.tried == [ONE, TWO]


def test_a_place_that_was_tried_is_not_tried_again(served: Any, network: Any) -> None:
    answers(network)
    served.judges(0, NotServed("remote-server-timeout", "me", other="a.example.net:5269"))
    assert network.tried == [ONE, TWO]


PLACES = [
    ("x.example", []),
    ("a.example.net", [Target("a.example.net")]),  # where we are
    ("a.example.net:5300", [Target("a.example.net", 5300)]),
    ("bücher.example:1", [Target("xn--bcher-kva.example", 1)]),
    ("192.0.2.1", [Target("192.0.2.1")]),
    ("192.0.2.1:5300", [Target("192.0.2.1", 5300)]),
    ("[2001:db8::1]", [Target("2001:db8::1")]),
    ("[2001:db8::1]:5300", [Target("2001:db8::1", 5300)]),
    ("x.example:0", []),
    ("x.example:65536", []),
    ("x.example:", []),
    ("x.example:٥", []),
    (":5269", []),
    ("a b:5269", []),
    ("ü" * 200_000, []),
]


@pytest.mark.parametrize(("place", "wanted"), PLACES)
def test_a_place_is_a_domain_or_an_address_with_or_without_a_port(
    zone: Any, outcome: Any, place: str, wanted: list[Target]
) -> None:
    zone.add(STARTTLS.replace("example.net", "x.example"), Service(0, 0, 1, "."))
    here = Target("a.example.net", 5269)
    found = outcome(find_others(place, zone, here))
    assert (found.value or []) == wanted
    assert found.error is None or isinstance(found.error, DialFailed)
