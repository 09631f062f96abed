import pytest

from xmppd.jid import jid
from xmppd.ns import CLIENT, SERVER
from xmppd.stanza import IQ, Message, Presence, Stanza, StanzaError
from xmppd.xml import Element, parse, to_xml

ROMEO = jid("romeo@example.net/orchard")
JULIET = jid("juliet@example.com")
NURSE = jid("nurse@example.com/hall")
MARKUP = jid("romeo@example.net/a&b<c>d'e\"f")
BODY = Element(CLIENT, "body", {}, "Hi & bye")
DELAY = Element("urn:xmpp:delay", "delay", {"stamp": "2002-09-10T23:08:25Z"})


def received(raw: bytes, *payloads: tuple[str, str]) -> Message:
    return Message(JULIET, ROMEO, "chat", "m1", raw=raw, payloads=payloads)


def chat() -> Message:
    return received(b"<body>Hi &amp; bye</body>", (CLIENT, "body"))


def seen(data: bytes, content_ns: str = CLIENT) -> Element:
    """What a receiver reads on a stream with that content namespace."""
    return parse(data, content_ns)


# Writing


def test_a_received_stanza_is_written_with_its_bytes_unchanged() -> None:
    raw = b"<body>Hi &#x26; \t<![CDATA[bye]]></body> <x xmlns='u:x'/>"
    written = received(raw, (CLIENT, "body"), ("u:x", "x")).write()
    start = (
        b"<message to='juliet@example.com' from='romeo@example.net/orchard' type='chat' id='m1'>"
    )
    assert written == start + raw + b"</message>"


@pytest.mark.parametrize(
    "stanza, expected",
    [
        (Message(JULIET, ROMEO), {}),
        (Message(JULIET, ROMEO, "normal", "1"), {"id": "1"}),
        (Message(JULIET, ROMEO, "headline"), {"type": "headline"}),
        (Presence(JULIET, ROMEO), {}),
        (Presence(JULIET, ROMEO, "unavailable"), {"type": "unavailable"}),
        (IQ(JULIET, ROMEO, "get", ""), {"type": "get", "id": ""}),
    ],
    ids=repr,
)
def test_the_start_tag_has_what_the_stanza_has(stanza: Stanza, expected: dict[str, str]) -> None:
    attrs = {"to": JULIET, "from": ROMEO, **expected}
    assert seen(stanza.write()) == Element(CLIENT, stanza.kind, attrs)


def test_an_empty_stanza_is_written_as_an_empty_element() -> None:
    assert Presence(JULIET, ROMEO).write().endswith(b"/>")


SPECIAL = "&<>'\"\r\n\tü\U0001f600]]>"


@pytest.mark.parametrize(
    "stanza",
    [
        Message(MARKUP, ROMEO, "chat", "1"),
        Message(JULIET, MARKUP, "chat", "1"),
        Message(JULIET, ROMEO, "chat", SPECIAL),
        Message(JULIET, ROMEO, SPECIAL, "1"),
        Message(JULIET, ROMEO, "chat", "1", lang=SPECIAL),
        Message(JULIET, ROMEO, "chat", None, extra={"odd": SPECIAL}),
        Message(JULIET, ROMEO, "chat", None, extra={"{urn:a&'b}odd": SPECIAL, "{u:c}d": "e"}),
        Message(JULIET, ROMEO, extra={"{http://www.w3.org/XML/1998/namespace}base": "x"}),
    ],
    ids=range(8),
)
def test_every_attribute_is_escaped(stanza: Stanza) -> None:
    attrs = {"to": str(stanza.to), "from": str(stanza.from_), **(stanza.extra or {})}
    if stanza.type != "normal":
        attrs["type"] = stanza.type
    if stanza.id is not None:
        attrs["id"] = stanza.id
    if stanza.lang is not None:
        attrs["{http://www.w3.org/XML/1998/namespace}lang"] = stanza.lang
    for written in (stanza.write(), *stanza.write_to_many([stanza.to])):
        assert seen(written) == Element(CLIENT, "message", attrs)


