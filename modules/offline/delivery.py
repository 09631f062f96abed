"""The state of a delivery: how far an account's messages have come on their way to a session."""

from xmppd.api import Copy, Session, Stanza, StanzaError

# Newer messages that wait in memory for a session's older ones: what a fast sender says until some
# thousands of those have been read.
MAX_HELD = 5000
MAX_HELD_BYTES = 4 << 20


class Delivery:
    """An account's messages on their way to one session; other sessions do not get them."""

    __slots__ = (
        "_held",
        "_held_bytes",
        "_passing",
        "again",
        "confirmed",
        "given",
        "plain",
        "session",
        "skip",
    )

    def __init__(
        self, session: Session, given: int = 0, confirmed: int = 0, plain: int = 0
    ) -> None:
        self.session = session
        self.given = given  # up to here they are written to the session
        self.plain = plain  # up to here without an acknowledgement to come (XEP-0198)
        self.confirmed = confirmed  # up to here they are dropped from the store
        self.again = False  # there may be more than was asked for
        self._held: list[Stanza] | None = None  # newer messages, while older are being fetched
        self._held_bytes = 0
        self.skip: frozenset[int] = frozenset()  # what waits for this client's acknowledgement
        self._passing = False  # the message that is being sent is one of ours

    @property
    def fetching(self) -> bool:
        """Between `begin` and `end`: older messages are being fetched, newer ones wait."""
        return self._held is not None

    @property
    def unconfirmed(self) -> bool:
        """Whether some were written that the client has not shown to have."""
        return self.plain > self.confirmed

    @property
    def done(self) -> bool:
        return not self.fetching and not self.unconfirmed

    def begin(self) -> None:
        self._held = []
        self._held_bytes = 0

    def end(self) -> list[Stanza]:
        """The newer messages, which need not wait any more."""
        held, self._held = self._held or [], None
        return held

    def hold(self, stanza: Stanza) -> bool:
        """Keep a newer message until the older ones are written; False where it need not wait.

        StanzaError resource-constraint when too many wait.
        """
        if self._held is None or self._passing:
            return False
        size = len(stanza.raw)
        if len(self._held) >= MAX_HELD or self._held_bytes + size > MAX_HELD_BYTES:
            raise StanzaError("resource-constraint", "too many messages wait for this client")
        self._held.append(stanza)
        self._held_bytes += size
        return True

    def write(self, stanza: Stanza) -> None:
        """Send an older message, which `hold` lets through. Where the client acknowledges, its
        copy in the store is noted with it.
        """
        managed = self.session.managed
        before = 0 if managed is None else managed.sent
        self._send(stanza)
        if managed is None:
            self.plain = self.given
        elif managed.newest is not None and managed.sent != before:
            managed.newest.copy = Copy(self.given)

    def _send(self, stanza: Stanza) -> None:
        self._passing = True
        try:
            self.session.send(stanza)
        finally:
            self._passing = False


def takes(session: Session) -> bool:
    """Whether messages to the bare JID go to this session (RFC 6121 §8.5.2.1.1)."""
    return session.outlet is not None and session.priority is not None and session.priority >= 0
