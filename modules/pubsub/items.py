"""Items as they are stored, in the order of publication (XEP-0060 §12.1)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    JID,
    Repository,
    ResultSetRequest,
    StanzaError,
    lenient_jid,
    query,
    transaction,
)
from xmppd.modules.pubsub import config
from xmppd.modules.pubsub.config import NodeConfig
from xmppd.modules.pubsub.model import Affiliation, Item, Node
from xmppd.modules.pubsub.store import NodeGone
from xmppd.modules.pubsub.tables import affiliations, items, nodes

SERVICES_AT_ONCE = 100
MOST_COUNTED = 10_000  # items before a page, to say where it stands


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def _text(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.String)


OF_NODE = items.c.node == _number("of_node")
LENGTH = sa.func.length(items.c.xml)
SIZE = sa.select(nodes.c.size, nodes.c.length).where(nodes.c.id == _number("of_node"))
SIZE = SIZE.with_for_update()
SET_SIZE = nodes.update().where(nodes.c.id == _number("of_node"))
SET_SIZE = SET_SIZE.values(size=_number("new_size"), length=_number("new_length"))
DROP_ONE = items.delete().where(OF_NODE, items.c.id == _text("of_id")).returning(LENGTH)
ADD = items.insert().values(
    host=_text("of_host"),
    node=_number("of_node"),
    id=_text("of_id"),
    publisher=_text("of_publisher"),
    at=_number("of_at"),
    xml=sa.bindparam("of_xml", type_=sa.Text),
)
OLDEST = (
    sa.select(items.c.seq, items.c.id, LENGTH.label("length")).where(OF_NODE).order_by(items.c.seq)
)
OLDEST = OLDEST.limit(sa.bindparam("most", type_=sa.Integer))
NEWEST = (
    sa.select(items)
    .where(OF_NODE, items.c.at >= _number("since"))
    .order_by(items.c.seq.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)


class NodeFull(Exception):
    """Publishing to a full node that is configured to reject (§7.1.3.4)."""


class OverQuota(Exception):
    """Whoever created the node stores too much already."""


class ItemGone(Exception):
    """There is no such item."""


class NotYours(Exception):
    """Another one published it."""


class Quota(NamedTuple):
    """How much may be stored, in characters of XML, in all nodes of a service that one entity has
    created.
    """

    service: JID
    creator: JID
    most: int


class Content(NamedTuple):
    """How many items a node has, and how long these are."""

    size: int
    length: int

    def without(self, lengths: Sequence[int]) -> "Content":
        """When items so long are gone."""
        return Content(self.size - len(lengths), self.length - sum(lengths))


class Latest(NamedTuple):
    """The last item of a node, and what says who may see it."""

    service: JID
    node: str
    config: NodeConfig
    affiliation: Affiliation  # of who asks
    item: Item

    def as_node(self) -> Node:
        """What a notification needs to know of the node: it is the account's."""
        owned = {self.service: Affiliation.OWNER}
        return Node(0, self.service, self.node, self.service, 0, self.config, owned, {})


class Paged(NamedTuple):
    """Some items in order, where the first stands among all, and how many these are."""

    items: list[Item]
    position: int | None
    total: int


