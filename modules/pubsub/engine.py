"""The engine: nodes in memory, who may do what, and who is told (XEP-0060). Operations on nodes
are in `publishing`, `subscribing`, `owning` and `reading`, which share this.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from xmppd.api import JID, Element, Message, StanzaError, StorageError
from xmppd.modules.pubsub import events
from xmppd.modules.pubsub.config import AccessModel, NodeConfig
from xmppd.modules.pubsub.errors import no_such_node, refused
from xmppd.modules.pubsub.face import Face, node_created
from xmppd.modules.pubsub.items import Items
from xmppd.modules.pubsub.model import READING, Affiliation, Node, State, Subscription, well_named
from xmppd.modules.pubsub.store import NodeExists, NodeGone, Store, TooMany

MOST_NODES = 2000  # in memory
MOST_SENT = 10_000  # notifications whose errors can be told to which node they belong
MOST_PEOPLE = 200_000  # subscriptions and affiliations of all nodes in memory
# What they open they may close again: by a roster, or a list of members.
CLOSING = (AccessModel.PRESENCE, AccessModel.ROSTER, AccessModel.WHITELIST)
T = TypeVar("T")


class Engine:
    """The nodes of all services behind one face."""

    def __init__(self, face: Face, store: Store, items: Items) -> None:
        self.face = face
        self.store = store
        self.items = items
        self._nodes: OrderedDict[tuple[JID, str], Node] = OrderedDict()
        self._people = 0
        self._sent: OrderedDict[str, tuple[JID, str]] = OrderedDict()

    @staticmethod
    def now() -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1000

    # Nodes

    async def find(self, service: JID, name: str) -> Node | None:
        """The node of that name; in memory for a while."""
        key = service, name
        known = self._nodes.get(key)
        if known is None:
            loaded = await self.store.load(service, name)
            known = self._nodes.get(key)  # by another who asked meanwhile
            if known is None:
                return None if loaded is None else self._keep(loaded)
        self._nodes.move_to_end(key)
        return known

    async def node(self, service: JID, name: str) -> Node:
        """Raises item-not-found, and gone for a node that has moved (§6.1.3.11)."""
        if not well_named(name):
            raise no_such_node()
        node = await self.find(service, name)
        if node is not None:
            return node
        uri = await self.store.where_to(service, name)
        raise no_such_node() if uri is None else StanzaError("gone", uri=uri, type="modify")

    def _keep(self, node: Node) -> Node:
        self._nodes[node.key] = node
        self._people += _people(node)
        while len(self._nodes) > MOST_NODES or (
            self._people > MOST_PEOPLE and len(self._nodes) > 1
        ):
            _, oldest = self._nodes.popitem(last=False)
            self._people -= _people(oldest)
        return node

    def drop(self, key: tuple[JID, str]) -> None:
        """Read the node again when it is next wanted."""
        node = self._nodes.pop(key, None)
        if node is not None:
            self._people = max(0, self._people - _people(node))

    def drop_service(self, service: JID) -> None:
        for key in [key for key in self._nodes if key[0] == service]:
            self.drop(key)

    async def stored(self, node: Node, work: Awaitable[T]) -> T:
        """The outcome of a change, when it is committed. Raises item-not-found if the node went
        meanwhile. Memory is not trusted any more where storage did not say how it ended.
        """
        try:
            outcome = await work
        except NodeGone:
            self.drop(node.key)
            raise no_such_node() from None
        except StorageError:
            self.drop(node.key)
            raise
        if self._nodes.get(node.key) is not node:  # it was dropped and read again meanwhile
            self.drop(node.key)
        return outcome

    async def create(
        self, service: JID, name: str, who: JID, config: NodeConfig | None = None
    ) -> Node:
        """§8.1. Raises conflict, not-acceptable, resource-constraint."""
        if not well_named(name):
            raise StanzaError("not-acceptable", "the name of a node has 1 to 1023 bytes")
        owner = who.bare
        config = config or self.face.defaults(service, name)
        node = Node(0, service, name, owner, self.now(), config, {owner: Affiliation.OWNER}, {})
        limits = self.face.limits
        try:
            number = await self.store.create(
                node, per_owner=limits.nodes_per_owner, in_all=limits.nodes
            )
        except NodeExists:
            raise StanzaError("conflict", "there is such a node already") from None
        except TooMany:
            text = f"no more than {limits.nodes_per_owner} nodes of one owner"
            raise refused("resource-constraint", "max-nodes-exceeded", text) from None
        self.drop(node.key)
        created = self._keep(replace(node, id=number))
        self.face.host.hooks.of(node_created).signal(service, name)
        return created

    # Who may do what

    def affiliation(self, node: Node, who: JID) -> Affiliation:
        """What an entity is to a node; administrators of the service are owners of all."""
        return Affiliation.OWNER if self.face.is_admin(who) else node.affiliation(who)

    def check_owner(self, node: Node, who: JID) -> None:
        if self.affiliation(node, who) is not Affiliation.OWNER:
            raise StanzaError("forbidden", "this is for owners of the node")

    async def check_access(self, node: Node, who: JID) -> None:
        """Whether the access model lets an entity subscribe or retrieve items (§4.5, §6.5.1).
        Raises forbidden, not-authorized, not-allowed. Approval (`authorize`) is another matter.
        """
        affiliation = self.affiliation(node, who)
        if affiliation in READING:
            return
        if affiliation in (Affiliation.OUTCAST, Affiliation.PUBLISH_ONLY):
            raise StanzaError("forbidden")
        model = node.config.access_model
        if model is AccessModel.WHITELIST:
            raise refused("not-allowed", "closed-node")
        if model is AccessModel.PRESENCE and not await self.face.sees(node, who):
            raise refused("not-authorized", "presence-subscription-required")
        if model is AccessModel.ROSTER and not await self.face.in_groups(node, who):
            raise refused("not-authorized", "not-in-roster-group")

    async def check_reader(self, node: Node, who: JID) -> None:
        """As `check_access`; and an `authorize` node gives its items to subscribers and to those
        affiliated with it (§6.5.1).
        """
        await self.check_access(node, who)
        if (
            node.config.access_model is AccessModel.AUTHORIZE
            and self.affiliation(node, who) is Affiliation.NONE
            and not node.subscribed(who, self.now())
        ):
            raise refused("not-authorized", "not-subscribed")

    async def may_read(self, node: Node, who: JID) -> bool:
        try:
            await self.check_reader(node, who)
        except StanzaError:
            return False
        return True

    # Who is told

    async def audience(self, node: Node) -> list[JID]:
        """Who is notified of what happens to a node (§7.1.2, §9.1, §12.5)."""
        await self.prune(node)
        implied = await self.face.implied(node)
        explicit = node.hearers(self.now())
        if implied and explicit:
            nearer = {jid.bare for jid in implied}  # told by resource, so not by bare JID
            known = set(implied)
            explicit = [
                jid for jid in explicit if jid not in known and not (jid.is_bare and jid in nearer)
            ]
        if explicit and node.config.presence_based_delivery:
            explicit = [jid for jid in explicit if self.face.present(node, jid)]
        return implied + explicit

    async def prune(self, node: Node) -> None:
        """End leases that are over, and the subscriptions of those that the access model shuts
        out: a roster, an affiliation or the configuration has changed (XEP-0163 §7.1).
        """
        now = self.now()
        over = [it for it in node.subscriptions.values() if it.over(now)]
        if over:
            await self.end(node, over)
        if node.config.access_model in CLOSING:
            those = list(node.subscriptions.values())
            lost = [it for it in those if not await self.may_read(node, it.jid)]
            if lost:
                await self.cancel(node, lost)

    async def recheck(self, owner: JID, contact: JID) -> None:
        """The owner's roster says something else of that contact: subscriptions to nodes that it
        does not open any more are cancelled (XEP-0163 §7.1).
        """
        for service, name in await self.store.opened(owner, contact):
            node = await self.find(service, name) if self.face.serves(service) else None
            if node is None:
                continue
            theirs = list(node.of(contact))
            closes = node.config.access_model in CLOSING
            if theirs and closes and not await self.may_read(node, contact):
                await self.cancel(node, theirs)

    async def cancel(self, node: Node, gone: Sequence[Subscription]) -> None:
        """End these subscriptions, and tell those whose they were (§12.13)."""
        for it in await self.end(node, gone):
            self.notify(node, events.subscription(node, it, State.NONE), [it.jid])

    async def end(self, node: Node, gone: Sequence[Subscription]) -> list[Subscription]:
        """These subscriptions are no more; those that others have not ended meanwhile."""
        await self.stored(node, self.store.unsubscribe(node.id, gone))
        return [it for it in gone if node.remove(it)]

    def notify_of_items(
        self, node: Node, event: Element, to: Sequence[JID], *more: Element
    ) -> None:
        """As `notify`; who has subscribed several times is told by which subscriptions that is
        (§7.1.2.4, §12.14).
        """
        several = node.several(self.now()) if self.face.limits.same > 1 else {}
        self.notify(node, event, [jid for jid in to if jid not in several], *more)
        for who in to:
            if who in several:
                self.notify(node, event, [who], *more, events.subids(several[who]))

    def notify(self, node: Node, event: Element, to: Iterable[JID], *more: Element) -> None:
        """Send an event, written once, to each of these (§7.1.2)."""
        receivers = self.face.permitted(node.service, to)
        if not receivers:
            return
        id_, type_ = secrets.token_hex(8), str(node.config.notification_type)
        self._sent[id_] = node.key
        if len(self._sent) > MOST_SENT:
            self._sent.popitem(last=False)
        message = Message(receivers[0], node.service, type_, id_, event, *more)
        self.face.send(message.copies(receivers))

    def notified(self, id_: str | None) -> tuple[JID, str] | None:
        """The node that a notification was about; None for older ones, and for what is none."""
        return self._sent.get(id_ or "")


def _people(node: Node) -> int:
    return len(node.subscriptions) + len(node.affiliations)
