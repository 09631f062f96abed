"""Messages to all and to one, the subject, invitations, voice (XEP-0045 §7.4 to §7.13, §8.1)."""

import pytest

from tests.support.rooms import (
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
    say,
    seen,
    subject,
)
from xmppd.testing import Client, Talk, error, like, message, result
from xmppd.xml import Element, to_xml

SID, OCCUPANT = "urn:xmpp:sid:0", "urn:xmpp:occupant-id:0"
FORM = "jabber:x:data"


def marks(stanza: Element) -> tuple[str, str]:
    """The stanza-id and the occupant-id, of which there is one each."""
    (number,), (occupant,) = stanza.all(SID, "stanza-id"), stanza.all(OCCUPANT, "occupant-id")
    assert number.get("by") == ROOM
    return number.get("id") or "", occupant.get("id") or ""


def test_a_message_goes_to_all_with_its_id_and_the_ids_of_the_room(
    crone: Client, hag: Client
) -> None:
    hag.sends(
        f"<message type='groupchat' id='m1' to='{ROOM}' xml:lang='en'><body>Harpier cries</body>"
        "<x xmlns='urn:x'/></message>"
    )
    wanted = like(
        f"<message type='groupchat' id='m1' from='{ROOM}/{HAG_NICK}' xml:lang='en'>"
        "<body>Harpier cries</body><x xmlns='urn:x'/></message>"
    )
    assert marks(hag.receives(wanted)) == marks(crone.receives(wanted))


def test_what_is_forged_is_replaced(crone: Client, hag: Client) -> None:
    hag.sends(
        f"<message type='groupchat' to='{ROOM}'><body>x</body>"
        f"<stanza-id xmlns='{SID}' by='{ROOM}' id='forged'/>"
        f"<o:occupant-id xmlns:o='{OCCUPANT}' id='forged'/>"
        f"<m:x xmlns:m='{USER}'><m:status code='301'/></m:x>"
        f"<delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2002-09-10T23:08:25Z'/></message>"
    )
    got = crone.receives(message("x"))
    assert "forged" not in marks(got)
    assert [child.name for child in got.elements].count("x") == 0
    assert got.child("urn:xmpp:delay") is None


def test_an_occupant_keeps_its_id_and_has_another_in_another_room(
    talk: Talk, crone: Client, hag: Client
) -> None:
    say(hag, "one")
    _, first = marks(crone.receives(message("one")))
    hag.sends(f"<presence to='{ROOM}/oldhag'/>")
    crone.forget()
    say(hag, "two")
    assert marks(crone.receives(message("two")))[1] == first
    other = f"heath@{SERVICE}"
    enter(hag, HAG_NICK, other)
    hag.forget()
    say(hag, "three", other)
    got = hag.receives(message("three"))
    (occupant,) = got.all(OCCUPANT)
    assert occupant.get("id") not in ("", first, None)
    assert "hag66" not in (occupant.get("id") or "")


def test_outsiders_do_not_speak(talk: Talk, crone: Client) -> None:
    wicca = talk.bind(WICCA)
    say(wicca, "let me in")
    wicca.receives(error("say", "modify", "not-acceptable", kind="message"))
    wicca.sends(
        f"<message type='chat' id='pm' to='{ROOM}/{CRONE_NICK}'><body>hey</body></message>"
    )
    wicca.receives(error("pm", "modify", "not-acceptable", kind="message"))
    say(wicca, "hello", f"nowhere@{SERVICE}")
    wicca.receives(error("say", "cancel", "item-not-found", kind="message"))
    crone.receives_nothing()


