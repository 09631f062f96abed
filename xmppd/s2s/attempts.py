"""Making connections to other servers: so many at a time, one for each pair of domains."""

from functools import partial
from typing import TYPE_CHECKING

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.config.s2s import S2SLimits
from xmppd.hooks import spawn
from xmppd.resolve import DialFailed, NotServed, Target
from xmppd.s2s.outgoing import OutgoingConnection
from xmppd.s2s.peer import Peer
from xmppd.s2s.room import Room
from xmppd.s2s.slots import Slots
from xmppd.stanza import StanzaError
from xmppd.transport.driver import SHOWN

if TYPE_CHECKING:
    from xmppd.s2s.federation import Federation

log = Logger()

EXTERNAL_AGAIN_S = 3600.0  # after a server hung up on who tried it


class Attempts:
    """All that are under way; `Peer.opening` has those of one server. The federation is told
    what comes of them: `negotiated` or `unreachable`.
    """

    def __init__(self, federation: "Federation") -> None:
        self._federation = federation
        self._service = federation.service
        limits = self._service.options.limits
        self.room = Room(self._service.admission, limits)
        self._slots = Slots(limits.attempts)

    def configure(self, limits: S2SLimits) -> None:
        self.room.configure(limits)
        self._slots.resize(limits.attempts)

    def begin(self, peer: Peer, ours: str) -> None:
        """Unless one is under way for this domain of ours."""
        if ours not in peer.opening:
            peer.opening[ours] = None
            _ = spawn(self._attempt(peer, ours)).addErrback(self._crashed, peer, ours)

    def hurry(self, peer: Peer) -> None:
        """Those of this server that wait for their turn need not any more."""
        for place in list(peer.places.values()):
            self._slots.hurry(place)

    async def _attempt(self, peer: Peer, ours: str) -> None:
        """One connection, from the DNS to its negotiation; so many at a time.

        What a key is looked into for does not wait for those with stanzas, nor they for it: the
        `Verifier` bounds its own.
        """
        counts, who = not self._federation.verifier.asks(peer.domain), ""
        if counts:
            who = _who_waits(peer, ours)
            place = peer.places[ours] = self._slots.acquire(who)
            counts = await place
            del peer.places[ours]
        try:
            if self._is_wanted(peer):
                await self._dial(peer, ours)
            else:
                peer.opening.pop(ours, None)
        finally:
            if counts:
                self._slots.release(who)

    def _is_wanted(self, peer: Peer) -> bool:
        waiting = any(route.queue for route in peer.routes.values())
        wanted = waiting or self._federation.verifier.asks(peer.domain)
        return wanted and not self._federation.stopping

    async def _dial(self, peer: Peer, ours: str) -> None:
        if not self.room.has_one_more():
            text = "too many other servers are connected"
            self._ended(peer, ours, StanzaError("resource-constraint", text, type="wait"))
            return
        try:
            link = await self._service.dialer.connect(
                peer.domain, partial(self._make, peer, ours), partial(self._negotiated, peer)
            )
        except DialFailed as failed:
            error = StanzaError(failed.condition, failed.told)
            self._ended(peer, ours, error, failed.text)
            return
        if link.hung_up_on_external:
            peer.opening.pop(ours, None)
            self.begin(peer, ours)
        elif not link.negotiated and link.failure is not None:
            self._ended(peer, ours, link.failure)

    async def _negotiated(self, peer: Peer, link: OutgoingConnection) -> None:
        """Whether another place of the server is tried: the table is in docs/operating.rst."""
        await link.settled
        error = link.failure
        if link.negotiated or link.final or link.hung_up_on_external or not self._is_wanted(peer):
            return
        assert error is not None
        raise NotServed(error.condition, error.text or error.condition, other=link.other)

    def _make(self, peer: Peer, ours: str, target: Target) -> OutgoingConnection:
        external = self._federation.now >= peer.without_external_until
        link = OutgoingConnection(self._federation, ours, peer.domain, target, external=external)
        peer.opening[ours] = link
        return link

    def lost(self, peer: Peer | None, link: OutgoingConnection) -> None:
        """A connection is gone; `peer` is what is known of the server."""
        self.room.leave(link)
        if peer is not None and link.hung_up_on_external:  # dialback may do, without
            peer.without_external_until = self._federation.now + EXTERNAL_AGAIN_S

    def _crashed(self, failure: Failure, peer: Peer, ours: str) -> None:
        log.failure("Connecting to another server failed", failure=failure)
        self._ended(peer, ours, StanzaError("internal-server-error"))

    def _ended(self, peer: Peer, ours: str, error: StanzaError, why: str = "") -> None:
        """An attempt came to nothing. Senders are told `error`, the operator `why`."""
        peer.opening.pop(ours, None)
        text = why or error.text
        why = f"{error.condition}: {text}" if text else error.condition
        peer.last_failure = why[:SHOWN]
        peer.backoff.failed(self._federation.now, error)
        log.info("s2s to {peer}: not reached: {why}", peer=peer.domain, why=why[: 2 * SHOWN])
        self._federation.unreachable(peer, error)


def _who_waits(peer: Peer, ours: str) -> str:
    """For whom an attempt is made: the bare JID of the first sender."""
    route = peer.routes.get(ours)
    return route.queue[0].stanza.from_.bare if route is not None and route.queue else ours
