"""How often somebody may do something: buckets that fill up with time."""

from collections import OrderedDict
from collections.abc import Hashable


class Rates:
    """Of each key at most `burst` at once, and `per_s` a second in the long run; 0: no limit.

    At most `keys` are remembered; the longest unused make way.
    """

    __slots__ = ("_burst", "_keys", "_known", "_per_s")

    def __init__(self, per_s: float, burst: float, keys: int = 10_000) -> None:
        self._per_s = per_s
        self._burst = burst
        self._keys = keys
        self._known: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable, now: float) -> bool:
        """One more of `key`; False where that is too many."""
        if not self._per_s:
            return True
        left, at = self._known.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        allowed = left >= 1
        self._known[key] = (left - 1 if allowed else left, now)
        if len(self._known) > self._keys:
            self._known.popitem(last=False)
        return allowed
