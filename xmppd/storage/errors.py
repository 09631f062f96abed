"""What may go wrong with a database, in the words of those who wait for an answer."""

import sqlite3

import sqlalchemy.exc as sa_exc


class StorageError(Exception):
    """The database could not do what was asked. The text is a sentence for the log."""


class DatabaseBusy(StorageError):
    """Too much is waiting already: refused at once, nothing was done. Worth a `wait` error."""


class DatabaseDown(StorageError):
    """No answer in time, or no connection.

    A write that was already running when its time was up may still be committed afterwards, and
    so may one whose connection was lost during COMMIT: repeat it only if it bears repeating.
    """


class DiskFault(StorageError):
    """The disk refused: I/O error, read-only file system, damaged file. Nothing was kept."""


class DiskFull(DiskFault):
    """There is no room left. Nothing was kept; it works again when there is."""


class ReadOnly(DiskFault):
    """The file system or the server takes no writes now."""


class MigrationFailed(StorageError):
    """A step of a schema upgrade failed and left no trace; the steps before it are done."""


class SchemaTooNew(StorageError):
    """The tables were made by a newer version of the program than this one."""


# https://www.sqlite.org/rescode.html (primary codes, the low byte of an extended one)
_SQLITE_BUSY, _SQLITE_LOCKED, _SQLITE_READONLY, _SQLITE_FULL = 5, 6, 8, 13
_SQLITE_FAULTS = {10: "I/O error", 11: "damaged", 14: "cannot open", 26: "damaged"}
# PostgreSQL, appendix A "Error Codes"
_PG_FULL, _PG_READ_ONLY = "53100", "25006"
_PG_FAULTS = {"58030": "I/O error", "XX001": "damaged", "XX002": "damaged"}
_PG_TOO_SLOW = {"57014", "55P03"}  # cancelled by statement_timeout; lock_timeout
_PG_COLLISION = {"40P01", "40001"}  # deadlock, serialization failure: another try may do


def classified(error: Exception, *, reads: bool = False) -> Exception:
    """`error` as a StorageError, if the database is at fault; else `error` as it is.

    An IntegrityError stays one: what it means is for the repository to say. `reads`: it was work
    that may only read, so "read-only" is the fault of its author.
    """
    found = _fault(error)
    if reads and isinstance(found, ReadOnly):
        return _because(StorageError("a query has tried to write: make it a transaction"), error)
    return found


def _fault(error: Exception) -> Exception:
    if isinstance(error, sa_exc.DBAPIError):
        if error.connection_invalidated:
            return _because(DatabaseDown("the connection to the database was lost"), error)
        cause = error.orig
    else:
        cause = error
    sentence = str(cause).strip().splitlines()[0] if str(cause).strip() else repr(cause)
    if isinstance(cause, sqlite3.Error):
        found = _sqlite_fault(cause, sentence)
    else:
        found = _pg_fault(_sqlstate(cause), sentence)
    return error if found is None else _because(found, error)


def _because(error: StorageError, cause: Exception) -> StorageError:
    error.__cause__ = cause
    return error


def _sqlite_fault(cause: sqlite3.Error, sentence: str) -> StorageError | None:
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code == _SQLITE_FULL:
        return DiskFull(f"the disk is full ({sentence})")
    if code == _SQLITE_READONLY:
        return ReadOnly(f"the database file: read-only ({sentence})")
    if code in _SQLITE_FAULTS:
        return DiskFault(f"the database file: {_SQLITE_FAULTS[code]} ({sentence})")
    if code in (_SQLITE_BUSY, _SQLITE_LOCKED):
        return DatabaseDown(f"another program holds the database ({sentence})")
    return None


def _pg_fault(state: str, sentence: str) -> StorageError | None:
    if state == _PG_FULL:
        return DiskFull(f"the database server's disk is full ({sentence})")
    if state == _PG_READ_ONLY:
        return ReadOnly(f"the database server: read-only ({sentence})")
    if state in _PG_FAULTS:
        return DiskFault(f"the database server: {_PG_FAULTS[state]} ({sentence})")
    if state in _PG_TOO_SLOW:
        return DatabaseDown(f"the database took too long ({sentence})")
    return None


def _sqlstate(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""


def collided(error: Exception) -> bool:
    """Did it lose against a concurrent transaction, so that another try may succeed?"""
    return isinstance(error, sa_exc.DBAPIError) and _sqlstate(error.orig) in _PG_COLLISION
