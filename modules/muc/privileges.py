"""Who may change whose role and affiliation: the tables of XEP-0045 §5, the rules of §8 to §10.

`forbidden`: this is not yours to do. `not-allowed`: not to that person.
"""

from typing import NamedTuple

from xmppd.api import JID, StanzaError
from xmppd.modules.muc.names import Affiliation, Role

NONE, MEMBER, ADMIN, OWNER = (
    Affiliation.NONE,
    Affiliation.MEMBER,
    Affiliation.ADMIN,
    Affiliation.OWNER,
)


class Person(NamedTuple):
    """One side of a change. `role` is NONE for who is not inside."""

    user: JID
    affiliation: Affiliation
    role: Role


def check_role(actor: Person, target: Person, new: Role) -> None:
    """May `actor` give the occupant `target` the role `new`? Raises what the actor is told."""
    if actor.role is not Role.MODERATOR and actor.affiliation < ADMIN:
        raise StanzaError("forbidden", "only moderators change roles")
    if new is Role.NONE:
        _check_kick(actor, target)
    elif Role.MODERATOR in (new, target.role):
        _check_moderator(actor, target, new)
    elif new is Role.VISITOR:
        _check_revoking(actor, target)


def _check_kick(actor: Person, target: Person) -> None:
    """§8.2; moderators are kicked by admins and owners (§5.1.3)."""
    if actor.user == target.user:
        raise StanzaError("conflict", "leave the room instead")
    if target.affiliation > actor.affiliation:
        raise StanzaError("not-allowed", "this person is above you")
    if target.role is Role.MODERATOR and actor.affiliation < ADMIN:
        raise StanzaError("not-allowed", "only admins kick moderators")


def _check_moderator(actor: Person, target: Person, new: Role) -> None:
    """§9.6, §9.7."""
    if target.affiliation >= ADMIN and new is not Role.MODERATOR:
        raise StanzaError("not-allowed", "admins and owners are moderators")
    if actor.affiliation < ADMIN:
        raise StanzaError("forbidden", "only admins make moderators")


def _check_revoking(actor: Person, target: Person) -> None:
    """§8.4: not from who is affiliated as highly; from an admin or owner nobody does."""
    if target.affiliation >= ADMIN or (
        target.affiliation is not NONE and target.affiliation >= actor.affiliation
    ):
        raise StanzaError("not-allowed", "this person keeps its voice")


def check_affiliation(actor: Person, user: JID, old: Affiliation, new: Affiliation) -> None:
    """May `actor` change the affiliation of `user` from `old` to `new` (§5.2.2)?"""
    if actor.affiliation < ADMIN:
        raise StanzaError("forbidden", "only admins and owners change affiliations")
    if new is Affiliation.OUTCAST:
        _check_ban(actor, user, old)
    elif actor.affiliation < OWNER and max(old, new) >= ADMIN and old is not new:
        raise StanzaError("forbidden", "only owners change the lists of admins and owners")


def _check_ban(actor: Person, user: JID, old: Affiliation) -> None:
    """§9.1."""
    if user == actor.user or user == actor.user.domain:
        raise StanzaError("conflict", "you cannot ban yourself")
    if old >= ADMIN and actor.affiliation < OWNER:
        raise StanzaError("not-allowed", "this person is above you")


def role_after(old: Role, new: Affiliation, default: Role) -> Role:
    """The role of an occupant whose affiliation has become `new` (§5.1.3): what it brings at
    least; admins who are none any more fall to the default.
    """
    if new >= ADMIN:
        return Role.MODERATOR
    return max(old, default) if new is MEMBER else default
