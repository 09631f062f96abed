"""Configuring, destroying, registering, and what rooms tell of themselves (XEP-0045 §6, §7.10,
§7.12, §10).
"""

import pytest

from tests.support.rooms import (
    CRONE,
    CRONE_NICK,
    HAG,
    HAG_NICK,
    MUC,
    OWNER,
    ROOM,
    SERVICE,
    USER,
    WICCA,
    WICCA_NICK,
    affiliate,
    configure,
    enter,
    joins,
    made,
    news,
    order,
    refused,
    seen,
    subject,
)
from xmppd.modules.muc.config import SETTINGS, Config
from xmppd.testing import Client, Talk, error, like, result
from xmppd.xml import Element

INFO, ITEMS = (f"http://jabber.org/protocol/disco#{name}" for name in ("info", "items"))
FORM, REGISTER, RSM = "jabber:x:data", "jabber:iq:register", "http://jabber.org/protocol/rsm"


def asks(client: Client, ns: str, to: str = ROOM, more: str = "", inside: str = "") -> Element:
    client.sends(
        f"<iq type='get' id='q' to='{to}'><query xmlns='{ns}'{more}>{inside}</query></iq>"
    )
    answer = client.receives(like("<iq type='result' id='q'/>"))
    query = answer.child(ns, "query")
    assert query is not None
    return query


def values(form: Element | None) -> dict[str, list[str]]:
    assert form is not None
    return {
        field.get("var") or "": [value.text for value in field.all(FORM, "value")]
        for field in form.all(FORM, "field")
    }


# The form


def test_the_form_shows_what_was_submitted(talk: Talk) -> None:
    wanted = {
        "roomname": "A Dark Cave",
        "roomdesc": "The place for all good witches!",
        "lang": "en",
        "publicroom": "0",
        "persistentroom": "1",
        "membersonly": "1",
        "moderatedroom": "1",
        "passwordprotectedroom": "1",
        "roomsecret": "cauldronburn",
        "whois": "anyone",
        "maxusers": "50",
        "enablearchiving": "0",
        "enablelogging": "1",
        "maxhistoryfetch": "5",
        "changesubject": "1",
        "allowinvites": "1",
        "allowpm": "moderators",
        "presencebroadcast": ["moderator"],
        "getmemberlist": ["moderator", "participant"],
        "pubsub": "xmpp:pubsub.example.org?;node=coven",
        "locknicks": "1",
        "quiet": "1",
        "slow_mode_duration": "20",
        "roomadmins": ["wicca@example.org", "hecate@example.org"],
        "roomowners": ["crone1@example.org"],
    }
    crone = made(talk, **wanted)
    shown = values(asks(crone, OWNER).child(FORM, "x"))
    assert len(wanted) == len(SETTINGS) + 2  # no field is forgotten
    for name, value in wanted.items():
        var = {"maxhistoryfetch": "muc#maxhistoryfetch"}.get(name, f"muc#roomconfig_{name}")
        var = f"x-{var}" if name in ("locknicks", "quiet") else var
        assert shown[var] == (value if isinstance(value, list) else [value])


def test_the_form_is_for_owners(crone: Client, hag: Client) -> None:
    hag.sends(f"<iq type='get' id='o' to='{ROOM}'><query xmlns='{OWNER}'/></iq>")
    hag.receives(error("o", "auth", "forbidden"))
    configure(hag, membersonly=1)
    hag.receives(error("cfg", "auth", "forbidden"))
    hag.sends(f"<iq type='set' id='o' to='{ROOM}'><query xmlns='{OWNER}'><destroy/></query></iq>")
    hag.receives(error("o", "auth", "forbidden"))
    crone.sends(f"<iq type='get' id='o' to='no@{SERVICE}'><query xmlns='{OWNER}'/></iq>")
    crone.receives(error("o", "cancel", "item-not-found"))


@pytest.mark.parametrize(
    ("settings", "type", "condition"),
    [
        ({"passwordprotectedroom": 1, "roomsecret": ""}, "modify", "not-acceptable"),
        ({"whois": "nobody"}, "modify", "not-acceptable"),
        ({"maxusers": "many"}, "modify", "not-acceptable"),
        ({"maxhistoryfetch": "-1"}, "modify", "not-acceptable"),
        ({"membersonly": "maybe"}, "modify", "not-acceptable"),
        ({"roomname": "x" * 5000}, "modify", "not-acceptable"),
        ({"roomowners": "a@@b"}, "modify", "not-acceptable"),
        ({"roomowners": []}, "cancel", "conflict"),
        ({"roomadmins": "crone1@example.org"}, "cancel", "conflict"),
    ],
)
def test_what_is_not_acceptable_changes_nothing(
    crone: Client, hag: Client, settings: dict[str, object], type: str, condition: str
) -> None:
    configure(crone, roomdesc="new", **settings)
    crone.receives(error("cfg", type, condition))
    hag.receives_nothing()
    assert values(asks(crone, OWNER).child(FORM, "x"))["muc#roomconfig_roomdesc"] == [""]


