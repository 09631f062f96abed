"""The load: clients as lean as they can be. Bytes are made beforehand, and answers are counted,
not parsed; but each message carries a number, so that none is lost, doubled or overtaken unseen.
"""

import base64
import functools
import hashlib
import hmac
import multiprocessing
import os
import re
import socket
import ssl
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
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
AUTH = b"<auth " + SASL + b" mechanism='SCRAM-SHA-1'>%s</auth>"
RESPONSE = b"<response " + SASL + b">%s</response>"


class LoadError(Exception):
    """The server under test did something else than it should."""


class Target(NamedTuple):
    """Where a server under test is, and how its accounts log in: all with one password."""

    address: str
    port: int
    domain: str
    password: str


class Numbers:
    """Numbers of eight digits in what arrives: each once, one after the other."""

    __slots__ = ("_rest", "received")

    def __init__(self) -> None:
        self.received = 0
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

    @classmethod
    def log_in(cls, target: Target, user: str) -> Self:
        """Connect, STARTTLS, SASL, bind. Raises LoadError when refused."""
        connected = socket.create_connection((target.address, target.port), timeout=TIMEOUT_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = cls(connected, target, user)
        client._open_stream()
        client._ask(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b"<proceed")
        client._socket = _tls().wrap_socket(connected, server_hostname=target.domain)
        client._authenticate()
        client._open_stream()
        client._ask(BIND, b"</iq>")
        return client

    def _authenticate(self) -> None:
        """SCRAM-SHA-1 (RFC 5802), as clients do: with PLAIN some servers derive the keys, and
        what that leaves on their heaps is not what a session takes.
        """
        self._open_stream()
        first = f"n={self._user},r={base64.b64encode(os.urandom(15)).decode()}"
        data = base64.b64encode(f"n,,{first}".encode())
        challenge = _content(self._ask(AUTH % data, b"</challenge>"), b"challenge")
        final, signature = scram_sha1(self._target.password, first, challenge)
        heard = self._ask(RESPONSE % base64.b64encode(final), b"<success")
        if _content(heard, b"success") != b"v=" + signature:
            raise LoadError(f"{self._target.address} does not know the password of {self.jid}")

    def _open_stream(self) -> None:
        header = (
            f"<?xml version='1.0'?><stream:stream to='{self._target.domain}' version='1.0' "
            "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        self._ask(header.encode(), b"</stream:features>")

    def _ask(self, data: bytes, until: bytes) -> bytes:
        """Say `data`, read up to `until`; gives what was read."""
        self.send(data)
        heard = b""
        while until not in heard:
            heard += self.receive()
            if b"<failure" in heard or b"type='error'" in heard or b"<stream:error" in heard:
                raise LoadError(f"{self.jid} was refused: {heard.decode(errors='replace')}")
        return heard

    def be_available(self) -> None:
        """Send presence, and see it come back (RFC 6121 §4.2.2)."""
        self._ask(b"<presence/>", b"<presence")

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

    def close(self) -> None:
        """End the stream; the answer is not waited for."""
        try:
            self.send(b"</stream:stream>")
        except OSError:
            pass
        self._socket.close()


def _content(heard: bytes, name: bytes) -> bytes:
    found = re.search(rb"<%s[^>]*>([^<]*)<" % name, heard)
    return base64.b64decode(found[1]) if found else b""


def scram_sha1(password: str, first: str, challenge: bytes) -> tuple[bytes, bytes]:
    """The client's final message and the server's signature in base64 (RFC 5802 §3, §5)."""
    given = dict(part.split("=", 1) for part in challenge.decode().split(","))
    salted = _salted(password, base64.b64decode(given["s"]), int(given["i"]))
    bare = f"c=biws,r={given['r']}"
    spoken = f"{first},{challenge.decode()},{bare}".encode()
    client = hmac.digest(salted, b"Client Key", "sha1")
    signed = hmac.digest(hashlib.sha1(client).digest(), spoken, "sha1")
    proof = bytes(a ^ b for a, b in zip(client, signed, strict=True))
    signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha1"), spoken, "sha1")
    return f"{bare},p={base64.b64encode(proof).decode()}".encode(), base64.b64encode(signature)


@functools.lru_cache(maxsize=64)
def _salted(password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha1", password.encode(), salt, iterations)


@functools.cache
def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Chat:
    """Messages from one user to another; a message is sent when fewer than `window` are
    under way.
    """

    def __init__(self, sender: Client, receiver: Client) -> None:
        self._sender = sender
        self._receiver = receiver
        self._numbers = Numbers()
        self._head = f"<message to='{receiver.jid}' type='chat' id='m".encode()

    def run(self, count: int, window: int) -> None:
        """Send `count` messages and receive them. Raises LoadError if one is lost or doubled."""
        numbers = self._numbers
        first = sent = numbers.received
        messages = self._messages(first, count)
        while numbers.received < first + count:
            room = min(window - (sent - numbers.received), first + count - sent)
            if room:
                # One write for each: a client that types, not one that uploads.
                for message in messages[sent - first : sent - first + room]:
                    self._sender.send(message)
                sent += room
            numbers.take(self._receiver.receive())

    def _messages(self, first: int, count: int) -> list[bytes]:
        rest = b"%d'><body>Wherefore art%s thou, Romeo?</body></message>"
        return [
            self._head + rest % (number, Numbers.token(number))
            for number in range(first, first + count)
        ]

    def close(self) -> None:
        self._sender.close()
        self._receiver.close()


class Crowd:
    """Idle sessions, one of each user, held open by processes of their own."""

    def __init__(self, target: Target, users: Sequence[str], workers: int = 2) -> None:
        context = multiprocessing.get_context("spawn")
        self._workers = []
        for number in range(workers):
            ours, theirs = context.Pipe()
            arguments = (target, users[number::workers], theirs)
            worker = context.Process(target=_hold, args=arguments, daemon=True)
            worker.start()
            theirs.close()
            self._workers.append((worker, ours))

    def wait(self) -> None:
        """Until all are there. Raises LoadError if one is refused."""
        for _, pipe in self._workers:
            try:
                problem = pipe.recv()
            except EOFError:
                problem = "a worker died"
            if problem:
                raise LoadError(problem)

    def close(self) -> None:
        """Raises LoadError if a session has ended by itself."""
        problems = []
        for worker, pipe in self._workers:
            try:
                pipe.send("close")
                problems.append(pipe.recv())
            except (EOFError, OSError):
                problems.append("a worker died")
            worker.join()
        if any(problems):
            raise LoadError("; ".join(filter(None, problems)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker, _pipe in self._workers:
            worker.kill()
            worker.join()


def _hold(target: Target, users: Iterable[str], pipe: "Connection[str, str]") -> None:
    """In a worker: log in, say so, wait for the word, and see that all are still there."""
    clients = []
    try:
        for user in users:
            client = Client.log_in(target, user)
            client.be_available()
            clients.append(client)
    except (LoadError, OSError) as error:
        pipe.send(f"{user}: {error}")
        return
    pipe.send("")
    pipe.recv()
    lost = sum(not _alive(client) for client in clients)
    pipe.send(f"{lost} idle sessions of {target.address} were closed" if lost else "")


def _alive(client: Client) -> bool:
    try:
        client.be_available()
        client.close()
    except (LoadError, OSError):
        return False
    return True
