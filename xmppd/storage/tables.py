"""Tables and statements that mean the same on SQLite and PostgreSQL.

Types to use: `String` and `Text` (both without limit), `BigInteger` for numbers, `LargeBinary`,
`Boolean`. A point in time is a `BigInteger` of microseconds since 1970 UTC: exact, ordered, and
without the time zones in which the two databases differ. Order and page by numbers, never by
text, which PostgreSQL sorts by locale. Names like `user` are quoted where needed.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.schema import SchemaItem

metadata = sa.MetaData()


def table(name: str, *columns: SchemaItem) -> sa.Table:
    """A table that belongs to virtual hosts: its first column is `host`.

    `host` leads the primary key too, unless the table is numbered by a `row_id()`: such a number
    is unique already, and the table wants an `sa.Index` that begins with `host` instead.
    """
    host = sa.Column("host", sa.String, primary_key=not _numbered(columns), nullable=False)
    return shared_table(name, host, *columns)


def shared_table(name: str, *columns: SchemaItem) -> sa.Table:
    """A table of the whole process. One of the same name, of a module reloaded, makes way."""
    if name in metadata.tables:
        metadata.remove(metadata.tables[name])
    return sa.Table(name, metadata, *columns, sqlite_autoincrement=_numbered(columns))


def _numbered(columns: Sequence[SchemaItem]) -> bool:
    return any(isinstance(each, sa.Column) and each.autoincrement is True for each in columns)


def row_id(name: str = "id") -> sa.Column[int]:
    """A primary key that counts upwards in order of insertion; a number never comes again."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, number, primary_key=True, autoincrement=True)


class Row(sa.Executable):
    """A statement with its values, for `tx.execute`."""

    __slots__ = ("statement", "values")

    def __init__(self, statement: postgresql.Insert, values: dict[str, object]) -> None:
        self.statement = statement
        self.values = values

    def _execute_on_connection(
        self, connection: Connection, _parameters: object, _options: object
    ) -> sa.CursorResult[Any]:  # what Connection.execute calls, and what it returns
        return connection.execute(self.statement, self.values)


def upsert(into: sa.Table, **values: object) -> Row:
    """Insert a row, or put these values in the place of the same primary key's."""
    return Row(_once(into, "upsert", tuple(values), _upsert), values)


def insert_ignore(into: sa.Table, **values: object) -> Row:
    """Insert a row unless one with the same key is there: `.rowcount` of the result tells."""
    return Row(_once(into, "insert_ignore", tuple(values), _insert_ignore), values)


def _once(
    into: sa.Table,
    what: str,
    names: tuple[str, ...],
    build: Callable[[sa.Table, tuple[str, ...]], postgresql.Insert],
) -> postgresql.Insert:
    """Building and hashing a statement costs five times its execution: so it is kept.

    With its table, which it shall not outlive; as many as the code has ways to write a row.
    """
    known = into.info.setdefault(what, {})
    if names not in known:
        known[names] = build(into, names)
    return cast(postgresql.Insert, known[names])


# PostgreSQL's insert serves both: SQLite took this syntax over from there, and the compilers of
# SQLAlchemy understand it alike (tests/storage runs each on each).


def _upsert(into: sa.Table, names: tuple[str, ...]) -> postgresql.Insert:
    insert, key = _insert(into, names), [each.name for each in into.primary_key]
    new = {name: insert.excluded[name] for name in names if name not in key}
    if not new:
        return insert.on_conflict_do_nothing()
    return insert.on_conflict_do_update(index_elements=key, set_=new)


def _insert_ignore(into: sa.Table, names: tuple[str, ...]) -> postgresql.Insert:
    statement = _insert(into, names).on_conflict_do_nothing()
    return statement.execution_options(preserve_rowcount=True)


def _insert(into: sa.Table, names: tuple[str, ...]) -> postgresql.Insert:
    return postgresql.insert(into).values({name: sa.bindparam(name) for name in names})
