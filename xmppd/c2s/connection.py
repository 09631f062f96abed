"""One client: its connection, its stream, and after the bind its session."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.c2s.negotiation import Negotiation
from xmppd.c2s.service import Service
from xmppd.jid import jid
from xmppd.ns import PING
from xmppd.sessions import CLOSED_BY_CLIENT, Session
from xmppd.stanza import IQ, Stanza, error_reply
from xmppd.stream.events import (
    Closed,
    Event,
    OwnAnswer,
    StreamNonza,
)
from xmppd.stream.states import State
from xmppd.transport.driver import SHOWN, detail_of
from xmppd.xml import Element, StreamError, to_xml

if TYPE_CHECKING:
    from xmppd.c2s.factory import ClientFactory

log = Logger()

# Of silence, after which a session's parser gives its 10 kB back; to wake it costs 2 µs.
DOZE_S = 2.0
# Errors of ours after which the client may come back and resume its session.
RESUMABLE = frozenset(("connection-timeout", "system-shutdown"))


class ClientConnection(Negotiation):
    """Drives a `ClientStream`: once a session is open, its stanzas are handed on."""

    __slots__ = ("_heard_at", "_left", "_unfinished")

    def __init__(self, factory: "ClientFactory", service: Service) -> None:
        super().__init__(service)
        self.max_buffered = service.options.limits.outbound_bytes
        self.max_waiting = service.options.limits.outbound_stanzas
        self._factory = factory
        self._left: Deferred[None] | None = None  # fires when that is done, if nobody is here
        self._unfinished = True  # the stream was not closed: the session may be resumed
        self._heard_at = 0.0
        self._dozing = False

    # From the transport

    def opened(self) -> None:
        if self.direct_tls is not None:
            self.stream = self._new_stream(secure=True)
        self._timer = self._wheel.add(self._service.options.login_timeout, self._late)
        self._factory.connections.add(self)

    def secured(self) -> None:
        if self.stream.state is State.SECURING:  # else TLS was there from the first byte on
            self.stream.tls_ready()

    def received(self, data: bytes) -> None:
        self._heard_at = self._seconds()
        if self._dozing:
            self._wake()
        happened = self.stream.receive(data)  # as the driver's, without a call more for each read
        if self._queue or self._waits:
            self._queue = [*self._queue, *happened]
        else:
            self._handle(happened)

    def _leave(self, why: str) -> None:
        session, self.session = self.session, None
        if session is None:
            return
        if self._unfinished and session.managed is not None and session.managed.id:
            self.say("session hibernates: {why}", who=session.jid, why=why)
            self._leave_work(session)
            self._intake.hibernate(session, why)
        else:
            self.say("session closed: {why}", who=session.jid, why=why)
            self._intake.close(session, why)

    def _leave_work(self, session: Session) -> None:
        """The stanza that is being handled counts as one whose storing is under way: who resumes
        the session waits for it. Unless it is the storing that is waited for.
        """
        undurable = session.undurable
        if self._waits and (undurable is None or not undurable.full):
            self._left = Deferred()
            session.hold_for(self._left)
            assert session.undurable is not None
            session.undurable.taken(0)

    def yield_session(self) -> None:
        """The client resumes its session on another connection (XEP-0198 §5)."""
        self._leave("its client resumes it elsewhere")
        self.end(StreamError("conflict"))

    @property
    def domain(self) -> str:
        """The host that the client's header named; "" before that."""
        return self.stream.domain

    # What the stream says

    def _handle(self, happened: Sequence[Event]) -> None:
        """Take events in order, until one has to be waited for."""
        if self.stream.outgoing:
            self.flush_stream()  # the bind's result comes before any answer of the session
        for position, event in enumerate(happened):
            if not isinstance(event, Stanza):
                self._take(event)
                continue
            session = self.session
            if session is None:
                return  # closed meanwhile: what it said late is dropped
            done = self._intake.accept(session, event)
            if done is not None and self._wait_for(done):
                self._queue = [*self._queue, *happened[position + 1 :]]
                return

    def _waited(self) -> None:
        if self._left is not None:
            self._left.callback(None)
            self._left = None

    def _take(self, event: Event) -> None:
        """All but the stanzas of a session; while the stream waits for us it gives no others."""
        if isinstance(event, Closed):
            self._closed(event)
        elif isinstance(event, StreamNonza):
            self._nonza(event.nonza.element)
        elif isinstance(event, OwnAnswer):
            self._answer_own(event)
        else:
            self._negotiate(event)

    def _closed(self, event: Closed) -> None:
        """The stream is over: so is the connection, as soon as our last words are sent."""
        self.flush_stream()
        resumable = event.error is not None and event.error.condition in RESUMABLE
        self._unfinished = resumable or event.peer_error is not None
        why = CLOSED_BY_CLIENT if event.by_peer and not self.stalled else "stream closed"
        self.write(event.farewell)
        if event.error is not None:
            why = f"stream error {event.error.condition}"
            self.say("{why}{detail}", why=why, detail=detail_of(event.error))
        elif event.peer_error is not None:
            why = f"client sent stream error {event.peer_error!r:.{SHOWN}}"
        self.close(why=why)

    def say(self, message: str, **values: object) -> None:
        """One line for the operator."""
        address = self.peer_address or "local socket"
        who = str(values.pop("who", self.stream.user) or "client")[:SHOWN]
        log.info("{who} at {address}: " + message, who=who, address=address, **values)

    def _nonza(self, element: Element) -> None:
        host = self._host_now()
        handler = None
        if host is not None:
            handler = self._service.extensions.nonza(host, element.ns, element.name)
        if handler is None:
            self._handle(self.stream.fail(StreamError("unsupported-stanza-type")))
        else:
            answer = handler(self.session, element)
            if answer is not None:
                self.write(to_xml(answer).encode())

    def _answer_own(self, event: OwnAnswer) -> None:
        """What the stream answers by itself counts as well, both ways."""
        session = self.session
        if session is None or session.managed is None:
            self.write(event.written)
            return
        session.managed.handle()
        refused = None if event.error is None else error_reply(event.iq, event.error)
        session.managed.deliver(refused or event.iq.result(), session)

    # Time

    def _watch(self) -> None:
        self._timer = self._wheel.add(DOZE_S, self._silent)

    def _silent(self) -> None:
        """RFC 6120 §4.6.3: ask a client that has been silent for long whether it is there."""
        options = self._service.options
        silent_s = self._seconds() - self._heard_at
        if silent_s < options.idle_ping or self.paused:
            self._dozing = silent_s >= DOZE_S
            if self._dozing:
                self.stream.doze()
            next_s = options.idle_ping if self._dozing else DOZE_S
            self._timer = self._wheel.add(max(next_s - silent_s, 1.0), self._silent)
            return
        self._ping()
        asked_at = self._seconds()
        self._timer = self._wheel.add(options.ping_timeout, self._unanswered, asked_at)

    def _wake(self) -> None:
        self._dozing = False
        if self._timer is not None:
            self._timer.reschedule(DOZE_S)

    def _ping(self) -> None:
        session = self.session
        if session is not None:
            host = jid(session.jid.domain)
            session.send(IQ(session.jid, host, "get", "idle", Element(PING, "ping")))

    def _unanswered(self, asked_at: float) -> None:
        if self._heard_at >= asked_at or self.paused:
            self._silent()
        else:
            self.end(StreamError("connection-timeout"))
