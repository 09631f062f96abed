"""What strangers say before they have logged in: refused, and the stream ended (L1)."""

import random
import select
import socket
from collections.abc import Callable

import pytest

from tests.abuse.server import Server, refusal
from tests.abuse.wire import END, HEADER, SASL, Wire, elements, stream_error

START = HEADER.removeprefix("<?xml version='1.0'?>")
XMPP = "xmlns:stream='http://etherx.jabber.org/streams'"
MALFORMED = ("not-well-formed",)
RESTRICTED = ("restricted-xml", "not-well-formed")
FOREIGN = ("invalid-namespace", "bad-namespace-prefix", "bad-format")
L1_BYTES = 16384
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(32) + b"\x20" * 160


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", id="HTTP"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="SSH"),
        pytest.param(b"EHLO example.org\r\n", id="SMTP"),
        pytest.param(TLS_HELLO, id="TLS hello"),
        pytest.param(b"\0" * 64, id="zeros"),
        pytest.param(random.Random(1).randbytes(512), id="random bytes"),
        pytest.param(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + HEADER.encode(), id="PROXY 1"),
        pytest.param(
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + HEADER.encode(), id="PROXY 2"
        ),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbf" + HEADER.encode(), id="two byte order marks"),
    ],
)
def test_another_protocol_is_not_well_formed(server: Server, wire: Wire, data: bytes) -> None:
    assert refusal(server, wire.send(data)) in MALFORMED


def header(
    *, root: str = "stream:stream", default: str = "jabber:client", to: str | None = "example.org",
    streams: str = XMPP, version: str | None = "1.0", more: str = "",
) -> str:  # fmt: skip
    to_ = "" if to is None else f" to='{to}'"
    version_ = "" if version is None else f" version='{version}'"
    return f"<?xml version='1.0'?><{root} xmlns='{default}' {streams}{to_}{version_}{more}>"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(header(root="stream:flood"), id="wrong root"),
        pytest.param(header(root="stream"), id="root in the content namespace"),
        pytest.param(
            header(streams="xmlns:stream='http://etherx.jabber.org/stream'"), id="stream"
        ),
        pytest.param(header(streams="xmlns:stream='jabber:client'"), id="stream is client"),
        pytest.param(header(default="jabber:server"), id="of servers"),
        pytest.param(header(default="jabber:clients"), id="content namespace"),
        pytest.param(header(default="jabber:component:accept"), id="of components"),
        pytest.param(header(default="JABBER:CLIENT"), id="upper case"),
        pytest.param(header(default="jabber:client "), id="space behind it"),
        pytest.param(f"<stream:stream to='example.org' version='1.0' {XMPP}>", id="no default"),
        pytest.param(header(streams=f"{XMPP} xmlns:x='urn:x'", root="x:stream"), id="prefix"),
    ],
)
def test_a_header_in_other_namespaces_is_refused(server: Server, wire: Wire, sent: str) -> None:
    assert refusal(server, wire.send(sent)) in FOREIGN


def test_a_header_with_an_undeclared_prefix_is_refused(server: Server, wire: Wire) -> None:
    wire.send("<stream:stream to='example.org' version='1.0' xmlns='jabber:client'>")
    assert refusal(server, wire) in ("bad-namespace-prefix", *MALFORMED, "invalid-namespace")


