"""What happens to one process: its log, its clock, its reactor, its data, its clients."""

import asyncio
import base64
import fcntl
import os
import random
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.people import (
    DOMAIN,
    JULIET,
    NURSE,
    PATIENCE_S,
    ROMEO,
    TYBALT,
    answer,
    chat,
    comes_online,
    condition,
    joins,
    ping,
    populate,
    reads_offline,
    taken,
    takes_until,
)
from tests.support.client import HEADER, TLSClient
from tests.support.server import CHECKOUT, PASSWORD, ServerProcess
from xmppd.jid import jid
from xmppd.ns import BIND, ROSTER, SASL

Serve = Callable[..., ServerProcess]
TRACEBACKS = pytest.mark.usefixtures("tracebacks_are_expected")
START_S = 10.0  # the longest that a start may take


# The log


class Bare(ServerProcess):
    """A server whose log goes into a pipe that the test reads, or does not."""

    def launch(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "xmppd", "--config", str(self.config)]
        return subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, bufsize=0)


def logged_until(child: "subprocess.Popen[bytes]", text: bytes) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if text in line:
            return
    raise AssertionError(f"it never logged {text!r}")


@pytest.fixture
def bare() -> Iterator[tuple[Bare, "subprocess.Popen[bytes]"]]:
    server = Bare()
    child = server.launch()
    logged_until(child, b"Serving ")
    populate(server)
    yield server, child
    child.kill()
    child.wait()
    server.clean()


def test_a_log_that_nobody_reads_blocks_nothing(
    bare: tuple[Bare, "subprocess.Popen[bytes]"],
) -> None:
    server, child = bare
    assert child.stderr is not None
    fcntl.fcntl(child.stderr, fcntl.F_SETPIPE_SZ, 8192)
    for number in range(60):  # each leaves two lines
        joins(server, f"{ROMEO}/{number}").leaves()
    os.set_blocking(child.stderr.fileno(), False)
    while child.stderr.read(65536):
        pass
    os.set_blocking(child.stderr.fileno(), True)
    joins(server, f"{ROMEO}/last").leaves()
    logged_until(child, b"entries of the log were lost")
    logged_until(child, b"session opened")


def test_a_log_that_is_closed_ends_nothing(bare: tuple[Bare, "subprocess.Popen[bytes]"]) -> None:
    server, child = bare
    assert child.stderr is not None
    child.stderr.close()
    romeo = joins(server, f"{ROMEO}/orchard")
    taken(romeo)
    romeo.leaves()
    child.terminate()
    assert child.wait(PATIENCE_S) == -15


# The reactor, and modules that fail


def test_a_blocked_reactor_is_logged_with_its_stack(troubled: ServerProcess) -> None:
    romeo = joins(troubled, f"{ROMEO}/orchard")
    romeo.sends(f"<iq type='get' id='b' to='{DOMAIN}'><block xmlns='urn:example:trouble'/></iq>")
    assert condition(answer(romeo, "b")) == ("", "")
    troubled.wait_for_log("reactor is blocked")
    troubled.wait_for_log("in block")
    taken(romeo)


@TRACEBACKS
def test_a_module_that_fails_for_one_stanza_fails_no_other(troubled: ServerProcess) -> None:
    juliet = comes_online(troubled, f"{JULIET}/balcony")
    romeo = joins(troubled, f"{ROMEO}/orchard")
    names = [f"{number}" for number in range(1000)]
    romeo.sends("".join(map(chat, [*names[:500], "crash", *names[500:], "last"])))
    assert takes_until(juliet, "last") == names
    taken(romeo)
    errors = [(stanza.get("id"), *condition(stanza)) for stanza in romeo.inbox]
    assert errors == [("crash", "cancel", "internal-server-error")]
    troubled.wait_for_log("trouble failed in")


# The clock


FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
if "XMPPD_TEST_FAKETIME" in os.environ:
    FAKETIME = Path(os.environ["XMPPD_TEST_FAKETIME"])


JUMPS_S = (0, 1500, 0, 3600, -3600, 86400, -86400, 1700)


def jumps(server: ServerProcess, jump: Callable[[int], object]) -> None:
    romeo, juliet = joins(server, f"{ROMEO}/orchard"), comes_online(server, f"{JULIET}/balcony")
    for number, seconds in enumerate(JUMPS_S):
        jump(seconds)
        time.sleep(0.3)  # for timers to go off that should not
        romeo.sends(chat(f"{number}", NURSE) + chat(f"{number}"))
        taken(romeo)
        answer(juliet, f"{number}")
        joins(server, f"{TYBALT}/street").leaves()
    jump(0)
    assert reads_offline(server, NURSE) == [f"{number}" for number in range(len(JUMPS_S))]
    for client in (romeo, juliet):
        taken(client)
        assert client.inbox == []


