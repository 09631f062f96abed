"""Addresses (RFC 7622)."""

import pickle

import pytest

from xmppd.jid import (
    JIDError,
    jid,
    lenient_jid,
    make_jid,
    prepare_domain,
    prepare_local,
    prepare_password,
    prepare_resource,
)

PREPARED = [
    ("juliet@example.com", "juliet", "example.com", ""),  # RFC 7622 §3.5, table 1
    ("juliet@example.com/foo", "juliet", "example.com", "foo"),
    ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
    ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
    ("foo\\20bar@example.com", "foo\\20bar", "example.com", ""),
    ("fussball@example.com", "fussball", "example.com", ""),
    ("fu\u00dfball@example.com", "fu\u00dfball", "example.com", ""),
    ("\u03c0@example.com", "\u03c0", "example.com", ""),
    ("\u03a3@example.com/foo", "\u03c3", "example.com", "foo"),
    ("king@example.com/\u265a", "king", "example.com", "\u265a"),
    ("example.com", "", "example.com", ""),
    ("example.com/foobar", "", "example.com", "foobar"),
    ("a.example.com/b@example.net", "", "a.example.com", "b@example.net"),
    ("Romeo@Example.NET./Orchard", "romeo", "example.net", "Orchard"),
    ("\uff32omeo@example.net", "romeo", "example.net", ""),
    ("a@b\u3002example", "a", "b.example", ""),
    ("a@B\u00dcCHER.example", "a", "b\u00fccher.example", ""),
    ("a@xn--bcher-kva.example", "a", "b\u00fccher.example", ""),
    ("a@127.0.0.1/x", "a", "127.0.0.1", "x"),
    ("a@[2001:DB8:0::1]/x", "a", "[2001:db8::1]", "x"),
    ("a@localhost/a/b", "a", "localhost", "a/b"),
    ("\u212aelvin@example.com", "kelvin", "example.com", ""),
    ("e\u0301@example.com/e\u0301", "\u00e9", "example.com", "\u00e9"),
    ("a@example.com/x\u00a0y", "a", "example.com", "x y"),
]
REFUSED = [
    '"juliet"@example.com',  # RFC 7622 §3.5, table 2
    "foo bar@example.com",
    "juliet@example.com/ foo\u0000",
    "@example.com/",
    "henry\u2163@example.com",
    "\u265a@example.com",
    "juliet@",
    "/foobar",
    "",
    "@example.com",
    "juliet@example.com/",
    "a@b@example.com",
    "\uff20@example.com",  # a plain @ after width mapping
    "a\uff0fb@example.com",
    "a<b@example.com",
    "a&b@example.com",
    "a:b@example.com",
    "a'b@example.com",
    "\u00ad@example.com",  # nothing is left of it
    "a@exa mple.com",
    "a@example..com",
    "a@.",
    "a@-example.com",
    "a@my_host",
    "a@[::1",
    "a@[fe80::1%eth0]",
    "a@[nonsense]",
    "a@xn--zz--",
    "a@a\u2100.example",  # NFKC brings a slash in
    "a@example.com/\u0007",
    "a@example.com/\ud800",
    "\ud800@example.com",
]


@pytest.mark.parametrize("text, local, domain, resource", PREPARED)
def test_a_jid_is_prepared_and_knows_its_parts(
    text: str, local: str, domain: str, resource: str
) -> None:
    made = jid(text)
    assert (made.local, made.domain, made.resource) == (local, domain, resource)
    assert made == (f"{local}@" if local else "") + domain + (f"/{resource}" if resource else "")


@pytest.mark.parametrize("text", [text for text, *_ in PREPARED])
def test_preparing_twice_changes_nothing(text: str) -> None:
    assert jid(str(jid(text))) == jid(text)


@pytest.mark.parametrize("text", REFUSED)
def test_what_rfc_7622_forbids_is_refused(text: str) -> None:
    with pytest.raises(JIDError):
        jid(text)


