"""A client in the raw: bytes out, and whatever the server says to them."""

import base64
import hashlib
import hmac
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from xml.etree.ElementTree import Element
from xml.parsers.expat import ParserCreate

DOMAIN = "example.org"
HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0'"
    " xmlns:stream='http://etherx.jabber.org/streams' to='example.org'>"
)
END = b"</stream:stream>"
CLIENT = "{jabber:client}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
STREAMS = "{http://etherx.jabber.org/streams}"
STANZA_ERROR = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
STREAM_ERROR = "{urn:ietf:params:xml:ns:xmpp-streams}"
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PATIENCE_S = 10.0  # for what must come; what must not come is found out by a later answer
CLOSED_S = 5.0  # from a stream error to the end of the connection


class Door(Protocol):
    """What a wire needs to know of the server."""

    port: int
    tls_port: int

    def new_address(self) -> str: ...


def context(
    version: ssl.TLSVersion | None = None, certificate: tuple[Path, Path] | None = None
) -> ssl.SSLContext:
    """Of a client that believes any certificate, and speaks one version of TLS only if asked."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if version is not None:
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.maximum_version = made.minimum_version = version
    if certificate is not None:
        made.load_cert_chain(*certificate)
    return made


CONTEXT = context()


class Wire:
    """One connection from a loopback address of its own, so that its lines of the log are known
    and no limit of an address is shared.
    """

    def __init__(
        self,
        door: Door,
        *,
        source: str | None = None,
        port: int | None = None,
        patience: float = 0,
    ) -> None:
        self.source = source or door.new_address()
        where = ("127.0.0.1", port or door.port)
        patience = patience or PATIENCE_S
        self.socket: socket.socket = socket.create_connection(
            where, patience, source_address=(self.source, 0)
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = bytearray()  # since the stream began
        self.ended = ""  # "fin" or "reset"
        self.jid = ""

    def send(self, data: str | bytes) -> "Wire":
        """What the server does not take any more, because it has closed, is no failure."""
        try:
            self.socket.sendall(data.encode() if isinstance(data, str) else data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass
        return self

    def trickle(self, data: bytes, size: int = 1) -> "Wire":
        for at in range(0, len(data), size):
            self.send(data[at : at + size])
        return self

    @property
    def received(self) -> bytes:
        """What came since the stream began, or since it was forgotten: set it to b""."""
        return bytes(self._came)

    @received.setter
    def received(self, data: bytes) -> None:
        self._came = bytearray(data)

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            self.ended = "reset"
            return False
        except ssl.SSLError:
            self.ended = "tls alert"
            return False
        if not data:
            self.ended = "fin"
        self._came += data
        return bool(data)

    def until(self, *marks: str) -> bytes:
        """All of the stream, up to one of `marks`."""
        wanted = [mark.encode() for mark in marks]
        start = 0
        while not any(self._came.find(mark, start) >= 0 for mark in wanted):
            start = max(0, len(self._came) - 4096)
            assert self._more(), f"closed before {marks}: {self.received!r:.2000}"
        return self.received

    def until_closed(self, within: float = CLOSED_S) -> bytes:
        deadline = time.monotonic() + within
        while not self.ended:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self._more()
        return self.received

    def new_stream(self) -> "Wire":
        self.received = b""
        return self

    def header(self, header: str = HEADER) -> "Wire":
        self.new_stream().send(header)
        self.until("</stream:features>")
        return self

    def starttls(self, tls: ssl.SSLContext = CONTEXT, name: str | None = DOMAIN) -> "Wire":
        self.header()
        self.send(STARTTLS).until("<proceed")
        self.socket = tls.wrap_socket(self.socket, server_hostname=name)
        return self

    def secured(self, tls: ssl.SSLContext = CONTEXT) -> "Wire":
        """Under TLS, the features read."""
        return self.starttls(tls).header()

    def auth(self, mechanism: str, payload: bytes | None) -> "Wire":
        body = "" if payload is None else (b64(payload) or "=")
        self.received = b""
        return self.send(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{body}</auth>"
        )

    def outcome(self) -> str:
        """success, challenge or the condition of the failure."""
        self.until("</failure>", "<success", "</challenge>", "<challenge ", "</stream:stream>")
        if b"<failure" in self.received:
            self.until("</failure>")
        (last,) = list(elements(self.received))[-1:]
        name = last.tag.rpartition("}")[2]
        return last[0].tag.rpartition("}")[2] if name in ("failure", "error") else name

    def login(self, user: str, password: str = "") -> "Wire":
        """TLS, SASL and the new stream; nothing is bound."""
        self.secured()
        self.auth("PLAIN", f"\0{user}\0{password or password_of(user)}".encode())
        assert self.outcome() == "success", self.received
        return self.header()

    def bind(self, resource: str = "") -> "Wire":
        wanted = f"<resource>{resource}</resource>" if resource else ""
        self.send(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            f"{wanted}</bind></iq>"
        )
        self.until("</iq>")
        jid = self.stanzas()[-1].find(".//{urn:ietf:params:xml:ns:xmpp-bind}jid")
        assert jid is not None, self.received
        self.jid = jid.text or ""
        return self

    def session(self, user: str, resource: str = "") -> "Wire":
        return self.login(user).bind(resource)

    def online(self, user: str, resource: str = "") -> "Wire":
        """Available; what was kept for it while it was away has come."""
        self.session(user, resource)
        self.send(f"<presence/><message to='{self.jid}' id='online'/>")
        self.until("id='online'")
        return self

    def sync(self) -> "Wire":
        """All that was sent before has been taken, all that it caused here has come."""
        self._syncs = getattr(self, "_syncs", 0) + 1
        name = f"sync-{self._syncs}"
        self.send(f"<iq type='get' id='{name}' to='{DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.until(f"id='{name}'")
        return self

    def stanzas(self) -> list[Element]:
        """The children of the stream so far, in order."""
        return list(elements(self.received))

    def answer(self, id_: str) -> Element:
        """The answer to a stanza: what came with its id."""
        self.until(f"id='{id_}'")
        self.sync()
        return next(s for s in self.stanzas() if s.get("id") == id_)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """RST in place of FIN."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()


