"""What stays: over a restart what was stored, over a reload the occupants too; commands."""

from datetime import UTC, datetime

import pytest

from tests.support.rooms import (
    CRONE,
    CRONE_NICK,
    HAG,
    HAG_NICK,
    OWNER,
    ROOM,
    SERVICE,
    USER,
    WICCA,
    WICCA_NICK,
    affiliate,
    configure,
    enter,
    give,
    joins,
    made,
    order,
    refused,
    say,
    seen,
    subject,
)
from xmppd.admin.commands import CommandError
from xmppd.admin.output import Rows
from xmppd.api import jid, remove_account
from xmppd.modules.muc import MUC
from xmppd.modules.muc.limits import Rates
from xmppd.modules.muc.options import MUCOptions
from xmppd.testing import Client, Talk, like, message, result, result_of


def restart(talk: Talk) -> None:
    """As a new process: nothing is handed over."""
    result_of(talk.host.modules.swap(["muc"], {}))
    result_of(talk.host.modules.swap((), {MUC: MUCOptions()}))


def reload(talk: Talk) -> None:
    result_of(talk.host.modules.swap(["muc"], {MUC: MUCOptions()}))


def test_a_persistent_room_is_as_it_was_after_a_restart(talk: Talk) -> None:
    crone = made(talk, persistentroom=1, roomname="Cave", passwordprotectedroom=1, roomsecret="x")
    order(crone, "<item jid='hag66@example.org' affiliation='member' nick='thirdwitch'/>")
    affiliate(crone, "bad@example.org", "outcast")
    crone.sends(f"<message type='groupchat' to='{ROOM}'><subject>Fire</subject></message>")
    say(crone, "Bubble")
    crone.forget()
    say(crone, "Bubble again")
    occupant = crone.receives(message("Bubble again")).child("urn:xmpp:occupant-id:0")
    restart(talk)
    crone.receives(seen(CRONE_NICK, codes=("110", "332"), gone=True))
    hag, wicca, bad = talk.bind(HAG), talk.bind(WICCA), talk.bind("bad@example.org/x")
    enter(wicca, HAG_NICK, inside="<password>x</password>")
    wicca.receives(refused("conflict"))
    enter(wicca, WICCA_NICK)
    wicca.receives(refused("not-authorized"))
    enter(bad, "bad", inside="<password>x</password>")
    bad.receives(refused("forbidden"))
    enter(hag, HAG_NICK, inside="<password>x</password>")
    hag.receives(
        seen(HAG_NICK, "member", "participant", codes=("110",)),
        like(f"<message from='{ROOM}/{CRONE_NICK}'><body>Bubble</body></message>"),
    )
    again = hag.receives(like("<message><body>Bubble again</body></message>"))
    assert again.child("urn:xmpp:occupant-id:0") == occupant
    hag.receives(subject("Fire", nick=CRONE_NICK))
    enter(crone, CRONE_NICK, inside="<password>x</password>")
    crone.receives(seen(HAG_NICK), seen(CRONE_NICK, "owner", "moderator"))


def test_a_temporary_room_is_gone(talk: Talk) -> None:
    crone = made(talk)
    restart(talk)
    crone.forget()
    enter(crone, CRONE_NICK)
    crone.receives(seen(CRONE_NICK, codes=("110", "201")), subject())


def test_a_room_that_is_persistent_no_more_leaves_nothing(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    say(crone, "x")
    configure(crone, persistentroom=0)
    restart(talk)
    crone.forget()
    enter(crone, CRONE_NICK)
    crone.receives(seen(CRONE_NICK, codes=("110", "201")), subject())


def test_what_is_destroyed_does_not_come_back() -> None:
    talk = Talk(options={"muc": {"destroyed_names": 0}})
    crone = made(talk, persistentroom=1)
    affiliate(crone, "hag66@example.org", "outcast")
    say(crone, "x")
    talk.run("room-destroy", room="coven")
    restart(talk)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(HAG_NICK, "owner", codes=("110", "201")), subject())


def test_becoming_persistent_stores_all(talk: Talk) -> None:
    crone = made(talk)
    affiliate(crone, "hag66@example.org", "admin")
    say(crone, "before")
    configure(crone, persistentroom=1)
    restart(talk)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(HAG_NICK, "admin", "moderator"), message("before"), subject())


def test_history_is_trimmed_in_store_too(talk: Talk) -> None:
    crone = made(talk, persistentroom=1, maxhistoryfetch=2)
    for number in range(5):
        say(crone, str(number))
    restart(talk)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(HAG_NICK), message("3"), message("4"), subject())
    stored = result_of(talk.module(MUC).stored.get("coven", 100))
    assert stored is not None
    assert len(stored.history) <= 3  # the oldest go now and then


