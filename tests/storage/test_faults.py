"""What goes wrong with disks, servers and processes, and what is kept through it."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx
from twisted.internet.defer import Deferred

from xmppd.storage import Database, DatabaseDown, DiskFault, DiskFull, Schema, StorageError, table
from xmppd.storage import engine as engine_settings
from xmppd.storage.engine import parse_url

blobs = table("t_blob", sa.Column("name", sa.String, primary_key=True), sa.Column("text", sa.Text))
SCHEMA = Schema("blobs", [blobs])
CONTROL = os.environ.get("XMPPD_TEST_POSTGRESQL_CONTROL")


def put(name: str, text: str = "x") -> Callable[[Tx], None]:
    def work(tx: Tx) -> None:
        tx.execute(blobs.insert().values(host="h", name=name, text=text))

    return work


def names(tx: Tx) -> set[str]:
    return set(tx.scalars(sa.select(blobs.c.name)))


def outcome(deferred: Deferred[Any]) -> Deferred[Any]:
    return deferred.addErrback(lambda failure: failure.value)


@pytest.fixture
def open_with_table(open_database: Callable[..., Database], turns: Any) -> Callable[..., Database]:
    def it(url: str, **options: Any) -> Database:
        database = open_database(url, **options)
        turns.wait(database.migrate([SCHEMA]))
        return database

    return it


@pytest.mark.parametrize("round_", range(5))
def test_kill_loses_nothing_that_was_acknowledged(
    open_with_table: Callable[..., Database], turns: Any, url: str, round_: int
) -> None:
    database = open_with_table(url)
    script = str(Path(__file__).with_name("acknowledging_writer.py"))
    with subprocess.Popen([sys.executable, script, url], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        acknowledged = {writer.stdout.readline().decode().strip() for _ in range(1 + 70 * round_)}
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().decode()
    acknowledged |= set(rest[: rest.rfind("\n") + 1].split())
    assert len(acknowledged) > 70 * round_
    assert acknowledged <= turns.wait(database.run(names, reads=True))


def test_a_full_disk_keeps_nothing_half_and_recovers(
    open_with_table: Callable[..., Database], turns: Any, sqlite_url: str
) -> None:
    database = open_with_table(sqlite_url)
    limit = sa.text("PRAGMA max_page_count = 20")
    turns.wait(database.run(lambda tx: tx.execute(limit).close()))

    def two_rows(tx: Tx) -> None:
        put("small")(tx)
        put("large", "x" * 200_000)(tx)

    with pytest.raises(DiskFull):
        turns.wait(database.run(two_rows))
    assert not database.healthy
    assert turns.wait(database.run(names, reads=True)) == set()
    turns.wait(database.run(lambda tx: tx.exec_driver_sql("PRAGMA max_page_count=99999").close()))
    turns.wait(database.run(two_rows))
    assert database.healthy


def test_a_full_disk_fails_only_what_needs_room(
    open_with_table: Callable[..., Database], turns: Any, sqlite_url: str
) -> None:
    database = open_with_table(sqlite_url)
    turns.wait(database.run(lambda tx: tx.exec_driver_sql("PRAGMA max_page_count=20").close()))
    turns.wait(database.run(put("first")))
    works = [put("a"), put("large", "x" * 200_000), put("b")]
    results = [outcome(database.run(work)) for work in works]
    small, large, other = [turns.wait(each) for each in results]
    assert (small, type(large), other) == (None, DiskFull, None)


def test_a_locked_file_is_waited_for(
    open_with_table: Callable[..., Database],
    turns: Any,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_settings, "BUSY_MS", 10)
    database = open_with_table(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    patient = outcome(database.run(put("patient")))
    while database.healthy:
        turns.turn()
    turns.advance(10)
    assert isinstance(turns.wait(patient), DatabaseDown)
    patient = database.run(put("lucky"))
    other.close()
    turns.wait(patient)
    assert database.healthy
    assert turns.wait(database.run(names, reads=True)) == {"lucky"}


def test_a_file_that_is_no_database_is_refused_with_a_sentence(turns: Any, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all, " * 500)
    with pytest.raises(DiskFault, match=r"x\.db cannot be opened"):
        turns.wait(Database(f"sqlite:///{tmp_path}/x.db", turns).start())


@pytest.mark.parametrize(
    "url", ["sqlite:////nonexistent/x.db", "postgresql://nobody:secret@127.0.0.1:1/x"]
)
def test_a_database_out_of_reach_stops_the_start_with_a_sentence(turns: Any, url: str) -> None:
    with pytest.raises(StorageError, match="cannot be opened") as caught:
        turns.wait(Database(url, turns).start())
    assert "secret" not in str(caught.value)


def test_a_file_damaged_while_we_run_fails_its_readers_and_nothing_else(
    open_with_table: Callable[..., Database], turns: Any, sqlite_url: str
) -> None:
    database = open_with_table(sqlite_url)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    turns.wait(database.run(put("x" * 3000)))
    with sqlite3.connect(path) as outside:
        outside.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outside.close()
    with path.open("r+b") as file:
        file.seek(4096)  # all but the first page, which has the schema
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(DiskFault):
        turns.wait(database.run(names, reads=True))
    assert turns.wait(database.run(lambda tx: tx.scalar(sa.text("SELECT 1")), reads=True)) == 1


def test_a_rotten_byte_spoils_its_own_value_only(
    open_with_table: Callable[..., Database], turns: Any, sqlite_url: str
) -> None:
    database = open_with_table(sqlite_url)
    turns.wait(database.run(put("good")))
    rotten = "INSERT INTO t_blob VALUES ('h', 'rotten', CAST(x'41ff' AS TEXT))"
    turns.wait(database.run(lambda tx: tx.exec_driver_sql(rotten).close()))
    read = sa.select(blobs.c.text).order_by(blobs.c.name)
    found = turns.wait(database.run(lambda tx: list(tx.scalars(read)), reads=True))
    assert found == ["x", "A\ufffd"]


def test_the_file_is_for_the_server_alone(
    open_with_table: Callable[..., Database], sqlite_url: str
) -> None:
    open_with_table(sqlite_url)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    assert path.stat().st_mode & 0o077 == 0


def test_sqlite_syncs_at_each_commit(
    open_with_table: Callable[..., Database], turns: Any, sqlite_url: str
) -> None:
    database = open_with_table(sqlite_url)

    def settings(tx: Tx) -> list[Any]:
        asked = ("journal_mode", "synchronous", "foreign_keys")
        return [tx.exec_driver_sql(f"PRAGMA {each}").scalar() for each in asked]

    assert turns.wait(database.run(settings)) == ["wal", 2, 1]


if "XMPPD_TEST_POSTGRESQL" in os.environ:

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_writes_survive_a_connection_that_was_cut(
        open_with_table: Callable[..., Database], turns: Any, url: str
    ) -> None:
        database = open_with_table(url, writers=1, readers=1)
        turns.wait(database.run(put("before")))
        turns.wait(database.run(names, reads=True))
        cut = sa.create_engine(parse_url(url))
        with cut.connect() as tx:
            tx.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'xmppd' AND datname = current_database()"
            )
        cut.dispose()
        results = [database.run(put(name)) for name in ("one", "two", "three")]
        assert [turns.wait(each) for each in results] == [None] * 3
        turns.wait(database.run(names, reads=True))
        assert turns.wait(database.run(names, reads=True)) == {"before", "one", "two", "three"}

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_a_deadlock_is_tried_again(
        open_with_table: Callable[..., Database], turns: Any, url: str
    ) -> None:
        database = open_with_table(url, writers=2)
        for name in "ab":
            turns.wait(database.run(put(name)))
        tried: list[str] = []

        def crosswise(first: str, second: str) -> Callable[[Tx], None]:
            def work(tx: Tx) -> None:
                tried.append(first)
                tx.execute(sa.text("SET LOCAL deadlock_timeout = '50ms'"))
                for name in (first, second):
                    change = blobs.update().where(blobs.c.name == name)
                    tx.execute(change.values(text=blobs.c.text + first))
                    tx.execute(sa.text("SELECT pg_sleep(0.05)"))

            return work

        results = [
            database.run(crosswise(*order), key=key) for key, order in ((0, "ab"), (1, "ba"))
        ]
        assert [turns.wait(each) for each in results] == [None, None]
        assert len(tried) == 3


if CONTROL is not None:

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_a_server_that_went_away_and_came_back_needs_no_restart(
        open_with_table: Callable[..., Database], turns: Any, url: str
    ) -> None:
        database = open_with_table(url)
        turns.wait(database.run(put("before")))
        control("stop", "-m", "fast")
        try:
            lost = [outcome(database.run(put("lost"))), outcome(database.run(names, reads=True))]
            while database.healthy:
                turns.turn()
            turns.advance(10)
            assert {type(turns.wait(each)) for each in lost} == {DatabaseDown}
        finally:
            control("start")
        while not database.healthy:  # by itself, with nothing left to do
            turns.turn()
        turns.wait(database.run(put("after")))
        assert turns.wait(database.run(names, reads=True)) == {"before", "after"}

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_a_server_that_falls_silent_is_noticed_and_taken_up_again(
        open_with_table: Callable[..., Database], turns: Any, url: str
    ) -> None:
        database = open_with_table(url)
        backend = turns.wait(
            database.run(lambda tx: tx.scalar(sa.text("SELECT pg_backend_pid()")))
        )
        os.kill(backend, signal.SIGSTOP)
        try:
            waiting = [outcome(database.run(put(name))) for name in ("under way", "queued")]
            turns.advance(10)
            assert {type(turns.wait(each)) for each in waiting} == {DatabaseDown}
            assert not database.healthy
        finally:
            os.kill(backend, signal.SIGCONT)
        turns.wait(database.run(put("after")))
        assert database.healthy
        assert "queued" not in turns.wait(database.run(names, reads=True)) - {"under way"}

    def control(*command: str) -> None:
        assert CONTROL is not None
        owner = os.stat(CONTROL)
        subprocess.run(
            ["pg_ctl", "-D", CONTROL, "-w", "-s", "-l", "/dev/null", *command],
            check=True,
            user=owner.st_uid,
            group=owner.st_gid,
            cwd="/",
            env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/lib/postgresql/15/bin"},
        )
