"""A client's stream on the server's side, without sockets (RFC 6120 §4 to §7).

`ClientStream` takes bytes, returns events (`xmppd.stream.events`) and has bytes to send. An event
that asks something (`AskKeys`, `AskPassword`, `EarlyIQ`, `BindRequest`...) makes it hold back what
comes in until the answer is given.
"""

from xmppd.jid import JID, JIDError, jid
from xmppd.ns import BIND, CLIENT, SASL, SASL2, SESSION, SM, STREAMS, TLS
from xmppd.stanza import IQ, Message, Presence, Stanza, StanzaError, read_stanza
from xmppd.stream.authenticating import AuthenticatingStream
from xmppd.stream.events import (
    BindRequest,
    Closed,
    EarlyIQ,
    Event,
    OwnAnswer,
    ResumeRequest,
    StreamNonza,
)
from xmppd.stream.features import StreamPolicy
from xmppd.stream.header import END
from xmppd.stream.holding import Item, Read, condition_of
from xmppd.stream.negotiating import Door
from xmppd.stream.states import AFTER_LOGIN, Input, State, after
from xmppd.stream.unread import Unread, first_payload, is_own, wanted
from xmppd.xml import (
    Context,
    Element,
    Nonza,
    StreamClose,
    StreamError,
    StreamOpen,
    StreamParser,
    escape_attr,
    escape_text,
    to_xml,
)

EARLY_IQS = 20  # a stream; registering takes a handful
_STANZAS = frozenset((Message, Presence, IQ))
_CLOSED, _SECURING = State.CLOSED, State.SECURING  # asked for with each read
_FROM_BY_PREFIX = f"{{{CLIENT}}}from"
_STREAM_IQS = frozenset((BIND, SESSION))


