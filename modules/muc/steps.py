"""From the tables of earlier versions to those of today. A step that is here is never changed."""

from typing import TYPE_CHECKING

import sqlalchemy as sa

from xmppd.api import Step

if TYPE_CHECKING:
    from alembic.operations import Operations


def _add_tables(op: "Operations") -> None:
    """They came one after the other before there were steps; some may be there."""
    op.create_table(
        "muc_resting",
        sa.Column("host", sa.String, primary_key=True, nullable=False),
        sa.Column("room", sa.String, primary_key=True),
        sa.Column("data", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "muc_extras",
        sa.Column("host", sa.String, primary_key=True, nullable=False),
        sa.Column("room", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "muc_graves",
        sa.Column("host", sa.String, primary_key=True, nullable=False),
        sa.Column("room", sa.String, primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("owners", sa.Text, nullable=False),
        if_not_exists=True,
    )


MIGRATIONS = [Step(2, "what rests, what rooms have beside, names of destroyed rooms", _add_tables)]