@pytest.mark.parametrize("length, fits", [(1022, True), (1023, True), (1024, False)])
def test_each_part_has_at_most_1023_bytes(length: int, fits: bool) -> None:
    label = "d" * 63
    domain = ".".join([label] * 16)[:length].ljust(min(length, 1023), "d")
    for prepare, text in [
        (prepare_local, "x" * length),
        (prepare_local, "\u00e9" * (length // 2) + "x" * (length % 2)),
        (prepare_resource, "x" * length),
        (prepare_resource, "\u265a" * (length // 3) + "x" * (length % 3)),
        (prepare_domain, domain if fits else domain + ".d"),
    ]:
        if fits:
            assert len(prepare(text).encode()) == length
        else:
            with pytest.raises(JIDError):
                prepare(text)


def test_an_endless_text_is_refused_before_it_is_prepared() -> None:
    with pytest.raises(JIDError):
        jid("\u00e9" * 1_000_000)


def test_bare_and_full() -> None:
    full = jid("romeo@example.net/orchard")
    assert full.is_full
    assert not full.is_bare
    assert full.bare == "romeo@example.net"
    assert full.bare is full.bare.bare
    assert full.bare.is_bare
    assert jid("example.net/x").bare == "example.net"


def test_with_resource_prepares_it() -> None:
    bare = jid("romeo@example.net")
    assert bare.with_resource("x\u00a0y") == "romeo@example.net/x y"
    assert jid("romeo@example.net/a").with_resource("b").bare == bare
    with pytest.raises(JIDError):
        bare.with_resource("")


def test_a_jid_equals_and_hashes_as_its_text() -> None:
    made = jid("Romeo@example.net/a")
    assert made == "romeo@example.net/a"
    assert {made: 1}["romeo@example.net/a"] == 1


def test_a_jid_survives_pickling() -> None:
    made = jid("romeo@example.net/a")
    again = pickle.loads(pickle.dumps(made))
    assert (again, again.local, again.bare) == (made, "romeo", made.bare)


def test_make_jid_takes_no_structure_from_its_parts() -> None:
    assert make_jid("Romeo", "Example.net", "a/b@c") == "romeo@example.net/a/b@c"
    for local, domain in [("a@b", "c"), ("a/b", "c"), ("a", "b/c"), ("a", "b@c"), ("a", "")]:
        with pytest.raises(JIDError):
            make_jid(local, domain)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("\u265a@example.com", "\u265a@example.com"),
        ("henry\u2163@example.com", "henryiv@example.com"),
        ("A\U0001fae8@example.com", "a\U0001fae8@example.com"),
        ("a@my_host.example/x", "a@my_host.example/x"),
        ("a@example.com/\u0378", "a@example.com/\u0378"),
        ("Romeo@example.net/a", "romeo@example.net/a"),
    ],
)
def test_what_stringprep_era_servers_send_is_taken_leniently(text: str, expected: str) -> None:
    made = lenient_jid(text)
    assert made == expected
    assert lenient_jid(str(made)) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a@",
        "@b",
        "a@b/",
        "a b@c",
        "\uff20@c",
        "a@b c",
        "a@b..c",
        "a@b@c",
        "a@b/\u0001",
        "\u0085a@b",
        "a@" + "\u00e9" * 600,
        "x" * 1024 + "@b",
        "a@b/\ud800",
    ],
)
def test_leniency_ends_at_structure_length_and_control_characters(text: str) -> None:
    with pytest.raises(JIDError):
        lenient_jid(text)


def test_passwords_are_opaque_strings() -> None:
    assert prepare_password("correct horse\u00a0e\u0301") == "correct horse \u00e9"
    assert prepare_password("Aa") == "Aa"
    for refused in ("", "a\u0000", "a\u007f"):
        with pytest.raises(JIDError) as failure:
            prepare_password(refused)
        assert refused == "" or refused not in str(failure.value)


def test_many_addresses_leave_the_cache_bounded() -> None:
    cache = jid.__self__  # type: ignore[attr-defined]
    for i in range(20_000):
        jid(f"user{i}@example.com")
    jid("x" * 1000 + "@example.com")
    assert len(cache) + len(cache._old) <= 2 * 8192
    assert "x" * 1000 + "@example.com" not in cache
    assert jid("user0@example.com").local == "user0"