@pytest.mark.parametrize(
    "to",
    [
        pytest.param("unknown.example", id="unknown"),
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("x" * 5000, id="5000 bytes"),
        pytest.param(".".join(["abc"] * 1000), id="5000 bytes of labels"),
        pytest.param("&lt;stream:error/&gt;&apos;&quot;&amp;", id="markup"),
        pytest.param("romeo@example.org", id="a user"),
        pytest.param("example.org/x", id="a resource"),
        pytest.param("a@b@c", id="no address"),
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("../../etc/passwd", id="path"),
        pytest.param("example.org&#10;2026-01-01 [info] all is well", id="a line of the log"),
        pytest.param("\u202eexample.org", id="right to left"),
        pytest.param("\u212bxample.org", id="look-alike"),
    ],
)
def test_a_host_that_is_not_ours_is_unknown_and_never_echoed(
    server: Server, wire: Wire, to: str | None
) -> None:
    wire.send(header(to=to))
    assert refusal(server, wire) in ("host-unknown", "improper-addressing")
    if to:
        assert to.encode() not in wire.received
    (line,) = server.logged(wire.source).splitlines()
    assert len(line) < 1200


def test_a_host_is_found_by_its_prepared_name(wire: Wire) -> None:
    answer = wire.header(header(to="EXAMPLE.org.")).received
    assert b" from='example.org'" in answer


@pytest.mark.parametrize(
    "version", ["2.0", "x", "-1", "1" + "0" * 21, "1.", "", "0.9", "1.0.0", "\u0661.0", "1e9"]
)
def test_any_version_is_answered_with_our_own_or_refused(
    server: Server, wire: Wire, version: str
) -> None:
    wire.send(header(version=version)).until("</stream:features>", "</stream:stream>")
    if stream_error(wire.received):
        assert refusal(server, wire) == "unsupported-version"
    else:
        assert b"version='1.0'" in wire.received


def test_a_second_header_without_a_restart_is_bad_format(server: Server, wire: Wire) -> None:
    assert refusal(server, wire.header().send(START)) == "bad-format"


@pytest.mark.parametrize("before", ["", "   \n"])
def test_a_clean_close_is_answered_and_the_connection_ends(wire: Wire, before: str) -> None:
    wire.header().send(before + "</stream:stream>")
    assert wire.until_closed(2.0).endswith(END)
    assert wire.ended == "fin"
    assert not stream_error(wire.received)


def test_a_half_closed_connection_is_closed(server: Server, wire: Wire) -> None:
    wire.header().socket.shutdown(1)
    wire.until_closed(2.0)
    assert wire.ended == "fin"


@pytest.mark.parametrize("where", ["before", "header", "stream", "iq", "deep"])
@pytest.mark.parametrize(
    "what",
    [
        pytest.param("<!-- x -->", id="comment"),
        pytest.param("<!---->", id="empty comment"),
        pytest.param("<?php x?>", id="PI"),
        pytest.param("<?xml-stylesheet href='http://127.0.0.1/'?>", id="stylesheet"),
    ],
)
def test_comments_and_instructions_are_restricted_xml(
    server: Server, wire: Wire, where: str, what: str
) -> None:
    places = {
        "before": what + START,
        "header": "<?xml version='1.0'?>" + what + START,
        "stream": HEADER + what,
        "iq": f"{HEADER}<iq type='get' id='1'>{what}<x xmlns='x'/></iq>",
        "deep": f"{HEADER}<iq type='get' id='1'><x xmlns='x'>text{what}</x></iq>",
    }
    assert refusal(server, wire.send(places[where])) in RESTRICTED


LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))


@pytest.mark.parametrize(
    "doctype",
    [
        pytest.param("<!DOCTYPE stream>", id="empty"),
        pytest.param("<!DOCTYPE stream [", id="unfinished"),
        pytest.param("<!DOCTYPE s [<!ENTITY a 'b'>]>", id="internal"),
        pytest.param(f"<!DOCTYPE s [<!ENTITY l0 'ha'>{LAUGHS}]>", id="billion laughs"),
        pytest.param("<!DOCTYPE s [<!ENTITY % a 'b'> %a;]>", id="parameter entity"),
        pytest.param("<!DOCTYPE s SYSTEM 'http://127.0.0.1:1/x.dtd'>", id="SSRF"),
        pytest.param("<!DOCTYPE s [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>", id="file"),
        pytest.param("<!DOCTYPE s PUBLIC '-//x' 'file:///dev/zero'>", id="public"),
        pytest.param("<!ELEMENT s ANY>", id="declaration alone"),
    ],
)
def test_a_document_type_is_refused_at_its_first_bytes(
    server: Server, wire: Wire, doctype: str
) -> None:
    assert refusal(server, wire.send("<?xml version='1.0'?>" + doctype)) in RESTRICTED
    inside = Wire(server).header().send(f"<iq type='get' id='1'>{doctype}&l9;&a;")
    assert refusal(server, inside) in RESTRICTED


