"""Lost connections and resumed sessions (XEP-0198 §5), with the modules that are usually on."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from xmppd import events
from xmppd.c2s import Extensions, Service
from xmppd.hooks import NORMAL, Handler, spawn
from xmppd.host import Host
from xmppd.jid import jid
from xmppd.module import ModuleHost
from xmppd.module.base import options_of
from xmppd.modules.sm import StreamManagement
from xmppd.testing.stage import bundled, result_of

SM = "urn:xmpp:sm:3"
BALCONY = jid("juliet@example.org/balcony")
MODULES = [cls for cls in bundled() if cls.default_on]  # now, for the database makes their tables
PING = "<iq type='get' id='{}' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture
def options() -> dict[str, dict[str, object]]:
    return {"sm": {"max_resume": 30}}


@pytest.fixture
def host(host: Host, options: dict[str, dict[str, object]]) -> Host:
    host.modules = ModuleHost(host)
    wanted = {cls: options_of(cls)(**options.get(cls.name, {})) for cls in MODULES}
    result_of(host.modules.start(wanted))
    return host


@pytest.fixture
def service(service: Service) -> Service:
    service.extensions = Extensions(nonza=lambda host, ns, name: host.modules.nonza(ns, name))
    return service


class Phone:
    """Juliet's, with stream management."""

    def __init__(self, client: Any, resource: str = "balcony", *, presence: bool = True) -> None:
        self.client = client
        assert "<jid>" in client.binds(resource)
        enabled = client.sends(f"<enable xmlns='{SM}' resume='true'/>")
        found = re.search("id='(.*?)'", enabled)
        assert found, enabled
        assert "resume='true'" in enabled
        assert "max='30'" in enabled
        self.id = found[1]
        if presence:
            client.sends("<presence/>")

    def acks(self, h: int) -> str:
        heard: str = self.client.sends(f"<a xmlns='{SM}' h='{h}'/>")
        return heard


@pytest.fixture
def phone(client: Any, host: Host) -> Phone:
    """Its own presence has come, and is acknowledged."""
    phone = Phone(client)
    phone.acks(1)
    return phone


@pytest.fixture
def romeo(connect: Callable[[], Any], host: Host) -> Any:
    client = connect()
    assert "<jid>" in client.binds("orchard", "romeo")
    return client


def say(romeo: Any, *bodies: str, to: str = "juliet@example.org", more: str = "") -> str:
    heard: str = romeo.sends(
        "".join(
            f"<message to='{to}' type='chat' id='{b}'><body>{b}</body>{more}</message>"
            for b in bodies
        )
    )
    return heard


def bodies(heard: str) -> list[str]:
    return re.findall("<body>(.*?)</body>", heard)


def resume(client: Any, id_: str, h: object, user: str = "juliet") -> str:
    assert "<success" in client.logs_in(user)
    assert f"<sm xmlns='{SM}'/>" in client.sends(client.header)
    heard: str = client.sends(f"<resume xmlns='{SM}' previd='{id_}' h='{h}'/>")
    return heard


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
    tablet = connect()
    tablet.binds("tablet")
    tablet.sends("<presence/>")
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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == []


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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == ["2"]


def test_what_another_session_got_is_not_kept(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock
) -> None:
    tablet = connect()
    tablet.binds("tablet")
    tablet.sends("<presence/>")
    say(romeo, "1")
    phone.client.cuts()
    say(romeo, "2")
    assert bodies(tablet.hears()) == ["1", "2"]
    clock.advance(31)
    assert bodies(tablet.hears()) == []
    tablet.sends("</stream:stream>")
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == []


def test_a_message_to_the_full_address_goes_to_another_session_in_the_end(
    phone: Phone, romeo: Any, connect: Callable[[], Any], clock: Clock
) -> None:
    tablet = connect()
    tablet.binds("tablet")
    tablet.sends("<presence/>")
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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == list(map(str, range(30)))


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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == list(map(str, range(30)))


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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == ["1"]


