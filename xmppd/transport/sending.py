"""The sending half of a connection: writes are gathered, and wait for a peer that reads slowly."""

from __future__ import annotations

import socket
from abc import abstractmethod
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Protocol
from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.transport.tls import TLSError

if TYPE_CHECKING:
    from xmppd.transport.flusher import Flusher
    from xmppd.transport.tls import TLSEngine

CHUNK = 128 * 1024  # sent at once; the kernel seldom takes more
MAX_BUFFERED = 2 * 1024 * 1024


class State(IntEnum):
    """CLOSING: nothing is received any more, the rest is being sent; FINISHED: FIN is sent.

    OPEN is false, and asked for that way for each stanza: an enum's member takes a while to find.
    """

    OPEN, CLOSING, FINISHED, LOST = range(4)


@implementer(IPullProducer)
class SendingTransport(Protocol):
    """There is one send for each reactor pass (see `Flusher`). What the kernel does not take waits
    here, and above `max_buffered` bytes or `max_waiting` writes `overflowed` is called.
    """

    transport: Any  # Twisted's interfaces say nothing to mypy
    max_buffered: int = MAX_BUFFERED
    max_waiting: int = 1 << 62  # writes that may wait for a peer that does not read

    def __init__(self, flusher: Flusher) -> None:
        self.engine: TLSEngine | None = None
        self.secure = False  # the TLS handshake is done
        self._flusher = flusher
        self._socket: socket.socket | None = None  # None: only transport.write can send
        self._out: list[bytes] = []  # plaintext that waits
        self._waiting = 0  # bytes in _out
        self._unsent = 0  # bytes in Twisted's buffer: the kernel is full while there are any
        self._dirty = False  # the flusher knows of us
        self._holds = 0  # how many want nothing sent at present
        self._ahead = 0  # where in _out that begins which was written since
        self._state = State.OPEN

    @abstractmethod
    def abort(self, why: str = "aborted") -> None:
        """Drop the connection at once, with all that waits. `lost` follows in a later pass."""

    @abstractmethod
    def _finish(self) -> None:
        """It is being closed, and all is sent."""

    # Overridden by the owner

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
        if self._state and self._state > State.CLOSING:
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
        if self._state and self._state is State.CLOSING and not self._unsent:
            self._finish()

    # Called by Twisted

    def resumeProducing(self) -> None:
        """Twisted's buffer is empty: the peer reads again."""
        if not self._unsent or self.transport is None:
            return
        self._unsent = 0
        self.transport.unregisterProducer()
        with self._flusher:
            self.flush()
            if not self._unsent and self._state is State.OPEN:
                self.drained()

    def stopProducing(self) -> None:
        """The connection is lost, and `connectionLost` about to be called."""

    # Inside

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
        if self._state is State.OPEN:
            self.max_buffered = self.max_waiting = 1 << 62  # once
            self.overflowed()
