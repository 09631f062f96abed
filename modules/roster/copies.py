"""Contacts in what is exported of an account (XEP-0227 §4.4, §4.9)."""

from typing import Final

from xmppd.api import JID, Element, JIDError, StanzaError, jid, ns, parse, stanza_of
from xmppd.modules.roster.items import Item

REQUEST: Final = (ns.CLIENT, "presence", "subscribe")
FACTS: Final = {
    "none": (False, False),
    "to": (True, False),
    "from": (False, True),
    "both": (True, True),
}
_TRUE: Final = ("true", "1")


def item_of(element: Element) -> Item:
    """Raises StanzaError bad-request, jid-malformed."""
    facts = FACTS.get(element.get("subscription") or "none")
    if facts is None:
        raise StanzaError("bad-request", f"unknown subscription {element.get('subscription')!r}")
    groups = [each.text.strip() for each in element.all(ns.ROSTER, "group")]
    return Item(
        _address(element.get("jid")),
        to=facts[0],
        from_=facts[1],
        ask=element.get("ask") == "subscribe" and not facts[0],
        approved=element.get("approved") in _TRUE,
        listed=True,
        name=element.get("name") or "",
        groups=tuple(dict.fromkeys(group for group in groups if group)),
    )


def request_of(stanza: bytes) -> Element:
    return parse(stanza, ns.CLIENT)


def kept_request(element: Element, user: JID) -> tuple[JID, bytes]:
    """Who asks, and the request as it is kept."""
    contact = _address(element.get("from"))
    return contact, stanza_of(element, to=user, from_=contact).write()


def _address(text: str | None) -> JID:
    try:
        return jid(text or "").bare
    except JIDError as problem:
        raise StanzaError("jid-malformed", str(problem)) from None
