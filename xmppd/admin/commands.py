"""Administrative commands: ``@command`` declares one, `Commands` knows and runs them all.

A command is a function, or a method of a module, with annotated parameters. From that one
declaration come its line in ``xmppctl --help``, the check of what was typed, and its function in
the manhole::

    @command("expire", "Drop what is older.", days="Age in days.")
    async def expire(self, days: int, *, dry_run: bool = False) -> Rows: ...

Parameters may be `str`, `int`, `JID`, `Secret` (asked for at a prompt) and `bool` (a flag), also
``| None`` with a default. Keyword-only ones become options, the others arguments.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, NewType, TypeVar, Union, get_args, get_origin

from xmppd.admin.output import Result
from xmppd.jid import JID, JIDError, jid

Secret = NewType("Secret", str)
"""A parameter that is typed unseen: it is in no argument list, log or history."""

Value = str | int | bool | None
Call = Callable[..., Awaitable[Result] | Result]
F = TypeVar("F", bound=Callable[..., Awaitable[Result] | Result])

DECLARATION = "__xmppd_command__"
KINDS: dict[object, str] = {str: "text", int: "int", bool: "flag", JID: "jid", Secret: "secret"}


class CommandError(Exception):
    """What the operator asked for cannot be done; the text is a sentence for them."""


class UsageError(CommandError):
    """The command was called wrongly: unknown, or its arguments do not fit."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `@command` leaves on a function."""

    name: str
    help: str
    parameters: Mapping[str, str]


