"""Which mechanisms are offered, and PLAIN, EXTERNAL and ANONYMOUS (RFC 4616, XEP-0178, 0175)."""

import re

import pytest

from tests.unit.stream.sasl.scram_client import ALL, BINDINGS, DOMAIN, condition, server_keys
from xmppd.jid import jid
from xmppd.stream.sasl import (
    MECHANISMS,
    AskKeys,
    AskPassword,
    Challenge,
    Channel,
    Done,
    SASLFailure,
    announced_bindings,
    begin,
    offered,
)

ROMEO, JULIET = jid("romeo@example.org"), jid("juliet@example.org")


def channel(mechanism: str, *certificate: str, secure: bool = True) -> Channel:
    identities = tuple(jid(each) for each in certificate)
    return Channel(DOMAIN, secure, certificate_jids=identities, offered=(mechanism,))


@pytest.mark.parametrize(
    ("on", "names"),
    [
        (Channel(DOMAIN), ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "ANONYMOUS"]),
        (
            Channel(DOMAIN, secure=True),
            ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "ANONYMOUS"],
        ),
        (
            Channel(DOMAIN, True, BINDINGS.get, tuple(BINDINGS), (ROMEO,)),
            list(MECHANISMS),
        ),
        (
            Channel(DOMAIN, True, certificate_jids=(jid("romeo@example.com"),)),
            ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "ANONYMOUS"],
        ),
        (
            Channel(DOMAIN, False, BINDINGS.get, tuple(BINDINGS), (ROMEO,)),
            ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "ANONYMOUS"],
        ),
    ],
)
def test_offered_is_what_the_channel_can_carry(on: Channel, names: list[str]) -> None:
    assert offered(on, tuple(MECHANISMS)) == tuple(names)


def test_only_what_is_enabled_is_offered() -> None:
    assert offered(Channel(DOMAIN, True), ("PLAIN", "DIGEST-MD5")) == ("PLAIN",)


def test_plain_in_the_clear_has_to_be_wanted() -> None:
    assert offered(Channel(DOMAIN), ("PLAIN",)) == ()
    assert offered(Channel(DOMAIN), ("PLAIN",), plain_in_clear=True) == ("PLAIN",)


def test_binding_types_are_announced_only_with_a_mechanism_that_binds() -> None:
    types = tuple(BINDINGS)
    without = Channel(DOMAIN, True, BINDINGS.get, types, (), ("SCRAM-SHA-1",))
    with_ = Channel(DOMAIN, True, BINDINGS.get, types, (), ("SCRAM-SHA-1-PLUS",))
    assert (announced_bindings(without), announced_bindings(with_)) == ((), types)


@pytest.mark.parametrize(
    ("name", "secure", "expected"),
    [
        ("PLAIN", True, "invalid-mechanism"),
        ("PLAIN", False, "encryption-required"),
        ("SCRAM-SHA-1", False, "encryption-required"),
        ("plain", False, "invalid-mechanism"),
        ("scram-sha-256", True, "invalid-mechanism"),
        ("SCRAM-SHA-256 ", True, "invalid-mechanism"),
        ("SCRAM-MD5", True, "invalid-mechanism"),
        ("DIGEST-MD5", True, "invalid-mechanism"),
        ("", True, "invalid-mechanism"),
        ("\0", True, "invalid-mechanism"),
    ],
)
def test_only_what_was_offered_can_be_begun(name: str, secure: bool, expected: str) -> None:
    on = channel("SCRAM-SHA-256", secure=secure)
    assert condition(lambda: begin(name, on)) == expected


def test_a_failure_has_a_condition_of_rfc_6120() -> None:
    with pytest.raises(ValueError, match="other-error"):
        SASLFailure("other-error")


# PLAIN


def plain(message: bytes) -> object:
    return begin("PLAIN", channel("PLAIN")).respond(message)


@pytest.mark.parametrize(
    ("message", "user", "password"),
    [
        (b"\0romeo\0pencil", "romeo", "pencil"),
        (b"\0Romeo\0 pen,cil=", "romeo", " pen,cil="),
        (b"romeo@example.org\0romeo\0pencil", "romeo", "pencil"),
        (b"Romeo@EXAMPLE.org\0ROMEO\0pencil", "romeo", "pencil"),
        ("\0rom\u00e9o\0\u043f\u0430".encode(), "rom\u00e9o", "\u043f\u0430"),
        (b"\0romeo\0" + b"x" * 255, "romeo", "x" * 255),
    ],
)
def test_plain_asks_for_the_verdict(message: bytes, user: str, password: str) -> None:
    assert plain(message) == AskPassword(user, password)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", "malformed-request"),
        (b"romeo", "malformed-request"),
        (b"romeo\0pencil", "malformed-request"),
        (b"\0\0", "malformed-request"),
        (b"\0romeo\0", "malformed-request"),
        (b"\0\0pencil", "malformed-request"),
        (b"\0romeo\0pencil\0", "malformed-request"),
        (b"\0\0romeo\0pencil", "malformed-request"),
        (b"\0romeo\0\xff\xfe", "malformed-request"),
        (b"\0ro\xc0\xafmeo\0pencil", "malformed-request"),
        (b"\0romeo\0" + b"x" * 10_240, "malformed-request"),
        (b"\0romeo@example.org\0pencil", "not-authorized"),
        (b"\0' or '1'='1\0pencil", "not-authorized"),
        (b"\0ro meo\0pencil", "not-authorized"),
        (b"\0" + b"a" * 1024 + b"\0pencil", "not-authorized"),
        (b"juliet@example.org\0romeo\0pencil", "invalid-authzid"),
        (b"romeo\0romeo\0pencil", "invalid-authzid"),
        (b"romeo@example.org/orchard\0romeo\0pencil", "invalid-authzid"),
        (b"example.org\0romeo\0pencil", "invalid-authzid"),
    ],
)
def test_bad_plain_is_refused(message: bytes, expected: str) -> None:
    assert condition(lambda: plain(message)) == expected


