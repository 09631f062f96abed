"""Keys that were asked for a moment ago: who comes back at once needs no visit to the database.

What is answered from memory is answered sooner, and must not tell strangers which accounts there
are, nor who was here lately. So keys are kept only for the network that has asked for them (see
`network_of`), and those made up for names that do not exist are kept like all others. All that can
be found out is which names somebody in one's own network has tried a moment ago.
"""

from collections import OrderedDict
from collections.abc import Callable

from xmppd.auth.attempts import network_of
from xmppd.stream.sasl import ScramKeys

ASKERS = 4  # of an account: the networks that a person's devices are in

_Kept = dict[tuple[str, str], tuple[float, ScramKeys]]  # by network and hash, with its end


class RecentKeys:
    """Of `users` names at most; those that were asked for longest ago make way.

    `clock` gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float], users: int) -> None:
        self._clock = clock
        self._users = users
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self.changes = 0  # what was read before a change must not be kept after it

    def get(self, user: str, hash_name: str, address: str) -> ScramKeys | None:
        kept = self._kept.get(user)
        if kept is None:
            return None
        until, keys = kept.get((network_of(address), hash_name), (0.0, None))
        return keys if self._clock() < until else None

    def put(
        self, user: str, hash_name: str, address: str, keys: ScramKeys, seconds: float
    ) -> None:
        kept = self._kept.setdefault(user, {})
        self._kept.move_to_end(user)
        asker = (network_of(address), hash_name)
        kept.pop(asker, None)
        kept[asker] = (self._clock() + seconds, keys)
        if len(kept) > ASKERS:
            del kept[next(iter(kept))]
        if len(self._kept) > self._users:
            self._kept.popitem(last=False)

    def forget(self, user: str) -> None:
        """The account has changed, or may have."""
        self.changes += 1
        self._kept.pop(user, None)
