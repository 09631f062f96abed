"""Logins as attackers try them (L4). Passwords are those of `password_of`."""

import base64
import hashlib
import sqlite3
import ssl
from collections.abc import Callable

import pytest
from cryptography import x509
from OpenSSL import SSL

from tests.abuse.server import Server, refusal
from tests.abuse.wire import (
    SASL,
    Scram,
    Wire,
    challenge_of,
    elements,
    password_of,
    respond,
)
from xmppd.transport.certificates import end_point_binding

PLAIN = b"\0romeo\0secret of romeo"
NO = ("not-authorized",)
MALFORMED = ("malformed-request",)
XMLNS = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"


def mechanisms(wire: Wire) -> list[str]:
    return [e.text or "" for e in wire.stanzas()[0].iter(f"{SASL}mechanism")]


@pytest.mark.parametrize(
    "mechanism",
    ["", "NONE", "plain", "Plain", "PLAIN ", " PLAIN", "SCRAM-SHA-256-plus", "SCRAM-MD5",
     "CRAM-MD5", "DIGEST-MD5", "LOGIN", "ANONYMOUS", "GSSAPI", "X" * 5000, "SCRAM-SHA-3",
     "&lt;script&gt;", "PLAIN&#10;", "OAUTHBEARER", "EXTERNAL"],
)  # fmt: skip
def test_only_what_is_offered_exactly_is_a_mechanism(wire: Wire, mechanism: str) -> None:
    wire.secured()
    offered = mechanisms(wire)
    assert {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"} <= set(offered)
    assert mechanism not in offered
    wire.auth(mechanism, PLAIN)
    assert wire.outcome() == "invalid-mechanism"


def test_an_auth_without_mechanism_is_refused(wire: Wire) -> None:
    wire.secured().new_stream().send(f"<auth {XMLNS}>AHIAcg==</auth>")
    assert wire.outcome() in ("invalid-mechanism", "malformed-request")


@pytest.mark.parametrize(
    "text",
    ["not base64!", "AAA", "====", "AHIA eQ==", "AHIA\neQ==", "\nAHIAeQ==", "AHIAeQ== ",
     "AHI-eQ_=", "AHIAeQ==x", "=AHIAeQ=", "A", "AHIAeQ=", "AH=IAeQ=", "AHIAeR==", "\u00c4HIAeQ==",
     "\uff21HIAeQ==", "==", "&#65;&#x9;"],
)  # fmt: skip
def test_what_is_no_base64_is_incorrect_encoding(wire: Wire, text: str) -> None:
    wire.secured().new_stream().send(f"<auth {XMLNS} mechanism='PLAIN'>{text}</auth>")
    assert wire.outcome() == "incorrect-encoding"


@pytest.mark.parametrize(
    "inner", ["<x/>", "AHIAeQ==<x/>", "<auth mechanism='PLAIN'>AHIAeQ==</auth>"]
)
def test_children_in_auth_are_malformed(wire: Wire, inner: str) -> None:
    wire.secured().new_stream().send(f"<auth {XMLNS} mechanism='PLAIN'>{inner}</auth>")
    assert wire.outcome() == "malformed-request"


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\0", b"\0\0", b"\0\0\0", b"romeo", b"romeo\0secret of romeo",
        b"\0romeo\0secret of romeo\0", b"\0romeo\0secret of romeo\0x",
        b"\0\0romeo\0secret of romeo",
        b"\0romeo\0", b"\0\0secret of romeo", b"\0romeo\0\xff\xfe", b"\0\xc0\xaf\0x",
        b"\0romeo@example.org\0secret of juliet", b"\0juliet@other.example\0secret of juliet",
        b"\0' or '1'='1\0' or '1'='1", b"\0romeo' --\0x", b"\0romeo\0secret of romeo ",
        b"\0romeo\0Secret of romeo", b"\0romeo/x\0secret of romeo", b"\0romeo\n\0secret of romeo",
        b"\0" + b"a" * 1024 + b"\0x", b"\0romeo\0" + b"x" * 5000, b"\0 romeo\0secret of romeo",
        b"\0romeo\0\xc2\xad", b"\0%\0%", b"\0romeo\0\x07",
    ],
    ids=repr,
)  # fmt: skip
def test_odd_payloads_of_plain_log_nobody_in(wire: Wire, payload: bytes) -> None:
    wire.secured().auth("PLAIN", payload)
    assert wire.outcome() in (*MALFORMED, *NO, "invalid-authzid")


