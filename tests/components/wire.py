"""A component over a real socket, as simple as it gets: what is sent is written in the tests."""

import hashlib
import re
import socket
from typing import Self

PATIENCE_S = 20.0
SECRET = "sesame"


def header(to: str, ns: str = "jabber:component:accept") -> str:
    return (
        f"<stream:stream xmlns='{ns}' xmlns:stream='http://etherx.jabber.org/streams' to='{to}'>"
    )


class Wire:
    """One connection to the components' port."""

    def __init__(self, port: int, *, buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        self.heard = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def sends(self, text: str) -> None:
        self.socket.sendall(text.encode())

    def hears(self, *wanted: str) -> str:
        """All up to and including the last of these, each after the one before."""
        taken = ""
        for text in wanted:
            while text not in self.heard:
                data = self.socket.recv(65536)
                assert data, f"closed; wanted {text!r}, heard {taken + self.heard!r}"
                self.heard += data.decode()
            end = self.heard.index(text) + len(text)
            taken, self.heard = taken + self.heard[:end], self.heard[end:]
        return taken

    def ends(self) -> str:
        """All until the server closes."""
        while True:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return self.heard
            self.heard += data.decode()

    def opens(self, domain: str) -> str:
        """The id of the stream."""
        self.sends(header(domain))
        found = re.search(r"id='([^']+)'", self.hears("id='", "'>"))
        assert found
        return found[1]

    def proves(self, domain: str, secret: str = SECRET) -> Self:
        self.shakes(self.opens(domain), secret)
        self.hears("<handshake/>")
        return self

    def shakes(self, stream_id: str, secret: str) -> None:
        proof = hashlib.sha1(f"{stream_id}{secret}".encode()).hexdigest()
        self.sends(f"<handshake>{proof}</handshake>")
