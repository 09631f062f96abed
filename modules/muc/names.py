"""The words of XEP-0045 that all files of this package use."""

import unicodedata
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, TypeAlias

from xmppd.api import Copies, Stanza, StanzaError, ns

Outgoing: TypeAlias = Stanza | Copies[Any]  # to one session, or the same to many

MUC: Final = ns.MUC
USER: Final = ns.MUC_USER
ADMIN: Final = f"{MUC}#admin"
OWNER: Final = f"{MUC}#owner"
CONFIG: Final = f"{MUC}#roomconfig"  # FORM_TYPEs
INFO: Final = f"{MUC}#roominfo"
REGISTER: Final = f"{MUC}#register"
REQUEST: Final = f"{MUC}#request"
UNIQUE: Final = f"{MUC}#unique"
TRAFFIC: Final = f"{MUC}#traffic"
SELF_PING: Final = f"{MUC}#self-ping-optimization"
STABLE_ID: Final = f"{MUC}#stable_id"
RESERVED_NICK: Final = "x-roomuser-item"
RETRACTED: Final = ("urn:xmpp:message-retract:1", "retracted")  # a tombstone
OCCUPANT_ID: Final = "urn:xmpp:occupant-id:0"


# Letters and symbols that nobody sees: Hangul fillers, a Braille pattern without dots.
BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")

# Cyrillic and Greek letters that are taken for Latin ones, in whichever case.
LOOKALIKES: Final = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445"
    "\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u04cf"
    "\u03b1\u03b2\u03b5\u03b6\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7",
    "abekmhopctyxijsdqwhlabezhikmvoptyx",
)


class Role(IntEnum):
    """What an occupant may do in this visit (§5.1)."""

    NONE = 0
    VISITOR = 1
    PARTICIPANT = 2
    MODERATOR = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class Affiliation(IntEnum):
    """What a user is to the room, also when away (§5.2)."""

    OUTCAST = -1
    NONE = 0
    MEMBER = 1
    ADMIN = 2
    OWNER = 3

    @property
    def word(self) -> str:
        return self.name.lower()


ROLES: Final = {role.word: role for role in Role}
AFFILIATIONS: Final = {affiliation.word: affiliation for affiliation in Affiliation}


def role_of(word: str | None) -> Role:
    """Raises StanzaError bad-request for a word that is no role."""
    if word not in ROLES:
        raise StanzaError("bad-request", f"a role is one of {', '.join(ROLES)}")
    return ROLES[word]


def affiliation_of(word: str | None) -> Affiliation:
    """Raises StanzaError bad-request for a word that is no affiliation."""
    if word not in AFFILIATIONS:
        raise StanzaError("bad-request", f"an affiliation is one of {', '.join(AFFILIATIONS)}")
    return AFFILIATIONS[word]


@lru_cache(maxsize=4096)
def folded(nick: str) -> str:
    """What two nicknames must not have in common: case, width, spacing, what cannot be seen and
    letters that look the same do not make another name (§14.6, §15.1). "" for a name that cannot
    be seen at all.
    """
    return folded_text(nick)


def folded_text(text: str) -> str:
    """The same for whatever is not worth remembering."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    seen = "".join([" " if c.isspace() else c for c in plain if not _invisible(c)])
    return unicodedata.normalize("NFKC", " ".join(seen.split())).translate(LOOKALIKES)


def is_same(one: str, other: str) -> bool:
    """Whether two nicknames are one."""
    return folded(one) == folded(other)


def _invisible(character: str) -> bool:
    if character.isspace():
        return False
    if character in BLANK:
        return True
    return unicodedata.category(character) in ("Cf", "Cc", "Cn", "Mn") and (
        unicodedata.combining(character) == 0
    )
