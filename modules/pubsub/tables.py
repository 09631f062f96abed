"""The tables of both faces: `service` is the address of a pubsub service, or an account's."""

import sqlalchemy as sa

from xmppd.api import row_id, table
from xmppd.modules.pubsub import steps as steps  # loaded with the tables that they lead to

nodes = table(
    "pubsub_node",
    row_id(),
    sa.Column("service", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("creator", sa.String, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("config", sa.Text, nullable=False),
    # What statements ask of the configuration.
    sa.Column("expire_s", sa.BigInteger),  # NULL: items stay
    sa.Column("by_presence", sa.Boolean, nullable=False),  # the presence of subscribers matters
    # How many items there are: counting them would take longer with each.
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),  # of their XML, in characters
    sa.UniqueConstraint("host", "service", "name"),
    sa.Index("pubsub_node_creator", "host", "creator"),
    sa.Index("pubsub_node_expire", "expire_s"),
)
affiliations = table(
    "pubsub_affiliation",
    sa.Column("node", sa.BigInteger, primary_key=True),
    sa.Column("jid", sa.String, primary_key=True),
    sa.Column("affiliation", sa.String, nullable=False),
    sa.Index("pubsub_affiliation_jid", "host", "jid"),
)
subscriptions = table(
    "pubsub_subscription",
    sa.Column("node", sa.BigInteger, primary_key=True),
    sa.Column("jid", sa.String, primary_key=True),
    sa.Column("subid", sa.String, primary_key=True),
    sa.Column("bare", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Index("pubsub_subscription_bare", "host", "bare"),
    sa.Index("pubsub_subscription_state", "host", "state"),
)
items = table(
    "pubsub_item",
    row_id("seq"),  # the order of publication, also of what is published again
    sa.Column("node", sa.BigInteger, nullable=False),
    sa.Column("id", sa.String, nullable=False),
    sa.Column("publisher", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970
    sa.Column("xml", sa.Text, nullable=False),
    sa.UniqueConstraint("node", "id"),
    sa.Index("pubsub_item_order", "node", "seq"),
)
moved = table(
    "pubsub_moved",
    row_id(),
    sa.Column("service", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("uri", sa.Text, nullable=False),
    sa.UniqueConstraint("host", "service", "name"),
)
