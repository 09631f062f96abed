"""Slow mode: some time between two messages of a user (XEP-0500 0.1.1)."""

from xmppd.api import Element, FieldType, Form, FormType, StanzaError, forms, ns
from xmppd.modules.muc.config import SLOW_MODE
from xmppd.modules.muc.names import INFO, Affiliation
from xmppd.modules.muc.room import Occupant, Room, remember

INFORMATION = "muc#roominfo_slow_mode_duration"
VALIDATE = "http://jabber.org/protocol/xdata-validate"
MOST_REMEMBERED = 10_000


def check(room: Room, occupant: Occupant, now: float) -> None:
    """May this user say something again (§6)? Admins and owners may. Raises policy-violation."""
    if room.affiliation(occupant.user) >= Affiliation.ADMIN:
        return
    wait = room.config.slow_mode
    last = room.said_at.get(occupant.user)
    if last is not None and now - last < wait:
        why = f"in this room you have to wait {wait} seconds between two messages"
        raise StanzaError("policy-violation", why, type="wait")
    remember(room.said_at, occupant.user, now, MOST_REMEMBERED)


def information(room: Room) -> Form:
    """What clients look for (§5.2)."""
    seconds = forms.field(INFORMATION, str(room.config.slow_mode), FieldType.TEXT_SINGLE)
    return Form(type=FormType.RESULT, fields=[forms.form_type(INFO), seconds])


def validated(form: Element) -> Element:
    """The owner's form; of this field it says that it is a number (§5.1; XEP-0122)."""
    for field in form.all(ns.FORMS, "field"):
        if field.get("var") == SLOW_MODE:
            limits = Element(VALIDATE, "range", {"min": "0"})
            field.append(Element(VALIDATE, "validate", {"datatype": "xs:integer"}, limits))
    return form
