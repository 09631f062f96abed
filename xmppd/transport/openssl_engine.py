"""The complete engine: pyOpenSSL on memory BIOs, with the fewest calls for a message.

`PyOpenSSLEngine` uses pyOpenSSL's public calls, and is all that a handshake needs. `DirectEngine`
makes the calls of a message into OpenSSL itself, by the binding and the handles that pyOpenSSL
keeps under private names. That takes less than half the time, and lets go of what memory BIOs
hold: one never shrinks, so a roster sent once would stay with its session for ever. Whether those
names are there is found out at import; with a pyOpenSSL that has others, the public calls do.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from OpenSSL import (
    SSL,
    _util,  # private: see above
)
from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.transport.certificates import Credentials, end_point_binding
from xmppd.transport.tls import BINDING_TYPES, CIPHERS, RECORD_BYTES, ITLSEngine, TLSError

if TYPE_CHECKING:
    from cryptography import x509
    from OpenSSL.crypto import X509

    from xmppd.transport.trust import Trust

RECORD_TYPES = range(20, 24)
LONGEST_RECORD = RECORD_BYTES + 256  # encrypted (RFC 8446 §5.2)
UNCHECKED = "no certificate"

LIB: Any = getattr(_util, "lib", None)  # objects of cffi have no types
FFI: Any = getattr(_util, "ffi", None)
BINDINGS = (
    "BIO_new",
    "BIO_read",
    "BIO_s_mem",
    "BIO_write",
    "SSL_read",
    "SSL_set_bio",
    "SSL_write",
)
HANDLES = ("_from_ssl", "_into_ssl", "_raise_ssl_error", "_ssl")
_EXPORTER, _EXPORTER_AND_END_POINT = BINDING_TYPES[:1], BINDING_TYPES[::2]
SMALL = 512  # a BIO that has held more than this is exchanged, for a microsecond


# The channel binding of each context's certificate, for as long as the context is in use.
_END_POINTS: WeakKeyDictionary[SSL.Context, bytes | None] = WeakKeyDictionary()


class _Verdict:
    """What verification said about the peer's chain: the first problem, "" for none."""

    __slots__ = ("problem",)

    def __init__(self) -> None:
        self.problem = UNCHECKED


def _note_verdict(
    connection: SSL.Connection, certificate: X509, error: int, depth: int, ok: int
) -> bool:
    """Accept every chain: whether an unverified certificate will do is judged later."""
    verdict = connection.get_app_data()
    if not ok and verdict.problem in ("", UNCHECKED):
        verdict.problem = f"{_error_name(error)} (depth {depth})"
    elif depth == 0 and verdict.problem == UNCHECKED:
        verdict.problem = ""
    return True


def _error_name(error: int) -> str:
    for name, value in vars(SSL.X509VerificationCodes).items():
        if value == error and name.startswith("ERR_"):
            return name.removeprefix("ERR_").replace("_", " ").lower()
    return f"verification error {error}"


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
        _END_POINTS[context] = end_point_binding(credentials.certificate)
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
        return ENGINE(self._context)

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
        name = _text(connection.get_servername())
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


def _text(name: bytes | None) -> str | None:
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
        if context.get_verify_mode():
            self._connection.set_app_data(_Verdict())
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
        raise TLSError(_reason(error)) from None

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
            raise TLSError(_reason(error)) from None
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
            return _END_POINTS.get(self._connection.get_context())  # SNI has chosen it
        if name == "tls-unique" and self.version != "TLSv1.3" and self._exporter_is_unique():
            return self._first_finished()
        return None

    @property
    def binding_types(self) -> tuple[str, ...]:
        """Most clients want none: those of TLS 1.3 are named without being computed."""
        if not self.established or self.version != "TLSv1.3":
            return tuple(name for name in BINDING_TYPES if self.channel_binding(name))
        end_point = _END_POINTS.get(self._connection.get_context())
        return _EXPORTER if end_point is None else _EXPORTER_AND_END_POINT

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
        return _text(self._connection.get_servername())

    @property
    def alpn(self) -> str | None:
        return _text(self._connection.get_alpn_proto_negotiated())

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


def _reason(error: SSL.Error) -> str:
    """`error` in OpenSSL's words, as "wrong version number"."""
    first = error.args[0] if error.args else None
    if isinstance(first, list) and first:
        return str(first[-1][-1])
    return " ".join(str(part) for part in error.args) or type(error).__name__


def direct_is_possible(lib: Any, ffi: Any, connection: SSL.Connection) -> bool:
    """pyOpenSSL still has the private names that `DirectEngine` uses, and they do what they did.

    `lib` has all BINDINGS, `connection` all HANDLES, and a BIO takes bytes and gives them back.
    """
    try:
        if not all(callable(getattr(lib, name)) for name in BINDINGS):
            return False
        into, _, _, _ = (getattr(connection, name) for name in HANDLES)
        buffer = ffi.new("char[]", 4)
        lib.BIO_write(into, b"a\0b", 3)
        return bool(lib.BIO_read(into, buffer, 4) == 3 and ffi.buffer(buffer)[:3] == b"a\0b")
    except Exception:  # whatever it is: the public calls are always there
        return False


DIRECT = direct_is_possible(LIB, FFI, SSL.Connection(SSL.Context(SSL.TLS_SERVER_METHOD), None))

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
            raise TLSError(_reason(error)) from None
        raise TLSError("nothing was written")

    def outgoing(self) -> bytes:
        self.talks = False
        out: list[bytes] = []
        self._drain(out)
        if self.established and not self._done:  # the handshake's last flight, or as rare
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
