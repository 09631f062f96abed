"""A whole server in this process, with its usual modules and no network: what one call costs and
what one object takes is seen from here only.

Connections are true ones on socket pairs, so that writing is the system call that it is. Time is
a `Clock`, the database is in memory and answers at once.
"""

# ruff: noqa: N802, N815  # Twisted's names

import base64
import hashlib
import hmac
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent
from twisted.python.failure import Failure
from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.auth import Attempts
from xmppd.c2s import ClientFactory, Extensions, Service
from xmppd.c2s.negotiation import RESTART_S
from xmppd.config.server import C2SOptions
from xmppd.jid import JID, jid
from xmppd.modules.roster import items
from xmppd.testing import PASSWORD, Talk
from xmppd.transport.admission import Admission, AdmissionLimits
from xmppd.transport.certificates import self_signed
from xmppd.transport.flusher import Flusher
from xmppd.transport.store import CertificateStore
from xmppd.transport.wheel import TimerWheel

DOMAIN = "example.org"
HEADER = (
    f"<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0'"
    " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
).encode()
SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
Door = Callable[[Callable[[bytes], None], bytes], None]


@implementer(ILogObserver)  # type: ignore[untyped-decorator]
def discard(event: LogEvent) -> None:
    """Stands for the log: who observes costs, and here that is always the same."""


def straight(take: Callable[[bytes], None], data: bytes) -> None:
    """The door without a doorkeeper."""
    take(data)


def make_service(talk: Talk, clock: Any, *, tls: bool) -> Service:
    """What connections to the hosts of `talk` need; `clock` is a `Clock` or the reactor."""
    with tempfile.TemporaryDirectory() as folder:
        certificates = CertificateStore({DOMAIN: self_signed([DOMAIN], Path(folder))})
    return Service(
        hosts=talk.hosts,
        options=C2SOptions(plaintext_auth=not tls),
        certificates=certificates,
        flusher=Flusher(clock),
        wheel=TimerWheel(clock),
        clock=clock,
        admission=Admission(
            clock.seconds,
            AdmissionLimits(exempt=("127.0.0.0/8",)),
            descriptor_limit=10**6,
            descriptors=lambda: 0,
        ),
        attempts=Attempts(clock.seconds),
        extensions=Extensions(nonza=lambda host, ns, name: host.modules.nonza(ns, name)),
    )


class Inside:
    """The server. Every byte from a client goes in by `door`, where calls may be counted.

    Messages are archived with `archives` only: it would hide what else they cost.
    """

    def __init__(self, *, tls: bool = False, archives: bool = False) -> None:
        self.talk = Talk(without=() if archives else ("archive",))
        self.clock: Clock = self.talk.clock
        self.tls = tls
        self.door: Door = straight
        self.sent = 0  # bytes, to all clients
        self.service = make_service(self.talk, self.clock, tls=tls)
        self.factory = ClientFactory(self.service)

    def contacts(self, user: str, others: list[str]) -> None:
        """Subscribe them to each other, before anybody of them logs in."""
        rows = [
            {
                "host": DOMAIN,
                "user": of,
                "contact": f"{contact}@{DOMAIN}",
                "name": "",
                "groups": "[]",
                "to": True,
                "from_": True,
                "ask": False,
                "approved": False,
                "version": 1,
            }
            for other in others
            for of, contact in ((user, other), (other, user))
        ]
        _ = self.talk.database.run(lambda tx: tx.execute(sa.insert(items), rows))

    def online(self, address: str) -> "Client":
        """A client that has logged in and sent presence."""
        client = Client(self, address)
        client.log_in()
        client.says(b"<presence/>")
        return client


