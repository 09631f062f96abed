"""Where things are kept: one `Database` for the process, a `Repository` for each module's tables.

A module declares its tables with `table`, puts its SQL into the `@transaction` and `@query`
methods of a `Repository`, and awaits them. What a transaction returns has been committed.
"""

from xmppd.storage.database import Database
from xmppd.storage.errors import (
    DatabaseBusy,
    DatabaseDown,
    DiskFault,
    DiskFull,
    MigrationFailed,
    SchemaTooNew,
    StorageError,
)
from xmppd.storage.inline import InlineDatabase
from xmppd.storage.migrations import Schema, Step
from xmppd.storage.repository import Repository, batch, query, transaction
from xmppd.storage.tables import (
    insert_ignore,
    metadata,
    row_id,
    shared_table,
    table,
    upsert,
)
from xmppd.storage.visit import Load, visit

__all__ = [
    "Database",
    "DatabaseBusy",
    "DatabaseDown",
    "DiskFault",
    "DiskFull",
    "InlineDatabase",
    "Load",
    "MigrationFailed",
    "Repository",
    "Schema",
    "SchemaTooNew",
    "Step",
    "StorageError",
    "batch",
    "insert_ignore",
    "metadata",
    "query",
    "row_id",
    "shared_table",
    "table",
    "transaction",
    "upsert",
    "visit",
]
