"""A server with short patience and small limits: time before login, and addresses (L1, L3)."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.abuse.server import USERS, Server
from tests.abuse.wire import HEADER, STARTTLS, Scram, Wire, challenge_of, password_of, respond

OPTIONS = """
login_timeout = 2
[c2s.limits]
unauthenticated_per_address = 10
connections_per_second = 20
[auth]
scram_iterations = 10000
failures = 1000
[log]
level = "debug"
"""
LATE_S = 6.0


@pytest.fixture(scope="module")
def strict(
    tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("strict"), certificate, OPTIONS)
    try:
        yield server.start()
    finally:
        server.stop()


def closes_in_time(strict: Server, wires: dict[str, Wire]) -> dict[str, str]:
    """How each ended, though bytes trickle in all the time."""
    for _ in range(int(LATE_S / 0.25)):
        for name, wire in wires.items():
            if wire.ended:
                continue
            wire.socket.settimeout(0.25 / len(wires))
            wire.send({"loris": b"x", "whitespace": b" ", "after TLS": b" "}.get(name, b""))
            try:
                wire._more()
            except TimeoutError:
                continue
        if all(wire.ended for wire in wires.values()):
            break
    return {name: wire.ended for name, wire in wires.items()}


def test_who_does_not_log_in_in_time_is_sent_away(strict: Server) -> None:
    """Eight ways of wasting it, all at once, for all have to wait."""
    stalled = Wire(strict).header().send(STARTTLS)
    stalled.until("<proceed")
    wires = {
        "silence": Wire(strict),
        "header": Wire(strict).header(),
        "loris": Wire(strict).header().send("<iq a='"),
        "whitespace": Wire(strict).header(),
        "after TLS": Wire(strict).secured(),
        "stalled TLS": stalled,
        "direct TLS": Wire(strict, port=strict.tls_port),
        "half hello": Wire(strict, port=strict.tls_port).send(b"\x16\x03\x01\x02"),
        "no bind": Wire(strict).login("romeo"),
    }
    ends = closes_in_time(strict, wires)
    assert set(ends.values()) <= {"fin", "reset", "tls alert"}, ends
    for name, wire in wires.items():
        assert "connection-timeout" in strict.logged(wire.source), name
    for name in ("silence", "header", "loris", "whitespace", "after TLS", "no bind"):
        assert b"<connection-timeout" in wires[name].received, name
    strict.is_well()


def strangers(strict: Server, source: str, count: int) -> list[bool]:
    """Who of so many connections is served."""
    wires = [Wire(strict, source=source).send(HEADER) for _ in range(count)]
    served = [b"<stream:features" in until_features_or_end(wire) for wire in wires]
    for wire in wires:
        wire.close()
    return served


def until_features_or_end(wire: Wire) -> bytes:
    while b"</stream:features>" not in wire.received and not wire.ended:
        wire._more()
    return wire.received


@pytest.mark.parametrize("count", [9, 10, 11])
def test_an_address_has_so_many_connections_without_login(strict: Server, count: int) -> None:
    source = strict.new_address()
    served = strangers(strict, source, count)
    assert served == [True] * min(count, 10) + [False] * (count - 10)
    strict.is_well()


def test_a_closed_connection_counts_no_more(strict: Server) -> None:
    source = strict.new_address()
    assert all(strangers(strict, source, 9))
    last = Wire(strict, source=source).header()
    last.send("</stream:stream>").until_closed()
    assert all(strangers(strict, source, 5))


def test_who_has_logged_in_counts_no_more(strict: Server) -> None:
    source = strict.new_address()
    known = [Wire(strict, source=source).session("mallory") for _ in range(3)]
    assert strangers(strict, source, 11) == [True] * 10 + [False]
    for wire in known:
        wire.sync().close()


def test_an_address_has_so_many_new_connections_a_second(strict: Server) -> None:
    source = strict.new_address()
    served = 0
    for _ in range(60):
        wire = Wire(strict, source=source).send(HEADER + "</stream:stream>")
        served += b"<stream:features" in until_features_or_end(wire)
        wire.close()
    assert 20 <= served < 60
    Wire(strict).header().close()  # another address is not concerned
    strict.is_well()


def test_strangers_never_take_the_last_descriptors(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    server = Server(tmp_path, certificate)
    server.start(["bystander", "romeo"], "prlimit", "--nofile=240:240", "--")
    try:
        many = [Wire(server).send(HEADER) for _ in range(400)]
        served = sum(b"<stream:features" in until_features_or_end(wire) for wire in many)
        assert 60 <= served <= 120  # half of the descriptors, less what the server itself needs
        assert server.descriptors() <= 240 - 64
        server.is_well()
        before = server.processor_s()
        server.is_well()
        assert server.processor_s() - before < 0.5  # no busy loop
        for wire in many:
            wire.close()
        server.settles_at(100)
        Wire(server).session("romeo").close()
        assert "descriptors" in server.logged()
        assert "Traceback" not in server.logged()
    finally:
        server.stop()


def test_no_secret_is_logged_at_any_level(strict: Server) -> None:
    wrong = "guessed wrong password"
    for user in ("romeo", "nobody"):
        Wire(strict).secured().auth("PLAIN", f"\0{user}\0{wrong}".encode()).outcome()
    Wire(strict).session("romeo").sync().close()
    scram = Scram("juliet")
    wire = Wire(strict).secured().auth("SCRAM-SHA-256", scram.first)
    final = scram.final(challenge_of(wire))
    assert respond(wire, final).outcome() == "success"
    bad = Wire(strict).secured().auth("PLAIN", f"\0romeo\0{wrong}".encode())
    bad.send("<broken" + "<" * 3)
    log = strict.logged()
    secrets = [wrong, final.decode().partition("p=")[2], *(password_of(user) for user in USERS)]
    for secret in secrets:
        assert secret not in log
    for user in (*USERS, "nobody"):
        for password in (wrong, password_of(user)):
            assert base64.b64encode(f"\0{user}\0{password}".encode()).decode() not in log
            assert base64.b64encode(password.encode()).decode().rstrip("=") not in log


def test_a_connection_that_is_refused_is_told_to_the_operator(strict: Server) -> None:
    source = strict.new_address()
    strangers(strict, source, 15)
    assert "was refused" in strict.logged()


def test_the_log_has_no_traceback(strict: Server) -> None:
    assert "Traceback" not in strict.logged()
