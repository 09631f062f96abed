"""The floor: a loop that does nothing but pass bytes on. ``python -m bench.passing ADDRESS PORT
CERTIFICATE KEY`` serves until it is killed.

What a client says first is the name of its group, which is answered with `WELCOME`; whatever it
says then goes to all others of the group. TLS is spoken with who begins so. Nothing is parsed,
routed or checked, and nobody is waited for: a server that does something needs more than this.
"""

import select
import socket
import ssl
import sys
from contextlib import suppress
from typing import Final

WELCOME: Final = b"!"
READ_BYTES: Final = 65536
HANDSHAKE: Final = b"\x16"  # the first byte of a connection with TLS (RFC 8446 §5.1)


class Plain:
    """One end of a connection. `group` has all ends that hear each other."""

    def __init__(self, connected: socket.socket) -> None:
        self.group: list[Plain] = []
        self.socket = connected
        self.receive = connected.recv
        self.send = connected.send


class Secured(Plain):
    """With TLS on memory BIOs, so that one `recv` takes all that has come."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(connected)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.receive = self._receive  # type: ignore[assignment]
        self.send = self._send  # type: ignore[assignment]

    def _receive(self, size: int) -> bytes:
        """Raises BlockingIOError for what are not yet bytes of the client."""
        data = self.socket.recv(size)
        if not data:
            return data
        self._in.write(data)
        if self._tls.version() is None or not self.group:
            return self._begin(size)
        data = self._tls.read(size)
        while self._in.pending:
            data += self._tls.read(size)
        return data

    def _begin(self, size: int) -> bytes:
        """The handshake, and the first bytes within."""
        try:
            self._tls.do_handshake()
            return self._tls.read(size)
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        finally:
            if self._out.pending:
                self.socket.send(self._out.read())

    def _send(self, data: bytes) -> int:
        self._tls.write(data)
        return self.socket.send(self._out.read())


class Passing:
    """The loop."""

    def __init__(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        self._listener = listener
        self._context = context
        self._poll = select.epoll()
        self._poll.register(listener, select.EPOLLIN)
        self._new: dict[int, socket.socket] = {}  # they have not said anything
        self._ends: dict[int, Plain] = {}
        self._groups: dict[bytes, list[Plain]] = {}
        self._last = -1  # whose turn it is

    def run(self) -> None:
        while True:
            try:
                self._pass_on()
            except OSError:  # somebody went in the middle of it
                self._go(self._last)

    def _pass_on(self) -> None:
        poll, ends = self._poll.poll, self._ends
        while True:
            for self._last, _ in poll():
                end = ends.get(self._last)
                if end is None or not end.group:
                    self._come(self._last)
                elif data := end.receive(READ_BYTES):
                    for other in end.group:
                        if other is not end:
                            other.send(data)
                else:
                    self._go(self._last)

    def _come(self, descriptor: int) -> None:
        if descriptor == self._listener.fileno():
            self._accept()
            return
        if descriptor in self._new:
            self._begin(self._new.pop(descriptor))
        with suppress(BlockingIOError):
            self._enter(descriptor)

    def _accept(self) -> None:
        connected, _ = self._listener.accept()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(connected, select.EPOLLIN)
        self._new[connected.fileno()] = connected

    def _begin(self, connected: socket.socket) -> None:
        secures = connected.recv(1, socket.MSG_PEEK) == HANDSHAKE
        end = Secured(connected, self._context) if secures else Plain(connected)
        self._ends[connected.fileno()] = end

    def _enter(self, descriptor: int) -> None:
        end = self._ends[descriptor]
        name = end.receive(READ_BYTES)
        if not name:
            self._go(descriptor)
            return
        end.group = self._groups.setdefault(name, [])
        end.group.append(end)
        end.send(WELCOME)

    def _go(self, descriptor: int) -> None:
        end = self._ends.pop(descriptor, None)
        if end is not None:
            if end.group:
                end.group.remove(end)
            end.socket.close()


def main(address: str, port: str, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server((address, int(port)), backlog=1000) as listener:
        Passing(listener, context).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