def test_nothing_that_a_document_names_is_fetched(server: Server, wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        inside = f"<!ENTITY % a SYSTEM '{where}'> %a; <!ENTITY b SYSTEM '{where}'>"
        wire.send(f"<!DOCTYPE s SYSTEM '{where}' [{inside}]>{START}&b;")
        assert refusal(server, wire) in RESTRICTED
        styled = Wire(server).send(f"<?xml-stylesheet href='{where}'?>{START}")
        assert refusal(server, styled) in RESTRICTED
        assert not select.select([listening], [], [], 0.2)[0]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HEADER.encode("utf-16"), id="UTF-16"),
        pytest.param(HEADER.encode("utf-16-be"), id="UTF-16BE"),
        pytest.param(HEADER.encode("utf-16-le"), id="UTF-16LE"),
        pytest.param(HEADER.encode("utf-32"), id="UTF-32"),
        pytest.param(HEADER.encode("utf-32-be"), id="UTF-32BE"),
        *[
            pytest.param(f"<?xml version='1.0' encoding='{name}'?>{START}".encode(), id=name)
            for name in ("UTF-16", "UTF-7", "UTF-32", "ISO-8859-1", "US-ASCII", "x", "utf8")
        ],
        pytest.param(f"<?xml version='1.1'?>{START}".encode(), id="XML 1.1"),
        pytest.param(f"<?xml version='2.0'?>{START}".encode(), id="XML 2.0"),
    ],
)
def test_other_encodings_are_unsupported(server: Server, wire: Wire, data: bytes) -> None:
    assert refusal(server, wire.send(data)) in ("unsupported-encoding", "not-well-formed")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(START, id="no declaration"),
        pytest.param(HEADER.replace("stream:", "s:").replace("xmlns:stream", "xmlns:s"), id="s:"),
        pytest.param(HEADER.replace("'", '"'), id="double quotes"),
        pytest.param(HEADER.replace(" ", " \n\t "), id="odd spacing"),
        pytest.param(HEADER.replace("example.org", "ex&#x61;mple&#46;org"), id="references"),
        pytest.param(HEADER.replace("?>", " encoding='utf-8'?>"), id="utf-8"),
        pytest.param(
            "<stream xmlns='http://etherx.jabber.org/streams' to='example.org' version='1.0'>",
            id="streams as default",
        ),
        pytest.param(HEADER.replace("?>", " standalone='yes' ?>\r\n"), id="standalone"),
        pytest.param(HEADER[:-1] + "  a='b' xmlns:x='urn:x' x:y='z' >", id="more attributes"),
    ],
)
def test_legal_headers_are_answered(wire: Wire, sent: str) -> None:
    (features,) = elements(wire.header(sent).received)
    assert features.tag.endswith("}features")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<![CDATA[AHIAeQ==]]>", id="CDATA"),
        pytest.param("&#x41;HIAeQ==", id="reference"),
        pytest.param("<![CDATA[AHI]]>AeQ<![CDATA[==]]>", id="pieces"),
    ],
)
def test_legal_text_is_understood(wire: Wire, body: str) -> None:
    wire.secured().send(
        "<a:auth\n xmlns:a='urn:ietf:params:xml:ns:xmpp-sasl' mechanism = 'PLAIN' >"
        f"{body}</a:auth >"
    )
    wire.received = b""
    assert wire.outcome() == "not-authorized"


