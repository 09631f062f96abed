"""Publishing, retracting, purging (XEP-0060 §7, §8.5)."""

import secrets
from collections.abc import Sequence

from xmppd.api import (
    JID,
    Element,
    Form,
    StanzaError,
    delay,
    forms,
    ns,
    to_xml,
)
from xmppd.modules.pubsub import events
from xmppd.modules.pubsub.config import PUBLISH_OPTIONS, Full, changed, known_only, meets
from xmppd.modules.pubsub.engine import Engine
from xmppd.modules.pubsub.errors import no_nodeid, refused, unsupported
from xmppd.modules.pubsub.face import (
    Change,
    item_published,
    item_retracted,
    items_changing,
    node_purged,
)
from xmppd.modules.pubsub.items import ItemGone, NodeFull, NotYours, OverQuota, Quota
from xmppd.modules.pubsub.model import Affiliation, Item, Node, well_named
from xmppd.modules.pubsub.options import moment
from xmppd.modules.pubsub.requests import Ask, flag_of, request

NS = ns.PUBSUB


class Publishing:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        hooks = engine.face.host.hooks
        self._published = hooks.of(item_published)
        self._retracted = hooks.of(item_retracted)
        self._purged = hooks.of(node_purged)
        self._changing = hooks.of(items_changing)

    # Requests

    @request("set", NS, "publish")
    async def publish_request(self, ask: Ask) -> Element | None:
        """§7.1: the result names the item, also where the publisher did."""
        name = ask.what.get("node")
        if not name:
            raise no_nodeid()
        new = ask.what.all(NS, "item")
        if len(new) < len(ask.what.elements):
            raise StanzaError("bad-request", "items alone are published")
        options = _preconditions(ask)
        items = await self.publish(ask.service, name, ask.who, new, options)
        await self._changing.wait(Change(ask.service, name, tuple(items)))
        shown = [Element(NS, "item", {"id": item.id}) for item in items]
        return Element(NS, "pubsub", None, Element(NS, "publish", {"node": name}, *shown))

    @request("set", NS, "retract")
    async def retract_request(self, ask: Ask) -> None:
        """§7.2."""
        name, wanted = ask.what.get("node"), ask.what.all(NS, "item")
        if not name:
            raise no_nodeid()
        ids = [item.get("id") or "" for item in wanted]
        if not ids or not all(ids):
            raise refused("bad-request", "item-required")
        node = await self.engine.node(ask.service, name)
        await self.retract(node, ask.who, ids, notify=flag_of(ask.what, "notify"))
        await self._changing.wait(Change(ask.service, name))

    @request("set", ns.PUBSUB_OWNER, "purge")
    async def purge_request(self, ask: Ask) -> None:
        """§8.5."""
        node = await self.engine.node(ask.service, ask.node)
        self.engine.check_owner(node, ask.who)
        await self.purge(node)
        await self._changing.wait(Change(ask.service, node.name))

    # Publishing

    async def publish(
        self,
        service: JID,
        name: str,
        who: JID,
        new: Sequence[Element],
        options: Form | None = None,
    ) -> list[Item]:
        """Publish `<item/>` elements; what they have become. Raises StanzaError (§7.1.3)."""
        node = await self._node_for(service, name, who, options)
        affiliation = self.engine.affiliation(node, who)
        if not node.may_publish(who, affiliation, self.engine.now()):
            raise StanzaError("forbidden", "you may not publish here")
        if options is not None and not meets(node.config, options, self.engine.face.bounds):
            raise refused("conflict", "precondition-not-met")
        items = self._checked(node, who, new)
        gone = await self._store(node, items)
        await self._tell(node, who, items, gone)
        for item in items:
            self._published.signal(service, name, item)
        return items

    async def _node_for(self, service: JID, name: str, who: JID, options: Form | None) -> Node:
        """The node; a new one where publishing creates it (§7.1.4, §7.1.5)."""
        engine, face = self.engine, self.engine.face
        if options is not None and not known_only(options):
            raise refused("conflict", "precondition-not-met", "an unknown option")
        if not face.auto_creates(service, who):
            if service.local and await engine.find(service, name) is None:
                raise StanzaError("forbidden", "you may not publish here")  # node or not
            return await engine.node(service, name)
        if not well_named(name):
            raise StanzaError("not-acceptable", "the name of a node has 1 to 1023 bytes")
        node = await engine.find(service, name)
        if node is not None:
            return node
        config = face.defaults(service, name)
        if options is not None:
            config = changed(config, options, face.bounds)
        try:
            await face.check_creator(service, who)
            return await engine.create(service, name, who, config)
        except StanzaError as error:
            if error.condition != "conflict":
                raise
            return await engine.node(service, name)  # another has created it meanwhile

    def _checked(self, node: Node, who: JID, new: Sequence[Element]) -> list[Item]:
        """§7.1.3.5 to §7.1.3.7, §12.9."""
        config = node.config
        if config.transient_notification:
            if new:
                raise refused("bad-request", "item-forbidden")
            return []
        if not new:
            raise refused("bad-request", "item-required")
        most = self._keeps(node)
        if len(new) > 1 and (not config.persist_items or len(new) > most):
            raise refused("not-allowed", "max-items-exceeded")
        items = [self._item(node, who, element) for element in new]
        if len({item.id for item in items}) < len(items):
            raise StanzaError("bad-request", "two items have one id")
        return items

    def _item(self, node: Node, who: JID, element: Element) -> Item:
        id_ = element.get("id")
        if id_ is None or id_ == "":
            id_ = secrets.token_hex(16)
        if not well_named(id_):
            raise StanzaError("not-acceptable", "the id of an item has up to 1023 bytes")
        return Item(id_, who, self.engine.now(), self._payload(node, element))

    def _payload(self, node: Node, element: Element) -> str:
        payloads = element.elements
        if len(payloads) > 1:
            raise refused("bad-request", "invalid-payload", "an item has one payload")
        if not payloads:
            if node.config.deliver_payloads:
                raise refused("bad-request", "payload-required")
            return ""
        payload = payloads[0]
        if payload.ns != (node.config.payload_ns or payload.ns):
            raise refused("bad-request", "invalid-payload", f"not of {node.config.payload_ns}")
        xml = to_xml(payload)
        most = min(node.config.max_payload_size, self.engine.face.bounds.max_payload)
        if len(xml.encode()) > most:
            raise refused("not-acceptable", "payload-too-big")
        return xml

    def _keeps(self, node: Node) -> int:
        """How many items the node keeps."""
        most = self.engine.face.limits.items
        return most if node.config.max_items is None else min(node.config.max_items, most)

    async def _store(self, node: Node, items: list[Item]) -> list[str]:
        """Those that had to make room (§7.1.2.5)."""
        keep = self._keeps(node)
        if not node.config.persist_items or not keep:
            return []
        reject = node.config.publish_node_full is Full.REJECT
        quota = Quota(node.service, node.creator, self.engine.face.limits.stored)
        work = self.engine.items.publish(node.id, items, keep, reject=reject, quota=quota)
        try:
            return await self.engine.stored(node, work)
        except NodeFull:
            raise refused("conflict", "node-full") from None
        except OverQuota:
            raise StanzaError("resource-constraint", "too much is stored already") from None

    async def _tell(self, node: Node, who: JID, items: list[Item], gone: list[str]) -> None:
        """One notification to each (§7.1.2). What has made room goes first; where there is one
        item only, the new one says enough.
        """
        config = node.config
        if not config.deliver_notifications:
            return
        audience = await self.engine.audience(node)
        retracts = config.publish_node_full is Full.RETRACT_OLDEST and config.notify_retract
        if gone and retracts and config.max_items != 1:
            self.engine.notify_of_items(node, events.retracted(node, gone), audience)
        told = events.published(node, items, payload=config.deliver_payloads)
        for some, more in self.engine.face.credited(node, who, audience):
            self.engine.notify_of_items(node, told, some, *more)

    # Removing

    async def retract(
        self, node: Node, who: JID, ids: Sequence[str], *, notify: bool = False
    ) -> None:
        """All of these items, or none (§7.2, §12.9). Owners may remove all items, publishers
        their own. Raises StanzaError.
        """
        affiliation = self.engine.affiliation(node, who)
        if not node.may_publish(who, affiliation, self.engine.now()):
            raise StanzaError("forbidden", "you may not retract items here")
        if not node.config.persist_items:
            raise unsupported("persistent-items")
        publisher = None if affiliation is Affiliation.OWNER else who
        work = self.engine.items.retract(node.id, list(dict.fromkeys(ids)), publisher)
        try:
            await self.engine.stored(node, work)
        except ItemGone:
            raise StanzaError("item-not-found", "there is no such item") from None
        except NotYours:
            raise StanzaError("forbidden", "another has published it") from None
        if notify or node.config.notify_retract:
            told = events.retracted(node, dict.fromkeys(ids))
            self.engine.notify_of_items(node, told, await self.engine.audience(node))
        for id_ in ids:
            self._retracted.signal(node.service, node.name, id_)

    async def purge(self, node: Node) -> None:
        """Remove all items; one notification says so (§8.5.2)."""
        if not node.config.persist_items:
            raise unsupported("persistent-items")
        await self.engine.stored(node, self.engine.items.purge(node.id))
        if node.config.notify_retract:
            self.engine.notify(node, events.purged(node), await self.engine.audience(node))
        self._purged.signal(node.service, node.name)

    # The last one again

    async def send_last(self, node: Node, to: JID) -> None:
        """The last published item, to a new subscriber or one that came back (§6.1.7)."""
        if not node.config.persist_items or not node.config.deliver_notifications:
            return
        last = await self.engine.items.newest(node.id, 1, self.since(node))
        self.send_item(node, last, to)

    def send_item(self, node: Node, last: list[Item], to: JID) -> None:
        for item in last:
            told = events.published(node, [item], payload=node.config.deliver_payloads)
            self.engine.notify_of_items(node, told, [to], delay(moment(item.at), node.service))

    def since(self, node: Node) -> int:
        """Items published earlier have expired (pubsub#item_expire)."""
        expire = node.config.item_expire
        return 0 if expire is None else self.engine.now() - expire * 1_000_000


def _preconditions(ask: Ask) -> Form | None:
    """`<publish-options/>`, which may follow `<publish/>` (§7.1.5)."""
    element = ask.beside("publish-options")
    if element is None:
        return None
    return forms.submission(element.child(ns.FORMS, "x"), PUBLISH_OPTIONS)