def elements(stream: bytes) -> Iterator[Element]:
    """The whole children of a stream's root; what is unfinished is left out. `stream` may begin
    behind the header. Raises ExpatError, should we write what is no XML.
    """
    path: list[Element] = []
    done: list[Element] = []

    def start(name: str, attrs: dict[str, str]) -> None:
        element = Element(_tag(name), {_tag(attr): value for attr, value in attrs.items()})
        if len(path) > 1:
            path[-1].append(element)
        path.append(element)

    def end(_name: str) -> None:
        element = path.pop()
        if len(path) == 1:
            done.append(element)

    def text(data: str) -> None:
        if not len(path[-1]):
            path[-1].text = (path[-1].text or "") + data
        else:
            path[-1][-1].tail = (path[-1][-1].tail or "") + data

    parser = ParserCreate(namespace_separator="\x01")  # "}" may be part of a namespace
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text
    if not stream.startswith(b"<?xml"):
        stream = HEADER.encode() + stream
    parser.Parse(stream, False)
    return iter(done)


def _tag(name: str) -> str:
    ns, _, local = name.rpartition("\x01")
    return f"{{{ns}}}{local}" if ns else local


def error_condition(stanza: Element) -> str:
    """Of an error stanza; "" where it is none."""
    error = stanza.find(f"{CLIENT}error")
    if error is None or stanza.get("type") != "error":
        return ""
    names = [child.tag.removeprefix(STANZA_ERROR) for child in error]
    return names[0]


def stream_error(received: bytes) -> str:
    """The condition of the stream error, "" if there is none."""
    for element in elements(received):
        if element.tag == f"{STREAMS}error":
            return element[0].tag.removeprefix(STREAM_ERROR)
    return ""


def password_of(user: str) -> str:
    return f"secret of {user}"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Scram:
    """The client's side (RFC 5802 §3); a test changes what it says."""

    def __init__(self, user: str, hash_name: str = "sha256", gs2: str = "n,,") -> None:
        self.gs2 = gs2
        self.hash = hash_name
        self.bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"
        self.password = password_of(user)
        self.nonce = self.salt = ""

    @property
    def first(self) -> bytes:
        return (self.gs2 + self.bare).encode()

    def final(self, challenge: bytes, binding: bytes = b"", nonce: str | None = None) -> bytes:
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        self.nonce, self.salt = fields["r"], fields["s"]
        bound = b64(self.gs2.encode() + binding)
        unproven = f"c={bound},r={self.nonce if nonce is None else nonce}"
        signed = f"{self.bare},{challenge.decode()},{unproven}".encode()
        salt, rounds = base64.b64decode(self.salt), int(fields["i"])
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), salt, rounds)
        key = hmac.digest(salted, b"Client Key", self.hash)
        signature = hmac.digest(hashlib.new(self.hash, key).digest(), signed, self.hash)
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        return f"{unproven},p={b64(proof)}".encode()


def challenge_of(wire: Wire) -> bytes:
    assert wire.outcome() == "challenge", wire.received
    (said,) = list(elements(wire.received))[-1:]
    return base64.b64decode(said.text or "")


def respond(wire: Wire, payload: bytes) -> Wire:
    wire.received = b""
    return wire.send(
        f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{b64(payload) or '='}</response>"
    )
