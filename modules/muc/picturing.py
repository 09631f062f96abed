"""The room's own card, and with it its avatar (XEP-0486 0.1.0, XEP-0054, XEP-0153 1.1.1)."""

import binascii
import hashlib
from base64 import b64decode

from xmppd.api import (
    IQ,
    JID,
    NODE,
    Element,
    FieldType,
    Form,
    Presence,
    StanzaError,
    forms,
    iq_get,
    iq_set,
    parse,
    to_xml,
)
from xmppd.modules.muc import configuring, extras
from xmppd.modules.muc.hatting import RoomHats
from xmppd.modules.muc.names import USER
from xmppd.modules.muc.presences import status
from xmppd.modules.muc.room import Occupant, Room

NS, UPDATE = "vcard-temp", "vcard-temp:x:update"
HASH = "muc#roominfo_avatarhash"


class RoomPictures(RoomHats):
    @staticmethod
    def hashes(room: Room) -> list[str]:
        """The SHA-1 of each picture (XEP-0153 §3.1): one avatar in several formats."""
        photos = parse(room.vcard).all(NS, "PHOTO") if room.vcard else []
        pictures = [_decoded(photo.child_text(NS, "BINVAL") or "") for photo in photos]
        return [hashlib.sha1(p, usedforsecurity=False).hexdigest() for p in pictures if p]

    @iq_get(NS, "vCard", at=NODE)
    async def read_card(self, iq: IQ) -> Element:
        """An empty one where there is none; who is banned sees none."""
        room = await self._unlocked(iq)
        return parse(room.vcard) if room.vcard else Element(NS, "vCard")

    @iq_set(NS, "vCard", at=NODE)
    async def write_card(self, iq: IQ) -> None:
        """Raises forbidden, not-acceptable, bad-request for what is no picture."""
        room = await self._unlocked(iq)
        configuring.check_owner(room, iq.from_)
        text = to_xml(iq.payload) if iq.payload.elements else ""
        if len(text.encode()) > self.options.max_card:
            raise StanzaError("not-acceptable", f"over {self.options.max_card} bytes")
        pictures = [photo.child_text(NS, "BINVAL") for photo in iq.payload.all(NS, "PHOTO")]
        if any(each and not _decoded(each) for each in pictures):
            raise StanzaError("bad-request", "the picture is not in base64")
        async with room.changing:
            self._check_alive(room)
            configuring.check_owner(room, iq.from_)
            before, room.vcard = room.vcard, text
            try:
                if room.config.persistent and not room.locked:
                    piece = extras.piece(room, extras.AVATAR)
                    await self.stored.put_extra(room.name, extras.AVATAR, piece)
            except BaseException:
                room.vcard = before
                raise
        self.deliver([*self.news(room, Element(USER, "x", None, *status("104")))])
        picture = self._picture(room)
        self.deliver([picture.copies(room.sessions)])

    def _picture(self, room: Room) -> Presence:
        """The room's presence, by which older clients know its avatar."""
        photo = Element(UPDATE, "photo", None, *self.hashes(room)[:1])
        return Presence(room.jid, room.jid, "", None, Element(UPDATE, "x", None, photo))

    def greet(self, room: Room, session: JID, occupant: Occupant) -> None:
        super().greet(room, session, occupant)
        if room.vcard:
            self.deliver([self._picture(room).copy(to=session)])

    def room_features(self, room: Room, asker: JID) -> set[str]:
        return {*super().room_features(room, asker), NS}

    def room_forms(self, room: Room) -> list[Form]:
        made = super().room_forms(room)
        if hashes := self.hashes(room):
            made[0].fields.append(forms.field(HASH, hashes, FieldType.TEXT_MULTI))
        return made

    def service_features(self) -> set[str]:
        """That rooms have avatars is looked for at the service (XEP-0486 §3.1)."""
        return {*super().service_features(), NS}


def _decoded(text: str) -> bytes:
    try:
        return b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
