"""How a query is answered: the messages one by one, and then the end (XEP-0313 §4.2, §4.3)."""

from collections.abc import Callable
from typing import TypeAlias
from xml.sax.saxutils import escape

from twisted.internet.defer import Deferred

from xmppd.api import JID, Element, Message, Page, StanzaError, format_datetime, ns
from xmppd.modules.archive.ids import Id
from xmppd.modules.archive.query import Query
from xmppd.modules.archive.store import Found, Row

AT_ONCE = 2  # queries of one JID
MOST_IN_LINE = 20  # more of its queries are refused
RESULT = ((ns.MAM, "result"),)
# What is stored, made a stanza that may stand anywhere; None leaves it out (§3.2).
Show: TypeAlias = Callable[[Row], bytes | None]
_QUOTED = {"'": "&apos;", "\r": "&#xD;", "\n": "&#xA;", "\t": "&#x9;"}


def as_sent(row: Row) -> bytes:
    """The message with its content namespace declared (XEP-0297 §3.1)."""
    return b"<message xmlns='jabber:client'" + row.stanza[len(b"<message") :]


def result(to: JID, owner: JID, asked: Query, row: Row, shown: bytes | None) -> Message:
    """One message of the archive on its way to who asked for it (§4.2), by joining bytes."""
    query_id = asked.query_id
    named = "" if query_id is None else f" queryid='{escape(query_id, _QUOTED)}'"
    stamp = format_datetime(row.id.stamp)
    head = (
        f"<result xmlns='{ns.MAM}'{named} id='{row.id}'><forwarded xmlns='{ns.FORWARD}'>"
        f"<delay xmlns='{ns.DELAY}' stamp='{stamp}'/>"
    )
    raw = head.encode() + (shown or b"") + b"</forwarded></result>"
    return Message(to, owner, raw=raw, payloads=RESULT)


def fin(found: Found) -> Element:
    """The end of a page: first and last are those of the archive's order, flipped or not."""
    rows = found.rows
    page = Page(
        items=rows,
        first=str(rows[0].id) if rows else None,
        last=str(rows[-1].id) if rows else None,
        index=found.index if rows else None,
        count=found.count,
        complete=found.complete,
    )
    attrs = {"complete": "true"} if found.complete else None
    return Element(ns.MAM, "fin", attrs, page.element())


def metadata(ends: tuple[Id, Id] | None) -> Element:
    """§5; empty for an empty archive."""
    answer = Element(ns.MAM, "metadata")
    for name, id_ in zip(("start", "end"), ends or (), strict=False):
        attrs = {"id": str(id_), "timestamp": format_datetime(id_.stamp)}
        answer.append(Element(ns.MAM, name, attrs))
    return answer


class Turns:
    """At most AT_ONCE queries of one JID are under way, others wait in the order they came."""

    def __init__(self) -> None:
        self._lines: dict[JID, list[Deferred[None]]] = {}

    async def enter(self, who: JID) -> None:
        """Wait for a turn; give it back with `leave`. Raises resource-constraint."""
        line = self._lines.setdefault(who, [])
        if len(line) >= MOST_IN_LINE:
            raise StanzaError("resource-constraint", "too many queries at once")
        turn: Deferred[None] = Deferred()
        line.append(turn)
        if len(line) <= AT_ONCE:
            turn.callback(None)
        await turn

    def leave(self, who: JID) -> None:
        """One of those that have had their turn is done."""
        line = self._lines[who]
        del line[0]
        if not line:
            del self._lines[who]
        elif len(line) >= AT_ONCE:
            line[AT_ONCE - 1].callback(None)