class Items(Repository):
    @transaction
    def publish(
        self,
        tx: Tx,
        node: int,
        new: Sequence[Item],
        keep: int,
        *,
        reject: bool,
        quota: Quota | None = None,
    ) -> list[str]:
        """Store items, each in the place of one of the same id. The ids of those that had to make
        room. Raises NodeGone, NodeFull and OverQuota.
        """
        before = self._content(tx, node)
        size, length = before
        for item in new:
            replaced = tx.execute(DROP_ONE, {"of_node": node, "of_id": item.id}).all()
            size += 1 - len(replaced)
            length += len(item.xml) - sum(row[0] for row in replaced)
            tx.execute(ADD, _row(self.host, node, item))
        if reject and size > keep:
            raise NodeFull
        gone, now = self._trim(tx, node, Content(size, length), keep)
        if quota is not None and now.length > before.length:
            self._check(tx, quota)
        return gone

    @staticmethod
    def _content(tx: Tx, node: int) -> Content:
        """Raises NodeGone."""
        row = tx.execute(SIZE, {"of_node": node}).first()
        if row is None:
            raise NodeGone
        return Content(row.size, row.length)

    def _check(self, tx: Tx, quota: Quota) -> None:
        theirs = self.mine(nodes, service=str(quota.service), creator=str(quota.creator))
        total = tx.scalar(sa.select(sa.func.sum(nodes.c.length)).where(theirs))
        if int(total or 0) > quota.most:
            raise OverQuota

    @staticmethod
    def _note(tx: Tx, node: int, now: Content) -> None:
        values = {"of_node": node, "new_size": now.size, "new_length": now.length}
        tx.execute(SET_SIZE, values)

    def _trim(self, tx: Tx, node: int, now: Content, keep: int) -> tuple[list[str], Content]:
        """Remove the oldest above that number; which these were, and what there is then."""
        gone: list[str] = []
        if now.size > keep:
            oldest = tx.execute(OLDEST, {"of_node": node, "most": now.size - keep}).all()
            last = items.c.seq <= oldest[-1].seq
            tx.execute(items.delete().where(items.c.node == node, last))
            gone, now = [row.id for row in oldest], now.without([row.length for row in oldest])
        self._note(tx, node, now)
        return gone, now

    @transaction
    def trim(self, tx: Tx, node: int, keep: int) -> list[str]:
        """Remove the oldest above that number; which these were."""
        return self._trim(tx, node, self._content(tx, node), keep)[0]

    @transaction
    def retract(self, tx: Tx, node: int, ids: Sequence[str], publisher: JID | None) -> None:
        """All or none. `publisher`: nobody else's. Raises NodeGone, ItemGone, NotYours."""
        now = self._content(tx, node)
        which = sa.and_(items.c.node == node, items.c.id.in_(list(ids)))
        columns = (items.c.id, items.c.publisher, LENGTH.label("length"))
        found = tx.execute(sa.select(*columns).where(which)).all()
        if len(found) < len(set(ids)):
            raise ItemGone
        if publisher is not None and any(
            lenient_jid(row.publisher).bare != publisher.bare for row in found
        ):
            raise NotYours
        tx.execute(items.delete().where(which))
        self._note(tx, node, now.without([row.length for row in found]))

    @transaction
    def purge(self, tx: Tx, node: int) -> None:
        """Raises NodeGone."""
        self._content(tx, node)
        tx.execute(items.delete().where(items.c.node == node))
        self._note(tx, node, Content(0, 0))

    @query
    def newest(self, tx: Tx, node: int, most: int, since: int) -> list[Item]:
        """The last ones published after `since`, the oldest of them first."""
        found = tx.execute(NEWEST, {"of_node": node, "most": most, "since": since})
        return [_item(row) for row in found][::-1]

    @query
    def named(self, tx: Tx, node: int, ids: Sequence[str], since: int) -> list[Item]:
        """Those of them that there are, in the order in which they were asked for."""
        which = sa.and_(items.c.node == node, items.c.id.in_(list(ids)), items.c.at >= since)
        found = {row.id: _item(row) for row in tx.execute(sa.select(items).where(which))}
        return [found[id_] for id_ in dict.fromkeys(ids) if id_ in found]

    @query
    def ids(self, tx: Tx, node: int, most: int, since: int) -> list[str]:
        """The ids of the last ones, the oldest of them first."""
        which = sa.and_(items.c.node == node, items.c.at >= since)
        found = sa.select(items.c.id).where(which).order_by(items.c.seq.desc()).limit(most)
        return list(tx.scalars(found))[::-1]

    @query
    def page(self, tx: Tx, node: int, request: ResultSetRequest, most: int, since: int) -> Paged:
        """A page in the order of publication (XEP-0059). Raises item-not-found. Its position is
        left out where finding it would mean counting very many.
        """
        live = sa.and_(items.c.node == node, items.c.at >= since)
        total = self._total(tx, node, since)
        bounds = [live]
        if request.after:
            bounds.append(items.c.seq > self._seq(tx, node, request.after))
        if request.before:
            bounds.append(items.c.seq < self._seq(tx, node, request.before))
        size = most if request.max is None else min(request.max, most)
        found = sa.select(items).where(*bounds).limit(size)
        if request.before is not None:
            rows = tx.execute(found.order_by(items.c.seq.desc())).all()[::-1]
        else:
            rows = tx.execute(found.order_by(items.c.seq).offset(request.index or 0)).all()
        paged = [_item(row) for row in rows]
        return Paged(paged, self._position(tx, live, request, paged, total), total)

    def _total(self, tx: Tx, node: int, since: int) -> int:
        if not since:
            return tx.scalar(sa.select(nodes.c.size).where(nodes.c.id == node)) or 0
        which = sa.and_(items.c.node == node, items.c.at >= since)
        return tx.scalar(sa.select(sa.func.count()).select_from(items).where(which)) or 0

    @staticmethod
    def _position(
        tx: Tx,
        live: sa.ColumnElement[bool],
        request: ResultSetRequest,
        paged: Sequence[Item],
        total: int,
    ) -> int | None:
        if not paged:
            return None
        if not request.after and request.before is None:
            return request.index or 0
        if not request.after and request.before == "":
            return total - len(paged)
        if total > MOST_COUNTED:
            return None
        earlier = sa.select(sa.func.count()).select_from(items)
        return tx.scalar(earlier.where(live, items.c.seq < paged[0].seq))

    @staticmethod
    def _seq(tx: Tx, node: int, id_: str) -> int:
        which = sa.and_(items.c.node == node, items.c.id == id_)
        seq = tx.scalar(sa.select(items.c.seq).where(which))
        if seq is None:
            raise StanzaError("item-not-found", "no item has this id (any more)")
        return int(seq)

    @transaction
    def expire(self, tx: Tx, now: int) -> None:
        """Remove what has been there for longer than its node is configured to keep it."""
        old = sa.select(nodes.c.id, nodes.c.expire_s).where(
            self.mine(nodes), nodes.c.expire_s.is_not(None), nodes.c.size > 0
        )
        for row in tx.execute(old).all():
            which = sa.and_(items.c.node == row.id, items.c.at < now - row.expire_s * 1_000_000)
            gone = tx.execute(items.delete().where(which).returning(LENGTH)).all()
            if gone:
                smaller = nodes.update().where(nodes.c.id == row.id)
                less = nodes.c.length - sum(row[0] for row in gone)
                tx.execute(smaller.values(size=nodes.c.size - len(gone), length=less))

    @query
    def latest(
        self, tx: Tx, services: Sequence[JID], names: Iterable[str], who: JID
    ) -> list[Latest]:
        """The last item of each node of these services that is called so, and what `who` is to
        the node.
        """
        newest = (
            sa.select(sa.func.max(items.c.seq))
            .where(items.c.node == nodes.c.id)
            .correlate(nodes)
            .scalar_subquery()
        )
        its = sa.and_(affiliations.c.node == nodes.c.id, affiliations.c.jid == str(who.bare))
        columns = (nodes.c.service, nodes.c.name, nodes.c.config, affiliations.c.affiliation)
        wanted = (
            sa.select(*columns, items)
            .select_from(nodes)
            .join(items, items.c.seq == newest)
            .outerjoin(affiliations, sa.and_(affiliations.c.host == self.host, its))
            .order_by(items.c.seq)
        )
        called, found = list(names), []
        for start in range(0, len(services), SERVICES_AT_ONCE):
            few = [str(each) for each in services[start : start + SERVICES_AT_ONCE]]
            which = sa.and_(self.mine(nodes), nodes.c.service.in_(few), nodes.c.name.in_(called))
            found += [_latest(row) for row in tx.execute(wanted.where(which))]
        return found


def _row(host: str, node: int, item: Item) -> dict[str, object]:
    return {
        "of_host": host,
        "of_node": node,
        "of_id": item.id,
        "of_publisher": str(item.publisher),
        "of_at": item.at,
        "of_xml": item.xml,
    }


def _item(row: "sa.Row[tuple[object, ...]]") -> Item:
    return Item(row.id, lenient_jid(row.publisher), row.at, row.xml, row.seq)


def _latest(row: "sa.Row[tuple[object, ...]]") -> Latest:
    return Latest(
        lenient_jid(row.service),
        row.name,
        config.from_json(row.config),
        Affiliation(row.affiliation or "none"),
        _item(row),
    )
