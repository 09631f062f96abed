"""Reloading: the configuration, its certificates and the modules' code, while clients stay."""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from xmppd.admin.commands import CommandError
from xmppd.auth import SQLAccounts
from xmppd.c2s import Service
from xmppd.clock import Clock
from xmppd.components import ComponentService
from xmppd.config import Config, ConfigErrors, HostConfig, ServerOptions
from xmppd.hooks import spawn
from xmppd.host import Host
from xmppd.logs import Log
from xmppd.module import Module, ModuleFault
from xmppd.s2s import Federation
from xmppd.settings import (
    Settings,
    admission_limits,
    certificate_pairs,
    make_attempts,
    memory_pressure,
    migrate,
    peer_tls_settings,
    tls_settings,
)
from xmppd.storage import Database, StorageError
from xmppd.transport.certificates import CertificateError
from xmppd.transport.peer_tls import PeerTLS

log = Logger()


class Reloader:
    """Takes over what has changed in `settings`, one reload after the other.

    `begins` and `ended` are called around each reload of the configuration.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        hosts: Mapping[str, Host],
        database: Database,
        c2s: Service,
        components: ComponentService,
        federation: Federation,
        peer_tls: PeerTLS,
        logs: Log,
        clock: Clock,
        begins: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._database = database
        self._c2s = c2s
        self._components = components
        self._federation = federation
        self._peer_tls = peer_tls
        self._logs = logs
        self._clock = clock
        self._begins = begins
        self._ended = ended
        self._reloading = DeferredLock()

    async def reload_config_and_log(self) -> None:
        try:
            log.info("{outcome}", outcome=await self.reload_config())
        except CommandError as error:
            log.error("The configuration was not reloaded: {error}", error=error)
        except Exception:
            log.failure("The configuration was not reloaded")

    async def reload_config(self) -> str:
        """Read the configuration and certificates again; what changed, in sentences.

        Nothing changes when there is a mistake in it: CommandError tells all of them.
        """
        return await self._reloading.run(lambda: spawn(self._reload_config()))

    async def _reload_config(self) -> str:
        self._begins()
        try:
            try:
                new = self._settings.read()
            except ConfigErrors as errors:
                raise CommandError(str(errors)) from None
            self._exchange_certificates(new)
            sentences = [str(change) for change in self._settings.config.changes(new)]
            old, self._settings.config = self._settings.config, new
            self._apply_options(old.server)
            sentences += await self._exchange_modules(old)
            components = new.server.components, new.components
            sentences += await self._components.configure(*components)
            return "\n".join(["The configuration is reloaded", *sentences])
        finally:
            self._ended()

    def _exchange_certificates(self, new: Config) -> None:
        """All of them are read before any is exchanged."""
        pairs = certificate_pairs(new)
        try:
            for_clients = self._c2s.certificates.prepare(pairs, tls_settings(new.server))
            for_peers = self._peer_tls.prepare(pairs, peer_tls_settings(new.server))
        except CertificateError as error:
            raise CommandError(str(error)) from None
        for_clients()
        for_peers()

    def _apply_options(self, old: ServerOptions) -> None:
        options = self._settings.config.server
        if (options.auth.failures, options.auth.backoff) != (old.auth.failures, old.auth.backoff):
            self._c2s.attempts = make_attempts(options, self._clock.seconds)
            attempts = make_attempts(options, self._clock.seconds)
            self._components.factory.components.attempts = attempts
        self._logs.configure(options.log)
        self._c2s.configure(options.c2s)
        self._c2s.admission.configure(
            admission_limits(options.c2s.limits),
            memory_pressure(options.c2s.limits, self._clock.seconds),
        )
        for domain, host in self._hosts.items():
            if domain in self._settings.config.hosts:  # hosts come and go with a restart
                host.options = self._settings.config.hosts[domain].options
            if isinstance(host.accounts, SQLAccounts):
                host.accounts.options = options.auth
        self._federation.configure(options.s2s)  # which looks at the hosts' options too
        self._federation.service.admission.configure(
            admission_limits(options.s2s.limits),
            memory_pressure(options.c2s.limits, self._clock.seconds),
        )

    async def _exchange_modules(self, old: Config) -> list[str]:
        """Start, stop and replace the modules that the new configuration wants otherwise."""
        refused: list[str] = []
        await migrate(self._database, self._settings.enabled_classes())
        for domain in old.hosts.keys() & self._settings.config.hosts.keys():
            before, after = old.hosts[domain], self._settings.config.hosts[domain]
            changed = changed_modules(before, after)
            coming = {
                c: o for c, o in self._settings.modules_of(domain).items() if c.name in changed
            }
            try:
                await self._hosts[domain].modules.swap(changed & before.enabled, coming)
            except ModuleFault as fault:
                refused.append(f"{fault}; its modules are as before")
        return refused

    async def reload_module(self, name: str) -> str:
        """Load a module's code again, and of those that use it; CommandError when it fails."""
        return await self._reloading.run(lambda: spawn(self._reload_module(name)))

    async def _reload_module(self, name: str) -> str:
        swapped: list[tuple[Host, dict[type[Module], Any]]] = []
        try:
            with self._settings.catalogue.reloaded(name) as names:
                self._settings.config = self._settings.read()
                await migrate(self._database, self._settings.enabled_classes())
                try:
                    for host in self._hosts.values():
                        old = {type(m): m.options for m in host.modules if m.name in names}
                        await self._swap(host, names)
                        swapped.append((host, old))
                except ModuleFault:
                    for host, old in swapped:  # all hosts run the same code, or none of it
                        await host.modules.swap([cls.name for cls in old], old)
                    raise
        except (ModuleFault, ConfigErrors, StorageError) as fault:
            raise CommandError(f"{name} was not reloaded: {fault}") from None
        return f"reloaded: {', '.join(sorted(names))}"

    async def _swap(self, host: Host, names: set[str]) -> None:
        leaving = [module.name for module in host.modules if module.name in names]
        wanted = self._settings.modules_of(host.name)
        coming = {cls: options for cls, options in wanted.items() if cls.name in names}
        await host.modules.swap(leaving, coming)


def changed_modules(before: HostConfig, after: HostConfig) -> set[str]:
    """The modules to start, to stop, or to run with other options."""
    stay = before.enabled & after.enabled
    other = {name for name in stay if before.modules[name] != after.modules[name]}
    return other | (before.enabled ^ after.enabled)
