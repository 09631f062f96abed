"""Slowing down those who guess passwords, without locking out those who know theirs (L4).

Failures are counted for each pair of address and account, and for each address; never for an
account alone, or anybody could keep its owner out. IPv6 addresses count by /64. After so many
failures the next attempt has to wait, one second first and twice as long after each further
failure, up to a limit; what has been quiet for the time of the window is forgotten.

The owner of a stream asks `blocked` before it lets an exchange see an account, and fails it with
temporary-auth-failure while that is not 0: no keys are read, nothing is computed, and nothing is
counted, so waiting ends.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

NEIGHBOURS = 5  # an address may stand for many people: it is granted the failures of so many


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0
    until: float = 0.0


class Attempts:
    """The failures of late. `entries` bounds each of its two tables: the oldest make way.

    `failures` are free, then it is blocked; five times as many for an address. `clock` gives
    seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        failures: int = 10,
        backoff_s: float = 60.0,
        window_s: float = 900.0,
        entries: int = 20_000,
    ) -> None:
        self._clock = clock
        self._window_s = max(window_s, backoff_s)
        self._pairs = _Table(failures, backoff_s, entries)
        self._addresses = _Table(failures * NEIGHBOURS, backoff_s, entries)

    def blocked(self, address: str, user: str | None = None) -> float:
        """Seconds until the next attempt from `address`, on `user` if given; 0.0: go ahead."""
        now, network = self._clock(), network_of(address)
        wait = self._addresses.wait((network, ""), now)
        return wait if user is None else max(wait, self._pairs.wait((network, user), now))

    def failed(self, address: str, user: str | None = None) -> None:
        """An exchange failed; `user` is the account it was about, if it came to that."""
        now, network = self._clock(), network_of(address)
        self._addresses.failed((network, ""), now, self._window_s)
        if user is not None:
            self._pairs.failed((network, user), now, self._window_s)

    def succeeded(self, address: str, user: str) -> None:
        """Forgives the pair; not the address, or an account of one's own would wash it clean."""
        self._pairs.forget((network_of(address), user))


class _Table:
    def __init__(self, free: int, backoff_s: float, entries: int) -> None:
        self._free = free
        self._backoff_s = backoff_s
        self._entries = entries
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def wait(self, key: tuple[str, str], now: float) -> float:
        known = self._failures.get(key)
        return 0.0 if known is None else max(0.0, known.until - now)

    def failed(self, key: tuple[str, str], now: float, window_s: float) -> None:
        known = self._failures.pop(key, None)
        if known is None or now - known.last > window_s:
            known = _Failures()
        known.count += 1
        known.last = now
        over = known.count - self._free
        if over >= 0:  # the exponent is bounded too: floats are not
            known.until = now + min(self._backoff_s, 2.0 ** min(over, 32))
        self._failures[key] = known
        while len(self._failures) > self._entries:
            self._failures.popitem(last=False)

    def forget(self, key: tuple[str, str]) -> None:
        self._failures.pop(key, None)


@lru_cache(4096)  # each login asks three times, and people come back
def network_of(address: str) -> str:
    """Whom an address stands for: itself, or its /64. What is no IP address stands for itself."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or IPv6Network((ip, 64), strict=False))
    return address
