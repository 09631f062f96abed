"""What all streams have in common: to take bytes, to hold back what waits, to end."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from xmppd.ns import STREAM_ERRORS
from xmppd.stanza import Stanza
from xmppd.stream.unread import Unread
from xmppd.xml import Element, Limits, Nonza, StreamClose, StreamError, StreamOpen, StreamParser

# What the parser makes of a stanza: an error stands in its place, so that order is kept.
Read = Stanza | Unread | StreamError
Item = StreamOpen | StreamClose | Nonza | Read
E = TypeVar("E")


class HoldingStream(ABC, Generic[E]):
    """A stream that takes bytes, gives events of the type `E`, and has bytes to send."""

    __slots__ = ("_held", "_held_bytes", "_parser", "_waits", "outgoing")
    # Bytes that come in while an answer is waited for; the owner stops reading anyway.
    MOST_HELD: ClassVar[int]

    def __init__(self) -> None:
        self._parser: StreamParser[Read] | None = self._new_parser()
        self._waits = False  # an answer is owed to it
        self._held: Sequence[Item] = ()
        self._held_bytes = 0
        self.outgoing: list[bytes] = []  # what `take` gives

    @abstractmethod
    def _new_parser(self) -> StreamParser[Read]: ...

    @property
    @abstractmethod
    def deaf(self) -> bool:
        """What comes in is nobody's: injected before a TLS handshake, or after the end."""

    @abstractmethod
    def _take(self, item: Item) -> Sequence[E]:
        """Raises StreamError for what may not be said."""

    @abstractmethod
    def fail(self, error: StreamError) -> list[E]:
        """End the stream with an error (RFC 6120 §4.9)."""

    def receive(self, data: bytes) -> list[E]:
        """Take bytes from the peer. Never raises for anything that a peer can send."""
        if self.deaf:
            return []
        items = self._parse(data)
        return self._hold(items, len(data)) if self._waits else self._take_all(items)

    def _parse(self, data: bytes) -> Sequence[Item]:
        parser = self._parser or self._wake()
        try:
            return parser.feed(data)
        except StreamError as error:
            return [*parser.pending, error]

    def _wake(self) -> StreamParser[Read]:
        """A parser for a stream that has given its own back while it was silent."""
        self._parser = self._new_parser()
        return self._parser

    def _limit(self, limits: Limits) -> None:
        """These hold for what comes in from now on."""
        if self._parser is not None:
            self._parser.limits = limits

    def _begin_anew(self) -> None:
        """A stream header follows (RFC 6120 §4.3.3)."""
        if self._parser is not None:
            self._parser.reset()

    def _hold(self, items: Sequence[Item], size: int) -> list[E]:
        self._held = [*self._held, *items]
        self._held_bytes += size
        if self._held_bytes > self.MOST_HELD:
            return self.fail(StreamError("policy-violation"))
        return []

    def _go_on(self) -> list[E]:
        """What was asked is answered: take what is held back, unless that asks something new."""
        if self._waits:
            return []
        held, self._held = self._held, ()
        self._held_bytes = 0
        return self._take_all(held)

    def _take_all(self, items: Sequence[Item]) -> list[E]:
        events: list[E] = []
        for position, item in enumerate(items):
            try:
                events += self._take(item)
            except StreamError as error:
                events += self.fail(error)
            if self.deaf:
                break  # what follows is nobody's
            if self._waits:
                self._held = items[position + 1 :]
                break
        return events

    def take(self) -> bytes:
        """The bytes to send, in order; they are the caller's then."""
        if not self.outgoing:
            return b""
        data = self.outgoing[0] if len(self.outgoing) == 1 else b"".join(self.outgoing)
        self.outgoing.clear()
        return data

    def _over(self) -> None:
        """Nothing is held or parsed any more."""
        self._waits = False
        self._held = ()
        if self._parser is not None:
            self._parser.close()  # expat and it refer to each other: 11 kB till they are collected


def condition_of(error: Element) -> str:
    """What a peer's `<stream:error/>` names."""
    conditions = error.all(STREAM_ERRORS)
    return conditions[0].name if conditions else "undefined-condition"
