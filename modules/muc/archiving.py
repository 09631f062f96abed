"""The archive of a room: what is stored of a message, and who gets to read what of it (XEP-0313
1.1.3 §6.1.3).

What lies in the archive is the message as all read it, without the id that its place there is, and
with the real address of its sender at the end, for those who may see that.
"""

from xmppd.api import JID, Element, Message, StanzaError, escape_attr, ns
from xmppd.modules.archive import Row
from xmppd.modules.archive.rules import LASTING, PASSING
from xmppd.modules.muc.history import Said
from xmppd.modules.muc.names import USER, Affiliation, Role
from xmppd.modules.muc.room import Occupant, Room
from xmppd.modules.muc.store import read_message

SUBJECT = ("jabber:client", "subject")
MARK = f"<x xmlns='{USER}'><item "  # begins what is appended to each
END = b"</message>"


def is_archived(message: Message) -> bool:
    """What is worth keeping in an account's archive is so in a room's, and subjects."""
    payloads = message.payloads
    if not PASSING.isdisjoint(payloads):
        return False
    return SUBJECT in payloads or not LASTING.isdisjoint(payloads)


def entry(room: Room, message: Message, occupant: Occupant | None) -> Message:
    """The message to be put into the archive; None: the room itself says it."""
    tag, author, mark = b"", room.jid, ""
    if occupant is not None:
        tag, author = occupant.tag, occupant.jid
        mark = _mark(room.affiliation(occupant.user), occupant.role, message.from_)
    return Message(
        room.jid,
        author,
        "groupchat",
        message.id,
        lang=message.lang,
        raw=message.raw + tag + mark.encode(),
        payloads=message.payloads,
        extra=message.extra,
    )


def _mark(affiliation: Affiliation, role: Role, address: JID) -> str:
    known = f"affiliation='{affiliation.word}' role='{role.word}'"
    return f"{MARK}{known} jid='{escape_attr(address)}'/></x>"


def without_mark(stanza: bytes) -> bytes:
    """What is stored, without the real address: ours is the last of its kind, and no sender's
    gets so far.
    """
    return stanza[: _end(stanza)] + END


def mark_of(stanza: bytes) -> bytes:
    """The real address with all around it."""
    return stanza[_end(stanza) : -len(END)]


def _end(stanza: bytes) -> int:
    """Where the message ends and the mark begins."""
    at = stanza.rfind(MARK.encode())
    if at < 0 or b"<" in stanza[at + len(MARK) : -len("</x></message>")]:
        return len(stanza) - len(END)
    return at


def shown(row: Row, room: Room, *, address: bool) -> bytes:
    """The message as who asks may see it: nobody's `to`, and no address for others."""
    stanza = row.stanza if address else without_mark(row.stanza)
    to = f" to='{escape_attr(room.jid)}'".encode()
    head = b"<message xmlns='jabber:client'"
    return head + stanza[len(b"<message") :].replace(to, b"", 1)


def check_reader(room: Room, asker: JID) -> None:
    """Who may enter may read. Raises forbidden, item-not-found for a locked room."""
    affiliation = room.affiliation(asker.bare)
    if room.locked and affiliation is not Affiliation.OWNER:
        raise StanzaError("item-not-found", "there is no such room")
    if affiliation is Affiliation.OUTCAST:
        raise StanzaError("forbidden", "you are banned from this room")
    inside = bool(room.present(asker.bare))
    if room.config.members_only and affiliation < Affiliation.MEMBER:
        raise StanzaError("forbidden", "only members may read this archive")
    if room.config.protected and affiliation < Affiliation.MEMBER and not inside:
        raise StanzaError("forbidden", "who has not entered may not read this archive")


def sees_addresses(room: Room, asker: JID) -> bool:
    """As in the room: all in a non-anonymous one, else who is a moderator, or would be."""
    if not room.config.anonymous or room.affiliation(asker.bare) >= Affiliation.ADMIN:
        return True
    return any(each.role is Role.MODERATOR for each in room.present(asker.bare))


def said(room: Room, row: Row) -> Said | None:
    """A message of the archive for who enters; None for a damaged one."""
    id_ = str(row.id)
    message = read_message(without_mark(row.stanza))
    if message is None:
        return None
    number = Element(ns.STANZA_IDS, "stanza-id", {"by": room.jid, "id": id_})
    return Said(id_, row.id.stamp, message.copy(add=[number]))
