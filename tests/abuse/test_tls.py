"""TLS under attack: downgrades, injection, renegotiation, garbage, forged certificates."""

import socket
import ssl
from pathlib import Path

import pytest
from OpenSSL import SSL

from tests.abuse.authority import Authority
from tests.abuse.server import Server, refusal
from tests.abuse.wire import HEADER, SASL, STARTTLS, Wire, context, elements

MESSAGE = "<message to='juliet@example.org'><body>injected</body></message>"
HOSTILE_NAMES = (
    b"../../../etc/passwd", b"\0xample.org", b"\xff\xfe\xfd\xfc", b"example.org\nroot", b"[::1]",
    b"*.example.org", b"a" * 63 + b"." + b"b" * 40, b".", b"%s%n%x", b"xn--\xc3\xa4", b" ",
    b"'; DROP TABLE accounts",
)  # fmt: skip


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "EXTERNAL"])
def test_sasl_in_the_clear_wants_encryption(server: Server, wire: Wire, mechanism: str) -> None:
    wire.header().auth(mechanism, b"\0romeo\0secret of romeo")
    assert wire.outcome() == "encryption-required"


@pytest.mark.parametrize("injected", [MESSAGE, HEADER, "<", "\0" * 100, STARTTLS])
def test_what_is_injected_behind_starttls_is_never_heard(wire: Wire, injected: str) -> None:
    wire.header().send(STARTTLS + injected).until("<proceed")
    wire.socket = context().wrap_socket(wire.socket, server_hostname="example.org")
    wire.header()
    assert len(wire.stanzas()) == 1


def test_what_is_injected_into_the_handshake_ends_the_connection(
    server: Server, wire: Wire
) -> None:
    wire.header().send(STARTTLS).until("<proceed")
    wire.send(MESSAGE).until_closed()
    assert wire.ended == "fin"
    assert b"stream:error" not in wire.received
    assert server.logged(wire.source)


def test_without_a_new_header_nothing_is_done_after_the_handshake(
    server: Server, wire: Wire
) -> None:
    wire.starttls().new_stream().send(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHIAcg==</auth>"
    )
    assert refusal(server, wire) in ("invalid-namespace", "not-authorized", "bad-format")


def test_starttls_twice_fails_and_ends_the_stream(wire: Wire) -> None:
    wire.secured().send(STARTTLS).until_closed()
    assert b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" in wire.received
    assert wire.received.endswith(b"</stream:stream>")
    assert wire.ended == "fin"


@pytest.mark.parametrize("ns", ["urn:ietf:params:xml:ns:xmpp-tl", "jabber:client", "", "TLS"])
def test_starttls_in_another_namespace_is_unsupported(server: Server, wire: Wire, ns: str) -> None:
    wire.header().send(f"<starttls xmlns='{ns}'/>")
    assert refusal(server, wire) == "unsupported-stanza-type"


@pytest.mark.parametrize("direct", [False, True], ids=["STARTTLS", "direct"])
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"]
)
def test_old_versions_are_refused(server: Server, version: ssl.TLSVersion, direct: bool) -> None:
    old = context(version)
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert refuses_handshake(server, old, direct)


@pytest.mark.parametrize(
    "cipher",
    ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES128-GCM-SHA256", "AES256-SHA",
     "AECDH-AES128-SHA", "NULL-SHA256", "ECDHE-ECDSA-NULL-SHA", "PSK-AES128-GCM-SHA256",
     "DHE-RSA-AES128-GCM-SHA256", "ADH-AES128-GCM-SHA256"],
)  # fmt: skip
def test_ciphers_that_are_weak_or_without_secrecy_are_refused(server: Server, cipher: str) -> None:
    weak = context(ssl.TLSVersion.TLSv1_2)
    weak.set_ciphers(f"{cipher}:@SECLEVEL=0")
    assert refuses_handshake(server, weak, direct=True)


def refuses_handshake(server: Server, tls: ssl.SSLContext, direct: bool) -> bool:
    wire = Wire(server, port=server.tls_port if direct else None)
    if not direct:
        wire.header().send(STARTTLS).until("<proceed")
    try:
        tls.wrap_socket(wire.socket, server_hostname="example.org").close()
    except (ssl.SSLError, ConnectionResetError):
        wire.close()
        return True
    return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_versions_work_without_compression(wire: Wire, version: ssl.TLSVersion) -> None:
    tls = context(version)
    tls.options &= ~ssl.OP_NO_COMPRESSION
    wire.secured(tls)
    assert isinstance(wire.socket, ssl.SSLSocket)
    assert wire.socket.compression() is None
    cipher = wire.socket.cipher()
    assert cipher is not None
    assert "GCM" in cipher[0] or "POLY1305" in cipher[0]


