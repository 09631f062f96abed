"""A thread with one connection, which does the work of one line, many pieces to a commit."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy.exc as sa_exc
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from twisted.internet.defer import Deferred

from xmppd.storage.engine import may_commit
from xmppd.storage.errors import (
    DatabaseDown,
    DiskFault,
    DiskFull,
    ReadOnly,
    StorageError,
    classified,
    collided,
)

A = TypeVar("A")
T = TypeVar("T")
Marker = Callable[[str], object]
TRIES = 3  # for a piece of work that lost its connection or a deadlock
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0  # between attempts to connect
GROUP_S = 1.0  # a group that took so long is committed: who is in it has a deadline


class Line:
    """Those who wait for the same thread or threads. `length` is the reactor thread's alone."""

    __slots__ = ("length", "queue")

    def __init__(self) -> None:
        self.queue: SimpleQueue[Job[Any] | None] = SimpleQueue()  # None: closing time
        self.length = 0


class Job(Generic[T]):
    """One piece of work, and who waits for it. `over`: nobody does any more."""

    __slots__ = ("deadline", "deferred", "error", "line", "over", "result", "work")

    def __init__(self, work: Callable[[Connection], T], line: Line, deadline: float) -> None:
        self.work = work
        self.line = line
        self.deadline = deadline
        self.deferred: Deferred[T] = Deferred()
        self.over = False
        self.result: T | None = None
        self.error: Exception | None = None


class BatchJob(Job[T]):
    """A piece of work that can be done together with others of equal `together`."""

    __slots__ = ("item", "together")

    def __init__(
        self,
        together: Callable[[Connection, Sequence[A]], Sequence[T]],
        item: A,
        line: Line,
        deadline: float,
    ) -> None:
        super().__init__(partial(_one, together, item), line, deadline)
        self.together: Callable[[Connection, Sequence[Any]], Sequence[T]] = together
        self.item = item


def _one(
    together: Callable[[Connection, Sequence[A]], Sequence[T]], item: A, connection: Connection
) -> T:
    return together(connection, [item])[0]


class Owner(Protocol):
    """Who is told, in the reactor's thread."""

    def delivered(self, jobs: Sequence[Job[Any]]) -> None: ...
    def failing(self, lane: "Lane", error: Exception) -> None: ...
    def recovered(self, lane: "Lane") -> None: ...
    def ended(self, lane: "Lane") -> None: ...


class _Meddling(StorageError):
    """A piece of work has tried to commit."""


class _Spoilt(Exception):
    """The transaction of a group cannot be saved; nothing of it was committed."""


