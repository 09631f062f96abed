"""The chains of one virtual host: who handles a hook, in what order, and how it is fired."""

from collections.abc import Awaitable, Callable, Collection, Container, Coroutine, Iterable
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NamedTuple,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.hooks.declared import (
    EVERYBODY,
    STOP,
    Concerned,
    Filter,
    Gather,
    Hook,
    Order,
    Signal,
    Stop,
    WaitingFilter,
)

T = TypeVar("T")
P = ParamSpec("P")
log = Logger()


class HandlerCrashed(Exception):
    """A handler raised what it should not have; it is logged already. The fire site fails
    closed.
    """

    def __init__(self, hook: str, owner: str) -> None:
        super().__init__(f"{owner} failed in {hook}")
        self.hook = hook
        self.owner = owner


class Handler(NamedTuple):
    """One handler in a chain."""

    order: Order
    owner: str
    call: Callable[..., Any]  # typed where it was decorated; a chain holds handlers of all shapes
    concerns: "Callable[[Any], Container[Any] | bool] | None" = None  # see `on`


class Watcher(Protocol):
    """Stands beside the chains for metrics and tracing; none installed costs nothing."""

    def __call__(self, hook: str, handler: Handler) -> Callable[..., Any]:
        """Return what is called in the handler's place: usually a wrapper that measures."""


class Chain:
    """The handlers of one hook on one virtual host, in order."""

    __slots__ = ("_all", "_calls", "_expected", "_resting", "_watcher", "handlers", "hook")

    def __init__(self, hook: str, expected: tuple[type[Exception], ...]) -> None:
        self.hook = hook
        self.handlers: tuple[Handler, ...] = ()  # those that are called
        self._all: tuple[Handler, ...] = ()
        self._resting: set[str] = set()  # owners whose handlers have nothing to do for now
        self._calls: tuple[Callable[..., Any], ...] = ()
        self._expected = expected
        self._watcher: Watcher | None = None

    def replace(self, leaving: Collection[str], coming: Iterable[Handler]) -> None:
        """Take out the handlers of the modules `leaving` and put in `coming`."""
        stay = [handler for handler in self._all if handler.owner not in leaving]
        self._all = tuple(sorted([*stay, *coming], key=lambda handler: handler[:2]))
        self._arrange()

    def rest(self, owner: str, resting: bool) -> None:
        """Pass over the handlers of that module, or do so no longer."""
        if resting != (owner in self._resting):
            self._resting ^= {owner}
            self._arrange()

    def _arrange(self) -> None:
        self.handlers = tuple(each for each in self._all if each.owner not in self._resting)
        watcher = self._watcher
        self._calls = tuple(
            handler.call if watcher is None else watcher(self.hook, handler)
            for handler in self.handlers
        )

    def watch(self, watcher: Watcher | None) -> None:
        self._watcher = watcher
        self._arrange()

    def __bool__(self) -> bool:
        return bool(self._calls)

    def concerned(self, value: object) -> Concerned:
        """For whom the handlers have anything to do with copies of `value`: asked once for all of
        them. For who is in none of these, the chain may be passed over.
        """
        found: list[Container[Any]] = []
        for handler in self.handlers:
            if handler.concerns is None:
                return EVERYBODY
            try:
                those = handler.concerns(value)
            except Exception:  # it is called then, as for any value
                self._crashed(handler.call)
                return EVERYBODY
            if those is True:
                return EVERYBODY
            if those:
                found.append(those)
        return tuple(found)

    def _crashed(self, call: Callable[..., Any], failure: Failure | None = None) -> HandlerCrashed:
        """Log the exception now being handled, or `failure`, under the name of the module that it
        came from.
        """
        at = self._calls.index(call) if call in self._calls else -1
        owner = self.handlers[at].owner if at >= 0 else "?"
        log.failure("{owner} failed in {hook}", failure, owner=owner, hook=self.hook)
        return HandlerCrashed(self.hook, owner)


class FilterChain(Chain, Generic[T, P]):
    __slots__ = ()

    if TYPE_CHECKING:

        def filter(self, value: T, *args: P.args, **kwargs: P.kwargs) -> T | Stop:
            """See below."""

    else:  # without `**kwargs`, which mypy demands and each stanza would pay for

        def filter(self, value, *args):
            """Pass `value` through the chain. Raises what handlers refuse with, and
            HandlerCrashed for a bug.
            """
            call = _nothing
            try:
                for call in self._calls:
                    answer = call(value, *args)
                    if answer is not None:
                        if answer is STOP:
                            return STOP
                        value = answer
            except self._expected:
                raise
            except Exception:
                raise self._crashed(call) from None
            return value


class SignalChain(Chain, Generic[P]):
    __slots__ = ()

    def signal(self, *args: P.args, **kwargs: P.kwargs) -> None:
        for call in self._calls:
            try:
                call(*args, **kwargs)
            except Exception:
                self._crashed(call)


