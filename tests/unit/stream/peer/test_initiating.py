"""The connecting end: what it asks for, what it believes, and both ends together."""

from typing import Any

import pytest

from tests.support.streams import HOSTS, MESSAGE, OPEN, SASL, TLS, Initiator, key_of, policy, talk
from xmppd.stanza import Message, StanzaError
from xmppd.stream import dialback
from xmppd.stream.dialback import Pair, VerifyRequest
from xmppd.stream.events import StartTLS
from xmppd.stream.peer import (
    InitiatingStream,
    Negotiated,
    PeerMaySend,
    ReceivingStream,
    Refused,
    State,
    Verified,
    WeMaySend,
)

PAIR = Pair("capulet.example", "montague.example")
OFFERS_TLS = f"<starttls xmlns='{TLS}'/>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
EXTERNAL = f"<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
BIDI = "<bidi xmlns='urn:xmpp:features:bidi'/>"
SM = "<sm xmlns='urn:xmpp:sm:3'/>"
ANSWER = "<db:result from='montague.example' to='capulet.example' type='{}'/>"
BACK = MESSAGE.replace("juliet@capulet.example/b", "r@montague.example").replace(
    "romeo@montague.example", "juliet@capulet.example"
)


def negotiated(features: str = DIALBACK, **wishes: Any) -> Initiator:
    us = Initiator(**wishes)
    us.hears_header(features)
    return us


def asked(**wishes: Any) -> Initiator:
    us = negotiated(**wishes)
    assert us.stream.ask(PAIR)
    us.stream.take()
    return us


def test_the_header_says_whom_we_want_and_has_no_id() -> None:
    said = Initiator().said
    assert " from='capulet.example' to='montague.example' version='1.0'" in said
    assert " id=" not in said
    assert "xmlns:db='jabber:server:dialback'" in said


@pytest.mark.parametrize(
    "header, condition",
    [
        (f"{OPEN} from='other.example' version='1.0' id='1'>", "invalid-from"),
        (f"{OPEN} to='other.example' version='1.0' id='1'>", "host-unknown"),
        (f"{OPEN} version='0.5' id='1'>", "unsupported-version"),
        (f"{OPEN} id='1'>".replace("jabber:server'", "jabber:client'", 1), "invalid-namespace"),
    ],
)
def test_an_answer_that_is_not_from_there(header: str, condition: str) -> None:
    us = Initiator()
    us.sends(header)
    assert us.error == condition


def test_tls_comes_first() -> None:
    us = Initiator(secure=False)
    assert us.hears_header(OFFERS_TLS + EXTERNAL) == f"<starttls xmlns='{TLS}'/>"
    answer = us.sends(f"<proceed xmlns='{TLS}'/><injected/>")
    assert len(us.of(StartTLS)) == 1
    assert answer.startswith("<?xml version='1.0'?><stream:stream")  # anew, under TLS


def test_without_tls_there_is_nothing_where_it_is_required() -> None:
    us = Initiator(secure=False)
    us.hears_header(DIALBACK)
    assert us.error == "policy-violation"
    us = Initiator(secure=False, tls_required=False)
    us.hears_header(DIALBACK)
    assert us.of(Negotiated) == [Negotiated(False, True)]


def test_a_server_of_the_time_before_features() -> None:
    us = Initiator(secure=False, tls_required=False)
    us.sends(f"{OPEN} id='1'>")
    assert us.of(Negotiated) == [Negotiated(False, True)]
    us = Initiator(secure=False)
    us.sends(f"{OPEN} id='1'>")
    assert us.error == "unsupported-version"


def test_refused_tls_is_the_end() -> None:
    us = Initiator(secure=False)
    us.hears_header(OFFERS_TLS)
    us.sends(f"<failure xmlns='{TLS}'/>")
    assert us.error == "policy-violation"


def test_external_authenticates_and_the_stream_begins_anew() -> None:
    us = Initiator()
    said = us.hears_header(EXTERNAL + DIALBACK)
    assert said == f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>"
    assert us.sends(f"<success xmlns='{SASL}'/>").startswith("<?xml")
    assert us.hears_header(SM) == "<enable xmlns='urn:xmpp:sm:3'/>"
    assert us.of(WeMaySend) == [WeMaySend(PAIR, "EXTERNAL")]
    assert us.of(Negotiated) == [Negotiated(True, True)]