class Lane:
    """Takes what waits in `line`, at most `most` pieces at a time, and commits it as one.

    `call` hands a call to the reactor's thread, in order: `reactor.callFromThread`.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        line: Line,
        most: int,
        owner: Owner,
        call: Callable[..., object],
        *,
        reads: bool,
    ) -> None:
        self._engine, self._line, self._most = engine, line, most
        self._owner, self._call = owner, call
        self._reads = reads
        self._connection: Connection | None = None
        self._trouble: Exception | None = None
        # On PostgreSQL a savepoint is two more round trips for each piece: try without them first,
        # and again with them when a piece fails. On SQLite they cost next to nothing.
        self._ways = (True,) if engine.dialect.name == "sqlite" else (False, True)
        self._committing = False
        event.listen(engine, "commit", self._guard)
        self._stopping = Event()
        self._thread = Thread(target=self._live, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Do what waits, then end; but wait for no database that is away."""
        self._stopping.set()
        self._line.queue.put(None)

    # All below runs in the lane's own thread.

    def _live(self) -> None:
        going = True
        while going:
            jobs, going = self._take()
            while jobs:
                try:
                    count = self._do(jobs)
                except Exception as error:  # whatever it is, the thread goes on serving
                    self._roll_back()
                    _fail(jobs, error)
                    count = len(jobs)
                self._call(self._owner.delivered, jobs[:count])
                jobs = jobs[count:]  # while it waits, a thread keeps nobody's results alive
            self._heal()
        self._drop()
        self._call(self._owner.ended, self)

    def _take(self) -> tuple[list[Job[Any]], bool]:
        """What waits now, after waiting for the first; and whether there is more to come."""
        jobs: list[Job[Any]] = []
        job = self._line.queue.get()
        try:
            while job is not None:
                jobs.append(job)
                if len(jobs) == self._most:
                    return jobs, True
                job = self._line.queue.get_nowait()
        except Empty:
            return jobs, True
        return jobs, False

    def _do(self, jobs: list[Job[Any]]) -> int:
        """How many of `jobs`, from the first on, are done with."""
        for isolate in self._ways if len(jobs) > 1 else ():
            if count := self._together(jobs, isolate):
                return count
        for job in jobs:
            if not job.over:
                self._alone(job)
        return len(jobs)

    def _together(self, jobs: list[Job[Any]], isolate: bool) -> int:
        """Commit the first of `jobs` as one, and say how many; 0: that cannot be, and nothing was
        committed.
        """
        connection = self._begin()
        begun = connection.get_transaction()
        try:
            count = (_isolated if isolate else _bare)(connection, _marker(connection), jobs)
            if not may_commit(connection, begun):
                raise _Spoilt
        except _Spoilt:
            self._roll_back()
            return 0
        self._commit(jobs[:count])
        return count

    def _alone(self, job: Job[Any]) -> None:
        for tries_left in reversed(range(TRIES)):
            try:
                connection = self._begin()
                if job.over:  # nobody waited as long as the database was away
                    self._roll_back()
                    return
                begun = connection.get_transaction()
                job.result, job.error = job.work(connection), None
                if not may_commit(connection, begun):
                    raise StorageError("the work has ended its transaction, or hidden an error")
            except Exception as error:
                self._roll_back()
                if tries_left and not job.over and _try_again(error):
                    continue
                job.error = classified(error, reads=self._reads)
                if _lost(error) or isinstance(job.error, DiskFull | ReadOnly):
                    self._notice(job.error)
            else:
                self._commit([job])
            return

    def _commit(self, jobs: list[Job[Any]]) -> None:
        assert self._connection is not None
        self._committing = True
        try:
            self._connection.commit()
        except Exception as error:
            fault = classified(error)
            self._roll_back()
            if _lost(error) or isinstance(fault, DiskFault):
                self._notice(fault)
            for job in jobs:
                job.error = fault
        else:
            self._recover()
        finally:
            self._committing = False

    def _guard(self, _connection: Connection) -> None:
        """Before each COMMIT: one by a piece would make half a group durable, maybe twice."""
        if not self._committing:
            raise _Meddling("work must not commit: that is done for it")

    def _begin(self) -> Connection:
        """A new transaction, however long the database is away; DatabaseDown when we stop."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                self._connection.begin()
            except Exception as error:
                self._drop()
                fault = classified(error)
                self._notice(DatabaseDown(str(error)) if fault is error else fault)
                if isinstance(fault, DiskFault):
                    raise fault from error
                if self._stopping.wait(pause):
                    raise DatabaseDown("stopped while the database was away") from error
                pause = min(pause * 2, LONGEST_PAUSE_S)
            else:
                if not isinstance(self._trouble, DiskFault):  # of that, only a commit is proof
                    self._recover()
                return self._connection

    def _heal(self) -> None:
        """Without anything to do: reach the database again, so that `healthy` tells the truth."""
        if self._trouble is None or isinstance(self._trouble, DiskFault):
            return
        try:
            self._begin()
        except StorageError:
            return
        self._roll_back()

    def _roll_back(self) -> None:
        if self._connection is None:
            return
        if self._connection.invalidated:
            self._drop()
            return
        try:
            self._connection.rollback()
            # A piece that ended SQLAlchemy's transaction leaves the driver with one that nobody
            # else would end.
            driver = self._connection.connection.dbapi_connection
            if driver is not None:
                driver.rollback()
        except Exception:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        for leave in (connection.close, connection.invalidate):
            try:
                leave()
                return
            except Exception:  # noqa: S112 - it is broken: that is why we leave it
                continue

    def _notice(self, error: Exception) -> None:
        if self._trouble is None:
            self._trouble = error
            self._call(self._owner.failing, self, error)

    def _recover(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            self._call(self._owner.recovered, self)


def _pieces(jobs: Sequence[Job[Any]]) -> Iterator[list[Job[Any]]]:
    """A group in pieces: a job, or several that are done together."""
    for _, alike in groupby(jobs, lambda job: job.together if type(job) is BatchJob else job):
        yield list(alike)


def _timely(jobs: Sequence[Job[Any]]) -> Iterator[list[Job[Any]]]:
    """The first pieces of a group: those that can be done in GROUP_S, one at least."""
    end = monotonic() + GROUP_S
    for piece in _pieces(jobs):
        yield piece
        if monotonic() > end:
            return


def _do(connection: Connection, piece: Sequence[Job[Any]]) -> None:
    wanted = [job for job in piece if not job.over]
    first = wanted[0] if wanted else None
    if isinstance(first, BatchJob):
        results = first.together(connection, [job.item for job in wanted])  # type: ignore[attr-defined]
        for job, result in zip(wanted, results, strict=True):
            job.result, job.error = result, None
    elif first is not None:
        first.result, first.error = first.work(connection), None


def _bare(connection: Connection, mark: Marker, jobs: Sequence[Job[Any]]) -> int:
    """Do all of a group, or _Spoilt: an error of one undoes all."""
    count = 0
    try:
        mark("SAVEPOINT whole")
        for piece in _timely(jobs):
            count += len(piece)
            _do(connection, piece)
        # Raises if a piece has ended the transaction, or has hidden an error inside of it.
        mark("RELEASE SAVEPOINT whole")
    except Exception as error:
        raise _Spoilt from error
    return count


def _isolated(connection: Connection, mark: Marker, jobs: Sequence[Job[Any]]) -> int:
    """Do all of a group, each under a savepoint: an error of its own undoes it alone."""
    count = 0
    try:
        for piece in _timely(jobs):
            count += len(piece)
            _do_isolated(connection, mark, piece)
    except Exception as error:
        raise _Spoilt from error
    return count


def _do_isolated(connection: Connection, mark: Marker, piece: Sequence[Job[Any]]) -> None:
    mark("SAVEPOINT piece")
    try:
        _do(connection, piece)
    except Exception as error:
        if _spoils(error):
            raise
        mark("ROLLBACK TO SAVEPOINT piece")
        if len(piece) == 1:
            piece[0].error = classified(error)
        else:
            for job in piece:
                _do_isolated(connection, mark, [job])
    mark("RELEASE SAVEPOINT piece")


def _marker(connection: Connection) -> Marker:
    """Executes on the driver itself: a savepoint by way of SQLAlchemy costs as much as a row."""
    driver: Any = connection.connection.dbapi_connection  # no common type for both drivers
    cursor = driver.cursor()
    if connection.dialect.name == "sqlite":
        return cursor.execute  # type: ignore[no-any-return]
    return partial(cursor.execute, prepare=False)


def _spoils(error: Exception) -> bool:
    return _try_again(error) or isinstance(classified(error), DiskFault | _Meddling)


def _try_again(error: Exception) -> bool:
    return _lost(error) or collided(error)


def _lost(error: Exception) -> bool:
    return isinstance(error, sa_exc.DBAPIError) and error.connection_invalidated


def _fail(jobs: Sequence[Job[Any]], error: Exception) -> None:
    fault = classified(error)
    for job in jobs:
        job.error = job.error or fault