def test_children_made_here_are_serialised() -> None:
    message = Message(JULIET, ROMEO, "chat", "m1", BODY, DELAY)
    assert message.payloads == ((CLIENT, "body"), ("urn:xmpp:delay", "delay"))
    assert message.raw.startswith(b"<body>Hi &amp; bye</body><delay xmlns=")
    assert seen(message.write()).elements == [BODY, DELAY]


@pytest.mark.parametrize("raw", [b"<body>x</body>", b"<body xmlns='jabber:client'>x</body>"])
def test_children_follow_the_content_namespace_of_the_stream(raw: bytes) -> None:
    message = received(raw, (CLIENT, "body"))
    assert seen(message.write(CLIENT)).child_text(CLIENT, "body") == "x"
    assert seen(message.write(SERVER), SERVER).child_text(SERVER, "body") == "x"
    (spliced,) = message.write_to_many([NURSE], SERVER)
    assert seen(spliced, SERVER).child_text(SERVER, "body") == "x"


def test_a_forwarded_message_stays_in_jabber_client_on_a_server_stream() -> None:
    inner = Element(CLIENT, "message", {}, BODY)
    forwarded = Element("urn:xmpp:forward:0", "forwarded", {}, inner)
    written = Message(JULIET, ROMEO, "", None, forwarded).write(SERVER)
    assert seen(written, SERVER).elements == [forwarded]


def test_one_stanza_to_many_differs_in_to_alone() -> None:
    message = chat()
    for receivers in ([JULIET, NURSE], [JULIET, MARKUP, NURSE], []):
        each = [message.copy(to=receiver).write() for receiver in receivers]
        assert message.write_to_many(iter(receivers)) == each
    presence = Presence(JULIET, ROMEO)
    assert presence.write_to_many([NURSE]) == [presence.copy(to=NURSE).write()]


# Reading


def test_children_are_built_once_and_text_between_them_is_left_out() -> None:
    message = received(b" <body>x</body>\n<y xmlns='u:y'/> ", (CLIENT, "body"), ("u:y", "y"))
    assert message.children == [Element(CLIENT, "body", {}, "x"), Element("u:y", "y")]
    assert message.children is message.children


def test_asking_for_a_child_that_is_not_there_parses_nothing() -> None:
    message = received(b"<never parsed", (CLIENT, "body"), ("u:y", "y"))
    assert message.has(CLIENT, "body")
    assert message.has("u:y")
    assert not message.has("u:y", "z")
    assert not message.has("u:z")
    assert message.child("u:z") is None
    assert message.child("u:y", "z") is None
    assert message.children_of("u:z") == []


def test_children_are_found_by_namespace_and_name() -> None:
    first, second, other = Element("u:y", "a"), Element("u:y", "b"), Element("u:z", "a")
    message = Message(JULIET, ROMEO, "", None, other, first, second)
    assert message.child("u:y") is first
    assert message.child("u:y", "b") is second
    assert message.children_of("u:y") == [first, second]
    assert message.children_of() == [other, first, second]


def test_the_body_is_text_or_none() -> None:
    assert chat().body == "Hi & bye"
    assert received(b"<body/>", (CLIENT, "body")).body == ""
    assert Message(JULIET, ROMEO).body is None


@pytest.mark.parametrize(
    "text, priority", [("0", 0), ("-128", -128), ("127", 127), (" +5\n", 5), ("007", 7)]
)
def test_priority_is_a_small_integer(text: str, priority: int) -> None:
    presence = Presence(JULIET, ROMEO, "", None, Element(CLIENT, "priority", {}, text))
    assert presence.priority == priority


@pytest.mark.parametrize("text", ["", "128", "-129", "high", "1.0", "٣", "9" * 100, "1_0"])
def test_a_malformed_priority_is_bad_request(text: str) -> None:
    presence = Presence(JULIET, ROMEO, "", None, Element(CLIENT, "priority", {}, text))
    with pytest.raises(StanzaError, match="bad-request"):
        _ = presence.priority


def test_presence_without_priority_and_show_has_the_defaults() -> None:
    presence = Presence(JULIET, ROMEO)
    assert (presence.priority, presence.show, presence.type) == (0, "", "")
    away = Presence(JULIET, ROMEO, "", None, Element(CLIENT, "show", {}, "away"))
    assert away.show == "away"


