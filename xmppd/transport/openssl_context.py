"""A certificate's context for those who connect here: SNI, ALPN, and certificates of clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from OpenSSL import SSL

from xmppd.transport import openssl_direct
from xmppd.transport.certificates import Credentials, end_point_binding
from xmppd.transport.openssl_engine import END_POINTS, PyOpenSSLEngine, Verdict, text_of
from xmppd.transport.tls import CIPHERS

if TYPE_CHECKING:
    from OpenSSL.crypto import X509

    from xmppd.transport.trust import Trust


class OpenSSLContext:
    """A pyOpenSSL context of one certificate; `find` names the context for another SNI name.

    `peers`: the other end is a server, whose certificate is asked for and checked by that.
    """

    __slots__ = ("__weakref__", "_context", "_find", "credentials")

    def __init__(
        self,
        credentials: Credentials,
        find: Callable[[str], OpenSSLContext | None],
        *,
        alpn: Sequence[str] = (),
        only_tls13: bool = False,
        ciphers: str = CIPHERS,
        ask_for_certificate: bool = False,
        authorities: str | None = None,
        peers: Trust | None = None,
    ) -> None:
        self.credentials = credentials
        self._find = find
        self._context = context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION if only_tls13 else SSL.TLS1_2_VERSION)
        context.set_cipher_list(ciphers.encode())
        context.set_options(
            SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
        )
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        # Sessions live in the clients' tickets; our cache would keep each one in memory.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.use_certificate(credentials.certificate)
        END_POINTS[context] = end_point_binding(credentials.certificate)
        for certificate in credentials.chain:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(credentials.key)
        context.set_tlsext_servername_callback(self._switch)
        if alpn:
            context.set_alpn_select_callback(_alpn_choice(alpn))
        if ask_for_certificate:
            self._ask_for_certificate(authorities)
        if peers is not None:
            peers.give(context)
            context.set_options(SSL.OP_NO_TICKET)

    def engine(self) -> PyOpenSSLEngine:
        return openssl_direct.ENGINE(self._context)

    def _ask_for_certificate(self, authorities: str | None) -> None:
        context = self._context
        if authorities is None:
            context.set_default_verify_paths()
        else:
            context.load_verify_locations(authorities)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE, _note_verdict)
        # A resumed session brings the certificate and not what verification said about it.
        context.set_options(SSL.OP_NO_TICKET)

    def _switch(self, connection: SSL.Connection) -> None:
        """Called with the ClientHello; whatever name is in there, it must not raise."""
        name = text_of(connection.get_servername())
        found = self._find(name) if name else None
        if found is not None and found is not self:
            connection.set_context(found._context)


def _alpn_choice(
    known: Sequence[str],
) -> Callable[[SSL.Connection, list[bytes]], bytes | SSL._NoOverlappingProtocols]:
    names = [name.encode() for name in known]

    def choose(
        connection: SSL.Connection, offered: list[bytes]
    ) -> bytes | SSL._NoOverlappingProtocols:
        return next((name for name in names if name in offered), SSL.NO_OVERLAPPING_PROTOCOLS)

    return choose


def _note_verdict(
    connection: SSL.Connection, certificate: X509, error: int, depth: int, ok: int
) -> bool:
    """Accept every chain: whether an unverified certificate will do is judged later."""
    verdict: Verdict = connection.get_app_data()
    if ok:
        verdict.good(depth)
    else:
        verdict.bad(f"{_error_name(error)} (depth {depth})")
    return True


def _error_name(error: int) -> str:
    for name, value in vars(SSL.X509VerificationCodes).items():
        if value == error and name.startswith("ERR_"):
            return name.removeprefix("ERR_").replace("_", " ").lower()
    return f"verification error {error}"
