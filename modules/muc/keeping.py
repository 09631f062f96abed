"""Which rooms are in memory: those with occupants, and a few that were asked about lately.

A stored room is loaded when somebody enters or asks; a million others cost nothing.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator

from twisted.internet.defer import Deferred, succeed

from xmppd.api import JID, StorageError, spawn
from xmppd.modules.muc import extras
from xmppd.modules.muc.config import MOST_HISTORY, Config
from xmppd.modules.muc.room import Room
from xmppd.modules.muc.store import Kept, Rooms, revive

SECRET_BYTES = 32


class Keeper:
    """The rooms of one service, by local part."""

    def __init__(
        self,
        domain: JID,
        stored: Rooms,
        flushed: "Writer",
        most_idle: int,
        recall: Callable[[Room], Awaitable[None]],
    ) -> None:
        self._domain = domain.domain
        self._stored = stored
        self._writer = flushed
        self._most_idle = most_idle
        self._recall = recall  # what the archive has of the room
        self._rooms: dict[str, Room] = {}
        self._idle: OrderedDict[str, None] = OrderedDict()
        self._loading: dict[str, list[Deferred[None]]] = {}
        self._last_number = 0

    def get(self, name: str) -> Room | None:
        """A room in memory: each that has occupants."""
        return self._rooms.get(name)

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def __len__(self) -> int:
        return len(self._rooms)

    async def find(self, name: str) -> Room | None:
        """A room, loaded if need be; None if there is none of that name."""
        while name not in self._rooms:
            waiting = self._loading.get(name)
            if waiting is None:
                return await self._load(name)
            turn: Deferred[None] = Deferred()
            waiting.append(turn)
            await turn
        return self._rooms[name]

    async def _load(self, name: str) -> Room | None:
        """Two Rooms for one name would be a split: who comes meanwhile waits, then looks again."""
        waiting = self._loading[name] = []
        try:
            await self._writer.flushed()
            stored = await self._stored.get(name, MOST_HISTORY)
            if stored is not None and name not in self._rooms:
                room = revive(JID(name, self._domain, ""), stored)
                extras.load(room, stored.extras)
                await self._recall(room)
                if name not in self._rooms:
                    self.take(room)
        finally:
            del self._loading[name]
            for turn in waiting:
                turn.callback(None)
        return self._rooms.get(name)

    def create(self, name: str, config: Config, after: int = 0) -> Room:
        """A new room, in memory and locked, made later than `after`."""
        address = JID(name, self._domain, "")
        room = Room(address, secrets.token_bytes(SECRET_BYTES), config, locked=True)
        room.created = self._number(after)
        self._rooms[name] = room
        return room

    def _number(self, after: int) -> int:
        """When it was made, in microseconds, and not the same as any other."""
        self._last_number = max(self._last_number + 1, after + 1, int(time.time() * 1e6))
        return self._last_number

    @staticmethod
    def age_s(room: Room) -> float:
        return time.time() - room.created / 1e6

    def take(self, room: Room) -> None:
        """A room that was loaded or handed over."""
        self._rooms[room.name] = room
        self.settle(room)

    def settle(self, room: Room) -> None:
        """Empty rooms are given up some time, unless they are in memory only."""
        if room.destroyed or self._rooms.get(room.name) is not room:
            return
        self._idle.pop(room.name, None)
        if room.empty and room.config.persistent:
            self._idle[room.name] = None
        self._make_room()

    def _make_room(self) -> None:
        for name in list(self._idle)[: max(0, len(self._idle) - self._most_idle)]:
            if not self._rooms[name].changing.locked:
                del self._idle[name], self._rooms[name]

    def drop(self, room: Room) -> None:
        """The room is no more."""
        room.destroyed = True
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self._idle.pop(room.name, None)


class Writer:
    """Stores messages beside the stanzas' way, in the order in which they were said; the database
    commits many at once. Who has said more than can be stored waits.
    """

    def __init__(
        self, stored: Rooms, failed: Callable[[StorageError], None], most: int = 500
    ) -> None:
        self._stored = stored
        self._failed = failed
        self._most = most
        self._pending = 0
        self._since: dict[str, int] = {}  # by room: messages since the oldest were removed
        self._waiting: list[Deferred[None]] = []

    def append(self, kept: Kept) -> "Deferred[None] | None":
        """A Deferred where too many wait to be stored."""
        self._pending += 1
        _ = spawn(self._write(kept, trim=self._is_due(kept)))
        return self._turn() if self._pending > self._most else None

    def _is_due(self, kept: Kept) -> bool:
        """Now and then the oldest go: to look for them costs more than to store one more."""
        since = self._since.pop(kept.room, 0) + 1
        due = since > kept.most // 2
        if not due:
            self._since[kept.room] = since
        return due

    def flushed(self) -> "Deferred[None]":
        """All that was said by now is stored, or lost with a line in the log."""
        return self._turn() if self._pending else succeed(None)

    def _turn(self) -> "Deferred[None]":
        turn: Deferred[None] = Deferred()
        self._waiting.append(turn)
        return turn

    def forget(self, room: str) -> None:
        """The room is no more."""
        self._since.pop(room, None)

    async def _write(self, kept: Kept, *, trim: bool) -> None:
        try:
            await self._stored.append([kept], trim)
        except StorageError as error:
            self._failed(error)
        finally:
            self._pending -= 1
            if not self._pending:
                waiting, self._waiting = self._waiting, []
                for turn in waiting:
                    turn.callback(None)
