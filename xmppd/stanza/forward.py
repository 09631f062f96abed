"""Stanzas within stanzas (XEP-0297 1.0)."""

from xmppd.jid import JID
from xmppd.ns import CLIENT, COMPONENT, FORWARD
from xmppd.stanza.errors import StanzaError
from xmppd.stanza.read import read_as_client, read_stanza
from xmppd.stanza.stanza import Stanza
from xmppd.xml import XML_LANG, Element, to_xml

KINDS = ("message", "presence", "iq")


def forwarded(stanza: Stanza) -> Element:
    """`<forwarded/>` with the stanza in it; without `to` where its sender gave none."""
    attrs: dict[str, str] = {"from": stanza.from_}
    if stanza.directed:
        attrs["to"] = stanza.to
    if stanza.type != stanza.default_type:
        attrs["type"] = stanza.type
    if stanza.id is not None:
        attrs["id"] = stanza.id
    if stanza.lang is not None:
        attrs[XML_LANG] = stanza.lang
    inner = Element(CLIENT, stanza.kind, attrs, *stanza.children)
    return Element(FORWARD, "forwarded", None, inner)


def forwarded_in(wrapper: Element, kind: str) -> Element:
    """The one stanza of that kind in the `<forwarded/>` of this element. Raises bad-request.

    It should be in jabber:client; libraries for components leave it in their stream's namespace.
    """
    found = wrapper.all(FORWARD, "forwarded")
    stanzas = [e.copy() for each in found for e in each.elements if e.name in KINDS]
    read_as_client(stanzas, COMPONENT)
    if len(found) != 1 or len(stanzas) != 1 or (stanzas[0].ns, stanzas[0].name) != (CLIENT, kind):
        raise StanzaError("bad-request", f"exactly one forwarded {kind} is expected")
    return stanzas[0]


def stanza_of(element: Element, *, to: JID, from_: JID) -> Stanza:
    """The stanza that an element in jabber:client stands for, with these addresses. Raises the
    StanzaError that its `fault` is.
    """
    children = element.elements
    stanza = read_stanza(
        element.name,
        {name: value for name, value in element.attrs.items() if name in _KEPT},
        tuple((child.ns, child.name) for child in children),
        "".join([to_xml(child, CLIENT) for child in children]).encode(),
        to=to,
        from_=from_,
    )
    if stanza.fault is not None:
        raise stanza.fault
    stanza.directed = True
    return stanza


_KEPT = frozenset(("type", "id", XML_LANG))