def test_a_challenge_is_answered() -> None:
    us = negotiated(EXTERNAL)
    said = us.sends(f"<challenge xmlns='{SASL}'/>")
    assert said == f"<response xmlns='{SASL}'>Y2FwdWxldC5leGFtcGxl</response>"


def test_after_a_failure_dialback_may_do() -> None:
    us = negotiated(EXTERNAL + DIALBACK)
    us.sends(f"<failure xmlns='{SASL}'><not-authorized/></failure>")
    (event,) = us.of(Negotiated)
    assert (event.authenticated, event.dialback) == (False, True)
    assert "not-authorized" in event.why
    assert us.stream.ask(PAIR)


def test_success_that_was_not_asked_for_is_none() -> None:
    us = negotiated(DIALBACK)
    us.sends(f"<success xmlns='{SASL}'/>")
    assert us.error == "unsupported-stanza-type"
    assert us.of(WeMaySend) == []


# Dialback


def test_a_key_is_bound_to_the_streams_id() -> None:
    us = negotiated()
    assert us.stream.ask(PAIR)
    key = dialback.key(b"capulet", "montague.example", "capulet.example", "s1")
    assert us.stream.take().decode() == (
        f"<db:result from='capulet.example' to='montague.example'>{key}</db:result>"
    )
    assert not us.stream.ask(PAIR)  # one at a time


def test_a_valid_answer_lets_us_send() -> None:
    us = asked()
    us.sends(ANSWER.format("valid"))
    assert us.of(WeMaySend) == [WeMaySend(PAIR, "dialback")]
    assert us.stream.state is State.TRUSTED


@pytest.mark.parametrize(
    "answer, condition",
    [
        (ANSWER.format("invalid"), "internal-server-error"),
        (ANSWER.format("error"), "remote-server-timeout"),
        (
            ANSWER.format("error").replace("/>", ">") + "<error type='cancel'><item-not-found"
            " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
            "remote-server-timeout",
        ),
    ],
)
def test_a_refusal_tells_what_the_senders_are_told(answer: str, condition: str) -> None:
    us = asked()
    us.sends(answer)
    (refused,) = us.of(Refused)
    assert (refused.pair, refused.error.condition) == (PAIR, condition)
    assert us.of(WeMaySend) == []
    assert us.closed is None


@pytest.mark.parametrize(
    "said",
    [
        ANSWER.format("valid"),
        ANSWER.format("valid").replace("capulet", "other"),
        "<db:verify from='montague.example' to='capulet.example' id='9' type='valid'/>",
    ],
)
def test_answers_that_nobody_asked_for_change_nothing(said: str) -> None:
    us = negotiated()
    us.sends(said)
    assert us.of(WeMaySend) == us.of(Verified) == []
    us.sends(BACK)
    assert us.error == "not-authorized"


def test_requests_in_the_wrong_direction_end_the_stream() -> None:
    us = asked()
    us.sends("<db:result from='montague.example' to='capulet.example'>key</db:result>")
    assert us.error == "policy-violation"


def test_where_there_is_no_dialback_no_key_is_sent() -> None:
    us = negotiated("")
    us.stream.does_dialback = False  # type: ignore[attr-defined]
    assert not us.stream.ask(PAIR)
    us = Initiator()
    us.hears_header(DIALBACK, more="")  # and where the stream has no id
    assert not us.stream.ask(PAIR)


def test_a_question_about_a_key_and_its_answers() -> None:
    us = negotiated()
    request = VerifyRequest("montague.example", "capulet.example", "x7", "key")
    answer = "<db:verify from='montague.example' to='capulet.example' id='x7' type='{}'/>"
    for type_, valid in (("valid", True), ("invalid", False)):
        us.stream.verify(request)  # type: ignore[attr-defined]
        assert us.stream.take() == (
            b"<db:verify from='capulet.example' to='montague.example' id='x7'>key</db:verify>"
        )
        us.sends(answer.format(type_).replace("x7", "other"))
        us.sends(answer.format(type_))
        assert us.of(Verified)[-1] == Verified(request, valid)
    assert len(us.of(Verified)) == 2
    assert us.stream.verifying == 0  # type: ignore[attr-defined]


# Bidirectional streams


def test_stanzas_come_back_only_with_bidi() -> None:
    us = asked()
    us.sends(ANSWER.format("valid"))
    us.sends(BACK)
    assert us.error == "invalid-from"
    us = Initiator()
    assert "<bidi xmlns='urn:xmpp:bidi'><limits" in us.hears_header(DIALBACK + BIDI)
    us.stream.ask(PAIR)
    us.sends(ANSWER.format("valid") + BACK)  # in the same bytes
    assert us.of(PeerMaySend) == [PeerMaySend(PAIR.inverse, "bidi")]
    assert us.of(Message)[0].from_ == "r@montague.example"


