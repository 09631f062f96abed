"""A client's stream on the server's side, without sockets (RFC 6120 §4 to §7).

`ClientStream` takes bytes, returns events (`xmppd.stream.events`) and has bytes to send. An event
that asks something (`AskKeys`, `AskPassword`, `EarlyIQ`, `BindRequest`...) makes it hold back what
comes in until the answer is given.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace

from xmppd.jid import JID, JIDError, jid, make_jid
from xmppd.ns import BIND, CLIENT, FAST, IAP, SASL, SASL2, SESSION, SM, STREAM_ERRORS, STREAMS, TLS
from xmppd.stanza import IQ, Message, Presence, Stanza, StanzaError, read_stanza
from xmppd.stream import features, sasl2
from xmppd.stream.events import (
    Authenticated,
    AuthFailed,
    BindRequest,
    Closed,
    EarlyIQ,
    Event,
    LoggingIn,
    OwnAnswer,
    Restarted,
    ResumeRequest,
    StartTLS,
    StreamNonza,
    TaskBegun,
    TaskData,
)
from xmppd.stream.features import StreamPolicy
from xmppd.stream.header import END, Header, HeaderError, read_header, write_error, write_header
from xmppd.stream.sasl import (
    Challenge,
    Channel,
    Done,
    Exchange,
    SASLFailure,
    ScramKeys,
    Step,
    announced_bindings,
    begin,
    begin_token,
    offered,
    token_mechanisms,
)
from xmppd.stream.sasl.base64 import decode, encode
from xmppd.stream.sasl2 import Authenticate
from xmppd.stream.states import AFTER_LOGIN, NEXT, Input, State, after
from xmppd.stream.unread import Unread, first_payload, is_own, wanted
from xmppd.xml import (
    XML_LANG,
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

PROCEED = f"<proceed xmlns='{TLS}'/>".encode()
EARLY_IQS = 20  # a stream; registering takes a handful
HELD_BYTES = 262144  # that come in while an answer is waited for; the owner stops reading anyway
_STANZAS = frozenset((Message, Presence, IQ))
_CLOSED, _SECURING = State.CLOSED, State.SECURING  # asked for with each read
_FROM_BY_PREFIX = f"{{{CLIENT}}}from"
_STREAM_IQS = frozenset((BIND, SESSION))


# What the parser makes of a stanza: an error stands in its place, so that order is kept.
Read = Stanza | Unread | StreamError
Item = StreamOpen | StreamClose | Nonza | Read


def no_features(domain: str, state: State) -> str:
    """Stands for the features of modules where there are none."""
    return ""


def no_inline(domain: str, tokens: tuple[str, ...]) -> str:
    """Stands for what may be asked for within a login where there is nothing."""
    return ""


def no_requests(domain: str, names: tuple[str, ...]) -> str:
    """Stands for what modules say of a login where they say nothing."""
    return ""


def no_early_iqs(domain: str, ns: str, name: str) -> bool:
    """Stands for the IQs before login where there are none."""
    return False


class ClientStream:
    """One stream of one client; after TLS and after SASL a new one begins in its place.

    `channel(domain)` tells what the connection offers to SASL, with `offered` still empty;
    `more_features(domain, state)` gives those of modules, as XML; `early(domain, ns, name)` says
    whether an IQ with such a payload is answered before login; `inline(domain, tokens)` gives, as
    XML, what a client may ask for within its login (XEP-0388 §2.1), `tokens` being the mechanisms
    for tokens that the channel can carry; `login(domain, names)` what else belongs with the
    mechanisms of these names. All are dropped when a resource is bound.
    """

    __slots__ = (
        "_asked",
        "_bind_failures",
        "_channel",
        "_context",
        "_done",
        "_early",
        "_early_iqs",
        "_exchange",
        "_features",
        "_full",
        "_held",
        "_held_bytes",
        "_hosts",
        "_inline",
        "_login",
        "_offered",
        "_opened",
        "_parser",
        "_policy",
        "_request",
        "_restarts",
        "_sasl_failures",
        "_sender",
        "_version",
        "_waits",
        "domain",
        "lang",
        "outgoing",
        "secure",
        "state",
        "user",
    )

    def __init__(
        self,
        hosts: Container[str],
        channel: Callable[[str], Channel],
        policy: StreamPolicy,
        *,
        secure: bool = False,
        more_features: Callable[[str, State], str] = no_features,
        early: Callable[[str, str, str], bool] = no_early_iqs,
        inline: Callable[[str, tuple[str, ...]], str] = no_inline,
        login: Callable[[str, tuple[str, ...]], str] = no_requests,
    ) -> None:
        self._hosts: Container[str] | None = hosts
        self._channel: Callable[[str], Channel] | None = channel
        self._policy = policy
        self._features: Callable[[str, State], str] | None = more_features
        self._early: Callable[[str, str, str], bool] | None = early
        self._inline: Callable[[str, tuple[str, ...]], str] | None = inline
        self._login: Callable[[str, tuple[str, ...]], str] | None = login
        self._parser: StreamParser[Read] | None = self._new_parser()
        self._context: Context | None = None  # of the parser that a dozing stream has not
        self.state = State.SECURED if secure else State.CONNECTED
        self.secure = secure
        self.domain = ""  # of ours, once a header named it
        self.user: JID | None = None  # bare, once authenticated
        self.lang: str | None = None
        self._full: JID | None = None  # once bound
        self._sender: JID | None = None  # who the header says the client is
        self._opened = False  # our header of this stream was sent
        self._restarts = False  # another stream was in its place
        self._exchange: Exchange | None = None
        self._request: Authenticate | None = None  # of the exchange, in the profile of XEP-0388
        self._done: Done | None = None  # how it ended, while what was asked for with it is done
        self._offered: Channel | None = None  # as announced on this stream
        self._version = ""  # of the features that were announced with that
        self._asked: IQ | Unread | None = None  # what an answer is owed to
        self._waits = False
        self._held: Sequence[Item] = ()
        self._held_bytes = 0
        self.outgoing: list[bytes] = []  # what `take` gives
        self._sasl_failures = self._bind_failures = self._early_iqs = 0

    # What comes in

    @property
    def waits(self) -> bool:
        """Whether an answer is owed to it; it is better to read nothing until then."""
        return self._waits

    @property
    def request(self) -> Authenticate | None:
        """What the exchange under way began with, in the profile of XEP-0388."""
        return self._request

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
        self._held = [*self._held, *items]
        return self._hold(len(data)) if self._waits else self._go_on()

    def _hold(self, size: int) -> list[Event]:
        self._held_bytes += size
        if self._held_bytes > HELD_BYTES:
            return self.fail(StreamError("policy-violation"))
        return []

    def _go_on(self) -> list[Event]:
        """Take what is held back, until there is something to wait for."""
        events: list[Event] = []
        if self.waits:
            return events
        held, self._held = self._held, ()
        self._held_bytes = 0
        for position, item in enumerate(held):
            try:
                events += self._take(item)
            except StreamError as error:
                events += self.fail(error)
            if self.state is State.CLOSED or self.state is State.SECURING:
                break  # what follows is nobody's
            if self._waits:
                self._held = held[position + 1 :]
                break
        return events

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
        context = None if self._parser is None else self._parser.rest()
        if context is not None and self._full is not None:
            self._context, self._parser = context, None

    def _wake(self) -> StreamParser[Read]:
        parser = self._parser = self._new_parser()
        parser.limits = self._policy.after_login
        if self._context is not None:
            parser.go_on(self._context)
        return parser

    def _new_parser(self) -> StreamParser[Read]:
        return StreamParser(self._make, limits=self._policy.before_login)

    # What goes out

    def take(self) -> bytes:
        """The bytes to send, in order; they are the caller's then."""
        if not self.outgoing:
            return b""
        data = b"".join(self.outgoing)
        self.outgoing.clear()
        return data

    def _write(self, element: Element) -> None:
        self.outgoing.append(to_xml(element, CLIENT).encode())

    def _write_data(self, name: str, ns: str, data: bytes | None) -> None:
        """An element of SASL; base64 needs no escapes."""
        text = "" if data is None else encode(data)
        end = f">{text}</{name}>" if text else "/>"
        self.outgoing.append(f"<{name} xmlns='{ns}'{end}".encode())

    def _move(self, said: Input) -> None:
        self.state = after(self.state, said)

    # The end

    def fail(self, error: StreamError) -> list[Event]:
        """End the stream with an error (§4.9); before our header was sent, with that first."""
        if self.state is State.CLOSED:
            return []
        if self.state is State.SECURING:  # where XML has no place (§5.4.3.1)
            return self._end(Closed(b"", error))
        header = b"" if self._opened else self._header_before(error)
        return self._end(Closed(header + write_error(error) + END, error))

    def _header_before(self, error: StreamError) -> bytes:
        if isinstance(error, HeaderError):
            return write_header(error.from_, error.to, versioned=error.versioned)
        return write_header(self.domain)

    def close(self) -> list[Event]:
        """End the stream without an error (§4.4)."""
        if self.state is State.CLOSED:
            return []
        in_words = self._opened and self.state is not State.SECURING
        return self._end(Closed(END if in_words else b""))

    def _end(self, closed: Closed) -> list[Event]:
        self._move(Input.CLOSE)
        self._waits = False
        self._held = ()
        if self._parser is not None:
            self._parser.close()  # expat and it refer to each other: 11 kB till they are collected
        self._forget()
        return [closed]

    def _forget(self) -> None:
        """Let go of all that served the negotiation."""
        self._asked = self._exchange = self._offered = self._request = self._done = None
        self._hosts = self._channel = self._features = self._early = self._inline = None
        self._login = None

    # Headers and features

    def _open(self, opened: StreamOpen) -> list[Event]:
        if self.user is not None and opened.name != "stream" and opened.ns != STREAMS:
            raise StreamError("not-authorized")  # a stanza where the stream had to begin anew
        hosts = self._hosts
        if hosts is None:
            raise StreamError("bad-format")
        header = read_header(opened, hosts)
        self._check_user(header)
        self.domain, self.lang, self._sender = header.domain, header.lang, header.from_
        offer = features.write_features(self._offer())
        self.outgoing.append(write_header(header.domain, header.from_))
        self._opened = True
        self.outgoing.append(offer)
        return [Restarted()] if self._restarts else []

    def _check_user(self, header: Header) -> None:
        """After login the header speaks of the user that was authenticated, if of any."""
        if self.user is None:
            return
        if header.domain != self.domain:
            raise HeaderError("not-authorized", from_=self.domain)
        if header.from_ is not None and header.from_ != self.user:
            raise HeaderError("invalid-from", from_=self.domain)

    def _offer(self, *, bound: bool = False) -> str:
        policy = self._policy
        if self.state is State.KNOWN:
            limits = features.limits(policy.after_login.stanza_bytes, policy.idle_s)
            return self._modules_offer() + ("" if bound else features.bind()) + limits
        offer = ""
        if not self.secure:
            offer = features.starttls(required=policy.tls_required)
        if self.secure or not policy.tls_required:
            offer += self._modules_offer() + self._sasl_offer()
        offer += features.limits(policy.before_login.stanza_bytes, policy.idle_s)
        if self._offered is None or not self._offered.offered:
            return offer
        self._version = features.version_of(offer)
        return offer + features.config_version(self._version)

    def _modules_offer(self) -> str:
        return "" if self._features is None else self._features(self.domain, self.state)

    def _sasl_offer(self) -> str:
        assert self._channel is not None
        channel = self._channel(self.domain)
        in_clear = not self._policy.tls_required
        enabled = (*self._policy.mechanisms, *channel.more)
        names = offered(channel, enabled, plain_in_clear=in_clear)
        channel = self._offered = channel.offering(names)
        bindings = announced_bindings(channel)
        offer = features.channel_bindings(bindings) if bindings else ""
        if not names:
            return offer
        assert self._inline is not None
        assert self._login is not None
        inline = self._inline(self.domain, token_mechanisms(channel))
        login = self._login(self.domain, names) if self.secure else ""
        return offer + features.mechanisms(names) + features.authentication(names, inline, login)

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
            conditions = [child.name for child in element.all(STREAM_ERRORS)]
            named = conditions[0] if conditions else "undefined-condition"
            return self._end(Closed(END, by_peer=True, peer_error=named))
        raise StreamError("bad-format" if element.name == "stream" else "unsupported-stanza-type")

    # STARTTLS (§5)

    def _starttls(self, command: Element) -> list[Event]:
        """§5.4.2. What else came in with the command is no part of any stream."""
        if (self.state, Input.STARTTLS) not in NEXT or command.children:
            self._write(Element(TLS, "failure"))
            return self.close()
        self.outgoing.append(PROCEED)
        self._move(Input.STARTTLS)
        return [StartTLS()]

    def tls_ready(self) -> None:
        """The handshake is done: nothing that was said before counts any more (§5.4.3.3)."""
        self._move(Input.TLS_READY)
        self.secure = True
        self.domain = ""
        self.lang = self._sender = self._offered = None
        self._restart()

    def _read_on_as_known(self) -> None:
        assert self._parser is not None
        self._parser.limits = self._policy.after_login

    def _restart(self) -> None:
        assert self._parser is not None  # it sleeps between stanzas of a session only
        self._parser.reset()
        self._opened = False
        self._restarts = True

    # SASL (§6), and in the profile of XEP-0388

    def _sasl(self, element: Element) -> list[Event]:
        if self.state in AFTER_LOGIN:
            raise StreamError("not-authorized")
        if element.name == "authenticate":
            return self._try(lambda: self._begin_extensible(element))
        if element.name == "auth" and not element.elements:
            return self._try(lambda: self._begin(element))
        mixed = (element.ns == SASL2) != (self._request is not None)  # one exchange, one profile
        if element.ns == SASL2:
            self._request = self._request or Authenticate.empty()
        aborts = element.ns == SASL2 and element.name == "abort"  # may say why (XEP-0388 §4.5)
        if mixed or (element.elements and not aborts):
            return self._auth_failed("malformed-request")
        if element.name == "abort":
            return self._auth_failed("aborted")
        return self._try(lambda: self._respond(element))

    def _try(self, step: Callable[[], Step]) -> list[Event]:
        try:
            return self._did(step())
        except sasl2.Outdated as outdated:
            return self._start_over(outdated)
        except SASLFailure as failure:
            return self._auth_failed(failure.condition, failure.text)

    def _begin(self, auth: Element) -> Step:
        """§6.4.2. A second one ends the exchange that is under way and begins another."""
        self._move(Input.AUTH)
        self._exchange = self._request = None
        channel = self._offered or Channel(self.domain)  # before TLS nothing is offered
        exchange = self._exchange = begin(auth.get("mechanism") or "", channel)
        return exchange.respond(decode(auth.text) if auth.text else None)

    def _begin_extensible(self, element: Element) -> Step:
        """XEP-0388 §2.3; with a token if <fast/> says so (XEP-0484 §3.4)."""
        self._move(Input.AUTH)
        self._exchange = None
        self._request = Authenticate.empty()  # a refusal is told in this profile
        request = self._request = sasl2.read_authenticate(element)
        if self._version:
            sasl2.check_version(request, self._version)
        channel = self._offered or Channel(self.domain)
        by_token = request.request(FAST, "fast") is not None
        start = begin_token if by_token else begin
        exchange = self._exchange = start(request.mechanism, channel)
        return exchange.respond(request.initial)

    def _respond(self, response: Element) -> Step:
        """§6.4.3."""
        exchange = self._exchange
        if exchange is None:
            raise SASLFailure("malformed-request")
        self._move(Input.RESPONSE)
        if self._request is not None:
            return exchange.respond(sasl2.decode(response))
        return exchange.respond(decode(response.text))

    def _did(self, step: Step) -> list[Event]:
        if isinstance(step, Challenge):
            profile = SASL if self._request is None else SASL2
            self._write_data("challenge", profile, step.data or None)
            return []
        if isinstance(step, Done):
            return self._authenticated(step)
        self._waits = True
        return [step]

    def keys(self, keys: ScramKeys) -> list[Event]:
        """The answer to `AskKeys`."""
        return self._answered(lambda exchange: exchange.keys(keys))

    def verdict(self, ok: bool) -> list[Event]:
        """The answer to `AskPassword`."""
        return self._answered(lambda exchange: exchange.verdict(ok))

    def token(self, token: bytes | None) -> list[Event]:
        """The answer to `AskToken`."""
        return self._answered(lambda exchange: exchange.token(token))

    def _answered(self, answer: Callable[[Exchange], Step]) -> list[Event]:
        exchange = self._exchange
        if exchange is None or not self._waits:
            return []  # the stream ended meanwhile
        self._waits = False
        try:
            events = self._try(lambda: answer(exchange))
        except StreamError as error:
            events = self.fail(error)
        return events + self._go_on()

    def refuse_login(
        self, condition: str = "temporary-auth-failure", text: str | None = None
    ) -> list[Event]:
        """In place of `keys`, `verdict`, `token`, `logged_in` or `task_data`: it is not possible
        now, or for the reason that `condition` names (§6.5).
        """
        if self._exchange is None or not self._waits:
            return []
        self._waits = False
        return self._auth_failed(condition, text) + self._go_on()

    def _auth_failed(self, condition: str, text: str | None = None) -> list[Event]:
        """§6.4.5: tell it, and after some of them let the client go."""
        self._move(Input.FAILURE)
        extensible = self._request is not None
        self._exchange = self._request = self._done = None
        self._write((sasl2.failure if extensible else _failure)(condition, text))
        self._sasl_failures += 1
        events: list[Event] = [AuthFailed(condition)]
        if self._sasl_failures >= self._policy.sasl_failures:
            events += self.fail(StreamError("policy-violation", "too many failed logins"))
        return events

    def _start_over(self, outdated: sasl2.Outdated) -> list[Event]:
        """XEP-0509 §2.2: the client has our features by now, and may try again with those."""
        self._move(Input.FAILURE)
        self._request = None
        mismatch = Element(IAP, "config-version-mismatch")
        self._write(sasl2.failure(outdated.condition, outdated.text, mismatch))
        return [AuthFailed(outdated.condition)]

    def _authenticated(self, done: Done) -> list[Event]:
        """§6.4.6. The client's header, if TLS protected it, must have named the same user."""
        user = make_jid(done.user, self.domain)
        foreign = self.secure and self._sender is not None and self._sender != user
        if self._request is not None:
            return self._log_in(user, done, self._request, foreign=foreign)
        if foreign:
            raise StreamError("invalid-from")
        self._write_data("success", SASL, done.data)
        self._move(Input.SUCCESS)
        self.user = user
        self._exchange = None
        self._restart()
        self._read_on_as_known()
        return [Authenticated(user)]

    def _log_in(
        self, user: JID, done: Done, request: Authenticate, *, foreign: bool
    ) -> list[Event]:
        """XEP-0388 §2.6.1: what was asked for inline comes before <success/>."""
        if foreign:  # §2.3
            return self._auth_failed("invalid-authzid", "the stream is from somebody else")
        self._done, self._waits = done, True
        said = (request.mechanism, request.agent, request.requests)
        shown = () if self._offered is None else self._offered.offered
        return [LoggingIn(user, *said, done.token, shown)]

    # Tasks between the exchange and its success (XEP-0388 §2.6.3)

    def ask_tasks(self, names: Sequence[str], text: str | None = None) -> list[Event]:
        """In place of `logged_in`, under TLS: one of these tasks has to be done first."""
        done = self._done
        if done is None or not self._waits:
            return []
        self._waits = False
        self._write(sasl2.continuing(done.data, names, text))
        self._done = replace(done, data=None)  # which is told once
        self._move(Input.CONTINUE)
        return self._go_on()

    def _task(self, element: Element) -> list[Event]:
        given = tuple(element.elements)
        if element.name == "next":
            self._move(Input.NEXT)
            self._waits = True
            return [TaskBegun(element.get("task") or "", given)]
        self._move(Input.TASK_DATA)
        self._waits = True
        return [TaskData(given)]

    def task_data(self, said: Iterable[Element]) -> list[Event]:
        """An answer to `TaskBegun` or `TaskData`: what the client is told within the task."""
        if self.state is not State.AT_TASK or not self._waits:
            return []
        self._waits = False
        self._write(Element(SASL2, "task-data", None, *said))
        return self._go_on()

    def logged_in(
        self, who: JID, answers: Iterable[Element] = (), *, resumed: bool = False
    ) -> list[Event]:
        """The answer to `LoggingIn`: authenticated as `who`, bound if that is a full JID.

        There is no new header; the features of what may follow come at once, unless an earlier
        session was `resumed` (XEP-0198 §9.2).
        """
        done = self._done
        if done is None or not self._waits:
            return []  # the stream ended meanwhile
        self._waits = False
        self._write(sasl2.success(who, done.data, answers))
        self._move(Input.SUCCESS)
        self.user = who.bare
        self._exchange = self._request = self._done = None
        self._read_on_as_known()
        if not resumed:
            self.outgoing.append(features.write_features(self._offer(bound=bool(who.resource))))
        if who.resource:
            self._move(Input.BIND)
            self._bind_to(who)
        return [Authenticated(self.user), *self._go_on()]

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
            and self._early is not None
            and self._early(self.domain, ns, name)
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


def _failure(condition: str, text: str | None) -> Element:
    """§6.4.5."""
    failure = Element(SASL, "failure", None, Element(SASL, condition))
    if text:
        failure.append(Element(SASL, "text", {XML_LANG: "en"}, text))
    return failure
