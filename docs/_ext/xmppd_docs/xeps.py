"""The table of XEPs, from what docstrings claim: "(XEP-0054 1.3.0)" with the version."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import xep_titles

from xmppd.module import Catalogue
from xmppd_docs import rst

ROOT = Path(__file__).parents[3]
CLAIM = re.compile(r"XEP-(\d{4})\s+(\d+(?:\.\d+)+)")


class Claim(NamedTuple):
    """A docstring's word that an extension is done here, in that version."""

    number: str
    version: str
    file: Path  # from the root of the checkout


def claims() -> list[Claim]:
    files = [*sorted(ROOT.glob("modules/**/*.py")), *core_files()]
    found = {
        Claim(number, version, path.relative_to(ROOT))
        for path in files
        for docstring in docstrings(path)
        for number, version in CLAIM.findall(docstring)
    }
    found |= {Claim(*said.claim, Path(said.file)) for said in xep_titles.CORE}
    return sorted(found)


def core_files() -> list[Path]:
    return [p for p in sorted(ROOT.glob("xmppd/**/*.py")) if "modules" not in p.parts]


def docstrings(path: Path) -> Iterator[str]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, kinds):
            yield ast.get_docstring(node) or ""


def page() -> str:
    rows = [row(claim) for claim in claims()]
    columns = ("XEP", "Title", "Version", "Where", "Switch")
    return rst.text(rst.table(columns, rows, "10 36 10 22 22"))


def row(claim: Claim) -> tuple[str, ...]:
    url = f"https://xmpp.org/extensions/xep-{claim.number}.html"
    link = f"`{claim.number} <{url}>`__"
    where, switch = place(claim)
    return link, xep_titles.TITLES[claim.number], claim.version, where, switch


def place(claim: Claim) -> tuple[str, str]:
    """The room or module, and what turns it on or off."""
    if claim.file.parts[0] != "modules":
        switches = {(s.claim[0], s.file): s.switch for s in xep_titles.CORE}
        switch = switches.get((claim.number, str(claim.file)), "always")
        return rst.code(str(claim.file)), switch
    names = modules_in(claim.file)
    shown = ", ".join(rst.code(name) for name, _ in names)
    state = "on" if all(default_on for _, default_on in names) else "off"
    return shown, f"{shown}, {state} by default"


def modules_in(file: Path) -> list[tuple[str, bool]]:
    """The modules that this file, or the package it lies in, defines."""
    root = f"xmppd.modules.{Path(*file.parts[1:2]).stem}"
    return [
        (cls.name, cls.default_on)
        for cls in Catalogue().load()
        if cls.__module__ == root or cls.__module__.startswith(f"{root}.")
    ]
