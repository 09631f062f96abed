"""One client: its connection, its stream, and after the bind its session."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd import events
from xmppd.auth import AuthBusy
from xmppd.c2s.channel import channel_of
from xmppd.c2s.login import resource_for
from xmppd.c2s.service import Service
from xmppd.hooks import STOP, HandlerCrashed
from xmppd.host import Host
from xmppd.jid import JID, jid, make_jid
from xmppd.ns import BIND2, PING, SM
from xmppd.routing import Intake
from xmppd.routing.iqs import refusal
from xmppd.sessions import CLOSED_BY_CLIENT, Binding, Login, Resumption, Session, TokenCheck
from xmppd.stanza import IQ, Stanza, StanzaError, error_reply
from xmppd.storage import StorageError
from xmppd.stream.core import ClientStream
from xmppd.stream.events import (
    Authenticated,
    AuthFailed,
    BindRequest,
    Closed,
    EarlyIQ,
    Event,
    LoggingIn,
    OwnAnswer,
    Restarted,
    ResumeRequest,
    StartTLS,
    StreamNonza,
)
from xmppd.stream.management import failed
from xmppd.stream.sasl import AskKeys, AskPassword, AskToken, Channel
from xmppd.stream.sasl2 import Authenticate
from xmppd.stream.states import State
from xmppd.transport.connection import CLOSE_TIMEOUT_S, Pause
from xmppd.transport.driver import SHOWN, StreamDriver, detail_of
from xmppd.transport.wheel import Timer
from xmppd.xml import Element, StreamError, to_xml

if TYPE_CHECKING:
    from xmppd.c2s.factory import ClientFactory

log = Logger()

# Of silence, after which a session's parser gives its 10 kB back; to wake it costs 2 µs.
DOZE_S = 2.0
RESTART_S = 0.002  # from the header of a restarted stream to our answer
# Errors of ours after which the client may come back and resume its session.
RESUMABLE = frozenset(("connection-timeout", "system-shutdown"))


class _Write(Protocol):
    def __call__(self, data: bytes) -> None: ...


class _Outlet:
    """The connection as its session sees it (`xmppd.sessions.Outlet`)."""

    __slots__ = ("_connection", "write")

    def __init__(self, connection: "ClientConnection") -> None:
        self._connection = connection
        self.write: _Write = connection.write

    def close(self, error: StreamError | None = None) -> None:
        self._connection.end(error)

    def detach(self) -> None:
        self._connection.yield_session()

    def pause(self) -> None:
        self._connection.pause(Pause.SLOW_READER)

    def resume(self) -> None:
        self._connection.resume(Pause.SLOW_READER)

    def hold(self) -> None:
        self._connection.hold_output()

    def release(self) -> None:
        self._connection.release_output()

    @contextmanager
    def ahead(self) -> Iterator[None]:
        self.write = self._connection.write_ahead
        try:
            yield
        finally:
            self.write = self._connection.write

    @property
    def buffered(self) -> int:
        return self._connection.buffered


class ClientConnection(StreamDriver[Event]):
    """Drives a `ClientStream`: asks accounts, opens the session, hands its stanzas on."""

    stream: ClientStream

    __slots__ = (
        "_factory",
        "_heard_at",
        "_intake",
        "_left",
        "_seconds",
        "_service",
        "_timer",
        "_trying",
        "_unfinished",
        "session",
    )

    def __init__(self, factory: "ClientFactory", service: Service) -> None:
        super().__init__(service.flusher, service.wheel)
        self.max_buffered = service.options.limits.outbound_bytes
        self.max_waiting = service.options.limits.outbound_stanzas
        self.session: Session | None = None
        self._factory: ClientFactory = factory
        self._service = service
        self._intake: Intake  # once there is a session
        self._left: Deferred[None] | None = None  # fires when that is done, if nobody is here
        self._unfinished = True  # the stream was not closed: the session may be resumed
        self._seconds = service.clock.seconds
        self._heard_at = 0.0
        self._dozing = False
        self._timer: Timer | None = None
        self._trying = ""  # the account that somebody tries to log in to
        self.stream = self._new_stream(secure=False)

    def _new_stream(self, *, secure: bool) -> ClientStream:
        service = self._service
        return ClientStream(
            service.hosts,
            self._channel,
            service.policy,
            secure=secure,
            more_features=self._features,
            early=self._answers_early,
            inline=self._inline,
        )

    # From the transport

    def opened(self) -> None:
        if self.direct_tls is not None:
            self.stream = self._new_stream(secure=True)
        self._timer = self._wheel.add(self._service.options.login_timeout, self._late)
        self._factory.connections.add(self)

    def secured(self) -> None:
        if self.stream.state is State.SECURING:  # else TLS was there from the first byte on
            self.stream.tls_ready()

    def received(self, data: bytes) -> None:
        self._heard_at = self._seconds()
        if self._dozing:
            self._wake()
        happened = self.stream.receive(data)  # as the driver's, without a call more for each read
        if self._queue or self._waits:
            self._queue = [*self._queue, *happened]
        else:
            self._handle(happened)

    def tls_failed(self, why: str) -> None:
        self.say("TLS failed: {why}", why=why)

    def overflowed(self) -> None:
        error = StreamError("policy-violation", f"reads too slowly: {self.buffered} bytes wait")
        # Not now: whoever wrote may be in the middle of telling many sessions something.
        self._flusher.call_soon(partial(self.end, error))

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S, why: str = "closed by us") -> None:
        """As the transport's; the session goes at once, for what is written now is dropped."""
        self._leave(why)
        super().close(timeout_s, why)

    def lost(self, why: str) -> None:
        self._factory.gone(self)
        if self._timer is not None:
            self._timer.cancel()
        self._queue = ()
        self.stream.close()
        self._leave(why)

    def _leave(self, why: str) -> None:
        session, self.session = self.session, None
        if session is None:
            return
        if self._unfinished and session.managed is not None and session.managed.id:
            self.say("session hibernates: {why}", who=session.jid, why=why)
            self._leave_work(session)
            self._intake.hibernate(session, why)
        else:
            self.say("session closed: {why}", who=session.jid, why=why)
            self._intake.close(session, why)

    def _leave_work(self, session: Session) -> None:
        """The stanza that is being handled counts as one whose storing is under way: who resumes
        the session waits for it.
        """
        if self._waits:
            self._left = Deferred()
            session.hold_for(self._left)
            assert session.undurable is not None
            session.undurable.taken(0)

    def yield_session(self) -> None:
        """The client resumes its session on another connection (XEP-0198 §5)."""
        self._leave("its client resumes it elsewhere")
        self.end(StreamError("conflict"))

    @property
    def domain(self) -> str:
        """The host that the client's header named; "" before that."""
        return self.stream.domain

    # What the stream says

    def _handle(self, happened: Sequence[Event]) -> None:
        """Take events in order, until one has to be waited for."""
        if self.stream.outgoing:
            self.flush_stream()  # the bind's result comes before any answer of the session
        for position, event in enumerate(happened):
            if not isinstance(event, Stanza):
                self._take(event)
                continue
            session = self.session
            if session is None:
                return  # closed meanwhile: what it said late is dropped
            done = self._intake.accept(session, event)
            if done is not None and self._wait_for(done):
                self._queue = [*self._queue, *happened[position + 1 :]]
                return

    def _waited(self) -> None:
        if self._left is not None:
            self._left.callback(None)
            self._left = None

    def _take(self, event: Event) -> None:
        """All but the stanzas of a session; while the stream waits for us it gives no others."""
        if isinstance(event, Closed):
            self._closed(event)
        elif isinstance(event, StartTLS):
            self._start_tls()
        elif isinstance(event, AskKeys | AskPassword | AskToken):
            self._apart(self._prove(event))
        elif isinstance(event, LoggingIn):
            self._apart(self._enter(event))
        elif isinstance(event, Authenticated):
            self._service.attempts.succeeded(self.peer_address, event.user)
        elif isinstance(event, AuthFailed):
            self._failed(event)
        elif isinstance(event, BindRequest):
            self._apart(self._bind(event.full))
        elif isinstance(event, EarlyIQ):
            self._apart(self._answer_early(event.iq))
        elif isinstance(event, StreamNonza):
            self._nonza(event.nonza.element)
        elif isinstance(event, ResumeRequest):
            self._apart(self._resume(event.resume))
        elif isinstance(event, OwnAnswer):
            self._answer_own(event)
        elif isinstance(event, Restarted):
            self._wait_for_listener()

    def _closed(self, event: Closed) -> None:
        """The stream is over: so is the connection, as soon as our last words are sent."""
        self.flush_stream()
        resumable = event.error is not None and event.error.condition in RESUMABLE
        self._unfinished = resumable or event.peer_error is not None
        why = CLOSED_BY_CLIENT if event.by_peer and not self.stalled else "stream closed"
        self.write(event.farewell)
        if event.error is not None:
            why = f"stream error {event.error.condition}"
            self.say("{why}{detail}", why=why, detail=detail_of(event.error))
        elif event.peer_error is not None:
            why = f"client sent stream error {event.peer_error!r:.{SHOWN}}"
        self.close(why=why)

    def say(self, message: str, **values: object) -> None:
        """One line for the operator."""
        address = self.peer_address or "local socket"
        who = str(values.pop("who", self.stream.user) or "client")[:SHOWN]
        log.info("{who} at {address}: " + message, who=who, address=address, **values)

    # Negotiation

    def _host_now(self) -> Host | None:
        return self._service.hosts.get(self.stream.domain)

    def _features(self, domain: str, state: State) -> str:
        host = self._service.hosts.get(domain)
        if host is None:
            return ""
        return self._service.offers.of(
            host, "before_bind" if state is State.KNOWN else "before_auth"
        )

    def _channel(self, domain: str) -> Channel:
        host = self._service.hosts.get(domain)
        more = () if host is None else host.hooks.of(events.sasl_mechanisms).gather()
        return replace(channel_of(self, domain), more=tuple(more))

    def _start_tls(self) -> None:
        self.flush_stream()
        self.start_tls(self._service.certificates.context(self.stream.domain))

    def _inline(self, domain: str, tokens: tuple[str, ...]) -> str:
        host = self._service.hosts.get(domain)
        return "" if host is None else self._service.offers.inline(host, tokens)

    async def _prove(self, event: AskKeys | AskPassword | AskToken) -> list[Event]:
        """Look at credentials, unless there were too many failures lately."""
        stream, host = self.stream, self._host_now()
        self._trying = f"{event.user}@{stream.domain}"
        if host is None or self._service.attempts.blocked(self.peer_address, self._trying):
            return stream.refuse_login()
        try:
            if isinstance(event, AskKeys):
                return stream.keys(await host.accounts.keys(event.user, event.hash_name))
            if isinstance(event, AskToken):
                return await self._find_token(host, event)
            return stream.verdict(await host.accounts.check_password(event.user, event.password))
        except (AuthBusy, StorageError):
            return stream.refuse_login()

    async def _find_token(self, host: Host, event: AskToken) -> list[Event]:
        request = self.stream.request or Authenticate.empty()
        user = make_jid(event.user, host.name)
        check = TokenCheck(user, event.mechanism, request.agent, request.requests, event.matches)
        try:
            await host.hooks.of(events.token_asked).wait(check)
        except HandlerCrashed:  # which is logged
            return self.stream.refuse_login()
        if check.token is None:
            return self.stream.refuse_login(check.refusal)
        return self.stream.token(check.token)

    def _failed(self, event: AuthFailed) -> None:
        if event.condition == "not-authorized" and self._trying:
            self._service.attempts.failed(self.peer_address, self._trying)
        if event.condition != "aborted":
            tried = f"{self._trying!r:.{SHOWN}}"
            self.say("login of {tried} failed: {why}", tried=tried, why=event.condition)
        self._trying = ""

    def _answers_early(self, domain: str, ns: str, name: str) -> bool:
        host = self._service.hosts.get(domain)
        early_iq = self._service.extensions.early_iq
        return host is not None and early_iq(host, ns, name) is not None

    async def _answer_early(self, iq: IQ) -> list[Event]:
        host, (ns, name) = self._host_now(), iq.payloads[0]
        handler = None if host is None else self._service.extensions.early_iq(host, ns, name)
        if handler is None:
            return self.stream.answer_early(StanzaError("service-unavailable"))
        try:
            answer = await handler(iq, self.peer_address)
        except Exception as problem:
            return self.stream.answer_early(refusal(problem))
        return self.stream.answer_early(answer)

    async def _bind(self, full: JID) -> list[Event]:
        host = self._host_now()
        if host is None:
            return self.stream.fail(StreamError("reset"))
        try:
            session = await self._open(host, full)
        except StanzaError as error:
            return self.stream.bind_refused(error)
        if session is None:
            return []  # gone while we waited
        self._log_in(session)
        return self.stream.bound(session.jid)

    async def _open(self, host: Host, full: JID) -> Session | None:
        """Open a session; None if the client went meanwhile. Raises StanzaError."""
        session = Session(
            full,
            host.hooks,
            _Outlet(self),
            secure=self.secure,
            address=self.peer_address,
            opened_at=self._seconds(),
        )
        self._intake, self.session = host.intake, session
        try:
            await self._intake.open(session)
        except StanzaError:
            self.session = None
            raise
        return session if self.session is session and self.open else None

    async def _enter(self, event: LoggingIn) -> list[Event]:
        """A login in one round trip: modules first, then Bind 2 (XEP-0386 §3.2)."""
        host = self._host_now()
        if host is None:
            return self.stream.fail(StreamError("reset"))
        asked = (event.user, event.mechanism, event.agent, event.requests, event.token)
        login = Login(*asked, address=self.peer_address)
        bind = login.request(BIND2, "bind")
        try:
            if await host.hooks.of(events.logging_in).wait(login) is STOP:
                return self.stream.refuse_login()
            if login.resumed is not None and not login.resumed.hibernating:
                return self.stream.refuse_login()  # it ended while other modules were waited for
            if login.resumed is not None:
                return self._go_on_with(host, login.resumed, login.answers)
            if bind is not None:
                return await self._bind_within(host, login, bind)
        except Exception as problem:
            refused = refusal(problem)
            self.say("login refused: {why}", why=refused.condition)
            self._leave("login refused")
            return self.stream.refuse_login()
        return self.stream.logged_in(event.user, login.answers)

    async def _bind_within(self, host: Host, login: Login, bind: Element) -> list[Event]:
        full = resource_for(login.user, bind, login.agent)
        older = host.sessions.get(full)
        if older is not None and login.agent.id:  # of the same installation (XEP-0386 §3.2)
            older.close(StreamError("conflict"))
            host.intake.close(older, "its client has logged in again")
        self.hold_output()  # what the session is sent follows upon <success/>
        try:
            session = await self._open(host, full)
            if session is None:
                return []
            binding = Binding(session, login.agent, bind)
            await host.hooks.of(events.bind_extending).wait(binding)
            if self.session is not session or not self.open:
                return []
            self._log_in(session)
            bound = Element(BIND2, "bound", None, *binding.answers)
            happened = self.stream.logged_in(session.jid, [*login.answers, bound])
            self.write_ahead(self.stream.take())
        finally:
            self.release_output()
        return happened

    async def _resume(self, request: Element) -> list[Event]:
        """An earlier session in place of a new one (XEP-0198 §5)."""
        host, user = self._host_now(), self.stream.user
        assert user is not None
        if host is None or self._service.extensions.nonza(host, SM, "resume") is None:
            return self.stream.fail(StreamError("unsupported-stanza-type"))
        resumption = Resumption(user, request)
        try:
            await host.hooks.of(events.session_resuming).wait(resumption)
        except Exception as problem:
            return self.stream.not_resumed(failed(refusal(problem).condition))
        if resumption.error is not None:
            return self.stream.fail(resumption.error)
        answer = resumption.answer or failed("item-not-found")
        if resumption.session is None or not self.open:
            return self.stream.not_resumed(answer)
        return self._go_on_with(host, resumption.session, [answer])

    def _go_on_with(self, host: Host, session: Session, answers: Iterable[Element]) -> list[Event]:
        """This is the connection of that session from now on."""
        if not self.open:
            return []
        self._intake, self.session = host.intake, session
        session.secure, session.address = self.secure, self.peer_address
        self._log_in(session, "resumed")
        if self.stream.request is None:
            happened = self.stream.resumed(session.jid, *answers)
        else:
            happened = self.stream.logged_in(session.jid, answers, resumed=True)
        self.flush_stream()
        host.intake.resume(session, _Outlet(self))
        return happened

    def _log_in(self, session: Session, how: str = "opened") -> None:
        """The client is known and bound: it counts as such, and what led here is forgotten."""
        if self.ticket is not None:
            self.ticket.authenticated()
            self.ticket = self.ticket.exchanged()
        if self._timer is not None:
            self._timer.cancel()
        self._trying = ""
        self._timer = self._wheel.add(DOZE_S, self._silent)
        self.say("session {how}", who=session.jid, how=how)

    def _nonza(self, element: Element) -> None:
        host = self._host_now()
        handler = None
        if host is not None:
            handler = self._service.extensions.nonza(host, element.ns, element.name)
        if handler is None:
            self._handle(self.stream.fail(StreamError("unsupported-stanza-type")))
        else:
            answer = handler(self.session, element)
            if answer is not None:
                self.write(to_xml(answer).encode())

    def _answer_own(self, event: OwnAnswer) -> None:
        """What the stream answers by itself counts as well, both ways."""
        session = self.session
        if session is None or session.managed is None:
            self.write(event.written)
            return
        session.managed.handle()
        refused = None if event.error is None else error_reply(event.iq, event.error)
        session.managed.deliver(refused or event.iq.result(), session)

    # Time

    def _wait_for_listener(self) -> None:
        """Some clients (@xmpp/client) send the header of a restarted stream first and listen
        afterwards: they miss an answer that is there within a fraction of a millisecond.
        """
        self.hold_output()
        self._service.clock.callLater(RESTART_S, self.release_output)

    def _silent(self) -> None:
        """RFC 6120 §4.6.3: ask a client that has been silent for long whether it is there."""
        options = self._service.options
        silent_s = self._seconds() - self._heard_at
        if silent_s < options.idle_ping or self.paused:
            self._dozing = silent_s >= DOZE_S
            if self._dozing:
                self.stream.doze()
            next_s = options.idle_ping if self._dozing else DOZE_S
            self._timer = self._wheel.add(max(next_s - silent_s, 1.0), self._silent)
            return
        self._ping()
        asked_at = self._seconds()
        self._timer = self._wheel.add(options.ping_timeout, self._unanswered, asked_at)

    def _wake(self) -> None:
        self._dozing = False
        if self._timer is not None:
            self._timer.reschedule(DOZE_S)

    def _ping(self) -> None:
        session = self.session
        if session is not None:
            host = jid(session.jid.domain)
            session.send(IQ(session.jid, host, "get", "idle", Element(PING, "ping")))

    def _unanswered(self, asked_at: float) -> None:
        if self._heard_at >= asked_at or self.paused:
            self._silent()
        else:
            self.end(StreamError("connection-timeout"))
