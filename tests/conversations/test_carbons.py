"""Carbons: XEP-0280 with its examples and rules, forged copies too."""

import pytest

from xmppd.ns import CARBONS, CLIENT, FORWARD
from xmppd.testing import Actor, Matcher, Stage, error, like, message, result
from xmppd.xml import Element

JULIET = "juliet@example.net/balcony"
ROMEO, GARDEN, HOME = (f"romeo@example.org/{where}" for where in ("orchard", "garden", "home"))
CHAT = "<body>What man art thou</body>"


def enables(client: Actor) -> None:
    client.sends(f"<iq type='set' id='c'><enable xmlns='{CARBONS}'/></iq>")
    client.receives(result("c", ""))


def carbon(way: str, body: str, **inner: str) -> Matcher:
    """A copy from the account itself, of a message with that body."""

    def judge(stanza: Element) -> str | None:
        copied = stanza.child(CARBONS, way)
        forwarded = None if copied is None else copied.child(FORWARD, "forwarded")
        original = None if forwarded is None else forwarded.child(CLIENT, "message")
        if original is None:
            return f"it is no copy of what was {way}"
        if stanza.get("from") != "romeo@example.org":
            return "it is not from the account"
        return message(body, **inner)(original)

    return judge


@pytest.fixture
def home(talk: Stage[Actor]) -> Actor:
    """Romeo's device that wants copies."""
    client = talk.online(HOME)
    enables(client)
    return client


def test_a_message_to_one_device_is_copied_to_the_others(talk: Stage[Actor], home: Actor) -> None:
    garden, juliet = talk.online(GARDEN), talk.online(JULIET)
    plain = talk.online(ROMEO)
    for each in (home, garden):
        each.forget()
    enables(garden)
    juliet.sends(f"<message to='{GARDEN}' type='chat' id='m'>{CHAT}</message>")
    garden.receives(message("What man art thou", from_=JULIET))
    home.receives(carbon("received", "What man art thou", from_=JULIET, to=GARDEN, id="m"))
    for each in (garden, plain, home):
        each.receives_nothing()


def test_what_one_device_sends_is_copied_to_the_others(talk: Stage[Actor], home: Actor) -> None:
    garden, juliet = talk.online(GARDEN), talk.online(JULIET)
    home.forget()
    garden.sends(f"<message to='{JULIET}' type='chat' id='m'>{CHAT}</message>")
    juliet.receives(message("What man art thou", from_=GARDEN))
    copy = home.receives(carbon("sent", "What man art thou", from_=GARDEN, to=JULIET, id="m"))
    assert (copy.get("to"), copy.get("type")) == (HOME, "chat")
    garden.receives_nothing()


def test_a_message_to_the_account_reaches_each_device_once(
    talk: Stage[Actor], home: Actor
) -> None:
    away, juliet = talk.online(GARDEN, priority=-1), talk.online(JULIET)
    enables(away)
    home.forget()
    juliet.sends(f"<message to='romeo@example.org' type='chat'>{CHAT}</message>")
    home.receives(message("What man art thou", from_=JULIET))
    away.receives(carbon("received", "What man art thou", from_=JULIET))
    home.receives_nothing()
    away.receives_nothing()


def test_disabling_ends_it_and_both_may_be_said_twice(talk: Stage[Actor], home: Actor) -> None:
    enables(home)
    garden = talk.online(GARDEN)
    home.forget()
    for _ in range(2):
        home.sends(f"<iq type='set' id='d'><disable xmlns='{CARBONS}'/></iq>")
        home.receives(result("d", ""))
    garden.sends(f"<message to='{JULIET}' type='chat'>{CHAT}</message>")
    home.receives_nothing()


@pytest.mark.parametrize("to", ["juliet@example.net", GARDEN, "romeo@example.net"])
def test_others_cannot_be_asked(talk: Stage[Actor], home: Actor, to: str) -> None:
    talk.online(JULIET)
    home.sends(f"<iq type='set' id='x' to='{to}'><enable xmlns='{CARBONS}'/></iq>")
    answer = home.receives(like("<iq type='error' id='x'/>"))
    if to == "juliet@example.net":
        assert error("x", "cancel", "not-allowed")(answer) is None


X = "http://jabber.org/protocol/muc#user"


