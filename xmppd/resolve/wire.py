"""One question to one name server, by UDP, and by TCP where the answer is too long for that.

Each question has a socket, a port (the kernel's choice, which is random) and a random id of its
own: whoever cannot see it has 2^31 of them to guess (RFC 5452 §9). Twisted's own client of the
DNS retries with the id known before, and takes answers to other questions.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct
from abc import ABC, abstractmethod
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.python.failure import Failure

from xmppd.resolve.errors import LookupFailed
from xmppd.resolve.records import Kind, answers, decode, encode

LONGEST_ANSWER = 16384  # no list of servers is as long; parsing 64 KiB would take a tenth second
MOST_WRONG = 5  # datagrams that answer something else, before we ask by TCP


class Network(Protocol):
    """What is used of Twisted's reactor."""

    def seconds(self) -> float: ...
    def callLater(self, delay: float, callable: Any, /, *args: object) -> Any: ...
    def addReader(self, reader: Any) -> None: ...
    def removeReader(self, reader: Any) -> None: ...
    def connectTCP(
        self, host: str, port: int, factory: ClientFactory, timeout: float = 30
    ) -> Any: ...


class Silence(LookupFailed):
    """No answer at all came in time."""


async def ask(
    network: Network, server: tuple[str, int], name: str, kind: Kind, timeout_s: float
) -> Any:
    """The `dns.Message` that answers. Raises LookupFailed; Silence where nothing came."""
    began = network.seconds()
    message = await _Datagrams(network, server, name, kind).ask(timeout_s)
    if message is not None and not message.trunc:
        return message
    left_s = max(0.5, timeout_s - (network.seconds() - began))
    return await _Stream(network, server, name, kind).ask(left_s)


class _Question(ABC):
    """What both ways have in common: a Deferred, a time limit, and what counts as an answer."""

    def __init__(self, network: Network, server: tuple[str, int], name: str, kind: Kind) -> None:
        self._network = network
        self._server = server
        self._name = name
        self._kind = kind
        self._identity = secrets.randbelow(65536)
        self._timer: Any = None
        self._answer: Deferred[Any] | None = None

    def ask(self, timeout_s: float) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred(self._cancelled)
        self._answer = answer
        self._timer = self._network.callLater(timeout_s, self._late)
        try:
            self._begin(encode(self._identity, self._name, self._kind), timeout_s)
        except OSError as error:
            self._fail(LookupFailed(f"the network is not to be had: {error}"))
        return answer

    @abstractmethod
    def _begin(self, question: bytes, timeout_s: float) -> None:
        """Send it, one way or the other."""

    @abstractmethod
    def _close(self) -> None:
        """There will be no more answer."""

    def _is_answer(self, message: Any) -> bool:
        return answers(message, self._identity, self._name, self._kind)

    def _late(self) -> None:
        self._fail(Silence(f"the name server {self._server[0]} does not answer"))

    def _fail(self, error: LookupFailed) -> None:
        answer = self._end()
        if answer is not None:
            answer.errback(error)

    def _done(self, message: Any) -> None:
        answer = self._end()
        if answer is not None:
            answer.callback(message)

    def _cancelled(self, answer: Deferred[Any]) -> None:
        self._end()

    def _end(self) -> Deferred[Any] | None:
        answer, self._answer = self._answer, None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._close()
        return answer


class _Datagrams(_Question):
    """By UDP. The answer None: better ask by TCP.

    The reactor reads a bare socket: Twisted's UDP port would log two lines for each question.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._wrong = 0
        self._socket: socket.socket | None = None

    def _begin(self, question: bytes, timeout_s: float) -> None:
        six = ipaddress.ip_address(self._server[0]).version == 6
        family = socket.AF_INET6 if six else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.connect(self._server)  # the kernel drops what comes from anybody else
        self._socket.send(question)
        self._network.addReader(self)

    def _close(self) -> None:
        opened = self._socket
        if opened is not None:
            self._network.removeReader(self)  # while it still has its number
            self._socket = None
            opened.close()

    # Called by Twisted

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def doRead(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(LONGEST_ANSWER)
        except BlockingIOError:
            return
        except OSError:
            self._refused()
        else:
            self._received(data)

    def connectionLost(self, reason: Failure) -> None:
        """The epoll reactor takes an ICMP message for an end."""
        self._refused()

    def logPrefix(self) -> str:
        return "DNS"

    # What came

    def _received(self, data: bytes) -> None:
        try:
            message = decode(data)
        except LookupFailed:
            message = None
        if message is not None and self._is_answer(message):
            self._done(message)
            return
        self._wrong += 1
        if self._wrong >= MOST_WRONG:  # somebody guesses; TCP cannot be guessed into
            self._done(None)

    def _refused(self) -> None:
        self._fail(LookupFailed(f"nobody answers at the name server {self._server[0]}"))


class _Stream(_Question, StreamProtocol):
    """By TCP: a length of two bytes before each message (RFC 7766 §8)."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connector: Any = None
        self._question = b""
        self._data = b""

    def _begin(self, question: bytes, timeout_s: float) -> None:
        self._question = struct.pack("!H", len(question)) + question
        host, port = self._server
        self._connector = self._network.connectTCP(host, port, _Once(self), timeout_s)

    def _close(self) -> None:
        connector, self._connector = self._connector, None
        if connector is not None:
            connector.disconnect()

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self._question)

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) < 2:
            return
        size = struct.unpack("!H", self._data[:2])[0]
        if size > LONGEST_ANSWER:
            self._fail(LookupFailed(f"an answer of {size} bytes"))
        elif len(self._data) >= size + 2:
            self._take(self._data[2 : size + 2])

    def _take(self, data: bytes) -> None:
        try:
            message = decode(data)
        except LookupFailed as error:
            self._fail(error)
            return
        if self._is_answer(message) and not message.trunc:
            self._done(message)
        else:
            self._fail(LookupFailed("an answer to something else"))

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._fail(LookupFailed(f"the name server {self._server[0]} hung up"))

    def failed(self) -> None:
        self._fail(LookupFailed(f"no TCP connection to the name server {self._server[0]}"))


class _Once(ClientFactory):
    noisy = False

    def __init__(self, protocol: _Stream) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> StreamProtocol:
        return self._protocol

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._protocol.failed()
