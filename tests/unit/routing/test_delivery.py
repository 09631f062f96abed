"""RFC 6121 §8: who gets a stanza, for every kind, type and address."""

import pytest

from xmppd.api import (
    ACCOUNT,
    IQ,
    JID,
    SELF,
    STOP,
    Element,
    Message,
    Module,
    StanzaError,
    Stop,
    events,
    iq_get,
    iq_set,
    on,
)
from xmppd.testing import Client, Talk, error, like, message, presence, result

TO_BARE = "to='juliet@example.org'"
TO_FULL = "to='juliet@example.org/balcony'"
BODY = "<body>hi</body>"


class Store(Module):
    """Keeps messages in memory."""

    name = "store"

    async def start(self) -> None:
        self.kept: list[Message] = []

    @on(events.message_storing)
    async def keep(self, message: Message, user: JID) -> Stop:
        self.kept.append(message)
        return STOP


class Hears(Module):
    """Notes what came back to accounts."""

    name = "hears"

    async def start(self) -> None:
        self.heard: list[tuple[str | None, str]] = []

    @on(events.account_bounced)
    def note(self, message: Message, user: JID) -> None:
        self.heard.append((message.id, user))


class Answers(Module):
    """Answers IQs at each scope."""

    name = "answers"

    @iq_get("urn:t:host", "query")
    @iq_get("urn:t:account", "query", at=ACCOUNT)
    @iq_get("urn:t:self", "query", at=SELF)
    def answer(self, iq: IQ) -> Element:
        return Element(iq.payload.ns, "yes")

    @iq_set("urn:t:host", "query")
    async def nothing(self, iq: IQ) -> None:
        """An empty result."""

    @iq_get("urn:t:refuses", "query")
    def refuse(self, iq: IQ) -> Element:
        raise StanzaError("not-acceptable", "no")

    @iq_get("urn:t:crashes", "query")
    async def crash(self, iq: IQ) -> Element:
        raise ZeroDivisionError


@pytest.fixture
def bare() -> Talk:
    """A host without any module: nothing but the core."""
    return Talk(only=[])


@pytest.fixture
def stored() -> Talk:
    return Talk(Store, only=[])


def clients(talk: Talk, *priorities: int | None) -> tuple[Client, list[Client]]:
    """Romeo, and one session of Juliet's for each priority (None: connected, not available)."""
    romeo = talk.bind("romeo@example.org/orchard")
    names = ("balcony", "chamber", "garden")
    julias = [
        talk.bind(f"juliet@example.org/{name}") for name, _ in zip(names, priorities, strict=False)
    ]
    for client, priority in zip(julias, priorities, strict=True):
        if priority is not None:
            client.sends(f"<presence><priority>{priority}</priority></presence>")
    return romeo, julias


# Messages to a bare JID (§8.5.2.1.1, §8.5.2.2.1)


@pytest.mark.parametrize("type_", ["normal", "chat", "headline"])
@pytest.mark.parametrize(
    ("priorities", "getting"),
    [
        ([0], [True]),
        ([-1, 0], [False, True]),
        ([None, 5], [False, True]),
        ([0, 5, 1], [True, True, True]),
        ([-1, None, 127], [False, False, True]),
    ],
)
def test_a_message_to_a_bare_jid_goes_to_all_resources_of_non_negative_priority(
    bare: Talk, type_: str, priorities: list[int | None], getting: list[bool]
) -> None:
    romeo, julias = clients(bare, *priorities)
    romeo.sends(f"<message {TO_BARE} type='{type_}' id='m1'>{BODY}</message>")
    for julia, gets in zip(julias, getting, strict=True):
        if gets:
            julia.receives(message("hi", to="juliet@example.org", id="m1"))
        julia.receives_nothing()
    romeo.receives_nothing()


@pytest.mark.parametrize("type_", ["normal", "chat"])
@pytest.mark.parametrize("priorities", [[], [None], [-1], [-128, -1], [None, -5]])
def test_a_message_that_no_resource_may_take_is_stored(
    stored: Talk, type_: str, priorities: list[int | None]
) -> None:
    stored.account("juliet@example.org")
    romeo, julias = clients(stored, *priorities)
    romeo.sends(f"<message {TO_BARE} type='{type_}' id='m1'>{BODY}</message>")
    assert [m.id for m in stored.module(Store).kept] == ["m1"]
    for client in (romeo, *julias):
        client.receives_nothing()


