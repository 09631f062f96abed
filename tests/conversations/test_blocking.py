"""The blocking command: XEP-0191 with its rules for each kind of stanza, XEP-0377."""

import pytest

from xmppd.ns import BLOCKING
from xmppd.testing import Actor, Stage, error, like, message, presence, result

JULIET, ROMEO = "juliet@example.org/chamber", "romeo@example.net/orchard"
BARE = "romeo@example.net"
LIST = f"<iq type='get' id='list'><blocklist xmlns='{BLOCKING}'/></iq>"
PING = "<ping xmlns='urn:xmpp:ping'/>"


def items(*jids: str) -> str:
    return "".join(f"<item jid='{jid}'/>" for jid in jids)


def says(client: Actor, verb: str, *jids: str) -> None:
    client.sends(
        f"<iq type='set' id='{verb}'><{verb} xmlns='{BLOCKING}'>{items(*jids)}</{verb}></iq>"
    )


def blocks(client: Actor, *jids: str) -> None:
    says(client, "block", *jids)
    client.receives(result("block", ""))


def unblocks(client: Actor, *jids: str) -> None:
    says(client, "unblock", *jids)
    client.receives(result("unblock", ""))


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    return talk.online(JULIET)


@pytest.fixture
def romeo(talk: Stage[Actor]) -> Actor:
    return talk.online(ROMEO)


def test_the_list_is_empty_then_has_what_was_blocked(juliet: Actor) -> None:
    juliet.sends(LIST)
    juliet.receives(result("list", f"<blocklist xmlns='{BLOCKING}'/>"))
    says(juliet, "block", "Romeo@example.net", "iago@example.net/x", "spam.example")
    juliet.receives_in_any_order(
        result("block", ""), like(f"<iq type='set'><block xmlns='{BLOCKING}'/></iq>")
    )
    juliet.sends(LIST)
    whole = items("iago@example.net/x", BARE, "spam.example")
    juliet.receives(result("list", f"<blocklist xmlns='{BLOCKING}'>{whole}</blocklist>"))


def test_changes_are_pushed_to_who_asked_for_the_list(talk: Stage[Actor], juliet: Actor) -> None:
    balcony, silent = (
        talk.online("juliet@example.org/balcony"),
        talk.online("juliet@example.org/s"),
    )
    balcony.forget()
    juliet.forget()
    balcony.sends(LIST)
    balcony.receives(result("list"))
    blocks(juliet, BARE)
    push = f"<iq type='set'><block xmlns='{BLOCKING}'>{items(BARE)}</block></iq>"
    got = balcony.receives(like(push))
    balcony.sends(f"<iq type='result' id='{got.get('id')}'/>")
    unblocks(juliet, BARE)
    balcony.receives(
        like(f"<iq type='set'><unblock xmlns='{BLOCKING}'>{items(BARE)}</unblock></iq>")
    )
    blocks(juliet, BARE)
    balcony.receives(like(push))
    unblocks(juliet)
    balcony.receives(f"<iq type='set'><unblock xmlns='{BLOCKING}'/></iq>")
    silent.receives_nothing()
    juliet.sends(LIST)
    juliet.receives(result("list", f"<blocklist xmlns='{BLOCKING}'/>"))


@pytest.mark.parametrize(
    "payload, condition",
    [
        (f"<block xmlns='{BLOCKING}'/>", "bad-request"),
        (f"<block xmlns='{BLOCKING}'><item/></block>", "bad-request"),
        (f"<block xmlns='{BLOCKING}'><item jid='@'/></block>", "jid-malformed"),
        (f"<unblock xmlns='{BLOCKING}'><item jid='a@@b'/></unblock>", "jid-malformed"),
    ],
)
def test_malformed_commands_are_refused(juliet: Actor, payload: str, condition: str) -> None:
    juliet.sends(f"<iq type='set' id='x'>{payload}</iq>")
    juliet.receives(error("x", "modify", condition))


def test_the_list_of_others_is_forbidden(juliet: Actor, romeo: Actor) -> None:
    for type_, name in (("get", "blocklist"), ("set", "block"), ("set", "unblock")):
        romeo.sends(
            f"<iq type='{type_}' id='x' to='juliet@example.org'><{name} xmlns='{BLOCKING}'/></iq>"
        )
        romeo.receives(error("x", "auth", "forbidden"))


