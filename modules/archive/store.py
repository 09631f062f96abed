"""What is stored: the messages of each archive, in order (XEP-0313 §3.1).

An archive belongs to a bare JID of the host, its owner: an account, or a room. Nothing here knows
which; who may read it, and how a message is shown, is the business of who asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import JID, Repository, StanzaError, query, table, transaction
from xmppd.modules.archive import search
from xmppd.modules.archive.ids import LATEST, Id
from xmppd.modules.archive.query import Query

COUNTED = 2000  # more matches than this are not counted
PAGE_BYTES = 1 << 20  # the message that fills a page is its last (XEP-0313 §4.3.1)
PIECE = 1000  # rows removed at once, so that others get their turn

messages = table(
    "archive",
    sa.Column("owner", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    # Who it was from or to: what `with` asks for. The key is what the index has of the bare JID,
    # short, and of the same length for all.
    sa.Column("peer_key", sa.BigInteger, nullable=False),
    sa.Column("peer", sa.String, nullable=False),
    sa.Column("resource", sa.String, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("stanza", sa.LargeBinary, nullable=False),
)
# In SQLite the rows lie in the order of the key: two pages less to write for each message.
messages.dialect_options["sqlite"]["with_rowid"] = False
sa.Index(
    "archive_by_peer", messages.c.host, messages.c.owner, messages.c.peer_key, messages.c.number
)
# By the driver itself: SQLAlchemy's share of an insertion is as large as the database's.
INSERT = {
    name: f"INSERT INTO archive ({', '.join(messages.c.keys())})"  # noqa: S608 # no foreign text
    f" VALUES ({', '.join([mark] * len(messages.c))})"
    for name, mark in (("sqlite", "?"), ("postgresql", "%s"))
}
Values: TypeAlias = tuple[str, str, int, int, int, str, str, int, bytes]


class Row(NamedTuple):
    """A message in an archive, as it was sent."""

    id: Id
    stanza: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A page: `rows` in the order of the archive. `index` and `count` are None where counting
    would cost too much; `complete`: nothing that matches lies beyond in the direction of paging.
    """

    rows: list[Row]
    complete: bool
    index: int | None
    count: int | None


def peer_key(peer: JID) -> int:
    return crc32(peer.bare.encode())


def new_row(host: str, owner: str, id_: Id, peer: JID, stanza: bytes) -> Values:
    """What `put` takes: the columns in their order."""
    bare = peer.bare
    number, token = id_
    key = crc32(bare.encode())
    return host, owner, number, token, key, bare, peer.resource, len(stanza), stanza


