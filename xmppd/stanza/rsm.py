"""XEP-0059 1.0: a large result in pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from xmppd.ns import RSM
from xmppd.stanza.errors import StanzaError
from xmppd.stanza.payload import Payload, attr, child, child_text, text
from xmppd.xml import Element

T = TypeVar("T")

MOST_PER_PAGE = 250


class ResultSetRequest(Payload, ns=RSM, name="set"):
    """What was asked for.

    `before` "" means the last page (§2.5). `after` and `before` together name what lies between.
    """

    max: int | None = child_text(default=None)
    after: str | None = child_text(default=None)
    before: str | None = child_text(default=None)
    index: int | None = child_text(default=None)

    @classmethod
    def from_element(cls, element: Element) -> Self:
        """StanzaError bad-request for negative or malformed numbers and for contradictions."""
        request = super().from_element(element)
        if min(request.max or 0, request.index or 0) < 0:
            raise StanzaError("bad-request", "max and index must not be negative")
        if request.index is not None and (request.after or request.before is not None):
            raise StanzaError("bad-request", "index goes without after and before")
        return request

    @classmethod
    def of(cls, payload: Element) -> Self | None:
        """The request within this payload; None where it has none."""
        element = payload.child(RSM, "set")
        return None if element is None else cls.from_element(element)


class _First(Payload, ns=RSM, name="first"):
    index: int | None = attr(default=None)
    uid: str = text()


class ResultSet(Payload, ns=RSM, name="set"):
    """What goes with a page of results (§2.2): its first and last UID, the size of the whole.

    In the order of the schema (§8), which the examples do not keep.
    """

    count: int | None = child_text(default=None)
    first: _First | None = child(default=None)
    last: str | None = child_text(default=None)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items in the order of the whole set, whichever way one pages.

    `first`, `last` and `index` (the position of the first item) are None for an empty page;
    `index` and `count` also where finding them costs too much. `complete`: nothing lies beyond
    this page in the direction of paging.
    """

    items: list[T]
    first: str | None
    last: str | None
    index: int | None
    count: int | None
    complete: bool

    def element(self) -> Element:
        """`<set/>`. Most protocols want none at all where the whole set is empty (§2.2)."""
        first = None if self.first is None else _First(uid=self.first, index=self.index)
        return ResultSet(first=first, last=self.last, count=self.count).element()


def page(
    items: Sequence[T],
    request: ResultSetRequest,
    key: Callable[[T], str],
    *,
    at_most: int = MOST_PER_PAGE,
) -> Page[T]:
    """The page of `items` (the whole set, in order) that was asked for; `key` gives the UIDs.

    Never more than `at_most` items. StanzaError item-not-found if `after` or `before` is the UID
    of no item (§2.4).
    """
    size = at_most if request.max is None else min(request.max, at_most)
    low, high = _bounds(items, request, key)
    if request.before is not None:  # backwards: the last ones before it
        start, end = max(low, high - size), high
        complete = start <= low
    else:
        start, end = low, min(low + size, high)
        complete = end >= high
    found = list(items[start:end])
    return Page(
        items=found,
        first=key(found[0]) if found else None,
        last=key(found[-1]) if found else None,
        index=start if found else None,
        count=len(items),
        complete=complete,
    )


def _bounds(
    items: Sequence[T], request: ResultSetRequest, key: Callable[[T], str]
) -> tuple[int, int]:
    """Where the items begin and end among which the page is chosen."""
    low, high = request.index or 0, len(items)
    if request.after:
        low = _position(items, request.after, key) + 1
    if request.before:
        high = _position(items, request.before, key)
    return low, high


def _position(items: Sequence[T], uid: str, key: Callable[[T], str]) -> int:
    for position, item in enumerate(items):
        if key(item) == uid:
            return position
    raise StanzaError("item-not-found", "no item has this id (any more)")
