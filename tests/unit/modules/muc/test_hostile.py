"""Rooms against who means them harm: floods, forgeries, oversize (XEP-0045 §14.6)."""

import pytest

from tests.support.rooms import (
    CRONE_NICK,
    HAG,
    HAG_NICK,
    ROOM,
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
)
from xmppd.api import StanzaError, jid
from xmppd.jid import JID
from xmppd.modules.muc import MUC, Room
from xmppd.modules.muc.entering import MOST_NICKS
from xmppd.modules.muc.limits import Rates
from xmppd.modules.muc.names import folded
from xmppd.modules.muc.relaying import MOST_EACH, MOST_WAITING, Relay
from xmppd.modules.muc.room import Occupant
from xmppd.modules.muc.service import HEAVY, weight
from xmppd.stanza import IQ, Presence
from xmppd.testing import Client, Talk, error, like, message, result
from xmppd.xml import Element

FORM = "jabber:x:data"
REQUEST = "http://jabber.org/protocol/muc#request"


# Questions to occupants


def filled(*users: str) -> Room:
    room = Room(jid(ROOM), b"secret")
    for number, user in enumerate(users):
        who = jid(f"{user}@example.org/x")
        occupant = room.seat(str(number), who.bare, room.default_role(room.affiliation(who.bare)))
        room.sessions[who] = occupant
        _ = occupant.put(who, Presence(occupant.jid, who))
    return room


def question(who: str, nick: str, id: str = "q") -> IQ:
    return IQ(jid(f"{ROOM}/{nick}"), jid(f"{who}@example.org/x"), "get", id, Element("urn:x", "q"))


def test_who_waits_for_too_many_answers_must_wait_and_others_need_not() -> None:
    room, relay = filled("mallory", "silent", "romeo"), Relay()
    for _ in range(MOST_EACH):
        _ = relay.request(room, question("mallory", "1"), 0.0)
    with pytest.raises(StanzaError, match="resource-constraint"):
        _ = relay.request(room, question("mallory", "1"), 0.0)
    assert relay.request(room, question("romeo", "1"), 0.0).to == "silent@example.org/x"
    assert relay.request(room, question("mallory", "1"), 1e6).to == "silent@example.org/x"


