"""Several questions in one visit to the database: waking a thread costs more than most answers."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy.engine import Connection

from xmppd.storage.database import Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Load(Generic[T]):
    """What is to be read, and who takes it. Made by `Cards.get.load(self.cards, take, user)`: as
    `self.cards.get(user)`, whose result is given to `take`.
    """

    database: Database
    key: Hashable
    reads: bool
    work: Callable[[Connection], T]
    take: Callable[[T], object]


async def visit(loads: Iterable[Load[Any]]) -> None:
    """Read it all, in one transaction where that can be, and hand it on. Raises StorageError."""
    for together in _by_line(loads):
        first = together[0]
        results = await first.database.run(_all_of(together), reads=first.reads, key=first.key)
        for load, found in zip(together, results, strict=True):
            load.take(found)


def _all_of(loads: Sequence[Load[Any]]) -> Callable[[Connection], list[Any]]:
    return lambda tx: [load.work(tx) for load in loads]


def _by_line(loads: Iterable[Load[Any]]) -> list[list[Load[Any]]]:
    """Writers keep their order, so those of different keys stay apart; queries join any."""
    lines: dict[Hashable, list[Load[Any]]] = {}
    queries: list[Load[Any]] = []
    for load in loads:
        (queries if load.reads else lines.setdefault(load.key, [])).append(load)
    groups = list(lines.values())
    if not groups:
        return [queries] if queries else []
    groups[0].extend(queries)
    return groups
