"""Group commit: one COMMIT for many, each piece by itself, nothing said before it is durable."""

from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection as Tx
from sqlalchemy.engine import Engine
from twisted.internet.defer import Deferred, gatherResults

from xmppd.storage import (
    Database,
    DatabaseBusy,
    DatabaseDown,
    Repository,
    Schema,
    StorageError,
    batch,
    insert_ignore,
    row_id,
    table,
    upsert,
)

notes = table("t_note", row_id(), sa.Column("text", sa.Text, unique=True))
pairs = table(
    "t_pair",
    sa.Column("name", sa.String, primary_key=True),
    sa.Column(
        "of", sa.BigInteger, sa.ForeignKey(notes.c.id, deferrable=True, initially="DEFERRED")
    ),
)
SCHEMA = Schema("notes", [notes, pairs])


@pytest.fixture
def database(open_database: Callable[..., Database], turns: Any, url: str) -> Database:
    database = open_database(url)
    turns.wait(database.migrate([SCHEMA]))
    return database


@pytest.fixture
def committed() -> Iterator[list[Tx]]:
    seen: list[Tx] = []

    def note_commit(tx: Tx) -> None:
        seen.append(tx)

    event.listen(Engine, "commit", note_commit)
    yield seen
    event.remove(Engine, "commit", note_commit)


class Gate:
    """Work that holds the writer up until it is opened, so that what follows forms a group."""

    def __init__(self, database: Database) -> None:
        self._open, self._reached = Event(), Event()
        self.passed = database.run(self._wait)
        assert self._reached.wait(20)

    def _wait(self, tx: Tx) -> None:
        self._reached.set()
        assert self._open.wait(20)

    def open(self) -> None:
        self._open.set()


def note(text: str) -> Callable[[Tx], None]:
    def work(tx: Tx) -> None:
        tx.execute(notes.insert().values(host="h", text=text))

    return work


def texts(tx: Tx) -> list[str]:
    return list(tx.scalars(sa.select(notes.c.text).order_by(notes.c.id)))


def outcome(deferred: Deferred[Any]) -> Deferred[Any]:
    """Fires with the exception instead of failing with it."""
    return deferred.addErrback(lambda failure: failure.value)


def test_what_waits_is_one_commit(database: Database, turns: Any, committed: list[Tx]) -> None:
    gate = Gate(database)
    written = gatherResults([database.run(note(str(n))) for n in range(100)])
    gate.open()
    turns.wait(gate.passed)
    turns.wait(written)
    assert len(committed) == 2  # the gate's and theirs
    assert turns.wait(database.run(texts, reads=True)) == [str(n) for n in range(100)]


def test_a_group_is_reported_in_one_turn(database: Database, turns: Any) -> None:
    gate = Gate(database)
    written = [database.run(note(str(n))) for n in range(10)]
    gate.open()
    turns.wait(gate.passed)
    turns.wait(written[0])
    assert all(each.called for each in written)


def test_a_piece_that_fails_is_undone_alone(database: Database, turns: Any) -> None:
    def half(tx: Tx) -> None:
        note("half")(tx)
        raise LookupError("after writing")

    gate = Gate(database)
    works = [note("one"), half, note("one"), note("two")]
    results = [outcome(database.run(work)) for work in works]
    gate.open()
    first, second, third, fourth = turns.wait(gatherResults(results))
    assert (first, fourth) == (None, None)
    assert isinstance(second, LookupError)
    assert isinstance(third, sa.exc.IntegrityError)
    assert turns.wait(database.run(texts, reads=True)) == ["one", "two"]


def test_a_commit_that_fails_fails_all_of_its_group(database: Database, turns: Any) -> None:
    def dangling(tx: Tx) -> None:
        tx.execute(pairs.insert().values(host="h", name="x", of=999))

    gate = Gate(database)
    results = [outcome(database.run(work)) for work in (note("one"), dangling)]
    gate.open()
    assert all(isinstance(each, Exception) for each in turns.wait(gatherResults(results)))
    assert turns.wait(database.run(texts, reads=True)) == []
    turns.wait(database.run(note("later")))


def rolls_back(tx: Tx) -> None:
    tx.rollback()


def commits(tx: Tx) -> None:
    tx.commit()


