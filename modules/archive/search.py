"""Search by words (XEP-0431 0.2.0): SQLite's FTS5, PostgreSQL's text search.

An archive is indexed when its owner searches it: what has come since the last time, in pieces. Who
never searches pays nothing, and a message on its way waits for no index.
"""

import re
from hashlib import blake2b

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import XMLError, ns, parse, row_id, table, upsert

PIECE = 500  # messages indexed in one transaction
MOST_CHARACTERS = 65536  # of one message
_word = re.compile(r"\w+").findall

words = table(
    "archive_words",
    row_id(),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("scope", sa.String, nullable=False),  # host and owner as a word of the index
    sa.Column("words", sa.Text, nullable=False),
)
sa.Index("archive_words_by_owner", words.c.host, words.c.owner, words.c.number)
indexed = table(
    "archive_indexed",
    sa.Column("owner", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),  # up to here
)
# The index follows the table by itself: https://www.sqlite.org/fts5.html#external_content_tables
FOR_SQLITE = (
    "CREATE VIRTUAL TABLE archive_fts USING fts5"
    "(scope, words, content='archive_words', content_rowid='id')",
    "CREATE TRIGGER archive_words_added AFTER INSERT ON archive_words BEGIN"
    " INSERT INTO archive_fts(rowid, scope, words) VALUES (new.id, new.scope, new.words); END",
    "CREATE TRIGGER archive_words_gone AFTER DELETE ON archive_words BEGIN"
    " INSERT INTO archive_fts(archive_fts, rowid, scope, words)"
    " VALUES ('delete', old.id, old.scope, old.words); END",
)
FOR_POSTGRESQL = (
    "CREATE INDEX archive_words_text ON archive_words USING gin (to_tsvector('simple', words))",
)
for _dialect, _statements in (("sqlite", FOR_SQLITE), ("postgresql", FOR_POSTGRESQL)):
    for _statement in _statements:
        _create = sa.DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        sa.event.listen(words, "after_create", _create)
_in_sqlite = sa.text("SELECT rowid FROM archive_fts WHERE archive_fts MATCH :wanted")


def matching(tx: Tx, host: str, owner: str, text: str) -> sa.Select[tuple[int]]:
    """The numbers of an archive's messages that have all words of `text`."""
    mine = sa.select(words.c.number).where(words.c.host == host, words.c.owner == owner)
    wanted = list(dict.fromkeys(_word(text)))
    if not wanted:
        return mine.where(sa.false())
    if tx.dialect.name == "sqlite":
        phrases = " ".join(f'"{word}"' for word in wanted)
        expression = f"scope : {_scope(host, owner)} AND words : ({phrases})"
        found = _in_sqlite.bindparams(wanted=expression).columns(sa.column("rowid", sa.Integer))
        return mine.where(words.c.id.in_(found))
    vector = sa.text(
        "to_tsvector('simple', archive_words.words) @@ plainto_tsquery('simple', :wanted)"
    )
    return mine.where(vector.bindparams(wanted=" ".join(wanted)))


def bring_up(tx: Tx, archive: sa.Table, host: str, owner: str) -> bool:
    """Index what has come since the last time, a piece of it; more to do?"""
    at = sa.select(indexed.c.number).where(indexed.c.host == host, indexed.c.owner == owner)
    after = tx.scalar(at) or 0
    column = archive.c
    found = sa.select(column.number, column.stanza).where(
        column.host == host, column.owner == owner, column.number > after
    )
    rows = tx.execute(found.order_by(column.number).limit(PIECE)).all()
    if not rows:
        return False
    scope = _scope(host, owner)
    new = [
        {"host": host, "owner": owner, "number": row.number, "scope": scope, "words": text}
        for row in rows
        if (text := _text(row.stanza))
    ]
    if new:
        tx.execute(words.insert(), new)
    tx.execute(upsert(indexed, host=host, owner=owner, number=rows[-1].number))
    return len(rows) == PIECE


def drop(tx: Tx, host: str, owner: str) -> None:
    for each in (words, indexed):
        tx.execute(each.delete().where(each.c.host == host, each.c.owner == owner))


def _scope(host: str, owner: str) -> str:
    return "s" + blake2b(f"{host}\0{owner}".encode(), digest_size=10).hexdigest()


def _text(stanza: bytes) -> str:
    """The bodies and subjects of a stored message; "" for a damaged one."""
    try:
        children = parse(stanza, ns.CLIENT).all(ns.CLIENT)
    except (XMLError, ValueError):
        return ""
    texts = [child.text for child in children if child.name in ("body", "subject")]
    return "\n".join(texts)[:MOST_CHARACTERS]
