"""A node among a million stored items: what its last twenty take: ``python -m bench.items``.

In SQLite, on the machine's disk. It prints the plan of the query, which is the same however many
items there are, and the time that the database takes for it.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa

from xmppd.modules.pubsub.items import NEWEST
from xmppd.modules.pubsub.tables import items
from xmppd.storage import metadata

ITEMS = 1_000_000
NODES = 100
CHUNK = 10_000
ROUNDS = 200
GOAL_MS = 2.0
XML = "<entry xmlns='urn:example:entry'>To be, or not to be</entry>"
Row = dict[str, object]


def rows(count: int) -> Iterator[list[Row]]:
    """Items of all nodes, mixed as they are published in time."""
    for start in range(0, count, CHUNK):
        yield [
            {
                "host": "example.org",
                "node": number % NODES,
                "id": f"item{number}",
                "publisher": "juliet@example.org/balcony",
                "at": number,
                "xml": XML,
            }
            for number in range(start, min(start + CHUNK, count))
        ]


def fill(engine: sa.Engine, count: int) -> None:
    metadata.create_all(engine, [items])
    for chunk in rows(count):
        with engine.begin() as connection:
            connection.execute(items.insert(), chunk)


def plan(engine: sa.Engine) -> str:
    sql = str(NEWEST.compile(dialect=engine.dialect))
    with engine.begin() as connection:
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (1, 0, 20, 0))
        return "; ".join(step[3] for step in steps)


def times_ms(engine: sa.Engine, rounds: int) -> list[float]:
    """Each for another node than the one before."""
    taken = []
    with engine.begin() as connection:
        for number in range(rounds):
            values = {"of_node": number % NODES, "since": 0, "most": 20}
            begin = time.perf_counter()
            found = connection.execute(NEWEST, values).all()
            taken.append((time.perf_counter() - begin) * 1e3)
            assert len(found) == 20
    return taken


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.items", description=__doc__)
    parser.add_argument("--items", type=int, default=ITEMS)
    count = parser.parse_args(given).items
    with tempfile.TemporaryDirectory(prefix="xmppd-bench-") as folder:
        engine = sa.create_engine(f"sqlite:///{Path(folder) / 'items.sqlite'}")
        fill(engine, count)
        found = times_ms(engine, ROUNDS)
        print(f"plan: {plan(engine)}")
        print(
            f"{count} items: the last 20 of a node take {statistics.median(found):.3f} ms, at most"
            f" {max(found):.3f}; the goal is {GOAL_MS:g}"
        )
        engine.dispose()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
