"""What a hook is: its kind, its types, its contract, and what its handlers may answer."""

import sys
from collections.abc import Callable, Container
from enum import Enum, IntEnum
from typing import Any, Final, Generic, ParamSpec, TypeAlias, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Stop(Enum):
    """What a Filter's handler answers to swallow the value: no later handler sees it, nor does
    the fire site.
    """

    STOP = "stop"


STOP: Final = Stop.STOP


class Order(IntEnum):
    """The phase of a handler in its chain; within a phase the module's name decides, so a chain
    never changes order.
    """

    EARLY = 0  # guards: blocking, limits
    NORMAL = 1  # work
    LATE = 2  # copies: carbons, archive


class Those:
    """All for whom `ask` says yes, as a container: for `on(..., concerns=...)`."""

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[Any], bool]) -> None:
        self._ask = ask

    def __contains__(self, one: object) -> bool:
        return self._ask(one)


Concerned: TypeAlias = tuple[Container[Any], ...]  # who is in any of them is concerned
EVERYBODY: Final[Concerned] = (Those(lambda one: True),)
EARLY, NORMAL, LATE = Order.EARLY, Order.NORMAL, Order.LATE


class Hook:
    """What the four kinds share: a contract in words, and a name found from the file that
    declares the hook.
    """

    kind = "Hook"

    def __init__(self, doc: str) -> None:
        self.doc = doc
        self._home = str(sys._getframe(1).f_globals.get("__name__", "?"))
        self._key: str | None = None

    @property
    def key(self) -> str:
        """`module.name`: the same before and after a reload, so chains outlive the objects that
        declare them.
        """
        if self._key is None:
            places = vars(sys.modules[self._home]) if self._home in sys.modules else {}
            names = (name for name, value in places.items() if value is self)
            name = next(names, f"<hook {id(self):x}>")
            self._key = f"{self._home}.{name}"
        return self._key

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"<{self.kind} {self.key}>"


class Filter(Hook, Generic[T, P]):
    """A handler answers None (unchanged), another value (replaced) or STOP (swallowed); plain
    functions only.
    """

    kind = "Filter"


class Signal(Hook, Generic[P]):
    """It has happened. Handlers answer nothing; one that fails is logged and the rest run."""

    kind = "Signal"


class Gather(Hook, Generic[T, P]):
    """Handlers answer items (an iterable); the fire site gets them all in one list."""

    kind = "Gather"


class WaitingFilter(Hook, Generic[T, P]):
    """As Filter, and handlers may be `async`: the stream that caused it is not read meanwhile."""

    kind = "WaitingFilter"