class Wire:
    """The transport, as far as a connection needs one beside its socket."""

    disconnecting = False

    def __init__(self, ours: socket.socket) -> None:
        self._ours = ours
        self.protocol: Any = None

    def getHandle(self) -> socket.socket:
        return self._ours

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 5)

    def pauseProducing(self) -> None:
        """Clients here wait for answers anyway."""

    def resumeProducing(self) -> None:
        """See `pauseProducing`."""

    def write(self, data: bytes) -> None:
        raise AssertionError("the socket's buffer is full")

    def loseConnection(self) -> None:
        self._ours.close()
        reason = Failure(ConnectionDone())  # type: ignore[no-untyped-call]
        protocol, self.protocol = self.protocol, None  # as Twisted lets go of it
        protocol.connectionLost(reason)

    abortConnection = loseWriteConnection = loseConnection


class Client:
    """One client. `says` gives what the server answered before its reactor's next pass."""

    def __init__(self, server: Inside, address: str) -> None:
        self.jid: JID = jid(address)
        server.talk.account(self.jid.bare)
        self._server = server
        ours, self._socket = socket.socketpair()
        for each in (ours, self._socket):
            each.setblocking(False)
        self._wire = Wire(ours)
        peer: Any = self._wire.getPeer()  # zope's interfaces say nothing to mypy
        connection = server.factory.buildProtocol(peer)
        assert connection is not None
        self.connection = connection
        self._wire.protocol = connection
        self._bound = False  # until then answers to headers are held back
        self._tls: ssl.SSLObject | None = None
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection.makeConnection(self._wire)  # type: ignore[no-untyped-call]

    def says(self, data: bytes) -> bytes:
        if self._tls is not None:
            self._tls.write(data)
            data = self._out.read()
        self._server.door(self.connection.dataReceived, data)
        return self.hears()

    def hears(self) -> bytes:
        """What has come since."""
        self._server.clock.advance(0 if self._bound else RESTART_S)
        data = self._read()
        if self._tls is None:
            return data
        self._in.write(data)
        try:
            return self._tls.read(1 << 20)
        except ssl.SSLWantReadError:
            return b""

    def _read(self) -> bytes:
        data = b""
        try:
            while more := self._socket.recv(1 << 20):
                data += more
        except BlockingIOError:
            pass
        self._server.sent += len(data)
        return data

    def log_in(self) -> None:
        """TLS if the server wants it, SCRAM-SHA-256, bind."""
        if self._server.tls:
            self.says(HEADER)
            self.says(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            self._handshake()
        self.says(HEADER)
        self._authenticate()
        self.says(HEADER)
        bound = self.says(
            b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            b"<resource>%s</resource></bind></iq>" % self.jid.resource.encode()
        )
        assert self.jid.encode() in bound, bound
        self._bound = True

    def _handshake(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        tls = context.wrap_bio(self._in, self._out, server_hostname=DOMAIN)
        for _ in range(5):
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            self._server.door(self.connection.dataReceived, self._out.read())
            self._server.clock.advance(0)
            self._in.write(self._read())
            if self.connection.secure:
                break
        self._tls = tls

    def _authenticate(self) -> None:
        """RFC 5802 §3, with a nonce that is always the same: nothing here is secret."""
        first = f"n={self.jid.local},r=fyko+d2lbbFgONRv9qkxdawL"
        data = base64.b64encode(f"n,,{first}".encode()).decode()
        heard = self.says(f"<auth {SASL} mechanism='SCRAM-SHA-256'>{data}</auth>".encode())
        challenge = base64.b64decode(heard.partition(b">")[2].partition(b"<")[0]).decode()
        given = dict(part.split("=", 1) for part in challenge.split(","))
        salt, count = base64.b64decode(given["s"]), int(given["i"])
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, count)
        key = hmac.digest(salted, b"Client Key", "sha256")
        bare = f"c=biws,r={given['r']}"
        signed = f"{first},{challenge},{bare}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        final = base64.b64encode(f"{bare},p={base64.b64encode(proof).decode()}".encode()).decode()
        heard = self.says(f"<response {SASL}>{final}</response>".encode())
        assert b"<success" in heard, heard

    def leaves(self) -> None:
        """The connection is lost."""
        self._wire.loseConnection()
        self._socket.close()
