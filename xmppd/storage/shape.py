"""Do the tables of a database have the shape that the code takes them to have?

Versions count releases; what was made in between, by a checkout, may bear the number of a shape
that it does not have. So all that statements rest on is looked at when the server starts: better
one sentence then than an error for each user later.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import ReflectedColumn

    from xmppd.storage.migrations import Schema


def differences(connection: Connection, schemas: Iterable["Schema"]) -> list[str]:
    """What is wrong with the tables of `schemas`, in sentences; [] if they will do.

    A column that may be left empty may be there beside the declared ones, and so may an index.
    """
    wanted = {each.name: (schema, each) for schema in schemas for each in schema.tables}
    inspector = sa.inspect(connection)
    names = list(wanted)
    columns = {key[1]: found for key, found in inspector.get_multi_columns(None, names).items()}
    keys = inspector.get_multi_pk_constraint(None, names)
    of_table = {key[1]: found["constrained_columns"] for key, found in keys.items()}
    return [
        f"{schema.module}: the table {name} {what}"
        for name, (schema, each) in wanted.items()
        for what in _wrong(each, columns.get(name), of_table.get(name, []))
    ]


def _wrong(
    declared: sa.Table, columns: "list[ReflectedColumn] | None", key: list[str]
) -> Iterator[str]:
    if columns is None:
        yield "is missing"
        return
    there, known = {each["name"] for each in columns}, set(declared.c.keys())
    if lacking := known - there:
        yield f"lacks {_listed(lacking)}"
    elif set(key) != {each.name for each in declared.primary_key}:
        yield f"has another key: {', '.join(key)}"
    needed = {each["name"] for each in columns if not each["nullable"] and not _filled(each)}
    if unknown := needed - known:
        yield f"wants {_listed(unknown)}, which this program does not know"


def _filled(column: "ReflectedColumn") -> bool:
    return column["default"] is not None or column.get("autoincrement") is True


def _listed(columns: set[str]) -> str:
    return f"the column{'s' if len(columns) > 1 else ''} {', '.join(sorted(columns))}"
