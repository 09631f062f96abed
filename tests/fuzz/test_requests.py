"""Requests to all modules, each a little wrong: answered once, and never with a crash."""

import os
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

from xmppd.jid import JIDError
from xmppd.module import Catalogue
from xmppd.testing import Client, Talk
from xmppd.xml import Element, parse, to_xml

ROUNDS = int(os.environ.get("XMPPD_FUZZ_EXAMPLES", "200"))  # `make fuzz` asks for many
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
HOST, ROOM, PUBSUB = "example.org", "room@conference.example.org", "pubsub.example.org"
MUC, MAM = "http://jabber.org/protocol/muc", "urn:xmpp:mam:2"
PS, RSM = "http://jabber.org/protocol/pubsub", "http://jabber.org/protocol/rsm"
COMMANDS = "http://jabber.org/protocol/commands"
SEARCH = "https://xmlns.zombofant.net/muclumbus/search/1.0"


def form(type_: str, **fields: str) -> str:
    inside = "".join(
        f"<field var='{var.replace('__', '#').replace('_0', '-')}'><value>{value}</value></field>"
        for var, value in fields.items()
    )
    return (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>{type_}</value></field>{inside}</x>"
    )


CONFIG = form(
    f"{PS}#node_config", pubsub__title="T", pubsub__access_model="open", pubsub__max_items="5",
    pubsub__publish_model="open", pubsub__item_expire="60", pubsub__deliver_payloads="1",
    pubsub__send_last_published_item="never", pubsub__contact="a@example.org",
    pubsub__roster_groups_allowed="g", pubsub__notification_type="normal",
)  # fmt: skip
ROOMCONFIG = form(
    f"{MUC}#roomconfig", muc__roomconfig_roomname="N", muc__roomconfig_whois="anyone",
    muc__roomconfig_maxusers="10", muc__roomconfig_membersonly="1", muc__roomconfig_lang="en",
    muc__roomconfig_roomadmins="a@example.org", muc__roomconfig_allowpm="anyone",
    muc__roomconfig_persistentroom="1", muc__maxhistoryfetch="5",
)  # fmt: skip
PAGE = f"<set xmlns='{RSM}'><max>5</max><after>x</after><before/><index>1</index></set>"
FILTER = form(MAM, **{"with": "juliet@example.org", "start": "2026-01-01T00:00:00Z"})
REQUESTS = [  # type, to, payload
    ("get", "", "<query xmlns='jabber:iq:roster' ver='1'/>"),
    ("set", "", "<query xmlns='jabber:iq:roster'><item jid='nurse@example.org' name='N' "
     "subscription='none'><group>g</group></item></query>"),
    ("set", "", "<vCard xmlns='vcard-temp'><FN>R</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>AAAA"
     "</BINVAL></PHOTO></vCard>"),
    ("get", "juliet@example.org", "<vCard xmlns='vcard-temp'/>"),
    ("set", "", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference "
     "jid='a@b.example' name='n' autojoin='true'><nick>x</nick></conference></storage></query>"),
    ("get", "", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>"),
    ("get", "", "<query xmlns='jabber:iq:last'/>"),
    ("get", HOST, "<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>"),
    ("get", ROOM, f"<query xmlns='http://jabber.org/protocol/disco#items'>{PAGE}</query>"),
    ("get", HOST, "<query xmlns='jabber:iq:register'/>"),
    ("set", "", "<query xmlns='jabber:iq:register'><username>romeo</username><password>secret"
     "</password></query>"),
    ("set", "", "<block xmlns='urn:xmpp:blocking'><item jid='a@b.example'><report "
     "xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'><text>t</text><stanza-id "
     "xmlns='urn:xmpp:sid:0' by='romeo@example.org' id='1'/></report></item></block>"),
    ("set", "", "<unblock xmlns='urn:xmpp:blocking'><item jid='a@b.example'/></unblock>"),
    ("set", "", "<enable xmlns='urn:xmpp:carbons:2'/>"),
    ("set", "", f"<query xmlns='{MAM}' queryid='q'>{FILTER}{PAGE}<flip-page/></query>"),
    ("set", ROOM, f"<query xmlns='{MAM}'>{FILTER}{PAGE}</query>"),
    ("get", "", f"<query xmlns='{MAM}'/>"),
    ("get", "", f"<metadata xmlns='{MAM}'/>"),
    ("set", "", f"<prefs xmlns='{MAM}' default='roster'><always><jid>a@b.example</jid></always>"
     "<never><jid>c@b.example</jid></never></prefs>"),
    ("set", "", "<enable xmlns='urn:xmpp:push:0' jid='p.example' node='n'>"
     + form(f"{PS}#publish-options", secret="s") + "</enable>"),
    ("set", "", "<disable xmlns='urn:xmpp:push:0' jid='p.example' node='n'/>"),
    ("set", "", f"<pubsub xmlns='{PS}'><create node='c'/><configure>{CONFIG}</configure>"
     "</pubsub>"),
    ("set", PUBSUB, f"<pubsub xmlns='{PS}#owner'><configure node='n'>{CONFIG}</configure>"
     "</pubsub>"),
    ("set", "", f"<pubsub xmlns='{PS}'><publish node='p'><item id='1'><x xmlns='urn:x'/></item>"
     "</publish><publish-options>" + CONFIG.replace("node_config", "publish-options")
     + "</publish-options></pubsub>"),
    ("get", PUBSUB, f"<pubsub xmlns='{PS}'><items node='n' max_items='2'><item id='1'/></items>"
     f"{PAGE}</pubsub>"),
    ("set", PUBSUB, f"<pubsub xmlns='{PS}'><subscribe node='n' jid='romeo@example.org'/><options>"
     + form(f"{PS}#subscribe_options", pubsub__deliver="1", pubsub__expire="2030-01-01T00:00:00Z",
            pubsub__subscription_depth="1") + "</options></pubsub>"),
    ("set", PUBSUB, f"<pubsub xmlns='{PS}#owner'><affiliations node='n'><affiliation "
     "jid='juliet@example.org' affiliation='publisher'/></affiliations></pubsub>"),
    ("set", PUBSUB, f"<pubsub xmlns='{PS}'><retract node='n' notify='1'><item id='1'/></retract>"
     "</pubsub>"),
    ("set", ROOM, f"<query xmlns='{MUC}#owner'>{ROOMCONFIG}</query>"),
    ("get", ROOM, f"<query xmlns='{MUC}#owner'/>"),
    ("set", ROOM, f"<query xmlns='{MUC}#admin'><item nick='n' role='visitor'><reason>r</reason>"
     "</item><item jid='juliet@example.org' affiliation='member' nick='j'/></query>"),
    ("get", ROOM, f"<query xmlns='{MUC}#admin'><item affiliation='member'/></query>"),
    ("set", ROOM, "<query xmlns='jabber:iq:register'>"
     + form(f"{MUC}#register", muc__register_roomnick="nick") + "</query>"),
    ("get", "conference.example.org", f"<search xmlns='{SEARCH}'><set xmlns='{RSM}'><max>5</max>"
     "</set>" + form(f"{SEARCH}#params", q="x", sinname="true", key="{" + SEARCH + "}nusers")
     + "</search>"),
    ("set", HOST, f"<command xmlns='{COMMANDS}' node='http://jabber.org/protocol/admin#"
     "get-user-roster' action='execute'>" + form("http://jabber.org/protocol/admin",
                                                 accountjid="juliet@example.org") + "</command>"),
    ("set", HOST, f"<command xmlns='{COMMANDS}' node='http://jabber.org/protocol/admin#add-user' "
     "action='execute' sessionid='s' xml:lang='en'>" + form(
         "http://jabber.org/protocol/admin", accountjid="new@example.org", password="x",
         password_0verify="x") + "</command>"),
    ("set", PUBSUB, f"<command xmlns='{COMMANDS}' node='{PS}#get-pending' action='execute'/>"),
    ("set", "", "<revoke xmlns='urn:xmpp:cam:0' id='x'/>"),
    ("get", HOST, "<time xmlns='urn:xmpp:time'/>"),
    ("get", HOST, "<ping xmlns='urn:xmpp:ping'/>"),
]  # fmt: skip
OTHERS = [
    "<message to='juliet@example.org' type='chat' id='o'><body xml:lang='en'>x</body><delay "
    "xmlns='urn:xmpp:delay' from='a@b.example' stamp='2026-01-01T00:00:00Z'/><store "
    "xmlns='urn:xmpp:hints'/><stanza-id xmlns='urn:xmpp:sid:0' by='example.org' id='1'/>"
    "</message>",
    f"<message to='{ROOM}' type='groupchat' id='o'><subject>s</subject></message>",
    f"<message to='{ROOM}' type='groupchat' id='o'><body>b</body><retract id='1' "
    "xmlns='urn:xmpp:message-retract:1'/></message>",
    f"<message to='{ROOM}' id='o'><x xmlns='{MUC}#user'><invite to='juliet@example.org'><reason>r"
    f"</reason></invite><decline to='juliet@example.org'/></x></message>",
    "<message to='example.org' id='o'><addresses xmlns='http://jabber.org/protocol/address'>"
    "<address type='to' jid='juliet@example.org'/></addresses><body>m</body></message>",
    "<message to='example.org/announce/all' id='o'><subject>s</subject><body>b</body></message>",
    f"<presence to='{ROOM}/n' id='o'><x xmlns='{MUC}'><history maxstanzas='5' seconds='3' "
    "since='2026-01-01T00:00:00Z'/><password>p</password></x></presence>",
    "<presence id='o'><show>away</show><status>s</status><priority>5</priority><c hash='sha-1' "
    "xmlns='http://jabber.org/protocol/caps' node='n' ver='v'/><c xmlns='urn:xmpp:caps'><hash "
    "xmlns='urn:xmpp:hashes:2' algo='sha-256'>AAAA</hash></c><x xmlns='vcard-temp:x:update'>"
    "<photo>0</photo></x></presence>",
    "<presence to='juliet@example.org' type='subscribe' id='o'><status>s</status></presence>",
]  # fmt: skip
VALUES = [
    "", " ", "n", "x" * 3000, "\u00e4" * 600, "juliet@example.org", "romeo@example.org/orchard",
    "@", "a@@b", "-1", "0", "1", "99999999999999999999", "1.5", "true", "none", "owner", "submit",
    "cancel", "form", "%s{}", "'\"<&", "\U0001f339", "\u202e", "0000-99-99T99:99:99Z", "==", "AA",
    "2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "max", "both", "remove", "next", "complete",
]  # fmt: skip


def parts(element: Element) -> Iterator[Element]:
    yield element
    for child in element.elements:
        yield from parts(child)


def spoilt(chance: random.Random, text: str) -> Element:
    """The element with one to three things wrong."""
    whole = parse(text)
    for _ in range(chance.choice((1, 1, 2, 3))):
        spoil(chance, chance.choice(list(parts(whole))))
    return whole


def spoil(chance: random.Random, at: Element) -> None:
    match chance.randrange(8):
        case 0 if at.attrs:
            del at.attrs[chance.choice(sorted(at.attrs))]
        case 1 | 2 if at.attrs:
            at.attrs[chance.choice(sorted(at.attrs))] = chance.choice(VALUES)
        case 3 | 4:
            at.children[:] = [chance.choice(VALUES)]
        case 5 if at.children:
            at.children.pop(chance.randrange(len(at.children)))
        case 6 if at.children:
            at.children.append(at.children[chance.randrange(len(at.children))])
        case _:
            at.children.clear()


def crashed(client: Client) -> bool:
    return any(
        error.child(STANZAS, "internal-server-error") is not None
        for stanza in client.inbox
        for error in stanza.elements
        if error.name == "error"
    )


@pytest.fixture
def romeo() -> Client:
    """An administrator with a room and a node."""
    modules = [cls for cls in Catalogue().load() if cls.name not in ("privilege", "delegation")]
    talk = Talk(*modules, admins=["romeo@example.org"], check=lambda stanza: None)
    talk.befriend("romeo@example.org", "juliet@example.org")
    talk.online("juliet@example.org/balcony")
    client = talk.online("romeo@example.org/orchard")
    enters(client)
    client.sends(
        f"<iq type='set' id='i' to='{PUBSUB}'><pubsub xmlns='{PS}'><create node='n'/></pubsub>"
        "</iq>"
    )
    client.talk = talk  # type: ignore[attr-defined]
    return client


def enters(client: Client) -> None:
    client.sends(f"<presence to='{ROOM}/n'><x xmlns='{MUC}'/></presence>")
    client.sends(
        f"<iq type='set' id='i' to='{ROOM}'><query xmlns='{MUC}#owner'>"
        "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
    )


@pytest.mark.parametrize("seed", range(4))
def test_requests_that_are_a_little_wrong_are_answered_once(romeo: Client, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(ROUNDS):
        type_, to, payload = chance.choice(REQUESTS)
        if chance.random() < 0.1:
            type_ = "get" if type_ == "set" else "set"
        if chance.random() < 0.1:
            to = chance.choice(["", HOST, ROOM, PUBSUB, "juliet@example.org", f"{ROOM}/n"])
        iq = Element("jabber:client", "iq", {"type": type_, "id": f"q{number}"})
        if to:
            iq.attrs["to"] = to
        iq.append(spoilt(chance, payload))
        said = to_xml(iq, "jabber:client")
        romeo.sends(said)
        romeo.settle()
        assert not crashed(romeo), said
        answers = [s for s in romeo.inbox if s.get("id") == f"q{number}"]
        assert len(answers) == 1 or to == f"{ROOM}/n", said
        romeo.inbox.clear()


@pytest.mark.parametrize("seed", range(4))
def test_messages_and_presence_a_little_wrong_crash_nothing(romeo: Client, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(ROUNDS):
        stanza = spoilt(chance, chance.choice(OTHERS))
        stanza.ns, stanza.attrs["id"] = "jabber:client", f"o{number}"
        stanza.attrs.pop("from", None)
        said = to_xml(stanza, "jabber:client")
        with suppress(JIDError):  # the stream's part, which is not here
            romeo.sends(said)
        romeo.settle()
        assert not crashed(romeo), said
        romeo.inbox.clear()
    romeo.sends(f"<iq type='get' id='last' to='{HOST}'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert [s.get("type") for s in romeo.inbox if s.get("id") == "last"] == ["result"]
