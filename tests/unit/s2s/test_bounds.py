"""What strangers and local users may use up, and what they may not."""

from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.verona import (
    CAPULET,
    JULIET,
    KEY,
    MONTAGUE,
    OPEN,
    ROMEO,
    Raw,
    Scripted,
    Server,
    Verona,
)
from xmppd.resolve import DialFailed
from xmppd.s2s import FederationCommands, peers
from xmppd.s2s.connection import PeerConnection
from xmppd.s2s.outgoing import OutgoingConnection
from xmppd.s2s.slots import Slots
from xmppd.stream.management import Management
from xmppd.testing import error, message
from xmppd.testing.actor import Client
from xmppd.transport.peer_tls import PeerTLS, PeerTLSSettings

HI = f"<message to='{ROMEO}' type='chat' id='m'><body>hi</body></message>"
HO = f"<message to='{JULIET}' type='chat' id='m'><body>ho</body></message>"
TO = "<message to='x@{}' type='chat' id='m'><body>hi</body></message>"


def mute(verona: Verona, count: int) -> list[str]:
    """Domains whose servers accept and never say a word."""
    domains = [f"mute{number}.example" for number in range(count)]
    for domain in domains:
        verona.network.servers[domain] = Scripted(verona, "")
    return domains


def links_to(verona: Verona, domain: str) -> list[PeerConnection]:
    connections = verona.capulet.federation.connections
    return [link for link in connections if link.stream.theirs == domain and link.how]


def talks(verona: Verona) -> tuple[Client, Client]:
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))
    return juliet, romeo


# Keys of strangers


def test_keys_of_strangers_do_not_hold_up_messages() -> None:
    verona = Verona(tls="optional", limits={"attempts": 2})
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    for domain in mute(verona, 10):
        raw.sends(KEY.format(domain))
    romeo.sends(HO)
    verona.settles()
    juliet.receives(message("ho"))


def test_messages_do_not_hold_up_keys() -> None:
    """Neither those to other servers, nor those to the very one that is asked."""
    verona = Verona(tls="optional", limits={"attempts": 1}, negotiation_timeout=300.0)
    romeo = verona.online(ROMEO)
    for domain in (*mute(verona, 1), CAPULET):
        romeo.sends(TO.format(domain))
    verona.settles()
    assert CAPULET not in verona.network.calls
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    key = verona.capulet.service.key(MONTAGUE, CAPULET, raw.connection.stream.stream_id)
    assert "type='valid'" in raw.sends(KEY.format(CAPULET).replace("0123456789abcdef", key))


def test_one_address_has_so_many_keys_looked_into_whatever_domains_it_claims() -> None:
    verona = Verona(tls="optional", limits={"verifications_per_peer": 3})
    domains = mute(verona, 8)
    answers = []
    for domain in domains[:5]:
        raw = Raw(verona)
        raw.sends(OPEN.format(CAPULET))
        answers.append("resource-constraint" in raw.sends(KEY.format(domain)))
    assert answers == [False] * 3 + [True] * 2
    other = Raw(verona, "198.51.100.7")
    other.sends(OPEN.format(CAPULET))
    assert "resource-constraint" not in other.sends(KEY.format(domains[5]))


@pytest.mark.parametrize("limit", ["verifications", "verifications_per_peer"])
def test_who_asks_most_makes_room_for_others(limit: str) -> None:
    limits = {"verifications": 4, "verifications_per_peer": 4} | {limit: 3}
    verona = Verona(tls="optional", limits=limits)
    verona.network.silence(CAPULET)
    greedy = [Raw(verona) for _ in range(3)]
    for raw in greedy:
        raw.sends(OPEN.format(CAPULET))
        raw.sends(KEY.format(CAPULET))
    other = Raw(verona, "198.51.100.7")
    other.sends(OPEN.format(CAPULET))
    assert "resource-constraint" not in other.sends(KEY.format(CAPULET))
    assert [("resource-constraint" in raw.heard) for raw in greedy] == [True, False, False]
    third = Raw(verona, "203.0.113.7")
    third.sends(OPEN.format(CAPULET))
    third.sends(KEY.format(CAPULET))
    assert "resource-constraint" not in third.heard
    late = Raw(verona, "203.0.113.8")
    late.sends(OPEN.format(CAPULET))
    assert "resource-constraint" in late.sends(KEY.format(CAPULET))  # all have one


# Connections of ours


def wild(verona: Verona, count: int) -> list[str]:
    """Domains of one server: someone has a wildcard in the DNS."""
    domains = [f"s{number}.example" for number in range(count)]
    options = verona.capulet.service.options
    Server(domains[0], verona.network, verona.clock, options, domains[1:])
    return domains


