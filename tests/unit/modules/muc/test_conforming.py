"""What a reader of the specification looks for, and a client that knows nothing of us."""

import hashlib
from base64 import b64encode

from tests.support.rooms import (
    CRONE_NICK,
    HAG,
    HAG_NICK,
    OWNER,
    ROOM,
    SERVICE,
    USER,
    WICCA,
    WICCA_NICK,
    configure,
    enter,
    joins,
    made,
    say,
)
from xmppd.modules.muc.versions import MOST_AT_ONCE, parts
from xmppd.testing import Client, Talk, error, like, message, result
from xmppd.xml import Element, to_xml

DISCO_INFO, DISCO_ITEMS = (
    f"http://jabber.org/protocol/disco#{kind}" for kind in ("info", "items")
)
FORM, RSM = "jabber:x:data", "http://jabber.org/protocol/rsm"
MUC = "http://jabber.org/protocol/muc"
RETRACT, MAM = "urn:xmpp:message-retract:1", "urn:xmpp:mam:2"


def described(client: Client, address: str) -> tuple[set[str | None], dict[str | None, list[str]]]:
    """Features, and the fields of the form."""
    client.sends(f"<iq type='get' id='d' to='{address}'><query xmlns='{DISCO_INFO}'/></iq>")
    query = client.receives(result("d")).elements[0]
    form = query.child(FORM, "x")
    fields = [] if form is None else form.all(FORM, "field")
    values = {f.get("var"): [v.text for v in f.all(FORM, "value")] for f in fields}
    return {each.get("var") for each in query.all(DISCO_INFO, "feature")}, values


def test_a_room_tells_all_that_the_registry_has_a_name_for(crone: Client) -> None:
    """§16.3, §16.5.4; and whether private messages are allowed, before somebody writes one."""
    features, fields = described(crone, ROOM)
    kinds = {"register", "request", "roomconfig", "roominfo", "stable_id"}
    assert {f"{MUC}#{kind}" for kind in kinds} <= features
    assert {"urn:xmpp:ping", RSM, "vcard-temp"} <= features
    assert "muc_rooms" not in features
    assert fields["muc#roomconfig_allowpm"] == ["anyone"]
    configure(crone, ROOM, allowpm="none")
    crone.forget()
    assert described(crone, ROOM)[1]["muc#roomconfig_allowpm"] == ["none"]
    assert {MUC, "muc_rooms", "vcard-temp"} <= described(crone, SERVICE)[0]


def test_a_room_answers_a_ping_and_one_that_is_not_does_not(crone: Client) -> None:
    for to in (ROOM, f"none@{SERVICE}"):
        crone.sends(f"<iq type='get' id='p' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>")
    crone.receives(result("p", ""), error("p", "cancel", "item-not-found"))


def test_errors_to_messages_say_that_the_room_has_found_them(crone: Client, hag: Client) -> None:
    """As the examples of §7.4, §7.5 and §8.1 have it, also where something is looked up first."""
    hag.sends(f"<message type='groupchat' id='s' to='{ROOM}'><subject>x</subject></message>")
    hag.sends(
        f"<message type='groupchat' id='p' to='{ROOM}/{CRONE_NICK}'><body>x</body></message>"
    )
    hag.sends(f"<message type='groupchat' id='n' to='none@{SERVICE}'><body>x</body></message>")
    for id_, by in (("s", ROOM), ("p", ROOM), ("n", f"none@{SERVICE}")):
        hag.receives(like(f"<message type='error' id='{id_}'><error by='{by}'/></message>"))


def test_the_form_as_it_came_is_an_answer_that_changes_nothing(crone: Client, hag: Client) -> None:
    """Dino and Gajim send all of it back."""
    crone.sends(f"<iq type='get' id='g' to='{ROOM}'><query xmlns='{OWNER}'/></iq>")
    form = crone.receives(result("g")).elements[0].elements[0]
    form.attrs["type"] = "submit"
    crone.sends(
        f"<iq type='set' id='s' to='{ROOM}'><query xmlns='{OWNER}'>{to_xml(form)}</query></iq>"
    )
    crone.receives(result("s", ""))
    hag.receives_nothing()


def test_any_number_of_occupants_may_be_the_limit(talk: Talk, crone: Client) -> None:
    configure(crone, ROOM, maxusers=2)
    crone.forget()
    crone.sends(f"<iq type='get' id='g' to='{ROOM}'><query xmlns='{OWNER}'/></iq>")
    wanted = "<field var='muc#roomconfig_maxusers'><value>2</value></field>"
    crone.receives(
        like(f"<iq id='g'><query xmlns='{OWNER}'><x xmlns='{FORM}'>{wanted}</x></query></iq>")
    )
    _ = joins(talk, HAG, HAG_NICK, ROOM, crone)
    wicca = talk.bind(WICCA)
    enter(wicca, WICCA_NICK)
    wicca.receives(like("<presence type='error'><error type='wait'/></presence>"))


def test_the_venue_has_its_password(crone: Client, hag: Client) -> None:
    inside = "<password>cauldronburn</password><reason>Macbeth doth come.</reason>"
    crone.sends(
        f"<iq type='set' id='b' to='{ROOM}'><query xmlns='{OWNER}'>"
        f"<destroy jid='heath@{SERVICE}'>{inside}</destroy></query></iq>"
    )
    x = f"<x xmlns='{USER}'><destroy jid='heath@{SERVICE}'>{inside}</destroy></x>"
    hag.receives(like(f"<presence type='unavailable' from='{ROOM}/{HAG_NICK}'>{x}</presence>"))


