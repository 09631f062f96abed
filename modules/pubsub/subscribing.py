"""Subscribing, options, approval (XEP-0060 §6.1 to §6.4, §5.6, §5.7, §8.6)."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from xmppd.api import (
    JID,
    Element,
    FieldType,
    Form,
    FormType,
    Message,
    StanzaError,
    forms,
    ns,
)
from xmppd.modules.pubsub import events, options
from xmppd.modules.pubsub.asking import Asking
from xmppd.modules.pubsub.config import AccessModel, SendLast
from xmppd.modules.pubsub.engine import Engine
from xmppd.modules.pubsub.errors import no_nodeid, refused, unsupported
from xmppd.modules.pubsub.model import Affiliation, Node, State, Subscription
from xmppd.modules.pubsub.options import SubscriptionOptions
from xmppd.modules.pubsub.publishing import Publishing
from xmppd.modules.pubsub.requests import Ask, jid_of, request
from xmppd.modules.pubsub.store import TooMany

NS = ns.PUBSUB
FORM_TYPE = forms.FORM_TYPE
MOST_OWNERS: Final = 20  # that are asked or told of one subscriber
# What an error says that will not get better. Others of type cancel may come from a client that is
# merely offline.
FINAL: Final = frozenset(("gone", "item-not-found", "jid-malformed"))
AUTHORIZATION = f"{NS}#subscribe_authorization"


class Subscribing:
    def __init__(self, engine: Engine, publishing: Publishing) -> None:
        self.engine = engine
        self.publishing = publishing
        self._asking = Asking()

    # §6.1

    @request("set", NS, "subscribe")
    async def subscribe_request(self, ask: Ask) -> Element:
        subscriber = jid_of(ask.what)
        if subscriber.bare != ask.who.bare:
            raise refused("bad-request", "invalid-jid")
        wanted = self._options_beside(ask)
        node = await self.engine.node(ask.service, ask.node)
        subscription = await self._subscribe(node, ask.who, subscriber, wanted)
        if subscription.state is State.PENDING:
            shown = events.subscription_element(NS, subscription, node=node.name)
            return Element(NS, "pubsub", None, shown)
        return _subscribed(node, subscription, wanted is not None)

    @staticmethod
    def _options_beside(ask: Ask) -> SubscriptionOptions | None:
        """Subscribe and configure (§6.3.8)."""
        element = ask.beside("options")
        if element is None:
            return None
        if element.get("node") or element.get("jid"):
            raise StanzaError("bad-request", "options beside subscribe name no node and no jid")
        return options.submitted(SubscriptionOptions(), element.child(ns.FORMS, "x"))

    async def _subscribe(
        self, node: Node, who: JID, subscriber: JID, wanted: SubscriptionOptions | None
    ) -> Subscription:
        """Error cases in the order of §6.1.3."""
        affiliation = self.engine.affiliation(node, who)
        if affiliation is Affiliation.OUTCAST:
            raise StanzaError("forbidden")
        held = node.held(subscriber)
        if any(each.state is State.PENDING for each in held):
            raise refused("not-authorized", "pending-subscription")
        if not node.config.subscribe and affiliation is not Affiliation.OWNER:
            raise unsupported("subscribe")
        await self.engine.check_access(node, who)
        known = await self._current(node, held)
        if known and self.engine.face.limits.same == 1:
            it = known[0]
            return it if wanted is None else await self._put(node, replace(it, options=wanted))
        if len(known) >= self.engine.face.limits.same:
            raise _too_many()
        by_approval = node.config.access_model is AccessModel.AUTHORIZE
        asks = by_approval and affiliation is Affiliation.NONE
        if asks and not self._asking.may(node.id, subscriber.bare, self.engine.now()):
            raise _too_many()
        state = State.PENDING if asks else State.SUBSCRIBED
        subid = secrets.token_hex(8)
        new = Subscription(subscriber, state, subid, wanted or SubscriptionOptions())
        await self._put(node, new)
        held = node.held(subscriber)
        if len(held) > self.engine.face.limits.same:  # another request came in between
            await self.end(node, new)
            return held[0]
        self._follow_up(node, new)
        if state is State.SUBSCRIBED:
            await self.began(node, new)
        return new

    async def _current(self, node: Node, held: list[Subscription]) -> list[Subscription]:
        """Without those whose lease has ended: they go."""
        now = self.engine.now()
        over = [each for each in held if each.over(now)]
        if over:
            await self.end(node, *over)
        return [each for each in held if not each.over(now)]

    def _follow_up(self, node: Node, new: Subscription) -> None:
        if new.state is State.PENDING:
            self.ask_owners(node, new)
        elif node.config.notify_sub:
            self.tell_owners(node, events.subscription(node, new))

    def tell_owners(self, node: Node, event: Element) -> None:
        self.engine.notify(node, event, node.owners()[:MOST_OWNERS])

    async def _put(self, node: Node, it: Subscription) -> Subscription:
        limits = self.engine.face.limits
        work = self.engine.store.subscribe(
            node.id, it, per_node=limits.subscribers, per_entity=limits.subscriptions
        )
        try:
            await self.engine.stored(node, work)
        except TooMany:
            raise _too_many() from None
        node.put(it)
        return it

    async def began(self, node: Node, it: Subscription) -> None:
        """The subscription counts from now on (§6.1.7, §12.5)."""
        when = node.config.send_last_published_item
        if node.config.presence_based_delivery or when is SendLast.ON_SUB_AND_PRESENCE:
            self.engine.face.await_presence(it.jid)
        if when is not SendLast.NEVER and it.options.deliver:
            await self.publishing.send_last(node, it.jid)

    # §6.2

    @request("set", NS, "unsubscribe")
    async def unsubscribe_request(self, ask: Ask) -> Element:
        node = await self.engine.node(ask.service, ask.node)
        it = self._own(node, ask, "cancel")
        await self.end(node, it)
        if node.config.notify_sub:
            self.tell_owners(node, events.subscription(node, it, State.NONE))
        shown = events.subscription_element(NS, it, State.NONE, node=node.name)
        return Element(NS, "pubsub", None, shown)

    async def end(self, node: Node, *gone: Subscription) -> None:
        await self.engine.end(node, gone)

    async def bounced(self, service: JID, message: Message) -> None:
        """A notification of that service came back: the subscription of the JID that it went to
        ends, if there is nobody (§12.3). Those of other resources of it are not concerned.
        """
        about, error = self.engine.notified(message.id), message.error
        if about is None or about[0] != service or error is None or error.condition not in FINAL:
            return
        node = await self.engine.find(*about)
        if node is not None:
            await self.end(node, *node.held(message.from_))

    def _own(self, node: Node, ask: Ask, error_type: str) -> Subscription:
        """The subscription that a subscriber speaks of (§6.2.3, §6.3.4). The subid may be left
        out where there is one only.
        """
        subscriber = jid_of(ask.what)
        if subscriber.bare != ask.who.bare:
            raise StanzaError("forbidden", "that is another's subscription")
        now = self.engine.now()
        held = [each for each in node.held(subscriber) if not each.over(now)]
        if not held:
            raise refused("unexpected-request", "not-subscribed", type=error_type)
        return chosen(ask.what, held)

    # §6.3, §6.4

    @request("get", NS, "options")
    async def options_get(self, ask: Ask) -> Element:
        node = await self.engine.node(ask.service, ask.node)
        it = self._own(node, ask, "modify")
        attrs = {"node": node.name, "jid": it.jid, "subid": it.subid}
        shown = Element(NS, "options", attrs, options.form(it.options).element())
        return Element(NS, "pubsub", None, shown)

    @request("set", NS, "options")
    async def options_set(self, ask: Ask) -> None:
        ask.beside("")  # subscribe goes before options, if at all (§6.3.8)
        node = await self.engine.node(ask.service, ask.node)
        it = self._own(node, ask, "modify")
        new = options.submitted(it.options, ask.what.child(ns.FORMS, "x"))
        await self._put(node, replace(it, options=new))

    @request("get", NS, "default")
    async def default_options(self, ask: Ask) -> Element:
        """Of a node or of the service: they are the same."""
        attrs = {}
        if name := ask.what.get("node"):
            attrs["node"] = (await self.engine.node(ask.service, name)).name
        form = options.form(SubscriptionOptions()).element()
        return Element(NS, "pubsub", None, Element(NS, "default", attrs, form))

    # §5.6, §5.7

    @request("get", NS, "subscriptions")
    async def subscriptions_request(self, ask: Ask) -> Element:
        name = ask.what.get("node")
        if name:
            await self.engine.node(ask.service, name)
        found = await self.engine.store.subscriptions_of(ask.service, ask.who, name)
        now = self.engine.now()
        shown = [
            events.subscription_element(NS, it, node=node)
            for node, it in found
            if not it.over(now)
        ]
        attrs = {"node": name} if name else {}
        return Element(NS, "pubsub", None, Element(NS, "subscriptions", attrs, *shown))

    @request("get", NS, "affiliations")
    async def affiliations_request(self, ask: Ask) -> Element:
        name = ask.what.get("node")
        if name:
            await self.engine.node(ask.service, name)
        found = await self.engine.store.affiliations_of(ask.service, ask.who, name)
        shown = [events.affiliation_element(NS, its, node=node) for node, its in found]
        attrs = {"node": name} if name else {}
        return Element(NS, "pubsub", None, Element(NS, "affiliations", attrs, *shown))

    # §8.6

    def ask_owners(self, node: Node, it: Subscription) -> None:
        """Ask the owners; the first answer counts (§12.12)."""
        form = _authorization(node, it).element()
        owners = node.owners()[:MOST_OWNERS]
        id_ = secrets.token_hex(8)
        message = Message(owners[0], node.service, "normal", id_, form)
        self.engine.face.send(message.copies(owners))
        self.engine.face.await_answers()

    async def authorize(self, service: JID, who: JID, element: Element) -> None:
        """An owner's answer. Raises StanzaError."""
        form = forms.submission(element, AUTHORIZATION)
        if form.type is FormType.CANCEL:
            return
        name = form.get("pubsub#node", str)
        subscriber = form.get("pubsub#subscriber_jid", JID)
        if not name:
            raise no_nodeid()
        node = await self.engine.node(service, name)
        self.engine.check_owner(node, who)
        subid = form.get("pubsub#subid", str)
        held = node.held(subscriber) if subscriber else []
        waiting = (each for each in held if each.state is State.PENDING)
        it = next((each for each in waiting if subid in (None, "", each.subid)), None)
        if it is None:
            raise StanzaError("item-not-found", "no such request waits")
        await self.decide(node, it, allow=form.get("pubsub#allow", bool, False))

    async def decide(self, node: Node, it: Subscription, *, allow: bool) -> None:
        """Approve a pending subscription or end it, and tell the subscriber (§12.13)."""
        if not allow:
            await self.end(node, it)
            self.engine.notify(node, events.subscription(node, it, State.NONE), [it.jid])
            return
        approved = await self._put(node, replace(it, state=State.SUBSCRIBED))
        self.engine.notify(node, events.subscription(node, approved), [it.jid])
        await self.began(node, approved)

    async def impose(self, node: Node, it: Subscription) -> None:
        """What an owner makes of a subscription (§8.8.2); the subscriber is told."""
        before = node.subscriptions.get(it.key)
        if it.state is State.NONE:
            await self.end(node, it)
        else:
            await self._put(node, it)
        self.engine.notify(node, events.subscription(node, it), [it.jid])
        began = before is None or before.state is not State.SUBSCRIBED
        if it.state is State.SUBSCRIBED and began:
            await self.began(node, it)


