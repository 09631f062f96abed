"""``twistd xmppd``: builds the service tree; it knows every room, as reload.py does."""

# isort: off
from xmppd.transport.reactor import StreamReactor, install_first

install_first()  # before the imports below bring Twisted's own
# isort: on

import datetime
import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized

from xmppd import events, memory
from xmppd.admin.builtin import offer_builtins
from xmppd.admin.check import read_configuration
from xmppd.admin.context import Server
from xmppd.admin.control import ControlServer, SocketError
from xmppd.admin.manhole import ManholeError, ManholeServer, command_functions
from xmppd.auth import HashPool, SQLAccounts
from xmppd.c2s import ClientFactory, Extensions, Service
from xmppd.components import ComponentCommands, Components, ComponentService
from xmppd.components.service import ComponentFactory
from xmppd.config import Config, ConfigErrors, ServerOptions
from xmppd.hooks import HandlerCrashed, WaitingFilter, spawn
from xmppd.host import Host, make_host
from xmppd.jid import JID, jid
from xmppd.logs import Log
from xmppd.module import Catalogue, ModuleFault, ModuleHost
from xmppd.reload import Reloader
from xmppd.resolve.make import make_dialer, make_prover
from xmppd.routing import Router, SessionPolicy
from xmppd.s2s import Federation, FederationCommands, PeerFactory
from xmppd.s2s import Service as PeerService
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
from xmppd.systemd import Notifier, Watchdog, forget_environment
from xmppd.transport.admission import Admission
from xmppd.transport.certificates import CertificateError
from xmppd.transport.flusher import Flusher
from xmppd.transport.listeners import Listener, ListenError
from xmppd.transport.peer_tls import PeerTLS
from xmppd.transport.store import CertificateStore
from xmppd.transport.wheel import TimerWheel
from xmppd.watchdog import StallWatch