def test_voice_is_for_who_has_asked_and_not_for_who_has_the_name_now(talk: Talk) -> None:
    crone = made(talk, moderatedroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)
    fields = {"FORM_TYPE": f"{MUC}#request", "muc#role": "participant"}
    hag.sends(f"<message to='{ROOM}'>{submitted(fields)}</message>")
    form = crone.receives(message(from_=ROOM)).elements[0]
    asked = {f.get("var") or "": f.elements[0].text for f in form.all(FORM, "field")}
    hag.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'/>")
    wicca.sends(f"<presence to='{ROOM}/{HAG_NICK}'/>")
    crone.forget()
    crone.sends(f"<message to='{ROOM}'>{submitted(asked | {'muc#request_allow': '1'})}</message>")
    crone.receives_nothing()
    crone.sends(
        f"<iq type='get' id='v' to='{ROOM}'><query xmlns='{MUC}#admin'>"
        "<item role='visitor'/></query></iq>"
    )
    crone.receives(
        like(f"<iq id='v'><query xmlns='{MUC}#admin'><item nick='{HAG_NICK}'/></query></iq>")
    )


def submitted(values: dict[str, str]) -> str:
    fields = [f"<field var='{n}'><value>{v}</value></field>" for n, v in values.items()]
    return f"<x xmlns='{FORM}' type='submit'>{''.join(fields)}</x>"


def test_occupants_come_in_pages_and_the_hidden_are_not_among_them(talk: Talk) -> None:
    """§6.5; XEP-0059."""
    crone = made(talk, presencebroadcast=["moderator"])
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    _ = joins(talk, WICCA, WICCA_NICK, ROOM, crone)
    assert listed(hag) == [CRONE_NICK, HAG_NICK]
    assert listed(crone) == [CRONE_NICK, HAG_NICK, WICCA_NICK]
    assert listed(crone, "<max>1</max>") == [CRONE_NICK]
    assert listed(crone, f"<max>1</max><after>{ROOM}/{CRONE_NICK}</after>") == [HAG_NICK]
    outside = talk.bind("romeo@example.org/x")
    assert listed(outside) == []
    asked = f"<set xmlns='{RSM}'><after>{ROOM}/{CRONE_NICK}</after></set>"
    outside.sends(
        f"<iq type='get' id='i' to='{ROOM}'><query xmlns='{DISCO_ITEMS}'>{asked}</query></iq>"
    )
    outside.receives(error("i", "cancel", "item-not-found"))


def listed(client: Client, wanted: str = "") -> list[str | None]:
    asked = f"<set xmlns='{RSM}'>{wanted}</set>" if wanted else ""
    client.sends(
        f"<iq type='get' id='i' to='{ROOM}'><query xmlns='{DISCO_ITEMS}'>{asked}</query></iq>"
    )
    query = client.receives(result("i")).elements[0]
    assert (query.child(RSM, "set") is None) is not bool(wanted)
    return [each.get("name") for each in query.all(DISCO_ITEMS, "item")]


def test_an_avatar_in_several_formats_has_several_hashes(crone: Client) -> None:
    """XEP-0486 §5.1."""
    data = [b"one", b"other"]
    photos = [
        f"<PHOTO><TYPE>image/x</TYPE><BINVAL>{b64encode(d).decode()}</BINVAL></PHOTO>"
        for d in data
    ]
    card = f"<vCard xmlns='vcard-temp'>{''.join(photos)}</vCard>"
    crone.sends(f"<iq type='set' id='c' to='{ROOM}'>{card}</iq>")
    crone.forget()
    hashes = [hashlib.sha1(d, usedforsecurity=False).hexdigest() for d in data]
    assert described(crone, ROOM)[1]["muc#roominfo_avatarhash"] == hashes


def test_a_tombstone_names_its_retraction_also_where_that_has_no_id(hag: Client) -> None:
    """XEP-0424 §5."""
    say(hag, "oops")
    id_ = hag.receives(message("oops")).child("urn:xmpp:sid:0", "stanza-id")
    assert id_ is not None
    wanted = f"<retract xmlns='{RETRACT}' id='{id_.get('id')}'/>"
    hag.sends(f"<message type='groupchat' to='{ROOM}'>{wanted}</message>")
    said = hag.receives(like(f"<message type='groupchat'>{wanted}</message>"))
    assert said.get("id")
    hag.sends(f"<iq type='set' id='m' to='{ROOM}'><query xmlns='{MAM}'/></iq>")
    stone = to_xml(hag.receives(message()))
    assert "retracted" in stone
    assert f"id='{said.get('id')}'" in stone


def test_a_long_list_of_affiliations_comes_in_parts() -> None:
    """XEP-0463 §5.2.1: each begins where the one before it ends."""
    items = [Element(USER, "item", {"jid": f"u{n}@x"}) for n in range(MOST_AT_ONCE + 1)]
    (first, some), (last, rest) = parts(items, "v.7", None)
    assert [*some, *rest] == items
    assert first.get("since") is None
    assert first.get("until") == last.get("since") != "v.7"
    assert last.get("until") == "v.7"
    ((mark, nobody),) = parts([], "v.7", "v.6")
    assert (mark.attrs, nobody) == ({"since": "v.6", "until": "v.7"}, [])
