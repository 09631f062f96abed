"""Databases as they were made by earlier states of the program: brought up, with all they hold.

Who changes a table without a step for what is there already fails here; `releases/README.rst` says
what to do.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

import xmppd.auth.tables
from xmppd.module import Catalogue
from xmppd.settings import schemas_of
from xmppd.storage import MigrationFailed, Schema
from xmppd.storage.engine import make_engine, parse_url
from xmppd.storage.migrations import upgrade
from xmppd.storage.shape import differences

RELEASES = Path(__file__).with_name("releases")
NAMES = sorted({path.name.split(".")[0] for path in RELEASES.glob("*.sql")})
NODES = "SELECT name, length FROM pubsub_node"


@pytest.fixture(scope="module")
def schemas() -> list[Schema]:
    """Those of all modules that come along."""
    accounts = Schema.of("accounts", xmppd.auth.tables)
    return [accounts, *schemas_of(list(Catalogue().load()))]


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = make_engine(parse_url(url), timeout_s=None)
    yield engine
    engine.dispose()


def restore(engine: Engine, name: str) -> None:
    """What the dump of that name for this kind of database holds."""
    text = (RELEASES / f"{name}.{engine.dialect.name}.sql").read_text()
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        if engine.dialect.name == "sqlite":
            driver.executescript(text)
        else:
            driver.execute(text.encode())
            driver.commit()
            connection.invalidate()  # the dump has set the search path of its session


def rows(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """The rows of all tables, as far as today's columns were there before."""
    with engine.connect() as connection:
        metadata = sa.MetaData()
        metadata.reflect(connection)
        return {
            name: sorted((tuple(row) for row in connection.execute(kept_columns(each))), key=repr)
            for name, each in metadata.tables.items()
            if name not in ("schema_version", "sqlite_sequence")
        }


def kept_columns(each: sa.Table) -> "sa.Select[Any]":
    return sa.select(*(c for c in sorted(each.c, key=lambda c: c.name) if c.name != "length"))


def shape(engine: Engine) -> dict[str, object]:
    """Tables and columns, keys, indexes. Not defaults: a column that was added needed one."""
    inspector = sa.inspect(engine)

    def described(name: str) -> object:
        columns = {
            each["name"]: (str(each["type"]), each["nullable"])
            for each in inspector.get_columns(name)
        }
        key = inspector.get_pk_constraint(name)
        unique = inspector.get_unique_constraints(name)
        return (
            columns,
            key["constrained_columns"],
            key["name"],
            sorted(each["column_names"] for each in unique),
            sorted((each["name"], each["column_names"]) for each in inspector.get_indexes(name)),
        )

    return {name: described(name) for name in inspector.get_table_names()}


@pytest.mark.parametrize("name", NAMES)
def test_what_was_made_earlier_becomes_what_is_made_today(
    name: str, engine: Engine, schemas: list[Schema]
) -> None:
    restore(engine, name)
    upgrade(engine, schemas)
    brought_up = shape(engine)
    empty(engine)
    upgrade(engine, schemas)
    assert brought_up == shape(engine)


def empty(engine: Engine) -> None:
    with engine.begin() as tx:
        metadata = sa.MetaData()
        metadata.reflect(tx)
        metadata.drop_all(tx)


@pytest.mark.parametrize("name", NAMES)
def test_no_row_is_lost_or_changed(name: str, engine: Engine, schemas: list[Schema]) -> None:
    restore(engine, name)
    before = rows(engine)
    upgrade(engine, schemas)
    after = rows(engine)
    assert {table: after[table] for table in before} == before
    assert len(before["accounts"]) == 3


@pytest.mark.parametrize("name", NAMES)
def test_what_was_brought_up_is_left_alone_afterwards(
    name: str, engine: Engine, schemas: list[Schema]
) -> None:
    restore(engine, name)
    upgrade(engine, schemas)
    assert upgrade(engine, schemas) == []


def test_a_node_knows_how_much_it_holds(engine: Engine, schemas: list[Schema]) -> None:
    restore(engine, "checkout-71bf62b")
    upgrade(engine, schemas)
    with engine.connect() as tx:
        lengths = {row.name: row.length for row in tx.execute(sa.text(NODES))}
        items = tx.execute(
            sa.text("SELECT n.name, i.xml FROM pubsub_item i, pubsub_node n WHERE n.id = i.node")
        ).all()
    counted = dict.fromkeys(lengths, 0)
    for name, xml in items:
        counted[name] += len(xml)
    assert lengths == counted
    assert counted["news"] > 0


def test_an_address_can_subscribe_a_second_time(engine: Engine, schemas: list[Schema]) -> None:
    restore(engine, "checkout-71bf62b")
    upgrade(engine, schemas)
    again = (
        "INSERT INTO pubsub_subscription (host, node, jid, subid, bare, state, options)"
        " SELECT host, node, jid, 'another', bare, state, options FROM pubsub_subscription"
    )
    with engine.begin() as tx:
        assert tx.execute(sa.text(again)).rowcount == 3


# A shape that no version has: said when the server starts.

SHAPES: list[tuple[str, str]] = [
    ("DROP TABLE vcard", "vcard: the table vcard is missing"),
    ("ALTER TABLE vcard DROP COLUMN xml", "vcard: the table vcard lacks the column xml"),
    (
        "ALTER TABLE vcard ADD COLUMN type VARCHAR NOT NULL",
        "vcard: the table vcard wants the column type, which this program does not know",
    ),
]


@pytest.mark.parametrize(("change", "said"), SHAPES, ids=[said for _, said in SHAPES])
def test_a_shape_that_no_version_has_is_told(
    engine: Engine, schemas: list[Schema], change: str, said: str
) -> None:
    upgrade(engine, schemas)
    if "NOT NULL" in change and engine.dialect.name == "sqlite":
        remake = "CREATE TABLE vcard (host TEXT, user TEXT, xml TEXT, type TEXT NOT NULL, "
        change = f"DROP TABLE vcard; {remake} PRIMARY KEY (host, user))"
    with engine.begin() as tx:
        for each in change.split("; "):
            tx.exec_driver_sql(each)
    with pytest.raises(MigrationFailed, match=said):
        upgrade(engine, schemas)


def test_another_key_is_told(engine: Engine, schemas: list[Schema]) -> None:
    vcard = next(each for each in schemas if each.module == "vcard")
    with engine.begin() as tx:
        tx.exec_driver_sql(
            'CREATE TABLE vcard (host TEXT, "user" TEXT, xml TEXT, PRIMARY KEY (host))'
        )
        assert differences(tx, [vcard]) == ["vcard: the table vcard has another key: host"]


def test_what_stands_beside_does_no_harm(engine: Engine, schemas: list[Schema]) -> None:
    upgrade(engine, schemas)
    with engine.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE vcard ADD COLUMN note VARCHAR")
        tx.exec_driver_sql("ALTER TABLE vcard ADD COLUMN kind VARCHAR NOT NULL DEFAULT 'x'")
        tx.exec_driver_sql("CREATE INDEX vcard_by_note ON vcard (note)")
    assert upgrade(engine, schemas) == []
