"""Schemas by module, and their upgrades in numbered steps.

A module's first release has its tables and no steps: they are version 1. A later release changes
the tables *and* adds a step that takes an older database there; a database made afresh gets the
tables as they are now, and the newest version with them. So never change a released step:

    MIGRATIONS = [
        Step(2, "photos have a type", lambda op: op.add_column("vcard", sa.Column(...))),
    ]

Each step is committed together with the version it leads to: a kill half-way leaves the version
before, and the next start goes on from there.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from xmppd.storage.errors import MigrationFailed, SchemaTooNew
from xmppd.storage.shape import differences
from xmppd.storage.tables import upsert

if TYPE_CHECKING:
    from alembic.operations import Operations

FIRST = 1
PATIENCE_MS = 60_000  # for another process that is upgrading
ADVISORY_LOCK = 0x786D707064  # "xmppd": PostgreSQL's locks of this kind go by number

UNKNOWN_SHAPE = (
    "no version of this program makes that; restore a backup, or mend it by hand"
    " (for module writers: a table that is changed wants a step)"
)

# Kept out of `metadata`: it belongs to no module.
versions = sa.Table(
    "schema_version",
    sa.MetaData(),
    sa.Column("module", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Step:
    """From version `number - 1` to `number`: `apply` gets Alembic's operations.

    `op.get_bind()` is the connection. What ALTER cannot do on SQLite, `op.batch_alter_table` can.
    """

    number: int
    what: str
    apply: Callable[["Operations"], object]


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of `module` as they are now, and the steps that lead there from version 1."""

    module: str
    tables: Sequence[sa.Table]
    steps: Sequence[Step] = ()

    def __post_init__(self) -> None:
        numbers = [step.number for step in self.steps]
        if numbers != list(range(FIRST + 1, FIRST + 1 + len(numbers))):
            raise ValueError(f"{self.module}: steps are numbered 2, 3, 4, ..., not {numbers}")

    @property
    def version(self) -> int:
        return FIRST + len(self.steps)

    @classmethod
    def of(cls, module: str, *sources: ModuleType) -> Self:
        """What stands at the top of these Python modules: tables, and a list `MIGRATIONS`.

        It may be in several: where it is imported it is the same, and a package may have its
        steps in several files.
        """
        found = [each for source in sources for each in vars(source).values()]
        tables = dict.fromkeys(each for each in found if isinstance(each, sa.Table))
        lists = [getattr(source, "MIGRATIONS", ()) for source in sources]
        steps = dict.fromkeys(step for each in lists for step in each)
        return cls(module, tuple(tables), tuple(sorted(steps, key=lambda step: step.number)))


def upgrade(engine: Engine, schemas: Sequence[Schema]) -> list[str]:
    """Bring all `schemas` to their versions; what was done, in sentences. Blocks.

    Raises MigrationFailed, also where the tables are not what their version says.
    """
    _check_owners(schemas)
    with engine.connect() as connection:
        known = _known(connection)
    for schema in schemas:
        _check_age(schema, known.get(schema.module, 0))
    done: list[str] = []
    for schema in schemas:
        if known.get(schema.module) != schema.version and schema.tables:
            done += _bring_up(engine, schema)
    with engine.connect() as connection:
        if wrong := differences(connection, schemas):
            raise MigrationFailed(f"{'; '.join(wrong)}: {UNKNOWN_SHAPE}")
    return done


def _check_owners(schemas: Sequence[Schema]) -> None:
    owners: dict[str, str] = {}
    for schema in schemas:
        for each in schema.tables:
            owner = owners.setdefault(each.name, schema.module)
            if owner != schema.module:
                raise MigrationFailed(
                    f"{schema.module} and {owner} both want the table {each.name!r} for their own"
                )


def _check_age(schema: Schema, version: int) -> None:
    if version > schema.version:
        raise SchemaTooNew(
            f"the database is newer than this program: {schema.module}: its tables have version"
            f" {version}, and this program knows them up to version {schema.version};"
            " install the newer program again, or restore a backup"
        )


def _known(connection: Connection) -> dict[str, int]:
    if not sa.inspect(connection).has_table(versions.name):
        return {}
    rows = connection.execute(sa.select(versions.c.module, versions.c.version))
    return {row.module: row.version for row in rows}


def _bring_up(engine: Engine, schema: Schema) -> list[str]:
    done: list[str] = []
    while True:
        with _alone(engine) as tx:
            # Read again under the lock: another process may have done the same meanwhile.
            version = _known(tx).get(schema.module, 0)
            _check_age(schema, version)
            if version == schema.version:
                return done
            done.append(_advance(tx, schema, version))


def _advance(tx: Connection, schema: Schema, version: int) -> str:
    """Do one step, or create all, and note the version reached; what was done."""
    step = schema.steps[version - FIRST] if version else None
    what = f"step {step.number}, {step.what}" if step else "create its tables"
    try:
        if step is None:
            for each in sa.schema.sort_tables(schema.tables):
                each.create(tx)
        else:
            step.apply(_operations(tx))
            _check_references(tx)
    except Exception as error:
        raise MigrationFailed(f"{schema.module}: {what}: {error}") from error
    reached = step.number if step else schema.version
    tx.execute(upsert(versions, module=schema.module, version=reached))
    return f"{schema.module}: {what}"


def _operations(tx: Connection) -> "Operations":
    from alembic.operations import Operations  # 205 ms and 24 MiB: only when there is a step
    from alembic.runtime.migration import MigrationContext

    return Operations(MigrationContext.configure(tx))


def _check_references(tx: Connection) -> None:
    if tx.dialect.name == "sqlite" and (
        row := tx.exec_driver_sql("PRAGMA foreign_key_check").first()
    ):
        raise ValueError(f"a row of {row[0]} refers to one of {row[2]} that is not there")


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other upgrade runs beside, with the table of versions there."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # Replacing a table drops it, which would delete the rows that refer to it. The pragma
            # does nothing inside of a transaction.
            driver = connection.connection.cursor()
            driver.execute("PRAGMA foreign_keys = OFF")
            driver.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
            try:
                with connection.begin():
                    versions.create(connection, checkfirst=True)
                    yield connection
            finally:
                driver.execute("PRAGMA foreign_keys = ON")
        else:
            with connection.begin():
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
                versions.create(connection, checkfirst=True)
                yield connection
