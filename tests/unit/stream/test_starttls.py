"""STARTTLS on a client's stream (RFC 6120 §5)."""

from typing import Any

import pytest

from xmppd.ns import TLS
from xmppd.stream.events import Closed, StartTLS
from xmppd.stream.features import StreamPolicy
from xmppd.stream.states import State

STARTTLS = f"<starttls xmlns='{TLS}'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
FAILURE = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"


@pytest.fixture
def clear(new_client: Any) -> Any:
    return new_client(secure=False)


def test_in_the_clear_nothing_but_required_tls_is_offered(clear: Any) -> None:
    offer = clear.opens().partition("<stream:features>")[2]
    assert offer.startswith(f"<starttls xmlns='{TLS}'><required/></starttls>")
    assert "mechanism" not in offer


def test_where_plaintext_is_allowed_tls_is_optional_and_sasl_offered(new_client: Any) -> None:
    offer = new_client(secure=False, policy=StreamPolicy(tls_required=False)).opens()
    assert f"<starttls xmlns='{TLS}'/>" in offer
    assert "<mechanism>SCRAM-SHA-256</mechanism>" in offer
    assert "PLUS" not in offer


def test_starttls_is_answered_by_proceed_and_asks_for_the_handshake(clear: Any) -> None:
    clear.opens()
    assert clear.sends(STARTTLS) == PROCEED
    assert clear.events == [StartTLS()]
    assert clear.stream.state is State.SECURING


@pytest.mark.parametrize(
    "behind",
    ["<auth/>", "<iq type='get' id='1'><x xmlns='y'/></iq>", "</stream:stream>", "<x", "\x16\x03"],
)
def test_what_is_injected_behind_starttls_is_forgotten(clear: Any, behind: str) -> None:
    clear.opens()
    assert clear.sends(STARTTLS + behind) == PROCEED
    assert clear.sends(behind) == ""
    assert clear.events == [StartTLS()]
    clear.stream.tls_ready()
    assert "<mechanisms" in clear.opens()
    assert clear.events == [StartTLS()]


def test_after_the_handshake_a_new_stream_begins_without_starttls(clear: Any) -> None:
    first = clear.opens()
    clear.sends(STARTTLS)
    clear.stream.tls_ready()
    second = clear.opens()
    assert first.partition(" id='")[2][:22] != second.partition(" id='")[2][:22]
    assert TLS not in second
    assert "<mechanism>PLAIN</mechanism>" in second


def test_after_the_handshake_another_host_may_be_named(clear: Any) -> None:
    clear.opens()
    clear.sends(STARTTLS)
    clear.stream.tls_ready()
    assert " from='example.net'" in clear.sends(
        clear.header.replace("to='example.org'", "to='example.net'")
    )


def test_without_a_new_header_after_the_handshake_the_stream_ends(clear: Any) -> None:
    clear.opens()
    clear.sends(STARTTLS)
    clear.stream.tls_ready()
    answer = clear.sends("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>")
    assert answer.count("<stream:stream ") == 1
    assert clear.error == "invalid-namespace"


@pytest.mark.parametrize("child", ["<x xmlns='y'/>", "text"])
def test_malformed_command_fails_and_ends_the_stream(clear: Any, child: str) -> None:
    clear.opens()
    assert clear.sends(f"<starttls xmlns='{TLS}'>{child}</starttls>") == FAILURE
    assert isinstance(clear.events[-1], Closed)


def test_starttls_under_tls_fails_and_ends_the_stream(client: Any) -> None:
    client.opens()
    assert client.sends(STARTTLS) == FAILURE
    assert client.stream.state is State.CLOSED


def test_starttls_after_the_bind_fails_and_ends_the_stream(bound: Any) -> None:
    assert bound.sends(STARTTLS) == FAILURE


def test_during_the_handshake_no_xml_is_written_whatever_happens(clear: Any) -> None:
    from xmppd.xml import StreamError

    clear.opens()
    clear.sends(STARTTLS)
    assert clear.gets(clear.stream.fail(StreamError("connection-timeout"))) == ""
    assert clear.stream.state is State.CLOSED


def test_unknown_element_in_the_namespace_is_unsupported(clear: Any) -> None:
    clear.opens()
    clear.sends(f"<proceed xmlns='{TLS}'/>")
    assert clear.error == "unsupported-stanza-type"
