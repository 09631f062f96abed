"""One stanza for many receivers: all but `to` is written once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from xmppd.ns import CLIENT

if TYPE_CHECKING:
    from xmppd.jid import JID
    from xmppd.stanza.stanza import Stanza

S = TypeVar("S", bound="Stanza")


class Copies(Generic[S]):
    """A copy of `stanza` for each of `jids`, in that order. Made by `Stanza.copies`.

    `Router.route_copies` sends them. Most receivers need bytes only (`written`); a copy is made as
    a stanza where somebody looks at it (`copy`), and of all by iterating.
    """

    __slots__ = ("_tail", "jids", "stanza")

    def __init__(self, stanza: S, jids: Iterable[JID], tail: bytes) -> None:
        self.stanza = stanza
        self.jids = tuple(jids)
        self._tail = tail  # what is written after `to`

    def __len__(self) -> int:
        return len(self.jids)

    def __iter__(self) -> Iterator[S]:
        return map(self.copy, self.jids)

    def copy(self, to: JID) -> S:
        """The copy for that receiver. A handler that wants another replaces it, as always, by a
        `copy` of its own.
        """
        return self.stanza.copy_written(to, self._tail)

    def among(self, jids: Iterable[JID]) -> Copies[S]:
        """Those for some of the receivers."""
        return Copies(self.stanza, jids, self._tail)

    def written(self, content_ns: str = CLIENT) -> list[bytes]:
        """As bytes, in the order of `jids`, for streams of that content namespace."""
        if content_ns == CLIENT:
            return self.stanza.write_to_each(self.jids, self._tail)
        return self.stanza.write_to_many(self.jids, content_ns)

    def __repr__(self) -> str:
        return f"<{len(self.jids)} of {self.stanza!r}>"