def command(name: str, help: str, **parameters: str) -> Callable[[F], F]:
    """Declare a command; `parameters` holds a sentence for each of them."""

    def declare(function: F) -> F:
        setattr(function, DECLARATION, Declaration(name, help, parameters))
        return function

    return declare


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    help: str = ""
    required: bool = True
    option: bool = False

    def read(self, value: object) -> Value:
        """`value`, as it came over the socket, in the parameter's type; raises UsageError."""
        if value is None and not self.required:
            return None
        if self.kind == "flag":
            flag: bool = self._expect(value, bool)
            return flag
        if self.kind == "int":
            return self._integer(value)
        text: str = self._expect(value, str)
        if self.kind != "jid":
            return text
        try:
            return jid(text)
        except JIDError as error:
            raise UsageError(f"{self.name}: {text!r} is not a JID ({error})") from None

    def _integer(self, value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        try:
            return int(self._expect(value, str))
        except ValueError:
            raise UsageError(f"{self.name}: {value!r} is not a whole number") from None

    def _expect(self, value: object, wanted: type[Any]) -> Any:  # what JSON holds is not typed
        if isinstance(value, wanted):
            return value
        shown = "what was given" if self.kind == "secret" else repr(value)
        raise UsageError(f"{self.name}: {shown} is not of type {wanted.__name__}")

    def described(self) -> dict[str, object]:
        return {
            "name": self.name,
            "kind": self.kind,
            "help": self.help,
            "required": self.required,
            "option": self.option,
        }


HOST = Parameter("host", "text", "The virtual host meant.", required=False, option=True)


@dataclass(slots=True)
class Command:
    """One command. `calls` has a callable for each virtual host, or one under None."""

    name: str
    help: str
    parameters: tuple[Parameter, ...]
    calls: dict[str | None, Call] = field(default_factory=dict)

    @property
    def per_host(self) -> bool:
        return None not in self.calls

    def described(self) -> dict[str, object]:
        """For a client that builds its command line or form from this."""
        offered = [*self.parameters, HOST] if self.per_host else self.parameters
        shown = [parameter.described() for parameter in offered]
        return {"name": self.name, "help": self.help, "parameters": shown}

    def read(self, given: Mapping[str, object]) -> dict[str, Value]:
        """The arguments in their types, absent ones left out; raises UsageError."""
        known = {parameter.name for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise UsageError(f"{self.name} has no parameter {name!r}")
        for parameter in self.parameters:
            if parameter.required and given.get(parameter.name) is None:
                raise UsageError(f"{self.name} needs {parameter.name}")
        return {p.name: p.read(given[p.name]) for p in self.parameters if p.name in given}

    def call_for(self, host: object, arguments: Mapping[str, Value]) -> Call:
        """The callable of the host that was named, that serves the first JID, or that is alone.

        A room's JID is served by the host that it is below of. So is an address that is text, if
        it comes first.
        """
        if not self.per_host:
            return self.calls[None]
        named = None if host is None else prepared_host(str(host))
        domain = named or next((v.domain for v in arguments.values() if isinstance(v, JID)), None)
        if named is not None:
            found = self.calls.get(named)
        else:
            found = self._serving(domain or self._address(arguments))
        if found is None and domain is None and len(self.calls) == 1:
            found = next(iter(self.calls.values()))
        if found is None:
            raise UsageError(f"{self.name}: {self._which(domain)}")
        return found

    def _serving(self, domain: str) -> Call | None:
        """The longest name that `domain` is, or is below of."""
        names = [name for name in self.calls if name and f".{domain}".endswith(f".{name}")]
        return self.calls[max(names, key=len)] if names else None

    def _address(self, arguments: Mapping[str, Value]) -> str:
        """The domain of what was said first, if that is an address."""
        first = arguments.get(self.parameters[0].name) if self.parameters else None
        local, _, domain = first.rpartition("@") if isinstance(first, str) else ("", "", "")
        return prepared_host(domain) if local else ""

    def _which(self, domain: str | None) -> str:
        names = ", ".join(sorted(filter(None, self.calls)))
        if domain:
            return f"no virtual host {domain} with it (there is: {names}; --host names one)"
        return f"name the virtual host with --host (there is: {names})"


class Commands:
    """Every command of the process. Modules come and go, so look one up when it is called."""

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}

    def __iter__(self) -> Iterator[Command]:
        """In order of their names."""
        return iter([self._commands[name] for name in sorted(self._commands)])

    def __contains__(self, name: str) -> bool:
        return name in self._commands

    def add(self, call: Call, host: str | None = None) -> None:
        """Offer a declared function or bound method; `host` when there is one for each host.

        A name that is taken raises ValueError and changes nothing.
        """
        made = described_command(call)
        known = self._commands.setdefault(made.name, made)
        if known is not made:
            if host is None or not known.per_host or host in known.calls:
                raise ValueError(f"there is a command {made.name!r} already")
            # the newest declaration counts: a reload goes through the hosts one by one
            known.help, known.parameters = made.help, made.parameters
        known.calls[host] = call

    def remove(self, call: Call, host: str | None = None) -> None:
        """Take back what `add` offered; what another has replaced meanwhile stays."""
        known = self._commands.get(declaration(call).name)
        if known is None or known.calls.get(host) != call:
            return
        del known.calls[host]
        if not known.calls:
            del self._commands[known.name]

    def add_from(self, instance: object, host: str | None = None) -> None:
        """Offer every declared method of `instance`, or none when one of them cannot be."""
        added: list[Call] = []
        try:
            for call in declared(instance):
                self.add(call, host)
                added.append(call)
        except ValueError:
            for call in added:
                self.remove(call, host)
            raise

    def remove_from(self, instance: object, host: str | None = None) -> None:
        for call in declared(instance):
            self.remove(call, host)

    def describe(self) -> list[dict[str, object]]:
        return [known.described() for known in self]

    async def run(self, name: str, given: Mapping[str, object]) -> Result:
        """Check `given` and run the command; raises CommandError with a sentence."""
        known = self._commands.get(name)
        if known is None:
            raise UsageError(f"there is no command {name!r}")
        host = None
        if known.per_host:
            given = dict(given)
            host = given.pop(HOST.name, None)
        arguments = known.read(given)
        answer = known.call_for(host, arguments)(**arguments)
        return await answer if isinstance(answer, Awaitable) else answer


def prepared_host(name: str) -> str:
    """The name of a host as an operator writes it, in the form in which hosts are known."""
    try:
        return jid(name).domain
    except JIDError:
        return name


def declaration(call: Call) -> Declaration:
    found: Declaration = getattr(call, DECLARATION)
    return found


def declared(instance: object) -> list[Call]:
    """The bound methods of `instance` that are commands, in the order of their names."""
    kind = type(instance)  # looked at statically: descriptors want an instance that is ready
    names = [n for n in dir(kind) if hasattr(inspect.getattr_static(kind, n), DECLARATION)]
    return [getattr(instance, name) for name in names]


def described_command(call: Call) -> Command:
    """A Command without calls; an annotation that is not offered raises TypeError."""
    said = declaration(call)
    signature = inspect.signature(call, eval_str=True)
    parameters = tuple(
        described_parameter(said, parameter) for parameter in signature.parameters.values()
    )
    return Command(said.name, said.help, parameters)


def described_parameter(said: Declaration, parameter: inspect.Parameter) -> Parameter:
    kind = KINDS.get(without_none(parameter.annotation))
    if kind is None:
        raise TypeError(f"command {said.name}: what type is {parameter.name}?")
    return Parameter(
        parameter.name,
        kind,
        said.parameters.get(parameter.name, ""),
        required=parameter.default is parameter.empty,
        option=parameter.kind is parameter.KEYWORD_ONLY,
    )


def without_none(annotation: object) -> object:
    """`JID` of `JID | None`; anything else as it is."""
    if get_origin(annotation) not in (UnionType, Union):
        return annotation
    rest = [part for part in get_args(annotation) if part is not NoneType]
    return rest[0] if len(rest) == 1 else annotation
