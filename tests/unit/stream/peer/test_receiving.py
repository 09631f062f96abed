"""The accepting end: headers, TLS, EXTERNAL, dialback, who may send what."""

import pytest

from tests.support.streams import EXTERNAL, HEADER, KEY, MESSAGE, OPEN, SASL, TLS, Receiver
from xmppd.stanza import Message, StanzaError
from xmppd.stream import dialback
from xmppd.stream.dialback import Pair
from xmppd.stream.peer import JudgeKey, PeerMaySend, State, WeMaySend

PAIR = Pair("capulet.example", "montague.example")
CHAT = Pair("capulet.example", "chat.montague.example")
STARTTLS = f"<starttls xmlns='{TLS}'/>"
BY_PREFIX = "xmlns:s='jabber:server' s:from='m@x'"
BIDI = "<bidi xmlns='urn:xmpp:bidi'/>"
CHAT_KEY = "<db:result from='capulet.example' to='chat.montague.example'>k</db:result>"


def header(**attrs: str) -> str:
    given = {"from": "capulet.example", "to": "montague.example", "version": "1.0", **attrs}
    return OPEN + "".join(f" {k}='{v}'" for k, v in given.items() if v is not None) + ">"


def authenticated(**wishes: object) -> Receiver:
    peer = Receiver(proven=("capulet.example",), **wishes)  # type: ignore[arg-type]
    peer.authenticates()
    return peer


def verified(**wishes: object) -> Receiver:
    peer = Receiver(judge=None, **wishes)  # type: ignore[arg-type]
    peer.sends(HEADER)
    peer.sends(KEY)
    return peer


# Headers


