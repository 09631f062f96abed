"""Checking the components: their domains, their secrets, and the host that each belongs to."""

from collections.abc import Mapping

from xmppd.config.components import ComponentOptions, ComponentsOptions
from xmppd.config.faults import did_you_mean, show
from xmppd.config.file import Table
from xmppd.config.loaded import ComponentConfig, HostConfig
from xmppd.config.options import OptionPath
from xmppd.config.readable import warn_of_readable
from xmppd.config.report import Report
from xmppd.config.types import read_endpoint

Hosts = Mapping[str, HostConfig]


def check_components(
    report: Report, options: ComponentsOptions, tables: Table, hosts: Hosts
) -> dict[str, ComponentConfig]:
    """Those of `tables`, by domain."""
    found: dict[str, ComponentConfig] = {}
    taken = set(hosts)
    for name, table in tables.items():
        component = _component(report, name, table, hosts)
        if component is None:
            continue
        for domain in component.domains:
            if domain in taken:
                report.fault(("components", name), f"{domain} is served by another already")
        taken.update(component.domains)
        found[component.domain] = component
    if found:
        _warn_of_listeners(report, options)
    return found


def _component(report: Report, name: str, table: Table, hosts: Hosts) -> ComponentConfig | None:
    path: OptionPath = ("components", name)
    if report.is_unquoted("components", name, table, set(ComponentOptions.model_fields)):
        return None
    options = report.section(ComponentOptions, table, path)
    domain = report.domain(name, path)
    if options is None or domain is None:
        return None
    if not options.secret.get_secret_value() and (*path, "secret") not in report.wrong:
        report.fault((*path, "secret"), "must be set: who knows it can speak as this domain")
    warn_of_readable(report, options, path)
    host = _host_of(report, domain, options, hosts)
    return None if host is None else ComponentConfig(domain, host, options)


def _host_of(report: Report, domain: str, options: ComponentOptions, hosts: Hosts) -> str | None:
    path: OptionPath = ("components", domain, "host")
    if options.host:
        named = next((host for host in hosts if host == options.host.lower()), None)
        if named is None:
            meant = did_you_mean(options.host, hosts)
            report.fault(path, f"is {show(options.host)}, no host{meant}")
        return named
    above = [host for host in hosts if domain.endswith(f".{host}")]
    if not above and len(hosts) != 1:
        report.fault(path, f"must name a host: {domain} lies below none")
        return None
    return max(above or hosts, key=len)


def _warn_of_listeners(report: Report, options: ComponentsOptions) -> None:
    for number, text in enumerate(options.listen):
        if not read_endpoint(text).is_local:
            report.warn(
                ("components", "listen", number),
                "all that components send and get crosses the network unencrypted",
            )
