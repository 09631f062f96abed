"""Who may connect: limits before anybody has proven who they are."""

from __future__ import annotations

import ipaddress
import os
import resource
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from twisted.logger import Logger

log = Logger()

TELL_EVERY_S = 60.0
SAME = 4096  # addresses whose group is known: people come back
REASONS = {
    "address": "too many connections from there are not logged in",
    "rate": "too many new connections a second from there",
    "descriptors": "too few file descriptors are left (RLIMIT_NOFILE)",
    "memory": "too little memory is left",
}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Defaults of the limits. An address is an IPv4 /32 or an IPv6 /64."""

    per_address: int = 100  # connections that are not authenticated yet
    rate: float = 20.0  # new connections a second of an address; also how many at once
    unauthenticated_share: float = 0.5  # of all descriptors
    descriptor_share: float = 0.9  # above that no strangers
    reserve: int = 64  # descriptors kept for peers, database and log
    addresses: int = 16384  # remembered at once
    exempt: tuple[str, ...] = ()  # networks, "10.0.0.0/8": no limit of an address


class _Address:
    """One address: how many strangers, and its token bucket."""

    __slots__ = ("seen", "strangers", "tokens")

    def __init__(self, tokens: float, seen: float) -> None:
        self.strangers = 0
        self.tokens = tokens
        self.seen = seen


class Ticket:
    """One admitted connection. `release` when it is lost; both methods may be called again."""

    __slots__ = ("_address", "_admission", "_released", "is_authenticated")

    def __init__(self, admission: Admission, address: _Address | None) -> None:
        self._admission = admission
        self._address = address
        self._released = False
        self.is_authenticated = False

    def authenticated(self) -> None:
        """The peer has proven who it is: it no longer counts against its address."""
        if not self.is_authenticated and not self._released:
            self.is_authenticated = True
            self._admission._known(self._address)
            self._address = None

    def exchanged(self) -> Ticket:
        """In place of one that is `authenticated`: one that all of those share, and each releases
        once. A crowd of idle connections needs no more.
        """
        usable = self.is_authenticated and not self._released
        return self._admission.shared if usable else self

    def release(self) -> None:
        """The connection is gone."""
        if not self._released:
            if not self.is_authenticated:
                self._admission._known(self._address)
            self._released = True
            self._address = None
            self._admission._closed()


class _SharedTicket(Ticket):
    """Of all connections whose peer is known."""

    __slots__ = ()

    def __init__(self, admission: Admission) -> None:
        super().__init__(admission, None)
        self.is_authenticated = True

    def release(self) -> None:
        """One of them is gone."""
        self._admission._closed()


class Admission:
    """Asked once for each connection, before anything is made for it.

    Refusing happens after accept(2), so the backlog never fills with the refused and the
    descriptor that would meet EMFILE is never asked for; Twisted's ports keep one in reserve
    for the case that others in the process used all.
    `seconds` is monotonic. `descriptors` counts the open ones; `pressed` tells that memory is
    short (`MemoryPressure`).
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        limits: AdmissionLimits | None = None,
        *,
        descriptor_limit: int | None = None,
        descriptors: Callable[[], int] | None = None,
        pressed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._seconds = seconds
        self._most = descriptor_limit or resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._descriptors = descriptors or _open_descriptors
        self.configure(limits or AdmissionLimits(), pressed)
        self._table: dict[str, _Address] = {}
        self._swept = self._counted_at = float("-inf")
        self._counted = 0  # descriptors, and what we admitted and released since
        self.strangers = 0
        self.shared: Ticket = _SharedTicket(self)
        self.refused: dict[str, int] = {}  # by reason, a key of REASONS
        self._told: dict[str, float] = {}  # when the operator heard of a reason last

    def configure(
        self, limits: AdmissionLimits, pressed: Callable[[], bool] = lambda: False
    ) -> None:
        """Take these limits for connections to come; who is connected stays."""
        self._limits = limits
        self._most_strangers = int(self._most * limits.unauthenticated_share)
        self._most_open = min(
            int(self._most * limits.descriptor_share), self._most - limits.reserve
        )
        self._pressed = pressed
        self._exempt = _networks(limits.exempt)
        self.group = lru_cache(SAME)(self._group)

    def admit(self, address: str) -> Ticket | None:
        """A ticket for a connection from `address` ("" for a Unix socket), or None: close it."""
        now = self._seconds()
        if self._pressed():
            return self._refuse("memory", address, now)
        if self.strangers >= self._most_strangers or self._open(now) >= self._most_open:
            return self._refuse("descriptors", address, now)
        key = self.group(address)
        entry = None
        if key is not None:
            entry = self._entry(key, now)
            if entry is None or entry.strangers >= self._limits.per_address:
                return self._refuse("address", address, now)
            if entry.tokens < 1.0:
                return self._refuse("rate", address, now)
            entry.tokens -= 1.0
            entry.strangers += 1
        self.strangers += 1
        self._counted += 1
        return Ticket(self, entry)

    def _refuse(self, why: str, address: str, now: float) -> Ticket | None:
        """Count it, and tell the operator once a minute for each reason."""
        self.refused[why] = self.refused.get(why, 0) + 1
        if now - self._told.get(why, float("-inf")) >= TELL_EVERY_S:
            self._told[why] = now
            log.warn(
                "A connection from {address} was refused: {reason} ({count} since the start)",
                address=address or "a local socket",
                reason=REASONS[why],
                count=self.refused[why],
            )
        return None

    @property
    def descriptor_limit(self) -> int:
        """How many descriptors the process may have."""
        return self._most

    def _group(self, address: str) -> str | None:
        """What connections are counted by; None for one that has no limit of its own."""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None  # a Unix socket: who may connect to it is the file system's business
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if any(ip in network for network in self._exempt):
            return None
        return str(ip) if ip.version == 4 else ip.packed[:8].hex()

    def _entry(self, key: str, now: float) -> _Address | None:
        limits = self._limits
        entry = self._table.get(key)
        if entry is not None:
            gained = max(0.0, now - entry.seen) * limits.rate
            entry.tokens = min(limits.rate, entry.tokens + gained)
            entry.seen = now
            return entry
        if len(self._table) >= limits.addresses:
            self._sweep(now)
        if len(self._table) >= limits.addresses:
            return None
        entry = self._table[key] = _Address(limits.rate, now)
        return entry

    def _sweep(self, now: float) -> None:
        """Forget addresses that are as good as new: no strangers, and a full bucket."""
        if now - self._swept < 1.0:
            return  # once a second is what a flood of addresses may cost
        self._swept = now
        for key, entry in list(self._table.items()):
            full = entry.tokens + (now - entry.seen) * self._limits.rate >= self._limits.rate
            if full and not entry.strangers:
                del self._table[key]

    def _open(self, now: float) -> int:
        """Open descriptors: counted now and then, and reckoned between."""
        if now - self._counted_at >= 5.0:
            self._counted_at = now
            self._counted = self._descriptors()
        return self._counted

    def _known(self, address: _Address | None) -> None:
        self.strangers -= 1
        if address is not None:
            address.strangers -= 1

    def _closed(self) -> None:
        self._counted -= 1


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def _open_descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:  # not Linux, or no descriptor left for the listing
        return 0


class MemoryPressure:
    """For `Admission(pressed=...)`: resident memory is above 80 % of `cap_bytes`."""

    def __init__(
        self,
        seconds: Callable[[], float],
        cap_bytes: int,
        resident: Callable[[], int] | None = None,
    ) -> None:
        self._seconds = seconds
        self._most = cap_bytes * 8 // 10
        self._resident = resident or _resident_bytes
        self._looked = float("-inf")
        self._short = False

    def __call__(self) -> bool:
        now = self._seconds()
        if now - self._looked >= 1.0:
            self._looked = now
            self._short = self._resident() > self._most
        return self._short


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
