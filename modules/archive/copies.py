"""Archived messages in what is exported of an account (XEP-0227 §4.11)."""

import time
from collections.abc import Iterable
from typing import Final

from xmppd.api import (
    JID,
    Element,
    JIDError,
    Stanza,
    StanzaError,
    format_datetime,
    jid,
    ns,
    parse,
    parse_datetime,
    stanza_of,
)
from xmppd.modules.archive.answers import as_sent
from xmppd.modules.archive.ids import Id, micros, new_id, parse_id
from xmppd.modules.archive.store import Row, Values, new_row

NS: Final = f"{ns.PIE}#mam"
AT_ONCE: Final = 100


def written(rows: Iterable[Row]) -> Element:
    """A piece of the archive, the oldest message first."""
    return Element(NS, "archive", None, *(_result(row) for row in rows))


def _result(row: Row) -> Element:
    stamp = Element(ns.DELAY, "delay", {"stamp": format_datetime(row.id.stamp)})
    inside = Element(ns.FORWARD, "forwarded", None, stamp, parse(as_sent(row)))
    return Element(ns.MAM, "result", {"id": str(row.id)}, inside)


class Arriving:
    """Numbers what comes from elsewhere: ids of this server stay, others are made anew."""

    def __init__(self, host: str, owner: JID, last: int) -> None:
        self._host = host
        self._owner = owner
        self._last = last
        self.unreadable = 0

    def rows(self, piece: Element) -> list[Values]:
        found = []
        for each in piece.all(ns.MAM, "result"):
            try:
                found.append(self._row(each))
            except (JIDError, StanzaError, ValueError):
                self.unreadable += 1
        return found

    def _row(self, result: Element) -> Values:
        forwarded = result.child(ns.FORWARD, "forwarded")
        inside = None if forwarded is None else forwarded.child(ns.CLIENT, "message")
        if forwarded is None or inside is None:
            raise ValueError("no message is forwarded")
        message = self._message(inside)
        own = message.from_.bare == self._owner
        id_ = self._id(result.get("id") or "", forwarded.child(ns.DELAY, "delay"))
        peer = message.to if own else message.from_
        return new_row(self._host, self._owner, id_, peer, message.write())

    def _message(self, inside: Element) -> Stanza:
        from_, to = (jid(inside.get(name) or self._owner) for name in ("from", "to"))
        return stanza_of(inside, to=to, from_=from_)

    def _id(self, text: str, delay: Element | None) -> Id:
        """Ids grow, so what comes out of order gets the next one."""
        known = parse_id(text)
        if known is not None and self._last < known.number <= time.time_ns() // 1000:
            self._last = known.number
            return known
        if delay is None:
            raise ValueError("when was it?")
        stamp = micros(parse_datetime(delay.get("stamp") or ""))
        self._last = max(self._last + 1, min(stamp, time.time_ns() // 1000))
        return new_id(self._last)
