"""Whom an account has blocked, in what is exported of it (XEP-0227 §4.8)."""

from collections.abc import Iterable, Sequence

from xmppd.api import Element, JIDError, jid, ns

PRIVACY = "jabber:iq:privacy"
LIST = "blocked"
KINDS = ("message", "presence-in", "presence-out", "iq")


def privacy_list(jids: Iterable[str]) -> Element:
    """What XEP-0016 makes of it, for servers that know no other way."""
    items = [
        Element(
            PRIVACY,
            "item",
            {"type": "jid", "value": each, "action": "deny", "order": str(number)},
        )
        for number, each in enumerate(jids, 1)
    ]
    rest = Element(PRIVACY, "item", {"action": "allow", "order": str(len(items) + 1)})
    default = Element(PRIVACY, "default", {"name": LIST})
    return Element(
        PRIVACY, "query", None, default, Element(PRIVACY, "list", {"name": LIST}, *items, rest)
    )


def denied(element: Element) -> list[str] | None:
    """The addresses that an exported list blocks; None for what is no such list."""
    if (element.ns, element.name) == (ns.BLOCKING, "blocklist"):
        return [each.get("jid") or "" for each in element.all(ns.BLOCKING, "item")]
    if (element.ns, element.name) != (PRIVACY, "query"):
        return None
    default = element.child(PRIVACY, "default")
    wanted = None if default is None else default.get("name")
    lists = [each for each in element.all(PRIVACY, "list") if each.get("name") == wanted]
    return [value for each in lists for value in _denied(each)]


def _denied(privacy: Element) -> Iterable[str]:
    """Of those that block all kinds of stanzas: to block more than was asked for loses mail."""
    for item in privacy.all(PRIVACY, "item"):
        whole = not any(item.child(PRIVACY, kind) for kind in KINDS)
        if whole and item.get("type") == "jid" and item.get("action") == "deny":
            yield item.get("value") or ""


def addresses(texts: Sequence[str]) -> list[str]:
    """Those that can be addresses."""
    found = []
    for text in texts:
        try:
            found.append(str(jid(text)))
        except JIDError:
            continue
    return found
