"""Members who are away: which of them a message speaks to (for push: XEP-0357; XEP-0372).

They read all that they missed in the archive; what speaks to them is made known at once.
"""

import re

from xmppd.api import JID, JIDError, Message, jid, ns
from xmppd.modules.muc.names import Affiliation, folded, folded_text
from xmppd.modules.muc.room import Room

REFERENCE = ("urn:xmpp:reference:0", "reference")
MOST_TEXT = 4096  # characters: to look at one costs a third of a microsecond
MOST_WORDS = 1000
LONGEST_NICK = 4  # words
MOST_REFERENCES = 50
_words = re.compile(r"\S+").findall
EDGES = ".,:;!?@()[]\"'<>"


def missed_by(room: Room, message: Message) -> list[JID]:
    """Members who are not inside and are mentioned: by the nickname that is theirs, or by a
    reference to them.
    """
    if (ns.CLIENT, "body") not in message.payloads:
        return []
    found = dict.fromkeys([*_by_nick(room, message), *_by_reference(room, message)])
    return [user for user in found if _is_away(room, user)]


def _is_away(room: Room, user: JID) -> bool:
    return room.affiliation(user) >= Affiliation.MEMBER and user not in room.users


def _by_nick(room: Room, message: Message) -> list[JID]:
    """Each few words in a row are looked up: it costs the same for five members and thousands."""
    if not room.reserved:
        return []
    body = message.child(ns.CLIENT, "body")
    text = "" if body is None else body.text
    words = _words(folded_text(text[:MOST_TEXT]))[:MOST_WORDS]
    found = []
    for at in range(len(words)):
        for end in range(at + 1, min(at + LONGEST_NICK, len(words)) + 1):
            phrase = " ".join(words[at:end])
            user = room.reserved.get(phrase) or room.reserved.get(phrase.strip(EDGES))
            if user is not None:
                found.append(user)
    return found


def _by_reference(room: Room, message: Message) -> list[JID]:
    if REFERENCE not in message.payloads:
        return []
    asked = [each for each in message.children if (each.ns, each.name) == REFERENCE]
    found = []
    for each in asked[:MOST_REFERENCES]:
        uri = each.get("uri") or ""
        if each.get("type") == "mention" and uri.startswith("xmpp:"):
            user = _named(room, uri[len("xmpp:") :].partition("?")[0])
            found += [] if user is None else [user]
    return found


def _named(room: Room, address: str) -> JID | None:
    try:
        who = jid(address)
    except JIDError:
        return None
    return room.reserved.get(folded(who.resource)) if who.bare == room.jid else who.bare
