"""Writing exported data: one document, as it comes (XEP-0227 §4)."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from xmppd.api import Element, escape_attr, escape_text, ns, to_xml


class Writer:
    """A new file that nobody else can read; if the work fails it is not left behind (§6)."""

    def __init__(self, path: Path) -> None:
        """Raises OSError: FileExistsError if there is one of that name."""
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        self._file: IO[bytes] = os.fdopen(made, "wb")

    def __enter__(self) -> Self:
        self._say(f"<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='{ns.PIE}'>\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._say("</server-data>\n")
                self._file.flush()
                os.fsync(self._file.fileno())
        if kind is not None:
            self._path.unlink(missing_ok=True)

    def begin_host(self, jid: str) -> None:
        self._say(f"<host jid='{escape_attr(jid)}'>\n")

    def end_host(self) -> None:
        self._say("</host>\n")

    def begin_user(self, name: str) -> None:
        self._say(f"<user name='{escape_attr(name)}'>\n")

    def end_user(self) -> None:
        self._say("</user>\n")

    async def write(self, pieces: AsyncIterator[Element]) -> None:
        """Those of the same name and attributes that follow each other become one element."""
        begun: tuple[str, str, dict[str, str]] | None = None
        async for piece in pieces:
            key = (piece.ns, piece.name, piece.attrs)
            if key != begun:
                self._close(begun)
                begun = key
                self._say(_head(piece))
            for child in piece.children:
                self._say(
                    escape_text(child) if isinstance(child, str) else to_xml(child, piece.ns)
                )
        self._close(begun)

    def _close(self, begun: tuple[str, str, dict[str, str]] | None) -> None:
        if begun is not None:
            self._say(f"</{begun[1]}>\n")

    def _say(self, text: str) -> None:
        self._file.write(text.encode())


def _head(piece: Element) -> str:
    """The start tag alone."""
    empty = to_xml(Element(piece.ns, piece.name, piece.attrs), ns.PIE)
    return f"{empty.removesuffix('/>')}>"