@pytest.mark.parametrize(
    "body",
    [
        "<?xml version='1.0'?>", " <?xml version='1.0'?>", "<iq>&nope;</iq>", "<iq>&#0;</iq>",
        "<iq>&#xD800;</iq>", "<iq>&#xFFFE;</iq>", "<iq>&#x110000;</iq>", "<iq>\0</iq>",
        "<iq a='\0'/>", "<iq>\x01</iq>", "<iq></message>", "</iq>", "<iq a='1' a='2'/>",
        "<iq xmlns:a='u' xmlns:b='u' a:x='1' b:x='2'/>", "<x:iq/>", "<iq x:a='1'/>",
        "<iq xmlns:a=''/>", "<iq xmlns:xmlns='u'/>", "<iq xmlns:xml='u'/>",
        "<iq xmlns='http://www.w3.org/2000/xmlns/'/>", "<iq>]]></iq>", "<iq a=1/>", "<iq a/>",
        "<iq a='<'/>", "<iq a='1'b='2'/>", "< iq/>", "<iq>&</iq>", "<iq>&amp</iq>", "<1/>",
        "<a:b:c xmlns:a='u'/>", "<:iq/>", "<iq/ >", "<![cdata[x]]>",
        "<iq>&#x;</iq>", "<iq></iq", "</stream:error>", "<![CDATA[x]]>", "&lt;iq/>",
    ],
)  # fmt: skip
def test_malformed_xml_ends_the_stream(server: Server, wire: Wire, body: str) -> None:
    wire.header().send(body + "<x/>>")
    assert refusal(server, wire) in (*RESTRICTED, "bad-format", "bad-namespace-prefix")


@pytest.mark.parametrize(
    "bad",
    [
        b"\xc0\xaf", b"\xc1\x81", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\x80", b"\xbf\xbf",
        b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xed\xbf\xbf",
        b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xef\xbf\xbf",
        b"\xef\xbf\xbe", b"\xfe\xff", b"\xff",
    ],
    ids=bytes.hex,
)  # fmt: skip
@pytest.mark.parametrize("place", ["text", "attribute", "name"])
def test_bytes_that_are_no_utf_8_end_the_stream(
    server: Server, wire: Wire, bad: bytes, place: str
) -> None:
    places = {
        "text": b"<iq type='get' id='1'><x xmlns='x'>" + bad + b"</x></iq>",
        "attribute": b"<iq type='get' id='" + bad + b"'><x xmlns='x'/></iq>",
        "name": b"<iq type='get' id='1'><" + bad + b" xmlns='x'/></iq>",
    }
    assert refusal(server, wire.header().send(places[place])) in MALFORMED


@pytest.mark.parametrize("bad", [b"\0", b"\x1b", b"\xff", b"\xc0\xaf", b"\xf8\x88"], ids=bytes.hex)
@pytest.mark.parametrize("place", [b"<iq>", b"<iq>text", b"<iq a='", b"<iq", b"<iq><![CDATA["])
def test_a_byte_that_no_xml_contains_is_not_waited_with(
    server: Server, wire: Wire, bad: bytes, place: bytes
) -> None:
    """Nothing completes its token."""
    assert refusal(server, wire.header().send(place + b"a" + bad + b"b")) in MALFORMED


