"""Two servers in memory: what waits, what comes back, when it is tried again."""

import pytest

from tests.support.verona import CAPULET, JULIET, MONTAGUE, ROMEO, Verona
from xmppd.admin.commands import CommandError
from xmppd.jid import jid
from xmppd.resolve import DialFailed
from xmppd.s2s import FederationCommands
from xmppd.s2s.connection import PeerConnection
from xmppd.s2s.peer import LONGEST_WAIT_S, Backoff
from xmppd.stanza import Message, StanzaError
from xmppd.stream.dialback import Pair
from xmppd.stream.management import Management
from xmppd.testing import error, message, presence, result
from xmppd.testing.actor import Client
from xmppd.xml import Element

HI = f"<message to='{ROMEO}' type='chat' id='m'><body>hi</body></message>"
NOWHERE = "<message to='x@nowhere.example' type='chat' id='n'><body>hi</body></message>"
MUTE = DialFailed("remote-server-timeout", "nobody answers")


@pytest.fixture(params=[True, False], ids=["bidi", "one way"])
def verona(request: pytest.FixtureRequest) -> Verona:
    return Verona(bidi=request.param)


def talks(verona: Verona) -> tuple[Client, Client]:
    """Juliet and Romeo, with a connection between their servers."""
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))
    return juliet, romeo


def links(verona: Verona) -> list[PeerConnection]:
    return [link for link in verona.capulet.federation.connections if link.how]


# People


def test_messages_go_both_ways(verona: Verona) -> None:
    juliet, romeo = talks(verona)
    romeo.sends(f"<message to='{JULIET}' type='chat'><body>ho</body></message>")
    verona.settles()
    juliet.receives(message("ho"))


def test_messages_arrive_in_order_whatever_waited_for_the_connection(verona: Verona) -> None:
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    for number in range(20):
        juliet.sends(f"<message to='{ROMEO}' type='chat'><body>{number}</body></message>")
        if number == 10:
            verona.settles()
    verona.settles()
    romeo.receives(*[message(str(number)) for number in range(20)])


def test_copies_for_one_server_arrive_in_order_also_before_there_is_a_connection(
    verona: Verona,
) -> None:
    verona.online(JULIET)
    romeo, other = verona.online(ROMEO), verona.online("romeo@montague.example/o'ther")
    romeo.forget()
    for number in range(3):
        body = f"<body>{number}</body>".encode()
        said = Message(romeo.jid, jid(JULIET), "headline", None, raw=body)
        verona.capulet.talk.router.route_copies(said.copies([romeo.jid, other.jid]))
        verona.settles()
    for client in (romeo, other):
        client.receives(*[message(str(number), to=client.jid) for number in range(3)])


def test_subscriptions_probes_and_unavailable_presence(verona: Verona) -> None:
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    for one, other in ((juliet, romeo), (romeo, juliet)):
        one.sends(f"<presence to='{other.jid.bare}' type='subscribe'/>")
        verona.settles()
        other.sends(f"<presence to='{one.jid.bare}' type='subscribed'/>")
        verona.settles()
    juliet.forget()
    romeo.disconnect()
    verona.settles()
    juliet.receives(presence(from_=ROMEO, type="unavailable"))
    romeo = verona.bind(ROMEO)
    romeo.sends("<presence><status>back</status></presence>")
    verona.settles()
    juliet.receives(presence(from_=ROMEO))
    romeo.receives_in_any_order(presence(from_=ROMEO), presence(from_=JULIET))


def test_a_request_to_a_contact_that_was_never_answered_is_sent_again_at_login() -> None:
    verona = Verona()
    romeo = verona.online(ROMEO)
    verona.network.servers[CAPULET] = MUTE
    romeo.sends("<presence to='juliet@capulet.example' type='subscribe'/>")
    verona.settles()
    romeo.forget()
    verona.network.servers[CAPULET] = verona.capulet
    juliet = verona.online(JULIET)
    verona.advances(3)
    romeo.leaves()
    verona.online(ROMEO)
    verona.settles()
    juliet.receives(presence(type="subscribe", from_="romeo@montague.example"))


def test_whoever_removes_a_contact_is_not_seen_by_it_any_more(verona: Verona) -> None:
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    juliet.sends("<presence to='romeo@montague.example' type='subscribe'/>")
    verona.settles()
    romeo.sends("<presence to='juliet@capulet.example' type='subscribed'/>")
    verona.settles()
    juliet.forget()
    romeo.sends(
        "<iq type='set' id='x'><query xmlns='jabber:iq:roster'>"
        "<item jid='juliet@capulet.example' subscription='remove'/></query></iq>"
    )
    verona.settles()
    juliet.receives(presence(from_=ROMEO, type="unavailable"))
    juliet.receives_in_any_order(
        presence(from_="romeo@montague.example", type="unsubscribed"),
        lambda stanza: None if stanza.name == "iq" else "is no roster push",
    )


