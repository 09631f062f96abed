"""SIGKILL with an archive: an id that was seen is found, what was acknowledged is there once."""

import random
import threading
from collections.abc import Iterator

import pytest

from tests.faults.cluster import NEEDS_POSTGRESQL, Cluster
from tests.faults.people import (
    JULIET,
    LOST,
    NURSE,
    ROMEO,
    ROOM,
    Collector,
    Flood,
    comes_online,
    joins,
    populate,
    reads_offline,
)
from tests.support.archives import asks, form, page, stanza_id
from tests.support.client import TLSClient
from tests.support.server import ServerProcess

PIECES = 250


@pytest.fixture(scope="module")
def killed() -> Iterator[ServerProcess]:
    server = ServerProcess(enable=["archive"], options=ROOM)
    server.start()
    populate(server)
    yield server
    server.kill()
    server.clean()
    server.assert_no_traceback()


def reads_archive(client: TLSClient, wanted: str = "") -> list[tuple[str, str]]:
    """Archive id and the message's own id, of all that is there."""
    found: list[tuple[str, str]] = []
    answer = asks(client, wanted, page(max=PIECES))
    while True:
        found += [
            (id_, message.get("id") or "")
            for id_, message in zip(answer.ids, answer.originals, strict=True)
        ]
        if answer.complete:
            return found
        answer = asks(client, wanted, page(max=PIECES, after=answer.ids[-1]))


def is_killed_under_traffic(server: ServerProcess, after_s: float) -> None:
    """Romeo writes to juliet, who reads, and to the nurse, who is away."""
    for user in (JULIET, NURSE, ROMEO):
        server.run("archive-erase", jid=user)
    reader = Collector(comes_online(server, f"{JULIET}/reads"))
    flood = Flood(joins(server, f"{ROMEO}/floods"), JULIET, NURSE)
    timer = threading.Timer(after_s, server.kill)
    timer.start()
    flood.waits_for_the_end()
    timer.join()
    reader.waits_for_the_end()
    assert isinstance(flood.ended, LOST)
    server.start()
    kept = reads_archive(joins(server, f"{JULIET}/asks"))
    seen = [
        (stanza_id(each, JULIET), each.get("id"))
        for each in reader.stanzas
        if each.name == "message"
    ]
    assert set(seen) <= set(kept), "an id was seen that is not in the archive"
    assert [own for _, own in kept] == flood.sent[JULIET][: len(kept)], "in order, each once"
    assert len(kept) >= len(flood.acknowledged[JULIET])
    away = [own for _, own in reads_archive(joins(server, f"{NURSE}/asks"))]
    assert away == flood.sent[NURSE][: len(away)]
    assert len(away) >= len(flood.acknowledged[NURSE])
    for user in (JULIET, NURSE):
        sent = reads_archive(joins(server, f"{ROMEO}/asks"), form(with_=user))
        assert [own for _, own in sent] == flood.sent[user][: len(sent)]
        assert len(sent) >= len(flood.acknowledged[user])
    reads_offline(server, NURSE)
    reads_offline(server, JULIET)


@pytest.mark.parametrize("round_", range(4))
def test_sigkill_under_traffic(killed: ServerProcess, round_: int) -> None:
    is_killed_under_traffic(killed, random.Random(round_).uniform(0.05, 0.8))


@NEEDS_POSTGRESQL
def test_sigkill_under_traffic_on_postgresql(cluster: Cluster) -> None:
    database = f'url = "{cluster.url}"'
    with ServerProcess(enable=["archive"], database=database, options=ROOM) as server:
        populate(server)
        for moment in (0.1, 0.5):
            is_killed_under_traffic(server, moment)
        for user in server.accounts():
            server.delete(user)
