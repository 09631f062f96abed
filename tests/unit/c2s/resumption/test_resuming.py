"""Lost connections and resumed sessions (XEP-0198 §5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.unit.c2s.resumption.phones import (
    BALCONY,
    MODULES,
    PING,
    SM,
    Phone,
    bodies,
    online,
    resume,
    say,
    what_waits,
)
from xmppd import events
from xmppd.hooks import NORMAL, Handler
from xmppd.host import Host
from xmppd.testing.stage import result_of


def test_what_was_not_acknowledged_comes_again_once_and_in_order(
    phone: Phone, romeo: Any, connect: Callable[[], Any], host: Host
) -> None:
    say(romeo, "1", "2", "3")
    phone.acks(2)
    phone.client.cuts()
    say(romeo, "4")
    session = host.sessions.get(BALCONY)
    assert session is not None
    assert session.hibernating
    assert session.available
    again = connect()
    heard = resume(again, phone.id, 2)
    assert heard.index("<resumed ") < heard.index("<message ")
    assert f"<resumed xmlns='{SM}' previd='{phone.id}' h='1'/>" in heard
    assert bodies(heard) == ["2", "3", "4"]
    assert "<delay" not in heard[: heard.index("id='4'")]
    assert "<delay" in heard[heard.index("id='4'") :]
    assert f"<r xmlns='{SM}'/>" in heard
    assert bodies(say(romeo, "5") + again.hears()) == ["5"]
    assert f"<a xmlns='{SM}' h='1'/>" in again.sends(f"<a xmlns='{SM}' h='5'/><r xmlns='{SM}'/>")


def test_nobody_hears_of_a_lost_connection(
    phone: Phone, connect: Callable[[], Any], host: Host
) -> None:
    tablet = online(connect, "tablet")
    phone.client.cuts()
    assert "unavailable" not in tablet.hears()
    resume(connect(), phone.id, 2)
    assert "presence" not in tablet.hears()


def test_an_acknowledged_message_is_not_in_the_store(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock
) -> None:
    say(romeo, "1")
    phone.client.cuts()
    say(romeo, "2")
    again = connect()
    assert bodies(resume(again, phone.id, 1)) == ["1", "2"]
    again.sends(f"<a xmlns='{SM}' h='3'/>")
    again.sends("</stream:stream>")
    assert what_waits(connect) == []


@pytest.mark.parametrize("how", ["expired", "replaced", "killed"])
def test_what_was_not_acknowledged_is_kept_for_the_next_session(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock, host: Host, how: str
) -> None:
    say(romeo, "1", "2", "3")
    phone.acks(2)
    phone.client.cuts()
    say(romeo, "4")
    if how == "expired":
        clock.advance(31)
        assert host.sessions.get(BALCONY) is None
    fresh = connect()
    fresh.binds("balcony" if how == "replaced" else "fresh")
    heard = fresh.sends("<presence/>")
    assert bodies(heard) == ["2", "3", "4"]
    assert heard.count("<delay") == 3
    fresh.sends(PING.format("p"))
    other = connect()
    other.binds("other")
    assert bodies(other.sends("<presence/>")) == []


def test_a_clean_end_leaves_what_was_not_acknowledged(
    phone: Phone, romeo: Any, connect: Callable[[], Any]
) -> None:
    say(romeo, "1", "2")
    phone.client.sends(f"<a xmlns='{SM}' h='2'/></stream:stream>")
    assert what_waits(connect) == ["2"]


def test_what_another_session_got_is_not_kept(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock
) -> None:
    tablet = online(connect, "tablet")
    say(romeo, "1")
    phone.client.cuts()
    say(romeo, "2")
    assert bodies(tablet.hears()) == ["1", "2"]
    clock.advance(31)
    assert bodies(tablet.hears()) == []
    tablet.sends("</stream:stream>")
    assert what_waits(connect) == []


def test_a_message_to_the_full_address_goes_to_another_session_in_the_end(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock
) -> None:
    tablet = online(connect, "tablet")
    phone.client.cuts()
    say(romeo, "1", to=str(BALCONY))
    assert bodies(tablet.hears()) == []
    clock.advance(31)
    assert bodies(tablet.hears()) == ["1"]


def test_requests_go_back_and_presence_is_dropped(phone: Phone, romeo: Any, clock: Clock) -> None:
    phone.client.cuts()
    romeo.sends(f"<iq type='get' id='q' to='{BALCONY}'><x xmlns='urn:x'/></iq>")
    assert romeo.hears() == ""
    clock.advance(31)
    answer = romeo.hears()
    assert "id='q'" in answer
    assert "<service-unavailable " in answer


def test_what_must_not_be_stored_goes_back(phone: Phone, romeo: Any, clock: Clock) -> None:
    phone.client.cuts()
    hint = "<no-store xmlns='urn:xmpp:hints'/>"
    assert say(romeo, "secret", more=hint) == ""
    clock.advance(31)
    assert "service-unavailable" in romeo.hears()


def test_half_open_connections_yield(
    phone: Phone, romeo: Any, connect: Callable[[], Any], host: Host
) -> None:
    say(romeo, "1")
    again = connect()
    assert bodies(resume(again, phone.id, 1)) == ["1"]
    assert "<conflict " in phone.client.hears()
    assert phone.client.gone or phone.client.wire.disconnecting
    phone.client.cuts()
    assert bodies(say(romeo, "2") + again.hears()) == ["2"]
    session = host.sessions.get(BALCONY)
    assert session is not None
    assert session.outlet is not None


def test_nobody_else_can_resume(
    phone: Phone, romeo: Any, connect: Callable[[], Any], host: Host
) -> None:
    thief = connect()
    heard = resume(thief, phone.id, 1, user="romeo")
    assert "<failed " in heard
    assert "<item-not-found " in heard
    assert " h=" not in heard
    assert "<jid>romeo@example.org/x</jid>" in thief.asks_for("x")
    phone.client.cuts()
    assert "<resumed " in resume(connect(), phone.id, 1)


def test_a_session_that_is_over_is_remembered_by_its_count(
    phone: Phone, connect: Callable[[], Any], clock: Clock
) -> None:
    phone.client.sends(PING.format(1) + PING.format(2))
    phone.client.cuts()
    clock.advance(31)
    client = connect()
    heard = resume(client, phone.id, 0)
    assert f"<failed xmlns='{SM}' h='3'><item-not-found " in heard
    assert "<jid>" in client.asks_for("balcony")


@pytest.mark.parametrize("h, wanted", [(9, "handled-count-too-high"), ("x", "bad-format")])
def test_an_impossible_count_ends_the_stream_and_not_the_session(
    phone: Phone, connect: Callable[[], Any], h: object, wanted: str
) -> None:
    phone.client.cuts()
    assert wanted in resume(connect(), phone.id, h)
    assert "<resumed " in resume(connect(), phone.id, 1)


def test_too_high_an_acknowledgement_ends_the_stream(phone: Phone) -> None:
    heard = phone.acks(7)
    assert "<undefined-condition " in heard
    assert f"<handled-count-too-high xmlns='{SM}' h='7' send-count='1'/>" in heard


def test_an_id_is_good_for_one_session_at_a_time(
    phone: Phone, connect: Callable[[], Any], host: Host
) -> None:
    phone.client.cuts()
    first, second = connect(), connect()
    assert "<resumed " in resume(first, phone.id, 1)
    assert "<resumed " in resume(second, phone.id, 1)
    assert "<conflict " in first.hears()
    assert len(host.sessions.of(BALCONY.bare)) == 1


def test_order_of_the_negotiation(client: Any, host: Host) -> None:
    client.logs_in()
    client.sends(client.header)
    for name in ("enable", "r", "a"):
        answer = client.sends(f"<{name} xmlns='{SM}' h='0'/>")
        assert answer == (
            f"<failed xmlns='{SM}'><unexpected-request"
            " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
        )
    client.asks_for("balcony")
    assert "<unexpected-request " in client.sends(f"<resume xmlns='{SM}' previd='x' h='0'/>")
    assert f"<enabled xmlns='{SM}'/>" in client.sends(f"<enable xmlns='{SM}'/>")
    answer = client.sends(f"<enable xmlns='{SM}'/>")
    assert "<unexpected-request " in answer
    assert "<stream:error>" in answer


def test_all_stanzas_count_also_those_that_the_stream_answers(phone: Phone) -> None:
    legacy = "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"
    heard = phone.client.sends(legacy + PING.format(1) + f"<r xmlns='{SM}'/>")
    assert f"<a xmlns='{SM}' h='3'/>" in heard
    assert "<stream:error>" not in phone.acks(3)
    assert "<handled-count-too-high" in phone.acks(4)


def test_a_quiet_client_is_asked_after_a_while(phone: Phone, romeo: Any, clock: Clock) -> None:
    say(romeo, "1")
    assert "<r " not in phone.client.hears()
    clock.advance(2)
    assert f"<r xmlns='{SM}'/>" in phone.client.hears()
    clock.advance(4)
    assert "<r " not in phone.client.hears()


@pytest.mark.parametrize(
    "options", [{"sm": {"max_resume": 30, "max_unacked": 20, "ack_timeout": 5}}]
)
def test_who_never_acknowledges_is_let_go_and_nothing_is_lost(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock, host: Host
) -> None:
    say(romeo, *map(str, range(30)))
    assert "<stream:error>" not in phone.client.hears()
    clock.pump([0.1] * 60)
    assert "<policy-violation " in phone.client.hears()
    assert host.sessions.get(BALCONY) is None
    assert what_waits(connect) == list(map(str, range(30)))


@pytest.mark.parametrize(
    "options", [{"sm": {"max_resume": 30, "max_unacked": 20, "ack_timeout": 5}}]
)
def test_the_queue_of_a_hibernating_session_is_bounded(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock, host: Host
) -> None:
    phone.client.cuts()
    say(romeo, *map(str, range(30)))
    clock.advance(0)
    assert host.sessions.get(BALCONY) is None
    assert what_waits(connect) == list(map(str, range(30)))


def test_presence_that_nobody_read_is_squeezed(
    phone: Phone, connect: Callable[[], Any], host: Host
) -> None:
    tablet = connect()
    tablet.binds("tablet")
    phone.client.cuts()
    for show in ("away", "dnd", "xa"):
        tablet.sends(f"<presence><show>{show}</show></presence>")
    heard = resume(connect(), phone.id, 1)
    assert re.findall("<show>(.*?)</show>", heard) == ["xa"]


def test_hooks_tell_of_it(
    phone: Phone, connect: Callable[[], Any], host: Host, clock: Clock
) -> None:
    told: list[str] = []
    names = ("session_hibernated", "session_resumed", "session_expired", "session_closed")
    handlers = [
        (getattr(events, name), Handler(NORMAL, "test", lambda *_, name=name: told.append(name)))
        for name in names
    ]
    host.hooks.swap((), handlers)
    phone.client.cuts()
    again = connect()
    resume(again, phone.id, 1)
    again.cuts()
    clock.advance(31)
    assert told == [*names[:2], names[0], *names[2:]]


def test_absent_sessions_make_room(connect: Callable[[], Any], host: Host) -> None:
    for number in range(21):
        Phone(connect(), f"r{number}", presence=False).client.cuts()
    assert len(host.sessions.of(BALCONY.bare)) == 20


def test_a_wish_for_less_time_is_granted(client: Any, host: Host, clock: Clock) -> None:
    client.binds()
    enabled = client.sends(f"<enable xmlns='{SM}' resume='1' max='20'/>")
    assert "max='20'" in enabled
    client.cuts()
    clock.advance(21)
    assert len(host.sessions) == 0


def test_without_resumption_a_lost_connection_ends_the_session(
    client: Any, romeo: Any, connect: Callable[[], Any], host: Host
) -> None:
    client.binds()
    client.sends(f"<enable xmlns='{SM}'/><presence/>")
    say(romeo, "1")
    client.cuts()
    assert host.sessions.get(BALCONY) is None
    assert what_waits(connect) == ["1"]


def test_offline_messages_are_kept_until_acknowledged(
    romeo: Any, connect: Callable[[], Any], host: Host, clock: Clock
) -> None:
    say(romeo, "1", "2")
    phone = Phone(connect())
    phone.acks(2)  # its presence, and one message
    phone.client.sends(PING.format("p"))
    phone.client.cuts()
    clock.advance(31)
    assert what_waits(connect) == ["2"]


@pytest.mark.parametrize(
    "more, kept",
    [("", []), ("<private xmlns='urn:xmpp:carbons:2'/>", ["1"])],
    ids=["copy", "none"],
)
def test_a_carbon_copy_is_as_good_as_the_message(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock, more: str, kept: list[str]
) -> None:
    tablet = connect()
    tablet.binds("tablet")
    tablet.sends("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq><presence/>")
    tablet.hears()
    phone.client.cuts()
    say(romeo, "1", to=str(BALCONY), more=more)
    assert len(bodies(tablet.hears())) == 1 - len(kept)
    clock.advance(31)
    assert bodies(tablet.hears()) == kept


def test_without_the_module_managed_sessions_end_and_keep_their_messages(
    phone: Phone, romeo: Any, connect: Callable[[], Any], host: Host
) -> None:
    tablet = Phone(connect(), "tablet", presence=False)
    phone.client.cuts()
    say(romeo, "1")
    result_of(host.modules.swap(["sm"], {}))
    assert "<reset " in tablet.client.hears()
    assert not host.sessions.of(BALCONY.bare)
    assert what_waits(connect) == ["1"]


def test_a_reload_loses_nobody(
    phone: Phone, romeo: Any, connect: Callable[[], Any], host: Host, clock: Clock
) -> None:
    phone.client.cuts()
    say(romeo, "1")
    old = [host.modules.find(cls) for cls in MODULES if cls.name in ("sm", "offline")]
    classes = {type(each): each.options for each in old if each is not None}
    result_of(host.modules.swap([cls.name for cls in classes], classes))
    say(romeo, "2")
    again = connect()
    heard = resume(again, phone.id, 1)
    assert bodies(heard) == ["1", "2"]
    again.sends(f"<a xmlns='{SM}' h='3'/>")
    again.cuts()
    clock.advance(31)
    assert host.sessions.get(BALCONY) is None
    assert what_waits(connect) == []
