"""Sessions that have just lost their connection, and what is stored of them.

A network that fails, or a server that stops, ends the connections of thousands at once. Each
alone would put its own pieces of work into the database's line, which is bounded: so the first is
stored at once, and those that come meanwhile are stored together.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api import Session, StorageError
from xmppd.modules.sm.store import Ended, Store

TOGETHER = 100  # sessions in one piece of work
log = Logger()


class Lost:
    """`park` stores the messages that wait for these sessions; `count` says what of a session is
    to be remembered, or None if it does not hibernate any more.
    """

    def __init__(
        self,
        store: Store,
        park: Callable[[Sequence[Session]], Awaitable[object]],
        count: Callable[[Session], Ended | None],
    ) -> None:
        self._store = store
        self._park = park
        self._count = count
        self._unparked: dict[Session, None] = {}
        self._uncounted: dict[Session, None] = {}
        self._waiting: list[Deferred[None]] = []
        self._busy = False

    def add(self, session: Session) -> bool:
        """True: call `work`; else somebody is at it."""
        self._unparked[session] = self._uncounted[session] = None
        idle, self._busy = not self._busy, True
        return idle

    def before_more(self, session: Session) -> Awaitable[object] | None:
        """One more message is about to be stored for it: what waits longer is stored first."""
        if session not in self._unparked:
            return None
        del self._unparked[session]
        return self._park([session])

    async def over(self) -> None:
        """When there is nothing left to store."""
        if self._busy:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    async def work(self) -> None:
        try:
            while self._uncounted:
                await self._store_some(_taken(self._unparked), _taken(self._uncounted))
        finally:
            self._busy = False
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    async def _store_some(self, unparked: list[Session], uncounted: list[Session]) -> None:
        await self._park(unparked)
        for session in uncounted:
            if session.undurable is not None:  # what it has sent is handled when that is stored
                await session.undurable.over()
        counts = [ended for ended in map(self._count, uncounted) if ended is not None]
        try:
            await self._store.put_all(counts)
        except StorageError as error:
            log.error("sm: {count} sessions: {error}", count=len(counts), error=error)


def _taken(sessions: dict[Session, None]) -> list[Session]:
    taken = list(islice(sessions, TOGETHER))
    for session in taken:
        del sessions[session]
    return taken
