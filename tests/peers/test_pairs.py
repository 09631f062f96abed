"""Two servers, and what their users do with each other. Each pair is tested in both directions."""

import pytest

from tests.peers.client import Guest, by_id
from tests.peers.pairs import UNREACHABLE, Pair
from xmppd.testing import Matcher, error, like, message
from xmppd.xml import to_xml

DISCO = "http://jabber.org/protocol/disco#info"
MUC = "http://jabber.org/protocol/muc"


def subscribe(asks: Guest, grants: Guest) -> None:
    """One subscription, asked for and granted by users who are there (RFC 6121 §3.1)."""
    asks.sends(f"<presence type='subscribe' to='{grants.jid.bare}'/>")
    grants.awaits(like(f"<presence type='subscribe' from='{asks.jid.bare}'/>"))
    grants.sends(f"<presence type='subscribed' to='{asks.jid.bare}'/>")
    asks.awaits(like(f"<presence type='subscribed' from='{grants.jid.bare}'/>"))
    asks.awaits(like(f"<presence from='{grants.jid}'/>"))


def is_gone(guest: Guest) -> Matcher:
    """Some servers say so of the account, not of each resource (RFC 6121 §3.3.3)."""
    names = (guest.jid, guest.jid.bare)
    return lambda stanza: (
        None
        if stanza.get("type") == "unavailable" and stanza.get("from") in names
        else "nobody is gone"
    )


