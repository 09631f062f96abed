"""How many connections of ours there may be at a time: in all, and to one address."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from xmppd.config.s2s import S2SLimits
from xmppd.transport.admission import Admission

if TYPE_CHECKING:
    from xmppd.s2s.outgoing import OutgoingConnection

TIGHT = 0.75  # of a bound: from there on one that is not used makes room for each new one


class Room:
    """Whoever can invent domains (a wildcard in the DNS is enough) could otherwise have us hold
    a connection for each of them, until no descriptor is left.

    Near a bound the connection that was not used for the longest time is closed for a new one;
    it comes back when it is needed. At the bound there is no new one.
    """

    def __init__(self, admission: Admission, limits: S2SLimits) -> None:
        self._admission = admission
        self._links: dict[OutgoingConnection, str | None] = {}  # with the address that counts
        self._groups: dict[str, set[OutgoingConnection]] = {}
        self.configure(limits)

    def configure(self, limits: S2SLimits) -> None:
        self._most = max(1, int(self._admission.descriptor_limit * limits.outgoing_share))
        self._most_of_address = limits.connections_per_address

    def __len__(self) -> int:
        return len(self._links)

    def has_one_more(self) -> bool:
        """Asked before a server is called."""
        return _spare(self._links, self._most)

    def enter(self, link: "OutgoingConnection") -> bool:
        """A connection has come about; False: there are too many to that address."""
        group = self._admission.group(link.peer_address)
        if group is not None:
            others = self._groups.setdefault(group, set())
            if not _spare(others, self._most_of_address):
                return False
            others.add(link)
        self._links[link] = group
        return True

    def leave(self, link: "OutgoingConnection") -> None:
        group = self._links.pop(link, None)
        if group is not None:
            self._groups[group].discard(link)
            if not self._groups[group]:
                del self._groups[group]


def _spare(links: "Iterable[OutgoingConnection]", most: int) -> bool:
    """Whether there may be one more; where it gets tight, one that is not used is closed."""
    held = list(links)
    if len(held) >= max(1, int(most * TIGHT)):
        unused = min((link for link in held if link.spare), key=_last_use, default=None)
        if unused is not None:
            unused.finish()
    return len(held) < most


def _last_use(link: "OutgoingConnection") -> float:
    return link.used_at
