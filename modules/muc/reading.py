"""Who asks for the archive of a room (XEP-0313 1.1.3 §6.1.3), and what the room can do of it."""

from xmppd.api import IQ, JID, NODE, Element, StanzaError, iq_get, iq_set, ns
from xmppd.modules.archive import Archive, Row
from xmppd.modules.archive.query import EXTENDED, FIELDS, FULL_TEXT, FULL_TEXT_FIELD
from xmppd.modules.muc import archiving
from xmppd.modules.muc.orders import RoomOrders
from xmppd.modules.muc.room import Room

OF_ROOM = frozenset(FIELDS) - {"include-groupchat", FULL_TEXT_FIELD}


class RoomReading(RoomOrders):
    @iq_get(ns.MAM, "query", at=NODE)
    async def archive_form(self, iq: IQ) -> Element:
        """What a query may ask (§4.1.5)."""
        archive, _ = await self._readable(iq)
        return archive.form(self._fields(archive))

    @iq_set(ns.MAM, "query", at=NODE)
    async def read_archive(self, iq: IQ) -> Element:
        archive, room = await self._readable(iq)
        address = archiving.sees_addresses(room, iq.from_)

        def show(row: Row) -> bytes:
            return archiving.shown(row, room, address=address)

        fields = self._fields(archive)
        return await archive.answer(iq, room.jid, show, fields, room.created)

    @iq_get(ns.MAM, "metadata", at=NODE)
    async def archive_ends(self, iq: IQ) -> Element:
        archive, room = await self._readable(iq)
        return await archive.metadata(room.jid, room.created)

    async def _readable(self, iq: IQ) -> tuple[Archive, Room]:
        """Raises service-unavailable, item-not-found, forbidden."""
        archive = self.archive
        if archive is None:
            raise StanzaError("service-unavailable", "rooms are not archived here")
        room = await self.room(iq.to)
        archiving.check_reader(room, iq.from_)
        if not room.config.archiving:
            raise StanzaError("service-unavailable", "this room is not archived")
        return archive, room

    @staticmethod
    def _fields(archive: Archive) -> frozenset[str]:
        return OF_ROOM | {FULL_TEXT_FIELD} if archive.options.search else OF_ROOM

    def room_features(self, room: Room, asker: JID) -> set[str]:
        if not self.archives(room) or self.archive is None:
            return super().room_features(room, asker)
        search = {FULL_TEXT} if self.archive.options.search else set()
        return {*super().room_features(room, asker), ns.MAM, EXTENDED, *search}
