"""Code blocks of the pages, as readers see them."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]


class Block(NamedTuple):
    page: str
    line: int
    language: str
    caption: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """All `code-block`s of these languages, page by page."""
    found = (block for page in PAGES for block in blocks_of(page))
    return [block for block in found if block.language in languages]


def blocks_of(page: Path) -> Iterator[Block]:
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        begin, directive, language = line.partition(".. code-block:: ")
        if directive and not begin.strip():
            inside = list(indented(lines[number:], len(begin)))
            options = [x.strip() for x in inside[: inside.index("")]] if "" in inside else []
            captions = [o.removeprefix(":caption: ") for o in options if o.startswith(":caption:")]
            code = textwrap.dedent("\n".join(inside[len(options) :])).strip("\n") + "\n"
            yield Block(page.name, number, language.strip(), "".join(captions), code)


def indented(lines: list[str], margin: int) -> Iterator[str]:
    """The lines that belong to the directive before them."""
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= margin:
            return
        yield line.rstrip()
