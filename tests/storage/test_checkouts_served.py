"""A server on the database of an earlier state of the program: all is found, all goes on.

What the dumps hold was said to a server of that state by romeo and juliet; the nurse was never
there (`releases/README.rst`).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.storage.test_checkouts import NAMES, RELEASES
from tests.support.client import TLSClient
from tests.support.server import ServerProcess
from xmppd.jid import jid
from xmppd.testing.matching import like
from xmppd.xml import Element, to_xml

PUBSUB = "http://jabber.org/protocol/pubsub"
OWNER = f"{PUBSUB}#owner"
MUC = "http://jabber.org/protocol/muc"
SERVICE, ROOM = "pubsub.example.org", "balcony@conference.example.org"
LASTING = (
    f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'>"
    f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
    "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>"
)
EARLIEST = "checkout-c21fc0f"  # before there were rooms and pubsub
LATER = [name for name in NAMES if name != EARLIEST]
all_states = pytest.mark.parametrize("state", NAMES, indirect=True, scope="module")
with_rooms = pytest.mark.parametrize("state", LATER, indirect=True, scope="module")


@pytest.fixture(scope="module")
def state(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server of today on the dump of that name."""
    server = ServerProcess(hosts=["example.org"], enable=["register", "muc", "pubsub", "archive"])
    try:
        data = server.folder / "data"
        data.mkdir(mode=0o700)
        with closing(sqlite3.connect(data / "xmppd.sqlite")) as database:
            database.executescript((RELEASES / f"{request.param}.sqlite.sql").read_text())
        server.start()
        yield server
        server.stop()
    finally:
        server.kill()
        server.clean()


def bound(server: ServerProcess, full: str) -> TLSClient:
    client = TLSClient(server.address, jid(full))
    client.connects()
    return client


def asked(client: TLSClient, payload: str, to: str = "", type: str = "get") -> Element:
    """The result; what comes before it is passed over."""
    addressed = f" to='{to}'" if to else ""
    client.sends(f"<iq type='{type}' id='asked'{addressed}>{payload}</iq>")
    while (answer := client.reads()).get("id") != "asked":
        pass
    assert answer.get("type") == "result", to_xml(answer)
    return answer


def holds(answer: Element, payload: str) -> None:
    assert like(f"<iq>{payload}</iq>")(answer) is None, to_xml(answer)


@pytest.mark.parametrize("state", ["checkout-71bf62b"], indirect=True, scope="module")
def test_the_log_says_what_was_upgraded(state: ServerProcess) -> None:
    assert "Database: pubsub: step 3, an address may subscribe several times" in state.log


@all_states
def test_a_roster_is_what_it_was(state: ServerProcess) -> None:
    item = "<item jid='juliet@example.org' name='Juliet' subscription='both'>"
    with_group = f"{item}<group>Capulets</group></item>"
    answer = asked(bound(state, "romeo@example.org/a"), "<query xmlns='jabber:iq:roster'/>")
    holds(answer, f"<query xmlns='jabber:iq:roster'>{with_group}</query>")


@all_states
def test_what_an_account_has_stored_is_there(state: ServerProcess) -> None:
    juliet = bound(state, "juliet@example.org/b")
    card = "<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN></vCard>"
    note = "<note xmlns='urn:example:note'>poison</note>"
    holds(asked(juliet, "<vCard xmlns='vcard-temp'/>"), card)
    private = "<query xmlns='jabber:iq:private'>{}</query>"
    empty = private.format("<note xmlns='urn:example:note'/>")
    holds(asked(juliet, empty), private.format(note))


@all_states
def test_who_was_away_gets_what_waited(state: ServerProcess) -> None:
    nurse = bound(state, "nurse@example.org/c")
    nurse.sends("<presence/>")
    came = [nurse.reads() for _ in range(3)]  # her own presence is one of them
    assert any(like("<message><body>Hie you</body></message>")(each) is None for each in came)
    assert any(like("<presence type='subscribe'/>")(each) is None for each in came)


