import pytest

from xmppd.jid import jid
from xmppd.ns import CLIENT, STANZAS
from xmppd.stanza import IQ, Message, Presence, Stanza, StanzaError, error_reply
from xmppd.xml import XML_LANG, Element, parse

ROMEO = jid("romeo@example.net/orchard")
JULIET = jid("juliet@example.com")

CONDITIONS = [  # RFC 6120 §8.3.3.1 to §8.3.3.22, in its order
    ("bad-request", "modify"),
    ("conflict", "cancel"),
    ("feature-not-implemented", "cancel"),
    ("forbidden", "auth"),
    ("gone", "cancel"),
    ("internal-server-error", "cancel"),
    ("item-not-found", "cancel"),
    ("jid-malformed", "modify"),
    ("not-acceptable", "modify"),
    ("not-allowed", "cancel"),
    ("not-authorized", "auth"),
    ("policy-violation", "modify"),
    ("recipient-unavailable", "wait"),
    ("redirect", "modify"),
    ("registration-required", "auth"),
    ("remote-server-not-found", "cancel"),
    ("remote-server-timeout", "wait"),
    ("resource-constraint", "wait"),
    ("service-unavailable", "cancel"),
    ("subscription-required", "auth"),
    ("undefined-condition", "cancel"),
    ("unexpected-request", "wait"),
]


def error(*children: Element, **attrs: str) -> Element:
    return Element(CLIENT, "error", attrs, *children)


@pytest.mark.parametrize("condition, type_", CONDITIONS)
def test_each_condition_has_the_type_that_is_recommended(condition: str, type_: str) -> None:
    element = StanzaError(condition).element()
    assert element == error(Element(STANZAS, condition), type=type_)
    assert StanzaError.from_element(element).condition == condition


def test_all_parts_of_an_error_are_written_and_read_back() -> None:
    app = Element("urn:xmpp:errors", "too-many-nurses")
    refusal = StanzaError("conflict", "No & never", type="wait", app=app, by=JULIET)
    element = refusal.element()
    text = Element(STANZAS, "text", {XML_LANG: "en"}, "No & never")
    assert element == error(Element(STANZAS, "conflict"), text, app, type="wait", by=JULIET)
    again = StanzaError.from_element(element)
    assert (again.condition, again.text, again.type) == ("conflict", "No & never", "wait")
    assert (again.app, again.by) == (app, JULIET)


@pytest.mark.parametrize("condition", ["gone", "redirect"])
def test_gone_and_redirect_carry_an_address(condition: str) -> None:
    moved = StanzaError(condition, uri="xmpp:romeo@afterlife.example.net")
    element = moved.element()
    address = Element(STANZAS, condition, {}, "xmpp:romeo@afterlife.example.net")
    assert element.child(STANZAS, condition) == address
    padded = error(Element(STANZAS, condition, {}, "\n  xmpp:a@b \n"))
    assert StanzaError.from_element(padded).uri == "xmpp:a@b"
    assert StanzaError.from_element(error(Element(STANZAS, condition))).uri is None


def test_what_no_rfc_knows_cannot_be_raised() -> None:
    with pytest.raises(ValueError, match="out-of-cheese"):
        StanzaError("out-of-cheese")
    with pytest.raises(ValueError, match="fatal"):
        StanzaError("conflict", type="fatal")
    with pytest.raises(ValueError, match="address"):
        StanzaError("conflict", uri="xmpp:a@b")


@pytest.mark.parametrize(
    "element",
    [
        error(),
        error(type="fatal"),
        error(Element(STANZAS, "out-of-cheese"), type="?"),
        error(Element("urn:other", "conflict"), by="@@"),
    ],
)
def test_an_error_not_understood_reads_as_undefined_condition(element: Element) -> None:
    read = StanzaError.from_element(element)
    assert (read.condition, read.type, read.by) == ("undefined-condition", "cancel", None)


def test_an_error_reads_as_its_condition_and_text() -> None:
    assert str(StanzaError("conflict")) == "conflict"
    assert str(StanzaError("conflict", "two of them")) == "conflict: two of them"


def test_a_stanza_of_type_error_tells_what_went_wrong() -> None:
    refused = Message(ROMEO, JULIET, "error", "1", StanzaError("forbidden").element())
    assert refused.error is not None
    assert refused.error.condition == "forbidden"
    empty = Message(ROMEO, JULIET, "error").error
    assert empty is not None
    assert empty.condition == "undefined-condition"
    assert Message(ROMEO, JULIET, "chat", "1", StanzaError("forbidden").element()).error is None


@pytest.mark.parametrize(
    "stanza, id_",
    [
        (Message(JULIET, ROMEO, "chat", "m1", Element(CLIENT, "body", {}, "x")), "m1"),
        (Message(JULIET, ROMEO, "chat"), None),
        (Presence(JULIET, ROMEO, "subscribe", "p1"), "p1"),
        (Presence(JULIET, ROMEO, "result"), None),
        (IQ(JULIET, ROMEO, "get", "q1", Element("u:q", "query")), "q1"),
        (IQ(JULIET, ROMEO, "set"), ""),
        (IQ(JULIET, ROMEO, "bogus", "q2"), "q2"),
    ],
    ids=repr,
)
def test_the_reply_goes_back_with_the_same_kind_and_id(stanza: Stanza, id_: str | None) -> None:
    refusal = StanzaError("forbidden", "no")
    reply = error_reply(stanza, refusal)
    assert reply is not None
    assert type(reply) is type(stanza)
    attrs = {"to": ROMEO, "from": JULIET, "type": "error"} | ({} if id_ is None else {"id": id_})
    written = parse(reply.write(), CLIENT)
    assert written == Element(CLIENT, stanza.kind, attrs, refusal.element())


@pytest.mark.parametrize(
    "stanza",
    [
        Message(JULIET, ROMEO, "error", "1"),
        Presence(JULIET, ROMEO, "error"),
        IQ(JULIET, ROMEO, "error", "1"),
        IQ(JULIET, ROMEO, "result", "1"),
    ],
    ids=repr,
)
def test_errors_and_results_are_never_answered(stanza: Stanza) -> None:
    assert error_reply(stanza, StanzaError("bad-request")) is None


def test_an_error_may_bring_a_payload_beside_itself() -> None:
    payload = Element("urn:example:list", "list")
    refused = StanzaError("not-acceptable", payload=payload)
    reply = error_reply(IQ(JULIET, ROMEO, "set", "1", Element("urn:x", "x")), refused)
    assert reply is not None
    assert [child.name for child in reply.children] == ["list", "error"]
