"""pydantic's complaints, in the operator's words."""

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from xmppd.config.faults import did_you_mean, show
from xmppd.config.options import (
    OptionPath,
    Options,
    declaration,
    listed_section,
    section_of,
)
from xmppd.config.types import format_kind, kind_of

_MUST = {
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "path_type": "must be a path",
    "is_instance_of": "must be a path",
    "finite_number": "must be a finite number",
}


def say(kind: type[Options], error: ErrorDetails, raw: object) -> str:
    """What is wrong with the value `raw` of an option below `kind`, and what is permitted."""
    path: OptionPath = error["loc"]
    if error["type"] == "extra_forbidden":
        return "unknown option" + did_you_mean(str(path[-1]), _names(kind, path[:-1]))
    field = field_at(kind, path)
    secret = field is not None and declaration(field).secret
    if isinstance(raw, dict) and error["type"] == "value_error":
        return _must(error, field)  # said by a check of the whole section
    text = f"is {'(hidden)' if secret else show(raw)}, {_must(error, field)}"
    if field is None or secret:
        return text
    return text + _nearest(raw, error, declaration(field).choices)


def field_at(kind: type[Options], path: OptionPath) -> FieldInfo | None:
    """The declaration of the option at `path` below the section `kind`."""
    found: FieldInfo | None = None
    section: type[Options] | None = kind
    for part in path:
        if isinstance(part, int):
            continue
        if section is None or part not in section.model_fields:
            return found
        found = section.model_fields[part]
        section = section_of(found) or listed_section(found)
    return found


def _names(kind: type[Options], path: OptionPath) -> list[str]:
    field = field_at(kind, path)
    section = kind if field is None else section_of(field) or listed_section(field)
    return list(section.model_fields) if section is not None else []


def _must(error: ErrorDetails, field: FieldInfo | None) -> str:
    context: Mapping[str, Any] = error.get("ctx", {})
    name = kind_of(field) if field is not None else None
    match error["type"]:
        case "greater_than_equal":
            return f"must be at least {format_kind(context['ge'], name)}"
        case "less_than_equal":
            return f"must be at most {format_kind(context['le'], name)}"
        case "literal_error":
            return f"must be one of {context['expected']}".replace("'", '"').replace(" or ", ", ")
        case "value_error":
            return str(context["error"])
        case known:
            return _MUST.get(known, error["msg"])


def _nearest(raw: object, error: ErrorDetails, choices: tuple[Any, ...]) -> str:
    """Did you mean; nothing where none of the permitted values is near."""
    expected = str(error.get("ctx", {}).get("expected", ""))
    words = [w.strip("'") for w in expected.replace(" or ", ", ").split(", ") if w]
    words += [c for c in choices if isinstance(c, str)]
    wrong = [r for r in (raw if isinstance(raw, list) else [raw]) if r not in words]
    if not wrong or not isinstance(wrong[0], str):
        return ""
    return did_you_mean(wrong[0], words, listing=False)
