"""The small parts: order of targets, names, the cache, resolv.conf, options."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from twisted.internet.task import Clock

from xmppd.config.outgoing import OutgoingOptions, read_nameserver, read_route
from xmppd.resolve.cache import TTLCache
from xmppd.resolve.names import dns_name, ip_literal
from xmppd.resolve.nameservers import Nameservers, is_local, parse
from xmppd.resolve.race import interleaved
from xmppd.resolve.targets import Service, Target, in_order, to_targets


def test_lower_priorities_come_first_whatever_the_weights() -> None:
    services = [Service(p, w, 5269, f"{p}.example") for p, w in ((20, 99), (10, 0), (30, 5))]
    for seed in range(20):
        ordered = in_order(services, random.Random(seed).randrange)
        assert [s.priority for s in ordered] == [10, 20, 30]


def test_weights_share_the_first_place_in_proportion() -> None:
    services = [Service(0, w, 5269, f"{w}") for w in (0, 1, 3)]
    dice = random.Random(1).randrange
    firsts = Counter(in_order(services, dice)[0].weight for _ in range(5000))
    assert firsts[0] > 0  # a very small chance (RFC 2782), one in five here
    assert firsts[3] > 2 * firsts[1]


def test_all_targets_are_kept_but_refusals_and_port_0() -> None:
    services = [Service(0, 0, 5269, "a"), Service(0, 0, 0, "b"), Service(0, 0, 5269, ".")]
    assert to_targets(services) == [Target("a", 5269)]
    assert len(in_order(services)) == 3


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("Example.NET", "example.net"),
        ("example.net.", "example.net"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("a_b.example", "a_b.example"),
        ("", None),
        (".", None),
        ("a b", None),
        ("x" * 64, None),
        ("ex\0ample", None),
        ("\u2024\u2024", None),
        ("a.-b", None),
    ],
)
def test_names_are_a_labels_or_none(domain: str, name: str | None) -> None:
    assert dns_name(domain) == name


def test_addresses_as_domains_are_recognised() -> None:
    assert ip_literal("[2001:DB8::1]") == "2001:db8::1"
    assert ip_literal("192.0.2.1") == "192.0.2.1"
    assert ip_literal("example.net") is None
    assert ip_literal("127.1") is None


def test_the_cache_forgets_by_time_and_by_number() -> None:
    clock = Clock()
    cache: TTLCache[int] = TTLCache(clock.seconds, 3)
    cache.put("a", 1, 10)
    cache.put("none", 1, 0)
    clock.advance(9)
    assert (cache.get("a"), cache.get("none")) == (1, None)
    clock.advance(1)
    assert cache.get("a") is None
    for key in "abc":
        cache.put(key, 1, 10)
    cache.get("a")
    cache.put("d", 1, 10)
    assert [cache.get(key) for key in "abcd"] == [1, None, 1, 1]
    assert len(cache) == 3


def test_resolv_conf_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    nameservers = Nameservers(path=path)
    assert nameservers.servers == [("127.0.0.1", 53)]
    path.write_text("# one\nnameserver 192.0.2.53\nsearch x\nnameserver junk\nnameserver ::1\n")
    assert nameservers.servers == [("192.0.2.53", 53), ("::1", 53)]
    path.write_text("nameserver 192.0.2.54")
    assert nameservers.servers == [("192.0.2.54", 53)]
    path.unlink()
    assert nameservers.servers == [("192.0.2.54", 53)]
    assert Nameservers(["[::1]:5353"], path).servers == [("::1", 5353)]


def test_no_more_than_three_name_servers_are_taken() -> None:
    assert len(parse("nameserver 192.0.2.1\n" * 9)) == 3


def test_only_a_name_server_on_this_machine_is_believed_about_dnssec() -> None:
    assert is_local(("127.0.0.1", 53))
    assert is_local(("::1", 53))
    assert not is_local(("192.0.2.1", 53))


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_name_servers_are_addresses_with_or_without_a_port(text: str, server: Any) -> None:
    assert read_nameserver(text) == server


@pytest.mark.parametrize(
    "text", ["dns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:99999", ""]
)
def test_other_name_servers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        read_nameserver(text)


def test_routes_are_read() -> None:
    route = read_route("Example.NET=tls:[::1]:5270")
    assert (route.domain, route.host, route.port) == ("example.net", "::1", 5270)
    assert route.direct_tls
    assert not read_route("example.net=host.example:1").direct_tls


@pytest.mark.parametrize(
    "text", ["", "example.net", "example.net=", "example.net=host", "=host:1", "a=b:0", "a b=c:1"]
)
def test_bad_routes_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        OutgoingOptions(routes=[text])


def test_families_take_turns_beginning_with_the_other_one() -> None:
    addresses = ["1.1.1.1", "1.1.1.2", "1.1.1.1", "2001::1"]
    assert interleaved(addresses) == ["2001::1", "1.1.1.1", "1.1.1.2"]
    assert interleaved(addresses, last="2001::9") == ["1.1.1.1", "2001::1", "1.1.1.2"]
