"""What the service and its rooms tell of themselves (XEP-0045 §6, §7.12; XEP-0059 1.0)."""

from collections.abc import Iterable

from xmppd.api import (
    JID,
    FieldType,
    Form,
    FormType,
    Page,
    ResultSetRequest,
    StanzaError,
    forms,
    ns,
    page,
)
from xmppd.modules.disco import Description, Identity, Item
from xmppd.modules.muc import versions
from xmppd.modules.muc.names import (
    CONFIG,
    INFO,
    MUC,
    OCCUPANT_ID,
    REQUEST,
    RESERVED_NICK,
    SELF_PING,
    STABLE_ID,
    TRAFFIC,
    UNIQUE,
    Affiliation,
    Role,
)
from xmppd.modules.muc.room import Room
from xmppd.modules.muc.store import Listed, Rooms

MOST = 250  # rooms in one answer
OF_SERVICE = frozenset((MUC, UNIQUE, STABLE_ID, OCCUPANT_ID, "muc_rooms", ns.RSM, ns.STANZA_IDS))
OF_ROOM = OF_SERVICE - {UNIQUE, "muc_rooms"} | {
    *(ns.DISCO_ITEMS, SELF_PING, CONFIG, INFO, REQUEST, versions.NS),
}
TEXT, BOOLEAN = (FieldType.TEXT_SINGLE, FieldType.BOOLEAN)


def describe(room: Room, node: str, asker: JID, known: Description) -> None:
    """A room to whoever asks (§6.4, §6.5). Raises item-not-found while it is locked, and what a
    node wants.
    """
    if room.locked and room.affiliation(asker.bare) is not Affiliation.OWNER:
        raise StanzaError("item-not-found")
    if node == TRAFFIC:
        raise StanzaError("service-unavailable", "all traffic is allowed")  # §14.1.1
    if node == RESERVED_NICK:
        nick = room.nick_of(asker.bare)
        known.identities += [Identity("conference", "text", nick)] if nick else []
        return
    if node:
        raise StanzaError("item-not-found")
    known.identities.append(Identity("conference", "text", room.config.name or room.name))
    known.features.update(features(room))
    known.forms.append(information(room))


def features(room: Room) -> set[str]:
    """§6.4: what kind of room it is (§16.3)."""
    config = room.config
    kinds = (
        "muc_public" if config.public else "muc_hidden",
        "muc_persistent" if config.persistent else "muc_temporary",
        "muc_membersonly" if config.members_only else "muc_open",
        "muc_moderated" if config.moderated else "muc_unmoderated",
        "muc_passwordprotected" if config.protected else "muc_unsecured",
        "muc_semianonymous" if config.anonymous else "muc_nonanonymous",
    )
    return {*OF_ROOM, *kinds}


def information(room: Room) -> Form:
    """muc#roominfo (§16.5.4). What is spoken of is told only where everybody may enter."""
    config = room.config
    fields = [
        forms.form_type(INFO),
        forms.field("muc#roominfo_description", config.description, TEXT),
        forms.field("muc#roominfo_occupants", len(room.occupants), TEXT),
        forms.field("muc#roominfo_subjectmod", config.change_subject, BOOLEAN),
        forms.field("muc#maxhistoryfetch", config.history, TEXT),
        forms.field("muc#roomconfig_roomname", config.name, TEXT),
        forms.field("muc#roomconfig_changesubject", config.change_subject, BOOLEAN),
        forms.field("muc#roomconfig_allowinvites", config.allow_invites, BOOLEAN),
        forms.field("muc#roomconfig_allowpm", config.allow_pm, TEXT),
    ]
    if config.lang:
        fields.append(forms.field("muc#roominfo_lang", config.lang, TEXT))
    if config.pubsub:
        fields.append(forms.field("muc#roomconfig_pubsub", config.pubsub, TEXT))
    if config.public and not config.members_only and not config.protected:
        subject = next((each.text for each in room.subject.elements), "")
        fields.append(forms.field("muc#roominfo_subject", subject, TEXT))
    return Form(type=FormType.RESULT, fields=fields)


def occupants(room: Room, asker: JID, request: ResultSetRequest | None) -> Page[Item]:
    """Who is in the room, in pages, for who is inside and as far as their presence is shown; for
    others that is private (§6.5). Raises item-not-found.
    """
    mine = room.sessions.get(asker)
    there = [] if mine is None else [*room.occupants.values()]
    if mine is not None and mine.role is not Role.MODERATOR:
        there = [each for each in there if each is mine or room.shows(each)]
    items = [Item(each.jid, name=each.nick) for each in there]
    return page(items, request or ResultSetRequest(), _address_of, at_most=MOST)


def _address_of(item: Item) -> str:
    return item.jid


# The list of rooms (§6.3)


def temporary(rooms: Iterable[Room]) -> list[Listed]:
    """The public ones that are in memory only, the oldest first."""
    found = [
        Listed(room.name, room.config.name, room.created)
        for room in rooms
        if room.config.public and not room.config.persistent and not room.locked
    ]
    return sorted(found, key=lambda each: each.created)


async def listing(
    stored: Rooms, memory: list[Listed], request: ResultSetRequest | None
) -> Page[Listed]:
    """A page of all public rooms, in the order in which they were made.

    Raises item-not-found for a room that is not (any more) in the list, feature-not-implemented
    for a page by its index.
    """
    request = request or ResultSetRequest()
    if request.index is not None:
        raise StanzaError("feature-not-implemented", "pages go by rooms, not by index")
    most = MOST if request.max is None else min(request.max, MOST)
    after = await _place(stored, memory, request.after) if request.after else -1
    before = await _place(stored, memory, request.before) if request.before else None
    backwards = request.before is not None
    found = await stored.listed(after, before, most, backwards=backwards) if most else []
    there = [e for e in memory if e.created > after and (before is None or e.created < before)]
    lines = sorted([*found, *there], key=lambda each: each.created)
    lines = lines[max(0, len(lines) - most) :] if backwards else lines[:most]
    count = await stored.count() + len(memory)
    first, last = (lines[0].name, lines[-1].name) if lines else (None, None)
    return Page(lines, first, last, None, count, len(lines) == count)


async def _place(stored: Rooms, memory: list[Listed], name: str) -> int:
    for each in memory:
        if each.name == name:
            return each.created
    created = await stored.created(name)
    if created is None:
        raise StanzaError("item-not-found", "this room is not in the list (any more)")
    return created
