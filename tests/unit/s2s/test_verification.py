"""Who may send to us: keys that are looked into, and those who lie."""

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred

from tests.support.verona import (
    CAPULET,
    JULIET,
    KEY,
    MONTAGUE,
    OPEN,
    ROMEO,
    Network,
    Raw,
    Scripted,
    Server,
    Verona,
)
from xmppd.config.s2s import S2SOptions
from xmppd.resolve import DialFailed
from xmppd.routing.router import Storing
from xmppd.stream.management import Management
from xmppd.testing import error, message

HI = f"<message to='{ROMEO}' type='chat' id='m'><body>hi</body></message>"


def in_clear(**wishes: Any) -> Verona:
    return Verona(tls="optional", **wishes)


def test_an_impostor_is_found_out() -> None:
    verona = Verona()
    romeo = verona.online(ROMEO)
    network = Network()
    mallory = Server(CAPULET, network, verona.clock, S2SOptions(certificates="dialback"))
    network.servers[MONTAGUE] = verona.montague
    juliet = mallory.talk.bind(JULIET)
    juliet.sends(HI)
    for _ in range(5):
        network.carry()
        verona.settles()
    romeo.receives_nothing()
    juliet.receives(error("m", "cancel", "internal-server-error", kind="message"))
    assert not [link for link in verona.montague.federation.connections if link.how]


def test_where_certificates_are_required_keys_do_not_count() -> None:
    verona = Verona()
    verona.montague.federation.configure(S2SOptions())
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    juliet.sends(HI)
    verona.settles()
    romeo.receives_nothing()
    juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))
    assert verona.network.calls == [MONTAGUE]  # and nobody was asked about the key


def test_a_server_whose_certificate_proves_nothing_is_not_talked_to_where_it_must() -> None:
    verona = Verona()
    verona.capulet.federation.configure(S2SOptions())
    juliet = verona.online(JULIET)
    juliet.sends(HI)
    verona.settles()
    told = juliet.receives(error("m", "cancel", "remote-server-not-found", kind="message"))
    assert "self-signed" in str(told.elements[0].elements[1].text)


def test_the_same_key_on_another_stream_is_worth_nothing() -> None:
    """The key is bound to the id that we gave the stream (XEP-0185)."""
    verona = in_clear()
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    key = verona.capulet.service.key(MONTAGUE, CAPULET, raw.connection.stream.stream_id)
    good = KEY.format(CAPULET).replace("0123456789abcdef", key)
    other = Raw(verona)
    other.sends(OPEN.format(CAPULET))
    assert "type='invalid'" in other.sends(good)
    assert "type='valid'" in raw.sends(good)


def test_a_key_for_us_cannot_be_made_by_asking_us() -> None:
    """db:verify tells whether a key is right, not what it is; and a wrong one is a wrong one."""
    verona = in_clear()
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    asked = f"<db:verify from='{CAPULET}' to='{MONTAGUE}' id='1'>{{}}</db:verify>"
    for guess in ("", "0" * 64, "é", verona.capulet.service.key(CAPULET, MONTAGUE, "1")):
        assert "type='invalid'" in raw.sends(asked.format(guess))


def test_a_server_that_is_not_reached_is_not_called_for_each_key() -> None:
    verona = in_clear()
    verona.network.servers[CAPULET] = DialFailed("remote-server-not-found", "nobody")
    for _ in range(5):
        raw = Raw(verona)
        raw.sends(OPEN.format(CAPULET))
        assert "<remote-server-not-found" in raw.sends(KEY.format(CAPULET))
    assert verona.network.calls == [CAPULET]
    verona.advances(61)
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    raw.sends(KEY.format(CAPULET))
    assert verona.network.calls == [CAPULET] * 2


