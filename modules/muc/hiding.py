"""Answers and errors of occupants, without who they are from: in a semi-anonymous room nobody but
moderators learns a real address, by whichever way (XEP-0045 §15.4).
"""

from collections.abc import Iterable

from xmppd.api import JID, Element, StanzaError, ns

VCARD = "vcard-temp"
MOVED = frozenset(("gone", "redirect"))  # say where somebody is now (RFC 6120 §8.3.3)


def without_addresses(children: Iterable[Element], hidden: JID | None) -> list[Element]:
    """The payload of an answer; `hidden` has given it and must not be known, None: it may be."""
    return [_without_address(child, hidden) for child in children]


def _without_address(child: Element, hidden: JID | None) -> Element:
    """An error says who found it, a card may name the address (XEP-0054 §3), an item who has
    published it (XEP-0060 §7.1.2.3).
    """
    if (child.ns, child.name) == (ns.CLIENT, "error"):
        return _error(child, hidden)
    if hidden is not None and child.ns == VCARD:
        return _with(child, (part for part in child.elements if part.name != "JABBERID"))
    if hidden is not None and child.ns == ns.PUBSUB:
        return _with(
            child, (_with(items, map(_unsigned, items.elements)) for items in child.elements)
        )
    return child


def _unsigned(item: Element) -> Element:
    attrs = {name: value for name, value in item.attrs.items() if name != "publisher"}
    return Element(item.ns, item.name, attrs, *item.children)


def _with(element: Element, children: Iterable[Element]) -> Element:
    return Element(element.ns, element.name, element.attrs, *children)


def _error(error: Element, hidden: JID | None) -> Element:
    attrs = {name: value for name, value in error.attrs.items() if name != "by"}
    kept = error.elements
    if hidden is not None:
        kept = [_unmoved(each) for each in kept if not _names(each, hidden)]
    return Element(error.ns, error.name, attrs, *kept)


def _unmoved(condition: Element) -> Element:
    moved = condition.ns == ns.STANZAS and condition.name in MOVED
    return Element(condition.ns, condition.name) if moved else condition


def _names(child: Element, hidden: JID) -> bool:
    return (child.ns, child.name) == (ns.STANZAS, "text") and tells(child.text, hidden)


def tells(text: str | None, hidden: JID) -> bool:
    """Whether a text has the address in it."""
    return hidden.bare in (text or "").casefold()


def anonymous(problem: StanzaError, hidden: JID | None) -> StanzaError:
    """An error that is passed on; `hidden` as above."""
    problem.by = None
    if hidden is not None:
        problem.uri = None
        problem.text = None if tells(problem.text, hidden) else problem.text
    return problem
