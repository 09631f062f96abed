"""What notifications say: the children of `<event/>` (XEP-0060 §7.1.2, §7.2.2, §8)."""

from collections.abc import Iterable
from typing import Final

from xmppd.api import JID, Element, Form, ns, parse
from xmppd.modules.pubsub.config import ItemReply
from xmppd.modules.pubsub.model import Item, Node, State, Subscription

NS = ns.PUBSUB_EVENT
SHIM: Final = "http://jabber.org/protocol/shim"


def event(inside: Element) -> Element:
    return Element(NS, "event", None, inside)


def published(node: Node, items: Iterable[Item], *, payload: bool) -> Element:
    """Items, or none: where there was nothing but the event (§4.3)."""
    inside = [item_element(NS, node, item, payload=payload) for item in items]
    return event(Element(NS, "items", {"node": node.name}, *inside))


def item_element(of: str, node: Node, item: Item, *, payload: bool) -> Element:
    """`<item/>` in the namespace of an event or of an answer; with its publisher, or the owner
    in its place, where the node is configured so (§12.16).
    """
    attrs = {"id": item.id}
    if node.config.itemreply is ItemReply.PUBLISHER:
        attrs["publisher"] = item.publisher.bare
    elif node.config.itemreply is ItemReply.OWNER:
        attrs["publisher"] = next(iter(node.owners()))
    element = Element(of, "item", attrs)
    if payload and item.xml:
        element.append(parse(item.xml))
    return element


def subids(those: Iterable[str]) -> Element:
    """The headers that name them (§7.1.2.4; XEP-0131)."""
    inside = [Element(SHIM, "header", {"name": "SubID"}, subid) for subid in those]
    return Element(SHIM, "headers", None, *inside)


def retracted(node: Node, ids: Iterable[str]) -> Element:
    inside = [Element(NS, "retract", {"id": id_}) for id_ in ids]
    return event(Element(NS, "items", {"node": node.name}, *inside))


def purged(node: Node) -> Element:
    return event(Element(NS, "purge", {"node": node.name}))


def deleted(node: Node, uri: str) -> Element:
    """`uri`: where the node is now, or "" (§8.4.2)."""
    redirect = [Element(NS, "redirect", {"uri": uri})] if uri else []
    return event(Element(NS, "delete", {"node": node.name}, *redirect))


def configured(node: Node, form: Form | None) -> Element:
    """With the configuration, unless the node notifies without payloads (§8.2.5.3)."""
    inside = [] if form is None else [form.element()]
    return event(Element(NS, "configuration", {"node": node.name}, *inside))


def subscription(node: Node, it: Subscription, state: State | None = None) -> Element:
    """The state that a subscription has come to (§12.13)."""
    return event(subscription_element(NS, it, state, node=node.name))


def subscription_element(
    of: str, it: Subscription, state: State | None = None, *, node: str | None
) -> Element:
    attrs = {} if node is None else {"node": node}
    attrs |= {"jid": it.jid, "subscription": state or it.state, "subid": it.subid}
    return Element(of, "subscription", attrs)


def affiliation_element(of: str, affiliation: str, **who: "str | JID") -> Element:
    return Element(of, "affiliation", {**who, "affiliation": affiliation})
