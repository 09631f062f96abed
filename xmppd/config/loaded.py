"""A configuration that was checked: what the rest of the server is given."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xmppd.config.components import ComponentOptions
from xmppd.config.faults import Fault, dotted, show
from xmppd.config.options import OptionPath, Options, declaration, leaves
from xmppd.config.server import HostOptions, ServerOptions


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """What the configuration must know of a module."""

    options: type[Options]
    default_on: bool = False


@dataclass(frozen=True, slots=True)
class HostConfig:
    """One virtual host.

    `modules` holds the options of every known module, `enabled` the names of those that run.
    `certificate` and `key` are None where a self-signed certificate is to be made.
    """

    domain: str
    options: HostOptions
    modules: Mapping[str, Options]
    enabled: frozenset[str]
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class ComponentConfig:
    """One external component; `host` is the virtual host that it belongs to."""

    domain: str
    host: str
    options: ComponentOptions

    @property
    def domains(self) -> tuple[str, ...]:
        """All that it serves, its own first."""
        return tuple(dict.fromkeys((self.domain, *self.options.domains)))


@dataclass(frozen=True, slots=True)
class Change:
    """An option that differs. `reloads`: a reload is enough, no restart is needed."""

    option: str
    old: str
    new: str
    reloads: bool

    def __str__(self) -> str:
        when = "at reload" if self.reloads else "needs a restart"
        return f"{self.option}: {self.old} -> {self.new} ({when})"


@dataclass(frozen=True, slots=True)
class Config:
    """The process, its hosts and components, by prepared domain. `files` are those that were
    read.
    """

    server: ServerOptions
    hosts: Mapping[str, HostConfig]
    warnings: tuple[Fault, ...] = ()
    files: tuple[Path, ...] = ()
    components: Mapping[str, ComponentConfig] = field(default_factory=dict)

    def changes(self, new: "Config") -> list[Change]:
        """What `new` sets otherwise, in the order of declaration. Secrets stay hidden."""
        found = list(_differences(self.server, new.server, ()))
        for domain in sorted(self.hosts.keys() | new.hosts.keys()):
            found += _host_changes(self.hosts.get(domain), new.hosts.get(domain), domain)
        for domain in sorted(self.components.keys() | new.components.keys()):
            old, now = self.components.get(domain), new.components.get(domain)
            found += _component_changes(old, now, ("components", domain))
        return found


def _host_changes(old: HostConfig | None, new: HostConfig | None, domain: str) -> Iterator[Change]:
    above: OptionPath = ("hosts", domain)
    if old is None or new is None:
        states = ("absent", "present") if old is None else ("present", "absent")
        yield Change(dotted(above), *states, False)
        return
    yield from _differences(old.options, new.options, above)
    for name in sorted(old.modules.keys() & new.modules.keys()):
        place = (*above, "modules", name)
        yield from _differences(old.modules[name], new.modules[name], place)


def _component_changes(
    old: ComponentConfig | None, new: ComponentConfig | None, above: OptionPath
) -> Iterator[Change]:
    if old is None or new is None:
        states = ("absent", "present") if old is None else ("present", "absent")
        yield Change(dotted(above), *states, True)
    else:
        yield from _differences(old.options, new.options, above)


def _differences(old: Options, new: Options, above: OptionPath) -> Iterator[Change]:
    if type(old) is not type(new):  # the module itself was replaced: its options with it
        yield Change(dotted(above), "old declaration", "new declaration", reloads=True)
        return
    for before, after in zip(leaves(old), leaves(new), strict=True):
        if before.value != after.value:
            declared = declaration(before.field)
            was, becomes = (_shown(v, declared.secret) for v in (before.value, after.value))
            yield Change(dotted((*above, *before.path)), was, becomes, declared.reloads)


def _shown(value: Any, secret: bool) -> str:
    if secret:
        return "(hidden)"
    return "none" if value is None else show(value)
