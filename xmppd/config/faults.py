"""What is wrong with a configuration, said so that the operator can mend it at once."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from xmppd.config.options import OptionPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 60  # characters of a value that a message quotes


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault (or warning). `line` is None where no line of the file is to blame."""

    file: str
    line: int | None
    option: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.option, self.message) if part)


class ConfigErrors(Exception):
    """The configuration cannot be used. `faults` are all that were found, in file order."""

    def __init__(self, faults: Sequence[Fault], warnings: Sequence[Fault] = ()) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)
        self.warnings = tuple(warnings)


def dotted(path: OptionPath) -> str:
    """An option's place as the operator would write it: `hosts."example.org".admins[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + quote_key(part)
    return text


def quote_key(key: str) -> str:
    """A key as TOML takes it."""
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def show(value: object) -> str:
    """A value as TOML would write it, cut to what fits into a message."""
    if isinstance(value, dict):
        return "a table"
    text = toml(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def toml(value: object) -> str:
    """A plain value (or path, or member of an enumeration) in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return toml(value.value)
    if isinstance(value, str | Path):
        # JSON's escapes are TOML's, but for DEL, which TOML wants escaped
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = (f"{quote_key(str(key))} = {toml(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    return str(value)


def did_you_mean(word: str, known: Iterable[str], *, listing: bool = True) -> str:
    """`; did you mean "max_size"?`, or what there is where it is little, or nothing."""
    names = {name.lower(): name for name in sorted(known)}
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if near:
        return f'; did you mean "{names[near[0]]}"?'
    if listing and 0 < len(names) <= 12:
        return "; there is " + ", ".join(names.values())
    return ""
