"""Invitations through the room, and their refusal (XEP-0045 §7.8.2, §9.5)."""

from typing import NamedTuple

from xmppd.api import JID, Element, JIDError, Message, StanzaError, jid
from xmppd.modules.muc.names import USER, Affiliation
from xmppd.modules.muc.room import MOST_ID, Occupant, Room, remember

MOST_AT_ONCE = 50
MOST_REMEMBERED = 1000
MOST_REASON = 1000  # characters


class Invitation(NamedTuple):
    """One `<invite/>`, checked."""

    invitee: JID
    message: Message


def is_invitation(x: Element) -> bool:
    return x.child(USER, "invite") is not None


def read(room: Room, message: Message, x: Element) -> list[Invitation]:
    """What an occupant's message invites to. Raises not-acceptable from outside, forbidden,
    bad-request, jid-malformed.
    """
    inviter = room.sessions.get(message.from_)
    if inviter is None:
        raise StanzaError("not-acceptable", "only occupants may invite")
    _check(room, inviter)
    asked = x.all(USER, "invite")
    if len(asked) > MOST_AT_ONCE:
        raise StanzaError("policy-violation", f"at most {MOST_AT_ONCE} invitations at once")
    return [_one(room, inviter, message, invite) for invite in asked]


def _check(room: Room, inviter: Occupant) -> None:
    """Into a members-only room admins invite, and members where that is allowed (§9.5)."""
    if not room.config.members_only:
        return
    needed = Affiliation.MEMBER if room.config.allow_invites else Affiliation.ADMIN
    if room.affiliation(inviter.user) < needed:
        raise StanzaError("forbidden", "you may not invite to this room")


def _one(room: Room, inviter: Occupant, message: Message, invite: Element) -> Invitation:
    invitee = _address(invite.get("to"))
    if room.affiliation(invitee.bare) is Affiliation.OUTCAST:
        raise StanzaError("forbidden", f"{invitee.bare} is banned from this room")
    shown = inviter.jid if room.config.anonymous else inviter.user
    kept = [*_reason(invite), *_continue(invite)]
    return Invitation(invitee, invitation(room, invitee, shown, kept, message.id))


def invitation(
    room: Room, to: JID, inviter: JID, more: list[Element], id: str | None = None
) -> Message:
    """What the invitee gets; in a semi-anonymous room the inviter is told by nickname."""
    x = Element(USER, "x", None, Element(USER, "invite", {"from": inviter}, *more))
    if room.config.protected:
        x.append(Element(USER, "password", None, room.config.password))
    return Message(to, room.jid, "normal", id, x)


def note(room: Room, made: Invitation, inviter: JID) -> None:
    """Remember it, so that a refusal finds its way back, and nobody else's does."""
    remember(room.invited, made.invitee.bare, inviter, MOST_REMEMBERED)
    if made.message.id is not None and len(made.message.id) <= MOST_ID:
        key = (made.invitee.bare, made.message.id, room.jid)
        remember(room.asked, key, (inviter, room.jid), MOST_REMEMBERED)


def declined(room: Room, message: Message, x: Element) -> list[Message]:
    """The refusal of somebody who was invited, for who invited. Raises item-not-found."""
    decline = x.child(USER, "decline")
    assert decline is not None
    invitee = message.from_.bare
    inviter = room.invited.get(invitee)
    to = _address(decline.get("to"))
    if inviter is None or not _means(room, to, inviter):
        raise StanzaError("item-not-found", "there was no such invitation")
    del room.invited[invitee]
    told = Element(USER, "decline", {"from": invitee}, *_reason(decline))
    there = room.sessions.get(inviter)
    sessions = [inviter.bare] if there is None else list(there.sessions)
    x = Element(USER, "x", None, told)
    return list(Message(room.jid, room.jid, "normal", message.id, x).copies(sessions))


def _reason(of: Element) -> list[Element]:
    """A text, and nothing else that somebody has put there."""
    reason = of.child_text(USER, "reason")
    return [] if reason is None else [Element(USER, "reason", None, reason[:MOST_REASON])]


def _continue(invite: Element) -> list[Element]:
    """A chat of two goes on in the room (§7.9)."""
    asked = invite.child(USER, "continue")
    if asked is None:
        return []
    thread = asked.get("thread")
    return [Element(USER, "continue", {"thread": thread[:MOST_REASON]} if thread else None)]


def _means(room: Room, to: JID, inviter: JID) -> bool:
    """Whether `to` is the inviter, by real address or by nickname."""
    if to.bare != room.jid:
        return to.bare == inviter.bare
    occupant = room.occupant(to.resource)
    return occupant is None or occupant.user == inviter.bare


def _address(text: str | None) -> JID:
    """Raises bad-request, jid-malformed."""
    if not text:
        raise StanzaError("bad-request", "an address is missing")
    try:
        return jid(text)
    except JIDError as fault:
        raise StanzaError("jid-malformed", str(fault)) from None