@pytest.mark.parametrize("size", [10239, 10240, 10241, 12000])
def test_a_message_of_sasl_has_10_kib_at_most(wire: Wire, size: int) -> None:
    payload = b"\0romeo\0".ljust(size, b"x")
    wire.secured().auth("PLAIN", payload)
    assert wire.outcome() == ("malformed-request" if size > 10240 else "not-authorized")


def test_a_payload_of_2_mib_is_cut_off(server: Server, wire: Wire) -> None:
    wire.secured().auth("PLAIN", b"\0romeo\0" + b"x" * 2**21)
    assert refusal(server, wire) == "policy-violation"


@pytest.mark.parametrize(
    "authzid",
    ["juliet@example.org", "juliet", "admin@example.org", "example.org", "romeo@other.example",
     "romeo@example.org/x", "@", "romeo@example.org@example.org", "romeo@example.org "],
)  # fmt: skip
def test_a_foreign_authzid_is_refused(wire: Wire, authzid: str) -> None:
    wire.secured().auth("PLAIN", authzid.encode() + PLAIN)
    assert wire.outcome() == "invalid-authzid"


@pytest.mark.parametrize("authzid", ["romeo@example.org", "Romeo@EXAMPLE.org"])
def test_ones_own_authzid_is_accepted(wire: Wire, authzid: str) -> None:
    wire.secured().auth("PLAIN", authzid.encode() + PLAIN)
    assert wire.outcome() == "success"


def test_plain_answers_the_same_for_unknown_users_and_wrong_passwords(server: Server) -> None:
    said = set()
    for user in ("romeo", "nobody", "juliet", "another.nobody"):
        wire = Wire(server).secured().auth("PLAIN", f"\0{user}\0wrong".encode())
        wire.outcome()
        said.add(wire.received)
    assert len(said) == 1


@pytest.mark.parametrize("hash_name", ["SHA-1", "SHA-256", "SHA-512"])
def test_scram_answers_the_same_for_unknown_users_and_wrong_passwords(
    server: Server, hash_name: str
) -> None:
    algorithm = hash_name.replace("-", "").lower()
    salts: dict[str, set[str]] = {}
    shapes, failures = set(), set()
    for user in ("romeo", "nobody", "juliet", "another.nobody", "nobody"):
        wire = Wire(server).secured()
        scram = Scram(user, algorithm)
        scram.password = "wrong"
        wire.auth(f"SCRAM-{hash_name}", scram.first)
        challenge = challenge_of(wire)
        respond(wire, scram.final(challenge)).outcome()
        failures.add(wire.received)
        salts.setdefault(user, set()).add(scram.salt)
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        shapes.add((fields["i"], len(fields["s"]), len(fields["r"]), tuple(fields)))
    assert len(failures) == 1
    assert len(shapes) == 1
    assert all(len(of) == 1 for of in salts.values())
    assert len({salt for of in salts.values() for salt in of}) == 4


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "NONE"])
def test_the_third_failure_ends_the_stream(server: Server, wire: Wire, mechanism: str) -> None:
    wire.secured()
    for _ in range(2):
        wire.auth(mechanism, b"\0romeo\0wrong").outcome()
    assert not wire.ended
    wire.auth(mechanism, b"\0romeo\0wrong").until("</failure>")
    refused_after_failure(server, wire)


def refused_after_failure(server: Server, wire: Wire) -> None:
    received = wire.until_closed()
    assert b"<policy-violation" in received
    assert received.endswith(b"</stream:stream>")
    assert wire.ended == "fin"
    assert len([x for x in server.logged(wire.source).splitlines() if "policy-" in x]) == 1


