"""What the federation knows of another server: what waits for it, and when to try again."""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from twisted.internet.defer import Deferred

from xmppd.stanza import Stanza, StanzaError
from xmppd.stream.dialback import Pair

if TYPE_CHECKING:
    from xmppd.s2s.connection import PeerConnection
    from xmppd.s2s.outgoing import OutgoingConnection
    from xmppd.transport.wheel import Timer

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
OVERHEAD = 256  # bytes of a stanza beside its content


class Waiting(NamedTuple):
    """A stanza in a queue."""

    stanza: Stanza
    size: int
    since: float


class Backoff:
    """After each failure twice the wait, from 1 s to 5 min, give or take a quarter: peers that
    lost the same server shall not come back all at once.
    """

    __slots__ = ("error", "failures", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.until = 0.0
        self.error: StanzaError | None = None  # the last one

    def failed(self, now: float, error: StanzaError) -> None:
        wait_s = min(FIRST_WAIT_S * 2 ** min(self.failures, 16), LONGEST_WAIT_S)
        self.failures += 1
        self.error = error
        self.until = now + min(wait_s * random.uniform(0.75, 1.25), LONGEST_WAIT_S)

    def succeeded(self) -> None:
        self.failures = 0
        self.until = 0.0

    def refuses(self, now: float) -> StanzaError | None:
        """What to tell who wants to send now; None: try."""
        return self.error if now < self.until else None


@dataclass(slots=True, eq=False)
class Peer:
    """Another server's domain."""

    domain: str
    routes: dict[str, "Route"] = field(default_factory=dict)  # by our domain
    links: "list[PeerConnection]" = field(default_factory=list)  # that may be asked for pairs
    opening: "dict[str, OutgoingConnection | None]" = field(default_factory=dict)
    places: dict[str, Deferred[bool]] = field(default_factory=dict)  # waited for, to begin one
    sources: "set[PeerConnection]" = field(default_factory=set)  # on which it sends
    backoff: Backoff = field(default_factory=Backoff)
    stanzas: int = 0  # in all queues
    size: int = 0
    last_failure: str = ""
    without_external_until: float = 0.0  # it hangs up on who tries EXTERNAL
    relief: list[Deferred[None]] = field(default_factory=list)  # senders that are held back

    @property
    def unused(self) -> bool:
        """Nothing is lost when it is forgotten."""
        return not (self.routes or self.links or self.opening or self.sources)


class Route:
    """The way from one of our domains to one of theirs, and what waits for it."""

    __slots__ = ("alone", "asking", "backoff", "link", "pair", "peer", "queue", "timer")

    def __init__(self, pair: Pair, peer: Peer) -> None:
        self.pair = pair
        self.peer = peer
        self.link: PeerConnection | None = None  # which carries it
        self.asking: PeerConnection | None = None  # which has sent a key for it
        self.alone = False  # it needs a connection of its own: others cannot carry it
        self.backoff = Backoff()
        self.queue: deque[Waiting] = deque()
        self.timer: Timer | None = None  # for the oldest in the queue

    def put(self, stanza: Stanza, now: float) -> int:
        """How many bytes it counts for."""
        size = len(stanza.raw) + OVERHEAD
        self.queue.append(Waiting(stanza, size, now))
        self.peer.stanzas += 1
        self.peer.size += size
        return size

    def pop(self) -> tuple[Stanza, int]:
        """The oldest, and what it counted for."""
        stanza, size, _ = self.queue.popleft()
        self.peer.stanzas -= 1
        self.peer.size -= size
        return stanza, size
