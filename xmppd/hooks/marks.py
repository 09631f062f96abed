"""`@on`: marks a method as a handler of a hook, and mypy checks that it can be one."""

from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from twisted.internet.defer import Deferred

from xmppd.hooks.declared import (
    NORMAL,
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
F = TypeVar("F", bound=Callable[..., object])
Concerns: TypeAlias = Callable[[Any, T], Container[Any] | bool]  # of `self` and a stanza
Subscriptions: TypeAlias = "list[tuple[Hook, Order, Concerns[Any] | None]]"
ON = "__xmppd_on__"
Self_ = TypeVar("Self_")


class _FilterMarker(Protocol[T, P]):
    def __call__(
        self, function: Callable[Concatenate[Self_, T, P], T | Stop | None]
    ) -> Callable[Concatenate[Self_, T, P], T | Stop | None]: ...


class _SignalMarker(Protocol[P]):
    def __call__(
        self, function: Callable[Concatenate[Self_, P], None]
    ) -> Callable[Concatenate[Self_, P], None]: ...


class _GatherMarker(Protocol[T, P]):
    def __call__(
        self, function: Callable[Concatenate[Self_, P], Iterable[T]]
    ) -> Callable[Concatenate[Self_, P], Iterable[T]]: ...


class _WaitingMarker(Protocol[T, P]):
    @overload
    def __call__(
        self,
        function: Callable[Concatenate[Self_, T, P], Coroutine[Any, Any, T | Stop | None]],
    ) -> Callable[Concatenate[Self_, T, P], Coroutine[Any, Any, T | Stop | None]]: ...
    @overload
    def __call__(
        self,
        function: Callable[Concatenate[Self_, T, P], Deferred[Stop | None] | Stop | None],
    ) -> Callable[Concatenate[Self_, T, P], Deferred[Stop | None] | Stop | None]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Self_, T, P], T | Stop | None]
    ) -> Callable[Concatenate[Self_, T, P], T | Stop | None]: ...
    @overload
    def __call__(
        self,
        function: Callable[Concatenate[Self_, T, P], Awaitable[T | Stop | None] | T | Stop | None],
    ) -> Callable[Concatenate[Self_, T, P], Awaitable[T | Stop | None] | T | Stop | None]: ...


@overload
def on(
    hook: Filter[T, P], *, order: Order = NORMAL, concerns: Concerns[T] | None = None
) -> _FilterMarker[T, P]: ...
@overload
def on(
    hook: Signal[Concatenate[T, P]], *, order: Order = NORMAL, concerns: Concerns[T]
) -> _SignalMarker[Concatenate[T, P]]: ...
@overload
def on(hook: Signal[P], *, order: Order = NORMAL) -> _SignalMarker[P]: ...
@overload
def on(hook: Gather[T, P], *, order: Order = NORMAL) -> _GatherMarker[T, P]: ...
@overload
def on(hook: WaitingFilter[T, P], *, order: Order = NORMAL) -> _WaitingMarker[T, P]: ...
def on(hook: Hook, *, order: Order = NORMAL, concerns: Concerns[Any] | None = None) -> Any:
    """Mark a method as a handler of `hook`; the module host binds it when the module starts.

    `concerns` is a method that says of a stanza of which there are copies for many (a room, a
    broadcast) for whom this handler has anything to do with it: False, True, or a container of
    what the handler gets as its second argument (`user`, `session`). It is asked once for all
    copies, and must not look at `to`; the handler is called for who is concerned, and may be for
    others. Without it, all are concerned.
    """

    def mark(function: F) -> F:
        subscriptions: Subscriptions = getattr(function, ON, [])
        setattr(function, ON, [*subscriptions, (hook, order, concerns)])
        return function

    return mark
