"""All who connect, clients, components and other servers: what serves them, and where."""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from xmppd.c2s import ClientFactory, Extensions, Service
from xmppd.components import ComponentCommands, Components, ComponentService
from xmppd.components.service import ComponentFactory
from xmppd.config import Config, ServerOptions
from xmppd.config.s2s import S2SLimits, S2SOptions
from xmppd.config.server import C2SLimits, C2SOptions
from xmppd.host import Host
from xmppd.resolve.make import make_dialer, make_prover
from xmppd.routing import Router
from xmppd.s2s import Federation, FederationCommands, PeerFactory
from xmppd.s2s import Service as PeerService
from xmppd.settings import (
    admission_limits,
    certificate_pairs,
    make_attempts,
    memory_pressure,
    peer_tls_settings,
    tls_settings,
)
from xmppd.transport.admission import Admission
from xmppd.transport.flusher import Flusher
from xmppd.transport.listeners import Listener, ListenError
from xmppd.transport.peer_tls import PeerTLS
from xmppd.transport.reactor import StreamReactor
from xmppd.transport.store import CertificateStore
from xmppd.transport.tls import TLSContext
from xmppd.transport.wheel import TimerWheel

log = Logger()


class Connections:
    """They share a flusher and a wheel of timers. Who makes it listens to nobody yet.

    Making it raises CertificateError.
    """

    def __init__(
        self,
        reactor: Any,  # Twisted's reactor: many interfaces at once
        config: Config,
        *,
        hosts: Mapping[str, Host],
        router: Router,
    ) -> None:
        options = config.server
        self._reactor = reactor
        self._hosts = hosts
        self._router = router
        self._flusher = self._make_flusher()
        self._wheel = TimerWheel(reactor)
        self.certificates = CertificateStore(certificate_pairs(config), tls_settings(options))
        self.c2s = self._make_c2s(options)
        self.clients = ClientFactory(self.c2s)
        self.components = self._make_components(options)
        self.peer_tls = PeerTLS(certificate_pairs(config), peer_tls_settings(options))
        self.federation = Federation(self._make_s2s(options))
        router.elsewhere = self.federation.route
        router.copies_elsewhere = self.federation.route_copies

    def commands(self) -> list[object]:
        """What operators can ask about those who connect."""
        components = self.components.factory.components
        return [ComponentCommands(components, self._reactor), FederationCommands(self.federation)]

    def _make_flusher(self) -> Flusher:
        flusher = Flusher(self._reactor)
        if isinstance(self._reactor, StreamReactor):
            self._reactor.flusher = flusher
        return flusher

    def _make_c2s(self, options: ServerOptions) -> Service:
        return Service(
            hosts=self._hosts,
            options=options.c2s,
            certificates=self.certificates,
            flusher=self._flusher,
            wheel=self._wheel,
            clock=self._reactor,
            admission=self._admission(options.c2s.limits, options),
            attempts=make_attempts(options, self._reactor.seconds),
            extensions=Extensions(
                early_iq=lambda host, ns, name: host.modules.early_iq(ns, name),
                nonza=lambda host, ns, name: host.modules.nonza(ns, name),
            ),
        )

    def _make_components(self, options: ServerOptions) -> ComponentService:
        components = Components(
            router=self._router,
            hosts=self._hosts,
            clock=self._reactor,
            attempts=make_attempts(options, self._reactor.seconds),
        )
        factory = ComponentFactory(
            components,
            router=self._router,
            admission=self.c2s.admission,
            flusher=self._flusher,
            wheel=self._wheel,
        )
        return ComponentService(self._reactor, factory, self.certificates)

    def _make_s2s(self, options: ServerOptions) -> PeerService:
        dialer = make_dialer(self._reactor, options.s2s)
        return PeerService(
            hosts=self._hosts,
            options=options.s2s,
            router=self._router,
            dialer=dialer,
            contexts=self.peer_tls,
            make_prover=lambda options: make_prover(self._reactor, dialer, options),
            flusher=self._flusher,
            wheel=self._wheel,
            clock=self._reactor,
            admission=self._admission(options.s2s.limits, options),
        )

    def _admission(self, limits: C2SLimits | S2SLimits, options: ServerOptions) -> Admission:
        seconds = self._reactor.seconds
        return Admission(
            seconds,
            admission_limits(limits),
            pressed=memory_pressure(options.c2s.limits, seconds),
        )

    # Where they connect

    def client_listeners(self, options: ServerOptions) -> list[Listener]:
        return self._listeners(self.clients, options.c2s, self.certificates.context)

    async def listen_to_components(self, parent: MultiService, config: Config) -> None:
        """Raises ListenError."""
        self.components.setServiceParent(parent)  # type: ignore[no-untyped-call]
        refused = await self.components.configure(config.server.components, config.components)
        if refused:
            raise ListenError("; ".join(refused))

    def listen_to_peers(self, parent: MultiService, options: ServerOptions) -> None:
        """Clients are served also where another program has the port of servers."""
        if not options.s2s.enabled:
            return
        peers = PeerFactory(self.federation)
        for listener in self._listeners(peers, options.s2s, self.peer_tls.server):
            try:
                listener.setServiceParent(parent)  # type: ignore[no-untyped-call]
            except ListenError as error:
                log.error("Other servers cannot connect: {error}", error=error)

    def _listeners(
        self,
        factory: ServerFactory,
        options: C2SOptions | S2SOptions,
        context: Callable[[], TLSContext],
    ) -> list[Listener]:
        return [
            *(Listener(self._reactor, endpoint, factory) for endpoint in options.listen),
            *(
                Listener(self._reactor, endpoint, factory, direct_tls=context)
                for endpoint in options.direct_tls
            ),
        ]

    async def shutdown(self) -> None:
        """Clients are told first; other servers get what they have sent meanwhile."""
        self.federation.give_up()
        await self.clients.shutdown()
        await self.components.factory.shutdown()
        await self.federation.shutdown()
