"""Upgrades: numbered steps, each whole or not at all, from whatever release was there."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from xmppd.storage import MigrationFailed, Schema, SchemaTooNew, Step
from xmppd.storage.engine import make_engine, parse_url
from xmppd.storage.migrations import upgrade, versions

if TYPE_CHECKING:
    from alembic.operations import Operations


def rooms(*more: sa.Column[Any]) -> sa.Table:
    name = sa.Column("name", sa.String, primary_key=True)
    return sa.Table("t_room", sa.MetaData(), name, *more)


def add_topic(op: "Operations") -> None:
    op.add_column("t_room", sa.Column("topic", sa.Text))


def fill_topic(op: "Operations") -> None:
    op.execute("UPDATE t_room SET topic = 'none'")


def fall_over(op: "Operations") -> None:
    fill_topic(op)
    op.add_column("t_room", sa.Column("half", sa.Text))
    raise ZeroDivisionError("in the middle")


TOPIC, FILL = Step(2, "rooms have a topic", add_topic), Step(3, "old topics", fill_topic)
FIRST = Schema("muc", [rooms()])
NOW = Schema("muc", [rooms(sa.Column("topic", sa.Text))], [TOPIC, FILL])


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = make_engine(parse_url(url), timeout_s=None)
    yield engine
    engine.dispose()


def state(engine: Engine) -> tuple[dict[str, int], list[str]]:
    """Versions by module, and the columns of the room table."""
    with engine.connect() as tx:
        rows = {row.module: row.version for row in tx.execute(sa.select(versions))}
        return rows, [each["name"] for each in sa.inspect(tx).get_columns("t_room")]


def fill(engine: Engine) -> None:
    with engine.begin() as tx:
        tx.execute(sa.text("INSERT INTO t_room (name) VALUES ('balcony')"))


def test_a_new_database_has_the_newest_tables_at_once(engine: Engine) -> None:
    assert upgrade(engine, [NOW]) == ["muc: create its tables"]
    assert state(engine) == ({"muc": 3}, ["name", "topic"])


def test_nothing_is_done_where_nothing_is_to_do(engine: Engine) -> None:
    upgrade(engine, [NOW])
    assert upgrade(engine, [NOW]) == []


def test_an_old_database_goes_up_step_by_step_and_keeps_its_rows(engine: Engine) -> None:
    upgrade(engine, [FIRST])
    fill(engine)
    assert upgrade(engine, [NOW]) == [
        "muc: step 2, rooms have a topic",
        "muc: step 3, old topics",
    ]
    assert state(engine) == ({"muc": 3}, ["name", "topic"])
    with engine.connect() as tx:
        assert tx.execute(sa.text("SELECT * FROM t_room")).all() == [("balcony", "none")]


def test_a_step_that_fails_leaves_no_trace_and_can_be_done_again(engine: Engine) -> None:
    upgrade(engine, [FIRST])
    broken = Schema("muc", [rooms()], [TOPIC, Step(3, "old topics", fall_over)])
    with pytest.raises(MigrationFailed, match="muc: step 3, old topics: in the middle"):
        upgrade(engine, [broken])
    assert state(engine) == ({"muc": 2}, ["name", "topic"])
    assert upgrade(engine, [NOW]) == ["muc: step 3, old topics"]


KILLED = """
import os, sys
sys.path[:0] = {path!r}
import sqlalchemy as sa
from xmppd.storage import Schema, Step
from xmppd.storage.engine import make_engine, parse_url
from xmppd.storage.migrations import upgrade
def die(op):
    op.execute("UPDATE t_room SET topic = 'half'")
    os.kill(os.getpid(), 9)
def add(op):
    op.add_column("t_room", sa.Column("topic", sa.Text))
