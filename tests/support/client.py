"""A client that speaks to a real server over TCP and TLS, blocking, for one conversation.

    client = TLSClient(server.address, jid("juliet@example.org/balcony"), check=validate)
    client.connects()                     # STARTTLS, SCRAM-SHA-256, bind
    client.sends("<presence/>")
    client.receives(presence(from_="juliet@example.org/balcony"))

It plays the `Actor` of `xmppd.testing`. What comes in is parsed by lxml, not by the server's own
parser. For tests of streams there are the steps themselves: `opens`, `secures`, `proves`, `binds`,
and `reads` for the next element of the stream, whatever it is.
"""

import base64
import hashlib
import hmac
import itertools
import secrets
import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from lxml import etree

from xmppd.jid import JID
from xmppd.ns import BIND, PING, SASL, STREAMS, TLS
from xmppd.testing import PASSWORD, Checker, Recorder
from xmppd.xml import Element, escape_attr, to_xml

TIMEOUT_S = 5.0
ROUNDS = 3  # of visits to the database, to be sure that others' are done
HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' to='{to}'"
    " xmlns:stream='http://etherx.jabber.org/streams'>"
)


class StreamEnded(Exception):
    """The server closed the stream or the connection; `error` is its stream error, or None."""

    def __init__(self, error: Element | None) -> None:
        super().__init__("the stream ended" + (f": {to_xml(error)}" if error else ""))
        self.error = error


