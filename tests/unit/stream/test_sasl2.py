"""The extensible SASL profile, without sockets (XEP-0388)."""

from __future__ import annotations

import base64
import hmac
import re
from typing import Any

import pytest

from xmppd.jid import jid
from xmppd.stream.events import Authenticated, AuthFailed, LoggingIn
from xmppd.stream.features import StreamPolicy
from xmppd.stream.sasl import AskKeys, AskPassword, AskToken, ScramKeys
from xmppd.stream.states import State
from xmppd.xml import Element

SASL2 = "urn:xmpp:sasl:2"
FAST = "<fast xmlns='urn:xmpp:fast:0'/>"
PLAIN = b"\0juliet\0secret"
KEYS = ScramKeys(b"salt", 4096, b"", b"")
UUID = "d4565fa7-4d72-4749-b3d3-740edbf87770"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def authenticate(data: bytes | None, inner: str = "", mechanism: str = "PLAIN") -> str:
    initial = "" if data is None else f"<initial-response>{b64(data)}</initial-response>"
    return f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>{initial}{inner}</authenticate>"


def proved(client: Any, inner: str = "", user: str = "juliet") -> LoggingIn:
    """PLAIN, up to what the client is to be told."""
    client.opens()
    client.sends(authenticate(f"\0{user}\0secret".encode(), inner))
    client.gets(client.stream.verdict(True))
    assert client.gets(client.stream.keys(KEYS)) == ""
    last = client.events[-1]
    assert isinstance(last, LoggingIn)
    return last


def test_the_feature_names_the_mechanisms_of_the_old_profile_and_what_is_inline(
    new_client: Any,
) -> None:
    client = new_client(inline=lambda domain, tokens: f"<extra xmlns='urn:x' d='{domain}'/>")
    offer = client.opens()
    old, new = offer.split(f"<authentication xmlns='{SASL2}'>")
    assert offer.count("<mechanism>SCRAM-SHA-256-PLUS</mechanism>") == 2
    assert old.count("<mechanism>") == new.count("<mechanism>")
    assert "<inline><extra xmlns='urn:x' d='example.org'/></inline></authentication>" in new


def test_nothing_is_offered_before_tls(new_client: Any) -> None:
    client = new_client(secure=False)
    assert SASL2 not in client.opens()
    answer = client.sends(authenticate(b"\0juliet\0secret"))
    assert answer == (
        f"<failure xmlns='{SASL2}'><encryption-required"
        " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>"
    )


def test_success_says_who_one_is_and_features_follow_without_a_new_header(client: Any) -> None:
    asked = proved(client, f"<user-agent id='{UUID}'><software>A</software></user-agent>")
    assert (asked.agent.id, asked.agent.software, asked.agent.device) == (UUID, "A", "")
    answer = client.gets(client.stream.logged_in(jid("juliet@example.org")))
    success, features = answer.split("<stream:features>")
    assert success == (
        f"<success xmlns='{SASL2}'><authorization-identifier>juliet@example.org"
        "</authorization-identifier></success>"
    )
    assert "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>" in features
    assert "<stream:stream" not in answer
    assert client.events[-1] == Authenticated(jid("juliet@example.org"))
    assert client.stream.state is State.KNOWN


def test_a_bound_client_may_speak_at_once_and_what_it_said_too_early_counts(client: Any) -> None:
    proved(client)
    assert client.sends("<message to='romeo@example.org' id='early'/>") == ""
    answer = client.gets(client.stream.logged_in(jid("juliet@example.org/tag/x")))
    assert "juliet@example.org/tag/x</authorization-identifier>" in answer
    assert "xmpp-bind" not in answer
    early = client.events[-1]
    assert (early.id, early.from_) == ("early", "juliet@example.org/tag/x")
    assert client.stream.state is State.BOUND


def test_requests_are_those_of_other_namespaces(client: Any) -> None:
    asked = proved(client, "<bind xmlns='urn:xmpp:bind:0'><tag>T</tag></bind><x xmlns='urn:x'/>")
    assert [(each.ns, each.name) for each in asked.requests] == [
        ("urn:xmpp:bind:0", "bind"),
        ("urn:x", "x"),
    ]


