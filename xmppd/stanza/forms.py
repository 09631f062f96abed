"""XEP-0004 2.13.1: data forms; XEP-0068 1.3.0: their FORM_TYPE."""

import builtins
from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar, overload

from xmppd.jid import JID, JIDError, jid
from xmppd.ns import FORMS
from xmppd.stanza.errors import StanzaError
from xmppd.stanza.payload import (
    Payload,
    attr,
    child,
    child_text,
    child_texts,
    children,
    converter,
    flag,
)
from xmppd.xml import Element

T = TypeVar("T")
D = TypeVar("D")

FORM_TYPE = "FORM_TYPE"


class FormType(StrEnum):
    """§3.1."""

    FORM = "form"
    SUBMIT = "submit"
    CANCEL = "cancel"
    RESULT = "result"


class FieldType(StrEnum):
    """§3.3."""

    BOOLEAN = "boolean"
    FIXED = "fixed"
    HIDDEN = "hidden"
    JID_MULTI = "jid-multi"
    JID_SINGLE = "jid-single"
    LIST_MULTI = "list-multi"
    LIST_SINGLE = "list-single"
    TEXT_MULTI = "text-multi"
    TEXT_PRIVATE = "text-private"
    TEXT_SINGLE = "text-single"


MULTIPLE = frozenset(
    (FieldType.JID_MULTI, FieldType.LIST_MULTI, FieldType.TEXT_MULTI, FieldType.HIDDEN)
)
LISTS = frozenset((FieldType.LIST_SINGLE, FieldType.LIST_MULTI))
_FIELD_TYPES = {str(member): member for member in FieldType}

Value = str | bool | JID | list[str] | list[JID] | None


class Option(Payload, ns=FORMS, name="option"):
    """A choice in a list; without `label` the value itself is shown."""

    label: str | None = attr(default=None)
    value: str = child_text()


class Field(Payload, ns=FORMS, name="field"):
    """A field as it travels: all values are text. `field()` makes one from Python values."""

    var: str | None = attr(default=None)
    type: str | None = attr(default=None)  # as sent: see `kind`
    label: str | None = attr(default=None)
    desc: str | None = child_text(default=None)
    required: bool = flag()
    values: list[str] = child_texts("value")
    options: list[Option] = children()

    @property
    def kind(self) -> FieldType:
        """The type; text-single where it is missing or not understood (§3.3)."""
        return _FIELD_TYPES.get(self.type or "", FieldType.TEXT_SINGLE)

    @property
    def value(self) -> str | None:
        """The first value; None without any."""
        return self.values[0] if self.values else None


class Reported(Payload, ns=FORMS, name="reported"):
    """The table's header: which fields each item has (§3.4)."""

    fields: list[Field] = children()


class Item(Payload, ns=FORMS, name="item"):
    """A line of the table."""

    fields: list[Field] = children()


class Form(Payload, ns=FORMS, name="x"):
    """`<x xmlns='jabber:x:data'/>`: to be filled in, filled in, cancelled, or data (§3)."""

    type: FormType = attr()
    title: str | None = child_text(default=None)
    instructions: list[str] = child_texts()
    fields: list[Field] = children()
    reported: Reported | None = child(default=None)
    items: list[Item] = children()

    def field(self, var: str) -> Field | None:
        """The field of that name; None if there is none."""
        return next((field for field in self.fields if field.var == var), None)

    @property
    def form_type(self) -> str | None:
        """What the form is about; None if it does not say (XEP-0068 §4).

        In a form or result only a hidden field says so.
        """
        field = self.field(FORM_TYPE)
        if field is None:
            return None
        if self.type in (FormType.FORM, FormType.RESULT) and field.kind != FieldType.HIDDEN:
            return None
        return field.value

    @overload
    def get(self, var: str, type_: builtins.type[T]) -> T | None: ...
    @overload
    def get(self, var: str, type_: builtins.type[T], default: D) -> T | D: ...
    def get(self, var: str, type_: builtins.type[T], default: D | None = None) -> T | D | None:
        """The first value of a field as str, int, bool, JID, datetime or an Enum.

        `default` where the field is missing or has no value, or an empty one that is not asked
        for as str. StanzaError bad-request for a value of another type.
        """
        field = self.field(var)
        text = None if field is None else field.value
        if text is None or (not text and type_ is not str):
            return default
        return converter(type_).read(text, f"the field '{var}'")

    def get_all(self, var: str, type_: builtins.type[T]) -> list[T]:
        """All values of a field; empty where it is missing."""
        field = self.field(var)
        if field is None:
            return []
        read = converter(type_).read
        return [read(text, f"the field '{var}'") for text in field.values]

    def check(self, submission: "Form") -> dict[str, Value]:
        """What was submitted to this form, by field name, in the types of its fields.

        boolean: bool. jid-single: JID or None. jid-multi: list of JIDs, each once. list-single:
        str or None. list-multi: list of str. text-multi: str with newlines. Others: str. A field
        left out is missing here: it keeps its value (§3.5). Unknown fields are ignored (§3.1).
        StanzaError not-acceptable for data that is not valid (§4), bad-request for what is no
        submission to this form.
        """
        if submission.type != FormType.SUBMIT:
            raise StanzaError("bad-request", "the form must be of type submit")
        if self.form_type and submission.form_type not in (None, self.form_type):
            raise StanzaError("bad-request", f"FORM_TYPE must be {self.form_type}")
        sent = _by_name(submission.fields)
        values: dict[str, Value] = {}
        for field in self.fields:
            if not field.var or field.var == FORM_TYPE or field.kind == FieldType.FIXED:
                continue
            answer = sent.get(field.var)
            if field.required and not any(answer.values if answer else ()):
                raise StanzaError("not-acceptable", f"the field '{field.var}' is required")
            if answer is not None:
                values[field.var] = _value(field, answer.values)
        return values


