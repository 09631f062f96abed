"""SIGTERM, SIGHUP, reloads of modules and certificates, while people write to each other."""

import signal
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.faults.people import (
    DOMAIN,
    JULIET,
    NURSE,
    PATIENCE_S,
    ROMEO,
    TYBALT,
    Collector,
    Flood,
    comes_online,
    is_prefix,
    joins,
    populate,
    reads_offline,
    taken,
)
from tests.support.client import StreamEnded
from tests.support.server import ServerProcess
from xmppd.ns import STREAM_ERRORS

Serve = Callable[..., ServerProcess]


def test_sigterm_under_traffic_loses_nothing_and_tells_the_clients(serve: Serve) -> None:
    server = serve()
    juliet = Collector(comes_online(server, f"{JULIET}/balcony"))
    flood = Flood(joins(server, f"{ROMEO}/floods"), JULIET, NURSE).reaches(200)
    before = time.monotonic()
    server.stop()
    assert time.monotonic() - before < 10
    for each in (flood, juliet):
        each.waits_for_the_end()
        assert isinstance(each.ended, StreamEnded)
        assert each.ended.error is not None
        assert each.ended.error.child(STREAM_ERRORS, "system-shutdown") is not None
    server.start()
    got = {
        NURSE: reads_offline(server, NURSE),
        JULIET: juliet.messages + reads_offline(server, JULIET),
    }
    for user, came in got.items():
        assert is_prefix(came, flood.sent[user]), "in order, each once"
        assert len(came) >= len(flood.acknowledged[user])


def test_sighup_under_traffic_drops_no_stream_and_no_message(serve: Serve) -> None:
    server = serve()
    juliet = Collector(comes_online(server, f"{JULIET}/balcony"))
    flood = Flood(joins(server, f"{ROMEO}/floods"), JULIET, NURSE).reaches(50)
    for _ in range(3):
        mark = server.log_lines
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("The configuration is reloaded", since=mark)
        flood.reaches(50)
    flood.ends()
    assert juliet.until(lambda came: len(came) >= len(flood.sent[JULIET])) == flood.sent[JULIET]
    assert reads_offline(server, NURSE) == flood.sent[NURSE]


def test_modules_reloaded_under_traffic_lose_and_double_nothing(serve: Serve) -> None:
    server = serve()
    juliet = Collector(comes_online(server, f"{JULIET}/balcony"))
    flood = Flood(joins(server, f"{ROMEO}/floods"), JULIET, NURSE, TYBALT).reaches(50)
    for name in ("roster", "offline", "presence", "ping", "offline"):
        assert name in server.run("reload", module=name)
        flood.reaches(30)
    nurse = Collector(comes_online(server, f"{NURSE}/kitchen"))
    server.run("reload", module="offline")  # while it hands over
    flood.reaches(30).ends()
    sent = flood.sent
    assert juliet.until(lambda came: len(came) >= len(sent[JULIET])) == sent[JULIET]
    came = nurse.until(lambda came: set(came) >= set(sent[NURSE]))
    assert sorted(came) == sorted(sent[NURSE]), "each once; their order may suffer"
    assert reads_offline(server, TYBALT) == flood.sent[TYBALT]


def test_order_holds_from_offline_to_online(serve: Serve) -> None:
    server = serve()
    flood = Flood(joins(server, f"{ROMEO}/floods"), JULIET).reaches(300)
    juliet = Collector(comes_online(server, f"{JULIET}/balcony"))
    flood.reaches(300).ends()
    assert juliet.until(lambda came: len(came) >= len(flood.sent[JULIET])) == flood.sent[JULIET]


# Certificates


def certificate(folder: Path, *, days: int) -> bytes:
    """Make one that is good for so many days from now, negative: until then; it as DER."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        [x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)],
    )
    ends = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(name))
        .issuer_name(x509.Name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = folder / f"{DOMAIN}.key"
    secret.touch(mode=0o600)
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / f"{DOMAIN}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return made.public_bytes(serialization.Encoding.DER)


def shown(server: ServerProcess) -> bytes | None:
    """The certificate of a new connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    door = socket.create_connection(server.direct_tls, PATIENCE_S)
    with context.wrap_socket(door, server_hostname=DOMAIN) as tls:
        return tls.getpeercert(binary_form=True)


def hangs_up(server: ServerProcess, says: str) -> None:
    mark = server.log_lines
    server.send_signal(signal.SIGHUP)
    server.wait_for_log(says, since=mark)


def test_an_expired_certificate_is_told_of_and_replaced_without_dropping_streams() -> None:
    server = ServerProcess(hosts=[DOMAIN])
    folder = server.folder / "data" / "certificates"
    expired = certificate(folder, days=-1)
    with server:
        assert "expire" in server.log
        populate(server)
        old = joins(server, f"{ROMEO}/old")
        assert shown(server) == expired
        fresh = certificate(folder, days=90)
        hangs_up(server, "The configuration is reloaded")
        assert shown(server) == fresh
        (folder / f"{DOMAIN}.crt").write_text("no certificate")
        hangs_up(server, "The configuration was not reloaded")
        assert shown(server) == fresh
        taken(old)
        old.leaves()


# Memory


def test_under_memory_pressure_only_new_streams_are_refused(serve: Serve) -> None:
    server = serve(limits="memory = 0")
    old, text = joins(server, f"{ROMEO}/old"), server.config.read_text()
    server.config.write_text(text.replace("memory = 0", f"memory = {16 * 1024 * 1024}"))
    hangs_up(server, "The configuration is reloaded")
    with pytest.raises((StreamEnded, ConnectionError)):
        joins(server, f"{JULIET}/refused")
    taken(old)
    server.config.write_text(text)
    hangs_up(server, "The configuration is reloaded")
    joins(server, f"{JULIET}/admitted").leaves()
