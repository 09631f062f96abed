"""SQLAlchemy engines, set up so that a commit means what we say it means."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, Transaction
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

BUSY_MS = 2000  # how long SQLite waits for a lock of another process before we look around
CONNECT_S = 3  # a server that drops our packets is asked anew this often
# libpq's PQTRANS_IDLE (nothing was sent yet) and PQTRANS_INTRANS
PG_IDLE, PG_IN_TRANSACTION = 0, 2

# A byte that rotted on the disk shall spoil its own value, not every row that is read with it.
_text = partial(str, encoding="utf-8", errors="replace")


def parse_url(url: str) -> URL:
    """`sqlite:///path` or `postgresql://user:password@host/name`; ValueError for anything else."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError(f"the database {url!r} names no file, and would not outlive us")
        return parsed.set(drivername="sqlite")
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise ValueError(f"unknown database {parsed.drivername!r}: it is sqlite or postgresql")


def make_engine(url: URL, *, reads: bool = False, timeout_s: float | None = 10.0) -> Engine:
    """An engine for threads that keep one connection each, so it needs no pool.

    `reads`: its transactions cannot write. `timeout_s` bounds one statement (PostgreSQL only).
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, reads=reads)
    return _postgresql(url, reads=reads, timeout_s=timeout_s)


def _sqlite(url: URL, *, reads: bool) -> Engine:
    engine = sa.create_engine(
        url, poolclass=NullPool, connect_args={"timeout": BUSY_MS / 1000, "isolation_level": None}
    )
    event.listen(engine, "connect", partial(prepare_sqlite, reads=reads))
    event.listen(engine, "begin", partial(begin_sqlite, reads=reads))
    return engine


def prepare_sqlite(connection: DBAPIConnection, _entry: object = None, *, reads: bool) -> None:
    """The pragmas of a new connection (https://www.sqlite.org/pragma.html).

    synchronous=FULL: in WAL mode NORMAL does not sync at COMMIT, so that a power cut takes back
    what was acknowledged. A group shares the one sync of its commit, which makes FULL affordable.
    """
    connection.text_factory = _text
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_size_limit = 67108864")
    if reads:
        cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def begin_sqlite(connection: Connection, *, reads: bool) -> None:
    """Begin ourselves: the driver would wait for the first INSERT, and leaves DDL outside.

    A writer takes the lock at once (IMMEDIATE): going from reading to writing half-way can fail.
    """
    begin = "BEGIN" if reads else "BEGIN IMMEDIATE"
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.execute(begin)  # by way of SQLAlchemy it takes 25 µs more, of a visit's 100
    except Exception:
        connection.exec_driver_sql(begin)  # which raises what SQLAlchemy makes of it


def _postgresql(url: URL, *, reads: bool, timeout_s: float | None) -> Engine:
    engine = sa.create_engine(url, poolclass=NullPool, connect_args=_liveness(url, timeout_s))
    if reads:
        event.listen(engine, "connect", _read_only)
    return engine


def _liveness(url: URL, timeout_s: float | None) -> dict[str, str | int]:
    """Connection parameters that tell a dead server from a slow one within seconds."""
    given = url.query
    chosen: dict[str, str | int] = {
        "connect_timeout": CONNECT_S,
        "tcp_user_timeout": CONNECT_S * 1000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "application_name": "xmppd",
    }
    if timeout_s is not None:
        chosen["options"] = f"-c statement_timeout={round(timeout_s * 1000)}"
    return {name: value for name, value in chosen.items() if name not in given}


def _read_only(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.read_only = True


def may_commit(connection: Connection, begun: Transaction | None) -> bool:
    """Is the transaction that was `begun` still the one that is open, and is it sound?

    PostgreSQL answers a COMMIT of a transaction that met an error with ROLLBACK, and SQLite ends
    a transaction by itself when the disk is full: both without an error at COMMIT.
    """
    if begun is None or not begun.is_active or connection.get_transaction() is not begun:
        return False
    driver = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        return bool(getattr(driver, "in_transaction", False))
    info = getattr(driver, "info", None)
    return getattr(info, "transaction_status", None) in (PG_IDLE, PG_IN_TRANSACTION)


def protect_file(url: URL) -> None:
    """Make SQLite's file readable for us alone before it exists: it will hold password keys."""
    if url.get_backend_name() == "sqlite" and url.database and "file:" not in url.database:
        path = Path(url.database)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
