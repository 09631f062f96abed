"""What operators read and tools check by, made from the declarations alone."""

import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema

from xmppd.config.components import ComponentOptions
from xmppd.config.faults import dotted, quote_key, toml
from xmppd.config.loaded import ModuleInfo
from xmppd.config.options import (
    OptionPath,
    Options,
    declaration,
    listed_section,
    section_of,
)
from xmppd.config.server import HostOptions, ServerOptions
from xmppd.config.types import Secret, format_kind, kind_of

Known = Mapping[str, ModuleInfo]
HOST = "example.org"  # the host of the reference and of the example
_PLAIN = {int: "integer", float: "number", bool: "boolean", str: "string", Path: "path"}


class Section:
    """A table of the file: its place, what it is for, and the options right in it. `listed`: there
    may be many, each `[[so]]`.
    """

    __slots__ = ("doc", "listed", "options", "path", "sample")

    def __init__(
        self, path: OptionPath, doc: str, options: type[Options], *, listed: bool = False
    ) -> None:
        self.path = path
        self.doc = doc
        self.listed = listed
        self.sample = listed or options is ComponentOptions  # to name one is to have one
        self.options = {n: f for n, f in options.model_fields.items() if section_of(f) is None}

    @property
    def title(self) -> str:
        if not self.path:
            return "At the top"
        return f"[[{dotted(self.path)}]]" if self.listed else f"[{dotted(self.path)}]"


def sections(known: Known) -> list[Section]:
    """All tables, in the order of the reference: the process, modules, a host."""
    found = [*_below((), "The server.", ServerOptions)]
    for name in sorted(known):
        usual = "On" if known[name].default_on else "Off"
        doc = f"{_summary(known[name].options)} {usual} by default."
        found += _below(("modules", name), doc, known[name].options)
    found += _below(("components", f"gateway.{HOST}"), "A component.", ComponentOptions)
    found += _below(("hosts", HOST), "A virtual host, one table each.", HostOptions)
    return found


def reference(known: Known) -> str:
    """The reference page, reStructuredText."""
    title = "Options"
    lines = [title, "=" * len(title), ""]
    lines += _wrap(
        "All options, with type, default and limits. Tables [modules.NAME] hold for all hosts; "
        f'[hosts."{HOST}".modules.NAME] takes the same options and has the last word for that '
        'host. Durations are seconds or like "30s", "5m", "1h", "2d"; sizes are bytes or like '
        '"64KiB", "2MiB". Relative paths start from the folder of the configuration file.'
    )
    for section in sections(known):
        name = section.title
        lines += ["", name, "-" * len(name), "", *_wrap(_rst(section.doc))]
        for option, field in section.options.items():
            lines += ["", f"``{option}``", *_wrap(_facts(field), "    "), ""]
            lines += _wrap(_rst(field.description or ""), "    ")
    return "\n".join(lines) + "\n"


def example(known: Known) -> str:
    """A TOML file with every option commented out at its default.

    Text is commented by "# ", options by "#": without these the file sets every default.
    """
    lines = ["# Configuration of xmppd. Every option is shown with its default."]
    for section in sections(known):
        if section.path:
            sign = "# " if section.sample else "#"
            lines += ["", "", *_wrap(section.doc, "# "), f"{sign}{section.title}"]
        for option, field in section.options.items():
            lines += ["", *_wrap(field.description or "", "# ")]
            lines += list(_listed(option, field) if section.sample else _setting(option, field))
    return "\n".join(lines) + "\n"


def json_schema(known: Known) -> dict[str, Any]:
    """A JSON Schema of the file, for editors."""
    classes: list[type[Options]] = [ServerOptions, HostOptions, ComponentOptions]
    classes += [info.options for info in known.values()]
    wanted: list[tuple[type[Options], Literal["validation"]]] = [
        (kind, "validation") for kind in dict.fromkeys(classes)
    ]
    references, shared = models_json_schema(wanted)
    modules = {name: references[info.options, "validation"] for name, info in known.items()}
    definitions: dict[str, Any] = shared["$defs"]
    host = _definition(definitions, references[HostOptions, "validation"])
    host["properties"]["modules"] = _table(modules)
    server = _definition(definitions, references[ServerOptions, "validation"])
    _definition(definitions, server["properties"]["modules"])["properties"].update(modules)
    components = _definition(definitions, server["properties"]["components"])
    components["additionalProperties"] = references[ComponentOptions, "validation"]
    server["properties"]["hosts"] = {
        "type": "object",
        "description": "The virtual hosts, by domain.",
        "additionalProperties": references[HostOptions, "validation"],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "xmppd.toml",
        **{key: value for key, value in server.items() if key != "title"},
        "$defs": definitions,
    }


