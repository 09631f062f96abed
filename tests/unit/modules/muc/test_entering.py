"""Coming, being there and going (XEP-0045 §7.1 to §7.7, §7.14)."""

import pytest

from tests.support.rooms import (
    CRONE,
    CRONE_NICK,
    HAG,
    HAG_NICK,
    MUC,
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
    refused,
    say,
    seen,
    subject,
)
from xmppd.api import StanzaError, jid
from xmppd.modules.muc import Room
from xmppd.testing import Talk, error, like, message, result


def test_who_enters_sees_the_others_itself_and_the_subject_in_this_order(talk: Talk) -> None:
    crone = made(talk)
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(
        seen(CRONE_NICK, "owner", "moderator", codes=(), jid=""),
        seen(WICCA_NICK, "none", "participant", codes=(), jid=""),
        seen(HAG_NICK, "none", "participant", codes=("110",), id=f"e-{HAG_NICK}"),
        subject(""),
    )
    hag.receives_nothing()
    crone.receives(seen(HAG_NICK, "none", "participant", codes=(), jid=HAG))
    wicca.receives(seen(HAG_NICK, "none", "participant", codes=(), jid=""))


def test_history_comes_before_the_subject_and_live_messages_after(talk: Talk) -> None:
    crone = made(talk)
    crone.sends(f"<message type='groupchat' to='{ROOM}'><subject>Fire</subject></message>")
    say(crone, "Bubble")
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(
        seen(CRONE_NICK),
        seen(HAG_NICK),
        like(
            f"<message type='groupchat' from='{ROOM}/{CRONE_NICK}'><body>Bubble</body>"
            f"<delay xmlns='urn:xmpp:delay' from='{ROOM}'/></message>"
        ),
        like(
            f"<message type='groupchat' from='{ROOM}/{CRONE_NICK}'><subject>Fire</subject>"
            f"<delay xmlns='urn:xmpp:delay' from='{ROOM}'/></message>"
        ),
    )
    say(crone, "and trouble")
    hag.receives(message("and trouble"))


def test_a_nickname_is_needed(talk: Talk) -> None:
    made(talk)
    hag = talk.bind(HAG)
    hag.sends(f"<presence id='1' to='{ROOM}'><x xmlns='{MUC}'/></presence>")
    hag.receives(refused("jid-malformed", "modify", "1"))


@pytest.mark.parametrize("nick", ["", " ", "\u200b", "\u00ad \u2060", "\ufe0f"])
def test_one_that_nobody_can_see_is_malformed(nick: str) -> None:
    with pytest.raises(StanzaError, match="jid-malformed"):
        Room(jid(ROOM), b"").check_nick(nick, jid("hag66@example.org"))


def test_entering_a_nonanonymous_logged_room_is_warned_of(talk: Talk) -> None:
    crone = made(talk, whois="anyone", enablelogging=1)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK, jid=CRONE), seen(HAG_NICK, codes=("100", "110", "170"), jid=HAG))
    crone.receives(seen(HAG_NICK, jid=HAG))


def test_presence_without_the_protocol_from_outside_is_a_kick(talk: Talk) -> None:
    made(talk)
    hag = talk.bind(HAG)
    for room in (ROOM, f"nowhere@{SERVICE}"):
        hag.sends(f"<presence id='1' to='{room}/{HAG_NICK}'/>")
        hag.receives(
            seen(HAG_NICK, "none", "none", codes=("110", "307", "333"), gone=True, room=room)
        )


def test_a_password_is_asked_for(talk: Talk) -> None:
    made(talk, passwordprotectedroom=1, roomsecret="cauldronburn")
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(refused("not-authorized", "auth"))
    enter(hag, HAG_NICK, inside="<password>caul</password>")
    hag.receives(refused("not-authorized", "auth"))
    enter(hag, HAG_NICK, inside="<password>cauldronburn</password>")
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK, codes=("110",)), subject())


def test_members_only(talk: Talk) -> None:
    crone = made(talk, membersonly=1)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(refused("registration-required", "auth"))
    affiliate(crone, "hag66@example.org", "member")
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK, "member", "participant"), subject())


def test_the_banned_and_their_domain_stay_outside(talk: Talk) -> None:
    crone = made(talk)
    hag, wicca = talk.bind(HAG), talk.bind(WICCA)
    affiliate(crone, "hag66@example.org", "outcast")
    enter(hag, HAG_NICK)
    hag.receives(refused("forbidden", "auth"))
    enter(hag, "someoneelse")
    hag.receives(refused("forbidden", "auth"))
    enter(wicca, WICCA_NICK)
    wicca.receives(seen(CRONE_NICK), seen(WICCA_NICK), subject())


