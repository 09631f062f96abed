"""Floods of strangers end, contacts pass, and ban lists are followed."""

import hashlib

import pytest

from xmppd.api import Message, Presence, jid, parse
from xmppd.module import ModuleFault
from xmppd.modules.strangers import Strangers
from xmppd.testing import Client, Talk, error, like, message, presence, result

OPTIONS = {
    "messages_per_account": 3,
    "messages_per_server": 5,
    "requests_per_account": 2,
    "requests_per_server": 3,
}
LIST = "pubsub.example.org bans"
PUBSUB = "http://jabber.org/protocol/pubsub"


@pytest.fixture
def talk() -> Talk:
    return Talk(Strangers, options={"strangers": OPTIONS})


@pytest.fixture
def juliet(talk: Talk) -> Client:
    return talk.online("juliet@example.org/balcony")


def says(client: Client, to: str = "juliet@example.org", count: int = 1) -> None:
    for number in range(count):
        client.sends(f"<message to='{to}' type='chat' id='m{number}'><body>hi</body></message>")


def test_a_stranger_is_told_when_it_is_too_much(talk: Talk, juliet: Client) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    says(romeo, count=4)
    juliet.receives(*[message("hi")] * 3)
    romeo.receives(error("m3", "wait", "resource-constraint", kind="message"))
    juliet.receives_nothing()


def test_it_is_one_limit_for_all_strangers_of_an_account(talk: Talk, juliet: Client) -> None:
    for number in range(4):
        says(talk.online(f"user{number}@example.org/x"))
    juliet.receives(*[message("hi")] * 3)
    juliet.receives_nothing()


def test_time_heals(talk: Talk, juliet: Client) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    says(romeo, count=4)
    juliet.forget()
    talk.advance(3600)
    says(romeo)
    juliet.receives(message("hi"))


def test_contacts_are_not_limited(talk: Talk, juliet: Client) -> None:
    talk.befriend("juliet@example.org", "romeo@example.org")
    romeo = talk.online("romeo@example.org/orchard")
    juliet.forget()
    says(romeo, count=20)
    juliet.receives(*[message("hi")] * 20)


def test_whom_one_wrote_to_may_answer(talk: Talk, juliet: Client) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    says(juliet, "romeo@example.org")
    says(romeo, count=20)
    juliet.receives(*[message("hi")] * 20)


def test_nor_are_contacts_limited_who_write_to_somebody_away(talk: Talk, juliet: Client) -> None:
    talk.befriend("juliet@example.org", "romeo@example.org")
    juliet.leaves()
    friend, stranger = talk.online("romeo@example.org/o"), talk.online("tybalt@example.org/o")
    says(friend, count=5)
    friend.receives_nothing()
    says(stranger, count=4)
    stranger.receives(error("m3", "wait", "resource-constraint", kind="message"))


def test_other_servers_answer_for_their_users(talk: Talk, juliet: Client) -> None:
    nurse = talk.online("nurse@example.org/kitchen")
    for number in range(6):
        to = (juliet if number % 2 else nurse).jid.bare
        spam = Message(to, jid(f"u{number}@far.example"), "chat", None, parse("<a xmlns='b'/>"))
        talk.router.route(spam)
    nurse.receives(*[like("<message/>")] * 3)
    juliet.receives(*[like("<message/>")] * 2)
    juliet.receives_nothing()


def test_requests_too_many_are_dropped(talk: Talk, juliet: Client) -> None:
    for number in range(3):
        stranger = talk.online(f"user{number}@example.org/x")
        stranger.sends("<presence to='juliet@example.org' type='subscribe'/>")
        stranger.receives_nothing() if number == 2 else stranger.forget()
    juliet.receives(*[presence(type="subscribe")] * 2)
    juliet.receives_nothing()


# Ban lists


@pytest.fixture
def listed() -> Talk:
    return Talk(Strangers, options={"strangers": {"lists": [LIST]}})


@pytest.fixture
def keeper(listed: Talk) -> Client:
    keeper = listed.online("keeper@example.org/desk")
    keeper.sends(
        f"<iq type='set' id='c' to='pubsub.example.org'><pubsub xmlns='{PUBSUB}'>"
        "<create node='bans'/></pubsub></iq>"
    )
    keeper.receives(result("c"))
    return keeper


