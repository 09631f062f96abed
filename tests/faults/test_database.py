"""A database that is away, locked, slow or without room: who needs it is told so in time."""

import itertools
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import NEEDS_POSTGRESQL, Cluster
from tests.faults.people import (
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
    populate,
    reads_offline,
    taken,
)
from tests.faults.phones import Phone, R
from tests.support.client import TLSClient
from tests.support.server import ServerProcess
from xmppd.jid import jid
from xmppd.ns import SASL

Serve = Callable[..., ServerProcess]
IN_TIME_S = 15.0  # 10 s for the database, and what a busy machine takes on top
NOTE = "<query xmlns='jabber:iq:private'><note xmlns='urn:example:note'/></query>"
WAIT = {("wait", "internal-server-error"), ("wait", "resource-constraint")}


def asks(kind: str, id_: str) -> str:
    return f"<iq type='{kind}' id='{id_}'>{NOTE}</iq>"


def database_of(server: ServerProcess) -> Path:
    return server.folder / "data" / "xmppd.sqlite"


class Outage:
    """A server with people on it, before, during and after its database is away."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.romeo = comes_online(server, f"{ROMEO}/orchard")
        self.juliet = comes_online(server, f"{JULIET}/balcony")
        self.writer = joins(server, f"{ROMEO}/writes")
        self.romeo.sends(chat("known", NURSE))  # that there is such an account
        taken(self.romeo)

    def begins(self) -> None:
        self.romeo.sends(asks("get", "read"))
        self.juliet.sends(asks("set", "write"))
        self.writer.sends(chat("lost", NURSE))
        self.began = time.monotonic()

    def online_chat_goes_on(self) -> None:
        """Between sessions that do not wait for an answer of their own."""
        tybalt = self.bystander
        tybalt.sends(chat("hello", f"{TYBALT}/other"))
        assert answer(self.other, "hello").get("from") == f"{TYBALT}/street"
        taken(tybalt)

    def invites_bystanders(self) -> None:
        self.bystander = comes_online(self.server, f"{TYBALT}/street")
        self.other = comes_online(self.server, f"{TYBALT}/other")
        self.online_chat_goes_on()

    def refuses(self, client: TLSClient, id_: str) -> None:
        assert condition(answer(client, id_)) in WAIT
        assert time.monotonic() - self.began < IN_TIME_S

    def is_over(self) -> None:
        """It works again in five seconds, by itself, on the same streams."""
        over = time.monotonic()
        tries = itertools.count()
        for client in (self.romeo, self.juliet, self.writer, self.bystander, self.other):
            taken(client)
            while True:
                id_ = f"again-{next(tries)}"
                client.sends(asks("set", id_))
                if condition(answer(client, id_)) == ("", ""):
                    break
                assert time.monotonic() - over < 5
        self.writer.sends(chat("found", NURSE))
        taken(self.writer)
        kept = reads_offline(self.server, NURSE)
        assert (kept[0], kept[-1]) == ("known", "found")
        assert len(set(kept)) == len(kept)


def refused_login(server: ServerProcess, user: str) -> str:
    """The condition with which SASL fails."""
    client = TLSClient(server.address, jid(f"{user}/late"))
    client.socket.settimeout(PATIENCE_S)
    client.opens()
    client.secures()
    outcome = client.proves()
    assert (outcome.ns, outcome.name) == (SASL, "failure")
    return outcome.elements[0].name


def test_while_sqlite_is_locked_writers_are_told_to_wait(serve: Serve) -> None:
    server = serve(disable=["archive"])
    outage = Outage(server)
    outage.invites_bystanders()
    lock = sqlite3.connect(database_of(server), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    outage.begins()
    outage.online_chat_goes_on()
    assert condition(answer(outage.romeo, "read")) == ("", "")  # readers need no lock
    outage.refuses(outage.juliet, "write")
    outage.refuses(outage.writer, "lost")
    lock.rollback()
    lock.close()
    outage.is_over()


def test_a_message_that_cannot_be_archived_is_given_back_and_not_delivered(serve: Serve) -> None:
    server = serve()
    romeo, juliet = joins(server, f"{ROMEO}/orchard"), comes_online(server, f"{JULIET}/balcony")
    lock = sqlite3.connect(database_of(server), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    romeo.sends(chat("lost", JULIET))
    assert condition(answer(romeo, "lost")) in WAIT
    assert time.monotonic() - began < IN_TIME_S
    lock.rollback()
    lock.close()
    romeo.sends(chat("found", JULIET))
    answer(juliet, "found")
    assert "lost" not in [stanza.get("id") for stanza in juliet.inbox]


def test_nothing_is_acknowledged_before_it_is_stored_and_all_is_afterwards(serve: Serve) -> None:
    """Of who counts stanzas (XEP-0198), also over a resumption in the middle of it."""
    server = serve()
    phone = Phone(server, f"{ROMEO}/phone")
    phone.client.sends(chat("known", NURSE))  # that there is such an account
    assert phone.acknowledged() == 1
    lock = sqlite3.connect(database_of(server), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    phone.client.sends("".join(chat(f"{n}", NURSE) for n in range(10)) + R)
    phone.client.socket.settimeout(2)
    with pytest.raises(TimeoutError):
        phone.client.reads()
    phone.client.socket.settimeout(PATIENCE_S)
    lock.rollback()
    lock.close()
    assert phone.nonza("a").get("h") == "11"
    phone.cuts()
    assert phone.comes_back().get("h") == "11"
    assert reads_offline(server, NURSE) == ["known", *(f"{n}" for n in range(10))]


def test_a_server_whose_database_hangs_stops_in_time(serve: Serve) -> None:
    server = serve()
    romeo = joins(server, f"{ROMEO}/orchard")
    lock = sqlite3.connect(database_of(server), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    romeo.sends(chat("lost", NURSE))
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10
    lock.close()


# PostgreSQL


@NEEDS_POSTGRESQL
@pytest.mark.parametrize(
    "away, back",
    [(Cluster.stop, Cluster.start), (Cluster.freeze, Cluster.thaw)],
    ids=["stopped", "frozen"],
)
def test_while_postgresql_is_away_streams_stay_and_who_needs_it_is_told_to_wait(
    cluster: Cluster, away: Callable[[Cluster], None], back: Callable[[Cluster], None]
) -> None:
    server = ServerProcess(database=f'url = "{cluster.url}"', disable=["archive"])
    with server:
        populate(server)
        outage = Outage(server)
        outage.invites_bystanders()
        away(cluster)
        try:
            outage.begins()
            outage.online_chat_goes_on()
            assert refused_login(server, NURSE) == "temporary-auth-failure"
            outage.refuses(outage.romeo, "read")
            outage.refuses(outage.juliet, "write")
            outage.refuses(outage.writer, "lost")
        finally:
            back(cluster)
        outage.is_over()
        for user in server.accounts():
            server.delete(user)


# Slow, and bounded


def test_a_slow_database_slows_nobody_who_does_not_need_it(
    troubled: ServerProcess, tmp_path: Path
) -> None:
    bystander = joins(troubled, f"{TYBALT}/street")
    crowd = [joins(troubled, f"{ROMEO}/{number}") for number in range(18)]
    crowd[0].sends(chat("known", NURSE))
    taken(crowd[0])
    (tmp_path / "slow").touch()
    slow = joins(troubled, f"{JULIET}/balcony")
    for number, client in enumerate(crowd):
        client.sends(chat(f"{number}", NURSE))
    for number in range(10):
        asked = time.monotonic()
        taken(bystander)
        assert time.monotonic() - asked < 1, f"ping {number}"
    for client in crowd:
        taken(client)
    taken(slow)
    (tmp_path / "slow").unlink()
    errors = {stanza.get("id"): condition(stanza) for c in crowd for stanza in c.inbox}
    assert ("wait", "resource-constraint") in errors.values(), "the queue is bounded"
    assert set(errors.values()) <= WAIT
    kept = reads_offline(troubled, NURSE)
    assert kept[0] == "known"
    assert set(kept) >= {f"{number}" for number in range(18)} - errors.keys()
    assert len(set(kept)) == len(kept)


# No room


def test_without_room_writers_are_told_and_nothing_is_kept_half(
    troubled: ServerProcess, tmp_path: Path
) -> None:
    runs_out_of_room(troubled, (tmp_path / "full").touch, (tmp_path / "full").unlink)


@pytest.fixture
def small_disk() -> Iterator[ServerProcess]:
    """A server whose data lies on a file system of a few megabytes."""
    server = ServerProcess(disable=["archive"])
    disk = server.folder / "data"
    disk.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "none", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system needs the right to mount one")
    try:
        yield server
    finally:
        server.kill()
        subprocess.run(["umount", str(disk)], check=True)
        server.clean()


def test_on_a_full_disk_writers_are_told_and_nothing_is_kept_half(
    small_disk: ServerProcess,
) -> None:
    small_disk.start()
    populate(small_disk)
    filler = small_disk.folder / "data" / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                return

    runs_out_of_room(small_disk, fill, filler.unlink)
    small_disk.assert_no_traceback()


def runs_out_of_room(
    server: ServerProcess, fill: Callable[[], None], free: Callable[[], None]
) -> None:
    romeo, juliet = joins(server, f"{ROMEO}/orchard"), comes_online(server, f"{JULIET}/balcony")
    numbers, refused = itertools.count(), dict[str, tuple[str, str]]()

    def says() -> bool:
        """Whether the message for who is offline was taken."""
        id_ = f"{next(numbers)}"
        romeo.sends(chat(id_, NURSE, "Night" * 1000))
        taken(romeo)
        for stanza in romeo.inbox:
            refused[stanza.get("id") or ""] = condition(stanza)
        romeo.inbox.clear()
        return id_ not in refused

    assert says()
    fill()
    while says():  # what room there is in files that are there already
        pass
    for _ in range(5):
        assert not says()
    assert set(refused.values()) == {("wait", "resource-constraint")}
    romeo.sends(asks("set", "set") + chat("online", JULIET))
    assert condition(answer(romeo, "set"))[0] in ("wait", "")
    answer(juliet, "online")
    late = joins(server, f"{TYBALT}/late")
    free()
    over = time.monotonic()
    while not says():
        assert time.monotonic() - over < 5
    taken(late)
    kept = [id_ for id_ in map(str, range(next(numbers))) if id_ not in refused]
    assert reads_offline(server, NURSE) == kept
    with sqlite3.connect(database_of(server)) as look:
        assert look.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    look.close()
