"""An external component's stream on the server's side, without sockets (XEP-0114, accept).

`ComponentStream` takes bytes and returns events: `Accepted` once, then stanzas, `Closed` at the
end. It proves the component by the handshake of §3 and lets it write from its own domains only.
"""

import hashlib
import hmac
from collections.abc import Container
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from xmppd.jid import JID, JIDError, jid, lenient_jid
from xmppd.ns import COMPONENT, STREAMS
from xmppd.stanza import Stanza, StanzaError, read_stanza
from xmppd.stream.events import Closed
from xmppd.stream.header import END, HeaderError, new_stream_id, write_error
from xmppd.stream.holding import HoldingStream, Item, Read, condition_of
from xmppd.stream.unread import Unread
from xmppd.xml import (
    XML_LANG,
    Element,
    Limits,
    StreamClose,
    StreamError,
    StreamOpen,
    StreamParser,
    escape_attr,
)

HANDSHAKE_DONE: Final = b"<handshake/>"
_FROM_BY_PREFIX: Final = f"{{{COMPONENT}}}from"


class State(Enum):
    """How far the component has come."""

    OPENING, PROVING, KNOWN, CLOSED = range(4)


class Input(Enum):
    """What it says."""

    OPEN = "stream header"
    HANDSHAKE = "handshake"
    STANZA = "stanza"


