"""One TCP or Unix connection: plaintext up and down, whatever TLS engine is below."""

from __future__ import annotations

import socket
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPullProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.transport.accepted import AcceptedConnection
from xmppd.transport.tls import UNEXPECTED_MESSAGE, TLSError

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from xmppd.transport.admission import Ticket
    from xmppd.transport.flusher import Flusher
    from xmppd.transport.tls import TLSContext, TLSEngine
    from xmppd.transport.wheel import Timer, TimerWheel

log = Logger()

CHUNK = 128 * 1024  # sent at once; the kernel seldom takes more
MAX_BUFFERED = 2 * 1024 * 1024
CLOSE_TIMEOUT_S = 5.0


class Pause(IntEnum):
    """Why a connection is not read from: its owner waits for something, and order must hold; or
    it writes to somebody who does not read. Pauses of each kind nest.
    """

    WAITING, SLOW_READER = range(2)


class _State(IntEnum):
    """CLOSING: nothing is received any more, the rest is being sent; FINISHED: FIN is sent.

    OPEN is false, and asked for that way for each stanza: an enum's member takes a while to find.
    """

    OPEN, CLOSING, FINISHED, LOST = range(4)


@implementer(IHalfCloseableProtocol, IPullProducer)
class StreamTransport(Protocol):
    """What carries a stream. Subclasses override `opened`, `received`, `secured`, `lost`.

    `write` gathers: a connection has one send for each reactor pass (see `Flusher`). What the
    kernel does not take waits here, and above `max_buffered` bytes or `max_waiting` writes
    `overflowed` is called. The order of calls is: opened; received and secured as it happens;
    lost.
    """

    transport: Any  # Twisted's interfaces say nothing to mypy
    direct_tls: TLSContext | None = None  # set before connecting: TLS from the first byte on
    # For who waits for the first handshake besides the owner: told "", or why it came to nothing.
    handshake_ended: Callable[[str], object] | None = None
    max_buffered: int = MAX_BUFFERED
    max_waiting: int = 1 << 62  # writes that may wait for a peer that does not read

    def __init__(self, flusher: Flusher, wheel: TimerWheel) -> None:
        self.engine: TLSEngine | None = None
        self.secure = False  # the TLS handshake is done
        self.prompt = False  # the peer said something together with the handshake's end
        self.peer_address = ""  # the IP address; "" for a Unix socket
        self.ticket: Ticket | None = None  # of `Admission`; released when the connection is lost
        self._flusher = flusher
        self._wheel = wheel
        self._socket: socket.socket | None = None  # None: only transport.write can send
        self._out: list[bytes] = []  # plaintext that waits
        self._waiting = 0  # bytes in _out
        self._unsent = 0  # bytes in Twisted's buffer: the kernel is full while there are any
        self._dirty = False  # the flusher knows of us
        self._answers = True  # it is the peer that began the TLS handshake
        self._holds = 0  # how many want nothing sent at present
        self._ahead = 0  # where in _out that begins which was written since
        self._state = _State.OPEN
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

    def drained(self) -> None:
        """All has been sent that waited for a slow peer; `stalled` is False again."""

    def overflowed(self) -> None:
        """More than `max_buffered` bytes wait for a peer that does not read; called once."""
        self.abort(f"reads too slowly, {self.buffered} bytes waiting")

    # Used by the owner

    @property
    def buffered(self) -> int:
        """Bytes written that the kernel has not taken yet."""
        return self._waiting + self._unsent

    @property
    def stalled(self) -> bool:
        """The kernel takes no more: the peer reads more slowly than we write."""
        return self._unsent > 0

    @property
    def open(self) -> bool:
        """Connected, and neither closed nor aborted."""
        return self._state is _State.OPEN and bool(self.connected)

    @property
    def securing(self) -> bool:
        """A TLS handshake is under way."""
        return self.engine is not None and not self.secure

    @property
    def paused(self) -> bool:
        """Not read from at present."""
        return self._paused > 0

    def write(self, data: bytes) -> None:
        """Send `data`, in order. During a handshake it waits; after `close` it is dropped."""
        if self._state or not data:
            return
        self._out.append(data)
        self._waiting += len(data)
        if not self._dirty:
            self._dirty = True
            flusher = self._flusher
            if flusher.depth:  # as `add` does, which is a call for each receiver of a broadcast
                flusher.dirty.append(self)
            else:
                flusher.add(self)
        if self._waiting + self._unsent > self.max_buffered:
            self._check_overflow()

    def hold_output(self) -> None:
        """Send nothing until there were as many `release_output`; what is written waits."""
        if not self._holds:
            self._ahead = len(self._out)
        self._holds += 1

    def write_ahead(self, data: bytes) -> None:
        """As `write`, but before all that has been written since `hold_output`."""
        if not self._holds or self._state:
            self.write(data)
        else:
            self._out.insert(self._ahead, data)
            self._ahead += 1
            self._waiting += len(data)

    def release_output(self) -> None:
        """Take back one `hold_output`."""
        self._holds -= 1
        if not self._holds and not self._dirty and (self._out or self._state):
            self._dirty = True
            self._flusher.add(self)

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
        if self._paused == 1 and self._state is _State.OPEN and self.transport is not None:
            self.transport.pauseProducing()

    def resume(self, why: Pause = Pause.WAITING) -> None:
        """Take back one `pause`. Does not call `received` by itself."""
        slow = why is Pause.SLOW_READER
        if not (self._slowed if slow else self._paused - self._slowed):
            raise RuntimeError(f"resume without pause: {why.name}")
        self._slowed -= slow
        self._paused -= 1
        if self._paused or self._state is not _State.OPEN or self.transport is None:
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
        self._state = _State.CLOSING
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
        if self._state is _State.LOST or self.transport is None:
            return
        self._state = _State.FINISHED
        self._why = self._why or why
        self._forget()
        self.transport.abortConnection()

    # Called by the flusher

    def flush(self) -> None:
        """Send what waits, as far as the kernel takes it."""
        self._dirty = False
        engine, sock = self.engine, self._socket
        if (
            sock is None
            or self._state
            or self._unsent
            or self._holds
            or self._waiting > CHUNK
            or not self._out
            or (engine is not None and not self.secure)
        ):
            self._flush_any()
            return
        out = self._out  # what follows is `_flush_any` for an open connection, in one call
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._waiting = 0
        try:
            if engine is not None:
                data = engine.send(data)
            sent = sock.send(data)
        except TLSError as error:
            self.abort(f"TLS: {error}")
        except BlockingIOError:
            self._stall(data)
        except OSError as error:
            self.abort(f"connection lost: {error.strerror}")
        else:
            if sent < len(data):
                self._stall(data[sent:])

    def _flush_any(self) -> None:
        """Also while it is being closed, or in a handshake, or full."""
        if self._unsent or self._holds:
            if len(self._out) > self.max_waiting:
                self._overflow()
            return
        if self._state and self._state > _State.CLOSING:
            return
        engine = self.engine
        try:
            # Sending may set `_unsent`, of which mypy knows nothing.
            while self._out and not self._unsent and (engine is None or self.secure):  # type: ignore[redundant-expr]
                data = self._next_chunk()
                if engine is not None:
                    data = engine.send(data)
                    if self._state and not self._out:
                        data += engine.close()  # close_notify goes with the last words
                self._send(data)
        except TLSError as error:
            self.abort(f"TLS: {error}")
        if self._state and self._state is _State.CLOSING and not self._unsent:
            self._finish()

    # Called by Twisted

    def connectionMade(self) -> None:
        transport = self.transport
        if isinstance(transport, AcceptedConnection):
            self.peer_address = _unmapped(transport.hostname)
            self._socket = transport.socket
            transport.tune()
        else:
            self._meet(transport)
        with self._flusher:
            try:
                self.opened()
                if self.direct_tls is not None and self._state is _State.OPEN:
                    self.start_tls(self.direct_tls)
            except Exception:
                self._broken()

    def _meet(self, transport: Any) -> None:
        """A transport of Twisted's or of tests: it may be no socket at all."""
        self.peer_address = _unmapped(getattr(transport.getPeer(), "host", ""))
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        if hasattr(transport, "getHandle"):
            handle = transport.getHandle()
            self._socket = handle if isinstance(handle, socket.socket) else None

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
        if self._state is _State.FINISHED and self.transport is not None:
            self.transport.loseConnection()
        else:
            self.close(why="closed by the peer")

    def writeConnectionLost(self) -> None:
        """Our FIN is sent."""

    def resumeProducing(self) -> None:
        """Twisted's buffer is empty: the peer reads again."""
        if not self._unsent or self.transport is None:
            return
        self._unsent = 0
        self.transport.unregisterProducer()
        with self._flusher:
            self.flush()
            if not self._unsent and self._state is _State.OPEN:
                self.drained()

    def stopProducing(self) -> None:
        """The connection is lost, and `connectionLost` about to be called."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._state is _State.LOST:
            return
        self._state = _State.LOST
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
            self.prompt = bool(plaintext)
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

    def _next_chunk(self) -> bytes:
        out = self._out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        if self._waiting > CHUNK:
            out.append(data[CHUNK:])
            data = data[:CHUNK]
        self._waiting -= len(data)
        return data

    def _send(self, data: bytes) -> None:
        """Send `data` as it is: to the kernel, and what that does not take through Twisted."""
        if not data or self.transport is None:
            return
        if self._socket is None:
            self.transport.write(data)
        elif self._unsent:
            self._unsent += len(data)
            self.transport.write(data)
        else:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.abort(f"connection lost: {error.strerror}")
                return
            if sent < len(data):
                self._stall(data[sent:])

    def _stall(self, rest: bytes) -> None:
        transport = self.transport
        # A pull producer is asked for more each time the buffer is empty, and once at once.
        transport.registerProducer(self, False)
        self._unsent = len(rest)
        transport.write(rest)

    def _check_overflow(self) -> None:
        """One pass may well write more than the limit to a peer that reads: try first."""
        self.flush()
        if self.buffered > self.max_buffered:
            self._overflow()

    def _overflow(self) -> None:
        if self._state is _State.OPEN:
            self.max_buffered = self.max_waiting = 1 << 62  # once
            self.overflowed()

    def _finish(self) -> None:
        transport = self.transport
        if self.engine is not None:
            self._send(self.engine.close())
            if self._unsent:
                return  # `flush` comes back here
        if self._state is not _State.CLOSING:
            return
        self._state = _State.FINISHED
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
        if self._paused or self._held is None or self._state is not _State.OPEN:
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


def _unmapped(host: object) -> str:
    """An IP address as people know it; "" for what has none."""
    return host.removeprefix("::ffff:") if isinstance(host, str) else ""
