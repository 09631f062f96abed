"""The other servers of which something is known, and the routes to them."""

from collections.abc import Callable
from itertools import islice

from xmppd.s2s.peer import Peer, Route
from xmppd.stanza import StanzaError
from xmppd.stream.dialback import Pair

PEERS = 10_000  # servers that something is known of
LOOKED_AT = 64  # of them, for one to forget


class Peers(dict[str, Peer]):
    """By domain; `routes` by pair of domains, ours first. Whoever can invent domains makes the
    table grow, so it has a bound: see `entry`.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        super().__init__()
        self.routes: dict[tuple[str, str], Route] = {}
        self._seconds = seconds

    def entry(self, domain: str) -> Peer:
        """What is known of that server. Raises resource-constraint if it is one too many."""
        found = self.get(domain)
        if found is None:
            if len(self) >= PEERS:
                self._forget_some()
            found = self[domain] = Peer(domain)
        return found

    def new_route(self, pair: Pair) -> Route:
        """Raises resource-constraint as `entry` does."""
        peer = self.entry(pair.target)
        route = self.routes[pair] = peer.routes[pair.sender] = Route(pair, peer)
        return route

    def drop(self, route: Route) -> None:
        self.routes.pop(route.pair, None)
        route.peer.routes.pop(route.pair.sender, None)

    def _forget_some(self) -> None:
        """Those for whom nothing waits, and that may be called again. Some are looked at each
        time, in turn: it costs the same however many there are.
        """
        now = self._seconds()
        for peer in list(islice(self.values(), LOOKED_AT)):
            for route in list(peer.routes.values()):
                if not (route.link or route.asking or route.queue):
                    self.drop(route)
            del self[peer.domain]
            if not peer.unused or now < peer.backoff.until:
                self[peer.domain] = peer  # behind the others
        if len(self) >= PEERS:
            raise StanzaError("resource-constraint", "too many servers are called", type="wait")
