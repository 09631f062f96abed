"""Streams between servers under arbitrary conversations: whatever is said, they never raise."""

import os
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.streams import EXTERNAL, HEADER, KEY, MESSAGE, OPEN, SASL, TLS, key_of
from xmppd.stanza import Stanza, StanzaError
from xmppd.stream.dialback import Pair, VerifyRequest
from xmppd.stream.events import Closed, StartTLS
from xmppd.stream.peer import (
    AckAsked,
    AskProof,
    Enabled,
    InitiatingStream,
    JudgeKey,
    PeerEvent,
    PeerPolicy,
    ReceivingStream,
    State,
)
from xmppd.stream.peer.base import PeerStream

EXAMPLES = int(os.environ.get("XMPPD_FUZZ_EXAMPLES", "200"))  # `make fuzz` asks for many
HOSTS = frozenset(("montague.example", "capulet.example"))
PAIR = Pair("capulet.example", "montague.example")
FEATURES = (
    f"<stream:features><mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
    "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
    "<bidi xmlns='urn:xmpp:features:bidi'/><sm xmlns='urn:xmpp:sm:3'/></stream:features>"
)
ANSWER = f"{OPEN} from='montague.example' to='capulet.example' id='s1' version='1.0'>"
RESULT = "<db:result from='montague.example' to='capulet.example' type='{}'/>"
VERIFY = "<db:verify from='montague.example' to='capulet.example' id='v' type='{}'/>"
SAID = [
    HEADER,
    HEADER.replace("capulet", "other"),
    ANSWER,
    FEATURES,
    "<stream:features/>",
    f"<stream:features><starttls xmlns='{TLS}'/></stream:features>",
    f"<starttls xmlns='{TLS}'/>",
    f"<proceed xmlns='{TLS}'/>",
    EXTERNAL,
    f"<auth xmlns='{SASL}' mechanism='EXTERNAL'/>",
    f"<response xmlns='{SASL}'>=</response>",
    f"<challenge xmlns='{SASL}'/>",
    f"<success xmlns='{SASL}'/>",
    f"<failure xmlns='{SASL}'><not-authorized/></failure>",
    "<bidi xmlns='urn:xmpp:bidi'/>",
    KEY,
    KEY.replace("capulet", "other"),
    KEY.replace("montague", "unknown"),
    *[RESULT.format(type_) for type_ in ("valid", "invalid", "error", "")],
    *[VERIFY.format(type_) for type_ in ("valid", "invalid", "error", "")],
    "<db:result/>",
    "<enable xmlns='urn:xmpp:sm:3'/>",
    "<enabled xmlns='urn:xmpp:sm:3'/>",
    "<r xmlns='urn:xmpp:sm:3'/>",
    "<a xmlns='urn:xmpp:sm:3' h='1'/>",
    "<a xmlns='urn:xmpp:sm:3' h='0'/>",
    MESSAGE,
    MESSAGE.replace("juliet@capulet", "@@"),
    "<presence/>",
    "<iq/>",
    "<stream:error/>",
    "</stream:stream>",
    "<?xml version='1.0'?>",
    " ",
    "<",
]
conversations = st.lists(
    st.one_of(st.sampled_from(SAID), st.binary(max_size=6)), min_size=1, max_size=25
)


class Owner:
    """Answers what a stream asks, one way or the other, as the connection would."""

    def __init__(self, stream: PeerStream, kind: bool) -> None:
        self.stream = stream
        self.kind = kind
        self.ended = 0

    def hears(self, said: str | bytes) -> None:
        self.handle(self.stream.receive(said.encode() if isinstance(said, str) else said))
        self.stream.take()

    def handle(self, events: list[PeerEvent]) -> None:
        for event in events:
            self.ended += isinstance(event, Closed)
            if isinstance(event, Stanza):
                assert (event.from_.domain, event.to.domain) in self.stream.peer_pairs.valid
                self.stream.handled()
            else:
                self.handle(self.answer(event))

    def answer(self, event: PeerEvent) -> list[PeerEvent]:
        stream = self.stream
        if isinstance(event, StartTLS):
            stream.tls_ready()  # type: ignore[attr-defined]
        elif isinstance(event, AskProof):
            return stream.proof(self.kind)  # type: ignore[attr-defined, no-any-return]
        elif isinstance(event, JudgeKey):
            error = None if self.kind else StanzaError("forbidden")
            return stream.judged(event.pair, error, how="dialback")  # type: ignore[attr-defined, no-any-return]
        elif isinstance(event, Enabled):
            stream.enabled()
        elif isinstance(event, AckAsked):
            stream.acknowledge()
        return []


def play(owner: Owner, said: list[str | bytes], between: Callable[[], object]) -> None:
    for each in said:
        owner.hears(each)
        between()
    owner.handle(owner.stream.close())
    assert owner.stream.state is State.CLOSED
    assert owner.ended == 1


@settings(max_examples=EXAMPLES, deadline=None)
@given(conversations, st.booleans(), st.booleans(), st.booleans())
def test_who_accepts_survives_anything(
    said: list[str | bytes], secure: bool, kind: bool, tls: bool
) -> None:
    policy = PeerPolicy(tls_required=tls)
    stream = ReceivingStream(
        HOSTS - {"capulet.example"}, lambda ours, theirs: policy, key_of(b"s"), secure=secure
    )
    play(Owner(stream, kind), [HEADER, *said], lambda: stream.ask(PAIR.inverse))


@settings(max_examples=EXAMPLES, deadline=None)
@given(conversations, st.booleans(), st.booleans())
def test_who_connects_survives_anything(said: list[str | bytes], secure: bool, tls: bool) -> None:
    stream = InitiatingStream(*PAIR, PeerPolicy(tls_required=tls), key_of(b"s"), secure=secure)
    stream.open()

    def asks() -> None:
        if stream.ask(PAIR):
            stream.verify(VerifyRequest("montague.example", "capulet.example", "v", "k"))

    play(Owner(stream, kind=True), [ANSWER, FEATURES, *said], asks)
