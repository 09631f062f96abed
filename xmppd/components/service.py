"""Where components connect: listeners that are there while any component is configured."""

from collections.abc import Mapping
from typing import Any, cast

from twisted.application.service import MultiService

from xmppd.components.connection import ComponentConnection
from xmppd.components.registry import Components
from xmppd.config import ComponentConfig, ComponentsOptions
from xmppd.routing import Router
from xmppd.routing.router import Done
from xmppd.stanza import Stanza
from xmppd.transport.admission import Admission
from xmppd.transport.flusher import Flusher
from xmppd.transport.limits import limits_of
from xmppd.transport.listeners import Listener, ListenError
from xmppd.transport.serving import ServingFactory
from xmppd.transport.store import CertificateStore
from xmppd.transport.wheel import TimerWheel
from xmppd.xml import Limits


class ComponentFactory(ServingFactory[ComponentConnection]):
    """Its connections are `ComponentConnection`s, whose stanzas it routes."""

    def __init__(
        self,
        components: Components,
        *,
        router: Router,
        admission: Admission,
        flusher: Flusher,
        wheel: TimerWheel,
    ) -> None:
        super().__init__(admission)
        self.components = components
        self.flusher = flusher
        self.wheel = wheel
        self._router = router

    def make(self) -> ComponentConnection:
        return ComponentConnection(self, self.components)

    @staticmethod
    def limits(options: ComponentsOptions) -> tuple[Limits, Limits]:
        """Before and after the handshake."""
        return limits_of(options.before_login), limits_of(options.after_login)

    def accept(self, stanza: Stanza) -> Done:
        """A component's stanza on its way. Never raises."""
        if stanza.fault is not None:
            return self._router.bounce(stanza, stanza.fault)
        return self._router.route(stanza)


class ComponentService(MultiService):
    """Listens for components while any is configured."""

    def __init__(
        self, reactor: Any, factory: ComponentFactory, certificates: CertificateStore
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.factory = factory
        self._reactor = reactor
        self._certificates = certificates

    async def configure(
        self, options: ComponentsOptions, components: Mapping[str, ComponentConfig]
    ) -> list[str]:
        """Take a new configuration; sentences say what could not be done of it."""
        refused = self.factory.components.configure(options, components)
        wanted = [(text, False) for text in options.listen]
        wanted += [(text, True) for text in options.direct_tls]
        for listener in self._listeners():
            if (listener.description, listener.direct_tls) not in wanted or not components:
                await listener.leave()  # its port may be wanted at once, with TLS
        there = [(each.description, each.direct_tls) for each in self._listeners()]
        for place in wanted if components else ():
            if place not in there:
                refused += await self._listen(*place)
        return refused

    def _listeners(self) -> "list[ComponentListener]":
        return cast("list[ComponentListener]", list(self))

    async def _listen(self, description: str, direct_tls: bool) -> list[str]:
        context = self._certificates.context if direct_tls else None
        try:
            listener = ComponentListener(
                self._reactor, description, self.factory, direct_tls=context
            )
            listener.direct_tls = direct_tls
            listener.setServiceParent(self)  # type: ignore[no-untyped-call]
        except ListenError as error:
            for each in self._listeners():
                if each.port is None:
                    await each.leave()
            return [str(error)]
        return []


class ComponentListener(Listener):
    """A `Listener` that remembers whether its connections begin with TLS."""

    direct_tls = False

    async def leave(self) -> None:
        """Listen no more; done when the port is free."""
        stopped = self.disownServiceParent()  # type: ignore[no-untyped-call]
        if stopped is not None:
            await stopped
