"""Group chat (XEP-0045), as its examples have it; details are in tests/unit/modules/muc/."""

from itertools import count

import pytest

from tests.support.rooms import (
    CRONE_NICK,
    HAG,
    HAG_NICK,
    SERVICE,
    USER,
    WICCA,
    WICCA_NICK,
    affiliate,
    configure,
    enter,
    joins,
    made,
    order,
    refused,
    say,
    seen,
    subject,
)
from xmppd.testing import Actor, Stage, like, message, result

NUMBERS = count()
AGAIN = "When shall we three meet again?"
JULIET = "juliet@example.net/balcony"


@pytest.fixture
def room() -> str:
    """A room of its own for each test: the process lives on, and rooms with it."""
    return f"coven{next(NUMBERS)}@{SERVICE}"


def test_three_witches_meet(talk: Stage[Actor], room: str) -> None:
    crone = made(talk, room)
    wicca = talk.bind(WICCA)
    enter(wicca, WICCA_NICK, room)
    wicca.receives(
        seen(CRONE_NICK, "owner", "moderator", room=room, jid=""),
        seen(WICCA_NICK, "none", "participant", codes=("110",), room=room),
        subject(),
    )
    crone.receives(seen(WICCA_NICK, "none", "participant", room=room, jid=WICCA))
    say(wicca, AGAIN, room)
    for each in (crone, wicca):
        each.receives(message(AGAIN, from_=f"{room}/{WICCA_NICK}"))
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK, room)
    hag.receives(
        seen(CRONE_NICK, room=room),
        seen(WICCA_NICK, room=room),
        seen(HAG_NICK, codes=("110",), room=room),
        like(f"<message><body>{AGAIN}</body><delay xmlns='urn:xmpp:delay'/></message>"),
        subject(),
    )


def test_users_of_another_host_take_part(talk: Stage[Actor], room: str) -> None:
    crone = made(talk, room)
    juliet = joins(talk, JULIET, "juliet", room, crone)
    say(juliet, "Ay me!", room)
    crone.receives(message("Ay me!", from_=f"{room}/juliet"))
    juliet.receives(message("Ay me!"))
    juliet.disconnect()
    crone.receives(seen("juliet", "none", "none", codes=(), gone=True, room=room))


def test_a_nickname_changes(talk: Stage[Actor], room: str) -> None:
    crone = made(talk, room)
    hag = joins(talk, HAG, HAG_NICK, room, crone)
    hag.sends(f"<presence to='{room}/oldhag'/>")
    for each, own in ((hag, ("110",)), (crone, ())):
        each.receives(
            seen(HAG_NICK, codes=("303", *own), gone=True, new_nick="oldhag", room=room),
            seen("oldhag", codes=own, room=room),
        )


def test_one_is_kicked_and_another_banned(talk: Stage[Actor], room: str) -> None:
    crone = made(talk, room)
    hag = joins(talk, HAG, HAG_NICK, room, crone)
    wicca = joins(talk, WICCA, WICCA_NICK, room, crone, hag)
    order(crone, f"<item nick='{HAG_NICK}' role='none'><reason>Avaunt!</reason></item>", room)
    hag.receives(seen(HAG_NICK, codes=("110", "307"), gone=True, reason="Avaunt!", room=room))
    crone.receives(result("items", ""), seen(HAG_NICK, codes=("307",), gone=True, room=room))
    wicca.receives(seen(HAG_NICK, codes=("307",), gone=True, room=room))
    affiliate(crone, "wicca@example.org", "outcast", room)
    wicca.receives(seen(WICCA_NICK, "outcast", codes=("110", "301"), gone=True, room=room))
    crone.receives(result("aff", ""))
    enter(wicca, WICCA_NICK, room)
    wicca.receives(refused("forbidden", "auth"))


def test_a_member_is_invited_and_enters(talk: Stage[Actor], room: str) -> None:
    crone = made(talk, room, membersonly=1)
    hag = talk.online(HAG)
    crone.sends(
        f"<message to='{room}'><x xmlns='{USER}'><invite to='hag66@example.org'>"
        "<reason>Hey</reason></invite></x></message>"
    )
    x = f"<x xmlns='{USER}'><invite><reason>Hey</reason></invite></x>"
    hag.receives(like(f"<message from='{room}'>{x}</message>"))
    enter(hag, HAG_NICK, room)
    hag.receives(
        seen(CRONE_NICK, room=room), seen(HAG_NICK, "member", "participant", room=room), subject()
    )


def test_a_stored_room_waits_for_its_owner(talk: Stage[Actor], room: str) -> None:
    crone = made(talk, room, persistentroom=1, roomname="A Dark Cave")
    crone.sends(f"<message type='groupchat' to='{room}'><subject>Fire</subject></message>")
    crone.receives(subject("Fire"))
    crone.leaves()
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK, room)
    hag.receives(seen(HAG_NICK, "none", "participant", room=room), subject("Fire"))
    crone = talk.bind("crone1@example.org/other")
    enter(crone, CRONE_NICK, room)
    crone.receives(
        seen(HAG_NICK, room=room), seen(CRONE_NICK, "owner", room=room), subject("Fire")
    )
    configure(crone, room, persistentroom=0)
    crone.receives(result("cfg", ""))