def test_offline_messages_are_kept_until_acknowledged(
    romeo: Any, connect: Callable[[], Any], host: Host, clock: Clock
) -> None:
    say(romeo, "1", "2")
    phone = Phone(connect())
    phone.acks(2)  # its presence, and one message
    phone.client.sends(PING.format("p"))
    phone.client.cuts()
    clock.advance(31)
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == ["2"]


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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == ["1"]


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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == []


# Within the login (§9)


def authenticate(inner: str) -> str:
    data = base64.b64encode(b"\0juliet\0secret").decode()
    return (
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>"
        f"<initial-response>{data}</initial-response>{inner}</authenticate>"
    )


ENABLE = (
    "<bind xmlns='urn:xmpp:bind:0'><tag>t</tag>"
    f"<enable xmlns='{SM}' resume='true'/><enable xmlns='urn:xmpp:carbons:2'/></bind>"
)


def test_all_in_one_round_trip(client: Any, romeo: Any, connect: Callable[[], Any]) -> None:
    offer = client.sends(client.header)
    assert f"<sm xmlns='{SM}'/>" in offer
    assert f"<feature var='{SM}'/>" in offer
    assert "<feature var='urn:xmpp:carbons:2'/>" in offer
    answer = client.sends(authenticate(ENABLE))
    found = re.search(rf"<bound .*<enabled xmlns='{SM}' id='(.*?)'", answer)
    assert found, answer
    client.sends("<presence/>")
    say(romeo, "1")
    client.cuts()
    again = connect()
    again.sends(again.header)
    resume = f"<resume xmlns='{SM}' previd='{found[1]}' h='1'/>"
    answer = again.sends(authenticate(resume + ENABLE))
    assert f"<resumed xmlns='{SM}' previd='{found[1]}' h='1'/></success>" in answer
    assert "<bound" not in answer
    assert "<stream:features" not in answer
    assert answer.index("</success>") < answer.index("<message ")
    assert bodies(answer) == ["1"]
    assert "type='result'" in again.sends(PING.format(1))


def test_failed_resumption_binds(client: Any, host: Host) -> None:
    client.sends(client.header)
    resume = f"<resume xmlns='{SM}' previd='gone' h='1'/>"
    answer = client.sends(authenticate(resume + ENABLE))
    assert f"<failed xmlns='{SM}'><item-not-found " in answer
    assert answer.index("<failed ") < answer.index("<bound ")
    assert f"<enabled xmlns='{SM}' id=" in answer


# Rooms

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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == []


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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == []


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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == ["1", "2", "3"]


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
    session = host.sessions.get(BALCONY)
    sm = host.modules.find(StreamManagement)
    assert session is not None
    assert sm is not None
    host.sessions.remove(session)  # the process is gone
    sm._cancel(session)
    result_of(host.hooks.of(events.host_started).wait(host.domain))
    again = connect()
    assert bodies(resume(again, phone.id, 1)) == ["1"]
    again.sends(f"<a xmlns='{SM}' h='2'/></stream:stream>")
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == []


# What client state (XEP-0352) has held back when the connection is lost

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
    tablet = connect()
    tablet.binds("tablet")
    tablet.sends("<presence/>")
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
    tablet = connect()
    tablet.binds("tablet")
    tablet.sends("<presence/>")
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
    sm = host.modules.find(StreamManagement)
    assert sm is not None
    result_of(host.hooks.of(events.host_stopping).wait(host.domain))
    session = host.sessions.get(BALCONY)
    assert session is not None
    host.sessions.remove(session)  # the process is gone
    sm._cancel(session)
    result_of(host.hooks.of(events.host_started).wait(host.domain))
    assert reactions(resume(connect(), asleep.id, 1)) == ["1"]


# A restart


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
    fresh = connect()
    fresh.binds("fresh")
    assert bodies(fresh.sends("<presence/>")) == []
