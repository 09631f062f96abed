"""A client's connection, from the socket to the session."""

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent

from xmppd import events
from xmppd.c2s import ClientFactory, Extensions, Service
from xmppd.hooks import NORMAL, STOP, Handler, Hook
from xmppd.host import Host
from xmppd.jid import jid
from xmppd.sessions.undurable import MOST, MOST_BYTES
from xmppd.stanza import IQ, Message, StanzaError
from xmppd.storage import DatabaseDown
from xmppd.testing import result_of
from xmppd.xml import Element, StreamError

JULIET = jid("juliet@example.org")
BALCONY = jid("juliet@example.org/balcony")


def hook(host: Host, at: Hook, call: Callable[..., Any]) -> None:
    """As a module would: `call` handles `at` on this host."""
    host.hooks.swap(None, [(at, Handler("test", NORMAL, call))])


def lines(logged: list[dict[str, Any]]) -> list[str]:
    return [
        formatEvent(event) for event in logged if event["log_namespace"].startswith("xmppd.c2s")
    ]


class TestLogin:
    def test_password_and_bind_open_a_session(self, client: Any, host: Host) -> None:
        assert "<success" in client.logs_in()
        assert "<bind " in client.sends(client.header)
        assert "<jid>juliet@example.org/balcony</jid>" in client.asks_for("balcony")
        assert host.sessions.get(BALCONY) is not None
        assert client.wire.reading

    def test_it_is_told_how_long_it_may_be_silent(self, client: Any) -> None:
        """XEP-0478: before login until `login_timeout`, after it until `idle_ping`."""
        assert "<idle-seconds>30</idle-seconds>" in client.sends(client.header)
        client.tries()
        assert "<idle-seconds>300</idle-seconds>" in client.sends(client.header)

    def test_wrong_password_is_not_authorized(self, client: Any) -> None:
        assert "<not-authorized/>" in client.logs_in(password="wrong")

    def test_unknown_user_is_answered_alike(self, connect: Callable[[], Any]) -> None:
        assert connect().logs_in("nobody") == connect().logs_in("mercutio")
        assert connect().logs_in("nobody").endswith(connect().logs_in(password="wrong"))

    def test_database_that_is_down_is_a_temporary_failure(self, client: Any, host: Host) -> None:
        host.database.fail_with(DatabaseDown("away"))  # type: ignore[attr-defined]
        assert "<temporary-auth-failure/>" in client.logs_in()
        host.database.fail_with(None)  # type: ignore[attr-defined]
        assert "<success" in client.tries()

    def test_who_guesses_too_often_has_to_wait(
        self, connect: Callable[[], Any], clock: Any
    ) -> None:
        for _ in range(4):
            guesser = connect()
            guesser.sends(guesser.header)
            for _ in range(3):
                guesser.tries(password="wrong")
        assert "<temporary-auth-failure/>" in connect().logs_in()
        clock.advance(120)
        assert "<success" in connect().logs_in()

    def test_failure_is_logged_with_its_address_and_without_the_password(
        self, client: Any, logged: list[dict[str, Any]]
    ) -> None:
        client.logs_in(password="rosebud")
        (line,) = lines(logged)
        assert "192.168.1.1" in line
        assert "juliet@example.org" in line
        assert "rosebud" not in repr(logged)

    def test_client_is_not_read_from_while_accounts_are_asked(
        self, client: Any, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: Deferred[bool] = Deferred()

        async def slowly(user: str, password: str) -> bool:
            return await asked

        monkeypatch.setattr(host.accounts, "check_password", slowly)
        client.logs_in()
        assert not client.wire.reading
        asked.callback(True)
        assert "<success" in client.hears()
        assert client.wire.reading

    def test_client_that_leaves_while_accounts_are_asked_is_forgotten(
        self,
        client: Any,
        host: Host,
        factory: ClientFactory,
        monkeypatch: pytest.MonkeyPatch,
        logged: list[dict[str, Any]],
    ) -> None:
        asked: Deferred[bool] = Deferred()

        async def slowly(user: str, password: str) -> bool:
            return await asked

        monkeypatch.setattr(host.accounts, "check_password", slowly)
        client.logs_in()
        client.cuts()
        asked.callback(True)
        assert not factory.connections
        assert not [event for event in logged if event.get("log_failure")]


class TestBind:
    def test_refusal_is_told_and_another_resource_may_be_tried(
        self, client: Any, host: Host
    ) -> None:
        def refuse(session: Any) -> None:
            if session.jid == BALCONY:
                raise StanzaError("conflict")

        hook(host, events.session_opening, refuse)
        assert "<conflict " in client.binds()
        assert "/garden</jid>" in client.asks_for("garden")
        assert [session.jid.resource for session in host.sessions] == ["garden"]

    def test_client_that_leaves_while_its_session_opens_has_none(
        self, client: Any, host: Host
    ) -> None:
        loading: Deferred[None] = Deferred()

        async def load(session: Any) -> None:
            await loading

        hook(host, events.session_opening, load)
        client.binds()
        assert not client.wire.reading
        client.cuts()
        loading.callback(None)
        assert len(host.sessions) == 0

    def test_older_session_of_the_same_name_yields(
        self, bound: Any, connect: Callable[[], Any], host: Host
    ) -> None:
        newer = connect()
        assert "<jid>" in newer.binds()
        assert "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in bound.hears()
        assert bound.gone
        assert len(host.sessions) == 1
        bound.connection.dataReceived(b"<presence/>")
        assert next(iter(host.sessions)).presence is None

    def test_session_knows_address_and_security(self, bound: Any, host: Host) -> None:
        session = host.sessions.get(BALCONY)
        assert session is not None
        assert (session.address, session.secure) == ("192.168.1.1", False)


def stores_slowly(host: Host) -> list[Deferred[Any]]:
    """Messages for who is away are stored, each when its Deferred fires."""
    storing: list[Deferred[Any]] = []

    def store(message: Message, user: Any) -> Deferred[Any]:
        storing.append(Deferred())
        return storing[-1]

    hook(host, events.message_storing, store)
    assert result_of(host.accounts.exists("romeo"))
    return storing


class TestStanzas:
    def test_reach_another_session(self, bound: Any, connect: Callable[[], Any]) -> None:
        romeo = connect()
        romeo.binds("garden", "romeo")
        bound.sends("<message to='romeo@example.org/garden' id='1'><body>x</body></message>")
        assert "from='juliet@example.org/balcony'" in romeo.hears()

    def test_malformed_recipient_is_answered_by_the_host(self, bound: Any) -> None:
        answer = bound.sends("<message to='@' id='1'/>")
        assert "from='example.org'" in answer
        assert "<jid-malformed " in answer
        assert not bound.gone

    def test_wait_for_the_one_before_them(self, bound: Any, host: Host) -> None:
        """RFC 6120 §10.1: and the client is not read from meanwhile."""
        storing: Deferred[None] = Deferred()
        seen: list[str | None] = []

        async def store(message: Message, user: Any) -> None:
            await storing

        def sent(stanza: Any, session: Any) -> None:
            seen.append(stanza.id)

        host.hooks.swap(
            None,
            [
                (events.message_storing, Handler("test", NORMAL, store)),
                (events.user_sends, Handler("test", NORMAL, sent)),
            ],
        )
        bound.sends(
            "<message to='romeo@example.org' type='chat' id='1'/>"
            "<message to='romeo@example.org' type='chat' id='2'/></stream:stream>"
        )
        assert seen == ["1"]
        assert not bound.wire.reading
        assert not bound.gone
        storing.callback(None)
        answer = bound.hears()
        assert seen == ["1", "2"]
        assert answer.endswith("</stream:stream>")
        assert bound.gone

    def test_go_on_while_one_is_stored_and_nothing_is_answered_before_it_is_durable(
        self, bound: Any, host: Host
    ) -> None:
        storing, session = stores_slowly(host), host.sessions.get(BALCONY)
        assert session is not None
        heard = bound.sends(
            "<message to='romeo@example.org' type='chat' id='1'/>"
            "<message to='romeo@example.org' type='chat' id='2'/>"
            "<iq type='get' id='q' to='example.org'><x xmlns='urn:unknown'/></iq>"
        )
        assert bound.wire.reading
        assert len(storing) == 2
        assert session.undurable is not None
        assert session.undurable.behind == 3
        storing[0].callback(STOP)
        assert heard + bound.hears() == ""
        storing[1].callback(STOP)
        assert "id='q'" in bound.hears()
        assert session.undurable is None

    def test_that_are_swallowed_count_as_not_durable_too(self, bound: Any, host: Host) -> None:
        stores_slowly(host)
        bound.sends("<message to='romeo@example.org' type='chat'/>")
        host.hooks.swap((), [(events.user_sends, Handler("a", NORMAL, lambda *_: STOP))])
        bound.sends("<message to='romeo@example.org' type='chat'/>")
        session = host.sessions.get(BALCONY)
        assert session is not None
        assert session.undurable is not None
        assert session.undurable.behind == 2

    @pytest.mark.parametrize("size, most", [(1, MOST), (MOST_BYTES // 10 + 1, 10)])
    def test_of_which_one_is_not_durable_yet_are_few(
        self, bound: Any, host: Host, size: int, most: int
    ) -> None:
        """Then the client is not read from, until all are."""
        storing, text = stores_slowly(host), "x" * size
        message = f"<message to='romeo@example.org' type='chat'><body>{text}</body></message>"
        bound.sends(message * (most + 5))
        assert len(storing) == most
        assert not bound.wire.reading
        for each in storing[:most]:
            each.callback(STOP)
        assert len(storing) == most + 5
        assert bound.wire.reading

    def test_that_could_not_be_stored_are_refused_before_what_follows_is_answered(
        self, bound: Any, host: Host
    ) -> None:
        storing = stores_slowly(host)
        bound.sends(
            "<message to='romeo@example.org' type='chat' id='1'/>"
            "<message to='romeo@example.org' type='chat' id='2'/>"
            "<iq type='get' id='q' to='example.org'><x xmlns='urn:unknown'/></iq>"
        )
        storing[0].errback(DatabaseDown("away"))
        assert bound.hears() == ""
        storing[1].callback(None)
        answer = bound.hears()
        assert answer.index("id='1'") < answer.index("id='2'") < answer.index("id='q'")
        assert "<internal-server-error " in answer

    def test_the_end_of_the_stream_is_answered_when_they_are_durable(
        self, bound: Any, host: Host
    ) -> None:
        storing = stores_slowly(host)
        heard = bound.sends("<message to='romeo@example.org' type='chat'/></stream:stream>")
        assert heard == ""
        assert not bound.gone
        storing[0].callback(STOP)
        assert bound.hears() == "</stream:stream>"
        assert bound.gone

    def test_are_stored_although_the_client_is_gone(
        self, bound: Any, host: Host, logged: list[dict[str, Any]]
    ) -> None:
        storing = stores_slowly(host)
        bound.sends("<message to='romeo@example.org' type='chat'/>")
        bound.cuts()
        storing[0].callback(STOP)
        assert not [event for event in logged if event.get("log_failure")]

    def test_held_back_are_dropped_when_the_client_is_gone(
        self, bound: Any, host: Host, logged: list[dict[str, Any]]
    ) -> None:
        storing: Deferred[None] = Deferred()

        async def store(message: Message, user: Any) -> None:
            await storing

        hook(host, events.message_storing, store)
        bound.sends("<message to='romeo@example.org' type='chat'/><presence/>")
        bound.cuts()
        storing.callback(None)
        assert len(host.sessions) == 0
        assert not [event for event in logged if event.get("log_failure")]

    def test_in_the_packet_of_the_bind_are_answered_after_it(self, client: Any) -> None:
        client.logs_in()
        client.sends(client.header)
        answer = client.sends(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
            "<iq type='get' id='q' to='example.org'><x xmlns='urn:unknown'/></iq></stream:stream>"
        )
        assert answer.index("id='b'") < answer.index("id='q'")
        assert answer.endswith("</stream:stream>")

    def test_behind_one_that_ends_the_session_are_dropped(self, bound: Any, host: Host) -> None:
        seen: list[str | None] = []

        def sent(stanza: Any, session: Any) -> None:
            seen.append(stanza.id)
            session.close(StreamError("policy-violation"))

        hook(host, events.user_sends, sent)
        bound.sends("<message id='1'/><message id='2'/>")
        assert seen == ["1"]

    def test_forged_sender_ends_the_stream_and_the_session(self, bound: Any, host: Host) -> None:
        answer = bound.sends("<message from='romeo@example.org' to='juliet@example.org'/>")
        assert answer.endswith("</stream:error></stream:stream>")
        assert "<invalid-from " in answer
        assert bound.gone
        assert len(host.sessions) == 0

    def test_unknown_extension_is_unsupported(self, bound: Any) -> None:
        assert "<unsupported-stanza-type " in bound.sends("<active xmlns='urn:xmpp:csi:0'/>")

    def test_extension_goes_to_whoever_claims_it(self, service: Service, connect: Any) -> None:
        seen: list[tuple[Any, str]] = []

        def take(session: Any, element: Element) -> None:
            seen.append((session.jid, element.name))

        service.extensions = Extensions(
            nonza=lambda host, ns, name: take if ns == "urn:xmpp:csi:0" else None
        )
        client = connect()
        client.binds()
        assert client.sends("<active xmlns='urn:xmpp:csi:0'/>") == ""
        assert seen == [(BALCONY, "active")]


class TestEarlyIQs:
    GET = "<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>"

    @pytest.mark.parametrize(
        "outcome, answer",
        [
            (None, "<iq type='result' id='r' from='example.org'/>"),
            (Element("jabber:iq:register", "query"), "<query xmlns='jabber:iq:register'/>"),
            (StanzaError("not-allowed"), "<not-allowed "),
            (DatabaseDown("away"), "<internal-server-error "),
        ],
    )
    def test_are_answered_by_whoever_claims_them(
        self, service: Service, connect: Any, outcome: Any, answer: str
    ) -> None:
        async def handle(iq: IQ, address: str) -> Element | None:
            assert address == "192.168.1.1"
            if isinstance(outcome, Exception):
                raise outcome
            return outcome  # type: ignore[no-any-return]

        service.extensions = Extensions(
            early_iq=lambda host, ns, name: handle if ns == "jabber:iq:register" else None
        )
        client = connect()
        client.sends(client.header)
        assert answer in client.sends(self.GET)

    def test_that_nobody_claims_are_not_authorized(self, client: Any) -> None:
        client.sends(client.header)
        assert "<not-authorized " in client.sends(self.GET)


class TestEnd:
    def test_clean_close_is_answered_and_the_connection_closed(
        self, bound: Any, host: Host
    ) -> None:
        assert bound.sends("</stream:stream>") == "</stream:stream>"
        assert bound.gone
        assert len(host.sessions) == 0

    def test_lost_connection_closes_the_session_once(self, bound: Any, host: Host) -> None:
        closed: list[str] = []

        def note(session: Any, why: str) -> None:
            closed.append(why)

        hook(host, events.session_closed, note)
        bound.cuts()
        assert len(closed) == 1
        assert len(host.sessions) == 0

    def test_stream_error_is_one_line_at_info_without_traceback(
        self, client: Any, logged: list[dict[str, Any]]
    ) -> None:
        evil = "x" * 500 + "\n"
        client.sends(client.header.replace("example.org", evil.replace("\n", "&#10;")))
        (event,) = [event for event in logged if event["log_namespace"].startswith("xmppd.c2s")]
        line = formatEvent(event)
        assert event["log_level"].name == "info"
        assert "log_failure" not in event
        assert "host-unknown" in line
        assert "192.168.1.1" in line
        assert "\n" not in line
        assert "x" * 257 not in line

    def test_peers_data_is_no_format(self, client: Any, logged: list[dict[str, Any]]) -> None:
        client.sends(client.header.replace("example.org", "{log_time} {nothing"))
        assert "{log_time} {nothing" in lines(logged)[0]

    def test_shutdown_tells_all_and_waits_until_they_are_gone(
        self, bound: Any, connect: Callable[[], Any], factory: ClientFactory
    ) -> None:
        stranger = connect()
        stranger.sends(stranger.header)
        done: list[object] = []
        _ = factory.shutdown().addBoth(done.append)
        for client in (bound, stranger):
            heard = client.hears()
            assert "<system-shutdown " in heard
            assert heard.endswith("</stream:stream>")
        assert done == [None]
        assert factory.buildProtocol(None) is None

    def test_shutdown_of_nobody_is_done_at_once(self, factory: ClientFactory) -> None:
        done: list[object] = []
        _ = factory.shutdown().addBoth(done.append)
        assert done == [None]

    def test_removed_host_resets_its_clients(self, bound: Any, factory: ClientFactory) -> None:
        factory.reset("example.net")
        assert not bound.gone
        factory.reset("example.org")
        assert "<reset " in bound.hears()

    def test_slow_reader_is_let_go(
        self, bound: Any, host: Host, logged: list[dict[str, Any]]
    ) -> None:
        session = host.sessions.get(BALCONY)
        assert session is not None
        bound.connection.max_buffered = 1000
        bound.connection.flush = lambda: None  # the kernel takes nothing
        session.send_bytes(b"x" * 2000)
        bound.clock.advance(0)
        assert len(host.sessions) == 0
        assert any("too slowly" in line for line in lines(logged))
        bound.clock.advance(6)
        assert bound.gone

    def test_session_closed_by_the_server_is_told_why(self, bound: Any, host: Host) -> None:
        session = host.sessions.get(BALCONY)
        assert session is not None
        session.close(StreamError("policy-violation", "enough"))
        assert "<policy-violation " in bound.hears()
        assert bound.gone


class TestTime:
    @pytest.mark.parametrize("says", ["", " \n", "<stream:stream"])
    def test_who_has_not_bound_after_30_seconds_is_let_go(
        self, client: Any, clock: Any, says: str
    ) -> None:
        for _ in range(29):
            clock.advance(1)
            client.sends(says)
        assert not client.gone
        clock.advance(2)
        assert "<connection-timeout " in client.hears()
        assert client.gone

    def test_in_the_middle_of_a_handshake_no_xml_is_sent(self, client: Any, clock: Any) -> None:
        client.sends(client.header)
        client.sends("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        clock.advance(32)
        assert client.hears() == ""
        assert client.gone

    def test_bound_client_is_not_timed_out(self, bound: Any, clock: Any) -> None:
        clock.advance(35)
        assert not bound.gone

    def test_silent_client_is_pinged_and_then_let_go(
        self, bound: Any, clock: Any, host: Host
    ) -> None:
        advance(clock, 299)
        assert bound.hears() == ""
        advance(clock, 3)
        assert "<ping xmlns='urn:xmpp:ping'/>" in bound.hears()
        advance(clock, 62)
        assert "<connection-timeout " in bound.hears()
        assert len(host.sessions) == 0

    @pytest.mark.parametrize("answer", [" ", "<iq type='result' id='idle' to='example.org'/>"])
    def test_whoever_answers_stays(self, bound: Any, clock: Any, answer: str) -> None:
        for _ in range(3):
            advance(clock, 303)
            assert "<ping " in bound.hears()
            assert bound.sends(answer) == ""
        advance(clock, 100)
        assert not bound.gone

    def test_whoever_talks_is_not_pinged(self, bound: Any, clock: Any) -> None:
        for _ in range(20):
            advance(clock, 60)
            assert bound.sends(" ") == ""


def advance(clock: Any, seconds: int) -> None:
    for _ in range(seconds):
        clock.advance(1)


def test_refused_address_gets_no_connection(factory: ClientFactory, service: Service) -> None:
    address = IPv4Address("TCP", "192.0.2.9", 1)
    made = [factory.buildProtocol(address) for _ in range(30)]
    assert made[0] is not None
    assert made[-1] is None


def test_bound_client_counts_no_longer_as_a_stranger(bound: Any, service: Service) -> None:
    assert service.admission.strangers == 0
    bound.cuts()
    assert service.admission.strangers == 0
