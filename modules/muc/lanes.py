"""What a room sends while a message waits for the disk: all of it, in order, and later.

A message of a room that archives is delivered when it is stored, so that nobody sees an id that
the archive lacks after a crash. What follows it in the same room must not overtake it; other rooms
do not wait.
"""

from collections import deque
from collections.abc import Callable, Iterable

from xmppd.api import Commit, Copies, Done, StanzaError, StorageError, Storing
from xmppd.modules.muc.names import Outgoing

MOST_WAITING = 1000  # messages of one room


class _Waiting:
    """Stanzas that are sent when `commit` is over; if that fails, `refuse` says so instead."""

    __slots__ = ("commit", "refuse", "stanzas", "storing", "then")

    def __init__(
        self, commit: Commit, stanzas: list[Outgoing], refuse: Callable[[StanzaError], object]
    ) -> None:
        self.commit = commit
        self.stanzas = stanzas
        self.then: list[Outgoing] = []  # what followed it
        self.refuse = refuse
        self.storing = Storing()


class Lanes:
    """One line of each room that waits."""

    def __init__(self, send: Callable[[Iterable[Outgoing]], object]) -> None:
        self._send = send
        self._lanes: dict[str, deque[_Waiting]] = {}

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def check(self, room: str) -> None:
        """May one more message wait? Raises resource-constraint."""
        if len(self._lanes.get(room, ())) >= MOST_WAITING:
            raise StanzaError("resource-constraint", "too much waits to be stored", type="wait")

    def hold(
        self,
        room: str,
        commit: Commit,
        stanzas: Iterable[Outgoing],
        refuse: Callable[[StanzaError], object],
    ) -> Done:
        """Send them when that is stored; fires when this one has been."""
        waiting = _Waiting(commit, list(stanzas), refuse)
        self._lanes.setdefault(room, deque()).append(waiting)
        commit.want()
        commit.when_over(lambda: self._go_on(room))
        return None if waiting.storing.called else waiting.storing

    def follow(self, stanza: Outgoing) -> bool:
        """Whether its room waits, and it is sent after that."""
        from_ = stanza.stanza.from_ if isinstance(stanza, Copies) else stanza.from_
        lane = self._lanes.get(from_.local)
        if not lane:
            return False
        lane[-1].then.append(stanza)
        return True

    def _go_on(self, room: str) -> None:
        lane = self._lanes.get(room)
        while lane and lane[0].commit.over:
            waiting = lane.popleft()
            if not lane:
                del self._lanes[room]
            self._let_go(waiting)
            lane = self._lanes.get(room)

    def _let_go(self, waiting: _Waiting) -> None:
        if waiting.commit.problem is None:
            self._send(waiting.stanzas)
        else:
            with waiting.storing.ahead():
                waiting.refuse(_refusal(waiting.commit.problem))
        self._send(waiting.then)
        waiting.storing.callback(None)


def _refusal(problem: Exception) -> StanzaError:
    if isinstance(problem, StorageError):
        return StanzaError("resource-constraint", "the message could not be stored", type="wait")
    return StanzaError("internal-server-error")