def test_an_iq_result_swaps_the_addresses_and_keeps_the_id() -> None:
    request = IQ(JULIET, ROMEO, "get", "q1", Element("u:q", "query"))
    payload = Element("u:q", "query", {}, Element("u:q", "item"))
    result = request.result(payload)
    attrs = {"to": ROMEO, "from": JULIET, "type": "result", "id": "q1"}
    assert seen(result.write()) == Element(CLIENT, "iq", attrs, payload)
    assert seen(request.result().write()) == Element(CLIENT, "iq", attrs)
    assert request.payload.name == "query"
    with pytest.raises(StanzaError, match="bad-request"):
        _ = request.result().payload


@pytest.mark.parametrize("type_, is_it", [("get", 1), ("set", 1), ("result", 0), ("error", 0)])
def test_get_and_set_are_requests(type_: str, is_it: bool) -> None:
    assert IQ(JULIET, ROMEO, type_, "1").is_request == is_it


def test_the_repr_names_kind_type_addresses_and_payloads() -> None:
    assert repr(chat()) == f"<message chat {ROMEO} -> {JULIET} id='m1': body>"
    assert repr(Presence(JULIET, ROMEO)).startswith("<presence available ")
    assert "Hi" not in repr(chat())


# Copies


def test_a_copy_to_another_shares_bytes_and_children() -> None:
    message = chat()
    children = message.children
    copy = message.copy(to=NURSE, from_=JULIET, type="headline", id=None, lang="de")
    assert (copy.to, copy.from_, copy.type, copy.id, copy.lang) == (
        NURSE, JULIET, "headline", None, "de",
    )  # fmt: skip
    assert copy.raw is message.raw
    assert copy.children is children
    assert (message.to, message.id, message.lang) == (JULIET, "m1", None)


def test_a_copy_keeps_what_is_not_named() -> None:
    fault = StanzaError("bad-request")
    message = Message(JULIET, ROMEO, "chat", "1", BODY, lang="de", extra={"a": "b"})
    message.fault = fault
    message.directed = False
    copy = message.copy()
    assert copy.write() == message.write()
    assert (copy.fault, copy.directed, type(copy)) == (fault, False, Message)


def test_adding_appends_to_the_bytes_as_received() -> None:
    message = chat()
    copy = message.copy(add=[DELAY])
    assert copy.raw == message.raw + to_xml(DELAY, CLIENT).encode()
    assert copy.has("urn:xmpp:delay", "delay")
    assert copy.children == [BODY, DELAY]
    assert message.children == [BODY]
    assert not message.has("urn:xmpp:delay")


def test_adding_after_the_children_were_built_leaves_the_original_alone() -> None:
    for message in (chat(), Message(JULIET, ROMEO, "chat", "m1", BODY)):
        assert message.children == [BODY]
        copy = message.copy(add=iter([DELAY]))
        assert seen(copy.write()).elements == copy.children == [BODY, DELAY]
        assert seen(message.write()).elements == message.children == [BODY]


def test_children_can_be_left_out() -> None:
    message = chat().copy(add=[DELAY])
    copy = message.copy(without=lambda child: child.ns == "urn:xmpp:delay")
    assert copy.payloads == ((CLIENT, "body"),)
    assert seen(copy.write()).elements == copy.children == [BODY]
    assert message.has("urn:xmpp:delay")


def test_the_bytes_stay_shared_when_nothing_is_left_out() -> None:
    message = chat()
    assert message.copy(without=lambda child: False).raw is message.raw


def test_children_can_be_replaced_filtered_and_added_in_one_go() -> None:
    a, b, c = (Element("u:x", name) for name in "abc")
    copy = chat().copy(children=[a, b], without=lambda child: child.name == "a", add=[c])
    assert copy.payloads == (("u:x", "b"), ("u:x", "c"))
    assert seen(copy.write()).elements == copy.children == [b, c]
    assert chat().copy(children=[]).write().endswith(b"/>")
