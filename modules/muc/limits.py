"""How often somebody may do something: buckets that fill up with time."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from xmppd.api import JID


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

    def take(self, key: Hashable, now: float, cost: float = 1) -> bool:
        """One more of `key`, that counts for `cost`; False where that is too many."""
        if not self._per_s:
            return True
        cost = min(cost, self._burst)
        left, at = self._known.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        allowed = left >= cost
        self._known[key] = (left - cost if allowed else left, now)
        if len(self._known) > self._keys:
            self._known.popitem(last=False)
        return allowed


class UserRates:
    """Of each user, by bare JID. The users of a domain that is not `served` here have together
    only `factor` times as much: who runs it can invent as many users as there are names.
    """

    __slots__ = ("_domains", "_served", "_users")

    def __init__(
        self, per_s: float, burst: float, *, served: Callable[[str], bool], factor: float
    ) -> None:
        self._users = Rates(per_s, burst)
        self._domains = Rates(per_s * factor, burst * factor)
        self._served = served

    def take(self, user: JID, now: float, cost: float = 1) -> bool:
        if not self._served(user.domain) and not self._domains.take(user.domain, now, cost):
            return False
        return self._users.take(user, now, cost)
