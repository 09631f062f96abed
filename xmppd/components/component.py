"""One configured component: stanzas for its domains, whether it is there or away."""

from collections import deque
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from xmppd.clock import Clock, Timer
from xmppd.config import ComponentConfig
from xmppd.jid import JID, jid
from xmppd.ns import COMPONENT
from xmppd.routing.router import Done, Router
from xmppd.stanza import Presence, Stanza, StanzaError
from xmppd.xml import StreamError

AWAY = "the component is not connected"


class Link(Protocol):
    """The connection of a component, once it has proven who it is."""

    def write(self, data: bytes) -> None:
        """Queue bytes for it."""

    def end(self, error: StreamError | None = None) -> None:
        """End its stream."""

    @property
    def pressure(self) -> "Deferred[None] | None":
        """None while it reads well; else it fires when it has read, or is gone."""

    @property
    def peer_address(self) -> str:
        """Where it is connected from."""


class Waiting(NamedTuple):
    """A stanza for a component that is away."""

    stanza: Stanza
    data: bytes
    until: float


class Component:
    """The destination of a component's domains; `link` is None while it is away."""

    def __init__(self, config: ComponentConfig, router: Router, clock: Clock) -> None:
        self.config = config
        self.link: Link | None = None
        self.since: float = clock.seconds()  # it came, or went
        self.sent = self.received = 0  # stanzas to it and from it, over all its connections
        self.why_away = "it has not connected yet"
        self._router = router
        self._clock = clock
        self._queue: deque[Waiting] = deque()
        self._queued_bytes = 0
        self._timer: Timer | None = None

    @property
    def domain(self) -> JID:
        return jid(self.config.domain)

    @property
    def waiting(self) -> int:
        """Stanzas that wait for it."""
        return len(self._queue)

    def take(self, stanza: Stanza) -> Done:
        """A stanza for one of its domains. Raises StanzaError for its sender."""
        link = self.link
        if link is None:
            return self._keep(stanza)
        self.sent += 1
        link.write(stanza.write(COMPONENT))
        return link.pressure

    def attach(self, link: Link) -> None:
        """It has come: what waited goes out first."""
        self.link, self.since = link, self._clock.seconds()
        queue, self._queue = self._queue, deque()
        self._forget_timer()
        self._queued_bytes = 0
        self.sent += len(queue)
        for waiting in queue:
            link.write(waiting.data)

    def detach(self, why: str) -> None:
        """It has gone; `why` is for the operator."""
        self.link, self.since, self.why_away = None, self._clock.seconds(), why

    # While it is away

    def _keep(self, stanza: Stanza) -> Done:
        """Let it wait where that is wished. The error otherwise is what XEP-0355 §4.3 says of a
        component that is not available; `wait`, for it may come back.
        """
        options = self.config.options
        if isinstance(stanza, Presence) and stanza.type in ("unavailable", "probe"):
            return None  # nobody waits for an answer to that
        if options.when_away == "bounce":
            if isinstance(stanza, Presence) and not stanza.directed:
                return None
            raise StanzaError("service-unavailable", AWAY, type="wait")
        data = stanza.write(COMPONENT)
        full = self._queued_bytes + len(data) > options.queue_bytes
        if full or len(self._queue) >= options.queue_stanzas:
            raise StanzaError("resource-constraint", f"{AWAY}, and too much waits for it")
        until = self._clock.seconds() + options.queue_time
        self._queue.append(Waiting(stanza, data, until))
        self._queued_bytes += len(data)
        self._watch()
        return None

    def _watch(self) -> None:
        if self._timer is None and self._queue:
            wait_s = max(0.0, self._queue[0].until - self._clock.seconds())
            self._timer = self._clock.callLater(wait_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        while self._queue and self._queue[0].until <= now:
            self._drop(self._queue.popleft())
        self._watch()

    def _drop(self, waiting: Waiting) -> None:
        self._queued_bytes -= len(waiting.data)
        self._router.bounce(waiting.stanza, StanzaError("remote-server-timeout", AWAY))

    def _forget_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def give_up(self) -> None:
        """It is served no more: senders of what waits are told."""
        self._forget_timer()
        while self._queue:
            self._drop(self._queue.popleft())
