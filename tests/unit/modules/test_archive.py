"""XEP-0313: pages compared with a model, retention, limits, faults, reload."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred

from tests.support.archives import asks, form, page, stanza_id
from xmppd.api import CommandError, StorageError
from xmppd.jid import jid
from xmppd.modules.archive import Archive, preferences, words
from xmppd.modules.archive.answers import AT_ONCE, MOST_IN_LINE, Turns
from xmppd.modules.archive.ids import Id, new_id, parse_id
from xmppd.modules.archive.store import messages
from xmppd.stanza import Message, StanzaError
from xmppd.storage import InlineDatabase
from xmppd.testing import Client, Talk, error, like, message, result, result_of

JULIET = "juliet@example.org/balcony"
PEERS = ("romeo@example.org/a", "romeo@example.org/b", "nurse@example.org/a", "a@example.net/x")


def talking(**options: object) -> Talk:
    return Talk(Archive, options={"archive": options})


@pytest.fixture
def talk() -> Talk:
    return talking()


@pytest.fixture
def juliet(talk: Talk) -> Client:
    return talk.online(JULIET)


def says(client: Client, *bodies: str, to: str = "juliet@example.org") -> None:
    for body in bodies:
        client.sends(f"<message to='{to}' type='chat'><body>{body}</body></message>")


def count(talk: Talk, table: Any = messages) -> int:
    return len(result_of(talk.database.run(lambda tx: tx.execute(table.select()).all())))


# Pages, against a model that has all in a list


@dataclass
class Entry:
    id: str
    peer: str
    body: str


@dataclass
class Scene:
    juliet: Client
    entries: list[Entry]


@pytest.fixture(scope="module")
def scene() -> Scene:
    """An archive of 40 messages, to and from four addresses."""
    talk = talking()
    juliet = talk.online(JULIET)
    archive = talk.module(Archive)
    entries = []
    for number in range(40):
        peer = PEERS[number * 7 % 4]
        stanza = Message(jid(JULIET), jid(peer), "chat", raw=f"<body>{number}</body>".encode())
        id_ = archive.keep(jid("juliet@example.org"), jid(peer), stanza)
        entries.append(Entry(id_, peer, str(number)))
    return Scene(juliet, entries)


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    position = st.integers(0, 39)
    asked: dict[str, Any] = {
        "with_": draw(st.none() | st.sampled_from((*PEERS, "romeo@example.org", "no@body"))),
        "start": draw(st.none() | position),
        "end": draw(st.none() | position),
        "after_id": draw(st.none() | position),
        "before_id": draw(st.none() | position),
        "ids": draw(st.none() | st.lists(position, min_size=1, max_size=9)),
        "max": draw(st.none() | st.integers(0, 45)),
        "flip": draw(st.booleans()),
    }
    way = draw(st.sampled_from(("", "after", "before", "last", "index")))
    asked["page"] = (way, draw(position) if way else 0)
    return asked


def model(entries: list[Entry], asked: dict[str, Any]) -> tuple[list[str], bool, int, list[Entry]]:
    """The bodies of the page, whether it is complete, the index of its first, the whole set."""
    found = []
    for position, entry in enumerate(entries):
        wanted = asked["with_"]
        keep = wanted is None or wanted in (entry.peer, entry.peer.partition("/")[0])
        for name, beyond in (("start", -1), ("after_id", 0)):
            keep = keep and (asked[name] is None or position > asked[name] + beyond)
        for name, beyond in (("end", 1), ("before_id", 0)):
            keep = keep and (asked[name] is None or position < asked[name] + beyond)
        if keep and (asked["ids"] is None or position in asked["ids"]):
            found.append((position, entry))
    (way, at), size = asked["page"], 250 if asked["max"] is None else asked["max"]
    low, high = 0, len(found)
    if way == "after":
        low = sum(position <= at for position, _ in found)
    elif way == "before":
        high = sum(position < at for position, _ in found)
    elif way == "index":
        low = min(at, len(found))
    if way in ("before", "last"):
        start, end = max(low, high - size), high
        complete = start == low
    else:
        start, end = low, min(high, low + size)
        complete = end == high
    bodies = [entry.body for _, entry in found[start:end]]
    return bodies, complete, start, [entry for _, entry in found]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(queries())
def test_any_page_is_the_one_of_a_model_with_a_list(scene: Scene, asked: dict[str, Any]) -> None:
    entries = scene.entries
    fields: dict[str, Any] = {}
    if asked["with_"]:
        fields["with_"] = asked["with_"]
    for name in ("start", "end"):
        if asked[name] is not None:
            known = parse_id(entries[asked[name]].id)
            assert known is not None
            fields[name] = known.stamp.isoformat().replace("+00:00", "Z")
    for name in ("after_id", "before_id"):
        if asked[name] is not None:
            fields[name] = entries[asked[name]].id
    if asked["ids"] is not None:
        fields["ids"] = [entries[at].id for at in asked["ids"]]
    way, at = asked["page"]
    rsm: dict[str, object] = {} if asked["max"] is None else {"max": asked["max"]}
    if way == "last":
        rsm["before"] = ""
    elif way:
        rsm[way] = at if way == "index" else entries[at].id
    flip = "<flip-page/>" if asked["flip"] else ""
    answer = asks(scene.juliet, form(**fields), page(**rsm), flip)
    bodies, complete, index, whole = model(entries, asked)
    assert answer.bodies == (bodies[::-1] if asked["flip"] else bodies)
    assert answer.complete == complete
    assert answer.rsm("count") == str(len(whole))
    if bodies:
        assert answer.index == str(index)
        firsts = (whole[index].id, whole[index + len(bodies) - 1].id)
        assert (answer.rsm("first"), answer.rsm("last")) == firsts


def test_a_page_has_250_messages_at_most(talk: Talk, juliet: Client) -> None:
    archive, peer = talk.module(Archive), jid("romeo@example.org/a")
    for number in range(260):
        body = Message(juliet.jid, peer, "chat", raw=f"<body>{number}</body>".encode())
        archive.keep(juliet.jid.bare, peer, body)
    answer = asks(juliet, page(max=1000))
    assert (len(answer.ids), answer.complete) == (250, False)
    assert len(asks(juliet).ids) == 250
    assert asks(juliet, page(after=answer.rsm("last"))).complete


# Ids


def test_ids_are_in_order_and_cannot_be_guessed() -> None:
    ids = [new_id(2**40 + n) for n in range(100)]
    assert sorted(map(str, ids)) == [str(each) for each in ids]
    assert all(parse_id(str(each)) == each for each in ids)
    assert len({each.token for each in ids}) == 100
    assert parse_id("0" * 28) is None
    assert parse_id("0" * 30) is None


def test_ids_grow_when_the_clock_jumps_back_also_over_a_restart(talk: Talk) -> None:
    archive = talk.module(Archive)
    ahead = archive.journal.latest + 10**13
    archive.journal.latest = ahead
    juliet, romeo = talk.online(JULIET), talk.online("romeo@example.org/a")
    says(romeo, "one", "two")
    juliet.receives(message("one"), message("two"))
    numbers = [parse_id(each) for each in asks(juliet).ids]
    assert all(each is not None and each.number > ahead for each in numbers)
    fresh = Archive(talk.host, archive.options)
    result_of(fresh.start())
    assert fresh.journal.latest == archive.journal.latest


# Retention, limits, erasure


def test_old_messages_expire_by_the_clock_that_does_not_jump() -> None:
    talk = talking(expire_after=3000.0)
    juliet, romeo = talk.online(JULIET), talk.online("romeo@example.org/a")
    says(romeo, "old")
    talk.advance(2900)
    assert count(talk) == 2
    talk.advance(1000)
    assert count(talk) == 0
    juliet.forget()
    assert asks(juliet).ids == []


def test_an_archive_that_is_too_long_loses_its_oldest() -> None:
    talk = talking(max_messages=3)
    juliet, romeo = talk.online(JULIET), talk.online("romeo@example.org/a")
    says(romeo, *"abcde")
    juliet.forget()
    assert asks(juliet, form(text="a")).bodies == ["a"]
    before = asks(juliet).ids
    talk.advance(3601)
    answer = asks(juliet)
    assert answer.bodies == ["c", "d", "e"]
    assert answer.ids == before[2:]
    gone = asks(juliet, form(after_id=before[0]))
    assert error("mam", "cancel", "item-not-found")(gone.end) is None
    assert asks(juliet, form(text="a")).bodies == []


def test_an_archive_that_is_too_large_loses_its_oldest() -> None:
    talk = talking(max_bytes=10000)
    juliet, romeo = talk.online(JULIET), talk.online("romeo@example.org/a")
    says(romeo, "x" * 4000, "y" * 4000, "z" * 4000)
    juliet.forget()
    talk.advance(3601)
    assert [(body or "")[0] for body in asks(juliet).bodies] == ["y", "z"]


def test_the_archive_goes_with_the_account_and_not_that_of_others(talk: Talk) -> None:
    juliet, romeo = talk.online(JULIET), talk.online("romeo@example.org/a")
    says(romeo, "one")
    juliet.sends("<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='never'/></iq>")
    juliet.forget()
    asks(juliet, form(text="one"))
    assert count(talk, words) == 1
    result_of(talk.module(Archive).erase(juliet.jid.bare))
    assert (count(talk, words), count(talk, preferences)) == (0, 0)
    assert asks(romeo).bodies == ["one"]
    assert asks(juliet).bodies == []


def test_the_operator_sees_and_erases(talk: Talk) -> None:
    juliet, romeo = talk.online(JULIET), talk.online("romeo@example.org/a")
    says(romeo, "one", "two")
    juliet.forget()
    shown = talk.run("archive-size", jid=juliet.jid.bare)
    assert shown.rows[0][:2] == ("juliet@example.org", 2)  # type: ignore[attr-defined]
    assert "2 messages" in str(talk.run("archive-erase", jid=juliet.jid.bare))
    assert asks(juliet).bodies == []


def test_an_account_with_nothing_archived_has_a_size(talk: Talk) -> None:
    shown = talk.run("archive-size", jid=talk.account("juliet@example.org"))
    assert shown.rows == [("juliet@example.org", 0, 0)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["archive-size", "archive-erase"])
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nobody@example.org", "there is no account nobody@example.org"),
        ("juliet@example.org/balcony", "is not the bare JID of an account"),
        ("example.org", "is not the bare JID of an account"),
        ("room@conference.example.org", "there is no archive of room@conference.example.org"),
    ],
)
def test_the_operator_is_told_what_has_no_archive(
    talk: Talk, name: str, address: str, said: str
) -> None:
    talk.account("juliet@example.org")
    with pytest.raises(CommandError, match=said):
        talk.run(name, jid=address)


def test_nothing_is_kept_for_who_does_not_exist(talk: Talk) -> None:
    romeo = talk.online("romeo@example.org/a")
    says(romeo, "one", to="nobody@example.org")
    romeo.receives(error(None, "cancel", "service-unavailable", "message"))
    assert asks(romeo).bodies == ["one"]
    assert count(talk) == 1


def test_in_the_archive_a_message_is_stored_though_the_offline_store_is_full() -> None:
    talk = Talk(Archive, options={"offline": {"limit": 1}})
    talk.account(JULIET)
    romeo = talk.online("romeo@example.org/a")
    says(romeo, "one", "two")
    romeo.receives_nothing()
    juliet = talk.bind(JULIET)
    assert asks(juliet).bodies == ["one", "two"]


def test_preferences_and_search_can_be_switched_off() -> None:
    talk = talking(preferences=False, search=False)
    juliet = talk.online(JULIET)
    juliet.sends("<iq type='get' id='p'><prefs xmlns='urn:xmpp:mam:2'/></iq>")
    juliet.receives(error("p", "cancel", "feature-not-implemented"))
    answer = asks(juliet, form(text="x"))
    assert error("mam", "cancel", "feature-not-implemented")(answer.end) is None
    assert "fulltext" not in str([each.get("var") for each in described(juliet)])


def described(client: Client) -> list[Any]:
    disco = "http://jabber.org/protocol/disco#info"
    client.sends(f"<iq type='get' id='d' to='{client.jid.bare}'><query xmlns='{disco}'/></iq>")
    answer = client.receives(result("d"))
    return answer.elements[0].elements


# Faults


class Slow:
    """A database whose writes wait until they are let through."""

    def __init__(self, database: InlineDatabase) -> None:
        self._database = database
        self.waiting: list[Deferred[None]] = []

    def run(
        self, work: Callable[[Connection], Any], *, reads: bool = False, key: Hashable = None
    ) -> "Deferred[Any]":
        run = partial(self._database.run, work, reads=reads, key=key)
        if reads:
            return run()
        gate: Deferred[None] = Deferred()
        self.waiting.append(gate)
        return gate.addCallback(lambda _: run())


@pytest.fixture
def slow(talk: Talk) -> "list[Deferred[None]]":
    """The writes of the archive that wait; each goes on when its Deferred fires."""
    database = Slow(talk.database)
    talk.module(Archive).store.database = database  # type: ignore[assignment]
    return database.waiting


def test_a_message_is_delivered_when_it_is_durable_and_groups_form_meanwhile(
    talk: Talk, juliet: Client, slow: "list[Deferred[None]]"
) -> None:
    romeo = talk.online("romeo@example.org/a")
    says(romeo, *"abcde")
    juliet.receives_nothing()
    assert len(slow) == 1
    slow[0].callback(None)
    juliet.receives(message("a"))
    juliet.receives_nothing()
    assert len(slow) == 2  # all others in one
    slow[1].callback(None)
    juliet.receives(*map(message, "bcde"))


def test_a_query_waits_for_what_was_sent_before_it(
    talk: Talk, juliet: Client, slow: "list[Deferred[None]]"
) -> None:
    romeo = talk.online("romeo@example.org/a")
    says(romeo, "a")
    juliet.sends("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
    juliet.receives_nothing()
    slow[0].callback(None)
    heard = juliet.receives(message("a"))
    found = juliet.receives(like("<message><result xmlns='urn:xmpp:mam:2'/></message>"))
    assert found.elements[0].get("id") == stanza_id(heard, "juliet@example.org")


def test_copies_with_an_id_wait_for_it_to_be_durable(
    talk: Talk, juliet: Client, slow: "list[Deferred[None]]"
) -> None:
    chamber = talk.online("juliet@example.org/chamber")
    chamber.sends("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
    chamber.forget()
    says(juliet, "a", to="romeo@example.net")
    chamber.receives_nothing()
    slow[0].callback(None)
    copy = chamber.receives(lambda _: None)
    assert copy.child("urn:xmpp:carbons:2", "sent") is not None


def test_a_message_that_cannot_be_archived_is_refused_for_now(talk: Talk, juliet: Client) -> None:
    romeo = talk.online("romeo@example.org/a")
    juliet.forget()
    talk.database.fail_with(StorageError("away"))
    says(romeo, "a")
    romeo.receives(error(None, "wait", "internal-server-error", "message"))
    juliet.receives_nothing()
    answer = asks(juliet)
    assert error("mam", "wait", "internal-server-error")(answer.end) is None
    talk.database.fail_with(None)
    says(romeo, "b")
    juliet.receives(message("b"))
    assert asks(juliet).bodies == ["b"]


def test_a_damaged_row_costs_only_itself_in_a_search(talk: Talk, juliet: Client) -> None:
    romeo = talk.online("romeo@example.org/a")
    says(romeo, "one", "two")
    juliet.forget()
    id_ = parse_id(asks(juliet).ids[0])
    assert isinstance(id_, Id)
    broken = messages.update().where(messages.c.number == id_.number).values(stanza=b"<mess")
    result_of(talk.database.run(lambda tx: tx.execute(broken)))
    assert asks(juliet, form(text="two")).bodies == ["two"]


# Turns, reload


def test_two_queries_of_one_jid_are_under_way_and_others_wait_in_order() -> None:
    turns, who = Turns(), jid(JULIET)
    entered: list[int] = []

    async def enter(number: int) -> None:
        await turns.enter(who)
        entered.append(number)

    waiting = [Deferred.fromCoroutine(enter(number)) for number in range(MOST_IN_LINE)]
    assert entered == list(range(AT_ONCE))
    with pytest.raises(StanzaError, match="too many queries"):
        result_of(turns.enter(who))
    result_of(turns.enter(jid("romeo@example.org/a")))
    for number in range(MOST_IN_LINE):
        turns.leave(who)
        assert entered == list(range(min(MOST_IN_LINE, AT_ONCE + number + 1)))
    assert all(each.called for each in waiting)


def test_over_a_reload_ids_grow_and_nothing_is_forgotten(talk: Talk, juliet: Client) -> None:
    romeo = talk.online("romeo@example.org/a")
    juliet.sends(
        "<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='always'><never>"
        "<jid>nurse@example.org</jid></never></prefs></iq>"
    )
    says(romeo, "one")
    reload = partial(talk.host.modules.swap, ["archive"], {Archive: talk.module(Archive).options})
    result_of(reload())
    says(romeo, "two")
    says(talk.online("nurse@example.org/a"), "three")
    juliet.forget()
    answer = asks(juliet)
    assert answer.bodies == ["one", "two"]
    assert answer.ids == sorted(answer.ids)