class Store(Repository):
    """The archives of one host."""

    @transaction
    def put(self, tx: Tx, rows: list[Values]) -> None:
        """Add messages, in one statement."""
        tx.exec_driver_sql(INSERT[tx.dialect.name], rows)

    @query
    def latest(self, tx: Tx) -> int:
        """The largest number ever given here that is still known; 0 without any."""
        newest = sa.select(sa.func.max(messages.c.number)).where(messages.c.host == self.host)
        return tx.scalar(newest) or 0

    @query
    def find(self, tx: Tx, owner: str, asked: Query) -> Found:
        """The page that was asked for. StanzaError item-not-found (§4.1.3, §4.3.2)."""
        self._check_known(tx, owner, asked.named)
        matching = self._matching(tx, owner, asked)
        rows, more = self._page(tx, matching, asked)
        index, count = self._position(tx, matching, asked, rows, more)
        return Found(rows, not more, index, count)

    def _check_known(self, tx: Tx, owner: str, named: Sequence[Id]) -> None:
        if not named:
            return
        wanted = [each.number for each in named]
        found = sa.select(messages.c.number, messages.c.token).where(
            self.mine(messages, owner=owner), messages.c.number.in_(wanted)
        )
        known = {(row.number, row.token) for row in tx.execute(found)}
        if not known.issuperset(named):
            raise StanzaError("item-not-found", "no message has this id (any more)")

    def _matching(self, tx: Tx, owner: str, asked: Query) -> list[sa.ColumnElement[bool]]:
        """The filters of the form (§4.1), without what pages through them."""
        column = messages.c
        where = [self.mine(messages, owner=owner)]
        if asked.peer is not None:
            where += [column.peer_key == peer_key(asked.peer), column.peer == asked.peer.bare]
            if asked.peer.resource:
                where.append(column.resource == asked.peer.resource)
        if asked.start is not None:
            where.append(column.number >= min(asked.start, LATEST))
        if asked.end is not None:
            where.append(column.number <= min(asked.end, LATEST))
        if asked.after_id is not None:
            where.append(column.number > asked.after_id.number)
        if asked.before_id is not None:
            where.append(column.number < asked.before_id.number)
        if asked.ids is not None:
            where.append(column.number.in_([each.number for each in asked.ids]))
        if asked.text:
            where.append(column.number.in_(search.matching(tx, self.host, owner, asked.text)))
        return where

    def _page(
        self, tx: Tx, matching: list[sa.ColumnElement[bool]], asked: Query
    ) -> tuple[list[Row], bool]:
        """The rows of the page in order, and whether there are more beyond it."""
        number = messages.c.number
        chosen = sa.select(number, messages.c.token, messages.c.stanza).where(*matching)
        if asked.after is not None:
            chosen = chosen.where(number > asked.after.number)
        if asked.before is not None:
            chosen = chosen.where(number < asked.before.number)
        order = number.desc() if asked.backwards else number.asc()
        chosen = chosen.order_by(order).limit(asked.max + 1).offset(asked.index or None)
        rows: list[Row] = []
        size, more = 0, False
        with tx.execute(chosen) as found:
            for row in found:
                more = len(rows) == asked.max or size >= PAGE_BYTES
                if more:
                    break
                rows.append(Row(Id(row.number, row.token), row.stanza))
                size += len(row.stanza)
        return rows[::-1] if asked.backwards else rows, more

    def _position(
        self,
        tx: Tx,
        matching: list[sa.ColumnElement[bool]],
        asked: Query,
        rows: list[Row],
        more: bool,
    ) -> tuple[int | None, int | None]:
        """The place of the first row in the whole set, and the size of that (XEP-0059 §2.6)."""
        if not more and not asked.is_later_page:
            return (0 if rows else None), len(rows)
        count = self._count(tx, matching, exactly=asked.max == 0)  # nothing else is wanted then
        if count is None or not rows:
            return None, count
        return self._count(tx, [*matching, messages.c.number < rows[0].id.number]), count

    @staticmethod
    def _count(
        tx: Tx, matching: list[sa.ColumnElement[bool]], *, exactly: bool = False
    ) -> int | None:
        some = sa.select(messages.c.number).where(*matching)
        some = some if exactly else some.limit(COUNTED + 1)
        count: int = tx.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0
        return count if exactly or count <= COUNTED else None

    @query
    def after(self, tx: Tx, owner: str, number: int, most: int) -> list[Row]:
        """The next ones in order."""
        columns = messages.c
        found = sa.select(columns.number, columns.token, columns.stanza)
        found = found.where(self.mine(messages, owner=owner), columns.number > number)
        rows = tx.execute(found.order_by(columns.number).limit(most))
        return [Row(Id(row.number, row.token), row.stanza) for row in rows]

    @transaction
    def adopt(self, tx: Tx, owner: str, rows: list[Values]) -> None:
        """Messages of an archive that was elsewhere; those that are here already stay."""
        known = sa.select(messages.c.number).where(self.mine(messages, owner=owner))
        numbers = {row[2] for row in rows}
        there = set(tx.scalars(known.where(messages.c.number.in_(numbers))))
        new = [row for row in rows if row[2] not in there]
        if new:
            tx.exec_driver_sql(INSERT[tx.dialect.name], new)

    @query
    def one(self, tx: Tx, owner: str, id_: Id) -> bytes | None:
        """A single message; None if it is not there (any more)."""
        mine = self.mine(messages, owner=owner, number=id_.number, token=id_.token)
        return tx.scalar(sa.select(messages.c.stanza).where(mine))

    @transaction
    def rewrite(self, tx: Tx, owner: str, id_: Id, stanza: bytes) -> None:
        """Something else in the place of a message; no search finds what it was."""
        mine = self.mine(messages, owner=owner, number=id_.number, token=id_.token)
        tx.execute(messages.update().where(mine).values(stanza=stanza, size=len(stanza)))
        about = self.mine(search.words, owner=owner, number=id_.number)
        tx.execute(search.words.delete().where(about))

    @query
    def ends(self, tx: Tx, owner: str, since: int = 0) -> tuple[Id, Id] | None:
        """The first and the last message (§5); None for an empty archive."""
        number = messages.c.number
        mine = sa.select(number, messages.c.token).where(self.mine(messages, owner=owner)).limit(1)
        mine = mine.where(number >= since)
        first = tx.execute(mine.order_by(number)).one_or_none()
        last = tx.execute(mine.order_by(number.desc())).one_or_none()
        if first is None or last is None:
            return None
        return Id(first.number, first.token), Id(last.number, last.token)

    @query
    def size(self, tx: Tx, owner: str) -> tuple[int, int]:
        """Messages and bytes of an archive."""
        of = sa.select(sa.func.count(), sa.func.sum(messages.c.size))
        row = tx.execute(of.where(self.mine(messages, owner=owner))).one()
        return row[0], int(row[1] or 0)

    @transaction
    def bring_up(self, tx: Tx, owner: str) -> bool:
        """Index a piece of what has come since the last search; more to do?"""
        return search.bring_up(tx, messages, self.host, owner)

    # What goes

    @transaction
    def drop(self, tx: Tx, owner: str) -> None:
        """The whole archive."""
        tx.execute(messages.delete().where(self.mine(messages, owner=owner)))
        search.drop(tx, self.host, owner)

    @query
    def owners(self, tx: Tx, after: str) -> list[str]:
        """The next owners in the alphabet, some; each found with one look into the index."""
        found: list[str] = []
        while len(found) < PIECE:
            of = sa.select(messages.c.owner).where(self.mine(messages), messages.c.owner > after)
            owner = tx.scalar(of.order_by(messages.c.owner).limit(1))
            if owner is None:
                return found
            found.append(owner)
            after = owner
        return found

    @transaction
    def trim(self, tx: Tx, owner: str, until: int) -> bool:
        """Remove the oldest messages of one archive up to `until`, a piece; more to do?"""
        number = messages.c.number
        old = sa.and_(self.mine(messages, owner=owner), number <= until)
        last = sa.select(number).where(old).order_by(number).limit(1).offset(PIECE - 1)
        piece: int | None = tx.scalar(last)
        end = until if piece is None else piece
        tx.execute(messages.delete().where(old, number <= end))
        tx.execute(
            search.words.delete().where(
                self.mine(search.words, owner=owner), search.words.c.number <= end
            )
        )
        return piece is not None

    @query
    def surplus(self, tx: Tx, owner: str, max_count: int, max_bytes: int) -> int:
        """The newest message that has no room any more with all newer ones; 0: all have."""
        of = sa.select(messages.c.number, messages.c.size)
        newest = of.where(self.mine(messages, owner=owner)).order_by(messages.c.number.desc())
        room = max_bytes
        for position, row in enumerate(tx.execute(newest)):
            room -= row.size
            if room < 0 or position >= max_count:
                return int(row.number)
        return 0