class GatherChain(Chain, Generic[T, P]):
    __slots__ = ()

    def gather(self, *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """All items, in the order of the handlers; one that fails is logged and gives nothing."""
        items: list[T] = []
        for call in self._calls:
            try:
                items.extend(call(*args, **kwargs) or ())
            except self._expected:
                raise
            except Exception:
                self._crashed(call)
        return items


class WaitingChain(Chain, Generic[T, P]):
    __slots__ = ()

    async def wait(self, value: T, *args: P.args, **kwargs: P.kwargs) -> T | Stop:
        """As `FilterChain.filter`, waiting for each handler in turn."""
        outcome = self._go_on(self._calls, value, args)
        return cast("T | Stop", await outcome if isinstance(outcome, Awaitable) else outcome)

    def begin(
        self, value: T, *args: P.args, **kwargs: P.kwargs
    ) -> "T | Stop | Deferred[T | Stop] | Coroutine[Any, Any, T | Stop]":
        """As `wait`, and no coroutine as long as no handler is one.

        A Deferred: a plain handler gave it, and has begun to do what it stands for. So of several
        calls the work is done in the order of the calls, without waiting in between. A coroutine:
        nothing is known of that; wait for it before the next call.
        """
        begun: T | Stop | Deferred[T | Stop] | Coroutine[Any, Any, T | Stop]
        begun = self._go_on(self._calls, value, args)
        return begun

    def _go_on(self, calls: tuple[Callable[..., Any], ...], value: T, args: Any) -> Any:
        for number, call in enumerate(calls, 1):
            try:
                answer = call(value, *args)
            except self._expected:
                raise
            except Exception:
                raise self._crashed(call) from None
            if answer is None:
                continue
            if isinstance(answer, Stop):
                return STOP
            if isinstance(answer, Deferred):
                rest = calls[number:], value, args
                return answer.addCallbacks(
                    self._answered, self._failed, callbackArgs=rest, errbackArgs=(call,)
                )
            if hasattr(answer, "__await__"):  # as Awaitable says, for a tenth of its price
                return self._later(answer, call, calls[number:], value, args)
            value = answer
        return value

    def _answered(self, answer: Any, calls: Any, value: T, args: Any) -> Any:
        """A handler's Deferred has fired: the next handlers."""
        if answer is STOP:
            return STOP
        outcome = self._go_on(calls, value if answer is None else answer, args)
        return spawn(outcome) if isinstance(outcome, Coroutine) else outcome

    def _failed(self, failure: Failure, call: Callable[..., Any]) -> Failure:
        if isinstance(failure.value, self._expected):
            return failure
        raise self._crashed(call, failure)

    async def _later(
        self, answer: Awaitable[Any], call: Callable[..., Any], calls: Any, value: T, args: Any
    ) -> Any:
        try:
            found = await answer
        except self._expected:
            raise
        except Exception:
            raise self._crashed(call) from None
        outcome = self._answered(found, calls, value, args)
        return await outcome if isinstance(outcome, Awaitable) else outcome


CHAINS: dict[type[Hook], type[Chain]] = {
    Filter: FilterChain,
    Signal: SignalChain,
    Gather: GatherChain,
    WaitingFilter: WaitingChain,
}


class Hooks:
    """The chains of one virtual host. `expected` are the exceptions with which a handler may
    refuse.
    """

    def __init__(self, expected: tuple[type[Exception], ...] = ()) -> None:
        self.changes = 0  # how often modules have come or gone
        self._chains: dict[str, Chain] = {}
        self._expected = expected
        self._watcher: Watcher | None = None

    @overload
    def of(self, hook: Filter[T, P]) -> FilterChain[T, P]: ...
    @overload
    def of(self, hook: Signal[P]) -> SignalChain[P]: ...
    @overload
    def of(self, hook: Gather[T, P]) -> GatherChain[T, P]: ...
    @overload
    def of(self, hook: WaitingFilter[T, P]) -> WaitingChain[T, P]: ...
    def of(self, hook: Hook) -> Chain:
        """The chain of `hook`: the same object for as long as the host lives."""
        chain = self._chains.get(hook.key)
        if chain is None:
            chain = self._chains[hook.key] = CHAINS[type(hook)](hook.key, self._expected)
            chain.watch(self._watcher)
        return chain

    def swap(self, leaving: Collection[str], coming: Iterable[tuple[Hook, Handler]] = ()) -> None:
        """Take out the handlers of the modules `leaving` and put in `coming`, in one step."""
        self.changes += 1
        arriving: dict[str, list[Handler]] = {}
        for hook, handler in coming:
            self.of(hook)  # type: ignore[call-overload]  # a Hook of any kind
            arriving.setdefault(hook.key, []).append(handler)
        for key, chain in self._chains.items():
            chain.replace(leaving, arriving.get(key, ()))

    def watch(self, watcher: Watcher | None) -> None:
        """Install (or, with None, remove) a watcher beside every chain, present and future."""
        self._watcher = watcher
        for chain in self._chains.values():
            chain.watch(watcher)

    def chains(self) -> list[Chain]:
        """All chains that have handlers, by name: what `xmppctl hooks` prints."""
        return [self._chains[key] for key in sorted(self._chains) if self._chains[key]]


def spawn(work: Coroutine[Any, Any, T]) -> "Deferred[T]":
    """The one door from plain code into a coroutine: it runs at once, up to its first wait."""
    return Deferred.fromCoroutine(work)


def _nothing() -> None:
    """Stands for the handler in messages when a chain is empty."""
