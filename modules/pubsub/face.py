"""What the engine asks of whoever shows it to the world: a pubsub service, or accounts (PEP)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from xmppd.api import (
    JID,
    Copies,
    Element,
    Host,
    Message,
    Options,
    Signal,
    Size,
    WaitingFilter,
    option,
)
from xmppd.modules.pubsub.config import Bounds, NodeConfig
from xmppd.modules.pubsub.model import Affiliation, Item, Node
from xmppd.modules.roster import Roster

item_published: Signal[[JID, str, Item]] = Signal(
    "An item was published to a node of a pubsub service or account (its address, and the node's"
    " name). It is stored, if the node keeps items; notifications are on their way."
)
item_retracted: Signal[[JID, str, str]] = Signal(
    "The item with this id was retracted from a node of a pubsub service or account."
)
node_created: Signal[[JID, str]] = Signal(
    "A node of a pubsub service or account was created; it is stored."
)
node_deleted: Signal[[JID, str]] = Signal(
    "A node of a pubsub service or account is gone, and its items with it."
)
node_purged: Signal[[JID, str]] = Signal(
    "All items of a node of a pubsub service or account were removed at once."
)


MOST_OWNERS: Final = 20  # whose rosters count


@dataclass(frozen=True, slots=True)
class Change:
    """`items` were published to the node; none: some or all are gone, or the node is."""

    service: JID
    node: str
    items: tuple[Item, ...] = ()


items_changing: WaitingFilter[Change, []] = WaitingFilter(
    "Somebody's request has changed the items of a node of a pubsub service or account. It is"
    " stored and told to subscribers; the answer waits for the handlers, which bring the same into"
    " other forms (bookmarks, avatars). What modules publish themselves does not come here. STOP"
    " is not obeyed."
)


class NodesOptions(Options):
    """What a service and accounts have in common."""

    max_items: int = option(1000, "Items that a node may keep.", at_least=1)
    max_payload: Size = option(131072, "Largest payload of an item, in bytes.", at_least=1024)
    max_stored: Size = option(
        104857600,
        "Items in all nodes of one account, or that one entity has created at a service, in"
        " characters of XML.",
        at_least=65536,
    )
    max_subscriptions: int = option(1000, "Explicit subscriptions of one entity.", at_least=1)
    impose: str = option(
        "local",
        "Whom owners of nodes may subscribe that have not asked for it: `local` addresses of the"
        " host, `anyone` (who floods others with events that way does it in the name of the"
        " server), or `nobody`. Administrators always may.",
        choices=("local", "anyone", "nobody"),
    )
    max_affiliations: int = option(1000, "Affiliations of one node.", at_least=1)
    max_answer: Size = option(
        2097152, "Items that are sent at once to a client of this host, in bytes.", at_least=65536
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be stored, and told at once."""

    nodes_per_owner: int
    nodes: int
    items: int
    payload: int
    stored: int  # characters of XML in all nodes that one entity has created
    subscribers: int
    subscriptions: int  # of one entity
    same: int  # subscriptions of one JID to one node
    affiliations: int
    answer: int  # bytes

    @classmethod
    def of(
        cls,
        options: NodesOptions,
        *,
        nodes_per_owner: int,
        nodes: int,
        items: int,
        subscribers: int,
        same: int = 1,
    ) -> "Limits":
        return cls(
            nodes_per_owner=nodes_per_owner,
            nodes=nodes,
            items=items,
            payload=options.max_payload,
            stored=options.max_stored,
            subscribers=subscribers,
            subscriptions=options.max_subscriptions,
            same=same,
            affiliations=options.max_affiliations,
            answer=options.max_answer,
        )


class Face(ABC):
    """One for each host and kind of service."""

    bounds: Bounds
    limits: Limits

    impose: str  # whom owners may subscribe that have not asked: local, anyone, nobody

    def serves(self, service: JID) -> bool:
        """Whether the nodes of that address are shown by this face."""
        return bool(service.local)

    def __init__(self, host: Host, roster: Callable[[], Roster]) -> None:
        self.host = host
        self._roster = roster  # asked each time: it may be reloaded meanwhile

    # Whose it is

    @abstractmethod
    def defaults(self, service: JID, name: str) -> NodeConfig:
        """The configuration of a node of that name when it is created without any."""

    @abstractmethod
    async def check_creator(self, service: JID, who: JID) -> None:
        """Raises StanzaError for who may not create nodes there (§8.1.1)."""

    @abstractmethod
    def auto_creates(self, service: JID, who: JID) -> bool:
        """Whether publishing to a node that is not there creates it (§7.1.4)."""

    def is_admin(self, who: JID) -> bool:
        """Whether all nodes are open to this entity as to an owner."""
        return False

    # Who is told

    @abstractmethod
    async def implied(self, node: Node) -> list[JID]:
        """Who is told beside those that have subscribed (§9)."""

    @abstractmethod
    def present(self, node: Node, who: JID) -> bool:
        """Whether a subscriber is known to be available (§12.5)."""

    @abstractmethod
    def await_presence(self, who: JID) -> None:
        """The presence of this subscriber matters from now on."""

    @abstractmethod
    def await_answers(self) -> None:
        """Owners have been asked whether somebody may subscribe (§8.6)."""

    def permitted(self, service: JID, to: Iterable[JID]) -> tuple[JID, ...]:
        """Those whom nobody holds back."""
        return tuple(to)

    def credited(
        self, node: Node, who: JID, to: Sequence[JID]
    ) -> Iterable[tuple[Sequence[JID], Sequence[Element]]]:
        """What notifications of a publication by `who` say of it, and to whom (XEP-0163
        §4.3.1).
        """
        return ((to, ()),)

    def send(self, copies: Copies[Message]) -> None:
        self.host.router.route_copies(copies)

    def may_affiliate(self, node: Node, who: JID, its: Affiliation) -> bool:
        """Whether an owner may make that of somebody."""
        return True

    def may_impose(self, who: JID, upon: JID) -> bool:
        """Whether this owner may subscribe somebody that has not asked for it (§8.8.2)."""
        local = self.impose == "local" and upon.domain == self.host.name
        return local or self.impose == "anyone" or self.host.is_admin(who)

    # What rosters say

    async def sees(self, node: Node, who: JID) -> bool:
        """Whether an owner of the node shares presence with `who` (§4.5)."""
        for owner in self._local_owners(node):
            if await self._roster().may_see(owner, who):
                return True
        return False

    async def in_groups(self, node: Node, who: JID) -> bool:
        """Whether `who` is in one of the roster groups that are allowed, and sees presence."""
        allowed = set(node.config.roster_groups_allowed)
        for owner in self._local_owners(node):
            item = await self._roster().item(owner, who.bare)
            if item.from_ and allowed.intersection(item.groups):
                return True
        return False

    def _local_owners(self, node: Node) -> list[JID]:
        """Some of many: each means a look into another roster."""
        here = self.host.name
        return [each for each in node.owners() if each.domain == here and each.local][:MOST_OWNERS]