def test_scram_has_challenge_response_and_additional_data(client: Any) -> None:
    client.opens()
    answer = client.sends(authenticate(b"n,,n=juliet,r=abc", mechanism="SCRAM-SHA-256"))
    assert answer == ""
    assert isinstance(client.events[-1], AskKeys)
    challenge = client.gets(client.stream.keys(KEYS))
    assert challenge.startswith(f"<challenge xmlns='{SASL2}'>")
    refused = client.sends(f"<response xmlns='{SASL2}'>{b64(b'c=biws,r=abc,p=AAAA')}</response>")
    assert refused.startswith(f"<failure xmlns='{SASL2}'><not-authorized ")


CASES = {
    "no mechanism": (f"<authenticate xmlns='{SASL2}'/>", "invalid-mechanism"),
    "unknown mechanism": (authenticate(b"x", mechanism="X"), "invalid-mechanism"),
    "token without fast": (authenticate(b"x", mechanism="HT-SHA-256-NONE"), "invalid-mechanism"),
    "password with fast": (authenticate(b"x", FAST), "invalid-mechanism"),
    "bad base64": (
        f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>=</initial-response>"
        "</authenticate>",
        "incorrect-encoding",
    ),
    "two responses": (authenticate(b"x", "<initial-response/>"), "malformed-request"),
    "odd child": (authenticate(b"x", "<odd/>"), "malformed-request"),
    "too many": (authenticate(b"x", "<x xmlns='urn:x'/>" * 17), "malformed-request"),
    "response to nothing": (f"<response xmlns='{SASL2}'/>", "malformed-request"),
    "abort of nothing": (f"<abort xmlns='{SASL2}'/>", "malformed-request"),
}


@pytest.mark.parametrize(("said", "condition"), CASES.values(), ids=CASES)
def test_what_is_wrong_fails_in_the_same_profile(client: Any, said: str, condition: str) -> None:
    client.opens()
    answer = client.sends(said)
    assert answer.startswith(f"<failure xmlns='{SASL2}'><{condition} xmlns='urn:ietf:params")
    assert client.events[-1] == AuthFailed(condition)
    assert client.stream.state is State.SECURED


