"""The tables of rosters: items, requests that wait for an answer, versions."""

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx
from twisted.logger import Logger

from xmppd.api import JID, Repository, jid, query, table, transaction, upsert
from xmppd.modules.roster.items import Item, Outcome, Transition

log = Logger()
items = table(
    "roster_items",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("contact", sa.String, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("groups", sa.Text, nullable=False),  # a JSON list of names
    sa.Column("to", sa.Boolean, nullable=False),
    sa.Column("from_", sa.Boolean, nullable=False),
    sa.Column("ask", sa.Boolean, nullable=False),
    sa.Column("approved", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)
# Subscription requests that the user has not answered, each complete (RFC 6121 §3.1.3).
requests = table(
    "roster_requests",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("contact", sa.String, primary_key=True),
    sa.Column("stanza", sa.LargeBinary, nullable=False),
)
# Versions count up from the time of the first change, in microseconds, so that an account that was
# removed and made again never reuses one that some client still holds (RFC 6121 §2.6).
versions = table(
    "roster_versions",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("floor", sa.BigInteger, nullable=False),  # what was removed before is forgotten
)
removals = table(
    "roster_removals",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("contact", sa.String, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)


def _of(of: sa.Table, *key: str) -> sa.ColumnElement[bool]:
    """The rows of `of` with the host and the `key` of an execution."""
    return sa.and_(*(of.c[name] == sa.bindparam(name) for name in ("host", *key)))


# Built once: they run at every login and for every subscription stanza.
ITEMS = sa.select(items).where(_of(items, "user"))
ITEM = sa.select(items).where(_of(items, "user", "contact"))
ASKING = sa.select(requests.c.contact).where(_of(requests, "user"))
ASKED = sa.select(requests.c.contact).where(_of(requests, "user", "contact"))
VERSION = sa.select(versions.c.version, versions.c.floor).where(_of(versions, "user"))
NOBODY: frozenset[str] = frozenset()  # one for all: an empty set takes 216 bytes
REMEMBERED_REMOVALS = 100  # an account; a client that missed more gets the whole roster


class RosterFull(Exception):
    """The account has as many contacts, or requests, as it may have."""


class Loaded(NamedTuple):
    """A whole roster, and whose requests wait for an answer. `version` is 0 until the first
    change.
    """

    items: list[Item]
    version: int
    asking: frozenset[str]


class Change(NamedTuple):
    """What became of a contact with that version of the roster; `item` is None: removed."""

    version: int
    contact: JID
    item: Item | None


class Store(Repository):
    """The roster tables of one host. Users are local parts."""

    @transaction
    def load(self, tx: Tx, user: str) -> Loaded:
        """All that is known of an account; in the writers' order, so that no change is missed."""
        asking = self._asking(tx, user)
        return Loaded(self._items(tx, user, asking), self._version(tx, user)[0], asking)

    @query
    def get(self, tx: Tx, user: str, contact: JID) -> Item:
        """One contact; an item that is not `listed` where it is not in the roster."""
        return self._get(tx, user, contact)

    @query
    def waiting(self, tx: Tx, user: str) -> list[bytes]:
        """The requests not answered yet, as they came in."""
        found = sa.select(requests.c.stanza).where(self.mine(requests, user=user))
        return list(tx.scalars(found.order_by(requests.c.contact)))

    @transaction
    def missed(self, tx: Tx, user: str, since: int) -> list[Change] | None:
        """What a client that has version `since` must be told (§2.6.3), in the order of versions.

        None where that is not known any more. In the writers' order, as `load`.
        """
        version, floor = self._version(tx, user)
        if not floor <= since <= version:
            return None
        changed = [
            Change(item.version, item.contact, item)
            for item in self._items(tx, user, ())
            if item.version > since
        ]
        gone = sa.select(removals.c.contact, removals.c.version).where(
            self.mine(removals, user=user), removals.c.version > since
        )
        removed = [Change(row.version, jid(row.contact), None) for row in tx.execute(gone)]
        return sorted(changed + removed, key=lambda change: change.version)

    @transaction
    def change(
        self,
        tx: Tx,
        user: str,
        contact: JID,
        transition: Transition,
        *,
        request: bytes = b"",
        limit: int,
    ) -> Outcome:
        """Apply what a subscription stanza does; `request` is kept where it becomes pending."""
        outcome = transition(self._get(tx, user, contact))
        before, after = outcome.before, outcome.after
        if after.pending and not before.pending:
            self._keep_request(tx, user, contact, request, limit)
        if before.pending and not after.pending:
            tx.execute(requests.delete().where(self.mine(requests, user=user, contact=contact)))
        if not after.listed or replace(after, pending=before.pending) == before:
            return outcome
        return replace(outcome, after=self._put(tx, user, before, after, limit))

    @transaction
    def put(
        self, tx: Tx, user: str, contact: JID, name: str, groups: tuple[str, ...], limit: int
    ) -> Item:
        """Add or rename a contact (§2.3, §2.4). Raises RosterFull."""
        before = self._get(tx, user, contact)
        after = replace(before, listed=True, name=name, groups=groups)
        return self._put(tx, user, before, after, limit)

    @transaction
    def adopt(self, tx: Tx, user: str, whole: Iterable[Item], limit: int) -> None:
        """Contacts as they were elsewhere. Raises RosterFull."""
        for item in whole:
            self._put(tx, user, self._get(tx, user, item.contact), item, limit)

    @transaction
    def adopt_request(self, tx: Tx, user: str, contact: JID, request: bytes, limit: int) -> None:
        """A request that was not answered elsewhere. Raises RosterFull."""
        self._keep_request(tx, user, contact, request, limit)

    @transaction
    def remove(self, tx: Tx, user: str, contact: JID) -> tuple[Item, int] | None:
        """Take a contact out (§2.5), and its request with it; what it was and the new version, or
        None if it is not in the roster.
        """
        before = self._get(tx, user, contact)
        if not before.listed:
            return None
        version = self._advance(tx, user)
        for of in (items, requests):
            tx.execute(of.delete().where(self.mine(of, user=user, contact=contact)))
        row = {"user": user, "contact": contact, "version": version}
        tx.execute(upsert(removals, host=self.host, **row))
        self._forget_removals(tx, user)
        return before, version

    @transaction
    def erase(self, tx: Tx, user: str) -> list[Item]:
        """Remove all that an account has; what it had, requests included."""
        asking = self._asking(tx, user)
        had = self._items(tx, user, asking)
        strangers = asking - {item.contact for item in had}
        for each in (items, requests, versions, removals):
            tx.execute(each.delete().where(self.mine(each, user=user)))
        return had + [Item(jid(contact), pending=True) for contact in strangers]

    # Parts of the transactions

    def _asking(self, tx: Tx, user: str) -> frozenset[str]:
        return frozenset(tx.scalars(ASKING, {"host": self.host, "user": user})) or NOBODY

    def _items(self, tx: Tx, user: str, asking: Iterable[str]) -> list[Item]:
        return list(_readable(tx.execute(ITEMS, {"host": self.host, "user": user}), asking))

    def _get(self, tx: Tx, user: str, contact: JID) -> Item:
        key = {"host": self.host, "user": user, "contact": contact}
        row = tx.execute(ITEM, key).one_or_none()
        pending = tx.scalar(ASKED, key) is not None
        return Item(contact, pending=pending) if row is None else _item(row, pending)

    def _put(self, tx: Tx, user: str, before: Item, after: Item, limit: int) -> Item:
        if not before.listed:
            self._check_room(tx, items, user, limit)
            tx.execute(
                removals.delete().where(self.mine(removals, user=user, contact=after.contact))
            )
        after = replace(after, version=self._advance(tx, user))
        tx.execute(
            upsert(
                items,
                host=self.host,
                user=user,
                contact=after.contact,
                name=after.name,
                groups=json.dumps(after.groups),
                to=after.to,
                from_=after.from_,
                ask=after.ask,
                approved=after.approved,
                version=after.version,
            )
        )
        return after

    def _keep_request(self, tx: Tx, user: str, contact: JID, request: bytes, limit: int) -> None:
        self._check_room(tx, requests, user, limit)
        tx.execute(upsert(requests, host=self.host, user=user, contact=contact, stanza=request))

    def _check_room(self, tx: Tx, of: sa.Table, user: str, limit: int) -> None:
        count = sa.select(sa.func.count()).select_from(of).where(self.mine(of, user=user))
        if (tx.scalar(count) or 0) >= limit:
            raise RosterFull

    def _version(self, tx: Tx, user: str) -> tuple[int, int]:
        row = tx.execute(VERSION, {"host": self.host, "user": user}).one_or_none()
        return (0, 0) if row is None else (row.version, row.floor)

    def _advance(self, tx: Tx, user: str) -> int:
        version, floor = self._version(tx, user)
        if not version:
            version = floor = int(time.time() * 1e6)
        row = {"user": user, "version": version + 1, "floor": floor}
        tx.execute(upsert(versions, host=self.host, **row))
        return version + 1

    def _forget_removals(self, tx: Tx, user: str) -> None:
        """Keep the last removals only; clients with older versions get the whole roster."""
        oldest = tx.scalar(
            sa.select(removals.c.version)
            .where(self.mine(removals, user=user))
            .order_by(removals.c.version.desc())
            .offset(REMEMBERED_REMOVALS)
            .limit(1)
        )
        if oldest is not None:
            old = sa.and_(self.mine(removals, user=user), removals.c.version <= oldest)
            tx.execute(removals.delete().where(old))
            tx.execute(
                versions.update().where(self.mine(versions, user=user)).values(floor=oldest)
            )


def _readable(rows: Iterable[sa.Row[Any]], asking: Iterable[str]) -> Iterable[Item]:
    """The items in these rows. A damaged one is left out: the others shall not suffer from it."""
    for row in rows:
        try:
            yield _item(row, row.contact in asking)
        except (TypeError, ValueError):
            log.error("unreadable: contact {row.contact!r} of {row.user!r}", row=row)


def _item(row: sa.Row[Any], pending: bool) -> Item:
    return Item(
        jid(row.contact),
        to=row.to,
        from_=row.from_,
        ask=row.ask,
        pending=pending,
        approved=row.approved,
        listed=True,
        name=row.name,
        groups=tuple(json.loads(row.groups)),
        version=row.version,
    )
