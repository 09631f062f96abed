"""What those who have logged in may not say, and what of it may reach others (L2)."""

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

import pytest

from tests.abuse.server import Server
from tests.abuse.wire import (
    CLIENT,
    END,
    HEADER,
    Wire,
    elements,
    error_condition,
    stream_error,
)

L2_BYTES = 262144


class Pair(NamedTuple):
    """Two users who have each said that they are available."""

    romeo: Wire
    juliet: Wire


@pytest.fixture
def pair(server: Server) -> Iterator[Pair]:
    both = Pair(Wire(server).online("romeo", "orchard"), Wire(server).online("juliet", "balcony"))
    both.romeo.new_stream()
    both.juliet.new_stream()
    yield both
    for one in both:
        one.close()


def arrived(pair: Pair) -> list[Element]:
    """What juliet got, presence aside, once all that romeo sent is taken."""
    pair.romeo.sync()
    pair.juliet.sync()
    got = [s for s in pair.juliet.stanzas() if s.tag != f"{CLIENT}presence"]
    return [s for s in got if not (s.get("id") or "").startswith("sync-")]


def nothing_arrived(pair: Pair) -> bool:
    """What romeo sent was refused already."""
    pair.juliet.sync()
    return [s.tag for s in pair.juliet.stanzas() if s.tag != f"{CLIENT}presence"] == [
        f"{CLIENT}iq"
    ]


