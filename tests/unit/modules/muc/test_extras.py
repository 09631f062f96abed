"""What rooms can do beside XEP-0045: slow mode (0500), quiet rooms, hats (0317), avatars (0486),
versions of affiliations (0463), search (0433), commands (0050), mentions of who is away.
"""

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
    news,
    order,
    say,
    seen,
    subject,
    submit,
)
from xmppd.api import JID, Message, Module, jid, on
from xmppd.modules.muc import MUC as ROOMS
from xmppd.modules.muc import Room, member_missed
from xmppd.modules.muc.limits import UserRates
from xmppd.modules.muc.options import MUCOptions
from xmppd.modules.muc.versions import MOST_CHANGES, Versions
from xmppd.testing import Client, Talk, error, like, message, result, result_of
from xmppd.xml import Element

HATS, MAV = "urn:xmpp:hats:0", "urn:xmpp:muc:affiliations:1"
COMMANDS, FORMS = "http://jabber.org/protocol/commands", "jabber:x:data"
DISCO = "http://jabber.org/protocol/disco"
SEARCH = "urn:xmpp:channel-search:0:search"
VALIDATE = "http://jabber.org/protocol/xdata-validate"


def restart(talk: Talk) -> None:
    result_of(talk.host.modules.swap(["muc"], {}))
    result_of(talk.host.modules.swap((), {ROOMS: MUCOptions()}))


def reload(talk: Talk) -> None:
    result_of(talk.host.modules.swap(["muc"], {ROOMS: MUCOptions()}))


def info(client: Client, to: str = ROOM) -> tuple[set[str], dict[str, list[str]]]:
    """Features, and the fields of all forms."""
    client.sends(f"<iq type='get' id='i' to='{to}'><query xmlns='{DISCO}#info'/></iq>")
    query = client.receives(result("i")).elements[0]
    fields: dict[str, list[str]] = {}
    for form in query.all(FORMS, "x"):
        for field in form.all(FORMS, "field"):
            values = [value.text for value in field.all(FORMS, "value")]
            fields[field.get("var") or ""] = values
    return {each.get("var") or "" for each in query.elements if each.name == "feature"}, fields


# Slow mode (XEP-0500)


def test_slow_mode_lets_a_user_speak_once_in_a_while(talk: Talk) -> None:
    crone = made(talk, slow_mode_duration=20)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    say(hag, "one")
    hag.receives(message("one"))
    say(hag, "two")
    refusal = hag.receives(error("say", "wait", "policy-violation", kind="message"))
    assert "20" in to_text(refusal)
    hag.sends(
        f"<message type='groupchat' to='{ROOM}'>"
        "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
    hag.receives(like("<message type='groupchat'/>"))
    talk.advance(20)
    say(hag, "three")
    hag.receives(message("three"))
    crone.forget()
    for text in ("a", "b"):  # owners are free
        say(crone, text)
        crone.receives(message(text))


def to_text(stanza: Element) -> str:
    return "".join(each.text for each in stanza.child("jabber:client", "error").elements)  # type: ignore[union-attr]


def test_slow_mode_is_told_and_its_field_is_a_number(talk: Talk) -> None:
    crone = made(talk)
    assert info(crone)[1]["muc#roominfo_slow_mode_duration"] == ["0"]
    crone.sends(f"<iq type='get' id='f' to='{ROOM}'><query xmlns='{OWNER}'/></iq>")
    form = crone.receives(result("f")).elements[0].elements[0]
    (field,) = [e for e in form.elements if "slow_mode" in (e.get("var") or "")]
    validate = field.child(VALIDATE, "validate")
    assert validate is not None
    assert validate.get("datatype") == "xs:integer"
    configure(crone, slow_mode_duration="soon")
    crone.receives(error("cfg", "modify", "not-acceptable"))
    configure(crone, slow_mode_duration=20)
    crone.receives(result("cfg", ""), news("104"))
    assert info(crone)[1]["muc#roominfo_slow_mode_duration"] == ["20"]


# Quiet rooms


def test_a_quiet_room_shows_moderators_and_who_speaks(talk: Talk) -> None:
    crone = made(talk, quiet=1)
    hag, wicca = talk.bind(HAG), talk.bind(WICCA)
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK, codes=("110",)), subject())
    enter(wicca, WICCA_NICK)
    wicca.receives(seen(CRONE_NICK), seen(WICCA_NICK, codes=("110",)), subject())
    for each in (crone, hag):
        each.receives_nothing()
    say(hag, "here I am")
    for each in (crone, wicca):
        each.receives(seen(HAG_NICK), message("here I am"))
    say(hag, "still")
    crone.receives(message("still"))
    hag.sends(f"<presence type='unavailable' to='{ROOM}/{HAG_NICK}'/>")
    wicca.sends(f"<presence type='unavailable' to='{ROOM}/{WICCA_NICK}'/>")
    crone.receives(seen(HAG_NICK, gone=True))
    crone.receives_nothing()