table = sa.Table("t_room", sa.MetaData(), sa.Column("name", sa.String, primary_key=True))
steps = [Step(2, "rooms have a topic", add), Step(3, "old topics", die)]
upgrade(make_engine(parse_url({url!r})), [Schema("muc", [table], steps)])
"""


def test_a_kill_in_a_step_is_taken_up_by_the_next_start(engine: Engine, url: str) -> None:
    upgrade(engine, [FIRST])
    fill(engine)
    code = KILLED.format(path=sys.path, url=url)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert state(engine)[0] == {"muc": 2}
    assert upgrade(engine, [NOW]) == ["muc: step 3, old topics"]


def test_a_database_of_a_newer_program_is_refused_untouched(engine: Engine) -> None:
    upgrade(engine, [NOW])
    other = Schema("other", [sa.Table("t_other", sa.MetaData(), sa.Column("a", sa.Text))])
    with pytest.raises(SchemaTooNew, match="version 3, and this program knows them up to"):
        upgrade(engine, [other, FIRST])
    assert state(engine)[0] == {"muc": 3}


def test_two_that_start_at_once_do_it_once(engine: Engine, url: str) -> None:
    upgrade(engine, [FIRST])
    start, done = Barrier(2), []

    def process() -> None:
        mine = make_engine(parse_url(url), timeout_s=None)
        start.wait()
        done.extend(upgrade(mine, [NOW]))

    threads = [Thread(target=process) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["muc: step 2, rooms have a topic", "muc: step 3, old topics"]


def test_two_modules_cannot_own_one_table(engine: Engine) -> None:
    with pytest.raises(MigrationFailed, match="both want the table 't_room'"):
        upgrade(engine, [FIRST, Schema("chat", [rooms()])])


def test_a_table_that_others_refer_to_can_be_replaced(engine: Engine) -> None:
    metadata = sa.MetaData()
    owner = sa.Table("t_room", metadata, sa.Column("name", sa.String, primary_key=True))
    seats = sa.Table(
        "t_seat", metadata, sa.Column("room", sa.ForeignKey(owner.c.name, ondelete="CASCADE"))
    )
    upgrade(engine, [Schema("muc", [seats, owner])])
    fill(engine)
    with engine.begin() as tx:
        tx.execute(seats.insert().values(room="balcony"))

    def widen(op: "Operations") -> None:
        with op.batch_alter_table("t_room", recreate="auto") as batch:
            batch.add_column(sa.Column("topic", sa.Text))
            batch.alter_column("topic", type_=sa.String)

    upgrade(engine, [Schema("muc", [seats, owner], [Step(2, "topics are strings", widen)])])
    with engine.connect() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(seats)) == 1


@pytest.mark.parametrize("numbers", [[1], [3], [2, 4], [3, 2]])
def test_steps_are_numbered_from_two_without_a_gap(numbers: list[int]) -> None:
    with pytest.raises(ValueError, match="numbered 2, 3, 4"):
        Schema("muc", [], [Step(number, "x", add_topic) for number in numbers])


def test_a_schema_is_what_stands_at_the_top_of_a_module() -> None:
    here = sys.modules[__name__]
    here_tables = {"t_here": rooms()}
    module = type(here)("somewhere")
    vars(module).update(here_tables, MIGRATIONS=[TOPIC])
    found = Schema.of("somewhere", module)
    assert (list(found.tables), found.version) == ([here_tables["t_here"]], 2)


def test_a_dump_of_an_older_release_comes_up(tmp_path: Path, dump: Callable[[str], str]) -> None:
    """How a release is kept: dump_schema.py writes the file, this is done with it."""
    old = make_engine(parse_url(f"sqlite:///{tmp_path}/old.db"))
    upgrade(old, [FIRST])
    fill(old)
    text = dump(str(tmp_path / "old.db"))
    new = make_engine(parse_url(f"sqlite:///{tmp_path}/new.db"))
    with new.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        driver.executescript(text)
    assert len(upgrade(new, [NOW])) == 2
    assert state(new) == ({"muc": 3}, ["name", "topic"])


@pytest.fixture
def dump() -> Callable[[str], str]:
    script = str(Path(__file__).with_name("dump_schema.py"))

    def it(path: str) -> str:
        return subprocess.run(
            [sys.executable, script, path], check=True, capture_output=True, text=True
        ).stdout

    return it
