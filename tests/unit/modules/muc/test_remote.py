"""Occupants of other servers: as local ones, until nothing reaches them (XEP-0045 §12.1)."""

import pytest

from tests.support.rooms import (
    CRONE_NICK,
    HAG,
    HAG_NICK,
    MUC,
    ROOM,
    SERVICE,
    joins,
    say,
    seen,
)
from xmppd.api import Element, Message, Presence, Stanza, StanzaError, error_reply, jid, ns
from xmppd.testing import Client, Talk

ROMEO = jid("romeo@far.example/orchard")


class Far:
    """Another server: what goes there, and what comes from there. While it is `down`, stanzas
    come back as its neighbour sends them back.
    """

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.inbox: list[Stanza] = []
        self.down = False
        talk.router.elsewhere = self.take

    def take(self, stanza: Stanza) -> None:
        if not self.down:
            self.inbox.append(stanza)
            return
        reply = error_reply(stanza, StanzaError("remote-server-timeout"))
        if reply is not None:
            self.talk.router.route(reply)

    def sends(self, stanza: Stanza) -> None:
        self.talk.router.route(stanza)

    def enters(self, nick: str = "romeo", room: str = ROOM) -> None:
        x = Element(MUC, "x")
        self.sends(Presence(jid(f"{room}/{nick}"), ROMEO, "", None, x))


@pytest.fixture
def far(talk: Talk) -> Far:
    return Far(talk)


def test_they_enter_speak_and_leave(far: Far, crone: Client) -> None:
    far.enters()
    assert [stanza.from_.resource for stanza in far.inbox] == [CRONE_NICK, "romeo", ""]
    crone.receives(seen("romeo", "none", "participant", jid=ROMEO))
    body = Element(ns.CLIENT, "body", None, "But soft")
    far.sends(Message(jid(ROOM), ROMEO, "groupchat", "m1", body))
    assert isinstance(far.inbox[-1], Message)
    assert (far.inbox[-1].body, far.inbox[-1].to, far.inbox[-1].id) == ("But soft", ROMEO, "m1")
    crone.forget()
    far.sends(Presence(jid(f"{ROOM}/romeo"), ROMEO, "unavailable"))
    crone.receives(seen("romeo", "none", "none", codes=(), gone=True))
    assert far.inbox[-1].type == "unavailable"


def test_who_is_not_reached_any_more_is_out_with_333(talk: Talk, far: Far, crone: Client) -> None:
    far.enters()
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    far.down = True
    say(crone, "anybody there?")
    for each in (crone, hag):
        got = each.inbox.pop(0)
        assert got.name == "message"
        each.receives(seen("romeo", "none", "none", codes=("333",), gone=True))
    say(crone, "and now?")
    far.down = False
    far.inbox.clear()
    far.enters()
    crone.forget()
    assert far.inbox[-1].from_ == ROOM


def test_by_default_they_make_no_rooms(far: Far) -> None:
    far.enters(room=f"new@{SERVICE}")
    (refusal,) = far.inbox
    assert refusal.error is not None
    assert refusal.error.condition == "not-allowed"