def test_a_whole_domain_is_banned() -> None:
    talk = Talk(hosts=["example.org", "example.net"])
    crone = made(talk)
    crone.sends(
        f"<iq type='set' id='b' to='{ROOM}'><query xmlns='{MUC}#admin'>"
        "<item jid='example.net' affiliation='outcast'/></query></iq>"
    )
    crone.receives(result("b", ""))
    romeo = talk.bind("romeo@example.net/x")
    enter(romeo, "romeo")
    romeo.receives(refused("forbidden"))


@pytest.mark.parametrize("nick", [CRONE_NICK, "FirstWitch", " firstwitch", "\uff46irstwitch"])
def test_a_nickname_of_another_or_one_that_looks_so_is_a_conflict(talk: Talk, nick: str) -> None:
    made(talk)
    hag = talk.bind(HAG)
    enter(hag, nick)
    hag.receives(refused("conflict", "cancel"))


def test_a_full_room_takes_admins_and_owners_only(talk: Talk) -> None:
    crone = made(talk, maxusers=10)
    for number in range(9):
        joins(talk, f"user{number}@example.org/x", f"user{number}")
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(refused("service-unavailable", "wait"))
    affiliate(crone, "hag66@example.org", "admin")
    hag.forget()
    enter(hag, HAG_NICK)
    hag.forget()
    crone.forget()
    say(hag, "in")
    hag.receives(message("in"))


def test_a_new_room_is_locked_until_its_owner_has_configured_it(talk: Talk) -> None:
    crone, hag = talk.bind(CRONE), talk.bind(HAG)
    enter(crone, CRONE_NICK)
    crone.receives(seen(CRONE_NICK, "owner", "moderator", codes=("110", "201")), subject())
    enter(hag, HAG_NICK)
    hag.receives(refused("item-not-found", "cancel"))
    configure(crone)
    crone.receives(result("cfg", ""))
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK), subject())


def test_the_first_configuration_cancelled_destroys_the_room(talk: Talk) -> None:
    crone = talk.bind(CRONE)
    enter(crone, CRONE_NICK)
    crone.forget()
    crone.sends(
        f"<iq type='set' id='c' to='{ROOM}'><query xmlns='{MUC}#owner'>"
        "<x xmlns='jabber:x:data' type='cancel'/></query></iq>"
    )
    crone.receives(
        like(f"<presence type='unavailable'><x xmlns='{USER}'><destroy/></x></presence>"),
        result("c", ""),
    )
    enter(crone, CRONE_NICK)
    crone.receives(seen(CRONE_NICK, codes=("110", "201")), subject())


def test_an_owner_who_goes_before_configuring_destroys_the_room(talk: Talk) -> None:
    crone, hag = talk.bind(CRONE), talk.bind(HAG)
    enter(crone, CRONE_NICK)
    crone.forget()
    crone.sends(f"<presence type='unavailable' to='{ROOM}/{CRONE_NICK}'/>")
    crone.receives(
        like(f"<presence type='unavailable'><x xmlns='{USER}'><destroy/></x></presence>")
    )
    enter(hag, HAG_NICK)
    hag.receives(seen(HAG_NICK, "owner", codes=("110", "201")), subject())


def test_entering_again_brings_everything_again_and_disturbs_nobody(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    say(crone, "Bubble")
    crone.forget()
    hag.forget()
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK, codes=("110",)), message("Bubble"), subject())
    crone.receives_nothing()
    enter(hag, HAG_NICK, more="<show>away</show>")
    crone.receives(like("<presence><show>away</show></presence>"))


# Nicknames


def test_a_new_nickname_is_told_by_303_and_new_presence(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.sends(f"<presence id='n' to='{ROOM}/oldhag'/>")
    hag.receives(
        seen(HAG_NICK, "none", "participant", codes=("110", "303"), gone=True, new_nick="oldhag"),
        seen("oldhag", "none", "participant", codes=("110",), id="n"),
    )
    crone.receives(
        seen(HAG_NICK, "none", "participant", codes=("303",), gone=True, new_nick="oldhag"),
        seen("oldhag", "none", "participant", codes=()),
    )


def test_a_taken_or_reserved_nickname_is_not_taken_over(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.sends(f"<presence id='n' to='{ROOM}/{CRONE_NICK}'/>")
    hag.receives(refused("conflict", "cancel", "n"))
    crone.sends(
        f"<iq type='set' id='m' to='{ROOM}'><query xmlns='{MUC}#admin'>"
        "<item jid='wicca@example.org' affiliation='member' nick='mine'/></query></iq>"
    )
    hag.forget()
    hag.sends(f"<presence id='n' to='{ROOM}/Mine'/>")
    hag.receives(refused("conflict", "cancel", "n"))
    enter(talk.bind(WICCA), "mine")
    hag.receives(seen("mine", "member", "participant"))


def test_locked_nicknames_are_given_at_the_entrance_and_kept(talk: Talk) -> None:
    crone = made(talk, locknicks=1)
    crone.sends(
        f"<iq type='set' id='m' to='{ROOM}'><query xmlns='{MUC}#admin'>"
        f"<item jid='hag66@example.org' affiliation='member' nick='{HAG_NICK}'/></query></iq>"
    )
    hag = talk.online(HAG)
    hag.forget()
    enter(hag, "other")
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK, codes=("110", "210")), subject())
    hag.sends(f"<presence id='n' to='{ROOM}/oldhag'/>")
    hag.receives(refused("not-acceptable", "modify", "n"))


