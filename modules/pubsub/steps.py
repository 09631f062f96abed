"""From the tables of earlier versions to those of today. A step that is here is never changed."""

from typing import TYPE_CHECKING

import sqlalchemy as sa

from xmppd.api import Step

if TYPE_CHECKING:
    from alembic.operations import Operations

# Both changes were made before there were steps, so they may have been made already.


def _count_characters(op: "Operations") -> None:
    names = {each["name"] for each in sa.inspect(op.get_bind()).get_columns("pubsub_node")}
    if "length" in names:
        return
    length = sa.Column("length", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("pubsub_node", length)
    op.execute(
        "UPDATE pubsub_node SET length = coalesce("
        "(SELECT sum(length(xml)) FROM pubsub_item WHERE pubsub_item.node = pubsub_node.id), 0)"
    )


def _key_by_subid(op: "Operations") -> None:
    """SQLite cannot change a key; so the table is made anew, the same way on both databases."""
    key = sa.inspect(op.get_bind()).get_pk_constraint("pubsub_subscription")
    if "subid" in key["constrained_columns"]:
        return
    op.execute("CREATE TEMPORARY TABLE held AS SELECT * FROM pubsub_subscription")
    op.drop_table("pubsub_subscription")
    op.create_table(
        "pubsub_subscription",
        sa.Column("host", sa.String, primary_key=True, nullable=False),
        sa.Column("node", sa.BigInteger, primary_key=True),
        sa.Column("jid", sa.String, primary_key=True),
        sa.Column("subid", sa.String, primary_key=True),
        sa.Column("bare", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
    )
    op.execute(
        "INSERT INTO pubsub_subscription (host, node, jid, subid, bare, state, options)"
        " SELECT host, node, jid, subid, bare, state, options FROM held"
    )
    op.drop_table("held")
    op.create_index("pubsub_subscription_bare", "pubsub_subscription", ["host", "bare"])
    op.create_index("pubsub_subscription_state", "pubsub_subscription", ["host", "state"])


MIGRATIONS = [
    Step(2, "nodes know how much they hold", _count_characters),
    Step(3, "an address may subscribe several times", _key_by_subid),
]