@with_rooms
def test_a_room_is_what_it_was(state: ServerProcess) -> None:
    juliet = bound(state, "juliet@example.org/d")
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    identity = "<identity category='conference' type='text' name='The balcony'/>"
    holds(asked(juliet, info, ROOM), info.replace("/>", f">{identity}</query>"))
    members = f"<query xmlns='{MUC}#admin'><item affiliation='member'/></query>"
    member = "<item affiliation='member' jid='romeo@example.org' nick='romeo'/>"
    holds(asked(juliet, members, ROOM), f"<query xmlns='{MUC}#admin'>{member}</query>")


@with_rooms
def test_who_enters_a_room_is_told_what_was_said(state: ServerProcess) -> None:
    romeo = bound(state, "romeo@example.org/e")
    romeo.sends(f"<presence to='{ROOM}/romeo'><x xmlns='{MUC}'/></presence>")
    romeo.waits_for_server()
    said = "".join(to_xml(each) for each in romeo.inbox)
    assert "It is the lark" in said
    assert "<subject>Stars</subject>" in said


@with_rooms
def test_a_destroyed_rooms_name_is_remembered(state: ServerProcess) -> None:
    """In a table that had not been there."""
    juliet, romeo = bound(state, "juliet@example.org/f"), bound(state, "romeo@example.org/f")
    room = f"orchard@{ROOM.partition('@')[2]}"
    juliet.sends(f"<presence to='{room}/juliet'><x xmlns='{MUC}'/></presence>")
    asked(juliet, LASTING, room, "set")
    asked(juliet, f"<query xmlns='{MUC}#owner'><destroy/></query>", room, "set")
    romeo.sends(f"<presence to='{room}/romeo'><x xmlns='{MUC}'/></presence>")
    romeo.receives(like("<presence type='error'><error type='cancel'/></presence>"))


@with_rooms
def test_a_node_has_its_items_and_subscribers(state: ServerProcess) -> None:
    juliet = bound(state, "juliet@example.org/g")
    items = f"<pubsub xmlns='{PUBSUB}'><items node='news'/></pubsub>"
    first, second = (
        "<item id='{}'><e xmlns='urn:example:e'>{}</e></item>".format(*each)
        for each in (("a", "first"), ("b", "second é"))
    )
    holds(asked(juliet, items, SERVICE), items.replace("/>", f">{first}{second}</items>", 1))
    subscribers = f"<pubsub xmlns='{OWNER}'><subscriptions node='news'/></pubsub>"
    answer = to_xml(asked(juliet, subscribers, SERVICE))
    assert "jid='romeo@example.org'" in answer
    assert "jid='romeo@example.org/orchard'" in answer


@with_rooms
def test_a_node_is_published_to_and_notifies_as_before(state: ServerProcess) -> None:
    juliet, romeo = bound(state, "juliet@example.org/h"), bound(state, "romeo@example.org/orchard")
    romeo.sends("<presence/>")
    romeo.waits_for_server()
    item = "<item id='c'><e xmlns='urn:example:e'>third</e></item>"
    publish = f"<pubsub xmlns='{PUBSUB}'><publish node='news'>{item}</publish></pubsub>"
    asked(juliet, publish, SERVICE, "set")
    romeo.waits_for_server()
    assert sum("third" in to_xml(each) for each in romeo.inbox) == 2  # as bare and as full JID


@with_rooms
def test_a_personal_node_is_found(state: ServerProcess) -> None:
    romeo = bound(state, "romeo@example.org/i")
    items = f"<pubsub xmlns='{PUBSUB}'><items node='urn:example:tune'/></pubsub>"
    answer = asked(romeo, items, "juliet@example.org")
    assert "second é" in to_xml(answer)


@with_rooms
def test_who_was_blocked_is(state: ServerProcess) -> None:
    juliet = bound(state, "juliet@example.org/k")
    answer = asked(juliet, "<blocklist xmlns='urn:xmpp:blocking'/>")
    blocked = "<item jid='paris@example.org'/>"
    holds(answer, f"<blocklist xmlns='urn:xmpp:blocking'>{blocked}</blocklist>")
