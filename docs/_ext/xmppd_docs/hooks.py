"""The catalogue of hooks, from their declarations: `events.py` and what modules offer."""

import ast
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

from xmppd import events
from xmppd.hooks import Hook
from xmppd.module import Catalogue
from xmppd_docs import rst


class Declared(NamedTuple):
    """A hook with the types of its declaration, and the comment that heads its group."""

    name: str
    hook: Hook
    types: str
    group: str


def in_file(module: ModuleType) -> Iterator[Declared]:
    """In the order of the source; a comment of a line of its own begins a group."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    groups = [
        (number, line[2:])
        for number, line in enumerate(lines, 1)
        if line.startswith("# ") and not lines[number - 2].strip() and not lines[number].strip()
    ]
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        hook = vars(module).get(node.target.id)
        if isinstance(hook, Hook):
            group = next((text for at, text in reversed(groups) if at < node.lineno), "")
            yield Declared(node.target.id, hook, types_of(node.annotation), group)


def types_of(annotation: ast.expr) -> str:
    """`Filter[Stanza, [Session]]` without the quotes of forward references."""
    return ast.unparse(annotation).replace("'", "").replace('"', "")


def module_hooks() -> Iterator[tuple[str, Declared]]:
    """Hooks that bundled modules offer, with the name of the Python module to import them from."""
    roots = dict.fromkeys(cls.__module__ for cls in Catalogue().load())
    packages = tuple(f"{root}." for root in roots)
    for name in sorted(sys.modules):
        if name in roots or name.startswith(packages):
            for declared in in_file(sys.modules[name]):
                yield name, declared


def page() -> str:
    lines: list[str] = []
    group = ""
    for declared in in_file(events):
        if declared.group != group:
            group = declared.group
            lines += rst.title(group, "-")
        lines += entry(declared, f"events.{declared.name}")
    offered = list(module_hooks())
    if offered:
        lines += rst.title("Offered by modules", "-")
    for python_name, declared in offered:
        lines += entry(declared, declared.name, f"``from {python_name} import {declared.name}``.")
    return rst.text(lines)


def entry(declared: Declared, shown: str, origin: str = "") -> list[str]:
    return [
        f".. _hook-{declared.name.replace('_', '-')}:",
        "",
        rst.code(shown),
        f"   {rst.code(declared.types)} {origin}".rstrip(),
        "",
        *rst.paragraph(rst.from_docstring(declared.hook.doc), "   "),
        "",
    ]
