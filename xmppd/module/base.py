"""The base class of every feature, and the decorators that say what its methods are for.

Decorators only leave data on the functions; the module host reads it when a module starts, and
takes everything back when it stops.
"""

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from xmppd.clock import Timer
from xmppd.config import Options
from xmppd.hooks import ON, Handler, Hook, Signal, spawn
from xmppd.routing import HOST, Claim, Scope
from xmppd.routing.iqs import Answer
from xmppd.routing.router import Destination
from xmppd.stanza import IQ
from xmppd.storage import Repository, StorageError

if TYPE_CHECKING:
    from xmppd.host import Host

IQS = "__xmppd_iqs__"
SPECIAL = "__xmppd_special__"
BEFORE_LOGIN = "before login"
NONZA = "nonza"
F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
M = TypeVar("M", bound="Module")
S = TypeVar("S")
IQMethod = Callable[[S, IQ], "Answer | Awaitable[Answer]"]
Marked = TypeVar("Marked", bound=Callable[[Any, IQ], "Answer | Awaitable[Answer]"])


def _claim(type_: str, ns: str, name: str, at: Scope) -> Callable[[Marked], Marked]:
    def mark(method: Marked) -> Marked:
        claims = getattr(method, IQS, [])
        setattr(method, IQS, [*claims, (at, type_, ns, name)])
        return method

    return mark


def iq_get(ns: str, name: str, *, at: Scope = HOST) -> Callable[[Marked], Marked]:
    """The method answers `get` of `<name xmlns=ns/>`: returns the payload, None for an empty
    result, or raises StanzaError. It may be `async`; its session is not read meanwhile.
    """
    return _claim("get", ns, name, at)


def iq_set(ns: str, name: str, *, at: Scope = HOST) -> Callable[[Marked], Marked]:
    """As `iq_get`, for `set`. What a set confirms must be stored durably by then."""
    return _claim("set", ns, name, at)


def before_login(ns: str, name: str) -> Callable[[F], F]:
    """The method answers IQs with that payload from clients that have not logged in (XEP-0077).

    It is `async`, takes the IQ and the client's IP address, and answers as IQ handlers do.
    """
    return _special(BEFORE_LOGIN, ns, name)


def nonza(ns: str, name: str) -> Callable[[F], F]:
    """The method takes a stream's child that is no stanza, and the session (None before the
    bind): the grammar of an extension such as XEP-0198.
    """
    return _special(NONZA, ns, name)


def _special(kind: str, ns: str, name: str) -> Callable[[F], F]:
    def mark(method: F) -> F:
        setattr(method, SPECIAL, [*getattr(method, SPECIAL, []), (kind, ns, name)])
        return method

    return mark


class _Uses(Generic[M]):
    """Finds the other module by name at each access, so that it may be reloaded meanwhile."""

    def __init__(self, kind: type[M], needed: bool) -> None:
        self.kind = kind
        self.needed = needed

    def __get__(self, instance: "Module | None", owner: type) -> "M | _Uses[M] | None":
        if instance is None:
            return self
        return cast("M | None", instance.host.modules.get(self.kind.name))


def uses(kind: type[M]) -> M:
    """Another module of the same host, which is started before this one and must be enabled."""
    return cast(M, _Uses(kind, needed=True))


def uses_if(kind: type[M]) -> M | None:
    """As `uses`, but None where the other module is not enabled."""
    return cast("M | None", _Uses(kind, needed=False))


