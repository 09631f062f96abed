"""What is stored of persistent rooms: configuration, affiliations, subject, recent history."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    JID,
    XML_LANG,
    Element,
    JIDError,
    Message,
    Repository,
    XMLError,
    lenient_jid,
    ns,
    parse,
    query,
    row_id,
    table,
    to_xml,
    transaction,
    upsert,
)
from xmppd.modules.muc import steps as steps  # loaded with the tables that they lead to
from xmppd.modules.muc.config import Config
from xmppd.modules.muc.history import Said, Tail
from xmppd.modules.muc.names import AFFILIATIONS
from xmppd.modules.muc.room import Room, Standing, Subject

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
rooms = table(
    "muc_rooms",
    sa.Column("room", sa.String, primary_key=True),  # local part
    sa.Column("created", sa.BigInteger, nullable=False),  # microseconds since 1970; unique
    sa.Column("public", sa.Boolean, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("config", sa.Text, nullable=False),  # JSON
    sa.Column("secret", sa.LargeBinary, nullable=False),  # of occupant ids
    sa.Column("subject", sa.Text, nullable=False),  # a <message/>; "" if there never was one
)
listed = sa.Index("muc_rooms_listed", rooms.c.host, rooms.c.public, rooms.c.created)
affiliations = table(
    "muc_affiliations",
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("user", sa.String, primary_key=True),  # bare JID, or a domain
    sa.Column("affiliation", sa.String, nullable=False),
    sa.Column("nick", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
of_user = sa.Index("muc_affiliations_user", affiliations.c.host, affiliations.c.user)
history = table(
    "muc_history",
    row_id("number"),
    sa.Column("room", sa.String, nullable=False),
    sa.Column("id", sa.String, nullable=False),  # the stanza-id
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970
    sa.Column("stanza", sa.LargeBinary, nullable=False),
)
of_room = sa.Index("muc_history_room", history.c.host, history.c.room, history.c.number)


extras = table(
    "muc_extras",
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),  # see `extras`
    sa.Column("value", sa.Text, nullable=False),
)


class Listed(NamedTuple):
    """A line in the list of rooms."""

    name: str
    title: str
    created: int


class Stored(NamedTuple):
    """A room as it lies in the database, plain values all."""

    created: int
    config: str
    secret: bytes
    subject: str
    standings: list[tuple[str, str, str, str]]  # user, affiliation, nick, reason
    history: list[tuple[str, int, bytes]]
    extras: dict[str, str]


class Kept(NamedTuple):
    """A message to be stored, and how many its room keeps."""

    room: str
    id: str
    at: int
    stanza: bytes
    most: int


class Rooms(Repository):
    """The rooms of one service."""

    @transaction  # not a query: it must see what other writers are about to commit
    def get(self, tx: Tx, name: str, most: int) -> Stored | None:
        row = tx.execute(sa.select(rooms).where(self.mine(rooms, room=name))).first()
        if row is None:
            return None
        people = tx.execute(
            sa.select(
                affiliations.c.user,
                affiliations.c.affiliation,
                affiliations.c.nick,
                affiliations.c.reason,
            ).where(self.mine(affiliations, room=name))
        )
        return Stored(
            row.created,
            row.config,
            row.secret,
            row.subject,
            [(each.user, each.affiliation, each.nick, each.reason) for each in people],
            self._history(tx, name, most),
            self._extras(tx, name),
        )

    def _extras(self, tx: Tx, name: str) -> dict[str, str]:
        chosen = sa.select(extras.c.name, extras.c.value).where(self.mine(extras, room=name))
        return {row.name: row.value for row in tx.execute(chosen)}

    @transaction
    def put_extra(self, tx: Tx, room: str, name: str, value: str) -> None:
        """A piece of what else is remembered; "" for nothing."""
        self._put_extras(tx, room, {name: value})

    def _put_extras(self, tx: Tx, room: str, pieces: dict[str, str]) -> None:
        for name, value in pieces.items():
            if value:
                tx.execute(upsert(extras, host=self.host, room=room, name=name, value=value))
            else:
                tx.execute(extras.delete().where(self.mine(extras, room=room, name=name)))

    def _history(self, tx: Tx, name: str, most: int) -> list[tuple[str, int, bytes]]:
        newest = (
            sa.select(history.c.id, history.c.at, history.c.stanza)
            .where(self.mine(history, room=name))
            .order_by(history.c.number.desc())
            .limit(most)
        )
        return [(row.id, row.at, row.stanza) for row in tx.execute(newest)][::-1]

    @transaction
    def put(self, tx: Tx, room: "Record") -> None:
        """Create the room, or store its configuration and subject anew."""
        tx.execute(upsert(rooms, host=self.host, **room._asdict()))

    @transaction
    def put_whole(
        self,
        tx: Tx,
        room: "Record",
        people: list[tuple[str, Standing]],
        said: list[Kept],
        pieces: dict[str, str],
    ) -> None:
        """A room that was in memory only becomes persistent; of an older one of that name nothing
        is left.
        """
        self._drop(tx, room.room)
        tx.execute(upsert(rooms, host=self.host, **room._asdict()))
        self._stand(tx, room.room, people)
        self._append(tx, said)
        self._put_extras(tx, room.room, pieces)

    @transaction
    def configure(
        self,
        tx: Tx,
        room: "Record",
        people: list[tuple[str, Standing]],
        pieces: dict[str, str],
    ) -> None:
        """The owner's form, all of it or nothing."""
        self._put_extras(tx, room.room, pieces)
        tx.execute(upsert(rooms, host=self.host, **room._asdict()))
        self._stand(tx, room.room, people)

    @transaction
    def stand(
        self, tx: Tx, name: str, people: list[tuple[str, Standing]], pieces: dict[str, str]
    ) -> None:
        """Store affiliations, all of them or none."""
        self._put_extras(tx, name, pieces)
        self._stand(tx, name, people)

    def _stand(self, tx: Tx, name: str, people: Iterable[tuple[str, Standing]]) -> None:
        for user, standing in people:
            if standing.affiliation.word == "none" and not standing.nick:
                tx.execute(
                    affiliations.delete().where(self.mine(affiliations, room=name, user=user))
                )
                continue
            tx.execute(
                upsert(
                    affiliations,
                    host=self.host,
                    room=name,
                    user=user,
                    affiliation=standing.affiliation.word,
                    nick=standing.nick,
                    reason=standing.reason,
                )
            )

    @transaction
    def drop(self, tx: Tx, name: str) -> None:
        self._drop(tx, name)

    def _drop(self, tx: Tx, name: str) -> None:
        for each in (rooms, affiliations, history, extras):
            tx.execute(each.delete().where(self.mine(each, room=name)))

    @transaction
    def append(self, tx: Tx, said: list[Kept], trim: bool) -> None:
        """Store messages; with `trim` the oldest of their rooms go."""
        self._append(tx, said, trim=trim)

    @transaction
    def rewrite(self, tx: Tx, name: str, id: str, stanza: bytes) -> None:
        """Something else in the place of a message."""
        mine = self.mine(history, room=name, id=id)
        tx.execute(history.update().where(mine).values(stanza=stanza))

    def _append(self, tx: Tx, said: list[Kept], *, trim: bool = True) -> None:
        if not said:
            return
        rows = [
            {"host": self.host, "room": k.room, "id": k.id, "at": k.at, "stanza": k.stanza}
            for k in said
        ]
        tx.execute(history.insert(), rows)
        for name, most in {kept.room: kept.most for kept in said if trim}.items():
            self._trim(tx, name, most)

    def _trim(self, tx: Tx, name: str, most: int) -> None:
        """Keep the newest `most`."""
        mine = self.mine(history, room=name)
        newest = sa.select(history.c.number).where(mine).order_by(history.c.number.desc())
        last = tx.scalar(newest.offset(most).limit(1))
        if last is not None:
            tx.execute(history.delete().where(mine, history.c.number <= last))

    @transaction
    def forget(self, tx: Tx, user: str) -> None:
        """An account is gone: who takes the name next is not the same person, and has none of its
        hats or voices.
        """
        named = extras.c.value.contains(json.dumps(user, ensure_ascii=False), autoescape=True)
        about = sa.select(extras).where(self.mine(extras), named)
        for row in tx.execute(about).all():
            self._put_extras(tx, row.room, {row.name: without_user(row.value, user)})
        tx.execute(affiliations.delete().where(self.mine(affiliations, user=user)))

    # Lists

    @query
    def listed(
        self, tx: Tx, after: int, before: int | None, most: int, *, backwards: bool = False
    ) -> list[Listed]:
        """Public rooms created between these, the oldest first; backwards: the newest of them."""
        mine = self.mine(rooms, public=True)
        column = rooms.c.created
        found = sa.select(rooms.c.room, rooms.c.title, column).where(mine, column > after)
        if before is not None:
            found = found.where(column < before)
        found = found.order_by(column.desc() if backwards else column).limit(most)
        lines = [Listed(row.room, row.title, row.created) for row in tx.execute(found)]
        return lines[::-1] if backwards else lines

    @query
    def searched(self, tx: Tx, words: list[str], most: int) -> list[tuple[str, str]]:
        """Public rooms in which these words occur somewhere, with their configuration."""
        chosen = sa.select(rooms.c.room, rooms.c.config).where(self.mine(rooms, public=True))
        for word in words:
            text = sa.func.lower(rooms.c.room + " " + rooms.c.config)
            chosen = chosen.where(text.contains(word, autoescape=True))
        found = tx.execute(chosen.order_by(rooms.c.room).limit(most))
        return [(row.room, row.config) for row in found]

    @query
    def count(self, tx: Tx) -> int:
        public = self.mine(rooms, public=True)
        return tx.scalar(sa.select(sa.func.count()).select_from(rooms).where(public)) or 0

    @query
    def created(self, tx: Tx, name: str) -> int | None:
        """When a public room was made; None if there is none of that name."""
        mine = self.mine(rooms, room=name, public=True)
        return tx.scalar(sa.select(rooms.c.created).where(mine))

    @query
    def last_said(self, tx: Tx, name: str) -> int:
        """When, in microseconds since 1970; 0 for never, or where there is an archive."""
        newest = sa.select(sa.func.max(history.c.at)).where(self.mine(history, room=name))
        return tx.scalar(newest) or 0

    @query
    def all(self, tx: Tx, after: int, most: int) -> list[Listed]:
        """All rooms, for the operator, in pages."""
        found = sa.select(rooms.c.room, rooms.c.title, rooms.c.created)
        found = found.where(self.mine(rooms), rooms.c.created > after)
        found = found.order_by(rooms.c.created).limit(most)
        return [Listed(row.room, row.title, row.created) for row in tx.execute(found)]


