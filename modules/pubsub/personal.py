"""The nodes of accounts as other modules use them: bookmarks, avatars, what has been displayed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from xmppd.api import JID, Element, Module, ns
from xmppd.modules.pubsub.config import AccessModel
from xmppd.modules.pubsub.engine import Engine
from xmppd.modules.pubsub.face import Face
from xmppd.modules.pubsub.items import Items
from xmppd.modules.pubsub.model import Item
from xmppd.modules.pubsub.owning import Owning
from xmppd.modules.pubsub.publishing import Publishing
from xmppd.modules.pubsub.reading import Reading
from xmppd.modules.pubsub.requests import Requests
from xmppd.modules.pubsub.store import Store
from xmppd.modules.pubsub.subscribing import Subscribing

NS = ns.PUBSUB


class AccountNodes(Module):
    store: Store
    items: Items

    def serve(self, face: Face) -> None:
        """Set up the operations on nodes behind that face."""
        self.engine = Engine(face, self.store, self.items)
        self.publishing = Publishing(self.engine)
        self.subscribing = Subscribing(self.engine, self.publishing)
        self.owning = Owning(self.engine, self.subscribing)
        self.reading = Reading(self.engine, self.publishing)
        self.requests = Requests(self.publishing, self.subscribing, self.owning, self.reading)

    async def publish(
        self,
        user: JID,
        node: str,
        payload: Element,
        id_: str = "current",
        **changes: Any,  # fields of NodeConfig
    ) -> None:
        """Publish for an account, as its client would; a node that is not there is created, with
        `changes` to its default configuration. Raises StanzaError.
        """
        if changes and await self.engine.find(user, node) is None:
            wanted = replace(self.engine.face.defaults(user, node), **changes)
            await self.engine.create(user, node, user, wanted)
        item = Element(NS, "item", {"id": id_}, payload)
        await self.publishing.publish(user, node, user, [item])

    async def publish_items(self, user: JID, node: str, payloads: Mapping[str, Element]) -> None:
        """Publish several items at once, by their ids. Raises StanzaError."""
        items = [Element(NS, "item", {"id": id_}, it) for id_, it in payloads.items()]
        await self.publishing.publish(user, node, user, items)

    async def open(self, user: JID, node: str) -> bool:
        """Whether anybody may read the items of that node, which is there."""
        found = await self.engine.find(user, node)
        return found is not None and found.config.access_model is AccessModel.OPEN

    async def private(self, user: JID, node: str) -> bool:
        """Whether the items of a node of that name, there or to come, are for the user alone."""
        found = await self.engine.find(user, node)
        its = self.engine.face.defaults(user, node) if found is None else found.config
        return its.access_model is AccessModel.WHITELIST

    async def latest(self, user: JID, node: str, most: int = 1) -> list[Item]:
        """The last items of a node, the oldest of them first; none where there is no such node."""
        found = await self.engine.find(user, node)
        if found is None:
            return []
        return await self.items.newest(found.id, most, self.publishing.since(found))

    async def item(self, user: JID, node: str, id_: str) -> Item | None:
        found = await self.engine.find(user, node)
        if found is None:
            return None
        items = await self.items.named(found.id, [id_], self.publishing.since(found))
        return items[0] if items else None

    async def readable(self, user: JID, node: str, asker: JID) -> bool:
        """Whether somebody may retrieve the items of an account's node."""
        found = await self.engine.find(user, node)
        return found is not None and await self.engine.may_read(found, asker)

    async def retract(self, user: JID, node: str, *ids: str) -> None:
        """Raises item-not-found."""
        found = await self.engine.node(user, node)
        await self.publishing.retract(found, user, ids, notify=True)

    async def configure(self, user: JID, node: str, **changes: Any) -> None:
        """Change fields of the NodeConfig of a node. Raises item-not-found."""
        found = await self.engine.node(user, node)
        await self.owning.configure(found, replace(found.config, **changes))

    async def delete(self, user: JID, node: str) -> None:
        """Raises item-not-found."""
        await self.owning.delete(await self.engine.node(user, node))