def roster_of(guest: Guest) -> dict[str | None, str | None]:
    """The subscription of each contact."""
    guest.sends("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
    answer = guest.awaits(by_id("roster"))
    query = answer.child("jabber:iq:roster", "query")
    assert query is not None
    return {item.get("jid"): item.get("subscription") for item in query.elements}


def test_messages_arrive_in_order_both_ways(pair: Pair) -> None:
    romeo, juliet = pair.online()
    for sender, receiver in ((romeo, juliet), (juliet, romeo)):
        for number in range(20):
            sender.sends(
                f"<message type='chat' to='{receiver.jid}'><body>line {number}</body></message>"
            )
        receiver.awaits(message("line 0", from_=sender.jid))
        for number in range(1, 20):
            receiver.receives(message(f"line {number}", from_=sender.jid))


def test_what_a_message_holds_arrives_unchanged(pair: Pair) -> None:
    romeo, juliet = pair.online()
    ours = pair.here.is_ours and pair.there.is_ours
    carriage = "&#xD;" if ours else ""  # others write it as it is, and so lose it
    body = f"a&lt;b ]]&gt; {carriage}\u00e9 \U0001f339"
    romeo.sends(
        f"<message to='{juliet.jid}' id='m1' xml:lang='it'><body>{body}</body>"
        "<p:x xmlns:p='urn:example:p' p:a='1'><p:y/>&#9;text</p:x></message>"
    )
    wanted = body.replace("&#xD;", "\r").replace("&lt;", "<").replace("&gt;", ">")
    got = juliet.awaits(message(wanted, id="m1"))
    child = got.child("urn:example:p", "x")
    assert child is not None
    assert child.child("urn:example:p", "y") is not None
    assert "\ttext" in child.text


def test_subscriptions_both_ways_and_their_end(pair: Pair) -> None:
    romeo, juliet = pair.online()
    subscribe(romeo, juliet)
    subscribe(juliet, romeo)
    assert roster_of(romeo)[juliet.jid.bare] == "both"
    assert roster_of(juliet)[romeo.jid.bare] == "both"
    romeo.sends(f"<presence type='unsubscribe' to='{juliet.jid.bare}'/>")
    juliet.awaits(like(f"<presence type='unsubscribe' from='{romeo.jid.bare}'/>"))
    romeo.awaits(is_gone(juliet))
    assert roster_of(juliet)[romeo.jid.bare] == "to"
    assert roster_of(romeo)[juliet.jid.bare] == "from"
    romeo.sends(f"<presence type='unsubscribed' to='{juliet.jid.bare}'/>")
    juliet.awaits(like(f"<presence type='unsubscribed' from='{romeo.jid.bare}'/>"))
    assert roster_of(juliet)[romeo.jid.bare] == "none"


def test_a_subscription_is_refused(pair: Pair) -> None:
    romeo, juliet = pair.online()
    romeo.sends(f"<presence type='subscribe' to='{juliet.jid.bare}'/>")
    juliet.awaits(like(f"<presence type='subscribe' from='{romeo.jid.bare}'/>"))
    juliet.sends(f"<presence type='unsubscribed' to='{romeo.jid.bare}'/>")
    romeo.awaits(like(f"<presence type='unsubscribed' from='{juliet.jid.bare}'/>"))
    assert roster_of(romeo)[juliet.jid.bare] == "none"


def test_a_request_waits_for_who_is_away(pair: Pair) -> None:
    romeo = pair.here_online()
    juliet = pair.there_address()
    pair.there.create(juliet.bare)
    romeo.sends(f"<presence type='subscribe' to='{juliet.bare}'/>")
    pair.until_arrived(romeo)
    client = pair.login(pair.there, juliet)
    client.sends("<presence/>")
    client.awaits(like(f"<presence type='subscribe' from='{romeo.jid.bare}'/>"))


def test_presence_comes_changes_and_goes(pair: Pair) -> None:
    romeo, juliet = pair.friends()
    away = "<show>away</show><status>at the ball</status><priority>3</priority>"
    juliet.sends(f"<presence>{away}</presence>")
    romeo.awaits(like(f"<presence from='{juliet.jid}'>{away}</presence>"))
    again = pair.login(pair.here, romeo.jid.bare + "/another")
    again.sends("<presence/>")  # its server probes (RFC 6121 §4.3)
    again.awaits(like(f"<presence from='{juliet.jid}'>{away}</presence>"))
    juliet.leaves()  # without a word: her server says it for her (§4.5.2)
    for client in (romeo, again):
        client.awaits(like(f"<presence from='{juliet.jid}' type='unavailable'/>"))


def test_directed_presence_ends_with_the_session(pair: Pair) -> None:
    romeo, juliet = pair.online()
    romeo.sends(f"<presence to='{juliet.jid}'><status>here</status></presence>")
    juliet.awaits(like(f"<presence from='{romeo.jid}'><status>here</status></presence>"))
    romeo.disconnect()
    juliet.awaits(like(f"<presence from='{romeo.jid}' type='unavailable'/>"))


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ("<ping xmlns='urn:xmpp:ping'/>", None),
        ("<query xmlns='jabber:iq:version'/>", "<query xmlns='jabber:iq:version'/>"),
        (f"<query xmlns='{DISCO}'/>", f"<query xmlns='{DISCO}'><feature var='{DISCO}'/></query>"),
    ],
    ids=["ping", "version", "disco"],
)
def test_the_other_server_answers(pair: Pair, payload: str, wanted: str | None) -> None:
    romeo = pair.here_online()
    answer = romeo.asks(pair.there.domain, payload, "q1")
    assert answer.get("type") == "result", str(answer)
    if wanted is not None:
        assert like(f"<iq>{wanted}</iq>")(answer) is None, str(answer)


def test_a_vcard_is_read_from_afar(pair: Pair) -> None:
    romeo, juliet = pair.online()
    card = "<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN></vCard>"
    juliet.sends(f"<iq type='set' id='v1'>{card}</iq>")
    juliet.awaits(like("<iq type='result' id='v1'/>"))
    answer = romeo.asks(juliet.jid.bare, "<vCard xmlns='vcard-temp'/>", "v2")
    assert like(f"<iq type='result'>{card}</iq>")(answer) is None, str(answer)


def test_clients_ask_each_other(pair: Pair) -> None:
    romeo, juliet = pair.friends()
    question, answer = "<q xmlns='urn:example:q'/>", "<a xmlns='urn:example:q'/>"
    romeo.sends(f"<iq type='get' id='t1' to='{juliet.jid}'>{question}</iq>")
    juliet.awaits(like(f"<iq type='get' id='t1' from='{romeo.jid}'>{question}</iq>"))
    juliet.sends(f"<iq type='result' id='t1' to='{romeo.jid}'>{answer}</iq>")
    romeo.awaits(like(f"<iq type='result' id='t1' from='{juliet.jid}'>{answer}</iq>"))


