"""A database for tests: SQLite in memory, in the calling thread, with Deferreds already fired."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import StaticPool
from twisted.internet.defer import Deferred, fail, succeed

from xmppd.storage.database import Database
from xmppd.storage.engine import begin_sqlite, may_commit, prepare_sqlite
from xmppd.storage.errors import DatabaseDown, StorageError, classified
from xmppd.storage.migrations import Schema, upgrade
from xmppd.storage.tables import metadata

A = TypeVar("A")
T = TypeVar("T")


class InlineDatabase(Database):
    """Serves from the start. Has the `tables` given, or else all that were declared so far."""

    def __init__(self, *tables: sa.Table) -> None:
        self.url = URL.create("sqlite")
        self._engine = sa.create_engine(
            self.url, poolclass=StaticPool, connect_args={"isolation_level": None}
        )
        event.listen(self._engine, "connect", partial(prepare_sqlite, reads=False))
        event.listen(self._engine, "begin", partial(begin_sqlite, reads=False))
        self._connection = self._engine.connect()
        self._running = True
        self._fault: Exception | None = None
        with self._connection.begin():
            for each in sa.schema.sort_tables(tables or metadata.tables.values()):
                each.create(self._connection)

    @property
    def healthy(self) -> bool:
        return self._running and self._fault is None

    def fail_with(self, fault: Exception | None) -> None:
        """Fail all that is asked from now on with `fault`, having done nothing; None ends that."""
        self._fault = fault

    async def start(self) -> None:
        """Nothing is left to do."""

    async def stop(self) -> None:
        """Close: what was stored is gone."""
        if self._running:
            self._running = False
            self._connection.close()
            self._engine.dispose()

    async def migrate(self, schemas: Sequence[Schema]) -> list[str]:
        return upgrade(self._engine, schemas)

    def run(
        self, work: Callable[[Connection], T], *, reads: bool = False, key: Hashable = None
    ) -> Deferred[T]:
        if not self._running:
            return fail(DatabaseDown("the database is not open"))
        if self._fault is not None:
            return fail(self._fault)
        try:
            return succeed(self._run(work, reads=reads))
        except Exception as error:
            return fail(classified(error, reads=reads))

    def run_in_batch(
        self,
        work: Callable[[Connection, Sequence[A]], Sequence[T]],
        item: A,
        *,
        key: Hashable = None,
    ) -> Deferred[T]:
        return self.run(lambda tx: work(tx, [item])[0], key=key)

    def _run(self, work: Callable[[Connection], T], *, reads: bool) -> T:
        tx = self._connection
        if tx.in_transaction():  # the real one would wait for itself, in a thread of its own
            raise StorageError("a method was called inside of a transaction: use its `.plain`")
        driver = tx.connection.cursor()
        try:
            with tx.begin() as begun:
                driver.execute(f"PRAGMA query_only = {int(reads)}")
                result = work(tx)
                if not may_commit(tx, begun):
                    raise StorageError("the work has ended its transaction, or hidden an error")
                return result
        finally:
            driver.execute("PRAGMA query_only = 0")
