"""XEP-0492: of which chats a device is told, and what a mention is."""

import pytest

from xmppd.api import JID, Message, jid, parse
from xmppd.modules.pubsub import Pep
from xmppd.modules.push.settings import NS, wanted
from xmppd.testing import Client, Talk, result, result_of

from .test_push import PHONE, AppServer

ROOM, USER = jid("tea@conference.example.org/nurse"), jid("juliet@example.org/phone")


def bookmark(inside: str, nick: str = "jules") -> str:
    return (
        f"<conference xmlns='urn:xmpp:bookmarks:1'><nick>{nick}</nick><extensions>"
        f"<notify xmlns='{NS}'>{inside}</notify></extensions></conference>"
    )


def said(body: str, type: str = "groupchat", more: str = "", from_: JID = ROOM) -> Message:
    children = [parse(f"<body xmlns='jabber:client'>{body}</body>")]
    return Message(USER, from_, type, None, *children, *([parse(more)] if more else []))


REFERENCE = "<reference xmlns='urn:xmpp:reference:0' type='%s' uri='xmpp:%s'/>"
REPLY = "<reply xmlns='urn:xmpp:reply:0' to='%s' id='x'/>"


@pytest.mark.parametrize(
    ("setting", "text", "more", "told"),
    [
        ("<always/>", "hello", "", True),
        ("<never/>", "hello jules", "", False),
        ("<on-mention/>", "hello", "", False),
        ("<on-mention/>", "hello Jules!", "", True),
        ("<on-mention/>", "hello", REFERENCE % ("mention", "juliet@example.org"), True),
        ("<on-mention/>", "hello", REFERENCE % ("data", "juliet@example.org"), False),
        ("<on-mention/>", "hello", REFERENCE % ("mention", "romeo@example.org"), False),
        ("<on-mention/>", "hello", REPLY % "tea@conference.example.org/jules", True),
        ("<on-mention/>", "hello", REPLY % "tea@conference.example.org/nurse", False),
        ("<on-mention/>", "hello", REPLY % "@", False),
        ("<never/><always identity-category='client'/>", "hello", "", True),
        ("<always/><never identity-category='client' identity-type='pc'/>", "hello", "", True),
        (
            "<always identity-category='client'/>"
            "<never identity-category='client' identity-type='phone'/><always/>",
            "hello",
            "",
            False,
        ),
        ("<sometimes/>", "hello", "", False),  # as without any
        ("", "jules", "", True),
    ],
)
def test_the_most_specific_setting_holds(setting: str, text: str, more: str, told: bool) -> None:
    assert wanted(bookmark(setting), said(text, more=more)) is told


@pytest.mark.parametrize("damaged", [None, "<conference xmlns='urn:xmpp:bookmarks:1'/>", "<"])
def test_without_setting_chats_are_told_and_rooms_when_one_is_meant(damaged: str | None) -> None:
    assert wanted(damaged, said("hello", "chat"))
    assert not wanted(damaged, said("hello"))
    assert wanted(damaged, said("hello juliet"))


@pytest.fixture
def talk() -> Talk:
    return Talk(AppServer)


@pytest.fixture
def romeo(talk: Talk) -> Client:
    phone = talk.bind(PHONE)
    phone.sends(
        "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='push.example.org'/></iq>"
    )
    phone.receives(result("e"))
    phone.leaves()
    return talk.online("romeo@example.org/orchard")


@pytest.mark.parametrize(("setting", "count"), [("never", 0), ("always", 1), ("on-mention", 0)])
def test_a_chat_that_shall_be_silent_is(
    talk: Talk, romeo: Client, setting: str, count: int
) -> None:
    payload = parse(bookmark(f"<{setting}/>"))
    pep, user = talk.module(Pep), jid("juliet@example.org")
    result_of(pep.publish(user, "urn:xmpp:bookmarks:1", payload, "romeo@example.org"))
    romeo.sends("<message to='juliet@example.org' type='chat'><body>hello</body></message>")
    assert len(talk.module(AppServer).published) == count