def test_after_two_failures_the_right_password_logs_in(wire: Wire) -> None:
    wire.secured()
    for _ in range(2):
        assert wire.auth("PLAIN", b"\0romeo\0wrong").outcome() == "not-authorized"
    assert wire.auth("PLAIN", PLAIN).outcome() == "success"


def test_an_aborted_exchange_is_dead(wire: Wire) -> None:
    scram = Scram("romeo")
    final = scram.final(challenge_of(wire.secured().auth("SCRAM-SHA-256", scram.first)))
    wire.received = b""
    assert wire.send(f"<abort {XMLNS}/>").outcome() == "aborted"
    assert respond(wire, final).outcome() == "malformed-request"


def test_an_auth_within_an_exchange_kills_the_first(wire: Wire) -> None:
    scram = Scram("romeo")
    final = scram.final(challenge_of(wire.secured().auth("SCRAM-SHA-256", scram.first)))
    challenge_of(wire.auth("SCRAM-SHA-256", Scram("romeo").first))
    assert respond(wire, final).outcome() == "not-authorized"


@pytest.mark.parametrize("name", ["response", "abort", "success", "challenge", "failure"])
def test_the_rest_of_sasl_out_of_turn_is_refused(wire: Wire, name: str) -> None:
    wire.secured().new_stream().send(f"<{name} {XMLNS}/>")
    assert wire.outcome() in ("malformed-request", "aborted", "unsupported-stanza-type")


FIRSTS = [
    b"", b"n", b"n,", b"n,,", b"n,,r=abc", b"n,,n=romeo", b"n,,n=,r=abc", b"n,,n=romeo,r=",
    b"n,,r=abc,n=romeo", b"x,,n=romeo,r=abc", b"p,,n=romeo,r=abc", b"p=,,n=romeo,r=abc",
    b"y,,n=romeo,r=abc", b"p=tls-exporter,,n=romeo,r=abc", b"N,,n=romeo,r=abc",
    b"n,a=juliet@example.org,n=romeo,r=abc", b"n,b=romeo,n=romeo,r=abc",
    b"n,,m=ext,n=romeo,r=abc", b"n,,n=ro=meo,r=abc", b"n,,n=romeo=2,r=abc",
    b"n,,n=romeo=2Cx=3d,r=abc", b"n,,n=romeo,r=a\0b", b"n,,n=romeo,r=a b\x7f",
    b"n,,n=\xff\xfe,r=abc", b"n,,n=romeo,r=a,,", b"n,,n=romeo,r=abc,r=def", b"n=romeo,r=abc",
    b",,n=romeo,r=abc", b"n,,,n=romeo,r=abc", b"n,,n=romeo,r=\xc3\xa4", b"n,,n=romeo\0,r=abc",
    b"n,,n=romeo,r=" + b"x" * 10_230, b"\0romeo\0secret of romeo", b"n,,n=romeo, r=abc",
]  # fmt: skip


@pytest.mark.parametrize("first", FIRSTS, ids=lambda first: repr(first[:40]))
def test_malformed_first_messages_of_scram_fail(wire: Wire, first: bytes) -> None:
    wire.secured().auth("SCRAM-SHA-256", first)
    outcome = wire.outcome()
    if outcome == "challenge":  # legal; then nobody knows how to go on
        outcome = respond(wire, b"c=biws,r=abc,p=AAAA").outcome()
    assert outcome in (*NO, *MALFORMED, "invalid-authzid")


def swap(old: str, new: str) -> Callable[[str], str]:
    return lambda final: final.replace(old, new, 1)