def test_iqs_and_errors_cross(verona: Verona) -> None:
    juliet = verona.online(JULIET)
    juliet.sends(f"<iq type='get' id='p' to='{MONTAGUE}'><ping xmlns='urn:xmpp:ping'/></iq>")
    juliet.sends(f"<message to='nobody@{MONTAGUE}' id='m'><body>?</body></message>")
    juliet.sends(f"<iq type='get' id='q' to='nobody@{MONTAGUE}'><query xmlns='x'/></iq>")
    verona.settles()
    juliet.receives_in_any_order(
        result("p"),
        error("m", "cancel", "service-unavailable", kind="message"),
        error("q", "cancel", "service-unavailable"),
    )


def test_a_message_for_somebody_away_waits_there(verona: Verona) -> None:
    verona.bind(ROMEO).leaves()
    juliet = verona.online(JULIET)
    juliet.sends("<message to='romeo@montague.example' type='chat'><body>late</body></message>")
    verona.settles()
    romeo = verona.bind(ROMEO)
    romeo.sends("<presence/>")
    verona.settles()
    romeo.receives_in_any_order(presence(from_=ROMEO), message("late"))


# What cannot be sent


def test_a_server_that_does_not_exist_is_told_at_once_and_not_asked_for_again() -> None:
    verona = Verona()
    juliet = verona.online(JULIET)
    juliet.sends(NOWHERE)
    verona.settles()
    for _ in range(5):
        juliet.sends(NOWHERE)
    verona.settles()
    for _ in range(6):
        juliet.receives(error("n", "cancel", "remote-server-not-found", kind="message"))
    assert verona.network.calls == ["nowhere.example"]


def test_it_is_tried_again_later_and_later() -> None:
    verona = Verona()
    juliet = verona.online(JULIET)
    verona.network.servers[MONTAGUE] = MUTE
    for _ in range(600):
        juliet.sends(HI)
        verona.advances(1)
    calls = len(verona.network.calls)
    assert 7 <= calls <= 11  # after 1, 2, 4, 8 ... seconds
    juliet.forget()
    verona.network.servers[MONTAGUE] = verona.montague
    verona.advances(LONGEST_WAIT_S)
    romeo = verona.online(ROMEO)
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))


def test_the_waits_grow_to_five_minutes_and_are_not_all_the_same() -> None:
    waits = []
    for _ in range(20):
        backoff = Backoff()
        for _ in range(12):
            backoff.failed(0.0, StanzaError("remote-server-timeout"))
        assert backoff.until <= LONGEST_WAIT_S
        backoff = Backoff()
        backoff.failed(0.0, StanzaError("remote-server-timeout"))
        waits.append(backoff.until)
    assert all(0.7 <= wait <= 1.3 for wait in waits)
    assert len(set(waits)) > 10


def test_a_server_that_calls_us_is_called_back_at_once() -> None:
    verona = Verona(bidi=False)
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    verona.network.servers[MONTAGUE] = MUTE
    for _ in range(8):
        juliet.sends(HI)
        verona.advances(30)
    verona.network.servers[MONTAGUE] = verona.montague
    romeo.sends(f"<message to='{JULIET}' type='chat'><body>ho</body></message>")
    verona.settles()
    juliet.forget()
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))


def test_a_peer_that_says_nothing_is_given_up_after_the_time_to_negotiate() -> None:
    verona = Verona(negotiation_timeout=30.0)
    verona.network.silence(MONTAGUE)
    juliet = verona.online(JULIET)
    juliet.sends(HI)
    verona.advances(28)
    juliet.receives_nothing()
    verona.advances(4)
    juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))
    assert not verona.capulet.federation.connections


def test_nothing_waits_longer_than_it_may() -> None:
    verona = Verona(negotiation_timeout=300.0, queue_timeout=60.0)
    verona.network.silence(MONTAGUE)
    juliet = verona.online(JULIET)
    juliet.sends(HI)
    verona.advances(40)
    juliet.sends(HI.replace("'m'", "'m2'"))
    verona.advances(22)
    juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))
    juliet.receives_nothing()
    verona.advances(40)
    juliet.receives(error("m2", "wait", "remote-server-timeout", kind="message"))


