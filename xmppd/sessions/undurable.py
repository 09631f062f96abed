"""What a session has sent and the disk does not have yet (see "An acknowledgement means durable"
in the architecture).
"""

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from xmppd.sessions.session import Outlet

# Taken from a session since the first stanza that is not durable; then it waits.
MOST = 256
MOST_BYTES = 1 << 20


class Undurable:
    """From the first stanza that is being stored until a moment when none is.

    Meanwhile the client is heard and not spoken to: `outlet` keeps what is written to it.
    `behind` is how many of the stanzas taken from the session must not be acknowledged yet: the
    oldest that is not durable, and all since.
    """

    __slots__ = ("_bytes", "_held", "_under_way", "_waiting", "behind")

    def __init__(self, outlet: "Outlet | None") -> None:
        self.behind = 0
        self._bytes = 0
        self._under_way = 0
        self._held: list[Outlet] = []
        self._waiting: list[Deferred[None]] = []
        if outlet is not None:
            self.hold(outlet)

    def hold(self, outlet: "Outlet") -> None:
        """Keep silent there, too: for who gives the session another connection."""
        outlet.hold()
        self._held.append(outlet)

    def begin(self) -> None:
        """One more stanza is on its way to the disk."""
        self._under_way += 1

    def settle(self) -> bool:
        """One has come there, or never will. True: none is left."""
        self._under_way -= 1
        return not self._under_way

    def taken(self, size: int) -> "Deferred[None] | None":
        """A stanza of `size` bytes was taken; what to wait for before the next one is."""
        self.behind += 1
        self._bytes += size
        return self.over() if self.full else None

    @property
    def full(self) -> bool:
        """Nothing more is taken before all is durable."""
        return self.behind >= MOST or self._bytes >= MOST_BYTES

    def over(self) -> Deferred[None]:
        """Fires when all is durable."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def end(self) -> None:
        """All is durable: say what was kept, and go on."""
        held, waiting = self._held, self._waiting
        for outlet in held:
            outlet.release()
        for each in waiting:
            each.callback(None)
