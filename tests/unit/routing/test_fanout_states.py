"""Copies for many, whatever state their receivers are in: as if each had come alone.

Who does not look (XEP-0352), whose client acknowledges (XEP-0198), and who has blocked the
sender or somebody else (XEP-0191) is decided within the fan-out; nobody gets less or more by it.
"""

import re
from random import Random
from typing import Any

import pytest

from tests.unit.routing.test_fanout import Way, one_by_one, together
from xmppd.api import JID, Message, Presence, Stanza, jid
from xmppd.ns import CHATSTATES, CLIENT, CSI, MUC_USER, PUBSUB_EVENT, SM
from xmppd.testing import Talk, presence
from xmppd.xml import Element, to_xml

SENDERS = ("hall@conference.example.org/nurse", "romeo@example.org/orchard", "mab@far.example/x")
RECEIVERS = tuple(f"r{number}@example.org/x" for number in range(2))
BLOCKED = ("romeo@example.org", "far.example", "hall@conference.example.org", "tybalt@example.com")
OWN = b"<status code='110'/>"
INSIDE = ((MUC_USER, "x"),)  # the same whatever is in it
Step = tuple[Any, ...]


def about(command: str, who: str) -> str:
    items = f"<item jid='{who}'/>"
    return f"<iq type='set' id='b'><{command} xmlns='urn:xmpp:blocking'>{items}</{command}></iq>"


def said(kind: str, sender: JID) -> Stanza:
    """To be said to many."""
    if kind in ("", "unavailable"):
        return Presence(sender, sender, kind)
    if kind in ("occupant", "own"):
        raw = b"<x xmlns='%s'>%s</x>" % (MUC_USER.encode(), OWN if kind == "own" else b"")
        return Presence(sender, sender, "", raw=raw, payloads=INSIDE)
    if kind == "empty":
        return Message(sender, sender, "headline", "m")
    if kind == "typing":
        return Message(sender, sender, "groupchat", "m", Element(CHATSTATES, "composing"))
    if kind == "event":
        return Message(sender, sender, "headline", "m", Element(PUBSUB_EVENT, "event"))
    body = (Element(CLIENT, "body", None, "hi"),)
    return Message(sender, sender, kind, "m", *body)


KINDS = (
    "",
    "empty",
    "unavailable",
    "occupant",
    "own",
    "typing",
    "event",
    "groupchat",
    "chat",
    "headline",
)
DOES = ("says",) * 8 + ("inactive",) * 2 + ("block",) * 2 + ("active", "unblock", "enable")


def any_step(dice: Random) -> Step:
    """What is said comes from somebody whom somebody may have blocked."""
    do = dice.choice(DOES)
    if do == "says":
        return do, dice.choice(SENDERS), dice.choice(KINDS), dice.random() < 0.4
    return do, dice.choice(RECEIVERS), dice.choice(BLOCKED)


class Story:
    """What receivers do, and what is said to them meanwhile."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self.talk = Talk(without=["archive"])
        self.far: list[bytes] = []
        self.talk.router.elsewhere = lambda stanza: self.far.append(stanza.write())
        self.clients = {name: self.talk.online(name) for name in (*RECEIVERS, SENDERS[1])}

    def goes_on(self, step: Step) -> None:
        do, who, *more = step
        if do == "says":
            kind, bare = more
            receivers = [jid(name).bare if bare else jid(name) for name in RECEIVERS]
            self._way(self.talk, said(kind, jid(who)).copies(receivers))
            return
        client = self.clients[who]
        if do in ("inactive", "active"):
            client.sends(f"<{do} xmlns='{CSI}'/>")
        elif do == "enable":
            client.sends(f"<enable xmlns='{SM}' resume='true'/>")
        else:
            client.sends(about(do, more[0]))

    def heard(self) -> dict[str, list[str]]:
        """Also what waits for each."""
        found = {}
        for name, client in self.clients.items():
            found[name] = [plain(to_xml(each, CLIENT)) for each in client.inbox]
            managed = client.session.managed
            kept = () if managed is None else managed.unacked()
            found[name] += [plain(f"kept {each.stanza.write().decode()}") for each in kept]
            if client.session.outlet:
                client.forget()
                client.sends(f"<active xmlns='{CSI}'/>")
                found[name] += [plain(to_xml(each, CLIENT)) for each in client.inbox]
        return found | {"far": [each.decode() for each in self.far]}


def plain(xml: str) -> str:
    """Without what is random."""
    return re.sub(r"(stamp|id|hash)='[^']*'", "", xml)


@pytest.mark.parametrize("seed", range(12))
def test_many_hear_what_each_would_have_heard_alone(seed: int) -> None:
    dice = Random(seed)
    alone, many = Story(one_by_one), Story(together)
    for step in [any_step(dice) for _ in range(60)]:
        alone.goes_on(step)
        many.goes_on(step)
    for client in (alone.clients[RECEIVERS[0]], many.clients[RECEIVERS[0]]):
        client.disconnect()  # what waits for it goes where it must
    assert many.heard() == alone.heard()


@pytest.mark.parametrize("way", [one_by_one, together])
def test_what_a_room_says_of_oneself_matters_whatever_it_said_before(way: Way) -> None:
    story, reader = Story(way), RECEIVERS[0]
    story.goes_on(("inactive", reader))
    for kind in ("occupant", "own"):
        story.goes_on(("says", SENDERS[0], kind, False))
    story.clients[reader].receives(presence(type=None), presence(type=None))
