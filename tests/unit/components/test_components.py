"""Components and users talk; who comes, goes, is away, or is not who it says (XEP-0114)."""

from collections.abc import Callable

import pytest

from tests.support.components import DOMAIN, Peer, Yard
from xmppd import events
from xmppd.components import ComponentCommands
from xmppd.hooks import NORMAL, Handler
from xmppd.testing import Talk, error, like, message


def heard(yard: Yard) -> list[str]:
    """What the hooks of the second host tell from now on."""
    told: list[str] = []
    came = Handler(NORMAL, "test", lambda domain: told.append(f"+{domain}"))
    went = Handler(NORMAL, "test", lambda domain: told.append(f"-{domain}"))
    hooks = yard.talk.hosts["example.net"].hooks
    hooks.swap((), [(events.component_connected, came), (events.component_gone, went)])
    return told


# Stanzas


def test_a_message_reaches_the_component_in_its_own_namespace(talk: Talk, gateway: Peer) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends(f"<message to='x@{DOMAIN}' id='1' type='chat'><body>hi</body></message>")
    assert gateway.hears() == (
        f"<message to='x@{DOMAIN}' from='romeo@example.org/orchard' type='chat' id='1'>"
        "<body>hi</body></message>"
    )


def test_a_message_of_the_component_reaches_a_user(talk: Talk, gateway: Peer) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    gateway.sends(
        f"<message from='x@{DOMAIN}' to='romeo@example.org' type='chat'><body>hi</body></message>"
    )
    romeo.receives(message("hi", from_=f"x@{DOMAIN}"))


def test_the_host_answers_its_requests(gateway: Peer) -> None:
    answer = gateway.sends(
        f"<iq type='get' id='1' from='{DOMAIN}' to='example.org'>"
        "<ping xmlns='urn:xmpp:ping'/></iq>"
    )
    assert answer == f"<iq to='{DOMAIN}' from='example.org' type='result' id='1'/>"


def test_it_gets_errors_for_what_nobody_takes(gateway: Peer) -> None:
    answer = gateway.sends(
        f"<iq type='get' id='1' from='{DOMAIN}' to='nobody@example.org/x'><x xmlns='y'/></iq>"
    )
    assert "<service-unavailable " in answer
    answer = gateway.sends(f"<message from='{DOMAIN}' to='a@unknown.example' id='2'/>")
    assert "<remote-server-not-found " in answer


def test_a_malformed_receiver_is_told_to_the_component(gateway: Peer) -> None:
    answer = gateway.sends(f"<message from='x@{DOMAIN}' to='@@@' id='2'/>")
    assert f"to='x@{DOMAIN}'" in answer
    assert "<jid-malformed " in answer
    assert not gateway.gone


def test_an_iq_against_the_rules_is_a_bad_request(gateway: Peer) -> None:
    answer = gateway.sends(f"<iq from='{DOMAIN}' to='example.org' id='1' type='get'/>")
    assert "<bad-request " in answer


def test_it_may_write_to_itself(gateway: Peer) -> None:
    assert "<body>me</body>" in gateway.sends(
        f"<message from='a@{DOMAIN}' to='b@{DOMAIN}'><body>me</body></message>"
    )


def test_subscriptions_and_presence_go_both_ways(talk: Talk, gateway: Peer) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends(f"<presence to='x@{DOMAIN}' type='subscribe'/>")
    assert "type='subscribe'" in gateway.hears()
    gateway.sends(f"<presence from='x@{DOMAIN}' to='romeo@example.org' type='subscribed'/>")
    gateway.sends(f"<presence from='x@{DOMAIN}' to='romeo@example.org' type='subscribe'/>")
    romeo.sends(f"<presence to='x@{DOMAIN}' type='subscribed'/>")
    romeo.forget()
    gateway.hears()
    gateway.sends(f"<presence from='x@{DOMAIN}/y' to='romeo@example.org'/>")
    romeo.receives(like(f"<presence from='x@{DOMAIN}/y'/>"))
    romeo.sends("<presence><show>away</show></presence>")
    assert "<show>away</show>" in gateway.hears()
    romeo.disconnect()
    assert "type='unavailable'" in gateway.hears()


