"""An account's nodes in what is exported of it (XEP-0227 §4.10)."""

import secrets
import time
from collections.abc import AsyncIterator
from typing import Final

from xmppd.api import JID, Element, Form, FormType, JIDError, StanzaError, jid, ns, parse, to_xml
from xmppd.modules.pubsub.config import Bounds, NodeConfig, changed, form
from xmppd.modules.pubsub.engine import Engine
from xmppd.modules.pubsub.items import Items
from xmppd.modules.pubsub.model import Affiliation, Item, Node, State, Subscription, well_named
from xmppd.modules.pubsub.store import NoOwner, Store, TooMany

OWNER: Final = ns.PUBSUB_OWNER
# Without these a node would be open to others than before: then rather no node.
GUARDING: Final = ("pubsub#access_model", "pubsub#publish_model", "pubsub#roster_groups_allowed")


class Copies:
    def __init__(self, engine: Engine, store: Store, items: Items) -> None:
        self._engine = engine
        self._store = store
        self._items = items

    # Out

    async def written(self, user: JID) -> AsyncIterator[Element]:
        """What each node is first, then what is in it."""
        most = self._engine.face.limits.nodes
        names = [each.name for each in await self._store.listed(user, most)]
        for name in names:
            node = await self._engine.find(user, name)
            if node is not None:
                yield Element(OWNER, "pubsub", None, *self._described(node))
        for name in names:
            node = await self._engine.find(user, name)
            if node is not None:
                yield Element(ns.PUBSUB, "pubsub", None, await self._filled(node))

    def _described(self, node: Node) -> list[Element]:
        its = form(node.config, self._engine.face.bounds, FormType.SUBMIT).element()
        named = {"node": node.name}
        described = [Element(OWNER, "configure", named, its)]
        those = [
            Element(OWNER, "affiliation", {"jid": who, "affiliation": str(what)})
            for who, what in node.affiliations.items()
            if who != node.service
        ]
        if those:
            described.append(Element(OWNER, "affiliations", named, *those))
        subscribed = [
            Element(
                OWNER,
                "subscription",
                {"jid": it.jid, "subscription": str(it.state), "subid": it.subid},
            )
            for it in node.subscriptions.values()
        ]
        if subscribed:
            described.append(Element(OWNER, "subscriptions", named, *subscribed))
        return described

    async def _filled(self, node: Node) -> Element:
        whole = Element(ns.PUBSUB, "items", {"node": node.name})
        for item in await self._items.newest(node.id, self._engine.face.limits.items, 0):
            inside = [parse(item.xml)] if item.xml else []
            attrs = {"id": item.id, "publisher": item.publisher}
            whole.append(Element(ns.PUBSUB, "item", attrs, *inside))
        return whole

    # In

    async def take(self, user: JID, piece: Element) -> bool:
        """False for what is none of it. Raises StanzaError for what cannot be taken."""
        if (piece.ns, piece.name) == (OWNER, "pubsub"):
            for each in piece.elements:
                await self._take_description(user, each)
        elif (piece.ns, piece.name) == (ns.PUBSUB, "pubsub"):
            for each in piece.all(ns.PUBSUB, "items"):
                await self._take_items(user, each)
        else:
            return False
        return True

    async def _take_description(self, user: JID, each: Element) -> None:
        name = each.get("node") or ""
        if each.name == "configure":
            await self._create(user, name, each.child(ns.FORMS, "x"))
            return
        node = await self._engine.node(user, name)
        if each.name == "affiliations":
            await self._affiliate(node, each)
        elif each.name == "subscriptions":
            await self._subscribe(node, each)
        self._engine.drop(node.key)

    async def _create(self, user: JID, name: str, filled: Element | None) -> Node:
        """Options that are not known here are left out (§4.10.1)."""
        face = self._engine.face
        config = face.defaults(user, name)
        if filled is not None:
            config = _configured(config, filled, face.bounds)
        return await self._engine.create(user, name, user, config)

    async def _affiliate(self, node: Node, each: Element) -> None:
        wanted = each.all(OWNER, "affiliation")
        if len(wanted) > self._engine.face.limits.affiliations:
            raise StanzaError("resource-constraint", "too many affiliations")
        try:
            changes = {
                _jid(it.get("jid")).bare: Affiliation(it.get("affiliation") or "") for it in wanted
            }
            changes.pop(node.service, None)
            await self._store.affiliate(node.id, changes)
        except (ValueError, NoOwner):
            raise StanzaError("bad-request", "unknown affiliation") from None

    async def _subscribe(self, node: Node, each: Element) -> None:
        limits = self._engine.face.limits
        for it in each.all(OWNER, "subscription"):
            if it.get("subscription") not in (State.SUBSCRIBED, State.PENDING):
                continue
            state = State(it.get("subscription") or "")
            subid = it.get("subid") or secrets.token_hex(8)
            known = Subscription(_jid(it.get("jid")), state, subid[:64])
            try:
                await self._store.subscribe(
                    node.id,
                    known,
                    per_node=limits.subscribers,
                    per_entity=limits.subscriptions,
                )
            except TooMany:
                raise StanzaError("resource-constraint", "too many subscriptions") from None

    async def _take_items(self, user: JID, each: Element) -> None:
        """Nobody is told: to contacts it is no news."""
        name, limits = each.get("node") or "", self._engine.face.limits
        node = await self._engine.find(user, name) or await self._create(user, name, None)
        now = time.time_ns() // 1000
        found = [
            _item(it, user, now + number)
            for number, it in enumerate(each.all(ns.PUBSUB, "item")[-limits.items :])
        ]
        if any(len(item.xml) > limits.payload for item in found):
            raise StanzaError("not-acceptable", f"an item over {limits.payload} bytes")
        keep = node.config.max_items or limits.items
        for item in found:  # in their order
            await self._items.publish(node.id, [item], keep, reject=False)


def _configured(config: NodeConfig, filled: Element, bounds: Bounds) -> NodeConfig:
    """Field by field: what another server permits more of is left as it is here."""
    for field in Form.from_element(filled).fields:
        try:
            config = changed(config, Form(type=FormType.SUBMIT, fields=[field]), bounds)
        except StanzaError:
            if field.var in GUARDING:
                raise
    return config


def _item(element: Element, user: JID, at: int) -> Item:
    id_ = element.get("id") or ""
    if not well_named(id_):
        raise StanzaError("bad-request", "an item has no id")
    publisher = element.get("publisher")
    inside = element.elements
    xml = to_xml(inside[0]) if inside else ""
    return Item(id_, user if not publisher else _jid(publisher), at, xml)


def _jid(text: str | None) -> JID:
    try:
        return jid(text or "")
    except JIDError as problem:
        raise StanzaError("jid-malformed", str(problem)) from None
