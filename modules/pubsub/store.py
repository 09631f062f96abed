"""Nodes as they are stored: who is what to them, and what they are configured to be."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    JID,
    Repository,
    StanzaError,
    insert_ignore,
    lenient_jid,
    query,
    transaction,
    upsert,
)
from xmppd.modules.pubsub import config, options
from xmppd.modules.pubsub.config import NodeConfig, SendLast
from xmppd.modules.pubsub.model import Affiliation, Node, State, Subscription
from xmppd.modules.pubsub.tables import affiliations, items, moved, nodes, subscriptions

MOST_MOVED = 1000  # addresses of deleted nodes that a host remembers


class NodeExists(Exception):
    """There is such a node already."""


class NodeGone(Exception):
    """The node was deleted meanwhile."""


class TooMany(Exception):
    """A limit is reached."""


class NoOwner(Exception):
    """A node would be left without owner."""


class Listed(NamedTuple):
    """A node in a list."""

    name: str
    title: str
    config: NodeConfig
    creator: str
    size: int


class Store(Repository):
    @query
    def load(self, tx: Tx, service: JID, name: str) -> Node | None:
        row = tx.execute(
            sa.select(nodes).where(self.mine(nodes, service=str(service), name=name))
        ).first()
        if row is None:
            return None
        return Node(
            row.id,
            service,
            name,
            lenient_jid(row.creator),
            row.created,
            config.from_json(row.config),
            self._affiliations(tx, row.id),
            self._subscriptions(tx, row.id),
        )

    def _affiliations(self, tx: Tx, node: int) -> dict[JID, Affiliation]:
        found = tx.execute(
            sa.select(affiliations.c.jid, affiliations.c.affiliation).where(
                self.mine(affiliations, node=node)
            )
        )
        return {lenient_jid(row.jid): Affiliation(row.affiliation) for row in found}

    def _subscriptions(self, tx: Tx, node: int) -> dict[tuple[JID, str], Subscription]:
        found = tx.execute(
            sa.select(subscriptions).where(self.mine(subscriptions, node=node))
        ).all()
        return {each.key: each for each in (_subscription(row) for row in found)}

    @query
    def where_to(self, tx: Tx, service: JID, name: str) -> str | None:
        """The address that a deleted node left (§8.4.1)."""
        mine = self.mine(moved, service=str(service), name=name)
        return tx.scalar(sa.select(moved.c.uri).where(mine))

    @query
    def listed(
        self,
        tx: Tx,
        service: JID,
        limit: int,
        *,
        after: str = "",
        before: str = "",
        backwards: bool = False,
    ) -> list[Listed]:
        """The nodes of a service by their age: the first ones, or the last ones `backwards`, of
        those between two nodes. Raises item-not-found for a node that is not there.
        """
        which = [self.mine(nodes, service=str(service))]
        if after:
            which.append(nodes.c.id > self._number(tx, service, after))
        if before:
            which.append(nodes.c.id < self._number(tx, service, before))
        order = nodes.c.id.desc() if backwards else nodes.c.id.asc()
        found = tx.execute(sa.select(nodes).where(*which).order_by(order).limit(limit))
        rows = [_listed(row) for row in found]
        return rows[::-1] if backwards else rows

    @query
    def count(self, tx: Tx, service: JID) -> int:
        """How many nodes a service has."""
        mine = self.mine(nodes, service=str(service))
        return tx.scalar(sa.select(sa.func.count()).select_from(nodes).where(mine)) or 0

    def _number(self, tx: Tx, service: JID, name: str) -> int:
        mine = self.mine(nodes, service=str(service), name=name)
        number = tx.scalar(sa.select(nodes.c.id).where(mine))
        if number is None:
            raise StanzaError("item-not-found", "no node has this name (any more)")
        return int(number)

    # Nodes

    @transaction
    def create(self, tx: Tx, node: Node, *, per_owner: int, in_all: int) -> int:
        """Its number. Raises NodeExists and TooMany."""
        mine = self.mine(nodes, service=str(node.service))
        self._check_count(tx, sa.and_(mine, nodes.c.creator == str(node.creator)), per_owner)
        self._check_count(tx, mine, in_all)
        row = insert_ignore(
            nodes,
            host=self.host,
            service=str(node.service),
            name=node.name,
            creator=str(node.creator),
            created=node.created,
            size=0,
            length=0,
            **_written(node.config),
        )
        if not tx.execute(row).rowcount:
            raise NodeExists
        number = self._number(tx, node.service, node.name)
        self._affiliate(tx, number, node.affiliations)
        tx.execute(
            moved.delete().where(self.mine(moved, service=str(node.service), name=node.name))
        )
        return number

    def _check_count(self, tx: Tx, which: sa.ColumnElement[bool], limit: int) -> None:
        beyond = sa.select(nodes.c.id).where(which).limit(1).offset(limit - 1)
        if tx.scalar(beyond) is not None:
            raise TooMany

    @transaction
    def configure(self, tx: Tx, node: int, new: NodeConfig) -> None:
        """Raises NodeGone."""
        self._lock(tx, node)
        tx.execute(nodes.update().where(nodes.c.id == node).values(**_written(new)))

    @staticmethod
    def _lock(tx: Tx, node: int) -> int:
        """The number of items of a node that nobody else changes till the end of this."""
        size = tx.scalar(sa.select(nodes.c.size).where(nodes.c.id == node).with_for_update())
        if size is None:
            raise NodeGone
        return int(size)

    @transaction
    def delete(self, tx: Tx, node: Node, uri: str) -> None:
        """With all that belongs to it; `uri`: where it has moved to, or ""."""
        self._lock(tx, node.id)
        self._erase(tx, [node.id])
        if uri:
            values = {"service": str(node.service), "name": node.name, "uri": uri}
            tx.execute(moved.insert().values(host=self.host, **values))
            newest = sa.select(moved.c.id).where(self.mine(moved))
            oldest_kept = newest.order_by(moved.c.id.desc()).limit(1).offset(MOST_MOVED - 1)
            too_old = moved.c.id < oldest_kept.scalar_subquery()
            tx.execute(moved.delete().where(self.mine(moved), too_old))

    @staticmethod
    def _erase(tx: Tx, numbers: list[int]) -> None:
        for table in (items, subscriptions, affiliations):
            tx.execute(table.delete().where(table.c.node.in_(numbers)))
        tx.execute(nodes.delete().where(nodes.c.id.in_(numbers)))

    @transaction
    def erase(self, tx: Tx, account: JID) -> None:
        """All nodes of an account, and whatever it is to the nodes of others."""
        mine = self.mine(nodes, service=str(account))
        self._erase(tx, list(tx.scalars(sa.select(nodes.c.id).where(mine))))
        tx.execute(subscriptions.delete().where(self.mine(subscriptions, bare=str(account))))
        tx.execute(affiliations.delete().where(self.mine(affiliations, jid=str(account))))
        tx.execute(moved.delete().where(self.mine(moved, service=str(account))))

    @query
    def concerning(self, tx: Tx, account: JID) -> list[tuple[JID, str]]:
        """The nodes of others that an account is something to."""
        found: set[tuple[JID, str]] = set()
        for table, jid in ((subscriptions, "bare"), (affiliations, "jid")):
            rows = tx.execute(
                sa.select(nodes.c.service, nodes.c.name)
                .join(table, table.c.node == nodes.c.id)
                .where(self.mine(table, **{jid: str(account)}))
            )
            found |= {(lenient_jid(row.service), row.name) for row in rows}
        return sorted(found)

    @query
    def opened(self, tx: Tx, owner: JID, to: JID) -> list[tuple[JID, str]]:
        """The nodes of that owner to which an entity is subscribed."""
        of, its = nodes.c.id, affiliations.c
        owned = self.mine(affiliations, jid=str(owner), affiliation=str(Affiliation.OWNER))
        found = (
            sa.select(nodes.c.service, nodes.c.name)
            .distinct()
            .join(subscriptions, subscriptions.c.node == of)
            .join(affiliations, its.node == of)
            .where(self.mine(subscriptions, bare=str(to.bare)), owned)
        )
        return [(lenient_jid(row.service), row.name) for row in tx.execute(found)]

    # Affiliations

    @transaction
    def affiliate(self, tx: Tx, node: int, changes: Mapping[JID, Affiliation]) -> None:
        """Raises NodeGone, and NoOwner."""
        self._lock(tx, node)
        self._affiliate(tx, node, changes)
        owned = self.mine(affiliations, node=node, affiliation=str(Affiliation.OWNER))
        if tx.scalar(sa.select(affiliations.c.jid).where(owned).limit(1)) is None:
            raise NoOwner

    def _affiliate(self, tx: Tx, node: int, changes: Mapping[JID, Affiliation]) -> None:
        for jid, affiliation in changes.items():
            if affiliation is Affiliation.NONE:
                gone = self.mine(affiliations, node=node, jid=str(jid))
                tx.execute(affiliations.delete().where(gone))
            else:
                values = {"node": node, "jid": str(jid), "affiliation": str(affiliation)}
                tx.execute(upsert(affiliations, host=self.host, **values))

    @query
    def affiliations_of(
        self, tx: Tx, service: JID, who: JID, node: str | None
    ) -> list[tuple[str, Affiliation]]:
        """An entity's affiliations, by node (§5.7)."""
        found = (
            sa.select(nodes.c.name, affiliations.c.affiliation)
            .join(affiliations, affiliations.c.node == nodes.c.id)
            .where(self.mine(affiliations, jid=str(who.bare)), nodes.c.service == str(service))
            .order_by(nodes.c.id)
        )
        if node is not None:
            found = found.where(nodes.c.name == node)
        return [(row.name, Affiliation(row.affiliation)) for row in tx.execute(found)]

    # Subscriptions

    @transaction
    def subscribe(
        self, tx: Tx, node: int, it: Subscription, *, per_node: int, per_entity: int
    ) -> None:
        """Put a subscription in the place of that JID's with that subid. Raises NodeGone and
        TooMany.
        """
        self._lock(tx, node)
        known = self.mine(subscriptions, node=node, jid=str(it.jid), subid=it.subid)
        if tx.scalar(sa.select(subscriptions.c.jid).where(known)) is None:
            mine = sa.select(subscriptions.c.jid).limit(1)
            bare = self.mine(subscriptions, bare=str(it.jid.bare))
            whole = self.mine(subscriptions, node=node)
            for which, limit in ((bare, per_entity), (whole, per_node)):
                if tx.scalar(mine.where(which).offset(limit - 1)) is not None:
                    raise TooMany
        tx.execute(
            upsert(
                subscriptions,
                host=self.host,
                node=node,
                jid=str(it.jid),
                bare=str(it.jid.bare),
                state=str(it.state),
                subid=it.subid,
                options=options.to_json(it.options),
            )
        )

    @transaction
    def unsubscribe(self, tx: Tx, node: int, gone: Sequence[Subscription]) -> None:
        for it in gone:
            which = self.mine(subscriptions, node=node, jid=str(it.jid), subid=it.subid)
            tx.execute(subscriptions.delete().where(which))

    @query
    def subscriptions_of(
        self, tx: Tx, service: JID, who: JID, node: str | None
    ) -> list[tuple[str, Subscription]]:
        """An entity's subscriptions, by node (§5.6)."""
        found = (
            sa.select(nodes.c.name, subscriptions)
            .join(subscriptions, subscriptions.c.node == nodes.c.id)
            .where(self.mine(subscriptions, bare=str(who.bare)), nodes.c.service == str(service))
            .order_by(nodes.c.id, subscriptions.c.jid)
        )
        if node is not None:
            found = found.where(nodes.c.name == node)
        return [(row.name, _subscription(row)) for row in tx.execute(found)]

    @query
    def any_pending(self, tx: Tx) -> bool:
        """Whether somebody waits for approval at any node of an account."""
        which = self.mine(subscriptions, state=str(State.PENDING))
        of = sa.select(subscriptions.c.node).join(nodes, subscriptions.c.node == nodes.c.id)
        return tx.scalar(of.where(which, nodes.c.service.contains("@")).limit(1)) is not None

    @query
    def by_presence(self, tx: Tx, service: JID, limit: int) -> list[JID]:
        """Subscribers whose presence matters to a node."""
        found = (
            sa.select(subscriptions.c.bare)
            .distinct()
            .join(nodes, subscriptions.c.node == nodes.c.id)
            .where(self.mine(nodes, service=str(service), by_presence=True))
            .limit(limit)
        )
        return [lenient_jid(bare) for bare in tx.scalars(found)]


def _written(of: NodeConfig) -> dict[str, object]:
    awaits = of.send_last_published_item is SendLast.ON_SUB_AND_PRESENCE
    return {
        "config": config.to_json(of),
        "expire_s": of.item_expire,
        "by_presence": of.presence_based_delivery or awaits,
    }


def _listed(row: "sa.Row[tuple[object, ...]]") -> Listed:
    its = config.from_json(row.config)
    return Listed(row.name, its.title, its, row.creator, row.size)


def _subscription(row: "sa.Row[tuple[object, ...]]") -> Subscription:
    return Subscription(
        lenient_jid(row.jid), State(row.state), row.subid, options.from_json(row.options)
    )
