"""The way into the archives: messages get their ids at once, and are written in groups."""

import time

from xmppd.api import JID, Commit, Stanza, StanzaError, spawn
from xmppd.modules.archive.ids import Id, new_id
from xmppd.modules.archive.store import Store, Values, new_row

MOST_WAITING = 5000  # messages that wait for the database
WRITTEN_AT_ONCE = 500


class Journal:
    """Numbers messages and writes them; one group is under way at a time, the next one gathers.

    So what came while the disk was busy shares the next sync, and who writes alone waits for
    nobody. Ids grow with time, and go on growing where the clock jumps back.
    """

    def __init__(self, host: str, store: Store) -> None:
        self._host = host
        self._store = store
        self.latest = 0  # the largest number given
        self.grown: dict[str, int] = {}  # by so many bytes, since retention looked at them
        self._rows: list[Values] = []
        self._commit = self._new_commit()
        self._writing: Commit | None = None
        self._last: tuple[Stanza | None, bytes] = None, b""

    def add(self, owner: JID, peer: JID, stanza: Stanza) -> Id:
        """Put a message into an archive: as it is written now. It will be there when `commit`
        is over. StanzaError resource-constraint when too many wait.
        """
        if len(self._rows) >= MOST_WAITING:
            raise StanzaError("resource-constraint", "too much waits for the archive")
        self.latest = max(self.latest + 1, time.time_ns() // 1000)  # clocks may jump back
        id_ = new_id(self.latest)
        written = self._written(stanza)
        self._rows.append(new_row(self._host, owner, id_, peer, written))
        self.grown[owner] = self.grown.get(owner, 0) + len(written)
        return id_

    @property
    def commit(self) -> Commit:
        """Of what was added last, and since the last group was begun."""
        return self._commit

    async def settle(self) -> None:
        """Wait until all that was added is durable, or has failed."""
        for commit in (self._writing, self._commit if self._rows else None):
            done = None if commit is None else commit.done()
            if done is not None:
                await done

    def _written(self, stanza: Stanza) -> bytes:
        """A message between two accounts of the host is written once for both their archives."""
        last, written = self._last
        if last is not stanza:
            written = stanza.write()
            self._last = stanza, written
        return written

    def _new_commit(self) -> Commit:
        return Commit(self._begin)

    def _begin(self) -> None:
        if self._writing is None and self._rows:
            _ = spawn(self._write())

    async def _write(self) -> None:
        rows, self._rows = self._rows, []
        commit = self._writing = self._commit
        self._commit = self._new_commit()
        self._last = None, b""
        problem = await self._put(rows)
        self._writing = None
        if self._rows:
            self._begin()  # first, so that the disk has something to do meanwhile
        commit.end(problem)

    async def _put(self, rows: list[Values]) -> Exception | None:
        """Why they are not stored, all or some; None: they are."""
        try:
            for start in range(0, len(rows), WRITTEN_AT_ONCE):
                await self._store.put(rows[start : start + WRITTEN_AT_ONCE])
        except Exception as problem:
            return problem
        return None
