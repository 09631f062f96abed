"""The complete engine: pyOpenSSL on memory BIOs, by its public calls."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from OpenSSL import SSL
from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.transport.openssl_binding import LIB
from xmppd.transport.tls import RECORD_BYTES, ITLSEngine, TLSError

if TYPE_CHECKING:
    from cryptography import x509

RECORD_TYPES = range(20, 24)
LONGEST_RECORD = RECORD_BYTES + 256  # encrypted (RFC 8446 §5.2)
UNCHECKED = "no certificate"

# The channel binding of each context's certificate, for as long as the context is in use.
END_POINTS: WeakKeyDictionary[SSL.Context, bytes | None] = WeakKeyDictionary()


class Verdict:
    """What verification said about the peer's chain: the first problem, "" for none."""

    __slots__ = ("problem",)

    def __init__(self) -> None:
        self.problem = UNCHECKED

    def bad(self, problem: str) -> None:
        """A certificate of the chain is refused; the first reason counts."""
        if self.problem in ("", UNCHECKED):
            self.problem = problem

    def good(self, depth: int) -> None:
        """One is not; the peer's own is at depth 0, and looked at last."""
        if depth == 0 and self.problem == UNCHECKED:
            self.problem = ""


def text_of(name: bytes | None) -> str | None:
    """A name that the peer has sent; None for none, and for what cannot be one."""
    try:
        return name.decode("ascii").lower() if name else None
    except UnicodeDecodeError:
        return None


def _whole_records(data: bytes) -> tuple[int, int]:
    """Up to where `data` is whole records, and how many they are.

    Up to its end, and -1, where OpenSSL will find a fault.
    """
    position, end, count = 0, len(data), 0
    while position < end:
        if data[position] not in RECORD_TYPES:
            return end, -1
        if position + 5 > end:
            break
        length = data[position + 3] << 8 | data[position + 4]
        if length > LONGEST_RECORD:
            return end, -1
        if position + 5 + length > end:
            break
        position += 5 + length
        count += 1
    return position, count


