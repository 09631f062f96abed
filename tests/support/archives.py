"""Asking an archive, on any stage (XEP-0313)."""

from collections.abc import Iterable

from xmppd.ns import CLIENT, DELAY, FORMS, FORWARD, MAM, RSM, STANZA_IDS
from xmppd.testing import Actor
from xmppd.xml import Element


def field(var: str, *values: str) -> str:
    inner = "".join(f"<value>{value}</value>" for value in values)
    return f"<field var='{var}'>{inner}</field>"


def form(**fields: str | Iterable[str]) -> str:
    """A submitted form; `before_id` stands for before-id, `text` for the full-text field."""
    names = {"text": "{urn:xmpp:fulltext:0}fulltext"}
    parts = [field("FORM_TYPE", MAM)]
    for name, value in fields.items():
        values = [value] if isinstance(value, str) else list(value)
        parts.append(field(names.get(name, name.rstrip("_").replace("_", "-")), *values))
    return f"<x xmlns='{FORMS}' type='submit'>{''.join(parts)}</x>"


def page(**parts: object) -> str:
    """`page(max=10, before="")`."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in parts.items())
    return f"<set xmlns='{RSM}'>{inner}</set>"


class Answer:
    """What came: the results, and the IQ at their end."""

    def __init__(self, results: list[Element], end: Element) -> None:
        self.messages = results
        self.results = [each.child(MAM, "result") or each for each in results]
        self.end = end

    @property
    def ids(self) -> list[str]:
        return [each.get("id") or "" for each in self.results]

    @property
    def originals(self) -> list[Element]:
        forwarded = [each.child(FORWARD, "forwarded") or each for each in self.results]
        return [each.child(CLIENT, "message") or each for each in forwarded]

    @property
    def bodies(self) -> list[str | None]:
        return [each.child_text(CLIENT, "body") for each in self.originals]

    @property
    def stamps(self) -> list[str]:
        forwarded = [each.child(FORWARD, "forwarded") or each for each in self.results]
        return [(each.child(DELAY, "delay") or each).get("stamp") or "" for each in forwarded]

    @property
    def fin(self) -> Element:
        fin = self.end.child(MAM, "fin")
        assert fin is not None, self.end
        return fin

    @property
    def complete(self) -> bool:
        return self.fin.get("complete") == "true"

    def rsm(self, name: str) -> str | None:
        of = self.fin.child(RSM, "set")
        assert of is not None
        return of.child_text(RSM, name)

    @property
    def index(self) -> str | None:
        first = (self.fin.child(RSM, "set") or self.fin).child(RSM, "first")
        return None if first is None else first.get("index")


def asks(client: Actor, *parts: str, to: str = "", queryid: str = "f27") -> Answer:
    """Send a query and take all that comes, up to its end."""
    address = f" to='{to}'" if to else ""
    client.sends(
        f"<iq type='set' id='mam'{address}>"
        f"<query xmlns='{MAM}' queryid='{queryid}'>{''.join(parts)}</query></iq>"
    )
    results: list[Element] = []
    while True:
        stanza = client.receives(lambda _: None)
        if stanza.name == "iq" and stanza.get("id") == "mam":
            return Answer(results, stanza)
        results.append(stanza)


def stanza_id(message: Element, by: str) -> str | None:
    """The id that `by` has given it."""
    ids = [each.get("id") for each in message.all(STANZA_IDS) if each.get("by") == by]
    assert len(ids) <= 1
    return ids[0] if ids else None
