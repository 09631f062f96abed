"""Becoming a member with a nickname of one's own (XEP-0045 §7.10, §9.9; XEP-0077 2.4).

In an open room at once; into a members-only room an admin lets in, by a form.
"""

from xmppd.api import (
    JID,
    Element,
    Field,
    FieldType,
    Form,
    FormType,
    Message,
    StanzaError,
    forms,
    ns,
)
from xmppd.modules.muc import governing
from xmppd.modules.muc.governing import Change
from xmppd.modules.muc.names import REGISTER, Affiliation
from xmppd.modules.muc.presences import Why
from xmppd.modules.muc.room import Room, Standing, remember

NICK, ALLOW, WHO = "muc#register_roomnick", "muc#register_allow", "muc#register_jid"
MOST_APPLICANTS = 100


def requirements(room: Room, user: JID) -> Element:
    """What is to be filled in, or what was. Raises not-allowed for who is banned."""
    _check(room, user)
    nick = room.nick_of(user)
    query = Element(ns.REGISTER, "query")
    if nick:
        query.append(Element(ns.REGISTER, "registered"))
        query.append(Element(ns.REGISTER, "username", None, nick))
    else:
        query.append(_form(room).element())
    return query


def _check(room: Room, user: JID) -> None:
    if room.affiliation(user) is Affiliation.OUTCAST:
        raise StanzaError("not-allowed", "you are banned from this room")


def _form(room: Room) -> Form:
    return Form(
        type=FormType.FORM,
        title=f"Registration with {room.config.name or room.name}",
        instructions=["Choose the nickname that shall be yours in this room."],
        fields=[forms.form_type(REGISTER), _nick("")],
    )


def _nick(nick: str) -> Field:
    return forms.field(
        NICK, nick or None, FieldType.TEXT_SINGLE, label="Desired nickname", required=True
    )


def wish(room: Room, user: JID, query: Element) -> str | None:
    """The nickname that is asked for, prepared; None to be registered no more.

    Raises bad-request for what is no form, conflict for a nickname that is another's.
    """
    _check(room, user)
    if query.child(ns.REGISTER, "remove") is not None:
        return None
    given = forms.submission(query.child(ns.FORMS, "x"), REGISTER)
    nick = given.get(NICK, str, "")
    if given.type is FormType.CANCEL or not nick:
        raise StanzaError("bad-request", "a nickname is wanted")
    return governing.check_reservable(room, nick, user)


def change(room: Room, user: JID, nick: str | None, actor: str = "") -> Change:
    """What registering or its end makes of the user: members come and go with it, those above
    stay what they are.
    """
    old = room.affiliation(user)
    if nick is None:
        new = Affiliation.NONE if old is Affiliation.MEMBER else old
        return Change(user, old, Standing(new), Why(actor=actor))
    return Change(user, old, Standing(max(old, Affiliation.MEMBER), nick), Why(actor=actor))


def needs_approval(room: Room, user: JID) -> bool:
    return room.config.members_only and room.affiliation(user) is Affiliation.NONE


def apply_for(room: Room, user: JID, nick: str) -> list[Message]:
    """The admins who are there are asked (§9.9). Raises resource-constraint where too many wait
    already.
    """
    if user not in room.applicants and len(room.applicants) >= MOST_APPLICANTS:
        raise StanzaError("resource-constraint", "too many wait for an answer already")
    if room.applicants.get(user) == nick:
        return []  # they are asked already
    remember(room.applicants, user, nick, MOST_APPLICANTS)
    asked = Message(room.jid, room.jid, "normal", None, _question(user, nick).element())
    there = [o for o in room.occupants.values() if room.affiliation(o.user) >= Affiliation.ADMIN]
    return list(asked.copies(s for occupant in there for s in occupant.sessions))


def pending(room: Room) -> list[tuple[JID, str]]:
    return list(room.applicants.items())


def question(room: Room, user: JID, nick: str, to: JID) -> Message:
    """The form of `apply_for`, for an admin who enters later."""
    return Message(to, room.jid, "normal", None, _question(user, nick).element())


def _question(user: JID, nick: str) -> Form:
    return Form(
        type=FormType.FORM,
        title="Registration request",
        instructions=["To let this person become a member, say yes and submit the form."],
        fields=[
            forms.form_type(REGISTER),
            forms.field(WHO, user, FieldType.JID_SINGLE, label="User"),
            forms.field(NICK, nick, FieldType.TEXT_SINGLE, label="Nickname"),
            forms.field(ALLOW, False, label="Let this person become a member?"),
        ],
    )


def is_answer(form: Form) -> bool:
    return form.form_type == REGISTER and form.field(ALLOW) is not None


def answered(room: Room, admin: JID, form: Form) -> Change | None:
    """An admin's decision; None for a refusal, or where nobody waits (any more).

    Raises forbidden, bad-request, conflict.
    """
    if room.affiliation(admin.bare) < Affiliation.ADMIN:
        raise StanzaError("forbidden", "only admins decide about members")
    user = form.get(WHO, JID)
    nick = None if user is None else room.applicants.pop(user.bare, None)
    if user is None or nick is None or not form.get(ALLOW, bool, False):
        return None
    occupant = room.sessions.get(admin)
    governing.check_reservable(room, nick, user.bare)
    return change(room, user.bare, nick, "" if occupant is None else occupant.nick)
