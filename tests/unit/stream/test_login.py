"""SASL on a client's stream (RFC 6120 §6): elements, order, failures. The mechanisms have tests
of their own.
"""

from collections.abc import Callable
from typing import Any

import pytest

from xmppd.jid import jid
from xmppd.ns import SASL
from xmppd.stanza import StanzaError
from xmppd.stream.events import Authenticated, AuthFailed, EarlyIQ
from xmppd.stream.features import StreamPolicy
from xmppd.stream.sasl import AskKeys, AskPassword
from xmppd.stream.states import State
from xmppd.xml import Element, StreamError

FIRST = "biwsbj1qdWxpZXQscj1hYmNkZWY="  # n,,n=juliet,r=abcdef


def auth(mechanism: str | None, text: str = "") -> str:
    named = "" if mechanism is None else f" mechanism='{mechanism}'"
    return f"<auth xmlns='{SASL}'{named}>{text}</auth>"


def response(text: str = "") -> str:
    return f"<response xmlns='{SASL}'>{text}</response>"


def failure(condition: str) -> str:
    return f"<failure xmlns='{SASL}'><{condition}/>"


def test_mechanisms_are_offered_with_their_channel_bindings(client: Any) -> None:
    offer = client.opens()
    bindings = offer.index("<channel-binding type='tls-exporter'/>")
    assert bindings < offer.index("<mechanisms ")
    assert "<mechanism>SCRAM-SHA-256-PLUS</mechanism>" in offer
    assert "urn:ietf:params:xml:ns:xmpp-bind" not in offer


def test_right_password_leads_to_a_new_stream_with_bind(
    client: Any, plain_auth: Callable[..., str]
) -> None:
    client.opens()
    assert client.sends(plain_auth()) == ""
    assert client.events == [AskPassword("juliet", "secret")]
    assert client.verified() == f"<success xmlns='{SASL}'/>"
    assert client.events[-1] == Authenticated(jid("juliet@example.org"))
    offer = client.opens()
    assert "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>" in offer
    assert "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>" in offer
    assert "mechanism" not in offer


def test_wrong_password_is_not_authorized_and_may_be_tried_again(
    client: Any, plain_auth: Callable[..., str]
) -> None:
    client.opens()
    client.sends(plain_auth())
    assert client.gets(client.stream.verdict(False)).startswith(failure("not-authorized"))
    assert client.events[-1] == AuthFailed("not-authorized")
    client.sends(plain_auth())
    assert client.verified().startswith("<success")


def test_scram_asks_for_keys_and_challenges(client: Any) -> None:
    client.opens()
    assert client.sends(auth("SCRAM-SHA-256", FIRST)) == ""
    asked = client.events[-1]
    assert asked == AskKeys("juliet", "SHA-256")


