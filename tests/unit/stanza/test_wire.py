"""From a parser through a stanza to another stream: the receiver reads what was sent."""

import pytest

from xmppd.jid import jid
from xmppd.ns import CLIENT, SERVER
from xmppd.stanza import Stanza, read_stanza
from xmppd.xml import AFTER_LOGIN, Element, StreamParser

ROMEO = jid("romeo@example.net/a&b'c")
JULIET = jid("juliet@example.com")


def receive(content_ns: str, data: bytes) -> Stanza:
    """The one stanza on a stream with a prefix declared in its header."""

    def make(
        kind: str,
        attrs: dict[str, str],
        payloads: tuple[tuple[str, str], ...],
        raw: bytes,
        tree: Element | None,
    ) -> Stanza:
        return read_stanza(
            kind, attrs, payloads, raw, to=JULIET, from_=ROMEO, content_ns=content_ns
        )

    header = (
        f"<stream:stream xmlns='{content_ns}' xmlns:p='urn:p' xmlns:c='{content_ns}'"
        " xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    )
    parser = StreamParser(make, content_ns=content_ns, limits=AFTER_LOGIN)
    events = parser.feed(header.encode() + data)
    (stanza,) = (event for event in events if isinstance(event, Stanza))
    return stanza


BODY = Element(CLIENT, "body", {}, "x")
SENT = [
    (b"<message to='a'><body>x</body></message>", [BODY]),
    (b"<message><body><![CDATA[x]]></body></message>", [BODY]),
    (b"<message><c:body>x</c:body></message>", [BODY]),
    (b"<c:message><body>x</body></c:message>", [BODY]),
    (b"<message>\n<body>x</body> <p:q p:r='&#xD;&#x9;'/></message>",
     [BODY, Element("urn:p", "q", {"{urn:p}r": "\r\t"})]),
    (b"<message><q xmlns=''><r/></q></message>", [Element("", "q", {}, Element("", "r"))]),
    (b"<message><f xmlns='urn:f'><message xmlns='jabber:client'><body>x</body></message></f>"
     b"</message>", [Element("urn:f", "f", {}, Element(CLIENT, "message", {}, BODY))]),
]  # fmt: skip


@pytest.mark.parametrize("data, children", SENT)
@pytest.mark.parametrize("inbound", [CLIENT, SERVER])
@pytest.mark.parametrize("outbound", [CLIENT, SERVER])
def test_any_stream_to_any_stream_keeps_the_children(
    data: bytes, children: list[Element], inbound: str, outbound: str
) -> None:
    sent = receive(inbound, data)
    assert sent.children == children
    assert sent.payloads == tuple((child.ns, child.name) for child in children)
    assert receive(outbound, sent.write(outbound)).children == children
    assert receive(outbound, sent.copy(add=[BODY]).write(outbound)).children == [*children, BODY]
