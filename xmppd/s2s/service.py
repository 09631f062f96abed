"""What all connections with other servers have in common."""

import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from xmppd.clock import Clock
from xmppd.config.outgoing import OutgoingOptions
from xmppd.config.s2s import HostS2SOptions, S2SOptions
from xmppd.host import Host
from xmppd.resolve import Target
from xmppd.routing import Router
from xmppd.s2s.policy import Policy
from xmppd.stream import dialback
from xmppd.transport.admission import Admission
from xmppd.transport.connection import StreamTransport
from xmppd.transport.flusher import Flusher
from xmppd.transport.proof import Role, Verdict
from xmppd.transport.tls import TLSContext, TLSEngine
from xmppd.transport.wheel import TimerWheel

C = TypeVar("C", bound=StreamTransport)


class Dials(Protocol):
    """`xmppd.resolve.Dialer`, as the federation sees it."""

    async def connect(
        self,
        domain: str,
        make_connection: Callable[[Target], C],
        negotiated: Callable[[C], Coroutine[Any, Any, None]] | None = None,
    ) -> C:
        """Raises DialFailed."""

    def configure(self, options: OutgoingOptions) -> None: ...


class Contexts(Protocol):
    """`xmppd.transport.peer_tls.PeerTLS`."""

    def client(self, local: str, remote: str, *, direct: bool = False) -> TLSContext: ...

    def server(self, local: str | None = None) -> TLSContext: ...


class Proves(Protocol):
    """`xmppd.resolve.prover.Prover`."""

    async def judge(
        self, engine: TLSEngine, domain: str, role: Role, target: Target | None = None
    ) -> Verdict:
        """Never raises."""


class ServedDomains:
    """All that is served here. Nobody outside is one of these."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def __contains__(self, domain: object) -> bool:
        return isinstance(domain, str) and self._router.serves(domain)


class LocalDomains:
    """The domains served here that talk to others: hosts, their services, components."""

    def __init__(self, router: Router, options_of: Callable[[str], HostS2SOptions | None]) -> None:
        self._router = router
        self._options_of = options_of

    def __contains__(self, domain: object) -> bool:
        if not isinstance(domain, str) or not self._router.serves(domain):
            return False
        options = self._options_of(domain)
        return options is not None and options.enabled


@dataclass(slots=True, eq=False)
class Service:
    """Handed to each connection; `options` and `policy` are replaced when they are reloaded.

    `hosts` are the virtual hosts, by prepared domain.
    """

    hosts: Mapping[str, Host]
    options: S2SOptions
    router: Router
    dialer: Dials
    contexts: Contexts
    make_prover: Callable[[S2SOptions], Proves]
    flusher: Flusher
    wheel: TimerWheel
    clock: Clock
    admission: Admission
    domains: LocalDomains = field(init=False)
    served: ServedDomains = field(init=False)
    policy: Policy = field(init=False)
    prover: Proves = field(init=False)
    _secret: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.served = ServedDomains(self.router)
        self.domains = LocalDomains(self.router, self.options_of)
        secret = self.options.dialback_secret.get_secret_value()
        self._secret = secret.encode() or secrets.token_bytes(32)
        self.configure(self.options)

    def configure(self, options: S2SOptions) -> None:
        """Take new options, for connections to come."""
        self.options = options
        self.dialer.configure(options)
        self.prover = self.make_prover(options)
        self.policy = Policy(options, self.options_of)

    def options_of(self, domain: str) -> HostS2SOptions | None:
        """Those of the virtual host that a domain of ours belongs to; None if it is not ours."""
        host = self.hosts.get(self.router.owner(domain))
        if host is not None:
            return host.options.s2s
        return HostS2SOptions() if self.router.serves(domain) else None

    def key(self, receiving: str, originating: str, stream_id: str) -> str:
        """Our dialback key for that stream (XEP-0185)."""
        return dialback.key(self._secret, receiving, originating, stream_id)
