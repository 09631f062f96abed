"""What is stored: the messages of each account, in the order in which they came."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    Repository,
    batch,
    table,
    transaction,
)

BATCH = 100  # messages read at once
messages = table(
    "offline",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, primary_key=True),  # microseconds since 1970: the order
    # Both count on from message to message. A queue loses messages at its front only, so its two
    # ends tell how long and how large it is, however many there are in between.
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("upto", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("stanza", sa.LargeBinary, nullable=False),
)


def _of(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


MINE = sa.and_(
    messages.c.host == sa.bindparam("of_host", type_=sa.String),
    messages.c.user == sa.bindparam("of_user", type_=sa.String),
)


def _end(*names: str, newest: bool) -> "sa.Select[Any]":
    """The first or last message of a queue."""
    order = messages.c.at.desc() if newest else messages.c.at.asc()
    return sa.select(*(messages.c[name] for name in names)).where(MINE).order_by(order).limit(1)


FIRST = _end("number", "upto", "size", newest=False)
LAST = _end("at", "number", "upto", newest=True)
APPEND = messages.insert()
NEXT = (
    sa.select(messages.c.at, messages.c.stanza)
    .where(MINE, messages.c.at > _of("after"))
    .order_by(messages.c.at)
    .limit(BATCH)
)
DROP = messages.delete().where(MINE, messages.c.at <= _of("until"))


class Letter(NamedTuple):
    """A message for the queue of `user`, and how much that may hold with it. `now` is in
    microseconds since 1970.
    """

    user: str
    now: int
    xml: bytes
    max_count: int
    max_bytes: int


class End:
    """The end of a queue, to which letters are appended."""

    def __init__(self, first: Sequence[int] | None, last: Sequence[int] | None) -> None:
        self._at, self._number, self._upto = (0, 0, 0) if last is None else last
        number, upto, size = (1, 0, 0) if first is None else first
        self._count = self._number - number + 1
        self._size = self._upto - upto + size

    def append(self, letter: Letter) -> dict[str, Any] | None:
        """The row that it becomes; None where the queue is full."""
        size = len(letter.xml)
        if self._count >= letter.max_count or self._size + size > letter.max_bytes:
            return None
        self._at = max(letter.now, self._at + 1)
        self._number += 1
        self._upto += size
        self._count += 1
        self._size += size
        return {
            "user": letter.user,
            "at": self._at,
            "number": self._number,
            "upto": self._upto,
            "size": size,
            "stanza": letter.xml,
        }


class Queue(Repository):
    """The messages of each account, the oldest first."""

    @batch
    def put(self, tx: Tx, letters: Sequence[Letter]) -> list[int]:
        """Where each is in its queue; 0 where that is full."""
        return self._append(tx, letters)

    @transaction
    def put_all(self, tx: Tx, letters: Sequence[Letter]) -> list[int]:
        """As `put`, for many that come at once: one piece of work for the database."""
        return self._append(tx, letters)

    def _append(self, tx: Tx, letters: Sequence[Letter]) -> list[int]:
        ends: dict[str, End] = {}
        rows: list[dict[str, Any]] = []
        places: list[int] = []
        for letter in letters:
            end = ends.get(letter.user)
            if end is None:
                end = ends[letter.user] = self._end(tx, letter.user)
            row = end.append(letter)
            places.append(0 if row is None else row["at"])
            if row is not None:
                row["host"] = self.host
                rows.append(row)
        if rows:
            tx.execute(APPEND, rows)
        return places

    def _end(self, tx: Tx, user: str) -> End:
        asked = {"of_host": self.host, "of_user": user}
        last = tx.execute(LAST, asked).first()
        first = None if last is None else tx.execute(FIRST, asked).first()
        return End(first, last)

    @transaction
    def after(self, tx: Tx, user: str, at: int) -> list[tuple[int, bytes]]:
        """The next ones, BATCH at most; in the writers' order, so that none is missed."""
        asked = {"of_host": self.host, "of_user": user, "after": at}
        return [(row.at, row.stanza) for row in tx.execute(NEXT, asked)]

    @transaction
    def drop(self, tx: Tx, user: str, until: int) -> None:
        tx.execute(DROP, {"of_host": self.host, "of_user": user, "until": until})

    @transaction
    def drop_these(self, tx: Tx, user: str, places: list[int]) -> None:
        """Some, which may be in the middle: what the queue holds is counted too high then, until
        it has moved on.
        """
        tx.execute(
            messages.delete().where(self.mine(messages, user=user), messages.c.at.in_(places))
        )

    @transaction
    def drop_all(self, tx: Tx, user: str) -> None:
        tx.execute(messages.delete().where(self.mine(messages, user=user)))