def test_a_probe_of_the_component_is_answered(talk: Talk, gateway: Peer) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    gateway.sends(f"<presence from='x@{DOMAIN}' to='romeo@example.org' type='subscribe'/>")
    romeo.sends(f"<presence to='x@{DOMAIN}' type='subscribed'/>")
    gateway.hears()
    answer = gateway.sends(f"<presence from='x@{DOMAIN}' to='romeo@example.org' type='probe'/>")
    assert "from='romeo@example.org/orchard'" in answer


def test_messages_to_who_is_offline_are_stored_in_order(talk: Talk, gateway: Peer) -> None:
    talk.account("romeo@example.org")
    for number in range(3):
        gateway.sends(
            f"<message from='{DOMAIN}' to='romeo@example.org' type='chat'>"
            f"<body>{number}</body></message>"
        )
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends("<presence/>")
    bodies = [s.child_text("jabber:client", "body") for s in romeo.inbox if s.name == "message"]
    assert bodies == ["0", "1", "2"]


# Who may come in


def test_the_secret_of_one_component_is_no_key_to_another(yard: Yard) -> None:
    yard.configure({DOMAIN: {}, "other.example.org": {"secret": "different"}})
    assert "<not-authorized " in yard.connects().proves("other.example.org")


def test_components_may_share_a_secret(yard: Yard) -> None:
    yard.configure({DOMAIN: {}, "other.example.org": {}})
    assert yard.joins(DOMAIN)
    assert yard.joins("other.example.org")


def test_one_connection_may_serve_several_domains(talk: Talk, yard: Yard) -> None:
    yard.configure({DOMAIN: {"domains": ["sms.example.org"]}})
    gateway = yard.joins()
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends("<message to='1@sms.example.org'><body>hi</body></message>")
    assert "to='1@sms.example.org'" in gateway.hears()
    gateway.sends(
        "<message from='1@sms.example.org' to='romeo@example.org'><body>yo</body></message>"
    )
    romeo.receives(message("yo"))


def test_who_guesses_has_to_wait(yard: Yard, talk: Talk) -> None:
    for _ in range(3):
        assert "<not-authorized " in yard.connects().proves(secret="wrong")
    answer = yard.connects().proves()
    assert "<policy-violation " in answer
    talk.advance(120)
    assert yard.connects().proves().startswith("<handshake/>")


def test_nothing_of_a_stranger_is_routed(talk: Talk, yard: Yard) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    stranger = yard.connects()
    stranger.opens()
    stranger.sends(f"<message from='{DOMAIN}' to='romeo@example.org'><body>x</body></message>")
    romeo.receives_nothing()
    assert yard.components.get(DOMAIN).link is None  # type: ignore[union-attr]


def test_a_forged_sender_ends_the_stream_and_is_not_routed(talk: Talk, gateway: Peer) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    answer = gateway.sends(
        "<message from='juliet@example.org' to='romeo@example.org'><body>x</body></message>"
        f"<message from='{DOMAIN}' to='romeo@example.org'><body>y</body></message>"
    )
    assert "<invalid-from " in answer
    romeo.receives_nothing()


def test_silence_before_the_handshake_is_ended_whatever_is_said(yard: Yard, talk: Talk) -> None:
    stranger = yard.connects()
    stranger.opens()
    talk.advance(20)
    stranger.sends(" ")
    talk.advance(11)
    assert "<connection-timeout " in stranger.hears()


def test_who_is_known_is_not_ended_but_gets_whitespace(talk: Talk, gateway: Peer) -> None:
    talk.advance(65)
    assert not gateway.hears().strip()
    talk.advance(300)
    assert gateway.hears() == "     "
    assert not gateway.gone


# Conflicts


def test_a_second_connection_replaces_the_first(talk: Talk, yard: Yard, gateway: Peer) -> None:
    told = heard(yard)
    second = yard.joins()
    assert "<conflict " in gateway.hears()
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends(f"<message to='{DOMAIN}'><body>hi</body></message>")
    assert "<body>hi</body>" in second.hears()
    gateway.cuts()
    romeo.sends(f"<message to='{DOMAIN}'><body>again</body></message>")
    assert "<body>again</body>" in second.hears()
    assert told[-1] == f"+{DOMAIN}"


