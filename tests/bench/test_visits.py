"""How often a login asks the database: waking its thread costs more than the answer."""

from collections.abc import Callable, Hashable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from bench.inside import Client, Inside

ROMEO = "romeo@example.org/orchard"


@pytest.fixture
def server() -> Inside:
    return Inside(archives=True)


@pytest.fixture
def visits(server: Inside, monkeypatch: pytest.MonkeyPatch) -> list[Hashable]:
    database, found = server.talk.database, []
    run = database.run

    def counted(
        work: Callable[..., Any], *, reads: bool = False, key: Hashable = None
    ) -> Deferred[Any]:
        found.append(key)
        return run(work, reads=reads, key=key)

    monkeypatch.setattr(database, "run", counted)
    return found


def log_in(server: Inside, visits: list[Hashable]) -> int:
    client = Client(server, ROMEO)
    visits.clear()
    client.log_in()
    count = len(visits)
    client.leaves()
    return count


def test_keys_are_one_visit_and_all_that_the_session_needs_another(
    server: Inside, visits: list[Hashable]
) -> None:
    log_in(server, visits)  # the secret for made-up keys is read once
    server.talk.account("juliet@example.org")
    juliet = Client(server, "juliet@example.org/balcony")
    visits.clear()
    juliet.log_in()
    assert len(visits) == 2


def test_who_comes_back_at_once_needs_none(server: Inside, visits: list[Hashable]) -> None:
    log_in(server, visits)
    assert log_in(server, visits) == 0


def test_who_resumes_at_once_needs_none(server: Inside, visits: list[Hashable]) -> None:
    juliet = Client(server, "juliet@example.org/balcony")
    juliet.log_in()
    id_ = juliet.enable()
    juliet.leaves()
    Client(server, "juliet@example.org/balcony").come_back(id_)  # the keys are at hand then
    visits.clear()
    client = Client(server, "juliet@example.org/balcony")
    client.come_back(id_)
    assert visits == []
