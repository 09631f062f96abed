"""Where keys are derived: beside the reactor, and never more at a time than may wait."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred, execute, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from xmppd.auth.interfaces import AuthBusy

T = TypeVar("T")


class Pool(Protocol):
    """Runs a computation that takes long."""

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Fails with AuthBusy, at once, when too much is waiting."""


class HashPool:
    """A few threads of its own, so that logins do not wait for the database, nor it for them.

    hashlib gives up the interpreter's lock while it computes. At most `queue` computations wait;
    more, and all before `start` and after `stop`, are refused.
    """

    def __init__(
        self, reactor: IReactorFromThreads, *, workers: int = 1, queue: int = 200
    ) -> None:
        self._reactor = reactor
        self._threads = ThreadPool(0, workers, name="xmppd-auth")
        self._room = workers + queue
        self._open = False

    def start(self) -> None:
        self._open = True
        self._threads.start()

    def stop(self) -> None:
        """Waits for what is computed at the moment; what was waiting is refused."""
        self._open = False
        self._threads.stop()

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        if not self._open or self._room <= 0:
            return fail(AuthBusy())
        self._room -= 1
        job = deferToThreadPool(self._reactor, self._threads, self._compute, work)
        return job.addBoth(self._done)

    def _compute(self, work: Callable[[], T]) -> T:
        if not self._open:
            raise AuthBusy
        return work()

    def _done(self, result: T) -> T:
        self._room += 1
        return result


class InlinePool:
    """For tests: computes at once, in the calling thread."""

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        return execute(work)