class Module:
    """A feature of one virtual host. See `docs/writing-modules.rst`.

    `options` and repositories are made from the class's annotations. What a module acquires
    through the methods here (handlers, timers, domains) is given back by the host, so most need
    no `start` and no `stop`.
    """

    name: ClassVar[str]
    default_on: ClassVar[bool] = True
    features: ClassVar[tuple[str, ...]] = ()  # disco features beside the IQs it answers
    options: Options
    log: ClassVar[Logger]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.log = Logger(namespace=f"xmppd.modules.{cls.__dict__.get('name', cls.__name__)}")

    def __init__(self, host: "Host", options: Options) -> None:
        self.host = host
        self.options = options
        self._acquired: list[Callable[[], object]] = []
        for attribute, kind in annotated(type(self), Repository):
            setattr(self, attribute, kind(host.database, host.name))

    async def start(self) -> None:
        """Called once before the module gets its first event; the old one still serves then."""

    async def stop(self) -> None:
        """Called once after its last event."""

    def save(self) -> dict[str, Any]:
        """Plain values that the next version of this module shall have after a reload."""
        return {}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over what the version before has saved; an old one's values may be missing."""

    def domains(self) -> Mapping[str, Destination]:
        """Domains that this module serves beside the host's, and who takes stanzas to them; asked
        when the module takes its place. A `Service` answers by itself.
        """
        return {}

    # What modules do

    def every(self, interval_s: float, work: Callable[[], object]) -> None:
        """Call `work` each `interval_s` seconds, first after that time. A failure is logged."""

        async def guarded() -> None:
            outcome = work()
            if isinstance(outcome, Awaitable):
                await outcome

        loop = LoopingCall(lambda: spawn(self._watch(guarded())))
        loop.clock = self.host.clock  # type: ignore[assignment]  # zope's interface
        _ = loop.start(interval_s, now=False)
        self._acquired.append(lambda: loop.stop() if loop.running else None)

    def once_running(self, work: Callable[[], object]) -> None:
        """Call `work` when this instance has taken its place; never if it does not get there. For
        `start`, where the old instance still serves.
        """
        timer: list[Timer] = []

        def look() -> None:
            if self.host.modules.get(self.name) is self:
                work()
            else:  # others are still being started
                timer[:] = [self.host.clock.callLater(0.1, look)]

        timer.append(self.host.clock.callLater(0, look))
        self._acquired.append(lambda: timer[0].cancel() if timer[0].active() else None)

    def listen(self, hook: Hook, wanted: bool) -> None:
        """Let this module's handlers of `hook` be called, or not for now: so a feature that nobody
        uses costs a stanza nothing. They are called until this says otherwise.
        """
        self.host.hooks.of(hook).rest(self.name, not wanted)  # type: ignore[call-overload]

    def pause(self, seconds: float) -> Deferred[None]:
        """To await: let so much time pass; with 0, only what else has to be done now.

        It ends also where the module is stopped meanwhile, for what is half done wants to be ended
        well. Who shall not go on then looks afterwards whether it is still in charge.
        """
        over: Deferred[None] = Deferred()
        self.host.clock.callLater(seconds, over.callback, None)
        return over

    def background(self, work: Awaitable[object]) -> None:
        """Let something asynchronous go on by itself; a failure is logged, never lost."""
        _ = spawn(self._watch(work))

    async def _watch(self, work: Awaitable[object]) -> None:
        try:
            await work
        except StorageError as error:  # no bug: it is logged once by the database itself
            self.log.error("{name}: {error}", name=self.name, error=error)
        except Exception:
            self.log.failure("{name}: work in the background failed", name=self.name)

    def fire(self, hook: "Signal[P]", *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell the handlers of a signal that this module offers."""
        self.host.hooks.of(hook).signal(*args, **kwargs)

    def release(self) -> None:
        """Give back what was acquired; the host calls it."""
        while self._acquired:
            self._acquired.pop()()

    def __repr__(self) -> str:
        return f"<{self.name} of {self.host.name}>"


def annotated(cls: type, base: type[S]) -> Iterator[tuple[str, type[S]]]:
    """The attributes of a class that are annotated with a subclass of `base`, nearest class
    first.
    """
    seen: set[str] = set()
    for owner in cls.__mro__:
        scope = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
        for attribute, kind in inspect.get_annotations(owner).items():
            if isinstance(kind, str):
                kind = scope.get(kind.strip("'\""))
            if attribute not in seen and isinstance(kind, type) and issubclass(kind, base):
                seen.add(attribute)
                yield attribute, kind


def options_of(cls: type[Module]) -> type[Options]:
    """The declared class of its options; the empty Options if it has none."""
    return next((kind for name, kind in annotated(cls, Options) if name == "options"), Options)


def dependencies(cls: type[Module], *, needed: bool = True) -> set[str]:
    """The names of the modules it `uses`; with `needed=False` also those it only `uses_if`."""
    found = (value for owner in cls.__mro__ for value in vars(owner).values())
    return {
        value.kind.name
        for value in found
        if isinstance(value, _Uses) and (value.needed or not needed)
    }


def _members(instance: Module) -> Iterator[Callable[..., Any]]:
    for name in sorted(set(dir(type(instance)))):
        value = getattr(type(instance), name, None)
        if callable(value) and any(hasattr(value, mark) for mark in (ON, IQS, SPECIAL)):
            yield getattr(instance, name)


def handlers_of(instance: Module) -> list[tuple[Hook, Handler]]:
    """What its methods marked with `@on` handle."""
    return [
        (hook, Handler(order, instance.name, method, concerns and MethodType(concerns, instance)))
        for method in _members(instance)
        for hook, order, concerns in getattr(method, ON, ())
    ]


def claims_of(instance: Module) -> list[Claim]:
    """What its methods marked with `@iq_get` and `@iq_set` answer."""
    return [
        Claim(scope, type_, ns, name, method, instance.name)
        for method in _members(instance)
        for scope, type_, ns, name in getattr(method, IQS, ())
    ]


def specials_of(instance: Module) -> dict[tuple[str, str, str], Callable[..., Any]]:
    """What its methods marked with `@before_login` and `@nonza` take, by (kind, ns, name)."""
    return {key: method for method in _members(instance) for key in getattr(method, SPECIAL, ())}
