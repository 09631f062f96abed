"""The load: clients as lean as they can be. Bytes are made beforehand, and answers are counted,
not parsed; but each message carries a number, so that none is lost, doubled or overtaken unseen.
"""

import base64
import functools
import hashlib
import hmac
import os
import re
import selectors
import socket
import ssl
import uuid
from collections.abc import Sequence
from typing import NamedTuple, Self

TIMEOUT_S = 60.0
READ_BYTES = 65536
_TOKEN = re.compile(rb"#([0-9]{8})#")
_LONGEST_TOKEN = 10
RESOURCE = "bench"
BIND = (
    b"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
    b"<resource>%s</resource></bind></iq>"
) % RESOURCE.encode()

SASL = b"xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
AUTH = b"<auth " + SASL + b" mechanism='SCRAM-%s'>%s</auth>"
RESPONSE = b"<response " + SASL + b">%s</response>"


FAST = "urn:xmpp:fast:0"
TOKEN_MECHANISM = "HT-SHA-256-NONE"


class LoadError(Exception):
    """The server under test did something else than it should."""


class Target(NamedTuple):
    """Where a server under test is, and how its accounts log in: all with one password, and with
    SCRAM of the hash whose keys the server keeps.
    """

    address: str
    port: int
    domain: str
    password: str
    scram: str = "SHA-1"
    tls: bool = True


class Token(NamedTuple):
    """With which a client logs in instead of the password (XEP-0484)."""

    user: str
    agent: str
    secret: bytes


def authenticate(mechanism: str, secret: bytes, agent: str, extra: str) -> bytes:
    """All of a login in one element (XEP-0388 §2.2)."""
    return (
        f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'><initial-response>"
        f"{base64.b64encode(secret).decode()}</initial-response><user-agent id='{agent}'/>"
        f"{extra}</authenticate>"
    ).encode()


class Numbers:
    """Numbers of eight digits in what arrives: each once, one after the other; the last one again
    where servers do so.
    """

    __slots__ = ("_repeated", "_rest", "received")

    def __init__(self, *, repeated: bool = False) -> None:
        self.received = 0
        self._repeated = repeated
        self._rest = b""

    @staticmethod
    def token(number: int) -> bytes:
        return b"#%08d#" % number

    def take(self, data: bytes) -> int:
        """How many more have arrived. Raises LoadError for one that is not the next."""
        data = self._rest + data
        before, end = self.received, 0
        for found in _TOKEN.finditer(data):
            number, end = int(found[1]), found.end()
            if self._repeated and number == self.received - 1:
                continue
            if number < self.received:
                raise LoadError(f"message {number} came twice or late")
            if number > self.received:
                raise LoadError(f"message {self.received} is lost: {number} came in its place")
            self.received += 1
        self._rest = data[max(end, len(data) - _LONGEST_TOKEN + 1) :]
        return self.received - before


