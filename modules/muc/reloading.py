"""Rooms as plain values, from one version of this module to the next while occupants stay."""

from typing import Any

from xmppd.api import XML_LANG, Presence, lenient_jid, ns, parse
from xmppd.modules.muc import extras
from xmppd.modules.muc.config import Config
from xmppd.modules.muc.history import Said
from xmppd.modules.muc.names import AFFILIATIONS, ROLES
from xmppd.modules.muc.room import Room, Standing
from xmppd.modules.muc.store import (
    message_xml,
    micros,
    moment,
    read_message,
    read_subject,
    subject_text,
)


def dump(room: Room) -> dict[str, Any]:
    return {
        "jid": str(room.jid),
        "secret": room.secret,
        "config": room.config.to_json(),
        "locked": room.locked,
        "created": room.created,
        "standings": [
            (str(user), s.affiliation.word, s.nick, s.reason) for user, s in room.standings.items()
        ],
        "subject": subject_text(room.subject),
        "tail": [(said.id, micros(said.at), message_xml(said.message)) for said in room.tail],
        "occupants": [
            (
                occupant.nick,
                str(occupant.user),
                occupant.role.word,
                [(str(s), presence.write()) for s, presence in occupant.sessions.items()],
                occupant.active,
            )
            for occupant in room.occupants.values()
        ],
        "extras": extras.pieces(room),
        "versioned": room.versioned,
    }


def revived(saved: dict[str, Any]) -> Room:
    room = Room(lenient_jid(saved["jid"]), saved["secret"], Config.from_json(saved["config"]))
    room.locked = saved["locked"]
    room.created = saved["created"]
    for user, word, nick, reason in saved["standings"]:
        room.stand(lenient_jid(user), Standing(AFFILIATIONS[word], nick, reason))
    room.subject = read_subject(saved["subject"])
    for id, at, xml in saved["tail"]:
        message = read_message(xml)
        if message is not None:
            room.tail.append(Said(id, moment(at), message), room.config.history)
    extras.load(room, saved["extras"])
    room.versioned = saved.get("versioned", False)
    _seat(room, saved)
    return room


def _seat(room: Room, saved: dict[str, Any]) -> None:
    for nick, user, word, sessions, active in saved["occupants"]:
        occupant = room.seat(nick, lenient_jid(user), ROLES[word])
        occupant.active = active
        for session, xml in sessions:
            full = lenient_jid(session)
            room.sessions[full] = occupant
            occupant.put(full, read_presence(xml))


def read_presence(xml: bytes) -> Presence:
    stanza = parse(xml, ns.CLIENT)
    attrs = dict(stanza.attrs)
    return Presence(
        lenient_jid(attrs.pop("to")),
        lenient_jid(attrs.pop("from")),
        attrs.pop("type", ""),
        attrs.pop("id", None),
        *stanza.elements,
        lang=attrs.pop(XML_LANG, None),
        extra=attrs or None,
    )
