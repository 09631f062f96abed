"""The small engine: the standard library's `ssl.MemoryBIO`.

It cannot export keying material (so no tls-exporter) and never asks for a certificate. Python
itself prints a traceback for an SNI name that is not ASCII, before refusing the handshake.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.transport.certificates import Credentials, end_point_binding
from xmppd.transport.tls import BINDING_TYPES, CIPHERS, RECORD_BYTES, ITLSEngine, TLSError

if TYPE_CHECKING:
    from cryptography import x509


class _Object(ssl.SSLObject):
    """Remembers what the callback for SNI was told."""

    name: str | None = None
    credentials: Credentials


class StdlibContext:
    """An `ssl.SSLContext` of one certificate; `find` names the context for another SNI name."""

    __slots__ = ("_context", "_credentials", "_find")

    def __init__(
        self,
        credentials: Credentials,
        find: Callable[[str], StdlibContext | None],
        *,
        alpn: Sequence[str] = (),
        only_tls13: bool = False,
        ciphers: str = CIPHERS,
    ) -> None:
        self._credentials = credentials
        self._find = find
        self._context = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        versions = ssl.TLSVersion
        context.minimum_version = versions.TLSv1_3 if only_tls13 else versions.TLSv1_2
        context.set_ciphers(ciphers)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 1
        context.load_cert_chain(credentials.certificate_path, credentials.key_path)
        context.sslobject_class = _Object
        context.sni_callback = self._switch
        if alpn:
            context.set_alpn_protocols(list(alpn))

    def engine(self) -> StdlibEngine:
        return StdlibEngine(self._context, self._credentials)

    def _switch(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if not name or not isinstance(tls, _Object):
            return
        tls.name = name.lower()
        found = self._find(tls.name)
        if found is not None and found is not self:
            tls.context = found._context
            tls.credentials = found._credentials


@implementer(ITLSEngine)
class StdlibEngine:
    __slots__ = ("_done", "_in", "_out", "_tls", "closed", "established")

    peer_certificate: x509.Certificate | None = None
    peer_chain: tuple[x509.Certificate, ...] = ()
    peer_verified = False
    peer_problem = "no certificate"

    def __init__(self, context: ssl.SSLContext, credentials: Credentials) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        tls = context.wrap_bio(self._in, self._out, server_side=True)
        assert isinstance(tls, _Object)
        tls.credentials = credentials
        self._tls = tls
        self._done = False
        self.established = False
        self.closed = False

    @property
    def talks(self) -> bool:
        return self._out.pending > 0

    def receive(self, data: bytes) -> bytes:
        self._in.write(data)
        plaintext: list[bytes] = []
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            while self._in.pending or self._tls.pending():
                part = self._tls.read(RECORD_BYTES)
                if not part:
                    self.closed = True
                    break
                plaintext.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        except (ssl.SSLError, ValueError) as error:
            self._done = True
            raise TLSError(_reason(error)) from None
        return plaintext[0] if len(plaintext) == 1 else b"".join(plaintext)

    def send(self, data: bytes) -> bytes:
        try:
            if len(data) <= RECORD_BYTES:
                self._tls.write(data)
                return self._out.read()
            out = b""
            for start in range(0, len(data), RECORD_BYTES):
                self._tls.write(data[start : start + RECORD_BYTES])
                out += self._out.read()
        except ssl.SSLError as error:
            self._done = True
            raise TLSError(_reason(error)) from None
        return out

    def outgoing(self) -> bytes:
        return self._out.read()

    def close(self) -> bytes:
        if self._done or not self.established:
            return b""
        self._done = True
        try:
            self._tls.unwrap()
        except ssl.SSLError:  # SSLWantReadError: the peer has not answered yet
            pass
        return self._out.read()

    def channel_binding(self, name: str) -> bytes | None:
        if self.established and name == "tls-server-end-point":
            return end_point_binding(self._tls.credentials.certificate)
        return None

    @property
    def binding_types(self) -> tuple[str, ...]:
        return tuple(name for name in BINDING_TYPES if self.channel_binding(name))

    @property
    def server_name(self) -> str | None:
        return self._tls.name

    @property
    def alpn(self) -> str | None:
        return self._tls.selected_alpn_protocol()

    @property
    def version(self) -> str:
        return self._tls.version() or ""

    @property
    def cipher(self) -> str:
        cipher = self._tls.cipher()
        return cipher[0] if cipher else ""


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return reason.replace("_", " ").lower() if reason else str(error)
