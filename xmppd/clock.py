"""Time as a reactor keeps it, in types that mypy can read (zope's interfaces it cannot)."""

from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    """Twisted's IDelayedCall."""

    def active(self) -> bool: ...
    def cancel(self) -> None: ...


class Clock(Protocol):
    """Twisted's IReactorTime: a reactor, or `twisted.internet.task.Clock` in tests."""

    def seconds(self) -> float: ...
    def callLater(
        self, delay: float, callable: Callable[..., object], /, *args: object
    ) -> Any: ...  # a Timer
