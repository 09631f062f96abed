"""The archive's statements mean the same on SQLite and PostgreSQL."""

from collections.abc import Callable

import pytest

from tests.storage.conftest import Turns
from xmppd.jid import jid
from xmppd.modules.archive import search, store
from xmppd.modules.archive.ids import Id, new_id
from xmppd.modules.archive.query import Query
from xmppd.modules.archive.store import PAGE_BYTES, PIECE, Store, messages, new_row
from xmppd.stanza import StanzaError
from xmppd.storage import Database, Schema

HOST, OWNER = "example.org", "juliet@example.org"
PEERS = (jid("romeo@example.org/a"), jid("romeo@example.org/b"), jid("nurse@example.org/a"))


@pytest.fixture
def kept(turns: Turns, url: str, open_database: Callable[..., Database]) -> Store:
    database = open_database(url)
    turns.wait(database.migrate([Schema.of("archive", store, search)]))
    return Store(database, HOST)


def fill(turns: Turns, kept: Store, count: int, owner: str = OWNER, first: int = 1) -> list[Id]:
    ids = [new_id(number) for number in range(first, first + count)]
    rows = [
        new_row(
            HOST,
            owner,
            id_,
            PEERS[n % 3],
            f"<message><body>word{n} café</body></message>".encode(),
        )
        for n, id_ in enumerate(ids)
    ]
    turns.wait(kept.put(rows))
    return ids


def test_a_page_is_found_and_counted(turns: Turns, kept: Store) -> None:
    ids = fill(turns, kept, 9)
    found = turns.wait(kept.find(OWNER, Query(max=2, after=ids[2])))
    assert [row.id for row in found.rows] == ids[3:5]
    assert (found.complete, found.index, found.count) == (False, 3, 9)
    last = turns.wait(kept.find(OWNER, Query(max=2, backwards=True)))
    assert [row.id for row in last.rows] == ids[7:]
    assert turns.wait(kept.ends(OWNER)) == (ids[0], ids[8])
    assert turns.wait(kept.latest()) == 9


@pytest.mark.parametrize("backwards", [False, True])
def test_a_page_ends_with_the_message_that_fills_it(
    turns: Turns, kept: Store, backwards: bool
) -> None:
    ids = [new_id(number) for number in range(1, 7)]
    third = b"x" * (PAGE_BYTES // 3 + 1)
    turns.wait(kept.put([new_row(HOST, OWNER, id_, PEERS[0], third) for id_ in ids]))
    found = turns.wait(kept.find(OWNER, Query(backwards=backwards)))
    assert [row.id for row in found.rows] == (ids[3:] if backwards else ids[:3])
    assert not found.complete
    last = ids[3] if backwards else ids[2]
    rest = Query(backwards=backwards, **{"before" if backwards else "after": last})
    found = turns.wait(kept.find(OWNER, rest))
    assert [row.id for row in found.rows] == (ids[:3] if backwards else ids[3:])
    assert found.complete


@pytest.mark.parametrize("peer, wanted", [("romeo@example.org", [0, 1, 3, 4]), (PEERS[0], [0, 3])])
def test_an_address_matches_as_a_whole_or_bare(
    turns: Turns, kept: Store, peer: str, wanted: list[int]
) -> None:
    ids = fill(turns, kept, 6)
    found = turns.wait(kept.find(OWNER, Query(peer=jid(peer))))
    assert [row.id for row in found.rows] == [ids[n] for n in wanted]


def test_an_id_with_another_token_is_not_found(turns: Turns, kept: Store) -> None:
    ids = fill(turns, kept, 2)
    with pytest.raises(StanzaError, match="item-not-found"):
        turns.wait(kept.find(OWNER, Query(ids=(Id(ids[0].number, ids[0].token ^ 1),))))


@pytest.mark.parametrize(
    "text, count",
    [
        ("word1", 1),
        ("WORD1 café", 1),
        ("café", 700),
        ("' \" * ) OR", 0),
        ("word1 word2", 0),
        ("", 701),
    ],
)
def test_words_are_found_whatever_they_are(
    turns: Turns, kept: Store, text: str, count: int
) -> None:
    fill(turns, kept, 700)
    fill(turns, kept, 1, "romeo@example.org", first=5000)
    turns.wait(kept.put([new_row(HOST, OWNER, new_id(9000), PEERS[0], b"<message/>")]))
    while turns.wait(kept.bring_up(OWNER)):
        pass
    found = turns.wait(kept.find(OWNER, Query(text=text, max=0)))
    assert found.count == count


def test_the_oldest_go_in_pieces_and_their_words_with_them(turns: Turns, kept: Store) -> None:
    fill(turns, kept, PIECE + 10)
    while turns.wait(kept.bring_up(OWNER)):
        pass
    assert turns.wait(kept.surplus(OWNER, 5, 10**9)) == PIECE + 5
    assert turns.wait(kept.trim(OWNER, PIECE + 5))
    assert not turns.wait(kept.trim(OWNER, PIECE + 5))
    assert turns.wait(kept.size(OWNER))[0] == 5
    found = turns.wait(kept.find(OWNER, Query(text="café", max=0)))
    assert found.count == 5
    assert not turns.wait(kept.trim(OWNER, 10**6))
    assert turns.wait(kept.size(OWNER)) == (0, 0)


def test_an_archive_is_erased_and_others_stay(turns: Turns, kept: Store) -> None:
    fill(turns, kept, 3)
    fill(turns, kept, 2, "romeo@example.org", first=100)
    assert turns.wait(kept.owners("")) == [OWNER, "romeo@example.org"]
    assert turns.wait(kept.owners(OWNER)) == ["romeo@example.org"]
    turns.wait(kept.drop(OWNER))
    assert turns.wait(kept.size(OWNER)) == (0, 0)
    assert turns.wait(kept.size("romeo@example.org"))[0] == 2


def test_a_page_uses_an_index(turns: Turns, kept: Store) -> None:
    """It reads what it gives, not the whole archive."""
    if kept.database.url.get_backend_name() != "sqlite":
        return  # PostgreSQL plans by statistics
    plan = "EXPLAIN QUERY PLAN SELECT number FROM archive WHERE host = 'h' AND owner = 'o'"
    for more in ("AND number > 5 ORDER BY number LIMIT 9", "AND peer_key = 7 ORDER BY number"):
        rows = turns.wait(
            kept.database.run(lambda tx, more=more: tx.exec_driver_sql(f"{plan} {more}").all())
        )
        assert "SEARCH" in str(rows)
        assert "TEMP B-TREE" not in str(rows)
    assert messages.name == "archive"
