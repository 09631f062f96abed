"""The engine with the fewest calls for a message: into OpenSSL itself, past pyOpenSSL.

`DirectEngine` uses the binding and the handles that pyOpenSSL keeps under private names. That is
less than half the time, and lets go of what memory BIOs hold: one never shrinks, so a roster sent
once would stay with its session for ever. `ENGINE` is the engine to use.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL

from xmppd.transport.openssl_binding import DIRECT, FFI, LIB
from xmppd.transport.openssl_engine import PyOpenSSLEngine, reason_of
from xmppd.transport.tls import RECORD_BYTES, TLSError

SMALL = 512  # a BIO that has held more than this is exchanged, for a microsecond

# One for all connections: what is in it is copied out before a call returns. cffi lets other
# threads run meanwhile, so engines are for one thread, the reactor's.
BUFFER_BYTES = RECORD_BYTES + 512
BUFFER = FFI.new("char[]", BUFFER_BYTES) if DIRECT else None
CONTENT = FFI.buffer(BUFFER) if DIRECT else b""


def _without_callbacks(ssl: Any) -> None:
    """pyOpenSSL finds the connection of a callback by its handle, in a table of weak references.
    Callbacks belong to handshakes, and there is no other one: 150 bytes are given back.
    """
    table = getattr(SSL.Connection, "_reverse_mapping", None)
    if table is not None:
        table.pop(ssl, None)


class DirectEngine(PyOpenSSLEngine):
    """The same, and the calls of a message go to OpenSSL directly."""

    __slots__ = ("_from", "_into", "_quick", "_ssl")

    def __init__(self, context: SSL.Context, server_name: str | None = None) -> None:
        super().__init__(context, server_name)
        connection = self._connection
        self._ssl = connection._ssl
        self._into, self._from = connection._into_ssl, connection._from_ssl  # the SSL owns them
        self._quick = False  # established, not closed, nothing partial

    def receive(self, data: bytes) -> bytes:
        size = len(data)
        if size < 5 or 5 + (data[3] << 8 | data[4]) != size or not self._quick:
            return self._receive_any(data)
        LIB.BIO_write(self._into, data, size)
        read = LIB.SSL_read(self._ssl, BUFFER, RECORD_BYTES)
        if read <= 0:
            try:
                self._connection._raise_ssl_error(self._ssl, read)
            except SSL.Error as error:
                self._stopped(error)
            self._quick = not self.closed
            return b""
        if size > SMALL:
            self._renew_into()
        return CONTENT[:read]

    def _receive_any(self, data: bytes) -> bytes:
        """Not one whole record, or the handshake."""
        self._quick, was_established = False, self.established
        size = len(self._partial) + len(data)
        plaintext = super().receive(data)
        if self.established and not self.closed:
            self._quick = not self._partial
            if size > SMALL or not was_established:
                self._renew_into()
            if not was_established:
                _without_callbacks(self._ssl)
        return plaintext

    def _read(self, plaintext: list[bytes], count: int) -> None:
        while count:
            read = LIB.SSL_read(self._ssl, BUFFER, RECORD_BYTES)
            if read <= 0:
                self._connection._raise_ssl_error(self._ssl, read)
                return
            plaintext.append(CONTENT[:read])
            count -= 1

    def send(self, data: bytes) -> bytes:
        size = len(data)
        if size > SMALL:
            return self._send_long(data)
        written = LIB.SSL_write(self._ssl, data, size)
        if written <= 0:
            self._cannot_write(written)
        read = LIB.BIO_read(self._from, BUFFER, BUFFER_BYTES)
        out: bytes = CONTENT[:read]
        return out if read < BUFFER_BYTES else out + self.outgoing()

    def _send_long(self, data: bytes) -> bytes:
        out: list[bytes] = []
        for start in range(0, len(data), RECORD_BYTES):
            part = data[start : start + RECORD_BYTES]
            written = LIB.SSL_write(self._ssl, part, len(part))
            if written <= 0:
                self._cannot_write(written)
            self._drain(out)
        self._renew_from()
        return out[0] if len(out) == 1 else b"".join(out)

    def _cannot_write(self, written: int) -> None:
        self._done = True
        try:
            self._connection._raise_ssl_error(self._ssl, written)
        except SSL.Error as error:
            raise TLSError(reason_of(error)) from None
        raise TLSError("nothing was written")

    def outgoing(self) -> bytes:
        self.talks = False
        out: list[bytes] = []
        self._drain(out)
        if self.established:  # the handshake's last flight, or something as rare
            self._renew_from()
        return b"".join(out)

    def _drain(self, out: list[bytes]) -> None:
        while (read := LIB.BIO_read(self._from, BUFFER, BUFFER_BYTES)) > 0:
            out.append(CONTENT[:read])
            if read < BUFFER_BYTES:
                return

    def _renew_into(self) -> None:
        """Only when it is empty. OpenSSL frees the old one, and takes the new one over."""
        self._into = self._connection._into_ssl = LIB.BIO_new(LIB.BIO_s_mem())
        LIB.SSL_set_bio(self._ssl, self._into, self._from)

    def _renew_from(self) -> None:
        self._from = self._connection._from_ssl = LIB.BIO_new(LIB.BIO_s_mem())
        LIB.SSL_set_bio(self._ssl, self._into, self._from)


ENGINE: type[PyOpenSSLEngine] = DirectEngine if DIRECT else PyOpenSSLEngine
