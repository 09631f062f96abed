"""All configured components: claims their domains, admits them, knows who is there."""

from collections.abc import Container, Iterator, Mapping

from xmppd import events
from xmppd.auth import Attempts
from xmppd.clock import Clock
from xmppd.components.component import Component, Link
from xmppd.config import ComponentConfig, ComponentsOptions
from xmppd.host import Host
from xmppd.jid import jid
from xmppd.routing import Router
from xmppd.routing.router import External
from xmppd.stream.component import Accepted
from xmppd.xml import StreamError


class Components:
    """By domain. It is the `Door` of their streams."""

    def __init__(
        self,
        *,
        router: Router,
        hosts: Mapping[str, Host],
        clock: Clock,
        attempts: Attempts,
    ) -> None:
        self.options = ComponentsOptions()
        self.attempts = attempts
        self._router = router
        self._hosts = hosts
        self._clock = clock
        self._components: dict[str, Component] = {}

    def __iter__(self) -> Iterator[Component]:
        return iter([self._components[name] for name in sorted(self._components)])

    def __len__(self) -> int:
        return len(self._components)

    def get(self, domain: str) -> Component | None:
        return self._components.get(domain)

    # Configuration

    def configure(
        self, options: ComponentsOptions, components: Mapping[str, ComponentConfig]
    ) -> list[str]:
        """Take a new configuration; sentences say which components could not be taken.

        Who is configured as before stays connected; others are sent away, to come back.
        """
        self.options = options
        for component in self:
            if components.get(component.config.domain) != component.config:
                self._remove(component, gone=component.config.domain not in components)
        new = [config for name, config in components.items() if name not in self._components]
        return [sentence for config in new if (sentence := self._add(config))]

    def _add(self, config: ComponentConfig) -> str:
        if config.host not in self._hosts:
            return f"{config.domain}: its host {config.host} is served after a restart"
        for domain in config.domains:
            if self._router.serves(domain):
                return f"{config.domain}: the domain {domain} is served by another already"
        component = self._components[config.domain] = Component(config, self._router, self._clock)
        for domain in config.domains:
            main = domain == config.domain
            shown = External(
                jid(domain), config.options.name if main else "", config.options.listed
            )
            self._router.claim(domain, component.take, config.host, external=shown)
        return ""

    def _remove(self, component: Component, *, gone: bool) -> None:
        link = component.link
        if link is not None:
            link.end(StreamError("host-gone" if gone else "reset"))
        component.give_up()
        self._components.pop(component.config.domain, None)
        for domain in component.config.domains:
            self._router.release(domain)

    # The door (`xmppd.stream.component.Door`)

    def secret(self, domain: str) -> str | None:
        component = self._components.get(domain)
        return None if component is None else component.config.options.secret.get_secret_value()

    def domains(self, domain: str) -> Container[str]:
        component = self._components.get(domain)
        return () if component is None else frozenset(component.config.domains)

    def refusal(self, domain: str, *, right: bool, address: str = "") -> StreamError | None:
        """Wrong ones are counted for the address; too many, and it has to wait."""
        if self.attempts.blocked(address, domain):
            return StreamError("policy-violation", "too many wrong handshakes: wait")
        if not right:
            self.attempts.failed(address, domain)
            return StreamError("not-authorized")
        self.attempts.succeeded(address, domain)
        component = self._components.get(domain)
        if component is None:
            return StreamError("host-gone")
        if component.link is not None and component.config.options.conflict == "refuse":
            return StreamError("conflict")
        return None

    # Who is there

    def came(self, accepted: Accepted, link: Link) -> Component | None:
        """It has proven itself. An older connection of the same component goes."""
        component = self._components.get(accepted.domain)
        if component is None:
            return None
        older = component.link
        if older is not None:
            older.end(StreamError("conflict"))
        component.attach(link)
        self._show(component, connected=True)
        return component

    def went(self, component: Component, link: Link, why: str) -> None:
        """The connection is lost, or being closed; may be called more than once."""
        if component.link is link:
            component.detach(why)
            self._show(component, connected=False)

    def _show(self, component: Component, *, connected: bool) -> None:
        for domain in component.config.domains:
            external = self._router.external.get(domain)
            if external is not None:
                external.connected = connected
        hook = events.component_connected if connected else events.component_gone
        for host in list(self._hosts.values()):
            host.hooks.of(hook).signal(component.domain)