def test_jumps_of_the_wall_clock_end_no_session_and_change_no_order(
    troubled: ServerProcess, tmp_path: Path
) -> None:
    jumps(troubled, lambda seconds: (tmp_path / "clock").write_text(f"{seconds}"))


@pytest.mark.skipif(FAKETIME is None, reason="no libfaketime: apt install libfaketime")
def test_jumps_of_the_systems_clock_end_no_session_and_change_no_order(
    serve: Serve, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    server = serve(
        environment={
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
    )
    jumps(server, lambda seconds: clock.write_text(f"{seconds:+}"))


# Starts


def database_of(server: ServerProcess) -> sqlite3.Connection:
    return sqlite3.connect(server.folder / "data" / "xmppd.sqlite", isolation_level=None)


def test_a_crash_loop_ends_in_a_good_start(serve: Serve) -> None:
    server = serve()
    romeo = joins(server, f"{ROMEO}/orchard")
    romeo.sends(chat("1", NURSE))
    taken(romeo)
    server.kill()
    command = [sys.executable, "-m", "xmppd", "--config", str(server.config)]
    for round_ in range(4):
        child = subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(random.Random(round_).uniform(0.1, 1.5))
        child.kill()
        child.wait()
    server.start()
    assert reads_offline(server, NURSE) == ["1"]


@pytest.fixture
def full(serve: Serve) -> ServerProcess:
    """Killed, with one message in each table for messages: a test multiplies it."""
    server = serve()
    romeo = joins(server, f"{ROMEO}/orchard")
    romeo.sends(chat("m", NURSE))
    taken(romeo)
    server.kill()
    return server


def starts_in_time(server: ServerProcess) -> None:
    began = time.monotonic()
    server.start()
    assert time.monotonic() - began < START_S


def test_it_starts_in_time_with_a_hundred_thousand_messages_waiting(full: ServerProcess) -> None:
    with database_of(full) as tx:
        tx.execute("BEGIN")
        tx.execute(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)"
            " INSERT INTO offline (host, user, at, number, upto, size, stanza)"
            " SELECT host, 'user' || (n % 50), at + n, n / 50, n / 50 * size, size, stanza"
            " FROM offline, n"
        )
        tx.execute("COMMIT")
    starts_in_time(full)
    full.create(f"user7@{DOMAIN}")
    reader = joins(full, f"user7@{DOMAIN}/x")
    reader.sends("<presence/>")
    for _ in range(2000):
        answer(reader, "m")


def test_it_starts_in_time_with_a_million_archived_messages(full: ServerProcess) -> None:
    with database_of(full) as tx:
        names = [row[1] for row in tx.execute("PRAGMA table_info(archive)")]
        key = {"owner": "'user' || (n % 50)", "number": "number + n"}
        values = ", ".join(key.get(name, name) for name in names)
        tx.execute("BEGIN")
        tx.execute(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000000)"
            f" INSERT INTO archive ({', '.join(names)}) SELECT {values}"
            " FROM (SELECT * FROM archive LIMIT 1), n"
        )
        tx.execute("COMMIT")
    starts_in_time(full)
    romeo = joins(full, f"{ROMEO}/orchard")
    romeo.sends(chat("later", NURSE))
    assert reads_offline(full, NURSE)[-1] == "later"


def test_a_database_that_is_none_stops_the_start_with_a_sentence() -> None:
    server = ServerProcess()
    data = server.folder / "data"
    data.mkdir(mode=0o700)
    (data / "xmppd.sqlite").write_bytes(b"no database at all, " * 500)
    command = [sys.executable, "-m", "xmppd", "--config", str(server.config)]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    server.clean()
    assert ended.returncode == 1
    assert "xmppd cannot start" in ended.stderr
    assert "Traceback" not in ended.stderr


# Damaged rows


def flip(column: str) -> str:
    """SQL for a value with some of its bytes turned over."""
    return f"CAST(x'ff00' || substr({column}, 3, 20) || x'fe' || substr({column}, 24) AS TEXT)"


