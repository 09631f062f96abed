"""Tables and neutral statements."""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from xmppd.storage import insert_ignore, metadata, row_id, shared_table, table, upsert


def test_host_leads_the_columns_and_the_key() -> None:
    it = table("t_keyed", sa.Column("user", sa.String, primary_key=True))
    assert it.c.keys() == ["host", "user"]
    assert it.primary_key.columns.keys() == ["host", "user"]


def test_a_numbered_table_has_its_number_for_a_key() -> None:
    it = table("t_numbered", row_id(), sa.Column("user", sa.String))
    assert it.primary_key.columns.keys() == ["id"]
    assert not it.c.host.nullable


def test_a_shared_table_has_no_host() -> None:
    assert shared_table("t_shared", sa.Column("key", sa.String)).c.keys() == ["key"]


def test_a_module_loaded_again_declares_its_table_again() -> None:
    table("t_again", sa.Column("user", sa.String, primary_key=True))
    new = table("t_again", sa.Column("user", sa.String, primary_key=True), sa.Column("x", sa.Text))
    assert metadata.tables["t_again"] is new


def test_numbers_never_come_again_in_sqlite() -> None:
    it = table("t_log", row_id(), sa.Column("what", sa.String))
    with sa.create_engine("sqlite://").begin() as tx:
        it.create(tx)
        for what in "ab":
            tx.execute(it.insert().values(host="h", what=what))
        tx.execute(it.delete())
        tx.execute(it.insert().values(host="h", what="c"))
        assert tx.scalar(sa.select(it.c.id)) == 3


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()])
def test_an_upsert_replaces_only_the_columns_given(dialect: sa.Dialect) -> None:
    it = table(
        "t_upsert",
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("a", sa.Text),
        sa.Column("b", sa.Text),
    )
    text = str(upsert(it, host="h", user="u", a="1").statement.compile(dialect=dialect))
    assert text.endswith("DO UPDATE SET a = excluded.a")


def test_an_upsert_of_the_key_alone_leaves_what_is_there() -> None:
    it = table("t_set", sa.Column("user", sa.String, primary_key=True))
    assert "DO NOTHING" in str(upsert(it, host="h", user="u").statement.compile())


def test_insert_ignore_tells_by_rowcount() -> None:
    it = table("t_ignore", sa.Column("user", sa.String, primary_key=True))
    with sa.create_engine("sqlite://").begin() as tx:
        it.create(tx)
        assert tx.execute(insert_ignore(it, host="h", user="u")).rowcount == 1
        assert tx.execute(insert_ignore(it, host="h", user="u")).rowcount == 0


def test_a_statement_is_built_once_for_its_columns() -> None:
    it = table("t_once", sa.Column("user", sa.String, primary_key=True), sa.Column("a", sa.Text))
    first, second = (upsert(it, host="h", user=user, a="1") for user in "xy")
    assert first.statement is second.statement
    assert first.statement is not upsert(it, host="h", user="u").statement
