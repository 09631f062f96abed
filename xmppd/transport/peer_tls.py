"""TLS with other servers: both directions, certificates collected and judged later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xmppd.transport.store import Pairs
from xmppd.transport.tls import CIPHERS

if TYPE_CHECKING:
    from pathlib import Path

    from xmppd.transport.tls import TLSContext


@dataclass(frozen=True, slots=True)
class PeerTLSSettings:
    """`trust`: a file of authorities in PEM, or a folder of such; None: the system's."""

    only_tls13: bool = False
    ciphers: str = CIPHERS
    trust: Path | None = None


class PeerTLS:
    """Contexts for streams with other servers; `pairs` as those of `CertificateStore`.

    Their engines know `peer_certificate`, `peer_verified` and `peer_problem`, whoever began:
    handshakes succeed whatever the peer's certificate is, and `proof.judge` tells what it is
    worth. Making it raises CertificateError.
    """

    def __init__(self, pairs: Pairs, settings: PeerTLSSettings | None = None) -> None:
        raise NotImplementedError

    def client(self, local: str, remote: str, *, direct: bool = False) -> TLSContext:
        """For a connection that we begin: SNI is `remote`, our certificate that of `local`.

        `direct`: TLS from the first byte on, which says so by ALPN (XEP-0368).
        """
        raise NotImplementedError

    def server(self, local: str | None = None) -> TLSContext:
        """For a connection that a peer began; its certificate is asked for, not insisted on.

        SNI in the handshake overrides `local`.
        """
        raise NotImplementedError

    def reload(self, pairs: Pairs, settings: PeerTLSSettings) -> str | None:
        """Read the files again. On a failure all stays as it was, and the sentence is returned."""
        raise NotImplementedError