def submission(element: Element | None, form_type: str | None = None) -> Form:
    """The submitted form in this `<x/>`, with FORM_TYPE `form_type` if one is given.

    StanzaError bad-request for None and for everything else, also for a field without a name or
    two of one name. A form of type cancel is an answer too, and is returned.
    """
    if element is None:
        raise StanzaError("bad-request", "a data form is expected")
    form = Form.from_element(element)
    if form.type not in (FormType.SUBMIT, FormType.CANCEL):
        raise StanzaError("bad-request", "the form must be of type submit")
    _by_name(form.fields)
    if form_type and form.type == FormType.SUBMIT and form.form_type != form_type:
        raise StanzaError("bad-request", f"FORM_TYPE must be {form_type}")
    return form


def field(
    var: str | None,
    value: str | bool | int | Iterable[str] | None = None,
    type: str | None = None,
    *,
    label: str | None = None,
    desc: str | None = None,
    required: bool = False,
    options: Iterable[str | tuple[str, str]] = (),
) -> Field:
    """A field to be sent. `type` None leaves it out, as in a submission; a bool is boolean.

    `options` are values, or pairs of value and label. A str for text-multi becomes one value a
    line. ValueError for what §3.2 forbids.
    """
    if isinstance(value, bool):
        type = type or FieldType.BOOLEAN
    made = Field(
        var=var,
        type=type,
        label=label,
        desc=desc,
        required=required,
        values=_texts(value, type),
        options=[_option(option) for option in options],
    )
    _check_sendable(made)
    return made


def form_type(ns: str) -> Field:
    """The hidden field that says what the form is about (XEP-0068); goes first."""
    return field(FORM_TYPE, ns, FieldType.HIDDEN)


def _check_sendable(made: Field) -> None:
    """ValueError for what §3.2 forbids. Without a type any number of values may be submitted."""
    if made.type is not None and made.type not in _FIELD_TYPES:
        raise ValueError(f"no such field type: {made.type}")
    if not made.var and made.kind != FieldType.FIXED:
        raise ValueError("only a fixed field goes without a name")
    if made.type is not None and len(made.values) > 1 and made.kind not in MULTIPLE:
        raise ValueError(f"{made.var}: {made.type} holds one value")
    if made.options and made.kind not in LISTS:
        raise ValueError(f"{made.var}: only lists have options")


def _option(option: str | tuple[str, str]) -> Option:
    if isinstance(option, str):
        return Option(value=option)
    return Option(value=option[0], label=option[1])


def _texts(value: str | bool | int | Iterable[str] | None, type_: str | None) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return ["1" if value else "0"]
    if isinstance(value, int):
        return [str(value)]
    if isinstance(value, str):
        return value.splitlines() if type_ == FieldType.TEXT_MULTI else [value]
    return list(value)


def _by_name(fields: list[Field]) -> dict[str, Field]:
    """StanzaError bad-request for a field without a name, and for two of one name (§3.2)."""
    named: dict[str, Field] = {}
    for field in fields:
        if not field.var:
            if field.kind == FieldType.FIXED:
                continue
            raise StanzaError("bad-request", "a field lacks its 'var'")
        if field.var in named:
            raise StanzaError("bad-request", f"two fields are called '{field.var}'")
        named[field.var] = field
    return named


def _value(field: Field, texts: list[str]) -> Value:
    """The submitted texts in the type of the form's field."""
    kind = field.kind
    if len(texts) > 1 and kind not in MULTIPLE:
        raise StanzaError("bad-request", f"the field '{field.var}' holds one value")
    match kind:
        case FieldType.BOOLEAN:
            return _boolean(field, texts)
        case FieldType.JID_SINGLE | FieldType.JID_MULTI:
            jids = list(dict.fromkeys(_jid(field, text) for text in texts if text))
            return jids if kind == FieldType.JID_MULTI else next(iter(jids), None)
        case FieldType.LIST_SINGLE | FieldType.LIST_MULTI:
            chosen = _chosen(field, texts)
            return chosen if kind == FieldType.LIST_MULTI else next(iter(chosen), None)
        case _:
            return "\n".join(texts)


def _boolean(field: Field, texts: list[str]) -> bool:
    """No value is false, the default of the type (§3.3)."""
    text = texts[0].strip() if texts else "0"
    if text not in ("0", "1", "false", "true"):
        raise StanzaError("not-acceptable", f"the field '{field.var}' is 0 or 1")
    return text in ("1", "true")


def _jid(field: Field, text: str) -> JID:
    try:
        return jid(text)
    except JIDError:
        raise StanzaError("not-acceptable", f"the field '{field.var}' wants a JID") from None


def _chosen(field: Field, texts: list[str]) -> list[str]:
    """New options must not be invented (§3.3); a value given as default may stay."""
    known = {option.value for option in field.options}.union(field.values)
    chosen = [text for text in texts if text in known or text]
    if not known.issuperset(chosen):
        raise StanzaError("not-acceptable", f"the field '{field.var}' has no such option")
    return list(dict.fromkeys(chosen))