@pytest.mark.parametrize(
    "limits, count", [({"queue_stanzas": 10}, 10), ({"queue_bytes": 65536}, 65536 // 10_300)]
)
def test_what_waits_is_bounded(limits: dict[str, int], count: int) -> None:
    verona = Verona(negotiation_timeout=300.0, limits=limits)
    verona.network.silence(MONTAGUE)
    juliet = verona.online(JULIET)
    body = "x" * 10_000
    for _ in range(20):
        juliet.sends(f"<message to='{ROMEO}' id='m'><body>{body}</body></message>")
    refused = len(juliet.inbox)
    assert 20 - count - 2 <= refused <= 20 - count
    assert verona.capulet.federation.peers[MONTAGUE].stanzas == 20 - refused


def test_errors_are_not_answered_and_broadcast_presence_is_not_either() -> None:
    verona = Verona()
    juliet = verona.online(JULIET)
    juliet.sends(NOWHERE.replace("type='chat'", "type='error'"))
    juliet.sends("<iq type='result' id='r' to='x@nowhere.example/y'/>")
    verona.settles()
    juliet.receives_nothing()


def test_at_most_so_many_servers_are_called_at_a_time() -> None:
    verona = Verona(limits={"attempts": 3}, negotiation_timeout=300.0)
    verona.network.silence(MONTAGUE)
    for number in range(8):
        verona.network.servers[f"s{number}.example"] = verona.montague
    juliet = verona.online(JULIET)
    for number in range(8):
        juliet.sends(HI.replace(MONTAGUE, f"s{number}.example"))
    verona.settles()
    assert len(verona.network.calls) == 3


def test_denied_and_not_allowed_servers() -> None:
    verona = Verona(deny=["nowhere.example"])
    juliet = verona.online(JULIET)
    juliet.sends(NOWHERE)
    juliet.sends(NOWHERE.replace("nowhere", "chat.nowhere"))
    for _ in range(2):
        juliet.receives(error("n", "cancel", "not-allowed", kind="message"))
    assert verona.network.calls == []


# Links that end


def test_a_link_that_is_lost_comes_back_when_it_is_needed(verona: Verona) -> None:
    juliet, romeo = talks(verona)
    for end in verona.network.ends:
        end.loseConnection()
    assert not links(verona)
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))


def test_a_link_that_is_not_used_is_closed_in_good_order(verona: Verona) -> None:
    juliet, romeo = talks(verona)
    verona.advances(680)
    assert not verona.capulet.federation.connections
    assert not verona.montague.federation.connections
    juliet.receives_nothing()
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))


def test_what_is_under_way_when_a_link_is_closed_still_arrives() -> None:
    verona = Verona()
    juliet, romeo = talks(verona)
    (link,) = [link for link in links(verona) if link.direction == "to"]
    romeo.sends(f"<message to='{JULIET}' type='chat'><body>late</body></message>")
    link.finish()
    verona.settles()
    juliet.receives(message("late"))
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))


def test_a_peer_that_stops_to_answer_is_noticed_within_90_seconds(verona: Verona) -> None:
    juliet, romeo = talks(verona)
    for end in verona.network.ends:
        if end.protocol in verona.montague.federation.connections:
            end.deaf = True
    verona.network.servers[MONTAGUE] = MUTE
    juliet.sends(HI)
    verona.advances(90)
    assert not [link for link in links(verona) if link.direction == "to"]
    assert romeo.inbox == []


def test_a_peer_that_only_listens_is_asked_and_stays(verona: Verona) -> None:
    juliet, _ = talks(verona)
    for _ in range(8):
        juliet.sends(HI)
        verona.advances(20)
    (link,) = [link for link in links(verona) if link.direction == "to"]
    assert link.open


def test_what_was_not_acknowledged_goes_back_to_its_sender() -> None:
    verona = Verona()
    juliet, _ = talks(verona)
    (link,) = [link for link in links(verona) if link.direction == "to"]
    link.stream.management = Management(5)
    for end in verona.network.ends:
        end.deaf = end.protocol in verona.montague.federation.connections
    for _ in range(7):
        juliet.sends(HI)
    verona.settles()
    assert len(link.stream.management) == 5  # the others wait for an acknowledgement
    verona.network.servers[MONTAGUE] = MUTE
    for end in verona.network.ends:
        end.loseConnection()
    verona.settles()
    assert [stanza.name for stanza in juliet.inbox] == ["message"] * 7
    for _ in range(7):
        juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))


def test_a_stanza_larger_than_the_peer_takes_goes_back() -> None:
    verona = Verona()
    juliet, _ = talks(verona)
    (link,) = [link for link in links(verona) if link.direction == "to"]
    link.stream.max_bytes = 10_000
    juliet.sends(HI.replace("hi", "x" * 10_000))
    juliet.receives(error("m", "modify", "policy-violation", kind="message"))


