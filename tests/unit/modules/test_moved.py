"""Contacts that move to another address (XEP-0283), here and on other servers."""

from __future__ import annotations

import pytest

from xmppd.api import IQ, Element, Presence, Stanza, StanzaError, error_reply, jid, parse
from xmppd.modules.roster import Roster
from xmppd.testing import Client, Talk, error, like, presence, result, result_of

ROMEO, OLD, NEW = "romeo@example.org", "juliet@example.org", "juliet@capulet.example"
FAR = "juliet@old.example"
NODE = "urn:xmpp:moved:1"


def statement(new: str) -> str:
    return (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:moved:1'>"
        f"<item id='current'><moved xmlns='{NODE}'><new-jid>{new}</new-jid></moved></item>"
        "</items></pubsub>"
    )


def request(old: str, new: str = NEW) -> Presence:
    moved = Element(NODE, "moved", None, Element(NODE, "old-jid", None, old))
    return Presence(jid(ROMEO), jid(new), "subscribe", "sub1", moved)


def subscriptions(talk: Talk, *contacts: str) -> list[str]:
    roster = talk.module(Roster)
    items = [result_of(roster.item(jid(ROMEO), jid(contact))) for contact in contacts]
    return ["pending" if item.pending else item.subscription for item in items]


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["moved", "pep", "blocking", "disco"])


@pytest.fixture
def away(talk: Talk) -> list[Stanza]:
    """What is routed to other servers."""
    routed: list[Stanza] = []
    talk.router.elsewhere = routed.append
    return routed


