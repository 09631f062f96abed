"""Copies for many have the effect that each would have alone (RFC 6121 §8.5, and all modules)."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from xmppd.api import (
    IQ,
    JID,
    LATE,
    STOP,
    Commit,
    Copies,
    Kept,
    Message,
    Module,
    Presence,
    Session,
    Stanza,
    StanzaError,
    Stop,
    Those,
    events,
    jid,
    on,
)
from xmppd.ns import CARBONS, CLIENT, CSI, SM
from xmppd.testing import Client, Talk, error, like, message, result
from xmppd.xml import to_xml

ROMEO = jid("romeo@example.org/orchard")
BLOCK = "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{}'/></block></iq>"
BODY, EVENT = (
    b"<body>hi &amp; ho</body>",
    b"<event xmlns='http://jabber.org/protocol/pubsub#event'/>",
)
TYPING = b"<composing xmlns='http://jabber.org/protocol/chatstates'/>"
Way = Callable[[Talk, Copies[Stanza]], None]


def one_by_one(talk: Talk, copies: Copies[Stanza]) -> None:
    for each in copies:
        _ = talk.router.route(each)


def together(talk: Talk, copies: Copies[Stanza]) -> None:
    talk.router.route_copies(copies)


class Crowd:
    """Receivers of all kinds, and what has come to each."""

    def __init__(self, *, archives: bool) -> None:
        self.talk = talk = Talk(without=() if archives else ["archive"])
        self.far: list[bytes] = []
        talk.router.elsewhere = lambda stanza: self.far.append(stanza.write())
        self.romeo = talk.bind(ROMEO)
        for name in ("gone", "held"):
            talk.account(f"{name}@example.org")
        self.clients = {
            name: self.online(name)
            for name in (
                *("plain/o'a&b", "two/phone", "two/desk", "blocker/x", "asleep/x", "acks/x"),
                *("away/x", "copied/one", "copied/two", "below/zero"),
            )
        }
        self.clients["unseen/x"] = talk.bind("unseen@example.org/x")
        self.says("below/zero", "<presence><priority>-1</priority></presence>")
        self.says("blocker/x", BLOCK.format(ROMEO.bare))
        self.says("asleep/x", f"<inactive xmlns='{CSI}'/>")
        self.says("copied/two", f"<iq type='set' id='c'><enable xmlns='{CARBONS}'/></iq>")
        self.says("acks/x", f"<enable xmlns='{SM}'/>")
        self.says("away/x", f"<enable xmlns='{SM}' resume='true'/>")
        self.clients["away/x"].disconnect()
        for client in (self.romeo, *self.clients.values()):
            client.forget()

    def online(self, name: str) -> Client:
        local, _, resource = name.partition("/")
        client = self.talk.bind(f"{local}@example.org/{resource}")
        client.sends("<presence/>")
        return client

    def says(self, name: str, xml: str) -> None:
        self.clients[name].sends(xml)

    def addresses(self) -> Iterator[JID]:
        """All that a copy may be for."""
        for client in self.clients.values():
            yield client.jid
            yield client.jid.bare
        for text in (
            "gone@example.org",
            "gone@example.org/x",
            "nobody@example.org",
            "example.org",
        ):
            yield jid(text)
        for text in ("far.example", "x@far.example/y", "z@other.example"):
            yield jid(text)

    def heard(self) -> dict[str, list[str]]:
        """By whom, what; also what is stored for who is not there."""
        self.clients["gone"] = self.online("gone/later")
        self.clients["romeo"] = self.romeo
        found = {
            name: [_plain(to_xml(each, CLIENT)) for each in client.inbox]
            for name, client in self.clients.items()
        }
        for name in ("acks/x", "away/x"):
            managed = self.clients[name].session.managed
            assert managed is not None
            found[f"{name} keeps"] = [_plain(k.stanza.write().decode()) for k in managed.unacked()]
        return found | {"far": [each.decode() for each in self.far]}


def _plain(xml: str) -> str:
    """Without what is another each time: ids of archives and times."""
    return re.sub(r"(stanza-id|stamp)[^/]*", r"\1", re.sub(r" (id|stamp)='[^']*' by", " by", xml))


def outcome(way: Way, stanza: Stanza, *, archives: bool) -> dict[str, list[str]]:
    crowd = Crowd(archives=archives)
    way(crowd.talk, stanza.copies(crowd.addresses()))
    return crowd.heard()


STANZAS = [
    Message(ROMEO, ROMEO, "chat", "m", raw=BODY, payloads=((CLIENT, "body"),)),
    Message(
        ROMEO,
        ROMEO,
        "chat",
        "m",
        raw=TYPING,
        payloads=(("http://jabber.org/protocol/chatstates", "composing"),),
    ),
    Message(ROMEO, ROMEO, "normal", "m", raw=BODY, payloads=((CLIENT, "body"),)),
    Message(ROMEO, ROMEO, "groupchat", "m", raw=BODY, payloads=((CLIENT, "body"),)),
    Message(
        ROMEO,
        ROMEO,
        "headline",
        "m",
        raw=EVENT,
        payloads=(("http://jabber.org/protocol/pubsub#event", "event"),),
    ),
    Message(ROMEO, ROMEO, "error", "m", StanzaError("gone").element()),
    Presence(ROMEO, ROMEO, ""),
    Presence(ROMEO, ROMEO, "unavailable"),
    Presence(ROMEO, ROMEO, "subscribe"),
    Presence(ROMEO, ROMEO, "probe"),
    Presence(ROMEO, ROMEO, "error", None, StanzaError("gone").element()),
    IQ(ROMEO, ROMEO, "result", "q"),
]


@pytest.mark.parametrize("stanza", STANZAS, ids=lambda s: f"{s.kind}-{s.type}-{len(s.raw)}")
@pytest.mark.parametrize("archives", [True, False], ids=["archived", "not archived"])
def test_what_comes_of_copies_is_what_comes_of_each_alone(stanza: Stanza, archives: bool) -> None:
    alone = outcome(one_by_one, stanza, archives=archives)
    assert outcome(together, stanza, archives=archives) == alone
    assert any(alone.values())


# What handlers are asked


class Choosy(Module):
    """Notes what comes by; `wanted` is what it says of whom it concerns."""

    name = "choosy"
    wanted: Any = False

    async def start(self) -> None:
        self.asked: list[JID] = []
        self.met: list[JID] = []

    def _concerns(self, stanza: Stanza) -> Any:
        self.asked.append(stanza.to)
        if isinstance(self.wanted, Exception):
            raise self.wanted
        return self.wanted

    @on(events.user_receives, order=LATE, concerns=_concerns)
    def meet(self, stanza: Stanza, user: JID) -> Stop | None:
        self.met.append(user)
        return STOP if user.local == "stopped" else None


class Unasked(Module):
    name = "unasked"

    async def start(self) -> None:
        self.met: list[JID] = []

    @on(events.session_receives)
    def meet(self, stanza: Stanza, session: Session) -> Stanza | None:
        self.met.append(session.jid)
        return stanza.copy(id="another")


NAMES = ("one", "stopped", "three")
MET = [jid(f"{name}@example.org") for name in NAMES]


@pytest.fixture
def talk() -> Talk:
    return Talk(Choosy, only=[])


def to_all(talk: Talk) -> list[Client]:
    """A message for three accounts, who are all there."""
    clients = [talk.bind(f"{name}@example.org/x") for name in NAMES]
    said = Message(ROMEO, ROMEO, "groupchat", "m", raw=BODY, payloads=((CLIENT, "body"),))
    talk.router.route_copies(said.copies(client.jid for client in clients))
    return clients


@pytest.mark.parametrize(
    "wanted, met",
    [
        (False, []),
        ((), []),
        (True, MET),
        ({MET[2]: 1}, MET[2:]),
        (Those(lambda user: user.local == "one"), MET[:1]),
        (ValueError("a bug"), MET),
    ],
)
def test_a_handler_is_asked_once_and_called_for_whom_it_concerns(
    talk: Talk, wanted: object, met: list[JID]
) -> None:
    choosy = talk.module(Choosy)
    choosy.wanted = wanted
    clients = to_all(talk)
    assert choosy.met == met
    assert len(choosy.asked) == 1
    for client in clients:
        if not (client.jid.local == "stopped" and client.jid.bare in met):
            client.receives(message(id="m", to=client.jid))
        client.receives_nothing()


def test_a_handler_that_says_nothing_of_whom_it_concerns_meets_all_copies() -> None:
    talk = Talk(Unasked, only=[])
    for client in to_all(talk):
        client.receives(message(id="another", to=client.jid))
    assert talk.module(Unasked).met == [user.with_resource("x") for user in MET]


def test_single_stanzas_meet_handlers_whatever_they_say_of_copies(talk: Talk) -> None:
    romeo, one = talk.bind(ROMEO), talk.bind("one@example.org/x")
    romeo.sends("<message to='one@example.org/x' type='chat'><body>hi</body></message>")
    one.receives(message())
    choosy = talk.module(Choosy)
    assert choosy.met == MET[:1]
    assert choosy.asked == []


# What holds for each copy


class Failing(Module):
    name = "failing"

    @on(events.user_receives)
    def fail(self, stanza: Stanza, user: JID) -> None:
        if user.local == "stopped":
            raise StanzaError("not-acceptable")


def test_an_error_of_one_copy_goes_to_the_sender_and_the_others_arrive() -> None:
    talk = Talk(Failing, only=[])
    romeo = talk.bind(ROMEO)
    one, stopped, three = to_all(talk)
    one.receives(message(id="m"))
    stopped.receives_nothing()
    three.receives(message(id="m"))
    romeo.receives(like(f"<message from='{stopped.jid}' type='error' id='m'/>"))


def test_who_is_not_there_is_answered_for_and_the_others_get_it() -> None:
    talk = Talk(only=[])
    romeo, one = talk.bind(ROMEO), talk.bind("one@example.org/x")
    said = Message(ROMEO, ROMEO, "groupchat", "m", raw=BODY)
    talk.router.route_copies(said.copies([jid("one@example.org/y"), one.jid]))
    one.receives(message(id="m"))
    romeo.receives(like("<message from='one@example.org/y' type='error' id='m'/>"))


def enabled(*, resume: bool = False) -> tuple[Talk, Client]:
    talk = Talk(options={"sm": {"max_unacked": 20}})
    one = talk.online("one@example.org/x")
    one.sends(f"<enable xmlns='{SM}' resume='{str(resume).lower()}'/>")
    one.forget()
    return talk, one


def copies_to(client: Client) -> Copies[Message]:
    payloads = ((CLIENT, "body"),)
    said = Message(ROMEO, ROMEO, "groupchat", "m", raw=BODY, payloads=payloads)
    return said.copies([client.jid])


def test_copies_are_kept_until_they_are_acknowledged_and_asked_for() -> None:
    talk, one = enabled()
    for _ in range(10):
        talk.router.route_copies(copies_to(one))
    one.receives(*[message(id="m")] * 10, like(f"<r xmlns='{SM}'/>"))
    managed = one.session.managed
    assert managed is not None
    assert len(managed) == managed.sent == managed.asked == 10
    one.sends(f"<a xmlns='{SM}' h='10'/>")
    assert len(managed) == managed.size == 0


def test_who_acknowledges_no_copies_loses_its_stream() -> None:
    talk, one = enabled()
    for _ in range(100):
        talk.router.route_copies(copies_to(one))
    talk.advance(1)
    assert one.closed_with is not None
    assert one.closed_with.condition == "policy-violation"


def test_a_copy_for_an_account_whose_older_message_is_not_durable_waits_behind_it() -> None:
    talk = Talk(only=[])
    one, two = talk.bind("one@example.org/x"), talk.bind("two@example.org/x")
    stored = Commit(lambda: None)
    first = Message(one.jid, ROMEO, "groupchat", "first", raw=BODY)
    talk.host.delivery.hold(one.jid.bare, stored)
    _ = talk.router.route(first)
    talk.router.route_copies(first.copy(id="second").copies([one.jid, two.jid]))
    one.receives_nothing()
    two.receives(message(id="second"))
    stored.end()
    one.receives(message(id="first"), message(id="second"))


def test_two_sessions_of_an_account_that_are_away_store_a_copy_once() -> None:
    talk = Talk(without=["archive"])
    away = [talk.online(f"one@example.org/{name}") for name in "xy"]
    for client in away:
        client.sends(f"<enable xmlns='{SM}' resume='true'/>")
        client.forget()
        client.disconnect()
    said = Message(ROMEO, ROMEO, "chat", "m", raw=BODY, payloads=((CLIENT, "body"),))
    talk.router.route_copies(said.copies([jid("one@example.org")]))
    for client in away:
        talk.host.intake.close(client.session, "its client did not come back")
    later = talk.bind("one@example.org/later")
    later.sends("<presence/>")
    assert [each.get("id") for each in later.inbox if each.name == "message"] == ["m"]


class Slow(Module):
    """Stores what waits for clients that are away, and takes long for it."""

    name = "slow"

    @on(events.stanza_waiting)
    def store(self, session: Session, kept: Kept) -> None:
        self.host.delivery.owes(Deferred())


def test_what_copies_owe_to_the_disk_is_not_owed_by_the_message_that_follows() -> None:
    talk = Talk(Slow)
    romeo, away, there = (talk.online(f"{name}@example.org/x") for name in ("romeo", "one", "two"))
    away.sends(f"<enable xmlns='{SM}' resume='true'/>")
    away.disconnect()
    romeo.forget()
    talk.router.route_copies(copies_to(away))
    romeo.sends("<message to='two@example.org/x' type='headline'/>")
    romeo.sends("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
    there.receives(message())
    romeo.receives(result("p"))


# To other domains


def test_copies_go_by_domain_each_by_the_way_of_its_domain() -> None:
    talk = Talk(hosts=("example.org", "example.net"), only=[])
    here, there = talk.bind("one@example.org/x"), talk.bind("two@example.net/x")
    far: list[tuple[JID, ...]] = []
    talk.router.copies_elsewhere = lambda copies: far.append(copies.jids)
    away = [jid("a@far.example"), jid("b@far.example"), jid("c@other.example")]
    said = Message(ROMEO, ROMEO, "groupchat", "m", raw=BODY)
    talk.router.route_copies(said.copies([away[0], here.jid, away[1], there.jid, away[2]]))
    assert far == [tuple(away[:2]), (away[2],)]
    here.receives(message(id="m"))
    there.receives(message(id="m"))


def test_a_way_that_fails_does_not_keep_copies_from_the_other_domains() -> None:
    talk = Talk(only=[])
    one = talk.bind("one@example.org/x")

    def broken(copies: Copies[Stanza]) -> None:
        raise ZeroDivisionError

    talk.router.copies_elsewhere = broken
    said = Message(ROMEO, ROMEO, "groupchat", "m", raw=BODY)
    talk.router.route_copies(said.copies([jid("a@far.example"), one.jid]))
    one.receives(message(id="m"))


class Reader(Module):
    """Concerned with one session, which it cannot bear."""

    name = "reader"

    def _concerns(self, stanza: Stanza) -> Those:
        return Those(lambda session: session.user.local == "stopped")

    @on(events.session_receives, concerns=_concerns)
    def read(self, stanza: Stanza, session: Session) -> None:
        if session.user.local == "stopped":
            raise ZeroDivisionError


def test_a_handler_of_one_session_that_fails_costs_nobody_else_the_copy() -> None:
    talk = Talk(Reader, only=[])
    romeo = talk.bind(ROMEO)
    one, stopped, three = to_all(talk)
    one.receives(message(id="m"))
    stopped.receives_nothing()
    three.receives(message(id="m"))
    romeo.receives(error("m", "cancel", "internal-server-error", kind="message"))