def test_history_is_clamped(crone: Client) -> None:
    configure(crone, maxhistoryfetch=100000)
    crone.receives(result("cfg", ""), news("104"))
    assert values(asks(crone, OWNER).child(FORM, "x"))["muc#maxhistoryfetch"] == ["500"]


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        ({"roomname": "Cave"}, ["104"]),
        ({"enablelogging": 1}, ["170"]),
        ({"whois": "anyone"}, ["172"]),
        ({"whois": "anyone", "enablelogging": 1, "roomname": "Cave"}, ["104", "170", "172"]),
    ],
)
def test_occupants_are_told_of_changes(
    crone: Client, hag: Client, settings: dict[str, object], codes: list[str]
) -> None:
    configure(crone, **settings)
    crone.receives(result("cfg", ""), news(*codes))
    hag.receives(news(*codes))
    if "172" in codes:  # and sees whom that is about
        hag.receives(seen(CRONE_NICK, jid=CRONE))
    configure(crone, **settings)
    crone.receives(result("cfg", ""))
    hag.receives_nothing()
    back = {"170": "171", "172": "173", "104": "104"}
    configure(crone, roomname="", enablelogging=0, whois="moderators")
    hag.receives(news(*[back[code] for code in codes]))


def test_members_only_from_now_on_removes_the_others(
    talk: Talk, crone: Client, hag: Client
) -> None:
    affiliate(crone, "wicca@example.org", "member")
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)
    configure(crone, membersonly=1)
    hag.receives(seen(HAG_NICK, "none", "none", codes=("110", "322"), gone=True))
    crone.receives(result("cfg", ""), seen(HAG_NICK, codes=("322",), gone=True), news("104"))
    wicca.receives(seen(HAG_NICK, codes=("322",), gone=True), news("104"))


def test_the_lists_of_the_form_are_whole_lists(crone: Client, hag: Client) -> None:
    configure(crone, roomadmins=["hag66@example.org"])
    hag.receives(seen(HAG_NICK, "admin", "moderator"), seen(CRONE_NICK, jid=CRONE))
    configure(crone, roomadmins=[], roomowners=["crone1@example.org", "hag66@example.org"])
    hag.receives(seen(HAG_NICK, "owner", "moderator"))
    configure(crone, roomowners=["hag66@example.org"])
    hag.receives(seen(CRONE_NICK, "admin", "moderator"))


def test_cancelling_later_changes_nothing(crone: Client, hag: Client) -> None:
    crone.sends(
        f"<iq type='set' id='c' to='{ROOM}'><query xmlns='{OWNER}'>"
        f"<x xmlns='{FORM}' type='cancel'/></query></iq>"
    )
    crone.receives(result("c", ""))
    hag.receives_nothing()


# The end


def test_a_room_is_destroyed_with_reason_and_venue(talk: Talk, crone: Client, hag: Client) -> None:
    crone.sends(
        f"<iq type='set' id='d' to='{ROOM}'><query xmlns='{OWNER}'>"
        f"<destroy jid='heath@{SERVICE}'><reason>Macbeth doth come.</reason></destroy>"
        "</query></iq>"
    )
    for client, nick in ((crone, CRONE_NICK), (hag, HAG_NICK)):
        client.receives(
            like(
                f"<presence type='unavailable' from='{ROOM}/{nick}'><x xmlns='{USER}'>"
                f"<item affiliation='none' role='none'/><destroy jid='heath@{SERVICE}'>"
                "<reason>Macbeth doth come.</reason></destroy></x></presence>"
            )
        )
    crone.receives(result("d", ""))
    hag.receives_nothing()
    enter(hag, HAG_NICK)
    hag.receives(seen(HAG_NICK, "owner", codes=("110", "201")), subject())


def test_a_venue_that_is_no_address_is_refused(crone: Client) -> None:
    crone.sends(
        f"<iq type='set' id='d' to='{ROOM}'><query xmlns='{OWNER}'>"
        "<destroy jid='a@@b'/></query></iq>"
    )
    crone.receives(error("d", "modify", "jid-malformed"))


# Registration


def register(client: Client, nick: str, more: str = "") -> None:
    form = (
        f"<x xmlns='{FORM}' type='submit'><field var='FORM_TYPE'><value>{MUC}#register</value>"
        f"</field><field var='muc#register_roomnick'><value>{nick}</value></field></x>"
    )
    client.sends(
        f"<iq type='set' id='r' to='{ROOM}'><query xmlns='{REGISTER}'>{more or form}</query></iq>"
    )


