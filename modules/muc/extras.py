"""What else is remembered of a room: each piece under a name, as text, in memory and stored.

Voice that was given or taken, who was invited by whom, who wants to become a member, the avatar,
hats, and the last changes of affiliations.
"""

import json
from collections.abc import Callable
from typing import Any

from xmppd.api import JID, lenient_jid
from xmppd.modules.muc.hats import Hats
from xmppd.modules.muc.names import ROLES
from xmppd.modules.muc.room import Room
from xmppd.modules.muc.versions import Versions

AVATAR, HATS, VERSIONS = "vcard", "hats", "versions"
VOICES, INVITED, APPLICANTS = "voices", "invited", "applicants"


def _dump_voices(room: Room) -> Any:
    return [(user, role.word) for user, role in room.voices.items()]


def _dump_invited(room: Room) -> Any:
    return list(room.invited.items())


def _dump_applicants(room: Room) -> Any:
    return list(room.applicants.items())


def _load_voices(room: Room, pairs: Any) -> None:
    room.voices.update({_jid(user): ROLES[word] for user, word in pairs})


def _load_invited(room: Room, pairs: Any) -> None:
    room.invited.update({_jid(who): _jid(by) for who, by in pairs})


def _load_applicants(room: Room, pairs: Any) -> None:
    room.applicants.update({_jid(user): nick for user, nick in pairs})


def _load_vcard(room: Room, text: Any) -> None:
    room.vcard = text


def _load_hats(room: Room, stored: Any) -> None:
    room.hats = Hats.load(stored)


def _load_versions(room: Room, stored: Any) -> None:
    room.versions = Versions.load(stored)


_jid: Callable[[str], JID] = lenient_jid
PIECES: dict[str, tuple[Callable[[Room], Any], Callable[[Room, Any], None]]] = {
    AVATAR: (lambda room: room.vcard, _load_vcard),
    HATS: (lambda room: room.hats.dump(), _load_hats),
    VERSIONS: (lambda room: room.versions.dump(), _load_versions),
    VOICES: (_dump_voices, _load_voices),
    INVITED: (_dump_invited, _load_invited),
    APPLICANTS: (_dump_applicants, _load_applicants),
}


def piece(room: Room, name: str) -> str:
    """As it is stored; "" for nothing."""
    value = PIECES[name][0](room)
    return json.dumps(value, ensure_ascii=False) if value else ""


def pieces(room: Room) -> dict[str, str]:
    return {name: text for name in PIECES if (text := piece(room, name))}


def load(room: Room, stored: dict[str, str]) -> None:
    """What is not known any more is left out."""
    for name, text in stored.items():
        if name in PIECES:
            PIECES[name][1](room, json.loads(text))