@TRACEBACKS
def test_damaged_rows_are_skipped_and_logged(serve: Serve) -> None:
    server = serve()
    romeo = joins(server, f"{ROMEO}/orchard")
    romeo.sends("".join(chat(f"{n}", JULIET) for n in range(5)))
    for contact in (NURSE, TYBALT):
        item = f"<item jid='{contact}' name='{contact}'><group>Verona</group></item>"
        romeo.sends(f"<iq type='set' id='r'><query xmlns='{ROSTER}'>{item}</query></iq>")
        answer(romeo, "r")
    romeo.sends("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>R</FN></vCard></iq>")
    answer(romeo, "v")
    for contact in (NURSE, TYBALT):
        romeo.sends(f"<presence to='{contact}' type='subscribe' id='asks'/>")
    taken(romeo)
    server.kill()
    for change in (
        f"UPDATE offline SET stanza = {flip('stanza')} WHERE number = 3",
        f"UPDATE roster_items SET groups = {flip('groups')} WHERE contact = '{NURSE}'",
        f"UPDATE vcard SET xml = {flip('xml')}",
        f"UPDATE roster_requests SET stanza = {flip('stanza')} WHERE user = 'nurse'",
    ):
        connection = database_of(server)
        assert connection.execute(change).rowcount == 1, change
        connection.close()
    mark = server.log_lines
    server.start()
    assert reads_offline(server, JULIET) == ["0", "1", "3", "4"]
    romeo = joins(server, f"{ROMEO}/orchard")
    assert contacts(romeo) == {TYBALT}
    romeo.sends("<iq type='get' id='v'><vCard xmlns='vcard-temp'/></iq>")
    assert condition(answer(romeo, "v")) == ("cancel", "item-not-found")
    comes_online(server, f"{NURSE}/kitchen")
    tybalt = joins(server, f"{TYBALT}/street")
    tybalt.sends("<presence/>")
    answer(tybalt, "asks")
    for said in (
        "a message for",
        "contact 'nurse@example.org'",
        "vcard: the card of",
        "a request",
    ):
        server.wait_for_log(said, since=mark)


def contacts(client: TLSClient) -> set[str]:
    client.sends(f"<iq type='get' id='roster'><query xmlns='{ROSTER}'/></iq>")
    query = answer(client, "roster").child(ROSTER, "query")
    assert query is not None
    return {item.get("jid") or "" for item in query.elements}


# Clients


def resident(server: ServerProcess) -> int:
    pages = Path(f"/proc/{server.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def test_a_client_that_never_reads_loses_its_session_and_nobody_else_anything(
    serve: Serve,
) -> None:
    server = serve(disable=["archive"])  # what the store has, not what it has twice
    juliet = comes_online(server, f"{JULIET}/balcony")
    romeo, tybalt = joins(server, f"{ROMEO}/orchard"), joins(server, f"{TYBALT}/street")
    before, mark = resident(server), server.log_lines
    number = 0
    while len(server.run("sessions")) == 3:
        assert number < 1000
        for _ in range(10):
            romeo.sends(chat(f"{number}", JULIET, "Night" * 20_000))
            number += 1
        taken(romeo)
        taken(tybalt)
        assert resident(server) - before < 128 * 1024 * 1024
    server.wait_for_log("reads too slowly", since=mark)
    juliet.socket.close()
    romeo.sends(chat("later"))
    taken(romeo)
    assert romeo.inbox == []
    kept = reads_offline(server, JULIET)
    assert kept[-1] == "later"
    assert kept[:-1] == [f"{n}" for n in range(number - len(kept) + 1, number)], "from the end on"


HERD = 200


def test_all_clients_come_back_at_once_and_others_are_served(serve: Serve) -> None:
    server = serve(c2s="sessions_per_account = 1000")
    assert asyncio.run(herd(server)) < 60


async def herd(server: ServerProcess) -> float:
    """Seconds until all are in again, after all connections were cut at once."""
    bystander = await Comer(server, f"{TYBALT}/street").comes()
    people = [Comer(server, f"{ROMEO}/{number}") for number in range(HERD)]
    for start in range(0, HERD, 50):
        await asyncio.gather(*(each.comes() for each in people[start : start + 50]))
    for each in people:
        each.is_cut()
    began = time.monotonic()
    coming = asyncio.gather(*(each.comes() for each in people))
    while not coming.done():
        await asyncio.wait_for(bystander.says(ping("here"), b"id='here'"), 10)
        await asyncio.sleep(0.05)
    await coming
    took = time.monotonic() - began
    assert len(server.run("sessions")) == HERD + 1
    for each in people:
        each.is_cut()
    return took


class Comer:
    """A client with direct TLS, one of many in one thread."""

    def __init__(self, server: ServerProcess, full: str) -> None:
        self._server, self._jid = server, jid(full)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    async def comes(self) -> "Comer":
        self._in, self._out = await asyncio.open_connection(
            *self._server.direct_tls, ssl=self._context, server_hostname=DOMAIN
        )
        plain = base64.b64encode(f"\0{self._jid.local}\0{PASSWORD}".encode()).decode()
        header = HEADER.format(to=DOMAIN)
        await self.says(header, b"</stream:features>")
        await self.says(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain}</auth>", b"<success")
        await self.says(header, b"</stream:features>")
        name = f"<resource>{self._jid.resource}</resource>"
        await self.says(f"<iq type='set' id='b'><bind xmlns='{BIND}'>{name}</bind></iq>", b"</iq>")
        return self

    async def says(self, text: str, until: bytes) -> None:
        self._out.write(text.encode())
        came = b""
        while until not in came:
            data = await asyncio.wait_for(self._in.read(65536), 60)
            assert data, came
            came += data

    def is_cut(self) -> None:
        self._out.transport.abort()