DAY_S = 86400.0
SECRET_BYTES = 32
STORING_S = 3.0  # that modules have at the end to store what they must
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
        self._settings = Settings(path, config, catalogue)
        self._notifier = notifier
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
            config=lambda: self._settings.config,
            reload_config=lambda: self._reloader.reload_config(),
            reload_module=lambda name: self._reloader.reload_module(name),
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
        options = self._settings.config.server
        raise_descriptor_limit()
        private_folder(options.data_dir)
        self._secret = kept_secret(options.data_dir / "secret")
        await self._database.start()
        await migrate(self._database, self._settings.enabled_classes())
        self._pool.start()
        self._make_hosts()
        for host in self._hosts.values():
            await host.modules.start(self._settings.modules_of(host.name))
            await tell(host, events.host_started)
        self._make_c2s()
        self._make_components()
        self._make_s2s()
        self._make_reloader()
        self._add_services(options)
        self._watch_certificates()
        signal.signal(signal.SIGHUP, self._hung_up)
        for warning in self._settings.config.warnings:
            log.warn("{warning}", warning=str(warning))
        if os.geteuid() == 0:
            log.warn("xmppd runs as root; give it a user of its own")
        memory.settle()
        self._say_ready()

    def _say_ready(self) -> None:
        status = f"Serving {', '.join(sorted(self._hosts))}"
        log.info("{status}", status=status)
        self._notifier.ready(status)

    def _make_hosts(self) -> None:
        for domain, configured in self._settings.config.hosts.items():
            host = make_host(
                domain,
                configured.options,
                accounts=SQLAccounts(
                    self._database, domain, self._pool, self._settings.config.server.auth
                ),
                database=self._database,
                router=self._router,
                clock=self._reactor,
                policy=self._session_policy,
                secret=self._secret,
                folder=self._settings.config.server.data_dir,
            )
            host.modules = ModuleHost(host, self._server.commands)
            self._hosts[domain] = host
            self._router.claim(domain, host.delivery.route, copies=host.delivery.fan_out.send)

    def _session_policy(self) -> SessionPolicy:
        c2s = self._settings.config.server.c2s
        return SessionPolicy(c2s.sessions_per_account, c2s.conflict == "replace")

    def _make_c2s(self) -> None:
        options = self._settings.config.server
        self._certificates = CertificateStore(
            certificate_pairs(self._settings.config), tls_settings(options)
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

    def _make_components(self) -> None:
        components = Components(
            router=self._router,
            hosts=self._hosts,
            clock=self._reactor,
            attempts=make_attempts(self._settings.config.server, self._reactor.seconds),
        )
        factory = ComponentFactory(
            components,
            router=self._router,
            admission=self._c2s.admission,
            flusher=self._c2s.flusher,
            wheel=self._c2s.wheel,
        )
        self._components = ComponentService(self._reactor, factory, self._certificates)
        self._server.commands.add_from(ComponentCommands(components, self._reactor))

    def _start_components(self) -> None:
        config = self._settings.config
        self._components.setServiceParent(self)  # type: ignore[no-untyped-call]
        refused = self._components.configure(config.server.components, config.components)
        if refused:
            raise ListenError("; ".join(refused))

    def _make_s2s(self) -> None:
        options = self._settings.config.server
        self._peer_tls = PeerTLS(
            certificate_pairs(self._settings.config), peer_tls_settings(options)
        )
        dialer = make_dialer(self._reactor, options.s2s)
        self._s2s = PeerService(
            hosts=self._hosts,
            options=options.s2s,
            router=self._router,
            dialer=dialer,
            contexts=self._peer_tls,
            make_prover=lambda options: make_prover(self._reactor, dialer, options),
            flusher=self._c2s.flusher,
            wheel=self._c2s.wheel,
            clock=self._reactor,
            admission=Admission(
                self._reactor.seconds,
                admission_limits(options.s2s.limits),
                pressed=memory_pressure(options.c2s.limits, self._reactor.seconds),
            ),
        )
        self._federation = Federation(self._s2s)
        self._router.elsewhere = self._federation.route
        self._router.copies_elsewhere = self._federation.route_copies
        self._server.commands.add_from(FederationCommands(self._federation))

    def _make_reloader(self) -> None:
        self._reloader = Reloader(
            self._settings,
            hosts=self._hosts,
            database=self._database,
            c2s=self._c2s,
            components=self._components,
            federation=self._federation,
            peer_tls=self._peer_tls,
            logs=self._log,
            clock=self._reactor,
            begins=self._notifier.reloading,
            ended=self._say_ready,
        )

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
        self._start_components()
        for listener in self._peer_listeners(options):
            self._listen_to_peers(listener)

    def _listen_to_peers(self, listener: Listener) -> None:
        """Clients are served also where another program has the port of servers."""
        try:
            listener.setServiceParent(self)  # type: ignore[no-untyped-call]
        except ListenError as error:
            log.error("Other servers cannot connect: {error}", error=error)

    def _peer_listeners(self, options: ServerOptions) -> list[Listener]:
        if not options.s2s.enabled:
            return []
        peers = PeerFactory(self._federation)
        listeners = [Listener(self._reactor, endpoint, peers) for endpoint in options.s2s.listen]
        return listeners + [
            Listener(self._reactor, endpoint, peers, direct_tls=self._peer_tls.server)
            for endpoint in options.s2s.direct_tls
        ]

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

    def _hung_up(self, *_: object) -> None:
        self._reactor.callFromThread(lambda: spawn(self._reloader.reload_config_and_log()))

    # Stop

    def stopService(self) -> "Deferred[None]":
        self._notifier.stopping()
        return spawn(self._stop())

    async def _stop(self) -> None:
        """Clients are told first; what they sent before is committed last."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        await cast("Deferred[None]", super().stopService())  # type: ignore[no-untyped-call]
        if hasattr(self, "_federation"):
            self._federation.give_up()
        if hasattr(self, "_clients"):
            await self._clients.shutdown()
        if hasattr(self, "_components"):
            await self._components.factory.shutdown()
        if hasattr(self, "_federation"):
            await self._federation.shutdown()
        self._database.hurry(STORING_S)
        for host in self._hosts.values():
            await tell(host, events.host_stopping)
        for host in self._hosts.values():
            await host.modules.stop()
        await self._database.stop()
        self._pool.stop()
        log.info("xmppd has stopped")


async def tell(host: Host, hook: WaitingFilter[JID, []]) -> None:
    """Whatever a module has to bring back or to store, the server starts and stops without it."""
    try:
        await host.hooks.of(hook).wait(host.domain)
    except HandlerCrashed:
        pass  # it is logged, with the module's name
    except Exception as error:
        log.error("{host}: {error}", host=host.name, error=error)


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


def private_folder(path: Path) -> None:
    """Keys and messages will lie in it. Raises OSError, which is a sentence."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise OSError(f"data_dir: {path} cannot be made: {problem.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise OSError(f"data_dir: {path} cannot be written to by this user")


def kept_secret(path: Path) -> bytes:
    """The secret that tokens and keys of this server are made with; a new one if there is none.

    A lost file makes clients log in with their passwords once, no more. Raises OSError.
    """
    try:
        kept = path.read_bytes()
    except FileNotFoundError:
        kept = b""
    if len(kept) >= SECRET_BYTES:
        return kept
    made = secrets.token_bytes(SECRET_BYTES)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return made


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
