"""What the configuration says, and what is made from it, at the start and at each reload."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from twisted.logger import Logger

import xmppd.auth.tables
from xmppd.admin.check import module_infos
from xmppd.auth import Attempts
from xmppd.config import Config, HostConfig, ServerOptions, load
from xmppd.config.s2s import S2SLimits
from xmppd.config.server import C2SLimits, TLSVersion
from xmppd.module import Catalogue, Module
from xmppd.module.catalogue import BUNDLED, DROPPED
from xmppd.storage import Database, Schema
from xmppd.transport.admission import AdmissionLimits, MemoryPressure
from xmppd.transport.certificates import self_signed
from xmppd.transport.peer_tls import PeerTLSSettings
from xmppd.transport.store import TLSSettings

ENGINES = {"auto": "pyopenssl", "pyopenssl": "pyopenssl", "ssl": "stdlib"}
log = Logger()


@dataclass(slots=True, eq=False)
class Settings:
    """The configuration in force, and the modules to choose from; a reload changes both."""

    path: Path | None  # of the file; None: no file, all as built in
    config: Config
    catalogue: Catalogue

    def read(self) -> Config:
        """What the file says now. Raises ConfigErrors with all mistakes."""
        return load(self.path, module_infos(self.catalogue))

    def enabled_classes(self) -> list[type[Module]]:
        """The modules that any host runs."""
        names = {name for host in self.config.hosts.values() for name in host.enabled}
        return [self.catalogue.get(name) for name in sorted(names)]

    def modules_of(self, domain: str) -> dict[type[Module], Any]:
        """The modules of a host, with their options."""
        host = self.config.hosts[domain]
        return {self.catalogue.get(name): host.modules[name] for name in sorted(host.enabled)}


async def migrate(database: Database, classes: Iterable[type[Module]]) -> None:
    """Bring the tables of the accounts and of these modules up to date."""
    schemas = [Schema.of("accounts", xmppd.auth.tables), *schemas_of(classes)]
    for sentence in await database.migrate(schemas):
        log.info("Database: {sentence}", sentence=sentence)


def make_attempts(options: ServerOptions, seconds: Callable[[], float]) -> Attempts:
    auth = options.auth
    return Attempts(seconds, failures=auth.failures, backoff_s=auth.backoff)


def tls_settings(options: ServerOptions) -> TLSSettings:
    authority = options.tls.client_ca
    return TLSSettings(
        engine=ENGINES[options.tls.engine],  # type: ignore[arg-type]  # a str of the two there are
        only_tls13=options.tls.min_version is TLSVersion.TLS_1_3,
        ciphers=options.tls.ciphers,
        ask_for_certificate=authority is not None,
        authorities=str(authority) if authority else None,
    )


def peer_tls_settings(options: ServerOptions) -> PeerTLSSettings:
    return PeerTLSSettings(
        only_tls13=options.tls.min_version is TLSVersion.TLS_1_3,
        ciphers=options.tls.ciphers,
        trust=options.s2s.trust,
    )


def admission_limits(limits: C2SLimits | S2SLimits) -> AdmissionLimits:
    return AdmissionLimits(
        per_address=limits.unauthenticated_per_address,
        rate=limits.connections_per_second,
        unauthenticated_share=limits.unauthenticated_share,
        exempt=tuple(limits.exempt),
    )


def memory_pressure(limits: C2SLimits, seconds: Callable[[], float]) -> Callable[[], bool]:
    return MemoryPressure(seconds, limits.memory) if limits.memory else lambda: False


def certificate_pairs(config: Config) -> dict[str, tuple[Path, Path]]:
    """The certificate and key of each host; self-signed ones are made where permitted."""
    folder = config.server.data_dir / "certificates"
    return {domain: pair_of(host, folder) for domain, host in config.hosts.items()}


def pair_of(host: HostConfig, folder: Path) -> tuple[Path, Path]:
    if host.certificate is None:
        return self_signed([host.domain], folder)
    return host.certificate, host.key or host.certificate


def schemas_of(classes: Iterable[type[Module]]) -> list[Schema]:
    """One schema for each source of modules: its tables may stand in any file of its package."""
    roots = dict.fromkeys(root_of(cls.__module__) for cls in classes)
    return [Schema.of(root.rpartition(".")[2], *files_of(root)) for root in roots]


def root_of(python_name: str) -> str:
    """`xmppd.modules.roster` of `xmppd.modules.roster.items`."""
    for parent in (BUNDLED, DROPPED):
        if python_name.startswith(f"{parent}."):
            depth = parent.count(".") + 2
            return ".".join(python_name.split(".")[:depth])
    return python_name


def files_of(root: str) -> list[ModuleType]:
    return [m for name, m in sys.modules.items() if name == root or name.startswith(f"{root}.")]
