"""Who runs the modules of one virtual host: start in order, swap in one step, give back."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from twisted.logger import Logger

from xmppd.config import Options
from xmppd.module.base import (
    BEFORE_LOGIN,
    NONZA,
    Module,
    claims_of,
    dependencies,
    handlers_of,
    specials_of,
)
from xmppd.module.catalogue import ModuleFault
from xmppd.module.service import Service
from xmppd.routing import Claim, ClaimedTwice
from xmppd.routing.iqs import OWN_DOMAIN
from xmppd.routing.router import Destination

if TYPE_CHECKING:
    from xmppd.admin.commands import Command
    from xmppd.admin.output import Result
    from xmppd.host import Host

log = Logger()
M = TypeVar("M", bound=Module)


class CommandRegistry(Protocol):
    """Where the commands of modules are offered to operators."""

    def __iter__(self) -> "Iterator[Command]":
        """All of them, by name."""

    async def run(self, name: str, given: Mapping[str, object]) -> "Result":
        """Run one; CommandError says what is wrong."""

    def add_from(self, instance: object, host: str | None = None) -> None:
        """Offer its `@command` methods; ValueError where a name is taken."""

    def remove_from(self, instance: object, host: str | None = None) -> None:
        """Take them back."""


class ModuleHost:
    """The running modules of one virtual host, by name."""

    def __init__(self, host: "Host", commands: CommandRegistry | None = None) -> None:
        self._host = host
        self._commands = commands
        self._running: dict[str, Module] = {}
        self._specials: dict[tuple[str, str, str], Callable[..., Any]] = {}

    @property
    def commands(self) -> CommandRegistry | None:
        """The operators' commands of the whole process; None where there are none."""
        return self._commands

    def get(self, name: str) -> Module | None:
        return self._running.get(name)

    def find(self, kind: type[M]) -> M | None:
        """The running module of that class, for who holds the class."""
        found = self._running.get(kind.name)
        return found if isinstance(found, kind) else None

    def __iter__(self) -> Iterator[Module]:
        return iter(self._running.values())

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def __len__(self) -> int:
        return len(self._running)

    def early_iq(self, ns: str, name: str) -> Callable[..., Any] | None:
        """Who answers such an IQ from a client that has not logged in (`@before_login`)."""
        return self._specials.get((BEFORE_LOGIN, ns, name))

    def nonza(self, ns: str, name: str) -> Callable[..., Any] | None:
        """Who takes such a child of a stream that is no stanza (`@nonza`)."""
        return self._specials.get((NONZA, ns, name))

    def features(self) -> set[str]:
        """The disco features of the host that modules name beside the IQs they answer; those of a
        `Service` are of its own domain.
        """
        hosts_own = (module for module in self if not isinstance(module, Service))
        return {feature for module in hosts_own for feature in module.features}

    async def start(self, modules: Mapping[type[Module], Options]) -> None:
        """Start these, in the order of what they use. Raises ModuleFault, with none of them
        running then.
        """
        await self.swap((), modules)

    async def stop(self) -> None:
        """Stop all, the last started first."""
        leaving = list(self._running)
        self._host.hooks.swap(leaving)
        self._host.iqs.swap(leaving)
        self._exchange_domains(self, ())
        for module in reversed(list(self._running.values())):
            await self._retire(module)
        self._running = {}
        self._specials = {}

    async def swap(self, leaving: Collection[str], coming: Mapping[type[Module], Options]) -> None:
        """Replace running modules: a reload names the same on both sides, enabling and
        disabling only one side.

        The new are built and started beside the old, which go on serving if anything fails:
        ModuleFault says what. Then all handlers change hands in one synchronous step, and the old
        are stopped.
        """
        fresh = self._build(leaving, coming)
        started: list[Module] = []
        try:
            for module in fresh:
                old = self._running.get(module.name)
                await self._start(module, old)
                started.append(module)
            before = self._exchange(leaving, fresh)
        except BaseException:
            for module in reversed(started):
                await self._retire(module)
            raise
        for module in before:
            await self._retire(module)

    def _build(
        self, leaving: Collection[str], coming: Mapping[type[Module], Options]
    ) -> list[Module]:
        stay = {name for name in self._running if name not in leaving}
        present = stay | {cls.name for cls in coming}
        for cls in coming:
            for name in sorted(dependencies(cls) - present):
                raise ModuleFault(f"{self._host.name}: {cls.name} needs {name}, which is disabled")
        for name in stay:
            for lost in sorted(dependencies(type(self._running[name])) - present):
                raise ModuleFault(f"{self._host.name}: {name} needs {lost}, which would be gone")
        return [cls(self._host, coming[cls]) for cls in in_order(coming)]

    @staticmethod
    async def _start(module: Module, old: Module | None) -> None:
        """Start it, then hand over what the old one saved: nothing changes in between."""
        try:
            await module.start()
            if old is not None:
                module.restore(old.save())
        except ModuleFault:
            module.release()
            raise
        except Exception as problem:
            module.release()
            log.failure("{module} did not start", module=module)
            raise ModuleFault(f"{module!r} did not start: {problem}") from problem

    def _exchange(self, leaving: Collection[str], fresh: list[Module]) -> list[Module]:
        """The synchronous step. Returns the modules that are out."""
        out = [self._running[name] for name in leaving if name in self._running]
        try:
            self._host.iqs.swap(leaving, _all(host_claims, fresh))
        except ClaimedTwice as clash:
            raise ModuleFault(f"{self._host.name}: {clash}") from None
        try:
            self._exchange_domains(out, fresh)
            try:
                self._exchange_commands(out, fresh)
            except ValueError:
                self._exchange_domains(fresh, out)
                raise
        except ValueError as clash:
            self._host.iqs.swap([module.name for module in fresh], _all(host_claims, out))
            raise ModuleFault(f"{self._host.name}: {clash}") from None
        self._host.hooks.swap(leaving, _all(handlers_of, fresh))
        for name in leaving:
            self._running.pop(name, None)
        self._running |= {module.name: module for module in fresh}
        self._specials = {k: v for module in self for k, v in specials_of(module).items()}
        return list(reversed(out))

    def _exchange_domains(self, out: Iterable[Module], fresh: Iterable[Module]) -> None:
        coming: dict[str, Destination] = {}
        for module in fresh:
            for domain, destination in module.domains().items():
                if domain in coming:
                    raise ValueError(f"{module.name}: the domain {domain} is taken by another")
                coming[domain] = destination
        leaving = [domain for module in out for domain in module.domains()]
        self._host.router.swap(leaving, coming, self._host.name)

    def _exchange_commands(self, out: Iterable[Module], fresh: Iterable[Module]) -> None:
        if self._commands is None:
            return
        for module in out:
            self._commands.remove_from(module, self._host.name)
        added: list[Module] = []
        try:
            for module in fresh:
                self._commands.add_from(module, self._host.name)
                added.append(module)
        except ValueError:
            for module in added:
                self._commands.remove_from(module, self._host.name)
            for module in out:
                self._commands.add_from(module, self._host.name)
            raise

    async def _retire(self, module: Module) -> None:
        if self._commands is not None and self._running.get(module.name) is module:
            self._commands.remove_from(module, self._host.name)
        module.release()
        try:
            await module.stop()
        except Exception:
            log.failure("{module} did not stop well", module=module)


def host_claims(module: Module) -> list[Claim]:
    """What it answers for the host and its accounts; a service's own domain has its own table."""
    return [claim for claim in claims_of(module) if claim.scope not in OWN_DOMAIN]


def _all(what: Callable[[Module], Iterable[Any]], modules: Iterable[Module]) -> list[Any]:
    return [item for module in modules for item in what(module)]


def in_order(classes: Iterable[type[Module]]) -> list[type[Module]]:
    """By what they use, then by name; a circle is a ModuleFault that names its members."""
    waiting = {cls.name: cls for cls in sorted(classes, key=lambda cls: cls.name)}
    ordered: list[type[Module]] = []
    while waiting:
        ready = [
            cls
            for cls in waiting.values()
            if not dependencies(cls, needed=False) & (waiting.keys() - {cls.name})
        ]
        if not ready:
            raise ModuleFault(f"these modules use each other: {', '.join(waiting)}")
        ordered += [waiting.pop(cls.name) for cls in ready]
    return ordered