@pytest.mark.parametrize(
    "limits", [{"verifications": 3}, {"verifications_per_peer": 3}], ids=["all", "peer"]
)
def test_so_many_keys_are_looked_into_at_a_time(limits: dict[str, int]) -> None:
    verona = in_clear(limits=limits)
    verona.network.silence(CAPULET)
    answers = []
    for _ in range(5):
        raw = Raw(verona)
        raw.sends(OPEN.format(CAPULET))
        answers.append(raw.sends(KEY.format(CAPULET)))
    assert [("resource-constraint" in answer) for answer in answers] == [False] * 3 + [True] * 2


def test_a_key_is_answered_within_30_seconds_whatever_the_other_does() -> None:
    verona = in_clear(negotiation_timeout=120.0)
    verona.network.silence(CAPULET)
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    raw.sends(KEY.format(CAPULET))
    verona.advances(31)
    assert "type='error'" in raw.heard
    assert "<remote-server-timeout" in raw.heard
    assert len(verona.montague.federation.verifier) == 0


def test_a_denied_server_gets_no_further_than_its_header() -> None:
    verona = in_clear(deny=[CAPULET])
    raw = Raw(verona)
    assert "<policy-violation" in raw.sends(OPEN.format(CAPULET))


def test_a_denied_domain_does_not_slip_in_on_the_stream_of_another() -> None:
    verona = in_clear(deny=["denied.example"])
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    answer = raw.sends(KEY.format("denied.example"))
    assert "<policy-violation" in answer
    assert verona.network.calls == []


def test_half_open_streams_end_after_30_seconds() -> None:
    verona = in_clear()
    raws = [Raw(verona) for _ in range(20)]
    for raw in raws[10:]:
        raw.sends(OPEN.format(CAPULET))
    verona.advances(32)
    assert all("<connection-timeout" in raw.heard for raw in raws)
    verona.advances(6)
    assert not verona.montague.federation.connections


def test_one_address_has_so_many_connections_that_prove_nothing() -> None:
    verona = in_clear()
    refused = 0
    for _ in range(40):
        address = IPv4Address("TCP", "192.0.2.66", 5269)
        refused += verona.montague.factory.buildProtocol(address) is None
    assert refused == 20  # more than so many a second


def test_what_a_stranger_says_reaches_nobody() -> None:
    verona = in_clear()
    romeo = verona.online(ROMEO)
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    assert "<not-authorized" in raw.sends(
        f"<message from='{JULIET}' to='{ROMEO}'><body>hi</body></message>"
    )
    romeo.receives_nothing()


def proven(verona: Verona) -> Raw:
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    key = verona.capulet.service.key(MONTAGUE, CAPULET, raw.connection.stream.stream_id)
    assert "type='valid'" in raw.sends(KEY.format(CAPULET).replace("0123456789abcdef", key))
    return raw


def test_a_proven_peer_speaks_for_its_own_domain_and_to_ours_alone() -> None:
    for from_, to, condition in (
        ("x@other.example", ROMEO, "invalid-from"),
        (ROMEO, ROMEO, "invalid-from"),
        (JULIET, "x@elsewhere.example", "host-unknown"),
    ):
        verona = in_clear()
        romeo = verona.online(ROMEO)
        raw = proven(verona)
        answer = raw.sends(f"<message from='{from_}' to='{to}'><body>hi</body></message>")
        assert f"<{condition} " in answer
        assert "elsewhere.example" not in verona.network.calls
        romeo.receives_nothing()


def test_a_malformed_stanza_is_answered_as_a_clients_is() -> None:
    verona = in_clear()
    juliet, romeo = verona.online(JULIET), verona.online(ROMEO)
    raw = proven(verona)
    raw.sends(f"<iq from='{JULIET}' to='{MONTAGUE}' type='get' id='q'/>")
    juliet.receives(error("q", "modify", "bad-request"))
    raw.sends(f"<message from='{JULIET}' to='{ROMEO}'><body>still here</body></message>")
    romeo.receives(message("still here"))


