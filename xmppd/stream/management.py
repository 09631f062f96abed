"""Stream management without sockets: who has taken responsibility for which stanza (XEP-0198).

`Management` counts for one stream, both ways, modulo 2^32. It is the same for streams of clients
and of peers: it keeps what was sent till the other side has handled it, and whoever owns the
stream decides what becomes of the rest. Resumption is the owner's: what it needs is here.
"""

import re
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from xmppd.ns import SM, STANZAS
from xmppd.xml import Element, StreamError

S = TypeVar("S")
MODULUS = 2**32
REQUEST_EVERY = 10  # stanzas sent after which an acknowledgement is asked for
_COUNT = re.compile(r"[0-9]{1,10}", re.ASCII)


class Management(Generic[S]):
    """Counters of one stream, and what was sent and is not acknowledged (§4).

    At most `max_unacked` of `S` are kept: `full` says that a peer which acknowledges nothing
    must not be sent more. `asked` is how many stanzas the request covers that is not answered.
    """

    __slots__ = ("_unacked", "acked", "asked", "handled", "max_unacked", "sent")

    def __init__(self, max_unacked: int = 500) -> None:
        self.max_unacked = max_unacked
        self.handled = 0  # stanzas of the other side that we answer for: our `h`
        self.sent = 0
        self.acked = 0  # the other side's `h`
        self.asked = 0
        self._unacked: deque[S] = deque()

    # What we handle

    def handle(self) -> None:
        """One more stanza of the other side is stored, delivered or answered."""
        self.handled = (self.handled + 1) % MODULUS

    def answer(self) -> Element:
        """`<a/>`: how many we have handled."""
        return Element(SM, "a", {"h": str(self.handled)})

    # What we send

    @property
    def full(self) -> bool:
        return len(self._unacked) >= self.max_unacked

    def __len__(self) -> int:
        """How many stanzas are not acknowledged."""
        return len(self._unacked)

    def unacked(self) -> Iterator[S]:
        """What is not acknowledged, the oldest first."""
        return iter(self._unacked)

    def drain(self) -> list[S]:
        """Take out what is not acknowledged: the stream is over."""
        left = list(self._unacked)
        self._unacked.clear()
        return left

    def send(self, stanza: S) -> bool:
        """`stanza` is being written; True: ask for an acknowledgement behind it."""
        self.sent = (self.sent + 1) % MODULUS
        self._unacked.append(stanza)
        return not self.asked and len(self._unacked) >= REQUEST_EVERY

    def request(self) -> Element:
        """`<r/>`: asks for all that was sent so far."""
        self.asked = len(self._unacked)
        return Element(SM, "r")

    def covered(self, a: Element) -> int:
        """How many more stanzas `<a/>` or `<resume/>` says are handled. StreamError for an
        impossible one.
        """
        handled = read_count(a.get("h"))
        count = (handled - self.acked) % MODULUS
        if count > len(self._unacked):
            raise too_high(handled, self.sent)
        return count

    def acknowledge(self, a: Element) -> list[S]:
        """Take `<a/>`: the stanzas that are handled now. StreamError for an impossible one."""
        count = self.covered(a)
        self.acked = (self.acked + count) % MODULUS
        self.asked = 0
        return [self._unacked.popleft() for _ in range(count)]


def read_count(text: str | None) -> int:
    """An `h`: an unsigned 32-bit decimal. StreamError bad-format for anything else."""
    if text is not None and _COUNT.fullmatch(text):
        number = int(text)
        if number < MODULUS:
            return number
    raise StreamError("bad-format", "h is not a number of stanzas")


def too_high(handled: int, sent: int) -> StreamError:
    """More acknowledged than was ever sent (§4, example 7)."""
    app = Element(SM, "handled-count-too-high", {"h": str(handled), "send-count": str(sent)})
    return StreamError("undefined-condition", app=app)


def failed(condition: str, handled: int | None = None) -> Element:
    """`<failed/>`, with a stanza error's condition, and `h` where it is known (§3, §5)."""
    answer = Element(SM, "failed", None, Element(STANZAS, condition))
    if handled is not None:
        answer.attrs["h"] = str(handled)
    return answer