@pytest.mark.parametrize("type_", ["normal", "chat"])
def test_without_storage_its_sender_gets_service_unavailable(bare: Talk, type_: str) -> None:
    romeo, (julia,) = clients(bare, -1)
    romeo.sends(f"<message {TO_BARE} type='{type_}' id='m1'>{BODY}</message>")
    romeo.receives(error("m1", "cancel", "service-unavailable", "message"))
    julia.receives_nothing()


@pytest.mark.parametrize("priorities", [[], [None], [-1], [0]])
def test_a_groupchat_message_to_an_account_is_refused(
    stored: Talk, priorities: list[int | None]
) -> None:
    romeo, julias = clients(stored, *priorities)
    romeo.sends(f"<message {TO_BARE} type='groupchat' id='m1'>{BODY}</message>")
    romeo.receives(error("m1", "cancel", "service-unavailable", "message"))
    for julia in julias:
        julia.receives_nothing()


@pytest.mark.parametrize("type_", ["headline", "error"])
@pytest.mark.parametrize("priorities", [[], [None], [-1]])
def test_headlines_and_errors_for_nobody_are_dropped_in_silence(
    stored: Talk, type_: str, priorities: list[int | None]
) -> None:
    stored.account("juliet@example.org")
    romeo, julias = clients(stored, *priorities)
    romeo.sends(f"<message {TO_BARE} type='{type_}' id='m1'>{BODY}</message>")
    assert stored.module(Store).kept == []
    for client in (romeo, *julias):
        client.receives_nothing()


def test_modules_hear_of_errors_to_a_bare_jid() -> None:
    """What was sent in the account's name came back."""
    talk = Talk(Hears, only=["subscriptions"])
    romeo, _ = talk.bind("romeo@example.org/orchard"), talk.online("juliet@example.org/balcony")
    for to in (TO_BARE, TO_FULL):
        romeo.sends(f"<message {to} type='error' id='m1'>{BODY}</message>")
    assert talk.module(Hears).heard == [("m1", "juliet@example.org")]


def test_an_error_message_to_a_bare_jid_reaches_nobody(bare: Talk) -> None:
    romeo, (julia,) = clients(bare, 0)
    romeo.sends(f"<message {TO_BARE} type='error' id='m1'>{BODY}</message>")
    julia.receives_nothing()


# Messages to a full JID (§8.5.3)


@pytest.mark.parametrize("type_", ["normal", "chat", "groupchat", "headline", "error"])
@pytest.mark.parametrize("priority", [None, -1, 0])
def test_a_message_to_a_connected_resource_is_delivered_to_it_alone(
    bare: Talk, type_: str, priority: int | None
) -> None:
    romeo, (balcony, chamber) = clients(bare, priority, 5)
    romeo.sends(f"<message {TO_FULL} type='{type_}' id='m1'>{BODY}</message>")
    balcony.receives(message("hi", to="juliet@example.org/balcony"))
    chamber.receives_nothing()
    romeo.receives_nothing()


@pytest.mark.parametrize("type_", ["normal", "groupchat"])
def test_a_message_to_a_resource_that_is_gone_does_not_reach_the_others(
    stored: Talk, type_: str
) -> None:
    romeo, (julia,) = clients(stored, 5)
    romeo.sends(f"<message to='juliet@example.org/gone' type='{type_}' id='m1'>{BODY}</message>")
    romeo.receives(error("m1", "cancel", "service-unavailable", "message"))
    julia.receives_nothing()
    assert stored.module(Store).kept == []


@pytest.mark.parametrize("type_", ["headline", "error"])
def test_a_headline_or_error_to_a_resource_that_is_gone_is_dropped(bare: Talk, type_: str) -> None:
    romeo, (julia,) = clients(bare, 5)
    romeo.sends(f"<message to='juliet@example.org/gone' type='{type_}' id='m1'>{BODY}</message>")
    for client in (romeo, julia):
        client.receives_nothing()


def test_a_chat_message_to_a_resource_that_is_gone_goes_to_the_account(bare: Talk) -> None:
    romeo, (julia,) = clients(bare, 5)
    romeo.sends(f"<message to='juliet@example.org/gone' type='chat'>{BODY}</message>")
    julia.receives(message("hi", to="juliet@example.org/gone", type="chat"))


