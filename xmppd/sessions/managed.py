"""Stream management of one session: what is sent is kept till its client has it (XEP-0198).

It belongs to the session and not to a connection: a client that comes back finds the counters and
the queue as they were. What becomes of what a client never takes is for modules to say.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from xmppd.hooks import SignalChain
from xmppd.ns import DELAY, SM
from xmppd.stanza import Message, Stanza
from xmppd.stanza.delay import delay
from xmppd.stream.management import MODULUS, Management
from xmppd.xml import Element

if TYPE_CHECKING:
    from xmppd.jid import JID
    from xmppd.sessions.session import Outlet, Session

REQUEST = f"<r xmlns='{SM}'/>".encode()
COST = 200  # bytes of a stanza in memory beside its content


class Copy:
    """What is in a store of a message that waits for an acknowledgement, too: at which place.
    None: it is being stored; 0: there was no room.
    """

    __slots__ = ("needed", "place")

    def __init__(self, place: int | None = None) -> None:
        self.place = place
        self.needed = True  # until the client has the message


class Kept:
    """A stanza that waits for its acknowledgement, since `at` (of the host's clock)."""

    __slots__ = ("at", "copy", "size", "stanza")

    def __init__(self, stanza: Stanza, at: float) -> None:
        self.stanza = stanza
        self.at = at
        self.copy: Copy | None = None
        self.size = len(stanza.raw) + COST


class Managed(Management[Kept]):
    """Counters and queue of a session. `id` is "" where the session cannot be resumed, `max_s` for
    how long it can be. At most `max_unacked` stanzas and `max_bytes` may wait: beyond that,
    `overdue` fires, once.
    """

    __slots__ = (
        "_ended",
        "_overdue",
        "_seconds",
        "_waits",
        "asked_at",
        "hibernated_at",
        "id",
        "late",
        "max_bytes",
        "max_s",
        "size",
        "unwritten",
    )

    def __init__(
        self,
        id_: str,
        *,
        seconds: Callable[[], float],
        waits: "SignalChain[[Session, Kept]]",
        overdue: "SignalChain[[Session]]",
        max_s: float = 0.0,
        max_unacked: int = 500,
        max_bytes: int = 1 << 20,
    ) -> None:
        super().__init__(max_unacked)
        self.id = id_
        self.max_s = max_s
        self.max_bytes = max_bytes
        self.size = 0
        self.asked_at = 0.0
        self.hibernated_at = 0.0
        self.late = False  # `overdue` has fired
        self.unwritten = 0  # of the newest: they came while nobody was connected
        self._seconds = seconds
        self._waits = waits
        self._overdue = overdue
        self._ended: Callable[[Session, str], None] | None = None

    # What is sent

    def deliver(self, stanza: Stanza, session: "Session", data: bytes | None = None) -> None:
        """Write it (`data`, if that is known), if there is somebody to write to, and keep it."""
        kept, outlet = Kept(stanza, self._seconds()), session.outlet
        if outlet is None:
            self._keep_unwritten(kept)
            self._waits.signal(session, kept)
        else:
            asks = self.send(kept)
            self.size += kept.size
            outlet.write(stanza.write() if data is None else data)
            if asks:
                self.ask(outlet)
        self._bound(session)

    def take_over(self, kept: Kept, session: "Session") -> None:
        """A stanza that somebody has held back until now waits here from now on, in a session
        that has lost its connection, or is over. `stanza_waiting` does not fire for it.
        """
        self._keep_unwritten(kept)
        self._bound(session)

    def _keep_unwritten(self, kept: Kept) -> None:
        if kept.stanza.kind == "presence":
            self._squeeze(kept.stanza)
        self.send(kept)
        self.size += kept.size
        self.unwritten += 1

    def _bound(self, session: "Session") -> None:
        if (len(self._unacked) > self.max_unacked or self.size > self.max_bytes) and not self.late:
            self.late = True
            self._overdue.signal(session)

    def _squeeze(self, presence: Stanza) -> None:
        """Of presence that nobody could read yet, the last of each sender is enough; but not of
        what a room says of the client itself (XEP-0045 §17.3), or of subscriptions.
        """
        if presence.type not in ("", "unavailable") or b"<status code" in presence.raw:
            return
        for older in islice(reversed(self._unacked), self.unwritten):
            said = older.stanza
            if said.kind == "presence" and said.from_ == presence.from_ and said.to == presence.to:
                if said.type in ("", "unavailable") and b"<status code" not in said.raw:
                    self._unacked.remove(older)
                    self.unwritten -= 1
                    self.sent = (self.sent - 1) % MODULUS
                    self.size -= older.size
                return

    def ask(self, outlet: "Outlet") -> None:
        """Ask for an acknowledgement of all that was sent."""
        self.asked_at = self._seconds()
        self.asked = len(self._unacked)
        outlet.write(REQUEST)

    @property
    def newest(self) -> Kept | None:
        return self._unacked[-1] if self._unacked else None

    @property
    def oldest(self) -> Kept | None:
        return self._unacked[0] if self._unacked else None

    def acknowledge(self, a: Element) -> list[Kept]:
        handled = super().acknowledge(a)
        self.size -= sum([kept.size for kept in handled])
        if len(self) <= self.max_unacked and self.size <= self.max_bytes:
            self.late = False
        return handled

    # From one connection to another

    def hibernate(self, ended: "Callable[[Session, str], None]") -> None:
        """There is no connection now; `ended` ends the session if it must."""
        self.asked = 0
        self.hibernated_at = self._seconds()
        self._ended = ended

    def forget(self, session: "Session") -> None:
        """The session shall not wait for its client any longer."""
        if self._ended is not None:
            self._ended(session, "closed while its client was away")

    def replay(self, outlet: "Outlet", host: "JID") -> None:
        """Write all again that is not acknowledged, in order (§5). What came while nobody was
        connected says since when it waited.
        """
        written, now = len(self._unacked) - self.unwritten, self._seconds()
        for number, kept in enumerate(self._unacked):
            stanza = kept.stanza if number < written else stamped(kept, host, now)
            outlet.write(stanza.write())
        self.unwritten = 0
        self._ended = None
        if self._unacked:
            self.ask(outlet)

    def since(self, kept: Kept) -> datetime:
        """When it was sent, on the clock on the wall."""
        return _wall(kept, self._seconds())


def stamped(kept: Kept, host: "JID", now: float) -> Stanza:
    """A message with the time since when it waits (XEP-0203), unless it has one already."""
    stanza = kept.stanza
    if not isinstance(stanza, Message) or stanza.has(DELAY, "delay"):
        return stanza
    return stanza.copy(add=[delay(_wall(kept, now), host)])


def _wall(kept: Kept, now: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=now - kept.at)
