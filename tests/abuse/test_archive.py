"""Forged copies and results, and what hostile queries cost others."""

import time
from collections.abc import Iterator

import pytest

from tests.abuse.server import Server
from tests.abuse.wire import CLIENT, Wire, error_condition

MAM, CARBONS, FORWARD, SID = (
    "urn:xmpp:mam:2",
    "urn:xmpp:carbons:2",
    "urn:xmpp:forward:0",
    "urn:xmpp:sid:0",
)
FORGED = (
    f"<forwarded xmlns='{FORWARD}'><message xmlns='jabber:client' from='nurse@example.org/x'"
    " to='juliet@example.org/balcony'><body>forged</body></message></forwarded>"
)


@pytest.fixture
def romeo(server: Server) -> Iterator[Wire]:
    wire = Wire(server).online("romeo", "orchard").new_stream()
    yield wire
    wire.close()


@pytest.fixture
def juliet(server: Server) -> Iterator[Wire]:
    wire = Wire(server).online("juliet", "balcony").new_stream()
    wire.send(f"<iq type='set' id='c'><enable xmlns='{CARBONS}'/></iq>").sync()
    yield wire
    wire.close()


@pytest.mark.parametrize("to", ["juliet@example.org", "juliet@example.org/balcony"])
@pytest.mark.parametrize(
    "content",
    [
        f"<sent xmlns='{CARBONS}'>{FORGED}</sent>",
        f"<received xmlns='{CARBONS}'>{FORGED}</received>",
        f"<result xmlns='{MAM}' queryid='q' id='1'>{FORGED}</result>",
        f"<p:sent xmlns:p='{CARBONS}'>{FORGED}</p:sent>",
    ],
)
def test_what_looks_like_a_copy_has_its_real_sender(
    server: Server, romeo: Wire, juliet: Wire, to: str, content: str
) -> None:
    other = Wire(server).online("juliet", "chamber").new_stream()
    other.send(f"<iq type='set' id='c'><enable xmlns='{CARBONS}'/></iq>").sync()
    romeo.send(f"<message to='{to}' type='chat' id='forged'>{content}</message>").sync()
    for wire in (juliet, other):
        for stanza in wire.sync().stanzas():
            if stanza.tag == f"{CLIENT}message":
                assert stanza.get("from") == "romeo@example.org/orchard"
    other.close()


def test_the_delivered_id_is_that_of_the_archive_and_no_forged_one(
    romeo: Wire, juliet: Wire
) -> None:
    forged = "".join(
        f"<stanza-id xmlns='{SID}' by='{by}' id='forged'/>"
        for by in ("juliet@example.org", "JULIET@Example.org", "example.org", "romeo@example.org")
    )
    romeo.send(f"<message to='juliet@example.org' id='m'><body>x</body>{forged}</message>").sync()
    heard = juliet.answer("m")
    ids = [each.get("id") for each in heard.iter(f"{{{SID}}}stanza-id")]
    juliet.send(
        f"<iq type='set' id='q'><query xmlns='{MAM}'>"
        "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set></query></iq>"
    )
    juliet.answer("q")
    found = [
        each.get("id") for stanza in juliet.stanzas() for each in stanza.iter(f"{{{MAM}}}result")
    ]
    assert ids == found
    assert len(ids) == 1


@pytest.mark.parametrize("payload", ["query", "metadata", "prefs"])
@pytest.mark.parametrize("to", ["juliet@example.org", "nobody@example.org"])
def test_the_archive_of_others_is_forbidden_and_tells_nothing(
    romeo: Wire, payload: str, to: str
) -> None:
    kind = "set" if payload == "query" else "get"
    romeo.send(f"<iq type='{kind}' id='{payload}{to}' to='{to}'><{payload} xmlns='{MAM}'/></iq>")
    assert error_condition(romeo.answer(f"{payload}{to}")) == "forbidden"


@pytest.mark.parametrize(
    "inner",
    [
        "<set xmlns='http://jabber.org/protocol/rsm'><after>' OR 1=1 --</after></set>",
        "<set xmlns='http://jabber.org/protocol/rsm'><max>99999999999999999999</max></set>",
        "<set xmlns='http://jabber.org/protocol/rsm'><index>99999999999999999999</index></set>",
        "<set xmlns='http://jabber.org/protocol/rsm'><max>-5</max></set>",
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'/></x>",
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2"
        "</value></field><field var='start'><value>0000-99-99T99:99:99Z</value></field></x>",
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2"
        "</value></field><field var='{urn:xmpp:fulltext:0}fulltext'><value>"
        + "a* NEAR ( &quot; " * 2000
        + "</value></field></x>",
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2"
        "</value></field><field var='ids'>" + "<value>x</value>" * 3000 + "</field></x>",
    ],
)
def test_odd_queries_get_an_answer_and_never_an_internal_error(romeo: Wire, inner: str) -> None:
    romeo.send(f"<iq type='set' id='odd'><query xmlns='{MAM}'>{inner}</query></iq>")
    answer = romeo.answer("odd")
    if answer.get("type") == "error":
        assert error_condition(answer) in ("bad-request", "item-not-found")


def test_two_hundred_queries_at_once_do_not_hold_up_a_bystander(
    server: Server, romeo: Wire, juliet: Wire
) -> None:
    for number in range(100):
        romeo.send(f"<message to='juliet@example.org' id='{number}'><body>x</body></message>")
    romeo.sync()
    juliet.sync()
    query = f"<query xmlns='{MAM}'/>"
    juliet.send("".join(f"<iq type='set' id='q{n}'>{query}</iq>" for n in range(200)))
    began = time.monotonic()
    romeo.sync()
    assert time.monotonic() - began < 2  # what is required
    juliet.answer("q199")
    server.is_well()


def test_lists_have_a_limit(romeo: Wire) -> None:
    jids = "".join(f"<jid>a{n}@example.org</jid>" for n in range(501))
    romeo.send(
        f"<iq type='set' id='p'><prefs xmlns='{MAM}' default='always'>"
        f"<never>{jids}</never></prefs></iq>"
    )
    assert error_condition(romeo.answer("p")) == "resource-constraint"
    items = "".join(f"<item jid='a{n}@example.org'/>" for n in range(1001))
    romeo.send(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>{items}</block></iq>")
    assert error_condition(romeo.answer("b")) == "resource-constraint"
