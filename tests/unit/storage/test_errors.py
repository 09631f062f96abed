"""Which error of a driver means what to those who wait."""

import sqlite3

import pytest
import sqlalchemy.exc as sa_exc

from xmppd.storage import DatabaseDown, DiskFault, DiskFull
from xmppd.storage.engine import parse_url
from xmppd.storage.errors import ReadOnly, classified, collided


class SqliteError(sqlite3.OperationalError):
    def __init__(self, code: int) -> None:
        super().__init__("it failed")
        self.sqlite_errorcode = code


class PgError(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__("it failed")
        self.sqlstate = sqlstate


def wrapped(cause: Exception, *, lost: bool = False) -> sa_exc.DBAPIError:
    return sa_exc.OperationalError("SELECT 1", None, cause, connection_invalidated=lost)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (SqliteError(13), DiskFull),
        (SqliteError(10), DiskFault),
        (SqliteError(10 | (12 << 8)), DiskFault),  # SQLITE_IOERR_... is an extended code
        (SqliteError(8), ReadOnly),
        (SqliteError(11), DiskFault),
        (SqliteError(26), DiskFault),
        (SqliteError(5), DatabaseDown),
        (PgError("53100"), DiskFull),
        (PgError("58030"), DiskFault),
        (PgError("XX001"), DiskFault),
        (PgError("57014"), DatabaseDown),
    ],
)
def test_a_fault_of_the_database_is_named(cause: Exception, kind: type[Exception]) -> None:
    fault = classified(wrapped(cause))
    assert type(fault) is kind
    assert "it failed" in str(fault)
    assert type(classified(cause)) is kind


def test_a_lost_connection_is_a_database_that_is_down() -> None:
    assert isinstance(classified(wrapped(PgError("57P01"), lost=True)), DatabaseDown)


@pytest.mark.parametrize(
    "error", [ValueError("x"), sa_exc.IntegrityError("", None, PgError("23505"))]
)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert classified(error) is error


@pytest.mark.parametrize("sqlstate,again", [("40P01", True), ("40001", True), ("23505", False)])
def test_a_collision_is_worth_another_try(sqlstate: str, again: bool) -> None:
    assert collided(wrapped(PgError(sqlstate))) is again


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "nonsense"])
def test_urls_that_cannot_serve_are_refused(url: str) -> None:
    with pytest.raises((ValueError, sa_exc.ArgumentError)):
        parse_url(url)


def test_postgresql_is_spoken_by_psycopg() -> None:
    assert parse_url("postgresql://u:p@h/d").drivername == "postgresql+psycopg"