class TLSClient(Recorder):
    """One stream. `check` judges all that the server sends on it, stream elements included.

    `barrier` is called before it says that it received nothing: it makes sure that the server has
    done what other clients asked for. `connect` reaches servers that are not on this network.
    """

    def __init__(
        self,
        address: tuple[str, int],
        full: JID,
        *,
        password: str = PASSWORD,
        check: Checker | None = None,
        barrier: Callable[[], None] | None = None,
        connect: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection,
    ) -> None:
        super().__init__(full)  # nothing is judged twice: see `_came`
        self.jid = full
        self.password = password
        self.socket: socket.socket = connect(address, TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.header: dict[str, str] = {}  # the attributes of the server's stream header
        self.features = Element(STREAMS, "features")
        self.error: Element | None = None  # the stream error that ended it
        self.ended = False
        self._judges = check
        self._barrier = barrier
        self._numbers = itertools.count()
        self._elements: list[Element] = []
        self._restart()

    # A stream's steps

    def connects(self) -> None:
        """All of it: TLS, login, bind."""
        self.opens()
        self.secures()
        self.logs_in()
        self.binds()

    def logs_in(self) -> None:
        """Prove who we are, and restart the stream."""
        outcome = self.proves()
        assert outcome.name == "success", to_xml(outcome)
        self.opens()

    def opens(self) -> Element:
        """Send the stream header; the features that the server offers."""
        self._restart()
        self.sends(HEADER.format(to=escape_attr(self.jid.domain)))
        self.features = self.reads()
        assert (self.features.ns, self.features.name) == (STREAMS, "features")
        return self.features

    def secures(self) -> Element:
        """STARTTLS (RFC 6120 §5), and the features on the new stream."""
        self.sends(f"<starttls xmlns='{TLS}'/>")
        proceed = self.reads()
        assert (proceed.ns, proceed.name) == (TLS, "proceed"), to_xml(proceed)
        self.wraps()
        return self.opens()

    def wraps(self) -> None:
        """The TLS handshake alone. Certificates are self-signed: none is verified."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname=self.jid.domain)

    def proves(self) -> Element:
        """SASL with SCRAM-SHA-256 (RFC 5802): the server's last word, success or failure."""
        nonce = secrets.token_urlsafe(16)
        first = f"n={self.jid.local},r={nonce}"
        challenge = self._says("auth", f"n,,{first}", " mechanism='SCRAM-SHA-256'")
        if challenge.name != "challenge":
            return challenge
        asked = base64.b64decode(challenge.text).decode()
        fields = dict(field.split("=", 1) for field in asked.split(","))
        bare = f"c=biws,r={fields['r']}"
        signed = f"{first},{asked},{bare}".encode()
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password.encode(), base64.b64decode(fields["s"]), int(fields["i"])
        )
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))
        outcome = self._says("response", f"{bare},p={proof.decode()}")
        if outcome.name == "success":
            server_key = hmac.digest(salted, b"Server Key", "sha256")
            verifier = base64.b64encode(hmac.digest(server_key, signed, "sha256")).decode()
            assert base64.b64decode(outcome.text).decode() == f"v={verifier}"
        return outcome

    def _says(self, name: str, data: str, attributes: str = "") -> Element:
        encoded = base64.b64encode(data.encode()).decode()
        self.sends(f"<{name} xmlns='{SASL}'{attributes}>{encoded}</{name}>")
        return self.reads()

    def binds(self) -> None:
        """Bind the resource of `jid` (RFC 6120 §7)."""
        self.sends(
            f"<iq type='set' id='bind'><bind xmlns='{BIND}'>"
            f"<resource>{self.jid.resource}</resource></bind></iq>"
        )
        answer = self.reads()
        assert answer.get("type") == "result", to_xml(answer)
        bound = answer.child(BIND, "bind")
        assert bound is not None
        assert bound.child_text(BIND, "jid") == self.jid

    # In and out

    def sends(self, xml: str) -> None:
        self.socket.sendall(xml.encode())

    def reads(self) -> Element:
        """The next element of the stream. Raises StreamEnded, and TimeoutError after 5 seconds."""
        while not self._elements:
            if self.ended:
                raise StreamEnded(self.error)
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                self.ended = True
            else:
                self._take(data)
        return self._elements.pop(0)

    def _take(self, data: bytes) -> None:
        self._parser.feed(data)
        # lxml's stubs know only what iterparse gives
        for event, node in cast(
            "Iterable[tuple[str, etree._Element]]", self._parser.read_events()
        ):
            if event == "start":
                if self._depth == 0:
                    self.header = {str(k): str(v) for k, v in node.attrib.items()}
                self._depth += 1
                continue
            self._depth -= 1
            if self._depth == 0:
                self.ended = True  # </stream:stream>
            elif self._depth == 1:
                self._came(element_of(node))
                parent = node.getparent()
                assert parent is not None
                parent.remove(node)

    def _came(self, element: Element) -> None:
        if self._judges is not None:
            self._judges(element)
        if (element.ns, element.name) == (STREAMS, "error"):
            self.error = element
        else:
            self._elements.append(element)

    def _restart(self) -> None:
        self._parser = etree.XMLPullParser(events=("start", "end"))
        self._depth = 0

    # Recorder

    def fetch(self, count: int) -> None:
        """What comes within the timeout; that it was too little, the matcher says."""
        try:
            while len(self.inbox) < count:
                self.record(self.reads())
        except (TimeoutError, StreamEnded):
            return

    def settle(self) -> None:
        if self._barrier is not None:
            self._barrier()
        self.waits_for_server()

    def waits_for_server(self) -> None:
        """Returns when the server has done what was asked of it on this stream until now.

        Its answers to others may need the database, twice or thrice in a row: so it is asked for
        things that need it as well. A server with one reader and one writer does them in order.
        """
        if self.ended:
            return
        name = f"barrier-{next(self._numbers)}"
        wanted = {f"{name}-{number}" for number in range(2 * ROUNDS + 1)}
        try:
            self.sends("".join(self._barrier_iqs(name)))
            while wanted:
                stanza = self.reads()
                if stanza.get("id") in wanted:
                    wanted.discard(stanza.get("id") or "")
                else:
                    self.record(stanza)
        except (StreamEnded, ConnectionError):
            self.ended = True

    def _barrier_iqs(self, name: str) -> Iterator[str]:
        note = "<query xmlns='jabber:iq:private'><barrier xmlns='urn:test:barrier'/></query>"
        for number in range(ROUNDS):
            yield f"<iq type='get' id='{name}-{2 * number}'>{note}</iq>"
            yield f"<iq type='set' id='{name}-{2 * number + 1}'>{note}</iq>"
        to = self.jid.domain
        yield f"<iq type='get' id='{name}-{2 * ROUNDS}' to='{to}'><ping xmlns='{PING}'/></iq>"

    # Its end

    def disconnect(self) -> None:
        """The connection is lost: the server sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.ended = True

    def leaves(self) -> None:
        """Close the stream, and wait for the server to close it as well."""
        if not self.ended:
            try:
                self.sends("</stream:stream>")
                while True:
                    self.record(self.reads())
            except (StreamEnded, ConnectionError):
                self.ended = True
        self.socket.close()


def element_of(node: "etree._Element") -> Element:
    """lxml's element as ours; what tests receive is shallow, so this may recurse."""
    name = etree.QName(node)
    attrs = {str(key): str(value) for key, value in node.attrib.items()}
    made = Element(name.namespace or "", name.localname, attrs)
    if node.text:
        made.append(node.text)
    for child in node:
        made.append(element_of(child))
        if child.tail:
            made.append(child.tail)
    return made
