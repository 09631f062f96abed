"""Payload classes: the structure of an element, declared once, read and written from that.

    class Item(Payload, ns=ROSTER, name="item"):
        jid: JID = attr()  # required: a missing or malformed one is bad-request
        name: str | None = attr(default=None)
        groups: list[str] = child_texts("group")

    item = Item.from_element(element)
    item = Item(jid=jid("romeo@example.net"), groups=["Friends"])
    item.element()

A field is called like its attribute or child; a trailing underscore is dropped (`from_`), and the
first argument gives another name. Values may be str, int, bool, JID, an Enum (by value) or a
datetime (XEP-0082). Where a default is declared, an absent attribute or child reads as that;
None is not written, everything else is, in the order of declaration.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Generic,
    Self,
    TypeVar,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from xmppd.jid import JID, jid
from xmppd.stanza.dates import format_datetime, parse_datetime
from xmppd.stanza.errors import StanzaError
from xmppd.xml import Element

T = TypeVar("T")
REQUIRED: Any = object()  # Any: it stands where a default of any type could be

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)  # 18: no huge numbers, and fits 64 bits
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class Converter(Generic[T]):
    """How a value of one type is read from text and written to it."""

    __slots__ = ("noun", "parse", "write")

    def __init__(
        self, noun: str, parse: Callable[[str], T], write: Callable[[T], str] = str
    ) -> None:
        self.noun = noun
        self.parse = parse
        self.write = write

    def read(self, text: str, where: str) -> T:
        """StanzaError bad-request that names `where`, for text that is no such value."""
        try:
            return self.parse(text)
        except (ValueError, KeyError):
            raise StanzaError("bad-request", f"{where} is not {self.noun}") from None


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text.strip()):
        raise ValueError(text)
    return int(text)


_CONVERTERS: dict[type, Converter[Any]] = {
    str: Converter("text", str),
    int: Converter("an integer", _integer),
    bool: Converter("a boolean", lambda text: _BOOLEANS[text.strip()], lambda v: str(v).lower()),
    JID: Converter("a JID", jid),
    datetime: Converter("a date and time (XEP-0082)", parse_datetime, format_datetime),
}


def converter(type_: type[T]) -> Converter[T]:
    """The Converter for that type; TypeError for a type that no attribute can have."""
    if type_ in _CONVERTERS:
        return _CONVERTERS[type_]
    if issubclass(type_, Enum):
        choices = ", ".join(str(member.value) or "''" for member in type_)
        values = {str(member.value): member for member in type_}
        return Converter(
            f"one of {choices}",
            values.__getitem__,
            lambda member: str(cast(Enum, member).value),
        )
    raise TypeError(f"a payload cannot hold {type_!r}")


class _Field(ABC):
    """One declared field: reads its value from the element, adds it to the element."""

    def __init__(self, name: str | None, ns: str | None = None, default: Any = REQUIRED) -> None:
        self.name = name or ""
        self.ns = ns or ""
        self.default = default
        self.owner = ""

    def bind(self, field_name: str, type_: Any, ns: str, owner: str) -> None:
        """Called once, when the class is made. `type_` is the annotation, without `| None`."""
        self.name = self.name or field_name.rstrip("_")
        self.ns = self.ns or ns
        self.owner = owner
        self.bind_type(type_)

    def bind_type(self, type_: Any) -> None:
        self.converter = converter(type_)

    def fresh(self) -> Any:
        """The default for one object."""
        return self.default

    def absent(self, what: str) -> Any:
        if self.default is REQUIRED:
            raise StanzaError("bad-request", f"{self.owner} lacks {what}")
        return self.fresh()

    @abstractmethod
    def read(self, element: Element) -> Any: ...

    @abstractmethod
    def add(self, element: Element, value: Any) -> None: ...


class _Attr(_Field):
    def read(self, element: Element) -> Any:
        text = element.attrs.get(self.name)
        where = f"the attribute '{self.name}'"
        if text is None:
            return self.absent(where)
        return self.converter.read(text, f"{where} of {self.owner}")

    def add(self, element: Element, value: Any) -> None:
        element.attrs[self.name] = self.converter.write(value)


class _Text(_Field):
    def read(self, element: Element) -> Any:
        text = element.text
        if not text and self.default is not REQUIRED:
            return self.default
        return self.converter.read(text, f"the text of {self.owner}")

    def add(self, element: Element, value: Any) -> None:
        if text := self.converter.write(value):
            element.append(text)


class _ChildText(_Field):
    def read(self, element: Element) -> Any:
        child = element.child(self.ns, self.name)
        if child is None:
            return self.absent(f"the child '{self.name}'")
        return self.converter.read(child.text, f"'{self.name}' in {self.owner}")

    def add(self, element: Element, value: Any) -> None:
        text = self.converter.write(value)
        element.append(Element(self.ns, self.name, {}, *([text] if text else ())))


class _Many(_Field):
    """A list; empty where nothing is there."""

    def bind_type(self, type_: Any) -> None:
        if get_origin(type_) is not list:
            raise TypeError(f"{self.owner}.{self.name} must be annotated as a list")
        super().bind_type(get_args(type_)[0])

    def fresh(self) -> Any:
        return []


class _ChildTexts(_Many):
    def read(self, element: Element) -> Any:
        where = f"'{self.name}' in {self.owner}"
        return [
            self.converter.read(child.text, where) for child in element.all(self.ns, self.name)
        ]

    def add(self, element: Element, value: Any) -> None:
        for one in value:
            text = self.converter.write(one)
            element.append(Element(self.ns, self.name, {}, *([text] if text else ())))


class _Flag(_Field):
    def bind_type(self, type_: Any) -> None:
        if type_ is not bool:
            raise TypeError(f"{self.owner}.{self.name} must be annotated as a bool")

    def read(self, element: Element) -> Any:
        return element.child(self.ns, self.name) is not None

    def add(self, element: Element, value: Any) -> None:
        if value:
            element.append(Element(self.ns, self.name))


class _Nested(_Field):
    """A child that is itself a Payload, or is kept as Element (then by its own name)."""

    payload: "type[Payload] | None" = None

    def bind(self, field_name: str, type_: Any, ns: str, owner: str) -> None:
        given = self.name
        super().bind(field_name, type_, ns, owner)
        if self.payload is not None and not given:
            self.ns, self.name = self.payload.qname

    def bind_type(self, type_: Any) -> None:
        if isinstance(type_, type) and issubclass(type_, Payload):
            self.payload = type_
        elif type_ is not Element:
            raise TypeError(f"{self.owner}.{self.name} must be a Payload class or Element")

    def load(self, child: Element) -> Any:
        return child if self.payload is None else self.payload.from_element(child)


class _Child(_Nested):
    def read(self, element: Element) -> Any:
        child = element.child(self.ns, self.name)
        return self.absent(f"the child '{self.name}'") if child is None else self.load(child)

    def add(self, element: Element, value: Any) -> None:
        element.append(value.element() if self.payload else value)


class _Children(_Nested):
    def bind_type(self, type_: Any) -> None:
        if get_origin(type_) is not list:
            raise TypeError(f"{self.owner}.{self.name} must be annotated as a list")
        super().bind_type(get_args(type_)[0])

    def fresh(self) -> Any:
        return []

    def read(self, element: Element) -> Any:
        return [self.load(child) for child in element.all(self.ns, self.name)]

    def add(self, element: Element, value: Any) -> None:
        element.append(*[one.element() if self.payload else one for one in value])


# Any: what these return stands for a value of the annotated type, as dataclasses.field() does.
def attr(name: str | None = None, *, default: Any = REQUIRED) -> Any:
    """An attribute (a namespaced one as "{uri}name")."""
    return _Attr(name, default=default)


def text(*, default: Any = REQUIRED) -> Any:
    """The element's own text; empty text reads as the default, if one is declared."""
    return _Text(None, default=default)


