"""The operator's commands about components."""

from xmppd.admin.commands import CommandError, command
from xmppd.admin.output import Rows, Scalar
from xmppd.clock import Clock
from xmppd.components.component import Component
from xmppd.components.registry import Components
from xmppd.xml import StreamError


class ComponentCommands:
    def __init__(self, components: Components, clock: Clock) -> None:
        self._components = components
        self._clock = clock

    @command("components", "List the external components, and whether they are connected.")
    def components(self) -> Rows:
        columns = ("domain", "host", "state", "seconds", "address", "in", "out", "waiting", "why")
        return Rows(columns, [self._row(component) for component in self._components])

    def _row(self, component: Component) -> tuple[Scalar, ...]:
        link = component.link
        return (
            component.config.domain,
            component.config.host,
            "away" if link is None else "connected",
            round(self._clock.seconds() - component.since),
            None if link is None else link.peer_address or "local socket",
            component.received,
            component.sent,
            component.waiting,
            component.why_away if link is None else None,
        )

    @command(
        "component-close", "Close the connection of a component.", domain="Its configured domain."
    )
    def close(self, domain: str) -> str:
        component = self._components.get(domain)
        if component is None or component.link is None:
            raise CommandError(f"no component {domain} is connected")
        component.link.end(StreamError("policy-violation", "closed by an administrator"))
        return f"{domain} is closed"
