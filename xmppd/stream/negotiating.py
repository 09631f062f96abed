"""A client's stream from its header on: features, STARTTLS, its end (RFC 6120 §4, §5)."""

from collections.abc import Callable, Container
from dataclasses import dataclass

from xmppd.jid import JID
from xmppd.ns import CLIENT, STREAMS, TLS
from xmppd.stream import features
from xmppd.stream.events import Closed, Event, Restarted, StartTLS
from xmppd.stream.features import StreamPolicy
from xmppd.stream.header import END, Header, HeaderError, read_header, write_error, write_header
from xmppd.stream.holding import HoldingStream
from xmppd.stream.sasl import Channel, announced_bindings, offered, token_mechanisms
from xmppd.stream.states import NEXT, Input, State, after
from xmppd.xml import Element, StreamError, StreamOpen, to_xml

PROCEED = f"<proceed xmlns='{TLS}'/>".encode()
_CLOSED, _SECURING = State.CLOSED, State.SECURING  # asked for with each read


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


@dataclass(frozen=True, slots=True)
class Door:
    """What a stream asks of the server till a resource is bound.

    `channel(domain)` tells what the connection offers to SASL, with `offered` still empty;
    `features(domain, state)` gives those of modules, as XML; `early(domain, ns, name)` says
    whether an IQ with such a payload is answered before login; `inline(domain, tokens)` gives, as
    XML, what a client may ask for within its login (XEP-0388 §2.1), `tokens` being the mechanisms
    for tokens that the channel can carry; `login(domain, names)` what else belongs with the
    mechanisms of these names.
    """

    hosts: Container[str]
    channel: Callable[[str], Channel]
    features: Callable[[str, State], str] = no_features
    early: Callable[[str, str, str], bool] = no_early_iqs
    inline: Callable[[str, tuple[str, ...]], str] = no_inline
    login: Callable[[str, tuple[str, ...]], str] = no_requests


class NegotiatingStream(HoldingStream[Event]):
    """What a stream is before and beside any login."""

    __slots__ = (
        "_door",
        "_offered",
        "_opened",
        "_policy",
        "_restarts",
        "_sender",
        "_version",
        "domain",
        "lang",
        "secure",
        "state",
        "user",
    )
    MOST_HELD = 262144

    def __init__(self, door: Door, policy: StreamPolicy, *, secure: bool) -> None:
        self._policy = policy
        super().__init__()
        self._door: Door | None = door  # until a resource is bound
        self.state = State.SECURED if secure else State.CONNECTED
        self.secure = secure
        self.domain = ""  # of ours, once a header named it
        self.user: JID | None = None  # bare, once authenticated
        self.lang: str | None = None
        self._sender: JID | None = None  # who the header says the client is
        self._opened = False  # our header of this stream was sent
        self._restarts = False  # another stream was in its place
        self._offered: Channel | None = None  # as announced on this stream
        self._version = ""  # of the features that were announced with that

    @property
    def deaf(self) -> bool:
        return self.state is _CLOSED or self.state is _SECURING

    # What goes out

    def _write(self, element: Element) -> None:
        self.outgoing.append(to_xml(element, CLIENT).encode())

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
        self._forget()
        self._over()
        return [closed]

    def _forget(self) -> None:
        """Let go of all that served the negotiation."""
        self._door = None

    # Headers and features

    def _open(self, opened: StreamOpen) -> list[Event]:
        if self.user is not None and opened.name != "stream" and opened.ns != STREAMS:
            raise StreamError("not-authorized")  # a stanza where the stream had to begin anew
        if self._door is None:
            raise StreamError("bad-format")
        header = read_header(opened, self._door.hosts)
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
        offer += features.limits(policy.before_login.stanza_bytes, policy.login_s)
        if self._offered is None or not self._offered.offered:
            return offer
        self._version = features.version_of(offer)
        return offer + features.config_version(self._version)

    def _modules_offer(self) -> str:
        return "" if self._door is None else self._door.features(self.domain, self.state)

    def _sasl_offer(self) -> str:
        door = self._door
        assert door is not None
        channel = door.channel(self.domain)
        in_clear = not self._policy.tls_required
        enabled = (*self._policy.mechanisms, *channel.more)
        names = offered(channel, enabled, plain_in_clear=in_clear)
        channel = self._offered = channel.offering(names)
        bindings = announced_bindings(channel)
        offer = features.channel_bindings(bindings) if bindings else ""
        if not names:
            return offer
        inline = door.inline(self.domain, token_mechanisms(channel))
        login = door.login(self.domain, names) if self.secure else ""
        return offer + features.mechanisms(names) + features.authentication(names, inline, login)

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

    def _restart(self) -> None:
        self._begin_anew()
        self._opened = False
        self._restarts = True
