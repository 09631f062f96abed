"""What was displayed is in step on all devices, with the server's help (XEP-0490)."""

import pytest

from tests.conversations.pubsub import NS, OWNER, done
from xmppd.api import to_xml
from xmppd.testing import Actor, Stage, like, result

OWNING, READING = "juliet@example.org/balcony", "romeo@example.net/orchard"
JULIET, ROMEO = "juliet@example.org", "romeo@example.net"
MDS, MARKERS, SID = "urn:xmpp:mds:displayed:0", "urn:xmpp:chat-markers:0", "urn:xmpp:sid:0"
INFO = "http://jabber.org/protocol/disco#info"


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    return talk.bind(OWNING)


def displayed(id_: str) -> str:
    stanza_id = f"<stanza-id xmlns='{SID}' by='{JULIET}' id='{id_}'/>"
    return f"<displayed xmlns='{MDS}'>{stanza_id}</displayed>"


def marks(client: Actor, id_: str, *, to: str = ROMEO, type_: str = "chat") -> None:
    marker = f"<displayed xmlns='{MARKERS}' id='m'/>"
    client.sends(f"<message to='{to}' type='{type_}'>{marker}{displayed(id_)}</message>")
    client.sends("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    client.receives(result("p", ""))  # which waits until it is stored


def reads(client: Actor, *items: tuple[str, str]) -> None:
    asked = f"<pubsub xmlns='{NS}'><items node='{MDS}'/></pubsub>"
    client.sends(f"<iq type='get' id='a'>{asked}</iq>")
    inside = "".join(f"<item id='{of}'>{displayed(id_)}</item>" for of, id_ in items)
    found = f"<pubsub xmlns='{NS}'><items node='{MDS}'>{inside}</items></pubsub>"
    client.receives(result("a", found))


def test_the_account_says_that_it_helps(juliet: Actor) -> None:
    juliet.sends(f"<iq type='get' id='d' to='{JULIET}'><query xmlns='{INFO}'/></iq>")
    feature = "<feature var='urn:xmpp:mds:server-assist:0'/>"
    juliet.receives(like(f"<iq type='result'><query xmlns='{INFO}'>{feature}</query></iq>"))


def test_what_a_message_says_is_published_and_not_passed_on(
    talk: Stage[Actor], juliet: Actor
) -> None:
    romeo = talk.online(READING)
    marks(juliet, "s1")
    got = romeo.receives(like(f"<message><displayed xmlns='{MARKERS}' id='m'/></message>"))
    assert got.child(MDS, "displayed") is None
    reads(juliet, (ROMEO, "s1"))
    marks(juliet, "s2")
    romeo.receives(like(f"<message><displayed xmlns='{MARKERS}' id='m'/></message>"))
    reads(juliet, (ROMEO, "s2"))


def test_each_chat_has_its_item(talk: Stage[Actor], juliet: Actor) -> None:
    nurse = talk.online("nurse@example.org/chamber")
    romeo = talk.online(READING)
    marks(juliet, "s1")
    romeo.receives(like("<message/>"))
    marks(juliet, "s2", to="nurse@example.org")
    nurse.receives(like("<message/>"))
    reads(juliet, (ROMEO, "s1"), ("nurse@example.org", "s2"))


def test_the_node_is_private(talk: Stage[Actor], juliet: Actor) -> None:
    romeo = talk.online(READING)
    marks(juliet, "s1")
    romeo.receives(like("<message/>"))
    config = f"<configure node='{MDS}'/>"
    juliet.sends(f"<iq type='get' id='a'><pubsub xmlns='{OWNER}'>{config}</pubsub></iq>")
    fields = "".join(
        f"<field var='pubsub#{var}'><value>{value}</value></field>"
        for var, value in (
            ("access_model", "whitelist"),
            ("persist_items", "1"),
            ("max_items", "max"),
            ("send_last_published_item", "never"),
        )
    )
    form = f"<configure><x xmlns='jabber:x:data'>{fields}</x></configure>"
    juliet.receives(done(form, ns=OWNER))


def test_copies_for_other_devices_do_not_have_it(talk: Stage[Actor], juliet: Actor) -> None:
    talk.online(READING)
    other = talk.online("juliet@example.org/chamber")
    other.sends("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
    other.receives(result("c", ""))
    marks(juliet, "s1")
    inside = f"<message xmlns='jabber:client'><displayed xmlns='{MARKERS}'/></message>"
    forwarded = f"<forwarded xmlns='urn:xmpp:forward:0'>{inside}</forwarded>"
    sent = f"<sent xmlns='urn:xmpp:carbons:2'>{forwarded}</sent>"
    assert MDS not in to_xml(other.receives(like(f"<message>{sent}</message>")))
