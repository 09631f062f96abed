"""Of which chats a device is to be told: the account's own settings (XEP-0492 0.2.0).

They are part of its bookmarks (XEP-0402), so each chat that has one is known by its item.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from xmppd.api import JID, Element, JIDError, Message, XMLError, jid, parse

NS: Final = "urn:xmpp:notification-settings:1"
BOOKMARKS: Final = "urn:xmpp:bookmarks:1"
REFERENCES: Final = "urn:xmpp:reference:0"  # XEP-0372
REPLIES: Final = "urn:xmpp:reply:0"  # XEP-0461
CATEGORY, TYPE = "client", "phone"  # what devices with push are


class Wanted(StrEnum):
    """When to tell."""

    ALWAYS = "always"
    ON_MENTION = "on-mention"
    NEVER = "never"


def wanted(bookmark: str | None, message: Message, *, mentions: bool = False) -> bool:
    """Whether a device shall be told of the message; `bookmark` is that of its chat, if any.
    `mentions`: the room says that it speaks to the user.
    """
    element = _readable(bookmark)
    when = _setting(element)
    if when is None:  # §4: nobody knows here whether a room is public, and then that is the rule
        when = Wanted.ON_MENTION if message.type == "groupchat" else Wanted.ALWAYS
    if when is Wanted.ON_MENTION:
        return mentions or _mentions(message, element)
    return when is Wanted.ALWAYS


def _readable(bookmark: str | None) -> Element | None:
    try:
        return None if bookmark is None else parse(bookmark)
    except XMLError:
        return None


def _setting(bookmark: Element | None) -> Wanted | None:
    """The most specific one for a phone (§3.2, §4)."""
    extensions = None if bookmark is None else bookmark.child(BOOKMARKS, "extensions")
    notify = None if extensions is None else extensions.child(NS, "notify")
    if notify is None:
        return None
    found = {_identity(each): Wanted(each.name) for each in notify.all(NS) if _known(each)}
    for identity in ((CATEGORY, TYPE), (CATEGORY, None), (None, None)):
        if identity in found:
            return found[identity]
    return None


def _known(element: Element) -> bool:
    return element.name in tuple(Wanted)


def _identity(element: Element) -> tuple[str | None, str | None]:
    return element.get("identity-category"), element.get("identity-type")


def _mentions(message: Message, bookmark: Element | None) -> bool:
    """Explicitly, or by the nickname in the text (§4)."""
    nick = None if bookmark is None else bookmark.child_text(BOOKMARKS, "nick")
    nick = nick or message.to.local
    if any(_means(each, message, nick) for each in _named(message)):
        return True
    return nick.casefold() in (message.body or "").casefold()


def _named(message: Message) -> Iterator[JID]:
    """Who is mentioned or answered."""
    texts = [each.get("to") for each in message.children if _is(each, REPLIES, "reply")]
    texts += [
        (each.get("uri") or "").removeprefix("xmpp:").partition("?")[0]
        for each in message.children
        if _is(each, REFERENCES, "reference") and each.get("type") == "mention"
    ]
    for text in texts:
        try:
            yield jid(text or "")
        except JIDError:
            continue


def _is(element: Element, ns: str, name: str) -> bool:
    return (element.ns, element.name) == (ns, name)


def _means(who: JID, message: Message, nick: str) -> bool:
    """The account, or its occupant in the room."""
    occupant = who.bare == message.from_.bare and who.resource == nick
    return occupant or who.bare == message.to.bare
