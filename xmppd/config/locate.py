"""Finding the line on which an option stands. `tomllib` tells no positions.

The scanner reads text that `tomllib` has accepted, so it need not judge; where it gets lost
all the same, it keeps what it has found. Its result serves messages only.
"""

import re
import tomllib
from bisect import bisect_right

from xmppd.config.options import OptionPath

_SKIP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]\}\n#]+")


class _Lost(Exception):
    """This is not the TOML that we know."""


def locate(text: str) -> dict[OptionPath, int]:
    """The line, from 1, of every table, key, list item and key of an inline table."""
    scanner = _Scanner(text)
    try:
        scanner.scan()
    except _Lost:
        pass
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[OptionPath, int] = {}
        self._text = text
        self._at = 0
        self._ends = [m.start() for m in re.finditer("\n", text)]
        self._last: dict[OptionPath, int] = {}  # arrays of tables: index of the newest table

    def scan(self) -> None:
        table: OptionPath = ()
        while self._peek(_SKIP):
            if self._take("[["):
                table = self._next_of(self._header("]]"))
            elif self._take("["):
                table = self._open(self._header("]"))
            else:
                self._pair(table)

    def _header(self, end: str) -> tuple[int, OptionPath]:
        line, key = self._line(), self._key()
        if not self._take(end):
            raise _Lost
        return line, key

    def _open(self, header: tuple[int, OptionPath]) -> OptionPath:
        """The table that a header names: inside the newest table of an array on the way."""
        line, key = header
        path: OptionPath = ()
        for part in key:
            path = (*path, part)
            self.lines.setdefault(path, line)
            if path in self._last:
                path = (*path, self._last[path])
        return path

    def _next_of(self, header: tuple[int, OptionPath]) -> OptionPath:
        line, key = header
        array = (*self._open((line, key[:-1])), key[-1])
        self._last[array] = self._last.get(array, -1) + 1
        path = (*array, self._last[array])
        self.lines.setdefault(array, line)
        self.lines[path] = line
        return path

    def _pair(self, table: OptionPath) -> None:
        line, path = self._line(), table
        for part in self._key():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self._peek(_SPACE)
        if not self._take("="):
            raise _Lost
        self._peek(_SPACE)
        self._value(path)

    def _value(self, path: OptionPath) -> None:
        self.lines.setdefault(path, self._line())
        if self._take("["):
            self._items(path)
        elif self._take("{"):
            self._inline_table(path)
        elif self._match(_STRING) is None and self._match(_SCALAR) is None:
            raise _Lost

    def _items(self, path: OptionPath) -> None:
        index = 0
        while not self._ended("]"):
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: OptionPath) -> None:
        while not self._ended("}"):
            self._pair(path)

    def _ended(self, bracket: str) -> bool:
        """Go to the next item, over commas and comments; True where the bracket closes."""
        self._peek(_SKIP)
        if self._take(","):
            self._peek(_SKIP)
        return self._take(bracket)

    def _key(self) -> OptionPath:
        parts: list[str] = []
        while True:
            self._peek(_SPACE)
            parts.append(self._key_part())
            self._peek(_SPACE)
            if not self._take("."):
                return tuple(parts)

    def _key_part(self) -> str:
        bare = self._match(_BARE)
        if bare is not None:
            return bare
        quoted = self._match(_STRING)
        if quoted is None:
            raise _Lost
        return str(tomllib.loads(f"key = {quoted}")["key"])

    def _line(self) -> int:
        return bisect_right(self._ends, self._at - 1) + 1

    def _peek(self, skipped: re.Pattern[str]) -> bool:
        """Go over what may be skipped; True where something is left."""
        self._match(skipped)
        return self._at < len(self._text)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True