FINALS: dict[str, Callable[[str], str]] = {
    "empty": lambda final: "",
    "no proof": lambda final: final.partition(",p=")[0],
    "empty proof": lambda final: final.partition("p=")[0] + "p=",
    "short proof": lambda final: final.partition("p=")[0] + "p=AAAA",
    "long proof": lambda final: final.partition("p=")[0] + "p=" + "AAAA" * 100,
    "proof of zeros": lambda final: final.partition("p=")[0] + "p=" + "A" * 43 + "=",
    "proof no base64": lambda final: final.partition("p=")[0] + "p=!!!!",
    "proof changed": lambda final: final[:-10] + ("A" if final[-10] != "A" else "B") + final[-9:],
    "proof twice": lambda final: final + ",p=" + final.partition("p=")[2],
    "attribute behind the proof": lambda final: final + ",x=y",
    "no binding": lambda final: final.partition(",")[2],
    "binding of y": swap("c=biws", "c=eSws"),
    "binding of p": swap("c=biws", "c=cD10bHMtZXhwb3J0ZXIsLA=="),
    "binding with an authzid": swap("c=biws", "c=bixhPWp1bGlldEBleGFtcGxlLm9yZyw="),
    "binding empty": swap("c=biws", "c="),
    "binding no base64": swap("c=biws", "c=%%%%"),
    "nonce of the client alone": lambda final: final.replace(final.split("r=")[1][24:48], "", 1),
    "nonce longer": swap(",p=", "x,p="),
    "nonce other": swap("r=fyko", "r=fyk0"),
    "nonce missing": lambda final: "c=biws," + final[final.index("p=") :],
    "order": lambda final: ",".join(reversed(final.split(","))),
    "mandatory extension": swap(",p=", ",m=ext,p="),
    "NUL": lambda final: final + "\0",
    "space": lambda final: " " + final,
    "upper case": str.upper,
    "the first again": lambda final: "n,,n=romeo,r=fyko+d2lbbFgONRv9qkxdawL",
}


@pytest.mark.parametrize("case", FINALS)
def test_wrong_final_messages_of_scram_fail(wire: Wire, case: str) -> None:
    scram = Scram("romeo")
    wire.secured().auth("SCRAM-SHA-256", scram.first)
    final = FINALS[case](scram.final(challenge_of(wire)).decode())
    assert respond(wire, final.encode()).outcome() in (*NO, *MALFORMED)


def test_the_final_message_of_another_exchange_is_no_good(server: Server, wire: Wire) -> None:
    scram = Scram("romeo")
    overheard = scram.final(challenge_of(wire.secured().auth("SCRAM-SHA-256", scram.first)))
    assert respond(wire, overheard).outcome() == "success"
    replay = Wire(server).secured().auth("SCRAM-SHA-256", scram.first)
    challenge_of(replay)
    assert respond(replay, overheard).outcome() == "not-authorized"


def end_point(wire: Wire) -> bytes:
    assert isinstance(wire.socket, ssl.SSLSocket)
    shown = wire.socket.getpeercert(binary_form=True)
    assert shown is not None
    return end_point_binding(x509.load_der_x509_certificate(shown)) or b""


@pytest.mark.parametrize(
    "mechanism, gs2, binding, outcome",
    [
        ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", None, "success"),
        ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", b"\0" * 32, "not-authorized"),
        ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", b"", "not-authorized"),
        ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", None, "not-authorized"),
        ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", b"x" * 32, "not-authorized"),
        ("SCRAM-SHA-256-PLUS", "p=tls-unique,,", b"x" * 12, "not-authorized"),
        ("SCRAM-SHA-256-PLUS", "p=none,,", b"", "not-authorized"),
        ("SCRAM-SHA-256-PLUS", "n,,", b"", "not-authorized"),
        ("SCRAM-SHA-256-PLUS", "y,,", b"", "not-authorized"),
        ("SCRAM-SHA-256", "y,,", b"", "not-authorized"),
        ("SCRAM-SHA-256", "p=tls-server-end-point,,", None, "not-authorized"),
        ("SCRAM-SHA-256", "n,,", b"x", "not-authorized"),
        ("SCRAM-SHA-256", "n,,", b"", "success"),
    ],
)
def test_a_channel_binding_is_what_it_says_or_fails(
    wire: Wire, mechanism: str, gs2: str, binding: bytes | None, outcome: str
) -> None:
    scram = Scram("romeo", gs2=gs2)
    wire.secured()
    data = end_point(wire) if binding is None else binding
    wire.auth(mechanism, scram.first)
    if wire.outcome() == "challenge":
        respond(wire, scram.final(challenge_of(wire), data))
    assert wire.outcome() == outcome


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_keying_material_binds_the_channel_it_is_of(wire: Wire, version: int, right: bool) -> None:
    tls = SSL.Context(SSL.TLS_CLIENT_METHOD)
    tls.set_min_proto_version(version)
    tls.set_max_proto_version(version)
    wire.header().send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").until("<proceed")
    wire.socket.settimeout(None)
    connection = SSL.Connection(tls, wire.socket)
    connection.set_tlsext_host_name(b"example.org")
    connection.set_connect_state()
    connection.do_handshake()
    wire.socket = connection  # type: ignore[assignment]  # it has what is used of a socket
    scram = Scram("romeo", gs2="p=tls-exporter,,")
    wire.header().auth("SCRAM-SHA-256-PLUS", scram.first)
    material = connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    data = material if right else bytes(reversed(material))
    respond(wire, scram.final(challenge_of(wire), data))
    assert wire.outcome() == ("success" if right else "not-authorized")