def test_the_profiles_do_not_mix(client: Any) -> None:
    client.opens()
    client.sends(authenticate(None))
    answer = client.sends("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    assert "<malformed-request" in answer
    assert client.stream.state is State.SECURED


def test_three_failures_end_the_stream(client: Any) -> None:
    client.opens()
    for _ in range(3):
        client.sends(authenticate(b"x", mechanism="X"))
    assert client.error == "policy-violation"


def test_a_stream_from_somebody_else_fails(client: Any) -> None:
    client.sends(client.header.replace("to=", "from='romeo@example.org' to="))
    client.sends(authenticate(b"\0juliet\0secret"))
    client.gets(client.stream.verdict(True))
    assert "<invalid-authzid" in client.gets(client.stream.keys(KEYS))


def test_a_login_that_cannot_be_finished_is_a_temporary_failure(client: Any) -> None:
    proved(client)
    assert "<temporary-auth-failure" in client.gets(client.stream.refuse_login())
    assert client.stream.state is State.SECURED


def test_abort(client: Any) -> None:
    client.opens()
    client.sends(authenticate(None))
    assert client.sends(f"<abort xmlns='{SASL2}'/>").startswith(
        f"<failure xmlns='{SASL2}'><aborted "
    )


def test_an_abort_may_say_why(client: Any) -> None:
    client.opens()
    client.sends(authenticate(None))
    why = "<text>no</text><x xmlns='urn:x'/>"
    assert "<aborted " in client.sends(f"<abort xmlns='{SASL2}'>{why}</abort>")


def test_a_second_login_is_refused(client: Any) -> None:
    proved(client)
    client.gets(client.stream.logged_in(jid("juliet@example.org")))
    client.sends(authenticate(b"\0juliet\0secret"))
    assert client.error == "not-authorized"


@pytest.mark.parametrize(
    ("mechanism", "bound"), [("HT-SHA-256-NONE", b""), ("HT-SHA-512-EXPR", b"bound")]
)
def test_a_token_is_proved_by_one_message_each_way(
    client: Any, mechanism: str, bound: bytes
) -> None:
    digest = "sha256" if "256" in mechanism else "sha512"
    client.opens()
    proof = hmac.digest(b"token", b"Initiator" + bound, digest)
    client.sends(authenticate(b"juliet\0" + proof, FAST, mechanism))
    asked = client.events[-1]
    assert isinstance(asked, AskToken)
    assert not asked.matches(b"other")
    assert asked.matches(b"token")
    client.gets(client.stream.token(b"token"))
    client.gets(client.stream.keys(KEYS))
    entering = client.events[-1]
    assert isinstance(entering, LoggingIn)
    assert entering.token == b"token"
    answer = client.gets(client.stream.logged_in(jid("juliet@example.org")))
    said = b64(hmac.digest(b"token", b"Responder" + bound, digest))
    assert f"<additional-data>{said}</additional-data>" in answer


@pytest.mark.parametrize("message", [b"juliet", b"juliet\0", b"\xff\0x", b""])
def test_a_malformed_token_message(client: Any, message: bytes) -> None:
    client.opens()
    answer = client.sends(authenticate(message, FAST, "HT-SHA-256-NONE"))
    assert "<malformed-request" in answer


def test_a_token_for_another_account_state_is_refused(client: Any) -> None:
    """A disabled account stays out, whatever it has."""
    client.opens()
    proof = hmac.digest(b"token", b"Initiator", "sha256")
    client.sends(authenticate(b"juliet\0" + proof, FAST, "HT-SHA-256-NONE"))
    client.gets(client.stream.token(b"token"))
    disabled = ScramKeys(b"salt", 4096, b"", b"", refusal="account-disabled")
    assert "<account-disabled" in client.gets(client.stream.keys(disabled))


def test_plain_without_an_initial_response_is_asked_for_it(client: Any) -> None:
    client.opens()
    assert client.sends(authenticate(None)) == f"<challenge xmlns='{SASL2}'/>"
    client.sends(f"<response xmlns='{SASL2}'>{b64(PLAIN)}</response>")
    assert isinstance(client.events[-1], AskPassword)


# Tasks before the success (XEP-0388 §2.6.3)

NEXT = f"<next xmlns='{SASL2}' task='TOTP'><code xmlns='urn:t'>1</code></next>"
DATA = f"<task-data xmlns='{SASL2}'><code xmlns='urn:t'>2</code></task-data>"


def asked(client: Any) -> str:
    """Logged in by a token, which is answered, up to the choice of a task."""
    client.opens()
    proof = hmac.digest(b"token", b"Initiator", "sha256")
    client.sends(authenticate(b"juliet\0" + proof, FAST, "HT-SHA-256-NONE"))
    client.gets(client.stream.token(b"token"))
    client.gets(client.stream.keys(KEYS))
    return str(client.gets(client.stream.ask_tasks(["TOTP", "HOTP"], "a second factor")))


def test_a_task_is_asked_for_begun_answered_and_done(client: Any) -> None:
    said = b64(hmac.digest(b"token", b"Responder", "sha256"))
    assert asked(client) == (
        f"<continue xmlns='{SASL2}'><additional-data>{said}</additional-data>"
        "<tasks><task>TOTP</task><task>HOTP</task></tasks><text>a second factor</text></continue>"
    )
    assert client.sends(NEXT) == ""
    begun = client.events[-1]
    assert (begun.name, [each.text for each in begun.given]) == ("TOTP", ["1"])
    answer = client.gets(client.stream.task_data([Element("urn:t", "salt")]))
    assert answer == f"<task-data xmlns='{SASL2}'><salt xmlns='urn:t'/></task-data>"
    assert client.sends(DATA) == ""
    assert [each.text for each in client.events[-1].given] == ["2"]
    done = client.gets(client.stream.logged_in(jid("juliet@example.org")))
    assert done.startswith(f"<success xmlns='{SASL2}'><authorization-identifier>")  # told once
    assert client.stream.state is State.KNOWN


def test_one_task_may_follow_upon_another(client: Any) -> None:
    asked(client)
    client.sends(NEXT)
    answer = client.gets(client.stream.ask_tasks(["SECOND"]))
    assert answer == f"<continue xmlns='{SASL2}'><tasks><task>SECOND</task></tasks></continue>"
    client.sends(NEXT.replace("TOTP", "SECOND"))
    assert "<success" in client.gets(client.stream.logged_in(jid("juliet@example.org")))


def test_a_task_that_fails_ends_the_attempt_and_another_may_begin(client: Any) -> None:
    asked(client)
    client.sends(NEXT)
    answer = client.gets(client.stream.refuse_login("not-authorized", "wrong code"))
    assert "<not-authorized " in answer
    assert "<text>wrong code</text>" in answer
    assert client.events[-1] == AuthFailed("not-authorized")
    assert client.stream.state is State.SECURED
    assert "<success" not in client.gets(client.stream.logged_in(jid("juliet@example.org")))


@pytest.mark.parametrize("begun", [False, True])
def test_a_client_may_give_up_within_its_tasks(client: Any, begun: bool) -> None:
    asked(client)
    if begun:
        client.sends(NEXT)
        client.gets(client.stream.task_data([]))
    assert "<aborted " in client.sends(f"<abort xmlns='{SASL2}'/>")
    assert client.stream.state is State.SECURED


OUT_OF_TURN = {
    "authenticate": (authenticate(PLAIN), "policy-violation"),
    "auth": ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "policy-violation"),
    "data of no task": (DATA, "policy-violation"),
    "a message": ("<message to='romeo@example.org'/>", "not-authorized"),
    "a bind": (
        "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        "not-authorized",
    ),
    "of another protocol": ("<enable xmlns='urn:xmpp:sm:3'/>", "not-authorized"),
}