def test_registering_makes_a_member_with_a_nickname(
    talk: Talk, crone: Client, hag: Client
) -> None:
    form = asks(hag, REGISTER).child(FORM, "x")
    assert list(values(form)) == ["FORM_TYPE", "muc#register_roomnick"]
    register(hag, HAG_NICK)
    hag.receives(result("r", ""), seen(HAG_NICK, "member", "participant"))
    crone.receives(seen(HAG_NICK, "member", "participant"))
    assert asks(hag, REGISTER).child_text(REGISTER, "username") == HAG_NICK
    hag.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'/>")
    wicca = talk.bind(WICCA)
    enter(wicca, HAG_NICK)
    wicca.receives(refused("conflict"))
    register(wicca, HAG_NICK.upper())
    wicca.receives(error("r", "cancel", "conflict"))
    register(wicca, "", "<x xmlns='jabber:x:data' type='submit'/>")
    wicca.receives(error("r", "modify", "bad-request"))


def test_registering_ends_and_is_not_for_the_banned(
    talk: Talk, crone: Client, hag: Client
) -> None:
    register(hag, HAG_NICK)
    hag.receives(result("r", ""), seen(HAG_NICK, "member"))
    register(hag, "", "<remove/>")
    hag.receives(result("r", ""), seen(HAG_NICK, "none"))
    affiliate(crone, "hag66@example.org", "outcast")
    hag.forget()
    hag.sends(f"<iq type='get' id='q' to='{ROOM}'><query xmlns='{REGISTER}'/></iq>")
    hag.receives(error("q", "cancel", "not-allowed"))


def test_admins_let_in_who_registers_with_a_members_only_room(talk: Talk) -> None:
    crone = made(talk, membersonly=1)
    hag = talk.online(HAG)
    register(hag, HAG_NICK)
    hag.receives(result("r", ""))
    asked = (
        f"<field var='FORM_TYPE'><value>{MUC}#register</value></field>"
        "<field var='muc#register_jid'><value>hag66@example.org</value></field>"
        "<field var='muc#register_allow'><value>{}</value></field>"
    )
    crone.receives(
        like(f"<message from='{ROOM}'><x xmlns='{FORM}'>{asked.format('0')}</x></message>")
    )
    answer = asked.format("1")
    crone.sends(f"<message to='{ROOM}'><x xmlns='{FORM}' type='submit'>{answer}</x></message>")
    hag.receives(like(f"<message from='{ROOM}'><x xmlns='{USER}'/></message>"))
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK, "member", "participant"))


def test_registration_can_be_off() -> None:
    talk = Talk(options={"muc": {"registration": False}})
    crone = made(talk)
    crone.sends(f"<iq type='get' id='q' to='{ROOM}'><query xmlns='{REGISTER}'/></iq>")
    crone.receives(error("q", "cancel", "service-unavailable"))


# Disco


def test_the_service_is_found_and_tells_what_it_is(talk: Talk) -> None:
    hag = talk.bind(HAG)
    items = {each.get("jid") for each in asks(hag, ITEMS, "example.org").elements}
    assert SERVICE in items
    query = asks(hag, INFO, SERVICE)
    identity = query.child(INFO, "identity")
    assert identity is not None
    assert (identity.get("category"), identity.get("type")) == ("conference", "text")
    features = {each.get("var") for each in query.all(INFO, "feature")}
    assert {MUC, f"{MUC}#unique", f"{MUC}#stable_id", RSM, "urn:xmpp:occupant-id:0"} <= features


def test_a_room_tells_what_kind_it_is(talk: Talk) -> None:
    crone = made(
        talk,
        roomname="Cave",
        moderatedroom=1,
        membersonly=1,
        passwordprotectedroom=1,
        roomsecret="x",
        whois="anyone",
        persistentroom=1,
        publicroom=0,
        roomdesc="Dark",
    )
    query = asks(talk.bind(HAG), INFO)
    features = {each.get("var") for each in query.all(INFO, "feature")}
    assert {
        "muc_hidden",
        "muc_persistent",
        "muc_membersonly",
        "muc_moderated",
        "muc_passwordprotected",
        "muc_nonanonymous",
        f"{MUC}#self-ping-optimization",
        f"{MUC}#stable_id",
        "urn:xmpp:occupant-id:0",
        "urn:xmpp:sid:0",
    } <= features
    told = values(query.child(FORM, "x"))
    assert told["muc#roominfo_description"] == ["Dark"]
    assert told["muc#roominfo_occupants"] == ["1"]
    assert "muc#roominfo_subject" not in told
    assert crone.jid not in str(told)


