"""Stream management (XEP-0198): what acknowledgements cost a message, and what a client that has
lost its connection costs when it comes back.
"""

import re
import socket
import struct
from collections.abc import Sequence
from typing import Final, Self

from bench.load import Chat, Client, LoadError, Target
from bench.servers import Server
from bench.units import ChatLoad, Done, Load, Step, Unit

SM: Final = "urn:xmpp:sm:3"
ENABLE: Final = f"<enable xmlns='{SM}' resume='true'/>".encode()
REQUEST: Final = f"<r xmlns='{SM}'/>".encode()
EVERY: Final = 5  # messages; then a client asks for an acknowledgement
RETURNING: Final = [f"login{number}" for number in range(10)]
COUNTED: Final = re.compile(rb"</(?:message|presence|iq)>|<(?:message|presence|iq) [^>]*/>")
ASKED: Final = re.compile(rb"<r [^>]*/>|<r [^>]*></r>")
_LONGEST_END: Final = len(b"</presence>")
ACKED = Unit(f"chat message, both ends managed, acknowledged every {EVERY}, one in flight, TLS")
ACKED_10 = Unit("the same, ten in flight")
RETURNED = Unit("login that resumes a session, TLS and SCRAM-SHA-1")


class ManagedClient(Client):
    """Counts, asks, and answers when it is asked."""

    id: str
    sent = 0
    handled = 0
    _rest = b""

    def enable(self) -> None:
        """From here on stanzas count. Raises LoadError where nothing can be resumed."""
        heard = self.ask(ENABLE, b"<enabled", b"<failed")
        found = re.search(rb"<enabled[^>]* id=['\"]([^'\"]+)", heard)
        if found is None:
            raise LoadError(f"{self.jid} cannot have its stream managed: {heard!r}")
        self.id = found[1].decode()
        self._rest = b""
        self.handled = 0

    def say(self, stanza: bytes) -> None:
        """A stanza, and with some of them, the question how many have arrived."""
        self.sent += 1
        super().send(stanza if self.sent % EVERY else stanza + REQUEST)

    def hear(self) -> bytes:
        """As `receive`; what the server asks meanwhile is answered."""
        data = self.receive()
        self.count(data)
        return data

    def count(self, data: bytes) -> None:
        seen = self._rest + data
        end = 0
        for found in COUNTED.finditer(seen):
            self.handled += 1
            end = found.end()
        self._rest = seen[max(end, len(seen) - _LONGEST_END + 1) :]
        if ASKED.search(data):
            super().send(f"<a xmlns='{SM}' h='{self.handled}'/>".encode())

    def is_acknowledged(self) -> None:
        """Until the server has answered for all that was said, neither more nor less."""
        wanted = re.compile(rb"<a [^>]*h=['\"]%d['\"]" % self.sent)
        self.send(REQUEST)
        heard = b""
        while not wanted.search(heard):
            heard += self.receive()
            told = [int(h) for h in re.findall(rb"<a [^>]*h=['\"](\d+)['\"]", heard)]
            if told and max(told) > self.sent:
                raise LoadError(f"{self.jid} said {self.sent} and is answered for {max(told)}")

    def cut(self) -> None:
        """The connection is lost: the server sees a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    @classmethod
    def come_back(cls, target: Target, user: str, id_: str) -> Self:
        """Log in and resume that session in place of a bind. Raises LoadError if it is gone."""
        client = cls._connect(target, user)
        client._authenticate()
        client._open_stream()
        resume = f"<resume xmlns='{SM}' previd='{id_}' h='0'/>".encode()
        heard = client.ask(resume, b"<resumed", b"<failed")
        if b"<resumed" not in heard:
            raise LoadError(f"{client.jid} has lost its session: {heard!r}")
        client.id = id_
        return client


class ManagedChat(Chat):
    """Messages from one to another, both of them counting."""

    def __init__(self, sender: ManagedClient, receiver: ManagedClient) -> None:
        super().__init__(_Saying(sender), _Hearing(receiver))  # type: ignore[arg-type]
        self.sender = sender

    def run(self, count: int, window: int) -> None:
        super().run(count, window)
        self.sender.is_acknowledged()


class _Saying:
    """A sender, for `Loop`."""

    def __init__(self, client: ManagedClient) -> None:
        self.send = client.say
        self.close = client.close


class _Hearing:
    """A receiver, for `Loop`."""

    def __init__(self, client: ManagedClient) -> None:
        self.jid = client.jid
        self.receive = client.hear
        self.close = client.close


class ManagedChatLoad(ChatLoad):
    """What is more than in a `ChatLoad` is the price of acknowledgements."""

    units = ((ACKED, 1), (ACKED_10, 10))

    def meet(self) -> ManagedChat:
        sender, receiver = (ManagedClient.log_in(self.server.target, user) for user in self.users)
        for client in (sender, receiver):
            client.be_available()
            client.sync()
            client.enable()
        return ManagedChat(sender, receiver)


class ReturnLoad(Load):
    """Clients lose their connections and come back, one after the other."""

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, max(count // 20, 10))
        self._clients: list[ManagedClient] = []
        for user in RETURNING:
            client = ManagedClient.log_in(server.target, user)
            client.enable()
            self._clients.append(client)

    def steps(self) -> Sequence[Step]:
        return [Step(RETURNED, self._run)]

    def _run(self) -> Done:
        for number in range(self.count):
            place = number % len(self._clients)
            old = self._clients[place]
            old.cut()
            self._clients[place] = ManagedClient.come_back(
                self.server.target, RETURNING[place], old.id
            )
        self.calm()
        return Done(self.count)

    def close(self) -> None:
        for client in self._clients:
            client.close()


MANAGED: Final[tuple[type[Load], ...]] = (ManagedChatLoad, ReturnLoad)
