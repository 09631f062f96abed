"""Several questions in one visit, and who gets which answer."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx
from twisted.internet.defer import Deferred

from xmppd.hooks import spawn
from xmppd.storage import (
    DatabaseDown,
    InlineDatabase,
    Repository,
    query,
    table,
    transaction,
    upsert,
    visit,
)

words = table(
    "t_visit", sa.Column("user", sa.String, primary_key=True), sa.Column("word", sa.Text)
)
T = TypeVar("T")


class Words(Repository):
    @query
    def get(self, tx: Tx, user: str) -> str | None:
        return tx.scalar(sa.select(words.c.word).where(self.mine(words, user=user)))

    @transaction
    def put(self, tx: Tx, user: str, word: str) -> str:
        tx.execute(upsert(words, host=self.host, user=user, word=word))
        return word

    @query
    def fail(self, tx: Tx) -> None:
        raise LookupError


class Counting(InlineDatabase):
    """Knows how it was asked."""

    def __init__(self) -> None:
        super().__init__(words)
        self.visits: list[tuple[bool, Hashable]] = []

    def run(
        self, work: Callable[[Tx], T], *, reads: bool = False, key: Hashable = None
    ) -> Deferred[T]:
        self.visits.append((reads, key))
        return super().run(work, reads=reads, key=key)


@pytest.fixture
def database() -> Counting:
    return Counting()


@pytest.fixture
def told() -> list[Any]:
    return []


def test_questions_of_several_repositories_are_one_visit(
    database: Counting, told: list[Any]
) -> None:
    here, there = Words(database, "example.org"), Words(database, "example.com")
    _ = here.put("romeo", "wherefore")
    database.visits.clear()
    _ = spawn(
        visit(
            [
                Words.get.load(here, told.append, "romeo"),
                Words.get.load(there, told.append, "romeo"),
            ]
        )
    )
    assert told == ["wherefore", None]
    assert [reads for reads, _ in database.visits] == [True]


def test_writers_keep_their_order_and_take_questions_along(
    database: Counting, told: list[Any]
) -> None:
    here, there = Words(database, "example.org"), Words(database, "example.com")
    there.key = ("another", "example.com")
    _ = spawn(
        visit(
            [
                Words.get.load(here, told.append, "romeo"),
                Words.put.load(here, told.append, "romeo", "art"),
                Words.put.load(there, told.append, "romeo", "thou"),
            ]
        )
    )
    assert database.visits == [(False, here.key), (False, there.key)]
    assert sorted(told) == ["art", "art", "thou"]


def test_without_questions_nobody_is_visited(database: Counting) -> None:
    _ = spawn(visit([]))
    assert database.visits == []


@pytest.mark.parametrize("down", [False, True])
def test_where_one_fails_nobody_is_told_anything(
    database: Counting, told: list[Any], down: bool
) -> None:
    here = Words(database, "example.org")
    loads = [Words.get.load(here, told.append, "romeo")]
    if down:
        database.fail_with(DatabaseDown("gone"))
    else:
        loads.append(Words.fail.load(here, told.append))  # type: ignore[arg-type]
    problems: list[Any] = []
    _ = spawn(visit(loads)).addErrback(problems.append)
    assert problems[0].check(DatabaseDown, LookupError)
    assert told == []
