"""Message, Presence, IQ and StanzaError; payload classes, data forms, result sets, delays."""

from xmppd.stanza.copies import Copies
from xmppd.stanza.dates import format_datetime, parse_datetime
from xmppd.stanza.delay import Delay
from xmppd.stanza.errors import StanzaError, error_reply
from xmppd.stanza.forms import Field, FieldType, Form, FormType, Option
from xmppd.stanza.forward import forwarded, forwarded_in, stanza_of
from xmppd.stanza.payload import (
    Payload,
    attr,
    child,
    child_text,
    child_texts,
    children,
    flag,
    text,
)
from xmppd.stanza.read import read_stanza
from xmppd.stanza.rsm import Page, ResultSet, ResultSetRequest, page
from xmppd.stanza.stanza import IQ, Message, Presence, Stanza
from xmppd.stanza.stored import StanzaReader

__all__ = [
    "IQ",
    "Copies",
    "Delay",
    "Field",
    "FieldType",
    "Form",
    "FormType",
    "Message",
    "Option",
    "Page",
    "Payload",
    "Presence",
    "ResultSet",
    "ResultSetRequest",
    "Stanza",
    "StanzaError",
    "StanzaReader",
    "attr",
    "child",
    "child_text",
    "child_texts",
    "children",
    "error_reply",
    "flag",
    "format_datetime",
    "forwarded",
    "forwarded_in",
    "page",
    "parse_datetime",
    "read_stanza",
    "stanza_of",
    "text",
]
