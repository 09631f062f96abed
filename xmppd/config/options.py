"""Declaring options: once, in code.

From a declaration come the check at load, the message to the operator, the reference page,
the commented example and the JSON Schema. A section is a class, an option an attribute::

    class VCardOptions(Options):
        max_size: int = option(65536, "Largest vCard accepted, in bytes of XML.", at_least=1024)

Every option has a default that is safe, so an empty file is a complete configuration.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

T = TypeVar("T")
OptionPath = tuple[str | int, ...]
BASE = "base"  # key of the validation context: the folder that relative paths start from


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an option says about itself beyond its type, default and limits."""

    choices: tuple[Any, ...] = ()
    secret: bool = False
    example: Any = None
    reloads: bool = True


class Options(BaseModel):
    """Base of all sections. Instances never change; a reload makes new ones."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,  # "12" is no integer and 1 is no boolean
        validate_default=True,
        revalidate_instances="always",  # defaults of nested sections learn the base folder too
        protected_namespaces=(),
        hide_input_in_errors=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _from_toml(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[cast(str, info.field_name)]
        return _from_toml(field.annotation, value, (info.context or {}).get(BASE))

    @field_validator("*", mode="after")
    @classmethod
    def _choose(cls, value: object, info: ValidationInfo) -> object:
        choices = declaration(cls.model_fields[cast(str, info.field_name)]).choices
        if choices:
            for chosen in value if isinstance(value, list) else [value]:
                if chosen not in choices:
                    raise ValueError(f"must be {one_of(choices)}")
        return value


def option(
    default: T,
    doc: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: Sequence[object] = (),
    secret: bool = False,
    example: object = None,
    reloads: bool = True,
) -> T:
    """Declare one option. `default` is given in the option's own type (30.0, not "30s").

    `at_least` and `at_most` are inclusive limits of numbers, durations and sizes. `choices`
    are the values permitted, for a list those of its items. A `secret` is never shown.
    `example` stands in the reference where the default is empty. `reloads=False`: a change
    takes a restart.
    """
    schema: dict[str, Any] = {"enum": list(choices)} if choices else {}  # JSON
    field = Field(
        default,
        description=doc,
        ge=at_least,
        le=at_most,
        repr=not secret,
        json_schema_extra={"items": schema} if schema and isinstance(default, list) else schema,
    )
    cast(FieldInfo, field).metadata.append(Declaration(tuple(choices), secret, example, reloads))
    return field


def declaration(field: FieldInfo) -> Declaration:
    """What was declared with the option; the defaults where `option` was not used."""
    return next((m for m in field.metadata if isinstance(m, Declaration)), Declaration())


def one_of(choices: Sequence[object]) -> str:
    shown = [f'"{c}"' if isinstance(c, str) else str(c) for c in choices]
    return shown[0] if len(shown) == 1 else "one of " + ", ".join(shown)


def section_of(field: FieldInfo) -> type[Options] | None:
    """The class of a nested section, None for a plain option (and for lists of sections)."""
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, Options):
        return annotation
    return None


def listed_section(field: FieldInfo) -> type[Options] | None:
    """The class of the sections in a list of sections (`[[array]]` of tables), else None."""
    arguments = get_args(field.annotation) if get_origin(field.annotation) is list else ()
    if arguments and isinstance(arguments[0], type) and issubclass(arguments[0], Options):
        return arguments[0]
    return None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One option of an instance, with where it stands below it and what it is set to."""

    path: OptionPath
    field: FieldInfo
    value: Any


def leaves(options: Options, above: OptionPath = ()) -> Iterator[Leaf]:
    """All options of `options` and of its nested sections, in the order declared."""
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if isinstance(value, Options):
            yield from leaves(value, (*above, name))
        else:
            yield Leaf((*above, name), field, value)


def declarations(
    options: type[Options], above: OptionPath = ()
) -> Iterator[tuple[OptionPath, FieldInfo]]:
    """All options that a class declares, those of nested sections and lists included."""
    for name, field in options.model_fields.items():
        yield (*above, name), field
        nested = section_of(field) or listed_section(field)
        if nested is not None:
            yield from declarations(nested, (*above, name))


def _from_toml(annotation: object, value: object, base: Path | None) -> object:
    """TOML has neither enumerations nor paths: make them of strings, leave all else alone."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _from_toml(arguments[0], value, base)
    if origin is list and isinstance(value, list):
        return [_from_toml(arguments[0], item, base) for item in value]
    if origin in (Union, types.UnionType) and value is not None:
        inner = [a for a in arguments if a is not types.NoneType]
        return _from_toml(inner[0], value, base) if len(inner) == 1 else value
    if annotation is Path and isinstance(value, str | Path):
        return _path(value, base)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _member(annotation, value)
    return value


def _path(value: str | Path, base: Path | None) -> Path:
    if not value or "\0" in str(value):
        raise ValueError("must be a path")
    return base / value if base is not None else Path(value)


def _member(kind: type[Enum], value: object) -> Enum:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"must be {one_of([m.value for m in kind])}") from None