@pytest.mark.parametrize("share", [0.25, 0.01])
def test_connections_to_one_address_and_in_all_are_bounded(share: float) -> None:
    """The one that was not used for the longest time makes room."""
    most = 8
    limits = {"connections_per_address": most if share == 0.25 else 1000, "outgoing_share": share}
    verona = Verona(limits=limits)
    verona.capulet.service.admission._most = 800
    verona.capulet.federation.configure(verona.capulet.service.options)
    juliet = verona.online(JULIET)
    domains = wild(verona, 3 * most)
    for domain in domains:
        juliet.sends(TO.format(domain))
        verona.advances(1)
        held = [
            link
            for link in verona.capulet.federation.connections
            if isinstance(link, OutgoingConnection)
        ]
        assert len(held) <= most
    assert len(verona.capulet.federation.attempts.room) == len(held)
    assert links_to(verona, domains[-1])
    assert not links_to(verona, domains[0])
    juliet.forget()
    juliet.sends(TO.format(domains[0]))  # it comes back
    verona.settles()
    juliet.receives(error("m", "cancel", "service-unavailable", kind="message"))


def test_where_all_connections_are_in_use_there_are_no_more() -> None:
    verona = Verona(limits={"connections_per_address": 4, "unacknowledged": 5})
    juliet = verona.online(JULIET)
    domains = wild(verona, 6)
    for domain in domains[:4]:
        juliet.sends(TO.format(domain))
        verona.settles()
        juliet.forget()
        for link in links_to(verona, domain):  # something is under way, and stays so
            link.stream.our_pairs.asked += 1
    juliet.sends(TO.format(domains[4]))
    verona.settles()
    juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))
    assert len(verona.capulet.federation.attempts.room) <= 4


def test_what_is_remembered_of_servers_is_bounded_and_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "PEERS", 10)
    monkeypatch.setattr(peers, "LOOKED_AT", 3)
    verona = Verona()
    juliet, romeo = talks(verona)
    for number in range(9):
        juliet.sends(TO.format(f"n{number}.example"))
        juliet.receives(error("m", "cancel", "remote-server-not-found", kind="message"))
    juliet.sends(TO.format("late.example"))
    juliet.receives(error("m", "wait", "resource-constraint", kind="message"))
    verona.advances(2)
    for number in range(20):  # those who may be called again are forgotten, in turn
        verona.advances(1)
        juliet.sends(TO.format(f"late{number}.example"))
        juliet.receives(error("m", "cancel", "remote-server-not-found", kind="message"))
    assert len(verona.capulet.federation.peers) <= 10
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))


# What senders are told


def test_senders_do_not_learn_what_answers_at_which_address() -> None:
    verona = Verona()
    text = "no connection to inside.example: 10.0.0.7:5269: Connection refused"
    told = "no connection to inside.example"
    refused = DialFailed("remote-server-timeout", text, [], told)
    verona.network.servers["inside.example"] = refused
    juliet = verona.online(JULIET)
    for _ in range(2):  # also while it is not tried again
        juliet.sends(TO.format("inside.example"))
        verona.settles()
        answer = juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))
        assert "10.0.0.7" not in str(answer)
        assert answer.elements[0].elements[1].text == told
    rows = FederationCommands(verona.capulet.federation).s2s().rows
    assert "10.0.0.7:5269: Connection refused" in str(rows)


# Attempts


def test_a_reload_changes_how_many_servers_are_called_at_a_time() -> None:
    verona = Verona(limits={"attempts": 1}, negotiation_timeout=300.0)
    juliet = verona.online(JULIET)
    for domain in mute(verona, 4):
        juliet.sends(TO.format(domain))
    assert len(verona.network.calls) == 1
    options = verona.capulet.service.options
    limits = options.limits.model_copy(update={"attempts": 3})
    verona.capulet.federation.configure(options.model_copy(update={"limits": limits}))
    assert len(verona.network.calls) == 3


def test_who_writes_to_many_servers_that_are_silent_holds_up_nobody_else() -> None:
    """The attempts are given to senders in turn, and one has three quarters of them at most."""
    verona = Verona(limits={"attempts": 4}, negotiation_timeout=300.0, queue_timeout=60.0)
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    nurse = verona.online("nurse@capulet.example/hall")
    for domain in mute(verona, 20):
        juliet.sends(TO.format(domain))
    assert len(verona.network.calls) == 3
    nurse.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))