def test_a_second_connection_is_refused_where_that_is_wished(talk: Talk, yard: Yard) -> None:
    yard.configure({DOMAIN: {"conflict": "refuse"}})
    first = yard.joins()
    assert "<conflict " in yard.connects().proves()
    talk.online("romeo@example.org/orchard").sends(
        f"<message to='{DOMAIN}'><body>hi</body></message>"
    )
    assert "<body>hi</body>" in first.hears()


# Away


def test_what_is_for_a_component_that_is_away_comes_back(talk: Talk, yard: Yard) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends(f"<message to='x@{DOMAIN}' id='1'><body>hi</body></message>")
    romeo.receives(error("1", "wait", "service-unavailable", kind="message"))
    romeo.sends(f"<iq to='{DOMAIN}' id='2' type='get'><x xmlns='y'/></iq>")
    romeo.receives(error("2", "wait", "service-unavailable"))
    romeo.sends(f"<presence to='x@{DOMAIN}' type='unavailable'/>")
    romeo.receives_nothing()


def test_what_is_queued_comes_in_order_when_the_component_does(talk: Talk, yard: Yard) -> None:
    yard.configure({DOMAIN: {"when_away": "queue"}})
    romeo = talk.online("romeo@example.org/orchard")
    for number in range(3):
        romeo.sends(f"<message to='x@{DOMAIN}'><body>{number}</body></message>")
    gateway = yard.connects()
    answer = gateway.proves()
    assert answer.startswith("<handshake/><message ")
    assert answer.index(">0<") < answer.index(">1<") < answer.index(">2<")
    romeo.receives_nothing()
    talk.advance(100)
    romeo.receives_nothing()


def test_what_waits_too_long_comes_back(talk: Talk, yard: Yard) -> None:
    yard.configure({DOMAIN: {"when_away": "queue", "queue_time": 10.0}})
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends(f"<message to='x@{DOMAIN}' id='1'><body>hi</body></message>")
    talk.advance(6)
    romeo.sends(f"<message to='x@{DOMAIN}' id='2'><body>hi</body></message>")
    talk.advance(5)
    romeo.receives(error("1", "wait", "remote-server-timeout", kind="message"))
    romeo.receives_nothing()
    talk.advance(6)
    romeo.receives(error("2", "wait", "remote-server-timeout", kind="message"))
    assert yard.components.get(DOMAIN).waiting == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("bound", [{"queue_stanzas": 2}, {"queue_bytes": 1024}])
def test_no_more_waits_than_may(talk: Talk, yard: Yard, bound: dict[str, object]) -> None:
    yard.configure({DOMAIN: {"when_away": "queue", **bound}})
    romeo = talk.online("romeo@example.org/orchard")
    for number in range(3):
        romeo.sends(f"<message to='x@{DOMAIN}' id='{number}'><body>{'a' * 400}</body></message>")
    romeo.receives(error("2", "wait", "resource-constraint", kind="message"))
    romeo.receives_nothing()


def test_going_and_coming_is_told_to_all_hosts(yard: Yard) -> None:
    told = heard(yard)
    gateway = yard.joins()
    assert yard.talk.router.external[DOMAIN].connected
    gateway.sends("</stream:stream>")
    assert told == [f"+{DOMAIN}", f"-{DOMAIN}"]
    assert not yard.talk.router.external[DOMAIN].connected


# Slow readers


def test_who_writes_to_a_component_that_does_not_read_is_held_back(talk: Talk, yard: Yard) -> None:
    yard.configure({DOMAIN: {}}, outbound_bytes=65536)
    gateway = yard.joins()
    stall(gateway)
    romeo = talk.online("romeo@example.org/orchard")
    text = "a" * 10_000
    for number in range(20):
        romeo.sends(f"<message to='{DOMAIN}' id='{number}'><body>{text}</body></message>")
    assert 32768 <= gateway.connection.buffered <= 50_000
    assert not gateway.gone
    talk.advance(31)
    assert gateway.gone
    romeo.receives(error("4", "wait", "service-unavailable", kind="message"))