def test_channel_bindings_are_announced(wire: Wire) -> None:
    wire.secured()
    ns = "{urn:xmpp:sasl-cb:0}"
    shown = [e.get("type") for e in wire.stanzas()[0].iter(f"{ns}channel-binding")]
    assert shown == ["tls-exporter", "tls-server-end-point"]


@pytest.mark.parametrize(
    "sent",
    [
        "<message to='juliet@example.org'><body>x</body></message>",
        "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        "<presence/>",
    ],
)
def test_a_stanza_before_the_restart_ends_the_stream(
    server: Server, wire: Wire, sent: str
) -> None:
    assert wire.secured().auth("PLAIN", PLAIN).outcome() == "success"
    assert refusal(server, wire.new_stream().send(sent)) in ("not-authorized", "invalid-namespace")


def test_a_second_login_is_not_authorized(server: Server, wire: Wire) -> None:
    wire.login("romeo").send(
        f"<auth {XMLNS} mechanism='PLAIN'>{base64.b64encode(PLAIN).decode()}</auth>"
    )
    assert refusal(server, wire) in ("not-authorized", "policy-violation")


def test_a_login_succeeds_while_50_others_fail(server: Server, wires: list[Wire]) -> None:
    many = [Wire(server).secured() for _ in range(50)]
    wires.extend(many)
    for each in many:
        each.auth("PLAIN", b"\0juliet\0wrong")
    good = Wire(server, patience=2.0).session("romeo", "meanwhile")
    wires.append(good)
    assert good.jid == "romeo@example.org/meanwhile"
    assert [each.outcome() for each in many] == ["not-authorized"] * 50


def test_peers_cannot_write_lines_of_the_log(server: Server, wire: Wire) -> None:
    forged = "x\n2026-01-01T00:00:00+0000 [xmppd#info] forged line\r\x1b[2J"
    wire.secured().auth("PLAIN", f"\0{forged}\0wrong".encode()).outcome()
    wire.auth("SCRAM-SHA-256", f"n,,n={forged},r=abc".encode()).outcome()
    wire.auth(forged.replace("\n", "&#10;").replace("\r", "").replace("\x1b", ""), b"x").outcome()
    assert "\n2026-01-01T00" not in server.logged()
    assert "\x1b" not in server.logged()


def test_only_keys_are_stored(server: Server) -> None:
    folder = server.folder / "data"
    stored = b"".join(path.read_bytes() for path in folder.glob("xmppd.sqlite*"))
    for user in ("romeo", "juliet"):
        password = password_of(user).encode()
        for form in (password, base64.b64encode(password), hashlib.sha1(password).digest()):
            assert form not in stored
    with sqlite3.connect(f"file:{folder}/xmppd.sqlite?mode=ro", uri=True) as database:
        rows = database.execute("SELECT user, hash, salt FROM account_credentials").fetchall()
    salts = {(user, salt) for user, _, salt in rows}
    assert all(len(salt) >= 16 for _, _, salt in rows)
    assert len({salt for _, salt in salts}) >= len({user for user, _, _ in rows})


def test_the_outcomes_are_elements_of_sasl(wire: Wire) -> None:
    wire.secured().auth("PLAIN", b"\0romeo\0wrong").outcome()
    (failure,) = elements(wire.received)
    assert failure.tag == f"{SASL}failure"
