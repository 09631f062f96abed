"""Sessions survive a stop of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from tests.unit.c2s.resumption.phones import (
    BALCONY,
    SM,
    Phone,
    bodies,
    resume,
    say,
    stops_and_starts,
    what_waits,
)
from xmppd.host import Host


def test_sessions_survive_a_stop(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock, host: Host
) -> None:
    phone.client.sends(
        "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
        "<presence to='romeo@example.org/orchard'/><presence><priority>7</priority></presence>"
    )
    say(romeo, "1", "2")
    phone.acks(4)
    phone.client.cuts()
    say(romeo, "3")
    session = stops_and_starts(host)
    restored = host.sessions.get(BALCONY)
    assert restored is not None
    assert restored is not session
    assert restored.priority == 7
    assert "unavailable" not in romeo.hears()
    again = connect()
    heard = resume(again, phone.id, 4)
    assert f"<resumed xmlns='{SM}' previd='{phone.id}' h='4'/>" in heard
    assert bodies(heard) == ["2", "3"]
    again.sends(f"<a xmlns='{SM}' h='6'/></stream:stream>")
    assert "unavailable" in romeo.hears()
    assert what_waits(connect) == []
