"""Offline messages in what is exported of an account (XEP-0227 §4.5)."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from xmppd.api import (
    JID,
    Delay,
    Element,
    JIDError,
    Stanza,
    StanzaError,
    jid,
    ns,
    parse,
    parse_datetime,
    stanza_of,
)

REASON = "Offline Storage"


def written(batch: Iterable[tuple[int, bytes]], host: JID) -> Element:
    """Each with the time at which it came."""
    whole = Element(ns.PIE, "offline-messages")
    for at, xml in batch:
        message = parse(xml, ns.CLIENT)
        stamp = datetime.fromtimestamp(at / 1e6, UTC)
        message.append(Delay(from_=host, stamp=stamp, reason=REASON).element())
        whole.append(message)
    return whole


def messages(element: Element, user: JID, host: JID) -> Iterator[tuple[int, Stanza]]:
    """When each came, in microseconds, and what it was; what cannot be read is left out."""
    for each in element.all(ns.CLIENT, "message"):
        try:
            from_ = jid(each.get("from") or "")
            to = jid(each.get("to") or user)
            at = _taken_delay(each, host)
            if to.bare == user:
                yield at, stanza_of(each, to=to, from_=from_)
        except (JIDError, StanzaError, ValueError):
            continue


def _taken_delay(message: Element, host: JID) -> int:
    """The server's own note goes: at the delivery a new one is made."""
    for each in message.all(ns.DELAY, "delay"):
        if each.get("from") in (host, None) or each.text.strip() == REASON:
            stamp = parse_datetime(each.get("stamp") or "")
            message.children.remove(each)
            return int(stamp.timestamp() * 1e6)
    return time.time_ns() // 1000
