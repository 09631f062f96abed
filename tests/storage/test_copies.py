"""What imports write, and clients that are remembered, on SQLite and PostgreSQL."""

from collections.abc import Callable

import pytest

from tests.storage.conftest import Turns
from xmppd.auth import tables as auth
from xmppd.jid import jid
from xmppd.modules import devices, fast, private
from xmppd.modules.archive import search
from xmppd.modules.archive import store as archive
from xmppd.modules.archive.ids import new_id
from xmppd.modules.roster import store as roster
from xmppd.modules.roster.items import Item
from xmppd.storage import Database, Schema
from xmppd.stream.sasl import ScramKeys

HOST = "example.org"
JULIET, ROMEO = jid("juliet@example.org"), jid("romeo@example.net")


@pytest.fixture
def database(turns: Turns, url: str, open_database: Callable[..., Database]) -> Database:
    opened = open_database(url)
    named = {"devices": devices, "fast": fast, "private": private, "auth": auth, "roster": roster}
    schemas = [Schema.of(name, module) for name, module in named.items()]
    turns.wait(opened.migrate([*schemas, Schema("archive", [archive.messages, search.words])]))
    return opened


def client(number: int, password: bool = False, at: int = 0) -> devices.Client:
    return devices.Client(f"id{number}", f"agent{number}", "a", "b", password, at, at)


def test_clients_are_remembered_from_their_first_login(turns: Turns, database: Database) -> None:
    store = devices.Devices(database, HOST)
    turns.wait(store.saw("juliet", client(1, True, 10), 5))
    turns.wait(store.saw("juliet", client(1, False, 20), 5))
    assert turns.wait(store.of("juliet")) == [client(1, True, 10)._replace(last_seen=20)]
    turns.wait(store.lose_password("juliet"))
    turns.wait(store.left("juliet", "id1", 30))
    assert turns.wait(store.of("juliet")) == [client(1, False, 10)._replace(last_seen=30)]
    turns.wait(store.drop_old(31))
    assert turns.wait(store.of("juliet")) == []


def test_the_oldest_clients_make_way(turns: Turns, database: Database) -> None:
    store = devices.Devices(database, HOST)
    for number in range(5):
        turns.wait(store.saw("juliet", client(number, at=number), 2))
    assert [each.id for each in turns.wait(store.of("juliet"))] == ["id4", "id3"]
    turns.wait(store.drop("juliet", "id4"))
    turns.wait(store.drop_all("juliet"))
    assert turns.wait(store.of("juliet")) == []


def test_installations_with_tokens_are_known(turns: Turns, database: Database) -> None:
    store = fast.Tokens(database, HOST)
    for agent, expires in (("new", 100), ("old", 10)):
        made = fast.Kept(fast.NEW, "HT-SHA-256-NONE", "x", 1, expires, 0)
        turns.wait(store.put("juliet", agent, made, 9))
    assert turns.wait(store.agents("juliet", 50)) == {"new"}
    turns.wait(store.drop_agent("juliet", "new"))
    assert turns.wait(store.agents("juliet", 50)) == set()


def test_archived_messages_are_adopted_once(turns: Turns, database: Database) -> None:
    store = archive.Store(database, HOST)
    ids = [new_id(number) for number in (5, 6, 7)]
    rows = [archive.new_row(HOST, JULIET, id_, ROMEO, b"<message/>") for id_ in ids]
    turns.wait(store.adopt(JULIET, rows[:2]))
    turns.wait(store.adopt(JULIET, rows))
    assert [row.id for row in turns.wait(store.after(JULIET, 0, 10))] == ids
    assert [row.id for row in turns.wait(store.after(JULIET, 5, 1))] == ids[1:2]


def test_rosters_are_adopted_with_requests(turns: Turns, database: Database) -> None:
    store = roster.Store(database, HOST)
    contact = Item(ROMEO, to=True, from_=True, listed=True, name="Romeo", groups=("a", "b"))
    turns.wait(store.adopt("juliet", [contact], 5))
    turns.wait(store.adopt_request("juliet", jid("paris@example.net"), b"<presence/>", 5))
    loaded = turns.wait(store.load("juliet"))
    assert [(item.contact, item.subscription, item.groups) for item in loaded.items] == [
        (ROMEO, "both", ("a", "b"))
    ]
    assert turns.wait(store.waiting("juliet")) == [b"<presence/>"]
    with pytest.raises(roster.RosterFull):
        turns.wait(store.adopt("juliet", [Item(jid("x@example.net"), listed=True)], 1))


def test_private_data_is_listed(turns: Turns, database: Database) -> None:
    store = private.Fragments(database, HOST)
    assert turns.wait(store.put("juliet", "urn:x", "<query/>", 5, 1000))
    assert turns.wait(store.all("juliet")) == [("urn:x", "<query/>")]


def test_keys_of_one_hash_are_all_that_there_is(turns: Turns, database: Database) -> None:
    store = auth.AccountTable(database, HOST)
    keys = ScramKeys(b"salt", 10, b"stored", b"server")
    turns.wait(store.create("juliet", 1, {}))
    assert turns.wait(store.all_keys("juliet")) == {}
    turns.wait(store.set_keys("juliet", {"SHA-1": keys}))
    assert turns.wait(store.all_keys("juliet")) == {"SHA-1": keys}