def test_of_all_that_wait_the_oldest_makes_way() -> None:
    users = [f"mallory{number}" for number in range(MOST_WAITING // MOST_EACH)]
    room, relay = filled("silent", *users, "romeo"), Relay()
    first = relay.request(room, question(users[0], "0"), 0.0)
    for user in users:
        for _ in range(MOST_EACH - 1):
            _ = relay.request(room, question(user, "0"), 0.0)
    for _ in users:
        _ = relay.request(room, question("romeo", "0"), 0.0)
    assert len(relay) == MOST_WAITING
    assert relay.answer(room, first.result()) is None


# Few stanzas that become many


def test_in_a_large_room_one_counts_for_several() -> None:
    room = Room(jid(ROOM), b"")
    assert weight(None) == weight(room) == 1
    somebody = Occupant(room.jid, room.jid, room.default_role(room.affiliation(room.jid)), "")
    room.sessions = {JID("u", "example.org", str(n)): somebody for n in range(2 * HEAVY)}
    assert weight(room) == 3
    rates = Rates(1.0, 10)
    assert [rates.take("u", 0.0, 4) for _ in range(3)] == [True, True, False]
    assert rates.take("u", 2.0, 4)
    assert rates.take("other", 0.0, 50)  # at least once


def test_to_be_told_everything_again_and_again_is_entering_too() -> None:
    talk = Talk(options={"muc": {"joins_per_minute": 3}})
    made(talk)
    hag = talk.bind(HAG)
    for _ in range(3):
        enter(hag, HAG_NICK)
    hag.forget()
    enter(hag, HAG_NICK)
    hag.receives(refused("resource-constraint", "wait"))


def test_invitations_have_a_limit() -> None:
    talk = Talk(options={"muc": {"invitations_per_minute": 60, "invitations_at_once": 3}})
    crone = made(talk)
    users = [talk.account(f"u{number}@example.org") for number in range(2)]
    invites = "".join(f"<invite to='{user}'/>" for user in users)
    for _ in range(2):
        crone.sends(f"<message id='i' to='{ROOM}'><x xmlns='{USER}'>{invites}</x></message>")
    crone.receives(error("i", "wait", "resource-constraint", kind="message"))
    talk.advance(2)
    crone.sends(f"<message id='i' to='{ROOM}'><x xmlns='{USER}'>{invites}</x></message>")
    crone.receives_nothing()


def test_who_is_on_a_long_list_is_not_written_to() -> None:
    talk = Talk(options={"muc": {"invitations_at_once": 3}})
    crone = made(talk)
    absent = talk.online("absent@example.org/x")
    items = "".join(f"<item jid='u{n}@example.org' affiliation='member'/>" for n in range(3))
    order(crone, f"<item jid='absent@example.org' affiliation='member'/>{items}")
    assert "items" in [each.get("id") for each in crone.inbox]
    absent.receives_nothing()
    affiliate(crone, "absent@example.org", "admin")
    absent.receives(
        like(f"<message from='{ROOM}'><x xmlns='{USER}'><status code='101'/></x></message>")
    )


def test_what_is_said_with_an_invitation_is_short_and_only_text(talk: Talk, crone: Client) -> None:
    hag = talk.online(HAG)
    reason = f"<reason><b xmlns='urn:evil'/>{'x' * 5000}</reason>"
    more = f"<continue thread='e0ff' evil='1'>{'y' * 5000}</continue>"
    crone.sends(
        f"<message to='{ROOM}'><x xmlns='{USER}'><invite to='hag66@example.org'>{reason}{more}"
        "</invite></x></message>"
    )
    got = hag.receives(like(f"<message from='{ROOM}'><x xmlns='{USER}'/></message>"))
    invite = got.elements[0].elements[0]
    assert invite.child_text(USER, "reason") == "x" * 1000
    assert invite.elements[0].elements == []
    assert invite.elements[1] == Element(USER, "continue", {"thread": "e0ff"})


def test_a_visitor_does_not_flood_moderators_with_requests(talk: Talk) -> None:
    crone = made(talk, moderatedroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    kind = f"<field var='FORM_TYPE'><value>{REQUEST}</value></field>"
    role = "<field var='muc#role'><value>participant</value></field>"
    for _ in range(4):
        form = f"<x xmlns='{FORM}' type='submit'>{kind}{role}</x>"
        hag.sends(f"<message id='v' to='{ROOM}'>{form}</message>")
    hag.receives(error("v", "wait", "resource-constraint", kind="message"))
    crone.settle()
    assert len(crone.inbox) == 3


def test_an_applicant_is_asked_about_once(talk: Talk) -> None:
    crone = made(talk, membersonly=1)
    hag = talk.bind(HAG)
    kind = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
    nick = f"<field var='muc#register_roomnick'><value>{HAG_NICK}</value></field>"
    for _ in range(3):
        form = f"<x xmlns='{FORM}' type='submit'>{kind}{nick}</x>"
        hag.sends(
            f"<iq type='set' id='r' to='{ROOM}'><query xmlns='jabber:iq:register'>{form}</query>"
            "</iq>"
        )
        hag.receives(result("r", ""))
    crone.receives(like(f"<message from='{ROOM}'><x xmlns='{FORM}' type='form'/></message>"))
    crone.receives_nothing()


def test_a_subject_is_not_a_book(crone: Client, hag: Client) -> None:
    for text, passes in (("x" * 4096, True), ("x" * 4097, False)):
        crone.sends(
            f"<message type='groupchat' id='s' to='{ROOM}'><subject>{text}</subject></message>"
        )
        if passes:
            hag.receives(like(f"<message from='{ROOM}/{CRONE_NICK}'/>"))
            crone.forget()
    crone.receives(error("s", "modify", "policy-violation", kind="message"))
    hag.receives_nothing()


@pytest.mark.parametrize("nick", ["\u2800", "\u2800 \u2800"])
def test_a_blank_symbol_is_no_name(nick: str, talk: Talk, crone: Client) -> None:
    hag = talk.bind(HAG)
    enter(hag, nick)
    hag.receives(refused("jid-malformed", "modify"))
    order(crone, f"<item jid='hag66@example.org' affiliation='member' nick='{nick}'/>")
    crone.receives(error("items", "modify", "jid-malformed"))


def test_nobody_hides_behind_a_blank_symbol(talk: Talk, crone: Client) -> None:
    hag = talk.bind(HAG)
    enter(hag, f"\u2800{CRONE_NICK}")
    hag.receives(refused("conflict", "cancel"))


@pytest.mark.parametrize(
    "nick", ["f\u0456rstw\u0456t\u0441h", "\u03a4hirdwitch", "THIRDWITCH\u3000"]
)
def test_letters_that_look_the_same_make_no_other_name(
    nick: str, talk: Talk, crone: Client, hag: Client
) -> None:
    wicca = talk.bind(WICCA)
    enter(wicca, nick)
    wicca.receives(refused("conflict", "cancel"))


def test_what_is_looked_through_for_names_is_not_remembered(talk: Talk, crone: Client) -> None:
    order(crone, "<item jid='hag66@example.org' affiliation='member' nick='thirdwitch'/>")
    before = folded.cache_info().currsize
    for number in range(10):
        say(crone, f"{number} {'x' * 5000}")
    assert folded.cache_info().currsize - before <= 3  # words in a row, not texts


def test_nobody_reserves_a_name_that_is_too_long_to_be_used(crone: Client) -> None:
    nick = "x" * 129
    order(crone, f"<item jid='hag66@example.org' affiliation='member' nick='{nick}'/>")
    crone.receives(error("items", "modify", "not-acceptable"))


def test_who_is_out_has_no_way_in_but_the_door(talk: Talk, crone: Client, hag: Client) -> None:
    order(crone, f"<item nick='{HAG_NICK}' role='none'/>")
    hag.forget()
    crone.forget()
    invite = f"<x xmlns='{USER}'><invite to='wicca@example.org'/></x>"
    say(hag, "still here")
    hag.sends(f"<message type='chat' id='p' to='{ROOM}/{CRONE_NICK}'><body>Psst</body></message>")
    hag.sends(f"<message id='i' to='{ROOM}'>{invite}</message>")
    for id_ in ("say", "p", "i"):
        hag.receives(error(id_, "modify", "not-acceptable", kind="message"))
    hag.sends(f"<iq type='get' id='q' to='{ROOM}/{CRONE_NICK}'><time xmlns='urn:xmpp:time'/></iq>")
    hag.receives(error("q", "cancel", "not-acceptable"))
    hag.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'/>")
    crone.receives_nothing()
    hag.receives_nothing()


def test_a_ghost_that_only_gets_private_messages_is_found_too(
    talk: Talk, crone: Client, hag: Client
) -> None:
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)
    wicca.sends(f"<message type='chat' id='p' to='{ROOM}/{HAG_NICK}'><body>Hey</body></message>")
    hag.receives(message("Hey"))
    hag.sends(
        f"<message type='error' id='p' to='{ROOM}/{WICCA_NICK}'><error type='wait'>"
        "<recipient-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    wicca.receives(
        error("p", "wait", "recipient-unavailable", kind="message"),
        seen(HAG_NICK, role="none", codes=("333",), gone=True),
    )


def test_one_user_does_not_fill_a_room(talk: Talk, crone: Client) -> None:
    for number in range(MOST_NICKS):
        _ = joins(talk, f"hag66@example.org/{number}", f"hag{number}", ROOM, crone)
    hag = talk.bind("hag66@example.org/one-more")
    enter(hag, "one-more")
    hag.receives(refused("resource-constraint", "wait"))
    enter(hag, "hag0")
    hag.receives(seen(CRONE_NICK))


def test_odd_configurations_change_nothing(crone: Client) -> None:
    odd = (
        {"maxusers": "-1"},
        {"maxusers": "1e3"},
        {"maxusers": "\u0663"},
        {"whois": "everybody"},
        {"roomname": "x" * 201},
        {"roomowners": "@@"},
        {"presencebroadcast": ["moderator", "god"]},
        {"persistentroom": "maybe"},
    )
    for settings in odd:
        configure(crone, ROOM, **settings)
        crone.receives(error("cfg", "modify", "not-acceptable"))
    configure(crone, ROOM, maxusers=25, unheard_of="1")
    crone.receives(result("cfg", ""))


def test_a_long_id_is_not_kept_for_the_answer(talk: Talk, crone: Client, hag: Client) -> None:
    long = "x" * 2000
    crone.sends(
        f"<iq type='get' id='{long}' to='{ROOM}/{HAG_NICK}'><time xmlns='urn:xmpp:time'/></iq>"
    )
    crone.receives(error(long, "modify", "bad-request"))
    crone.sends(
        f"<message type='chat' id='{long}' to='{ROOM}/{HAG_NICK}'><body>Hey</body></message>"
    )
    hag.receives(message("Hey"))
    room = talk.module(MUC).rooms.get(jid(ROOM).local)
    assert room is not None
    assert not room.asked


def test_long_lists_count_as_large_rooms_do() -> None:
    talk = Talk(options={"muc": {"joins_per_minute": 4}})
    crone = made(talk, whois="anyone")
    for part in range(3):
        many = range(part * 1000, part * 1000 + 1000)
        items = "".join(f"<item jid='u{n}@example.net' affiliation='member'/>" for n in many)
        order(crone, items)
        crone.receives(result("items", ""))
        crone.forget()
    for _ in range(50):
        order(crone, "<item affiliation='owner'/>", type="get")
        crone.receives(result("items"))
    order(crone, "<item affiliation='member'/>", type="get")
    crone.receives(result("items"))
    order(crone, "<item affiliation='member'/>", type="get")
    crone.receives(error("items", "wait", "resource-constraint"))


def test_who_is_gone_while_the_room_was_busy_changes_no_subject(talk: Talk) -> None:
    crone = made(talk, changesubject=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    room = talk.module(MUC).rooms.get(jid(ROOM).local)
    assert room is not None
    _ = room.changing.acquire()
    hag.sends(f"<message type='groupchat' id='s' to='{ROOM}'><subject>Boo</subject></message>")
    hag.disconnect()
    room.changing.release()
    crone.receives(seen(HAG_NICK, gone=True))
    crone.receives_nothing()
    assert room.subject.by is None
