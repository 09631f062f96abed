"""Block lists, reports, push services and preferences on SQLite and PostgreSQL."""

from collections.abc import Callable

import pytest

from tests.storage.conftest import Turns
from xmppd.jid import jid
from xmppd.modules import push
from xmppd.modules.archive.preferences import Preferences, PreferenceStore, preferences
from xmppd.modules.blocking import store as blocking
from xmppd.stanza import StanzaError
from xmppd.storage import Database, Schema

HOST = "example.org"
ROMEO, NURSE = jid("romeo@example.net"), jid("nurse@example.net/x")


@pytest.fixture
def database(turns: Turns, url: str, open_database: Callable[..., Database]) -> Database:
    opened = open_database(url)
    schemas = [Schema.of("blocking", blocking), Schema.of("push", push)]
    turns.wait(opened.migrate([*schemas, Schema("archive", [preferences])]))
    return opened


def test_block_lists_grow_shrink_and_are_limited(turns: Turns, database: Database) -> None:
    store = blocking.Store(database, HOST)
    report = blocking.Report(ROMEO, "urn:xmpp:reporting:spam", "text", "1 2", "")
    assert turns.wait(store.add("juliet", [ROMEO, NURSE], [report], 2)) == {ROMEO, NURSE}
    assert turns.wait(store.add("juliet", [ROMEO], [], 2)) == {ROMEO, NURSE}
    with pytest.raises(StanzaError, match="resource-constraint"):
        turns.wait(store.add("juliet", [jid("spam.example")], [], 2))
    assert turns.wait(store.load()) == {"juliet": {ROMEO, NURSE}}
    assert turns.wait(store.remove("juliet", [ROMEO])) == {NURSE}
    turns.wait(store.clear("juliet"))
    assert turns.wait(store.load()) == {}
    shown = turns.wait(store.reported(10))
    assert [row[2:] for row in shown] == [
        ("juliet", ROMEO, "urn:xmpp:reporting:spam", "text", "1 2")
    ]
    assert turns.wait(store.close(shown[0][0])) == 1


def test_only_the_newest_reports_are_kept(
    turns: Turns, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "KEPT_REPORTS", 3)
    store = blocking.Store(database, HOST)
    for number in range(5):
        report = blocking.Report(ROMEO, "urn:x", str(number), "", "")
        turns.wait(store.add("juliet", [ROMEO], [report], 9))
    assert [row[5] for row in turns.wait(store.reported(10))] == ["4", "3", "2"]


def test_push_services_are_kept_once_each_and_limited(turns: Turns, database: Database) -> None:
    store, juliet = push.Store(database, HOST), jid("juliet@example.org")
    for node in ("a", "b", "a"):
        turns.wait(store.put(push.Service(juliet, ROMEO, node, "phone", "<x/>"), 2))
    with pytest.raises(StanzaError, match="resource-constraint"):
        turns.wait(store.put(push.Service(juliet, ROMEO, "c", "phone", ""), 2))
    turns.wait(store.drop("juliet", [(ROMEO, "a")]))
    assert turns.wait(store.load()) == [("juliet", ROMEO, "b", "phone", "<x/>")]
    turns.wait(store.drop_all("juliet"))
    assert turns.wait(store.load()) == []


def test_preferences_come_back_as_they_were_put(turns: Turns, database: Database) -> None:
    store = PreferenceStore(database, HOST)
    wanted = Preferences("roster", frozenset((ROMEO,)), frozenset((NURSE,)))
    assert turns.wait(store.get("juliet")) is None
    for each in (Preferences("never"), wanted):
        turns.wait(store.put("juliet", each))
        assert turns.wait(store.get("juliet")) == each
    turns.wait(store.drop("juliet"))
    assert turns.wait(store.get("juliet")) is None
