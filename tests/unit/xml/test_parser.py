"""The stream parser: events, what is refused, and that stanzas pass unchanged."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from xmppd.xml import (
    XML_LANG,
    Element,
    Nonza,
    StreamClose,
    StreamError,
    StreamOpen,
    StreamParser,
    parse,
    parse_fragment,
)

STREAMS = "http://etherx.jabber.org/streams"
OPEN = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
Parser: TypeAlias = StreamParser[tuple[Any, ...]]


def parser(**options: Any) -> Parser:
    return StreamParser(lambda *stanza: stanza, **options)


def opened(header: bytes = OPEN, **options: Any) -> Parser:
    made = parser(**options)
    made.feed(header)
    return made


def outcome(made: Parser, *writes: bytes) -> tuple[list[Any], str | None]:
    """All events, and the condition of the error that ended them."""
    events: list[Any] = []
    try:
        for data in writes:
            events += made.feed(data)
    except StreamError as e:
        return events + list(made.pending), e.condition
    return events, None


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def understood(stanza: tuple[Any, ...]) -> Element:
    """What a recipient on another stream of the same content namespace reads."""
    kind, attrs, payloads, raw, _tree = stanza
    children = parse_fragment(raw, "jabber:client")
    assert payloads == tuple((c.ns, c.name) for c in children if isinstance(c, Element))
    return Element("jabber:client", kind, attrs, *children)


def test_a_stream_header_tells_its_namespaces() -> None:
    made = parser()
    (event,) = made.feed(
        b"<?xml version='1.0'?>\n<s:stream xmlns:s='http://etherx.jabber.org/streams'"
        b" xmlns='jabber:client' to='example.org'"
        b" version=\"1.0\" xml:lang='de' xmlns:x='u' x:k='v'>"
    )
    attrs = {"to": "example.org", "version": "1.0", XML_LANG: "de", "{u}k": "v"}
    assert event == StreamOpen(STREAMS, "stream", attrs, "jabber:client", {"s": STREAMS, "x": "u"})
    assert made.idle


def test_a_stanza_is_cut_out_of_the_bytes() -> None:
    raw = b"<body>a &lt; b</body><x xmlns='u'><y/></x>"
    (stanza,) = opened().feed(b"<message to='a@b' id=\"i'>\" >" + raw + b"</message\n>")
    payloads = (("jabber:client", "body"), ("u", "x"))
    assert stanza == ("message", {"to": "a@b", "id": "i'>"}, payloads, raw, None)


@pytest.mark.parametrize(
    "xml", [b"<iq/>", b"<iq />", b"<iq></iq>", b"<iq a='/'></iq>", b"<iq a='/'\n/>"]
)
def test_an_empty_stanza_has_no_raw(xml: bytes) -> None:
    first, second = opened().feed(xml * 2)
    assert first == second
    assert first[2:] == ((), b"", None)  # type: ignore[index]


def test_other_children_of_the_stream_are_nonzas() -> None:
    events = opened().feed(
        b"<r xmlns='urn:xmpp:sm:3'/><auth xmlns='s' mechanism='PLAIN'>AGE=</auth>"
        b"<message xmlns='jabber:server'><body/></message>"
        b"<stream:error><x xmlns='e'/></stream:error>"
        b"<foo/><a xmlns='n' xmlns:p='u' p:k='v'/>"
    )
    assert events == [
        Nonza(Element("urn:xmpp:sm:3", "r")),
        Nonza(Element("s", "auth", {"mechanism": "PLAIN"}, "AGE=")),
        Nonza(Element("jabber:server", "message", None, Element("jabber:server", "body"))),
        Nonza(Element(STREAMS, "error", None, Element("e", "x"))),
        Nonza(Element("jabber:client", "foo")),
        Nonza(Element("n", "a", {"{u}k": "v"})),
    ]


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("AGE=", "AGE="),
        ("\u00e9\n \U0001f600", "\u00e9\n \U0001f600"),
        ("a&amp;b&#13;", "a&b\r"),
        ("a\r\nb", "a\nb"),
        ("<![CDATA[<x/>]]>", "<x/>"),
    ],
)
def test_the_text_of_a_nonza_is_what_xml_makes_of_it(inside: str, text: str) -> None:
    (nonza,) = opened().feed(f"<p:a xmlns:p='n' p:k='v'>{inside}</p:a>".encode())
    assert isinstance(nonza, Nonza)
    assert (nonza.element.text, nonza.element.attrs) == (text, {"{n}k": "v"})


@pytest.mark.parametrize("content_ns", ["jabber:server", "jabber:component:accept"])
def test_the_content_namespace_decides_what_is_a_stanza(content_ns: str) -> None:
    made = opened(OPEN.replace(b"jabber:client", content_ns.encode()), content_ns=content_ns)
    mine, other = made.feed(b"<iq id='1'/><iq xmlns='jabber:client'/>")
    assert mine == ("iq", {"id": "1"}, (), b"", None)
    assert other == Nonza(Element("jabber:client", "iq"))


def test_after_the_close_everything_is_ignored() -> None:
    made = opened()
    assert made.feed(b"<iq/></stream:stream>\n<junk & ") == [
        ("iq", {}, (), b"", None),
        StreamClose(),
    ]
    assert made.feed(b"more <junk>") == []


def test_reset_begins_a_new_document_and_drops_what_is_buffered() -> None:
    made = opened()
    made.feed(b"<iq><x>")
    made.reset()
    assert made.idle
    events = made.feed(b"<?xml version='1.0'?>" + OPEN + b"<iq/>")
    assert isinstance(events[0], StreamOpen)
    assert events[1:] == [("iq", {}, (), b"", None)]


def test_a_dropped_parser_goes_on_in_the_context_of_its_header() -> None:
    header = b"<s:stream xmlns='jabber:client' xmlns:s='s' xmlns:p='u'>"
    made = opened(header)
    made.drop()
    assert made.feed(b"<iq><p:x/></iq>") == [
        (
            "iq",
            {},
            (("u", "x"),),
            b"<x xmlns='u'/>",
            parse("<iq xmlns='jabber:client'><x xmlns='u'/></iq>"),
        )
    ]
    made.drop()
    assert made.feed(b" <iq/> </s:stream>") == [("iq", {}, (), b"", None), StreamClose()]


def test_another_parser_goes_on_in_the_place_of_one_that_rests() -> None:
    header = b"<s:stream xmlns='jabber:client' xmlns:s='s' xmlns:p='u'>"
    made = opened(header)
    assert made.feed(b"<iq/>") == [("iq", {}, (), b"", None)]
    context = made.rest()
    assert context is not None
    other = parser()
    other.go_on(context)
    (said,) = other.feed(b" <iq><p:x/></iq>")
    assert said[3] == b"<x xmlns='u'/>"  # type: ignore[index]
    assert other.feed(b"</s:stream>") == [StreamClose()]
    assert other.rest() is None


@pytest.mark.parametrize("begun", [b"<iq><x>", b"<iq", b"<iq a='"])
def test_a_parser_in_the_midst_of_something_cannot_rest(begun: bytes) -> None:
    made = opened()
    made.feed(begun)
    assert made.rest() is None
    assert parser().rest() is None


def test_a_parser_that_is_not_idle_is_not_dropped() -> None:
    made = opened()
    made.feed(b"<iq><x>")
    assert not made.idle
    made.drop()
    assert made.feed(b"</x></iq>")[0][3] == b"<x></x>"  # type: ignore[index]


def test_events_before_an_error_are_pending_and_the_parser_is_dead() -> None:
    made = opened()
    with pytest.raises(StreamError):
        made.feed(b"<iq/><message><body></message>")
    assert made.pending == [("iq", {}, (), b"", None)]
    assert made.feed(b"<iq/>") == []


def test_expat_is_replaced_within_a_burst_that_never_pauses() -> None:
    made = opened()
    message = b"<message><body>" + b"x" * 200 + b"</body></message> "
    burst = message * 2000
    events: list[Any] = []
    for at in range(0, len(burst), 1001):
        events += made.feed(burst[at : at + 1001])
    assert events == opened().feed(message) * 2000
    assert len(events) == 2000


# What must end the stream

REFUSED_AT_START = [
    (b"GET / HTTP/1.1\r\n", "not-well-formed"),
    (b"\x16\x03\x01\x02\x00\x01", "not-well-formed"),
    (b"\x80\x99 random", "not-well-formed"),
    (b"\xef\xbb\xbf<a/>", "not-well-formed"),  # U+FEFF is no byte order mark (RFC 6120 §11.6)
    (b"\xff\xfe<\0", "unsupported-encoding"),
    (b"\xfe\xff\0<", "unsupported-encoding"),
    ("<a/>".encode("utf-16-le"), "unsupported-encoding"),
    ("<a/>".encode("utf-16-be"), "unsupported-encoding"),
    ("<a/>".encode("utf-32-be"), "unsupported-encoding"),
    ("<a/>".encode("utf-32"), "unsupported-encoding"),
    (b"<?xml version='1.0' encoding='UTF-16'?>", "unsupported-encoding"),
    (b"<?xml version='1.0' encoding='UTF-7'?>", "unsupported-encoding"),
    (b"<?xml version='1.0' encoding='ISO-8859-1'?>", "unsupported-encoding"),
    (b"<?xml version='1.1'?>", "unsupported-encoding"),
    (b"<?xml version='1.0' standalone='no'?>", "restricted-xml"),
    (b"<?xml encoding='UTF-8'?>", "not-well-formed"),
    (b"<?xml version='1.0'><a>", "not-well-formed"),
    (b"<?xml version='1.0' " + b" " * 300, "not-well-formed"),
    (b" <?xml version='1.0'?>", "not-well-formed"),
    (b"<?xml version='1.0'?><?xml version='1.0'?>", "not-well-formed"),
    (b"<?pi data?>", "restricted-xml"),
    (b"<!-- comment -->", "restricted-xml"),
    (b"<!DOCTYPE", "restricted-xml"),
    (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e 'x'>]>", "restricted-xml"),
    (b"<a:b>", "not-well-formed"),
    (b"<a b='1' b='2'>", "not-well-formed"),
    (b"<>", "not-well-formed"),
]
REFUSED_WITHIN = [
    (b"<!-- c -->", "restricted-xml"),
    (b"<!-- > -->", "restricted-xml"),
    (b"<?pi d?>", "restricted-xml"),
    (b"<?pi > ?>", "restricted-xml"),
    (b"<!DOCTYPE a>", "not-well-formed"),
    (b"<?xml version='1.0'?>", "not-well-formed"),
    (b"<a>&undefined;</a>", "not-well-formed"),
    (b"<a>&#0;</a>", "not-well-formed"),
    (b"<a>&#xD800;</a>", "not-well-formed"),
    (b"<a>&#xFFFE;</a>", "not-well-formed"),
    (b"<a>&#x110000;</a>", "not-well-formed"),
    (b"<a>\0</a>", "not-well-formed"),
    (b"<a>\x0b</a>", "not-well-formed"),
    (b"<a></b>", "not-well-formed"),
    (b"</wrong>", "not-well-formed"),
    (b"<a b='1' b='2'/>", "not-well-formed"),
    (b"<a xmlns:p='u' xmlns:q='u' p:k='1' q:k='2'/>", "not-well-formed"),
    (b"<p:a/>", "not-well-formed"),
    (b"<a p:k='1'/>", "not-well-formed"),
    (b"<a xmlns:a=''/>", "not-well-formed"),
    (b"<a xmlns:xmlns='u'/>", "not-well-formed"),
    (b"<a xmlns:xml='u'/>", "not-well-formed"),
    (b"<a xmlns='http://www.w3.org/2000/xmlns/'/>", "not-well-formed"),
    (b"<a>]]></a>", "not-well-formed"),
    (b"<a b=1/>", "not-well-formed"),
    (b"<a b/>", "not-well-formed"),
    (b"<a b='<'/>", "not-well-formed"),
    (b"< a/>", "not-well-formed"),
    (b"<a>& </a>", "not-well-formed"),
    (b"<a xmlns='a\x01b'/>", "not-well-formed"),
    (b"<a xmlns='a&#1;b'/>", "not-well-formed"),
    (b"<a>\xc0\x80</a>", "not-well-formed"),  # overlong
    (b"<a>\xe0\x80\xaf</a>", "not-well-formed"),
    (b"<a>\x80</a>", "not-well-formed"),  # lone
    (b"<a>\xe2\x82</a>", "not-well-formed"),  # truncated
    (b"<a>\xed\xa0\x80</a>", "not-well-formed"),  # surrogate
    (b"<a>\xf4\x90\x80\x80</a>", "not-well-formed"),  # > U+10FFFF
    (b"<a>\xf8\x88\x80\x80\x80</a>", "not-well-formed"),  # five bytes
    (b"<a>\xef\xbf\xbf</a>", "not-well-formed"),  # U+FFFF
    (b"<a>\xfe\xff</a>", "not-well-formed"),
]
BETWEEN = [
    (b"text", "bad-format"),
    (b"text<iq/>", "bad-format"),
    (b"&#32;<iq/>", "bad-format"),
    (b"<iq/>text<iq/>", "bad-format"),
    (b"<![CDATA[ ]]><iq/>", "bad-format"),
    (b"text</stream:stream>", "bad-format"),
]


@pytest.mark.parametrize("feed_as", [lambda data: [data], bytewise])
@pytest.mark.parametrize("xml, condition", REFUSED_AT_START)
def test_a_stream_must_begin_as_xml_1_0_in_utf_8(
    xml: bytes, condition: str, feed_as: Callable[[bytes], list[bytes]]
) -> None:
    assert outcome(parser(), *feed_as(xml)) == ([], condition)


@pytest.mark.parametrize("feed_as", [lambda data: [data], bytewise])
@pytest.mark.parametrize("around", [b"%s", b"<iq/><message><b>%s</b></message>"])
@pytest.mark.parametrize("xml, condition", REFUSED_WITHIN)
def test_what_is_malformed_or_restricted_ends_the_stream(
    xml: bytes, condition: str, around: bytes, feed_as: Callable[[bytes], list[bytes]]
) -> None:
    events, error = outcome(opened(), *feed_as(around.replace(b"%s", xml)))
    assert error == condition
    assert len(events) == around.count(b"<iq/>")


@pytest.mark.parametrize("feed_as", [lambda data: [data], bytewise])
@pytest.mark.parametrize("xml, condition", BETWEEN)
def test_text_between_stanzas_is_bad_format(
    xml: bytes, condition: str, feed_as: Callable[[bytes], list[bytes]]
) -> None:
    assert outcome(opened(), *feed_as(xml))[1] == condition


def test_a_doctype_is_refused_before_it_ends() -> None:
    assert outcome(parser(), b"<?xml version='1.0'?><!D") == ([], "restricted-xml")


@pytest.mark.parametrize(
    "header",
    [
        b"<?xml version='1.0' encoding='utf-8' standalone='yes'?>\r\n" + OPEN,
        b'<?xml version = "1.0" encoding="UTF-8" ?>' + OPEN,
        b"\n\n" + OPEN,
        OPEN.replace(b"'>", b"'  \n id='a>b' >"),
        OPEN.replace(b"stream:stream", b"s:stream").replace(b"xmlns:stream", b"xmlns:s"),
    ],
)
def test_odd_but_legal_headers_are_accepted(header: bytes) -> None:
    for writes in ([header], bytewise(header)):
        events, error = outcome(parser(), *writes)
        assert error is None
        assert [(e.ns, e.default_ns) for e in events] == [(STREAMS, "jabber:client")]


@pytest.mark.parametrize(
    "ns", ["jabber:client}", "jabber:client ", "jabber:client&#10;", "{jabber:client"]
)
def test_an_odd_namespace_is_another_namespace(ns: str) -> None:
    (event,) = opened().feed(f"<message xmlns='{ns}'/>".encode())
    assert isinstance(event, Nonza)
    assert event.element.ns == ns.replace("&#10;", "\n")


# Stanzas that pass: the recipient gets the same names and text

PASSING = [
    b"<message><body>a]]&gt;b</body></message>",
    b"<message><body>&#x41;&amp;&lt;&gt;&quot;&apos;&#13;&#10;&#9;</body></message>",
    b"<message><body><![CDATA[<b> ]] > & &amp;]]></body></message>",
    b"<message><x xmlns='u' k='a&#xD;&#xA;&#x9;b' l=\"'\" m='\"'/></message>",
    b"<message><body>\r\n\r\t</body></message>",
    b"<message id='a&#xD;&#xA;&#x9;&gt;'>text<body/>text</message>",
    b"<message><body xml:lang='de'>x</body></message>",
    b"<message xml:lang='de' xmlns:p='u' p:k='v'><p:x p:k='w'/></message>",
    b"<message><stream:x/></message>",
    b"<iq><x xmlns='u'><stream:y stream:k='v'>stream:</stream:y></x></iq>",
    b"<message><body>stream: no prefix</body></message>",
    b"<message><x xmlns=''><y/></x></message>",
    b"<message><a xmlns:p='u'><p:x/></a><a xmlns:p='v'><p:x/></a></message>",
    b"<message><stream:a xmlns:stream='other'/></message>",
    b"<message xmlns='jabber:client'><body>x</body></message>",
    b"<c:message xmlns:c='jabber:client' xmlns='other'><body/><c:body/></c:message>",
    b"<message:message xmlns:message='jabber:client' xmlns='other'><body/></message:message>",
    b"<message><x xmlns='a}b'/><x xmlns='a b'/><x xmlns='a&#10;b'/><x xmlns='{a'/></message>",
    "<iq><body>\u00e9\u265a\U0001f600\ufeff</body><\u00e9 xmlns='\u00fc'/></iq>".encode(),
    b"<iq><x xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:space='preserve'/></iq>",
    b"<message><xml:x/></message>",
    b"<iq><b xmlns='jabber:client'/><f xmlns='u'><iq xmlns='jabber:client'/></f></iq>",
    b"<message><body>a > b</body><x k='>'/></message>",
]


@pytest.mark.parametrize("xml", PASSING)
def test_a_recipient_reads_what_was_sent(xml: bytes) -> None:
    stream = parse(OPEN + xml + b"</stream:stream>")
    for writes in ([xml], bytewise(xml)):
        events, error = outcome(opened(), *writes)
        assert error is None
        assert [understood(stanza) for stanza in events] == stream.elements


@pytest.mark.parametrize(
    "header, xml",
    [
        (b"<s xmlns='other' xmlns:c='jabber:client'>", b"<c:iq><x/><c:y/></c:iq>"),
        (b"<s xmlns:iq='jabber:client' xmlns='other'>", b"<iq:iq><x/></iq:iq>"),
        (b"<s xmlns='jabber:client' xmlns:p='u'>", b"<iq><x p:k='v'/></iq>"),
        (b"<s xmlns='jabber:client' xmlns:p='u&amp;&quot;'>", b"<iq><p:x/></iq>"),
    ],
)
def test_what_the_header_declares_does_not_stay_undeclared(header: bytes, xml: bytes) -> None:
    (stanza,) = opened(header).feed(xml)
    assert isinstance(stanza, tuple)
    assert understood(stanza) == stanza[4] == parse(header + xml + b"</s>").elements[0]


def test_the_content_namespace_spelt_out_becomes_that_of_the_next_stream() -> None:
    inner = b"<f xmlns='u'><iq xmlns='jabber:client'/></f>"
    (stanza,) = opened().feed(
        b"<message><body xmlns='jabber:client'>x</body>" + inner + b"</message>"
    )
    assert isinstance(stanza, tuple)
    assert stanza[3] == b"<body>x</body>" + inner


SESSION = (
    b"<?xml version='1.0'?> " + OPEN + b" <r xmlns='urn:xmpp:sm:3'/>\n"
    b"<iq type='set' id='1>'><bind xmlns='b'><resource>&gt;</resource></bind></iq>"
    + b"\t".join(PASSING)
    + b"<auth xmlns='s'>=</auth></stream:stream>"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_how_a_stream_is_cut_into_writes_makes_no_difference(size: int) -> None:
    whole = outcome(parser(), SESSION)
    pieces = [SESSION[at : at + size] for at in range(0, len(SESSION), size)]
    assert outcome(parser(), *pieces) == whole
    assert whole[1] is None
    assert len(whole[0]) == len(PASSING) + 5


def test_what_follows_the_end_in_the_same_write_is_nobodys() -> None:
    """As in a write of its own: the stream is over."""
    events = parser().feed(OPEN + b"</stream:stream>\0<a")
    assert [type(event) for event in events] == [StreamOpen, StreamClose]