def chosen(element: Element, held: Sequence[Subscription]) -> Subscription:
    """The one that is meant. Raises bad-request subid-required, not-acceptable invalid-subid."""
    subid = element.get("subid")
    if not subid and len(held) > 1:
        raise refused("bad-request", "subid-required")
    for it in held:
        if not subid or it.subid == subid:
            return it
    raise refused("not-acceptable", "invalid-subid")


def _too_many() -> StanzaError:
    return refused("policy-violation", "too-many-subscriptions", type="wait")


def answers(element: Element) -> bool:
    """Whether a form is an owner's answer to a request."""
    if element.get("type") not in (FormType.SUBMIT, FormType.CANCEL):
        return False
    fields = [each for each in element.all(ns.FORMS, "field") if each.get("var") == FORM_TYPE]
    return any(
        value.text == AUTHORIZATION for each in fields for value in each.all(ns.FORMS, "value")
    )


def _subscribed(node: Node, it: Subscription, configured: bool) -> Element:
    """The result: with the options that came to be, where some were asked for (§6.3.8)."""
    shown = events.subscription_element(NS, it, node=node.name)
    shown.append(Element(NS, "subscribe-options"))
    answer = Element(NS, "pubsub", None, shown)
    if configured:
        form = options.form(it.options, FormType.RESULT).element()
        answer.append(Element(NS, "options", None, form))
    return answer


def _authorization(node: Node, it: Subscription) -> Form:
    return Form(
        type=FormType.FORM,
        title="PubSub subscriber request",
        instructions=["Allow this address to subscribe, or deny it."],
        fields=[
            forms.form_type(AUTHORIZATION),
            forms.field("pubsub#subid", it.subid, FieldType.HIDDEN),
            forms.field("pubsub#node", node.name, FieldType.TEXT_SINGLE, label="Node"),
            forms.field("pubsub#subscriber_jid", it.jid, FieldType.JID_SINGLE, label="Subscriber"),
            forms.field("pubsub#allow", False, label="Allow this address to subscribe?"),
        ],
    )
