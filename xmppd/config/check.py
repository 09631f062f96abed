"""Checking the whole configuration: every fault and warning in one report.

First each option by its declaration, then what several options or the machine decide:
host names, modules, certificates, listeners, the manhole.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from xmppd.config import certificates
from xmppd.config.check_components import check_components
from xmppd.config.check_process import check_process
from xmppd.config.components import ComponentsOptions
from xmppd.config.faults import ConfigErrors, did_you_mean, dotted, show
from xmppd.config.file import Table, merge, read
from xmppd.config.loaded import Config, HostConfig, ModuleInfo
from xmppd.config.options import OptionPath, Options
from xmppd.config.report import Report
from xmppd.config.server import HostOptions, ModulesOptions, ServerOptions

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
    report = Report(read(Path(path) if path is not None else None, text))
    config = _Check(report).config(known)
    if report.faults or config is None:
        raise ConfigErrors(report.in_order(report.faults), report.in_order(report.warnings))
    return config


class _Check:
    """Puts the configuration together; the hosts and their modules are checked here."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._component_tables: Table = {}

    def config(self, known: Known | Callable[[list[Path]], Known]) -> Config | None:
        report = self._report
        data, hosts, tables = self._parts()
        server = report.section(ServerOptions, data, ())
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
        check_process(report, server, components=bool(self._component_tables))
        components = check_components(report, server.components, self._component_tables, found)
        self._warn_of_idle_tables(tables, found)
        files = tuple(s.path for s in report.document.sources if s.path is not None)
        return Config(server, found, tuple(report.in_order(report.warnings)), files, components)

    # --- the parts of the file

    def _parts(self) -> tuple[Table, Table, Table]:
        """The options of the process, the tables of hosts, the defaults of modules."""
        data = dict(self._report.document.data)
        hosts = self._report.table(data.pop("hosts", {}), ("hosts",))
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

    # --- modules

    def _module_defaults(self, tables: Table, known: Known) -> Table:
        """The tables [modules.NAME], each checked on its own."""
        found: Table = {}
        for name, value in tables.items():
            path: OptionPath = ("modules", name)
            if name not in known:
                names = [*known, *ModulesOptions.model_fields]
                self._report.fault(path, "unknown module" + did_you_mean(name, names))
                continue
            found[name] = self._report.table(value, path)
        for name, info in known.items():
            self._report.section(info.options, found.get(name, {}), ("modules", name))
        return found

    def _host_modules(
        self, tables: Table, above: OptionPath, known: Known, defaults: Table
    ) -> dict[str, Options]:
        for name in tables:
            if name not in known:
                self._report.fault((*above, name), "unknown module" + did_you_mean(name, known))
        report, found = self._report, dict[str, Options]()
        for name, info in known.items():
            path = (*above, name)
            own = report.table(tables.get(name, {}), path)
            before = len(report.faults)
            options = report.section(info.options, merge(defaults.get(name, {}), own), path)
            self._forget_inherited(before)
            if options is not None:
                found[name] = options
        return found

    def _forget_inherited(self, before: int) -> None:
        """Drop faults that stand in [modules.NAME]: they are reported there, once."""
        report = self._report
        new = report.faults[before:]
        del report.faults[before:]
        stated = {dotted(path) for source in report.document.sources for path in source.lines}
        report.faults += [fault for fault in new if fault.option in stated]

    def _check_names(
        self, above: OptionPath, enable: list[str], disable: list[str], known: Known
    ) -> None:
        for key, names in (("enable", enable), ("disable", disable)):
            for index, name in enumerate(names):
                path = (*above, key, index)
                if name not in known:
                    meant = did_you_mean(name, known)
                    self._report.fault(path, f"unknown module {show(name)}{meant}")
                elif key == "disable" and name in enable:
                    self._report.fault(path, f"{show(name)} is enabled as well")

    def _warn_of_idle_tables(self, tables: Table, hosts: Mapping[str, HostConfig]) -> None:
        for name in tables:
            if hosts and not any(name in host.enabled for host in hosts.values()):
                self._report.warn(("modules", name), "the module is not enabled on any host")
        for host in hosts.values():
            for path in self._tables_of(host.domain):
                if path[-1] not in host.enabled and path[-1] in host.modules:
                    self._report.warn(path, "the module is not enabled on this host")

    def _tables_of(self, domain: str) -> list[OptionPath]:
        places = (path for source in self._report.document.sources for path in source.lines)
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
        report = self._report
        path: OptionPath = ("hosts", name)
        if report.is_unquoted("hosts", name, table, {*HostOptions.model_fields, "modules"}):
            return None
        data = dict(report.table(table, path))
        modules = report.table(data.pop("modules", {}), (*path, "modules"))
        options = report.section(HostOptions, data, path)
        found = self._host_modules(modules, (*path, "modules"), known, defaults)
        domain = report.domain(name, path)
        if options is None or domain is None:
            return None
        self._check_names(path, options.enable, options.disable, known)
        enabled = _enabled(known, server.modules, options)
        pair = self._certificate(domain, path, options, server)
        return HostConfig(domain, options, found, enabled, *pair)

    def _is_new(self, name: str, domain: str, found: Mapping[str, HostConfig]) -> bool:
        if domain in found:
            self._report.fault(("hosts", name), f"is the same host as another: {domain}")
        return domain not in found

    def _certificate(
        self, domain: str, path: OptionPath, options: HostOptions, server: ServerOptions
    ) -> tuple[Path | None, Path | None]:
        wrong_here = {("tls",), ("data_dir",), (*path, "certificate"), (*path, "key")}
        if self._report.wrong & wrong_here:
            return None, None
        try:
            return certificates.find(domain, options, server)
        except certificates.Unusable as wrong:
            place = (*path, wrong.option) if wrong.option else path
            self._report.fault(place, str(wrong))
            return None, None


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
