"""One TCP or Unix connection: plaintext up and down, whatever TLS engine is below."""

from __future__ import annotations

import socket
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.transport.sending import SendingTransport, State
from xmppd.transport.tls import UNEXPECTED_MESSAGE, TLSError

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from xmppd.transport.admission import Ticket
    from xmppd.transport.flusher import Flusher
    from xmppd.transport.tls import TLSContext, TLSEngine
    from xmppd.transport.wheel import Timer, TimerWheel

log = Logger()

CLOSE_TIMEOUT_S = 5.0


class Pause(IntEnum):
    """Why a connection is not read from: its owner waits for something, and order must hold; or
    it writes to somebody who does not read. Pauses of each kind nest.
    """

    WAITING, SLOW_READER = range(2)


@implementer(IHalfCloseableProtocol)
class StreamTransport(SendingTransport):
    """What carries a stream. Subclasses override `opened`, `received`, `secured`, `lost`.

    The order of calls is: opened; received and secured as it happens; lost.
    """

    direct_tls: TLSContext | None = None  # set before connecting: TLS from the first byte on
    # For who waits for the first handshake besides the owner: told "", or why it came to nothing.
    handshake_ended: Callable[[str], object] | None = None

    def __init__(self, flusher: Flusher, wheel: TimerWheel) -> None:
        super().__init__(flusher)
        self.peer_address = ""  # the IP address; "" for a Unix socket
        self.ticket: Ticket | None = None  # of `Admission`; released when the connection is lost
        self._wheel = wheel
        self._answers = True  # it is the peer that began the TLS handshake
        self._peer_done = False  # the peer has sent FIN
        self._paused = 0
        self._slowed = 0  # of these for Pause.SLOW_READER
        self._held: list[bytes] | None = None  # came from the wire although paused
        self._why = ""
        self._deadline: Timer | None = None

    # Overridden by the owner

    def opened(self) -> None:
        """The connection is there. With `direct_tls`, `secured` follows."""

    def received(self, data: bytes) -> None:
        """Plaintext came in. Never called after `close` or `abort`."""

    def secured(self) -> None:
        """The TLS handshake is done; `engine` tells about the peer. Then `received` goes on."""

    def lost(self, why: str) -> None:
        """The connection is gone: called once, and last. `why` is for the log."""

    def tls_failed(self, why: str) -> None:
        """The handshake or a record was bad; the connection is being closed, `lost` follows."""

    # Used by the owner

    @property
    def open(self) -> bool:
        """Connected, and neither closed nor aborted."""
        return self._state is State.OPEN and bool(self.connected)

    @property
    def securing(self) -> bool:
        """A TLS handshake is under way."""
        return self.engine is not None and not self.secure

    @property
    def paused(self) -> bool:
        """Not read from at present."""
        return self._paused > 0

    def start_tls(self, context: TLSContext) -> None:
        """Begin the handshake; `secured` is called when it is done.

        What was written before goes out before it, in the clear. What came in the clear behind
        the request is forgotten here, and must be by the caller (RFC 6120 §5.3.1, §5.4.3.3):
        whoever injected it must not be heard as the peer that authenticates later.
        """
        clear = b"".join(self._out)
        self._out.clear()
        self._waiting = 0
        self._held = None
        self.secure = False
        self._send(clear)
        self.engine = context.engine()
        hello = self.engine.outgoing()
        self._answers = not hello
        self._send(hello)

    def pause(self, why: Pause = Pause.WAITING) -> None:
        """Read no more until there were as many `resume` for the same reason.

        Bytes of the read that is being handled are still delivered.
        """
        self._slowed += why is Pause.SLOW_READER
        self._paused += 1
        if self._paused == 1 and self._state is State.OPEN and self.transport is not None:
            self.transport.pauseProducing()

    def resume(self, why: Pause = Pause.WAITING) -> None:
        """Take back one `pause`. Does not call `received` by itself."""
        slow = why is Pause.SLOW_READER
        if not (self._slowed if slow else self._paused - self._slowed):
            raise RuntimeError(f"resume without pause: {why.name}")
        self._slowed -= slow
        self._paused -= 1
        if self._paused or self._state is not State.OPEN or self.transport is None:
            return
        if self._held is None:
            self.transport.resumeProducing()
        else:
            self._flusher.call_soon(self._release_held)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S, why: str = "closed by us") -> None:
        """Send what waits, close_notify and FIN; after `timeout_s` drop what is left.

        Until the peer closes too, its bytes are read and forgotten: to close a socket with
        unread bytes is a reset, and takes our last words away from the peer.
        """
        if self._state or self.transport is None:
            return
        self._state = State.CLOSING
        self._why = why
        self._held = None
        self._deadline = self._wheel.add(timeout_s, self.abort)
        if self._paused:
            self.transport.resumeProducing()
        if not self._dirty:
            self._dirty = True
            self._flusher.add(self)

    def abort(self, why: str = "aborted") -> None:
        """Drop the connection at once, with all that waits. `lost` follows in a later pass."""
        if self._state is State.LOST or self.transport is None:
            return
        self._state = State.FINISHED
        self._why = self._why or why
        self._forget()
        self.transport.abortConnection()

    # Called by Twisted

    def connectionMade(self) -> None:
        transport = self.transport
        self.peer_address = _address(transport.getPeer())
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        if hasattr(transport, "getHandle"):
            handle = transport.getHandle()
            self._socket = handle if isinstance(handle, socket.socket) else None
        with self._flusher:
            try:
                self.opened()
                if self.direct_tls is not None and self._state is State.OPEN:
                    self.start_tls(self.direct_tls)
            except Exception:
                self._broken()

    def dataReceived(self, data: bytes) -> None:
        if self._state:
            return
        if self._paused or self._held is not None:
            self._hold(data)
            return
        flusher = self._flusher
        flusher.depth += 1
        try:
            if self.engine is None:
                self.received(data)
            else:
                self._decrypt(self.engine, data)
        except Exception:
            self._broken()
        finally:
            flusher.depth -= 1
            if not flusher.depth and flusher.dirty:
                flusher.flush()

    def readConnectionLost(self) -> None:
        """FIN from the peer. Nobody leaves half a stream open (RFC 6120 §4.4): we close too."""
        self._peer_done = True
        if self._state is State.FINISHED and self.transport is not None:
            self.transport.loseConnection()
        else:
            self.close(why="closed by the peer")

    def writeConnectionLost(self) -> None:
        """Our FIN is sent."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._state is State.LOST:
            return
        self._state = State.LOST
        self._forget()
        if self._deadline is not None:
            self._deadline.cancel()
        if self.ticket is not None:
            self.ticket.release()
        done = isinstance(reason.value, ConnectionDone)
        why = self._why or ("closed by the peer" if done else reason.getErrorMessage())
        with self._flusher:
            self.lost(why)
        self._end_handshake(why)

    def _end_handshake(self, why: str) -> None:
        told = self.handshake_ended
        if told is not None:  # most connections have nobody waiting, and no such attribute
            self.handshake_ended = None
            told(why)

    # Inside

    def _decrypt(self, engine: TLSEngine, data: bytes) -> None:
        try:
            plaintext = engine.receive(data)
        except TLSError as error:
            self._waiting = 0
            self._out.clear()
            alert = engine.outgoing()
            self._send(alert if alert or self.secure else UNEXPECTED_MESSAGE)
            self.tls_failed(str(error))
            self.close(why=f"TLS: {error}")
            return
        if engine.talks and not self._may_wait(engine):
            self._send(engine.outgoing())
        if not self.secure:
            if not engine.established:
                return
            self._became_secure()
        if plaintext and not self._state:
            self.received(plaintext)
        if engine.closed:
            self.close(why="closed by the peer")

    def _may_wait(self, engine: TLSEngine) -> bool:
        """Whether what the engine has to say are tickets (RFC 8446 §4.6.1), which no client waits
        for: they go out with the answer to its header. A Finished goes at once: it ends a server's
        handshake below TLS 1.3, and a client's always.
        """
        if self.secure or not self._answers or not engine.established:
            return False
        return engine.version == "TLSv1.3"

    def _became_secure(self) -> None:
        self.secure = True
        if self._out and not self._dirty:
            self._dirty = True
            self._flusher.add(self)
        self.secured()
        self._end_handshake("")

    def _finish(self) -> None:
        transport = self.transport
        if self.engine is not None:
            self._send(self.engine.close())
            if self._unsent:
                return  # `flush` comes back here
        if self._state is not State.CLOSING:
            return
        self._state = State.FINISHED
        if self._peer_done or not hasattr(transport, "loseWriteConnection"):
            transport.loseConnection()
        else:
            transport.loseWriteConnection()

    def _hold(self, data: bytes) -> None:
        """Bytes of a read that was under way when we paused; Twisted reads no more than that."""
        if self._held is None:
            self._held = []
        self._held.append(data)

    def _release_held(self) -> None:
        if self._paused or self._held is None or self._state is not State.OPEN:
            return
        held, self._held = b"".join(self._held), None
        self.dataReceived(held)
        if not self.paused and self.open:
            self.transport.resumeProducing()

    def _forget(self) -> None:
        self._out.clear()
        self._waiting = self._unsent = 0
        self._held = None
        self._socket = None

    def _broken(self) -> None:
        log.failure("A connection of {address} failed", address=self.peer_address)
        self.abort("internal error")


def _address(peer: object) -> str:
    host = getattr(peer, "host", "")
    return host.removeprefix("::ffff:") if isinstance(host, str) else ""
