"""Sessions that have just lost their connection, and what is stored of them.

A network that fails, or a server that stops, ends the connections of thousands at once. Each
alone would put its own pieces of work into the database's line, which is bounded: so the first is
stored at once, and those that come meanwhile are stored together.

Messages that wait are stored at once. How much was handled is not, if there were none: most
clients that lose a connection are back within seconds, and then two visits to the database are
saved, one to store the count and one to drop it. A `kill -9` before it is stored costs what it
does while the client is connected: it is not told what was handled, and sends again what it has
no answer for.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api import Session, StorageError
from xmppd.modules.sm.store import Ended, Store

T = TypeVar("T")
TOGETHER = 100  # sessions in one piece of work
RECENT_S = 2.0  # as long nothing is stored of how much was handled
log = Logger()


class Lost:
    """`park` stores the messages that wait for these sessions, and gives what is falsy if there
    are none; `count` says what of a session is to be remembered, or None if it does not hibernate
    any more. Who is told True by a method calls `work`; else somebody is at it, or there is none.
    """

    def __init__(
        self,
        store: Store,
        park: Callable[[Sequence[Session]], Awaitable[object]],
        count: Callable[[Session], Ended | None],
        seconds: Callable[[], float],
    ) -> None:
        self._store = store
        self._park = park
        self._count = count
        self._seconds = seconds
        self._unparked: dict[Session, None] = {}
        self._recent: dict[Session, float] = {}  # when they were lost; nothing is stored of them
        self._due: dict[Session, Ended | None] = {}  # None: it may come back, and is asked then
        self._returning: set[Session] = set()  # and those that are back
        self._waiting: list[Deferred[None]] = []
        self._busy = False

    def add(self, session: Session) -> bool:
        """It is lost."""
        self._returning.discard(session)
        self._unparked[session] = None
        self._recent[session] = self._seconds()
        return self._begin()

    def before_more(self, session: Session) -> Awaitable[object] | None:
        """One more message is about to be stored for it: what waits longer is stored first."""
        if session not in self._unparked:
            return None
        del self._unparked[session]
        return self._park([session])

    def due(self, session: Session) -> bool:
        """The database is visited for it, so its count is stored as well."""
        if self._recent.pop(session, None) is None:
            return False
        self._due[session] = None
        return self._begin()

    def due_again(self, session: Session) -> bool:
        """Nobody knows what is stored of it."""
        self._due[session] = None
        return self._begin()

    def ripen(self) -> bool:
        """Those are due who have not come back for a while."""
        until = self._seconds() - RECENT_S
        for session in [session for session, at in self._recent.items() if at <= until]:
            del self._recent[session]
            self._due[session] = None
        return bool(self._due) and self._begin()

    def ends(self, session: Session) -> bool:
        """It cannot be resumed any more: the count is remembered, if that is not done yet."""
        self._returning.discard(session)
        if self._recent.pop(session, None) is None:
            return False
        self._due[session] = self._count(session)
        return self._begin()

    def comes_back(self, session: Session) -> bool:
        """It is resumed, and nothing is stored of it any more, for its count is about to move on.
        True: nothing was stored before, there is nothing to drop.
        """
        self._returning.add(session)
        return self._recent.pop(session, None) is not None

    def _begin(self) -> bool:
        idle, self._busy = not self._busy, True
        return idle

    async def over(self) -> None:
        """When there is nothing left that is due."""
        if self._busy:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    async def work(self) -> None:
        try:
            while self._unparked or self._due:
                lost = _taken(self._unparked)
                if await self._park(list(lost)):
                    for session in lost:
                        self.due(session)
                await self._store_counts(_taken(self._due))
        finally:
            self._busy = False
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    async def _store_counts(self, due: dict[Session, Ended | None]) -> None:
        for session in due:
            if session.undurable is not None:  # what it has sent is handled when that is stored
                await session.undurable.over()
        counts = [ended for each in due.items() if (ended := self._counted(*each)) is not None]
        if not counts:
            return
        try:
            await self._store.put_all(counts)
        except StorageError as error:
            log.error("sm: {count} sessions: {error}", count=len(counts), error=error)

    def _counted(self, session: Session, ended: Ended | None) -> Ended | None:
        """It may have come back, and been lost again."""
        self._recent.pop(session, None)
        if ended is None and session not in self._returning:
            return self._count(session)
        return ended


def _taken(sessions: dict[Session, T]) -> dict[Session, T]:
    taken = dict(islice(sessions.items(), TOGETHER))
    for session in taken:
        del sessions[session]
    return taken
