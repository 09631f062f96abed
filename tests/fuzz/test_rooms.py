"""Rooms under arbitrary stanzas of several users: nothing breaks, and in a semi-anonymous room who
is no moderator never learns an address.
"""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.schemas.validate import validate
from tests.support.rooms import configure, enter
from xmppd.testing import Talk
from xmppd.xml import Element, to_xml

EXAMPLES = int(os.environ.get("XMPPD_FUZZ_EXAMPLES", "200")) // 10  # each is a long evening
MUC, DATA = "http://jabber.org/protocol/muc", "jabber:x:data"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
SERVICE = "conference.example.org"
ROOMS = [f"{name}@{SERVICE}" for name in ("coven", "heath")]
USERS = ["crone", "hag", "hecate", "witch"]
NICKS = ["a", "B", "b", "x y", "\u24d0", "\u2800"]
PEOPLE = [f"{user}@example.org" for user in USERS]
FREE = ("messages_per_second", "presences_per_second", "joins_per_minute", "room_joins_per_minute")

rooms, nicks, people = map(st.sampled_from, (ROOMS, NICKS, [*PEOPLE, "example.org", "@@", ""]))
kinds = st.sampled_from(["get", "set"])
occupants = st.builds("{}/{}".format, rooms, nicks)
addresses = st.one_of(rooms, rooms, occupants, st.just(SERVICE), st.just(f"none@{SERVICE}"))
roles = st.sampled_from(["moderator", "participant", "visitor", "none", "god"])
affiliations = st.sampled_from(["owner", "admin", "member", "none", "outcast", "king"])


def field(var: str, value: str) -> str:
    return f"<field var='{var}'><value>{value}</value></field>"


def form(kind: str, fields: list[str]) -> str:
    all_ = [field("FORM_TYPE", f"{MUC}#{kind}"), *fields]
    return f"<x xmlns='{DATA}' type='submit'>{''.join(all_)}</x>"


settings_ = st.lists(
    st.one_of(
        st.builds(
            lambda name, value: field(f"muc#roomconfig_{name}", value),
            st.sampled_from(
                [
                    "membersonly",
                    "moderatedroom",
                    "persistentroom",
                    "publicroom",
                    "allowinvites",
                    "changesubject",
                    "enablelogging",
                    "enablearchiving",
                    "maxusers",
                    "roomname",
                ]
            ),
            st.sampled_from(["0", "1", "2", "x"]),
        ),
        st.builds(lambda who: field("muc#roomconfig_roomowners", who), people),
        st.builds(lambda word: field("muc#roomconfig_presencebroadcast", word), roles),
    ),
    max_size=3,
)
answers = st.builds(
    lambda kind, nick, who, allow: form(
        kind,
        [field("muc#role", "participant"), field("muc#roomnick", nick), field("muc#jid", who)]
        + [field("muc#request_allow", "1"), field("muc#register_roomnick", nick)] * allow,
    ),
    st.sampled_from(["request", "register"]),
    nicks,
    st.sampled_from(["somebody@example.org", ""]),  # may go to all: it is what a user has said
    st.booleans(),
)
items = st.one_of(
    st.builds("<item nick='{}' role='{}'/>".format, nicks, roles),
    st.builds("<item jid='{}' affiliation='{}'/>".format, people, affiliations),
)
payloads = st.one_of(
    st.builds(
        f"<query xmlns='{MUC}#admin'>{{}}{{}}</query>".format, items, st.one_of(st.just(""), items)
    ),
    st.builds(
        lambda fields: f"<query xmlns='{MUC}#owner'>{form('roomconfig', fields)}</query>",
        settings_,
    ),
    st.builds(
        "<query xmlns='jabber:iq:register'>{}</query>".format,
        st.one_of(answers, st.just("<remove/>")),
    ),
    st.sampled_from(
        [
            f"<query xmlns='{MUC}#owner'/>",
            f"<query xmlns='{MUC}#owner'><destroy/></query>",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "<query xmlns='http://jabber.org/protocol/disco#items'/>",
            "<query xmlns='urn:xmpp:mam:2'/>",
            "<vCard xmlns='vcard-temp'/>",
            "<ping xmlns='urn:xmpp:ping'/>",
            "<time xmlns='urn:xmpp:time'/>",
        ]
    ),
)
said = st.one_of(
    answers,
    st.builds(f"<x xmlns='{MUC}#user'><invite to='{{}}'/></x>".format, people),
    st.builds(f"<x xmlns='{MUC}#user'><decline to='{{}}'/></x>".format, people),
    st.sampled_from(["<body>Bubble</body>", "<subject>Fire</subject>", "<subject/>"]),
)
types = st.sampled_from(["groupchat", "groupchat", "chat", "normal", "headline"])
stanzas = st.one_of(
    st.builds(
        "<presence id='p' to='{}'>{}</presence>".format,
        occupants,
        st.sampled_from(
            [f"<x xmlns='{MUC}'/>", "", "<show>away</show>", "<priority>x</priority>"]
        ),
    ),
    st.builds(
        "<presence type='{}' to='{}'/>".format,
        st.sampled_from(["unavailable", "probe"]),
        occupants,
    ),
    st.builds("<message id='m' type='{}' to='{}'>{}</message>".format, types, addresses, said),
    st.builds("<iq id='i' type='{}' to='{}'>{}</iq>".format, kinds, addresses, payloads),
)
evenings = st.lists(st.tuples(st.integers(0, len(USERS) - 1), stanzas), min_size=20, max_size=100)


def wrong(stanza: Element) -> bool:
    error = stanza.child("jabber:client", "error")
    return error is not None and error.child(STANZAS, "internal-server-error") is not None


@given(evenings)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_said_in_rooms_nothing_breaks_and_nobody_is_told_on(
    evening: list[tuple[int, str]],
) -> None:
    talk = Talk(options={"muc": dict.fromkeys(FREE, 0)}, check=validate)
    clients = [talk.bind(f"{person}/x") for person in PEOPLE]
    witness = talk.bind("witness@example.org/x")  # whom nobody names
    enter(clients[0], "owner", ROOMS[0])
    configure(clients[0], ROOMS[0])
    enter(witness, "witness", ROOMS[0])
    for number, stanza in evening:
        clients[number].sends(stanza)
        for client in (*clients, witness):
            client.settle()
    for client in clients:
        assert [to_xml(each) for each in client.inbox if wrong(each)] == []
    told = [to_xml(each, "jabber:client") for each in witness.inbox]
    assert [each for each in told if any(person in each for person in PEOPLE)] == []
    for client in (*clients, witness):
        client.forget()  # and all that came kept to the schemas
