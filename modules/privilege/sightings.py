"""The presence of contacts of elsewhere, as privileged entities are shown it."""

from collections import OrderedDict

from xmppd.api import JID, Presence

MOST = 20_000  # contacts; beyond that the oldest are forgotten


class Sightings:
    """The last presence of each full JID that is available."""

    def __init__(self) -> None:
        self._seen: OrderedDict[JID, Presence] = OrderedDict()

    def is_news(self, presence: Presence) -> bool:
        """Take note of it; whether it says something else than the last one did."""
        before = self._seen.pop(presence.from_, None)
        if presence.type == "unavailable":
            return before is not None
        self._seen[presence.from_] = presence
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)
        return before is None or before.raw != presence.raw

    def all(self) -> list[Presence]:
        return list(self._seen.values())