@implementer(ITLSEngine)
class PyOpenSSLEngine:
    """`server_name`: we begin the handshake, with a server of that name; None: the peer does.

    Only whole records go into the BIO: n of them need n reads at the most, where asking for
    more would cost another one and an exception. And a BIO never shrinks, so it is fed and
    emptied a record's size at a time.
    """

    __slots__ = ("_connection", "_context", "_done", "_partial", "closed", "established", "talks")

    def __init__(self, context: SSL.Context, server_name: str | None = None) -> None:
        self._context: SSL.Context | None = context  # owns the callbacks of the handshake
        self._connection = SSL.Connection(context, None)
        self._connection.set_app_data(Verdict() if context.get_verify_mode() else None)
        if server_name is None:
            self._connection.set_accept_state()
        else:
            self._greet(server_name)
        self._partial = b""
        self._done = False  # failed, or close_notify sent
        self.established = False
        self.closed = False
        self.talks = False

    def _greet(self, server_name: str) -> None:
        """We begin: the first flight waits in `outgoing`. An address is no name (RFC 6066 §3)."""
        self._connection.set_connect_state()
        try:
            ipaddress.ip_address(server_name.strip("[]"))
        except ValueError:
            self._connection.set_tlsext_host_name(server_name.encode("ascii", "ignore"))
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            pass

    def receive(self, data: bytes) -> bytes:
        if self.closed:  # nothing would ever read it from the BIO (RFC 8446 §6.1)
            return b""
        if self._partial:
            data = self._partial + data
            self._partial = b""
        whole, count = _whole_records(data)
        if whole < len(data):
            self._partial = data[whole:]
            data = data[:whole]
        plaintext: list[bytes] = []
        for start in range(0, whole, RECORD_BYTES):
            try:
                self._connection.bio_write(data[start : start + RECORD_BYTES])
                if not self.established:
                    self._connection.do_handshake()
                    self.established = True
                    self._context = None
                self._read(plaintext, count if whole <= RECORD_BYTES else -1)
            except SSL.Error as error:
                self._stopped(error)
        return plaintext[0] if len(plaintext) == 1 else b"".join(plaintext)

    def _read(self, plaintext: list[bytes], count: int) -> None:
        """Read `count` times, or (-1) until there is no more; SSL.Error tells why."""
        while count:
            plaintext.append(self._connection.recv(RECORD_BYTES))
            count -= 1

    def _stopped(self, error: SSL.Error) -> None:
        """Why there is no more plaintext: normal, the end, or a failure."""
        self.talks = True
        if isinstance(error, SSL.WantReadError):
            return
        if isinstance(error, SSL.ZeroReturnError):
            self.closed = True
            return
        self._done = True
        raise TLSError(reason_of(error)) from None

    def send(self, data: bytes) -> bytes:
        size = len(data)
        try:
            if size <= RECORD_BYTES:
                self._connection.send(data)
                out = self._connection.bio_read(size + 256)
                return out if len(out) < size + 256 else out + self.outgoing()
            out = b""
            for start in range(0, size, RECORD_BYTES):
                self._connection.send(data[start : start + RECORD_BYTES])
                out += self.outgoing()
        except SSL.Error as error:
            self._done = True
            raise TLSError(reason_of(error)) from None
        return out

    def outgoing(self) -> bytes:
        self.talks = False
        parts: list[bytes] = []
        try:
            while not parts or len(parts[-1]) == RECORD_BYTES:
                parts.append(self._connection.bio_read(RECORD_BYTES))
        except SSL.Error:  # WantReadError: it is empty
            pass
        return b"".join(parts)

    def close(self) -> bytes:
        if self._done or not self.established:
            return b""
        self._done = True
        try:
            self._connection.shutdown()
        except SSL.Error:
            pass
        return self.outgoing()

    def channel_binding(self, name: str) -> bytes | None:
        if not self.established:
            return None
        if name == "tls-exporter" and self._exporter_is_unique():
            # b"", not None: under TLS 1.2 no context and an empty one differ (RFC 5705 §4).
            return self._connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        if name == "tls-server-end-point":
            return END_POINTS.get(self._connection.get_context())  # SNI has chosen it
        if name == "tls-unique" and self.version != "TLSv1.3" and self._exporter_is_unique():
            return self._first_finished()
        return None

    def _first_finished(self) -> bytes | None:
        """RFC 5929 §3.1: the server's where a session is resumed, else the client's."""
        reused = getattr(LIB, "SSL_session_reused", None)
        if reused is None:
            return None
        if reused(self._connection._ssl):
            return self._connection.get_finished()
        return self._connection.get_peer_finished()

    def _exporter_is_unique(self) -> bool:
        """RFC 9266 §4.2, RFC 7677 §4: below TLS 1.3 only with the extended master secret."""
        if self.version == "TLSv1.3":
            return True
        supports = getattr(LIB, "SSL_get_extms_support", None)
        return supports is not None and supports(self._connection._ssl) == 1

    @property
    def server_name(self) -> str | None:
        return text_of(self._connection.get_servername())

    @property
    def alpn(self) -> str | None:
        return text_of(self._connection.get_alpn_proto_negotiated())

    @property
    def version(self) -> str:
        return self._connection.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        return self._connection.get_cipher_name() or ""

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        try:
            return self._connection.get_peer_certificate(as_cryptography=True)
        except ValueError:  # one that OpenSSL reads and cryptography does not
            return None

    @property
    def peer_chain(self) -> tuple[x509.Certificate, ...]:
        try:
            return tuple(self._connection.get_peer_cert_chain(as_cryptography=True) or ())
        except ValueError:
            return ()

    @property
    def peer_verified(self) -> bool:
        return self.peer_problem == "" and self.peer_certificate is not None

    @property
    def peer_problem(self) -> str:
        verdict = self._connection.get_app_data()
        return UNCHECKED if verdict is None else str(verdict.problem)


def reason_of(error: SSL.Error) -> str:
    """`error` in OpenSSL's words, as "wrong version number"."""
    first = error.args[0] if error.args else None
    if isinstance(first, list) and first:
        return str(first[-1][-1])
    return " ".join(str(part) for part in error.args) or type(error).__name__