def test_plain_with_the_right_password_logs_in() -> None:
    exchange = begin("PLAIN", channel("PLAIN"))
    assert exchange.respond(None) == Challenge(b"")
    exchange.respond(b"\0romeo\0pencil")
    ask = exchange.verdict(True)
    assert exchange.keys(server_keys(ask)) == Done("romeo", None)


def test_plain_with_a_wrong_password_is_not_authorized() -> None:
    exchange = begin("PLAIN", channel("PLAIN"))
    exchange.respond(b"\0romeo\0pen")
    assert condition(lambda: exchange.verdict(False)) == "not-authorized"
    assert condition(lambda: exchange.verdict(True)) == "malformed-request"


def test_a_disabled_account_is_refused_after_its_password_was_right() -> None:
    exchange = begin("PLAIN", channel("PLAIN"))
    exchange.respond(b"\0romeo\0pencil")
    keys = server_keys(exchange.verdict(True), refusal="account-disabled")
    assert condition(lambda: exchange.keys(keys)) == "account-disabled"


def test_no_password_is_shown() -> None:
    assert "pencil" not in repr(plain(b"\0romeo\0pencil"))


# EXTERNAL


@pytest.mark.parametrize(
    ("certificate", "authzid", "user"),
    [
        (("romeo@example.org",), b"", "romeo"),
        (("romeo@example.org", "romeo@example.com"), b"", "romeo"),
        (("romeo@example.org", "romeo@example.org"), b"", "romeo"),
        (("romeo@example.org",), b"Romeo@example.org", "romeo"),
        (("romeo@example.org", "juliet@example.org"), b"juliet@example.org", "juliet"),
    ],
)
def test_the_certificate_says_who_it_is(
    certificate: tuple[str, ...], authzid: bytes, user: str
) -> None:
    exchange = begin("EXTERNAL", channel("EXTERNAL", *certificate))
    ask = exchange.respond(authzid)
    assert ask == AskKeys(user, "SHA-256")
    assert exchange.keys(server_keys(ask)) == Done(user)


@pytest.mark.parametrize(
    ("certificate", "authzid", "expected"),
    [
        ((), b"", "not-authorized"),
        ((), b"romeo@example.org", "not-authorized"),
        (("romeo@example.com", "example.org", "romeo@example.org/orchard"), b"", "not-authorized"),
        (("romeo@example.org", "juliet@example.org"), b"", "invalid-authzid"),
        (("romeo@example.org",), b"juliet@example.org", "invalid-authzid"),
        (("romeo@example.org", "romeo@example.com"), b"romeo@example.com", "invalid-authzid"),
        (("romeo@example.org",), b"romeo", "invalid-authzid"),
        (("romeo@example.org",), b"romeo@example.org/orchard", "invalid-authzid"),
        (("romeo@example.org",), b"@", "invalid-authzid"),
        (("romeo@example.org",), b"\xff", "malformed-request"),
    ],
)
def test_external_gives_nobody_anothers_account(
    certificate: tuple[str, ...], authzid: bytes, expected: str
) -> None:
    exchange = begin("EXTERNAL", channel("EXTERNAL", *certificate))
    assert condition(lambda: exchange.respond(authzid)) == expected


@pytest.mark.parametrize("refusal", ["not-authorized", "account-disabled"])
def test_a_certificate_needs_an_account_that_may_log_in(refusal: str) -> None:
    exchange = begin("EXTERNAL", channel("EXTERNAL", "romeo@example.org"))
    keys = server_keys(exchange.respond(b""), refusal=refusal)
    assert condition(lambda: exchange.keys(keys)) == refusal


def test_external_without_initial_response_is_asked_for_one() -> None:
    exchange = begin("EXTERNAL", channel("EXTERNAL", "romeo@example.org"))
    assert exchange.respond(None) == Challenge(b"")
    assert exchange.respond(b"") == AskKeys("romeo", "SHA-256")


# ANONYMOUS


@pytest.mark.parametrize("trace", [None, b"", b"sirhc", b"\xff"])
def test_guests_get_a_name_of_their_own(trace: bytes | None) -> None:
    names = set()
    for _ in range(3):
        done = begin("ANONYMOUS", channel("ANONYMOUS")).respond(trace)
        assert isinstance(done, Done)
        assert re.fullmatch(r"[0-9a-f-]{36}", done.user)
        names.add(done.user)
    assert len(names) == 3


@pytest.mark.parametrize("name", [*ALL, "EXTERNAL"])
def test_a_second_message_to_nothing_is_malformed(name: str) -> None:
    exchange = begin(name, channel(name))
    exchange.respond(None)
    assert condition(lambda: exchange.respond(None)) == "malformed-request"
    assert condition(lambda: exchange.respond(b"\0romeo\0pencil")) == "malformed-request"
