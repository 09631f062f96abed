"""Where conversations are played: `Stage`, and `Talk`, the one in memory."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from xmppd.admin.commands import Commands
from xmppd.auth import SQLAccounts
from xmppd.config import HostOptions
from xmppd.hooks import spawn
from xmppd.host import Host, make_host
from xmppd.jid import JID, jid
from xmppd.module import Catalogue, Module, ModuleHost
from xmppd.module.base import dependencies, options_of
from xmppd.routing import Router
from xmppd.sessions import Session
from xmppd.storage import InlineDatabase
from xmppd.testing.actor import Actor, Checker, Client

T = TypeVar("T")
M = TypeVar("M", bound=Module)
A = TypeVar("A", bound=Actor, covariant=True)
PASSWORD = "secret"  # noqa: S105 # of all accounts in tests


def result_of(work: Awaitable[T]) -> T:
    """What an awaitable gives that has nothing left to wait for; raises what it raises.

    AssertionError if it still waits.
    """

    async def run() -> T:
        return await work

    outcome: list[Any] = []
    done: Deferred[Any] = spawn(run())
    _ = done.addBoth(outcome.append)
    if not outcome:
        raise AssertionError(f"{work!r} still waits")
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result


@cache
def bundled() -> Catalogue:
    """The modules that come along, imported once for all tests."""
    return Catalogue().load()


class Stage(ABC, Generic[A]):
    """What a conversation may ask of any stage: `A` are its clients."""

    @abstractmethod
    def account(self, address: str, password: str = PASSWORD) -> JID:
        """Make sure that there is such an account; its bare JID."""

    @abstractmethod
    def bind(self, address: str) -> A:
        """A client with that full JID, whose account is made if there is none; no presence yet."""

    def online(self, address: str, priority: int = 0) -> A:
        """As `bind`, and it has sent presence; what came in answer to that is forgotten."""
        client = self.bind(address)
        client.sends(f"<presence><priority>{priority}</priority></presence>")
        client.forget()
        return client

    def befriend(self, one: str, other: str) -> None:
        """Subscribe two accounts to each other's presence, through the protocol."""
        first, second = jid(one).bare, jid(other).bare
        clients = [self.bind(f"{user}/befriending") for user in (first, second)]
        for type_ in ("subscribe", "subscribed"):
            for client, contact in zip(clients, (second, first), strict=True):
                client.sends(f"<presence to='{contact}' type='{type_}'/>")
                client.forget()  # the server has done it
        for client in clients:
            client.leaves()


class Talk(Stage[Client]):
    """Hosts in memory with the modules that are usually on, and `extra` ones.

    `only` names the modules to run instead (with what they use); `options` are those of modules,
    by name: `Talk(options={"offline": {"limit": 2}})`. `admins` administer all hosts.

    `check` judges each stanza that the server sends, and raises AssertionError; the test sees it
    when it looks at what came next. Without one it is `default_check`, which a conftest.py may
    set for all tests. `anything` passes all.
    """

    default_check: ClassVar[Checker | None] = None

    def __init__(
        self,
        *extra: type[Module],
        hosts: Sequence[str] = ("example.org",),
        only: Iterable[str | type[Module]] | None = None,
        without: Iterable[str] = (),
        options: Mapping[str, Mapping[str, object]] | None = None,
        admins: Iterable[str] = (),
        check: Checker | None = None,
    ) -> None:
        modules = [cls for cls in _chosen(only, extra) if cls.name not in set(without)]
        self.clock = Clock()
        self.database = InlineDatabase()
        self.router = Router()
        self.commands = Commands()
        self.hosts: dict[str, Host] = {}
        self.check = check if check is not None else type(self).default_check
        for name in hosts:
            self._add(name, modules, options or {}, HostOptions(admins=[jid(a) for a in admins]))

    def _add(
        self,
        name: str,
        modules: Iterable[type[Module]],
        options: Mapping[str, Mapping[str, object]],
        host_options: HostOptions,
    ) -> None:
        accounts = SQLAccounts.inline(self.database, name)
        host = make_host(
            name,
            host_options,
            accounts=accounts,
            database=self.database,
            router=self.router,
            clock=self.clock,
        )
        self.hosts[name] = host
        self.router.claim(name, host.delivery.route, copies=host.delivery.fan_out.send)
        host.modules = ModuleHost(host, self.commands)
        chosen = {cls: options_of(cls)(**options.get(cls.name, {})) for cls in modules}
        result_of(host.modules.start(chosen))

    @property
    def host(self) -> Host:
        """The first host, usually the only one."""
        return next(iter(self.hosts.values()))

    def module(self, kind: type[M], host: str | None = None) -> M:
        """The running module of that class."""
        found = (self.hosts[host] if host else self.host).modules.find(kind)
        assert found is not None, f"{kind.name} does not run"
        return found

    def account(self, address: str, password: str = PASSWORD) -> JID:
        """Make sure that there is such an account."""
        user = jid(address).bare
        accounts = self.hosts[user.domain].accounts
        if not result_of(accounts.exists(user.local)):
            result_of(accounts.create(user.local, password))
        return user

    def bind(self, address: str) -> Client:
        """A client with that full JID, whose account is made if there is none; no presence yet."""
        full = jid(address)
        self.account(address)
        host = self.hosts[full.domain]
        client = Client(full, host.intake, self.check)
        client.nonza = host.modules.nonza
        client.session = Session(full, host.hooks, client, address="127.0.0.1")
        result_of(host.intake.open(client.session))
        return client

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def run(self, command: str, **arguments: object) -> object:
        """Run an administrative command; returns its result."""
        return result_of(self.commands.run(command, arguments))


def _chosen(
    only: Iterable[str | type[Module]] | None, extra: Sequence[type[Module]]
) -> list[type[Module]]:
    catalogue = bundled()
    if only is None:
        assert not catalogue.faults, "\n".join(catalogue.faults)
        wanted = [cls for cls in catalogue if cls.default_on]
    else:
        wanted = [catalogue.get(each) if isinstance(each, str) else each for each in only]
    chosen = {cls.name: cls for cls in (*wanted, *extra)}
    missing = {name for cls in chosen.values() for name in dependencies(cls)} - chosen.keys()
    while missing:
        chosen |= {name: catalogue.get(name) for name in missing}
        missing = {n for cls in chosen.values() for n in dependencies(cls)} - chosen.keys()
    return list(chosen.values())
