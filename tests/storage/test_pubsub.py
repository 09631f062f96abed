"""Nodes and items on both databases: order, limits, pages, and what a query costs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from xmppd.api import Repository, ResultSetRequest, StanzaError, query
from xmppd.jid import jid
from xmppd.modules.pubsub import tables
from xmppd.modules.pubsub.config import AccessModel, NodeConfig
from xmppd.modules.pubsub.items import (
    NEWEST,
    ItemGone,
    Items,
    NodeFull,
    NotYours,
    OverQuota,
    Quota,
)
from xmppd.modules.pubsub.model import Affiliation, Item, Node, State, Subscription
from xmppd.modules.pubsub.options import SubscriptionOptions
from xmppd.modules.pubsub.store import NodeExists, NodeGone, NoOwner, Store, TooMany
from xmppd.storage import Database, Schema

SERVICE, ROMEO, JULIET = jid("pubsub.h"), jid("romeo@h"), jid("juliet@h/balcony")


class Stored:
    """A database with a node."""

    def __init__(self, database: Database, turns: Any) -> None:
        turns.wait(database.migrate([Schema.of("pubsub", tables)]))
        self.database = database
        self.wait = turns.wait
        self.store, self.items = Store(database, "h"), Items(database, "h")
        self.node = self.create("n")

    def create(self, name: str, config: NodeConfig | None = None, **limits: int) -> int:
        affiliations = {ROMEO: Affiliation.OWNER}
        node = Node(0, SERVICE, name, ROMEO, 1, config or NodeConfig(), affiliations, {})
        return self.wait(self.store.create(node, **{"per_owner": 9, "in_all": 9, **limits}))

    def publish(self, *ids: str, keep: int = 100, at: int = 10, reject: bool = False) -> list[str]:
        new = [Item(id_, JULIET, at, f"<e xmlns='urn:e'>{id_}</e>") for id_ in ids]
        return self.wait(self.items.publish(self.node, new, keep, reject=reject))

    def ids(self, most: int = 100, since: int = 0) -> list[str]:
        return [item.id for item in self.wait(self.items.newest(self.node, most, since))]

    def size(self) -> int:
        (row,) = [each for each in self.wait(self.store.listed(SERVICE, 9)) if each.name == "n"]
        return row.size

    def page(self, **asked: Any) -> tuple[list[str], int | None, int]:
        request = ResultSetRequest(**asked)
        paged = self.wait(self.items.page(self.node, request, 10, 0))
        return [item.id for item in paged.items], paged.position, paged.total


@pytest.fixture
def stored(open_database: Callable[..., Database], turns: Any, url: str) -> Stored:
    return Stored(open_database(url), turns)


def test_a_node_is_read_as_it_was_written(stored: Stored) -> None:
    config = NodeConfig(
        title="T\u00e4glich 'n \U0001f339",
        access_model=AccessModel.ROSTER,
        roster_groups_allowed=("a", "b"),
        max_items=None,
        item_expire=5,
    )
    number = stored.create("m\u00fc", config)
    lease = SubscriptionOptions(False, 77)
    it = Subscription(JULIET, State.PENDING, "s1", lease)
    stored.wait(stored.store.subscribe(number, it, per_node=9, per_entity=9))
    read = stored.wait(stored.store.load(SERVICE, "m\u00fc"))
    assert read is not None
    assert (read.id, read.creator, read.config) == (number, ROMEO, config)
    assert read.affiliations == {ROMEO: Affiliation.OWNER}
    assert read.subscriptions == {(JULIET, "s1"): it}
    assert stored.wait(stored.store.load(SERVICE, "other")) is None
    assert stored.wait(stored.store.load(jid("other.h"), "n")) is None


def test_a_name_is_given_once_and_nodes_are_limited(stored: Stored) -> None:
    with pytest.raises(NodeExists):
        stored.create("n")
    with pytest.raises(TooMany):
        stored.create("m", per_owner=1)
    with pytest.raises(TooMany):
        stored.create("m", in_all=1)
    assert stored.create("m", per_owner=2, in_all=2) != stored.node


def test_items_are_in_the_order_of_publication(stored: Stored) -> None:
    stored.publish("b")
    stored.publish("a", "c")
    stored.publish("b")
    assert stored.ids() == ["a", "c", "b"]
    assert stored.ids(2) == ["c", "b"]
    assert stored.size() == 3


def test_the_oldest_make_room(stored: Stored) -> None:
    stored.publish("a", "b", keep=2)
    assert stored.publish("c", "d", "e", keep=3) == ["a", "b"]
    assert stored.publish("d", keep=3) == []
    assert stored.ids() == ["c", "e", "d"]
    assert stored.wait(stored.items.trim(stored.node, 1)) == ["c", "e"]
    assert stored.size() == 1


def test_a_full_node_that_rejects_stays_as_it_is(stored: Stored) -> None:
    stored.publish("a", "b", keep=2)
    with pytest.raises(NodeFull):
        stored.publish("b", "c", keep=2, reject=True)
    assert stored.ids() == ["a", "b"]
    assert stored.publish("a", keep=2, reject=True) == []
    assert stored.size() == 2


def test_all_are_retracted_or_none(stored: Stored) -> None:
    stored.publish("a", "b", "c")
    with pytest.raises(ItemGone):
        stored.wait(stored.items.retract(stored.node, ["a", "no"], None))
    with pytest.raises(NotYours):
        stored.wait(stored.items.retract(stored.node, ["a"], ROMEO))
    stored.wait(stored.items.retract(stored.node, ["a", "c"], JULIET))
    assert stored.ids() == ["b"]
    stored.wait(stored.items.purge(stored.node))
    assert (stored.ids(), stored.size()) == ([], 0)


def test_items_come_by_name_and_in_pages(stored: Stored) -> None:
    stored.publish(*"abcde")
    named = stored.wait(stored.items.named(stored.node, ["d", "x", "a", "d"], 0))
    assert [item.id for item in named] == ["d", "a"]
    assert stored.page(max=2) == (["a", "b"], 0, 5)
    assert stored.page(max=2, after="b") == (["c", "d"], 2, 5)
    assert stored.page(max=2, before="") == (["d", "e"], 3, 5)
    assert stored.page(max=2, before="d") == (["b", "c"], 1, 5)
    assert stored.page(max=2, index=4) == (["e"], 4, 5)
    assert stored.page(after="a", before="e") == (["b", "c", "d"], 1, 5)
    assert stored.page(max=0) == ([], None, 5)
    with pytest.raises(StanzaError, match="item-not-found"):
        stored.page(after="x' OR '1'='1")


def test_items_expire(stored: Stored) -> None:
    stored.wait(stored.store.configure(stored.node, NodeConfig(item_expire=10)))
    stored.publish("old", at=1)
    stored.publish("new", at=20_000_000)
    assert stored.ids(since=10) == ["new"]
    stored.wait(stored.items.expire(25_000_000))
    assert (stored.ids(), stored.size()) == (["new"], 1)


def test_a_deleted_node_leaves_nothing_but_its_address(stored: Stored) -> None:
    stored.publish("a")
    node = stored.wait(stored.store.load(SERVICE, "n"))
    assert node is not None
    stored.wait(stored.store.delete(node, "xmpp:new.h"))
    assert stored.wait(stored.store.load(SERVICE, "n")) is None
    assert stored.wait(stored.store.where_to(SERVICE, "n")) == "xmpp:new.h"
    with pytest.raises(NodeGone):
        stored.publish("b")
    count = sa.select(sa.func.count()).select_from(tables.items)
    assert stored.wait(stored.database.run(lambda tx: tx.scalar(count))) == 0
    stored.create("n")
    assert stored.wait(stored.store.where_to(SERVICE, "n")) is None


def test_a_node_keeps_an_owner(stored: Stored) -> None:
    with pytest.raises(NoOwner):
        stored.wait(stored.store.affiliate(stored.node, {ROMEO: Affiliation.NONE}))
    changes = {ROMEO: Affiliation.NONE, JULIET.bare: Affiliation.OWNER}
    stored.wait(stored.store.affiliate(stored.node, changes))
    found = stored.wait(stored.store.affiliations_of(SERVICE, JULIET, None))
    assert found == [("n", Affiliation.OWNER)]
    assert stored.wait(stored.store.affiliations_of(SERVICE, ROMEO, None)) == []


def test_subscriptions_are_limited_and_found_by_their_entity(stored: Stored) -> None:
    def subscribe(who: str, **limits: int) -> None:
        it = Subscription(jid(who), State.SUBSCRIBED, "s")
        bounds = {"per_node": 9, "per_entity": 9, **limits}
        stored.wait(stored.store.subscribe(stored.node, it, **bounds))

    subscribe("juliet@h")
    subscribe("juliet@h", per_node=1, per_entity=1)  # the same again
    with pytest.raises(TooMany):
        subscribe("juliet@h/balcony", per_entity=1)
    with pytest.raises(TooMany):
        subscribe("romeo@h", per_node=1)
    subscribe("juliet@h/balcony")
    found = stored.wait(stored.store.subscriptions_of(SERVICE, JULIET, None))
    assert [(node, str(it.jid)) for node, it in found] == [
        ("n", "juliet@h"),
        ("n", "juliet@h/balcony"),
    ]
    gone = Subscription(jid("juliet@h"), State.SUBSCRIBED, "s")
    stored.wait(stored.store.unsubscribe(stored.node, [gone]))
    assert len(stored.wait(stored.store.subscriptions_of(SERVICE, JULIET, "n"))) == 1
    stored.wait(stored.store.erase(jid("juliet@h")))
    assert stored.wait(stored.store.subscriptions_of(SERVICE, JULIET, None)) == []


def test_one_jid_has_several_subscriptions_by_their_subids(stored: Stored) -> None:
    these = [Subscription(JULIET, State.SUBSCRIBED, subid) for subid in ("s1", "s2")]
    for it in these:
        stored.wait(stored.store.subscribe(stored.node, it, per_node=2, per_entity=2))
    silent = replace(these[0], options=SubscriptionOptions(deliver=False))
    stored.wait(stored.store.subscribe(stored.node, silent, per_node=2, per_entity=2))
    node = stored.wait(stored.store.load(SERVICE, "n"))
    assert node is not None
    assert {it.subid: it.options.deliver for it in node.held(JULIET)} == {"s1": False, "s2": True}
    stored.wait(stored.store.unsubscribe(stored.node, [silent]))
    left = stored.wait(stored.store.subscriptions_of(SERVICE, JULIET, "n"))
    assert [it.subid for _, it in left] == ["s2"]


def test_it_is_found_what_an_owner_has_opened_to_somebody(stored: Stored) -> None:
    for name in ("n", "m"):
        number = stored.node if name == "n" else stored.create(name)
        it = Subscription(JULIET, State.SUBSCRIBED, "s")
        stored.wait(stored.store.subscribe(number, it, per_node=9, per_entity=9))
    changes = {ROMEO: Affiliation.MEMBER, JULIET.bare: Affiliation.OWNER}
    stored.wait(stored.store.affiliate(stored.node, changes))
    opened = stored.store.opened
    assert stored.wait(opened(ROMEO, JULIET)) == [(SERVICE, "m")]
    assert stored.wait(opened(JULIET.bare, JULIET)) == [(SERVICE, "n")]
    assert stored.wait(opened(ROMEO, ROMEO)) == []


def test_nodes_are_listed_between_others(stored: Stored) -> None:
    def names(**bounds: Any) -> list[str]:
        return [row.name for row in stored.wait(stored.store.listed(SERVICE, 2, **bounds))]

    for name in "abcd":
        stored.create(name)
    assert names() == ["n", "a"]
    assert names(after="a") == ["b", "c"]
    assert names(before="c", backwards=True) == ["a", "b"]
    assert names(after="a", before="c") == ["b"]
    assert stored.wait(stored.store.count(SERVICE)) == 5
    with pytest.raises(StanzaError, match="no node"):
        names(after="gone")


def test_it_is_known_whether_somebody_waits_for_an_account(stored: Stored) -> None:
    """Who waits for approval at a service is none of the accounts' business."""
    number = stored.node
    for service, pending in ((SERVICE, False), (ROMEO, True)):
        if service is ROMEO:
            owned = {ROMEO: Affiliation.OWNER}
            node = Node(0, ROMEO, "own", ROMEO, 1, NodeConfig(), owned, {})
            number = stored.wait(stored.store.create(node, per_owner=9, in_all=9))
        it = Subscription(JULIET, State.PENDING, "s")
        stored.wait(stored.store.subscribe(number, it, per_node=9, per_entity=9))
        assert stored.wait(stored.store.any_pending()) is pending


