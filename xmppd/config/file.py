"""Reading the configuration file and the `conf.d/*.toml` beside it."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xmppd.config.faults import ConfigErrors, Fault
from xmppd.config.locate import locate
from xmppd.config.options import OptionPath

Table = dict[str, Any]  # what tomllib returns
_POSITION = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Source:
    """One file: the name that messages use, what it says, and where."""

    name: str
    path: Path | None
    data: Table
    lines: dict[OptionPath, int]


@dataclass(frozen=True, slots=True)
class Document:
    """All files as one. `base` is the folder that relative paths start from."""

    sources: tuple[Source, ...]
    base: Path
    data: Table = field(default_factory=dict)

    def where(self, path: OptionPath) -> tuple[Source | None, int | None]:
        """The file and line that has the last word on an option, or on what is around it."""
        for length in range(len(path), 0, -1):
            for source in reversed(self.sources):
                if path[:length] in source.lines:
                    return source, source.lines[path[:length]]
        return (self.sources[0] if self.sources else None), None

    def says(self, path: OptionPath) -> bool:
        """Whether some file sets this very option."""
        return any(path in source.lines for source in self.sources)


def read(path: Path | None, text: str | None = None) -> Document:
    """Read and merge the files; `text` stands for the main file's content when given.

    Files of `conf.d` are taken in the order of their names, and each has the last word over
    those before it: tables are merged, all else replaced. Raises ConfigErrors.
    """
    base = (path.parent if path is not None else Path()).absolute()
    faults: list[Fault] = []
    sources = [] if path is None and text is None else [_source(path, text, faults)]
    if path is not None:
        extras = sorted((path.parent / "conf.d").glob("*.toml"))
        sources += [_source(extra, None, faults) for extra in extras]
    if faults:
        raise ConfigErrors(faults)
    merged: Table = {}
    for source in sources:
        merged = merge(merged, source.data)
    return Document(tuple(sources), base, merged)


def merge(under: Table, over: Table) -> Table:
    """A table with the options of both; `over` has the last word."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            value = merge(below, value)
        result[key] = value
    return result


def _source(path: Path | None, text: str | None, faults: list[Fault]) -> Source:
    name = str(path) if path is not None else "(text)"
    data: Table = {}
    try:
        if text is None and path is not None:
            text = path.read_text("utf-8")
        text = (text or "").replace("\r\n", "\n")
        data = tomllib.loads(text)
    except OSError as fault:
        faults.append(Fault(name, None, "", f"cannot be read: {fault.strerror}"))
    except UnicodeDecodeError as fault:
        line = fault.object[: fault.start].count(b"\n") + 1
        faults.append(Fault(name, line, "", "is not UTF-8"))
    except tomllib.TOMLDecodeError as fault:
        faults.append(_syntax(name, text or "", str(fault)))
    except ValueError as fault:  # an integer of thousands of digits
        faults.append(Fault(name, None, "", f"no valid TOML: {fault}"))
    except RecursionError:
        faults.append(Fault(name, None, "", "is nested too deeply"))
    return Source(name, path, data, locate(text or "") if data else {})


def _syntax(name: str, text: str, message: str) -> Fault:
    found = _POSITION.search(message)
    line, column = (found[1], found[2]) if found else (None, None)
    what = _POSITION.sub("", message)
    at = f"column {column}: " if column else ""
    last = text.count("\n") + 1
    return Fault(name, int(line) if line else last, "", f"{at}no valid TOML: {what}")