def hides_that(tx: Tx) -> None:
    note("not acknowledged")(tx)
    try:
        tx.commit()
    except StorageError:
        pass


def goes_on_after_that(tx: Tx) -> None:
    note("lost")(tx)
    tx.rollback()
    note("not acknowledged")(tx)


@pytest.mark.parametrize("work", [rolls_back, commits, hides_that, goes_on_after_that])
def test_a_piece_that_ends_the_transaction_takes_nobody_along(
    database: Database, turns: Any, work: Callable[[Tx], None]
) -> None:
    gate = Gate(database)
    results = [outcome(database.run(each)) for each in (note("one"), work, note("two"))]
    gate.open()
    first, second, third = turns.wait(gatherResults(results))
    assert (first, third) == (None, None)
    assert isinstance(second, StorageError)
    assert turns.wait(database.run(texts, reads=True)) == ["one", "two"]


class Notes(Repository):
    """Notes how many rows came with each call of `put`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "h")
        self.calls: list[int] = []

    @batch
    def put(self, tx: Tx, rows: Sequence[str]) -> list[int]:
        self.calls.append(len(rows))
        tx.execute(notes.insert(), [{"host": "h", "text": text} for text in rows])
        return [len(text) for text in rows]


def test_calls_of_a_batch_that_wait_are_one_call(database: Database, turns: Any) -> None:
    gate, repository = Gate(database), Notes(database)
    written = [repository.put("x" * n) for n in range(1, 11)]
    between = database.run(note("between"), key=repository.key)
    written += [repository.put("y" * n) for n in range(1, 6)]
    gate.open()
    turns.wait(gate.passed)
    assert turns.wait(gatherResults(written)) == [*range(1, 11), *range(1, 6)]
    turns.wait(between)
    if database.url.get_backend_name() == "sqlite":  # else the gate may be another writer's
        assert repository.calls == [10, 5]
    lines = turns.wait(database.run(texts, reads=True))
    assert lines == [*("x" * n for n in range(1, 11)), "between", *("y" * n for n in range(1, 6))]


def test_of_a_batch_that_fails_only_those_fail_that_fail_alone(
    database: Database, turns: Any
) -> None:
    gate, repository = Gate(database), Notes(database)
    written = [outcome(repository.put(text)) for text in ("a", "b", "a", "c")]
    gate.open()
    turns.wait(gate.passed)
    a, b, again, c = (turns.wait(each) for each in written)
    assert (a, b, c) == (1, 1, 1)
    assert isinstance(again, sa.exc.IntegrityError)
    assert turns.wait(database.run(texts, reads=True)) == ["a", "b", "c"]


@pytest.mark.parametrize("alone", [True, False])
def test_success_is_never_reported_for_what_was_rolled_back(
    database: Database, turns: Any, alone: bool
) -> None:
    def hides_an_error(tx: Tx) -> None:
        note("kept?")(tx)
        try:
            note("kept?")(tx)
        except sa.exc.IntegrityError:
            pass  # PostgreSQL now answers COMMIT with ROLLBACK, and calls that no error

    gate = Gate(database)
    hidden = outcome(database.run(hides_an_error))
    others = [] if alone else [database.run(note("other"))]
    gate.open()
    error = turns.wait(hidden)
    turns.wait(gatherResults(others))
    kept = "kept?" in turns.wait(database.run(texts, reads=True))
    assert kept is (error is None)
    assert not others or "other" in turns.wait(database.run(texts, reads=True))


def test_writes_of_one_key_keep_their_order(database: Database, turns: Any) -> None:
    names = [str(n) for n in range(600)]
    turns.wait(gatherResults([database.run(note(name), key=("roster", "h")) for name in names]))
    assert turns.wait(database.run(texts, reads=True)) == names


def test_a_lone_write_needs_no_savepoint(database: Database, turns: Any) -> None:
    spoken: list[str] = []

    def spy(tx: Tx) -> None:
        driver: Any = tx.connection.dbapi_connection
        if tx.dialect.name == "sqlite":
            driver.set_trace_callback(spoken.append)
        note("alone")(tx)

    turns.wait(database.run(spy))
    assert not [each for each in spoken if "SAVEPOINT" in each]


def test_a_reader_cannot_write(database: Database, turns: Any) -> None:
    with pytest.raises(StorageError, match="tried to write"):
        turns.wait(database.run(note("sly"), reads=True))
    assert database.healthy
    assert turns.wait(database.run(texts, reads=True)) == []


def test_a_savepoint_of_ones_own_holds_an_expected_error(database: Database, turns: Any) -> None:
    def careful(tx: Tx) -> None:
        note("one")(tx)
        try:
            with tx.begin_nested():
                note("one")(tx)
        except sa.exc.IntegrityError:
            note("two")(tx)

    turns.wait(database.run(careful))
    assert turns.wait(database.run(texts, reads=True)) == ["one", "two"]


def test_upsert_and_insert_ignore_mean_the_same_everywhere(database: Database, turns: Any) -> None:
    class Local(str):
        """As a JID is: a string by another name."""

    def work(tx: Tx) -> list[Any]:
        note("one")(tx)
        number = tx.scalar(sa.select(notes.c.id))
        tx.execute(upsert(pairs, host="h", name=Local("a"), of=None))
        tx.execute(upsert(pairs, host="h", name=Local("a"), of=number))
        ignored = tx.execute(insert_ignore(pairs, host="h", name="a", of=None)).rowcount
        return [ignored, tx.scalar(sa.select(pairs.c.of)) == number]

    assert turns.wait(database.run(work)) == [0, True]


def test_beyond_the_bound_work_is_refused_at_once(
    open_database: Callable[..., Database], turns: Any, url: str
) -> None:
    database = open_database(url, waiting=5)
    gate = Gate(database)
    results = [outcome(database.run(lambda tx: None)) for _ in range(5)]
    assert isinstance(turns.wait(results[-1]), DatabaseBusy)  # no turn of a thread was needed
    gate.open()
    assert turns.wait(gatherResults(results[:-1])) == [None] * 4
    assert turns.wait(database.run(lambda tx: "again")) == "again"


def test_work_that_waits_too_long_fails_and_is_never_done(database: Database, turns: Any) -> None:
    gate = Gate(database)
    turns.advance(3)
    late = outcome(database.run(note("late")))
    turns.advance(7)
    assert isinstance(turns.wait(outcome(gate.passed)), DatabaseDown)
    assert not late.called
    turns.advance(3)
    assert isinstance(turns.wait(late), DatabaseDown)
    assert not database.healthy
    gate.open()
    turns.wait(database.run(note("next")))
    assert database.healthy
    assert turns.wait(database.run(texts, reads=True)) == ["next"]


def test_stop_commits_what_is_queued_and_refuses_the_rest(
    database: Database, open_database: Callable[..., Database], turns: Any, url: str
) -> None:
    gate = Gate(database)
    for n in range(20):
        database.run(note(str(n)))
    stopped = Deferred.fromCoroutine(database.stop())
    assert isinstance(turns.wait(outcome(database.run(note("too late")))), DatabaseDown)
    gate.open()
    turns.wait(stopped)
    assert not turns.getDelayedCalls()
    again = open_database(url)
    assert turns.wait(again.run(texts, reads=True)) == [str(n) for n in range(20)]


def test_stop_leaves_a_stuck_thread_behind_and_nobody_waiting(
    open_database: Callable[..., Database], turns: Any, url: str
) -> None:
    database = open_database(url)
    gate = Gate(database)
    turns.advance(5)
    stuck = outcome(database.run(note("stuck")))
    stopped = Deferred.fromCoroutine(database.stop())
    passed = outcome(gate.passed)
    turns.advance(10)
    turns.wait(stopped)
    assert isinstance(turns.wait(passed), DatabaseDown)
    assert isinstance(turns.wait(stuck), DatabaseDown)
    gate.open()


def test_a_slow_group_is_committed_before_all_of_it_is_done(
    database: Database, turns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xmppd.storage.lane.GROUP_S", -1.0)
    first_is_known = Event()

    def wait(tx: Tx) -> bool:
        return first_is_known.wait(30)

    gate = Gate(database)
    first, second = database.run(lambda tx: "done"), database.run(wait)
    gate.open()
    assert turns.wait(first) == "done"
    first_is_known.set()
    assert turns.wait(second)
