"""One component: its connection and its stream."""

import socket
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.components.component import Component
from xmppd.components.registry import Components
from xmppd.routing.router import Done
from xmppd.stanza import Stanza
from xmppd.stream.component import Accepted, ComponentStream, Event
from xmppd.stream.events import Closed
from xmppd.transport.driver import SHOWN, detail_of
from xmppd.transport.serving import ServedConnection
from xmppd.transport.wheel import Timer
from xmppd.xml import StreamError

if TYPE_CHECKING:
    from xmppd.components.service import ComponentFactory

log = Logger()

DOZE_S = 2.0  # of silence, after which the parser gives its memory back
# Whitespace after so long a silence of ours (RFC 6120 §4.6.1), and how long the kernel waits for
# it to be acknowledged: so a machine that vanished without a word is noticed.
KEEPALIVE_S = 60.0
UNACKNOWLEDGED_MS = 60_000


class ComponentConnection(ServedConnection[Event]):
    """Drives a `ComponentStream`: hands its stanzas to the router, and is a `Link`."""

    stream: ComponentStream
    _factory: "ComponentFactory"

    def __init__(self, factory: "ComponentFactory", components: Components) -> None:
        super().__init__(factory.flusher, factory.wheel)
        options = components.options
        self.max_buffered = options.outbound_bytes
        self.max_waiting = options.outbound_stanzas
        self._factory = factory
        self._components = components
        self._component: Component | None = None
        self.stream = ComponentStream(self, *factory.limits(options))
        self._dozing = False
        self._reads: Deferred[None] | None = None  # fires when it reads again
        self._stall_timer: Timer | None = None

    # The door: as the registry's, which must know the address

    def secret(self, domain: str) -> str | None:
        return self._components.secret(domain)

    def domains(self, domain: str) -> Container[str]:
        return self._components.domains(domain)

    def refusal(self, domain: str, *, right: bool) -> StreamError | None:
        return self._components.refusal(domain, right=right, address=self.peer_address)

    # From the transport

    def opened(self) -> None:
        self._timer = self._wheel.add(self._components.options.login_timeout, self._late)
        self._factory.connections.add(self)
        notice_silence(self.transport)

    def received(self, data: bytes) -> None:
        self._dozing = False
        super().received(data)

    def drained(self) -> None:
        self._release_senders()

    def _leave(self, why: str) -> None:
        component, self._component = self._component, None
        if component is not None:
            self.say("component gone: {why}", why=why)
            self._components.went(component, self, why)
        self._release_senders()

    # What the stream says

    def _handle(self, happened: Sequence[Event]) -> None:
        self.flush_stream()
        for position, event in enumerate(happened):
            if isinstance(event, Closed):
                self._closed(event)
            elif isinstance(event, Accepted):
                self._accepted(event)
            elif self._component is None:
                return  # closed meanwhile: what it said late is dropped
            else:
                done = self._route(event, self._component)
                if done is not None and self._wait_for(done):
                    self._queue = [*self._queue, *happened[position + 1 :]]
                    return

    def _accepted(self, event: Accepted) -> None:
        self._component = self._components.came(event, self)
        if self._component is None:
            self.end(StreamError("host-gone"))
            return
        if self.ticket is not None:
            self.ticket.authenticated()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._wheel.add(DOZE_S, self._silent)
        self.say("component connected")

    def _route(self, stanza: Stanza, component: Component) -> Done:
        component.received += 1
        return self._factory.accept(stanza)

    def _closed(self, event: Closed) -> None:
        self.flush_stream()
        self.write(event.farewell)
        why = "closed by the component" if event.by_peer else "stream closed"
        if event.error is not None:
            why = f"stream error {event.error.condition}"
            self.say("{why}{detail}", why=why, detail=detail_of(event.error))
        elif event.peer_error is not None:
            why = f"component sent stream error {event.peer_error!r:.{SHOWN}}"
        self.close(why=why)

    def say(self, message: str, **values: object) -> None:
        """One line for the operator."""
        address = self.peer_address or "local socket"
        who = self.stream.domain or "component"
        log.info("{who} at {address}: " + message, who=who, address=address, **values)

    # Those who write faster than it reads

    @property
    def pressure(self) -> "Deferred[None] | None":
        """Half of what may wait does: senders are held back until it has read all of it."""
        if self.buffered * 2 < self.max_buffered:
            return None
        if self._reads is None:
            self._reads = Deferred()
            self._stall_timer = self._wheel.add(self._components.options.stalled, self._stalled)
        held: Deferred[None] = Deferred()
        _ = self._reads.addBoth(lambda _: held.callback(None))
        return held

    def _release_senders(self) -> None:
        reads, self._reads = self._reads, None
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        if reads is not None:
            reads.callback(None)

    def _stalled(self) -> None:
        self.say("reads nothing: {size} bytes wait", size=self.buffered)
        self.end(StreamError("connection-timeout", "it does not read"))
        self.abort("it does not read")

    # Time

    def _silent(self) -> None:
        if not self._dozing:
            self.stream.doze()
            self._dozing = True
        self.write(b" ")
        self._timer = self._wheel.add(KEEPALIVE_S, self._silent)


def notice_silence(transport: object) -> None:
    """Let the kernel end a TCP connection whose other end acknowledges nothing any more."""
    handle = getattr(transport, "getHandle", lambda: None)()
    if isinstance(handle, socket.socket) and handle.family != socket.AF_UNIX:
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
