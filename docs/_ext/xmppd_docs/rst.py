"""Small pieces of reStructuredText."""

import textwrap
from collections.abc import Iterable, Sequence


def title(text: str, line: str) -> list[str]:
    return [text, line * len(text), ""]


def code(text: str) -> str:
    return f"``{text}``"


def from_docstring(text: str) -> str:
    """Our docstrings mark code by single backticks, reStructuredText by two."""
    return text if "``" in text else text.replace("`", "``")


def paragraph(text: str, indent: str = "") -> list[str]:
    plain = " ".join(text.split())
    return textwrap.wrap(
        plain,
        95,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], widths: str = "") -> list[str]:
    """A list table: its cells may be of any length."""
    lines = [".. list-table::", "   :header-rows: 1"]
    if widths:
        lines.append(f"   :widths: {widths}")
    lines.append("")
    for row in (columns, *rows):
        for number, cell in enumerate(row):
            begin = "   * - " if number == 0 else "     - "
            lines.append((begin + cell).rstrip())
    return [*lines, ""]


def text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"
