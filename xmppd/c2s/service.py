"""What all connections of clients have in common."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from xmppd import events
from xmppd.auth import Attempts
from xmppd.c2s.login import offer_inline
from xmppd.clock import Clock
from xmppd.config.server import C2SOptions
from xmppd.hooks import Hooks
from xmppd.host import Host
from xmppd.sessions import Session
from xmppd.stanza import IQ
from xmppd.stream.features import StreamPolicy, written
from xmppd.transport.admission import Admission
from xmppd.transport.flusher import Flusher
from xmppd.transport.limits import limits_of
from xmppd.transport.store import CertificateStore
from xmppd.transport.wheel import TimerWheel
from xmppd.xml import Element

# Answers an IQ before login: the payload of the result, or None; may raise StanzaError. The
# second argument is the IP address of the client, "" for a Unix socket.
EarlyHandler = Callable[[IQ, str], Awaitable[Element | None]]
# Takes an element that is no stanza, after login; the session is None before the bind. What it
# gives is the answer.
NonzaHandler = Callable[[Session | None, Element], Element | None]


def _nobody(host: Host, *name: str) -> None:
    """Stands for the extensions of modules where there are none."""


@dataclass(frozen=True, slots=True)
class Extensions:
    """What modules of a host answer on a stream beside stanzas of bound sessions.

    Both are asked by (host, namespace, name of the element) and give None where nobody is in
    charge: the stream then ends with not-authorized, or unsupported-stanza-type.
    """

    early_iq: Callable[[Host, str, str], EarlyHandler | None] = _nobody
    nonza: Callable[[Host, str, str], NonzaHandler | None] = _nobody


class Offers:
    """The stream features of modules, written once for each host and state.

    They are asked again when modules have come or gone.
    """

    def __init__(self) -> None:
        self._written: dict[tuple[str, object], tuple[Hooks, int, str]] = {}

    def of(self, host: Host, state: str) -> str:
        """`state` is as in `events.stream_features`."""
        return self._once(host, state, lambda: host.hooks.of(events.stream_features).gather(state))

    def inline(self, host: Host, tokens: tuple[str, ...]) -> str:
        """What a client may ask for within its login, if its connection carries these `tokens`."""
        return self._once(host, tokens, lambda: offer_inline(host, tokens))

    def login(self, host: Host, names: tuple[str, ...]) -> str:
        """What belongs with these mechanisms in the feature of XEP-0388."""
        what = ("login", *names)
        return self._once(host, what, lambda: host.hooks.of(events.login_features).gather(names))

    def _once(self, host: Host, what: object, make: Callable[[], Iterable[Element]]) -> str:
        hooks = host.hooks
        known, changes, text = self._written.get((host.name, what), (None, 0, ""))
        if known is not hooks or changes != hooks.changes:
            text = written(make())
            self._written[host.name, what] = hooks, hooks.changes, text
        return text


@dataclass(slots=True, eq=False)
class Service:
    """Handed to each connection; `options` and `policy` are replaced when they are reloaded.

    `hosts` are by prepared domain; `clock` is the reactor, whose seconds are monotonic.
    """

    hosts: Mapping[str, Host]
    options: C2SOptions
    certificates: CertificateStore
    flusher: Flusher
    wheel: TimerWheel
    clock: Clock
    admission: Admission
    attempts: Attempts
    extensions: Extensions = field(default_factory=Extensions)
    offers: Offers = field(init=False)
    policy: StreamPolicy = field(init=False)

    def __post_init__(self) -> None:
        self.configure(self.options)

    def configure(self, options: C2SOptions) -> None:
        """Take new options, for connections to come."""
        self.options = options
        self.offers = Offers()
        self.policy = policy_of(options)


def policy_of(options: C2SOptions) -> StreamPolicy:
    """What these options mean to a stream."""
    return StreamPolicy(
        tls_required=not options.plaintext_auth,
        mechanisms=tuple(options.mechanisms),
        sasl_failures=options.attempts,
        before_login=limits_of(options.limits.before_login),
        after_login=limits_of(options.limits.after_login),
        idle_s=int(options.idle_ping),
        login_s=int(options.login_timeout),
    )
