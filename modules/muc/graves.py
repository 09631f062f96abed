"""Names of destroyed rooms: kept free for a while, so that nobody takes such a room over from
clients that enter it by themselves (XEP-0045 §10.9 leaves that to the service).
"""

import json
import time
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import JID, Element, Repository, StanzaError, query, table, transaction, upsert
from xmppd.modules.muc.names import USER, Affiliation
from xmppd.modules.muc.room import Room

graves = table(
    "muc_graves",
    sa.Column("room", sa.String, primary_key=True),  # local part
    sa.Column("until", sa.BigInteger, nullable=False),  # seconds since 1970
    sa.Column("venue", sa.Text, nullable=False),  # where to go instead; "" for nowhere
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("owners", sa.Text, nullable=False),  # JSON: bare JIDs, who may make it anew
)


class Grave(NamedTuple):
    """What is remembered of a room that was."""

    venue: str
    reason: str
    owners: list[str]


def of(room: Room, venue: Element) -> Grave:
    """`venue` is the `<destroy/>` that its occupants get."""
    owners = [str(owner) for owner in room.having(Affiliation.OWNER)]
    return Grave(venue.get("jid") or "", venue.child_text(USER, "reason") or "", owners)


def check(grave: Grave | None, user: JID) -> None:
    """May this user make a room of that name? Raises gone, with the address to go to."""
    if grave is None or user in grave.owners:
        return
    uri = f"xmpp:{grave.venue}?join" if grave.venue else None
    raise StanzaError("gone", grave.reason or "this room was destroyed", uri=uri)


class Graves(Repository):
    @query
    def find(self, tx: Tx, name: str) -> Grave | None:
        """None where there is none, or none any more."""
        here = sa.select(graves).where(self.mine(graves, room=name))
        row = tx.execute(here.where(graves.c.until > int(time.time()))).first()
        return None if row is None else Grave(row.venue, row.reason, json.loads(row.owners))

    @transaction
    def dig(self, tx: Tx, name: str, grave: Grave, lasting_s: float) -> None:
        """Also those go that are old enough."""
        now = int(time.time())
        tx.execute(graves.delete().where(self.mine(graves), graves.c.until <= now))
        owners = json.dumps(grave.owners, ensure_ascii=False)
        tx.execute(
            upsert(
                graves,
                host=self.host,
                room=name,
                until=now + int(lasting_s),
                venue=grave.venue,
                reason=grave.reason,
                owners=owners,
            )
        )

    @transaction
    def forget(self, tx: Tx, user: str) -> None:
        """An account is gone: who takes its name has owned nothing."""
        named = graves.c.owners.contains(json.dumps(user, ensure_ascii=False), autoescape=True)
        for row in tx.execute(sa.select(graves).where(self.mine(graves), named)).all():
            owners = [owner for owner in json.loads(row.owners) if owner != user]
            tx.execute(
                graves.update()
                .where(self.mine(graves, room=row.room))
                .values(owners=json.dumps(owners, ensure_ascii=False))
            )
