"""Which affiliations have changed since a client looked last (XEP-0463 0.2.0)."""

import secrets
from collections import OrderedDict
from typing import Any, Final

from xmppd.api import JID, Element, lenient_jid

NS: Final = "urn:xmpp:muc:affiliations:1"
MOST_CHANGES: Final = 200  # further back there is the whole list
MOST_AT_ONCE: Final = 500  # items in one message


class Versions:
    """Counts the changes; the last ones are known by user."""

    __slots__ = ("_changes", "_floor", "_name", "_number")

    def __init__(self, name: str = "", number: int = 0, floor: int = 0) -> None:
        self._name = name or secrets.token_hex(4)  # of this room: another's versions mean nothing
        self._number = number
        self._floor = floor
        self._changes: OrderedDict[JID, int] = OrderedDict()

    @property
    def current(self) -> str:
        return f"{self._name}.{self._number}"

    def bump(self, user: JID) -> tuple[str, str]:
        """Something else is true of this user; the versions before and after."""
        before = self.current
        self._number += 1
        self._changes.pop(user, None)
        self._changes[user] = self._number
        if len(self._changes) > MOST_CHANGES:
            self._floor = self._changes.popitem(last=False)[1]
        return before, self.current

    def since(self, version: str) -> list[JID] | None:
        """Who has changed after that version; None where it is not known (any more)."""
        name, _, number = version.rpartition(".")
        if name != self._name or not (number.isascii() and number.isdigit() and len(number) < 16):
            return None
        if not self._floor <= int(number) <= self._number:
            return None
        return [user for user, at in self._changes.items() if at > int(number)]

    def dump(self) -> dict[str, Any]:
        changes = [(str(user), at) for user, at in self._changes.items()]
        return {"name": self._name, "at": self._number, "floor": self._floor, "changes": changes}

    def copy(self) -> "Versions":
        return Versions.load(self.dump())

    @classmethod
    def load(cls, stored: dict[str, Any]) -> "Versions":
        made = cls(stored["name"], stored["at"], stored["floor"])
        made._changes.update({lenient_jid(user): at for user, at in stored["changes"]})
        return made


def parts(
    items: list[Element], until: str, since: str | None
) -> list[tuple[Element, list[Element]]]:
    """So many items as go into one message, each with its mark: the end of one is the beginning
    of the next (§5.2.1). Who stops in between gets the whole list again.
    """
    slices = [items[at : at + MOST_AT_ONCE] for at in range(0, len(items), MOST_AT_ONCE)] or [[]]
    ends = [f"{until}.{number}" for number in range(1, len(slices))] + [until]
    begins = [since, *ends[:-1]]
    marks = [element(end, begin) for begin, end in zip(begins, ends, strict=True)]
    return list(zip(marks, slices, strict=True))


def element(until: str, since: str | None = None) -> Element:
    """`<mav/>`."""
    attrs = {"until": until} if since is None else {"since": since, "until": until}
    return Element(NS, "mav", attrs)
