"""Which certificate for which name, and the TLS contexts made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xmppd.transport.certificates import (
    CertificateError,
    Credentials,
    ascii_domain,
    certificate_names,
)
from xmppd.transport.openssl_context import OpenSSLContext
from xmppd.transport.stdlib_engine import StdlibContext
from xmppd.transport.tls import CIPHERS

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    from xmppd.transport.tls import TLSContext
    from xmppd.transport.trust import Trust

Pairs = Mapping[str, tuple["Path", "Path"]]


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """How handshakes are done, whatever the certificate."""

    engine: Literal["pyopenssl", "stdlib"] = "pyopenssl"
    alpn: Sequence[str] = ("xmpp-client",)
    only_tls13: bool = False
    ciphers: str = CIPHERS  # of TLS 1.2, as OpenSSL names them
    ask_for_certificate: bool = False  # of the client, for SASL EXTERNAL; pyopenssl only
    authorities: str | None = None  # file of trusted CAs; None: the system's
    peers: Trust | None = None  # the other end is a server; pyopenssl only


class _Table:
    """All contexts of one reading of the files. The first pair is the default."""

    def __init__(self, pairs: Pairs, settings: TLSSettings) -> None:
        if not pairs:
            raise CertificateError("there is no certificate for any domain")
        self.credentials: dict[str, Credentials] = {}
        self._domains: dict[str, TLSContext] = {}
        self._others: dict[str, TLSContext] = {}
        for domain, (certificate, key) in pairs.items():
            credentials = Credentials.load(certificate, key)
            context = self._context(credentials, settings)
            self.credentials[domain] = credentials
            self._domains[ascii_domain(domain)] = context
            for name in certificate_names(credentials.certificate).dns:
                self._others.setdefault(name, context)
        self.default = next(iter(self._domains.values()))

    def _context(self, credentials: Credentials, settings: TLSSettings) -> TLSContext:
        try:
            if settings.engine == "stdlib":
                return StdlibContext(
                    credentials,
                    self._find_stdlib,
                    alpn=settings.alpn,
                    only_tls13=settings.only_tls13,
                    ciphers=settings.ciphers,
                )
            return OpenSSLContext(
                credentials,
                self._find_openssl,
                alpn=settings.alpn,
                only_tls13=settings.only_tls13,
                ciphers=settings.ciphers,
                ask_for_certificate=settings.ask_for_certificate,
                authorities=settings.authorities,
                peers=settings.peers,
            )
        except Exception as error:  # each library has its own for a key that it does not like
            path = credentials.certificate_path
            raise CertificateError(f"TLS does not take {path}: {error}") from error

    def find(self, name: str) -> TLSContext | None:
        """For a host's domain; for another name in a certificate; for a wildcard in one."""
        return (
            self._domains.get(name)
            or self._others.get(name)
            or self._others.get("*." + name.partition(".")[2])
        )

    def _find_openssl(self, name: str) -> OpenSSLContext | None:
        found = self.find(name)
        return found if isinstance(found, OpenSSLContext) else None

    def _find_stdlib(self, name: str) -> StdlibContext | None:
        found = self.find(name)
        return found if isinstance(found, StdlibContext) else None


class CertificateStore:
    """`pairs` names the certificate (with its chain) and the key of each host, as PEM files.

    A host without a pair is served with the default's, the first one's. Making it raises
    CertificateError. `reload` exchanges all for new handshakes; streams go on with theirs.
    """

    def __init__(self, pairs: Pairs, settings: TLSSettings | None = None) -> None:
        self._pairs = dict(pairs)
        self._settings = settings or TLSSettings()
        self._table = _Table(self._pairs, self._settings)

    def context(self, domain: str | None = None) -> TLSContext:
        """For `domain`, or the default; SNI in the handshake overrides both."""
        found = self._table.find(ascii_domain(domain)) if domain else None
        return found or self._table.default

    def reload(
        self, pairs: Pairs | None = None, settings: TLSSettings | None = None
    ) -> str | None:
        """Read the files again. On a failure all stays as it was, and the sentence is returned."""
        try:
            self.prepare(self._pairs if pairs is None else pairs, settings or self._settings)()
        except CertificateError as error:
            return str(error)
        return None

    def prepare(self, pairs: Pairs, settings: TLSSettings) -> Callable[[], None]:
        """Read the files; what is returned exchanges all. Raises CertificateError."""
        table = _Table(pairs, settings)

        def exchange() -> None:
            self._pairs, self._table, self._settings = dict(pairs), table, settings

        return exchange

    def expiring(self, now: datetime.datetime) -> list[str]:
        """Warnings about certificates that end within 14 days. `now` has a time zone."""
        found = (credentials.expiry(now) for credentials in self._table.credentials.values())
        return [warning for warning in dict.fromkeys(found) if warning]

    def mismatched(self) -> list[str]:
        """Warnings about certificates that do not name the host they are for."""
        return [
            f"the certificate {credentials.certificate_path} does not name {domain}"
            for domain, credentials in self._table.credentials.items()
            if not certificate_names(credentials.certificate).cover(domain)
        ]
