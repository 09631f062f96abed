"""One bound resource of an account (RFC 6120 §7): its addresses, its presence, the way to it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred

from xmppd import events
from xmppd.hooks import STOP, FilterChain, Hooks
from xmppd.jid import JID
from xmppd.sessions.managed import Managed
from xmppd.sessions.undurable import Undurable
from xmppd.stanza import Presence, Stanza
from xmppd.xml import StreamError

T = TypeVar("T")
# Why a session ended whose client closed its stream after it had taken all that was sent to it.
CLOSED_BY_CLIENT: Final = "closed by the client"


class Outlet(Protocol):
    """The client's end as a session sees it; c2s connections are such."""

    def write(self, data: bytes) -> None:
        """Queue bytes for the client; gathered and sent once per reactor pass."""

    def close(self, error: StreamError | None = None) -> None:
        """End the stream, with `error` first if there is one."""

    def detach(self) -> None:
        """End the stream with conflict; the session hibernates, to go on elsewhere."""

    def pause(self) -> None:
        """Stop reading from the client."""

    def resume(self) -> None:
        """Read on."""

    def hold(self) -> None:
        """Keep what is written, until `release`."""

    def release(self) -> None:
        """Send on."""

    def ahead(self) -> AbstractContextManager[None]:
        """What is written within goes out before what was kept since `hold`."""

    @property
    def buffered(self) -> int:
        """Bytes written and not yet taken by the network."""


class Session:
    """A client with a full JID. Made by the stream, opened and closed by the host's `Intake`."""

    __slots__ = (
        "_receives",
        "address",
        "jid",
        "managed",
        "opened_at",
        "outlet",
        "presence",
        "priority",
        "secure",
        "state",
        "undurable",
        "user",
    )

    def __init__(
        self,
        jid: JID,
        hooks: Hooks,
        outlet: Outlet | None,
        *,
        secure: bool = True,
        address: str = "",
        opened_at: float = 0.0,
    ) -> None:
        self.jid: Final = jid
        self.user: Final = jid.bare
        self.outlet: Outlet | None = outlet
        self.secure = secure
        self.address = address
        self.opened_at: Final = opened_at
        self.priority: int | None = None  # None: no available presence was sent
        self.presence: Presence | None = None  # the last available presence without `to`
        self.state: dict[str, Any] | None = None  # what modules keep, by PerSession
        self.undurable: Undurable | None = None  # None: all that it sent is durable
        self.managed: Managed | None = None  # None: its client does not acknowledge stanzas
        self._receives: FilterChain[Stanza, [Session]] = hooks.of(events.session_receives)

    def send(self, stanza: Stanza) -> bool:
        """Write a stanza to the client, or keep it for a client that will resume the session;
        False when the session is closed. RFC 6120 §10.1 order.
        """
        if self._receives.handlers:
            passed = self._receives.filter(stanza, self)
            if passed is STOP:
                return True
            stanza = passed
        if self.managed is not None:
            self.managed.deliver(stanza, self)
            return True
        outlet = self.outlet
        if outlet is None:
            return False
        outlet.write(stanza.write())
        return True

    def send_bytes(self, data: bytes) -> None:
        """Write what is no stanza, and serialised already: nobody filters or counts it."""
        if self.outlet is not None:
            self.outlet.write(data)

    def hold_for(self, done: Deferred[Any]) -> None:
        """Say nothing more to the client before `done` fires, with whatever outcome: what it sent
        is being made durable, and an answer to it, or to what follows, would acknowledge it.

        For handlers of `user_sends` that store, called before they return; a failure of `done` is
        theirs to handle. The client is read on meanwhile, for a few stanzas
        (`xmppd.sessions.undurable`).
        """
        if self.undurable is None:
            self.undurable = Undurable(self.outlet)
        self.undurable.begin()
        _ = done.addBoth(self._settle)

    def _settle(self, outcome: T) -> T:
        undurable = self.undurable
        if undurable is not None and undurable.settle():
            self.undurable = None
            undurable.end()
        return outcome

    def close(self, error: StreamError | None = None) -> None:
        """End the client's stream; the connection then tells the intake."""
        if self.outlet is not None:
            self.outlet.close(error)
        elif self.managed is not None:
            self.managed.forget(self)

    @property
    def hibernating(self) -> bool:
        """Its connection is lost, and its client may resume it (XEP-0198 §5)."""
        return self.outlet is None and self.managed is not None

    @property
    def available(self) -> bool:
        return self.priority is not None

    def __repr__(self) -> str:
        shown = "unavailable" if self.priority is None else f"priority {self.priority}"
        return f"<Session {self.jid} {shown}>"


class PerSession(Generic[T]):
    """What a module keeps about each session; gone with the session, kept over a reload.

        wants_copies = PerSession(False)
        self.wants_copies[session] = True

    `default` is a constant, or a function that makes a fresh value for each session (`set`).
    """

    def __init__(self, default: T | Callable[[], T]) -> None:
        self._default = default
        self._key = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"{owner.__module__}.{owner.__qualname__}.{name}"

    def __getitem__(self, session: Session) -> T:
        state = session.state
        if state is not None and self._key in state:
            kept: T = state[self._key]
            return kept
        if not callable(self._default):
            return self._default
        made = self._default()
        self[session] = made
        return made

    def __setitem__(self, session: Session, value: T) -> None:
        if session.state is None:
            session.state = {}
        session.state[self._key] = value

    def __delitem__(self, session: Session) -> None:
        if session.state is not None:
            session.state.pop(self._key, None)

    def __contains__(self, session: Session) -> bool:
        return session.state is not None and self._key in session.state