def test_a_flood_of_many_senders_ends_what_does_not_read(talk: Talk, yard: Yard) -> None:
    yard.configure({DOMAIN: {}}, outbound_bytes=65536)
    gateway = yard.joins()
    stall(gateway)
    text = "a" * 10_000
    for number in range(10):
        user = talk.online(f"user{number}@example.org/x")
        user.sends(f"<message to='{DOMAIN}'><body>{text}</body></message>")
    talk.advance(0)
    talk.advance(6)
    assert gateway.gone


def stall(peer: Peer) -> None:
    """The kernel takes no more from now on."""
    peer.connection._unsent = 1


# Configuration and commands


def test_the_host_lists_its_components(talk: Talk, yard: Yard) -> None:
    yard.configure(
        {
            DOMAIN: {"name": "Gateway"},
            "hidden.example.org": {"listed": False},
            "x.example.net": {"host": "example.net"},
        }
    )
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends(
        "<iq type='get' id='1' to='example.org'>"
        "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
    )
    listing = romeo.receives(like("<iq type='result'/>"))
    items = [item.attrs for query in listing.elements for item in query.elements]
    assert {"jid": DOMAIN, "name": "Gateway"} in items
    assert not {"hidden.example.org", "x.example.net"} & {item["jid"] for item in items}


def test_a_component_that_is_configured_otherwise_has_to_come_again(yard: Yard) -> None:
    yard.configure({DOMAIN: {}, "other.example.org": {}})
    gateway, other = yard.joins(), yard.joins("other.example.org")
    yard.configure({DOMAIN: {"secret": "new"}, "other.example.org": {}})
    assert "<reset " in gateway.hears()
    assert not other.hears()
    assert "<not-authorized " in yard.connects().proves(secret="sesame")
    assert yard.connects().proves(secret="new").startswith("<handshake/>")


def test_a_component_that_is_configured_no_more_is_gone(talk: Talk, yard: Yard) -> None:
    gateway = yard.joins()
    yard.configure({})
    assert "<host-gone " in gateway.hears()
    assert not talk.router.serves(DOMAIN)
    assert "<host-unknown " in yard.connects().sends(
        "<stream:stream xmlns='jabber:component:accept' xmlns:stream="
        f"'http://etherx.jabber.org/streams' to='{DOMAIN}'>"
    )


def test_a_domain_that_is_served_already_is_refused_in_words(yard: Yard) -> None:
    refused = yard.configure({"example.net": {}, DOMAIN: {}, "y.example.org": {"host": "z"}})
    assert refused == [
        "example.net: the domain example.net is served by another already",
        "y.example.org: its host z is served after a restart",
    ]


def test_the_operator_sees_who_is_there(yard: Yard, talk: Talk, logged: Callable[[], str]) -> None:
    talk.commands.add_from(ComponentCommands(yard.components, talk.clock))
    rows = talk.run("components").rows  # type: ignore[attr-defined]
    assert rows == [(DOMAIN, "example.org", "away", 0, None, 0, 0, 0, "it has not connected yet")]
    gateway = yard.joins()
    gateway.sends(f"<message from='{DOMAIN}' to='x@{DOMAIN}'/>")
    talk.advance(5)
    rows = talk.run("components").rows  # type: ignore[attr-defined]
    assert rows == [(DOMAIN, "example.org", "connected", 5, "192.168.1.1", 1, 1, 0, None)]
    talk.run("component-close", domain=DOMAIN)
    assert "<policy-violation " in gateway.hears()
    rows = talk.run("components").rows  # type: ignore[attr-defined]
    assert rows[0][-1] == "stream error policy-violation"
    assert "component connected" in logged()


def test_a_secret_is_never_logged(yard: Yard, logged: Callable[[], str]) -> None:
    yard.joins()
    yard.connects().proves(secret="nearly")
    assert "sesame" not in logged()
    assert "nearly" not in logged()


def test_the_asked_name_is_logged_with_care(yard: Yard, logged: Callable[[], str]) -> None:
    yard.connects().opens("a&#10;b" + "c" * 600)
    assert "'a\\nb" in logged()
    assert "c" * 300 not in logged()


def test_all_are_told_when_the_server_stops(yard: Yard, gateway: Peer) -> None:
    done: list[object] = []
    _ = yard.factory.shutdown().addCallback(done.append)
    assert "<system-shutdown " in gateway.hears()
    gateway.cuts()
    assert done == [None]
    assert yard.factory.buildProtocol(None) is None
