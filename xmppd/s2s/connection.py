"""One connection with another server, whoever began it: what both kinds have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.jid import jid
from xmppd.ns import PING, SERVER
from xmppd.routing.router import Done, Storing
from xmppd.stanza import IQ, Copies, Stanza, StanzaError
from xmppd.stream.events import Closed, StartTLS
from xmppd.stream.peer import (
    AckAsked,
    Acked,
    Enabled,
    PeerEvent,
    PeerMaySend,
    Refused,
    State,
    Verified,
    WeMaySend,
)
from xmppd.stream.peer.base import PeerStream
from xmppd.stream.peer.states import TRUSTED
from xmppd.transport.connection import CLOSE_TIMEOUT_S
from xmppd.transport.driver import SHOWN, StreamDriver, detail_of
from xmppd.transport.proof import Verdict, seconds_left
from xmppd.transport.wheel import Timer
from xmppd.xml import Element, StreamError

if TYPE_CHECKING:
    from xmppd.s2s.federation import Federation
    from xmppd.s2s.peer import Peer, Route

log = Logger()

TICK_S = 10.0
ACK_S = 1.0  # after a stanza, unless more follow: ask whether it was handled
SILENT_S = 20.0  # nothing came back to what we sent: ask whether anybody is there
UNANSWERED_S = 20.0  # ask once more, differently; and then nobody is
LEAVE_S = 2.0  # at our shutdown, for what is under way
UNUSED_S = 10.0  # a connection that no pair of domains uses is closed
MOST, MOST_BYTES = 256, 1 << 20  # taken since the first stanza that is not durable; then it waits
PIECE_BYTES = 64 * 1024  # of copies for many, written together
BLOCKED_BYTES = 256 * 1024  # wait for a peer that reads slowly; more stay in the queue
SHUTDOWN = StreamError("system-shutdown")
LATE = (Refused, Verified, Acked)  # what counts although the stream has ended meanwhile


class PeerConnection(StreamDriver[PeerEvent]):
    """Drives a `PeerStream`, and hands its stanzas to the router."""

    stream: PeerStream

    direction = ""

    def __init__(self, federation: "Federation", stream: PeerStream) -> None:
        service = federation.service
        super().__init__(service.flusher, service.wheel)
        self.federation = federation
        self.stream = stream
        self.how = ""  # the first pair was authenticated by this
        self.proof = ""  # what the peer's certificate proves, in words
        self.clock = service.clock
        self.opened_at = self.heard_at = self.used_at = self.clock.seconds()
        self.received_bytes = self.sent_bytes = 0
        self.peers: set[Peer] = set()  # that know it
        self.routes: set[Route] = set()  # that it carries, or was asked to
        self.sent_at = float("-inf")  # a stanza that the peer has to do something about
        self._sent_since: float | None = None  # first noticed: sent to a peer that is silent
        self._asked_at: float | None = None
        self._poked = False  # asked a second time
        self.expires_at: float | None = None  # the certificate that proved who it is
        self._last: Closed | None = None  # by the peer; answered when all is stored
        self._parts = False  # the stream ends when all is stored
        self._parting: StreamError | None = None  # why it does
        self._deaf = False  # stanzas are taken no more
        self._under_way = 0  # stanzas on their way to the disk
        self._behind = 0  # those, and what came behind them
        self._bytes = 0  # of those
        self._timer: Timer | None = None
        self._ack_timer: Timer | None = None

    # From the transport

    def opened(self) -> None:
        self.opened_at = self.heard_at = self.used_at = self.clock.seconds()
        timeout_s = self.federation.service.options.negotiation_timeout
        self._timer = self._wheel.add(timeout_s, self._late)
        self.federation.connections.add(self)

    def received(self, data: bytes) -> None:
        self.heard_at = self.clock.seconds()
        self.received_bytes += len(data)
        super().received(data)

    def write(self, data: bytes) -> None:
        self.sent_bytes += len(data)
        super().write(data)

    def drained(self) -> None:
        self.federation.drained(self)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S, why: str = "closed by us") -> None:
        self.federation.closing(self)
        super().close(timeout_s, why)

    def abort(self, why: str = "aborted") -> None:
        self.federation.closing(self)
        super().abort(why)

    def lost(self, why: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._ack_timer is not None:
            self._ack_timer.cancel()
        # The peer takes back what it knows not to be acknowledged; all else it believes with us.
        whole = any(isinstance(event, Closed) for event in self._queue)
        if self.stream.management is not None and not whole:
            self._queue = ()
        self.stream.close()
        self.federation.connections.discard(self)
        self.federation.lost(self, why)

    # What the stream says

    def _handle(self, happened: Sequence[PeerEvent]) -> None:
        stream = self.stream
        if stream.outgoing:
            self.flush_stream()
        for position, event in enumerate(happened):
            if not isinstance(event, Stanza):
                self._take(event)
                continue
            if self._deaf:
                continue
            self.used_at = self.heard_at
            done = self._accept(event)
            if isinstance(done, Storing) and self._behind < MOST and self._bytes < MOST_BYTES:
                self._store(done, event)
                continue
            if done is not None and self._wait_for(done):
                self._queue = [*self._queue, *happened[position + 1 :]]
                return
            self._handled()

    def _accept(self, stanza: Stanza) -> Done:
        """A stanza of a valid pair: it goes the way of a client's from here on."""
        router = self.federation.service.router
        if stanza.fault is not None:
            return router.bounce(stanza, stanza.fault)
        if not router.serves(stanza.to.domain):  # not any more; and nothing is relayed
            return router.bounce(stanza, StanzaError("service-unavailable"))
        return router.route(stanza)

    def _store(self, storing: Storing, stanza: Stanza) -> None:
        """The peer is heard on: many stanzas go to the disk at once. It is told that they are
        handled when all of them are there.
        """
        self._under_way += 1
        self._behind += 1
        self._bytes += len(stanza.raw)
        _ = storing.addBoth(self._stored)

    def _stored(self, result: object) -> None:
        if isinstance(result, Failure):
            log.failure("A stanza's handling failed", failure=result)
        self._under_way -= 1
        if not self._under_way:
            behind, self._behind, self._bytes = self._behind, 0, 0
            for _ in range(behind):
                self.stream.handled()
            last, self._last = self._last, None
            if last is not None:
                self._closed(last)
            self._part_if_done()

    def _handled(self) -> None:
        """A stanza is dealt with; it counts when those before it do (XEP-0198 §4)."""
        if self._under_way:
            self._behind += 1
        else:
            self.stream.handled()

    def _waited(self) -> None:
        self._handled()
        self._part_if_done()

    @property
    def _heeds(self) -> bool:
        """What a peer said before it left counts: at its shutdown its users go away so."""
        return True

    def _take(self, event: PeerEvent) -> None:
        if isinstance(event, Closed) and event.by_peer and self._under_way:
            self._last = event
        elif isinstance(event, Closed):
            self._closed(event)
        elif self.stream.state is State.CLOSED and not isinstance(event, LATE):
            return  # it ended in the same bytes: nothing comes of what was granted before
        elif isinstance(event, StartTLS):
            self._start_tls()
        elif isinstance(event, AckAsked):
            self.stream.acknowledge()
            self.flush_stream()
        elif isinstance(event, Enabled):
            self._behind = 0
            self.stream.enabled()
        elif isinstance(event, Acked):
            self._request_ack()  # for what was sent meanwhile
            self.federation.drained(self)
        elif isinstance(event, PeerMaySend):
            self._trusted(event.how)
            self.say("it may send: {pair}, by {how}", pair=str(event.pair), how=event.how)
            self.federation.peer_may_send(self, event.pair)
        elif isinstance(event, WeMaySend):
            self._trusted(event.how)
            self.say("we may send: {pair}, by {how}", pair=str(event.pair), how=event.how)
            self.federation.we_may_send(self, event.pair)
        else:
            self._negotiate(event)

    @abstractmethod
    def _negotiate(self, event: PeerEvent) -> None:
        """What only one of the two kinds of connections has to do."""

    @abstractmethod
    def _start_tls(self) -> None:
        """The stream is ready for the handshake."""

    def _trusted(self, how: str) -> None:
        """The peer is known: from now on it is watched for silence."""
        if self.ticket is not None:
            self.ticket.authenticated()
        if not self.how:
            self.how = how
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._wheel.add(TICK_S, self._tick)

    def later(self, happened: Sequence[PeerEvent]) -> None:
        """What came of something that was not waited for."""
        if self.open:
            self._handle(happened)

    def end(self, error: StreamError | None = None) -> None:
        self._deaf = True
        super().end(error)

    def finish(self) -> None:
        """Send nothing more; what the peer has under way is still taken (RFC 6120 §4.4)."""
        if not self.stream.finishing:
            self._part(None, CLOSE_TIMEOUT_S)

    def leave(self) -> None:
        """This server shuts down."""
        self._part(SHUTDOWN, LEAVE_S)

    def _part(self, why: StreamError | None, timeout_s: float) -> None:
        if self.stream.state not in TRUSTED or self.stream.finishing:
            self.end(why)
            return
        self.federation.retired(self)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._wheel.add(timeout_s, partial(self.end, why))
        if self.stream.management is None:
            self.stream.finish(why)
            self.flush_stream()
        elif not self._parts:
            self._parts, self._parting = True, why
            self.pause()
            self._part_if_done()

    def _part_if_done(self) -> None:
        """What the peer counts is counted before we say the last word: our acknowledgement tells
        of all that was stored, and what it has sent since is its own again (XEP-0198 §4).
        """
        if self._parts and not (self._deaf or self._under_way or self._waits):
            self._deaf = True
            self.stream.finish(self._parting)
            self.flush_stream()
            self.resume()

    def _closed(self, event: Closed) -> None:
        """The stream is over: so is the connection, as soon as our last words are sent."""
        self.flush_stream()
        why = "closed by the peer" if event.by_peer else "stream closed"
        if event.by_peer:
            self.write(self.stream.last_ack())
        self.write(event.farewell)
        if event.error is not None:
            why = f"stream error {event.error.condition}"
            self.say("{why}{detail}", why=why, detail=detail_of(event.error))
        elif event.peer_error is not None:
            why = f"the peer sent stream error {event.peer_error}"[:SHOWN]
            self.say("{why}", why=why)
        self.ended(event)
        self.close(why=why)

    @property
    def hung_up_on_external(self) -> bool:
        """The peer refused our certificate, and then anything else."""
        return False

    def ended(self, event: Closed) -> None:
        """The stream is over, the connection is being closed."""

    # What the federation sends

    @property
    def blocked(self) -> bool:
        """No more now: the peer reads too slowly, or acknowledges nothing."""
        managed = self.stream.management
        if managed is not None and managed.full:
            return True
        return self.stalled and self.buffered > BLOCKED_BYTES

    def forward(self, stanza: Stanza) -> None:
        """Send a stanza of a pair that is valid."""
        stream = self.stream
        data = stanza.write(SERVER)
        if stream.max_bytes is not None and len(data) > stream.max_bytes:
            text = f"the server there takes no more than {stream.max_bytes} bytes"
            self.federation.bounce(stanza, StanzaError("policy-violation", text))
            return
        self.used_at = self.clock.seconds()
        if stanza.type != "result":  # or two servers would answer each other's pings for ever
            self.sent_at = self.used_at
        self.write(data)
        managed = stream.management
        if managed is None:
            return
        if managed.send(stanza):
            self._request_ack()
        elif self._ack_timer is None:
            self._ack_timer = self._wheel.add(ACK_S, self._request_ack)

    def forward_copies(self, copies: Copies[Any]) -> int:
        """As `forward` for each, in order and written together, as long as more may be sent; how
        many were sent.
        """
        written, managed = copies.written(SERVER), self.stream.management
        largest = max(map(len, written))
        if self.stream.max_bytes is not None and largest > self.stream.max_bytes:
            return 0
        at_once = max(1, PIECE_BYTES // largest)
        sent = 0
        while sent < len(written) and self.open and not self.blocked:
            if managed is not None:
                at_once = min(at_once, managed.max_unacked - len(managed))
            part = slice(sent, sent + at_once)
            self._forward_part(copies.among(copies.jids[part]), b"".join(written[part]))
            sent += at_once
        return min(sent, len(written))

    def _forward_part(self, copies: Copies[Any], data: bytes) -> None:
        self.used_at = self.clock.seconds()
        if copies.stanza.type != "result":
            self.sent_at = self.used_at
        self.write(data)
        managed = self.stream.management
        if managed is None:
            return
        asks = [managed.send(stanza) for stanza in copies]
        if asks[-1]:
            self._request_ack()
        elif self._ack_timer is None:
            self._ack_timer = self._wheel.add(ACK_S, self._request_ack)

    def _request_ack(self) -> None:
        """What is known to be handled needs not go back when the connection is lost."""
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        managed = self.stream.management
        if managed is not None and len(managed) and not managed.asked:
            self.stream.request_ack()
            self.flush_stream()

    # Time

    def _tick(self) -> None:
        """Now and then: is the peer still there, is the connection still used?"""
        now = self.clock.seconds()
        self._timer = self._wheel.add(TICK_S, self._tick)
        if self._is_dead(now):
            self.say("no answer for {seconds:.0f} s: the connection is dropped", seconds=TICK_S)
            self.abort("the peer does not answer")
        elif self.expires_at is not None and now >= self.expires_at:
            self.end(StreamError("reset", "the certificate has expired"))
        elif self._is_idle(now):
            self.finish()

    def _is_dead(self, now: float) -> bool:
        """90 s at most after it stopped to answer (SM or ping, RFC 6120 §4.6.3)."""
        heard_at = self.federation.heard_at(self)
        answered = self._asked_at is not None and heard_at >= self._asked_at
        if answered or self.sent_at < heard_at:
            self._asked_at, self._poked = None, False
            self._sent_since = now if self.sent_at >= heard_at else None
        elif self._sent_since is None:
            self._sent_since = now
        elif self._asked_at is not None:
            return now - self._asked_at >= UNANSWERED_S and not self._poke(now)
        elif now - self._sent_since >= SILENT_S:
            self._asked_at = now
            self._ask()
        return False

    def _ask(self) -> None:
        if self.stream.request_ack():
            self.flush_stream()
            return
        pair = next(iter(self.stream.our_pairs))
        to, from_ = jid(pair.target), jid(pair.sender)
        ping = IQ(to, from_, "get", "s2s-ping", Element(PING, "ping"))
        self.write(ping.write(SERVER))

    def _poke(self, now: float) -> bool:
        """Ask a second time: perhaps the answer to a ping cannot come back, as the peer has no
        way to connect to us.
        """
        if self._poked or not self.poke():
            return False
        self._poked, self._asked_at = True, now
        return True

    def poke(self) -> bool:
        """Ask something that is answered on this connection; False where there is nothing."""
        return False

    def judged(self, verdict: Verdict) -> None:
        """What the peer's certificate proves. It does so until it expires (§13.7.2.3)."""
        self.proof = verdict.why
        left_s = seconds_left(self.engine) if verdict.proves and self.engine is not None else None
        if left_s is not None:
            self.expires_at = self.clock.seconds() + left_s

    @abstractmethod
    def _is_idle(self, now: float) -> bool:
        """Nobody has used it for long: it may go."""

    # For the operator

    def say(self, message: str, **values: object) -> None:
        """One line for the operator; peers' data only cut."""
        who = f"s2s {self.direction} {self.stream.theirs or 'unknown'}"[:SHOWN]
        address = self.peer_address or "local socket"
        log.info("{who} at {address}: " + message, who=who, address=address, **values)
