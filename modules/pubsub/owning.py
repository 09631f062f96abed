"""What owners do: create, configure, delete, and manage people (XEP-0060 §8)."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from xmppd.api import JID, Element, FormType, JIDError, StanzaError, jid, ns
from xmppd.modules.pubsub import config, events
from xmppd.modules.pubsub.config import NodeConfig, SendLast
from xmppd.modules.pubsub.engine import Engine
from xmppd.modules.pubsub.errors import unsupported
from xmppd.modules.pubsub.face import Change, items_changing, node_deleted
from xmppd.modules.pubsub.model import Affiliation, Node, State, Subscription
from xmppd.modules.pubsub.options import SubscriptionOptions
from xmppd.modules.pubsub.requests import Ask, one_of, request
from xmppd.modules.pubsub.store import NoOwner
from xmppd.modules.pubsub.subscribing import Subscribing, chosen

NS = ns.PUBSUB
OWNER = ns.PUBSUB_OWNER
MAX_URI = 2048
V = TypeVar("V")


class Owning:
    def __init__(self, engine: Engine, subscribing: Subscribing) -> None:
        self.engine = engine
        self.subscribing = subscribing
        self._deleted = engine.face.host.hooks.of(node_deleted)
        self._changing = engine.face.host.hooks.of(items_changing)

    # §8.1

    @request("set", NS, "create")
    async def create_request(self, ask: Ask) -> Element:
        """The result names the node, which is made up where the request names none."""
        configure = ask.beside("configure")
        if configure is not None and configure.get("node"):
            raise StanzaError("bad-request", "configure beside create names no node")
        face = self.engine.face
        await face.check_creator(ask.service, ask.who)
        name = ask.what.get("node") or secrets.token_urlsafe(16)
        defaults = face.defaults(ask.service, name)
        form = None if configure is None else configure.child(ns.FORMS, "x")
        wanted = defaults if form is None else config.configured(defaults, form, face.bounds)
        node = await self.engine.create(ask.service, name, ask.who, wanted)
        return Element(NS, "pubsub", None, Element(NS, "create", {"node": node.name}))

    # §8.2, §8.3

    @request("get", OWNER, "configure")
    async def configuration(self, ask: Ask) -> Element:
        node = await self._own(ask)
        form = config.form(node.config, self.engine.face.bounds).element()
        return _answer(Element(OWNER, "configure", {"node": node.name}, form))

    @request("set", OWNER, "configure")
    async def configure_request(self, ask: Ask) -> None:
        node = await self._own(ask)
        form = ask.what.child(ns.FORMS, "x")
        wanted = config.configured(node.config, form, self.engine.face.bounds)
        if wanted is not None and wanted != node.config:
            await self.configure(node, wanted)

    @request("get", OWNER, "default")
    async def default_configuration(self, ask: Ask) -> Element:
        if ask.what.get("type", "leaf") != "leaf":
            raise unsupported("collections")  # XEP-0248 §7.1.2
        defaults = self.engine.face.defaults(ask.service, "")
        form = config.form(defaults, self.engine.face.bounds).element()
        return _answer(Element(OWNER, "default", None, form))

    async def configure(self, node: Node, wanted: NodeConfig) -> None:
        """Those who gain access by it get the last item (§12.2)."""
        engine = self.engine
        heard = await engine.face.implied(node)
        await engine.stored(node, engine.store.configure(node.id, wanted))
        node.config = wanted
        await engine.prune(node)
        await self._let_in(node, heard)
        if not wanted.persist_items:
            await engine.stored(node, engine.items.purge(node.id))
        elif wanted.max_items is not None:
            await engine.stored(node, engine.items.trim(node.id, wanted.max_items))
        if wanted.notify_config:
            form = None
            if wanted.deliver_payloads:
                form = config.form(wanted, engine.face.bounds, FormType.RESULT)
            engine.notify(node, events.configured(node, form), await engine.audience(node))

    async def _let_in(self, node: Node, heard: Sequence[JID]) -> None:
        if node.config.send_last_published_item is SendLast.NEVER:
            return
        for who in set(await self.engine.face.implied(node)).difference(heard):
            await self.subscribing.publishing.send_last(node, who)

    # §8.4

    @request("set", OWNER, "delete")
    async def delete_request(self, ask: Ask) -> None:
        node = await self._own(ask)
        redirect = ask.what.child(OWNER, "redirect")
        uri = "" if redirect is None else redirect.get("uri") or ""
        if redirect is not None and (not uri or len(uri) > MAX_URI):
            raise StanzaError("bad-request", "a redirect has a uri")
        await self.delete(node, uri)
        await self._changing.wait(Change(ask.service, node.name))

    async def delete(self, node: Node, uri: str = "") -> None:
        """Subscribers are told, also those that wait for approval (§8.4.2)."""
        engine = self.engine
        audience = await engine.audience(node)
        waiting = [it.jid for it in node.subscriptions.values() if it.state is State.PENDING]
        await engine.stored(node, engine.store.delete(node, uri))
        engine.drop(node.key)
        if node.config.notify_delete:
            told = events.deleted(node, uri)
            engine.notify(node, told, dict.fromkeys([*audience, *waiting]))
        self._deleted.signal(node.service, node.name)

    # §8.8

    @request("get", OWNER, "subscriptions")
    async def list_subscriptions(self, ask: Ask) -> Element:
        node, now = await self._own(ask), self.engine.now()
        shown = [
            events.subscription_element(OWNER, it, node=None)
            for it in node.subscriptions.values()
            if it.current(now)
        ]
        return _answer(Element(OWNER, "subscriptions", {"node": node.name}, *shown))

    @request("set", OWNER, "subscriptions")
    async def modify_subscriptions(self, ask: Ask) -> None:
        """Each by itself; those that failed come back, as they are (§8.8.2.4)."""
        node = await self._own(ask)
        failed = []
        for element in ask.what.all(OWNER, "subscription"):
            try:
                await self._modify_subscription(node, element, ask.who)
            except StanzaError:
                failed.append(_as_it_is(node, element))
        if failed:
            shown = Element(OWNER, "subscriptions", {"node": node.name}, *failed)
            raise StanzaError("not-acceptable", payload=_answer(shown))

    async def _modify_subscription(self, node: Node, element: Element, who: JID) -> None:
        subscriber, state = _jid(element), one_of(State, element.get("subscription"))
        if element.get("subscription") is None:
            return
        held = node.held(subscriber)
        if state is None or (not held and state is State.NONE):
            raise StanzaError("not-acceptable")
        if held:
            known = chosen(element, held)
        elif not self.engine.face.may_impose(who, subscriber):
            raise StanzaError("not-acceptable")
        else:
            subid = secrets.token_hex(8)
            known = Subscription(subscriber, State.NONE, subid, SubscriptionOptions())
        if known.state is not state or state is State.NONE:
            await self.subscribing.impose(node, replace(known, state=state))

    # §8.9

    @request("get", OWNER, "affiliations")
    async def list_affiliations(self, ask: Ask) -> Element:
        node = await self._own(ask)
        shown = [
            events.affiliation_element(OWNER, its, jid=who)
            for who, its in node.affiliations.items()
        ]
        return _answer(Element(OWNER, "affiliations", {"node": node.name}, *shown))

    @request("set", OWNER, "affiliations")
    async def modify_affiliations(self, ask: Ask) -> None:
        """Each by itself; those that failed come back, as they are (§8.9.2.4)."""
        node = await self._own(ask)
        elements = ask.what.all(OWNER, "affiliation")
        named = [element.get("jid") for element in elements]
        if len(set(named)) < len(named):
            raise StanzaError("bad-request", "one entity is named twice")
        failed = []
        for element in elements:
            try:
                await self._modify_affiliation(node, element)
            except StanzaError:
                failed.append(_affiliation_as_it_is(node, element))
        if failed:
            shown = Element(OWNER, "affiliations", {"node": node.name}, *failed)
            raise StanzaError("not-acceptable", payload=_answer(shown))

    async def _modify_affiliation(self, node: Node, element: Element) -> None:
        who, its = _jid(element).bare, one_of(Affiliation, element.get("affiliation"))
        if element.get("affiliation") is None:
            return
        if its is None or not self.engine.face.may_affiliate(node, who, its):
            raise StanzaError("not-acceptable")
        await self.affiliate(node, who, its)

    async def affiliate(self, node: Node, who: JID, its: Affiliation) -> None:
        """Raises not-acceptable where no owner would be left, or there are too many people."""
        engine = self.engine
        full = len(node.affiliations) >= engine.face.limits.affiliations
        if full and who not in node.affiliations and its is not Affiliation.NONE:
            raise StanzaError("not-acceptable", "too many affiliations")
        try:
            await engine.stored(node, engine.store.affiliate(node.id, {who: its}))
        except NoOwner:
            raise StanzaError("not-acceptable", "a node has an owner") from None
        if its is Affiliation.NONE:
            node.affiliations.pop(who, None)
        else:
            node.affiliations[who] = its
        await self._settle(node, who, its)

    async def _settle(self, node: Node, who: JID, its: Affiliation) -> None:
        """What a new affiliation does to subscriptions (§8.7.4, §4.1)."""
        for it in list(node.of(who)):
            if its is Affiliation.OUTCAST:
                await self.subscribing.decide(node, it, allow=False)
            elif it.state is State.PENDING and its in (Affiliation.OWNER, Affiliation.PUBLISHER):
                await self.subscribing.decide(node, it, allow=True)
        await self.engine.prune(node)

    async def _own(self, ask: Ask) -> Node:
        """The node, for its owners alone."""
        ask.beside("")
        node = await self.engine.node(ask.service, ask.node)
        self.engine.check_owner(node, ask.who)
        return node


def _answer(inside: Element) -> Element:
    return Element(OWNER, "pubsub", None, inside)


def _jid(element: Element) -> JID:
    """Raises not-acceptable: it is one of many."""
    try:
        return jid(element.get("jid") or "")
    except JIDError:
        raise StanzaError("not-acceptable") from None


def _as_it_is(node: Node, element: Element) -> Element:
    return _unaltered(
        element,
        "subscription",
        lambda who: next((each.state for each in node.held(who)), State.NONE),
        State.NONE,
    )


def _affiliation_as_it_is(node: Node, element: Element) -> Element:
    return _unaltered(
        element, "affiliation", lambda who: node.affiliations[who.bare], Affiliation.NONE
    )


def _unaltered(element: Element, name: str, find: Callable[[JID], str], none: str) -> Element:
    """What could not be changed, as it was before."""
    text = element.get("jid") or ""
    try:
        value = find(jid(text))
    except (JIDError, KeyError):
        value = none
    return Element(OWNER, name, {"jid": text, name: value})
