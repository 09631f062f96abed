"""TLS with other servers: both directions, certificates collected and judged later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from OpenSSL import SSL

from xmppd.transport import openssl_direct
from xmppd.transport.certificates import CertificateError, Credentials, ascii_domain
from xmppd.transport.openssl_context import OpenSSLContext
from xmppd.transport.openssl_engine import PyOpenSSLEngine
from xmppd.transport.store import CertificateStore, Pairs, TLSSettings
from xmppd.transport.tls import CIPHERS
from xmppd.transport.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xmppd.transport.tls import TLSContext

ALPN = "xmpp-server"  # XEP-0368 §3


@dataclass(frozen=True, slots=True)
class PeerTLSSettings:
    """`trust`: a file of authorities in PEM, or a folder of such; None: the system's."""

    only_tls13: bool = False
    ciphers: str = CIPHERS
    trust: Path | None = None


class _Clients:
    """The two contexts for connections that begin with one certificate: with ALPN and without."""

    def __init__(self, credentials: Credentials, settings: PeerTLSSettings, trust: Trust) -> None:
        self.starttls = self._context(credentials, settings, trust)
        self.direct = self._context(credentials, settings, trust)
        self.direct.set_alpn_protos([ALPN.encode()])

    def _context(
        self, credentials: Credentials, settings: PeerTLSSettings, trust: Trust
    ) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        oldest = SSL.TLS1_3_VERSION if settings.only_tls13 else SSL.TLS1_2_VERSION
        context.set_min_proto_version(oldest)
        context.set_cipher_list(settings.ciphers.encode())
        # No tickets: a resumed session has no verdict about the certificate.
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.use_certificate(credentials.certificate)
        for certificate in credentials.chain:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(credentials.key)
        trust.give(context)
        return context


class _ClientContext:
    """Makes engines that begin a handshake with `name`."""

    __slots__ = ("_context", "_name")

    def __init__(self, context: SSL.Context, name: str) -> None:
        self._context = context
        self._name = name

    def engine(self) -> PyOpenSSLEngine:
        return openssl_direct.ENGINE(self._context, server_name=self._name)


class PeerTLS:
    """Contexts for streams with other servers; `pairs` as those of `CertificateStore`.

    Their engines know `peer_certificate`, `peer_verified` and `peer_problem`, whoever began:
    handshakes succeed whatever the peer's certificate is, and `proof.judge` tells what it is
    worth. Making it raises CertificateError.
    """

    def __init__(self, pairs: Pairs, settings: PeerTLSSettings | None = None) -> None:
        self._settings = settings or PeerTLSSettings()
        self._trust = Trust(self._settings.trust)
        self._store = CertificateStore(pairs, self._store_settings(self._settings, self._trust))
        # By the context for the other direction, which knows the certificate: a reload makes new
        self._clients: WeakKeyDictionary[TLSContext, _Clients] = WeakKeyDictionary()

    def client(self, local: str, remote: str, *, direct: bool = False) -> TLSContext:
        """For a connection that we begin: SNI is `remote`, our certificate that of `local`.

        `direct`: TLS from the first byte on, which says so by ALPN (XEP-0368).
        """
        context = self._store.context(local)
        assert isinstance(context, OpenSSLContext)  # the settings say so
        clients = self._clients.get(context)
        if clients is None:
            clients = _Clients(context.credentials, self._settings, self._trust)
            self._clients[context] = clients
        return _ClientContext(clients.direct if direct else clients.starttls, ascii_domain(remote))

    def server(self, local: str | None = None) -> TLSContext:
        """For a connection that a peer began; its certificate is asked for, not insisted on.

        SNI in the handshake overrides `local`.
        """
        return self._store.context(local)

    def reload(self, pairs: Pairs, settings: PeerTLSSettings) -> str | None:
        """Read the files again. On a failure all stays as it was, and the sentence is returned."""
        try:
            self.prepare(pairs, settings)()
        except CertificateError as error:
            return str(error)
        return None

    def prepare(self, pairs: Pairs, settings: PeerTLSSettings) -> Callable[[], None]:
        """Read the files; what is returned exchanges all. Raises CertificateError."""
        trust = Trust(settings.trust)
        exchange_store = self._store.prepare(pairs, self._store_settings(settings, trust))

        def exchange() -> None:
            exchange_store()
            self._settings, self._trust = settings, trust

        return exchange

    def _store_settings(self, settings: PeerTLSSettings, trust: Trust) -> TLSSettings:
        return TLSSettings(
            alpn=(ALPN,), only_tls13=settings.only_tls13, ciphers=settings.ciphers, peers=trust
        )