def test_at_the_end_all_are_told(verona: Verona) -> None:
    talks(verona)
    done = verona.capulet.federation.shutdown()
    verona.settles()
    assert done.called
    assert not verona.montague.federation.connections


def test_a_domain_that_is_denied_at_reload_loses_its_connections(verona: Verona) -> None:
    talks(verona)
    options = verona.capulet.service.options
    verona.capulet.federation.configure(options.model_copy(update={"deny": [MONTAGUE]}))
    verona.settles()
    assert not links(verona)


def test_a_denied_domain_takes_the_stream_that_it_shares_with_it() -> None:
    """Its pair was piggybacked on the connection of another (XEP-0220 §2.6)."""
    verona = Verona()
    talks(verona)
    (link,) = [link for link in links(verona) if link.direction == "to"]
    link.stream.our_pairs.trust(Pair(CAPULET, "rooms.montague.example"))
    options = verona.capulet.service.options
    denied = options.model_copy(update={"deny": ["rooms.montague.example"]})
    verona.capulet.federation.configure(denied)
    verona.settles()
    assert not links(verona)


def test_what_is_sent_while_a_connection_is_being_closed_takes_another(verona: Verona) -> None:
    juliet, romeo = talks(verona)
    (link,) = [link for link in links(verona) if link.direction == "to"]
    link.close(why="closed by the peer")  # its last bytes are on their way
    assert link.connected
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))


def test_a_key_sent_as_the_peer_closes_an_idle_connection_takes_another() -> None:
    """Nothing is wrong with the pair: what waits for it is not given back."""
    verona = Verona(bidi=False)
    _, romeo = talks(verona)
    rooms = "rooms.capulet.example"
    verona.capulet.talk.router.claim(rooms, lambda stanza: None, CAPULET)
    verona.network.servers[rooms] = verona.capulet
    (link,) = [link for link in links(verona) if link.direction == "to"]
    (theirs,) = [end.other for end in verona.network.ends if end.protocol is link]
    theirs.deaf = True
    verona.capulet.talk.router.route(message_of(f"hall@{rooms}"))
    assert [route for route in link.routes if route.asking is link]
    theirs.loseConnection()
    verona.settles()
    romeo.receives(message("from the hall"))


def message_of(sender: str) -> Message:
    body = Element("jabber:client", "body", None, "from the hall")
    return Message(jid(ROMEO), jid(sender), "chat", None, body)


# Nothing is relayed, and nobody speaks for us


def test_stanzas_for_a_service_that_went_away_are_not_relayed() -> None:
    verona = Verona(bidi=False)
    juliet, romeo = talks(verona)
    verona.montague.talk.router.release(MONTAGUE)
    calls = list(verona.network.calls)
    juliet.sends(HI)
    verona.settles()
    assert verona.network.calls == calls
    assert romeo.inbox == []


def test_only_domains_of_ours_send() -> None:
    verona = Verona()
    stranger = Message(jid(ROMEO), jid("x@nowhere.example"), "chat", None)
    verona.capulet.talk.router.route(stranger)
    assert verona.network.calls == []


def test_who_writes_to_a_peer_that_takes_nothing_is_held_back_until_it_does() -> None:
    verona = Verona()
    talks(verona)
    (link,) = [link for link in links(verona) if link.direction == "to"]
    link.stream.management = Management(1)
    for end in verona.network.ends:
        end.deaf = end.protocol in verona.montague.federation.connections
    body = Element("jabber:client", "body", None, "x" * 50_000)
    held = None
    for _ in range(9):
        stanza = Message(jid(ROMEO), jid(JULIET), "chat", None, body)
        held = verona.capulet.talk.router.route(stanza)
    assert held is not None
    assert not held.called
    link.stream.management.max_unacked = 100
    link.stream.management.drain()
    verona.capulet.federation.drained(link)
    assert held.called
    assert verona.capulet.federation.peers[MONTAGUE].stanzas == 0


def test_the_commands_list_links_and_servers_that_cannot_be_reached() -> None:
    verona = Verona()
    juliet, _ = talks(verona)
    juliet.sends(NOWHERE)
    verona.settles()
    rows = FederationCommands(verona.capulet.federation).s2s().rows
    ours = [row for row in rows if row[2] == MONTAGUE and row[5]]
    assert [(row[0], row[1], row[5]) for row in ours] == [("both", CAPULET, "dialback")]
    (missing,) = [row for row in rows if row[2] == "nowhere.example"]
    assert "there is no nowhere.example" in str(missing[-1])
    with pytest.raises(CommandError):
        FederationCommands(verona.capulet.federation).s2s_close(jid("nowhere.example"))