def test_keys_that_come_back_are_not_taken() -> None:
    us = negotiated(DIALBACK + BIDI)
    said = us.sends("<db:result from='montague.example' to='capulet.example'>k</db:result>")
    assert "<not-acceptable" in said
    key = dialback.key(b"capulet", "montague.example", "capulet.example", "1")
    verify = f"<db:verify from='montague.example' to='capulet.example' id='1'>{key}</db:verify>"
    assert "type='valid'" in us.sends(verify)
    assert "<item-not-found" in us.sends(verify.replace("to='capulet", "to='other"))


# What the peer announces, and acknowledgements


def test_the_peers_limit_is_known() -> None:
    limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>{}</max-bytes></limits>"
    assert negotiated(limits.format(20000)).stream.max_bytes == 20000
    assert negotiated(limits.format(5)).stream.max_bytes == 10000  # RFC 6120 §13.12
    assert negotiated(limits.format("many")).stream.max_bytes is None


def test_acknowledgements_that_the_peer_refuses_are_not_waited_for() -> None:
    us = Initiator()
    us.hears_header(EXTERNAL)
    us.sends(f"<success xmlns='{SASL}'/>")
    us.hears_header(SM)
    us.sends("<failed xmlns='urn:xmpp:sm:3'/>")
    assert us.stream.management is None
    assert us.closed is None


def test_a_stream_error_of_the_peer_is_told_in_words() -> None:
    us = negotiated()
    us.sends(
        "<stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>moved</text></stream:error>"
    )
    assert us.closed is not None
    assert us.closed.peer_error == "host-gone ('moved')"


# Both ends


@pytest.mark.parametrize("bidi", [False, True])
@pytest.mark.parametrize("proven", [False, True])
def test_the_two_ends_understand_each_other(bidi: bool, proven: bool) -> None:
    us = InitiatingStream(
        "capulet.example", "montague.example", policy(bidi=bidi), key_of(b"c"), secure=True
    )
    they = ReceivingStream(
        HOSTS, lambda ours, theirs: policy(bidi=bidi), key_of(b"m"), secure=True
    )
    mine, its = talk(us, they, proven=proven, judge=None)
    if not proven:
        assert us.ask(PAIR)
        more = talk_on(us, they)
        mine, its = mine + more[0], its + more[1]
    how = "EXTERNAL" if proven else "dialback"
    assert WeMaySend(PAIR, how) in mine
    assert PeerMaySend(PAIR, how) in its
    assert (WeMaySend(PAIR.inverse, "bidi") in its) == bidi
    assert (PeerMaySend(PAIR.inverse, "bidi") in mine) == bidi
    assert (us.management is not None) == (they.management is not None) == proven


def talk_on(us: InitiatingStream, they: ReceivingStream) -> tuple[list[Any], list[Any]]:
    its: list[Any] = they.receive(us.take())
    for event in list(its):
        its += they.judged(event.pair, None, how="dialback")
    return us.receive(they.take()), its


def test_what_one_end_refuses_the_other_hears() -> None:
    us = InitiatingStream(
        "capulet.example", "montague.example", policy(), key_of(b"c"), secure=True
    )
    they = ReceivingStream(HOSTS, lambda ours, theirs: policy(), key_of(b"m"), secure=True)
    talk(us, they, proven=False, judge=None)
    us.ask(PAIR)
    they.receive(us.take())
    they.judged(PAIR, StanzaError("not-authorized", "a certificate is required"))
    (refused,) = us.receive(they.take())
    assert isinstance(refused, Refused)
    assert "not-authorized" in refused.why


@pytest.mark.parametrize("more", [MESSAGE, "<!DOCTYPE x>", "</stream:stream>"])
def test_no_key_is_sent_where_what_came_with_the_features_has_ended_the_stream(more: str) -> None:
    us = Initiator()
    us.sends(
        f"{OPEN} from='montague.example' to='capulet.example' version='1.0' id='s1'>"
        f"<stream:features>{DIALBACK}</stream:features>{more}"
    )
    assert us.of(Negotiated)
    assert us.stream.state is State.CLOSED
    assert not us.stream.ask(PAIR)