def test_roster_changes_from_elsewhere_are_refused() -> None:
    verona = in_clear()
    juliet = verona.online(JULIET)
    verona.online(ROMEO)
    raw = proven(verona)
    raw.sends(
        f"<iq from='{JULIET}' to='romeo@montague.example' type='set' id='r'>"
        "<query xmlns='jabber:iq:roster'><item jid='m@x.example'/></query></iq>"
    )
    juliet.receives(error("r", "auth", "forbidden"))


def test_a_peer_is_held_back_while_a_stanza_is_being_stored() -> None:
    verona = in_clear()
    verona.bind(ROMEO).leaves()
    raw = proven(verona)
    for number in range(5):
        raw.write(
            f"<message from='{JULIET}' to='romeo@montague.example' type='chat'>"
            f"<body>{number}</body></message>".encode()
        )
    verona.settles()
    romeo = verona.bind(ROMEO)
    romeo.sends("<presence/>")
    verona.settles()
    bodies = [stanza.child_text("jabber:client", "body") for stanza in romeo.inbox]
    assert [body for body in bodies if body] == ["0", "1", "2", "3", "4"]


def test_a_peer_that_ends_the_stream_with_its_features_is_not_talked_to() -> None:
    """All in the same bytes: what was negotiated first counts no more."""
    verona = in_clear()
    verona.network.servers[MONTAGUE] = Scripted(
        verona,
        OPEN.format(MONTAGUE).replace("to='montague", "id='1' to='capulet")
        + "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>"
        "<message/>",
    )
    juliet = verona.online(JULIET)
    juliet.sends(HI)
    verona.settles()
    juliet.receives(error("m", "wait", "remote-server-timeout", kind="message"))
    assert not verona.capulet.federation.connections


SLOW = f"<message id='slow' from='{JULIET}' to='{ROMEO}'><body>slow</body></message>"


def takes_its_time(verona: Verona, *waiting: Deferred[None]) -> None:
    """Stanzas with the id "slow" are on their way until these fire, in turn."""
    left = list(waiting)
    router, route = verona.montague.talk.router, verona.montague.talk.router.route
    router.route = lambda stanza: (  # type: ignore[method-assign]  # a disk that takes its time
        left.pop(0) if stanza.id == "slow" else route(stanza)
    )


def acknowledged(verona: Verona, *waiting: Deferred[None]) -> Raw:
    """A proven peer with stream management, whose stanzas with the id "slow" take their time."""
    raw = proven(verona)
    raw.connection.stream.management = Management(500)
    takes_its_time(verona, *waiting)
    return raw


def test_what_is_on_its_way_to_the_disk_is_not_acknowledged_and_holds_nobody_back() -> None:
    verona = in_clear()
    romeo = verona.online(ROMEO)
    first, second = Storing(), Storing()
    raw = acknowledged(verona, first, second)
    management = raw.connection.stream.management
    assert management is not None
    raw.sends(SLOW + SLOW + SLOW.replace("slow", "quick"))
    romeo.receives(message("quick"))
    second.callback(None)
    assert management.handled == 0
    first.callback(None)
    assert management.handled == 3


@pytest.mark.parametrize("cut", [False, True], ids=["ended", "cut off"])
def test_what_came_before_the_peer_left_is_delivered(cut: bool) -> None:
    """It was waited for a stanza when the peer closed the connection, in the same bytes."""
    verona = in_clear()
    romeo = verona.online(ROMEO)
    raw = proven(verona)
    waiting: Deferred[None] = Deferred()
    takes_its_time(verona, waiting)
    raw.sends(SLOW + SLOW.replace("slow", "last") + ("" if cut else "</stream:stream>"))
    raw.connection.close(why="closed by the peer")  # as by its close_notify
    if cut:
        raw.end.loseConnection()
    romeo.receives_nothing()
    waiting.callback(None)
    romeo.receives(message("last"))


def test_what_was_not_acknowledged_when_the_connection_broke_is_the_peer_s_again() -> None:
    """It sends it once more or tells the sender (XEP-0198 §4): it must not arrive as well."""
    verona = in_clear()
    romeo = verona.online(ROMEO)
    waiting: Deferred[None] = Deferred()
    raw = acknowledged(verona, waiting)
    raw.sends(SLOW + SLOW.replace("slow", "last"))
    raw.end.loseConnection()
    waiting.callback(None)
    romeo.receives_nothing()


