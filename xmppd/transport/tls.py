"""TLS, driven on memory: bytes in, bytes out, no sockets.

Two engines behind one interface. pyOpenSSL knows everything we need; the standard library's is
as fast, smaller where it has an older OpenSSL (17 kB a connection instead of 22), and cannot
export keying material nor look at unverified certificates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zope.interface import Attribute, Interface  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from cryptography import x509


class TLSError(Exception):
    """The handshake or a record failed. An alert may be in the engine's `outgoing()`."""


class ITLSEngine(Interface):  # type: ignore[misc]  # zope.interface has no types
    """One TLS connection. Made by a `TLSContext`; never raises anything but TLSError."""

    established = Attribute("bool: the handshake is done")
    closed = Attribute("bool: the peer has said close_notify")
    talks = Attribute("bool: `outgoing()` has something to send although nothing was sent")
    server_name = Attribute("str | None: the name asked for by SNI, lower case")
    alpn = Attribute("str | None: the application protocol that was agreed on")
    version = Attribute("str: 'TLSv1.3'")
    cipher = Attribute("str: name of the cipher suite")
    peer_certificate = Attribute("cryptography.x509.Certificate | None")
    peer_chain = Attribute("the certificates of cryptography.x509 that came with the peer's")
    peer_verified = Attribute("bool: there is a certificate, and its chain is trusted")
    peer_problem = Attribute("str: why it is not; '' if it is")

    def receive(data):  # type: ignore[no-untyped-def]  # noqa: N805
        """Take bytes from the wire, give plaintext (b"" during the handshake); raise TLSError."""

    def send(data):  # type: ignore[no-untyped-def]  # noqa: N805
        """Encrypt; only once `established`. Gives the bytes for the wire."""

    def outgoing():  # type: ignore[no-untyped-def,misc]
        """Handshake flights, alerts and answers that wait to be sent."""

    def close():  # type: ignore[no-untyped-def,misc]
        """Our close_notify; b"" where none is due (not established, failed, said before)."""

    def channel_binding(name):  # type: ignore[no-untyped-def]  # noqa: N805
        """Data of the binding type 'tls-exporter' (RFC 9266), 'tls-unique' or
        'tls-server-end-point' (RFC 5929 §3, §4), None where it cannot be had."""

    binding_types = Attribute("tuple[str, ...]: the binding types that can be had, best first")


class TLSEngine(Protocol):
    """ITLSEngine for the type checker."""

    @property
    def established(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    @property
    def talks(self) -> bool: ...
    @property
    def server_name(self) -> str | None: ...
    @property
    def alpn(self) -> str | None: ...
    @property
    def version(self) -> str: ...
    @property
    def cipher(self) -> str: ...
    @property
    def peer_certificate(self) -> x509.Certificate | None: ...
    @property
    def peer_chain(self) -> tuple[x509.Certificate, ...]: ...
    @property
    def peer_verified(self) -> bool: ...
    @property
    def peer_problem(self) -> str: ...
    @property
    def binding_types(self) -> tuple[str, ...]: ...
    def receive(self, data: bytes) -> bytes: ...
    def send(self, data: bytes) -> bytes: ...
    def outgoing(self) -> bytes: ...
    def close(self) -> bytes: ...
    def channel_binding(self, name: str) -> bytes | None: ...


class TLSContext(Protocol):
    """What `StreamTransport.start_tls` takes: makes an engine for each connection."""

    def engine(self) -> TLSEngine: ...


# Of channel bindings, best first. Below TLS 1.3 tls-unique is what clients take for granted (RFC
# 5802 §6.1).
BINDING_TYPES = ("tls-exporter", "tls-unique", "tls-server-end-point")

# RFC 7590 §3, RFC 9325 §4.2: forward secrecy and authenticated encryption only, for TLS 1.2; all
# suites of TLS 1.3 are that.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
RECORD_BYTES = 16384  # the most plaintext in a record (RFC 8446 §5.1)

# The alert (RFC 8446 §6) for bytes that are no TLS at all: OpenSSL says nothing to those.
UNEXPECTED_MESSAGE = b"\x15\x03\x03\x00\x02\x02\x0a"
