"""A component's stream under arbitrary conversations: whatever is said, it never raises."""

import os
from collections.abc import Container

from hypothesis import given, settings
from hypothesis import strategies as st

from xmppd.stanza import Stanza
from xmppd.stream.component import Accepted, ComponentStream, Event, State, digest
from xmppd.stream.events import Closed
from xmppd.xml import Limits, StreamError

EXAMPLES = int(os.environ.get("XMPPD_FUZZ_EXAMPLES", "200"))  # `make fuzz` asks for many
DOMAIN = "plays.example.org"
HEADER = (
    b"<stream:stream to='plays.example.org' xmlns='jabber:component:accept'"
    b" xmlns:stream='http://etherx.jabber.org/streams'>"
)
PROOF = b"(the right handshake)"
SAID = [
    HEADER,
    HEADER.replace(b"plays", b"other"),
    HEADER.replace(b"component:accept", b"client"),
    PROOF,
    b"<handshake/>",
    b"<handshake>00</handshake>",
    b"<message from='x@plays.example.org' to='a@example.org'><body>hi</body></message>",
    b"<message from='a@example.org' to='b@example.org'/>",
    b"<presence from='plays.example.org' to='@@'/>",
    b"<presence from='plays.example.org'/>",
    b"<iq from='plays.example.org' to='example.org'/>",
    b"<iq xmlns:c='jabber:component:accept' c:from='x' from='plays.example.org' to='a'/>",
    b"<message xmlns='jabber:client' from='plays.example.org' to='a'/>",
    b"<r xmlns='urn:xmpp:sm:3'/>",
    b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    b"</stream:stream>",
    b" ",
    b"text",
    b"<",
    b"\xff",
]
conversations = st.lists(st.one_of(st.sampled_from(SAID), st.binary(max_size=6)), max_size=25)
begun = st.integers(min_value=0, max_value=2)  # how far it goes as it should


class Owner:
    """Lets everybody in whose handshake is right."""

    def __init__(self) -> None:
        limits = Limits(16384, 64, 16, 64)
        self.stream = ComponentStream(self, limits, limits)
        self.events: list[Event] = []
        self._id = ""

    def secret(self, domain: str) -> str | None:
        return "sesame" if domain == DOMAIN else None

    def domains(self, domain: str) -> Container[str]:
        return {domain}

    def refusal(self, domain: str, *, right: bool) -> StreamError | None:
        return None if right else StreamError("not-authorized")

    def hears(self, data: bytes) -> None:
        proof = f"<handshake>{digest(self._id, 'sesame')}</handshake>".encode()
        self.events += self.stream.receive(data.replace(PROOF, proof))
        written = self.stream.take().decode()
        if " id='" in written:
            self._id = written.partition(" id='")[2].partition("'")[0]


@settings(max_examples=EXAMPLES, deadline=None)
@given(begun, conversations)
def test_a_stream_never_raises_ends_once_and_then_is_silent(steps: int, said: list[bytes]) -> None:
    owner = Owner()
    for data in [*[HEADER, PROOF][:steps], *said]:
        owner.hears(data)
    ends = [position for position, e in enumerate(owner.events) if isinstance(e, Closed)]
    assert len(ends) <= 1
    if ends:
        assert ends[0] == len(owner.events) - 1
        assert owner.stream.state is State.CLOSED


@settings(max_examples=EXAMPLES, deadline=None)
@given(begun, conversations)
def test_no_stanza_passes_before_the_handshake_or_from_another_domain(
    steps: int, said: list[bytes]
) -> None:
    owner = Owner()
    for data in [*[HEADER, PROOF][:steps], *said]:
        owner.hears(data)
    known = False
    for event in owner.events:
        known = known or isinstance(event, Accepted)
        if isinstance(event, Stanza):
            assert known
            assert event.from_.domain == DOMAIN


@settings(max_examples=EXAMPLES, deadline=None)
@given(conversations, st.integers(min_value=1, max_value=9))
def test_how_bytes_are_cut_into_reads_makes_no_difference(said: list[bytes], size: int) -> None:
    data = b"".join(said).replace(PROOF, b"")
    whole, pieces = Owner(), Owner()
    for owner in (whole, pieces):
        owner.hears(HEADER)
        owner.hears(PROOF)
    whole.hears(data)
    for at in range(0, len(data), size):
        pieces.hears(data[at : at + size])
    assert [type(event) for event in pieces.events] == [type(event) for event in whole.events]
