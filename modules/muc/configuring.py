"""The owner's form: a room is configured, unlocked or given up (XEP-0045 §10.1, §10.2, §10.9)."""

from dataclasses import dataclass, replace

from xmppd.api import (
    JID,
    Element,
    Form,
    FormType,
    JIDError,
    Message,
    StanzaError,
    forms,
    jid,
    ns,
)
from xmppd.modules.muc import config, governing
from xmppd.modules.muc.config import Config
from xmppd.modules.muc.governing import Change, Outcome
from xmppd.modules.muc.names import CONFIG, OWNER, USER, Affiliation, Outgoing, Role
from xmppd.modules.muc.presences import Why, announce, gone, roll, status
from xmppd.modules.muc.room import Occupant, Room, Standing

MOST_SHOWN_AGAIN = 500  # occupants: each is told of each


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be stored, and then done."""

    config: Config
    changes: list[Change]


def check_owner(room: Room, who: JID) -> None:
    """Raises forbidden."""
    if room.affiliation(who.bare) is not Affiliation.OWNER:
        raise StanzaError("forbidden", "only owners may do this")


def form(room: Room) -> Form:
    """The present configuration (§10.2)."""
    title = room.config.name or room.name
    admins, owners = (room.having(each) for each in (Affiliation.ADMIN, Affiliation.OWNER))
    return config.form(room.config, title, admins, owners)


def submitted(query: Element) -> Form:
    """Raises bad-request for what is no answer to the form."""
    return forms.submission(query.child(ns.FORMS, "x"))


def read(room: Room, given: Form) -> Plan:
    """What a submission asks for; an empty one accepts what is there (§10.1.2).

    Raises not-acceptable, bad-request, conflict where no owner would be left.
    """
    if given.form_type not in (None, CONFIG):
        raise StanzaError("bad-request", f"FORM_TYPE must be {CONFIG}")
    wanted = config.read(form(room), given, room.config)
    changes: dict[JID, Change] = {}
    if wanted.admins is not None:
        _list(room, changes, Affiliation.ADMIN, wanted.admins)
    if wanted.owners is not None:
        _list(room, changes, Affiliation.OWNER, wanted.owners)
    governing.check_owners(room, changes.values())
    return Plan(wanted.config, list(changes.values()))


def _list(
    room: Room, changes: dict[JID, Change], affiliation: Affiliation, users: list[JID]
) -> None:
    """Who is on the list is that; who was and is not any more falls by one step (§10.2)."""
    fall = Affiliation.ADMIN if affiliation is Affiliation.OWNER else Affiliation.MEMBER
    for user in room.having(affiliation):
        if user not in users and user not in changes:
            _add(room, changes, user, fall)
    for user in users:
        if not user.local:
            raise StanzaError("not-acceptable", f"{user} is not the address of a person")
        if room.affiliation(user) is not affiliation:
            _add(room, changes, user, affiliation)


def _add(room: Room, changes: dict[JID, Change], user: JID, new: Affiliation) -> None:
    standing = Standing(new, room.nick_of(user))
    changes[user] = Change(user, room.affiliation(user), standing)


def apply(room: Room, plan: Plan) -> Outcome:
    """It is stored: make it so, and tell (§10.2, §10.2.1)."""
    old, new = room.config, plan.config
    room.locked = False
    # of what was seen, the end is seen too
    room.config = replace(new, broadcast=old.broadcast, quiet=old.quiet)
    outcome = governing.apply_affiliations(room, plan.changes)
    if room.config.members_only and not old.members_only:
        outcome.add(governing.outsiders_out(room))
    _show_roles(room, outcome, new)
    if old.moderated and not new.moderated:
        outcome.rest += _voiced(room)
    codes = config.status_codes(old, new)
    if codes:
        x = Element(USER, "x", None, *status(*codes))
        news = Message(room.jid, room.jid, "groupchat", None, x)
        outcome.rest.append(news.copies(room.sessions))
    if old.anonymous and not new.anonymous and len(room.occupants) <= MOST_SHOWN_AGAIN:
        outcome.rest += _addresses(room)
    return outcome


def _voiced(room: Room) -> list[Outgoing]:
    """Without moderation only those stay mute whom a moderator has silenced (§5.1)."""
    told: list[Outgoing] = []
    for occupant in room.occupants.values():
        if occupant.role is Role.VISITOR and occupant.user not in room.voices:
            told += governing.in_role(room, occupant, Role.PARTICIPANT, Why())
    return told


def _addresses(room: Room) -> list[Outgoing]:
    """Who did not see addresses sees them now, of all who are there."""
    seen_now = [o for o in room.occupants.values() if o.role is not Role.MODERATOR]
    told: list[Outgoing] = []
    for occupant in seen_now:
        for session in occupant.sessions:
            told += roll(room, session, occupant, address=True)
    return told


def _show_roles(room: Room, outcome: Outcome, new: Config) -> None:
    """Who is hidden from now on goes, who is shown appears."""
    before = {each: room.shows(each) for each in room.occupants.values()}
    old, room.config = room.config, new
    change = [each for each, shown in before.items() if room.shows(each) is not shown]
    room.config = old
    for occupant in change:
        if before[occupant]:
            outcome.rest += _hidden(room, occupant)
    room.config = new
    for occupant in change:
        if not before[occupant]:
            outcome.rest += announce(room, occupant, to=())


def _hidden(room: Room, occupant: Occupant) -> list[Outgoing]:
    said = occupant.sessions[occupant.shown].copy(children=())
    return gone(room, occupant, said, session=occupant.shown)


# The end


def venue(query: Element) -> Element:
    """`<destroy/>` as the occupants get it (§10.9). Raises jid-malformed."""
    asked = query.child(OWNER, "destroy")
    assert asked is not None
    made = Element(USER, "destroy")
    if asked.get("jid"):
        try:
            made.attrs["jid"] = jid(asked.get("jid") or "")
        except JIDError as fault:
            raise StanzaError("jid-malformed", str(fault)) from None
    for name in ("password", "reason"):
        text = (asked.child_text(OWNER, name) or "")[: governing.MOST_REASON]
        if text:
            made.append(Element(USER, name, None, text))
    return made


def no_venue(reason: str = "") -> Element:
    """`<destroy/>` of who says at most why."""
    made = Element(USER, "destroy")
    if reason:
        made.append(Element(USER, "reason", None, reason))
    return made


def persistent(config: Config) -> Config:
    return replace(config, persistent=True)


def any_form(x: Element) -> Form:
    """A submission of whatever form. Raises bad-request."""
    return forms.submission(x)


def is_cancel(given: Form) -> bool:
    return given.type is FormType.CANCEL