def test_renegotiation_is_never_done(server: Server) -> None:
    tls = SSL.Context(SSL.TLS_CLIENT_METHOD)
    tls.set_max_proto_version(SSL.TLS1_2_VERSION)
    sock = socket.create_connection(
        ("127.0.0.1", server.tls_port), source_address=(server.new_address(), 0)
    )
    sock.settimeout(None)
    connection = SSL.Connection(tls, sock)
    connection.set_tlsext_host_name(b"example.org")
    connection.set_connect_state()
    connection.do_handshake()
    for _ in range(50):
        try:
            connection.renegotiate()
            connection.do_handshake()
            connection.send(b" ")
        except SSL.Error:
            break
    else:
        pytest.fail("the server renegotiated")
    sock.close()


@pytest.mark.parametrize("direct", [False, True], ids=["STARTTLS", "direct"])
@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 4096,
        b"\x16\x03\x01\xff\xff" + b"\xff" * 70_000,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x10" + b"x" * 16,
        b"\x80\x2e\x01\x03\x01" + b"\0" * 41,
    ],
    ids=["HTTP", "zeros", "long record", "short hello", "alert", "data", "SSL 2"],
)
def test_garbage_in_place_of_a_handshake_ends_the_connection(
    server: Server, wires: list[Wire], garbage: bytes, direct: bool
) -> None:
    wire = Wire(server, port=server.tls_port if direct else None)
    if not direct:
        wire.header().send(STARTTLS).until("<proceed")
    wire.send(garbage).until_closed()
    assert wire.ended in ("fin", "reset")
    assert len(server.logged(wire.source).splitlines()) == 1
    wire.close()


@pytest.mark.parametrize("hostile", HOSTILE_NAMES, ids=repr)
def test_hostile_names_in_the_hello_do_no_harm(server: Server, hostile: bytes) -> None:
    """The name is changed in the hello itself, as no library would write it."""
    stand_in = ("a" * 50 + "." if len(hostile) > 60 else "").ljust(len(hostile), "b")
    out = ssl.MemoryBIO()
    hello = context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=stand_in or None)
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    wire = Wire(server, port=server.tls_port)
    wire.send(out.read().replace(stand_in.encode(), hostile))
    wire.socket.recv(100)
    wire.close()


def test_100_half_handshakes_give_their_descriptors_back(server: Server) -> None:
    out = ssl.MemoryBIO()
    hello = context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="example.org")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    data, before = out.read(), server.descriptors()
    halves = [
        Wire(server, port=server.tls_port).send(data[: len(data) // (1 + number % 2)])
        for number in range(100)
    ]
    Wire(server, port=server.tls_port).close()
    for number, half in enumerate(halves):
        half.reset() if number % 3 == 0 else half.close()
    assert server.settles_at(before) <= before


def external(wire: Wire, certificate: tuple[Path, Path] | None, authzid: str = "") -> str:
    wire.secured(context(certificate=certificate))
    offered = wire.stanzas()[0].find(f"{SASL}mechanisms")
    assert offered is not None
    wire.auth("EXTERNAL", authzid.encode())
    outcome = wire.outcome()
    shown = "EXTERNAL" in [each.text for each in offered]
    assert shown or outcome != "success"
    return outcome


@pytest.mark.parametrize("authzid", ["", "romeo@example.org", "ROMEO@Example.ORG"])
def test_a_users_own_certificate_logs_in(wire: Wire, authority: Authority, authzid: str) -> None:
    assert external(wire, authority.issue("romeo@example.org"), authzid) == "success"


REFUSALS = ("not-authorized", "invalid-mechanism", "invalid-authzid")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param({"address": "romeo@example.org", "self_signed": True}, id="self-signed"),
        pytest.param({"address": "romeo@example.org", "expired": True}, id="expired"),
        pytest.param({"address": "juliet@example.org"}, id="another user's"),
        pytest.param({"address": "romeo@other.example"}, id="of another host"),
        pytest.param({"address": None, "common_name": "romeo@example.org"}, id="common name"),
        pytest.param({"address": "example.org"}, id="of a server"),
        pytest.param({"address": "romeo@example.org/x"}, id="full"),
        pytest.param({"address": "nobody@example.org"}, id="no such account"),
        pytest.param({"address": "romeo@example.org\0.evil"}, id="NUL"),
        pytest.param({"address": "@"}, id="no address"),
        pytest.param(None, id="none"),
    ],
)
def test_other_certificates_log_nobody_in(
    wire: Wire, authority: Authority, made: "dict[str, str] | None"
) -> None:
    certificate = None if made is None else authority.issue(**made)  # type: ignore[arg-type]
    assert external(wire, certificate, "romeo@example.org") in REFUSALS


def test_a_certificate_without_an_authzid_is_only_for_its_own_user(
    wire: Wire, authority: Authority
) -> None:
    assert external(wire, authority.issue("nobody@example.org")) in REFUSALS
    assert not [e for e in elements(wire.received) if e.tag == f"{SASL}success"]