def test_the_last_items_of_many_are_found_at_once(stored: Stored) -> None:
    stored.publish("a", "b")
    stored.create("empty")
    stored.wait(stored.store.affiliate(stored.node, {JULIET.bare: Affiliation.OUTCAST}))
    services = [SERVICE, *(jid(f"user{number}@h") for number in range(250))]
    (last,) = stored.wait(stored.items.latest(services, ["n", "empty"], JULIET))
    assert (last.service, last.node, last.item.id) == (SERVICE, "n", "b")
    assert last.affiliation is Affiliation.OUTCAST
    assert stored.wait(stored.items.latest(services, ["other"], JULIET)) == []


def test_the_newest_items_are_found_by_their_index(stored: Stored, url: str) -> None:
    """However many there are: the plan reads the index from its end, and sorts nothing."""
    if not url.startswith("sqlite"):
        pytest.skip("plans of PostgreSQL depend on its statistics")

    def plan(tx: sa.engine.Connection) -> list[str]:
        sql = str(NEWEST.compile(dialect=tx.dialect))
        values = (stored.node, 0, 20, 0)
        found = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        return [row[3] for row in found]

    (step,) = stored.wait(stored.database.run(plan))
    assert "pubsub_item_order (node=?)" in step


def test_the_length_of_items_is_known_whatever_becomes_of_them(stored: Stored) -> None:
    """A quota rests on it: what is stored is counted by the database in the end."""

    def check() -> int:
        told, counted = stored.wait(Lengths(stored.database, "h").both(stored.node))
        assert told == counted
        return told

    stored.publish("a", "b", "c" * 20)
    assert check() > 0
    stored.publish("a" * 5, "b", keep=2)  # one anew, one in the place of another, two make room
    one = check()
    stored.wait(stored.items.retract(stored.node, ["b"], None))
    assert 0 < check() < one
    stored.publish("d", "e")
    stored.wait(stored.items.trim(stored.node, 1))
    check()
    stored.wait(stored.store.configure(stored.node, NodeConfig(item_expire=1)))
    stored.publish("f", at=50_000_000)
    stored.wait(stored.items.expire(50_500_000))
    assert stored.ids() == ["f"]
    assert check() > 0
    stored.wait(stored.items.purge(stored.node))
    assert check() == 0