NEXT: Final = {
    (State.OPENING, Input.OPEN): State.PROVING,
    (State.PROVING, Input.HANDSHAKE): State.KNOWN,
    (State.KNOWN, Input.STANZA): State.KNOWN,
}
# What ends the stream when it is said anywhere else.
REFUSED: Final = {
    Input.OPEN: "bad-format",
    Input.HANDSHAKE: "policy-violation",
    Input.STANZA: "not-authorized",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The handshake was right: the component of this domain is there."""

    domain: str


Event = Stanza | Accepted | Closed


class Door(Protocol):
    """Who decides about components: what the configuration says, and who is there already."""

    def secret(self, domain: str) -> str | None:
        """The shared secret of a component; None where there is no such component."""

    def domains(self, domain: str) -> Container[str]:
        """All domains that the component of this name may write from."""

    def refusal(self, domain: str, *, right: bool) -> StreamError | None:
        """What to end the stream with, now that it made a handshake; None: it may come in."""


class ComponentStream(HoldingStream[Event]):
    """One stream of one component."""

    __slots__ = (
        "_after",
        "_before",
        "_domains",
        "_door",
        "_header_sent",
        "_id",
        "domain",
        "lang",
        "state",
    )

    def __init__(self, door: Door, before: Limits, after: Limits) -> None:
        """`before` and `after` the handshake these limits hold for what the component sends."""
        self._before, self._after = before, after
        super().__init__()
        self._door = door
        self._id = new_stream_id()
        self._domains: Container[str] = ()
        self._header_sent = False
        self.state = State.OPENING
        self.domain = ""  # of the component, once a header named it
        self.lang: str | None = None

    def _new_parser(self) -> StreamParser[Read]:
        return StreamParser(self._make, content_ns=COMPONENT, limits=self._before)

    @property
    def deaf(self) -> bool:
        return self.state is State.CLOSED

    def doze(self) -> None:
        """Give memory back that is not needed until the component says something."""
        if self._parser is not None:
            self._parser.drop()

    def fail(self, error: StreamError) -> list[Event]:
        """End the stream with an error; before our header was sent, with that first (§3)."""
        if self.deaf:
            return []
        header = b"" if self._header_sent else self._header()
        return self._end(Closed(header + write_error(error) + END, error))

    def close(self) -> list[Event]:
        """End the stream without an error."""
        if self.deaf:
            return []
        return self._end(Closed(END if self._header_sent else b""))

    def _end(self, closed: Closed) -> list[Event]:
        self.state = State.CLOSED
        self._over()
        return [closed]

    # What comes in

    def _take(self, item: Item) -> list[Event]:
        if isinstance(item, Unread):  # read before the handshake was judged
            self._move(Input.STANZA)
            item = self._stanza(*item)
        if isinstance(item, Stanza):
            return [item]
        if isinstance(item, StreamError):
            raise item
        if isinstance(item, StreamOpen):
            return self._open(item)
        if isinstance(item, StreamClose):
            return self._end(Closed(END, by_peer=True))
        return self._nonza(item.element)

    def _move(self, said: Input) -> None:
        if (self.state, said) not in NEXT:
            raise StreamError(REFUSED[said])
        self.state = NEXT[self.state, said]

    def _open(self, opened: StreamOpen) -> list[Event]:
        """§3: `to` is the component's own name."""
        self._move(Input.OPEN)
        if opened.ns != STREAMS or opened.default_ns != COMPONENT:
            raise StreamError("invalid-namespace")
        if opened.name != "stream":
            raise StreamError("bad-format")
        asked = opened.attrs.get("to", "")
        try:
            domain = jid(asked)
        except JIDError:
            raise HeaderError("host-unknown", asked=asked) from None
        if domain != domain.domain or self._door.secret(domain) is None:
            raise HeaderError("host-unknown", asked=asked)
        self.domain = str(domain)
        self.lang = opened.attrs.get(XML_LANG)
        self._header_sent = True
        self.outgoing.append(self._header())
        return []

    def _header(self) -> bytes:
        """Ours; it never repeats a name that is not served."""
        served = f" from='{escape_attr(self.domain)}'" if self.domain else ""
        return (
            f"<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAMS}'"
            f"{served} id='{self._id}'>"
        ).encode()

    def _nonza(self, element: Element) -> list[Event]:
        if element.ns == COMPONENT and element.name == "handshake":
            return self._prove(element)
        if element.ns == STREAMS and element.name == "error":
            return self._end(Closed(END, by_peer=True, peer_error=condition_of(element)))
        if self.state is not State.KNOWN:
            raise StreamError("not-authorized")
        raise StreamError("unsupported-stanza-type")

    def _prove(self, handshake: Element) -> list[Event]:
        self._move(Input.HANDSHAKE)
        secret = self._door.secret(self.domain)
        proof = handshake.text.strip().encode()
        wanted = digest(self._id, secret or "").encode()
        right = hmac.compare_digest(proof, wanted) and secret is not None
        refused = self._door.refusal(self.domain, right=right)
        if refused is not None:
            raise refused
        self._domains = self._door.domains(self.domain)
        self._limit(self._after)
        self.outgoing.append(HANDSHAKE_DONE)
        return [Accepted(self.domain)]

    # Stanzas

    def _make(
        self,
        kind: str,
        attrs: dict[str, str],
        payloads: tuple[tuple[str, str], ...],
        raw: bytes,
        tree: Element | None = None,
    ) -> Unread | Stanza | StreamError:
        """Called by the parser for each stanza: an error stands in its place, to keep order."""
        if self.state is not State.KNOWN:
            return Unread(kind, attrs, payloads, raw)
        return self._stanza(kind, attrs, payloads, raw)

    def _stanza(
        self,
        kind: str,
        attrs: dict[str, str],
        payloads: tuple[tuple[str, str], ...],
        raw: bytes,
    ) -> Stanza | StreamError:
        """With addresses as §3 wants them: both there, `from` at a domain of the component.

        A `to` that is no address is told to the sender (RFC 6120 §8.3.3.8): a gateway makes
        addresses of names that others chose.
        """
        sender = self._sender(attrs.get("from"))
        if isinstance(sender, StreamError):
            return sender
        if not attrs.get("to"):
            return StreamError("improper-addressing", "a stanza has no 'to'")
        malformed = False
        try:
            to = lenient_jid(attrs["to"])
        except JIDError:
            malformed, to = True, jid(self.domain)
        stanza = read_stanza(kind, attrs, payloads, raw, to=to, from_=sender, content_ns=COMPONENT)
        if stanza.extra is not None and _FROM_BY_PREFIX in stanza.extra:
            return StreamError("invalid-from")
        if malformed:
            stanza.fault = StanzaError("jid-malformed")
        if stanza.lang is None:
            stanza.lang = self.lang
        return stanza

    def _sender(self, claimed: str | None) -> JID | StreamError:
        if not claimed:
            return StreamError("improper-addressing", "a stanza has no 'from'")
        try:
            sender = lenient_jid(claimed)
        except JIDError:
            return StreamError("improper-addressing", "a 'from' is no address")
        if sender.domain not in self._domains:
            return StreamError("invalid-from", f"{sender.domain[:256]} is not this component's")
        return sender


def digest(stream_id: str, secret: str) -> str:
    """What the handshake must say (§3)."""
    return hashlib.sha1(f"{stream_id}{secret}".encode(), usedforsecurity=False).hexdigest()
