"""The service's part in retractions: a tombstone in the place of a message, and the news of it."""

import secrets

from xmppd.api import IQ, JID, Done, Host, Message, Options, StanzaError
from xmppd.modules.muc import archiving, retracting, store
from xmppd.modules.muc.names import Role
from xmppd.modules.muc.reading import RoomReading
from xmppd.modules.muc.retracting import MODERATE, RETRACT, TOMBSTONE, Moderation
from xmppd.modules.muc.room import Occupant, Room


class RoomModeration(RoomReading):
    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._orders[(MODERATE, "moderate")] = self._moderate

    def room_features(self, room: Room, asker: JID) -> set[str]:
        return {*super().room_features(room, asker), RETRACT, TOMBSTONE, MODERATE}

    async def _moderate(self, iq: IQ) -> None:
        room = await self._unlocked(iq)
        id_ = secrets.token_hex(12)
        async with room.changing:
            self._check_alive(room)
            moderation = retracting.asked(room, iq.from_, iq.payload)  # it may have waited
            if not await self._bury(room, moderation.id, id_, moderation=moderation):
                raise StanzaError("item-not-found", "there is no such message (any more)")
            done = self.utter(room, retracting.notice(room, moderation, id_), None)
        if done is not None:
            await done
        self.deliver([iq.result()])

    def retract(self, room: Room, message: Message, occupant: Occupant) -> Done:
        wanted = retracting.wanted(message)
        if message.id is None:  # the tombstone names it
            message = message.copy(id=secrets.token_hex(12))
        return self.later(message, self._retract(room, message, wanted))

    async def _retract(self, room: Room, message: Message, wanted: str) -> None:
        """An id that we do not know is passed on: others may know it."""
        async with room.changing:
            self._check_alive(room)
            occupant = room.sessions.get(message.from_)
            if occupant is None or occupant.role < Role.PARTICIPANT:
                raise StanzaError("not-acceptable", "only occupants may speak in this room")
            _ = await self._bury(room, wanted, message.id or "", author=occupant)
            done = self._speak(room, message, occupant)
        if done is not None:
            await done

    async def _bury(
        self,
        room: Room,
        wanted: str,
        id: str,
        *,
        author: Occupant | None = None,
        moderation: Moderation | None = None,
    ) -> bool:
        """Put a tombstone in the place of a message: stored first. Whether it was found.

        Raises forbidden if it is not the `author`'s, not-allowed for a retraction.
        """
        said = room.tail.find(wanted)
        stored = await self._stored(room, wanted)
        message = said.message if said is not None else None
        if message is None and stored is not None:
            message = store.read_message(archiving.without_mark(stored))
        if message is None:
            return False
        retracting.check_erasable(message)
        if author is not None:
            retracting.check_author(message, author)
        if retracting.is_tombstone(message):
            return True
        stone = retracting.tombstone(message, id, moderation)
        if stored is not None and self.archive is not None:
            await self.archive.rewrite(room.jid, wanted, retracting.buried(stored, stone))
        if room.config.persistent and said is not None:
            await self.writer.flushed()
            await self.stored.rewrite(room.name, wanted, store.message_xml(stone))
        said = room.tail.find(wanted)
        if said is not None:
            _ = retracting.place(room, said, stone)
        return True

    async def _stored(self, room: Room, wanted: str) -> bytes | None:
        """What the archive has under that id."""
        if self.archive is None or not self.archives(room):
            return None
        return await self.archive.one(room.jid, wanted)
