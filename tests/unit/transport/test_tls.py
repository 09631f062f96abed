"""Handshakes and records, against the standard library's client."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest
from OpenSSL import SSL
from zope.interface.verify import verifyObject

from xmppd.transport.certificates import self_signed
from xmppd.transport.store import CertificateStore, TLSSettings
from xmppd.transport.tls import ITLSEngine, TLSError

Recorder = Any  # of conftest.py, which is no module to import from
Client = Callable[..., Any]


def _secure(connection: Recorder, store: CertificateStore, client: Any) -> None:
    connection.start_tls(store.context("example.org"))
    client.handshake()
    assert connection.secure


def test_both_engines_have_the_interface(store: CertificateStore) -> None:
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
    before = len(connection.wire.socket.sends)
    for _ in range(10):
        connection.write(b"x" * 100)
    connection.turn()
    (record,) = connection.wire.socket.sends[before:]
    assert len(record) < 1050


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


def _pyopenssl_client(
    version: int, ciphers: bytes | None = None, pair: Any = None
) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    if ciphers:
        context.set_cipher_list(ciphers)
    if pair:
        context.use_certificate_file(str(pair[0]))
        context.use_privatekey_file(str(pair[1]))
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
