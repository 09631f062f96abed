"""Handshakes and records, against the standard library's client."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from OpenSSL import SSL
from zope.interface.verify import verifyObject

from xmppd.transport import openssl_direct
from xmppd.transport.certificates import self_signed
from xmppd.transport.openssl_binding import BINDINGS, FFI, HANDLES, LIB, direct_is_possible
from xmppd.transport.openssl_direct import DirectEngine
from xmppd.transport.openssl_engine import PyOpenSSLEngine
from xmppd.transport.peer_tls import PeerTLS
from xmppd.transport.store import CertificateStore, TLSSettings
from xmppd.transport.tls import ITLSEngine, TLSError

Recorder = Any  # of conftest.py, which is no module to import from
Client = Callable[..., Any]

ALERT, HANDSHAKE, DATA = 21, 22, 23  # types of records (RFC 8446 §5.1)
PUBLIC_OR_DIRECT = {"public": PyOpenSSLEngine, "direct": DirectEngine}


@pytest.fixture(params=["direct", "public", "stdlib"])
def store(
    request: pytest.FixtureRequest, pairs: Any, monkeypatch: pytest.MonkeyPatch
) -> CertificateStore:
    """All the engines, where conftest has those that are used."""
    if request.param == "stdlib":
        return CertificateStore(pairs, TLSSettings(engine="stdlib"))
    monkeypatch.setattr(openssl_direct, "ENGINE", PUBLIC_OR_DIRECT[request.param])
    return CertificateStore(pairs)


@pytest.fixture(params=PUBLIC_OR_DIRECT)
def openssl_store(
    request: pytest.FixtureRequest, pairs: Any, monkeypatch: pytest.MonkeyPatch
) -> CertificateStore:
    monkeypatch.setattr(openssl_direct, "ENGINE", PUBLIC_OR_DIRECT[request.param])
    return CertificateStore(pairs)


def _secure(connection: Recorder, store: CertificateStore, client: Any) -> None:
    connection.start_tls(store.context("example.org"))
    client.handshake()
    assert connection.secure


def test_all_engines_have_the_interface(store: CertificateStore) -> None:
    assert verifyObject(ITLSEngine, store.context().engine())


def test_plaintext_passes_both_ways_after_the_handshake(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    client = tls_client()
    _secure(connection, store, client)
    client.say(b"hello")
    assert connection.events == ["opened", "secured", "received hello"]
    connection.write(b"good ")
    connection.write(b"morning")
    connection.turn()
    assert client.hear() == b"good morning"
    assert connection.engine.version == "TLSv1.3"
    assert connection.engine.server_name == "example.org"


def test_writes_of_a_pass_share_a_record(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    _secure(connection, store, tls_client())
    for size in (1, 100):  # with the first go the tickets
        before = len(connection.wire.socket.sends)
        for _ in range(10):
            connection.write(b"x" * size)
        connection.turn()
        (record,) = connection.wire.socket.sends[before:]
    assert len(record) < 1050


def test_tickets_go_with_the_first_answer_and_close_notify_with_the_last(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    client = tls_client()
    _secure(connection, store, client)
    handshake = len(connection.wire.socket.sends)
    connection.write(b"hello")
    connection.turn()
    assert client.hear() == b"hello"
    connection.write(b"goodbye")
    connection.close()
    connection.turn()
    assert client.hear() == b"goodbye"
    assert client.tls.read(10) == b""  # the end was said
    assert len(connection.wire.socket.sends) == handshake + 2


def test_who_begins_a_handshake_ends_it_without_having_anything_to_say(
    connection: Recorder, pairs: Any
) -> None:
    peers = PeerTLS(pairs)
    server, sends = peers.server("example.net").engine(), connection.wire.socket.sends
    connection.start_tls(peers.client("example.org", "example.net"))
    taken = 0
    while taken < len(sends):
        server.receive(sends[taken])
        taken += 1
        connection.dataReceived(server.outgoing())
    assert connection.secure
    assert server.established


def test_what_is_written_during_the_handshake_is_sent_after_it(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    client = tls_client()
    connection.start_tls(store.context())
    connection.write(b"secret")
    connection.turn()
    assert connection.wire.sent == b""
    client.handshake()
    assert client.hear() == b"secret"


def test_what_is_written_before_the_handshake_goes_in_the_clear(
    connection: Recorder, store: CertificateStore
) -> None:
    connection.write(b"<proceed/>")
    connection.start_tls(store.context())
    assert connection.wire.sent == b"<proceed/>"


def test_clear_bytes_behind_starttls_are_forgotten(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    client = tls_client()
    connection.pause()
    connection.dataReceived(b"<injected/>")
    connection.start_tls(store.context())
    connection.resume()
    client.handshake()
    client.say(b"hello")
    assert connection.events == ["opened", "secured", "received hello"]


def test_clear_bytes_after_starttls_are_answered_with_an_alert_and_the_end(
    connection: Recorder, store: CertificateStore
) -> None:
    connection.start_tls(store.context())
    connection.dataReceived(b"<injected/>" * 10)
    connection.turn()
    assert connection.wire.sent[:1] == b"\x15"  # an alert (RFC 8446 §6)
    assert connection.wire.ended == "fin"
    connection.gone()
    assert connection.events[1].startswith("lost: TLS: ")


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 50,
        b"\xff" * 50,
        b"\x16\x03\x01\xff\xff" + b"x" * 70000,
        b"\x16\x03\x01\x00\x05" + b"\x01\x00\x00\x01\x00",
        b"\x17\x03\x03\x00\x10" + b"y" * 16,
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x14\x03\x03\x00\x01\x01" * 40,
        b"\x16\x03\x01\x00\x00" * 200,
    ],
)
def test_garbage_instead_of_a_handshake_ends_the_connection(
    connection: Recorder, store: CertificateStore, garbage: bytes
) -> None:
    connection.start_tls(store.context())
    connection.dataReceived(garbage)
    connection.turn()
    assert not connection.open
    assert connection.wire.ended == "fin"
    assert connection.events == ["opened"]


@pytest.mark.parametrize("position", [0, 3, 8, 20])
def test_a_damaged_record_ends_the_connection(
    connection: Recorder, store: CertificateStore, tls_client: Client, position: int
) -> None:
    _secure(connection, store, tls_client())
    record = bytearray(b"\x17\x03\x03\x00\x20" + bytes(32))
    record[position] ^= 0x55
    connection.dataReceived(bytes(record) + bytes(20000))
    connection.turn()
    assert not connection.open
    assert connection.events == ["opened", "secured"]


def test_a_handshake_may_come_byte_by_byte(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    whole = connection.dataReceived

    def dribble(data: bytes) -> None:
        for start in range(len(data)):
            whole(data[start : start + 1])

    connection.dataReceived = dribble
    client = tls_client()
    _secure(connection, store, client)
    client.say(b"hello")
    assert connection.events == ["opened", "secured", "received hello"]


def test_many_records_in_one_read_and_large_ones_arrive_whole(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    heard: list[bytes] = []
    connection.reply = heard.append
    client = tls_client()
    _secure(connection, store, client)
    for size in (1, 250, 16384, 50000, 0, 7):
        client.tls.write(b"z" * size)
    client.exchange()
    assert len(b"".join(heard)) == 1 + 250 + 16384 + 50000 + 7
    connection.write(b"y" * 500_000)
    connection.turn()
    assert client.hear() == b"y" * 500_000


def test_close_says_close_notify_before_fin(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    client = tls_client()
    _secure(connection, store, client)
    connection.write(b"bye")
    connection.close()
    connection.turn()
    assert client.hear() == b"bye"
    assert client.tls.read(10) == b""  # and not SSLWantReadError: the end was said
    assert connection.wire.ended == "fin"


def test_close_notify_of_the_peer_closes(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    client = tls_client()
    _secure(connection, store, client)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    client.exchange()
    connection.turn()
    assert connection.wire.ended == "fin"


def test_close_during_the_handshake_says_nothing_secret(
    connection: Recorder, store: CertificateStore
) -> None:
    connection.start_tls(store.context())
    connection.write(b"secret")
    connection.close()
    connection.turn()
    assert connection.wire.sent == b""
    assert connection.wire.ended == "fin"


def test_direct_tls_begins_with_the_first_byte(
    connect: Any, store: CertificateStore, tls_client: Client, connection: Recorder
) -> None:
    connection.direct_tls = store.context()
    connection.connectionMade()
    tls_client().handshake()
    assert connection.events == ["opened", "opened", "secured"]


@pytest.mark.parametrize(
    "offered, agreed",
    [
        (["xmpp-client"], "xmpp-client"),
        (["h2", "xmpp-client"], "xmpp-client"),
        (["h2"], None),
        ([], None),
    ],
)
def test_alpn_agrees_on_xmpp_client(
    connection: Recorder,
    store: CertificateStore,
    client_context: ssl.SSLContext,
    tls_client: Client,
    offered: list[str],
    agreed: str | None,
) -> None:
    if offered:
        client_context.set_alpn_protocols(offered)
    _secure(connection, store, tls_client())
    assert connection.engine.alpn == agreed


@pytest.mark.parametrize(
    "sni, certified",
    [
        ("example.net", "example.net"),
        ("EXAMPLE.net", "example.net"),
        ("example.org", "example.org"),
        ("unknown.example", "example.org"),
        (None, "example.org"),
        ("a" * 63 + ".b", "example.org"),
        ("x'; drop table.y", "example.org"),
    ],
)
def test_sni_chooses_the_certificate(
    connection: Recorder,
    store: CertificateStore,
    client_context: ssl.SSLContext,
    tls_client: Client,
    sni: str | None,
    certified: str,
) -> None:
    client_context.check_hostname = False
    client = tls_client(sni)
    _secure(connection, store, client)
    names = client.tls.getpeercert()["subjectAltName"]
    assert ("DNS", certified) in names


@pytest.mark.parametrize(
    "name", [b"\xff\xfe", b"\x80", b"a\x00b", b".", b"*", b"*.example.org", b"-" * 255, b"%s%n"]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of stdlib's ssl
def test_hostile_names_do_no_harm(store: CertificateStore, name: bytes) -> None:
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    client.set_connect_state()
    client.set_tlsext_host_name(name.replace(b"\0", b"!"))  # NUL: no client sends it willingly
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    engine = store.context().engine()
    try:
        engine.receive(client.bio_read(65536).replace(b"a!b", b"a\0b"))
    except TLSError:
        pass  # refused in OpenSSL or ssl, which is as good
    assert engine.outgoing()


@pytest.mark.parametrize("binding", ["tls-exporter", "tls-server-end-point"])
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_both_sides_have_the_same_channel_binding(
    openssl_store: CertificateStore, binding: str, version: int
) -> None:
    engine = openssl_store.context("example.net").engine()
    client = _pyopenssl_client(version)
    _shake(client, engine)
    certificate = client.get_peer_certificate(as_cryptography=True)
    assert certificate is not None
    if binding == "tls-exporter":
        expected = client.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    else:
        algorithm = certificate.signature_hash_algorithm
        assert algorithm is not None
        expected = certificate.fingerprint(algorithm)
    assert engine.channel_binding(binding) == expected


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_tls_unique_is_the_first_finished_below_tls_1_3(
    openssl_store: CertificateStore, version: int
) -> None:
    engine = openssl_store.context("example.net").engine()
    client = _pyopenssl_client(version)
    _shake(client, engine)
    expected = client.get_finished() if version == SSL.TLS1_2_VERSION else None
    assert engine.channel_binding("tls-unique") == expected


def test_tls_unique_is_the_servers_finished_in_a_resumed_session(
    openssl_store: CertificateStore,
) -> None:
    context = openssl_store.context("example.net")
    first = _pyopenssl_client(SSL.TLS1_2_VERSION)
    _shake(first, context.engine())
    session = first.get_session()
    assert session is not None
    resumed, engine = SSL.Connection(first.get_context(), None), context.engine()
    resumed.set_tlsext_host_name(b"example.net")
    resumed.set_connect_state()
    resumed.set_session(session)
    _shake(resumed, engine)
    assert engine.channel_binding("tls-unique") == resumed.get_peer_finished()


def test_end_point_binding_follows_sni(
    connection: Recorder, store: CertificateStore, tls_client: Client
) -> None:
    _secure(connection, store, tls_client("example.net"))
    other = CertificateStore(dict(reversed(store._pairs.items())))
    engine = other.context("example.net").engine()
    _shake(_pyopenssl_client(SSL.TLS1_3_VERSION), engine)
    ours = connection.engine.channel_binding("tls-server-end-point")
    assert ours == engine.channel_binding("tls-server-end-point")


def test_there_is_no_binding_of_unknown_type_nor_before_the_handshake(
    store: CertificateStore,
) -> None:
    engine = store.context().engine()
    names = ("tls-exporter", "tls-server-end-point", "tls-unique", "")
    assert [engine.channel_binding(name) for name in names] == [None] * 4


def test_the_standard_library_has_no_exporter(
    connection: Recorder, pairs: Any, tls_client: Client
) -> None:
    store = CertificateStore(pairs, TLSSettings(engine="stdlib"))
    _secure(connection, store, tls_client())
    assert connection.engine.channel_binding("tls-exporter") is None


@pytest.mark.parametrize(
    "version, ciphers",
    [
        (SSL.TLS1_1_VERSION, b"ALL:@SECLEVEL=0"),
        (SSL.TLS1_2_VERSION, b"ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"),
        (SSL.TLS1_2_VERSION, b"ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
        (SSL.TLS1_2_VERSION, b"AES128-GCM-SHA256:@SECLEVEL=0"),
        (SSL.TLS1_2_VERSION, b"aNULL:eNULL:@SECLEVEL=0"),
    ],
)
def test_old_versions_and_weak_suites_are_refused(
    store: CertificateStore, version: int, ciphers: bytes
) -> None:
    engine = store.context().engine()
    client = _pyopenssl_client(version, ciphers)
    with pytest.raises(TLSError):
        _shake(client, engine)
    assert engine.outgoing()[:1] == b"\x15"


def test_renegotiation_is_refused(store: CertificateStore) -> None:
    engine = store.context().engine()
    client = _pyopenssl_client(SSL.TLS1_2_VERSION)
    _shake(client, engine)
    client.renegotiate()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    engine.receive(client.bio_read(65536))
    client.bio_write(engine.outgoing())
    with pytest.raises(SSL.Error, match="no renegotiation"):
        client.do_handshake()


def test_a_client_certificate_is_optional_and_judged_later(tmp_path: Any, pairs: Any) -> None:
    store = CertificateStore(pairs, TLSSettings(ask_for_certificate=True))
    without, unknown = store.context().engine(), store.context().engine()
    _shake(_pyopenssl_client(SSL.TLS1_3_VERSION), without)
    assert without.peer_certificate is None
    assert (without.peer_verified, without.peer_problem) == (False, "no certificate")
    client = _pyopenssl_client(SSL.TLS1_3_VERSION, pair=self_signed(["romeo.example"], tmp_path))
    _shake(client, unknown)
    assert unknown.peer_certificate is not None
    assert not unknown.peer_verified
    assert "self signed" in unknown.peer_problem


def test_a_client_certificate_with_a_trusted_chain_is_verified(tmp_path: Any, pairs: Any) -> None:
    pair = self_signed(["romeo.example"], tmp_path)
    settings = TLSSettings(ask_for_certificate=True, authorities=str(pair[0]))
    engine = CertificateStore(pairs, settings).context().engine()
    _shake(_pyopenssl_client(SSL.TLS1_3_VERSION, pair=pair), engine)
    assert (engine.peer_verified, engine.peer_problem) == (True, "")


def test_this_pyopenssl_can_be_driven_directly() -> None:
    """When this fails a new pyOpenSSL has other private names: messages take twice the time."""
    assert openssl_direct.ENGINE is DirectEngine


@pytest.mark.parametrize("name", BINDINGS)
def test_without_a_binding_the_public_calls_do(name: str) -> None:
    others = {other: getattr(LIB, other) for other in BINDINGS if other != name}
    assert not direct_is_possible(SimpleNamespace(**others), FFI, _unconnected())


@pytest.mark.parametrize("name", HANDLES)
def test_without_a_handle_the_public_calls_do(name: str) -> None:
    connection = _unconnected()
    others = {other: getattr(connection, other) for other in HANDLES if other != name}
    stripped: Any = SimpleNamespace(**others, keep=connection)
    assert not direct_is_possible(LIB, FFI, stripped)


def test_where_a_bio_does_not_do_what_it_did_the_public_calls_do() -> None:
    bindings = {name: getattr(LIB, name) for name in BINDINGS}
    other = SimpleNamespace(**bindings | {"BIO_read": lambda bio, buffer, size: 2})
    assert not direct_is_possible(other, FFI, _unconnected())
    assert not direct_is_possible(LIB, None, _unconnected())
    assert not direct_is_possible(None, FFI, _unconnected())
    assert direct_is_possible(LIB, FFI, _unconnected())


SIZES = (1, 250, 511, 512, 513, 1024, 3000, 16383, 16384, 16385, 40000, 7)


@pytest.mark.parametrize("cut", [1, 5, 6, 100, 1000, 16384, 16500, 50000, 1 << 20])
def test_what_comes_in_does_not_depend_on_where_the_network_cuts_it(
    store: CertificateStore, cut: int
) -> None:
    engine, client = store.context().engine(), _pyopenssl_client(SSL.TLS1_3_VERSION)
    _shake(client, engine)
    sizes = SIZES if cut > 50 else (1, 250, 7, 0, 300)
    said = [bytes([number]) * size for number, size in enumerate(sizes)]
    for part in said:
        client.sendall(part)
    wire = client.bio_read(1 << 20)
    heard = [engine.receive(wire[at : at + cut]) for at in range(0, len(wire), cut)]
    assert b"".join(heard) == b"".join(said)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_messages_of_all_sizes_pass_in_turns(store: CertificateStore, version: int) -> None:
    engine, client = store.context().engine(), _pyopenssl_client(version)
    _shake(client, engine)
    for size in SIZES * 2:
        client.sendall(b"q" * size)
        assert engine.receive(client.bio_read(1 << 20)) == b"q" * size
        client.bio_write(engine.send(b"a" * size))
        assert _hear(client) == b"a" * size
    assert engine.outgoing() == b""


def test_a_key_update_is_answered_and_followed(store: CertificateStore) -> None:
    engine = store.context().engine()
    hand = Hand(engine)
    update_requested = b"\x18\0\0\x01\x01"  # RFC 8446 §4.6.3
    for _ in range(3):
        assert engine.receive(hand.record(HANDSHAKE, update_requested)) == b""
        hand.update()
        answer = engine.outgoing()  # OpenSSL may keep its own update until it sends data
        assert not engine.talks
        assert engine.receive(hand.record(DATA, b"after")) == b"after"
        hand.client.bio_write(answer + engine.send(b"answer"))
        assert _hear(hand.client) == b"answer"


def test_a_key_update_between_messages_loses_none(store: CertificateStore) -> None:
    engine = store.context().engine()
    hand = Hand(engine)
    wire = hand.record(DATA, b"before ") + hand.record(HANDSHAKE, b"\x18\0\0\x01\x01")
    hand.update()
    wire += hand.record(DATA, b"after")
    assert engine.receive(wire) == b"before after"
    hand.client.bio_write(engine.send(b"one") + engine.outgoing() + engine.send(b"two"))
    assert _hear(hand.client) == b"onetwo"


def test_empty_records_are_passed_over(store: CertificateStore) -> None:
    engine = store.context().engine()
    hand = Hand(engine)
    wire = b"".join(hand.record(DATA, part) for part in (b"", b"a", b"", b"", b"b", b""))
    assert engine.receive(wire) == b"ab"
    assert engine.receive(hand.record(DATA, b"")) == b""
    assert engine.receive(hand.record(DATA, b"c")) == b"c"
    assert not engine.closed


@pytest.mark.parametrize("together", [True, False])
def test_what_follows_close_notify_is_not_heard(store: CertificateStore, together: bool) -> None:
    engine = store.context().engine()
    hand = Hand(engine)
    last, end = hand.record(DATA, b"last"), hand.record(ALERT, b"\x01\0")
    wire = [last + end] if together else [last, end]
    assert b"".join(engine.receive(part) for part in wire) == b"last"
    assert engine.closed
    assert engine.receive(hand.record(DATA, b"more")) == b""
    assert engine.receive(b"not even TLS") == b""
    hand.client.bio_write(engine.close())
    with pytest.raises(SSL.ZeroReturnError):
        hand.client.recv(1)


def test_a_fatal_alert_of_the_peer_is_told(store: CertificateStore) -> None:
    engine = store.context().engine()
    alert = Hand(engine).record(ALERT, b"\x02\x50")
    with pytest.raises(TLSError, match="internal error"):
        engine.receive(alert)


def test_a_forged_record_is_refused_with_an_alert(store: CertificateStore) -> None:
    engine = store.context().engine()
    hand = Hand(engine)
    record = hand.record(DATA, b"forged")
    forged = record[:-1] + bytes([record[-1] ^ 1])
    with pytest.raises(TLSError, match=r"bad record mac|record layer failure"):
        engine.receive(forged)
    hand.client.bio_write(engine.outgoing())
    with pytest.raises(SSL.Error, match="bad record mac"):
        hand.client.recv(1)
    assert engine.close() == b""


def test_buffers_that_held_much_are_not_kept(pairs: Any) -> None:
    engine, client = CertificateStore(pairs).context().engine(), _pyopenssl_client(0x304)
    _shake(client, engine)
    before = engine._into, engine._from  # type: ignore[attr-defined]
    client.sendall(b"q" * 400)
    engine.receive(client.bio_read(1 << 20))
    engine.send(b"a" * 400)
    assert (engine._into, engine._from) == before  # type: ignore[attr-defined]
    client.sendall(b"q" * 4000)
    engine.receive(client.bio_read(1 << 20))
    engine.send(b"a" * 4000)
    assert engine._into != before[0]  # type: ignore[attr-defined]
    assert engine._from != before[1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_session_is_resumed_by_its_ticket(openssl_store: CertificateStore, version: int) -> None:
    context = openssl_store.context()
    first, engine = _pyopenssl_client(version), context.engine()
    _shake(first, engine)
    client = SSL.Connection(first.get_context(), None)
    client.set_tlsext_host_name(b"example.net")
    client.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        first.recv(1)  # takes the tickets
    session = first.get_session()
    assert session is not None
    client.set_session(session)
    again: Any = context.engine()
    _shake(client, again)
    assert LIB.SSL_session_reused(again._connection._ssl)


class Hand:
    """Writes records of TLS 1.3 with a client's keys: those that no library lets one write."""

    def __init__(self, engine: Any) -> None:
        lines: list[bytes] = []
        self.client = _pyopenssl_client(SSL.TLS1_3_VERSION, keys=lines)
        _shake(self.client, engine)
        assert self.client.get_cipher_name() == "TLS_AES_256_GCM_SHA384"
        (line,) = (line for line in lines if line.startswith(b"CLIENT_TRAFFIC_SECRET_0 "))
        self._take(bytes.fromhex(line.split()[2].decode()))

    def record(self, kind: int, content: bytes) -> bytes:
        """Protected (RFC 8446 §5.2)."""
        inner = content + bytes([kind])
        header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        nonce = (self._iv ^ self._sequence).to_bytes(12, "big")
        self._sequence += 1
        return header + AESGCM(self._key).encrypt(nonce, inner, header)

    def update(self) -> None:
        """The next generation of keys (§7.2)."""
        self._take(self._expand(b"traffic upd", 48))

    def _take(self, secret: bytes) -> None:
        self._secret = secret
        self._key = self._expand(b"key", 32)
        self._iv = int.from_bytes(self._expand(b"iv", 12), "big")
        self._sequence = 0

    def _expand(self, label: bytes, size: int) -> bytes:
        """HKDF-Expand-Label (§7.1)."""
        name = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
        return HKDFExpand(hashes.SHA384(), size, info).derive(self._secret)


def _hear(client: SSL.Connection) -> bytes:
    heard: list[bytes] = []
    try:
        while True:
            heard.append(client.recv(1 << 20))
    except SSL.WantReadError:
        return b"".join(heard)


def _unconnected() -> SSL.Connection:
    return SSL.Connection(SSL.Context(SSL.TLS_SERVER_METHOD), None)


def _pyopenssl_client(
    version: int,
    ciphers: bytes | None = None,
    pair: Any = None,
    keys: list[bytes] | None = None,
) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    if ciphers:
        context.set_cipher_list(ciphers)
    if pair:
        context.use_certificate_file(str(pair[0]))
        context.use_privatekey_file(str(pair[1]))
    if keys is not None:
        context.set_keylog_callback(lambda connection, line: keys.append(line))
    client = SSL.Connection(context, None)
    client.set_tlsext_host_name(b"example.net")
    client.set_connect_state()
    return client


def _shake(client: SSL.Connection, engine: Any) -> None:
    for _ in range(4):
        try:
            client.do_handshake()
        except SSL.WantReadError:
            pass
        try:
            engine.receive(client.bio_read(65536))
        except SSL.WantReadError:
            pass
        answer = engine.outgoing()
        if answer:
            client.bio_write(answer)
    assert engine.established
