"""Bookmarks: what was there before, what is too much, what comes at once (XEP-0402)."""

from xmppd.api import jid
from xmppd.modules.bookmarks import NS, OLD, Bookmarks, BookmarksOptions
from xmppd.modules.private import NS as PRIVATE
from xmppd.modules.private import PrivateStorage
from xmppd.modules.pubsub import Pep
from xmppd.testing import Client, Talk, result, result_of
from xmppd.xml import Element, parse

JULIET = jid("juliet@example.org")
PLAY = "theplay@conference.example.org"
PUBSUB = "http://jabber.org/protocol/pubsub"


def stored(inside: str) -> str:
    return f"<query xmlns='{PRIVATE}'><storage xmlns='{OLD}'>{inside}</storage></query>"


def stores(client: Client, inside: str) -> None:
    client.sends(f"<iq type='set' id='p'>{stored(inside)}</iq>")


def rooms(talk: Talk) -> list[str]:
    items = result_of(talk.module(Pep).latest(JULIET, NS, 100))
    return [item.id for item in items]


def test_what_was_stored_before_the_module_was_there_is_taken_over() -> None:
    talk = Talk(only=["private", "pep"])
    stores(talk.bind("juliet@example.org/balcony"), f"<conference jid='{PLAY}'/>")
    assert rooms(talk) == []
    result_of(talk.host.modules.swap((), {Bookmarks: BookmarksOptions()}))
    talk.advance(1)
    assert rooms(talk) == [PLAY]


def test_a_module_that_is_off_leaves_what_was_stored() -> None:
    talk = Talk(only=["private", "pep", Bookmarks])
    juliet = talk.bind("juliet@example.org/balcony")
    stores(juliet, f"<conference jid='{PLAY}'/>")
    found = result_of(talk.module(PrivateStorage).stored(JULIET, OLD))
    assert found == parse(stored(f"<conference jid='{PLAY}'/>"))


def test_bookmarks_too_long_for_a_list_stay_items() -> None:
    small = {"max_payload": 1024}
    talk = Talk(only=["private", "pep", Bookmarks], options={"pep": small})
    juliet = talk.bind("juliet@example.org/balcony")
    for number in range(4):
        name = "x" * 400
        conference = f"<conference xmlns='{NS}' name='{name}'/>"
        item = f"<item id='room{number}@example.org'>{conference}</item>"
        juliet.sends(
            f"<iq type='set' id='a'><pubsub xmlns='{PUBSUB}'>"
            f"<publish node='{NS}'>{item}</publish></pubsub></iq>"
        )
        got = juliet.receives(lambda stanza: None)
        assert got.get("type") == "result"
    assert len(rooms(talk)) == 4
    juliet.sends(f"<iq type='get' id='p'>{stored('')}</iq>")
    juliet.receives(result("p", stored("")))


def test_only_one_of_the_older_forms_may_be_wanted() -> None:
    talk = Talk(options={"bookmarks": {"private_xml": False}})
    stores(talk.bind("juliet@example.org/balcony"), f"<conference jid='{PLAY}'/>")
    assert rooms(talk) == []


def test_a_room_is_known_by_its_address_however_it_is_written() -> None:
    talk = Talk()
    pep, juliet = talk.module(Pep), talk.bind("juliet@example.org/balcony")
    conference = Element(NS, "conference", {"name": "The Play"})
    odd = "ThePlay@Conference.Example.org"
    result_of(pep.publish(JULIET, NS, conference, odd))
    stores(juliet, f"<conference jid='{PLAY}' name='The Play'/>")
    assert rooms(talk) == [odd]
