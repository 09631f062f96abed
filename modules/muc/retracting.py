"""Messages that are taken back: by their authors (XEP-0424 0.4.2), by moderators (XEP-0425 0.3.0).

Of the message a tombstone stays, in the history and in the archive; the retraction is a message of
its own, and kept like others.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from xmppd.api import JID, Element, Message, StanzaError, format_datetime, ns
from xmppd.modules.muc.archiving import mark_of
from xmppd.modules.muc.history import Said
from xmppd.modules.muc.names import OCCUPANT_ID, RETRACTED, Role
from xmppd.modules.muc.room import MOST_ID, Occupant, Room

RETRACT = "urn:xmpp:message-retract:1"
TOMBSTONE = f"{RETRACT}#tombstone"
MODERATE = "urn:xmpp:message-moderate:1"
RETRACTS = (RETRACT, "retract")
MOST_REASON = 1000
KEPT = frozenset(((OCCUPANT_ID, "occupant-id"), (ns.STANZA_IDS, "stanza-id")))


@dataclass(frozen=True, slots=True)
class Moderation:
    """A moderator's request."""

    id: str  # of the message, as the room gave it
    by: Occupant
    reason: str

    @property
    def element(self) -> Element:
        who = Element(OCCUPANT_ID, "occupant-id", {"id": self.by.id})
        return Element(MODERATE, "moderated", {"by": self.by.jid}, who)

    def into(self, wrapper: Element) -> Element:
        wrapper.append(self.element)
        if self.reason:
            wrapper.append(Element(RETRACT, "reason", None, self.reason))
        return wrapper


def wanted(message: Message) -> str:
    """What its author takes back. Raises bad-request, also for what only the room says."""
    asked = message.child(*RETRACTS)
    id_ = "" if asked is None else asked.get("id") or ""
    if asked is None or not id_ or len(id_) > MOST_ID:
        raise StanzaError("bad-request", "the message to retract is named by its stanza-id")
    if asked.child(MODERATE, "moderated") is not None:
        raise StanzaError("bad-request", "only the room says that something is moderated")
    return id_


def asked(room: Room, asker: JID, payload: Element) -> Moderation:
    """Raises bad-request, forbidden for who is no moderator (XEP-0425 §3.2)."""
    occupant = room.sessions.get(asker)
    if occupant is None or occupant.role is not Role.MODERATOR:
        raise StanzaError("forbidden", "only moderators may moderate what others said")
    id_ = payload.get("id") or ""
    if payload.child(*RETRACTS) is None or not id_ or len(id_) > MOST_ID:
        raise StanzaError("bad-request", "what shall become of which message?")
    reason = (payload.child_text(MODERATE, "reason") or "").strip()[:MOST_REASON]
    return Moderation(id_, occupant, reason)


def notice(room: Room, moderation: Moderation, id: str) -> Message:
    """What all are told of it."""
    retract = moderation.into(Element(RETRACT, "retract", {"id": moderation.id}))
    return Message(room.jid, room.jid, "groupchat", id, retract)


def check_author(message: Message, occupant: Occupant) -> None:
    """Is it that occupant's own? Raises forbidden."""
    tag = message.child(OCCUPANT_ID, "occupant-id")
    if tag is None or tag.get("id") != occupant.id:
        raise StanzaError("forbidden", "this message is another's")


def check_erasable(message: Message) -> None:
    """What retracts stays, else it would not be known any more. Raises not-allowed."""
    if RETRACTS in message.payloads:
        raise StanzaError("not-allowed", "a retraction cannot be retracted")


def is_tombstone(message: Message) -> bool:
    return RETRACTED in message.payloads


def tombstone(message: Message, id: str, moderation: Moderation | None = None) -> Message:
    """In the place of a message; `id` is that of the retraction (XEP-0424 §5, XEP-0425 §4)."""
    attrs = {"id": id, "stamp": format_datetime(datetime.now(UTC))}
    stone = Element(RETRACT, "retracted", attrs)
    if moderation is not None:
        stone = moderation.into(stone)
    kept = [child for child in message.children if (child.ns, child.name) in KEPT]
    return message.copy(lang=None, children=[*kept, stone])


def buried(stored: bytes, stone: Message) -> bytes:
    """The tombstone as it lies in the archive, with the address that was there."""
    mark = mark_of(stored)
    payloads = tuple(each for each in stone.payloads if each != (ns.STANZA_IDS, "stanza-id"))
    clean = stone.copy(without=lambda child: child.name == "stanza-id")
    raw = clean.raw + mark
    made = Message(
        clean.to, clean.from_, clean.type, clean.id, raw=raw, payloads=payloads, extra=clean.extra
    )
    return made.write()


def place(room: Room, said: Said, stone: Message) -> Said:
    """In the history (join history is never without a trace of it)."""
    return room.tail.replace(said, stone)
