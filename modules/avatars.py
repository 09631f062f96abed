"""Avatars: one picture, in nodes, vCard and presence (XEP-0084 1.1.4, XEP-0153 1.1.1, XEP-0398
1.0.0).

Personal eventing holds it (XEP-0084). A vCard shows it to who may read it there (XEP-0153), a
picture that comes in a vCard is published, and presence names it (XEP-0398).
"""

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    JID,
    Element,
    Host,
    Load,
    Module,
    Options,
    PerSession,
    Presence,
    Repository,
    Session,
    Size,
    StanzaError,
    XMLError,
    events,
    on,
    option,
    parse,
    query,
    table,
    transaction,
    upsert,
    uses,
)
from xmppd.modules import vcard
from xmppd.modules.disco import disco_features
from xmppd.modules.presence import PresenceBroadcast
from xmppd.modules.pubsub import Change, Pep, items_changing, node_deleted, node_purged
from xmppd.modules.pubsub.config import AccessModel
from xmppd.modules.vcard import VCard, vcard_reading, vcard_storing

DATA = "urn:xmpp:avatar:data"
METADATA = "urn:xmpp:avatar:metadata"
UPDATE = "vcard-temp:x:update"
FEATURE = "urn:xmpp:pep-vcard-conversion:0"
SIGNATURES = (  # the content says what it is, whatever the vCard says (XEP-0153 §4)
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
AT_ONCE = 500
LATELY = 1024  # accounts; clients on the road come back often
avatars = table(
    "avatar",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("hash", sa.String, nullable=False),  # "": there is none any more
    sa.Column("type", sa.String, nullable=False),
    sa.Column("in_pep", sa.Boolean, nullable=False),  # else the vCard alone has it
)


class AvatarOptions(Options):
    max_size: Size = option(
        98304, "Largest picture that is brought from a node into the vCard, in bytes.", at_least=0
    )
    presence: bool = option(True, "Name the avatar in the presence of its owner (XEP-0398 §4).")


class Avatar(NamedTuple):
    hash: str
    type: str
    in_pep: bool


# Built once: it runs with logins.
SHOWN = sa.select(avatars.c.hash, avatars.c.type, avatars.c.in_pep).where(
    avatars.c.host == sa.bindparam("host"), avatars.c.user == sa.bindparam("user")
)


class Avatars(Repository):
    @query
    def get(self, tx: Tx, user: str) -> Avatar | None:
        row = tx.execute(SHOWN, {"host": self.host, "user": user}).first()
        return None if row is None else Avatar(*row)

    @query
    def hashes(self, tx: Tx, users: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(users), AT_ONCE):
            few = avatars.c.user.in_(users[start : start + AT_ONCE])
            wanted = sa.select(avatars.c.user, avatars.c.hash).where(self.mine(avatars), few)
            found.update((row.user, row.hash) for row in tx.execute(wanted))
        return found

    @transaction
    def put(self, tx: Tx, user: str, avatar: Avatar) -> None:
        tx.execute(upsert(avatars, host=self.host, user=user, **avatar._asdict()))

    @transaction
    def drop(self, tx: Tx, user: str) -> None:
        tx.execute(avatars.delete().where(self.mine(avatars, user=user)))


class Picture(NamedTuple):
    type: str
    data: bytes

    @property
    def hash(self) -> str:
        """What names it (XEP-0084 §4.2, XEP-0153 §3.1)."""
        return hashlib.sha1(self.data, usedforsecurity=False).hexdigest()

    @property
    def base64(self) -> str:
        return base64.b64encode(self.data).decode()


class AvatarConversion(Module):
    name = "avatars"
    options: AvatarOptions
    avatars: Avatars
    pep = uses(Pep)
    vcard = uses(VCard)
    presence = uses(PresenceBroadcast)
    silent: PerSession[bool] = PerSession(False)  # its client says that there is no picture

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._shown: dict[JID, str] = {}  # of accounts with sessions: the hash that is named
        # Of who logged in last, None where there never was one: a visit to the database less.
        self._lately: OrderedDict[JID, str | None] = OrderedDict()
        self._changes = 0

    async def start(self) -> None:
        users = {session.user for session in self.host.sessions}
        if users and self.options.presence:
            hashes = await self.avatars.hashes([user.local for user in users])
            self._shown = {user: hashes[user.local] for user in users if user.local in hashes}

    @on(disco_features)
    def tell_features(self, entity: JID, node: str, asker: JID) -> Iterable[str]:
        return (FEATURE,) if entity.local and not node else ()

    # From nodes to the vCard (XEP-0398 §3.1)

    @on(items_changing)
    def follow(self, change: Change) -> Awaitable[None] | None:
        if change.node != METADATA or not change.service.local:
            return None
        return self._follow(change)

    async def _follow(self, change: Change) -> None:
        user = change.service
        if not change.items:
            if not await self.pep.latest(user, METADATA):
                await self._show(user, Avatar("", "", True))
            return
        metadata = _parsed(change.items[-1].xml)
        if metadata is None or (metadata.ns, metadata.name) != (METADATA, "metadata"):
            return
        if not metadata.all(METADATA, "info"):  # publishing is disabled (XEP-0084 §3.5)
            await self._show(user, Avatar("", "", True))
            return
        for info in metadata.all(METADATA, "info"):
            if not info.get("url") and await self._adopt(user, info):
                return

    async def _adopt(self, user: JID, info: Element) -> bool:
        """Show the picture that the metadata tells of, if it is there and what they say."""
        picture = await self._published(user, info.get("id") or "", info.get("type") or "")
        if picture is None or len(picture.data) > self.options.max_size:
            return False
        await self._show(user, Avatar(picture.hash, picture.type, True))
        return True

    async def _published(self, user: JID, id_: str, type_: str) -> Picture | None:
        item = await self.pep.item(user, DATA, id_)
        element = None if item is None else _parsed(item.xml)
        picture = None if element is None else _picture(element.text, type_)
        return picture if picture is not None and picture.hash == id_.lower() else None

    # From the vCard to nodes (XEP-0398 §3.2)

    @on(vcard_storing)
    async def take(self, card: Element, user: JID) -> None:
        photo = card.child(vcard.NS, "PHOTO")
        picture = None if photo is None else _photo(photo)
        if picture is not None:
            await self._take(user, picture)
        elif photo is not None or await self._had_photo(user):
            await self._remove(user)

    async def _had_photo(self, user: JID) -> bool:
        """A card without a picture says something only where the one before had it: clients that
        publish avatars to nodes leave it out.
        """
        before = await self.vcard.card(user)
        return before is not None and before.child(vcard.NS, "PHOTO") is not None

    async def _take(self, user: JID, picture: Picture) -> None:
        known = await self.avatars.get(user.local)
        if known is not None and known.hash == picture.hash:
            return
        try:
            await self._publish(user, picture)
        except StanzaError as error:  # too many nodes, or it is too big for one
            self.log.info("avatar of {user} not published: {error}", user=user, error=error)
            await self._show(user, Avatar(picture.hash, picture.type, False))
        else:
            await self._show(user, Avatar(picture.hash, picture.type, True))

    async def _publish(self, user: JID, picture: Picture) -> None:
        """The data first (XEP-0084 §3.2). A vCard is for all to see, so are its nodes."""
        hash_, everybody = picture.hash, AccessModel.OPEN
        data = Element(DATA, "data", None, picture.base64)
        await self.pep.publish(user, DATA, data, hash_, access_model=everybody)
        about = {"bytes": str(len(picture.data)), "id": hash_, "type": picture.type}
        metadata = Element(METADATA, "metadata", None, Element(METADATA, "info", about))
        await self.pep.publish(user, METADATA, metadata, hash_, access_model=everybody)

    async def _remove(self, user: JID) -> None:
        known = await self.avatars.get(user.local)
        if known is None or not known.hash:
            return
        if known.in_pep:
            await self.pep.publish(user, METADATA, Element(METADATA, "metadata"), "current")
        await self._show(user, Avatar("", "", True))

    # Reading a vCard (XEP-0398 §5.2)

    @on(vcard_reading)
    async def show_photo(self, card: Element, user: JID, asker: JID) -> Element | None:
        """In place of the picture in the card the one in the nodes, for who may read it there."""
        known = await self.avatars.get(user.local)
        if known is None or not known.in_pep:
            return None
        shown = [each for each in card.elements if (each.ns, each.name) != (vcard.NS, "PHOTO")]
        if known.hash and await self.pep.readable(user, DATA, asker):
            picture = await self._published(user, known.hash, known.type)
            if picture is not None:
                shown.append(_photo_of(picture))
        return Element(card.ns, card.name, card.attrs, *shown)

    # Presence (XEP-0398 §4)

    @on(events.session_loads)
    def load(self, session: Session) -> Iterable[Load[Avatar | None]]:
        user = session.user
        if not self.options.presence or user in self._shown:
            return
        if user in self._lately:
            self._name(user, self._lately[user])
        else:
            take = partial(self._loaded, user, self._changes)
            yield Avatars.get.load(self.avatars, take, user.local)

    def _loaded(self, user: JID, changes: int, known: Avatar | None) -> None:
        shown = None if known is None else known.hash
        if changes == self._changes:  # else it may be an old one
            self._remember(user, shown)
        self._name(user, shown)

    def _name(self, user: JID, shown: str | None) -> None:
        if shown is not None:
            self._shown[user] = shown

    def _remember(self, user: JID, shown: str | None) -> None:
        self._lately[user] = shown
        if len(self._lately) > LATELY:
            self._lately.popitem(last=False)

    def _changing(self, user: JID) -> None:
        """What is remembered, or being read, does not hold for long, or not any more."""
        self._changes += 1
        self._lately.pop(user, None)

    @on(events.session_closed)
    def unload(self, session: Session, why: str) -> None:
        if session.user in self._shown and not self.host.sessions.of(session.user):
            del self._shown[session.user]

    @on(events.user_announces)
    def name_to_all(self, presence: Presence, session: Session) -> Presence | None:
        shown = self._shown.get(session.user)
        if shown is None:
            return None
        update = presence.child(UPDATE, "x")
        self.silent[session] = update is not None and update.child_text(UPDATE, "photo") == ""
        return _naming(presence, shown)

    @on(events.user_directs)
    def name_to_one(self, presence: Presence, session: Session) -> Presence | None:
        """Rooms need it too; the client sends it again when its avatar changes (§5.1)."""
        shown = self._shown.get(session.user)
        return None if shown is None or presence.type else _naming(presence, shown)

    async def _show(self, user: JID, avatar: Avatar) -> None:
        """Store it, and tell by presence those who know of avatars by that alone."""
        self._changing(user)  # also where storing fails: it may have been stored
        await self.avatars.put(user.local, avatar)
        self._changing(user)
        if not self.options.presence or not self.host.sessions.of(user):
            return
        changed = self._shown.get(user) != avatar.hash
        self._shown[user] = avatar.hash
        for session in self.host.sessions.available(user) if changed else ():
            if session.presence is not None and not self.silent[session]:
                self.presence.change(session, _renamed(session.presence, avatar.hash))

    # Nodes that end without a request of the account's own, and accounts

    @on(node_deleted)
    @on(node_purged)
    def lose(self, service: JID, node: str) -> None:
        if service.local and node == DATA:
            self.background(self._lose(service))

    async def _lose(self, user: JID) -> None:
        known = await self.avatars.get(user.local)
        if known is not None and known.in_pep and known.hash:
            await self._show(user, Avatar("", "", True))

    @on(events.account_deleting)
    async def forget(self, user: JID) -> None:
        await self.avatars.drop(user.local)
        self._shown.pop(user, None)
        self._changing(user)


def _naming(presence: Presence, shown: str) -> Presence | None:
    """Presence that names the avatar; None where it is right as it is. What says that there is no
    picture is the client's business.
    """
    update = presence.child(UPDATE, "x")
    if update is None:
        return presence.copy(add=[_update(shown)]) if shown else None
    said = update.child_text(UPDATE, "photo")
    if said == "" or (said is not None and said.lower() == shown):
        return None
    return _renamed(presence, shown)


def _renamed(presence: Presence, shown: str) -> Presence:
    return presence.copy(without=lambda each: each.ns == UPDATE, add=[_update(shown)])


def _update(shown: str) -> Element:
    inside = [shown] if shown else []
    return Element(UPDATE, "x", None, Element(UPDATE, "photo", None, *inside))


def _parsed(xml: str) -> Element | None:
    try:
        return parse(xml) if xml else None
    except XMLError:
        return None


def _photo(photo: Element) -> Picture | None:
    said = (photo.child_text(vcard.NS, "TYPE") or "").strip().lower()
    return _picture(photo.child_text(vcard.NS, "BINVAL") or "", said)


def _picture(text: str, said: str) -> Picture | None:
    """The picture in Base64 text, in lines or not; None for what is none (XEP-0153 §3.6)."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    found = next((type_ for start, type_ in SIGNATURES if data.startswith(start)), None)
    type_ = found or (said if said.startswith("image/") else None)
    return Picture(type_, data) if data and type_ else None


def _photo_of(picture: Picture) -> Element:
    inside = ("TYPE", picture.type), ("BINVAL", picture.base64)
    return Element(vcard.NS, "PHOTO", None, *(Element(vcard.NS, n, None, v) for n, v in inside))
