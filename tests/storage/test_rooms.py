"""What rooms store, on SQLite and PostgreSQL."""

from collections.abc import Callable

import pytest

from tests.storage.conftest import Turns
from xmppd.jid import jid
from xmppd.modules.archive import store as archive
from xmppd.modules.archive.ids import new_id
from xmppd.modules.archive.search import indexed, words
from xmppd.modules.archive.store import Store, new_row
from xmppd.modules.muc import graves, store
from xmppd.modules.muc.config import Config
from xmppd.modules.muc.graves import Grave, Graves
from xmppd.modules.muc.names import Affiliation
from xmppd.modules.muc.room import Standing
from xmppd.modules.muc.store import Kept, Record, Rooms
from xmppd.storage import Database, Schema

HOST, ROOM = "example.org", "coven@conference.example.org"
HAG = Standing(Affiliation.MEMBER, "hag")


@pytest.fixture
def database(turns: Turns, url: str, open_database: Callable[..., Database]) -> Database:
    opened = open_database(url)
    archives = Schema("archive", [archive.messages, words, indexed])
    turns.wait(opened.migrate([Schema.of("muc", store, graves), archives]))
    return opened


def record(room: str, created: int, **config: object) -> Record:
    made = Config(**config)  # type: ignore[arg-type]
    return Record(room, created, made.public, made.name, made.to_json(), b"secret", "")


def test_a_room_is_kept_with_all_that_is_known_of_it(turns: Turns, database: Database) -> None:
    rooms = Rooms(database, HOST)
    said = [Kept("coven", "id1", 5, b"<message/>", 20)]
    room = record("coven", 1, name="Cave")
    turns.wait(rooms.put_whole(room, [("hag@x", HAG)], said, {"hats": "[1]", "voices": "[2]"}))
    turns.wait(rooms.stand("coven", [("hag@x", Standing(Affiliation.NONE))], {"voices": ""}))
    turns.wait(rooms.configure(room, [("crone@x", HAG)], {"versions": "3"}))
    turns.wait(rooms.put_extra("coven", "vcard", "<vCard/>"))
    turns.wait(rooms.rewrite("coven", "id1", b"<gone/>"))
    found = turns.wait(rooms.get("coven", 20))
    assert found is not None
    assert found.extras == {"hats": "[1]", "versions": "3", "vcard": "<vCard/>"}
    assert found.standings == [("crone@x", "member", "hag", "")]
    assert found.history == [("id1", 5, b"<gone/>")]
    turns.wait(rooms.drop("coven"))
    assert turns.wait(rooms.get("coven", 20)) is None
    turns.wait(rooms.put(room))
    again = turns.wait(rooms.get("coven", 20))
    assert again is not None
    assert again.extras == {}


def test_a_grave_is_there_until_its_time(turns: Turns, database: Database) -> None:
    known = Graves(database, HOST)
    grave = Grave("heath@x", "Macbeth", ["crone@x", "hag@x"])
    turns.wait(known.dig("coven", grave, -1))
    assert turns.wait(known.find("coven")) is None
    turns.wait(known.dig("coven", grave, 60))
    turns.wait(known.dig("other", Grave("", "", ["shag@x"]), 60))
    turns.wait(known.forget("hag@x"))
    assert turns.wait(known.find("coven")) == grave._replace(owners=["crone@x"])
    assert turns.wait(known.find("other")) == Grave("", "", ["shag@x"])
    assert turns.wait(Graves(database, "example.net").find("coven")) is None


def test_when_something_was_said_last(turns: Turns, database: Database) -> None:
    rooms = Rooms(database, HOST)
    said = [Kept("coven", f"id{at}", at, b"<message/>", 20) for at in (7, 5)]
    turns.wait(rooms.put_whole(record("coven", 1), [], said, {}))
    assert turns.wait(rooms.last_said("coven")) == 7
    assert turns.wait(rooms.last_said("none")) == 0


def test_an_account_that_is_gone_leaves_no_hats_and_no_voice(
    turns: Turns, database: Database
) -> None:
    rooms = Rooms(database, HOST)
    pieces = {
        "voices": '[["hag@x", "visitor"], ["crone@x", "visitor"]]',
        "applicants": '[["hag@x", "hag"]]',
        "hats": '{"hats": [], "worn": {"hag@x": ["urn:a"], "shag@x": ["urn:a"]}}',
        "vcard": '"<vCard/>"',
    }
    turns.wait(rooms.put_whole(record("coven", 1), [("hag@x", HAG)], [], pieces))
    turns.wait(rooms.forget("hag@x"))
    found = turns.wait(rooms.get("coven", 20))
    assert found is not None
    assert found.standings == []
    assert found.extras == {
        "voices": '[["crone@x", "visitor"]]',
        "hats": '{"hats": [], "worn": {"shag@x": ["urn:a"]}}',
        "vcard": '"<vCard/>"',
    }


def test_rooms_are_found_by_words(turns: Turns, database: Database) -> None:
    rooms = Rooms(database, HOST)
    turns.wait(rooms.put(record("coven", 1, name="Dark Cave")))
    turns.wait(rooms.put(record("ball", 2, description="100% dark")))
    turns.wait(rooms.put(record("secret", 3, name="Dark", public=False)))
    cases = {"dark": ["ball", "coven"], "0%": ["ball"], "coven": ["coven"]}
    for word, names in cases.items():
        assert [name for name, _ in turns.wait(rooms.searched([word], 10))] == names
    assert len(turns.wait(rooms.searched([], 1))) == 1


def test_a_message_of_an_archive_is_rewritten_and_no_search_finds_it(
    turns: Turns, database: Database
) -> None:
    archives, id_ = Store(database, HOST), new_id(7)
    stanza = b"<message><body>cauldron</body></message>"
    turns.wait(archives.put([new_row(HOST, ROOM, id_, jid(f"{ROOM}/hag"), stanza)]))
    while turns.wait(archives.bring_up(ROOM)):
        pass
    assert turns.wait(archives.one(ROOM, id_)) == stanza
    turns.wait(archives.rewrite(ROOM, id_, b"<message/>"))
    assert turns.wait(archives.one(ROOM, id_)) == b"<message/>"
    assert turns.wait(archives.one(ROOM, id_._replace(token=1))) is None
    assert turns.wait(archives.ends(ROOM, 8)) is None
    assert turns.wait(archives.ends(ROOM, 7)) == (id_, id_)
