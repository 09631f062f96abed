"""How often somebody may ask the owners of a node for approval: each request is a message to
them all, and stored for those that are away.
"""

from collections import OrderedDict
from typing import Final

from xmppd.api import JID

MOST: Final = 5  # requests of one entity to one node
WITHIN: Final = 3600 * 1_000_000  # microseconds
REMEMBERED: Final = 10_000


class Asking:
    """Who has asked lately."""

    def __init__(self) -> None:
        self._since: OrderedDict[tuple[int, JID], tuple[int, int]] = OrderedDict()

    def may(self, node: int, who: JID, now: int) -> bool:
        """Whether `who` may ask once more; counted as asked."""
        since, times = self._since.pop((node, who), (now, 0))
        if now - since > WITHIN:
            since, times = now, 0
        self._since[node, who] = since, times + 1
        if len(self._since) > REMEMBERED:
            self._since.popitem(last=False)
        return times < MOST
