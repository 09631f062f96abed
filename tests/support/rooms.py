"""For conversations in rooms: entering, making and configuring one, what must come."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from xmppd.testing import Actor, Stage, result
from xmppd.xml import Element

SERVICE = "conference.example.org"
ROOM = f"coven@{SERVICE}"
MUC = "http://jabber.org/protocol/muc"
USER, ADMIN, OWNER = f"{MUC}#user", f"{MUC}#admin", f"{MUC}#owner"
CRONE, HAG, WICCA = "crone1@example.org/desktop", "hag66@example.org/pda", "wicca@example.org/pc"
CRONE_NICK, HAG_NICK, WICCA_NICK = "firstwitch", "thirdwitch", "secondwitch"
A = TypeVar("A", bound=Actor)
Matcher = Callable[[Element], "str | None"]


def enter(client: Actor, nick: str, room: str = ROOM, inside: str = "", more: str = "") -> None:
    x = f"<x xmlns='{MUC}'>{inside}</x>"
    client.sends(f"<presence id='e-{nick}' to='{room}/{nick}'>{more}{x}</presence>")


def submit(values: Mapping[str, object]) -> str:
    """A submitted configuration; a list has several values."""
    fields = ""
    for name, value in values.items():
        several = value if isinstance(value, list) else [value]
        inner = "".join(f"<value>{one}</value>" for one in several)
        fields += f"<field var='{name}'>{inner}</field>"
    form = (
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    )
    return f"<x xmlns='jabber:x:data' type='submit'>{form if values else ''}{fields}</x>"


def configure(client: Actor, room: str = ROOM, id: str = "cfg", **settings: object) -> None:
    """Send the owner's form; `membersonly=1` stands for muc#roomconfig_membersonly."""
    values = {_name(name): value for name, value in settings.items()}
    client.sends(
        f"<iq type='set' id='{id}' to='{room}'>"
        f"<query xmlns='{OWNER}'>{submit(values)}</query></iq>"
    )


def _name(name: str) -> str:
    if name == "maxhistoryfetch":
        return "muc#maxhistoryfetch"
    ours = name in ("locknicks", "quiet")
    return f"x-muc#roomconfig_{name}" if ours else f"muc#roomconfig_{name}"


def made(stage: Stage[A], room: str = ROOM, **settings: object) -> A:
    """The owner, firstwitch, alone in a room with these settings."""
    crone = stage.bind(CRONE)
    enter(crone, CRONE_NICK, room)
    crone.forget()
    configure(crone, room, **settings)
    crone.receives(result("cfg", ""))
    crone.forget()
    return crone


def joins(stage: Stage[A], address: str, nick: str, room: str = ROOM, *present: Actor) -> A:
    """Somebody inside, with all that came of entering looked at already."""
    client = stage.bind(address)
    enter(client, nick, room)
    for each in (client, *present):
        each.forget()
    return client


def affiliate(client: Actor, user: str, word: str, room: str = ROOM, id: str = "aff") -> None:
    client.sends(
        f"<iq type='set' id='{id}' to='{room}'><query xmlns='{ADMIN}'>"
        f"<item jid='{user}' affiliation='{word}'/></query></iq>"
    )


def give(
    client: Actor, nick: str, role: str, room: str = ROOM, id: str = "role", more: str = ""
) -> None:
    client.sends(
        f"<iq type='set' id='{id}' to='{room}'><query xmlns='{ADMIN}'>"
        f"<item nick='{nick}' role='{role}'>{more}</item></query></iq>"
    )


def order(
    client: Actor, items: str, room: str = ROOM, id: str = "items", type: str = "set"
) -> None:
    client.sends(
        f"<iq type='{type}' id='{id}' to='{room}'><query xmlns='{ADMIN}'>{items}</query></iq>"
    )


def say(client: Actor, text: str, room: str = ROOM, id: str = "say") -> None:
    client.sends(f"<message type='groupchat' id='{id}' to='{room}'><body>{text}</body></message>")


def seen(
    nick: str,
    affiliation: str | None = None,
    role: str | None = None,
    *,
    codes: tuple[str, ...] | None = None,
    jid: str | None = None,
    gone: bool = False,
    room: str = ROOM,
    id: str | None = None,
    new_nick: str | None = None,
    reason: str | None = None,
    actor: str | None = None,
) -> Matcher:
    """Presence of an occupant; `codes` are exactly its status codes, `jid` "" means that no real
    address is told.
    """

    def judge(stanza: Element) -> str | None:
        if stanza.name != "presence" or stanza.get("from") != f"{room}/{nick}":
            return f"it is no presence of {nick}"
        if stanza.get("type") != ("unavailable" if gone else None):
            return f"its type is {stanza.get('type')}"
        if id is not None and stanza.get("id") != id:
            return f"its id is {stanza.get('id')}"
        x = stanza.child(USER, "x")
        item = None if x is None else x.child(USER, "item")
        if x is None or item is None:
            return "it has no item"
        found = tuple(sorted(status.get("code") or "" for status in x.all(USER, "status")))
        wanted = {"affiliation": affiliation, "role": role, "jid": jid, "nick": new_nick}
        for key, value in wanted.items():
            if value is not None and (item.get(key) or "") != value:
                return f"its {key} is {item.get(key)!r}, not {value!r}"
        if codes is not None and found != tuple(sorted(codes)):
            return f"its codes are {found}"
        if reason is not None and item.child_text(USER, "reason") != reason:
            return "the reason is another"
        who = item.child(USER, "actor")
        if actor is not None and (who is None or who.get("nick") != actor):
            return "the actor is another"
        return None

    return judge


def refused(condition: str, type: str | None = None, id: str | None = None) -> Matcher:
    """Presence of type error."""
    stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"

    def judge(stanza: Element) -> str | None:
        found = stanza.child("jabber:client", "error")
        if stanza.name != "presence" or stanza.get("type") != "error" or found is None:
            return "it is no presence of type error"
        if stanza.child(MUC, "x") is None:
            return "it does not say that it is about a room"
        if id is not None and stanza.get("id") != id:
            return f"its id is {stanza.get('id')}"
        if type is not None and found.get("type") != type:
            return f"its error is of type {found.get('type')}"
        return None if found.child(stanzas, condition) else f"its condition is not {condition}"

    return judge


def subject(text: str = "", room: str = ROOM, nick: str | None = None) -> Matcher:
    """The subject, from whoever has set it if `nick` is given."""

    def judge(stanza: Element) -> str | None:
        child = stanza.child("jabber:client", "subject")
        if stanza.name != "message" or stanza.get("type") != "groupchat" or child is None:
            return "it is no subject"
        if nick is not None and stanza.get("from") != f"{room}/{nick}":
            return f"it is from {stanza.get('from')}"
        return None if child.text == text else f"it is {child.text!r}"

    return judge


def news(*codes: str, room: str = ROOM) -> Matcher:
    """The room tells of its configuration by exactly these codes."""

    def judge(stanza: Element) -> str | None:
        x = stanza.child(USER, "x")
        if stanza.name != "message" or stanza.get("from") != room or x is None:
            return "it is no message of the room"
        found = sorted(status.get("code") or "" for status in x.all(USER, "status"))
        return None if found == sorted(codes) else f"its codes are {found}"

    return judge
