"""What client state (XEP-0352) has held back when the connection is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.unit.c2s.resumption.phones import (
    PING,
    SM,
    Phone,
    online,
    resume,
    stops_and_starts,
)
from xmppd.host import Host
from xmppd.testing.stage import result_of

INACTIVE = "<inactive xmlns='urn:xmpp:csi:0'/>"


def reacts(romeo: Any, *ids: str) -> None:
    """Messages for which nobody is called to the screen."""
    for id_ in ids:
        assert not romeo.sends(
            f"<message to='juliet@example.org' type='chat' id='{id_}'><reactions id='m'"
            " xmlns='urn:xmpp:reactions:0'><reaction>!</reaction></reactions>"
            "<store xmlns='urn:xmpp:hints'/></message>"
        )


def reactions(heard: str) -> list[str]:
    return re.findall(r"<message [^>]*id='(.*?)'", heard)


@pytest.fixture
def asleep(phone: Phone, connect: Callable[[], Any]) -> Phone:
    """Nobody looks at its screen."""
    phone.client.sends(INACTIVE)
    return phone


def test_what_client_state_holds_back_comes_with_the_resumed_session(
    asleep: Phone, romeo: Any, connect: Callable[[], Any]
) -> None:
    reacts(romeo, "1", "2")
    assert asleep.client.hears() == ""
    asleep.client.cuts()
    reacts(romeo, "3")
    again = connect()
    heard = resume(again, asleep.id, 1)
    assert reactions(heard) == ["1", "2", "3"]
    assert heard.count("<delay") == 3
    again.sends(f"<a xmlns='{SM}' h='4'/>")
    reacts(romeo, "4")  # active again (§5.2)
    assert reactions(again.hears()) == ["4"]


@pytest.mark.parametrize("how", ["expired", "closed", "replaced", "without a session to resume"])
def test_what_client_state_holds_back_is_kept_when_the_session_ends(
    romeo: Any, connect: Callable[[], Any], clock: Clock, host: Host, how: str
) -> None:
    client = connect()
    if how.startswith("without"):
        client.binds("balcony")
        client.sends("<presence/>")
    else:
        Phone(client).acks(1)
    client.sends(INACTIVE)
    reacts(romeo, "1", "2")
    if how == "closed":
        client.sends("</stream:stream>")
    elif how != "replaced":
        client.cuts()
    if how == "expired":
        clock.advance(31)
    fresh = connect()
    fresh.binds("balcony" if how == "replaced" else "fresh")
    heard = fresh.sends("<presence/>")
    assert reactions(heard) == ["1", "2"]
    assert heard.count("<delay") == 2
    fresh.sends(PING.format("p"))
    other = connect()
    other.binds("other")
    assert reactions(other.sends("<presence/>")) == []


def test_what_client_state_holds_back_is_stored_when_the_connection_is_lost(
    asleep: Phone, romeo: Any, host: Host
) -> None:
    """So that neither a kill costs it."""
    reacts(romeo, "1")
    offline = host.modules.get("offline")
    assert len(result_of(offline.queue.after("juliet", 0))) == 0  # type: ignore[union-attr]
    asleep.client.cuts()
    assert len(result_of(offline.queue.after("juliet", 0))) == 1  # type: ignore[union-attr]
    reacts(romeo, "2")
    assert len(result_of(offline.queue.after("juliet", 0))) == 2  # type: ignore[union-attr]


def test_what_another_session_got_is_not_kept_though_it_was_held_back_here(
    asleep: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock
) -> None:
    tablet = online(connect, "tablet")
    reacts(romeo, "1")
    assert reactions(tablet.hears()) == ["1"]
    asleep.client.cuts()
    clock.advance(31)
    tablet.sends("</stream:stream>")
    fresh = connect()
    fresh.binds("fresh")
    assert reactions(fresh.sends("<presence/>")) == []


def test_a_session_that_came_later_has_not_got_what_was_held_back_before(
    asleep: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock
) -> None:
    reacts(romeo, "1")
    clock.advance(1)
    tablet = online(connect, "tablet")
    tablet.hears()
    asleep.client.cuts()
    clock.advance(31)
    assert reactions(tablet.hears()) == ["1"]


def test_of_presence_held_back_the_last_is_told_after_the_resumption(
    asleep: Phone, connect: Callable[[], Any]
) -> None:
    tablet = connect()
    tablet.binds("tablet")
    for show in ("away", "dnd"):
        tablet.sends(f"<presence><show>{show}</show></presence>")
    asleep.client.cuts()
    tablet.sends("<presence><show>xa</show></presence>")
    heard = resume(connect(), asleep.id, 1)
    assert re.findall("<show>(.*?)</show>", heard) == ["xa"]


def test_what_client_state_holds_back_survives_a_stop(
    asleep: Phone, romeo: Any, connect: Callable[[], Any], host: Host
) -> None:
    reacts(romeo, "1")
    asleep.client.cuts()
    stops_and_starts(host)
    assert reactions(resume(connect(), asleep.id, 1)) == ["1"]
