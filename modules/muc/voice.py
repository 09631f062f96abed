"""Visitors ask for voice, moderators grant it (XEP-0045 §7.13, §8.6)."""

from xmppd.api import JID, Element, FieldType, Form, FormType, Message, StanzaError, forms
from xmppd.modules.muc.names import REQUEST, Role
from xmppd.modules.muc.room import Occupant, Room

ROLE, NICK, ADDRESS = "muc#role", "muc#roomnick", "muc#jid"
ALLOW = "muc#request_allow"
WANTED = Role.PARTICIPANT.word


def request(room: Room, occupant: Occupant, form: Form) -> list[Message]:
    """A visitor's request, as the moderators get it. Raises bad-request; who has voice already
    is told nothing.
    """
    if form.get(ROLE, str) != WANTED:
        raise StanzaError("bad-request", "only voice can be asked for")
    if occupant.role is not Role.VISITOR:
        return []
    asked = Message(room.jid, room.jid, "normal", None, _form(occupant).element())
    sessions = [session for each in room.moderators() for session in each.sessions]
    return list(asked.copies(sessions))


def _form(occupant: Occupant) -> Form:
    choice = [(WANTED, "Participant")]
    return Form(
        type=FormType.FORM,
        title="Voice request",
        instructions=["To approve this request for voice, say yes and submit the form."],
        fields=[
            forms.form_type(REQUEST),
            forms.field(ROLE, WANTED, FieldType.LIST_SINGLE, label="Role", options=choice),
            forms.field(ADDRESS, occupant.shown, FieldType.JID_SINGLE, label="User"),
            forms.field(NICK, occupant.nick, FieldType.TEXT_SINGLE, label="Nickname"),
            forms.field(ALLOW, False, label="Grant voice to this person?"),
        ],
    )


def approved(room: Room, moderator: Occupant, form: Form) -> Occupant | None:
    """Who shall have voice now; None for a refusal, or where there is nothing to do (any more).

    Raises forbidden for who is no moderator, bad-request.
    """
    if moderator.role is not Role.MODERATOR:
        raise StanzaError("forbidden", "only moderators grant voice")
    if not form.get(ALLOW, bool, False):
        return None
    found = room.occupant(form.get(NICK, str, ""))
    who = form.get(ADDRESS, JID)
    if found is None or found.role is not Role.VISITOR:
        return None
    # the nickname may be another's by now
    return found if who is None or who.bare == found.user else None


def is_answer(form: Form) -> bool:
    return form.field(ALLOW) is not None


def submitted(x: Element) -> Form:
    """Raises bad-request for anything but a submission of this form."""
    return forms.submission(x, REQUEST)