# Several sessions


def test_a_user_may_be_there_twice_under_one_nickname(talk: Talk) -> None:
    crone = made(talk)
    pda = joins(talk, HAG, HAG_NICK, ROOM, crone)
    desk = talk.bind("hag66@example.org/desk")
    enter(desk, HAG_NICK)
    desk.receives(seen(CRONE_NICK), seen(HAG_NICK, codes=("110",)), subject())
    for each in (pda, crone):
        each.receives(seen(HAG_NICK))
    say(crone, "to both")
    pda.receives(message("to both"))
    desk.receives(message("to both"))
    crone.forget()
    say(desk, "from one")
    for each in (pda, desk, crone):
        each.receives(message("from one", from_=f"{ROOM}/{HAG_NICK}"))


def test_the_most_available_session_is_shown(talk: Talk) -> None:
    crone = made(talk)
    joins(talk, HAG, HAG_NICK, ROOM, crone)
    desk = talk.bind("hag66@example.org/desk")
    enter(desk, HAG_NICK, more="<show>away</show>")
    crone.receives_nothing()
    enter(desk, HAG_NICK, more="<priority>5</priority><show>dnd</show>")
    crone.receives(like("<presence><show>dnd</show><priority>5</priority></presence>"))
    desk.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'/>")
    crone.receives(seen(HAG_NICK, "none", "participant", jid=HAG))


def test_the_others_see_somebody_go_when_the_last_session_goes(talk: Talk) -> None:
    crone = made(talk)
    pda = joins(talk, HAG, HAG_NICK, ROOM, crone)
    desk = joins(talk, "hag66@example.org/desk", HAG_NICK, ROOM, crone, pda)
    desk.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'/>")
    desk.receives(seen(HAG_NICK, "none", "none", codes=("110",), gone=True))
    pda.forget()
    crone.forget()
    pda.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'/>")
    crone.receives(seen(HAG_NICK, "none", "none", codes=(), gone=True))


# Presence, and going


