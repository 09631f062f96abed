"""What both ends of a stream between servers have in common: reading, checking, ending it."""

from abc import abstractmethod
from collections.abc import Callable

from xmppd.jid import JID, JIDError, lenient_jid
from xmppd.ns import BIDI, CLIENT, DIALBACK, SASL, SERVER, SM, STREAM_ERRORS, STREAMS, TLS
from xmppd.stanza import Stanza, StanzaError, read_stanza
from xmppd.stream import dialback, management
from xmppd.stream.dialback import Input as Moved
from xmppd.stream.dialback import Pair, Pairs, Said
from xmppd.stream.events import Closed
from xmppd.stream.header import END, write_error
from xmppd.stream.holding import HoldingStream, Item, Read, condition_of
from xmppd.stream.management import Management
from xmppd.stream.peer.events import AckAsked, Acked, PeerEvent, Refused, WeMaySend
from xmppd.stream.peer.features import PeerPolicy
from xmppd.stream.peer.header import PeerHeaderError, write_header
from xmppd.stream.peer.states import TRUSTED, Input, State, after
from xmppd.stream.unread import Unread
from xmppd.xml import Element, Nonza, StreamClose, StreamError, StreamOpen, StreamParser, to_xml

_FROM_BY_PREFIX = (f"{{{CLIENT}}}from", f"{{{SERVER}}}from", f"{{{CLIENT}}}to", f"{{{SERVER}}}to")
_CLOSED, _SECURING = State.CLOSED, State.SECURING

# The key of our domains: (receiving server, originating server, stream id) to the key.
KeyOf = Callable[[str, str, str], str]


