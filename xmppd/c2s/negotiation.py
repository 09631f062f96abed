"""A client's connection until its session is open: TLS, credentials, the bind."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import replace

from xmppd import events
from xmppd.auth import AuthBusy
from xmppd.c2s.channel import channel_of
from xmppd.c2s.login import resource_for
from xmppd.c2s.outlet import ConnectionOutlet
from xmppd.c2s.service import Service
from xmppd.c2s.tasks import Tasks
from xmppd.hooks import STOP, HandlerCrashed
from xmppd.host import Host
from xmppd.jid import JID, make_jid
from xmppd.ns import BIND2, SM
from xmppd.routing import Intake
from xmppd.routing.iqs import refusal
from xmppd.sessions import Binding, Login, Resumption, Session, TokenCheck
from xmppd.stanza import IQ, StanzaError
from xmppd.storage import StorageError
from xmppd.stream.core import ClientStream
from xmppd.stream.events import (
    Authenticated,
    AuthFailed,
    BindRequest,
    EarlyIQ,
    Event,
    LoggingIn,
    Restarted,
    ResumeRequest,
    StartTLS,
    TaskBegun,
    TaskData,
)
from xmppd.stream.management import failed
from xmppd.stream.negotiating import Door
from xmppd.stream.sasl import AskKeys, AskPassword, AskToken, Channel, SASLFailure
from xmppd.stream.sasl2 import Authenticate
from xmppd.stream.states import State
from xmppd.transport.driver import SHOWN
from xmppd.transport.serving import ServedConnection
from xmppd.xml import Element, StreamError

_ASK = (AskKeys, AskPassword, AskToken)
_TASK = (TaskBegun, TaskData)
RESTART_S = 0.002  # from the header of a restarted stream to our answer


class Negotiation(ServedConnection[Event]):
    """Asks accounts and modules what the stream wants to know; opens or resumes the session."""

    stream: ClientStream

    __slots__ = ("_intake", "_seconds", "_service", "_tasks", "_trying", "session")

    def __init__(self, service: Service) -> None:
        super().__init__(service.flusher, service.wheel)
        self.session: Session | None = None
        self._service = service
        self._intake: Intake  # once there is a session
        self._seconds = service.clock.seconds
        self._trying = ""  # the account that somebody tries to log in to
        self._tasks: Tasks | None = None  # of a login that is not finished
        self.stream = self._new_stream(secure=False)

    @abstractmethod
    def yield_session(self) -> None:
        """The client resumes its session on another connection (XEP-0198 §5)."""

    @abstractmethod
    def _watch(self) -> None:
        """The session is open: from now on the client is asked when it is silent."""

    def _negotiate(self, event: Event) -> None:
        if isinstance(event, StartTLS):
            self._start_tls()
        elif isinstance(event, _ASK):
            self._ask(event)
        elif isinstance(event, LoggingIn):
            self._apart(self._enter(event))
        elif isinstance(event, _TASK):
            self._apart(self._work(event))
        elif isinstance(event, Authenticated):
            self._service.attempts.succeeded(self.peer_address, event.user)
        elif isinstance(event, AuthFailed):
            self._failed(event)
        elif isinstance(event, BindRequest):
            self._apart(self._bind(event.full))
        elif isinstance(event, EarlyIQ):
            self._apart(self._answer_early(event.iq))
        elif isinstance(event, ResumeRequest):
            self._apart(self._resume(event.resume))
        elif isinstance(event, Restarted):
            self._wait_for_listener()

    def _new_stream(self, *, secure: bool) -> ClientStream:
        service = self._service
        door = Door(
            service.hosts,
            self._channel,
            self._features,
            self._answers_early,
            self._inline,
            self._login_features,
        )
        return ClientStream(door, service.policy, secure=secure)

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
        channel = channel_of(self, domain)
        return replace(channel, more=tuple(more)) if more else channel

    def _start_tls(self) -> None:
        self.flush_stream()
        self.start_tls(self._service.certificates.context(self.stream.domain))

    def _inline(self, domain: str, tokens: tuple[str, ...]) -> str:
        host = self._service.hosts.get(domain)
        return "" if host is None else self._service.offers.inline(host, tokens)

    def _login_features(self, domain: str, names: tuple[str, ...]) -> str:
        host = self._service.hosts.get(domain)
        return "" if host is None else self._service.offers.login(host, names)

    def _ask(self, event: AskKeys | AskPassword | AskToken) -> None:
        """Look at credentials, unless there were too many failures lately."""
        stream, host = self.stream, self._host_now()
        self._trying = f"{event.user}@{stream.domain}"
        if host is None or self._service.attempts.blocked(self.peer_address, self._trying):
            self._handle(stream.refuse_login())
            return
        known = None
        if isinstance(event, AskKeys):
            known = host.accounts.recent_keys(event.user, event.hash_name, self.peer_address)
        if known is None:
            self._apart(self._prove(host, event))
        else:
            self._handle(stream.keys(known))

    async def _prove(self, host: Host, event: AskKeys | AskPassword | AskToken) -> list[Event]:
        stream = self.stream
        try:
            if isinstance(event, AskKeys):
                asked = (event.user, event.hash_name, self.peer_address)
                return stream.keys(await host.accounts.keys(*asked))
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
        self._tasks = None

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
            ConnectionOutlet(self),
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
        """A client has proved who it is: what modules want of it first (XEP-0388 §2.6)."""
        host = self._host_now()
        if host is None:
            return self.stream.fail(StreamError("reset"))
        asked = (event.user, event.mechanism, event.agent, event.requests, event.token)
        login = Login(*asked, address=self.peer_address, offered=event.offered)
        if self.stream.secure:
            try:
                await host.hooks.of(events.login_continuing).wait(login)
            except Exception as problem:
                return self._not_entered(problem)
        return await self._next_task(host, Tasks(login))

    async def _next_task(self, host: Host, tasks: Tasks) -> list[Event]:
        names = tasks.next()
        self._tasks = tasks if names else None
        return self.stream.ask_tasks(names) if names else await self._let_in(host, tasks.login)

    async def _work(self, event: TaskBegun | TaskData) -> list[Event]:
        """The client is at a task (XEP-0388 §2.6.3)."""
        host, tasks = self._host_now(), self._tasks
        if host is None or tasks is None:
            return self.stream.fail(StreamError("reset"))
        try:
            said = await tasks.take(event)
        except SASLFailure as failure:
            return self.stream.refuse_login(failure.condition, failure.text)
        except Exception as problem:
            return self._not_entered(problem)
        if said is None:
            return await self._next_task(host, tasks)
        return self.stream.task_data(said)

    def _not_entered(self, problem: Exception) -> list[Event]:
        self.say("login refused: {why}", why=refusal(problem).condition)
        return self.stream.refuse_login()

    async def _let_in(self, host: Host, login: Login) -> list[Event]:
        """A login in one round trip: modules first, then Bind 2 (XEP-0386 §3.2)."""
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
            self._leave("login refused")
            return self._not_entered(problem)
        return self.stream.logged_in(login.user, login.answers)

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
        host.intake.resume(session, ConnectionOutlet(self))
        return happened

    def _log_in(self, session: Session, how: str = "opened") -> None:
        """The client is known and bound: it counts as such, and what led here is forgotten."""
        if self.ticket is not None:
            self.ticket.authenticated()
            self.ticket = self.ticket.exchanged()
        if self._timer is not None:
            self._timer.cancel()
        self._trying = ""
        self._watch()
        self.say("session {how}", who=session.jid, how=how)

    def _wait_for_listener(self) -> None:
        """Some clients (@xmpp/client) send the header of a restarted stream first and listen
        afterwards: they miss an answer that is there within a fraction of a millisecond.
        """
        self.hold_output()
        self._service.clock.callLater(RESTART_S, self._listener_listens)

    def _listener_listens(self) -> None:
        with self._flusher:  # else it would be sent in the pass after this one
            self.release_output()
