"""The news that no release has yet, as `towncrier build --draft` prints them."""

import tomllib
from pathlib import Path
from typing import Any

from xmppd_docs import rst

DOCS = Path(__file__).parents[2]


def settings() -> dict[str, Any]:  # TOML
    found = tomllib.loads((DOCS / "towncrier.toml").read_text())["tool"]
    return dict(found["towncrier"])


def fragments() -> dict[str, list[str]]:
    """Texts by type; the file's name is NAME.TYPE.rst."""
    found: dict[str, list[str]] = {}
    for path in sorted((DOCS / "newsfragments").glob("*.rst")):
        kind = path.name.split(".")[-2]
        found.setdefault(kind, []).append(" ".join(path.read_text().split()))
    return found


def page() -> str:
    texts = fragments()
    lines: list[str] = []
    for kind in settings()["type"]:
        news = texts.pop(kind["directory"], [])
        if news:
            lines += rst.title(kind["name"], "~")
            lines += [line for text in news for line in bullet(text)]
    if texts:
        raise ValueError(f"news of unknown types: {', '.join(texts)}")
    return rst.text(lines) if lines else "Nothing yet.\n"


def bullet(text: str) -> list[str]:
    first, *rest = rst.paragraph(text)
    return [f"- {first}", *(f"  {line}" for line in rest), ""]
