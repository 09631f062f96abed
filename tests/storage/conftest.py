"""A real database for each test: a SQLite file, and PostgreSQL where there is one.

XMPPD_TEST_POSTGRESQL=postgresql://user@host:port/name says where; the user may create databases,
and a database of our own is created there. XMPPD_TEST_POSTGRESQL_CONTROL=<data directory> says
that the server may also be stopped and started: with pg_ctl, by the owner of the directory, with
the address and port in its postgresql.conf.
"""

import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from xmppd.storage import Database
from xmppd.storage.engine import parse_url

T = TypeVar("T")
POSTGRESQL = os.environ.get("XMPPD_TEST_POSTGRESQL")


class Turns(Clock):
    """A reactor whose turns the test takes: time stands still, threads are real."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        self._calls.put(lambda: callable(*args, **kw))

    def turn(self) -> None:
        self._calls.get(timeout=30)()

    def wait(self, awaited: Awaitable[T]) -> T:
        async def it() -> T:
            return await awaited

        out: list[Any] = []
        Deferred.fromCoroutine(it()).addBoth(out.append)
        while not out:
            self.turn()
        if isinstance(out[0], Failure):
            out[0].raiseException()
        return out[0]


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    assert POSTGRESQL
    admin = sa.create_engine(
        parse_url(POSTGRESQL), isolation_level="AUTOCOMMIT", poolclass=NullPool
    )
    name = f"xmppd_test_{os.getpid()}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield parse_url(POSTGRESQL).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRESQL else ["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/xmppd.db"
    url: str = request.getfixturevalue("postgresql")
    engine = sa.create_engine(parse_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/xmppd.db"


@pytest.fixture
def open_database(turns: Turns) -> Iterator[Callable[..., Database]]:
    """Opens databases, with options, and stops them when the test is over."""
    opened: list[Database] = []

    def open_one(url: str, **options: Any) -> Database:
        database = Database(url, turns, **options)
        turns.wait(database.start())
        opened.append(database)
        return database

    yield open_one
    for database in opened:
        turns.wait(database.stop())
