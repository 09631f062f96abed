"""Places for connections that are being made: so many at a time."""

from collections import deque

from twisted.internet.defer import Deferred


class Slots:
    """Given in order. `resize` may be called while some are waited for."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._waiting: deque[Deferred[bool]] = deque()
        self._gives = False

    def acquire(self) -> Deferred[bool]:
        """Fires when there is a place, with True: `release` it then."""
        place: Deferred[bool] = Deferred()
        self._waiting.append(place)
        self._give()
        return place

    def hurry(self, place: Deferred[bool]) -> None:
        """Let this one pass beside the others: it fires with False, if it still waits."""
        if place in self._waiting:
            self._waiting.remove(place)
            place.callback(False)

    def release(self) -> None:
        self._used -= 1
        self._give()

    def resize(self, most: int) -> None:
        self._most = most
        self._give()

    def _give(self) -> None:
        """In a loop: many who give their places back at once must not nest."""
        if self._gives:
            return
        self._gives = True
        while self._waiting and self._used < self._most:
            self._used += 1
            self._waiting.popleft().callback(True)
        self._gives = False
