"""What is tried against the server and which tests try it, from docs/threats.toml."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from xmppd_docs import rst

SOURCE = Path(__file__).parents[2] / "threats.toml"


class Row(NamedTuple):
    """`tests` name what fails if the server does otherwise; `absent` says why none is needed."""

    section: str
    attack: str
    required: str
    tests: tuple[str, ...]
    absent: str


def rows() -> Iterator[Row]:
    for section in tomllib.loads(SOURCE.read_text())["section"]:
        for row in section["row"]:
            tests = tuple(row.get("tests", ()))
            absent = row.get("absent", "")
            yield Row(section["title"], row["attack"], row["required"], tests, absent)


def page() -> str:
    lines: list[str] = []
    found = list(rows())
    for section in dict.fromkeys(row.section for row in found):
        lines += rst.title(section, "-")
        cells = [shown(row) for row in found if row.section == section]
        lines += rst.table(("What happens", "What the server does", "Tried by"), cells, "30 35 35")
    return rst.text(lines)


def shown(row: Row) -> tuple[str, str, str]:
    words = (row.attack, row.required)
    first, second = (rst.from_docstring(text[0].upper() + text[1:]) for text in words)
    if row.absent:
        return first, second, f"(no test: {row.absent})"
    return first, second, ", ".join(rst.code(test.partition("::")[2]) for test in row.tests)
