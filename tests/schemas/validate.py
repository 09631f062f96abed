"""Judge stanzas and stream elements by the XML schemas of their specifications.

`validate(element)` raises AssertionError that names what breaks which schema. A namespace without
a schema here passes. The schemas are made by `extract.py`.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lxml import etree

from xmppd.ns import CLIENT, DELAY, STANZA_IDS
from xmppd.xml import Element, to_xml

FOLDER = Path(__file__).parent
# What a server puts into others' stanzas; all else in these is the sender's, and passes as it is.
ADDED = {DELAY, STANZA_IDS}
# XEP-0122 puts this into the fields of forms, which the schema of XEP-0004 does not know.
IN_FORMS = "{http://jabber.org/protocol/xdata-validate}validate"
# XEP-0463 puts this into what XEP-0045 says about users.
IN_ROOMS = "{urn:xmpp:muc:affiliations:1}mav"
XS = "{http://www.w3.org/2001/XMLSchema}"


def validate(element: Element) -> None:
    """Judge an element that the server sent, and each payload in it, by their own schemas.

    What another client wrote is its own matter: of a stanza from a full JID only the stanza itself
    is judged, and what the server adds to it.
    """
    _judge(element, element)
    by_client = _from_client(element)
    for payload in element.elements:
        if payload.ns == element.ns:
            continue
        if not by_client or payload.ns in ADDED:
            for part in _parts(payload):
                _judge(part, element)


def _from_client(element: Element) -> bool:
    return element.ns == CLIENT and "/" in (element.get("from") or "")


def _parts(payload: Element) -> Iterator[Element]:
    """The payload, and whatever in it begins another namespace."""
    waiting = [(payload, "")]
    while waiting:
        element, outer = waiting.pop()
        if element.ns != outer:
            yield element
        waiting += [(child, element.ns) for child in element.elements]


def _judge(element: Element, whole: Element) -> None:
    schema = schemas().get(element.ns)
    if schema is None:
        return
    document = etree.fromstring(to_xml(element).encode())
    etree.strip_elements(document, IN_FORMS, IN_ROOMS)
    try:
        schema.assertValid(document)
    except etree.DocumentInvalid as broken:
        raise AssertionError(
            f"{to_xml(whole, CLIENT)}\nbreaks the schema of {element.ns}:\n{broken}"
        ) from None


@cache
def schemas() -> "dict[str, etree.XMLSchema]":
    """By namespace; compiled once."""
    found = {}
    for path in sorted(FOLDER.glob("*.xsd")):
        document = etree.parse(str(path))
        found[document.getroot().get("targetNamespace", "")] = etree.XMLSchema(document)
    return found