@pytest.fixture
def romeo(talk: Talk) -> Client:
    talk.befriend(ROMEO, OLD)
    client = talk.bind(f"{ROMEO}/orchard")
    client.sends("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
    client.forget()
    return client


def states(talk: Talk, new: str) -> None:
    """The old account says where it has gone."""
    juliet = talk.bind(f"{OLD}/balcony")
    juliet.sends(
        "<iq type='set' id='pub1'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        f"<publish node='{NODE}'><item id='current'><moved xmlns='{NODE}'>"
        f"<new-jid>{new}</new-jid></moved></item></publish></pubsub></iq>"
    )
    juliet.receives(result("pub1"))
    juliet.leaves()


def item(contact: str, subscription: str, ask: str = "") -> str:
    asked = f" ask='{ask}'" if ask else ""
    shown = f"<item jid='{contact}' subscription='{subscription}'{asked}/>"
    return f"<iq type='set'><query xmlns='jabber:iq:roster'>{shown}</query></iq>"


def test_who_has_moved_is_followed(talk: Talk, romeo: Client, away: list[Stanza]) -> None:
    """§4.4: the new address first, then the old one's subscription, then our own request."""
    states(talk, NEW)
    talk.router.route(request(OLD))
    romeo.receives(
        like(item(NEW, "from")), like(item(OLD, "to")), like(item(NEW, "from", "subscribe"))
    )
    romeo.receives_nothing()
    assert [(each.to, each.type) for each in away if each.type] == [
        (NEW, "subscribed"),
        (NEW, "subscribe"),
    ]
    assert any(not each.type and each.to == NEW for each in away)  # romeo's presence
    assert subscriptions(talk, OLD, NEW) == ["to", "from"]


def test_the_old_account_is_told_that_it_is_followed_no_more(
    talk: Talk, romeo: Client, away: list[Stanza]
) -> None:
    states(talk, NEW)
    juliet = talk.bind(f"{OLD}/balcony")
    juliet.sends("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    juliet.forget()
    talk.router.route(request(OLD))
    juliet.receives(presence(type="unsubscribed", from_=ROMEO), like(item(ROMEO, "from")))


def test_who_saw_romeo_one_way_is_not_asked_back(
    talk: Talk, romeo: Client, away: list[Stanza]
) -> None:
    romeo.sends(f"<presence to='{OLD}' type='unsubscribe'/>")
    romeo.forget()
    juliet = talk.bind(f"{OLD}/balcony")  # lets anybody read it
    juliet.sends(
        "<iq type='set' id='pub1'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        f"<publish node='{NODE}'><item id='current'><moved xmlns='{NODE}'><new-jid>{NEW}</new-jid>"
        "</moved></item></publish><publish-options><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value>"
        "</field><field var='pubsub#access_model'><value>open</value></field></x>"
        "</publish-options></pubsub></iq>"
    )
    talk.router.route(request(OLD))
    romeo.receives(like(item(NEW, "from")), like(item(OLD, "none")))
    romeo.receives_nothing()


@pytest.mark.parametrize("said", ["mallory@capulet.example", "", f"{NEW}/home", "@"])
def test_another_statement_makes_it_a_usual_request(
    talk: Talk, romeo: Client, away: list[Stanza], said: str
) -> None:
    """§4.4: and <moved/> is still in it."""
    states(talk, said)
    talk.router.route(request(OLD))
    romeo.receives(
        like(
            f"<presence type='subscribe' from='{NEW}' id='sub1'><moved xmlns='{NODE}'>"
            f"<old-jid>{OLD}</old-jid></moved></presence>"
        )
    )
    romeo.receives_nothing()
    assert subscriptions(talk, OLD, NEW) == ["both", "pending"]
    assert not away


def test_no_statement_makes_it_a_usual_request(
    talk: Talk, romeo: Client, away: list[Stanza]
) -> None:
    talk.router.route(request(OLD))
    romeo.receives(presence(type="subscribe", from_=NEW))
    assert subscriptions(talk, OLD, NEW) == ["both", "pending"]


@pytest.mark.parametrize(
    "old", ["mercutio@example.org", f"{OLD}/balcony", NEW, ROMEO, "", "a b@example.org"]
)
def test_who_was_no_contact_is_asked_nothing(
    talk: Talk, romeo: Client, away: list[Stanza], old: str
) -> None:
    talk.router.route(request(old))
    romeo.receives(presence(type="subscribe", from_=NEW))
    assert not away


def test_a_contact_that_must_not_see_romeo_cannot_move(
    talk: Talk, romeo: Client, away: list[Stanza]
) -> None:
    states(talk, NEW)
    romeo.sends(f"<presence to='{OLD}' type='unsubscribed'/>")
    romeo.forget()
    talk.router.route(request(OLD))
    romeo.receives(presence(type="subscribe", from_=NEW))


def test_who_is_blocked_cannot_come_back_by_moving(
    talk: Talk, romeo: Client, away: list[Stanza]
) -> None:
    states(talk, NEW)
    romeo.sends(
        f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{OLD}'/></block></iq>"
    )
    romeo.forget()
    talk.router.route(request(OLD))
    romeo.receives(presence(type="subscribe", from_=NEW))


def test_an_address_moves_once(talk: Talk, romeo: Client, away: list[Stanza]) -> None:
    """§6.2: the old account may state another address afterwards, and may be another's."""
    states(talk, NEW)
    talk.router.route(request(OLD))
    states(talk, "mallory@capulet.example")
    romeo.forget()
    talk.router.route(request(OLD, "mallory@capulet.example"))
    romeo.receives(presence(type="subscribe", from_="mallory@capulet.example"))


# An old account on another server


@pytest.fixture
def far(talk: Talk, romeo: Client, away: list[Stanza]) -> Client:
    """FAR sees romeo, and romeo FAR."""
    romeo.sends(f"<presence to='{FAR}' type='subscribe'/>")
    for type_ in ("subscribed", "subscribe"):
        talk.router.route(Presence(jid(ROMEO), jid(FAR), type_))
    romeo.sends(f"<presence to='{FAR}' type='subscribed'/>")
    romeo.forget()
    away.clear()
    assert subscriptions(talk, FAR) == ["both"]
    return romeo


def asked(away: list[Stanza]) -> IQ:
    question = away.pop()
    assert isinstance(question, IQ)
    assert (question.to, question.from_, question.type) == (FAR, ROMEO, "get")
    items = question.payload.child("http://jabber.org/protocol/pubsub", "items")
    assert items is not None
    assert items.get("node") == NODE
    return question


def test_the_old_server_is_asked_for_the_statement(
    talk: Talk, far: Client, away: list[Stanza]
) -> None:
    talk.router.route(request(FAR))
    far.receives_nothing()
    talk.router.route(asked(away).result(parse(statement(NEW))))
    far.receives(
        like(item(NEW, "from")), like(item(FAR, "to")), like(item(NEW, "from", "subscribe"))
    )
    assert [each.type for each in away if each.to == FAR and each.type][-1:] == ["unsubscribed"]


GONE = {
    "xmpp:juliet@capulet.example": True,
    "xmpp:juliet@capulet.example?subscribe": True,
    "XMPP:juliet%40capulet.example": True,
    "xmpp:mallory@capulet.example": False,
    "xmpp://juliet@capulet.example": False,
    "mailto:juliet@capulet.example": False,
    "": False,
}


@pytest.mark.parametrize(("uri", "moves"), GONE.items(), ids=GONE)
def test_an_account_that_is_gone_may_say_where(
    talk: Talk, far: Client, away: list[Stanza], uri: str, moves: bool
) -> None:
    """§4.3, the note."""
    talk.router.route(request(FAR))
    reply = error_reply(asked(away), StanzaError("gone", uri=uri or None))
    assert reply is not None
    talk.router.route(reply)
    assert subscriptions(talk, FAR, NEW) == (["to", "from"] if moves else ["both", "pending"])


def test_another_error_or_no_answer_make_it_a_usual_request(
    talk: Talk, far: Client, away: list[Stanza]
) -> None:
    talk.router.route(request(FAR))
    reply = error_reply(asked(away), StanzaError("forbidden"))
    assert reply is not None
    talk.router.route(reply)
    far.receives(presence(type="subscribe", from_=NEW))
    other = "nurse@capulet.example"
    talk.router.route(request(FAR, other))
    asked(away)
    far.receives_nothing()
    talk.advance(30)
    far.receives(presence(type="subscribe", from_=other))


def test_while_it_is_checked_the_user_may_decide(
    talk: Talk, far: Client, away: list[Stanza]
) -> None:
    """The request waits in storage all the time; who refuses has refused."""
    talk.router.route(request(FAR))
    assert subscriptions(talk, NEW) == ["pending"]
    far.sends(f"<presence to='{NEW}' type='unsubscribed'/>")
    away[:] = [each for each in away if each.to == FAR]
    talk.router.route(asked(away).result(parse(statement(NEW))))
    assert subscriptions(talk, FAR, NEW) == ["both", "none"]
    assert not result_of(talk.module(Roster).item(jid(ROMEO), jid(NEW))).approved
    far.receives_nothing()


def test_a_request_is_checked_once_at_a_time(talk: Talk, far: Client, away: list[Stanza]) -> None:
    for _ in range(3):
        talk.router.route(request(FAR))
    assert len(away) == 1


def test_more_than_may_be_checked_are_usual_requests() -> None:
    talk = Talk(only=["moved"], options={"moved": {"max_checks": 1}})
    routed: list[Stanza] = []
    talk.router.elsewhere = routed.append
    romeo = talk.online(f"{ROMEO}/orchard")
    talk.router.route(Presence(jid(ROMEO), jid(FAR), "subscribe"))
    romeo.sends(f"<presence to='{FAR}' type='subscribed'/>")
    romeo.forget()
    routed.clear()
    talk.router.route(request(FAR))
    romeo.receives_nothing()
    talk.router.route(request(FAR, "nurse@capulet.example"))
    romeo.receives(presence(type="subscribe", from_="nurse@capulet.example"))
    assert len(routed) == 1


def test_without_moved_nothing_is_asked(talk: Talk, far: Client, away: list[Stanza]) -> None:
    talk.router.route(Presence(jid(ROMEO), jid(NEW), "subscribe"))
    far.receives(presence(type="subscribe", from_=NEW))
    assert not away
    far.sends("<iq type='get' id='x' to='example.org'><x xmlns='urn:x'/></iq>")
    far.receives(error("x", "cancel", "service-unavailable"))