# What comes in


@pytest.mark.parametrize("to", ["juliet@example.org", JULIET])
def test_messages_and_requests_meet_nobody(juliet: Actor, romeo: Actor, to: str) -> None:
    blocks(juliet, BARE)
    for type_ in ("chat", "normal"):
        romeo.sends(f"<message to='{to}' type='{type_}' id='m'><body>x</body></message>")
        romeo.receives(error("m", "cancel", "service-unavailable", "message"))
    for type_ in ("get", "set"):
        romeo.sends(f"<iq to='{to}' type='{type_}' id='i'>{PING}</iq>")
        romeo.receives(error("i", "cancel", "service-unavailable"))
    romeo.sends(f"<iq to='{to}' type='result' id='i'/><message to='{to}' type='error'/>")
    romeo.receives_nothing()
    juliet.receives_nothing()


@pytest.mark.parametrize("type_", ["", "unavailable", "subscribe", "subscribed", "probe"])
def test_presence_is_dropped_without_an_answer(juliet: Actor, romeo: Actor, type_: str) -> None:
    blocks(juliet, BARE)
    romeo.sends(f"<presence to='juliet@example.org' type='{type_}'/>".replace(" type=''", ""))
    romeo.sends(f"<iq to='example.net' type='get' id='i'>{PING}</iq>")
    stanza = romeo.receives(like("<iq/>")) if type_ != "subscribe" else None
    if stanza is None:  # its own roster changes
        romeo.forget()
    juliet.receives_nothing()


def test_a_block_holds_while_the_account_is_away(
    talk: Stage[Actor], juliet: Actor, romeo: Actor
) -> None:
    blocks(juliet, BARE)
    juliet.leaves()
    romeo.sends("<message to='juliet@example.org' type='chat' id='m'><body>x</body></message>")
    romeo.receives(error("m", "cancel", "service-unavailable", "message"))
    talk.online(JULIET).receives_nothing()


@pytest.mark.parametrize(
    "blocked, stopped",
    [
        (ROMEO, True),
        ("romeo@example.net/other", False),
        ("example.net", True),
        ("example.net/orchard", False),
        ("mercutio@example.net", False),
    ],
)
def test_addresses_match_from_the_narrow_to_the_wide(
    juliet: Actor, romeo: Actor, blocked: str, stopped: bool
) -> None:
    blocks(juliet, blocked)
    romeo.sends(f"<message to='{JULIET}' type='chat' id='m'><body>x</body></message>")
    if stopped:
        romeo.receives(error("m", "cancel", "service-unavailable", "message"))
        juliet.receives_nothing()
    else:
        juliet.receives(message("x"))


def test_after_unblocking_everything_passes_again(juliet: Actor, romeo: Actor) -> None:
    blocks(juliet, BARE)
    unblocks(juliet, BARE)
    romeo.sends("<message to='juliet@example.org' type='chat' id='m'><body>x</body></message>")
    juliet.receives(message("x"))
    romeo.receives_nothing()


def test_own_devices_and_the_own_server_are_never_blocked(
    talk: Stage[Actor], juliet: Actor
) -> None:
    balcony, nurse = talk.online("juliet@example.org/balcony"), talk.online("nurse@example.org/x")
    juliet.forget()
    blocks(juliet, "juliet@example.org", "example.org")
    juliet.sends("<message to='juliet@example.org/balcony' type='chat'><body>x</body></message>")
    balcony.receives(message("x"))
    juliet.sends(f"<iq to='example.org' type='get' id='p'>{PING}</iq>")
    juliet.receives(result("p"))
    nurse.sends(f"<message to='{JULIET}' type='chat' id='m'><body>x</body></message>")
    nurse.receives(error("m", "cancel", "service-unavailable", "message"))


# What goes out