class Record(NamedTuple):
    """A row of `rooms`, without the host."""

    room: str
    created: int
    public: bool
    title: str
    config: str
    secret: bytes
    subject: str


def without_user(text: str, user: str) -> str:
    """A piece of `extras` in which the user does not occur any more."""
    value = json.loads(text)
    if isinstance(value, list):
        value = [pair for pair in value if user not in pair]
    elif "worn" in value:
        value["worn"].pop(user, None)
    return json.dumps(value, ensure_ascii=False) if value else ""


def record(room: Room, config: Config | None = None, subject: Subject | None = None) -> Record:
    """The room's row, with what shall be different."""
    config = room.config if config is None else config
    about = room.subject if subject is None else subject
    return Record(
        room.name,
        room.created,
        config.public,
        config.name,
        config.to_json(),
        room.secret,
        subject_text(about),
    )


def standings(room: Room) -> list[tuple[str, Standing]]:
    return [(str(user), standing) for user, standing in room.standings.items()]


def kept(room: Room, said: Said) -> Kept:
    return Kept(
        room.name, said.id, micros(said.at), message_xml(said.message), room.config.history
    )


def revive(address: JID, stored: Stored) -> Room:
    """The room as it was stored."""
    room = Room(address, bytes(stored.secret), Config.from_json(stored.config))
    room.created = stored.created
    for user, word, nick, reason in stored.standings:
        room.stand(lenient_jid(user), Standing(AFFILIATIONS[word], nick, reason))
    room.subject = read_subject(stored.subject)
    room.tail = Tail()
    for id, at, stanza in stored.history:
        message = read_message(stanza)
        if message is not None:
            room.tail.append(Said(id, moment(at), message), room.config.history)
    return room


# Moments and messages as they are stored


def micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)


def message_xml(message: Message) -> bytes:
    return message.write()


def read_message(xml: bytes) -> Message | None:
    """None for what is damaged."""
    try:
        stanza = parse(xml, ns.CLIENT)
        attrs = dict(stanza.attrs)
        to, from_ = lenient_jid(attrs.pop("to")), lenient_jid(attrs.pop("from"))
    except (XMLError, JIDError, KeyError):
        return None
    return Message(
        to,
        from_,
        attrs.pop("type", ""),
        attrs.pop("id", None),
        *stanza.elements,
        lang=attrs.pop(XML_LANG, None),
        extra=attrs or None,
    )


def subject_text(subject: Subject) -> str:
    if subject.at is None or subject.by is None:
        return ""
    attrs = {"from": subject.by, "id": str(micros(subject.at))}
    return to_xml(Element(ns.CLIENT, "message", attrs, *subject.elements))


def read_subject(text: str) -> Subject:
    if not text:
        return Subject()
    stanza = parse(text, ns.CLIENT)
    at = moment(int(stanza.get("id") or "0"))
    return Subject(tuple(stanza.elements), lenient_jid(stanza.get("from") or ""), at)
