"""Resource binding (RFC 6120 §7)."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from xmppd.ns import BIND
from xmppd.stanza import StanzaError
from xmppd.stream.events import BindRequest
from xmppd.stream.states import State


def test_resource_that_is_asked_for_is_bound(client: Any, bind_iq: Callable[..., str]) -> None:
    client.logs_in()
    assert client.sends(bind_iq("balcony")) == ""
    assert client.events[-1] == BindRequest(client.full)
    assert client.opened() == (
        f"<iq type='result' id='b1'><bind xmlns='{BIND}'>"
        "<jid>juliet@example.org/balcony</jid></bind></iq>"
    )
    assert client.stream.state is State.BOUND


@pytest.mark.parametrize("inner", ["", "<resource/>", "<resource></resource>"])
def test_without_a_resource_the_server_makes_a_random_one(new_client: Any, inner: str) -> None:
    made = set()
    for _ in range(5):
        client = new_client()
        client.logs_in()
        client.sends(f"<iq type='set' id='1'><bind xmlns='{BIND}'>{inner}</bind></iq>")
        made.add(client.events[-1].full.resource)
    assert len(made) == 5
    assert min(map(len, made)) >= 22


OTHERWISE_WRITTEN = {
    "quotes": f'<bind xmlns="{BIND}"><resource>balcony</resource></bind>',
    "space": f"<bind xmlns='{BIND}' ><resource >balcony</resource>\n</bind>",
    "prefix": f"<b:bind xmlns:b='{BIND}'><b:resource>balcony</b:resource></b:bind>",
    "reference": f"<bind xmlns='{BIND}'><resource>b&#97;lcony</resource></bind>",
    "section": f"<bind xmlns='{BIND}'><resource><![CDATA[balcony]]></resource></bind>",
    "more": f"<bind xmlns='{BIND}'><resource>balcony</resource><more xmlns='urn:m'/></bind>",
}


@pytest.mark.parametrize("case", OTHERWISE_WRITTEN)
def test_a_bind_may_be_written_in_any_way(client: Any, case: str) -> None:
    client.logs_in()
    client.sends(f"<iq type='set' id='b1'>{OTHERWISE_WRITTEN[case]}</iq>")
    assert client.events[-1] == BindRequest(client.full)


def test_a_resource_is_what_characters_it_has(client: Any) -> None:
    client.logs_in()
    for resource, meant in (("r\u00e9sum\u00e9 'a'", "r\u00e9sum\u00e9 'a'"), ("a&amp;b", "a&b")):
        inner = f"<bind xmlns='{BIND}'><resource>{resource}</resource></bind>"
        client.sends(f"<iq type='set' id='b1'>{inner}</iq>")
        assert client.events[-1].full.resource == meant
        client.stream.bind_refused(StanzaError("conflict"))


MALFORMED = {
    "too long": "<resource>" + "x" * 1024 + "</resource>",
    "control character": "<resource>a&#x7f;</resource>",
    "two": "<resource>a</resource><resource>b</resource>",
    "markup": "<resource><b/></resource>",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_resource_is_a_bad_request_and_another_may_be_tried(
    client: Any, bind_iq: Callable[..., str], case: str
) -> None:
    client.logs_in()
    answer = client.sends(
        f"<iq type='set' id='1'><bind xmlns='{BIND}'>{MALFORMED[case]}</bind></iq>"
    )
    assert "<iq type='error' id='1'><error type='modify'><bad-request" in answer
    client.sends(bind_iq("balcony"))
    assert "<jid>" in client.opened()


@pytest.mark.parametrize(
    "iq",
    [
        f"<iq type='get' id='1'><bind xmlns='{BIND}'/></iq>",
        f"<iq type='set'><bind xmlns='{BIND}'/></iq>",
        f"<iq type='set' id='1'><bind xmlns='{BIND}'/><x xmlns='y'/></iq>",
    ],
)
def test_odd_bind_is_a_bad_request(client: Any, iq: str) -> None:
    client.logs_in()
    assert "<bad-request " in client.sends(iq)
    assert client.stream.state is State.KNOWN


def test_refused_session_is_told_and_the_stream_goes_on(
    client: Any, bind_iq: Callable[..., str]
) -> None:
    client.logs_in()
    client.sends(bind_iq("balcony"))
    answer = client.gets(client.stream.bind_refused(StanzaError("conflict")))
    assert "<conflict " in answer
    client.sends(bind_iq("garden"))
    assert "/garden</jid>" in client.opened()


def test_tenth_failed_bind_ends_the_stream(client: Any) -> None:
    client.logs_in()
    for attempt in range(10):
        assert client.error is None, attempt
        client.sends(f"<iq type='get' id='1'><bind xmlns='{BIND}'/></iq>")
    assert client.error == "policy-violation"


def test_second_bind_is_not_allowed(bound: Any, bind_iq: Callable[..., str]) -> None:
    assert re.search("<iq type='error' id='b1'.*<not-allowed ", bound.sends(bind_iq("other")))
    assert bound.events == []
    assert bound.stream.state is State.BOUND


def test_legacy_session_is_answered(bound: Any) -> None:
    answer = bound.sends(
        "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"
    )
    assert answer == "<iq type='result' id='s'/>"


@pytest.mark.parametrize("to", ["example.org", "juliet@example.org"])
def test_the_answer_comes_from_whom_was_asked(bound: Any, to: str) -> None:
    answer = bound.sends(
        f"<iq type='set' id='s' to='{to}'>"
        "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"
    )
    assert answer == f"<iq type='result' id='s' from='{to}'/>"


def test_stanzas_in_the_packet_of_the_bind_follow_it(
    client: Any, bind_iq: Callable[..., str]
) -> None:
    client.logs_in()
    client.sends(
        bind_iq("balcony")
        + "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"
        + "<presence/><message to='romeo@example.net'/>"
    )
    assert isinstance(client.events[-1], BindRequest)
    answer = client.opened()
    assert answer.index("<jid>") < answer.index("id='s'")
    presence, message = client.events[-2:]
    assert (presence.kind, message.kind) == ("presence", "message")
    assert presence.from_ == message.from_ == client.full


def test_nothing_is_kept_of_the_negotiation(bound: Any) -> None:
    stream = bound.stream
    kept = [getattr(stream, name) for name in ("_door", "_exchange", "_offered", "_request")]
    assert kept == [None] * 4
