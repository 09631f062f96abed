"""Client state indication: XEP-0352."""

import pytest

from xmppd.ns import CSI
from xmppd.testing import Actor, Stage, like, message, presence, result

JULIET, ROMEO = "juliet@example.org/phone", "romeo@example.net/orchard"
INACTIVE, ACTIVE = f"<inactive xmlns='{CSI}'/>", f"<active xmlns='{CSI}'/>"
TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
PAUSED = "<paused xmlns='http://jabber.org/protocol/chatstates'/>"
PING = "<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture
def pair(talk: Stage[Actor]) -> tuple[Actor, Actor]:
    """Juliet, whose phone is in her pocket, and romeo, whom she sees."""
    talk.befriend(JULIET, ROMEO)
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    juliet.sends(INACTIVE)
    juliet.forget()
    romeo.forget()
    return juliet, romeo


def shows(client: Actor, *shows: str) -> None:
    for show in shows:
        client.sends(f"<presence><show>{show}</show></presence>")
    client.forget()


def test_the_last_presence_of_each_comes_when_the_client_is_active(
    pair: tuple[Actor, Actor],
) -> None:
    juliet, romeo = pair
    shows(romeo, "away", "dnd", "chat")
    juliet.receives_nothing()
    juliet.sends(ACTIVE)
    juliet.receives(like(f"<presence from='{ROMEO}'><show>chat</show></presence>"))
    juliet.receives_nothing()
    shows(romeo, "xa")
    juliet.receives(like(f"<presence from='{ROMEO}'><show>xa</show></presence>"))


def test_what_waits_comes_before_the_answer_to_what_is_asked_next(
    pair: tuple[Actor, Actor],
) -> None:
    juliet, romeo = pair
    shows(romeo, "away")
    juliet.sends(ACTIVE + PING)
    juliet.receives(presence(from_=ROMEO), result("p"))


@pytest.mark.parametrize(
    "content",
    [
        "<body>x</body>",
        "<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>",
        "<encrypted xmlns='urn:xmpp:omemo:2'/>",
        "<x xmlns='http://jabber.org/protocol/muc#user'><invite/></x>",
    ],
)
def test_what_matters_comes_at_once_and_brings_along_what_waits_in_order(
    pair: tuple[Actor, Actor], content: str
) -> None:
    juliet, romeo = pair
    shows(romeo, "away")
    receipt = "<received xmlns='urn:xmpp:receipts' id='1'/>"
    romeo.sends(f"<message to='{JULIET}' type='chat' id='r'>{receipt}</message>")
    juliet.receives_nothing()
    romeo.sends(f"<message to='{JULIET}' type='chat' id='m'>{content}</message>")
    juliet.receives(presence(from_=ROMEO), message(id="r"), message(id="m"))
    shows(romeo, "dnd")
    juliet.receives_nothing()


@pytest.mark.parametrize(
    "content",
    [
        TYPING,
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
        "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>x</reaction></reactions>",
        "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'/></event>",
        "<retract xmlns='urn:xmpp:message-retract:1' id='1'/><store xmlns='urn:xmpp:hints'/>",
    ],
)
def test_what_does_not_matter_waits(pair: tuple[Actor, Actor], content: str) -> None:
    juliet, romeo = pair
    romeo.sends(f"<message to='{JULIET}' type='chat' id='m'>{content}</message>")
    juliet.receives_nothing()
    juliet.sends(ACTIVE)
    juliet.receives(message(id="m"))


def test_of_typing_only_the_last_is_told(pair: tuple[Actor, Actor]) -> None:
    juliet, romeo = pair
    romeo.sends(f"<message to='{JULIET}' type='chat' id='1'>{TYPING}</message>")
    romeo.sends(f"<message to='{JULIET}' type='chat' id='2'>{PAUSED}</message>")
    juliet.sends(ACTIVE)
    juliet.receives(message(id="2"))
    juliet.receives_nothing()


def test_a_message_that_waited_says_since_when_and_presence_does_not(
    pair: tuple[Actor, Actor],
) -> None:
    juliet, romeo = pair
    shows(romeo, "away")
    romeo.sends(f"<message to='{JULIET}'><received xmlns='urn:xmpp:receipts' id='1'/></message>")
    juliet.receives_nothing()
    juliet.sends(ACTIVE)
    assert juliet.receives(presence(from_=ROMEO)).child("urn:xmpp:delay", "delay") is None
    juliet.receives(like("<message><delay xmlns='urn:xmpp:delay' from='example.org'/></message>"))


@pytest.mark.parametrize(
    "stanza",
    [
        f"<presence to='{JULIET}' type='subscribe'/>",
        f"<iq to='{JULIET}' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>",
        f"<message to='{JULIET}' type='error' id='p'/>",
    ],
)
def test_subscriptions_requests_and_errors_come_at_once(talk: Stage[Actor], stanza: str) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    juliet.sends(INACTIVE + PING)
    juliet.receives(result("p"))
    romeo.sends(stanza)
    juliet.receives(lambda _: None)


def test_copies_are_judged_by_what_they_carry(
    pair: tuple[Actor, Actor], talk: Stage[Actor]
) -> None:
    juliet, romeo = pair
    desk = talk.online("juliet@example.org/desk")
    juliet.sends(f"<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>{ACTIVE}")
    juliet.forget()
    juliet.sends(INACTIVE + PING)
    juliet.receives(result("p"))
    desk.sends(f"<message to='{ROMEO}' type='chat'>{TYPING}</message>")
    romeo.receives(lambda _: None)
    juliet.receives_nothing()
    desk.sends(f"<message to='{ROMEO}' type='chat'><body>x</body></message>")
    sent = "<message><sent xmlns='urn:xmpp:carbons:2'/></message>"
    juliet.receives(like(sent), like(sent))
    juliet.receives_nothing()


def test_two_clients_of_an_account_have_states_of_their_own(
    pair: tuple[Actor, Actor], talk: Stage[Actor]
) -> None:
    juliet, romeo = pair
    desk = talk.online("juliet@example.org/desk")
    desk.forget()
    shows(romeo, "away")
    desk.receives(presence(from_=ROMEO))
    juliet.receives_nothing()


def test_an_iq_comes_at_once_after_what_its_sender_said_before(pair: tuple[Actor, Actor]) -> None:
    juliet, romeo = pair
    shows(romeo, "away")
    juliet.sends(PING)
    juliet.receives(result("p"))
    romeo.sends(PING.replace("example.org", JULIET))
    juliet.receives(presence(from_=ROMEO), like("<iq type='get' id='p'/>"))
