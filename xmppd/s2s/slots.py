"""Places for connections that are being made: so many at a time."""

from collections import Counter, OrderedDict, deque

from twisted.internet.defer import Deferred


class Slots:
    """Given to those who wait in turn, whoever came first: one whose stanzas go to many servers
    that do not answer must not hold up everybody else's, and never has more than three quarters
    of the places. `resize` may be called while some are waited for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Deferred[bool]]] = OrderedDict()  # next one first
        self._gives = False

    def acquire(self, who: str) -> Deferred[bool]:
        """Fires when there is a place, with True: `release` it then."""
        place: Deferred[bool] = Deferred()
        self._waiting.setdefault(who, deque()).append(place)
        self._give()
        return place

    def hurry(self, place: Deferred[bool]) -> None:
        """Let this one pass beside the others: it fires with False, if it still waits."""
        for who, places in self._waiting.items():
            if place in places:
                places.remove(place)
                self._forget_idle(who)
                place.callback(False)
                return

    def release(self, who: str) -> None:
        self._used[who] -= 1
        if not self._used[who]:
            del self._used[who]
        self._give()

    def resize(self, most: int) -> None:
        self._most = most
        self._give()

    def _give(self) -> None:
        """In a loop: many who give their places back at once must not nest."""
        if self._gives:
            return
        self._gives = True
        while self._used.total() < self._most and (who := self._next()) is not None:
            self._used[who] += 1
            place = self._waiting[who].popleft()
            self._waiting.move_to_end(who)
            self._forget_idle(who)
            place.callback(True)
        self._gives = False

    def _next(self) -> str | None:
        share = self._most - self._most // 4
        return next((who for who in self._waiting if self._used[who] < share), None)

    def _forget_idle(self, who: str) -> None:
        if not self._waiting[who]:
            del self._waiting[who]
