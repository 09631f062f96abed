"""Other people's accounts: nothing is learned of them, nothing changed, nobody impersonated."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

import pytest

from tests.abuse.server import Server, refusal
from tests.abuse.wire import CLIENT, HEADER, Wire, error_condition, stream_error

ROSTER = "{jabber:iq:roster}"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"


@pytest.fixture
def romeo(server: Server) -> Iterator[Wire]:
    wire = Wire(server).online("romeo", "orchard").new_stream()
    yield wire
    wire.close()


@pytest.fixture
def juliet(server: Server) -> Iterator[Wire]:
    wire = Wire(server).online("juliet", "balcony").new_stream()
    yield wire
    wire.close()


# Resources


@pytest.mark.parametrize(
    "sent",
    [
        "<message to='juliet@example.org'><body>x</body></message>",
        "<presence/>",
        "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
        "<iq type='get' id='1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='set' id='1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
    ],
)
def test_between_login_and_bind_nothing_is_routed(
    server: Server, wire: Wire, juliet: Wire, sent: str
) -> None:
    assert refusal(server, wire.login("romeo").send(sent)) == "not-authorized"
    got = juliet.sync().stanzas()
    assert [s.tag for s in got if s.tag != f"{CLIENT}presence"] == [f"{CLIENT}iq"]


def bound(wire: Wire, inner: str, type_: str = "set") -> Element:
    wire.new_stream().send(f"<iq type='{type_}' id='b'>{inner}</iq>").until("id='b'")
    wire.until("</iq>", "/>")
    return wire.stanzas()[0]


@pytest.mark.parametrize(
    "resource",
    ["x" * 1024, "\u00e4" * 512, "\u007f", "a&#10;b", "a&#x85;", "\u0378", "\ue000", "&#xFFFD;",
     "<x xmlns='urn:x'/>"],
    ids=ascii,
)  # fmt: skip
def test_a_bad_resource_is_a_bad_request_or_replaced(wire: Wire, resource: str) -> None:
    wire.login("romeo")
    answer = bound(wire, f"<bind xmlns='{BIND}'><resource>{resource}</resource></bind>")
    jid = answer.findtext(f".//{{{BIND}}}jid") or ""
    if not jid:
        assert error_condition(answer) == "bad-request"
        answer = bound(wire, f"<bind xmlns='{BIND}'/>")
        jid = answer.findtext(f".//{{{BIND}}}jid") or ""
    assert jid.startswith("romeo@example.org/")
    assert len(jid.encode()) <= 1023 + len("romeo@example.org/")
    assert "\n" not in jid


@pytest.mark.parametrize(
    "resource", ["x" * 1022, "x" * 1023, "\u00e4" * 511, "a b", "&lt;'&quot;&amp;>"]
)
def test_a_resource_up_to_1023_bytes_is_bound_as_it_is(wire: Wire, resource: str) -> None:
    wire.login("romeo").new_stream()
    answer = bound(wire, f"<bind xmlns='{BIND}'><resource>{resource}</resource></bind>")
    plain = resource.replace("&lt;", "<").replace("&quot;", '"').replace("&amp;", "&")
    assert answer.findtext(f".//{{{BIND}}}jid") == f"romeo@example.org/{plain}"


def test_a_second_bind_is_not_allowed(romeo: Wire) -> None:
    answer = bound(romeo, f"<bind xmlns='{BIND}'><resource>two</resource></bind>")
    assert error_condition(answer) == "not-allowed"
    romeo.sync()


@pytest.mark.parametrize(
    "type_, inner",
    [("get", f"<bind xmlns='{BIND}'/>"), ("result", f"<bind xmlns='{BIND}'/>"),
     ("set", f"<bind xmlns='{BIND}'><resource>a</resource><resource>b</resource></bind>")],
)  # fmt: skip
def test_an_odd_bind_is_a_bad_request(wire: Wire, type_: str, inner: str) -> None:
    wire.login("romeo").new_stream().send(f"<iq type='{type_}' id='b'>{inner}</iq>")
    wire.until("</iq>", "</stream:stream>")
    if not stream_error(wire.received):
        assert error_condition(wire.stanzas()[0]) == "bad-request"


def test_the_old_session_gets_conflict_and_its_late_bytes_are_dropped(
    server: Server, juliet: Wire
) -> None:
    old = Wire(server).online("romeo", "orchard").new_stream()
    new = Wire(server).online("romeo", "orchard").new_stream()
    old.send("<message to='juliet@example.org' id='late'><body>x</body></message>")
    assert stream_error(old.until_closed()) == "conflict"
    assert old.ended == "fin"
    new.send("<message to='juliet@example.org' id='m'><body>x</body></message>").sync()
    ids = [s.get("id") for s in juliet.sync().stanzas() if s.tag == f"{CLIENT}message"]
    assert ids == ["m"]
    new.close()


def test_an_account_has_20_sessions_and_no_more(server: Server, wires: list[Wire]) -> None:
    server.runs("adduser", jid="many@example.org", password="secret of many")
    wires.extend(Wire(server).session("many", f"r{number}") for number in range(20))
    for number in range(20, 23):
        wires.append(Wire(server).login("many"))
        answer = bound(wires[-1], f"<bind xmlns='{BIND}'><resource>r{number}</resource></bind>")
        assert error_condition(answer) == "resource-constraint"
    wires[0].close()
    replaced = Wire(server).session("many", "r1")
    assert replaced.jid == "many@example.org/r1"
    for wire in wires[2:20]:
        wire.sync()


# Nothing is learned

QUERIES = {
    "vcard": "<vCard xmlns='vcard-temp'/>",
    "last": "<query xmlns='jabber:iq:last'/>",
    "disco": "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    "disco items": "<query xmlns='http://jabber.org/protocol/disco#items'/>",
    "version": "<query xmlns='jabber:iq:version'/>",
    "roster": "<query xmlns='jabber:iq:roster'/>",
    "ping": "<ping xmlns='urn:xmpp:ping'/>",
    "time": "<time xmlns='urn:xmpp:time'/>",
    "private": "<query xmlns='jabber:iq:private'><x xmlns='x'/></query>",
    "block list": "<blocklist xmlns='urn:xmpp:blocking'/>",
    "archive": "<query xmlns='urn:xmpp:mam:2'/>",
    "pubsub": "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='x'/></pubsub>",
    "register": "<query xmlns='jabber:iq:register'/>",
    "unknown": "<query xmlns='urn:unknown'/>",
}


@pytest.mark.parametrize("resource", ["", "/guessed"])
@pytest.mark.parametrize("type_", ["get", "set"])
@pytest.mark.parametrize("case", QUERIES)
def test_an_account_that_exists_answers_like_one_that_does_not(
    romeo: Wire, juliet: Wire, case: str, type_: str, resource: str
) -> None:
    answers = []
    for user in ("juliet", "nobody", "mallory"):  # online, unknown, offline
        to = f"{user}@example.org{resource}"
        romeo.new_stream().send(f"<iq type='{type_}' id='q' to='{to}'>{QUERIES[case]}</iq>")
        answer = romeo.answer("q")
        assert answer.get("type") == "error" or not len(answer[0])  # or a result that is empty
        answers.append(romeo.received.replace(user.encode(), b"USER").partition(b"id='sync-")[0])
    assert answers[0] == answers[1] == answers[2]
    got = juliet.sync().stanzas()
    assert [s.tag for s in got if s.tag != f"{CLIENT}presence"] == [f"{CLIENT}iq"]


@pytest.mark.parametrize("resource", ["", "/balcony"])
@pytest.mark.parametrize(
    "type_", ["probe", "unavailable", "error", "", "unsubscribe", "subscribed"]
)
def test_presence_tells_nothing_of_strangers(
    romeo: Wire, juliet: Wire, type_: str, resource: str
) -> None:
    answers = []
    for user in ("juliet", "nobody", "mallory"):
        to = f"{user}@example.org{resource}"
        romeo.new_stream().send(f"<presence type='{type_}' id='q' to='{to}'/>"
                                if type_ else f"<presence id='q' to='{to}'/>").sync()  # fmt: skip
        answers.append(romeo.received.replace(user.encode(), b"USER").partition(b"id='sync-")[0])
    assert answers[0] == answers[1] == answers[2]


# Subscriptions


def test_subscribing_to_a_stranger_who_may_not_exist_tells_nothing(romeo: Wire) -> None:
    romeo.send("<presence type='subscribe' to='nobody@example.org'/>").sync()
    assert all(s.tag == f"{CLIENT}iq" for s in romeo.stanzas())


def test_a_subscription_cannot_be_granted_by_its_asker(
    server: Server, romeo: Wire, juliet: Wire
) -> None:
    mallory = Wire(server).online("mallory").new_stream()
    for type_ in ("subscribed", "subscribe", "subscribed"):
        mallory.send(f"<presence type='{type_}' to='juliet@example.org'/>")
    mallory.send("<presence type='probe' to='juliet@example.org'/>").sync()
    asked = [s for s in juliet.sync().stanzas() if s.tag == f"{CLIENT}presence"]
    assert [s.get("type") for s in asked if s.get("type") == "subscribed"] == []
    assert {s.get("from") for s in asked if s.get("type") == "subscribe"} <= {
        "mallory@example.org"
    }
    mallory.sync()
    shown = [s for s in mallory.stanzas() if (s.get("from") or "").startswith("juliet@")]
    assert [s for s in shown if s.get("type") is None] == []
    mallory.send("<presence type='unsubscribe' to='juliet@example.org'/>").sync().close()


def test_after_unsubscribing_nothing_is_seen_any_more(server: Server) -> None:
    for user in ("watcher", "watched"):
        server.runs("adduser", jid=f"{user}@example.org", password=f"secret of {user}")
    watcher = Wire(server).online("watcher")
    watched = Wire(server).online("watched")
    watcher.send("<presence type='subscribe' to='watched@example.org'/>").sync()
    watched.sync().send("<presence type='subscribed' to='watcher@example.org'/>").sync()
    watcher.until("from='watched@example.org/")
    watched.send("<presence type='unsubscribed' to='watcher@example.org'/>").sync()
    watcher.until("type='unavailable'")
    watcher.sync().new_stream()
    watched.send("<presence><status>secret</status></presence>").sync()
    watcher.send("<presence type='probe' to='watched@example.org'/>").sync()
    assert b"secret" not in watcher.received
    watcher.close()
    watched.close()


@pytest.mark.parametrize(
    "inner",
    ["<priority>128</priority>", "<priority>-129</priority>", "<priority>x</priority>",
     "<priority>1e3</priority>", "<priority/>", "<priority>1</priority><priority>2</priority>",
     "<priority> 5 </priority>", "<priority>99999999999999999999</priority>", "<show>here</show>",
     "<show/>", "<show>away</show><show>dnd</show>", "<status>" + "x" * 60_000 + "</status>",
     "<x xmlns=''/>", "<show><away/></show>", "<priority>\u0661</priority>"],
    ids=lambda inner: inner[:40],
)  # fmt: skip
def test_presence_with_bad_content_never_ends_the_stream(romeo: Wire, inner: str) -> None:
    romeo.send(f"<presence id='p'>{inner}</presence>").sync()
    assert all(error_condition(s) in ("", "bad-request") for s in romeo.stanzas())


@pytest.mark.parametrize(
    "type_", ["available", "invisible", "SUBSCRIBE", "probe", "subscribe", "&lt;"]
)
def test_presence_of_an_odd_type_is_refused_and_never_ends_the_stream(
    romeo: Wire, juliet: Wire, type_: str
) -> None:
    romeo.send(f"<presence id='own' type='{type_}'/>")
    romeo.send(f"<presence id='to' type='{type_}' to='juliet@example.org/balcony'/>").sync()
    said = {s.get("id"): error_condition(s) for s in romeo.stanzas()}
    known = type_ in ("probe", "subscribe")  # then they only need a `to`
    assert said["own"] == "bad-request"
    assert said.get("to", "") == ("" if known else "bad-request")
    assert known or not [s for s in juliet.sync().stanzas() if s.get("id") == "to"]
    romeo.send("<presence type='unsubscribe' to='juliet@example.org'/>").sync()


# Rosters


def roster(wire: Wire, items: str) -> Element:
    wire.new_stream().send(
        f"<iq type='set' id='r'><query xmlns='jabber:iq:roster'>{items}</query></iq>"
    )
    return wire.answer("r")


def my_roster(wire: Wire) -> dict[str, Element]:
    wire.new_stream().send("<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>")
    return {item.get("jid") or "": item for item in wire.answer("g").iter(f"{ROSTER}item")}


@pytest.mark.parametrize("type_", ["get", "set"])
def test_the_roster_of_another_is_forbidden(romeo: Wire, juliet: Wire, type_: str) -> None:
    before = sorted(my_roster(juliet))
    inner = "<item jid='romeo@example.org' subscription='both'/>" if type_ == "set" else ""
    romeo.send(
        f"<iq type='{type_}' id='q' to='juliet@example.org'>"
        f"<query xmlns='jabber:iq:roster'>{inner}</query></iq>"
    )
    assert error_condition(romeo.answer("q")) in (
        "forbidden",
        "service-unavailable",
        "not-allowed",
    )
    assert sorted(my_roster(juliet)) == before


def test_nobody_subscribes_himself_by_his_roster(romeo: Wire) -> None:
    roster(
        romeo,
        "<item jid='stranger@example.org' subscription='both' ask='subscribe' approved='1'/>",
    )
    item = my_roster(romeo)["stranger@example.org"]
    assert (item.get("subscription"), item.get("ask"), item.get("approved")) == (
        "none",
        None,
        None,
    )
    roster(romeo, "<item jid='stranger@example.org' subscription='remove'/>")


@pytest.mark.parametrize(
    "items",
    ["", "<item/>", "<item jid=''/>", "<item jid='@'/>", "<item jid='a@b@c'/>",
     "<item jid='a@b.example'/><item jid='c@b.example'/>",
     "<item jid='a@b.example' name='" + "x" * 5000 + "'/>",
     "<item jid='a@b.example'><group>" + "x" * 5000 + "</group></item>",
     "<item jid='a@b.example'><group/></item>",
     "<item jid='a@b.example'><group>g</group><group>g</group></item>",
     "<item jid='nobody@b.example' subscription='remove'/>", "<other jid='a@b.example'/>",
     "<item xmlns='urn:x' jid='a@b.example'/>"],
    ids=lambda items: items[:50],
)  # fmt: skip
def test_bad_items_are_refused(romeo: Wire, items: str) -> None:
    refusals = ("bad-request", "not-acceptable", "item-not-found", "jid-malformed")
    assert error_condition(roster(romeo, items)) in refusals
    assert not any("b.example" in jid for jid in my_roster(romeo))


@pytest.mark.parametrize("to", ["juliet@example.org", "juliet@example.org/balcony"])
def test_a_push_of_another_never_changes_a_roster(romeo: Wire, juliet: Wire, to: str) -> None:
    before = sorted(my_roster(juliet))
    juliet.new_stream()
    romeo.send(
        f"<iq type='set' id='push' to='{to}'><query xmlns='jabber:iq:roster'>"
        "<item jid='romeo@example.org' subscription='both'/></query></iq>"
    ).sync()
    pushed = [s for s in juliet.sync().stanzas() if s.get("id") == "push"]
    assert all(s.get("from") == "romeo@example.org/orchard" for s in pushed)
    assert sorted(my_roster(juliet)) == before


@pytest.mark.parametrize(
    "inner",
    ["<vCard xmlns='vcard-temp'><FN>hacked</FN></vCard>",
     "<query xmlns='jabber:iq:private'><x xmlns='urn:x'>hacked</x></query>",
     "<query xmlns='jabber:iq:register'><username>juliet</username><password>x</password></query>",
     "<query xmlns='jabber:iq:register'><remove/></query>",
     "<block xmlns='urn:xmpp:blocking'><item jid='romeo@example.org'/></block>",
     "<enable xmlns='urn:xmpp:carbons:2'/>",
     "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='x'/></pubsub>",
     "<query xmlns='urn:xmpp:mam:2'/>", "<prefs xmlns='urn:xmpp:mam:2' default='always'/>"],
    ids=lambda inner: inner[:50],
)  # fmt: skip
def test_what_belongs_to_another_is_not_changed(romeo: Wire, juliet: Wire, inner: str) -> None:
    romeo.send(f"<iq type='set' id='q' to='juliet@example.org'>{inner}</iq>")
    refusals = ("forbidden", "not-allowed", "service-unavailable")
    assert error_condition(romeo.answer("q")) in refusals
    juliet.send("<iq type='get' id='v'><vCard xmlns='vcard-temp'/></iq>").answer("v")
    juliet.send(
        "<iq type='get' id='p'><query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query></iq>"
    )
    juliet.answer("p")
    assert b"hacked" not in juliet.received


def test_an_account_cannot_be_registered_over(romeo: Wire, server: Server) -> None:
    romeo.send(
        "<iq type='set' id='q' to='example.org'><query xmlns='jabber:iq:register'>"
        "<username>juliet</username><password>stolen</password></query></iq>"
    )
    assert error_condition(romeo.answer("q"))
    login = Wire(server).secured().auth("PLAIN", b"\0juliet\0stolen")
    assert login.outcome() == "not-authorized"


@pytest.mark.parametrize(
    "command",
    ["add-user", "delete-user", "change-user-password", "announce", "get-registered-users-list"],
)
def test_a_user_does_not_administer(server: Server, romeo: Wire, command: str) -> None:
    node = f"http://jabber.org/protocol/admin#{command}"
    form = (
        "<x xmlns='jabber:x:data' type='submit'><field var='accountjid'><value>"
        "juliet@example.org</value></field><field var='accountjids'><value>juliet@example.org"
        "</value></field><field var='password'><value>stolen</value></field></x>"
    )
    romeo.send(
        "<iq type='set' id='c' to='example.org'><command xmlns='http://jabber.org/protocol/"
        f"commands' node='{node}' action='execute'>{form}</command></iq>"
    )
    assert error_condition(romeo.answer("c")) == "forbidden"
    assert Wire(server).session("juliet").jid.startswith("juliet@")


@pytest.mark.parametrize("to", ["example.org/announce/all", "example.org/announce/online"])
def test_a_user_does_not_announce(romeo: Wire, juliet: Wire, to: str) -> None:
    romeo.send(f"<message id='a' to='{to}'><body>spam</body></message>").sync()
    assert [error_condition(s) for s in romeo.stanzas() if s.get("id") == "a"] in (
        ["forbidden"], ["service-unavailable"], ["not-authorized"]
    )  # fmt: skip
    assert b"spam" not in juliet.sync().received


@pytest.mark.parametrize(
    "by", ["example.org", "juliet@example.org", "EXAMPLE.ORG", "Juliet@Example.org"]
)
def test_forged_stanza_ids_and_delays_of_ours_are_removed(
    romeo: Wire, juliet: Wire, by: str
) -> None:
    stanza_id = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='forged'/>"
    delay = f"<delay xmlns='urn:xmpp:delay' from='{by}' stamp='2001-01-01T00:00:00Z'/>"
    prefixed = f"<s:stanza-id xmlns:s='urn:xmpp:sid:0' by='{by}' id='forged'/>"
    romeo.send(
        f"<message to='juliet@example.org' id='m'><body>x</body>{stanza_id * 2}{delay}{prefixed}"
        "</message>"
    ).sync()
    juliet.sync()
    assert b"forged" not in juliet.received
    assert b"2001-01-01" not in juliet.received


def test_the_header_of_another_user_is_not_believed(server: Server, wire: Wire) -> None:
    wire.starttls().header(HEADER.replace("to=", "from='juliet@example.org' to="))
    wire.auth("PLAIN", b"\0romeo\0secret of romeo").until("</stream:stream>", "<success")
    assert stream_error(wire.received) == "invalid-from"