def test_presence_is_passed_on_without_what_only_the_room_says(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.sends(
        f"<presence to='{ROOM}/{HAG_NICK}'><show>xa</show><status>gone</status>"
        f"<m:x xmlns:m='{USER}'><m:item affiliation='owner' role='moderator'/></m:x>"
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/><y xmlns='urn:y'/></presence>"
    )
    got = crone.receives(seen(HAG_NICK, "none", "participant", codes=()))
    assert [child.name for child in got.elements].count("x") == 1
    assert "forged" not in [child.get("id") for child in got.elements]
    assert got.child("urn:y", "y") is not None


def test_leaving_is_told_with_its_status(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    to = f"to='{ROOM}/{HAG_NICK}'"
    hag.sends(f"<presence id='u' type='unavailable' {to}><status>off</status></presence>")
    hag.receives(seen(HAG_NICK, "none", "none", codes=("110",), gone=True, id="u"))
    crone.receives(like("<presence type='unavailable'><status>off</status></presence>"))
    hag.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'/>")
    hag.receives_nothing()


def test_who_leaves_with_nonsense_leaves(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    nonsense = "<priority>high</priority>"
    hag.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'>{nonsense}</presence>")
    for each in (hag, crone):
        gone = each.receives(seen(HAG_NICK, role="none", gone=True))
        assert gone.child("jabber:client", "priority") is None


def test_a_lost_connection_leaves_the_room(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.disconnect()
    crone.receives(seen(HAG_NICK, "none", "none", codes=(), gone=True))


def test_a_temporary_room_ends_with_its_last_occupant(talk: Talk) -> None:
    crone = made(talk)
    crone.sends(f"<presence type='unavailable' to='{ROOM}/{CRONE_NICK}'/>")
    crone.forget()
    enter(crone, CRONE_NICK)
    crone.receives(seen(CRONE_NICK, codes=("110", "201")), subject())


@pytest.mark.parametrize("condition", ["gone", "remote-server-timeout", "service-unavailable"])
def test_whom_stanzas_do_not_reach_is_out_with_333(talk: Talk, condition: str) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.sends(
        f"<message type='error' id='x' to='{ROOM}/{CRONE_NICK}'><error type='cancel'>"
        f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    hag.receives(seen(HAG_NICK, codes=("110", "333"), gone=True))
    crone.receives(seen(HAG_NICK, "none", "none", codes=("333",), gone=True))


def test_an_error_that_says_something_else_changes_nothing(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.sends(
        f"<message type='error' id='x' to='{ROOM}/{CRONE_NICK}'><error type='cancel'>"
        "<feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    crone.receives_nothing()


def test_hidden_roles_are_not_shown(talk: Talk) -> None:
    crone = made(talk, moderatedroom=1, presencebroadcast=["moderator", "participant"])
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK, "none", "visitor", codes=("110",)), subject())
    crone.receives_nothing()
    give(crone, HAG_NICK, "participant")
    crone.receives(result("role", ""), seen(HAG_NICK, "none", "participant"))
    give(crone, HAG_NICK, "visitor")
    crone.receives(result("role", ""), seen(HAG_NICK, gone=True))


@pytest.mark.parametrize(
    "wish",
    ["maxchars='-1'", "maxstanzas='x'", "since='yesterday'", "seconds='99999999999999999999'"],
)
def test_absurd_history_is_a_bad_request(talk: Talk, wish: str) -> None:
    made(talk)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK, inside=f"<history {wish}/>")
    hag.receives(refused("bad-request", "modify"))


@pytest.mark.parametrize(
    ("wish", "count"),
    [
        ("maxchars='0'", 0),
        ("maxstanzas='0'", 0),
        ("maxstanzas='2'", 2),
        ("maxstanzas='999999999'", 3),
        ("seconds='600'", 3),
        ("since='2999-01-01T00:00:00Z'", 0),
        ("since='1970-01-01T00:00:00Z'", 3),
        ("since='1970-01-01T00:00:00Z' maxstanzas='1'", 1),
        ("maxchars='700'", 1),
    ],
)
def test_as_much_history_as_is_wanted(talk: Talk, wish: str, count: int) -> None:
    crone = made(talk)
    for number in range(3):
        say(crone, f"number {number}")
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK, inside=f"<history {wish}/>")
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK))
    hag.receives(*[message(f"number {number}") for number in range(3 - count, 3)], subject())


def test_a_new_room_is_the_right_of_those_who_have_it() -> None:
    talk = Talk(options={"muc": {"create": "admins"}}, admins=["admin@example.org"])
    hag, admin = talk.bind(HAG), talk.bind("admin@example.org/x")
    enter(hag, HAG_NICK)
    hag.receives(refused("not-allowed", "cancel"))
    enter(admin, "admin")
    admin.receives(seen("admin", codes=("110", "201")), subject())


def test_twenty_rooms_an_hour(talk: Talk) -> None:
    hag = talk.bind(HAG)
    for number in range(20):
        enter(hag, HAG_NICK, f"room{number}@{SERVICE}")
    hag.forget()
    enter(hag, HAG_NICK, f"room20@{SERVICE}")
    hag.receives(refused("resource-constraint", "wait"))
    talk.advance(360)
    enter(hag, HAG_NICK, f"room20@{SERVICE}")
    hag.receives(seen(HAG_NICK, room=f"room20@{SERVICE}"), subject())


def test_a_long_nickname_and_much_presence_are_refused(talk: Talk) -> None:
    made(talk)
    hag = talk.bind(HAG)
    enter(hag, "x" * 200)
    hag.receives(refused("not-acceptable"))
    enter(hag, HAG_NICK, more=f"<status>{'x' * 20000}</status>")
    hag.receives(refused("policy-violation", "modify"))


def test_self_ping_tells_whether_one_is_inside(talk: Talk) -> None:
    crone = made(talk)
    hag = talk.bind(HAG)
    ping = f"<iq type='get' id='p' to='{ROOM}/{HAG_NICK}'><ping xmlns='urn:xmpp:ping'/></iq>"
    hag.sends(ping)
    hag.receives(error("p", "cancel", "not-acceptable"))
    enter(hag, HAG_NICK)
    hag.forget()
    hag.sends(ping)
    hag.receives(result("p", ""))
    crone.forget()
    hag.sends(f"<iq type='get' id='q' to='{ROOM}/nobody'><ping xmlns='urn:xmpp:ping'/></iq>")
    hag.receives(error("q", "cancel", "item-not-found"))
