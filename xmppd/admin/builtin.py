"""The commands of the core: accounts, sessions, modules and the process itself."""

import os
import re
import resource
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from xmppd import events
from xmppd.admin.accounts import check_account
from xmppd.admin.commands import CommandError, Secret, UsageError, command
from xmppd.admin.context import Server
from xmppd.admin.output import Result, Rows, Scalar
from xmppd.auth import AccountExists, PasswordRefused
from xmppd.host import Host, remove_account
from xmppd.jid import JID, make_jid
from xmppd.sessions import Session
from xmppd.xml import StreamError

SENTENCE_ENDS = re.compile(r"(?<=\.) (?=[A-Z])")


class AccountCommands:
    """Accounts are made and removed here also for what else does so: the hooks are fired."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @command("adduser", "Create an account.", jid="Its bare JID: user@domain.")
    async def adduser(self, jid: JID, password: Secret) -> str:
        host = self._server.host_of(jid)
        try:
            await host.accounts.create(jid.local, password)
        except AccountExists:
            raise CommandError(f"there is an account {jid} already") from None
        except PasswordRefused as error:
            raise CommandError(str(error)) from None
        host.hooks.of(events.account_created).signal(jid)
        return f"{jid} is created"

    @command("passwd", "Give an account a new password.", jid="Its bare JID: user@domain.")
    async def passwd(self, jid: JID, password: Secret) -> str:
        host = await self._existing(jid)
        try:
            await host.accounts.set_password(jid.local, password)
        except PasswordRefused as error:
            raise CommandError(str(error)) from None
        host.hooks.of(events.password_changed).signal(jid)
        return f"{jid} has a new password"

    @command(
        "deluser",
        "Remove an account and all that belongs to it, at once and for ever.",
        jid="Its bare JID: user@domain.",
    )
    async def deluser(self, jid: JID) -> str:
        host = await self._existing(jid)
        await remove_account(host, jid)
        return f"{jid} is removed"

    @command("users", "List the accounts.", host="Of this virtual host only.")
    async def users(self, host: str | None = None) -> Rows:
        rows: list[tuple[Scalar, ...]] = []
        for served in chosen(self._server, host):
            for user in sorted(await served.accounts.users()):
                address = make_jid(user, served.name)
                rows.append((address, len(served.sessions.of(address))))
        return Rows(("jid", "sessions"), rows)

    async def _existing(self, user: JID) -> Host:
        host = self._server.host_of(user)
        await check_account(host, user)
        return host


class SessionCommands:
    def __init__(self, server: Server) -> None:
        self._server = server

    @command("sessions", "List the bound sessions.", host="Of this virtual host only.")
    def sessions(self, host: str | None = None) -> Rows:
        now = self._server.clock.seconds()
        found = (session for served in chosen(self._server, host) for session in served.sessions)
        rows: list[tuple[Scalar, ...]] = [
            (
                session.jid,
                session.priority,
                session.address,
                session.secure,
                round(now - session.opened_at),
            )
            for session in found
        ]
        return Rows(("jid", "priority", "address", "tls", "seconds"), sorted(rows, key=str))

    @command(
        "kick",
        "Close the sessions of an account, or the one of a full JID.",
        jid="A bare or full JID.",
        reason="Told to the client.",
    )
    async def kick(self, jid: JID, reason: str | None = None) -> str:
        host = self._server.host_of(jid.bare)
        sessions = [s for s in host.sessions.of(jid.bare) if jid.is_bare or s.jid == jid]
        if not sessions:
            await check_account(host, jid.bare)
            raise CommandError(f"{jid} has no session")
        for session in sessions:
            error = StreamError("policy-violation", reason)
            end_session(host, session, error, "closed by an administrator")
        return f"{len(sessions)} closed"


class ServerCommands:
    def __init__(self, server: Server) -> None:
        self._server = server

    @command("status", "How the server is.")
    def status(self) -> Result:
        server = self._server
        return {
            "version": own_version(),
            "pid": os.getpid(),
            "uptime_s": round(server.clock.seconds() - server.started),
            "hosts": ", ".join(sorted(server.hosts)),
            "sessions": sum(len(host.sessions) for host in server.hosts.values()),
            "database": "healthy" if server.database.healthy else "not reachable",
            "memory_mib": memory_mib(),
            "descriptors": f"{open_descriptors()} of {descriptor_limit()}",
        }

    @command(
        "reload",
        "Reload a module's code, or the configuration and certificates.",
        module="The module's name.",
        config="Read the configuration and the certificates again.",
    )
    async def reload(self, module: str | None = None, *, config: bool = False) -> str:
        if (module is not None) == config:
            raise UsageError("name a module to reload, or say --config: one of the two")
        if module is None:
            return await self._server.reload_config()
        return await self._server.reload_module(module)

    @command("modules", "List the running modules.", host="Of this virtual host only.")
    def modules(self, host: str | None = None) -> Rows:
        rows: list[tuple[Scalar, ...]] = [
            (served.name, module.name, first_sentence(type(module)))
            for served in chosen(self._server, host)
            for module in served.modules
        ]
        return Rows(("host", "module", "what it is"), rows)

    @command(
        "hooks",
        "Who takes part in what, in the order of their turns.",
        host="Of this virtual host only.",
    )
    def hooks(self, host: str | None = None) -> Rows:
        rows: list[tuple[Scalar, ...]] = [
            (served.name, chain.hook, handler.order.name, handler.owner)
            for served in chosen(self._server, host)
            for chain in served.hooks.chains()
            for handler in chain.handlers
        ]
        return Rows(("host", "hook", "order", "module"), rows)

    @command("stop", "Stop the server; clients are told.")
    def stop(self) -> str:
        # Once this answer is written: the connection it goes to is closed with the rest, and
        # ControlServer waits until what was written to it has gone out.
        self._server.clock.callLater(0, self._server.stop)
        return "stopping"


def offer_builtins(server: Server) -> None:
    """Put the commands of the core into `server.commands`."""
    for kind in (AccountCommands, SessionCommands, ServerCommands):
        server.commands.add_from(kind(server))


def chosen(server: Server, host: str | None) -> list[Host]:
    """The named host, or all of them by name."""
    if host is not None:
        return [server.host(host)]
    return [server.hosts[name] for name in sorted(server.hosts)]


def end_session(host: Host, session: Session, error: StreamError, why: str) -> None:
    session.close(error)
    host.intake.close(session, why)


def own_version() -> str:
    try:
        return version("xmppd")
    except PackageNotFoundError:  # a bare checkout
        return "unknown"


def first_sentence(kind: type) -> str:
    """The first sentence of its docstring, or of its file's."""
    docs: Iterable[str | None] = (
        kind.__dict__.get("__doc__"),
        sys.modules[kind.__module__].__doc__,
    )
    text = next((" ".join(doc.split()) for doc in docs if doc), "")
    return SENTENCE_ENDS.split(text, maxsplit=1)[0]


def memory_mib() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // (1024 * 1024)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def descriptor_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