FORGED = [
    "juliet@example.org", "juliet@example.org/balcony", "example.org", "mallory@example.org",
    "romeo@other.example", "romeo@other.example/orchard", "", "romeo@example.org/elsewhere",
    "@", "romeo@example.org@example.org", "evil.example", "r\u043emeo@example.org",
    "romeo@example.org/Orchard", "romeo@example.org/orchard/", "x" * 3000, "romeo",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
@pytest.mark.parametrize("forged", FORGED, ids=lambda text: text[:40])
def test_a_forged_sender_ends_the_stream(
    server: Server, pair: Pair, forged: str, kind: str
) -> None:
    inner = "<query xmlns='urn:x'/>" if kind == "iq" else ""
    type_ = " type='get'" if kind == "iq" else ""
    pair.romeo.send(
        f"<{kind}{type_} id='f' from='{forged}' to='juliet@example.org/balcony'>{inner}</{kind}>"
    )
    assert refused_session(server, pair.romeo) == "invalid-from"
    got = [s for s in pair.juliet.sync().stanzas() if s.get("id") == "f"]
    assert not got


def refused_session(server: Server, wire: Wire) -> str:
    """As `refusal`; the log tells also that the session was opened and closed."""
    received = wire.until_closed()
    assert wire.ended == "fin"
    assert received.endswith(END)
    told = server.logged(wire.source).splitlines()
    condition = stream_error(received)
    assert len([line for line in told if line.endswith("session opened")]) == 1
    assert len([line for line in told if "session closed" in line]) == 1
    assert any(condition in line for line in told)
    return condition


@pytest.mark.parametrize(
    "claimed",
    [
        "", " from='romeo@example.org'", " from='romeo@example.org/orchard'",
        " from='ROMEO@EXAMPLE.org/orchard'",
        " xmlns:c='urn:x' c:from='juliet@example.org'",
    ],
)  # fmt: skip
def test_the_sender_is_always_the_full_address(pair: Pair, claimed: str) -> None:
    pair.romeo.send(f"<message{claimed} to='juliet@example.org'><body>x</body></message>")
    (message,) = arrived(pair)
    assert message.get("from") == "romeo@example.org/orchard"


def test_a_sender_forged_by_a_prefix_ends_the_stream(server: Server, pair: Pair) -> None:
    forged = "xmlns:c='jabber:client' c:from='juliet@example.org'"
    pair.romeo.send(f"<message {forged} to='juliet@example.org'><body>x</body></message>")
    assert refused_session(server, pair.romeo) == "invalid-from"
    assert nothing_arrived(pair)


SMUGGLED = {
    "end of CDATA": "<body>]]&gt; ]]&#62; ]] ></body>",
    "CDATA": "<body><![CDATA[<b>&amp;</b> ]] >]]></body>",
    "CDATA in pieces": "<body>a<![CDATA[]]]]><![CDATA[>]]>b</body>",
    "CR LF TAB in an attribute": "<x xmlns='urn:x' a='1&#13;2&#10;3&#9;4&#xD;&#xA;'/>",
    "CR LF TAB in text": "<body>1&#13;2&#10;3&#9;4&#xD;\n5</body>",
    "quotes": "<x xmlns='urn:x' a='&quot;&apos;' b=\"'\">'\"</x>",
    "markup": "<body>&lt;message to='a'/&gt;&amp;lt;</body>",
    "brace in a namespace": "<x xmlns='jabber:client}'><y xmlns='{urn:y}z'/></x>",
    "space in a namespace": "<x xmlns='jabber: client'/>",
    "CR in a namespace": "<x xmlns='urn:a&#10;b&#13;'/>",
    "quotes in a namespace": "<x xmlns='urn:&apos;&quot;&lt;&amp;'/>",
    "prefix of the header": "<h:x h:a='1'><h:y/></h:x>",
    "prefix of the header in an attribute": "<x xmlns='urn:x' h:a='1'/>",
    "stream prefix": "<stream:x/>",
    "no namespace": "<x xmlns=''><y/></x>",
    "no namespace within": "<x xmlns='urn:x'><y xmlns=''><z xmlns='urn:z'/></y></x>",
    "prefix twice": "<p:x xmlns:p='urn:1'><p:y xmlns:p='urn:2'><p:z/></p:y><p:w/></p:x>",
    "prefix of the header again": "<h:x xmlns:h='urn:other'><h:y/></h:x><h:z/>",
    "default twice": "<x xmlns='urn:1'><y xmlns='urn:2'><z xmlns='urn:1'/></y></x>",
    "content namespace by prefix": "<c:body xmlns:c='jabber:client'>x</c:body>",
    "content namespace within": "<x xmlns='urn:x'><body xmlns='jabber:client'>x</body></x>",
    "namespace of servers": "<body xmlns='jabber:server'>x</body>",
    "xml:lang": "<body xml:lang='de'>x</body><x xmlns='urn:x' xml:space='preserve'> </x>",
    "spaces": "<body>  </body>\n <x xmlns='urn:x' >\t</x >",
    "astral": "<body>\U0001f600\u202e\ufeff\u0085\u2028</body>",
    "references": "<body>&#x1F600;&#128512;&#x0085;</body>",
    "deep": "<x xmlns='urn:x'>" + "<y>" * 100 + "z" + "</y>" * 100 + "</x>",
    "an attribute thrice": "<x xmlns='urn:x' xmlns:a='1' xmlns:b='2' a:c='' b:c='' c=''/>",
    "names like ours": "<message xmlns='urn:x' to='mallory@example.org'/><iq xmlns=''/>",
    "end tag with spaces": "<body>x</body \n>",
}  # fmt: skip


@pytest.mark.parametrize("case", SMUGGLED)
def test_a_message_means_the_same_to_its_receiver(server: Server, case: str) -> None:
    header = HEADER.replace("to=", "xmlns:h='urn:header' to=")
    romeo = Wire(server).secured()
    romeo.auth("PLAIN", b"\0romeo\0secret of romeo").outcome()
    romeo.header(header).bind("orchard")
    pair = Pair(romeo, Wire(server).online("juliet", "balcony").new_stream())
    sent = f"<message to='juliet@example.org' id='m'>{SMUGGLED[case]}</message>"
    romeo.send(sent)
    (message,) = arrived(pair)
    (meant,) = elements((header + sent).encode())
    if message.get("type") != "error":
        assert [shape(c) for c in message if not is_added(c)] == [shape(c) for c in meant]
    for one in pair:
        one.close()


def shape(element: Element) -> object:
    return element.tag, element.attrib, element.text, [(shape(c), c.tail) for c in element]


def is_added(element: Element) -> bool:
    return element.tag in ("{urn:xmpp:sid:0}stanza-id", "{urn:xmpp:delay}delay")


@pytest.mark.parametrize(
    "broken",
    [
        "<body>x</message>",
        "<body>\0</body>",
        "<body>\ufffe</body></message>",
        "<!-- x -->",
        "<a b='<'>",
    ],
)
def test_of_broken_xml_the_receiver_sees_nothing(server: Server, pair: Pair, broken: str) -> None:
    pair.romeo.send("<message to='juliet@example.org' id='m'><body>begun</body>" + broken)
    assert refused_session(server, pair.romeo) in ("not-well-formed", "restricted-xml")
    assert nothing_arrived(pair)


def sized(size: int) -> str:
    start, end = "<message to='juliet@example.org' id='m'><body>", "</body></message>"
    return start + "x" * (size - len(start) - len(end)) + end


def deep(depth: int) -> str:
    inner = "<x xmlns='urn:x'>" + "<y>" * (depth - 2) + "</y>" * (depth - 2) + "</x>"
    return f"<message to='juliet@example.org' id='m'>{inner}</message>"


def wide(count: int) -> str:
    return f"<message to='juliet@example.org' id='m'>{'<x/>' * (count - 1)}</message>"


def bristling(count: int) -> str:
    attributes = " ".join(f"a{n}=''" for n in range(count))
    return f"<message to='juliet@example.org' id='m'><x {attributes}/></message>"


def far(length: int) -> str:
    return f"<message to='juliet@example.org' id='m'><x xmlns='{'u' * length}'/></message>"


L2_LIMITS = {
    "bytes": (L2_BYTES, sized),
    "depth": (128, deep),
    "elements": (16384, wide),
    "attributes": (256, bristling),
    "namespace": (1024, far),
}


@pytest.mark.parametrize("over", [-1, 0, 1])
@pytest.mark.parametrize("name", L2_LIMITS)
def test_each_limit_after_login_holds_to_the_last_one(
    server: Server, pair: Pair, name: str, over: int
) -> None:
    limit, make = L2_LIMITS[name]
    sent = make(limit + over)
    pair.romeo.send(sent)
    if over > 0:
        assert refused_session(server, pair.romeo) == "policy-violation"
        assert nothing_arrived(pair)
    else:
        (message,) = arrived(pair)
        (meant,) = elements(sent.encode())
        assert message.get("type") != "error"
        assert [len(list(c.iter())) for c in message if not is_added(c)] == [
            len(list(c.iter())) for c in meant
        ]


def test_a_message_of_60_kb_passes_in_pieces(pair: Pair) -> None:
    pair.romeo.trickle(sized(60_000).encode(), 1000)
    (message,) = arrived(pair)
    assert len(message.findtext(f"{CLIENT}body") or "") > 59_900


def test_a_stanza_in_pieces_is_answered_with_its_last_byte(pair: Pair) -> None:
    pair.romeo.trickle(
        b"<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"
    )
    pair.romeo.until("id='p'")


AMPLIFIERS = {
    "one prefix": f"<x xmlns:p='{'u' * 1000}'>" + "<p:y/>" * 2000 + "</x>",
    "attributes": f"<x xmlns:p='{'u' * 1000}'>" + "<y p:a='' />" * 2000 + "</x>",
    "default and prefix": f"<x xmlns='{'u' * 1000}' xmlns:p='urn:p'>"
    + "<p:y><z/></p:y>" * 1000 + "</x>",
    "few names": f"<p:x xmlns:p='{'u' * 1000}'>" + "<p:y/>" * 100 + "</p:x>",
    "ampersands": "<body>" + "&amp;'\"&gt;&#13;" * 5000 + "</body>",
}  # fmt: skip


@pytest.mark.parametrize("header", [HEADER, HEADER.replace("to=", "xmlns:p='urn:header' to=")])
@pytest.mark.parametrize("case", AMPLIFIERS)
def test_what_comes_out_is_at_most_twice_what_went_in(
    server: Server, case: str, header: str
) -> None:
    romeo = Wire(server).secured()
    romeo.auth("PLAIN", b"\0romeo\0secret of romeo").outcome()
    romeo.header(header).bind()
    pair = Pair(romeo.new_stream(), Wire(server).online("juliet").new_stream())
    sent = f"<message to='juliet@example.org' id='m'>{AMPLIFIERS[case]}</message>"
    romeo.send(sent + "<iq type='get' id='z' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
    romeo.until("id='z'", "</stream:stream>")
    pair.juliet.sync()
    got = len(pair.juliet.received)
    assert got < 2 * len(sent) + 2000
    assert got > len(sent) // 2 or b"policy-violation" in romeo.received
    for one in pair:
        one.close()


MALFORMED_JIDS = [
    "@example.org", "romeo@", "a@b@c", "/x", "romeo@/x", "", " ", "romeo@example.org/",
    "ro meo@example.org",
    "ro&quot;meo@example.org", "ro&amp;meo@example.org", "ro&apos;meo@example.org",
    "ro:meo@example.org", "ro&lt;meo@example.org", "romeo@exa mple.org", "romeo@-example.org",
    "romeo@example..org", "romeo@.example.org", "romeo@[::1", "x" * 1024 + "@example.org",
    "romeo@" + ".".join(["x" * 60] * 18), "romeo@example.org/" + "x" * 1024, "\u00ad@example.org",
    "romeo@example.org/\u007f", "\u200b@example.org",
    "ro\u00a0meo@example.org", "romeo@" + "x" * 64 + ".org", "\u0378@example.org",
]  # fmt: skip


@pytest.mark.parametrize("to", MALFORMED_JIDS, ids=lambda to: ascii(to[:40]))
def test_an_address_that_is_none_is_jid_malformed(pair: Pair, to: str) -> None:
    pair.romeo.send(f"<iq type='get' id='j' to='{to}'><query xmlns='urn:x'/></iq>")
    assert error_condition(pair.romeo.answer("j")) == "jid-malformed"
    pair.romeo.new_stream().send(f"<message to='{to}' id='k'><body>x</body></message>")
    assert error_condition(pair.romeo.answer("k")) == "jid-malformed"


@pytest.mark.parametrize(
    "to",
    ["JULIET@example.org", "juliet@EXAMPLE.ORG", "\uff4auliet@example.org", "juliet@example.org.",
     "Juliet@Example.Org/balcony", "juliet@example\u3002org"],
)  # fmt: skip
def test_case_and_width_do_not_matter(pair: Pair, to: str) -> None:
    pair.romeo.send(f"<message to='{to}' id='m'><body>x</body></message>")
    assert [s.get("id") for s in arrived(pair)] == ["m"]


@pytest.mark.parametrize(
    "to", ["jul\u0456et@example.org", "juliet@ex\u0430mple.org", "juliet@example.org/B\u0430lcony",
           "juliet@example.org/BALCONY", "ju1iet@example.org"]
)  # fmt: skip
def test_what_looks_alike_is_somebody_else(pair: Pair, to: str) -> None:
    pair.romeo.send(f"<message to='{to}' id='m' type='normal'><body>x</body></message>")
    assert error_condition(pair.romeo.answer("m")) in (
        "service-unavailable", "remote-server-not-found", "jid-malformed",
    )  # fmt: skip
    assert nothing_arrived(pair)


@pytest.mark.parametrize(
    "size, condition", [(1023, "service-unavailable"), (1024, "jid-malformed")]
)
def test_each_part_of_an_address_has_1023_bytes(pair: Pair, size: int, condition: str) -> None:
    for to in ("x" * size + "@example.org", "juliet@example.org/" + "x" * size):
        pair.romeo.new_stream().send(
            f"<iq type='get' id='j' to='{to}'><query xmlns='urn:x'/></iq>"
        )
        assert error_condition(pair.romeo.answer("j")) == condition


@pytest.mark.parametrize(
    "to",
    ["x@127.0.0.1", "x@localhost", "x@[::1]", "localhost", "x@10.0.0.1", "x@unresolvable.invalid"],
)
def test_there_is_no_way_to_other_servers_of_this_machine(pair: Pair, to: str) -> None:
    pair.romeo.send(f"<message id='m' to='{to}'><body>x</body></message>")
    assert error_condition(pair.romeo.answer("m")) == "remote-server-not-found"


def test_500_domains_do_not_hold_up_local_messages(pair: Pair) -> None:
    for number in range(500):
        pair.romeo.send(
            f"<message to='x@d{number}.invalid' id='d{number}'><body>x</body></message>"
        )
    pair.romeo.send("<message to='juliet@example.org' id='m'><body>x</body></message>")
    assert [s.get("id") for s in arrived(pair)] == ["m"]
    errors = [error_condition(s) for s in pair.romeo.stanzas() if s.tag == f"{CLIENT}message"]
    assert errors == ["remote-server-not-found"] * 500


PING = "<ping xmlns='urn:xmpp:ping'/>"
BAD_IQS = {
    "no type": ("<iq id='b'>", PING, "bad-request"),
    "odd type": ("<iq id='b' type='GET'>", PING, "bad-request"),
    "subscribe": ("<iq id='b' type='subscribe'>", PING, "bad-request"),
    "no child": ("<iq id='b' type='get'>", "", "bad-request"),
    "text alone": ("<iq id='b' type='get'>", "text", "bad-request"),
    "two children": ("<iq id='b' type='get'>", PING * 2, "bad-request"),
    "set without child": ("<iq id='b' type='set'>", "", "bad-request"),
    "unknown": ("<iq id='b' type='get'>", "<query xmlns='urn:unknown'/>", "service-unavailable"),
    "no namespace": ("<iq id='b' type='get'>", "<query xmlns=''/>", "service-unavailable"),
    "content namespace": ("<iq id='b' type='get'>", "<query/>", "service-unavailable"),
    "set for get": ("<iq id='b' type='set'>", PING, "service-unavailable"),
    "other name": ("<iq id='b' type='get'>", "<p xmlns='urn:xmpp:ping'/>", "service-unavailable"),
}  # fmt: skip


@pytest.mark.parametrize("to", ["", "to='example.org'", "to='juliet@example.org'",
                                "to='nobody@example.org'"])  # fmt: skip
@pytest.mark.parametrize("case", BAD_IQS)
def test_iqs_against_the_rules_are_answered_with_an_error(pair: Pair, case: str, to: str) -> None:
    start, inner, condition = BAD_IQS[case]
    pair.romeo.send(f"{start[:-1]} {to}>{inner}</iq>")
    assert error_condition(pair.romeo.answer("b")) == condition
    assert nothing_arrived(pair)


def test_an_iq_without_an_id_is_a_bad_request(pair: Pair) -> None:
    pair.romeo.send(f"<iq type='get' to='example.org'>{PING}</iq>").sync()
    answer = pair.romeo.stanzas()[0]
    assert error_condition(answer) == "bad-request"


@pytest.mark.parametrize("kind", ["iq", "message", "presence"])
@pytest.mark.parametrize(
    "to",
    ["example.org", "juliet@example.org", "nobody@example.org", "nobody@example.org/x",
     "juliet@example.org/gone", "example.org/x", "romeo@example.org", "x@unresolvable.invalid"],
)  # fmt: skip
def test_results_and_errors_that_nobody_asked_for_are_never_answered(
    pair: Pair, to: str, kind: str
) -> None:
    error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    pair.romeo.send(f"<{kind} type='error' id='u' to='{to}'>{error}</{kind}>")
    if kind == "iq":
        pair.romeo.send(f"<iq type='result' id='u' to='{to}'/>")
        pair.romeo.send(f"<iq type='result' id='u' to='{to}'><a xmlns='a'/><b xmlns='b'/></iq>")
    pair.romeo.sync()
    answers = [s for s in pair.romeo.stanzas() if s.get("id") == "u"]
    assert all(s.get("from") == pair.romeo.jid for s in answers)  # to oneself: delivered


@pytest.mark.parametrize(
    "sent, conditions",
    [
        ("<foo/>", ("unsupported-stanza-type",)),
        ("<foo xmlns='urn:x'/>", ("unsupported-stanza-type",)),
        ("<message xmlns='jabber:server' to='juliet@example.org'><body>x</body></message>",
         ("unsupported-stanza-type", "invalid-namespace")),
        ("<message xmlns='' to='juliet@example.org'/>",
         ("unsupported-stanza-type", "invalid-namespace")),
        ("<Message to='juliet@example.org'/>", ("unsupported-stanza-type",)),
        ("<stream:message to='juliet@example.org'/>", ("unsupported-stanza-type",)),
        ("<stream:features/>", ("unsupported-stanza-type",)),
        ("text", ("bad-format", "not-well-formed")),
        ("<stream:stream xmlns='jabber:client' to='example.org' version='1.0'>", ("bad-format",)),
        ("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
         ("unsupported-stanza-type", "policy-violation", "")),
        ("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", ("unsupported-stanza-type",)),
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
         ("not-authorized", "policy-violation", "unsupported-stanza-type")),
        ("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ("unsupported-stanza-type",)),
        ("<handshake xmlns='jabber:component:accept'>x</handshake>", ("unsupported-stanza-type",)),
        ("<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>",
         ("unsupported-stanza-type",)),
    ],
)  # fmt: skip
def test_what_is_no_stanza_is_unsupported_and_goes_nowhere(
    server: Server, pair: Pair, sent: str, conditions: tuple[str, ...]
) -> None:
    pair.romeo.send(sent + "<x/>")
    if "" in conditions and b"<failure" in pair.romeo.until("</stream:stream>"):
        return
    assert refused_session(server, pair.romeo) in conditions
    assert nothing_arrived(pair)


def test_a_stream_error_of_the_client_ends_the_stream(server: Server, pair: Pair) -> None:
    pair.romeo.send(
        "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        "</stream:error></stream:stream>"
    )
    assert pair.romeo.until_closed().endswith(b"</stream:stream>")
    assert pair.romeo.ended == "fin"


@pytest.mark.parametrize("target", ["juliet@example.org", "juliet@example.org/balcony"])
def test_messages_arrive_in_the_order_of_each_sender(
    server: Server, pair: Pair, target: str
) -> None:
    mallory = Wire(server).session("mallory")
    for number in range(300):
        for sender in (pair.romeo, mallory):
            size = 4000 if number % 50 == 0 else 5
            sender.send(
                f"<message to='{target}' id='{number}'><body>{'x' * size}</body></message>"
            )
            if number % 20 == 0:  # waits for the database between the messages
                sender.send("<iq type='get' id='r'><vCard xmlns='vcard-temp'/></iq>")
    mallory.sync().close()
    got = [s for s in arrived(pair) if s.tag == f"{CLIENT}message"]
    for user in ("romeo", "mallory"):
        ids = [int(s.get("id") or 0) for s in got if (s.get("from") or "").startswith(user)]
        assert ids == list(range(300))
