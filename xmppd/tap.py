"""``twistd xmppd``: builds the service tree; it knows every room, as reload.py does."""

# isort: off
from xmppd.transport.reactor import install_first

install_first()  # before the imports below bring Twisted's own
# isort: on

import datetime
import os
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
from xmppd.config import Config, ConfigErrors, ServerOptions
from xmppd.connections import Connections
from xmppd.hooks import HandlerCrashed, WaitingFilter, spawn
from xmppd.host import Host, make_host
from xmppd.jid import JID, jid
from xmppd.logs import Log
from xmppd.machine import exit_with_failure, kept_secret, private_folder, raise_descriptor_limit
from xmppd.module import Catalogue, ModuleFault, ModuleHost
from xmppd.reload import Reloader
from xmppd.routing import Router, SessionPolicy
from xmppd.settings import Settings, migrate
from xmppd.storage import Database, StorageError
from xmppd.systemd import Notifier, Watchdog, forget_environment
from xmppd.transport.certificates import CertificateError
from xmppd.transport.listeners import ListenError
from xmppd.watchdog import StallWatch

DAY_S = 86400.0
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
        self._make_connections()
        self._make_reloader()
        await self._add_services(options)
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

    def _make_connections(self) -> None:
        self._connections = Connections(
            self._reactor, self._settings.config, hosts=self._hosts, router=self._router
        )
        for commands in self._connections.commands():
            self._server.commands.add_from(commands)

    def _make_reloader(self) -> None:
        self._reloader = Reloader(
            self._settings,
            hosts=self._hosts,
            database=self._database,
            c2s=self._connections.c2s,
            components=self._connections.components,
            federation=self._connections.federation,
            peer_tls=self._connections.peer_tls,
            logs=self._log,
            clock=self._reactor,
            begins=self._notifier.reloading,
            ended=self._say_ready,
        )

    async def _add_services(self, options: ServerOptions) -> None:
        connections = self._connections
        services: list[Any] = [*connections.client_listeners(options)]
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
        await connections.listen_to_components(self, self._settings.config)
        connections.listen_to_peers(self, options)

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
        for warning in self._connections.certificates.mismatched():
            log.warn("{warning}", warning=warning)
        loop = LoopingCall(self._warn_of_expiry)
        loop.clock = self._reactor
        _ = loop.start(DAY_S)

    def _warn_of_expiry(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        for warning in self._connections.certificates.expiring(now):
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
        if hasattr(self, "_connections"):
            await self._connections.shutdown()
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