def test_a_reload_keeps_occupants_and_all_there_is(talk: Talk) -> None:
    crone = made(talk, moderatedroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    give(crone, HAG_NICK, "participant")
    crone.sends(f"<message type='groupchat' to='{ROOM}'><subject>Fire</subject></message>")
    say(hag, "before")
    hag.forget()
    crone.forget()
    reload(talk)
    hag.receives_nothing()
    say(hag, "after")
    crone.receives(message("after", from_=f"{ROOM}/{HAG_NICK}"))
    hag.forget()
    wicca = talk.bind(WICCA)
    enter(wicca, WICCA_NICK)
    wicca.receives(
        seen(CRONE_NICK, "owner", "moderator"),
        seen(HAG_NICK, "none", "participant"),
        seen(WICCA_NICK, "none", "visitor"),
        message("before"),
        message("after"),
        subject("Fire"),
    )
    hag.disconnect()
    wicca.receives(seen(HAG_NICK, gone=True))


def test_empty_stored_rooms_leave_memory() -> None:
    talk = Talk(options={"muc": {"idle_rooms": 10, "created_per_hour": 100}})
    crone = talk.bind(CRONE)
    for number in range(15):
        room = f"room{number}@{SERVICE}"
        enter(crone, CRONE_NICK, room)
        configure(crone, room, persistentroom=1)
        crone.sends(f"<presence type='unavailable' to='{room}/{CRONE_NICK}'/>")
    rooms = talk.module(MUC).rooms
    assert sorted(room.name for room in rooms) == sorted(f"room{n}" for n in range(5, 15))
    crone.forget()
    enter(crone, CRONE_NICK, f"room0@{SERVICE}")
    crone.receives(seen(CRONE_NICK, "owner", codes=("110",), room=f"room0@{SERVICE}"))


def test_a_room_that_is_never_configured_is_given_up(talk: Talk) -> None:
    crone = talk.bind(CRONE)
    enter(crone, CRONE_NICK)
    crone.forget()
    room = talk.module(MUC).rooms.get("coven")
    assert room is not None
    room.created -= 3601 * 10**6
    talk.advance(61)
    crone.receives(
        like(f"<presence type='unavailable'><x xmlns='{USER}'><destroy/></x></presence>")
    )


def test_who_takes_the_name_of_a_deleted_account_has_none_of_its_rights(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    affiliate(crone, "hag66@example.org", "admin")
    talk.account(HAG)
    result_of(remove_account(talk.host, talk.account(HAG)))
    crone.forget()
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK, "none", "participant"))
    restart(talk)
    hag.forget()
    enter(hag, HAG_NICK)
    hag.receives(seen(HAG_NICK, "none", "participant"))


# Commands


def test_operators_make_show_and_destroy_rooms(talk: Talk) -> None:
    talk.run("room-create", room="coven", owner=talk.account("crone1@example.org"))
    assert talk.run("rooms") == Rows(("room", "name", "occupants"), [("coven", "", 0)])
    crone = talk.bind(CRONE)
    enter(crone, CRONE_NICK)
    crone.receives(seen(CRONE_NICK, "owner", "moderator", codes=("110",)), subject())
    shown = talk.run("room", room=f"coven@{SERVICE}")
    assert isinstance(shown, Rows)
    assert ("owner", "crone1@example.org") in shown.rows
    assert (f"moderator {CRONE_NICK}", CRONE) in shown.rows
    assert "password" not in dict(shown.rows)
    talk.run("room-destroy", room="coven", reason="enough")
    crone.receives(
        like(
            f"<presence><x xmlns='{USER}'><destroy><reason>enough</reason></destroy></x>"
            "</presence>"
        )
    )
    assert talk.run("rooms") == Rows(("room", "name", "occupants"), [])


def test_operators_govern(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    talk.run("room-kick", room="coven", nick=HAG_NICK, reason="out")
    hag.receives(seen(HAG_NICK, codes=("110", "307"), gone=True, reason="out"))
    talk.run("room-affiliation", room="coven", user=HAG, affiliation="outcast")
    enter(hag, HAG_NICK)
    hag.receives(refused("forbidden"))


@pytest.mark.parametrize(
    ("setting", "value", "found"),
    [
        ("members_only", "true", True),
        ("name", "A Dark Cave", "A Dark Cave"),
        ("broadcast", "moderator, visitor", ("moderator", "visitor")),
        ("max_users", "25", 25),
        ("members_only", "True", True),
    ],
)
def test_operators_change_a_setting(talk: Talk, setting: str, value: str, found: object) -> None:
    talk.run("room-create", room="coven", owner=talk.account("crone1@example.org"))
    talk.run("room-configure", room="coven", setting=setting, value=value)
    restart(talk)
    _ = joins(talk, CRONE, CRONE_NICK)
    room = talk.module(MUC).rooms.get("coven")
    assert room is not None
    assert getattr(room.config, setting) == found


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("colour", "red", "colour: no such setting; there is .*members_only"),
        ("members_only", "perhaps", "members_only: it is true or false"),
        ("max_users", "-1", "max_users: "),
    ],
)
def test_operators_change_nothing_to_what_cannot_be(
    talk: Talk, setting: str, value: str, said: str
) -> None:
    talk.run("room-create", room="coven", owner=talk.account("crone1@example.org"))
    with pytest.raises(CommandError, match=said):
        talk.run("room-configure", room="coven", setting=setting, value=value)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("room", {"room": "nowhere"}),
        ("room", {"room": "coven@elsewhere.example"}),
        ("room", {"room": "a b"}),
        ("room-create", {"room": "coven", "owner": "crone1@example.org"}),
        ("room-create", {"room": "other", "owner": "@"}),
        ("room-create", {"room": "other", "owner": "nobody@example.org"}),
        ("room-create", {"room": "other", "owner": "example.com"}),
        ("rooms-unused", {"days": "-1"}),
        ("room-kick", {"room": "coven", "nick": "nobody"}),
        ("room-affiliation", {"room": "coven", "user": "a@b", "affiliation": "king"}),
        (
            "room-affiliation",
            {"room": "coven", "user": "nobody@example.org", "affiliation": "owner"},
        ),
    ],
)
def test_what_operators_cannot_do(talk: Talk, command: str, arguments: dict[str, str]) -> None:
    made(talk)
    with pytest.raises(CommandError):
        talk.run(command, **arguments)


