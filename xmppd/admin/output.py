"""What a command answers, and how it looks on a terminal.

Only the standard library is imported: ``xmppctl`` shares this file and starts fast.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Rows:
    """A table; every row has as many cells as there are columns."""

    columns: tuple[str, ...]
    rows: list[tuple[Scalar, ...]]

    def __repr__(self) -> str:  # what the manhole shows
        return table_text(self.columns, self.rows)


Result = Rows | Mapping[str, Scalar] | str | None


def result_to_json(result: Result) -> dict[str, object]:
    """The answer as it crosses the control socket; its `kind` is rows, record or text."""
    if isinstance(result, Rows):
        return {"kind": "rows", "columns": result.columns, "rows": result.rows}
    if isinstance(result, Mapping):
        return {"kind": "record", "values": dict(result)}
    return {"kind": "text", "text": result or ""}


def result_from_json(answer: Mapping[str, Any]) -> Result:
    """The inverse of `result_to_json`; a malformed answer raises ValueError."""
    match answer:
        case {"kind": "rows", "columns": [*columns], "rows": [*rows]}:
            return Rows(tuple(map(str, columns)), [tuple(row) for row in rows])
        case {"kind": "record", "values": dict(values)}:
            return values
        case {"kind": "text", "text": str(text)}:
            return text
    raise ValueError(f"not the answer of a command: {answer!r}")


def to_text(result: Result) -> str:
    """For people. Control characters are shown, not sent: peers choose resources and reasons."""
    if isinstance(result, Rows):
        return table_text(result.columns, result.rows)
    if isinstance(result, Mapping):
        return table_text((), [(f"{key}:", value) for key, value in result.items()])
    return "\n".join(map(visible, (result or "").split("\n")))


def to_json(result: Result) -> str:
    """For scripts: a table is a list of objects, a record an object, a text a string."""
    plain: object = result
    if isinstance(result, Rows):
        plain = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    elif isinstance(result, Mapping):
        plain = dict(result)
    return json.dumps(plain, ensure_ascii=False, indent=2)


def table_text(columns: Sequence[str], rows: Iterable[Sequence[Scalar]]) -> str:
    lines = [list(columns)] if columns else []
    lines += [[cell(value) for value in row] for row in rows]
    if not lines:
        return ""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(padded)


def cell(value: Scalar) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(f"{value:g}" if isinstance(value, float) else str(value))


def visible(text: str) -> str:
    """`text` on one line, with nothing in it that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