@pytest.mark.parametrize(
    "stanza",
    [
        f"<message to='{ROMEO}' type='chat' id='x'><body>x</body></message>",
        f"<iq to='{ROMEO}' type='get' id='x'>{PING}</iq>",
        f"<presence to='{BARE}' id='x'/>",
        f"<presence to='{BARE}' type='subscribe' id='x'/>",
    ],
)
def test_what_is_sent_to_the_blocked_is_not_acceptable(
    juliet: Actor, romeo: Actor, stanza: str
) -> None:
    blocks(juliet, BARE)
    kind = stanza[1:].partition(" ")[0]
    juliet.sends(stanza)
    refusal = juliet.receives(error("x", "cancel", "not-acceptable", kind))
    found = refusal.child("jabber:client", "error")
    assert found is not None
    assert found.child("urn:xmpp:blocking:errors", "blocked") is not None
    romeo.receives_nothing()


# Presence


def test_the_blocked_contact_sees_one_go_and_come_back(talk: Stage[Actor]) -> None:
    talk.befriend(JULIET, ROMEO)
    romeo = talk.online(ROMEO)
    juliet = talk.online(JULIET)
    romeo.forget()
    juliet.forget()
    blocks(juliet, BARE)
    romeo.receives(presence(from_=JULIET, type="unavailable"))
    juliet.sends("<presence><show>away</show></presence>")
    juliet.forget()
    romeo.sends("<presence><show>dnd</show></presence>")
    romeo.receives(presence(from_=ROMEO))
    romeo.sends("<presence to='juliet@example.org' type='probe'/>")
    romeo.receives_nothing()
    juliet.receives_nothing()
    unblocks_and_sees = f"<iq type='set' id='u'><unblock xmlns='{BLOCKING}'/></iq>"
    juliet.sends(unblocks_and_sees)
    romeo.receives(like(f"<presence from='{JULIET}'><show>away</show></presence>"))
    juliet.receives_in_any_order(
        result("u"), like(f"<presence from='{ROMEO}'><show>dnd</show></presence>")
    )


def test_strangers_see_nothing_of_a_block(juliet: Actor, romeo: Actor) -> None:
    blocks(juliet, BARE)
    unblocks(juliet, BARE)
    romeo.receives_nothing()


def test_who_comes_online_is_not_seen_by_the_blocked_nor_sees_them(talk: Stage[Actor]) -> None:
    talk.befriend(JULIET, ROMEO)
    romeo, juliet = talk.online(ROMEO), talk.online(JULIET)
    blocks(juliet, BARE)
    romeo.forget()
    juliet.leaves()
    juliet = talk.bind(JULIET)
    juliet.sends("<presence/>")
    juliet.receives(presence(from_=JULIET))
    juliet.receives_nothing()
    romeo.receives_nothing()


def test_who_got_directed_presence_sees_one_go(juliet: Actor, romeo: Actor) -> None:
    juliet.sends(f"<presence to='{ROMEO}'/>")
    romeo.receives(presence(from_=JULIET))
    blocks(juliet, BARE)
    romeo.receives(presence(from_=JULIET, type="unavailable"))
    juliet.leaves()
    romeo.receives_nothing()


# XEP-0377


def test_a_report_blocks_and_needs_a_reason(juliet: Actor) -> None:
    def report(attributes: str) -> str:
        return (
            f"<iq type='set' id='r'><block xmlns='{BLOCKING}'><item jid='{BARE}'>"
            f"<report xmlns='urn:xmpp:reporting:1' {attributes}><text xml:lang='en'>Never came"
            " trouble</text><stanza-id xmlns='urn:xmpp:sid:0' by='x@y' id='28482'/></report>"
            "</item></block></iq>"
        )

    juliet.sends(report(""))
    juliet.receives(error("r", "modify", "bad-request"))
    juliet.sends(report("reason='urn:xmpp:reporting:spam'"))
    juliet.receives(result("r", ""))
    juliet.sends(LIST)
    juliet.receives(result("list", f"<blocklist xmlns='{BLOCKING}'>{items(BARE)}</blocklist>"))


def test_the_features_are_the_hosts(juliet: Actor) -> None:
    disco = "http://jabber.org/protocol/disco#info"
    juliet.sends(f"<iq type='get' id='d' to='example.org'><query xmlns='{disco}'/></iq>")
    juliet.receives(
        like(
            f"<iq id='d'><query xmlns='{disco}'><feature var='{BLOCKING}'/>"
            "<feature var='urn:xmpp:reporting:1'/></query></iq>"
        )
    )
