"""Which sessions has this account? The seam behind which other processes will answer too."""

from collections.abc import Iterator

from xmppd.jid import JID
from xmppd.sessions.session import Session


class SessionTable:
    """The sessions of one virtual host, by account.

    An account has few sessions, so a full JID is found by looking through them: one dictionary
    entry and one tuple an account, nothing a session.
    """

    __slots__ = ("_by_user", "_count", "lookup")

    def __init__(self) -> None:
        self._by_user: dict[JID, tuple[Session, ...]] = {}
        # As `of(user)`, by `lookup(user, ())`: without a call of Python, for fan-out.
        self.lookup = self._by_user.get
        self._count = 0

    def of(self, user: JID) -> tuple[Session, ...]:
        """All sessions of a bare JID, the oldest first."""
        return self._by_user.get(user, ())

    def get(self, full: JID) -> Session | None:
        """The session bound to a full JID."""
        for session in self._by_user.get(full.bare, ()):
            if session.jid == full:
                return session
        return None

    def available(self, user: JID) -> list[Session]:
        """Those that sent available presence, whatever their priority (RFC 6121 §4.2)."""
        return [session for session in self.of(user) if session.priority is not None]

    def add(self, session: Session) -> None:
        self._by_user[session.user] = (*self.of(session.user), session)
        self._count += 1

    def remove(self, session: Session) -> bool:
        """Take it out; False if it was not (or no longer) in the table."""
        before = self.of(session.user)
        left = tuple(other for other in before if other is not session)
        if len(left) == len(before):
            return False
        self._count -= 1
        if left:
            self._by_user[session.user] = left
        else:
            del self._by_user[session.user]
        return True

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Session]:
        for sessions in list(self._by_user.values()):
            yield from sessions

    def users(self) -> list[JID]:
        """The accounts that have a session."""
        return list(self._by_user)
