"""Announcements: administrators tell something to all who are online.

A message to `example.org/announce/online` goes to every online user at once. One to
`example.org/announce/motd` also becomes the message of the day, which who comes online later gets
once; `.../motd/update` only does that, and `.../motd/delete` ends it. From others: forbidden.
"""

import secrets
from collections.abc import Awaitable, Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    JID,
    LATE,
    STOP,
    CommandError,
    Element,
    Message,
    Module,
    Options,
    Presence,
    Repository,
    Session,
    Stanza,
    StanzaError,
    Stop,
    XMLError,
    command,
    events,
    insert_ignore,
    ns,
    on,
    option,
    parse,
    table,
    to_xml,
    transaction,
    upsert,
)

ONLINE, MOTD = "announce/online", "announce/motd"
UPDATE, DELETE = "announce/motd/update", "announce/motd/delete"
PLACES = (ONLINE, MOTD, UPDATE, DELETE)
AT_ONCE = 500  # users told before other work has its turn
NOT_TOLD = (ns.STANZA_IDS, ns.DELAY, ns.HINTS)  # of the administrator's message
boards = table(
    "motd",
    sa.Column("id", sa.String, nullable=False),
    sa.Column("xml", sa.Text, nullable=False),  # a <message/> with what it says
)
readers = table("motd_readers", sa.Column("user", sa.String, primary_key=True))


class AnnounceOptions(Options):
    motd: bool = option(True, "Allow a message of the day.")


class Board(Repository):
    """The message of the day and who has read it."""

    @transaction
    def current(self, tx: Tx) -> tuple[str, str] | None:
        row = tx.execute(sa.select(boards.c.id, boards.c.xml).where(self.mine(boards))).first()
        return None if row is None else (row.id, row.xml)

    @transaction
    def put(self, tx: Tx, id: str, xml: str, read_by: list[JID]) -> None:
        tx.execute(readers.delete().where(self.mine(readers)))
        tx.execute(upsert(boards, host=self.host, id=id, xml=xml))
        rows = [{"host": self.host, "user": user.local} for user in read_by]
        if rows:
            tx.execute(readers.insert(), rows)

    @transaction
    def read(self, tx: Tx, id: str, user: str) -> bool:
        """Whether `user` reads the message `id` for the first time: now."""
        if tx.scalar(sa.select(boards.c.id).where(self.mine(boards))) != id:
            return False  # it was replaced meanwhile
        return tx.execute(insert_ignore(readers, host=self.host, user=user)).rowcount > 0

    @transaction
    def drop(self, tx: Tx) -> None:
        tx.execute(readers.delete().where(self.mine(readers)))
        tx.execute(boards.delete().where(self.mine(boards)))

    @transaction
    def forget(self, tx: Tx, user: str) -> None:
        tx.execute(readers.delete().where(self.mine(readers, user=user)))


class Motd(NamedTuple):
    """The message of the day; `id` tells it from those before it."""

    id: str
    message: Message


class Announcements(Module):
    name = "announce"
    options: AnnounceOptions
    board: Board
    motd: Motd | None = None

    async def start(self) -> None:
        kept = await self.board.current()
        if kept is None:
            return
        try:
            self.motd = Motd(kept[0], self._message(parse(kept[1]).elements))
        except XMLError:
            self.log.failure("announce: the message of the day is damaged")

    # Administrators

    @on(events.host_receives)
    def announce(self, stanza: Stanza) -> Stop | None:
        """A message to one of the addresses; others than administrators get forbidden."""
        place = stanza.to.resource
        if place not in PLACES or not isinstance(stanza, Message) or stanza.type == "error":
            return None
        if place != ONLINE and not self.options.motd:
            return None
        if not self.host.is_admin(stanza.from_):
            raise StanzaError("forbidden")
        if place == DELETE:
            self.background(self._or_bounce(stanza, self._end()))
        else:
            self.background(self._or_bounce(stanza, self._publish(place, self._from(stanza))))
        return STOP

    async def _or_bounce(self, asked: Message, work: Awaitable[None]) -> None:
        """The administrator hears of it where it fails."""
        try:
            await work
        except Exception:
            error = StanzaError("internal-server-error", "the announcement failed", type="wait")
            self._route_back(asked, error)
            raise

    def _route_back(self, asked: Message, error: StanzaError) -> None:
        done = self.host.router.bounce(asked, error)
        if done is not None:
            self.background(done)

    def _from(self, stanza: Message) -> Message:
        """What the administrator wrote, as the host's own message. Raises bad-request."""
        if not any(stanza.has(ns.CLIENT, name) for name in ("body", "subject")):
            raise StanzaError("bad-request", "there is no text in it")
        return self._message([each for each in stanza.children if each.ns not in NOT_TOLD])

    def _message(self, content: Iterable[Element]) -> Message:
        """A headline: for who is there now, kept for nobody (RFC 6121 §5.2.2)."""
        return Message(self.host.domain, self.host.domain, "headline", None, *content)

    async def _publish(self, place: str, message: Message) -> None:
        online = self.online()
        if place != ONLINE:
            await self._keep(message, online if place == MOTD else [])
        if place != UPDATE:
            await self._tell(message, online)

    async def _keep(self, message: Message, told: list[JID]) -> None:
        motd = Motd(secrets.token_hex(8), message)
        kept = to_xml(Element(ns.CLIENT, "message", None, *message.children))
        await self.board.put(motd.id, kept, told)
        self.motd = motd

    async def _end(self) -> None:
        await self.board.drop()
        self.motd = None

    async def _tell(self, message: Message, users: list[JID]) -> None:
        for number, user in enumerate(users, 1):
            await self._send(message.copy(to=user))
            if number % AT_ONCE == 0:
                await self.pause(0)

    async def _send(self, message: Message) -> None:
        done = self.host.router.route(message)
        if done is not None:
            await done

    def online(self) -> list[JID]:
        """The users with a session that takes messages."""
        sessions = self.host.sessions
        return [user for user in sessions.users() if any(map(takes, sessions.of(user)))]

    @command("announce", "Tell something to all online users of a host.", text="What to say.")
    async def say(self, text: str) -> str:
        if not text.strip():
            raise CommandError("there is nothing to say")
        online = self.online()
        body = Element(ns.CLIENT, "body", None, text)
        await self._tell(self._message([body]), online)
        return f"told {len(online)} users"

    # Users

    @on(events.presence_changed, order=LATE)  # the session's own presence comes first
    def greet(self, session: Session, presence: Presence, previous: Presence | None) -> None:
        if self.motd is None or not takes(session):
            return
        if previous is None or previous.priority < 0:
            self.background(self._show(self.motd, session))

    async def _show(self, motd: Motd, session: Session) -> None:
        """Once to each user, at the first session that can take it."""
        if await self.board.read(motd.id, session.user.local):
            await self._send(motd.message.copy(to=session.jid))

    @on(events.account_deleting)
    async def forget(self, user: JID) -> None:
        await self.board.forget(user.local)


def takes(session: Session) -> bool:
    """Whether messages to the bare JID go to this session (RFC 6121 §8.5.2.1.1)."""
    return session.priority is not None and session.priority >= 0
