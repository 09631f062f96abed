"""``twistd xmppd``: builds the service tree; the one file that knows every room."""

# isort: off
from xmppd.transport.reactor import StreamReactor, install_first

install_first()  # before the imports below bring Twisted's own
# isort: on

import datetime
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized

import xmppd.auth.tables
from xmppd import memory
from xmppd.admin.builtin import offer_builtins
from xmppd.admin.check import module_infos, read_configuration
from xmppd.admin.commands import CommandError
from xmppd.admin.context import Server
from xmppd.admin.control import ControlServer, SocketError
from xmppd.admin.manhole import ManholeError, ManholeServer, command_functions
from xmppd.auth import Attempts, HashPool, SQLAccounts
from xmppd.c2s import ClientFactory, Extensions, Service
from xmppd.config import Config, ConfigErrors, HostConfig, ServerOptions, load
from xmppd.config.server import C2SLimits, TLSVersion
from xmppd.hooks import spawn
from xmppd.host import Host, make_host
from xmppd.jid import jid
from xmppd.logs import Log
from xmppd.module import Catalogue, Module, ModuleFault, ModuleHost
from xmppd.module.catalogue import BUNDLED, DROPPED
from xmppd.routing import Router, SessionPolicy
from xmppd.storage import Database, Schema, StorageError
from xmppd.systemd import Notifier, Watchdog, forget_environment
from xmppd.transport.admission import Admission, AdmissionLimits, MemoryPressure
from xmppd.transport.certificates import CertificateError, self_signed
from xmppd.transport.flusher import Flusher
from xmppd.transport.listeners import Listener, ListenError
from xmppd.transport.store import CertificateStore, TLSSettings
from xmppd.transport.wheel import TimerWheel
from xmppd.watchdog import StallWatch

DAY_S = 86400.0
ENGINES = {"auto": "pyopenssl", "pyopenssl": "pyopenssl", "ssl": "stdlib"}
# What stops a start with a sentence; anything else is a bug and comes with its traceback.
EXPECTED = (
    CertificateError,
    ListenError,
    ManholeError,
    ModuleFault,
    SocketError,
    StorageError,
    OSError,
)
log = Logger()


class Options(usage.Options):
    """What ``twistd xmppd`` is told. The configuration is checked before anything starts."""

    optParameters = [  # noqa: N815, RUF012  # as Twisted wants it
        ["config", "c", None, "The configuration file. Without one: host localhost, data in var/."]
    ]

    def postOptions(self) -> None:
        self["path"] = Path(self["config"]) if self["config"] else None
        try:
            self["read"], self["catalogue"] = read_configuration(self["path"])
        except ConfigErrors as errors:
            raise usage.UsageError(f"the configuration has mistakes\n{errors}") from None
        if self["catalogue"].faults:
            raise usage.UsageError("\n".join(self["catalogue"].faults))


def makeService(options: Options) -> "Process":
    from twisted.internet import reactor  # installs one, hence not at the top

    # Twisted's timers follow the wall clock, and an hour's jump of it would end all sessions.
    cast(Any, reactor).seconds = time.monotonic

    notifier = Notifier.from_environment(os.environ, os.getpid())
    forget_environment()
    return Process(reactor, options["path"], options["read"], options["catalogue"], notifier)