def _below(
    path: OptionPath, doc: str, options: type[Options], *, listed: bool = False
) -> Iterator[Section]:
    yield Section(path, doc, options, listed=listed)
    for name, field in options.model_fields.items():
        nested = section_of(field)
        if nested is not None:
            doc = _summary(nested) or field.description or ""
            yield from _below((*path, name), doc, nested)
        several = listed_section(field)
        if several is not None:
            yield from _below((*path, name), _summary(several), several, listed=True)


def _summary(options: type[Options]) -> str:
    own = options.__doc__ if "__doc__" in vars(options) else None
    text = " ".join((own or "").strip().partition("\n\n")[0].split())
    return text if not text or text.endswith((".", "?")) else f"{text}."


def _facts(field: FieldInfo) -> str:
    declared = declaration(field)
    parts = [f"*{_type(field)}*", f"default {_default(field)}", *_limits(field)]
    if declared.choices:
        parts.append("of " + ", ".join(f"``{toml(c)}``" for c in declared.choices))
    if declared.example is not None:
        parts.append(f"such as ``{toml(declared.example)}``")
    text = ", ".join(parts) + "."
    return text if declared.reloads else f"{text} A change takes a restart."


def _default(field: FieldInfo) -> str:
    value = _plain_default(field)
    return "none" if value is None else f"``{toml(value)}``"


def _plain_default(field: FieldInfo) -> object:
    """The default as one would write it; durations and sizes in their units."""
    value: object = field.get_default(call_default_factory=False)
    kind = kind_of(field)
    if isinstance(value, Secret):
        return value.get_secret_value()
    if kind in ("duration", "size") and isinstance(value, int | float):
        return format_kind(value, kind)
    return value


def _limits(field: FieldInfo) -> Iterator[str]:
    kind = kind_of(field)
    for mark in field.metadata:
        for attribute, words in (("ge", "at least"), ("le", "at most")):
            limit = getattr(mark, attribute, None)
            if limit is not None:
                yield f"{words} ``{format_kind(limit, kind)}``"


def _type(field: FieldInfo) -> str:
    kind = kind_of(field)
    if get_origin(field.annotation) is list:
        return f"list of {kind or _name(get_args(field.annotation)[0])}s"
    return kind or _name(field.annotation)


def _name(annotation: Any) -> str:  # whatever may stand behind a colon
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if annotation is Secret:
        return "secret"
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(toml(value) for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "one of " + ", ".join(toml(member) for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, Options):
        return "table"
    inner = [a for a in get_args(annotation) if a is not type(None)]
    return _name(inner[0]) if inner else "value"


def _setting(option: str, field: FieldInfo) -> Iterator[str]:
    """The option at its default; where that cannot be written, an example in a comment."""
    shown = declaration(field).example
    value = _plain_default(field)
    if shown is not None:
        yield f"# For example: {quote_key(option)} = {toml(shown)}"
    if value is not None and listed_section(field) is None:
        yield f"#{quote_key(option)} = {toml(value)}"
    elif shown is None:
        yield f"# {quote_key(option)} = ..."


def _listed(option: str, field: FieldInfo) -> Iterator[str]:
    """An option of a table that there may be many of: an example, or its default."""
    shown = declaration(field).example
    value = _plain_default(field) if shown is None else shown
    yield f"# For example: {quote_key(option)} = {toml(value)}"


def _rst(text: str) -> str:
    """Our docs mark code by single backticks, reStructuredText by two."""
    return text.replace("`", "``")


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        79,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _definition(definitions: dict[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    target: str = reference["$ref"]
    found: dict[str, Any] = definitions[target.rpartition("/")[2]]
    return found
