"""Those who are served here, clients and components: who accepts them, and how they leave."""

from abc import abstractmethod
from functools import partial
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from xmppd.transport.admission import Admission
from xmppd.transport.connection import CLOSE_TIMEOUT_S
from xmppd.transport.driver import StreamDriver
from xmppd.transport.flusher import Flusher
from xmppd.transport.wheel import Timer, TimerWheel
from xmppd.xml import StreamError

E = TypeVar("E")
C = TypeVar("C", bound="ServedConnection[Any]")


class ServedConnection(StreamDriver[E]):
    """A client's or a component's; who that is here, it is until the connection is closed."""

    __slots__ = ("_factory", "_timer")
    _factory: "ServingFactory[Any]"  # set by those who know more of it

    def __init__(self, flusher: Flusher, wheel: TimerWheel) -> None:
        super().__init__(flusher, wheel)
        self._timer: Timer | None = None  # for the login, and later for silence

    @abstractmethod
    def _leave(self, why: str) -> None:
        """The connection speaks for nobody any more; also called when it never did."""

    def overflowed(self) -> None:
        error = StreamError("policy-violation", f"reads too slowly: {self.buffered} bytes wait")
        # Not now: whoever wrote may be in the middle of telling many sessions something.
        self._flusher.call_soon(partial(self.end, error))

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S, why: str = "closed by us") -> None:
        """As the transport's; it leaves at once, for what is written now is dropped."""
        self._leave(why)
        super().close(timeout_s, why)

    def lost(self, why: str) -> None:
        self._factory.gone(self)
        if self._timer is not None:
            self._timer.cancel()
        self._queue = ()
        self.stream.close()
        self._leave(why)


class ServingFactory(ServerFactory, Generic[C]):
    """Makes a connection for whom `Admission` admits; knows those that are there.

    `Listener(..., direct_tls=...)` makes its connections begin with TLS (XEP-0368).
    """

    noisy = False

    def __init__(self, admission: Admission) -> None:
        self.connections: set[C] = set()
        self._admission = admission
        self._stopping: Deferred[None] | None = None

    @abstractmethod
    def make(self) -> C:
        """A connection for somebody who was admitted."""

    def buildProtocol(self, addr: IAddress | None) -> C | None:
        if self._stopping is not None:
            return None
        ticket = self._admission.admit(getattr(addr, "host", ""))
        if ticket is None:
            return None
        connection = self.make()
        connection.factory = self
        connection.ticket = ticket
        return connection

    def gone(self, connection: C) -> None:
        """The connection is lost."""
        self.connections.discard(connection)
        if self._stopping is not None and not self.connections and not self._stopping.called:
            self._stopping.callback(None)

    def shutdown(self) -> Deferred[None]:
        """Send all away with system-shutdown; fires when they are gone, in 5 s at most."""
        if self._stopping is None:
            self._stopping = Deferred()
        if not self.connections:
            return succeed(None)
        for connection in list(self.connections):
            connection.end(StreamError("system-shutdown"))
        return self._stopping