def child_text(name: str | None = None, *, ns: str | None = None, default: Any = REQUIRED) -> Any:
    """The text of the first child of that name, in the payload's namespace or `ns`."""
    return _ChildText(name, ns, default)


def child_texts(name: str | None = None, *, ns: str | None = None) -> Any:
    """A list: the text of each child of that name."""
    return _ChildTexts(name, ns, None)


def flag(name: str | None = None, *, ns: str | None = None) -> Any:
    """A bool: whether there is such a child, written as an empty one."""
    return _Flag(name, ns, False)


def child(name: str | None = None, *, ns: str | None = None, default: Any = REQUIRED) -> Any:
    """A child of the annotated Payload class, or an Element of that name."""
    return _Child(name, ns, default)


def children(name: str | None = None, *, ns: str | None = None) -> Any:
    """A list of the children of the annotated Payload class, or of Elements of that name."""
    return _Children(name, ns, None)


# The three that always have a default are no specifiers: to a type checker they are that default.
@dataclass_transform(kw_only_default=True, field_specifiers=(attr, text, child_text, child))
class Payload:
    """The base; see the module's docstring. Arguments of the constructor are keywords."""

    qname: ClassVar[tuple[str, str]] = ("", "")
    _fields: ClassVar[dict[str, _Field]] = {}

    def __init_subclass__(cls, *, ns: str, name: str) -> None:
        cls.qname = (ns, name)
        declared = {key: spec for key, spec in vars(cls).items() if isinstance(spec, _Field)}
        hints = get_type_hints(cls)
        for key, spec in declared.items():
            spec.bind(key, _without_none(hints[key]), ns, name)
            delattr(cls, key)
        cls._fields = {**cls._fields, **declared}

    def __init__(self, **values: Any) -> None:
        for key, spec in self._fields.items():
            if key in values:
                value = values.pop(key)
            elif spec.default is REQUIRED:
                raise TypeError(f"{type(self).__name__} needs {key}")
            else:
                value = spec.fresh()
            setattr(self, key, value)
        if values:
            raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

    @classmethod
    def from_element(cls, element: Element) -> Self:
        """StanzaError bad-request if this is another element, or a value is missing or wrong."""
        if (element.ns, element.name) != cls.qname:
            raise StanzaError("bad-request", f"expected {cls.qname[1]} of {cls.qname[0]}")
        return cls(**{key: spec.read(element) for key, spec in cls._fields.items()})

    def element(self) -> Element:
        """As an Element of its own, to be sent."""
        element = Element(*self.qname)
        for key, spec in self._fields.items():
            value = getattr(self, key)
            if value is not None:
                spec.add(element, value)
        return element

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # its fields can change

    def __repr__(self) -> str:
        values = ", ".join(f"{key}={value!r}" for key, value in vars(self).items())
        return f"{type(self).__name__}({values})"


def _without_none(hint: Any) -> Any:
    """`T` for `T | None`, the annotation of what may be absent."""
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        return kinds[0] if len(kinds) == 1 else hint
    return hint