@pytest.mark.parametrize(
    "uri", ["jabber:client}", "jabber:client\n", "{jabber:client", " jabber:client"]
)
def test_a_namespace_that_looks_like_ours_is_another(server: Server, wire: Wire, uri: str) -> None:
    wire.header().send(f"<iq xmlns='{uri}' type='get' id='1'><x xmlns='x'/></iq>")
    assert refusal(server, wire) in ("unsupported-stanza-type", "invalid-namespace")


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "TLS"])
@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='quiet@example.org'><body>spam</body></message>",
        "<presence/>",
        "<presence to='quiet@example.org' type='subscribe'/>",
        "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
        "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        "<iq type='set' id='1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
        "<iq type='get' id='1'><query xmlns='jabber:iq:auth'/></iq>",
        "<iq type='set' id='1'><query xmlns='jabber:iq:auth'><username>romeo</username>"
        "<password>secret of romeo</password><resource>r</resource></query></iq>",
        "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
        "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
        "<r xmlns='urn:xmpp:sm:3'/>",
    ],
    ids=lambda stanza: stanza[:60],
)
def test_before_login_nothing_is_routed(
    server: Server, wire: Wire, wires: list[Wire], stanza: str, tls: bool
) -> None:
    quiet = Wire(server).online("quiet")
    wires.append(quiet)
    quiet.new_stream()
    (wire.secured() if tls else wire.header()).send(stanza)
    assert refusal(server, wire) == "not-authorized"
    assert len(quiet.sync().stanzas()) == 1


@pytest.mark.parametrize("user", ["romeo", "intruder"])
def test_registering_in_the_clear_is_refused(server: Server, wire: Wire, user: str) -> None:
    wire.header().send(
        "<iq type='set' id='1'><query xmlns='jabber:iq:register'>"
        f"<username>{user}</username><password>stolen</password></query></iq>"
    )
    assert refusal(server, wire) == "not-authorized"
    login = Wire(server).secured().auth("PLAIN", f"\0{user}\0stolen".encode())
    assert login.outcome() == "not-authorized"


def padded(size: int, start: str, end: str) -> bytes:
    return (start + "x" * (size - len(start) - len(end)) + end).encode()


def nested(depth: int) -> str:
    return (
        "<iq id='1' type='get' xmlns='jabber:client'>"
        + "<x>" * (depth - 1)
        + "</x>" * (depth - 1)
        + "</iq>"
    )


def attributes(count: int) -> str:
    return " ".join(f"a{number}=''" for number in range(count))


L1_LIMITS: dict[str, tuple[int, Callable[[int], str]]] = {
    "text": (L1_BYTES, lambda n: padded(n, "<iq type='get' id='1'>", "</iq>").decode()),
    "attribute": (L1_BYTES, lambda n: padded(n, "<iq type='get' id='", "'/>").decode()),
    "name": (L1_BYTES, lambda n: padded(n, "<iq><", "/></iq>").decode()),
    "CDATA": (L1_BYTES, lambda n: padded(n, "<iq><![CDATA[", "]]></iq>").decode()),
    "children": (64, lambda n: "<iq type='get' id='1'>" + "<x/>" * (n - 1) + "</iq>"),
    "depth": (16, nested),
    "attributes": (64, lambda n: f"<iq {attributes(n)}/>"),
    "attributes of a child": (64, lambda n: f"<iq><x {attributes(n)}/></iq>"),
    "namespace": (1024, lambda n: f"<iq id='1' type='get'><x xmlns='{'u' * n}'/></iq>"),
    "namespace of an attribute": (
        1024, lambda n: f"<iq id='1' type='get'><x xmlns:a='{'u' * n}' a:b=''/></iq>"
    ),
}  # fmt: skip


@pytest.mark.parametrize("over", [-1, 0, 1])
@pytest.mark.parametrize("name", L1_LIMITS)
def test_each_limit_before_login_holds_to_the_last_one(
    server: Server, wire: Wire, name: str, over: int
) -> None:
    limit, make = L1_LIMITS[name]
    wire.header().send(make(limit + over))
    assert refusal(server, wire) == ("policy-violation" if over > 0 else "not-authorized")


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_header_has_the_limit_of_a_stanza(server: Server, wire: Wire, over: int) -> None:
    sent = padded(L1_BYTES + over, START[:-1] + " pad='", "'>")
    if over > 0:
        assert refusal(server, wire.send(sent)) == "policy-violation"
    else:
        wire.header(sent.decode())


