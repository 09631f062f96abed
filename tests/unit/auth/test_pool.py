"""The pool that derives keys: bounded, beside the reactor."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Event, Thread, current_thread
from typing import TypeVar

import pytest
from twisted.internet.defer import Deferred

from xmppd.auth import AuthBusy, HashPool, InlinePool

T = TypeVar("T")


class Reactor:
    """What a pool needs of a reactor: a way back into its thread."""

    def __init__(self) -> None:
        self.calls: Queue[Callable[[], object]] = Queue()

    def callFromThread(self, call: Callable[..., object], *args: object) -> None:
        self.calls.put(lambda: call(*args))

    def turn(self) -> None:
        self.calls.get(timeout=5)()


def outcome(job: Deferred[T]) -> list[T | type[Exception]]:
    """A list that gets the result, or the type of the failure."""
    found: list[T | type[Exception]] = []
    job.addCallbacks(  # type: ignore[unused-awaitable]  # it ends here
        found.append, lambda failure: found.append(failure.type)
    )
    return found


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@contextmanager
def started(reactor: Reactor, queue: int) -> Iterator[HashPool]:
    pool = HashPool(reactor, workers=1, queue=queue)  # type: ignore[arg-type]  # all it needs
    pool.start()
    try:
        yield pool
    finally:
        pool.stop()


def test_work_is_done_in_another_thread_and_comes_back(reactor: Reactor) -> None:
    with started(reactor, 1) as pool:
        found = outcome(pool.run(current_thread))
        reactor.turn()
    assert isinstance(found[0], Thread)
    assert found[0] is not current_thread()


def test_more_than_may_wait_is_refused_until_there_is_room(reactor: Reactor) -> None:
    release = Event()
    with started(reactor, 1) as pool:
        found = [outcome(pool.run(lambda: release.wait(5))) for _ in range(3)]
        assert found == [[], [], [AuthBusy]]
        release.set()
        reactor.turn()
        reactor.turn()
        again = outcome(pool.run(lambda: True))
        reactor.turn()
    assert [*found, again] == [[True], [True], [AuthBusy], [True]]


def test_an_error_of_the_work_gives_its_room_back(reactor: Reactor) -> None:
    with started(reactor, 0) as pool:
        for _ in range(2):
            found = outcome(pool.run(lambda: int("x")))
            reactor.turn()
            assert found == [ValueError]


def test_what_waits_when_it_stops_is_refused(reactor: Reactor) -> None:
    begun, release = Event(), Event()

    def work() -> bool:
        begun.set()
        return release.wait(5)

    with started(reactor, 5) as pool:
        running, waiting = outcome(pool.run(work)), outcome(pool.run(lambda: True))
        begun.wait(5)
        pool._open = False  # as `stop` says, before it waits for the threads
        release.set()
    reactor.turn()
    reactor.turn()
    assert (running, waiting) == ([True], [AuthBusy])


def test_nothing_is_taken_before_the_start_nor_after_the_stop(reactor: Reactor) -> None:
    pool = HashPool(reactor)  # type: ignore[arg-type]  # all it needs
    assert outcome(pool.run(lambda: True)) == [AuthBusy]
    pool.start()
    pool.stop()
    assert outcome(pool.run(lambda: True)) == [AuthBusy]


def test_the_inline_pool_is_done_at_once() -> None:
    assert outcome(InlinePool().run(lambda: 7)) == [7]
