"""Limits for connections that have not proven who they are."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from xmppd.transport.admission import Admission, AdmissionLimits, MemoryPressure, Ticket


def _admission(clock: Clock, descriptor_limit: int = 100_000, **limits: object) -> Admission:
    return Admission(
        clock.seconds,
        AdmissionLimits(**limits),  # type: ignore[arg-type]
        descriptor_limit=descriptor_limit,
        descriptors=lambda: 10,
    )


def _admit(admission: Admission, address: str, times: int) -> list[Ticket]:
    tickets = [admission.admit(address) for _ in range(times)]
    return [ticket for ticket in tickets if ticket is not None]


def test_an_address_has_twenty_new_connections_a_second(clock: Clock) -> None:
    admission = _admission(clock)
    assert len(_admit(admission, "192.0.2.1", 30)) == 20
    assert len(_admit(admission, "192.0.2.2", 1)) == 1
    clock.advance(0.5)
    assert len(_admit(admission, "192.0.2.1", 30)) == 10
    assert admission.refused == {"rate": 30}


def test_an_address_has_a_hundred_strangers(clock: Clock) -> None:
    admission = _admission(clock)
    tickets = []
    for _ in range(10):
        tickets += _admit(admission, "192.0.2.1", 20)
        clock.advance(1)
    assert len(tickets) == 100
    tickets[0].authenticated()
    tickets[1].release()
    assert len(_admit(admission, "192.0.2.1", 5)) == 2


@pytest.mark.parametrize(
    "one, other, shared",
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_addresses_are_counted_by_32_and_64_bits(
    clock: Clock, one: str, other: str, shared: bool
) -> None:
    admission = _admission(clock)
    _admit(admission, one, 20)
    assert (admission.admit(other) is None) is shared


def test_loopback_counts_and_exempt_networks_do_not(clock: Clock) -> None:
    admission = _admission(clock, exempt=("10.0.0.0/8", "::1/128"))
    assert len(_admit(admission, "127.0.0.1", 50)) == 20
    assert len(_admit(admission, "10.1.2.3", 500)) == 500
    assert len(_admit(admission, "::1", 500)) == 500
    assert len(_admit(admission, "", 500)) == 500


def test_strangers_have_half_of_the_descriptors(clock: Clock) -> None:
    admission = _admission(clock, 1000)
    tickets = _admit(admission, "", 600)
    assert len(tickets) == 500
    tickets[0].authenticated()
    assert admission.admit("") is not None
    assert admission.admit("") is None


@pytest.mark.parametrize("limit, most", [(1000, 900), (200, 136)])
def test_a_reserve_of_descriptors_is_kept(clock: Clock, limit: int, most: int) -> None:
    admission = _admission(clock, limit)
    open_now = 10
    while (ticket := admission.admit("")) is not None:
        ticket.authenticated()
        open_now += 1
    assert open_now == most
    assert admission.refused == {"descriptors": 1}


def test_descriptors_of_others_are_counted(clock: Clock) -> None:
    used = [10]
    admission = Admission(clock.seconds, descriptor_limit=1000, descriptors=lambda: used[0])
    assert admission.admit("") is not None
    used[0] = 950
    clock.advance(5)
    assert admission.admit("") is None


def test_the_operator_hears_of_refusals_once_a_minute(clock: Clock) -> None:
    told: list[str] = []
    globalLogPublisher.addObserver(observer := lambda event: told.append(formatEvent(event)))
    admission = _admission(clock)
    _admit(admission, "192.0.2.1", 40)
    clock.advance(60)
    _admit(admission, "192.0.2.1", 40)
    globalLogPublisher.removeObserver(observer)
    assert len(told) == 2
    assert "192.0.2.1 was refused: too many new connections a second" in told[0]


def test_tickets_may_be_given_back_twice_and_in_any_order(clock: Clock) -> None:
    admission = _admission(clock)
    ticket = admission.admit("192.0.2.1")
    assert ticket is not None
    for step in (ticket.authenticated, ticket.authenticated, ticket.release, ticket.release):
        step()
    other = admission.admit("192.0.2.1")
    assert other is not None
    other.release()
    other.authenticated()
    assert admission.strangers == 0


def test_the_known_share_a_ticket_and_each_gives_its_place_back(clock: Clock) -> None:
    admission = Admission(
        clock.seconds,
        AdmissionLimits(reserve=0, descriptor_share=1.0),
        descriptor_limit=4,
        descriptors=lambda: 0,
    )
    tickets = [admission.admit(f"192.0.2.{last}") for last in (1, 2)]
    known = []
    for ticket in tickets:
        assert ticket is not None
        assert ticket.exchanged() is ticket  # a stranger keeps its own
        ticket.authenticated()
        known.append(ticket.exchanged())
    assert known[0] is known[1]
    others = [admission.admit(f"192.0.2.{last}") for last in (3, 4, 5)]
    assert [other is not None for other in others] == [True, True, False]
    for ticket in known:
        ticket.release()
    assert admission.strangers == 2
    again = [admission.admit(f"192.0.2.{last}") for last in (6, 7)]
    assert again[0] is None  # strangers have half of the places
    assert others[0] is not None
    others[0].release()
    assert admission.admit("192.0.2.8") is not None


def test_the_table_of_addresses_is_bounded_and_forgets(clock: Clock) -> None:
    admission = _admission(clock, addresses=10)
    tickets = [admission.admit(f"192.0.2.{n}") for n in range(15)]
    assert [ticket is not None for ticket in tickets] == [True] * 10 + [False] * 5
    for ticket in tickets[1:10]:
        assert ticket is not None
        ticket.release()
    clock.advance(2)
    assert admission.admit("198.51.100.1") is not None
    assert len(admission._table) == 2


def test_nobody_new_comes_in_when_memory_is_short(clock: Clock) -> None:
    resident = [79]
    pressure = MemoryPressure(clock.seconds, 100, lambda: resident[0])
    admission = Admission(clock.seconds, descriptor_limit=1000, pressed=pressure)
    assert admission.admit("192.0.2.1") is not None
    resident[0] = 81
    clock.advance(1)
    assert admission.admit("192.0.2.1") is None
    assert admission.refused == {"memory": 1}
