"""What a roster knows of a contact, and what each subscription stanza does to it.

RFC 6121 §2.1.2 (items) and Appendix A (states). The nine states of the appendix are four facts:
`to` (the user sees the contact), `from_` (the contact sees the user), `ask` (pending out) and
`pending` (pending in). A contact that only asks is not in the roster (§3.1.3), so `listed` is a
fact of its own.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from xmppd.api import JID, Element, escape_attr, escape_text, ns, to_xml

# By whether the user sees the contact, and the contact the user (§2.1.2.5).
SUBSCRIPTIONS: Final = {
    (False, False): "none",
    (True, False): "to",
    (False, True): "from",
    (True, True): "both",
}
_unsafe: Final = re.compile("[&<>\"'\r\n\t]").search


@dataclass(frozen=True, slots=True)
class Item:
    """A contact as the user's server knows it."""

    contact: JID
    to: bool = False
    from_: bool = False
    ask: bool = False
    pending: bool = False
    approved: bool = False
    listed: bool = False
    name: str = ""
    groups: tuple[str, ...] = ()
    version: int = 0

    @property
    def subscription(self) -> str:
        """none, to, from or both (§2.1.2.5)."""
        return SUBSCRIPTIONS[self.to, self.from_]

    def element(self) -> Element:
        """The item as clients see it (§2.1.2)."""
        shown = Element(
            ns.ROSTER, "item", {"jid": self.contact, "subscription": self.subscription}
        )
        if self.name:
            shown.attrs["name"] = self.name
        if self.ask:
            shown.attrs["ask"] = "subscribe"
        if self.approved:
            shown.attrs["approved"] = "true"
        for group in self.groups:
            shown.append(Element(ns.ROSTER, "group", None, group))
        return shown


def written(items: Iterable[Item]) -> str:
    """The elements of these items, for inside of a query: as `to_xml` writes them, in a tenth of
    the time. Raises XMLError for what XML has no way to write.
    """
    found = list(items)
    xml = "".join([_written(item) for item in found])
    if xml.isprintable():  # else there may be such a character
        return xml
    return "".join([to_xml(item.element(), ns.ROSTER) for item in found])


def _written(item: Item) -> str:
    contact: str = item.contact
    name = item.name
    if _unsafe(f"{contact!s}{name}"):
        contact, name = escape_attr(contact), escape_attr(name)
    tag = f"<item jid='{contact!s}' subscription='{SUBSCRIPTIONS[item.to, item.from_]}'"
    if name:
        tag += f" name='{name}'"
    if item.ask:
        tag += " ask='subscribe'"
    if item.approved:
        tag += " approved='true'"
    if not item.groups:
        return tag + "/>"
    groups = [f"<group>{escape_text(group)}</group>" for group in item.groups]
    return f"{tag}>{''.join(groups)}</item>"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a subscription stanza did: to the item, and what becomes of the stanza."""

    before: Item
    after: Item
    passes: bool = False  # routed on when outbound, delivered to the user when inbound
    reply: str = ""  # the type of presence with which an inbound one is answered at once


Transition = Callable[[Item], Outcome]


def _outcome(before: Item, *, passes: bool, reply: str = "", **facts: bool) -> Outcome:
    after = replace(before, **facts) if facts else before  # type: ignore[arg-type]  # flags only
    return Outcome(before, after, passes, reply)


# The user's client sends (Appendix A.2)


def sends_subscribe(item: Item) -> Outcome:
    """Routed in every state; pending out unless there is the subscription (§A.2.1)."""
    return _outcome(item, passes=True, listed=True, ask=not item.to)


def sends_unsubscribe(item: Item) -> Outcome:
    """§A.2.2."""
    return _outcome(item, passes=True, to=False, ask=False)


def sends_subscribed(item: Item) -> Outcome:
    """Approves what is pending; approves beforehand where nothing is (§A.2.3, §3.4.2)."""
    if item.pending:
        return _outcome(item, passes=True, listed=True, pending=False, from_=True)
    if item.from_:
        return _outcome(item, passes=False)
    return _outcome(item, passes=False, listed=True, approved=True)


def sends_unsubscribed(item: Item) -> Outcome:
    """Denies what is pending, ends what there is, takes back an approval (§A.2.4, §3.4.2)."""
    return _outcome(
        item, passes=item.pending or item.from_, pending=False, from_=False, approved=False
    )


# The contact has sent (Appendix A.3)


def gets_subscribe(item: Item) -> Outcome:
    """§A.3.1; approved beforehand it is answered without asking the user (§3.4.2)."""
    if item.from_:
        return _outcome(item, passes=False, reply="subscribed")
    if item.approved:
        return _outcome(item, passes=False, reply="subscribed", from_=True, pending=False)
    return _outcome(item, passes=not item.pending, pending=True)


def gets_unsubscribe(item: Item) -> Outcome:
    """§A.3.2. A request that was never answered goes the same way (§3.3.3)."""
    if not (item.pending or item.from_):
        return _outcome(item, passes=False)
    return _outcome(item, passes=True, reply="unsubscribed", pending=False, from_=False)


def gets_subscribed(item: Item) -> Outcome:
    """Counts only where the user has asked (§A.3.3)."""
    if item.ask:
        return _outcome(item, passes=True, ask=False, to=True)
    return _outcome(item, passes=False)


def gets_unsubscribed(item: Item) -> Outcome:
    """§A.3.4. It never cancels what the user has approved beforehand (§4.3.2)."""
    return _outcome(item, passes=item.ask or item.to, ask=False, to=False)


OUTBOUND: Final[dict[str, Transition]] = {
    "subscribe": sends_subscribe,
    "unsubscribe": sends_unsubscribe,
    "subscribed": sends_subscribed,
    "unsubscribed": sends_unsubscribed,
}
INBOUND: Final[dict[str, Transition]] = {
    "subscribe": gets_subscribe,
    "unsubscribe": gets_unsubscribe,
    "subscribed": gets_subscribed,
    "unsubscribed": gets_unsubscribed,
}
