"""Connections to other servers: which places to try, in which order, for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from xmppd.config.outgoing import OutgoingOptions
    from xmppd.resolve.targets import Target
    from xmppd.transport.connection import StreamTransport

    C = TypeVar("C", bound=StreamTransport)


class Dialer:
    """Connects to the server of a domain; one for the process.

    Finding it: `routes` of the configuration, else SRV records of both kinds (RFC 6120 §3.2.1,
    XEP-0368), else the domain's own addresses at port 5269 (§3.2.2).
    """

    async def connect(self, domain: str, make_connection: Callable[[Target], C]) -> C:
        """The first connection that comes about; for `target.direct_tls` its handshake is done.

        `make_connection(target)` makes one that is not connected yet; for `target.direct_tls` it
        must set `direct_tls` of it: the context of `PeerTLS.client(..., direct=True)`. It is
        called for those addresses only that have answered, so mostly once; again where the
        handshake of the one before failed, which has then been told by `lost`. `opened` (and
        `secured`) are called before this returns. Raises DialFailed. Cancelling the Deferred
        that waits for this ends all attempts.
        """
        raise NotImplementedError

    def configure(self, options: OutgoingOptions) -> None:
        """Take over reloaded options, for connections to come."""
        raise NotImplementedError
