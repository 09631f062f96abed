"""What is stored of sessions that are lost, and who is given it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.unit.c2s.resumption.phones import (
    BALCONY,
    SM,
    Phone,
    bodies,
    dies_and_starts,
    resume,
    say,
    what_waits,
)
from xmppd import events
from xmppd.hooks import spawn
from xmppd.host import Host
from xmppd.modules.sm import StreamManagement
from xmppd.sessions.undurable import MOST

PRIVATE = "<private xmlns='urn:xmpp:carbons:2'/>"


def test_who_has_a_message_in_its_queue_is_not_given_its_copy(
    phone: Phone, romeo: Any, connect: Callable[[], Any]
) -> None:
    """The end of another session looks for those who could take what is stored."""
    tablet = Phone(connect(), "tablet")
    phone.client.cuts()
    say(romeo, "1", to=str(BALCONY), more=PRIVATE)
    again = connect()
    assert bodies(resume(again, phone.id, 2)) == ["1"]
    tablet.client.sends("</stream:stream>")
    assert bodies(again.hears()) == []
    say(romeo, "2")
    assert bodies(again.hears()) == ["2"]


class Later:
    """A repository's method that does what it was called for when it is told to."""

    def __init__(self, repository: Any, name: str) -> None:
        self.calls: list[Any] = []
        self._method = getattr(repository, name)
        self._waiting: list[Deferred[Any]] = []
        setattr(repository, name, self._call)

    def _call(self, given: Any) -> Deferred[Any]:
        self.calls.append(given)
        begun: Deferred[Any] = Deferred()
        self._waiting.append(begun)
        return begun.addCallback(lambda _: self._method(given))

    def goes_on(self) -> None:
        self._waiting.pop(0).callback(None)


def test_a_copy_that_is_stored_late_is_not_given_to_who_has_the_message(
    phone: Phone, romeo: Any, connect: Callable[[], Any], host: Host
) -> None:
    phone.client.cuts()
    put = Later(host.modules.get("offline").queue, "put")  # type: ignore[union-attr]
    say(romeo, "1", to=str(BALCONY), more=PRIVATE)
    again = connect()
    assert bodies(resume(again, phone.id, 1)) == ["1"]
    put.goes_on()
    assert bodies(again.hears()) == []
    again.sends(f"<a xmlns='{SM}' h='2'/></stream:stream>")
    assert what_waits(connect) == []


def test_those_who_are_lost_together_are_stored_together(
    connect: Callable[[], Any], host: Host
) -> None:
    """A network that fails must not fill the line of those who wait for the database."""
    phones = [Phone(connect(), f"r{number}", presence=False) for number in range(15)]
    put_all = Later(host.modules.find(StreamManagement).store, "put_all")  # type: ignore[union-attr]
    for phone in phones:
        phone.client.cuts()
    assert len(put_all.calls) == 1
    put_all.goes_on()
    assert [len(call) for call in put_all.calls] == [1, 14]
    put_all.goes_on()
    assert "<resumed " in resume(connect(), phones[7].id, 0)


def test_a_message_to_who_was_just_lost_is_stored_after_those_that_waited_longer(
    phone: Phone, romeo: Any, connect: Callable[[], Any], host: Host, clock: Clock
) -> None:
    first = Phone(connect(), "first", presence=False)
    say(romeo, "1", "2")
    put_all = Later(host.modules.find(StreamManagement).store, "put_all")  # type: ignore[union-attr]
    first.client.cuts()
    phone.client.cuts()  # and waits until the first is stored
    say(romeo, "3")
    put_all.goes_on()
    put_all.goes_on()
    clock.advance(31)
    assert what_waits(connect) == ["1", "2", "3"]


def test_a_stop_waits_for_what_is_on_its_way(
    phone: Phone, romeo: Any, connect: Callable[[], Any], host: Host, clock: Clock
) -> None:
    """Else a message is stored, and nobody knows where when its client is back."""
    phone.client.cuts()
    put = Later(host.modules.get("offline").queue, "put")  # type: ignore[union-attr]
    say(romeo, "1")
    stopped: list[object] = []
    stopping = spawn(host.hooks.of(events.host_stopping).wait(host.domain))
    _ = stopping.addCallback(stopped.append)
    clock.advance(1)
    assert not stopped
    put.goes_on()
    clock.advance(1)
    assert stopped
    dies_and_starts(host)
    again = connect()
    assert bodies(resume(again, phone.id, 1)) == ["1"]
    again.sends(f"<a xmlns='{SM}' h='2'/></stream:stream>")
    assert what_waits(connect) == []


def test_who_is_cut_off_when_no_more_may_be_under_way_can_come_back(
    phone: Phone, connect: Callable[[], Any], host: Host
) -> None:
    say(phone.client, "first", to="romeo@example.org")  # who that is has to be looked up
    put = Later(host.modules.get("offline").queue, "put")  # type: ignore[union-attr]
    say(phone.client, *(f"{number}" for number in range(MOST + 1)), to="romeo@example.org")
    session = host.sessions.get(BALCONY)
    assert session is not None
    assert session.undurable is not None
    assert session.undurable.full
    phone.client.cuts()
    again = connect()
    assert resume(again, phone.id, 1) == ""
    for _ in range(MOST):
        put.goes_on()
    assert f"<resumed xmlns='{SM}' previd='{phone.id}' h='{MOST + 2}'/>" in again.hears()
