"""A stream and the connection that carries it: what the stream finds is taken in order."""

from abc import abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.hooks import spawn
from xmppd.transport.connection import StreamTransport
from xmppd.transport.flusher import Flusher
from xmppd.transport.wheel import TimerWheel
from xmppd.xml import StreamError

log = Logger()

SHOWN = 256  # characters of a peer's data in the log
E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)


class Stream(Protocol[E_co]):
    """A stream without sockets, of whatever kind (`xmppd.stream`); each call gives its events."""

    def receive(self, data: bytes, /) -> Sequence[E_co]: ...

    def take(self) -> bytes: ...

    def fail(self, error: StreamError, /) -> Sequence[E_co]: ...

    def close(self) -> Sequence[E_co]: ...


class StreamDriver(StreamTransport, Generic[E]):
    """Drives a `Stream`. While an event has to be waited for, the connection is not read from and
    what was parsed already waits in `_queue`: the back-pressure of RFC 6120 §10.1.
    """

    __slots__ = ("_queue", "_waits", "stream")
    stream: Stream[E]

    def __init__(self, flusher: Flusher, wheel: TimerWheel) -> None:
        super().__init__(flusher, wheel)
        self._queue: Sequence[E] = ()
        self._waits = False  # for a handler of the last stanza

    def received(self, data: bytes) -> None:
        happened = self.stream.receive(data)
        if self._queue or self._waits:
            self._queue = [*self._queue, *happened]
        else:
            self._handle(happened)

    @abstractmethod
    def _handle(self, happened: Sequence[E]) -> None:
        """Take events in order, until one has to be waited for; the rest go to `_queue`."""

    @abstractmethod
    def say(self, message: str, **values: object) -> None:
        """One line for the operator; peers' data only cut."""

    def tls_failed(self, why: str) -> None:
        self.say("TLS failed: {why}", why=why)

    def flush_stream(self) -> None:
        data = self.stream.take()
        if data:
            self.write(data)

    def _wait_for(self, done: Deferred[None]) -> bool:
        """Hold the peer back until `done` fires; False if it has."""
        fired: list[object] = []
        _ = done.addBoth(fired.append)
        if fired:
            return False
        self._waits = True
        self.pause()
        _ = done.addBoth(self._go_on)
        return True

    def _go_on(self, result: object) -> None:
        self._waits = False
        if isinstance(result, Failure):
            log.failure("A stanza's handling failed", failure=result)
        self._waited()
        self.resume()
        happened, self._queue = self._queue, ()
        if self._heeds:
            self._handle(happened)

    @property
    def _heeds(self) -> bool:
        """Whether anything comes of what was said before the connection was closed."""
        return self.open

    def _waited(self) -> None:
        """The stanza that was waited for is dealt with."""

    def _apart(self, work: "Coroutine[Deferred[Any], Any, Sequence[E]]") -> None:
        """Run what has to wait; the peer is not read from meanwhile."""
        self.pause()
        _ = spawn(work).addCallbacks(self._happened, self._crashed)

    def _happened(self, happened: Sequence[E]) -> None:
        self.resume()
        if self.open:
            self._handle(happened)

    def _crashed(self, failure: Failure) -> None:
        log.failure("A stream failed", failure=failure)
        self.resume()
        self.end(StreamError("internal-server-error"))

    def end(self, error: StreamError | None = None) -> None:
        """End the stream, with `error` if there is one; what the peer still says is dropped."""
        self._queue = ()
        stream = self.stream
        happened = stream.close() if error is None else stream.fail(error)
        if happened:
            self._handle(happened)
        else:  # the peer has ended it, which was still in the queue
            self.close(why="stream closed")

    def _late(self) -> None:
        """L1: from the connection to the login, whatever was said meanwhile."""
        if self.securing:
            self.say("connection-timeout in the TLS handshake")
            self.abort("no TLS handshake in time")
        else:
            self.end(StreamError("connection-timeout"))


def detail_of(error: StreamError) -> str:
    """What the operator wants to know beyond the condition; peers' data only by repr, cut."""
    asked = getattr(error, "asked", None)  # of headers that name somebody else
    if asked is not None:
        return f" (to={asked[:SHOWN]!r})"
    return f" ({error.text[:SHOWN]!r})" if error.text else ""