def test_open_rooms_tell_of_their_other_kind_and_their_subject(crone: Client) -> None:
    crone.sends(f"<message type='groupchat' to='{ROOM}'><subject>Fire</subject></message>")
    crone.forget()
    query = asks(crone, INFO)
    features = {each.get("var") for each in query.all(INFO, "feature")}
    assert {
        "muc_public",
        "muc_temporary",
        "muc_open",
        "muc_unmoderated",
        "muc_unsecured",
        "muc_semianonymous",
    } <= features
    assert values(query.child(FORM, "x"))["muc#roominfo_subject"] == ["Fire"]


def test_occupants_are_listed_for_occupants(talk: Talk, crone: Client, hag: Client) -> None:
    assert [each.get("jid") for each in asks(hag, ITEMS).elements] == [
        f"{ROOM}/{CRONE_NICK}",
        f"{ROOM}/{HAG_NICK}",
    ]
    assert asks(talk.bind(WICCA), ITEMS).elements == []


def test_a_reserved_nickname_is_told_to_its_owner(talk: Talk, crone: Client, hag: Client) -> None:
    register(hag, HAG_NICK)
    hag.forget()
    node = " node='x-roomuser-item'"
    identity = asks(hag, INFO, more=node).child(INFO, "identity")
    assert identity is not None
    assert identity.get("name") == HAG_NICK
    crone.forget()
    assert asks(crone, INFO, more=node).elements == []


def test_nodes_that_are_not_there(crone: Client) -> None:
    for node, type, condition in (
        ("nothing", "cancel", "item-not-found"),
        (f"{MUC}#traffic", "cancel", "service-unavailable"),
    ):
        crone.sends(
            f"<iq type='get' id='q' to='{ROOM}'><query xmlns='{INFO}' node='{node}'/></iq>"
        )
        crone.receives(error("q", type, condition))
    crone.sends(f"<iq type='get' id='q' to='no@{SERVICE}'><query xmlns='{INFO}'/></iq>")
    crone.receives(error("q", "cancel", "item-not-found"))


def test_rooms_are_listed_in_pages_and_the_hidden_are_not(talk: Talk) -> None:
    crone = talk.bind(CRONE)
    names = [f"room{number}" for number in range(6)]
    for number, name in enumerate(names):
        enter(crone, CRONE_NICK, f"{name}@{SERVICE}")
        configure(
            crone, f"{name}@{SERVICE}", persistentroom=number % 2, publicroom=int(number != 3)
        )
    crone.forget()
    public = [name for name in names if name != "room3"]
    assert rooms(asks(crone, ITEMS, SERVICE)) == public
    page = asks(crone, ITEMS, SERVICE, inside=f"<set xmlns='{RSM}'><max>2</max></set>")
    assert rooms(page) == public[:2]
    bounds = page.child(RSM, "set")
    assert bounds is not None
    assert (bounds.child_text(RSM, "count"), bounds.child_text(RSM, "last")) == ("5", "room1")
    for inside, found in (
        ("<max>2</max><after>room1</after>", public[2:4]),
        ("<max>2</max><before/>", public[-2:]),
        ("<max>2</max><before>room4</before>", public[1:3]),
        ("<max>0</max>", []),
    ):
        query = asks(crone, ITEMS, SERVICE, inside=f"<set xmlns='{RSM}'>{inside}</set>")
        assert rooms(query) == found
    crone.sends(
        f"<iq type='get' id='q' to='{SERVICE}'><query xmlns='{ITEMS}'>"
        f"<set xmlns='{RSM}'><after>room3</after></set></query></iq>"
    )
    crone.receives(error("q", "cancel", "item-not-found"))


def rooms(query: Element) -> list[str]:
    return [(item.get("jid") or "").partition("@")[0] for item in query.all(ITEMS, "item")]


def test_a_unique_name_is_given(talk: Talk) -> None:
    hag = talk.bind(HAG)
    found = set()
    for _ in range(2):
        hag.sends(f"<iq type='get' id='u' to='{SERVICE}'><unique xmlns='{MUC}#unique'/></iq>")
        answer = hag.receives(like("<iq type='result' id='u'/>"))
        found.add(answer.child_text(f"{MUC}#unique", "unique"))
    assert len(found) == 2


def test_a_configuration_survives_its_text() -> None:
    config = Config(name="A 'Dark' Cave \N{SNOWMAN}", broadcast=("moderator",), max_users=7)
    assert Config.from_json(config.to_json()) == config
    assert Config.from_json('{"name": "x", "of_tomorrow": [1]}') == Config(name="x")


def test_lists_have_a_bound() -> None:
    talk = Talk(options={"muc": {"max_affiliations": 10}})
    crone = made(talk)
    order(crone, "".join(f"<item jid='u{n}@b' affiliation='outcast'/>" for n in range(10)))
    crone.receives(error("items", "wait", "resource-constraint"))
