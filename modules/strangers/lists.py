"""Ban lists that others keep: nodes whose items are named by SHA-256 hashes of addresses.

The node is read (XEP-0060 §6.5, in pages by XEP-0059), subscribed to, and then it tells what comes
and goes (§7.1.2.1, §7.2.2.1).
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from xmppd.api import JID, Element, Host, Message, StanzaError, ns

MOST_HASHES: Final = 500_000  # of one list
MOST_PAGES: Final = 5000
HEX: Final = frozenset("0123456789abcdef")
RSM: Final = ns.RSM
EVENT: Final = ns.PUBSUB_EVENT


@lru_cache(maxsize=4096)
def hashed(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()


class BanList:
    """One node. What it held when it was last heard from holds until it says otherwise."""

    def __init__(self, host: Host, service: JID, node: str) -> None:
        self.service = service
        self.node = node
        self.hashes: set[str] = set()
        self._host = host

    def names(self, who: JID) -> bool:
        """Whether an address, or its whole domain, is banned."""
        hashes = self.hashes
        return bool(hashes) and (hashed(who.bare) in hashes or hashed(who.domain) in hashes)

    async def refresh(self) -> None:
        """Subscribe, and read all of it. Raises StanzaError."""
        asked = Element(ns.PUBSUB, "subscribe", {"node": self.node, "jid": str(self._host.domain)})
        await self._ask("set", asked)
        found: set[str] = set()
        after: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._page(after)
            ids = [item.get("id") or "" for item in page.elements if item.name == "item"]
            found.update(filter(well_formed, ids))
            after = _last(page)
            if not ids or after is None or len(found) >= MOST_HASHES:
                break
        self.hashes = found

    async def _page(self, after: str | None) -> Element:
        paging = Element(RSM, "set", None, Element(RSM, "max", None, "500"))
        if after is not None:
            paging.append(Element(RSM, "after", None, after))
        answer = await self._ask("get", Element(ns.PUBSUB, "items", {"node": self.node}), paging)
        whole = answer.child(ns.PUBSUB, "items") or Element(ns.PUBSUB, "items")
        end = answer.child(RSM, "set")
        if end is not None:
            whole.append(end)
        return whole

    async def _ask(self, type: str, *asked: Element) -> Element:
        payload = Element(ns.PUBSUB, "pubsub", None, *asked)
        host = self._host
        answer = await host.questions.ask(self.service, host.domain, type, payload)
        found = answer.payload if answer.payloads else Element(ns.PUBSUB, "pubsub")
        if (found.ns, found.name) not in ((ns.PUBSUB, "pubsub"),):
            raise StanzaError("undefined-condition", "that is no answer of a pubsub service")
        return found

    def hear(self, message: Message) -> bool:
        """Take what a notification says; whether it was one of this node."""
        event = message.child(EVENT, "event")
        if event is None or message.from_ != self.service:
            return False
        about = [each for each in event.elements if each.get("node") == self.node]
        for each in about:
            self._obey(each)
        return bool(about)

    def _obey(self, about: Element) -> None:
        if about.name in ("purge", "delete"):
            self.hashes.clear()
        for each in about.elements:
            id_ = each.get("id") or ""
            change: Callable[[str], None] = self.hashes.add
            if each.name == "retract":
                change = self.hashes.discard
            if well_formed(id_) and (each.name == "retract" or len(self.hashes) < MOST_HASHES):
                change(id_)


def well_formed(id_: str) -> bool:
    return len(id_) == 64 and HEX.issuperset(id_)


def _last(page: Element) -> str | None:
    end = page.child(RSM, "set")
    return None if end is None else end.child_text(RSM, "last")
