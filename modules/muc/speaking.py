"""What is said in the room: to all, to one, and the subject (XEP-0045 §7.2.15, §7.4, §7.5, §8.1).

Each message to all gets an id of the room (XEP-0359 0.7.0) and says which user it is from without
telling the address (XEP-0421 1.0.1). What a sender forges of that is removed.
"""

from datetime import UTC, datetime

from xmppd.api import JID, Element, Message, StanzaError, ns
from xmppd.modules.muc.history import Said, is_kept
from xmppd.modules.muc.names import MUC, OCCUPANT_ID, RETRACTED, USER, Role
from xmppd.modules.muc.presences import ADDRESSES, is_forged, tells_sender
from xmppd.modules.muc.room import Occupant, Room, Subject, escaped

BODY, SUBJECT, THREAD = ((ns.CLIENT, name) for name in ("body", "subject", "thread"))
STANZA_ID = (ns.STANZA_IDS, "stanza-id")
ADDED = ((OCCUPANT_ID, "occupant-id"), STANZA_ID)
# Cheap to ask of each message: none of these, and nothing has to be taken out.
SUSPECT = frozenset((*ADDED, RETRACTED, ADDRESSES, (USER, "x"), (MUC, "x"), (ns.DELAY, "delay")))
MOST_SUBJECT = 4096  # characters: whoever enters gets it
NEEDED_FOR_PM = {
    "anyone": Role.VISITOR,
    "participants": Role.PARTICIPANT,
    "moderators": Role.MODERATOR,
}


def may_speak(room: Room, message: Message) -> Occupant:
    """Who speaks. Raises not-acceptable for who is not inside, forbidden without voice (§7.4)."""
    occupant = room.sessions.get(message.from_)
    if occupant is None:
        raise StanzaError("not-acceptable", "only occupants may speak in this room")
    if occupant.role < Role.PARTICIPANT:
        raise StanzaError("forbidden", "you have no voice in this room")
    return occupant


def is_subject_change(message: Message) -> bool:
    """A subject alone; with a body or a thread it is a message (§8.1)."""
    names = message.payloads
    return SUBJECT in names and BODY not in names and THREAD not in names


def check_subject(room: Room, occupant: Occupant) -> None:
    """Raises forbidden (§8.1)."""
    needed = Role.PARTICIPANT if room.config.change_subject else Role.MODERATOR
    if occupant.role < needed:
        raise StanzaError("forbidden", "you may not change the subject of this room")


def new_subject(message: Message, occupant: Occupant) -> Subject:
    """Raises policy-violation."""
    elements = tuple(each for each in message.children if (each.ns, each.name) == SUBJECT)
    if sum(len(each.text) for each in elements) > MOST_SUBJECT:
        raise StanzaError("policy-violation", f"a subject has at most {MOST_SUBJECT} characters")
    return Subject(elements, occupant.jid, datetime.now(UTC))


def purified(room: Room, message: Message) -> Message:
    """The message without what only the room says."""
    if SUSPECT.isdisjoint(message.payloads):
        return message
    sender = message.from_.bare
    anonymous = room.config.anonymous

    def is_trace(child: Element) -> bool:
        """What the sender's server has left. Where addresses are known a chat of two may go on,
        in which they say when they have said what (§7.9).
        """
        return tells_sender(child, sender) and (anonymous or child.ns == ns.STANZA_IDS)

    return message.copy(without=lambda child: is_forged(child, room.jid) or is_trace(child))


def numbered(room: Room, message: Message, occupant: Occupant | None, id: str) -> Message:
    """As all will read it: from the occupant (or the room), with the room's id and the
    occupant's. Nothing is parsed or written anew, bytes are joined.
    """
    author, tag = (room.jid, b"") if occupant is None else (occupant.jid, occupant.tag)
    added = f"<stanza-id xmlns='{ns.STANZA_IDS}' by='{escaped(room.jid)}' id='{id}'/>"
    made = Message(
        room.jid,
        author,
        "groupchat",
        message.id,
        lang=message.lang,
        raw=message.raw + tag + added.encode(),
        payloads=(*message.payloads, *ADDED),
        extra=message.extra,
    )
    return made


def said(room: Room, clean: Message, occupant: Occupant | None, id: str) -> Said:
    """The message as it goes to all."""
    return Said(id, datetime.now(UTC), numbered(room, clean, occupant, id))


def keep(room: Room, what: Said) -> bool:
    """Into the history, if it is of that kind."""
    if not is_kept(what.message) or not room.config.history:
        return False
    room.tail.append(what, room.config.history)
    return True


# To one


def private(room: Room, message: Message) -> tuple[Message, list[JID]]:
    """A private message as it is delivered, and to which sessions: all of the occupant's (§7.5).

    Raises bad-request for groupchat, not-acceptable from outside, item-not-found, forbidden.
    """
    sender = room.sessions.get(message.from_)
    if message.type == "groupchat":
        raise StanzaError("bad-request", "messages to all go to the room")
    if sender is None:
        raise StanzaError("not-acceptable", "only occupants may write to occupants")
    to = room.occupant(message.to.resource)
    if to is None:
        raise StanzaError("item-not-found", "nobody has this nickname here")
    needed = NEEDED_FOR_PM.get(room.config.allow_pm)
    if needed is None or sender.role < needed:
        raise StanzaError("forbidden", "you may not write private messages in this room")
    marks = [Element(USER, "x"), Element(OCCUPANT_ID, "occupant-id", {"id": sender.id})]
    return purified(room, message).copy(from_=sender.jid, add=marks), list(to.sessions)