@pytest.mark.parametrize(
    "type_, content, copied",
    [
        ("chat", "<x xmlns='urn:x'/>", True),
        ("chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", True),
        ("normal", "<body>b</body>", True),
        ("normal", "<x xmlns='urn:x'/>", False),
        ("normal", "<received xmlns='urn:xmpp:receipts' id='m'/>", True),
        ("normal", "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>", True),
        ("headline", "<body>b</body>", False),
        ("normal", "<x xmlns='jabber:x:conference' jid='room@example.org'/>", True),
        ("normal", f"<x xmlns='{X}'><invite to='a@example.org'/></x>", True),
        ("chat", f"<body>b</body><private xmlns='{CARBONS}'/>", False),
        ("chat", "<body>b</body><no-copy xmlns='urn:xmpp:hints'/>", False),
        ("chat", f"<body>b</body><x xmlns='{X}'/>", False),
    ],
)
def test_what_is_received_is_copied_by_the_rules(
    talk: Stage[Actor], home: Actor, type_: str, content: str, copied: bool
) -> None:
    garden, juliet = talk.online(GARDEN), talk.online(JULIET)
    home.forget()
    juliet.sends(f"<message to='{GARDEN}' type='{type_}'>{content}</message>")
    garden.receives(like("<message/>"))
    if copied:
        home.receives(like(f"<message><received xmlns='{CARBONS}'/></message>"))
    home.receives_nothing()


@pytest.mark.parametrize(
    "type_, content, copied",
    [
        ("chat", f"<body>b</body><x xmlns='{X}'/>", True),
        ("groupchat", "<body>b</body>", False),
        ("chat", f"<body>b</body><private xmlns='{CARBONS}'/>", False),
    ],
)
def test_what_is_sent_is_copied_by_the_rules(
    talk: Stage[Actor], home: Actor, type_: str, content: str, copied: bool
) -> None:
    garden, juliet = talk.online(GARDEN), talk.online(JULIET)
    home.forget()
    garden.sends(f"<message to='{JULIET}' type='{type_}'>{content}</message>")
    juliet.receives(like("<message/>"))
    if copied:
        home.receives(like(f"<message><sent xmlns='{CARBONS}'/></message>"))
    home.receives_nothing()


def test_the_error_to_a_copied_message_is_copied(talk: Stage[Actor], home: Actor) -> None:
    garden = talk.online(GARDEN)
    talk.account(JULIET)
    home.forget()
    to = "nobody@example.net"
    garden.sends(f"<message to='{to}' type='chat' id='m'>{CHAT}</message>")
    refused = error("m", "cancel", "service-unavailable", "message")
    garden.receives(refused)
    home.receives_in_any_order(
        carbon("sent", "What man art thou"),
        like(f"<message type='error'><received xmlns='{CARBONS}'/></message>"),
    )


def test_an_error_to_nothing_is_not_copied(talk: Stage[Actor], home: Actor) -> None:
    garden, juliet = talk.online(GARDEN), talk.online(JULIET)
    home.forget()
    juliet.sends(f"<message to='{GARDEN}' type='error' id='m'/>")
    garden.receives(like("<message type='error'/>"))
    home.receives_nothing()


@pytest.mark.parametrize("to", [HOME, "romeo@example.org"])
@pytest.mark.parametrize("way", ["sent", "received"])
def test_forged_copies_keep_their_sender_and_are_not_copied(
    talk: Stage[Actor], home: Actor, way: str, to: str
) -> None:
    garden, mallory = talk.online(GARDEN), talk.online("tybalt@example.net/home")
    enables(garden)
    home.forget()
    garden.forget()
    mallory.sends(
        f"<message to='{to}' type='chat'><{way} xmlns='{CARBONS}'><forwarded xmlns='{FORWARD}'>"
        f"<message xmlns='jabber:client' from='{JULIET}' to='{HOME}'>{CHAT}</message>"
        f"</forwarded></{way}></message>"
    )
    home.receives(like("<message from='tybalt@example.net/home'/>"))
    if to == HOME:
        garden.receives_nothing()
    else:
        garden.receives(like("<message from='tybalt@example.net/home'/>"))
    home.receives_nothing()


def test_what_one_sends_to_oneself_is_not_doubled(talk: Stage[Actor], home: Actor) -> None:
    garden = talk.online(GARDEN)
    home.forget()
    garden.sends(f"<message to='romeo@example.org' type='chat'>{CHAT}</message>")
    home.receives(message("What man art thou", from_=GARDEN))
    garden.receives(message("What man art thou", from_=GARDEN))
    garden.receives_nothing()
    home.receives_nothing()


def test_the_rules_are_advertised(home: Actor) -> None:
    disco = "http://jabber.org/protocol/disco#info"
    home.sends(f"<iq type='get' id='d' to='example.org'><query xmlns='{disco}'/></iq>")
    home.receives(
        like(
            f"<iq id='d'><query xmlns='{disco}'><feature var='{CARBONS}'/>"
            "<feature var='urn:xmpp:carbons:rules:0'/></query></iq>"
        )
    )