def test_who_stores_too_much_stores_no_more(stored: Stored) -> None:
    def publish(id_: str, xml: str) -> list[str]:
        item, quota = Item(id_, JULIET, 10, xml), Quota(SERVICE, ROMEO, 100)
        work = stored.items.publish(stored.node, [item], 9, reject=False, quota=quota)
        return stored.wait(work)

    publish("a", "x" * 60)
    publish("b", "x" * 40)
    with pytest.raises(OverQuota):
        publish("c", "x")
    assert stored.ids() == ["a", "b"]
    publish("b", "x" * 39)  # less is always possible
    publish("c", "x")
    other = stored.create("other")  # it counts together
    item, quota = Item("a", JULIET, 10, "x"), Quota(SERVICE, ROMEO, 100)
    with pytest.raises(OverQuota):
        stored.wait(stored.items.publish(other, [item], 9, reject=False, quota=quota))


class Lengths(Repository):
    @query
    def both(self, tx: sa.Connection, node: int) -> tuple[int, int]:
        """As noted with the node, and as counted."""
        noted = sa.select(tables.nodes.c.length).where(tables.nodes.c.id == node)
        length = sa.func.sum(sa.func.length(tables.items.c.xml))
        counted = sa.select(length).where(tables.items.c.node == node)
        return tx.scalar(noted) or 0, int(tx.scalar(counted) or 0)