@pytest.mark.parametrize(
    "text, condition",
    [
        (header(to="unknown.example"), "host-unknown"),
        (header(to=""), "host-unknown"),
        (header(to="romeo@montague.example"), "host-unknown"),
        (header(to="x" * 5000), "host-unknown"),
        (header(**{"from": ""}), "improper-addressing"),
        (header(**{"from": "juliet@capulet.example"}), "improper-addressing"),
        (header(**{"from": "a b"}), "improper-addressing"),
        (header(**{"from": "montague.example"}), "invalid-from"),
        (header(**{"from": "chat.montague.example"}), "invalid-from"),
        (header(version="0.9"), "unsupported-version"),
        (header().replace("jabber:server'", "jabber:client'", 1), "invalid-namespace"),
        (header().replace("etherx", "ether"), "invalid-namespace"),
        ("GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
    ],
)
def test_a_header_that_is_refused(text: str, condition: str) -> None:
    peer = Receiver()
    answer = peer.sends(text)
    assert peer.error == condition
    assert answer.startswith("<?xml version='1.0'?><stream:stream xmlns='jabber:server'")
    assert " id='" in answer
    assert "unknown.example" not in answer


def test_a_peer_that_the_configuration_refuses_is_told_so() -> None:
    peer = Receiver(refused="it is on the list")
    peer.sends(HEADER)
    assert peer.error == "policy-violation"


def test_the_header_declares_dialback_and_says_who_is_who() -> None:
    answer = Receiver().sends(HEADER)
    assert "xmlns:db='jabber:server:dialback'" in answer
    assert " from='montague.example' to='capulet.example' id='" in answer


# Features


def test_in_the_clear_nothing_but_tls_is_offered() -> None:
    answer = Receiver(secure=False).sends(HEADER)
    assert f"<starttls xmlns='{TLS}'><required/></starttls>" in answer
    assert "EXTERNAL" not in answer
    assert "urn:xmpp:features:dialback" not in answer


def test_external_is_offered_to_whom_the_certificate_proves() -> None:
    assert "EXTERNAL" in Receiver(proven=("capulet.example",)).sends(HEADER)
    answer = Receiver(proven=("other.example",)).sends(HEADER)
    assert "EXTERNAL" not in answer
    assert "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>" in answer
    assert "<bidi xmlns='urn:xmpp:features:bidi'/>" in answer
    assert "<max-bytes>524288</max-bytes>" in answer


def test_after_external_stream_management_is_offered() -> None:
    peer = Receiver(proven=("capulet.example",))
    peer.sends(HEADER)
    peer.sends(EXTERNAL)
    assert "<sm xmlns='urn:xmpp:sm:3'/>" in peer.sends(HEADER)


# STARTTLS


def test_starttls_begins_all_anew_and_drops_what_was_injected() -> None:
    peer = Receiver(secure=False, proven=("capulet.example",))
    peer.sends(HEADER)
    answer = peer.sends(STARTTLS + HEADER + EXTERNAL)
    assert answer == f"<proceed xmlns='{TLS}'/>"
    assert peer.stream.state is State.SECURED
    assert "EXTERNAL" in peer.sends(HEADER)


def test_starttls_under_tls_fails() -> None:
    peer = Receiver()
    peer.sends(HEADER)
    assert f"<failure xmlns='{TLS}'/>" in peer.sends(STARTTLS)
    assert peer.closed is not None


# EXTERNAL


def test_external_lets_the_pair_of_the_header_send() -> None:
    peer = authenticated()
    assert peer.of(PeerMaySend) == [PeerMaySend(PAIR, "EXTERNAL")]
    peer.sends(MESSAGE)
    (message,) = peer.of(Message)
    assert (message.from_, message.to) == ("juliet@capulet.example/b", "romeo@montague.example")


@pytest.mark.parametrize("authzid", ["Y2FwdWxldC5leGFtcGxl", "="])
def test_an_authorization_identity_may_repeat_the_header(authzid: str) -> None:
    peer = Receiver(proven=("capulet.example",))
    peer.sends(HEADER)
    assert "<success" in peer.sends(EXTERNAL.replace(">=<", f">{authzid}<"))


def test_without_an_initial_response_there_is_a_challenge() -> None:
    peer = Receiver(proven=("capulet.example",))
    peer.sends(HEADER)
    answer = peer.sends(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'/>")
    assert answer == f"<challenge xmlns='{SASL}'/>"
    assert "<success" in peer.sends(f"<response xmlns='{SASL}'>=</response>")


@pytest.mark.parametrize(
    "said, condition",
    [
        (EXTERNAL.replace(">=<", ">bW9udGFndWUuZXhhbXBsZQ==<"), "invalid-authzid"),
        (EXTERNAL.replace(">=<", ">%%%<"), "incorrect-encoding"),
        (EXTERNAL.replace(">=<", "><x/><"), "malformed-request"),
        (EXTERNAL.replace("EXTERNAL", "PLAIN"), "invalid-mechanism"),
        (EXTERNAL.replace("EXTERNAL", "SCRAM-SHA-1"), "invalid-mechanism"),
        (f"<response xmlns='{SASL}'>=</response>", "malformed-request"),
        (f"<abort xmlns='{SASL}'/>", "aborted"),
    ],
)
def test_external_fails_by_a_condition(said: str, condition: str) -> None:
    peer = Receiver(proven=("capulet.example",))
    peer.sends(HEADER)
    answer = peer.sends(said)
    assert f"<{condition}/>" in answer or f"<{condition} " in answer
    assert peer.of(PeerMaySend) == []
    peer.sends(MESSAGE)
    assert peer.error == "not-authorized"


def test_a_certificate_of_another_domain_proves_nothing() -> None:
    peer = Receiver(proven=("other.example",))
    peer.sends(HEADER)
    assert "<not-authorized/>" in peer.sends(EXTERNAL)


def test_tries_are_counted() -> None:
    peer = Receiver()
    peer.sends(HEADER)
    for _ in range(3):
        peer.sends(EXTERNAL)
    assert peer.error == "policy-violation"


def test_the_header_after_external_names_the_same_domains() -> None:
    peer = Receiver(proven=("capulet.example",))
    peer.sends(HEADER)
    peer.sends(EXTERNAL)
    peer.sends(header(**{"from": "other.example"}))
    assert peer.error == "invalid-from"


# Dialback


def test_a_key_is_judged_by_whom_the_owner_asks() -> None:
    peer = Receiver()
    peer.sends(HEADER)
    assert peer.sends(KEY) == ""
    (asked,) = peer.of(JudgeKey)
    assert asked.request == (*PAIR, peer.stream.stream_id, "0123456789abcdef")
    assert "type='valid'" in peer.judges(PAIR, None)
    peer.sends(MESSAGE)
    assert len(peer.of(Message)) == 1


def test_an_invalid_first_key_ends_the_stream() -> None:
    peer = Receiver()
    peer.sends(HEADER)
    peer.sends(KEY)
    answer = peer.judges(PAIR, StanzaError("forbidden"))
    assert "type='invalid'" in answer
    assert answer.endswith("</stream:stream>")


def test_an_invalid_key_for_another_pair_leaves_the_first() -> None:
    peer = verified()
    peer.judge = "later"
    peer.sends(CHAT_KEY)
    answer = peer.judges(CHAT, StanzaError("forbidden"))
    assert "type='error'" in answer
    assert "<forbidden" in answer
    peer.sends(MESSAGE)
    assert len(peer.of(Message)) == 1


def test_a_key_that_is_wrong_the_second_time_takes_the_pair_away() -> None:
    peer = verified()
    peer.judge = "later"
    peer.sends(KEY)
    peer.sends(MESSAGE)
    assert len(peer.of(Message)) == 1  # meanwhile it counts
    peer.judges(PAIR, StanzaError("forbidden"))
    peer.sends(MESSAGE)
    assert len(peer.of(Message)) == 1


@pytest.mark.parametrize(
    "key, condition",
    [
        (KEY.replace("montague.example", "unknown.example"), "item-not-found"),
        (KEY.replace("from='capulet.example'", "from='chat.montague.example'"), "not-acceptable"),
        (KEY.replace("0123456789abcdef", ""), "not-authorized"),
    ],
)
def test_a_key_that_needs_no_look(key: str, condition: str) -> None:
    peer = Receiver()
    peer.sends(HEADER)
    answer = peer.sends(key)
    assert "type='error'" in answer
    assert f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" in answer
    assert peer.of(JudgeKey) == []
    assert peer.closed is None


def test_keys_need_tls_where_it_is_required() -> None:
    peer = Receiver(secure=False)
    peer.sends(HEADER)
    assert "<policy-violation" in peer.sends(KEY)
    assert peer.of(JudgeKey) == []


def test_keys_without_tls_where_that_is_configured() -> None:
    peer = Receiver(secure=False, tls_required=False, judge=None)
    peer.sends(HEADER)
    peer.sends(KEY)
    peer.sends(MESSAGE)
    assert peer.stream.state is State.TRUSTED_IN_CLEAR
    assert len(peer.of(Message)) == 1


def test_so_many_keys_at_a_time() -> None:
    peer = Receiver(pending_keys=2)
    peer.sends(HEADER)
    for number in range(3):
        answer = peer.sends(KEY.replace("capulet.example", f"c{number}.example"))
    assert "<resource-constraint" in answer
    assert len(peer.of(JudgeKey)) == 2


def test_two_keys_for_a_pair_at_a_time_are_against_the_rules() -> None:
    peer = Receiver()
    peer.sends(HEADER)
    peer.sends(KEY + KEY)
    assert peer.error == "policy-violation"


@pytest.mark.parametrize(
    "said",
    [
        "<db:result from='capulet.example' to='montague.example' type='valid'/>",
        "<db:result from='capulet.example' to='montague.example' type='error'/>",
        "<db:verify from='capulet.example' to='montague.example' id='1' type='valid'/>",
    ],
)
def test_answers_that_nobody_asked_for_end_the_stream(said: str) -> None:
    peer = Receiver()
    peer.sends(HEADER)
    peer.sends(said)
    assert peer.error == "policy-violation"
    assert peer.of(WeMaySend) == []


def test_our_own_keys_are_known_again_and_others_are_not() -> None:
    peer = Receiver()
    peer.sends(HEADER)
    good = dialback.key(b"montague", "capulet.example", "montague.example", "id7")
    asked = "<db:verify from='capulet.example' to='montague.example' id='id7'>{}</db:verify>"
    assert "id='id7' type='valid'" in peer.sends(asked.format(good))
    assert "type='invalid'" in peer.sends(asked.format(good[:-1] + "x"))
    assert "type='invalid'" in peer.sends(asked.replace("id7", "id8").format(good))
    assert "type='invalid'" in peer.sends(asked.format(""))
    answer = peer.sends(asked.replace("'montague.", "'elsewhere.").format(good))
    assert "<item-not-found" in answer
    assert peer.closed is None


# Stanzas


@pytest.mark.parametrize("said", [MESSAGE, "<presence/>", "<iq/>", MESSAGE.replace("from", "x")])
def test_stanzas_before_authentication(said: str) -> None:
    peer = Receiver()
    peer.sends(HEADER)
    peer.sends(said)
    assert peer.error == "not-authorized"
    assert peer.of(Message) == []


@pytest.mark.parametrize(
    "said, condition",
    [
        (MESSAGE.replace("from='juliet@capulet.example/b' ", ""), "improper-addressing"),
        (MESSAGE.replace(" to='romeo@montague.example'", ""), "improper-addressing"),
        (MESSAGE.replace("to='romeo@montague.example'", "to=''"), "improper-addressing"),
        (MESSAGE.replace("romeo@montague.example", "@montague.example"), "improper-addressing"),
        (MESSAGE.replace("capulet.example", "other.example"), "invalid-from"),
        (MESSAGE.replace("juliet@capulet.example", "x@montague.example"), "invalid-from"),
        (MESSAGE.replace("romeo@montague.example", "x@third.example"), "host-unknown"),
        (MESSAGE.replace("romeo@montague.example", "x@chat.montague.example"), "host-unknown"),
        (
            MESSAGE.replace("<message", "<message xmlns:s='jabber:server' s:from='m@x'"),
            "invalid-from",
        ),
        (
            "<message xmlns='jabber:client' from='a@capulet.example' to='b@montague.example'/>",
            "unsupported-stanza-type",
        ),
        ("<stanza/>", "unsupported-stanza-type"),
        ("text", "bad-format"),
        ("<!-- -->", "restricted-xml"),
    ],
)
def test_what_a_stanza_must_not_be(said: str, condition: str) -> None:
    peer = authenticated()
    peer.sends(said)
    assert peer.error == condition
    assert peer.of(Message) == []


def test_a_malformed_stanza_carries_its_fault() -> None:
    peer = authenticated()
    peer.sends("<iq from='j@capulet.example' to='montague.example' type='get'/>")
    assert peer.events[-1].fault.condition == "bad-request"  # type: ignore[union-attr]


def test_addresses_of_the_stringprep_era_are_understood() -> None:
    peer = authenticated()
    peer.sends(MESSAGE.replace("juliet@capulet.example/b", "ＪＵＬＩＥＴ@capulet.example/\u2163"))
    assert peer.of(Message)[0].from_.local == "juliet"


def test_children_read_as_in_any_stream() -> None:
    peer = authenticated()
    peer.sends(MESSAGE)
    assert peer.of(Message)[0].body == "hi"


def test_a_pair_more_on_the_same_stream() -> None:
    peer = authenticated(judge=None)
    peer.sends(CHAT_KEY)
    assert peer.of(PeerMaySend)[-1].pair == CHAT
    peer.sends(MESSAGE.replace("romeo@montague.example", "room@chat.montague.example"))
    assert len(peer.of(Message)) == 1


# Bidirectional streams (XEP-0288)


def test_with_bidi_we_may_send_for_the_inverse() -> None:
    peer = Receiver(proven=("capulet.example",))
    peer.sends(HEADER)
    peer.sends(BIDI + EXTERNAL)
    peer.sends(HEADER)
    assert peer.of(WeMaySend) == [WeMaySend(PAIR.inverse, "bidi")]


def test_with_bidi_nothing_is_sent_between_success_and_the_new_header() -> None:
    peer = Receiver(proven=("capulet.example",))
    peer.sends(HEADER)
    assert peer.sends(BIDI + EXTERNAL).endswith(f"<success xmlns='{SASL}'/>")
    assert peer.of(WeMaySend) == []
    assert not peer.stream.ask(CHAT.inverse)
    assert "<db:result" not in peer.sends(HEADER)


def test_with_bidi_keys_go_the_other_way_for_proven_domains_only() -> None:
    peer = Receiver(proven=("capulet.example",))
    peer.sends(HEADER)
    peer.sends(BIDI + EXTERNAL)
    peer.sends(HEADER)
    assert not peer.stream.ask(Pair("chat.montague.example", "other.example"))
    assert peer.stream.ask(CHAT.inverse)
    said = peer.stream.take().decode()
    assert said.startswith("<db:result from='chat.montague.example' to='capulet.example'>")
    peer.sends("<db:result from='capulet.example' to='chat.montague.example' type='valid'/>")
    assert peer.of(WeMaySend)[-1].pair == CHAT.inverse


def test_bidi_after_authentication_or_unwanted_ends_the_stream() -> None:
    peer = authenticated()
    peer.sends(BIDI)
    assert peer.error == "policy-violation"
    peer = Receiver(bidi=False)
    peer.sends(HEADER)
    peer.sends(BIDI)
    assert peer.error == "policy-violation"


def test_bidi_before_tls_is_forgotten() -> None:
    peer = Receiver(secure=False, tls_required=False, judge=None)
    peer.sends(HEADER)
    peer.sends(BIDI + STARTTLS)
    peer.sends(HEADER)
    peer.sends(KEY)
    assert peer.of(WeMaySend) == []


# Stream management


def test_stanzas_are_counted_from_enable_on() -> None:
    peer = authenticated()
    assert peer.sends("<enable xmlns='urn:xmpp:sm:3'/>") == "<enabled xmlns='urn:xmpp:sm:3'/>"
    peer.sends(MESSAGE)
    peer.stream.handled()
    peer.sends("<r xmlns='urn:xmpp:sm:3'/>")
    peer.stream.acknowledge()
    assert peer.stream.take() == b"<a xmlns='urn:xmpp:sm:3' h='1'/>"


def test_enable_before_authentication_fails_and_a_second_ends_the_stream() -> None:
    peer = Receiver()
    peer.sends(HEADER)
    enable = "<enable xmlns='urn:xmpp:sm:3'/>"
    assert "<unexpected-request" in peer.sends(enable)
    peer = authenticated()
    peer.sends(enable)
    assert "<unexpected-request" in peer.sends(enable)
    assert peer.error == "policy-violation"


def test_there_is_nothing_to_resume() -> None:
    peer = authenticated()
    assert "<item-not-found" in peer.sends("<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>")


def test_an_impossible_count_ends_the_stream() -> None:
    peer = authenticated()
    peer.sends("<enable xmlns='urn:xmpp:sm:3'/>")
    answer = peer.sends("<a xmlns='urn:xmpp:sm:3' h='7'/>")
    assert "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='7' send-count='0'/>" in answer


# Ends


def test_the_peer_closes() -> None:
    peer = authenticated()
    assert peer.sends("</stream:stream>") == "</stream:stream>"
    assert peer.closed is not None
    assert peer.closed.by_peer


def test_what_the_peer_has_under_way_is_taken_after_we_finished() -> None:
    peer = authenticated()
    peer.stream.finish()
    assert peer.stream.take() == b"</stream:stream>"
    peer.sends(MESSAGE)
    assert len(peer.of(Message)) == 1
    assert peer.sends("</stream:stream>") == ""


def test_after_the_end_nothing_is_heard() -> None:
    peer = authenticated()
    peer.sends("</stream:stream>")
    peer.sends(MESSAGE)
    assert peer.of(Message) == []


def test_size_is_limited_before_and_after() -> None:
    peer = Receiver()
    peer.sends(HEADER)
    peer.sends(KEY.replace("0123", "0123" * 5000))
    assert peer.error == "policy-violation"
    peer = authenticated()
    peer.sends(MESSAGE.replace("hi", "x" * 60_000))
    assert len(peer.of(Message)) == 1
    peer.sends(MESSAGE.replace("hi", "x" * 600_000))
    assert peer.error == "policy-violation"
