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
    what_waits,
)
from xmppd import events
from xmppd.host import Host
from xmppd.modules.sm import StreamManagement
from xmppd.testing.stage import result_of


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
    sm = host.modules.find(StreamManagement)
    assert sm is not None
    result_of(host.hooks.of(events.host_stopping).wait(host.domain))
    session = host.sessions.get(BALCONY)
    assert session is not None
    host.sessions.remove(session)  # the process is gone
    sm._cancel(session)
    result_of(host.hooks.of(events.host_started).wait(host.domain))
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
