"""Occupants of rooms whose connection is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.unit.c2s.resumption.phones import (
    SM,
    Phone,
    bodies,
    resume,
    what_waits,
)

HALL = "hall@conference.example.org"
ENTERS = f"<presence to='{HALL}/{{}}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
UNLOCK = (
    f"<iq type='set' id='c' to='{HALL}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
    "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
)


@pytest.fixture
def hall(phone: Phone, romeo: Any) -> None:
    """A room with both of them in it; the phone has acknowledged all that it was told."""
    phone.client.sends(ENTERS.format("Juliet"))
    phone.client.sends(UNLOCK)
    romeo.sends(ENTERS.format("Romeo"))
    heard = phone.client.hears()
    phone.client.sends(f"<a xmlns='{SM}' h='{_counted(phone)}'/>")
    assert "policy" not in heard


def _counted(phone: Phone) -> int:
    session = phone.client.connection.session
    return int(session.managed.sent)


def test_an_occupant_whose_connection_is_lost_stays_and_misses_nothing(
    phone: Phone, romeo: Any, connect: Callable[[], Any], hall: None
) -> None:
    before = _counted(phone)
    phone.client.cuts()
    assert "unavailable" not in romeo.hears()
    for said in ("1", "2", "3"):
        romeo.sends(f"<message to='{HALL}' type='groupchat'><body>{said}</body></message>")
    romeo.sends(f"<presence to='{HALL}/Romeo'><show>away</show></presence>")
    romeo.sends(f"<presence to='{HALL}/Romeo'><show>xa</show></presence>")
    again = connect()
    heard = resume(again, phone.id, before)
    assert bodies(heard) == ["1", "2", "3"]
    assert re.findall("<show>(.*?)</show>", heard) == ["xa"]
    again.sends(f"<message to='{HALL}' type='groupchat'><body>4</body></message>")
    assert bodies(again.hears() + romeo.hears())[-1] == "4"


def test_an_occupant_who_does_not_come_back_leaves_and_the_room_is_stored_for_nobody(
    phone: Phone, romeo: Any, connect: Callable[[], Any], hall: None, clock: Clock
) -> None:
    phone.client.cuts()
    romeo.sends(f"<message to='{HALL}' type='groupchat'><body>1</body></message>")
    romeo.hears()
    clock.advance(31)
    assert f"from='{HALL}/Juliet'" in romeo.hears()
    assert what_waits(connect) == []