def bans(keeper: Client, address: str, what: str = "publish") -> None:
    digest = hashlib.sha256(address.encode()).hexdigest()
    publish = what == "publish"
    notify = "" if publish else " notify='true'"
    inside = "<report xmlns='urn:xmpp:reporting:1'/>" if publish else ""
    keeper.sends(
        f"<iq type='set' id='b' to='pubsub.example.org'><pubsub xmlns='{PUBSUB}'>"
        f"<{what} node='bans'{notify}><item id='{digest}'>{inside}</item></{what}></pubsub></iq>"
    )
    keeper.forget()


def spams(talk: Talk, from_: str, to: str = "keeper@example.org") -> None:
    body = parse("<body xmlns='jabber:client'>buy</body>")
    talk.router.route(Message(jid(to), jid(from_), "chat", None, body))


def test_a_list_is_read_and_what_it_names_is_not_let_in(listed: Talk, keeper: Client) -> None:
    bans(keeper, "spammer@far.example")
    bans(keeper, "evil.example")
    listed.advance(300)  # there was no such node at the start
    for from_ in ("spammer@far.example/x", "anybody@evil.example/x", "good@far.example/x"):
        spams(listed, from_)
    keeper.receives(message("buy", from_="good@far.example/x"))
    keeper.receives_nothing()


def test_it_tells_what_comes_and_goes(listed: Talk, keeper: Client) -> None:
    listed.advance(300)
    spams(listed, "spammer@far.example/x")
    keeper.receives(message("buy"))
    bans(keeper, "spammer@far.example")
    spams(listed, "spammer@far.example/x")
    keeper.receives_nothing()
    bans(keeper, "spammer@far.example", "retract")
    spams(listed, "spammer@far.example/x")
    keeper.receives(message("buy"))


def test_others_cannot_speak_for_a_list(listed: Talk, keeper: Client) -> None:
    listed.advance(300)
    digest = hashlib.sha256(b"romeo@far.example").hexdigest()
    keeper.sends(
        f"<message to='example.org'><event xmlns='{PUBSUB}#event'><items node='bans'>"
        f"<item id='{digest}'/></items></event></message>"
    )
    keeper.forget()
    spams(listed, "romeo@far.example/x")
    keeper.receives(message("buy"))


def test_requests_and_rooms_are_closed_to_the_banned(listed: Talk, keeper: Client) -> None:
    bans(keeper, "spammer@far.example")
    listed.advance(300)
    strangers = listed.module(Strangers)
    assert strangers.is_banned(jid("spammer@far.example/x"))
    listed.router.route(
        Presence(jid("keeper@example.org"), jid("spammer@far.example"), "subscribe")
    )
    keeper.receives_nothing()
    answers: list[object] = []
    listed.router.claim("far.example", answers.append)
    x = parse("<x xmlns='http://jabber.org/protocol/muc'/>")
    room = jid("tea@conference.example.org/spam")
    listed.router.route(Presence(room, jid("spammer@far.example/x"), "", None, x))
    (answer,) = answers
    assert answer.type == "error"  # type: ignore[attr-defined]
    assert answer.error.condition == "forbidden"  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["", "far.example", "@ node"])
def test_a_list_that_is_none_stops_the_load(text: str) -> None:
    with pytest.raises(ModuleFault, match="lists"):
        Talk(Strangers, options={"strangers": {"lists": [text]}})


def test_ids_that_are_no_hashes_take_no_room(listed: Talk, keeper: Client) -> None:
    listed.advance(300)
    keeper.sends(
        f"<iq type='set' id='b' to='pubsub.example.org'><pubsub xmlns='{PUBSUB}'>"
        f"<publish node='bans'><item id='{'x' * 900}'><a xmlns='b'/></item></publish>"
        "</pubsub></iq>"
    )
    keeper.forget()
    said = listed.run("strangers")
    assert ("pubsub.example.org bans", 0) in said.rows  # type: ignore[attr-defined]
