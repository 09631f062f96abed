"""Whom each account has blocked, and what it reported to the operator."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    JID,
    Repository,
    StanzaError,
    insert_ignore,
    query,
    row_id,
    table,
    transaction,
)

KEPT_REPORTS = 1000  # of one host; then the oldest go
blocked = table(
    "blocked",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("jid", sa.String, primary_key=True),
)
reports = table(
    "abuse_reports",
    row_id(),
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970
    sa.Column("user", sa.String, nullable=False),
    sa.Column("jid", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("stanza_ids", sa.Text, nullable=False),  # separated by spaces
    sa.Column("may_forward", sa.String, nullable=False),  # to whom the user lets it be passed on
)
sa.Index("abuse_reports_by_host", reports.c.host, reports.c.id)


@dataclass(frozen=True, slots=True)
class Report:
    """What a user says of an address that is being blocked (XEP-0377 §4, §5)."""

    jid: JID
    reason: str
    text: str
    stanza_ids: str
    may_forward: str


class Store(Repository):
    @query
    def load(self, tx: Tx) -> dict[str, frozenset[str]]:
        """All lists of the host, by local part."""
        lists: dict[str, list[str]] = {}
        of = sa.select(blocked.c.user, blocked.c.jid).where(self.mine(blocked))
        for row in tx.execute(of):
            lists.setdefault(row.user, []).append(row.jid)
        return {user: frozenset(jids) for user, jids in lists.items()}

    @transaction
    def add(
        self, tx: Tx, user: str, jids: Iterable[JID], told: Iterable[Report], limit: int
    ) -> frozenset[str]:
        """Block these, and keep the reports. The whole list then; StanzaError if it is full."""
        for jid in jids:
            tx.execute(insert_ignore(blocked, host=self.host, user=user, jid=jid))
        after = self._list(tx, user)
        if len(after) > limit:
            raise StanzaError("resource-constraint", f"at most {limit} addresses", type="cancel")
        for report in told:
            self._report(tx, user, report)
        return after

    @transaction
    def remove(self, tx: Tx, user: str, jids: list[JID]) -> frozenset[str]:
        """Unblock these. The whole list then."""
        mine = self.mine(blocked, user=user)
        tx.execute(blocked.delete().where(mine, blocked.c.jid.in_(jids)))
        return self._list(tx, user)

    @transaction
    def clear(self, tx: Tx, user: str) -> None:
        tx.execute(blocked.delete().where(self.mine(blocked, user=user)))

    def _list(self, tx: Tx, user: str) -> frozenset[str]:
        of = sa.select(blocked.c.jid).where(self.mine(blocked, user=user))
        return frozenset(tx.scalars(of))

    def _report(self, tx: Tx, user: str, report: Report) -> None:
        values = {name: getattr(report, name) for name in Report.__slots__}
        at = time.time_ns() // 1000
        tx.execute(reports.insert().values(host=self.host, user=user, at=at, **values))
        newest = sa.select(reports.c.id).where(self.mine(reports)).order_by(reports.c.id.desc())
        oldest_kept = tx.scalar(newest.limit(1).offset(KEPT_REPORTS - 1))
        if oldest_kept is not None:
            tx.execute(reports.delete().where(self.mine(reports), reports.c.id < oldest_kept))

    @query
    def reported(self, tx: Tx, most: int) -> list[tuple[int, int, str, str, str, str, str]]:
        """The newest reports: number, time, user, JID, reason, text, stanza ids."""
        c = reports.c
        of = sa.select(c.id, c.at, c.user, c.jid, c.reason, c.text, c.stanza_ids)
        newest = of.where(self.mine(reports)).order_by(c.id.desc()).limit(most)
        return [tuple(row) for row in tx.execute(newest)]

    @transaction
    def close(self, tx: Tx, until: int) -> int:
        """Remove the reports up to this number; how many."""
        old = reports.delete().where(self.mine(reports), reports.c.id <= until)
        return tx.execute(old.execution_options(preserve_rowcount=True)).rowcount
