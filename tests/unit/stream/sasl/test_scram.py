"""SCRAM: what a good client gets, and what an attacker does not (RFC 5802, 7677, XEP-0474)."""

import base64

import pytest

from tests.unit.stream.sasl.scram_client import (
    ALL,
    BINDINGS,
    DOMAIN,
    ScramClient,
    b64,
    challenged,
    channel,
    condition,
    log_in,
    server_keys,
)
from xmppd.stream.sasl import AskKeys, Challenge, Channel, Done, begin, derive
from xmppd.stream.sasl.scram import Scram, announcement_hash

SCRAMS = [name for name in ALL if name.startswith("SCRAM")]
PLAIN_SCRAMS = [name for name in SCRAMS if not name.endswith("-PLUS")]
BOUND_SCRAMS = [name for name in SCRAMS if name.endswith("-PLUS")]
TYPE = "tls-exporter"
DATA = BINDINGS[TYPE]


def bound_client(mechanism: str, type_: str = TYPE, data: bytes = DATA) -> ScramClient:
    return ScramClient(mechanism, flag=f"p={type_}", binding=data)


@pytest.mark.parametrize(
    ("mechanism", "salt", "first", "challenge", "final", "success"),
    [
        (
            "SCRAM-SHA-1",
            "QSXCR+Q6sek8bf92",
            "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (
            "SCRAM-SHA-256",
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ],
)
def test_the_exchanges_of_the_rfcs(
    mechanism: str, salt: str, first: str, challenge: str, final: str, success: str
) -> None:
    client_nonce = first.rpartition("r=")[2]
    server_nonce = challenge.split(",")[0].removeprefix(f"r={client_nonce}")
    exchange = Scram(mechanism, Channel(DOMAIN), lambda: server_nonce)
    ask = exchange.respond(first.encode())
    assert ask == AskKeys("user", mechanism.removeprefix("SCRAM-"))
    keys = derive(ask.hash_name, "pencil", base64.b64decode(salt), 4096)
    assert exchange.keys(keys) == Challenge(challenge.encode())
    assert exchange.respond(final.encode()) == Done("user", success.encode())


@pytest.mark.parametrize("mechanism", PLAIN_SCRAMS)
def test_the_right_password_logs_in_and_the_server_proves_itself(mechanism: str) -> None:
    assert log_in(mechanism, channel(), ScramClient(mechanism)).user == "romeo"


@pytest.mark.parametrize("type_", sorted(BINDINGS))
@pytest.mark.parametrize("mechanism", BOUND_SCRAMS)
def test_channel_binding_logs_in(mechanism: str, type_: str) -> None:
    client = bound_client(mechanism, type_, BINDINGS[type_])
    assert log_in(mechanism, channel(bound=True), client).user == "romeo"


def test_a_client_without_channel_binding_may_do_without() -> None:
    done = log_in("SCRAM-SHA-1", channel(bound=True), ScramClient("SCRAM-SHA-1"))
    assert done.user == "romeo"


def test_a_client_that_could_bind_may_say_so_where_it_was_not_offered() -> None:
    done = log_in("SCRAM-SHA-1", channel(), ScramClient("SCRAM-SHA-1", flag="y"))
    assert done.user == "romeo"


def test_without_initial_response_it_is_asked_for() -> None:
    exchange, client = begin("SCRAM-SHA-1", channel()), ScramClient("SCRAM-SHA-1")
    assert exchange.respond(None) == Challenge(b"")
    assert exchange.respond(client.first()) == AskKeys("romeo", "SHA-1")


@pytest.mark.parametrize("authzid", ["romeo@example.org", "ROMEO@Example.ORG"])
def test_ones_own_bare_jid_is_an_authzid(authzid: str) -> None:
    done = log_in("SCRAM-SHA-1", channel(), ScramClient("SCRAM-SHA-1", authzid=authzid))
    assert done.user == "romeo"


@pytest.mark.parametrize(
    "authzid",
    [
        "juliet@example.org",
        "romeo",
        "romeo@example.com",
        "romeo@example.org/orchard",
        "@",
        "a@b@c",
    ],
)
def test_any_other_authzid_is_invalid(authzid: str) -> None:
    client = ScramClient("SCRAM-SHA-1", authzid=authzid)
    exchange = begin("SCRAM-SHA-1", channel())
    assert condition(lambda: exchange.respond(client.first())) == "invalid-authzid"


@pytest.mark.parametrize(
    ("sent", "user"),
    [("Romeo", "romeo"), ("a=2Cb", "a,b"), ("a=3Db", "a=b"), ("a=3D2Cb", "a=2cb")],
)
def test_the_name_is_unescaped_and_prepared(sent: str, user: str) -> None:
    exchange, client = begin("SCRAM-SHA-1", channel()), ScramClient("SCRAM-SHA-1", user=sent)
    assert exchange.respond(client.first()) == AskKeys(user, "SHA-1")


def test_extensions_that_are_optional_are_ignored() -> None:
    client = ScramClient("SCRAM-SHA-1")
    client.bare += ",x=some,Y=thing"
    exchange, challenge = challenged("SCRAM-SHA-1", channel(), client)
    assert isinstance(exchange.respond(client.final(challenge, ",z=else")), Done)


FIRST = [
    (b"", "malformed-request"),
    (b"n", "malformed-request"),
    (b"n,,", "malformed-request"),
    (b"n=romeo,r=abc", "malformed-request"),
    (b"x,,n=romeo,r=abc", "malformed-request"),
    (b"F,n,,n=romeo,r=abc", "malformed-request"),
    (b"n,n=romeo,r=abc", "malformed-request"),
    (b"n,a=,n=romeo,r=abc", "malformed-request"),
    (b"n,b=romeo,n=romeo,r=abc", "malformed-request"),
    (b"n,a=ro=meo,n=romeo,r=abc", "malformed-request"),
    (b"p=,,n=romeo,r=abc", "malformed-request"),
    (b"p=tls_exporter,,n=romeo,r=abc", "malformed-request"),
    (b"p,,n=romeo,r=abc", "malformed-request"),
    (b"n,,r=abc,n=romeo", "malformed-request"),
    (b"n,,n=romeo", "malformed-request"),
    (b"n,,n=,r=abc", "malformed-request"),
    (b"n,,n=romeo,r=", "malformed-request"),
    (b"n,,n=romeo,r=a\x7fc", "malformed-request"),
    (b"n,,n=romeo,r=a c", "malformed-request"),
    ("n,,n=romeo,r=ab\u00e9".encode(), "malformed-request"),
    (b"n,,n=romeo,r=abc,", "malformed-request"),
    (b"n,,n=romeo,r=abc,x", "malformed-request"),
    (b"n,,n=romeo,r=abc,x=", "malformed-request"),
    (b"n,,n=romeo,r=abc,1=x", "malformed-request"),
    (b"n,,n=romeo,n=juliet,r=abc", "malformed-request"),
    (b"n,,n=romeo,r=abc,r=def", "malformed-request"),
    (b"n,,n=romeo,r=abc,x=1,x=2", "malformed-request"),
    (b"n,,n=romeo,r=abc,i=1", "malformed-request"),
    (b"n,,n=romeo,r=abc,p=YWJj", "malformed-request"),
    (b"n,,n=ro=meo,r=abc", "malformed-request"),
    (b"n,,n=ro=2cmeo,r=abc", "malformed-request"),
    (b"n,,n=ro\0meo,r=abc", "malformed-request"),
    (b"n,,n=ro\xffmeo,r=abc", "malformed-request"),
    (b"n,,n=romeo,r=" + b"a" * 10_240, "malformed-request"),
    (b"n,,m=must,n=romeo,r=abc", "not-authorized"),
    (b"n,,n=romeo,r=abc,m=must", "not-authorized"),
    (b"n,,n=romeo@example.org,r=abc", "not-authorized"),
    (b"n,,n=' or '1'='1,r=abc", "malformed-request"),
    (b"n,,n=' or ''1,r=abc", "not-authorized"),
    ("n,,n=ro\u200bmeo,r=abc".encode(), "not-authorized"),
    (b"n,,n=" + b"a" * 1024 + b",r=abc", "not-authorized"),
]


@pytest.mark.parametrize(("message", "expected"), FIRST)
def test_a_bad_first_message_is_refused(message: bytes, expected: str) -> None:
    exchange = begin("SCRAM-SHA-1", channel())
    assert condition(lambda: exchange.respond(message)) == expected


def change(find: str, put: str) -> object:
    return lambda final: final.replace(find.encode(), put.encode(), 1)


FINAL = [
    ("c= of another header", change("c=biws", "c=eSws"), "not-authorized"),
    ("c= with binding data", change("c=biws", "c=biwsYQ=="), "not-authorized"),
    ("c= is no base64", change("c=biws", "c=bi*s"), "malformed-request"),
    ("c= is empty", change("c=biws", "c="), "malformed-request"),
    ("no c=", change("c=biws,", ""), "malformed-request"),
    ("c= twice", change("c=biws,", "c=biws,c=biws,"), "malformed-request"),
    ("nonce changed", change("r=rOpr", "r=rOps"), "not-authorized"),
    ("nonce longer", change(",p=", "a,p="), "not-authorized"),
    ("no r=", change(",r=", ",x="), "malformed-request"),
    ("order", lambda final: b",".join(reversed(final.split(b","))), "malformed-request"),
    ("no proof", lambda final: final[: final.index(b",p=")], "malformed-request"),
    ("proof empty", lambda final: final[: final.index(b",p=") + 3], "malformed-request"),
    ("proof twice", change(",p=", ",p=YWJj,p="), "malformed-request"),
    ("proof not last", lambda final: final + b",x=1", "malformed-request"),
    ("proof unpadded", lambda final: final.rstrip(b"="), "malformed-request"),
    ("proof is no base64", lambda final: final[:-4] + b"!!!=", "malformed-request"),
    ("proof short", change(",p=", ",p=YWJj,q="), "malformed-request"),
    ("proof of three bytes", lambda f: f[: f.index(b",p=")] + b",p=YWJj", "not-authorized"),
    (
        "proof of zeros",
        lambda f: f[: f.index(b",p=")] + b",p=" + b"A" * 27 + b"=",
        "not-authorized",
    ),
    ("unsigned extension", change(",p=", ",x=1,p="), "not-authorized"),
    ("mandatory extension", change(",p=", ",m=1,p="), "not-authorized"),
    ("NUL", change("c=biws", "c=biws\0"), "malformed-request"),
    ("not UTF-8", lambda final: b"\xff" + final, "malformed-request"),
    ("empty", lambda final: b"", "malformed-request"),
    ("no attributes", lambda final: b"hello", "malformed-request"),
    ("too long", lambda final: final + b"a" * 10_240, "malformed-request"),
]


@pytest.mark.parametrize(
    ("spoil", "expected"), [case[1:] for case in FINAL], ids=[c[0] for c in FINAL]
)
def test_a_bad_last_message_is_refused(spoil: object, expected: str) -> None:
    client = ScramClient("SCRAM-SHA-1")
    exchange, challenge = challenged("SCRAM-SHA-1", channel(), client)
    final = spoil(client.final(challenge))  # type: ignore[operator]
    assert condition(lambda: exchange.respond(final)) == expected


def test_a_wrong_password_is_not_authorized() -> None:
    client = ScramClient("SCRAM-SHA-1", password="pen")
    assert condition(lambda: log_in("SCRAM-SHA-1", channel(), client)) == "not-authorized"


@pytest.mark.parametrize("refusal", ["account-disabled", "not-authorized"])
def test_a_right_proof_for_an_account_that_is_refused_fails(refusal: str) -> None:
    client = ScramClient("SCRAM-SHA-1")
    failed = condition(lambda: log_in("SCRAM-SHA-1", channel(), client, refusal=refusal))
    assert failed == refusal


def test_only_who_knows_the_password_learns_that_an_account_is_disabled() -> None:
    client = ScramClient("SCRAM-SHA-1", password="pen")
    on = channel()
    failed = condition(lambda: log_in("SCRAM-SHA-1", on, client, refusal="account-disabled"))
    assert failed == "not-authorized"


def test_a_message_heard_before_does_not_log_in_again() -> None:
    client = ScramClient("SCRAM-SHA-1")
    first, challenge = challenged("SCRAM-SHA-1", channel(), client)
    final = client.final(challenge)
    assert isinstance(first.respond(final), Done)
    second, _ = challenged("SCRAM-SHA-1", channel(), client)
    assert condition(lambda: second.respond(final)) == "not-authorized"
    assert condition(lambda: first.respond(final)) == "malformed-request"


@pytest.mark.parametrize(
    ("mechanism", "flag", "data"),
    [
        ("SCRAM-SHA-1", "y", b""),  # the list was tampered with: we do bind
        ("SCRAM-SHA-1", f"p={TYPE}", DATA),
        ("SCRAM-SHA-1-PLUS", "n", b""),
        ("SCRAM-SHA-1-PLUS", "y", b""),
        ("SCRAM-SHA-1-PLUS", "p=tls-unique", DATA),
        ("SCRAM-SHA-1-PLUS", "p=TLS-EXPORTER", DATA),
        ("SCRAM-SHA-1-PLUS", f"p={TYPE}", b"other data"),
        ("SCRAM-SHA-1-PLUS", f"p={TYPE}", b""),
        ("SCRAM-SHA-1-PLUS", f"p={TYPE}", BINDINGS["tls-server-end-point"]),
    ],
)
def test_channel_binding_cannot_be_talked_away(mechanism: str, flag: str, data: bytes) -> None:
    client = ScramClient(mechanism, flag=flag, binding=data)
    assert condition(lambda: log_in(mechanism, channel(bound=True), client)) == "not-authorized"


def test_a_binding_type_that_has_no_data_on_this_connection_fails() -> None:
    on = Channel(DOMAIN, True, lambda _type: None, (TYPE,), (), ("SCRAM-SHA-1-PLUS",))
    client = bound_client("SCRAM-SHA-1-PLUS", data=b"")
    assert condition(lambda: log_in("SCRAM-SHA-1-PLUS", on, client)) == "not-authorized"


def test_nothing_is_taken_while_the_keys_are_awaited_nor_after_that() -> None:
    exchange, client = begin("SCRAM-SHA-1", channel()), ScramClient("SCRAM-SHA-1")
    ask = exchange.respond(client.first())
    assert condition(lambda: exchange.respond(b"c=biws,r=abc,p=YWJj")) == "malformed-request"
    assert condition(lambda: exchange.keys(server_keys(ask))) == "malformed-request"


def test_no_verdict_is_taken() -> None:
    exchange = begin("SCRAM-SHA-1", channel())
    assert condition(lambda: exchange.verdict(True)) == "malformed-request"


def test_the_hash_of_the_example_of_xep_0474() -> None:
    names, types = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"), ("tls-server-end-point", "tls-exporter")
    assert announcement_hash("SHA-1", names, types) == "G6k/rBLDqgOhRRaCuuatSDFkJ08="


@pytest.mark.parametrize("bound", [False, True])
def test_the_challenge_signs_what_was_announced(bound: bool) -> None:
    client = ScramClient("SCRAM-SHA-256")
    on = channel(bound=bound)
    challenged("SCRAM-SHA-256", on, client)[1]
    log_in("SCRAM-SHA-256", on, client)
    types = tuple(BINDINGS) if bound else ()
    assert client.server_first["h"] == announcement_hash("SHA-256", on.offered, types)


def test_a_changed_announcement_changes_its_hash() -> None:
    of = {
        announcement_hash("SHA-1", names, types)
        for names in (("A",), ("A", "B"))
        for types in ((), ("t",), ("t", "u"))
    }
    assert len(of) == 6


def test_nonces_differ() -> None:
    on, client = channel(), ScramClient("SCRAM-SHA-1")
    nonces = set()
    for _ in range(20):
        challenge = challenged("SCRAM-SHA-1", on, client)[1]
        client.final(challenge)
        nonces.add(client.server_first["r"])
    assert len(nonces) == 20


def test_no_step_shows_its_secrets() -> None:
    client = ScramClient("SCRAM-SHA-1")
    exchange, challenge = challenged("SCRAM-SHA-1", channel(), client)
    done = exchange.respond(client.final(challenge))
    keys = server_keys(AskKeys("romeo", "SHA-1"))
    shown = f"{challenge!r} {done!r} {keys!r} {exchange!r}"
    nonce = client.server_first["r"]
    for secret in (nonce, b64(client.server_signature), repr(keys.stored_key), repr(keys.salt)):
        assert secret not in shown
