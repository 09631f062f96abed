"""Reading exported data piece by piece: a host of any size in little memory (XEP-0227 §4).

The file may come from anywhere: document types, and so entities, are refused, what one piece may
hold is bounded, and other files are read only beside the first one or below (§5).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote
from xml.parsers import expat

from xmppd.api import Element, ns

READ_BYTES: Final = 65536
MAX_PIECE: Final = 64 * 1024 * 1024  # bytes of text and names in one child of a user
MAX_DEPTH: Final = 200
MAX_INCLUDED: Final = 3  # server-data includes a host, that a user, that a part of it
MOST_AT_ONCE: Final = 100  # children of what is given in pieces,
ENOUGH: Final = 1024 * 1024  # or so many bytes
COST: Final = 64  # of an element or attribute, beside its text
XINCLUDE: Final = ("http://www.w3.org/2001/XInclude", "include")
LEVELS: Final = ((ns.PIE, "server-data"), (ns.PIE, "host"), (ns.PIE, "user"))
IN_PIECES: Final = (
    (ns.PIE, "offline-messages"),
    (f"{ns.PIE}#mam", "archive"),
    (ns.PUBSUB, "pubsub"),
    (ns.PUBSUB_OWNER, "pubsub"),
)


class Unreadable(Exception):
    """The file is not what it should be; a sentence for the operator."""


class HostData(NamedTuple):
    """What follows is of this virtual host."""

    jid: str


class UserData(NamedTuple):
    """What follows is of this account of the host; "" for `password`: it is not told."""

    name: str
    password: str


class UserEnds(NamedTuple):
    """That was all of the account."""


class Unknown(NamedTuple):
    """An element between hosts or users that nobody knows."""

    what: str


Event = HostData | UserData | UserEnds | Unknown | Element


class _Include(NamedTuple):
    href: str


def read(path: Path) -> Iterator[Event]:
    """What the file holds, and what it includes, in order. Raises Unreadable."""
    return _read(path, path.parent.resolve(), 0, 0)


def _read(path: Path, folder: Path, level: int, depth: int) -> Iterator[Event]:
    reader = Reader(level)
    try:
        with path.open("rb") as file:
            while data := file.read(READ_BYTES):
                for event, at in reader.feed(data):
                    if isinstance(event, _Include):
                        yield from _included(event.href, path, folder, at, depth)
                    else:
                        yield event
            for event, _ in reader.end():
                assert not isinstance(event, _Include)
                yield event
    except OSError as problem:
        raise Unreadable(f"{path.name}: {problem.strerror}") from None
    except expat.ExpatError as problem:
        raise Unreadable(f"{path.name} is not well-formed: {problem}") from None


def _included(href: str, path: Path, folder: Path, level: int, depth: int) -> Iterator[Event]:
    """§5: a relative URI, and no way out of the folder."""
    if depth >= MAX_INCLUDED:
        raise Unreadable(f"{path.name}: {href} is included too deep")
    found = (path.parent / unquote(href)).resolve()
    if ":" in href.split("/")[0] or not found.is_relative_to(folder):
        raise Unreadable(f"{path.name}: {href} lies outside of its folder")
    return _read(found, folder, level, depth + 1)


class Reader:
    """Turns one document into events. `level` is what it is included in: nothing, the
    server-data, a host or a user, which its root element is then a child of.
    """

    def __init__(self, level: int = 0) -> None:
        self._level = self._outer = level
        self._open: list[Element] = []  # the piece that is being read, and where in it we are
        self._skipped = 0
        self._size = 0
        self._events: list[tuple[Event | _Include, int]] = []
        self._parser = expat.ParserCreate(None, " ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, data: bytes) -> list[tuple[Event | _Include, int]]:
        """What is complete, each with the level where it stands. Raises ExpatError, Unreadable."""
        self._parser.Parse(data, False)
        return self._taken()

    def end(self) -> list[tuple[Event | _Include, int]]:
        self._parser.Parse(b"", True)
        return self._taken()

    def _taken(self) -> list[tuple[Event | _Include, int]]:
        events, self._events = self._events, []
        return events

    def _say(self, event: Event | _Include) -> None:
        self._events.append((event, self._level))

    @staticmethod
    def _refuse_doctype(*_declaration: object) -> None:
        raise Unreadable("the file has a document type, which exported data has not")

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        key = _split(name)
        if self._skipped:
            self._skipped += 1
        elif self._open or (self._level == len(LEVELS) and key != XINCLUDE):
            self._grow(key, attrs)
        elif key == XINCLUDE and self._level:
            self._include(attrs)
        elif key == LEVELS[self._level]:
            self._descend(attrs)
        elif not self._level:
            raise Unreadable(f"the file begins with <{key[1]}/>, not <server-data/>")
        else:
            self._say(Unknown(f"<{key[1]} xmlns='{key[0]}'/>"))
            self._skipped = 1

    def _include(self, attrs: dict[str, str]) -> None:
        href = attrs.get("href", "")
        if not href or attrs.keys() - {"href"}:
            raise Unreadable("only includes of whole files by href are known")
        self._say(_Include(href))
        self._skipped = 1

    def _descend(self, attrs: dict[str, str]) -> None:
        self._level += 1
        if self._level == len(LEVELS) - 1:
            self._say(HostData(attrs.get("jid", "")))
        elif self._level == len(LEVELS):
            self._say(UserData(attrs.get("name", ""), attrs.get("password", "")))

    def _grow(self, key: tuple[str, str], attrs: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise Unreadable(f"elements are nested more than {MAX_DEPTH} deep")
        self._spend(COST + sum(COST + len(n) + len(v) for n, v in attrs.items()))
        element = Element(*key, {_attribute(name): value for name, value in attrs.items()})
        if self._open:
            self._open[-1].append(element)
        self._open.append(element)

    def _spend(self, size: int) -> None:
        self._size += size
        if self._size > MAX_PIECE:
            raise Unreadable(f"one piece of an account is larger than {MAX_PIECE} bytes")

    def _text(self, text: str) -> None:
        if self._skipped or not self._open:
            return
        self._spend(len(text))
        self._open[-1].append(text)

    def _end(self, _name: str) -> None:
        if self._skipped:
            self._skipped -= 1
        elif not self._open:
            self._ascend()
        else:
            done = self._open.pop()
            if not self._open:
                self._give(done)
            elif len(self._open) == 1 and self._is_full(self._open[0]):
                self._give(self._open[0])
                self._open[0] = _emptied(self._open[0])

    def _give(self, piece: Element) -> None:
        self._size = 0
        self._say(piece)

    def _is_full(self, piece: Element) -> bool:
        much = len(piece.children) >= MOST_AT_ONCE or self._size > ENOUGH
        return much and (piece.ns, piece.name) in IN_PIECES

    def _ascend(self) -> None:
        if self._level == len(LEVELS) and self._level > self._outer:
            self._say(UserEnds())
        self._level -= 1


def _emptied(piece: Element) -> Element:
    return Element(piece.ns, piece.name, piece.attrs)


def _split(name: str) -> tuple[str, str]:
    of, _, local = name.rpartition(" ")
    return of, local


def _attribute(name: str) -> str:
    of, local = _split(name)
    return f"{{{of}}}{local}" if of else local
