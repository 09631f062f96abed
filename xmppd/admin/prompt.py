"""What the manhole's prompt does otherwise than Python's own.

Python's `help` and `quit` are for who sits at the process's terminal: the first waits for its
standard input, and the server with it; the second closes that.
"""

import pydoc
from collections.abc import Mapping
from types import TracebackType

from twisted.conch.manhole import ManholeInterpreter

from xmppd.admin.commands import CommandError


class Text(str):
    """A string that the prompt shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Help:
    """`help` lists what there is, `help(thing)` tells what it is."""

    def __init__(self, namespace: Mapping[str, object]) -> None:
        self._names = sorted(namespace)

    def __repr__(self) -> str:
        names = ", ".join(self._names)
        return f"There is {names}.\nhelp(NAME) tells more, TAB completes, quit() leaves."

    def __call__(self, *things: object) -> Text:
        if not things:
            return Text(repr(self))
        return Text(pydoc.plain(pydoc.render_doc(things[0])).rstrip())


class Leave:
    """`quit()` ends the visit, not the server."""

    def __repr__(self) -> str:
        return "quit() or Ctrl-D leaves; stop() stops the server"

    def __call__(self) -> None:
        raise SystemExit


class Interpreter(ManholeInterpreter):
    """Says in one line why a command cannot be done; a traceback is for mistakes in the code."""

    def excepthook(
        self, kind: type[BaseException], problem: BaseException, trace: TracebackType
    ) -> None:
        if isinstance(problem, CommandError):
            self.write(f"{problem}\n")  # type: ignore[no-untyped-call]
        else:
            super().excepthook(kind, problem, trace)


def equipped(namespace: Mapping[str, object]) -> dict[str, object]:
    """The names, and those that stand in for Python's own."""
    return {"help": Help(namespace), "quit": Leave(), "exit": Leave(), **namespace}
