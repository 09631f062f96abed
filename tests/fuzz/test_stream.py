"""A client's stream under arbitrary conversations: whatever is said, it never raises."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from xmppd.stanza import Stanza
from xmppd.stream.core import ClientStream
from xmppd.stream.events import BindRequest, Closed, EarlyIQ, Event, StartTLS
from xmppd.stream.features import StreamPolicy
from xmppd.stream.negotiating import Door
from xmppd.stream.sasl import AskKeys, AskPassword, Channel, ScramKeys
from xmppd.stream.states import State

EXAMPLES = int(os.environ.get("XMPPD_FUZZ_EXAMPLES", "200"))  # `make fuzz` asks for many
HEADER = (
    b"<stream:stream to='example.org' version='1.0' xmlns='jabber:client'"
    b" xmlns:stream='http://etherx.jabber.org/streams'>"
)
SASL = b"xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
PLAIN = b"<auth %b mechanism='PLAIN'>AGp1bGlldABzZWNyZXQ=</auth>" % SASL
BIND = b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
SAID = [
    HEADER,
    HEADER.replace(b"example.org", b"example.net"),
    HEADER.replace(b"1.0", b"9.9"),
    b"</stream:stream>",
    b"<?xml version='1.0'?>",
    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    PLAIN,
    b"<auth %b mechanism='SCRAM-SHA-256'>biwsbj1qdWxpZXQscj1hYmM=</auth>" % SASL,
    b"<auth %b mechanism='EXTERNAL'>=</auth>" % SASL,
    b"<auth %b/>" % SASL,
    b"<response %b>Yz1iaXdz</response>" % SASL,
    b"<response %b/>" % SASL,
    b"<abort %b/>" % SASL,
    BIND,
    b"<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
    b"<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>",
    b"<message to='romeo@example.org'><body>hi</body></message>",
    b"<message from='romeo@example.org'/>",
    b"<message to='@@'/>",
    b"<presence/>",
    b"<iq/>",
    b"<r xmlns='urn:xmpp:sm:3'/>",
    b"<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    b" ",
    b"text",
    b"<",
    b"\xff",
]
LOGIN = [HEADER, PLAIN, HEADER, BIND]
conversations = st.lists(st.one_of(st.sampled_from(SAID), st.binary(max_size=6)), max_size=25)
begun = st.integers(min_value=0, max_value=len(LOGIN))  # how far it goes as it should


class Owner:
    """Answers what a stream asks, one way or the other, as the connection would."""

    def __init__(self, secure: bool, kind: bool) -> None:
        channel = Channel("example.org", secure=secure)
        policy = StreamPolicy(tls_required=not kind)
        self.kind = kind
        self.events: list[Event] = []
        door = Door(
            {"example.org", "example.net"},
            lambda domain: channel,
            early=lambda domain, ns, name: ns == "jabber:iq:register",
        )
        self.stream = ClientStream(door, policy, secure=secure)

    def hears(self, data: bytes) -> None:
        pending = self.stream.receive(data)
        while pending:
            event = pending.pop(0)
            self.events.append(event)
            pending += self._answer(event)
        self.stream.take()

    def _answer(self, event: Event) -> list[Event]:
        stream = self.stream
        if isinstance(event, StartTLS):
            stream.tls_ready()
        elif isinstance(event, AskKeys):
            return stream.keys(ScramKeys(b"salt", 4096, b"stored", b"server"))
        elif isinstance(event, AskPassword):
            return stream.verdict(self.kind)
        elif isinstance(event, EarlyIQ):
            return stream.answer_early(None)
        elif isinstance(event, BindRequest):
            return stream.bound(event.full)
        return []


@settings(max_examples=EXAMPLES, deadline=None)
@given(begun, conversations, st.booleans(), st.booleans())
def test_a_stream_never_raises_ends_once_and_then_is_silent(
    steps: int, said: list[bytes], secure: bool, kind: bool
) -> None:
    owner = Owner(secure, kind)
    for data in [*LOGIN[:steps], *said]:
        owner.hears(data)
    ends = [position for position, e in enumerate(owner.events) if isinstance(e, Closed)]
    assert len(ends) <= 1
    if ends:
        assert ends[0] == len(owner.events) - 1
        assert owner.stream.state is State.CLOSED


@settings(max_examples=EXAMPLES, deadline=None)
@given(conversations, st.booleans())
def test_no_stanza_passes_before_the_bind_or_under_another_name(
    said: list[bytes], kind: bool
) -> None:
    owner = Owner(True, kind)
    for data in said:
        owner.hears(data)
    full = None
    for event in owner.events:
        if isinstance(event, BindRequest):
            full = event.full
        elif isinstance(event, Stanza):
            assert full is not None
            assert event.from_ == full


@settings(max_examples=EXAMPLES, deadline=None)
@given(conversations, st.integers(min_value=1, max_value=9))
def test_how_bytes_are_cut_into_reads_makes_no_difference(said: list[bytes], size: int) -> None:
    data = b"".join(said)
    whole, pieces = Owner(True, True), Owner(True, True)
    for step in LOGIN:
        whole.hears(step)
        pieces.hears(step)
    whole.hears(data)
    for at in range(0, len(data), size):
        pieces.hears(data[at : at + size])
    assert [type(event) for event in pieces.events] == [type(event) for event in whole.events]
