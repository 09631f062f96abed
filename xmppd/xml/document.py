"""Trees from XML that is whole: documents, fragments, the inside of a stanza."""

from xml.parsers.expat import ExpatError

from xmppd.xml.element import Element
from xmppd.xml.errors import StreamError, XMLError
from xmppd.xml.expat import create, expand, not_well_formed, split
from xmppd.xml.prolog import WHITESPACE, skip_declaration
from xmppd.xml.writer import escape_attr


def parse(xml: str | bytes, default_ns: str = "") -> Element:
    """The tree of a document; `default_ns` is in force outside of it. What RFC 6120 §11 prohibits
    on streams is refused here too: XMLError.
    """
    try:
        body = skip_declaration(_encoded(xml))
    except StreamError as e:
        raise XMLError(str(e)) from None
    roots = parse_fragment((body or b"").strip(WHITESPACE), default_ns)
    if len(roots) != 1 or isinstance(roots[0], str):
        raise XMLError("not a document with one root element")
    return roots[0]


def parse_fragment(raw: str | bytes, default_ns: str) -> list[Element | str]:
    """The elements and the text of a piece of XML that stood where `default_ns` was in force,
    such as the inside of a stanza. Raises XMLError.
    """
    head = f"<x xmlns='{escape_attr(default_ns)}'>" if default_ns else "<x>"
    try:
        return build(head.encode(), _encoded(raw), b"</x>").children
    except StreamError as e:
        raise XMLError(str(e)) from None


def build(head: bytes, body: bytes, tail: bytes) -> Element:
    """The root of `head + body + tail`, where `head` opens the one element that `tail` ends.
    Raises StreamError.
    """
    root = Element("", "")
    stack = [root]

    def start(name: str, attrs: dict[str, str]) -> None:
        ns, local = split(name)
        element = Element(ns, local)
        if attrs:
            element.attrs = expand(attrs)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].children.append(data)

    expat = create()
    expat.buffer_text = True
    if len(body) > expat.buffer_size:
        expat.buffer_size = len(body)  # so that each text arrives in one piece
    expat.StartElementHandler = start
    expat.EndElementHandler = end
    expat.CharacterDataHandler = text
    try:
        expat.Parse(head + body + tail, True)
    except ExpatError as e:
        raise not_well_formed(e) from None
    (outer,) = root.children
    assert isinstance(outer, Element)
    return outer


def _encoded(xml: str | bytes) -> bytes:
    if isinstance(xml, bytes):
        return xml
    try:
        return xml.encode()
    except UnicodeEncodeError:
        raise XMLError("a lone surrogate is no character") from None
