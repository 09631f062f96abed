"""The database of the process: work goes to threads, results come back as Deferreds.

Writes are committed in groups: a writer takes all that waits, runs each piece of work under a
savepoint of its own, and commits once. A Deferred fires after the COMMIT that made it durable.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from threading import Thread
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from xmppd.storage.engine import make_engine, parse_url, protect_file
from xmppd.storage.errors import DatabaseBusy, DatabaseDown, StorageError, classified
from xmppd.storage.lane import BatchJob, Job, Lane, Line
from xmppd.storage.migrations import Schema, upgrade

A = TypeVar("A")
T = TypeVar("T")
STOP_S = 3.0  # for threads to end; who stops the server waits as long when the database hangs
LAST_S = 0.5  # for threads that are at work when time is up
log = Logger()


class Timer(Protocol):
    def active(self) -> bool: ...
    def cancel(self) -> None: ...


class Reactor(Protocol):
    """What is wanted of a reactor: time, and a way back from threads.

    `Any`, as Twisted has it: its calls take anything, and mypy cannot read IDelayedCall, which
    is a zope Interface.
    """

    def seconds(self) -> float: ...
    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any
    ) -> Any: ...
    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kw: Any) -> None: ...


class Database:
    """One for the process. All methods are for the reactor's thread.

    `url` is `sqlite:///path` (WAL; one writer, as SQLite has it) or
    `postgresql://user:password@host/name`; ValueError otherwise. At most `waiting` pieces of work
    wait for each writer, and for the readers; none waits longer than `timeout_s`.
    """

    def __init__(
        self,
        url: str,
        reactor: Reactor | None = None,
        *,
        readers: int = 2,
        writers: int = 4,
        waiting: int = 1000,
        group: int = 500,
        timeout_s: float = 10.0,
    ) -> None:
        self.url = parse_url(url)
        self._given_reactor = reactor
        self._most_waiting, self._group, self._timeout_s = waiting, group, timeout_s
        self._readers = readers
        self._writers = 1 if self.url.get_backend_name() == "sqlite" else writers
        self._running = False
        self._waiting: dict[Job[Any], None] = {}  # in order of their deadlines
        self._timer: Timer | None = None
        self._until = math.inf  # when nothing is waited for any more
        self._lanes: set[Lane] = set()
        self._failing: set[object] = set()  # lanes; and ourselves while nothing is answered
        self._stopped: Deferred[None] | None = None
        self._read_line = Line()
        self._write_lines = [Line() for _ in range(self._writers)]

    @property
    def healthy(self) -> bool:
        """Did the last that was asked of the database work? False before the start."""
        return self._running and not self._failing

    async def start(self) -> None:
        """Reach the database and begin to serve; raises a StorageError where that fails."""
        if self._given_reactor is None:
            from twisted.internet import reactor  # installs one, hence not at the top

            self._given_reactor = reactor
        await self._in_thread(self._reach)
        for number, line in enumerate(self._write_lines):
            self._open_lane(f"db-writer-{number}", line, self._group, reads=False)
        for number in range(self._readers):
            self._open_lane(f"db-reader-{number}", self._read_line, 1, reads=True)
        self._running = True

    async def migrate(self, schemas: Sequence[Schema]) -> list[str]:
        """Create or upgrade the tables of `schemas`; what was done, in sentences.

        May run while the database serves. Raises MigrationFailed and SchemaTooNew.
        """
        engine = make_engine(self.url, timeout_s=None)
        return await self._in_thread(partial(upgrade, engine, schemas))

    def hurry(self, left_s: float) -> None:
        """The server stops: nothing is waited for longer than that, however it came."""
        self._until = self._reactor.seconds() + left_s
        self._reactor.callLater(left_s, self._expire_all)

    def _expire_all(self) -> None:
        self._abandon(list(self._waiting), "the server stops")

    async def stop(self) -> None:
        """Commit all that waits, and close. New work is refused from now on."""
        if not self._running:
            return
        self._running = False
        self._stopped = Deferred()
        for lane in self._lanes:
            lane.stop()
        left_s = max(self._until - self._reactor.seconds(), LAST_S)
        give_up: Timer = self._reactor.callLater(
            min(self._timeout_s, STOP_S, left_s), self._give_up
        )
        await self._stopped
        if give_up.active():
            give_up.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._abandon(list(self._waiting), "the database was closed before it answered")

    def run(
        self, work: Callable[[Connection], T], *, reads: bool = False, key: Hashable = None
    ) -> Deferred[T]:
        """Do `work` in a transaction, in a thread; fires with its result, after the COMMIT.

        Writes with the same `key` are done and committed in the order of these calls. An exception
        in `work` undoes it alone and comes back as it is, if it is not the database's own fault:
        then it is a StorageError. DatabaseBusy: too much waits, nothing was done. DatabaseDown: no
        answer in time; work that had not begun will not be done, a write under way may still be
        committed. `work` may run more than once, see `transaction`. Cancelling undoes nothing.
        """
        line = self._read_line if reads else self._write_lines[hash(key) % self._writers]
        return self._enqueue(Job(work, line, self._deadline()))

    def run_in_batch(
        self,
        work: Callable[[Connection, Sequence[A]], Sequence[T]],
        item: A,
        *,
        key: Hashable = None,
    ) -> Deferred[T]:
        """As `run`; what waits side by side with equal `work` is done in one call of it, which
        gives a result for each item. If that fails, each is done alone.
        """
        line = self._write_lines[hash(key) % self._writers]
        return self._enqueue(BatchJob(work, item, line, self._deadline()))

    def _deadline(self) -> float:
        return min(self._reactor.seconds() + self._timeout_s, self._until)

    def _enqueue(self, job: Job[T]) -> Deferred[T]:
        line = job.line
        if not self._running:
            return fail(DatabaseDown("the database is not open"))
        if self._reactor.seconds() >= self._until:
            return fail(DatabaseDown("the server stops"))
        if line.length >= self._most_waiting:
            return fail(DatabaseBusy(f"{line.length} wait for the database already"))
        line.length += 1
        self._waiting[job] = None
        if self._timer is None:
            self._timer = self._reactor.callLater(self._timeout_s, self._expire)
        line.queue.put(job)
        return job.deferred

    # What lanes report.

    def delivered(self, jobs: Sequence[Job[Any]]) -> None:
        """These have been committed, or have failed; the lines are shorter by them."""
        if self in self._failing and jobs:
            self.recovered(self)
        for job in jobs:
            job.line.length -= 1
            if job.over:
                continue
            job.over = True
            del self._waiting[job]
            if job.error is None:
                job.deferred.callback(job.result)
            else:
                job.deferred.errback(job.error)

    def failing(self, lane: object, error: Exception) -> None:
        if not self._failing:
            log.error("The database fails: {error}", error=error)
        self._failing.add(lane)

    def recovered(self, lane: object) -> None:
        self._failing.discard(lane)
        if not self._failing:
            log.info("The database works again")

    def ended(self, lane: Lane) -> None:
        self._lanes.discard(lane)
        if not self._lanes and self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)

    def _give_up(self) -> None:
        log.error("{n} database threads are stuck, and left behind", n=len(self._lanes))
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)

    def _expire(self) -> None:
        """Fail those whose time is up; look again when the next one's will be."""
        now, self._timer = self._reactor.seconds(), None
        late = []
        for job in self._waiting:
            if job.deadline > now:
                self._timer = self._reactor.callLater(job.deadline - now, self._expire)
                break
            late.append(job)
        if late:
            sentence = f"no answer within {self._timeout_s:g} seconds"
            self.failing(self, DatabaseDown(sentence))
            self._abandon(late, sentence)

    def _abandon(self, jobs: Sequence[Job[Any]], why: str) -> None:
        for job in jobs:
            job.over = True
            del self._waiting[job]
        for job in jobs:
            job.deferred.errback(DatabaseDown(why))

    @property
    def _reactor(self) -> Reactor:
        assert self._given_reactor is not None, "start() comes first"
        return self._given_reactor

    def _open_lane(self, name: str, line: Line, most: int, *, reads: bool) -> None:
        engine = make_engine(self.url, reads=reads, timeout_s=self._timeout_s)
        lane = Lane(name, engine, line, most, self, self._reactor.callFromThread, reads=reads)
        self._lanes.add(lane)
        lane.start()

    def _reach(self) -> None:
        shown = self.url.render_as_string(hide_password=True)
        try:
            protect_file(self.url)
            with make_engine(self.url).connect() as connection:
                connection.execute(sa.text("SELECT 1"))
        except (sa.exc.DBAPIError, OSError) as error:
            fault = classified(error)
            kind = type(fault) if isinstance(fault, StorageError) else DatabaseDown
            why = fault if isinstance(fault, StorageError) else getattr(error, "orig", error)
            said = " ".join(str(why).split())  # libpq tells in several lines
            raise kind(f"the database {shown} cannot be opened: {said}") from error

    def _in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        """For the few things that are no piece of a group: a thread of its own, no time limit."""
        done: Deferred[T] = Deferred()
        call = self._reactor.callFromThread

        def body() -> None:
            try:
                result = work()
            except Exception as error:
                call(done.errback, error)
            else:
                call(done.callback, result)

        Thread(target=body, name="db-setup", daemon=True).start()
        return done
