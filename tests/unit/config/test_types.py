"""Durations, sizes, addresses, endpoints."""

import pytest

from xmppd.config.types import (
    format_kind,
    parse_bare_jid,
    parse_domain,
    parse_duration,
    parse_size,
    read_endpoint,
)


@pytest.mark.parametrize(
    "text, seconds",
    [
        (30, 30.0),
        (0, 0.0),
        (1.5, 1.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("2d", 172800.0),
        ("1w", 604800.0),
        ("250ms", 0.25),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        (" 1h 30m ", 5400.0),
    ],
)
def test_a_duration_is_read(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "s", "5 parsecs", "-1s", "1h-", -1, True, None, [], float("nan"), 1e400]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text, size",
    [
        (1000, 1000),
        ("1000", 1000),
        ("12B", 12),
        ("256KiB", 262144),
        ("2 MiB", 2097152),
        ("1gib", 1073741824),
        ("10kB", 10000),
        ("1.5KiB", 1536),
    ],
)
def test_a_size_is_read(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "KiB", "1K", "1 potato", -1, 1.5, True, None, "0.3B"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_size(text)


@pytest.mark.parametrize(
    "number, kind, text",
    [
        (300, "duration", "5m"),
        (90, "duration", "90s"),
        (0.5, "duration", 0.5),
        (0, "duration", 0),
        (172800, "duration", "2d"),
        (65536, "size", "64KiB"),
        (1000, "size", 1000),
        (3.0, None, 3),
        (0.25, None, 0.25),
    ],
)
def test_a_limit_is_written_in_its_largest_unit(
    number: float, kind: str | None, text: object
) -> None:
    assert format_kind(number, kind) == text


def test_a_bare_jid_is_prepared() -> None:
    found = parse_bare_jid("Juliet@EXAMPLE.org")
    assert (found.local, found.domain, found) == ("juliet", "example.org", "juliet@example.org")


@pytest.mark.parametrize("text", ["juliet@example.org/balcony", "@example.org", "", 3])
def test_what_is_no_bare_jid_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be a bare JID"):
        parse_bare_jid(text)


def test_a_domain_is_prepared() -> None:
    assert parse_domain("EXAMPLE.org") == "example.org"
    with pytest.raises(ValueError, match="must be a domain name"):
        parse_domain("exa mple")


@pytest.mark.parametrize(
    "text, port, interface, local",
    [
        ("tcp:5222", 5222, "", False),
        ("tcp6:5222", 5222, "", False),
        ("tcp:port=5222", 5222, "", False),
        ("tcp:5222:interface=127.0.0.1", 5222, "127.0.0.1", True),
        ("tcp:5222:interface=localhost", 5222, "localhost", True),
        (r"tcp:5222:interface=\:\:1", 5222, "::1", True),
        ("tcp:5222:interface=192.0.2.1", 5222, "192.0.2.1", False),
        ("haproxy:tcp:5222", 5222, "", False),
        ("unix:/run/x.sock", None, "", True),
        ("systemd:domain=INET:index=0", None, "", False),
    ],
)
def test_an_endpoint_is_taken_apart(
    text: str, port: int | None, interface: str, local: bool
) -> None:
    found = read_endpoint(text)
    assert (found.port, found.interface, found.is_local) == (port, interface, local)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5222",
        "tpc:5222",
        "tcp:",
        "tcp:x",
        "tcp:65536",
        "tcp:5222:interface=example.org",
        "unix:",
        "127.0.0.1:5222",
        "haproxy:5222",
    ],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        read_endpoint(text)
