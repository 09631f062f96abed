"""What `Stanza.write` wrote is read as the same stanza; what is damaged harms no other one."""

import pytest

from xmppd.jid import JID, jid
from xmppd.ns import CLIENT
from xmppd.stanza import IQ, Message, Presence, Stanza, StanzaError, StanzaReader, error_reply
from xmppd.xml import Element

ROMEO = jid("romeo@example.net/a&b'c")
JULIET = jid("juliet@example.com")
BODY = Element(CLIENT, "body", {}, "<x> & y\r\n")
FOREIGN = Element(
    "urn:f", "f", {"{urn:p}r": "\t'"}, Element("", "none"), Element(CLIENT, "message", {}, BODY)
)
REQUEST = IQ(JULIET, ROMEO, "get", "1", FOREIGN)
SAME = (
    "kind", "to", "from_", "type", "id", "lang", "extra", "directed", "payloads", "raw", "children"
)  # fmt: skip
STANZAS = [
    Message(JULIET, ROMEO, "chat", "m&'1", BODY, lang="en"),
    Message(JULIET, ROMEO, "", None, BODY, FOREIGN, extra={"{urn:x}y": "z'", "w": "&"}),
    Message(JULIET, ROMEO),
    Presence(JULIET, ROMEO, "unavailable", None, FOREIGN),
    REQUEST,
    error_reply(REQUEST, StanzaError("item-not-found", "not here")),
    Message(JID("a", "my_host.example", "\u0378"), ROMEO, "chat", "of other times", BODY),
]


@pytest.mark.parametrize("stanza", STANZAS)
def test_a_written_stanza_is_read_as_it_was(stanza: Stanza) -> None:
    read = StanzaReader().read(stanza.write())
    assert type(read) is type(stanza)
    assert [getattr(read, name) for name in SAME] == [getattr(stanza, name) for name in SAME]
    assert read.write() == stanza.write()


WHOLE = STANZAS[0].write()
DAMAGED = [
    b"",
    WHOLE[:-1],
    WHOLE[:5],
    WHOLE[1:],
    WHOLE + WHOLE,
    WHOLE + b"<message",
    WHOLE + b"</stream:stream>",
    b"text",
    b"<x/>",
    b"<message/>",
    b"<message to='juliet@example.com'/>",
    b"<message to='@' from='romeo@example.net'/>",
    b"<?xml version='1.0'?>" + WHOLE,
    b"<!-- " + WHOLE + b"-->",
    b"<message to='a' from='b'><p:x/></message>",
    b"<message to='a' from='b'>\xff</message>",
    b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>",
]


@pytest.mark.parametrize("xml", DAMAGED)
def test_what_is_damaged_is_refused_and_the_next_is_read(xml: bytes) -> None:
    reader = StanzaReader()
    reader.read(WHOLE)
    with pytest.raises(ValueError):
        reader.read(xml)
    assert reader.read(WHOLE).write() == WHOLE


def test_a_stanza_over_the_limits_of_today_is_read() -> None:
    deep = Element("urn:f", "f")
    for _ in range(1000):
        deep = Element("urn:f", "f", {}, deep)
    large = Message(JULIET, ROMEO, "chat", "1", Element(CLIENT, "body", {}, "x" * 10**6), deep)
    assert StanzaReader().read(large.write()).write() == large.write()


def test_one_reader_reads_many() -> None:
    reader = StanzaReader()
    texts = [Message(JULIET, ROMEO, "chat", str(n), BODY).write() for n in range(2000)]
    assert [reader.read(text).write() for text in texts] == texts
