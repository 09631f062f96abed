"""The last messages of a room: kept for who enters (XEP-0045 §7.2.13, §7.2.14).

A `Tail` is bounded in number and bytes. Where messages are stored for longer, an archive gives the
tail when the room is loaded and takes each message when it is sent.
"""

import secrets
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from xmppd.api import JID, Message, Payload, StanzaError, attr, delay, ns
from xmppd.modules.archive.rules import LASTING
from xmppd.modules.muc.names import MUC, RETRACTED

MOST_BYTES = 1_048_576
MARKERS = "urn:xmpp:chat-markers:0"
# What there is to see in it; where who has read what is of no use to who enters.
SEEN = frozenset([each for each in LASTING if each[0] not in (ns.RECEIPTS, MARKERS)] + [RETRACTED])
NO_STORE = ((ns.HINTS, "no-store"), (ns.HINTS, "no-permanent-store"))


class Asked(Payload, ns=MUC, name="history"):
    """How much of it a client wants to see."""

    maxchars: int | None = attr(default=None)
    maxstanzas: int | None = attr(default=None)
    seconds: int | None = attr(default=None)
    since: datetime | None = attr(default=None)

    def check(self) -> None:
        """Raises bad-request; what is merely large is clamped later."""
        if min(self.maxchars or 0, self.maxstanzas or 0, self.seconds or 0) < 0:
            raise StanzaError("bad-request", "history is not asked for in negative numbers")


class Said(NamedTuple):
    """A message as it was sent to the room's occupants, with the room as `to`."""

    id: str  # its stanza-id (XEP-0359)
    at: datetime
    message: Message


class Tail:
    """The newest messages."""

    __slots__ = ("_said", "_size")

    def __init__(self) -> None:
        self._said: deque[Said] = deque()
        self._size = 0

    def append(self, said: Said, most: int) -> None:
        """Keep it, and of all only `most`."""
        self._said.append(said)
        self._size += len(said.message.raw)
        while len(self._said) > most or self._size > MOST_BYTES:
            self._size -= len(self._said.popleft().message.raw)

    def remove(self, said: Said) -> None:
        """It was not sent after all."""
        if said in self._said:
            self._said.remove(said)
            self._size -= len(said.message.raw)

    def find(self, id: str) -> Said | None:
        return next((said for said in self._said if said.id == id), None)

    def replace(self, old: Said, message: Message) -> Said:
        """Another message in its place."""
        new = old._replace(message=message)
        self._said[self._said.index(old)] = new
        self._size += len(message.raw) - len(old.message.raw)
        return new

    def __len__(self) -> int:
        return len(self._said)

    def __iter__(self) -> Iterator[Said]:
        return iter(self._said)

    def newest(self, asked: Asked, most: int, room: JID, to: JID) -> list[Message]:
        """What is shown to who enters, the oldest first: as little as all wishes together ask."""
        limit = most if asked.maxstanzas is None else min(most, asked.maxstanzas)
        begin = _begin(asked)
        found: list[Message] = []
        chars = 0
        for said in reversed(self._said):
            if len(found) >= limit or (begin is not None and said.at < begin):
                break
            message = said.message.copy(to=to, add=[delay(said.at, room)])
            if asked.maxchars is not None:
                chars += len(message.write().decode())
                if chars > asked.maxchars:
                    break
            found.append(message)
        return found[::-1]


def _begin(asked: Asked) -> datetime | None:
    begin = asked.since
    if asked.seconds is not None:
        ago = timedelta(seconds=min(asked.seconds, 10**9))
        recent = datetime.now(UTC) - ago
        begin = recent if begin is None else max(begin, recent)
    return begin


def is_kept(message: Message) -> bool:
    """Whether it is shown to who enters later: what has something to read, and no hint against
    (XEP-0334 §3).
    """
    if any(hint in message.payloads for hint in NO_STORE):
        return False
    return not SEEN.isdisjoint(message.payloads)


def new_id() -> str:
    """A stanza-id; nobody guesses it (XEP-0359 §4)."""
    return secrets.token_hex(12)
