"""Nodes, subscriptions, affiliations and items, and who may do what (XEP-0060 §4). No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from xmppd.api import JID
from xmppd.modules.pubsub.config import NodeConfig, PublishModel
from xmppd.modules.pubsub.options import SubscriptionOptions

MAX_ID_BYTES: Final = 1023  # of the names of nodes and items: as of a resource (§4.6.2)


class Affiliation(StrEnum):
    """What an entity is to a node, for good (§4.1)."""

    OWNER = "owner"
    PUBLISHER = "publisher"
    PUBLISH_ONLY = "publish-only"
    MEMBER = "member"
    NONE = "none"
    OUTCAST = "outcast"


READING: Final = (Affiliation.OWNER, Affiliation.PUBLISHER, Affiliation.MEMBER)
PUBLISHING: Final = (Affiliation.OWNER, Affiliation.PUBLISHER, Affiliation.PUBLISH_ONLY)


class State(StrEnum):
    """How far a subscription has come (§4.2); `unconfigured` does not happen here."""

    NONE = "none"
    PENDING = "pending"
    SUBSCRIBED = "subscribed"


class Item(NamedTuple):
    """What was published: the payload as XML, "" for none. `at` is in microseconds since 1970."""

    id: str
    publisher: JID
    at: int
    xml: str
    seq: int = 0  # counts on through all items of a database: the order of publication


@dataclass(slots=True)
class Subscription:
    """Of one JID, bare or full; `subid` tells it from others of the same JID (§6.1.6)."""

    jid: JID
    state: State
    subid: str
    options: SubscriptionOptions = field(default_factory=SubscriptionOptions)

    @property
    def key(self) -> tuple[JID, str]:
        return self.jid, self.subid

    def current(self, now: int) -> bool:
        """Approved, and its lease has not ended (§12.18)."""
        return self.state is State.SUBSCRIBED and not self.over(now)

    def over(self, now: int) -> bool:
        """Whether its lease has ended."""
        expire = self.options.expire
        return expire is not None and expire <= now


@dataclass(slots=True)
class Node:
    """A leaf node, as it is stored. Changed in memory only when the change is committed."""

    id: int
    service: JID
    name: str
    creator: JID
    created: int
    config: NodeConfig
    affiliations: dict[JID, Affiliation]
    subscriptions: dict[tuple[JID, str], Subscription]  # by JID and subid

    @property
    def key(self) -> tuple[JID, str]:
        return self.service, self.name

    def affiliation(self, who: JID) -> Affiliation:
        """Affiliations are of bare JIDs (§4.1)."""
        return self.affiliations.get(who.bare, Affiliation.NONE)

    def owners(self) -> list[JID]:
        return [jid for jid, its in self.affiliations.items() if its is Affiliation.OWNER]

    def publishers(self) -> list[JID]:
        return [jid for jid, its in self.affiliations.items() if its is Affiliation.PUBLISHER]

    def of(self, who: JID) -> Iterator[Subscription]:
        """All subscriptions of an entity, by whatever resource."""
        bare = who.bare
        return (each for each in self.subscriptions.values() if each.jid.bare == bare)

    def held(self, by: JID) -> list[Subscription]:
        """The subscriptions of just this JID, the first one first."""
        return [each for each in self.subscriptions.values() if each.jid == by]

    def put(self, it: Subscription) -> None:
        self.subscriptions[it.key] = it

    def remove(self, it: Subscription) -> bool:
        """Whether it was still there."""
        return self.subscriptions.pop(it.key, None) is not None

    def subscribed(self, who: JID, now: int) -> bool:
        return any(each.current(now) for each in self.of(who))

    def hearers(self, now: int) -> list[JID]:
        """The JIDs that subscribed and want to be told, each once (§6.1.6, §12.2)."""
        return list(dict.fromkeys(each.jid for each in self._delivering(now)))

    def several(self, now: int) -> dict[JID, list[str]]:
        """The subids of those JIDs that want to be told by more than one subscription."""
        found: dict[JID, list[str]] = {}
        for each in self._delivering(now):
            found.setdefault(each.jid, []).append(each.subid)
        return {who: subids for who, subids in found.items() if len(subids) > 1}

    def _delivering(self, now: int) -> Iterator[Subscription]:
        out = {who for who, its in self.affiliations.items() if its is Affiliation.OUTCAST}
        return (
            each
            for each in self.subscriptions.values()
            if each.state is State.SUBSCRIBED
            and each.options.deliver
            and (each.options.expire is None or each.current(now))
            and each.jid.bare not in out
        )

    def may_publish(self, who: JID, affiliation: Affiliation, now: int) -> bool:
        """By affiliation, or by the publish model (§4.1, pubsub#publish_model)."""
        if affiliation is Affiliation.OUTCAST:
            return False
        model = self.config.publish_model
        return (
            affiliation in PUBLISHING
            or model is PublishModel.OPEN
            or (model is PublishModel.SUBSCRIBERS and self.subscribed(who, now))
        )


def well_named(name: str) -> bool:
    """Whether a node or item may be called that."""
    return bool(name) and len(name) <= MAX_ID_BYTES and len(name.encode()) <= MAX_ID_BYTES