def test_places_are_given_in_turn() -> None:
    slots = Slots(1)
    given: list[str] = []
    for number, who in enumerate("aaabbc"):
        slots.acquire(who).addCallback(lambda _, name=f"{who}{number}": given.append(name))
    for name in range(5):
        slots.release(given[name][0])
    assert given == ["a0", "a1", "b3", "c5", "a2", "b4"]


def test_what_waits_for_all_servers_together_is_bounded() -> None:
    """A quarter of it is one sender's; what was given back makes room again."""
    limits = {"queue_total": 1 << 20, "attempts": 1}
    verona = Verona(limits=limits, negotiation_timeout=300.0, queue_timeout=60.0)
    juliet, nurse = verona.online(JULIET), verona.online("nurse@capulet.example/hall")
    large = TO.replace("hi", "x" * 20_000)
    domains = mute(verona, 40)
    for domain in domains:
        juliet.sends(large.format(domain))
    refused = [error("m", "wait", "resource-constraint", kind="message")] * len(juliet.inbox)
    assert 40 - 2**18 // 20_000 - 1 <= len(refused) < 40
    juliet.receives(*refused)
    nurse.sends(large.format(domains[0]))
    nurse.receives_nothing()
    verona.advances(62)
    juliet.forget()
    juliet.sends(large.format(domains[5]))
    juliet.receives_nothing()


def test_an_attempt_that_nobody_wants_any_more_is_no_failure() -> None:
    verona = Verona(limits={"attempts": 1}, negotiation_timeout=30.0, queue_timeout=10.0)
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    juliet.sends(TO.format(mute(verona, 1)[0]))
    juliet.sends(HI)
    verona.advances(12)
    for _ in range(2):
        juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))
    verona.advances(20)
    assert MONTAGUE not in verona.network.calls
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))


def test_many_attempts_that_nobody_wants_end_at_once() -> None:
    verona = Verona(limits={"attempts": 1}, negotiation_timeout=30.0, queue_timeout=10.0)
    juliet = verona.online(JULIET)
    for domain in mute(verona, 2000):
        juliet.sends(TO.format(domain))
    verona.advances(32)
    assert len(juliet.inbox) == 2000
    assert not any(peer.opening for peer in verona.capulet.federation.peers.values())


def test_what_waits_when_the_server_ends_goes_back() -> None:
    verona = Verona()
    verona.network.silence(MONTAGUE)
    juliet = verona.online(JULIET)
    juliet.sends(HI)
    verona.settles()
    verona.capulet.federation.give_up()
    juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))


def test_what_waits_for_a_slow_link_goes_back_when_the_server_ends() -> None:
    verona = Verona()
    juliet, _ = talks(verona)
    (link,) = [link for link in links_to(verona, MONTAGUE) if link.direction == "to"]
    for end in verona.network.ends:
        end.deaf = end.protocol in verona.montague.federation.connections
    link.stream.management = Management(1)
    for _ in range(3):
        juliet.sends(HI)
    assert verona.capulet.federation.peers[MONTAGUE].stanzas == 2
    verona.capulet.federation.shutdown()
    verona.advances(3)  # what was sent might still be acknowledged
    for _ in range(3):
        juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))


# Connections that live long


def test_a_peer_that_cannot_call_us_and_hears_us_is_not_dropped() -> None:
    verona = Verona(bidi=False, limits={"unacknowledged": 0})
    juliet, romeo = talks(verona)
    verona.network.servers[CAPULET] = DialFailed("remote-server-timeout", "a firewall")
    (link,) = [link for link in links_to(verona, MONTAGUE) if link.direction == "to"]
    verona.advances(30)  # what asked about our key is closed: nothing of theirs is left
    for _ in range(30):
        juliet.sends(HI)
        verona.advances(10)
        romeo.receives(message("hi"))
    assert link.open
    juliet.receives_nothing()


def test_a_link_ends_with_the_certificate_that_proved_it(tmp_path: Path) -> None:
    """RFC 6120 §13.7.2.3; the next stanza makes a new one."""
    authority = Authority.make()
    trust = PeerTLSSettings(trust=authority.write(tmp_path / "trust.pem"))
    verona = Verona()
    for server, domain in ((verona.capulet, CAPULET), (verona.montague, MONTAGUE)):
        days = (-1, 300 / 86400 if server is verona.montague else 90)
        pair = authority.certify(tmp_path, domain, days=days)
        server.service.contexts = PeerTLS({domain: pair}, trust)
    juliet, romeo = talks(verona)
    (link,) = links_to(verona, MONTAGUE)
    assert link.how == "EXTERNAL"
    verona.advances(270)
    assert link.open
    verona.advances(50)
    assert not link.open
    juliet.sends(HI)
    verona.settles()
    romeo.receives(message("hi"))
