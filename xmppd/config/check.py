"""Checking the whole configuration: every fault and warning in one report.

First each option by its declaration, then what several options or the machine decide:
host names, modules, certificates, listeners, the manhole.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from xmppd.config import certificates
from xmppd.config.components import ComponentOptions, ComponentsOptions
from xmppd.config.faults import ConfigErrors, Fault, did_you_mean, dotted, quote_key, show
from xmppd.config.file import Document, Table, merge, read
from xmppd.config.loaded import ComponentConfig, Config, HostConfig, ModuleInfo
from xmppd.config.options import BASE, OptionPath, Options, declaration, leaves
from xmppd.config.say import say
from xmppd.config.server import HostOptions, ModulesOptions, ServerOptions
from xmppd.config.types import Listener, Secret, read_database, read_endpoint
from xmppd.jid import JIDError, prepare_domain

Section = TypeVar("Section", bound=Options)
Known = Mapping[str, ModuleInfo]
DEFAULT_HOST = "localhost"
LOOPBACK = ("tcp:{}:interface=127.0.0.1", "tcp:{}:interface=\\:\\:1")


def load(
    path: Path | str | None,
    known: Known | Callable[[list[Path]], Known],
    *,
    text: str | None = None,
) -> Config:
    """Read and check the configuration; raises ConfigErrors with all faults.

    `path` None: the embedded default, host `localhost` on the loopback addresses. `known` are
    the modules that there are, or what finds them given the drop-in folders. `text` stands for
    the content of the main file.
    """
    document = read(Path(path) if path is not None else None, text)
    check = _Check(document)
    config = check.config(known)
    if check.faults or config is None:
        raise ConfigErrors(check.in_order(check.faults), check.in_order(check.warnings))
    return config


class _Check:
    def __init__(self, document: Document) -> None:
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self._document = document
        self._wrong: set[OptionPath] = set()  # options and sections that were replaced
        self._component_tables: Table = {}

    def config(self, known: Known | Callable[[list[Path]], Known]) -> Config | None:
        data, hosts, tables = self._parts()
        server = self._build(ServerOptions, data, ())
        if server is None:
            return None
        modules = known(server.modules.paths) if callable(known) else known
        defaults = self._module_defaults(tables, modules)
        found: dict[str, HostConfig] = {}
        for name, table in hosts.items():
            host = self._host(name, table, server, modules, defaults)
            if host is not None and self._is_new(name, host.domain, found):
                found[host.domain] = host
        self._check_names(("modules",), server.modules.enable, server.modules.disable, modules)
        self._check_server(server)
        components = self._components(found)
        if components:
            self._check_component_listeners(server)
        self._warn_of_idle_tables(tables, found)
        files = tuple(s.path for s in self._document.sources if s.path is not None)
        return Config(server, found, tuple(self.in_order(self.warnings)), files, components)

    def fault(self, path: OptionPath, message: str) -> None:
        self.faults.append(self._at(path, message))

    def warn(self, path: OptionPath, message: str) -> None:
        self.warnings.append(self._at(path, message))

    def in_order(self, faults: list[Fault]) -> list[Fault]:
        """Without repetitions, file by file and line by line."""
        rank = {source.name: n for n, source in enumerate(self._document.sources)}
        return sorted(dict.fromkeys(faults), key=lambda f: (rank.get(f.file, -1), f.line or 0))

    def _at(self, path: OptionPath, message: str) -> Fault:
        source, line = self._document.where(path)
        return Fault(source.name if source else "(defaults)", line, dotted(path), message)

    # --- the parts of the file

    def _parts(self) -> tuple[Table, Table, Table]:
        """The options of the process, the tables of hosts, the defaults of modules."""
        data = dict(self._document.data)
        hosts = self._table(data.pop("hosts", {}), ("hosts",))
        if not hosts:
            hosts = {DEFAULT_HOST: {}}
            data = _on_loopback(data)
        self._part_components(data)
        modules = data.get("modules", {})
        if not isinstance(modules, dict):
            return data, hosts, {}
        own = ModulesOptions.model_fields
        data["modules"] = {key: value for key, value in modules.items() if key in own}
        return data, hosts, {key: value for key, value in modules.items() if key not in own}

    def _part_components(self, data: Table) -> None:
        """[components] has options of its own and a table for each component."""
        both = data.get("components", {})
        if isinstance(both, dict):
            own = ComponentsOptions.model_fields
            tables = {k: v for k, v in both.items() if k not in own and isinstance(v, dict)}
            self._component_tables = tables
            data["components"] = {k: v for k, v in both.items() if k not in tables}

    def _table(self, value: object, path: OptionPath) -> Table:
        if isinstance(value, dict):
            return value
        self.fault(path, f"is {show(value)}, must be a table")
        return {}

    def _build(self, kind: type[Section], data: Table, above: OptionPath) -> Section | None:
        """The section; with defaults in place of what is wrong, so that the check goes on."""
        try:
            return kind.model_validate(data, context={BASE: self._document.base})
        except ValidationError as wrong:
            errors = wrong.errors(include_url=False)
        for error in errors:
            path = error["loc"]
            self.fault((*above, *path), say(kind, error, _dig(data, path)))
            self._wrong.add((*above, *path[:1]))
        rest = {key: v for key, v in data.items() if (*above, key) not in self._wrong}
        try:
            return kind.model_validate(rest, context={BASE: self._document.base})
        except ValidationError:
            return None

    # --- modules

    def _module_defaults(self, tables: Table, known: Known) -> Table:
        """The tables [modules.NAME], each checked on its own."""
        found: Table = {}
        for name, value in tables.items():
            path: OptionPath = ("modules", name)
            if name not in known:
                names = [*known, *ModulesOptions.model_fields]
                self.fault(path, "unknown module" + did_you_mean(name, names))
                continue
            found[name] = self._table(value, path)
        for name, info in known.items():
            self._build(info.options, found.get(name, {}), ("modules", name))
        return found

    def _host_modules(
        self, tables: Table, above: OptionPath, known: Known, defaults: Table
    ) -> dict[str, Options]:
        for name in tables:
            if name not in known:
                self.fault((*above, name), "unknown module" + did_you_mean(name, known))
        found: dict[str, Options] = {}
        for name, info in known.items():
            path = (*above, name)
            own = self._table(tables.get(name, {}), path)
            before = len(self.faults)
            options = self._build(info.options, merge(defaults.get(name, {}), own), path)
            self._forget_inherited(before)
            if options is not None:
                found[name] = options
        return found

    def _forget_inherited(self, before: int) -> None:
        """Drop faults that stand in [modules.NAME]: they are reported there, once."""
        new = self.faults[before:]
        del self.faults[before:]
        stated = {dotted(path) for source in self._document.sources for path in source.lines}
        self.faults += [fault for fault in new if fault.option in stated]

    def _check_names(
        self, above: OptionPath, enable: list[str], disable: list[str], known: Known
    ) -> None:
        for key, names in (("enable", enable), ("disable", disable)):
            for index, name in enumerate(names):
                path = (*above, key, index)
                if name not in known:
                    self.fault(path, f"unknown module {show(name)}{did_you_mean(name, known)}")
                elif key == "disable" and name in enable:
                    self.fault(path, f"{show(name)} is enabled as well")

    def _warn_of_idle_tables(self, tables: Table, hosts: Mapping[str, HostConfig]) -> None:
        for name in tables:
            if hosts and not any(name in host.enabled for host in hosts.values()):
                self.warn(("modules", name), "the module is not enabled on any host")
        for host in hosts.values():
            for path in self._tables_of(host.domain):
                if path[-1] not in host.enabled and path[-1] in host.modules:
                    self.warn(path, "the module is not enabled on this host")

    def _tables_of(self, domain: str) -> list[OptionPath]:
        places = (path for source in self._document.sources for path in source.lines)
        above = ("hosts", domain, "modules")
        return [path for path in dict.fromkeys(places) if len(path) == 4 and path[:3] == above]

    # --- hosts

    def _host(
        self,
        name: str,
        table: object,
        server: ServerOptions,
        known: Known,
        defaults: Table,
    ) -> HostConfig | None:
        path: OptionPath = ("hosts", name)
        if _is_unquoted(name, table, {*HostOptions.model_fields, "modules"}):
            wanted = f"{name}.{next(iter(self._table(table, path)))}"
            self.fault(path, f'write the domain in quotes: [hosts."{wanted}"]')
            return None
        data = dict(self._table(table, path))
        modules = self._table(data.pop("modules", {}), (*path, "modules"))
        options = self._build(HostOptions, data, path)
        found = self._host_modules(modules, (*path, "modules"), known, defaults)
        domain = self._domain(name, path)
        if options is None or domain is None:
            return None
        self._check_names(path, options.enable, options.disable, known)
        enabled = _enabled(known, server.modules, options)
        pair = self._certificate(domain, path, options, server)
        return HostConfig(domain, options, found, enabled, *pair)

    def _domain(self, name: str, path: OptionPath) -> str | None:
        try:
            return str(prepare_domain(name))
        except JIDError as wrong:
            self.fault(path, f"is no domain name: {wrong}")
            return None

    def _is_new(self, name: str, domain: str, found: Mapping[str, HostConfig]) -> bool:
        if domain in found:
            self.fault(("hosts", name), f"is the same host as another: {domain}")
        return domain not in found

    def _certificate(
        self, domain: str, path: OptionPath, options: HostOptions, server: ServerOptions
    ) -> tuple[Path | None, Path | None]:
        wrong_here = {("tls",), ("data_dir",), (*path, "certificate"), (*path, "key")}
        if self._wrong & wrong_here:
            return None, None
        try:
            return certificates.find(domain, options, server)
        except certificates.Unusable as wrong:
            place = (*path, wrong.option) if wrong.option else path
            self.fault(place, str(wrong))
            return None, None

    # --- components

    def _components(self, hosts: Mapping[str, HostConfig]) -> dict[str, ComponentConfig]:
        found: dict[str, ComponentConfig] = {}
        taken = set(hosts)
        for name, table in self._component_tables.items():
            component = self._component(name, table, hosts)
            if component is None:
                continue
            for domain in component.domains:
                if domain in taken:
                    self.fault(("components", name), f"{domain} is served by another already")
            taken.update(component.domains)
            found[component.domain] = component
        return found

    def _component(
        self, name: str, table: Table, hosts: Mapping[str, HostConfig]
    ) -> ComponentConfig | None:
        path: OptionPath = ("components", name)
        if _is_unquoted(name, table, set(ComponentOptions.model_fields)):
            wanted = f"{name}.{next(iter(table))}"
            self.fault(path, f'write the domain in quotes: [components."{wanted}"]')
            return None
        options = self._build(ComponentOptions, table, path)
        domain = self._domain(name, path)
        if options is None or domain is None:
            return None
        if not options.secret.get_secret_value() and (*path, "secret") not in self._wrong:
            self.fault((*path, "secret"), "must be set: who knows it can speak as this domain")
        self._warn_of_readable(options, path)
        host = self._host_of_component(domain, options, hosts)
        return None if host is None else ComponentConfig(domain, host, options)

    def _host_of_component(
        self, domain: str, options: ComponentOptions, hosts: Mapping[str, HostConfig]
    ) -> str | None:
        path: OptionPath = ("components", domain, "host")
        if options.host:
            named = next((host for host in hosts if host == options.host.lower()), None)
            if named is not None:
                return named
            self.fault(
                path, f"is {show(options.host)}, no host{did_you_mean(options.host, hosts)}"
            )
            return None
        above = [host for host in hosts if domain.endswith(f".{host}")]
        if not above and len(hosts) != 1:
            self.fault(path, f"must name a host: {domain} lies below none")
            return None
        return max(above or hosts, key=len)

    def _check_component_listeners(self, server: ServerOptions) -> None:
        for number, text in enumerate(server.components.listen):
            if not read_endpoint(text).is_local:
                self.warn(
                    ("components", "listen", number),
                    "all that components send and get crosses the network unencrypted",
                )

    # --- the process

    def _check_server(self, server: ServerOptions) -> None:
        self._check_listeners(server)
        self._check_manhole(server)
        self._warn_of_readable_secrets(server)
        if server.tls.client_ca is not None:
            wrong = certificates.unreadable(server.tls.client_ca)
            if wrong:
                self.fault(("tls", "client_ca"), wrong)
        if server.s2s.tls == "optional":
            self.warn(("s2s", "tls"), "stanzas may cross the network unencrypted")
        if server.c2s.plaintext_auth:
            self.warn(
                ("c2s", "plaintext_auth"),
                "passwords may cross the network unencrypted, where anyone can read them",
            )

    def _check_listeners(self, server: ServerOptions) -> None:
        listening: list[tuple[OptionPath, str]] = []
        places = [("c2s", server.c2s), ("s2s", server.s2s)]
        if self._component_tables:
            places.append(("components", server.components))
        for above, streams in places:
            for key in ("listen", "direct_tls"):
                endpoints: list[str] = getattr(streams, key)
                listening += [((above, key, n), text) for n, text in enumerate(endpoints)]
        if server.manhole.listen is not None:
            listening.append((("manhole", "listen"), server.manhole.listen))
        for index, (path, text) in enumerate(listening):
            for earlier, other in listening[:index]:
                one, two = read_endpoint(text), read_endpoint(other)
                if _clash(one, two):
                    self.fault(path, f"is {show(text)}, which {dotted(earlier)} listens on")
                elif one.port and one.port == two.port and one.is_any and two.is_any:
                    self.warn(
                        path,
                        f"is {show(text)}, which on Linux takes IPv4 too, as {dotted(earlier)} "
                        "does: one of them may fail to listen",
                    )

    def _check_manhole(self, server: ServerOptions) -> None:
        manhole = server.manhole
        if manhole.listen is None or ("manhole",) in self._wrong:
            return
        if not read_endpoint(manhole.listen).is_local:
            self.fault(
                ("manhole", "listen"),
                f"is {show(manhole.listen)}, must be a Unix socket or a loopback address, like "
                '"tcp:4022:interface=127.0.0.1": whoever enters can do anything',
            )
        if not manhole.user:
            self.fault(("manhole", "user"), "must be set where the manhole is open")
        if not manhole.password.get_secret_value():
            self.fault(("manhole", "password"), "must be set where the manhole is open")

    def _warn_of_readable_secrets(self, server: ServerOptions) -> None:
        self._warn_of_readable(server, ())

    def _warn_of_readable(self, options: Options, above: OptionPath) -> None:
        for leaf in leaves(options, above):
            hidden = declaration(leaf.field).secret or isinstance(leaf.value, Secret)
            if not hidden or not self._document.says(leaf.path) or not _tells(leaf.value):
                continue
            source, _ = self._document.where(leaf.path)
            if source and source.path and _world_readable(source.path):
                self.warn(leaf.path, f"everyone may read it: chmod o= {source.path}")


def _tells(value: object) -> bool:
    """Whether it is a secret indeed: the URL of a database may come without a password."""
    if not isinstance(value, str):
        return True
    database = read_database(value)
    return bool(value) and (database is None or database.password is not None)


def _on_loopback(data: Table) -> Table:
    """The embedded default: no host was named, so nobody outside is served."""
    c2s, s2s = data.get("c2s", {}), data.get("s2s", {})
    if not isinstance(c2s, dict) or not isinstance(s2s, dict):
        return data
    ports = {"listen": 5222, "direct_tls": 5223}
    defaults = {key: [form.format(port) for form in LOOPBACK] for key, port in ports.items()}
    alone = {"enabled": False, "listen": [], "direct_tls": []}
    return {**data, "c2s": {**defaults, **c2s}, "s2s": {**alone, **s2s}}


def _enabled(known: Known, server: ModulesOptions, host: HostOptions) -> frozenset[str]:
    """What is on by default, changed by [modules], and that by the host's own table."""
    names = {name for name, info in known.items() if info.default_on}
    names = (names | set(server.enable)) - set(server.disable)
    return frozenset((names | set(host.enable)) - set(host.disable))


def _is_unquoted(name: str, table: object, own: set[str]) -> bool:
    """[hosts.example.org] is a table `org` in a host `example`."""
    return (
        "." not in name
        and isinstance(table, dict)
        and bool(table)
        and all(isinstance(v, dict) and k not in own for k, v in table.items())
        and quote_key(name) == name
    )


def _clash(one: Listener, other: Listener) -> bool:
    """Whether both listen on the same, an address and all addresses of its kind included."""
    if one.port is None or other.port is None:
        return (one.kind, one.target) == (other.kind, other.target)
    if one.port != other.port or one.port == 0 or one.family != other.family:
        return False
    return one.interface == other.interface or one.is_any or other.is_any


def _dig(data: object, path: OptionPath) -> object:
    """What the file says at `path`; None where it says nothing."""
    for part in path:
        try:
            data = data[part]  # type: ignore[index]  # tables and lists; else a TypeError
        except (TypeError, KeyError, IndexError):
            return None
    return data


def _world_readable(path: Path) -> bool:
    try:
        return bool(os.stat(path).st_mode & 0o004)
    except OSError:
        return False