class Process(MultiService):
    """The rooms of this process, started and stopped in order."""

    def __init__(
        self,
        reactor: Any,  # Twisted's reactor: many interfaces at once
        path: Path | None,
        config: Config,
        catalogue: Catalogue,
        notifier: Notifier,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._path = path
        self._config = config
        self._catalogue = catalogue
        self._notifier = notifier
        self._reloading = DeferredLock()
        self._stopping = False
        self._starting: Deferred[None] | None = None
        self._log = Log(config.server.log, sys.stderr)
        self._router = Router()
        options = config.server
        self._database = make_database(options, reactor)
        self._pool = HashPool(reactor, workers=options.auth.workers, queue=options.auth.queue)
        self._hosts: dict[str, Host] = {}
        self._server = Server(
            hosts=self._hosts,
            database=self._database,
            clock=reactor,
            config=lambda: self._config,
            reload_config=self.reload_config,
            reload_module=self.reload_module,
            stop=reactor.stop,
            started=reactor.seconds(),
        )
        offer_builtins(self._server)

    # Start

    def setServiceParent(self, parent: Any) -> None:  # an Application at first, as twistd has it
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._log)  # type: ignore[no-untyped-call]
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._starting = spawn(self._start_or_end())

    async def _start_or_end(self) -> None:
        try:
            await self._start()
        except EXPECTED as error:
            log.critical("xmppd cannot start: {error}", error=error)
        except Exception:
            log.failure("xmppd cannot start")
        else:
            return
        self._reactor.addSystemEventTrigger("after", "shutdown", exit_with_failure)
        self._reactor.callLater(0, self._reactor.stop)

    async def _start(self) -> None:
        options = self._config.server
        raise_descriptor_limit()
        private_folder(options.data_dir)
        await self._database.start()
        await self._migrate(self._enabled_classes())
        self._pool.start()
        self._make_hosts()
        for host in self._hosts.values():
            await host.modules.start(self._modules_of(host.name))
        self._make_c2s()
        self._add_services(options)
        self._watch_certificates()
        signal.signal(signal.SIGHUP, self._hung_up)
        for warning in self._config.warnings:
            log.warn("{warning}", warning=str(warning))
        if os.geteuid() == 0:
            log.warn("xmppd runs as root; give it a user of its own")
        memory.settle()
        self._say_ready()

    def _say_ready(self) -> None:
        status = f"Serving {', '.join(sorted(self._hosts))}"
        log.info("{status}", status=status)
        self._notifier.ready(status)

    async def _migrate(self, classes: Iterable[type[Module]]) -> None:
        schemas = [Schema.of("accounts", xmppd.auth.tables), *schemas_of(classes)]
        for sentence in await self._database.migrate(schemas):
            log.info("{sentence}", sentence=sentence)

    def _enabled_classes(self) -> list[type[Module]]:
        names = {name for host in self._config.hosts.values() for name in host.enabled}
        return [self._catalogue.get(name) for name in sorted(names)]

    def _modules_of(self, domain: str) -> dict[type[Module], Any]:
        host = self._config.hosts[domain]
        return {self._catalogue.get(name): host.modules[name] for name in sorted(host.enabled)}

    def _make_hosts(self) -> None:
        for domain, configured in self._config.hosts.items():
            host = make_host(
                domain,
                configured.options,
                accounts=SQLAccounts(self._database, domain, self._pool, self._config.server.auth),
                database=self._database,
                router=self._router,
                clock=self._reactor,
                policy=self._session_policy,
            )
            host.modules = ModuleHost(host, self._server.commands)
            self._hosts[domain] = host
            self._router.claim(domain, host.delivery.route)

    def _session_policy(self) -> SessionPolicy:
        c2s = self._config.server.c2s
        return SessionPolicy(c2s.sessions_per_account, c2s.conflict == "replace")

    def _make_c2s(self) -> None:
        options = self._config.server
        self._certificates = CertificateStore(
            certificate_pairs(self._config), tls_settings(options)
        )
        self._c2s = Service(
            hosts=self._hosts,
            options=options.c2s,
            certificates=self._certificates,
            flusher=self._make_flusher(),
            wheel=TimerWheel(self._reactor),
            clock=self._reactor,
            admission=Admission(
                self._reactor.seconds,
                admission_limits(options.c2s.limits),
                pressed=memory_pressure(options.c2s.limits, self._reactor.seconds),
            ),
            attempts=make_attempts(options, self._reactor.seconds),
            extensions=Extensions(
                early_iq=lambda host, ns, name: host.modules.early_iq(ns, name),
                nonza=lambda host, ns, name: host.modules.nonza(ns, name),
            ),
        )
        self._clients = ClientFactory(self._c2s)

    def _make_flusher(self) -> Flusher:
        flusher = Flusher(self._reactor)
        if isinstance(self._reactor, StreamReactor):
            self._reactor.flusher = flusher
        return flusher

    def _add_services(self, options: ServerOptions) -> None:
        services: list[Any] = [
            Listener(self._reactor, endpoint, self._clients) for endpoint in options.c2s.listen
        ]
        services += [
            Listener(self._reactor, endpoint, self._clients, direct_tls=self._certificates.context)
            for endpoint in options.c2s.direct_tls
        ]
        path = options.admin_socket
        services.append(ControlServer(self._reactor, self._server.commands, path))
        if options.manhole.listen is not None:
            services.append(self._manhole(options))
        services.append(Watchdog(self._notifier, self._reactor))
        services.append(memory.Trimmer(self._reactor))
        if options.watchdog.blocked:
            services.append(StallWatch(self._reactor, options.watchdog.blocked))
        for service in services:
            service.setServiceParent(self)  # it starts now, as its parent runs

    def _manhole(self, options: ServerOptions) -> ManholeServer:
        manhole = options.manhole
        password = manhole.password.get_secret_value()
        return ManholeServer(
            self._reactor, manhole.listen or "", manhole.user, password, self._namespace
        )

    def _namespace(self) -> Mapping[str, object]:
        """What is found in the manhole: commands as functions, and the live objects."""
        return {
            **command_functions(self._server.commands),
            "server": self._server,
            "hosts": self._hosts,
            "host": self._server.host,
            "sessions": lambda: [s for host in self._hosts.values() for s in host.sessions],
            "jid": jid,
            "process": self,
        }

    def _watch_certificates(self) -> None:
        for warning in self._certificates.mismatched():
            log.warn("{warning}", warning=warning)
        loop = LoopingCall(self._warn_of_expiry)
        loop.clock = self._reactor
        _ = loop.start(DAY_S)

    def _warn_of_expiry(self) -> None:
        for warning in self._certificates.expiring(datetime.datetime.now(datetime.UTC)):
            log.warn("{warning}", warning=warning)

    # Stop

    def stopService(self) -> "Deferred[None]":
        self._stopping = True
        self._notifier.stopping()
        return spawn(self._stop())

    async def _stop(self) -> None:
        """Clients are told first; what they sent before is committed last."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        await cast("Deferred[None]", super().stopService())  # type: ignore[no-untyped-call]
        if hasattr(self, "_clients"):
            await self._clients.shutdown()
        for host in self._hosts.values():
            await host.modules.stop()
        await self._database.stop()
        self._pool.stop()
        log.info("xmppd has stopped")

    # Reload

    def _hung_up(self, *_: object) -> None:
        self._reactor.callFromThread(lambda: spawn(self._reload_and_log()))

    async def _reload_and_log(self) -> None:
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
        self._notifier.reloading()
        try:
            try:
                new = load(self._path, module_infos(self._catalogue))
            except ConfigErrors as errors:
                raise CommandError(str(errors)) from None
            wrong = self._certificates.reload(certificate_pairs(new), tls_settings(new.server))
            if wrong:
                raise CommandError(wrong)
            sentences = [str(change) for change in self._config.changes(new)]
            old, self._config = self._config, new
            self._apply_options(old.server)
            sentences += await self._exchange_modules(old)
            return "\n".join(["The configuration is reloaded", *sentences])
        finally:
            self._say_ready()

    def _apply_options(self, old: ServerOptions) -> None:
        options = self._config.server
        if (options.auth.failures, options.auth.backoff) != (old.auth.failures, old.auth.backoff):
            self._c2s.attempts = make_attempts(options, self._reactor.seconds)
        self._log.configure(options.log)
        self._c2s.configure(options.c2s)
        self._c2s.admission.configure(
            admission_limits(options.c2s.limits),
            memory_pressure(options.c2s.limits, self._reactor.seconds),
        )
        for domain, host in self._hosts.items():
            if domain in self._config.hosts:  # hosts come and go with a restart
                host.options = self._config.hosts[domain].options
            if isinstance(host.accounts, SQLAccounts):
                host.accounts.options = options.auth

    async def _exchange_modules(self, old: Config) -> list[str]:
        """Start, stop and replace the modules that the new configuration wants otherwise."""
        refused: list[str] = []
        await self._migrate(self._enabled_classes())
        for domain in old.hosts.keys() & self._config.hosts.keys():
            before, after = old.hosts[domain], self._config.hosts[domain]
            changed = changed_modules(before, after)
            coming = {c: o for c, o in self._modules_of(domain).items() if c.name in changed}
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
            with self._catalogue.reloaded(name) as names:
                self._config = load(self._path, module_infos(self._catalogue))
                await self._migrate(self._enabled_classes())
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
        wanted = self._modules_of(host.name)
        coming = {cls: options for cls, options in wanted.items() if cls.name in names}
        await host.modules.swap(leaving, coming)


def make_attempts(options: ServerOptions, seconds: Callable[[], float]) -> Attempts:
    auth = options.auth
    return Attempts(seconds, failures=auth.failures, backoff_s=auth.backoff)


def make_database(options: ServerOptions, reactor: Any) -> Database:
    database = options.database
    return Database(
        options.database_url,
        reactor,
        readers=database.readers,
        writers=database.writers,
        waiting=database.queue,
        timeout_s=database.timeout,
    )


def tls_settings(options: ServerOptions) -> TLSSettings:
    authority = options.tls.client_ca
    return TLSSettings(
        engine=ENGINES[options.tls.engine],  # type: ignore[arg-type]  # a str of the two there are
        only_tls13=options.tls.min_version is TLSVersion.TLS_1_3,
        ciphers=options.tls.ciphers,
        ask_for_certificate=authority is not None,
        authorities=str(authority) if authority else None,
    )


def admission_limits(limits: C2SLimits) -> AdmissionLimits:
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


def changed_modules(before: HostConfig, after: HostConfig) -> set[str]:
    """The modules to start, to stop, or to run with other options."""
    stay = before.enabled & after.enabled
    other = {name for name in stay if before.modules[name] != after.modules[name]}
    return other | (before.enabled ^ after.enabled)


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


def private_folder(path: Path) -> None:
    """Keys and messages will lie in it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def raise_descriptor_limit() -> None:
    """Each client is a descriptor; the soft limit is meant for programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            log.warn("At most {soft} descriptors: {error}", soft=soft, error=error)


def exit_with_failure() -> None:
    """twistd would exit with 0, and whoever restarts what failed would not know."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
