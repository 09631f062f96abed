"""Publish-subscribe: one engine with two faces, a service of its own and every account."""

from xmppd.modules.pubsub.face import (
    Change,
    item_published,
    item_retracted,
    items_changing,
    node_created,
    node_deleted,
    node_purged,
)
from xmppd.modules.pubsub.model import Item
from xmppd.modules.pubsub.pep import Pep, pep_notifying
from xmppd.modules.pubsub.service import Pubsub

__all__ = [
    "Change",
    "Item",
    "Pep",
    "Pubsub",
    "item_published",
    "item_retracted",
    "items_changing",
    "node_created",
    "node_deleted",
    "node_purged",
    "pep_notifying",
]