ENDLESS = {
    "attribute": (HEADER + "<iq a='", "x" * 1000),
    "name": (HEADER + "<", "x" * 1000),
    "end tag": (HEADER + "<iq></", "x" * 1000),
    "text": (HEADER + "<iq>", "x" * 1000),
    "attributes": (HEADER + "<iq", " a{n}=''"),
    "xmlns": (HEADER + "<iq", " xmlns:a{n}='u'"),
    "nesting": (HEADER, "<iq>"),
    "children": (HEADER + "<iq>", "<x/>"),
    "CDATA": (HEADER + "<iq><![CDATA[", "x" * 1000),
    "reference": (HEADER + "<iq>&", "x" * 1000),
    "header": (START[:-1], " a{n}='xxxxxxxxxxx'"),
    "header value": (START[:-1] + " a='", "x" * 1000),
    "declaration": ("<?xml version='1.0'", " " * 1000),
    "PI": (HEADER + "<?x ", "x" * 1000),
    "comment": (HEADER + "<!-- ", "x" * 1000),
    "text between stanzas": (HEADER, "x" * 1000),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_cut_off(server: Server, wire: Wire, name: str) -> None:
    start, more = ENDLESS[name]
    wire.send(start)
    if start.startswith(HEADER):
        wire.until("</stream:features>")
    for part in range(0, 20_000, 100):
        wire.send("".join(more.replace("{n}", str(n)) for n in range(part, part + 100)))
        if select.select([wire.socket], [], [], 0.02)[0]:
            break
    assert refusal(server, wire) in ("policy-violation", *RESTRICTED, "bad-format")
    assert part * len(more) <= 50 * L1_BYTES


def test_stanzas_without_end_meet_the_first_refusal(server: Server, wire: Wire) -> None:
    wire.header().send("<message><body>x</body></message>" * 2000)
    assert refusal(server, wire) == "not-authorized"


def test_a_large_token_in_small_writes_is_cheap(server: Server, wire: Wire) -> None:
    wire.header()
    spent = server.processor_s()
    wire.trickle(padded(L1_BYTES + 1, "<iq a='", "'/>"), 16)
    assert refusal(server, wire) == "policy-violation"
    assert server.processor_s() - spent < 1.0  # 50 ms where nobody else works; quadratic: seconds


def test_a_long_namespace_on_many_names_is_cut_off_and_holds_no_memory(
    server: Server, wire: Wire
) -> None:
    before = server.resident()
    wire.header().send(f"<iq xmlns:a='{'u' * 1000}'>" + "<a:x a:y=''/>" * 20_000)
    assert refusal(server, wire) == "policy-violation"
    assert server.resident() - before < 48 * 2**20


def test_500_idle_1000_half_open_and_200_reset_connections_leave_nothing(server: Server) -> None:
    descriptors = server.descriptors()
    for one in [Wire(server).header() for _ in range(100)]:
        one.close()
    before = server.settles_at(descriptors), server.resident()
    idle = [Wire(server) for _ in range(500)]
    half = [
        Wire(server).send(HEADER + "<iq type='get' id='1'><x>" + "y" * 8000) for _ in range(1000)
    ]
    half[-1].until("</stream:features>")
    server.is_well()
    assert (server.resident() - before[1]) / 1500 < 64 * 1024
    for one in (*idle, *half):
        one.close()
    for _ in range(200):
        Wire(server).send(HEADER).reset()
    assert server.settles_at(before[0] + 2) <= before[0] + 2
    assert server.resident() - before[1] < 50 * 2**20


def test_in_the_clear_starttls_is_required_and_no_mechanism_offered(wire: Wire) -> None:
    wire.header()
    (features,) = elements(wire.received)
    assert features.find("{urn:ietf:params:xml:ns:xmpp-tls}starttls/*") is not None
    assert features.find(f"{SASL}mechanisms") is None
