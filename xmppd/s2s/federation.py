"""All connections with other servers: which stanza goes by which, and what happens to them."""

from typing import Any

from twisted.internet.defer import Deferred, succeed

from xmppd.config.s2s import S2SOptions
from xmppd.routing.router import Done
from xmppd.s2s.attempts import Attempts
from xmppd.s2s.connection import PeerConnection
from xmppd.s2s.incoming import IncomingConnection
from xmppd.s2s.outgoing import OutgoingConnection
from xmppd.s2s.peer import Peer, Route
from xmppd.s2s.peers import Peers
from xmppd.s2s.queues import Queues
from xmppd.s2s.service import Service
from xmppd.s2s.verification import Verifier
from xmppd.stanza import Copies, Stanza, StanzaError
from xmppd.stream.dialback import Pair
from xmppd.stream.peer import Refused
from xmppd.transport.driver import SHOWN
from xmppd.xml import StreamError

STOPS = "this server shuts down"


class Federation:
    """The router's `elsewhere`, and what the connections tell of what happens to them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.verifier = Verifier(self)
        self.connections: set[PeerConnection] = set()
        self.peers = Peers(service.clock.seconds)
        self.queues = Queues(service)
        self.attempts = Attempts(self)
        self._routes = self.peers.routes
        self._stopping: Deferred[None] | None = None

    @property
    def stopping(self) -> bool:
        return self._stopping is not None

    @property
    def now(self) -> float:
        return self.service.clock.seconds()

    # Stanzas

    def route(self, stanza: Stanza) -> Done:
        """Send a stanza to another server, or give it back to its sender."""
        route = self._routes.get((stanza.from_.domain, stanza.to.domain))
        if route is not None:
            link = route.link
            if link is not None and not route.queue and not link.blocked:
                link.forward(stanza)
                return None
        try:
            if route is None:
                route = self._new_route(Pair(stanza.from_.domain, stanza.to.domain))
            done = self.queues.put(route, stanza)
        except StanzaError as error:
            return self.bounce(stanza, error)
        if route.link is None:
            self._start(route)
        return done

    def route_copies(self, copies: Copies[Any]) -> None:
        """As `route` for each of them; all are for one server."""
        stanza = copies.stanza
        route = self._routes.get((stanza.from_.domain, copies.jids[0].domain))
        link = None if route is None or route.queue else route.link
        sent = 0 if link is None else link.forward_copies(copies)
        for to in copies.jids[sent:]:  # in order, each by itself: they wait, or go back
            _ = self.service.router.route(copies.copy(to))

    def _new_route(self, pair: Pair) -> Route:
        service = self.service
        if self._stopping is not None or pair.sender not in service.served:
            raise StanzaError("remote-server-not-found")
        rules = service.policy.rules(pair.sender, pair.target)
        if rules.refused:
            raise StanzaError(rules.condition, rules.refused)
        return self.peers.new_route(pair)

    def bounce(self, stanza: Stanza, error: StanzaError) -> Done:
        """Give a stanza back to its sender."""
        return self.queues.bounce(stanza, error)

    # Ways to a peer

    def _start(self, route: Route) -> None:
        """Find a connection that may carry the route, or begin one."""
        peer = route.peer
        if route.link is not None or route.asking is not None:
            return
        if not route.alone:
            for link in peer.links:
                if self._ask(route, link):
                    return
            if peer.opening:
                return  # it will be asked when it is there
        self.attempts.begin(peer, route.pair.sender)

    def _ask(self, route: Route, link: PeerConnection) -> bool:
        """Send a dialback key for the route on a connection that there is (XEP-0220 §2.6)."""
        stream = link.stream
        if not isinstance(link, IncomingConnection | OutgoingConnection) or not link.open:
            return False
        if isinstance(link, OutgoingConnection) and not link.negotiated:
            return False
        rules = self.service.policy.rules(*route.pair)
        if rules.tls_required and not link.secure:
            return False
        if not stream.ask(route.pair):  # type: ignore[attr-defined]  # both kinds have it
            return False
        route.asking = link
        link.routes.add(route)
        link.flush_stream()
        return True

    def unreachable(self, peer: Peer, error: StanzaError) -> None:
        """An attempt came to nothing: what no other connection may carry goes back."""
        if not peer.opening and not any(self._usable(link) for link in peer.links):
            self.verifier.unreachable(peer.domain, error)
        for route in list(peer.routes.values()):
            if route.link is None and route.asking is None and not peer.opening:
                self._fail(route, error)

    @staticmethod
    def _usable(link: PeerConnection) -> bool:
        return isinstance(link, OutgoingConnection) and link.negotiated and link.open

    def _fail(self, route: Route, error: StanzaError) -> None:
        """What waits for the route goes back to its senders."""
        self.queues.give_back(route, error)
        if route.link is None and route.asking is None and self.now >= route.backoff.until:
            self.peers.drop(route)

    # Told by the connections

    def negotiated(self, link: OutgoingConnection) -> None:
        """A connection of ours is there: it may be asked for whatever waits."""
        peer = self.peers.entry(link.theirs)
        peer.opening.pop(link.ours, None)
        self._link(peer, link)
        self._hear(peer, link)
        self.verifier.negotiated(link)
        for route in list(peer.routes.values()):
            if route.link is None and route.asking is None and route.queue:
                self._carry(route, link)

    def _carry(self, route: Route, link: OutgoingConnection) -> None:
        own = link.ours == route.pair.sender
        if (own or not route.alone) and self._ask(route, link):
            return
        if own:
            assert link.failure is not None
            self._refuse(route, link.failure)
        else:
            route.alone = True
            self._start(route)

    def we_may_send(self, link: PeerConnection, pair: Pair) -> None:
        """The peer takes stanzas of the pair on this connection."""
        try:
            route = self._routes.get(pair) or self._new_route(pair)
        except StanzaError:
            return
        peer = route.peer
        self._link(peer, link)
        peer.backoff.succeeded()
        route.backoff.succeeded()
        route.alone = False
        if route.asking is link:
            route.asking = None
        if route.link is None:
            route.link = link
            link.routes.add(route)
            self.queues.flush(route)

    @staticmethod
    def _link(peer: Peer, link: PeerConnection) -> None:
        """It may be asked to carry more pairs with this server."""
        link.peers.add(peer)
        if link not in peer.links:
            peer.links.append(link)

    @staticmethod
    def _hear(peer: Peer, link: PeerConnection) -> None:
        """The server is heard on it."""
        link.peers.add(peer)
        peer.sources.add(link)

    def peer_may_send(self, link: PeerConnection, pair: Pair) -> None:
        """The peer is alive: whoever waits to call it may do so now."""
        try:
            peer = self.peers.entry(pair.sender)
        except StanzaError:
            return
        self._hear(peer, link)
        peer.backoff.succeeded()
        if isinstance(link, IncomingConnection) and link.stream.bidi:
            self._link(peer, link)

    def refused(self, link: PeerConnection, event: Refused) -> None:
        """The peer does not take the pair on this connection: perhaps on one of its own."""
        route = self._routes.get(event.pair)
        if route is None or route.asking is not link:
            return
        route.asking = None
        link.routes.discard(route)
        if isinstance(link, OutgoingConnection) and link.ours == event.pair.sender:
            self._refuse(route, event.error)
        else:
            route.alone = True
            self._start(route)

    def _refuse(self, route: Route, error: StanzaError) -> None:
        route.peer.last_failure = str(error)[:SHOWN]
        route.backoff.failed(self.now, error)
        self._fail(route, error)

    def retired(self, link: PeerConnection) -> None:
        """Nothing more may be sent on it; what waits takes another."""
        for peer in link.peers:
            if link in peer.links:
                peer.links.remove(link)
        for route in self._routes_of(link):
            route.link = route.asking = None
            self._move(route)

    def closing(self, link: PeerConnection) -> None:
        """It is about to be gone, and what is written to it now would be lost without a word."""
        for peer in link.peers:
            if link in peer.links:
                peer.links.remove(link)
        for route in list(link.routes):
            if route.link is link:
                link.routes.discard(route)
                route.link = None
                self._move(route)

    def _move(self, route: Route) -> None:
        """It has no connection any more: what waits takes another."""
        if not route.queue:
            self.queues.relieve(route.peer)
            self.peers.drop(route)
        elif self.stopping:
            self._fail(route, StanzaError("remote-server-timeout", STOPS))
        else:
            self._start(route)

    @staticmethod
    def _routes_of(link: PeerConnection) -> list[Route]:
        """Those that it carries, or was asked to."""
        found = [route for route in link.routes if link in (route.link, route.asking)]
        link.routes.clear()
        return found

    def lost(self, link: PeerConnection, why: str) -> None:
        """A connection is gone: what it did not take for sure goes back (XEP-0198 §4)."""
        if isinstance(link, OutgoingConnection) or link.how:
            self._lost(link, why)
        self._tell_stopped()

    def _lost(self, link: PeerConnection, why: str) -> None:
        for peer in link.peers:
            peer.sources.discard(link)
            if link in peer.links:
                peer.links.remove(link)
        link.peers.clear()
        if isinstance(link, OutgoingConnection):
            self.verifier.lost(link)
            self.attempts.lost(self.peers.get(link.theirs), link)
        if not isinstance(link, OutgoingConnection) or link.negotiated:
            link.say("closed: {why}", why=why)
        self._give_back(link, why)
        for route in self._routes_of(link):
            self._lost_route(route, link, why)

    def _give_back(self, link: PeerConnection, why: str) -> None:
        managed = link.stream.management
        error = StanzaError("remote-server-timeout", f"not acknowledged: {why}")
        for stanza in managed.drain() if managed is not None else ():
            self.bounce(stanza, error)

    def _lost_route(self, route: Route, link: PeerConnection, why: str) -> None:
        asked, route.asking = route.asking is link, None
        if route.link is link:
            route.link = None
        lost = StanzaError("remote-server-timeout", f"connection lost: {why}")
        if asked and link.how:  # it was in use: closed for idleness, perhaps, as the key was sent
            route.alone = True
        elif asked and not link.hung_up_on_external:
            self._refuse(route, lost)
            return
        self._move(route)

    def drained(self, link: PeerConnection) -> None:
        """The peer reads again, or has acknowledged something."""
        if not link.blocked:
            for pair in link.stream.our_pairs:
                route = self._routes.get(pair)
                if route is not None and route.link is link and route.queue:
                    self.queues.flush(route)

    # Asked by connections and the verifier

    def heard_at(self, link: PeerConnection) -> float:
        """When the server at the other end was heard last, on whatever connection."""
        peer = self.peers.get(link.stream.theirs)
        others = peer.sources if peer is not None else ()
        return max([link.heard_at, *(each.heard_at for each in others)])

    def waits_for(self, link: PeerConnection) -> bool:
        """Whether something is queued that this connection would carry."""
        return any(
            (route := self._routes.get(pair)) is not None and route.link is link and route.queue
            for pair in link.stream.our_pairs
        )

    def link_for_questions(self, theirs: str, ours: str) -> OutgoingConnection | None:
        """A connection of ours to that server; None: one is begun, and `negotiated` is told."""
        try:
            peer = self.peers.entry(theirs)
        except StanzaError:
            return None
        for link in peer.links:
            if isinstance(link, OutgoingConnection) and self._usable(link):
                return link
        if not peer.opening:
            self.attempts.begin(peer, ours)
        self.attempts.hurry(peer)
        return None

    # The whole

    def configure(self, options: S2SOptions) -> None:
        """Take new options; connections that they forbid are closed."""
        self.service.configure(options)
        self.attempts.configure(options.limits)
        self.queues.configure(options.limits)
        for link in list(self.connections):
            if any(self.service.policy.rules(*pair).refused for pair in pairs_of(link)):
                link.end(StreamError("policy-violation"))
        for route in list(self._routes.values()):
            if self.service.policy.rules(*route.pair).refused and route.link is None:
                self._fail(route, StanzaError("not-allowed"))

    def close(self, domain: str) -> int:
        """Close the connections with a domain in good order; how many there are."""
        found = [link for link in self.connections if domain in domains_of(link)]
        for link in found:
            link.finish()
        return len(found)

    def give_up(self) -> None:
        """What still waits for a server goes back, while its senders are there to hear of it."""
        for route in list(self._routes.values()):
            if route.link is None:
                self._fail(route, StanzaError("remote-server-timeout", STOPS))

    def shutdown(self) -> Deferred[None]:
        """End all with system-shutdown; fires when they are gone, in 7 s at most."""
        if self._stopping is None:
            self._stopping = Deferred()
            self.give_up()
        for link in list(self.connections):
            link.leave()
        return self._stopping if self.connections else succeed(None)

    def _tell_stopped(self) -> None:
        stopping = self._stopping
        if stopping is not None and not self.connections and not stopping.called:
            stopping.callback(None)


def pairs_of(link: PeerConnection) -> set[Pair]:
    """All on this connection, of whichever direction, with our domain first."""
    stream = link.stream
    pairs = {*stream.our_pairs, *(pair.inverse for pair in stream.peer_pairs)}
    return {*pairs, Pair(stream.ours, stream.theirs)} if stream.theirs else pairs


def domains_of(link: PeerConnection) -> set[str]:
    """Theirs, of all pairs on this connection."""
    return {link.stream.theirs, *(pair.target for pair in pairs_of(link))}