class Client:
    """One client on a blocking socket."""

    def __init__(self, connected: socket.socket, target: Target, user: str) -> None:
        self.jid = f"{user}@{target.domain}/{RESOURCE}"
        self._target = target
        self._user = user
        self._socket = connected
        self.resumes = False  # whether TLS went on with an earlier session

    @classmethod
    def log_in(cls, target: Target, user: str, resumed: ssl.SSLSession | None = None) -> Self:
        """Connect, STARTTLS, SASL, bind. `resumed` is a TLS session to go on with: whether the
        server did is told by `resumes`. Raises LoadError when refused.
        """
        client = cls._connect(target, user, resumed)
        client._authenticate()
        client._open_stream()
        client.ask(BIND, b"</iq>")
        return client

    @classmethod
    def _connect(cls, target: Target, user: str, resumed: ssl.SSLSession | None = None) -> Self:
        """Connected, secured, and offered mechanisms."""
        connected = socket.create_connection((target.address, target.port), timeout=TIMEOUT_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = cls(connected, target, user)
        client._open_stream()
        if target.tls:
            client.ask(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b"<proceed")
            client.secure(resumed)
            client._open_stream()
        return client

    def secure(self, resumed: ssl.SSLSession | None = None) -> None:
        """TLS, from here on."""
        name = self._target.domain
        secured = _tls().wrap_socket(self._socket, server_hostname=name, session=resumed)
        self.resumes = bool(secured.session_reused)
        self._socket = secured

    @classmethod
    def ask_token(cls, target: Target, user: str) -> "Token":
        """A token for later logins (XEP-0484 §3.3). Raises LoadError where there is none."""
        client = cls._connect(target, user)
        agent = str(uuid.uuid4())
        secret = f"\0{user}\0{target.password}".encode()
        extra = f"<request-token xmlns='{FAST}' mechanism='{TOKEN_MECHANISM}'/>"
        heard = client.ask(authenticate("PLAIN", secret, agent, extra), b"</success>")
        client.close()
        found = re.search(rb" token=['\"]([^'\"]+)", heard)
        if found is None:
            raise LoadError(f"{target.address} gives no token to {user}")
        return Token(user, agent, found[1])

    @classmethod
    def log_in_by(cls, target: Target, token: "Token") -> Self:
        """As `log_in`, with a token, and with the bind in the same round trip (XEP-0386)."""
        client = cls._connect(target, token.user)
        proof = hmac.digest(token.secret, b"Initiator", "sha256")
        secret = token.user.encode() + b"\0" + proof
        extra = f"<fast xmlns='{FAST}'/><bind xmlns='urn:xmpp:bind:0'><tag>bench</tag></bind>"
        client.ask(authenticate(TOKEN_MECHANISM, secret, token.agent, extra), b"</success>")
        return client

    def _authenticate(self) -> None:
        """SCRAM (RFC 5802, RFC 7677), as clients do: with PLAIN some servers derive the keys, and
        what that leaves on their heaps is not what a session takes.
        """
        name = self._target.scram
        first = f"n={self._user},r={base64.b64encode(os.urandom(15)).decode()}"
        data = base64.b64encode(f"n,,{first}".encode())
        challenge = _content(self.ask(AUTH % (name.encode(), data), b"</challenge>"))
        final, signature = scram(name, self._target.password, first, challenge)
        heard = self.ask(RESPONSE % base64.b64encode(final), b"<success")
        if _content(heard) != b"v=" + signature:
            raise LoadError(f"{self._target.address} does not know the password of {self.jid}")

    @property
    def ticket(self) -> ssl.SSLSession | None:
        """What a later login may resume; None where the server gives none."""
        assert isinstance(self._socket, ssl.SSLSocket)
        session = self._socket.session
        return session if session is not None and session.has_ticket else None

    def _open_stream(self) -> None:
        header = (
            f"<?xml version='1.0'?><stream:stream to='{self._target.domain}' version='1.0' "
            "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        self.ask(header.encode(), b"</stream:features>")

    def ask(self, data: bytes, *until: bytes) -> bytes:
        """Say `data`, read up to one of `until`; gives what was read."""
        self.send(data)
        heard = b""
        while not any(end in heard for end in until):
            heard += self.receive()
            if b"<failure" in heard or b"type='error'" in heard or b"<stream:error" in heard:
                raise LoadError(f"{self.jid} was refused: {heard.decode(errors='replace')}")
        return heard

    def be_available(self) -> None:
        """Send presence, and see it come back (RFC 6121 §4.2.2)."""
        self.ask(b"<presence/>", b"<presence")

    def sync(self) -> bytes:
        """Until the server has seen all that was sent: a ping (XEP-0199) comes back. Gives what
        was read.
        """
        ping = "<iq type='get' id='sync' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>"
        return self.ask((ping % self._target.domain).encode(), b"sync")

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """What the server sent. Raises LoadError when it closes or is silent for a minute."""
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            raise LoadError(f"{self.jid} waits in vain: something is lost") from None
        if not data:
            raise LoadError(f"the server closed the stream of {self.jid}")
        return data

    def receive_all(self) -> bytes:
        """As `receive`, with all that TLS has decrypted: a selector does not see that."""
        data = self.receive()
        if isinstance(self._socket, ssl.SSLSocket):
            while self._socket.pending():
                data += self.receive()
        return data

    def close(self) -> None:
        """End the stream; the answer is not waited for."""
        try:
            self.send(b"</stream:stream>")
        except OSError:
            pass
        self._socket.close()


def _content(heard: bytes) -> bytes:
    """What the last challenge or success holds."""
    found = re.findall(rb"<(?:challenge|success)[^>]*>([^<]*)<", heard)
    return base64.b64decode(found[-1]) if found else b""


def scram(name: str, password: str, first: str, challenge: bytes) -> tuple[bytes, bytes]:
    """The client's final message and the server's signature in base64 (RFC 5802 §3, §5)."""
    hashed = name.replace("-", "").lower()
    given = dict(part.split("=", 1) for part in challenge.decode().split(","))
    salted = salted_password(hashed, password, base64.b64decode(given["s"]), int(given["i"]))
    bare = f"c=biws,r={given['r']}"
    spoken = f"{first},{challenge.decode()},{bare}".encode()
    client = hmac.digest(salted, b"Client Key", hashed)
    signed = hmac.digest(hashlib.new(hashed, client).digest(), spoken, hashed)
    proof = bytes(a ^ b for a, b in zip(client, signed, strict=True))
    signature = hmac.digest(hmac.digest(salted, b"Server Key", hashed), spoken, hashed)
    return f"{bare},p={base64.b64encode(proof).decode()}".encode(), base64.b64encode(signature)


@functools.lru_cache(maxsize=256)
def salted_password(hashed: str, password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac(hashed, password.encode(), salt, iterations)


@functools.cache
def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Loop:
    """Numbered stanzas from one client, until each has come to another, or to the same: a stanza
    is sent when fewer than `window` are under way.
    """

    def __init__(self, sender: Client, receiver: Client, stanza: bytes) -> None:
        """`stanza` has one `%s`, where the number goes."""
        self._sender = sender
        self._receiver = receiver
        self._numbers = Numbers()
        self._stanza = stanza

    def run(self, count: int, window: int) -> None:
        """Send `count` stanzas and receive them. Raises LoadError if one is lost or doubled."""
        numbers = self._numbers
        first = sent = numbers.received
        stanzas = [self._stanza % Numbers.token(first + number) for number in range(count)]
        while numbers.received < first + count:
            room = min(window - (sent - numbers.received), first + count - sent)
            if room:
                # One write for each: a client that types, not one that uploads.
                for stanza in stanzas[sent - first : sent - first + room]:
                    self._sender.send(stanza)
                sent += room
            numbers.take(self._receiver.receive())

    def close(self) -> None:
        self._sender.close()
        self._receiver.close()


def message(to: str) -> bytes:
    """A chat message, its number in the body."""
    text = f"<message to='{to}' type='chat'><body>Wherefore art%s thou, Romeo?</body></message>"
    return text.encode()


class Chat(Loop):
    """Messages from one user to another."""

    def __init__(self, sender: Client, receiver: Client) -> None:
        super().__init__(sender, receiver, message(receiver.jid))


SHOWN = b"<presence><status>At the wall%s</status></presence>"


class Fan:
    """What one user says, delivered to many: presence, which comes back to its sender too (RFC
    6121 §4.2.2), or another numbered stanza; whether that does is not looked at.
    """

    def __init__(
        self,
        sender: Client,
        receivers: Sequence[Client],
        stanza: bytes = SHOWN,
        *,
        repeated: bool = False,
    ) -> None:
        self._sender = sender
        self._receivers = receivers
        self._stanza = stanza
        self._copies = len(receivers) + (stanza is SHOWN)
        self._sent = 0
        self._selector = selectors.DefaultSelector()
        for client in receivers:
            self._register(client, Numbers(repeated=repeated))
        self._register(sender, Numbers() if stanza is SHOWN else None)

    def _register(self, client: Client, numbers: Numbers | None) -> None:
        self._selector.register(client, selectors.EVENT_READ, (client, numbers))

    def run(self, count: int) -> None:
        """`count` times, until all have got it. Raises LoadError if one has not, or twice."""
        for _ in range(count):
            token = Numbers.token(self._sent)
            self._sent += 1
            self._sender.send(self._stanza % token)
            missing = self._copies
            while missing:
                missing -= self._take()

    def _take(self) -> int:
        ready = self._selector.select(TIMEOUT_S)
        if not ready:
            raise LoadError(f"number {self._sent - 1} did not come to all")
        came = 0
        for key, _ in ready:
            client, numbers = key.data
            data = client.receive_all()
            came += 0 if numbers is None else numbers.take(data)
        return came

    def close(self) -> None:
        self._selector.close()
        for client in (self._sender, *self._receivers):
            client.close()