REFUSED = {
    "no mechanism": ("invalid-mechanism", auth(None)),
    "empty mechanism": ("invalid-mechanism", auth("")),
    "unknown mechanism": ("invalid-mechanism", auth("CRAM-MD5")),
    "lower case": ("invalid-mechanism", auth("plain")),
    "with a space": ("invalid-mechanism", auth(" PLAIN")),
    "not offered": ("invalid-mechanism", auth("ANONYMOUS", "=")),
    "no base64": ("incorrect-encoding", auth("PLAIN", "&amp;&amp;&amp;")),
    "base64 with whitespace": ("incorrect-encoding", auth("PLAIN", "AGp1 bGll")),
    "missing padding": ("incorrect-encoding", auth("PLAIN", "AGp1bGlldAByMG0zMG15cjBtMzA")),
    "one equals sign too many": ("incorrect-encoding", auth("PLAIN", "==")),
    "empty PLAIN": ("malformed-request", auth("PLAIN", "=")),
    "PLAIN without NUL": ("malformed-request", auth("PLAIN", "anVsaWV0")),
    "a child": ("malformed-request", auth("PLAIN", "<x xmlns='y'/>")),
    "a child beside data": ("malformed-request", auth("PLAIN", "AGp1<x/>")),
    "response to nothing": ("malformed-request", response("AAAA")),
    "abort of nothing": ("aborted", f"<abort xmlns='{SASL}'/>"),
    "11 KiB": ("malformed-request", auth("PLAIN", "A" * 14000)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_its_condition_and_the_stream_goes_on(client: Any, case: str) -> None:
    condition, sent = REFUSED[case]
    client.opens()
    assert client.sends(sent).startswith(failure(condition))
    assert client.events == [AuthFailed(condition)]
    assert client.stream.state is State.SECURED


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_without_tls_encryption_is_required(new_client: Any, mechanism: str) -> None:
    client = new_client(secure=False)
    client.opens()
    assert client.sends(auth(mechanism, FIRST)).startswith(failure("encryption-required"))
    assert client.stream.state is State.CONNECTED


def test_in_the_clear_a_permitted_exchange_may_fail_and_tls_still_begin(new_client: Any) -> None:
    client = new_client(secure=False, policy=StreamPolicy(tls_required=False))
    client.opens()
    client.sends(auth("SCRAM-SHA-1", "####"))
    assert client.stream.state is State.CONNECTED
    assert "<proceed" in client.sends("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")


def test_no_initial_response_is_asked_for_by_an_empty_challenge(client: Any) -> None:
    client.opens()
    assert client.sends(auth("PLAIN")) == f"<challenge xmlns='{SASL}'/>"
    client.sends(response("AGp1bGlldABzZWNyZXQ="))
    assert client.events[-1] == AskPassword("juliet", "secret")


def test_third_failure_ends_the_stream(client: Any) -> None:
    client.opens()
    for _ in range(2):
        client.sends(auth("FOO"))
    answer = client.sends(auth("FOO"))
    assert answer.startswith(failure("invalid-mechanism"))
    assert client.error == "policy-violation"


def test_abort_ends_the_exchange(client: Any) -> None:
    client.opens()
    client.sends(auth("PLAIN"))
    assert client.sends(f"<abort xmlns='{SASL}'/>").startswith(failure("aborted"))
    assert client.sends(response("AGp1bGlldABzZWNyZXQ=")).startswith(failure("malformed-request"))


def test_second_auth_kills_the_first_exchange_and_begins_another(client: Any) -> None:
    client.opens()
    client.sends(auth("SCRAM-SHA-256", FIRST))
    client.gets(client.stream.refuse_login())
    client.sends(auth("PLAIN"))
    assert client.sends(auth("SCRAM-SHA-1", FIRST)) == ""  # §6.4.2
    assert client.events[-1] == AskKeys("juliet", "SHA-1")


def test_failed_second_auth_leaves_no_exchange_behind(client: Any) -> None:
    client.opens()
    client.sends(auth("PLAIN"))
    client.sends(auth("FOO"))
    assert client.sends(response("AGp1bGlldABzZWNyZXQ=")).startswith(failure("malformed-request"))


def test_accounts_out_of_reach_are_a_temporary_failure(
    client: Any, plain_auth: Callable[..., str]
) -> None:
    client.opens()
    client.sends(plain_auth())
    assert client.gets(client.stream.refuse_login()).startswith(failure("temporary-auth-failure"))


def test_answer_that_comes_after_the_end_is_dropped(
    client: Any, plain_auth: Callable[..., str]
) -> None:
    client.opens()
    client.sends(plain_auth())
    client.stream.fail(StreamError("connection-timeout"))
    client.stream.take()
    assert client.gets(client.stream.verdict(True)) == ""
    assert client.stream.state is State.CLOSED


LATE = {
    "a second login": auth("PLAIN", "AGp1bGlldABzZWNyZXQ="),
    "a response": response("AAAA"),
    "a message": "<message to='a@example.org'/>",
    "a roster request": "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
}


@pytest.mark.parametrize("case", LATE)
def test_after_login_before_the_restart_is_not_authorized(
    client: Any, plain_auth: Callable[..., str], case: str
) -> None:
    client.opens()
    client.sends(plain_auth())
    client.verified()
    answer = client.sends(LATE[case])
    assert answer.count("<stream:stream ") == 1
    assert client.error in ("not-authorized", "invalid-namespace")


@pytest.mark.parametrize("case", LATE)
def test_between_login_and_bind_is_not_authorized(client: Any, case: str) -> None:
    client.logs_in()
    client.sends(LATE[case])
    assert client.error == "not-authorized"


@pytest.mark.parametrize("case", LATE)
def test_what_came_with_the_password_is_held_back_and_then_not_authorized(
    client: Any, plain_auth: Callable[..., str], case: str
) -> None:
    client.opens()
    assert client.sends(plain_auth() + LATE[case]) == ""
    client.verified()
    assert client.error == "not-authorized"


def test_held_back_input_is_bounded(client: Any, plain_auth: Callable[..., str]) -> None:
    client.opens()
    client.sends(plain_auth())
    for _ in range(40):
        client.sends("<message><body>" + "x" * 10000 + "</body></message>")
    assert client.error == "policy-violation"


def test_user_of_a_protected_header_must_be_the_one_that_logs_in(
    client: Any, plain_auth: Callable[..., str]
) -> None:
    client.sends(client.header.replace(" to=", " from='romeo@example.org' to="))
    client.sends(plain_auth())
    client.verified()
    assert client.error == "invalid-from"
    assert "<success" not in client.heard


def test_a_header_from_a_machine_names_no_user(
    client: Any, plain_auth: Callable[..., str]
) -> None:
    client.header = client.header.replace(" to=", " from='localhost' to=")
    client.sends(client.header)
    client.sends(plain_auth())
    client.verified()
    client.sends(client.header)
    assert client.error is None
    assert client.stream.state is State.KNOWN


@pytest.mark.parametrize(
    "attrs, condition",
    [
        (" from='romeo@example.org' to='example.org'", "invalid-from"),
        (" to='example.net'", "not-authorized"),
    ],
)
def test_header_after_login_speaks_of_the_same_user_and_host(
    client: Any, plain_auth: Callable[..., str], attrs: str, condition: str
) -> None:
    client.opens()
    client.sends(plain_auth())
    client.verified()
    client.sends(client.header.replace(" to='example.org'", attrs))
    assert client.error == condition


def test_limits_are_announced_before_and_after_login(new_client: Any) -> None:
    policy = StreamPolicy(idle_s=300, login_s=30)
    before = new_client(policy=policy).opens()
    assert "<max-bytes>16384</max-bytes><idle-seconds>30</idle-seconds>" in before
    after = new_client(policy=policy).logs_in()
    assert "<max-bytes>262144</max-bytes><idle-seconds>300</idle-seconds>" in after


def test_no_limit_of_time_is_announced_where_there_is_none(new_client: Any) -> None:
    assert "idle-seconds" not in new_client().opens() + new_client().logs_in()


def test_modules_add_features_before_mechanisms_and_before_bind(new_client: Any) -> None:
    client = new_client(features=lambda domain, state: f"<x xmlns='urn:x' for='{domain}'/>")
    before = client.opens()
    assert before.index("<x xmlns='urn:x' for='example.org'/>") < before.index("<mechanisms")


class TestEarlyIQ:
    """IQs before login, which in-band registration needs (XEP-0077 §3.1)."""

    GET = "<iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>"

    @pytest.fixture
    def client(self, new_client: Any) -> Any:
        made = new_client(early=lambda domain, ns, name: ns == "jabber:iq:register")
        made.opens()
        return made

    def test_is_answered_by_the_host(self, client: Any) -> None:
        assert client.sends(self.GET) == ""
        (event,) = client.events
        assert isinstance(event, EarlyIQ)
        assert event.iq.payloads == (("jabber:iq:register", "query"),)
        answer = client.gets(client.stream.answer_early(Element("jabber:iq:register", "query")))
        assert answer.startswith("<iq type='result' id='r1' from='example.org'>")
        assert client.stream.state is State.SECURED

    def test_may_be_refused(self, client: Any) -> None:
        client.sends(self.GET)
        answer = client.gets(client.stream.answer_early(StanzaError("conflict")))
        assert "<conflict " in answer

    def test_of_another_namespace_is_not_authorized(self, client: Any) -> None:
        client.sends(self.GET.replace("jabber:iq:register", "jabber:iq:auth"))
        assert client.error == "not-authorized"

    def test_for_another_host_is_not_authorized(self, client: Any) -> None:
        client.sends(self.GET.replace("<iq", "<iq to='example.com'"))
        assert client.error == "not-authorized"

    def test_malformed_is_a_bad_request(self, client: Any) -> None:
        answer = client.sends(self.GET.replace(" id='r1'", ""))
        assert "<bad-request " in answer

    def test_is_answered_a_limited_number_of_times(self, client: Any) -> None:
        for _ in range(30):
            client.sends(self.GET)
            client.gets(client.stream.answer_early(None))
        assert client.error == "policy-violation"

    def test_is_not_answered_without_tls(self, new_client: Any) -> None:
        client = new_client(secure=False, early=lambda domain, ns, name: True)
        client.opens()
        client.sends(self.GET)
        assert client.error == "not-authorized"