@pytest.mark.parametrize(("said", "condition"), OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_nothing_but_a_task_may_be_begun(client: Any, said: str, condition: str) -> None:
    """XEP-0388 §2.4, §4.8: anything else ends the stream."""
    asked(client)
    client.sends(said)
    assert client.error == condition


def test_a_task_without_a_login_ends_the_stream(client: Any) -> None:
    client.opens()
    client.sends(NEXT)
    assert client.error == "policy-violation"


def test_features_may_say_more_about_the_login_under_tls(new_client: Any) -> None:
    def more(domain: str, names: tuple[str, ...]) -> str:
        return f"<more xmlns='urn:x' of='{len(names)}'/>"

    offer = new_client(login=more).opens()
    assert "<more xmlns='urn:x' of='5'/></authentication>" in offer
    policy = StreamPolicy(tls_required=False)
    in_clear = new_client(login=more, secure=False, policy=policy).opens()
    assert "<mechanism>" in in_clear
    assert "<more " not in in_clear


# Pipelining (XEP-0509)


def version_in(offer: str) -> str:
    found = re.search(
        "<config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='(.*?)'", offer
    )
    assert found, offer
    return found[1]


def known(version: str) -> str:
    return f"<config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='{version}'/>"


def test_the_version_of_the_features_is_that_of_all_who_see_the_same(new_client: Any) -> None:
    version = version_in(new_client().opens())
    assert version_in(new_client().opens()) == version
    more = new_client(features=lambda domain, state: "<more xmlns='urn:x'/>")
    assert version_in(more.opens()) != version


def test_who_knows_the_version_says_all_at_once(new_client: Any) -> None:
    version = version_in(new_client().opens())
    client = new_client()
    client.sends(client.header + authenticate(PLAIN, known(version)))
    assert isinstance(client.events[-1], AskPassword)


def test_who_knows_another_is_told_so_without_prejudice(client: Any) -> None:
    heard = client.sends(client.header + authenticate(PLAIN, known("old")))
    assert "</stream:features>" in heard
    assert heard.endswith(
        f"<failure xmlns='{SASL2}'><aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
        "<config-version-mismatch xmlns='urn:xmpp:iap:0'/>"
        "<text>the features are not those that you know</text></failure>"
    )
    for _ in range(5):  # more than attempts may fail
        client.sends(authenticate(PLAIN, known("")))
    assert client.error is None
    assert not any(isinstance(event, AskPassword) for event in client.events)
    client.sends(authenticate(PLAIN, known(version_in(heard))))
    assert isinstance(client.events[-1], AskPassword)


def test_where_nothing_is_offered_there_is_no_version(new_client: Any) -> None:
    client = new_client(secure=False)
    assert "config-version" not in client.opens()
    assert "<encryption-required" in client.sends(authenticate(PLAIN, known("old")))


def test_an_authenticated_stream_has_no_version(client: Any) -> None:
    assert "config-version" not in client.logs_in()
