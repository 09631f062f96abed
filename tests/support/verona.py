"""Two servers in one process, with their modules and accounts, on wires without a network.

verona = Verona()
juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
juliet.sends("<message to='romeo@montague.example'><body>hi</body></message>")
verona.settles()
romeo.receives(message("hi"))
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from xmppd.config.outgoing import OutgoingOptions
from xmppd.config.s2s import S2SOptions
from xmppd.jid import jid
from xmppd.resolve import DialFailed, NotServed, Target
from xmppd.resolve.prover import Prover
from xmppd.s2s import Federation, PeerFactory, Service
from xmppd.s2s.incoming import IncomingConnection
from xmppd.testing import Talk
from xmppd.testing.actor import Client
from xmppd.transport.admission import Admission
from xmppd.transport.certificates import self_signed
from xmppd.transport.connection import StreamTransport
from xmppd.transport.flusher import Flusher
from xmppd.transport.peer_tls import PeerTLS
from xmppd.transport.wheel import TimerWheel

CAPULET, MONTAGUE = "capulet.example", "montague.example"
JULIET, ROMEO = "juliet@capulet.example/balcony", "romeo@montague.example/orchard"
OPEN = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' version='1.0'"
    " xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'"
    " from='{}' to='montague.example'>"
)
KEY = "<db:result from='{}' to='montague.example'>0123456789abcdef</db:result>"
_folder = tempfile.TemporaryDirectory(prefix="verona-")


@cache
def contexts(domain: str) -> PeerTLS:
    """With a self-signed certificate, made once."""
    return PeerTLS({domain: self_signed([domain], Path(_folder.name))})


class End(StringTransport):
    """One end of a wire. What is written arrives when the wire is told to carry."""

    def __init__(self, protocol: StreamTransport, other: str) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", other, 5269))
        self.protocol = protocol
        self.other: End
        self.cut = False
        self.deaf = False  # what arrives is not read

    def carry(self) -> bool:
        """Bring what was written to the other end; False if there was nothing."""
        data = self.value()
        self.clear()
        if not data or self.other.cut or self.other.deaf:
            return False
        self.other.protocol.dataReceived(data)
        return True

    def loseConnection(self) -> None:
        self._end(ConnectionDone())

    def abortConnection(self) -> None:
        self._end(ConnectionLost())

    def _end(self, reason: Exception) -> None:
        self.carry()
        for end in (self, self.other):
            if not end.cut:
                end.cut = True
                end.protocol.connectionLost(Failure(reason))


class Network:
    """The dialer of all: who is reached under which name. An exception in place of a server is
    raised; "silent" is never answered.
    """

    def __init__(self) -> None:
        self.servers: dict[str, Any] = {}
        self.ends: list[End] = []
        self.calls: list[str] = []

    def configure(self, options: OutgoingOptions) -> None:
        """Nothing of them matters here."""

    async def connect(
        self, domain: str, make_connection: Callable[[Target], Any], negotiated: Any = None
    ) -> Any:
        self.calls.append(domain)
        server = self.servers.get(domain)
        if isinstance(server, Exception):
            raise server
        if server is None:
            raise DialFailed("remote-server-not-found", f"there is no {domain}")
        ours = make_connection(Target("192.0.2.1"))
        theirs = server.factory.buildProtocol(IPv4Address("TCP", "192.0.2.9", 40000))
        self.tie(ours, theirs)
        try:
            await negotiated(ours)
        except NotServed as error:  # there is no other
            raise DialFailed(error.condition, str(error)) from None
        return ours

    def silence(self, domain: str) -> None:
        """Whoever connects to it is never answered."""
        server = self.servers[domain]
        mute = Clock()
        server.factory.buildProtocol = lambda _: StreamTransport(Flusher(mute), TimerWheel(mute))

    def tie(
        self, ours: StreamTransport, theirs: StreamTransport, our_address: str = "192.0.2.9"
    ) -> tuple[End, End]:
        one, two = End(ours, "192.0.2.1"), End(theirs, our_address)
        one.other, two.other = two, one
        self.ends += [one, two]
        theirs.makeConnection(two)
        ours.makeConnection(one)
        return one, two

    def carry(self) -> bool:
        carried = [end.carry() for end in list(self.ends)]
        return any(carried)


class Server:
    """One of the two: a `Talk` with a federation."""

    def __init__(
        self,
        domain: str,
        network: Network,
        clock: Clock,
        options: S2SOptions,
        more_hosts: Sequence[str] = (),
    ) -> None:
        self.talk = Talk(hosts=[domain, *more_hosts])
        self.service = Service(
            hosts=self.talk.hosts,
            options=options,
            router=self.talk.router,
            dialer=network,
            contexts=contexts(domain),
            make_prover=lambda options: Prover(),
            flusher=Flusher(clock),
            wheel=TimerWheel(clock),
            clock=clock,
            admission=Admission(clock.seconds, descriptor_limit=10_000, descriptors=lambda: 0),
        )
        self.federation = Federation(self.service)
        self.talk.router.elsewhere = self.federation.route
        self.talk.router.copies_elsewhere = self.federation.route_copies
        self.factory = PeerFactory(self.federation)
        for each in (domain, *more_hosts):
            network.servers[each] = self


class Verona:
    """`s2s` are options of both. Their certificates prove nothing: dialback must do."""

    def __init__(self, **s2s: Any) -> None:
        self.network = Network()
        self.clock = Clock()
        self.clock.advance(1000)
        options = S2SOptions(certificates="dialback", **s2s)
        self.capulet = Server(CAPULET, self.network, self.clock, options)
        self.montague = Server(MONTAGUE, self.network, self.clock, options)

    def server_of(self, address: str) -> Server:
        return self.montague if jid(address).domain == MONTAGUE else self.capulet

    def bind(self, address: str) -> Client:
        return self.server_of(address).talk.bind(address)

    def online(self, address: str) -> Client:
        client = self.bind(address)
        client.sends("<iq type='get' id='ro'><query xmlns='jabber:iq:roster'/></iq><presence/>")
        self.settles()
        client.forget()
        return client

    def settles(self) -> None:
        """All that is on its way arrives."""
        self.clock.advance(0)
        while self.network.carry():
            self.clock.advance(0)

    def advances(self, seconds: float) -> None:
        """Time passes, a second at a time."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.settles()


class Raw(StreamTransport):
    """A peer of montague.example that says what the test says, in the clear."""

    def __init__(self, verona: Verona, address: str = "192.0.2.66") -> None:
        super().__init__(Flusher(verona.clock), TimerWheel(verona.clock))
        self.verona = verona
        self.heard = ""
        theirs = verona.montague.factory.buildProtocol(IPv4Address("TCP", address, 5269))
        assert theirs is not None
        self.connection: IncomingConnection = theirs
        self.end = verona.network.tie(self, theirs, address)[0]

    def received(self, data: bytes) -> None:
        self.heard += data.decode()

    def sends(self, text: str) -> str:
        before = len(self.heard)
        self.write(text.encode())
        self.verona.settles()
        return self.heard[before:]


class Scripted:
    """A server that answers whoever connects with this text."""

    def __init__(self, verona: Verona, text: str) -> None:
        self._verona = verona
        self._text = text
        self.factory = self

    def buildProtocol(self, address: object) -> StreamTransport:
        made = StreamTransport(Flusher(self._verona.clock), TimerWheel(self._verona.clock))
        made.opened = lambda: made.write(self._text.encode())  # type: ignore[method-assign]
        return made
