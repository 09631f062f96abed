import pytest

from xmppd.jid import jid
from xmppd.ns import CLIENT, SERVER
from xmppd.stanza import IQ, Message, Presence, Stanza, error_reply, read_stanza
from xmppd.xml import XML_LANG, Element, parse

ROMEO = jid("romeo@example.net/orchard")
JULIET = jid("juliet@example.com")
QUERY = (("u:q", "query"),)
ERROR = ((CLIENT, "error"),)
TWO = (*QUERY, ("u:r", "other"))


def read(kind: str, payloads: tuple[tuple[str, str], ...] = (), **attrs: str) -> Stanza:
    raw = b"".join(f"<{name} xmlns='{ns}'/>".encode() for ns, name in payloads)
    return read_stanza(kind, attrs, payloads, raw, to=JULIET, from_=ROMEO)


@pytest.mark.parametrize("kind, cls", [("message", Message), ("presence", Presence), ("iq", IQ)])
def test_each_kind_is_its_class(kind: str, cls: type[Stanza]) -> None:
    stanza = read(kind, QUERY, id="1", type="get", to="x", **{"from": "y"})
    assert type(stanza) is cls
    assert (stanza.to, stanza.from_, stanza.id, stanza.payloads) == (JULIET, ROMEO, "1", QUERY)


@pytest.mark.parametrize("type_", ["normal", "chat", "groupchat", "headline", "error"])
def test_message_types_are_kept(type_: str) -> None:
    assert read("message", type=type_).type == type_


@pytest.mark.parametrize("type_", ["", "Chat", "result", "bogus", " chat"])
def test_an_unknown_message_type_is_normal(type_: str) -> None:
    message = read("message", type=type_)
    assert (message.type, message.fault) == ("normal", None)
    assert read("message").type == "normal"


PRESENCE_TYPES = [
    "unavailable",
    "subscribe",
    "subscribed",
    "unsubscribe",
    "unsubscribed",
    "probe",
    "error",
]


@pytest.mark.parametrize("type_", ["", *PRESENCE_TYPES])
def test_presence_types_are_kept(type_: str) -> None:
    presence = read("presence", type=type_)
    assert (presence.type, presence.fault) == (type_, None)


@pytest.mark.parametrize("type_", ["available", "invisible", "result", "Subscribe"])
def test_an_unknown_presence_type_is_answered_with_bad_request(type_: str) -> None:
    presence = read("presence", type=type_)
    assert presence.fault is not None
    reply = error_reply(presence, presence.fault)
    assert reply is not None
    assert "bad-request" in reply.write().decode()


GOOD_IQS = [
    ({"type": "get", "id": "1"}, QUERY),
    ({"type": "set", "id": ""}, QUERY),
    ({"type": "result", "id": "1"}, ()),
    ({"type": "result", "id": "1"}, QUERY),
    ({"type": "error", "id": "1"}, ERROR),
    ({"type": "error", "id": "1"}, QUERY + ERROR),
]


@pytest.mark.parametrize("attrs, payloads", GOOD_IQS)
def test_an_iq_within_the_rules_has_no_fault(
    attrs: dict[str, str], payloads: tuple[tuple[str, str], ...]
) -> None:
    assert read("iq", payloads, **attrs).fault is None


BAD_IQS = [  # attributes, payloads, whether it is answered
    ({"type": "get"}, QUERY, True),
    ({"id": "1"}, QUERY, True),
    ({}, (), True),
    ({"id": "1", "type": "bogus"}, QUERY, True),
    ({"id": "1", "type": "get"}, (), True),
    ({"id": "1", "type": "set"}, (), True),
    ({"id": "1", "type": "get"}, TWO, True),
    ({"id": "1", "type": "set"}, TWO, True),
    ({"id": "1", "type": "result"}, TWO, False),
    ({"type": "result"}, QUERY, False),
    ({"id": "1", "type": "error"}, (), False),
    ({"id": "1", "type": "error"}, QUERY, False),
    ({"type": "error"}, ERROR, False),
]


@pytest.mark.parametrize("attrs, payloads, answered", BAD_IQS)
def test_an_iq_against_the_rules_is_bad_request_and_results_are_dropped(
    attrs: dict[str, str], payloads: tuple[tuple[str, str], ...], answered: bool
) -> None:
    iq = read("iq", payloads, **attrs)
    assert iq.fault is not None
    assert iq.fault.condition == "bad-request"
    assert (error_reply(iq, iq.fault) is not None) == answered


def test_a_stanza_without_to_is_not_directed() -> None:
    assert not read("presence").directed
    assert read("presence", to="juliet@example.com").directed


def test_other_attributes_are_kept_and_written() -> None:
    attrs = {XML_LANG: "de", "{u:x}mood": "gay", "odd": "1", "to": "x", "from": "y", "id": "1"}
    stanza = read("message", (), **attrs)
    assert stanza.lang == "de"
    assert stanza.extra == {"{u:x}mood": "gay", "odd": "1"}
    expected = Element(CLIENT, "message", {**attrs, "to": JULIET, "from": ROMEO})
    assert parse(stanza.write(), CLIENT) == expected
    assert read("message", (), to="x", **{"from": "y"}).extra is None


@pytest.mark.parametrize(
    "raw",
    [
        b"<body>x<b><c xmlns='u:c'/></b></body>",
        b"<body xmlns='jabber:server'>x<b><c xmlns='u:c'/></b></body>",
        b"<s:body xmlns:s='jabber:server'>x<s:b><c xmlns='u:c'/></s:b></s:body>",
    ],
)
def test_children_from_a_server_stream_read_as_jabber_client(raw: bytes) -> None:
    names = ((SERVER, "body"),)
    message = read_stanza(
        "message", {"to": "x"}, names, raw, to=JULIET, from_=ROMEO, content_ns=SERVER
    )
    inner = Element(CLIENT, "b", {}, Element("u:c", "c"))
    assert message.payloads == ((CLIENT, "body"),)
    assert message.children == [Element(CLIENT, "body", {}, "x", inner)]
    assert parse(message.write(CLIENT), CLIENT).elements == message.children
    assert parse(message.write(SERVER), SERVER).child_text(SERVER, "body") == "x"


def test_an_iq_error_from_a_server_stream_has_its_error_child() -> None:
    attrs = {"type": "error", "id": "1"}
    names = ((SERVER, "error"),)
    iq = read_stanza("iq", attrs, names, b"<error/>", to=JULIET, from_=ROMEO, content_ns=SERVER)
    assert iq.fault is None
