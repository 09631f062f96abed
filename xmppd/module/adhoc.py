"""Ad-hoc commands as modules declare them (XEP-0050): `@adhoc`, and what a command is given.

A command is a coroutine that asks for forms, one after the other, and returns what came of it::

    @adhoc("create-room", "Create a room", at=SERVICE)
    async def create(self, run: Run) -> str:
        values = await run.ask(Form(type=FormType.FORM, title="A room", fields=[...]))
        ...
        return "it is there"

A step back runs it again from the start with the answers given before: nothing must be changed
before the last form is filled in.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from twisted.internet.defer import Deferred

from xmppd.admin.output import Result
from xmppd.jid import JID
from xmppd.routing import HOST, Scope
from xmppd.stanza import Form
from xmppd.stanza.forms import Value
from xmppd.xml import Element

if TYPE_CHECKING:
    from xmppd.host import Host

ADHOC: Final = "__xmppd_adhoc__"
Who = Literal["admins", "users", "anybody"]
Outcome: TypeAlias = Result | Form | Element
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `@adhoc` leaves on a method."""

    node: str
    name: str
    at: Scope
    who: Who


def adhoc(node: str, name: str, *, at: Scope = HOST, who: Who = "users") -> Callable[[F], F]:
    """The method is an ad-hoc command of the host, or `at=SERVICE` of the module's own domain.

    It takes a `Run`, and returns a text, a mapping, `Rows`, a `Form` of type result, another
    payload or None; what it cannot do is a `CommandError`. `who` may use it: admins of the host,
    its users, or anybody.
    """

    def mark(method: F) -> F:
        setattr(method, ADHOC, Declaration(node, name, at, who))
        return method

    return mark


class Stage(NamedTuple):
    """A form that waits to be filled in."""

    form: Form
    more: bool  # another one follows
    first: bool

    @property
    def default(self) -> str:
        """The action that `execute` stands for (§3.4)."""
        return "next" if self.more else "complete"

    @property
    def actions(self) -> tuple[str, ...]:
        return (self.default,) if self.first else ("prev", self.default)


class Cancelled(Exception):
    """The command is not to go on; raised in it where it waits for a form."""


class Run:
    """One execution of a command, as the command sees it."""

    def __init__(
        self,
        user: JID,
        replayed: list[dict[str, Value]],
        stage_came: Callable[[Stage], None],
    ) -> None:
        self.user: Final = user  # the full JID of who executes it
        self.answers: list[dict[str, Value]] = []
        self._replayed = replayed
        self._stage_came = stage_came
        self._answer: Deferred[dict[str, Value]] | None = None

    async def ask(self, form: Form, *, more: bool = False) -> Mapping[str, Value]:
        """What is filled into the form, checked and in the types of its fields (`Form.check`).

        `more`: another form follows, so the client shows "next" instead of "complete".
        """
        if self._replayed:
            values = self._replayed.pop(0)
        else:
            answer = self._answer = Deferred()
            self._stage_came(Stage(form, more, not self.answers))
            values = await answer
        self.answers.append(values)
        return values

    def fill_in(self, values: dict[str, Value]) -> None:
        """The form that was asked for is filled in."""
        answer, self._answer = self._answer, None
        assert answer is not None
        answer.callback(values)

    def cancel(self) -> None:
        """It shall not go on."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.errback(Cancelled())


class Adhoc(NamedTuple):
    """A command that can be executed."""

    node: str
    name: str
    call: Callable[[Run], Awaitable[Outcome]]
    may: Callable[[JID], bool]  # whether this full JID may execute it


def declared_adhoc(instance: object, host: "Host", at: Scope = HOST) -> list[Adhoc]:
    """The commands at that scope among the methods of `instance`, for who may use them."""
    kind = type(instance)
    names = [n for n in dir(kind) if hasattr(inspect.getattr_static(kind, n), ADHOC)]
    found = [(getattr(method, ADHOC), method) for method in map(instance.__getattribute__, names)]
    return [
        Adhoc(said.node, said.name, method, permission(said.who, host))
        for said, method in found
        if said.at is at
    ]


def permission(who: Who, host: "Host") -> Callable[[JID], bool]:
    """Whether a full JID is among those who may."""
    if who == "admins":
        return host.is_admin
    if who == "users":
        return lambda user: bool(user.local) and user.domain == host.name
    return lambda user: True