def test_the_last_acknowledgement_tells_of_what_was_still_being_stored() -> None:
    verona = in_clear()
    verona.online(ROMEO)
    storing, waiting = Storing(), Deferred[None]()
    raw = acknowledged(verona, storing, waiting)
    assert raw.sends(SLOW + SLOW + SLOW.replace("slow", "last") + "</stream:stream>") == ""
    waiting.callback(None)
    verona.settles()
    assert raw.connection.open
    before = len(raw.heard)
    storing.callback(None)
    verona.settles()
    assert raw.heard[before:] == "<a xmlns='urn:xmpp:sm:3' h='3'/></stream:stream>"


def test_a_stream_that_the_peer_has_ended_is_closed_in_time_although_a_stanza_waits() -> None:
    verona = in_clear()
    raw = proven(verona)
    takes_its_time(verona, Deferred())
    raw.sends(SLOW + "</stream:stream>")
    done = verona.montague.federation.shutdown()
    verona.advances(6)
    assert done.called


def test_at_a_shutdown_what_is_being_stored_is_acknowledged_first() -> None:
    verona = in_clear()
    romeo = verona.online(ROMEO)
    storing = Storing()
    raw = acknowledged(verona, storing)
    raw.sends(SLOW)
    before = len(raw.heard)
    verona.montague.federation.shutdown()
    assert raw.sends(SLOW.replace("slow", "late")) == ""  # not acknowledged: it stays its own
    storing.callback(None)
    verona.settles()
    assert raw.heard[before:].startswith("<a xmlns='urn:xmpp:sm:3' h='1'/><stream:error>")
    assert "<system-shutdown" in raw.heard[before:]
    romeo.receives_nothing()


def test_at_a_shutdown_what_is_under_way_without_acknowledgements_is_taken() -> None:
    verona = in_clear()
    romeo = verona.online(ROMEO)
    raw = proven(verona)
    before = len(raw.heard)
    done = verona.montague.federation.shutdown()
    raw.sends(SLOW)
    romeo.receives(message("slow"))
    assert raw.heard[before:].endswith("</stream:error></stream:stream>")
    verona.advances(3)
    assert done.called  # although the peer has not ended its stream


def test_what_comes_after_our_end_is_the_peer_s_where_it_counts() -> None:
    """It could not be acknowledged any more (XEP-0198 §4), and would be sent or told again."""
    verona = in_clear()
    romeo = verona.online(ROMEO)
    storing = Storing()
    raw = acknowledged(verona, storing)
    raw.sends(SLOW)
    before = len(raw.heard)
    raw.connection.finish()
    raw.sends(SLOW.replace("slow", "late"))
    assert raw.heard[before:] == ""
    storing.callback(None)
    verona.settles()
    assert raw.heard[before:] == "<a xmlns='urn:xmpp:sm:3' h='1'/></stream:stream>"
    romeo.receives_nothing()
    raw.sends("</stream:stream>")
    assert raw.connection not in verona.montague.federation.connections


def test_a_question_is_put_once_more_where_its_connection_was_just_being_closed() -> None:
    """That is no answer; a second time it is one."""
    verona = in_clear()
    verona.online(ROMEO)
    server = Scripted(
        verona,
        OPEN.format(CAPULET).replace(" to=", " id='1' to=")
        + "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>",
    )
    verona.network.servers[CAPULET] = server
    raw = Raw(verona)
    raw.sends(OPEN.format(CAPULET))
    raw.sends(KEY.format(CAPULET))
    for calls in (1, 2):
        assert verona.network.calls == [CAPULET] * calls
        assert "db:result" not in raw.heard
        verona.network.ends[-2].loseConnection()
        verona.settles()
    assert verona.network.calls == [CAPULET] * 2
    assert "remote-server-timeout" in raw.heard
