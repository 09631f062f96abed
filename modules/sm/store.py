"""What is stored of sessions: how much was handled in them, and after a stop all of it."""

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import Repository, query, table, transaction, upsert

MOST = 20  # of one account

sessions = table(
    "sm_sessions",
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("user", sa.String, nullable=False),
    sa.Column("handled", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),  # seconds since 1970
    sa.Column("resumable_until", sa.BigInteger, nullable=False),
    sa.Column("snapshot", sa.LargeBinary),
)
sa.Index("sm_sessions_by_user", sessions.c.host, sessions.c.user)


class Ended(NamedTuple):
    """How many stanzas were handled in a session without a connection, and if it was stored whole,
    until when it can be resumed.
    """

    id: str
    user: str
    handled: int
    until: int  # when it may be forgotten, in seconds since 1970
    snapshot: bytes | None = None
    resumable_until: int = 0


class Saved(NamedTuple):
    """A session that was stored whole."""

    id: str
    user: str
    until: int
    snapshot: bytes


class Store(Repository):
    @transaction
    def put_all(self, tx: Tx, ended: Iterable[Ended]) -> None:
        users = set()
        for each in ended:
            tx.execute(upsert(sessions, host=self.host, **each._asdict()))
            users.add(each.user)
        for user in users:
            self._bound(tx, user)

    def _bound(self, tx: Tx, user: str) -> None:
        known = sa.select(sessions.c.id).where(self.mine(sessions, user=user))
        oldest = tx.scalars(known.order_by(sessions.c.until.desc()).offset(MOST)).all()
        if oldest:
            tx.execute(sessions.delete().where(self.mine(sessions), sessions.c.id.in_(oldest)))

    @query
    def count(self, tx: Tx, id: str, user: str) -> int | None:
        """What was handled in a session of that account; None if it is not known."""
        found = sa.select(sessions.c.handled).where(self.mine(sessions, id=id, user=user))
        return tx.scalar(found)

    @transaction
    def drop(self, tx: Tx, id: str) -> None:
        tx.execute(sessions.delete().where(self.mine(sessions, id=id)))

    @transaction
    def drop_all(self, tx: Tx, user: str) -> None:
        tx.execute(sessions.delete().where(self.mine(sessions, user=user)))

    @transaction
    def drop_older(self, tx: Tx, now: int) -> None:
        tx.execute(sessions.delete().where(self.mine(sessions), sessions.c.until < now))

    @transaction
    def take_all(self, tx: Tx, now: int) -> list[Saved]:
        """The sessions that can still be resumed. They live in memory from now on: what is
        stored of them is not true any more when that is lost.
        """
        columns = sessions.c.id, sessions.c.user, sessions.c.resumable_until, sessions.c.snapshot
        whole = sa.and_(self.mine(sessions), sessions.c.snapshot.is_not(None))
        alive = sa.select(*columns).where(whole, sessions.c.resumable_until > now)
        found = [Saved(*row) for row in tx.execute(alive)]
        tx.execute(sessions.update().where(whole).values(snapshot=None))
        return found