def test_messages_wait_for_who_is_away(pair: Pair) -> None:
    romeo = pair.here_online()
    juliet = pair.there_address()
    pair.there.create(juliet.bare)
    for number in range(3):
        romeo.sends(f"<message type='chat' to='{juliet.bare}'><body>{number}</body></message>")
    pair.until_arrived(romeo)
    client = pair.login(pair.there, juliet)
    client.sends("<presence/>")
    for number in range(3):
        got = client.awaits(message(str(number), from_=romeo.jid))
        assert got.child("urn:xmpp:delay", "delay") is not None


def test_an_unknown_user_is_answered_with_service_unavailable(pair: Pair) -> None:
    romeo = pair.here_online()
    nobody = f"nobody@{pair.there.domain}"
    romeo.sends(f"<message id='m1' to='{nobody}' type='chat'><body>?</body></message>")
    romeo.awaits(error("m1", "cancel", "service-unavailable", "message"))
    romeo.sends(f"<iq type='get' id='i1' to='{nobody}'><vCard xmlns='vcard-temp'/></iq>")
    answer = romeo.awaits(by_id("i1"))
    assert not pair.there.is_ours or answer.get("type") == "error"
    romeo.sends(f"<iq type='get' id='i2' to='{nobody}/x'><ping xmlns='urn:xmpp:ping'/></iq>")
    romeo.awaits(error("i2", "cancel", "service-unavailable"))


@pytest.mark.parametrize(("domain", "condition"), UNREACHABLE.items())
def test_a_domain_that_is_not_there_is_told(pair: Pair, domain: str, condition: str) -> None:
    romeo = pair.here_online()
    romeo.sends(f"<message id='m1' to='who@{domain}' type='chat'><body>?</body></message>")
    romeo.sends(f"<message id='e1' to='who@{domain}' type='error'><body>?</body></message>")
    romeo.sends(f"<iq id='i1' to='{domain}' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
    for id_ in ("m1", "i1"):
        answer = romeo.awaits(by_id(id_))
        assert answer.get("type") == "error", str(answer)
        if pair.here.is_ours:
            kind = "wait" if condition == "remote-server-timeout" else "cancel"
            assert error(id_, kind, condition, answer.name)(answer) is None, to_xml(answer)
    assert not romeo.saw(by_id("e1"))


def test_a_room_of_the_other_server_is_joined(pair: Pair) -> None:
    """Juliet makes it, as not every server lets strangers do that."""
    romeo, juliet = pair.online()
    room = f"{juliet.jid.local}@{pair.there.of('conference')}"
    juliet.sends(f"<presence to='{room}/Juliet'><x xmlns='{MUC}'/></presence>")
    juliet.awaits(like(f"<presence from='{room}/Juliet'><x xmlns='{MUC}#user'/></presence>"))
    juliet.sends(  # it is locked until she takes it as it is (XEP-0045 §10.1.2)
        f"<iq type='set' id='open' to='{room}'><query xmlns='{MUC}#owner'>"
        "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
    )
    juliet.awaits(like(f"<iq type='result' id='open' from='{room}'/>"))
    romeo.sends(f"<presence to='{room}/Romeo'><x xmlns='{MUC}'/></presence>")
    romeo.awaits(like(f"<presence from='{room}/Juliet'><x xmlns='{MUC}#user'/></presence>"))
    romeo.awaits(like(f"<presence from='{room}/Romeo'><x xmlns='{MUC}#user'/></presence>"))
    for client, nick in ((romeo, "Romeo"), (juliet, "Juliet")):
        client.sends(f"<message type='groupchat' to='{room}'><body>{nick}</body></message>")
        for hearer in (romeo, juliet):
            hearer.awaits(message(nick, from_=f"{room}/{nick}"))
    romeo.disconnect()
    juliet.awaits(like(f"<presence type='unavailable' from='{room}/Romeo'/>"))
