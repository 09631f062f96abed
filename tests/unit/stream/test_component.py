"""A component's stream, said byte by byte (XEP-0114 §3)."""

from collections.abc import Container

import pytest

from xmppd.ns import COMPONENT
from xmppd.stanza import IQ, Message, Presence, Stanza
from xmppd.stream.component import (
    NEXT,
    Accepted,
    ComponentStream,
    Event,
    Input,
    State,
    digest,
)
from xmppd.stream.events import Closed
from xmppd.xml import Limits, StreamError

DOMAIN = "plays.example.org"
SECRET = "sesame"
BEFORE, AFTER = Limits(16384, 64, 16, 64), Limits(524288, 16384, 128, 256)


def header(to: str = DOMAIN, ns: str = COMPONENT, root: str = "stream:stream") -> str:
    return f"<{root} xmlns='{ns}' xmlns:stream='http://etherx.jabber.org/streams' to='{to}'>"


class Door:
    """Serves one component, and whoever is refused is refused with `error`."""

    def __init__(self) -> None:
        self.error: StreamError | None = None
        self.tries: list[bool] = []

    def secret(self, domain: str) -> str | None:
        return SECRET if domain == DOMAIN else None

    def domains(self, domain: str) -> Container[str]:
        return {domain, "also.example.org"}

    def refusal(self, domain: str, *, right: bool) -> StreamError | None:
        self.tries.append(right)
        return self.error if right else StreamError("not-authorized")


class Peer:
    """The other end."""

    def __init__(self) -> None:
        self.door = Door()
        self.stream = ComponentStream(self.door, BEFORE, AFTER)

    def says(self, text: str) -> list[Event]:
        return self.stream.receive(text.encode())

    def hears(self) -> str:
        return self.stream.take().decode()

    def proof(self, secret: str = SECRET) -> str:
        stream_id = self.hears().partition(" id='")[2].partition("'")[0]
        assert len(stream_id) >= 22
        return f"<handshake>{digest(stream_id, secret)}</handshake>"

    def refused_for(self, text: str) -> str:
        (closed,) = self.says(text)
        assert isinstance(closed, Closed)
        assert closed.error is not None
        self.farewell = closed.farewell.decode()
        assert self.farewell.endswith("</stream:error></stream:stream>")
        assert self.stream.state is State.CLOSED
        return closed.error.condition


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def known(peer: Peer) -> Peer:
    peer.says(header())
    assert peer.says(peer.proof()) == [Accepted(DOMAIN)]
    peer.hears()
    return peer


def test_the_digest_is_sha_1_in_lower_case_hexadecimal() -> None:
    assert digest("3BF96D32", "shakespeare") == "92aa587cc705a2858d8b3c97fafa27a8b5fb12bb"


def test_the_header_is_answered_in_the_name_of_the_component(peer: Peer) -> None:
    assert peer.says(header()) == []
    answer = peer.hears()
    assert f"xmlns='{COMPONENT}'" in answer
    assert f"from='{DOMAIN}'" in answer


def test_the_right_handshake_is_answered_with_an_empty_one(peer: Peer) -> None:
    peer.says(header())
    assert peer.says(peer.proof()) == [Accepted(DOMAIN)]
    assert peer.hears() == "<handshake/>"


def test_two_streams_have_different_ids() -> None:
    ids = set()
    for _ in range(5):
        peer = Peer()
        peer.says(header())
        ids.add(peer.proof())
    assert len(ids) == 5


@pytest.mark.parametrize("secret", ["", "Sesame", "sesame "])
def test_a_wrong_handshake_is_not_authorized(peer: Peer, secret: str) -> None:
    peer.says(header())
    assert peer.refused_for(peer.proof(secret)) == "not-authorized"
    assert peer.door.tries == [False]


@pytest.mark.parametrize(
    "handshake",
    [
        "<handshake/>",
        "<handshake>\N{SNOWMAN}</handshake>",
        "<handshake><x/></handshake>",
        "<handshake>0000000000000000000000000000000000000000</handshake>",
    ],
)
def test_a_strange_handshake_is_not_authorized(peer: Peer, handshake: str) -> None:
    peer.says(header())
    assert peer.refused_for(handshake) == "not-authorized"


