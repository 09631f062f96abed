"""Rooms over a restart of the server: those whose sessions survive it stay in (XEP-0198).

Whoever does not survive it is told that the service shuts down (§12.2), and the others hear that
it has gone.
"""

import base64
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import EARLY, JID, LATE, Presence, Repository, events, on, table, transaction
from xmppd.modules.muc import entering, reloading
from xmppd.modules.muc.presences import Why
from xmppd.modules.muc.room import Room
from xmppd.modules.muc.service import RoomService

SHUTDOWN = Why(codes=("332",))
resting = table(
    "muc_resting",
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("data", sa.Text, nullable=False),
)


class Resting(Repository):
    """Rooms as they were when the server stopped."""

    @transaction
    def put(self, tx: Tx, rooms: dict[str, str]) -> None:
        rows = [{"host": self.host, "room": room, "data": data} for room, data in rooms.items()]
        if rows:
            tx.execute(resting.insert(), rows)

    @transaction
    def take(self, tx: Tx) -> list[str]:
        found = tx.scalars(sa.select(resting.c.data).where(self.mine(resting))).all()
        tx.execute(resting.delete().where(self.mine(resting)))
        return list(found)


class RestingRooms(RoomService):
    resting: Resting

    @on(events.host_stopping, order=EARLY)  # what occupants are told is stored with sessions
    async def rest(self, host: JID) -> None:
        staying = {session.jid for session in self.host.sessions if session.hibernating}
        rooms: dict[str, str] = {}
        for room in self.rooms:
            self._send_out(room, staying)
            if not room.empty:
                rooms[room.name] = json.dumps(reloading.dump(room), default=_bytes)
        await self.writer.flushed()
        await self.resting.put(rooms)
        for room in self.rooms:
            room.sessions.clear()  # nobody is told any more that the rooms close

    def _send_out(self, room: Room, staying: set[JID]) -> None:
        for session in [each for each in room.sessions if each not in staying]:
            said = Presence(room.jid, session, "unavailable")
            self.deliver(entering.leave(room, session, said, SHUTDOWN))

    @on(events.host_started, order=LATE)  # when the sessions are back
    async def wake(self, host: JID) -> None:
        for data in await self.resting.take():
            try:
                self._wake(reloading.revived(json.loads(data, object_hook=_read)))
            except Exception:
                self.log.failure("muc: the occupants of a room are lost")

    def _wake(self, room: Room) -> None:
        self.rooms.take(room)
        for session in list(room.sessions):
            if self.host.sessions.get(session) is None:
                occupant = room.sessions[session]
                self.deliver(entering.lose(room, session))
                self.left(room, occupant, session)


def _bytes(value: object) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"not a plain value: {value!r}")


def _read(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value
