"""XML as XMPP uses it: the element tree, the stream parser, documents, the writer."""

from xmppd.xml.document import parse, parse_fragment
from xmppd.xml.element import XML_LANG, XML_NS, Element
from xmppd.xml.errors import StreamError, XMLError
from xmppd.xml.events import (
    AFTER_LOGIN,
    BEFORE_LOGIN,
    Limits,
    Nonza,
    StreamClose,
    StreamOpen,
)
from xmppd.xml.parser import Context, StreamParser
from xmppd.xml.writer import escape_attr, escape_text, to_xml

__all__ = [
    "AFTER_LOGIN",
    "BEFORE_LOGIN",
    "XML_LANG",
    "XML_NS",
    "Context",
    "Element",
    "Limits",
    "Nonza",
    "StreamClose",
    "StreamError",
    "StreamOpen",
    "StreamParser",
    "XMLError",
    "escape_attr",
    "escape_text",
    "parse",
    "parse_fragment",
    "to_xml",
]