def test_a_handshake_may_be_refused_although_it_is_right(peer: Peer) -> None:
    peer.door.error = StreamError("conflict")
    peer.says(header())
    assert peer.refused_for(peer.proof()) == "conflict"


@pytest.mark.parametrize(
    ("said", "condition"),
    [
        (header("other.example.org"), "host-unknown"),
        (header("romeo@plays.example.org"), "host-unknown"),
        (header("plays.example.org/x"), "host-unknown"),
        (header("&lt;b&gt;"), "host-unknown"),
        (header(""), "host-unknown"),
        (header("x" * 5000), "host-unknown"),
        (header().replace(f" to='{DOMAIN}'", ""), "host-unknown"),
        (header(ns="jabber:client"), "invalid-namespace"),
        (header(ns="jabber:component:connect"), "invalid-namespace"),
        (header(root="stream:flow"), "bad-format"),
        ("<stream xmlns='jabber:component:accept' to='plays.example.org'>", "invalid-namespace"),
        ("GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
        ("<!DOCTYPE x>", "restricted-xml"),
    ],
)
def test_a_header_that_is_refused_is_answered_by_a_header_first(
    peer: Peer, said: str, condition: str
) -> None:
    assert peer.refused_for(said) == condition
    assert peer.farewell.startswith("<?xml version='1.0'?><stream:stream ")
    assert "other.example.org" not in peer.farewell


@pytest.mark.parametrize(
    "said",
    [
        f"<message from='{DOMAIN}' to='example.org'/>",
        f"<iq from='{DOMAIN}' to='example.org' type='get' id='1'><x xmlns='y'/></iq>",
        f"<presence from='{DOMAIN}' to='example.org'/>",
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    ],
)
def test_before_the_handshake_nothing_is_taken(peer: Peer, said: str) -> None:
    peer.says(header())
    assert peer.refused_for(said) == "not-authorized"


def test_what_came_with_the_handshake_counts_when_that_is_right(peer: Peer) -> None:
    peer.says(header())
    happened = peer.says(f"{peer.proof()}<message from='{DOMAIN}' to='example.org'/>")
    assert happened[0] == Accepted(DOMAIN)
    assert isinstance(happened[1], Message)


def test_what_came_with_a_wrong_handshake_is_nobodys(peer: Peer) -> None:
    peer.says(header())
    text = f"{peer.proof('wrong')}<message from='{DOMAIN}' to='example.org'/>"
    assert peer.refused_for(text) == "not-authorized"


def test_every_input_in_every_state_has_an_outcome() -> None:
    for state in (State.OPENING, State.PROVING, State.KNOWN):
        for said in Input:
            peer = Peer()
            peer.stream.state = state
            if (state, said) in NEXT:
                peer.stream._move(said)
            else:
                with pytest.raises(StreamError):
                    peer.stream._move(said)


def test_a_second_handshake_and_a_second_header_end_the_stream(known: Peer) -> None:
    assert known.refused_for("<handshake/>") == "policy-violation"
    again = Peer()
    again.says(header())
    assert again.refused_for(header()) == "bad-format"


# Stanzas


@pytest.mark.parametrize(
    ("kind", "of"), [("message", Message), ("presence", Presence), ("iq", IQ)]
)
def test_stanzas_keep_their_addresses(known: Peer, kind: str, of: type[Stanza]) -> None:
    (stanza,) = known.says(
        f"<{kind} from='romeo@{DOMAIN}/x' to='juliet@example.org' id='1' type='error'/>"
    )
    assert isinstance(stanza, of)
    assert (stanza.from_, stanza.to) == (f"romeo@{DOMAIN}/x", "juliet@example.org")
    assert stanza.directed


def test_a_component_may_write_from_all_of_its_domains(known: Peer) -> None:
    (stanza,) = known.says("<message from='x@also.example.org' to='juliet@example.org'/>")
    assert isinstance(stanza, Message)


@pytest.mark.parametrize(
    ("attributes", "condition"),
    [
        ("from='example.org' to='a@example.org'", "invalid-from"),
        ("from='juliet@example.org' to='a@example.org'", "invalid-from"),
        (f"from='x.{DOMAIN}' to='a@example.org'", "invalid-from"),
        (f"from='{DOMAIN}.evil.example' to='a@example.org'", "invalid-from"),
        ("to='a@example.org'", "improper-addressing"),
        ("from='' to='a@example.org'", "improper-addressing"),
        ("from='@@@' to='a@example.org'", "improper-addressing"),
        (f"from='{DOMAIN}'", "improper-addressing"),
        (f"from='{DOMAIN}' to=''", "improper-addressing"),
        (
            f"from='{DOMAIN}' to='a@example.org' xmlns:c='{COMPONENT}' c:from='b@example.org'",
            "invalid-from",
        ),
    ],
)
def test_wrong_addresses_end_the_stream(known: Peer, attributes: str, condition: str) -> None:
    assert known.refused_for(f"<message {attributes}/>") == condition


def test_a_malformed_receiver_is_the_senders_fault_alone(known: Peer) -> None:
    (stanza,) = known.says(f"<message from='{DOMAIN}' to='a b@@example.org'/>")
    assert isinstance(stanza, Message)
    assert stanza.fault is not None
    assert stanza.fault.condition == "jid-malformed"
    assert known.stream.state is State.KNOWN


def test_content_in_the_streams_namespace_reads_as_everywhere(known: Peer) -> None:
    (stanza,) = known.says(
        f"<message from='{DOMAIN}' to='a@example.org'><body>hi</body>"
        f"<subject xmlns='{COMPONENT}'>s</subject><x xmlns='y'><body/></x></message>"
    )
    assert isinstance(stanza, Message)
    assert stanza.body == "hi"
    assert stanza.has("jabber:client", "subject")
    assert COMPONENT.encode() not in stanza.write()


def test_stanzas_written_to_a_component_are_in_its_namespace(known: Peer) -> None:
    (stanza,) = known.says(
        f"<message from='{DOMAIN}' to='a@example.org'><body xmlns='jabber:client'>hi</body>"
        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'/></forwarded>"
        "</message>"
    )
    assert isinstance(stanza, Message)
    written = stanza.write(COMPONENT).decode()
    assert "<body>hi</body>" in written
    assert "<message xmlns='jabber:client'" in written


def test_other_elements_are_unsupported(known: Peer) -> None:
    assert known.refused_for("<r xmlns='urn:xmpp:sm:3'/>") == "unsupported-stanza-type"


def test_the_language_of_the_stream_is_that_of_its_stanzas(peer: Peer) -> None:
    peer.says(header().replace("<stream:stream", "<stream:stream xml:lang='it'"))
    peer.says(peer.proof())
    (stanza,) = peer.says(f"<message from='{DOMAIN}' to='a@example.org'/>")
    assert isinstance(stanza, Message)
    assert stanza.lang == "it"


# Limits and ends


def test_before_the_handshake_stanzas_must_be_small(peer: Peer) -> None:
    peer.says(header())
    assert peer.refused_for(f"<handshake>{'a' * 17000}</handshake>") == "policy-violation"


def test_after_the_handshake_they_may_be_large_but_not_too_large(known: Peer) -> None:
    small = f"<message from='{DOMAIN}' to='a@example.org'><body>{'a' * 400_000}</body></message>"
    assert len(known.says(small)) == 1
    assert known.refused_for(small.replace("aa", "aaa")) == "policy-violation"


def test_the_end_of_the_stream_is_answered(known: Peer) -> None:
    (closed,) = known.says("</stream:stream>")
    assert isinstance(closed, Closed)
    assert (closed.farewell, closed.by_peer) == (b"</stream:stream>", True)
    assert known.says("<message/>") == []


def test_a_stream_error_ends_it(known: Peer) -> None:
    (closed,) = known.says(
        "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
    )
    assert isinstance(closed, Closed)
    assert closed.peer_error == "conflict"


def test_closing_before_the_header_says_nothing(peer: Peer) -> None:
    (closed,) = peer.stream.close()
    assert isinstance(closed, Closed)
    assert closed.farewell == b""
    assert peer.stream.close() == []
    assert peer.stream.fail(StreamError("reset")) == []
