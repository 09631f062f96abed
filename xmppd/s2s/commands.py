"""What operators see of other servers, and can do."""

from xmppd.admin.commands import CommandError, command
from xmppd.admin.output import Rows, Scalar
from xmppd.jid import JID
from xmppd.s2s.connection import PeerConnection
from xmppd.s2s.federation import Federation, domains_of

COLUMNS = (
    "direction",
    "here",
    "there",
    "address",
    "tls",
    "authenticated by",
    "queue",
    "seconds",
    "received",
    "sent",
    "last failure",
)


class FederationCommands:
    def __init__(self, federation: Federation) -> None:
        self._federation = federation

    @command("s2s", "List the connections with other servers, and servers that cannot be reached.")
    def s2s(self) -> Rows:
        federation = self._federation
        rows = [self._row(link) for link in federation.connections]
        linked = {domain for link in federation.connections for domain in domains_of(link)}
        for peer in federation.peers.values():
            if peer.domain not in linked and (peer.last_failure or peer.stanzas):
                here = " ".join(sorted(peer.routes))
                none: tuple[Scalar, ...] = (None, None, None, peer.stanzas, None, None, None)
                rows.append(("none", here, peer.domain, *none, peer.last_failure))
        return Rows(COLUMNS, sorted(rows, key=lambda row: (str(row[2]), str(row[0]), str(row[1]))))

    def _row(self, link: PeerConnection) -> tuple[Scalar, ...]:
        stream, federation = link.stream, self._federation
        pairs = [*stream.our_pairs, *(pair.inverse for pair in stream.peer_pairs)]
        here = sorted({pair.sender for pair in pairs} or {stream.ours})
        there = sorted({pair.target for pair in pairs} or {stream.theirs})
        peers = [federation.peers[domain] for domain in there if domain in federation.peers]
        return (
            "both" if stream.bidi else "out" if link.direction == "to" else "in",
            " ".join(here),
            " ".join(there),
            link.peer_address,
            link.engine.version if link.engine is not None and link.secure else None,
            link.how or None,
            sum(peer.stanzas for peer in peers),
            round(federation.now - link.opened_at),
            link.received_bytes,
            link.sent_bytes,
            "; ".join(peer.last_failure for peer in peers if peer.last_failure) or None,
        )

    @command(
        "s2s-close",
        "Close the connections with another server; they come back when they are needed.",
        domain="Its domain.",
    )
    def s2s_close(self, domain: JID) -> str:
        count = self._federation.close(domain.domain)
        if not count:
            raise CommandError(f"there is no connection with {domain.domain}")
        return f"{count} closed"
