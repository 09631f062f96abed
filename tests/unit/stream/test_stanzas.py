"""Stanzas on a bound stream: addresses, language, what else may come (RFC 6120 §8.1, §4.9.3)."""

import gc
from typing import Any

import pytest

from xmppd.jid import jid
from xmppd.ns import STREAMS
from xmppd.stanza import Message, Presence
from xmppd.stream.events import Closed, StreamNonza
from xmppd.stream.states import State
from xmppd.xml import StreamError, StreamParser

FORGED = [
    "",
    "romeo@example.org",
    "romeo@example.org/balcony",
    "juliet@example.org/garden",
    "juliet@example.org/",
    "juliet@example.net",
    "juliet@example.org.evil.example",
    "example.org",
    "@example.org",
    "juliet",
    "juliet@example.org/balcony ",
    "juliet@example.org/BALCONY",
    "@@",
    "j" * 2000 + "@example.org",
]


@pytest.mark.parametrize("claimed", FORGED)
@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
def test_forged_sender_ends_the_stream(bound: Any, claimed: str, kind: str) -> None:
    bound.sends(
        f"<{kind} from='{claimed}' to='a@example.org' type='get' id='1'><x xmlns='y'/></{kind}>"
    )
    assert bound.error == "invalid-from"
    assert len(bound.events) == 1


@pytest.mark.parametrize(
    "claimed",
    [
        "juliet@example.org",
        "juliet@example.org/balcony",
        "JULIET@Example.Org",
        "juliet@EXAMPLE.org/balcony",
    ],
)
def test_own_address_however_written_becomes_the_full_one(bound: Any, claimed: str) -> None:
    bound.sends(f"<message from='{claimed}' to='romeo@example.net'/>")
    (message,) = bound.events
    assert message.from_ == bound.full


def test_sender_forged_by_a_prefix_ends_the_stream(bound: Any) -> None:
    bound.sends(
        "<message xmlns:c='jabber:client' c:from='romeo@example.net' to='romeo@example.net'/>"
    )
    assert bound.error == "invalid-from"


@pytest.mark.parametrize("kind", ["message", "iq", "presence"])
@pytest.mark.parametrize("to", ["", "@", "a@", "a@b@c", "a b@example.org", "x" * 5000])
def test_malformed_recipient_is_the_stanzas_fault(bound: Any, kind: str, to: str) -> None:
    bound.sends(f"<{kind} to='{to}' type='set' id='1'><x xmlns='y'/></{kind}>")
    (stanza,) = bound.events
    assert stanza.fault.condition == "jid-malformed"
    assert stanza.to == "example.org"
    assert bound.stream.state is State.BOUND


@pytest.mark.parametrize("kind", ["message", "iq", "presence"])
def test_without_recipient_it_is_for_the_own_account(bound: Any, kind: str) -> None:
    bound.sends(f"<{kind}/>")
    (stanza,) = bound.events
    assert stanza.to == "juliet@example.org"


def test_presence_without_recipient_is_broadcast(bound: Any) -> None:
    bound.sends("<presence/><presence to='juliet@example.org'/>")
    broadcast, directed = bound.events
    assert isinstance(broadcast, Presence)
    assert (broadcast.directed, directed.directed) == (False, True)


def test_language_of_the_stream_is_that_of_its_stanzas(bound: Any) -> None:
    bound.sends("<message/><message xml:lang='fr'/><message xml:lang=''/>")
    assert [stanza.lang for stanza in bound.events] == ["de", "fr", ""]


def test_bind_elsewhere_is_an_ordinary_stanza(bound: Any) -> None:
    bound.sends(
        "<iq type='set' id='1' to='romeo@example.net'>"
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
    )
    (stanza,) = bound.events
    assert stanza.to == jid("romeo@example.net")


def test_extensions_are_handed_on(bound: Any) -> None:
    bound.sends("<active xmlns='urn:xmpp:csi:0'/>")
    (event,) = bound.events
    assert isinstance(event, StreamNonza)
    assert event.nonza.element.name == "active"