class PeerStream(HoldingStream[PeerEvent]):
    """One stream with another server; `xmppd.stream.peer` has a class for each end of it.

    `peer_pairs` are the pairs that the
    peer sends for, `our_pairs` those that we send for. It never raises for what a peer
    says; what an owner calls in the wrong order raises StreamError.
    """

    __slots__ = (
        "_key_of",
        "_opened",
        "bidi",
        "finishing",
        "lang",
        "management",
        "max_bytes",
        "our_pairs",
        "ours",
        "peer_pairs",
        "policy",
        "secure",
        "state",
        "stream_id",
        "theirs",
    )
    MOST_HELD = 65536

    def __init__(self, policy: PeerPolicy, key_of: KeyOf, *, secure: bool = False) -> None:
        self.policy = policy
        super().__init__()
        self._key_of = key_of
        self.state = State.SECURED if secure else State.CONNECTED
        self.secure = secure
        self.ours = self.theirs = ""  # the domains of the headers
        self.stream_id = ""  # as whoever accepted the stream named it
        self.lang: str | None = None
        self.bidi = False  # stanzas flow both ways (XEP-0288)
        self.our_pairs = Pairs()
        self.peer_pairs = Pairs()
        self.management: Management[Stanza] | None = None  # once enabled (XEP-0198)
        self.max_bytes: int | None = None  # of a stanza, as the peer says (XEP-0478)
        self.finishing = False  # ours is ended; the peer's is read on
        self._opened = False  # our header of this stream was sent

    # What comes in

    def _new_parser(self) -> StreamParser[Read]:
        return StreamParser(self._make, content_ns=SERVER, limits=self.policy.before_trust)

    @property
    def deaf(self) -> bool:
        return self.state is _CLOSED or self.state is _SECURING

    def _take(self, item: Item) -> list[PeerEvent]:
        if isinstance(item, Stanza):
            return [item]
        if isinstance(item, Nonza):
            return self._nonza(item.element)
        if isinstance(item, Unread):
            stanza = self._make(*item, final=True)
            if isinstance(stanza, Stanza):
                return [stanza]
            assert isinstance(stanza, StreamError)
            raise stanza
        if isinstance(item, StreamOpen):
            return self._open(item)
        if isinstance(item, StreamClose):
            return self._end(Closed(b"" if self.finishing else END, by_peer=True))
        assert isinstance(item, StreamError)
        raise item

    # Stanzas (RFC 6120 §8.1.1.2, §8.1.2.2)

    def _make(
        self,
        kind: str,
        attrs: dict[str, str],
        payloads: tuple[tuple[str, str], ...],
        raw: bytes,
        tree: Element | None = None,
        *,
        final: bool = False,
    ) -> Read:
        """Called by the parser for each stanza, and with `final` again for those of a pair that
        was not valid then: what stands before them in the same bytes may have changed that.
        """
        from_: JID | None = None
        to: JID | None = None
        try:
            from_, to = lenient_jid(attrs["from"]), lenient_jid(attrs["to"])
        except (KeyError, JIDError):
            pass
        if not from_ or not to or (from_.domain, to.domain) not in self.peer_pairs.valid:
            if not final:
                return Unread(kind, attrs, payloads, raw)
            return self._against(from_, to)
        stanza = read_stanza(kind, attrs, payloads, raw, to=to, from_=from_, content_ns=SERVER)
        if stanza.extra is not None and not stanza.extra.keys().isdisjoint(_FROM_BY_PREFIX):
            return StreamError("invalid-from")  # a careless receiver may take it for ours
        if stanza.lang is None:
            stanza.lang = self.lang  # §4.7.4
        return stanza

    def _against(self, from_: JID | None, to: JID | None) -> StreamError:
        """What there is against a stanza. Nobody learns of pairs before being trusted."""
        if self.state not in TRUSTED:
            return StreamError("not-authorized")
        if from_ is None or to is None:
            return StreamError("improper-addressing")
        senders = {pair.sender for pair in self.peer_pairs}
        return StreamError("host-unknown" if from_.domain in senders else "invalid-from")

    def _trusted(self) -> None:
        """The first valid pair, or another one."""
        self._move(Input.VALID)
        self._limit(self.policy.after_trust)

    # What is no stanza

    @abstractmethod
    def _open(self, opened: StreamOpen) -> list[PeerEvent]: ...

    def _nonza(self, element: Element) -> list[PeerEvent]:
        if element.ns == DIALBACK:
            return self._dialback(dialback.read(element))
        if element.ns == SM:
            return self._manage(element)
        if element.ns == STREAMS and element.name == "error":
            return self._told_error(element)
        handler = {TLS: self._tls, SASL: self._sasl, STREAMS: self._stream, BIDI: self._bidi}
        if element.ns not in handler:
            raise StreamError("unsupported-stanza-type")
        return handler[element.ns](element)

    def _told_error(self, element: Element) -> list[PeerEvent]:
        named = condition_of(element)
        text = element.child_text(STREAM_ERRORS, "text")
        said = f"{named} ({text.strip()[:200]!r})" if text else named
        other = (element.child_text(STREAM_ERRORS, "see-other-host") or "").strip()
        return self._end(Closed(END, by_peer=True, peer_error=said, other=other))

    def _tls(self, element: Element) -> list[PeerEvent]:
        raise StreamError("unsupported-stanza-type")

    def _sasl(self, element: Element) -> list[PeerEvent]:
        raise StreamError("unsupported-stanza-type")

    def _stream(self, element: Element) -> list[PeerEvent]:
        raise StreamError("bad-format" if element.name == "stream" else "unsupported-stanza-type")

    def _bidi(self, element: Element) -> list[PeerEvent]:
        raise StreamError("unsupported-stanza-type")

    @abstractmethod
    def _dialback(self, said: Said) -> list[PeerEvent]: ...

    def _say(self, said: Said) -> None:
        if not self.finishing:
            self.outgoing.append(dialback.write(said))

    def _refuse(self, said: Said, error: StanzaError) -> None:
        """XEP-0220 §2.5: the stream goes on."""
        self._say(Said(said.name, said.to, said.from_, said.id, "error", "", error))

    def _verify(self, said: Said) -> None:
        """Is this our key, for a stream that they gave this id? (XEP-0220 §2.2.2)"""
        valid = dialback.is_key(said.key, self._key_of(said.from_, said.to, said.id))
        type_: dialback.Type = "valid" if valid else "invalid"
        self._say(Said("verify", said.to, said.from_, said.id, type_, ""))

    def _send_key(self, pair: Pair) -> None:
        """Ask to send for a pair (XEP-0220 §2.1.1)."""
        self.our_pairs.move(pair, Moved.KEY)
        key = self._key_of(pair.target, pair.sender, self.stream_id)
        self._say(Said("result", pair.sender, pair.target, "", "", key))

    def _key_judged(self, said: Said, pair: Pair) -> list[PeerEvent]:
        """XEP-0220 §2.1.1, step 4."""
        if said.type == "valid":
            self.our_pairs.move(pair, Moved.VALID)
            return [WeMaySend(pair, "dialback")]
        self.our_pairs.move(pair, Moved.REFUSED)
        if said.type == "invalid":
            error = StanzaError("internal-server-error", "the server there does not believe us")
            return [Refused(pair, error, "dialback: our key was found invalid")]
        condition = said.error.condition if said.error is not None else "undefined-condition"
        error = StanzaError("remote-server-timeout", f"the server there answers: {condition}")
        return [Refused(pair, error, f"dialback error: {condition}")]

    # Stream management (XEP-0198)

    def enabled(self) -> None:
        """The answer to `Enabled`: what the peer sends is counted from here on (§4, note)."""
        if self.management is not None:
            self.management.handled = 0

    def handled(self) -> None:
        """A stanza of the peer is stored, delivered or answered."""
        if self.management is not None:
            self.management.handle()

    def _manage(self, element: Element) -> list[PeerEvent]:
        if element.name == "enable":
            return self._enable(element)
        if element.name == "resume":
            self._write(management.failed("item-not-found"))
            return []
        if self.management is None:
            raise StreamError("not-authorized" if self.state not in TRUSTED else "bad-format")
        if element.name == "r":
            return [AckAsked()]
        if element.name == "a":
            return [Acked(len(self.management.acknowledge(element)))]
        raise StreamError("unsupported-stanza-type")

    def _enable(self, element: Element) -> list[PeerEvent]:
        raise StreamError("unsupported-stanza-type")

    def acknowledge(self) -> None:
        """The answer to `AckAsked`; may be said at any time (§4)."""
        if self.management is not None and self.state in TRUSTED:
            self._write(self.management.answer())

    def last_ack(self) -> bytes:
        """Told before our end, when the peer's has come and what came before it is handled."""
        if self.management is None or self.finishing:
            return b""
        return to_xml(self.management.answer(), SERVER).encode()

    def request_ack(self) -> bool:
        """Ask what the peer has handled; False where it does not do so."""
        if self.management is None or self.state not in TRUSTED or self.finishing:
            return False
        self._write(self.management.request())
        return True

    # What goes out

    def _write(self, element: Element) -> None:
        if not self.finishing:
            self.outgoing.append(to_xml(element, SERVER).encode())

    def _move(self, said: Input) -> None:
        self.state = after(self.state, said)

    def _restart(self) -> None:
        self._begin_anew()
        self._opened = False

    @property
    def idle(self) -> bool:
        """Nothing is asked that is not answered, and nothing acknowledged late."""
        waiting = self.our_pairs.asked + self.peer_pairs.asked
        return not waiting and not (self.management is not None and len(self.management))

    # The end

    def fail(self, error: StreamError) -> list[PeerEvent]:
        """End the stream with an error (§4.9); before our header was sent, with that first."""
        if self.state is _CLOSED:
            return []
        if self.state is _SECURING:  # where XML has no place (§5.4.3.1)
            return self._end(Closed(b"", error))
        if self.finishing:
            return self._end(Closed(b"", error))
        self.acknowledge()
        header = b"" if self._opened else self._header_before(error)
        return self._end(Closed(header + write_error(error) + END, error))

    def _header_before(self, error: StreamError) -> bytes:
        if isinstance(error, PeerHeaderError):
            return write_header(error.ours, error.theirs, self._new_id())
        return write_header(self.ours, self.theirs, self._new_id())

    def _new_id(self) -> str:
        """The id that our header gives the stream: "" for a stream that we begin."""
        return ""

    def close(self) -> list[PeerEvent]:
        """End the stream without an error (§4.4); what we handled is told first."""
        if self.state is _CLOSED:
            return []
        self.acknowledge()
        in_words = self._opened and self.state is not _SECURING and not self.finishing
        return self._end(Closed(END if in_words else b""))

    def finish(self, why: StreamError | None = None) -> None:
        """Send the end of our stream; the peer's is read until it ends too (§4.4)."""
        if self._opened and self.state is not _CLOSED and not self.finishing:
            self.acknowledge()
            self.outgoing.append(END if why is None else write_error(why) + END)
            self.finishing = True

    def _end(self, closed: Closed) -> list[PeerEvent]:
        self._move(Input.CLOSE)
        self._over()
        return [closed]