# No such account (§8.5.1)


@pytest.mark.parametrize("to", ["nobody@example.org", "nobody@example.org/x"])
@pytest.mark.parametrize("type_", ["normal", "chat"])
def test_a_message_to_an_unknown_account_is_service_unavailable(
    stored: Talk, to: str, type_: str
) -> None:
    romeo, _ = clients(stored)
    romeo.sends(f"<message to='{to}' type='{type_}' id='m1'>{BODY}</message>")
    romeo.receives(error("m1", "cancel", "service-unavailable", "message"))
    assert stored.module(Store).kept == []


@pytest.mark.parametrize(
    "type_", ["", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed"]
)
def test_presence_to_an_unknown_account_is_dropped_in_silence(talk: Talk, type_: str) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(
        f"<presence to='nobody@example.org' type='{type_}'/>"
        if type_
        else "<presence to='nobody@example.org'/>"
    )
    romeo.receives_nothing()


@pytest.mark.parametrize("to", ["nobody@example.org", "nobody@example.org/x"])
@pytest.mark.parametrize("type_", ["get", "set"])
def test_an_iq_to_an_unknown_account_is_service_unavailable(
    bare: Talk, to: str, type_: str
) -> None:
    romeo, _ = clients(bare)
    romeo.sends(f"<iq to='{to}' type='{type_}' id='q1'><x xmlns='urn:t:unknown'/></iq>")
    romeo.receives(error("q1", "cancel", "service-unavailable"))


# Presence (§8.5.2.1.2, §8.5.3)


@pytest.mark.parametrize("attrs", ["", " type='unavailable'"])
def test_presence_to_a_bare_jid_goes_to_all_available_resources(bare: Talk, attrs: str) -> None:
    romeo, (low, high, silent) = clients(bare, -1, 5, None)
    romeo.sends(f"<presence {TO_BARE}{attrs} id='p1'/>")
    for julia in (low, high):
        julia.receives(like(f"<presence {TO_BARE}{attrs} id='p1'/>"))
    silent.receives_nothing()


@pytest.mark.parametrize("priority", [None, -1, 0])
def test_presence_to_a_full_jid_goes_to_that_resource(bare: Talk, priority: int | None) -> None:
    romeo, (balcony, chamber) = clients(bare, priority, 5)
    romeo.sends(f"<presence {TO_FULL}/>")
    balcony.receives(presence(to="juliet@example.org/balcony"))
    chamber.receives_nothing()


# IQs (§8.5.2.1.3, §8.5.3; RFC 6120 §8.2.3)


def test_an_iq_to_a_full_jid_is_delivered_whatever_its_presence(bare: Talk) -> None:
    romeo, (julia,) = clients(bare, None)
    romeo.sends(f"<iq {TO_FULL} type='get' id='q1'><x xmlns='urn:t:any'/></iq>")
    julia.receives(
        "<iq from='romeo@example.org/orchard' type='get' id='q1'><x xmlns='urn:t:any'/></iq>"
    )
    julia.sends("<iq to='romeo@example.org/orchard' type='result' id='q1'/>")
    romeo.receives(result("q1", ""))


@pytest.mark.parametrize("type_", ["get", "set"])
def test_an_iq_to_a_resource_that_is_gone_is_service_unavailable(bare: Talk, type_: str) -> None:
    romeo, (julia,) = clients(bare, 0)
    romeo.sends(f"<iq to='juliet@example.org/gone' type='{type_}' id='q1'><x xmlns='u:x'/></iq>")
    romeo.receives(error("q1", "cancel", "service-unavailable"))
    julia.receives_nothing()


@pytest.mark.parametrize(
    "to", ["juliet@example.org", "juliet@example.org/gone", "example.org", "nobody@example.org"]
)
@pytest.mark.parametrize(
    "inner",
    [
        "type='result'>",
        "type='error'><error type='cancel'><gone "
        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
    ],
)
def test_an_answer_that_nobody_asked_for_is_never_answered(
    bare: Talk, to: str, inner: str
) -> None:
    romeo, (julia,) = clients(bare, 0)
    romeo.sends(f"<iq to='{to}' id='q1' {inner}</iq>")
    for client in (romeo, julia):
        client.receives_nothing()


@pytest.fixture
def answering() -> Talk:
    return Talk(Answers, only=[])


@pytest.mark.parametrize(
    ("attrs", "ns"),
    [
        ("to='example.org'", "urn:t:host"),
        ("to='juliet@example.org'", "urn:t:account"),
        ("to='romeo@example.org'", "urn:t:account"),
        ("to='romeo@example.org'", "urn:t:self"),
        ("", "urn:t:account"),
        ("", "urn:t:self"),
    ],
)
def test_a_request_is_answered_by_the_handler_of_its_scope(
    answering: Talk, attrs: str, ns: str
) -> None:
    romeo, _ = clients(answering)
    romeo.sends(f"<iq {attrs} type='get' id='q1'><query xmlns='{ns}'/></iq>")
    romeo.receives(result("q1", f"<yes xmlns='{ns}'/>"))


@pytest.mark.parametrize(
    ("attrs", "ns", "type_", "condition"),
    [
        ("to='juliet@example.org'", "urn:t:self", "auth", "forbidden"),
        ("to='nobody@example.org'", "urn:t:self", "auth", "forbidden"),
        ("to='juliet@example.org'", "urn:t:host", "cancel", "service-unavailable"),
        ("to='example.org'", "urn:t:account", "cancel", "service-unavailable"),
        ("to='example.org/x'", "urn:t:host", "cancel", "service-unavailable"),
        ("to='example.org'", "urn:t:refuses", "modify", "not-acceptable"),
        ("to='example.org'", "urn:t:crashes", "cancel", "internal-server-error"),
        ("to='elsewhere.example'", "urn:t:host", "cancel", "remote-server-not-found"),
    ],
)
def test_a_request_that_is_not_answered_gets_the_error_that_says_why(
    answering: Talk, attrs: str, ns: str, type_: str, condition: str
) -> None:
    romeo, _ = clients(answering)
    romeo.sends(f"<iq {attrs} type='get' id='q1'><query xmlns='{ns}'/></iq>")
    romeo.receives(error("q1", type_, condition))
    romeo.receives_nothing()


def test_a_set_is_no_get(answering: Talk) -> None:
    romeo, _ = clients(answering)
    romeo.sends("<iq to='example.org' type='set' id='q1'><query xmlns='urn:t:refuses'/></iq>")
    romeo.receives(error("q1", "cancel", "service-unavailable"))
    romeo.sends("<iq to='example.org' type='set' id='q2'><query xmlns='urn:t:host'/></iq>")
    romeo.receives(result("q2", ""))


@pytest.mark.parametrize(
    "iq",
    [
        "<iq to='example.org' type='get'><query xmlns='urn:t:host'/></iq>",
        "<iq to='example.org' id='q1'><query xmlns='urn:t:host'/></iq>",
        "<iq to='example.org' type='see' id='q1'><query xmlns='urn:t:host'/></iq>",
        "<iq to='example.org' type='get' id='q1'/>",
        "<iq to='example.org' type='get' id='q1'><query xmlns='urn:t:host'/><x xmlns='u:x'/></iq>",
        "<iq to='romeo@example.org/orchard' type='get' id='q1'/>",  # to oneself
    ],
)
def test_a_malformed_iq_is_a_bad_request(answering: Talk, iq: str) -> None:
    romeo, _ = clients(answering)
    romeo.sends(iq)
    romeo.receives(error(None, "modify", "bad-request"))


# To the host


def test_a_message_to_the_host_is_service_unavailable_and_presence_is_dropped(bare: Talk) -> None:
    romeo, _ = clients(bare)
    romeo.sends(f"<message to='example.org' id='m1'>{BODY}</message><presence to='example.org'/>")
    romeo.receives(error("m1", "cancel", "service-unavailable", "message"))
    romeo.receives_nothing()


def test_a_message_to_another_server_comes_back(bare: Talk) -> None:
    romeo, _ = clients(bare)
    romeo.sends(f"<message to='a@elsewhere.example' id='m1'>{BODY}</message>")
    romeo.receives(error("m1", "cancel", "remote-server-not-found", "message"))
    romeo.sends(f"<message to='a@elsewhere.example' id='m2' type='error'>{BODY}</message>")
    romeo.receives_nothing()