def test_visitors_have_no_voice(talk: Talk) -> None:
    crone = made(talk, moderatedroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    say(hag, "mute")
    hag.receives(error("say", "auth", "forbidden", kind="message"))
    crone.receives_nothing()


def test_a_flood_and_a_large_message_are_refused() -> None:
    talk = Talk(options={"muc": {"messages_at_once": 3, "max_message": 1024}})
    crone = made(talk)
    say(crone, "x" * 2000)
    crone.receives(error("say", "modify", "policy-violation", kind="message"))
    say(crone, "1")
    say(crone, "2")
    say(crone, "3")
    crone.receives(
        message("1"), message("2"), error("say", "wait", "resource-constraint", "message")
    )
    talk.advance(1)
    say(crone, "4")
    crone.receives(message("4"))


def test_normal_messages_to_the_room_are_no_way_to_speak(crone: Client) -> None:
    crone.sends(f"<message id='n' to='{ROOM}'><body>psst</body></message>")
    crone.receives(error("n", "modify", "bad-request", kind="message"))


def test_who_goes_while_a_message_is_delivered_does_not_overtake_it(
    talk: Talk, crone: Client, hag: Client
) -> None:
    """One order for all: with the message some would see the departure before it."""
    wicca = talk.bind(WICCA)

    class Fragile(Client):
        def write(self, data: bytes) -> None:
            if b"<body>" in data:
                self.disconnect()

    wicca.session.outlet = fragile = Fragile(wicca.jid, talk.host.intake)
    fragile.session = wicca.session
    enter(wicca, WICCA_NICK)
    late = joins(talk, "late@example.org/x", "late", ROOM, crone, hag)
    say(hag, "Bubble")
    for each in (crone, hag, late):
        each.receives(message("Bubble"), seen(WICCA_NICK, "none", "none", gone=True))


# The subject


def test_the_subject_is_changed_by_moderators(crone: Client, hag: Client) -> None:
    crone.sends(
        f"<message type='groupchat' id='s' to='{ROOM}'><subject>Fire Burn</subject></message>"
    )
    for each in (crone, hag):
        each.receives(subject("Fire Burn", nick=CRONE_NICK))
    hag.sends(f"<message type='groupchat' id='s' to='{ROOM}'><subject>Wet</subject></message>")
    hag.receives(error("s", "auth", "forbidden", kind="message"))
    crone.receives_nothing()


def test_by_participants_where_that_is_allowed(talk: Talk) -> None:
    crone = made(talk, changesubject=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.sends(f"<message type='groupchat' to='{ROOM}'><subject>Wet</subject></message>")
    crone.receives(subject("Wet", nick=HAG_NICK))
    hag.sends(f"<message type='groupchat' to='{ROOM}'><subject/></message>")
    crone.receives(subject("", nick=HAG_NICK))
    wicca = talk.bind(WICCA)
    enter(wicca, WICCA_NICK)
    wicca.receives(
        seen(CRONE_NICK),
        seen(HAG_NICK),
        seen(WICCA_NICK),
        like("<message><subject/><delay xmlns='urn:xmpp:delay'/></message>"),
    )


@pytest.mark.parametrize("more", ["<body>b</body>", "<thread>t</thread>"])
def test_with_a_body_or_thread_it_is_a_message(talk: Talk, crone: Client, more: str) -> None:
    crone.sends(f"<message type='groupchat' to='{ROOM}'><subject>no</subject>{more}</message>")
    crone.receives(like("<message><subject>no</subject></message>"))
    wicca = talk.bind(WICCA)
    enter(wicca, WICCA_NICK, inside="<history maxchars='0'/>")
    wicca.receives(seen(CRONE_NICK), seen(WICCA_NICK), subject(""))


# Private messages


def test_a_private_message_reaches_all_sessions_of_its_occupant(
    talk: Talk, crone: Client, hag: Client
) -> None:
    desk = joins(talk, "hag66@example.org/desk", HAG_NICK, ROOM, crone, hag)
    crone.sends(f"<message type='chat' id='p' to='{ROOM}/{HAG_NICK}'><body>psst</body></message>")
    for each in (hag, desk):
        each.receives(
            like(
                f"<message type='chat' id='p' from='{ROOM}/{CRONE_NICK}'><body>psst</body>"
                f"<x xmlns='{USER}'/><occupant-id xmlns='{OCCUPANT}'/></message>"
            )
        )
    crone.receives_nothing()


def test_private_messages_are_no_groupchat_and_need_somebody(crone: Client) -> None:
    crone.sends(f"<message type='groupchat' id='p' to='{ROOM}/x'><body>psst</body></message>")
    crone.receives(error("p", "modify", "bad-request", kind="message"))
    crone.sends(f"<message type='chat' id='p' to='{ROOM}/x'><body>psst</body></message>")
    crone.receives(error("p", "cancel", "item-not-found", kind="message"))


@pytest.mark.parametrize(
    ("level", "by_visitor", "by_participant", "by_moderator"),
    [
        ("anyone", True, True, True),
        ("participants", False, True, True),
        ("moderators", False, False, True),
        ("none", False, False, False),
    ],
)
def test_who_may_write_them(
    talk: Talk, level: str, by_visitor: bool, by_participant: bool, by_moderator: bool
) -> None:
    crone = made(talk, allowpm=level)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)
    give(crone, WICCA_NICK, "visitor")
    for each in (crone, hag, wicca):
        each.forget()
    for sender, to, taker, allowed in (
        (wicca, HAG_NICK, hag, by_visitor),
        (hag, WICCA_NICK, wicca, by_participant),
        (crone, HAG_NICK, hag, by_moderator),
    ):
        sender.sends(f"<message type='chat' id='p' to='{ROOM}/{to}'><body>psst</body></message>")
        if allowed:
            taker.receives(message("psst"))
        else:
            sender.receives(error("p", "auth", "forbidden", kind="message"))


def test_an_error_finds_its_sender_also_where_two_have_used_the_same_id(
    talk: Talk, crone: Client, hag: Client
) -> None:
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)
    for each in (wicca, hag):
        each.sends(
            f"<message type='chat' id='1' to='{ROOM}/{CRONE_NICK}'><body>x</body></message>"
        )
    crone.sends(
        f"<message type='error' id='1' to='{ROOM}/{WICCA_NICK}'><error type='cancel'>"
        "<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    wicca.receives(error("1", "cancel", "not-allowed", kind="message"))
    hag.receives_nothing()


def test_an_error_to_a_private_message_reaches_its_sender_alone(
    crone: Client, hag: Client
) -> None:
    crone.sends(f"<message type='chat' id='p' to='{ROOM}/{HAG_NICK}'><body>psst</body></message>")
    hag.forget()
    hag.sends(
        f"<message type='error' id='p' to='{ROOM}/{CRONE_NICK}'>"
        "<error type='cancel' by='hag66@example.org'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    got = crone.receives(error("p", "cancel", "service-unavailable", kind="message"))
    assert got.get("from") == f"{ROOM}/{HAG_NICK}"
    told = got.child("jabber:client", "error")
    assert told is not None
    assert told.get("by") is None
    hag.receives_nothing()


# Invitations


def invite(client: Client, *users: str, room: str = ROOM) -> None:
    asked = "".join(f"<invite to='{u}'><reason>Hey</reason></invite>" for u in users)
    client.sends(f"<message id='i' to='{room}'><x xmlns='{USER}'>{asked}</x></message>")


def test_an_invitation_is_passed_on_by_the_room(talk: Talk, hag: Client) -> None:
    wicca = talk.online(WICCA)
    hag.sends(
        f"<message id='i' to='{ROOM}'><x xmlns='{USER}'><invite to='wicca@example.org'"
        " from='forged@example.org'><reason>Hey</reason><continue thread='t'/></invite></x>"
        "</message>"
    )
    invited = wicca.receives(
        like(
            f"<message from='{ROOM}' id='i'><x xmlns='{USER}'><invite from='{ROOM}/{HAG_NICK}'>"
            "<reason>Hey</reason><continue thread='t'/></invite></x></message>"
        )
    )
    assert "forged" not in to_xml(invited)


def test_with_the_password_and_in_an_open_room_with_the_address(talk: Talk) -> None:
    crone = made(talk, whois="anyone", passwordprotectedroom=1, roomsecret="x")
    wicca, hag = talk.online(WICCA), talk.online(HAG)
    invite(crone, "wicca@example.org", HAG)
    for each in (wicca, hag):
        each.receives(
            like(
                f"<message from='{ROOM}' id='i'><x xmlns='{USER}'>"
                "<invite from='crone1@example.org'><reason>Hey</reason></invite>"
                "<password>x</password></x></message>"
            )
        )


def test_outsiders_invite_nobody(talk: Talk, crone: Client) -> None:
    wicca = talk.online(WICCA)
    invite(wicca, "hag66@example.org")
    wicca.receives(error("i", "modify", "not-acceptable", kind="message"))
    for bad, condition in (("", "bad-request"), ("a@@b", "jid-malformed")):
        invite(crone, bad)
        crone.receives(error("i", "modify", condition, kind="message"))


def test_into_a_members_only_room_admins_invite_and_make_members(talk: Talk) -> None:
    crone = made(talk, membersonly=1)
    affiliate(crone, "hag66@example.org", "member")
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    wicca = talk.online(WICCA)
    invite(hag, "wicca@example.org")
    hag.receives(error("i", "auth", "forbidden", kind="message"))
    invite(crone, "wicca@example.org")
    wicca.receives(like(f"<message from='{ROOM}'><x xmlns='{USER}'><invite/></x></message>"))
    enter(wicca, WICCA_NICK)
    wicca.receives(seen(CRONE_NICK), seen(HAG_NICK), seen(WICCA_NICK, "member", "participant"))


def test_members_invite_where_that_is_allowed(talk: Talk) -> None:
    crone = made(talk, membersonly=1, allowinvites=1)
    affiliate(crone, "hag66@example.org", "member")
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    wicca = talk.online(WICCA)
    invite(hag, "wicca@example.org")
    wicca.receives(like(f"<message from='{ROOM}'><x xmlns='{USER}'><invite/></x></message>"))


def test_a_refusal_reaches_who_invited(talk: Talk, hag: Client) -> None:
    wicca = talk.online(WICCA)
    invite(hag, "wicca@example.org")
    wicca.forget()
    refusal = (
        f"<message id='d' to='{ROOM}'><x xmlns='{USER}'><decline to='{ROOM}/{HAG_NICK}'>"
        "<reason>busy</reason></decline></x></message>"
    )
    wicca.sends(refusal)
    hag.receives(
        f"<message from='{ROOM}' id='d'><x xmlns='{USER}'><decline from='wicca@example.org'>"
        "<reason>busy</reason></decline></x></message>"
    )
    wicca.sends(refusal)
    wicca.receives(error("d", "cancel", "item-not-found", kind="message"))


def test_nobody_is_written_to_by_way_of_refusals(talk: Talk, crone: Client) -> None:
    wicca = talk.online(WICCA)
    wicca.sends(
        f"<message id='d' to='{ROOM}'><x xmlns='{USER}'><decline to='crone1@example.org'>"
        "<reason>spam</reason></decline></x></message>"
    )
    wicca.receives(error("d", "cancel", "item-not-found", kind="message"))
    crone.receives_nothing()


def test_direct_invitations_are_not_the_rooms(talk: Talk, crone: Client) -> None:
    wicca = talk.online(WICCA)
    crone.sends(
        f"<message to='wicca@example.org'><x xmlns='jabber:x:conference' jid='{ROOM}'/></message>"
    )
    wicca.receives(like(f"<message><x xmlns='jabber:x:conference' jid='{ROOM}'/></message>"))


# Voice


def form(*fields: tuple[str, str]) -> str:
    inside = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in fields)
    return (
        f"<message id='v' to='{ROOM}'><x xmlns='{FORM}' type='submit'><field var='FORM_TYPE'>"
        f"<value>{MUC}#request</value></field>{inside}</x></message>"
    )


ASKED = form(("muc#role", "participant"))
GRANTED = form(
    ("muc#role", "participant"), ("muc#roomnick", HAG_NICK), ("muc#request_allow", "true")
)


def test_a_visitor_asks_for_voice_and_gets_it(talk: Talk) -> None:
    crone = made(talk, moderatedroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.sends(ASKED)
    crone.receives(
        like(
            f"<message from='{ROOM}'><x xmlns='{FORM}' type='form'>"
            f"<field var='muc#roomnick'><value>{HAG_NICK}</value></field>"
            "<field var='muc#request_allow'/></x></message>"
        )
    )
    hag.sends(GRANTED)
    hag.receives(error("v", "auth", "forbidden", kind="message"))
    crone.sends(GRANTED)
    for each in (crone, hag):
        each.receives(seen(HAG_NICK, "none", "participant"))
    say(hag, "at last")
    crone.receives(message("at last"))


def test_only_voice_can_be_asked_for(talk: Talk) -> None:
    crone = made(talk, moderatedroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.sends(form(("muc#role", "moderator")))
    hag.receives(error("v", "modify", "bad-request", kind="message"))
    crone.receives_nothing()


def test_voice_stays_over_visits(talk: Talk) -> None:
    crone = made(talk, moderatedroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    give(crone, HAG_NICK, "participant")
    hag.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'/>")
    hag.forget()
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK, "none", "participant"))


# Between occupants


def test_iqs_go_from_occupant_to_occupant_without_addresses(crone: Client, hag: Client) -> None:
    hag.sends(f"<iq type='get' id='t' to='{ROOM}/{CRONE_NICK}'><time xmlns='urn:xmpp:time'/></iq>")
    asked = crone.receives(
        like(f"<iq type='get' from='{ROOM}/{HAG_NICK}'><time xmlns='urn:xmpp:time'/></iq>")
    )
    assert asked.get("id") != "t"
    crone.sends(
        f"<iq type='error' id='{asked.get('id')}' to='{ROOM}/{HAG_NICK}'>"
        "<error type='cancel' by='crone1@example.org'>"
        "<feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
    got = hag.receives(error("t", "cancel", "feature-not-implemented"))
    assert got.get("from") == f"{ROOM}/{CRONE_NICK}"
    assert "crone1" not in str([child.attrs for child in got.elements])


def test_nobody_else_answers_for_another(talk: Talk, crone: Client, hag: Client) -> None:
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)
    hag.sends(f"<iq type='get' id='t' to='{ROOM}/{CRONE_NICK}'><time xmlns='urn:xmpp:time'/></iq>")
    asked = crone.receives(like("<iq type='get'/>"))
    wicca.sends(f"<iq type='result' id='{asked.get('id')}' to='{ROOM}/{HAG_NICK}'/>")
    hag.receives_nothing()
    crone.sends(f"<iq type='result' id='{asked.get('id')}' to='{ROOM}/{HAG_NICK}'/>")
    hag.receives(result("t", ""))


def test_a_card_is_asked_of_the_account(talk: Talk, crone: Client, hag: Client) -> None:
    crone.sends(
        "<iq type='set' id='c'><vCard xmlns='vcard-temp'><FN>Crone</FN>"
        "<JABBERID>crone1@example.org</JABBERID></vCard></iq>"
    )
    crone.forget()
    hag.sends(f"<iq type='get' id='v' to='{ROOM}/{CRONE_NICK}'><vCard xmlns='vcard-temp'/></iq>")
    hag.receives(result("v", "<vCard xmlns='vcard-temp'><FN>Crone</FN></vCard>"))
    crone.receives_nothing()


def test_outsiders_ask_occupants_nothing(talk: Talk, crone: Client) -> None:
    wicca = talk.bind(WICCA)
    wicca.sends(f"<iq type='get' id='v' to='{ROOM}/{CRONE_NICK}'><vCard xmlns='vcard-temp'/></iq>")
    wicca.receives(error("v", "cancel", "not-acceptable"))
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    wicca.sends(f"<iq type='get' id='d' to='{ROOM}/{CRONE_NICK}'>{info}</iq>")
    wicca.receives(error("d", "modify", "bad-request"))


def test_configuration_by_the_way_is_not_a_message(crone: Client) -> None:
    configure(crone, roomname="Cave")
    crone.receives(result("cfg", ""), like(f"<message from='{ROOM}' type='groupchat'/>"))