# Probes, moderation switched off


def test_who_is_inside_may_probe(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    wicca = talk.bind(WICCA)
    for client in (hag, wicca):
        for to in (ROOM, f"{ROOM}/{CRONE_NICK}", f"{ROOM}/nobody"):
            client.sends(f"<presence type='probe' to='{to}'/>")
    hag.receives(
        like(f"<presence from='{ROOM}'/>"),
        seen(CRONE_NICK, "owner", "moderator", jid=""),
        like(f"<presence type='unavailable' from='{ROOM}/nobody'/>"),
    )
    wicca.receives_nothing()


def test_without_moderation_all_have_voice_but_who_was_silenced(talk: Talk) -> None:
    crone = made(talk, moderatedroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)
    give(crone, HAG_NICK, "participant")
    give(crone, HAG_NICK, "visitor")
    for each in (crone, hag, wicca):
        each.forget()
    configure(crone, moderatedroom=0)
    wicca.receives(seen(WICCA_NICK, "none", "participant", codes=("110",)), news("104"))
    hag.receives(seen(WICCA_NICK, "none", "participant"), news("104"))


def test_voice_invitations_and_applicants_outlive_a_restart(talk: Talk) -> None:
    crone = made(talk, persistentroom=1, moderatedroom=1)
    joins(talk, HAG, HAG_NICK, ROOM, crone)
    give(crone, HAG_NICK, "participant")
    crone.sends(
        f"<message to='{ROOM}'><x xmlns='{USER}'><invite to='wicca@example.org'/></x></message>"
    )
    restart(talk)
    hag, wicca = talk.bind("hag66@example.org/new"), talk.bind(WICCA)
    crone.sends("<presence/>")
    crone.forget()
    enter(hag, HAG_NICK)
    hag.receives(seen(HAG_NICK, "none", "participant"), subject())
    wicca.sends(
        f"<message to='{ROOM}'><x xmlns='{USER}'><decline to='crone1@example.org'/></x></message>"
    )
    crone.receives(like(f"<message from='{ROOM}'><x xmlns='{USER}'><decline/></x></message>"))


def test_a_question_on_its_way_outlives_a_reload(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    hag.sends(f"<iq type='get' id='q' to='{ROOM}/{CRONE_NICK}'><time xmlns='urn:xmpp:time'/></iq>")
    asked = crone.receives(like("<iq type='get'/>"))
    reload(talk)
    crone.sends(f"<iq type='result' id='{asked.get('id')}' to='{ROOM}/{HAG_NICK}'/>")
    hag.receives(like(f"<iq type='result' id='q' from='{ROOM}/{CRONE_NICK}'/>"))


def test_the_host_lists_the_service_by_its_name() -> None:
    talk = Talk(options={"muc": {"name": "Caves"}})
    crone = talk.bind(CRONE)
    crone.sends(f"<iq type='get' id='i' to='example.org'><query xmlns='{DISCO}#items'/></iq>")
    items = crone.receives(result("i")).elements[0].elements
    assert [e.get("name") for e in items if e.get("jid") == SERVICE] == ["Caves"]


def test_the_users_of_a_remote_domain_have_a_limit_together() -> None:
    rates = UserRates(1, 2, served=lambda domain: domain == "here", factor=2)
    assert [rates.take(jid(f"{n}@far"), 0) for n in range(5)] == [True] * 4 + [False]
    assert all(rates.take(jid(f"{n}@here"), 0) for n in range(50))
    assert rates.take(jid("0@far"), 1)


# Hats (XEP-0317)


def command(client: Client, node: str, **fields: str) -> None:
    given = "".join(
        f"<field var='hats#{name}'><value>{value}</value></field>"
        for name, value in fields.items()
    )
    form = (
        f"<x xmlns='{FORMS}' type='submit'><field var='FORM_TYPE'>"
        f"<value>urn:xmpp:hats:commands</value></field>{given}</x>"
    )
    client.sends(
        f"<iq type='set' id='c' to='{ROOM}'><command xmlns='{COMMANDS}'"
        f" node='urn:xmpp:hats:commands:{node}'>{form if fields else ''}</command></iq>"
    )


def hats(stanza: Element) -> list[tuple[str | None, str | None]]:
    found = [hat for each in stanza.all(HATS, "hats") for hat in each.elements]
    return [(hat.get("uri"), hat.get("title")) for hat in found]


COMPLETED = like(f"<iq type='result' id='c'><command xmlns='{COMMANDS}' status='completed'/></iq>")


def test_hats_are_made_given_shown_and_taken(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    command(crone, "create", title="Scribe", uri="urn:hat:scribe", hue="20.5")
    crone.receives(news("104"), COMPLETED)
    hag.receives(news("104"))
    command(crone, "assign", jid="hag66@example.org", uri="urn:hat:scribe")
    assert hats(crone.receives(seen(HAG_NICK))) == [("urn:hat:scribe", "Scribe")]
    crone.receives(COMPLETED)
    assert hats(hag.receives(seen(HAG_NICK))) == [("urn:hat:scribe", "Scribe")]
    forged = f"<hats xmlns='{HATS}'><hat uri='x:y'/></hats>"
    hag.sends(f"<presence to='{ROOM}/{HAG_NICK}'>{forged}</presence>")
    assert hats(crone.receives(seen(HAG_NICK))) == [("urn:hat:scribe", "Scribe")]
    features, fields = info(crone)
    assert HATS in features
    assert len(fields["hats#hash"]) == 1
    restart(talk)
    crone.forget()
    hag = talk.bind("hag66@example.org/new")
    enter(hag, HAG_NICK)
    assert hats(hag.receives(seen(HAG_NICK))) == [("urn:hat:scribe", "Scribe")]
    command(crone, "list-assigned")
    table = crone.receives(COMPLETED)
    assert "hag66@example.org" in str([v.text for v in every(table, "value")])
    hag.forget()
    command(crone, "destroy", uri="urn:hat:scribe")
    assert hats(hag.receives(seen(HAG_NICK))) == []


def every(stanza: Element, name: str) -> list[Element]:
    found, waiting = [], [stanza]
    while waiting:
        element = waiting.pop()
        found += [element] if element.name == name else []
        waiting += element.elements
    return found


def test_only_admins_have_hats_to_give(talk: Talk) -> None:
    crone = made(talk)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    command(hag, "create", title="King", uri="urn:hat:king")
    hag.receives(error("c", "cancel", "forbidden"))
    command(crone, "create", title="King", uri="no uri")
    crone.receives(error("c", "modify", "bad-request"))
    command(crone, "assign", jid="hag66@example.org", uri="urn:hat:none")
    assert crone.receives(like("<iq type='error' id='c'/>"))
    hag.receives_nothing()
    crone.sends(
        f"<iq type='get' id='n' to='{ROOM}'><query xmlns='{DISCO}#items' node='{COMMANDS}'/></iq>"
    )
    nodes = {e.get("node") for e in crone.receives(result("n")).elements[0].elements}
    assert "urn:xmpp:hats:commands:assign" in nodes


def test_a_hat_is_made_by_a_form(talk: Talk) -> None:
    crone = made(talk)
    command(crone, "create")
    asked = crone.receives(like("<iq id='c'/>")).elements[0]
    assert asked.get("status") == "executing"
    fields = {field.get("var") for field in every(asked, "field")}
    assert {"hats#title", "hats#uri", "hats#hue"} <= fields


# Avatars (XEP-0486)

PHOTO = "<PHOTO><TYPE>image/png</TYPE><BINVAL>aGVsbG8=</BINVAL></PHOTO>"
CARD = f"<vCard xmlns='vcard-temp'>{PHOTO}</vCard>"
SHA1 = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"


def card(client: Client, xml: str) -> None:
    client.sends(f"<iq type='set' id='v' to='{ROOM}'>{xml}</iq>")


def test_an_owner_gives_the_room_an_avatar(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    card(hag, CARD)
    hag.receives(error("v", "auth", "forbidden"))
    card(crone, CARD)
    photo = f"<x xmlns='vcard-temp:x:update'><photo>{SHA1}</photo></x>"
    update = like(f"<presence from='{ROOM}'>{photo}</presence>")
    hag.receives(news("104"), update)
    crone.receives(news("104"), update, result("v", ""))
    restart(talk)
    wicca = talk.bind(WICCA)
    enter(wicca, WICCA_NICK)
    wicca.receives(seen(WICCA_NICK), subject(), update)
    features, fields = info(wicca)
    assert "vcard-temp" in features
    assert fields["muc#roominfo_avatarhash"] == [SHA1]
    wicca.sends(f"<iq type='get' id='g' to='{ROOM}'><vCard xmlns='vcard-temp'/></iq>")
    wicca.receives(result("g", CARD))
    card(crone, "<vCard xmlns='vcard-temp'/>")
    wicca.receives(news("104"), like(f"<presence from='{ROOM}'/>"))
    assert "muc#roominfo_avatarhash" not in info(wicca)[1]


def test_what_is_no_picture_or_too_large_is_refused() -> None:
    talk = Talk(options={"muc": {"max_card": 1024}})
    crone = made(talk)
    card(crone, CARD.replace("aGVsbG8=", "?"))
    crone.receives(error("v", "modify", "bad-request"))
    card(crone, CARD.replace("aGVsbG8=", "aGVs" * 500))
    crone.receives(error("v", "modify", "not-acceptable"))


# Versions of affiliations (XEP-0463)


def joins_since(talk: Talk, address: str, nick: str, since: str = "") -> Client:
    client = talk.bind(address)
    known = f" since='{since}'" if since else ""
    mav = f"<mav xmlns='{MAV}'{known}/>"
    enter(client, nick, inside=mav)
    return client


def told(stanza: Element) -> tuple[dict[str, str | None], list[tuple[str | None, str | None]]]:
    x = stanza.child(USER, "x")
    assert x is not None
    mav = x.child(MAV, "mav")
    assert mav is not None
    items = [(item.get("jid"), item.get("affiliation")) for item in x.all(USER, "item")]
    return dict(mav.attrs), items


def test_affiliations_are_told_once_and_then_by_what_has_changed(talk: Talk) -> None:
    crone = made(talk, persistentroom=1, whois="anyone")
    order(crone, "<item jid='hag66@example.org' affiliation='member'/>")
    order(crone, "<item jid='old@example.org' affiliation='member'/>")
    crone.forget()
    hag = joins_since(talk, HAG, HAG_NICK)
    mark, items = told(hag.receives(like(f"<message from='{ROOM}'/>")))
    assert "since" not in mark
    assert ("hag66@example.org", "member") in items
    assert ("crone1@example.org", "owner") in items
    hag.receives(seen(CRONE_NICK))
    own, _ = told(hag.receives(seen(HAG_NICK, codes=("110", "100"))))
    assert own == {"until": mark["until"]}
    hag.forget()
    affiliate(crone, "old@example.org", "none")
    step, _ = told(hag.receives(like(f"<message from='{ROOM}'/>")))
    assert step["since"] == mark["until"]
    restart(talk)
    hag = joins_since(talk, "hag66@example.org/2", HAG_NICK, mark["until"] or "")
    again, items = told(hag.receives(like(f"<message from='{ROOM}'/>")))
    assert again == step
    assert items == [("old@example.org", "none")]
    hag = joins_since(talk, "hag66@example.org/3", HAG_NICK, step["until"] or "")
    hag.receives(seen(HAG_NICK))  # nothing is new
    unknown = joins_since(talk, "hag66@example.org/4", HAG_NICK, "unknown.7")
    assert len(told(unknown.receives(like(f"<message from='{ROOM}'/>")))[1]) == 2


def test_versions_are_told_after_a_reload_too(talk: Talk) -> None:
    crone = made(talk, whois="anyone")
    hag = joins_since(talk, HAG, HAG_NICK)
    reload(talk)
    hag.forget()
    affiliate(crone, "old@example.org", "member")
    assert told(hag.receives(like(f"<message from='{ROOM}'/>")))[0].keys() == {"since", "until"}


def test_who_may_not_see_the_affiliations_is_told_so(talk: Talk) -> None:
    made(talk)
    hag = joins_since(talk, HAG, HAG_NICK)
    hag.receives(error("e-thirdwitch", "auth", "forbidden", kind="message"), seen(CRONE_NICK))


def test_versions_forget_what_is_long_ago() -> None:
    versions = Versions()
    first, _ = versions.bump(jid("a@x"))
    for number in range(MOST_CHANGES + 5):
        _, last = versions.bump(jid(f"{number}@x"))
    assert versions.since(first) is None
    assert versions.since(last) == []
    assert Versions.load(versions.dump()).current == last
    assert Versions().since(last) is None


# Search (XEP-0433)


def searched(client: Client, more: str = "", **fields: str) -> list[str]:
    ask(client, more, **fields)
    answer = client.receives(result("s")).elements[0]
    return [(item.get("address") or "").partition("@")[0] for item in answer.all(SEARCH, "item")]


def ask(client: Client, more: str = "", **fields: str) -> None:
    given = {"FORM_TYPE": "urn:xmpp:channel-search:0:search-params", **fields}
    inner = "".join(f"<field var='{k}'><value>{v}</value></field>" for k, v in given.items())
    client.sends(
        f"<iq type='get' id='s' to='{SERVICE}'><search xmlns='{SEARCH}'>{more}"
        f"<x xmlns='{FORMS}' type='submit'>{inner}</x></search></iq>"
    )


@pytest.fixture
def caves(talk: Talk) -> Client:
    crone = made(talk, f"a-cave@{SERVICE}", persistentroom=1, roomname="Dark Cave")
    enter(crone, CRONE_NICK, f"b@{SERVICE}")
    configure(crone, f"b@{SERVICE}", roomdesc="of the dark arts")
    enter(crone, CRONE_NICK, f"hidden@{SERVICE}")
    configure(crone, f"hidden@{SERVICE}", roomname="Dark Room", publicroom=0)
    talk.run("room-create", room="empty", owner=talk.account("hag66@example.org"))
    hag = joins(talk, HAG, HAG_NICK, f"b@{SERVICE}")
    hag.forget()
    return hag


def test_rooms_are_found_by_words(caves: Client) -> None:
    assert searched(caves, q="dark") == ["b", "a-cave"]  # most occupants first
    assert searched(caves, q="DARK cave") == ["a-cave"]
    assert searched(caves, q="dark", sindescription="0") == ["a-cave"]
    assert searched(caves, q="cave", sinname="0", sindescription="0") == ["a-cave"]
    assert searched(caves, q="100%") == []
    order_ = "{urn:xmpp:channel-search:0:order}address"
    assert searched(caves, all="1", key=order_) == ["a-cave", "b"]
    assert searched(caves, all="1", min_users="0", key=order_) == ["a-cave", "b", "empty"]
    assert searched(caves, q="empty", min_users="0") == ["empty"]
    first = "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max>{}</set>"
    assert searched(caves, first.format(""), all="1", key=order_) == ["a-cave"]
    after = first.format(f"<after>a-cave@{SERVICE}</after>")
    assert searched(caves, after, all="1", key=order_) == ["b"]
    assert SEARCH in info(caves, SERVICE)[0]


@pytest.mark.parametrize(
    ("fields", "type_", "condition", "own"),
    [
        ({}, "modify", "bad-request", "no-search-conditions"),
        ({"q": "x"}, "modify", "bad-request", "invalid-search-terms"),
        ({"q": "dark", "all": "1"}, "modify", "bad-request", "conflicting-fields"),
        ({"q": "dark", "key": "x"}, "modify", "feature-not-implemented", "invalid-sort-key"),
    ],
)
def test_a_search_has_its_errors(
    caves: Client, fields: dict[str, str], type_: str, condition: str, own: str
) -> None:
    ask(caves, **fields)
    problem = caves.receives(error("s", type_, condition)).child("jabber:client", "error")
    assert problem is not None
    assert problem.child("urn:xmpp:channel-search:0:error", own) is not None


def test_too_many_searches_must_wait(caves: Client) -> None:
    for _ in range(30):
        searched(caves, q="dark")
    ask(caves, q="dark")
    caves.receives(error("s", "wait", "resource-constraint"))


# Commands of the service (XEP-0050)


def executes(client: Client, node: str, session: str = "", form: str = "") -> Element:
    known = f" sessionid='{session}'" if session else ""
    client.sends(
        f"<iq type='set' id='c' to='{SERVICE}'><command xmlns='{COMMANDS}'"
        f" node='xmppd#rooms-{node}'{known}>{form}</command></iq>"
    )
    while True:
        stanza = client.receives(lambda _: None)
        if stanza.name == "iq":
            return stanza


def filled(**fields: str) -> str:
    inner = "".join(f"<field var='{k}'><value>{v}</value></field>" for k, v in fields.items())
    return f"<x xmlns='{FORMS}' type='submit'>{inner}</x>"


def step(client: Client, node: str, *forms: str) -> Element:
    answer = executes(client, node)
    for form in forms:
        session = answer.elements[0].get("sessionid") or ""
        answer = executes(client, node, session, form)
    return answer


def test_rooms_are_made_configured_and_destroyed_by_commands(talk: Talk) -> None:
    crone, hag = talk.bind(CRONE), talk.bind(HAG)
    named = submit({"muc#roomconfig_roomname": "Cave"})
    answer = step(crone, "create", filled(name="cave"), named)
    assert answer.elements[0].get("status") == "completed"
    enter(hag, HAG_NICK, f"cave@{SERVICE}")
    hag.receives(seen(HAG_NICK, "none", room=f"cave@{SERVICE}"))
    hag.forget()
    again = step(hag, "create", filled(name="cave"))
    assert "already" in str([note.text for note in every(again, "note")])
    theirs = step(hag, "destroy", filled(name="cave"))
    assert "own no room" in str([note.text for note in every(theirs, "note")])
    step(crone, "configure", filled(name="cave"), submit({"muc#roomconfig_membersonly": "1"}))
    hag.receives(seen(HAG_NICK, gone=True, codes=("110", "322"), room=f"cave@{SERVICE}"))
    step(crone, "destroy", filled(name="cave"), filled(reason="rain"))
    assert "no room" in str(every(step(crone, "destroy", filled(name="cave")), "note")[0].text)


# Who is away


class Heard(Module):
    name = "heard"

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.users: list[str] = []

    @on(member_missed)
    def note(self, user: JID, room: Room, message: Message) -> None:
        self.users.append(user)


def test_members_who_are_away_are_known_to_be_spoken_to() -> None:
    talk = Talk(Heard)
    heard = talk.module(Heard).users
    crone = made(talk, persistentroom=1)
    order(crone, "<item jid='hag66@example.org' affiliation='member' nick='Third Witch'/>")
    order(crone, "<item jid='wicca@example.org' affiliation='member' nick='wicca'/>")
    joins(talk, WICCA, "wicca", ROOM, crone)
    say(crone, "the third, witch")
    say(crone, "wicca is here, nobody is third")
    assert heard == []
    say(crone, "come, third  WITCH!")
    assert heard == ["hag66@example.org"]
    crone.sends(
        f"<message type='groupchat' to='{ROOM}'><body>x</body><reference"
        " xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:hag66@example.org'/>"
        "<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:alien@example.org'/>"
        "</message>"
    )
    assert heard == ["hag66@example.org"] * 2