class ClientStream(AuthenticatingStream):
    """One stream of one client; after TLS and after SASL a new one begins in its place."""

    __slots__ = ("_asked", "_bind_failures", "_context", "_early_iqs", "_full")

    def __init__(self, door: Door, policy: StreamPolicy, *, secure: bool = False) -> None:
        self._full: JID | None = None  # once bound
        super().__init__(door, policy, secure=secure)
        self._context: Context | None = None  # of the parser that a dozing stream has not
        self._asked: IQ | Unread | None = None  # what an answer is owed to
        self._bind_failures = self._early_iqs = 0

    def _forget(self) -> None:
        super()._forget()
        self._asked = None

    # What comes in

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the client. Never raises for anything that a peer can send."""
        if self.state is _CLOSED or self.state is _SECURING:
            return []  # injected behind <starttls/>, or after the end
        parser = self._parser
        if parser is None:
            parser = self._wake()
        items: list[Item]
        try:
            items = parser.feed(data)
        except StreamError as error:
            items = [*parser.pending, error]
        if self._full is not None and not self._held:
            for item in items:
                if item.__class__ not in _STANZAS:
                    break
            else:
                return items  # type: ignore[return-value]  # as was just seen
        return self._hold(items, len(data)) if self._waits else self._take_all(items)

    def _take(self, item: Item) -> list[Event]:
        if isinstance(item, Stanza):
            return [item]
        if isinstance(item, Unread):
            return self._stanza(item)
        if isinstance(item, Nonza):
            return self._nonza(item)
        if isinstance(item, StreamOpen):
            return self._open(item)
        if isinstance(item, StreamClose):
            return self._end(Closed(END, by_peer=True))
        raise item

    def _make(
        self,
        kind: str,
        attrs: dict[str, str],
        payloads: tuple[tuple[str, str], ...],
        raw: bytes,
        tree: Element | None = None,
        *,
        own: bool = False,
    ) -> Read:
        """Called by the parser for each stanza; with `own` for an IQ to the stream itself.

        A stanza of the bound client is stamped with its full JID (§8.1.2.1). A `to` that is no
        address is answered by the host (§8.3.3.8): the `fault` says so.
        """
        full = self._full
        if full is None or (
            kind == "iq" and not own and payloads and payloads[0][0] in _STREAM_IQS
        ):
            return Unread(kind, attrs, payloads, raw)
        claimed = attrs.get("from")
        if claimed is not None and claimed != full and not is_own(claimed, full):
            return StreamError("invalid-from")
        malformed = False
        try:
            addressed = attrs.get("to")
            to = full.bare if addressed is None else jid(addressed)
        except JIDError:
            malformed = True
            to = jid(self.domain)
        stanza = read_stanza(kind, attrs, payloads, raw, to=to, from_=full)
        if stanza.extra is not None and _FROM_BY_PREFIX in stanza.extra:
            return StreamError("invalid-from")  # a careless receiver may take it for ours
        if malformed:
            stanza.fault = StanzaError("jid-malformed")
        if stanza.lang is None:
            stanza.lang = self.lang  # §4.7.4
        return stanza

    def doze(self) -> None:
        """Give memory back that is not needed until the client says something: 10 kB of expat's,
        and 0.4 of the parser around it. In the middle of a stanza it is needed.
        """
        parser = self._parser
        context = None if parser is None else parser.rest()
        if parser is not None and context is not None and self._full is not None:
            parser.close()  # it and expat hold each other: the collector would find that too late
            self._context, self._parser = context, None

    def _wake(self) -> StreamParser[Read]:
        parser = self._parser = self._new_parser()
        parser.limits = self._policy.after_login
        if self._context is not None:
            parser.go_on(self._context)
        return parser

    def _new_parser(self) -> StreamParser[Read]:
        return StreamParser(self._make, limits=self._policy.before_login)

    # What is no stanza

    def _nonza(self, nonza: Nonza) -> list[Event]:
        element = nonza.element
        if element.ns == TLS and element.name == "starttls":
            return self._starttls(element)
        if element.ns == SASL and element.name in ("auth", "response", "abort"):
            return self._sasl(element)
        if element.ns == SASL2 and element.name in ("authenticate", "response", "abort"):
            return self._sasl(element)
        if element.ns == SASL2 and element.name in ("next", "task-data"):
            return self._task(element)
        if element.ns == STREAMS:
            return self._stream_element(element)
        if element.ns in (SASL, SASL2, TLS, CLIENT):
            raise StreamError("unsupported-stanza-type")
        if self.state is State.KNOWN and (element.ns, element.name) == (SM, "resume"):
            self._waits = True
            return [ResumeRequest(element)]
        if self.state in AFTER_LOGIN:
            return [StreamNonza(nonza)]
        raise StreamError("not-authorized" if element.ns == SM else "unsupported-stanza-type")

    def _stream_element(self, element: Element) -> list[Event]:
        if element.name == "error":
            return self._end(Closed(END, by_peer=True, peer_error=condition_of(element)))
        raise StreamError("bad-format" if element.name == "stream" else "unsupported-stanza-type")

    # Stanzas of the stream itself

    def _stanza(self, unread: Unread) -> list[Event]:
        """A stanza before the bind, and after it those that the stream answers itself."""
        if self._full is not None:
            return self._own_iq(unread, self._full)
        said = first_payload(unread)
        if unread.kind == "iq" and self.state is State.KNOWN and said == (BIND, "bind"):
            return self._bind(unread)
        if unread.kind == "iq" and self._is_early(*said):
            return self._early_iq(unread)
        after(self.state, Input.STANZA)  # which raises
        raise StreamError("not-authorized")

    def _own_iq(self, unread: Unread, full: JID) -> list[Event]:
        stanza = self._make(*unread, own=True)
        if isinstance(stanza, StreamError):
            raise stanza
        assert isinstance(stanza, Stanza)
        for_us = stanza.to in (full.bare, self.domain) and stanza.type == "set"
        if stanza.fault is None and for_us and unread.kind == "iq":
            said = first_payload(unread)
            assert isinstance(stanza, IQ)
            if said == (SESSION, "session"):
                return [OwnAnswer(stanza, None, self._answer(unread.attrs, None))]
            if said == (BIND, "bind"):  # one resource a stream
                error = StanzaError("not-allowed")
                return [OwnAnswer(stanza, error, self._answer(unread.attrs, error))]
        return [stanza]

    def _reply(self, attrs: dict[str, str], answer: Element | StanzaError | None) -> None:
        self.outgoing.append(self._answer(attrs, answer))

    def _answer(self, attrs: dict[str, str], answer: Element | StanzaError | None) -> bytes:
        """Answer an IQ for the stream. Without `to` it was for the client's own account, for which
        we speak without `from` (§8.1.2.1): some clients wait for no other answer to their bind.
        """
        kind, inside = "result", ""
        if isinstance(answer, StanzaError):
            kind, inside = "error", to_xml(answer.element(), CLIENT)
        elif answer is not None:
            inside = to_xml(answer, CLIENT)
        return self._written(attrs, kind, inside)

    def _written(self, attrs: dict[str, str], kind: str, inside: str) -> bytes:
        sender = attrs.get("to") or ("" if self.user else self.domain)
        from_ = f" from='{escape_attr(sender)}'" if sender else ""
        start = f"<iq type='{kind}' id='{escape_attr(attrs.get('id', ''))}'{from_}"
        return (f"{start}>{inside}</iq>" if inside else f"{start}/>").encode()

    # IQs before login (XEP-0077 §3.1.1)

    def _is_early(self, ns: str, name: str) -> bool:
        return (
            self.state in (State.CONNECTED, State.SECURED)
            and (self.secure or not self._policy.tls_required)
            and self._door is not None
            and self._door.early(self.domain, ns, name)
        )

    def _early_iq(self, unread: Unread) -> list[Event]:
        self._early_iqs += 1
        if self._early_iqs > EARLY_IQS:
            raise StreamError("policy-violation")
        host = jid(self.domain)
        iq = read_stanza(*unread, to=host, from_=host)
        assert isinstance(iq, IQ)
        if unread.attrs.get("to", self.domain) != self.domain or iq.type not in ("get", "set"):
            raise StreamError("not-authorized")
        if iq.fault is not None:
            self._reply(unread.attrs, iq.fault)
            return []
        self._asked, self._waits = unread, True
        return [EarlyIQ(iq)]

    def answer_early(self, answer: Element | StanzaError | None) -> list[Event]:
        """The answer to `EarlyIQ`: the payload of the result, or what went wrong."""
        asked = self._asked
        if not isinstance(asked, Unread):
            return []
        self._asked, self._waits = None, False
        self._reply(asked.attrs, answer)
        return self._go_on()

    # Resource binding (§7)

    def _bind(self, unread: Unread) -> list[Event]:
        assert self.user is not None
        self._move(Input.BIND)
        try:
            full = wanted(read_stanza(*unread, to=self.user, from_=self.user), self.user)
        except StanzaError as error:
            self._asked = unread
            return self._bind_failed(error)
        self._asked, self._waits = unread, True
        return [BindRequest(full)]

    def bound(self, full: JID) -> list[Event]:
        """The answer to `BindRequest`: the session is open, under this full JID."""
        asked = self._asked
        if self.state is not State.BINDING or not isinstance(asked, Unread):
            return []
        result = f"<bind xmlns='{BIND}'><jid>{escape_text(full)}</jid></bind>"
        self.outgoing.append(self._written(asked.attrs, "result", result))
        self._waits = False
        self._bind_to(full)
        return self._go_on()

    def resumed(self, full: JID, answer: Element) -> list[Event]:
        """The answer to `ResumeRequest`: the session of this full JID goes on here."""
        if self.state is not State.KNOWN or not self._waits:
            return []
        self._write(answer)
        self._waits = False
        self._move(Input.BIND)
        self._bind_to(full)
        return self._go_on()

    def not_resumed(self, answer: Element) -> list[Event]:
        """In place of `resumed`: the client may bind a resource now (XEP-0198 §5)."""
        if self.state is not State.KNOWN or not self._waits:
            return []
        self._write(answer)
        self._waits = False
        return self._go_on()

    def _bind_to(self, full: JID) -> None:
        self._move(Input.BOUND)
        self._full = full
        self._forget()
        # What came in behind the bind was read before its sender had a name.
        self._held = [
            self._make(*item) if isinstance(item, Unread) else item for item in self._held
        ]

    def bind_refused(self, error: StanzaError) -> list[Event]:
        """In place of `bound`: no session was opened (§7.6.2, §7.7.2)."""
        if self.state is not State.BINDING:
            return []
        self._waits = False
        return self._bind_failed(error) + self._go_on()

    def _bind_failed(self, error: StanzaError) -> list[Event]:
        asked = self._asked
        assert isinstance(asked, Unread)
        self._asked = None
        self._move(Input.REFUSED)
        self._reply(asked.attrs, error)
        self._bind_failures += 1
        if self._bind_failures >= self._policy.bind_failures:
            return self.fail(StreamError("policy-violation"))
        return []
