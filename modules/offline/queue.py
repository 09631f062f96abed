"""What is stored: the messages of each account, in the order in which they came."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import XML_LANG, Message, Repository, lenient_jid, ns, parse, table, transaction

BATCH = 100  # messages read at once
messages = table(
    "offline",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, primary_key=True),  # microseconds since 1970: the order
    # Both count on from message to message. A queue loses messages at its front only, so its two
    # ends tell how long and how large it is, however many there are in between.
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("upto", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("stanza", sa.LargeBinary, nullable=False),
)


def _of(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


MINE = sa.and_(
    messages.c.host == sa.bindparam("of_host", type_=sa.String),
    messages.c.user == sa.bindparam("of_user", type_=sa.String),
)


def _end(column: "sa.Column[int]", *, newest: bool) -> "sa.ScalarSelect[int]":
    """The column's value in the first or last message of a queue; NULL where it is empty."""
    order = messages.c.at.desc() if newest else messages.c.at.asc()
    return sa.select(column).where(MINE).order_by(order).limit(1).scalar_subquery()


def _store() -> sa.Insert:
    """Append one message, if the queue is not full: one statement, and so one visit."""
    column = messages.c
    last = {name: _end(column[name], newest=True) for name in ("at", "number", "upto")}
    first = {name: _end(column[name], newest=False) for name in ("number", "upto", "size")}
    count = sa.func.coalesce(last["number"] - first["number"] + 1, 0)
    size = sa.func.coalesce(last["upto"] - first["upto"] + first["size"], 0)
    row = sa.select(
        sa.bindparam("of_host", type_=sa.String),
        sa.bindparam("of_user", type_=sa.String),
        sa.case((last["at"] >= _of("now"), last["at"] + 1), else_=_of("now")),
        sa.func.coalesce(last["number"], 0) + 1,
        sa.func.coalesce(last["upto"], 0) + _of("bytes"),
        _of("bytes"),
        sa.bindparam("xml", type_=sa.LargeBinary),
    ).where(count < _of("max_count"), size + _of("bytes") <= _of("max_bytes"))
    names = ["host", "user", "at", "number", "upto", "size", "stanza"]
    return messages.insert().from_select(names, row).execution_options(preserve_rowcount=True)


STORE = _store()
NEXT = (
    sa.select(messages.c.at, messages.c.stanza)
    .where(MINE, messages.c.at > _of("after"))
    .order_by(messages.c.at)
    .limit(BATCH)
)
DROP = messages.delete().where(MINE, messages.c.at <= _of("until"))


class Queue(Repository):
    """The messages of each account, the oldest first."""

    @transaction
    def put(
        self, tx: Tx, user: str, now: int, xml: bytes, *, max_count: int, max_bytes: int
    ) -> bool:
        """False where the queue is full. `now` is in microseconds since 1970."""
        row = {"of_host": self.host, "of_user": user, "now": now, "xml": xml, "bytes": len(xml)}
        row |= {"max_count": max_count, "max_bytes": max_bytes}
        return tx.execute(STORE, row).rowcount > 0

    @transaction
    def after(self, tx: Tx, user: str, at: int) -> list[tuple[int, bytes]]:
        """The next ones, BATCH at most; in the writers' order, so that none is missed."""
        asked = {"of_host": self.host, "of_user": user, "after": at}
        return [(row.at, row.stanza) for row in tx.execute(NEXT, asked)]

    @transaction
    def drop(self, tx: Tx, user: str, until: int) -> None:
        tx.execute(DROP, {"of_host": self.host, "of_user": user, "until": until})

    @transaction
    def drop_all(self, tx: Tx, user: str) -> None:
        tx.execute(messages.delete().where(self.mine(messages, user=user)))


def read(xml: bytes) -> Message:
    """A stored message. Raises ValueError or KeyError for one that is damaged."""
    stanza = parse(xml, ns.CLIENT)
    if (stanza.ns, stanza.name) != (ns.CLIENT, "message"):
        raise ValueError("not a message")
    attrs = dict(stanza.attrs)
    return Message(
        lenient_jid(attrs.pop("to")),
        lenient_jid(attrs.pop("from")),
        attrs.pop("type", ""),
        attrs.pop("id", None),
        *stanza.elements,
        lang=attrs.pop(XML_LANG, None),
        extra=attrs or None,
    )