def test_operators_ban_who_has_no_account(talk: Talk) -> None:
    """Before it is made, or a whole domain."""
    made(talk)
    for user in ("nobody@example.org", "example.com"):
        talk.run("room-affiliation", room="coven", user=user, affiliation="outcast")
        shown = talk.run("room", room="coven")
        assert isinstance(shown, Rows)
        assert ("outcast", user) in shown.rows


# Limits


def test_rates_fill_up_with_time() -> None:
    rates = Rates(1.0, 2)
    assert [rates.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert rates.take("b", 0.0)
    assert [rates.take("a", 1.0) for _ in range(2)] == [True, False]
    assert [rates.take("a", 100.0) for _ in range(3)] == [True, True, False]
    assert all(Rates(0, 1).take("a", 0.0) for _ in range(5))


def test_rates_remember_so_many() -> None:
    rates = Rates(1.0, 1, keys=2)
    for key in "abc":
        assert rates.take(key, 0.0)
    assert rates.take("a", 0.0)
    assert not rates.take("c", 0.0)


# Destroyed rooms, unused rooms, rooms that nobody locks


def destroys(crone: Client, venue: str = f"heath@{SERVICE}") -> None:
    crone.sends(
        f"<iq type='set' id='b' to='{ROOM}'><query xmlns='{OWNER}'>"
        f"<destroy jid='{venue}'><reason>Macbeth doth come.</reason></destroy></query></iq>"
    )
    crone.receives(seen(CRONE_NICK, gone=True), result("b", ""))


def test_the_name_of_a_destroyed_room_stays_its_owners() -> None:
    talk = Talk()
    crone = made(talk, persistentroom=1)
    destroys(crone)
    restart(talk)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(refused("gone", "cancel"))
    enter(hag, HAG_NICK)
    uri = f"<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:heath@{SERVICE}?join</gone>"
    hag.receives(like(f"<presence type='error'><error>{uri}</error></presence>"))
    crone = talk.bind(CRONE)
    enter(crone, CRONE_NICK)
    crone.receives(seen(CRONE_NICK, "owner", codes=("110", "201")))


def test_not_that_of_a_room_that_was_never_stored_nor_where_that_is_off() -> None:
    for lasting, persistent in ((0, 1), (60, 0)):
        talk = Talk(options={"muc": {"destroyed_names": lasting}})
        destroys(made(talk, persistentroom=persistent))
        hag = talk.bind(HAG)
        enter(hag, HAG_NICK)
        hag.receives(seen(HAG_NICK, "owner", codes=("110", "201")))


def test_who_takes_the_name_of_an_owner_did_not_own_the_room() -> None:
    talk = Talk()
    destroys(made(talk, persistentroom=1))
    result_of(remove_account(talk.host, jid(CRONE).bare))
    crone = talk.bind(CRONE)
    enter(crone, CRONE_NICK)
    crone.receives(refused("gone", "cancel"))


def test_rooms_in_which_nothing_is_said_are_found(talk: Talk) -> None:
    columns = ("room", "name", "last used")
    crone = made(talk, persistentroom=1, roomname="A Dark Cave")
    assert talk.run("rooms-unused", days=0) == Rows(columns, [])
    crone.leaves()
    today = datetime.now(UTC).date().isoformat()
    assert talk.run("rooms-unused", days=0) == Rows(columns, [("coven", "A Dark Cave", today)])
    assert talk.run("rooms-unused", days=1) == Rows(columns, [])


def test_where_rooms_are_not_locked_everybody_may_come_at_once() -> None:
    talk = Talk(options={"muc": {"locking": False, "defaults": {"persistent": True}}})
    crone = talk.bind(CRONE)
    enter(crone, CRONE_NICK)
    crone.receives(seen(CRONE_NICK, "owner", codes=("110", "201")), subject())
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK))
    restart(talk)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(HAG_NICK, "none"))