ENDS = {
    "unknown stanza": ("unsupported-stanza-type", "<pubsub/>"),
    "login": ("not-authorized", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"),
    "header": ("bad-format", f"<stream:stream xmlns:stream='{STREAMS}' to='example.org'/>"),
    "text": ("bad-format", "hello <x/>"),
    "wrong tag": ("not-well-formed", "<message></iq>"),
    "over 256 KiB": ("policy-violation", "<message>" + "x" * 262144 + "</message>"),
    "too deep": ("policy-violation", "<message>" + "<a>" * 200),
}


@pytest.mark.parametrize("case", ENDS)
def test_ends_the_stream_after_what_came_before(bound: Any, case: str) -> None:
    condition, sent = ENDS[case]
    bound.sends("<message to='romeo@example.net'/>" + sent)
    message, closed = bound.events
    assert isinstance(message, Message)
    assert isinstance(closed, Closed)
    assert bound.error == condition


def test_a_stanza_of_60_kb_passes(bound: Any) -> None:
    bound.sends("<message to='a@example.org'><body>" + "x" * 60000 + "</body></message>")
    (message,) = bound.events
    assert len(message.raw) > 60000


def test_close_is_answered_after_the_last_stanza(bound: Any) -> None:
    assert bound.sends("<message/></stream:stream><message/>") == "</stream:stream>"
    assert [type(event) for event in bound.events] == [Message, Closed]


@pytest.mark.parametrize(
    "condition", ["system-shutdown", "conflict", "reset", "connection-timeout"]
)
def test_error_of_ours_is_written_before_the_end(bound: Any, condition: str) -> None:
    answer = bound.gets(bound.stream.fail(StreamError(condition, "why")))
    assert answer == (
        f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>why</text>"
        "</stream:error></stream:stream>"
    )


CONVERSATION = (
    "<message to='romeo@example.net' id='1'><body>Wherefore art thou?</body></message> \n"
    "<iq type='get' id='2'><query xmlns='jabber:iq:roster'/></iq>"
    "<presence><show>away</show></presence>"
    "<iq type='set' id='3'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"
    "<message xml:lang='fr'><body>\u00e9t\u00e9 &amp; &#x1F600;</body></message></stream:stream>"
).encode()


def shown(client: Any) -> list[tuple[Any, ...]]:
    return [
        (event.kind, event.to, event.id, event.lang, event.raw)
        for event in client.events
        if not isinstance(event, Closed)
    ]


@pytest.fixture
def whole(bound: Any) -> list[tuple[Any, ...]]:
    bound.sends(CONVERSATION)
    assert bound.heard.endswith("</stream:stream>")
    return shown(bound)


def test_bytes_one_by_one_say_the_same(new_client: Any, whole: list[Any]) -> None:
    client = new_client()
    client.binds()
    client.events.clear()
    for position in range(len(CONVERSATION)):
        client.sends(CONVERSATION[position : position + 1])
    assert shown(client) == whole
    assert client.heard.endswith("</stream:stream>")


def test_a_split_anywhere_says_the_same(new_client: Any, whole: list[Any]) -> None:
    for cut in range(1, len(CONVERSATION), 3):
        client = new_client()
        client.binds()
        client.events.clear()
        client.sends(CONVERSATION[:cut])
        client.sends(CONVERSATION[cut:])
        assert shown(client) == whole, cut


def test_whole_negotiation_byte_by_byte(new_client: Any, plain_auth: Any, bind_iq: Any) -> None:
    client = new_client()

    def dribble(text: str) -> None:
        for byte in text.encode():
            client.sends(bytes([byte]))

    dribble(client.header)
    dribble(plain_auth())
    client.verified()
    dribble(client.header)
    dribble(bind_iq("balcony"))
    client.opened()
    dribble("<message to='romeo@example.net'/>")
    assert client.events[-1].from_ == client.full


def test_many_stanzas_in_one_packet_keep_their_order(bound: Any) -> None:
    bound.sends("".join(f"<message to='romeo@example.net' id='{n}'/>" for n in range(500)))
    assert [event.id for event in bound.events] == [str(n) for n in range(500)]


def test_a_stream_that_dozed_goes_on_and_keeps_the_limits_of_the_bound(bound: Any) -> None:
    stream = bound.stream
    stream.doze()
    stream.doze()  # again, with nothing said in between
    bound.sends("<message to='a@example.net'><body>one</body></message>")
    stream.doze()
    long = "x" * (stream._policy.before_login.stanza_bytes + 1)
    bound.sends(f"<message to='a@example.net'><body>{long}</body></message>")
    first, second = bound.events[-2:]
    assert (first.to, first.from_, second.to) == ("a@example.net", first.from_, "a@example.net")
    assert first.raw == b"<body>one</body>"
    stream.doze()
    bound.sends("</stream:stream>")
    assert isinstance(bound.events[-1], Closed)


def test_a_stream_that_dozes_leaves_nothing_for_the_collector(bound: Any) -> None:
    """It runs when thousands of objects were made: for a crowd that is idle, never."""
    gc.collect()
    gc.disable()
    try:
        before = _parsers()
        bound.stream.doze()
        assert _parsers() == before - 1
    finally:
        gc.enable()


def _parsers() -> int:
    return sum(isinstance(each, StreamParser) for each in gc.get_objects())


def test_a_stream_does_not_doze_in_the_middle_of_a_stanza(bound: Any) -> None:
    bound.sends("<message to='a@example.net'><bo")
    bound.stream.doze()
    bound.sends("dy>one</body></message>")
    assert bound.events[-1].raw == b"<body>one</body>"


def test_a_stream_that_dozes_can_be_closed(bound: Any) -> None:
    bound.stream.doze()
    (closed,) = bound.stream.close()
    assert isinstance(closed, Closed)
    assert bound.stream.receive(b"<message/>") == []
