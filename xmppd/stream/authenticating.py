"""How a client proves who it is: SASL, in both profiles (RFC 6120 §6, XEP-0388)."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from xmppd.jid import JID, make_jid
from xmppd.ns import FAST, IAP, SASL, SASL2
from xmppd.stream import features, sasl2
from xmppd.stream.events import Authenticated, AuthFailed, Event, LoggingIn, TaskBegun, TaskData
from xmppd.stream.features import StreamPolicy
from xmppd.stream.negotiating import Door, NegotiatingStream
from xmppd.stream.sasl import (
    Challenge,
    Channel,
    Done,
    Exchange,
    SASLFailure,
    ScramKeys,
    Step,
    begin,
    begin_token,
)
from xmppd.stream.sasl.base64 import decode, encode
from xmppd.stream.sasl2 import Authenticate
from xmppd.stream.states import AFTER_LOGIN, Input, State
from xmppd.xml import XML_LANG, Element, StreamError


class AuthenticatingStream(NegotiatingStream):
    """The login of a stream; when it is done there is a `user`."""

    __slots__ = ("_done", "_exchange", "_request", "_sasl_failures")

    def __init__(self, door: Door, policy: StreamPolicy, *, secure: bool) -> None:
        super().__init__(door, policy, secure=secure)
        self._exchange: Exchange | None = None
        self._request: Authenticate | None = None  # of the exchange, in the profile of XEP-0388
        self._done: Done | None = None  # how it ended, while what was asked for with it is done
        self._sasl_failures = 0

    @abstractmethod
    def _bind_to(self, full: JID) -> None:
        """A resource is bound within the login (XEP-0386)."""

    @property
    def request(self) -> Authenticate | None:
        """What the exchange under way began with, in the profile of XEP-0388."""
        return self._request

    def _forget(self) -> None:
        super()._forget()
        self._exchange = self._offered = self._request = self._done = None

    def _sasl(self, element: Element) -> list[Event]:
        if self.state in AFTER_LOGIN:
            raise StreamError("not-authorized")
        if element.name == "authenticate":
            return self._try(lambda: self._begin_extensible(element))
        if element.name == "auth" and not element.elements:
            return self._try(lambda: self._begin(element))
        mixed = (element.ns == SASL2) != (self._request is not None)  # one exchange, one profile
        if element.ns == SASL2:
            self._request = self._request or Authenticate.empty()
        aborts = element.ns == SASL2 and element.name == "abort"  # may say why (XEP-0388 §4.5)
        if mixed or (element.elements and not aborts):
            return self._auth_failed("malformed-request")
        if element.name == "abort":
            return self._auth_failed("aborted")
        return self._try(lambda: self._respond(element))

    def _try(self, step: Callable[[], Step]) -> list[Event]:
        try:
            return self._did(step())
        except sasl2.Outdated as outdated:
            return self._start_over(outdated)
        except SASLFailure as failure:
            return self._auth_failed(failure.condition, failure.text)

    def _begin(self, auth: Element) -> Step:
        """§6.4.2. A second one ends the exchange that is under way and begins another."""
        self._move(Input.AUTH)
        self._exchange = self._request = None
        channel = self._offered or Channel(self.domain)  # before TLS nothing is offered
        exchange = self._exchange = begin(auth.get("mechanism") or "", channel)
        return exchange.respond(decode(auth.text) if auth.text else None)

    def _begin_extensible(self, element: Element) -> Step:
        """XEP-0388 §2.3; with a token if <fast/> says so (XEP-0484 §3.4)."""
        self._move(Input.AUTH)
        self._exchange = None
        self._request = Authenticate.empty()  # a refusal is told in this profile
        request = self._request = sasl2.read_authenticate(element)
        if self._version:
            sasl2.check_version(request, self._version)
        channel = self._offered or Channel(self.domain)
        by_token = request.request(FAST, "fast") is not None
        start = begin_token if by_token else begin
        exchange = self._exchange = start(request.mechanism, channel)
        return exchange.respond(request.initial)

    def _respond(self, response: Element) -> Step:
        """§6.4.3."""
        exchange = self._exchange
        if exchange is None:
            raise SASLFailure("malformed-request")
        self._move(Input.RESPONSE)
        if self._request is not None:
            return exchange.respond(sasl2.decode(response))
        return exchange.respond(decode(response.text))

    def _did(self, step: Step) -> list[Event]:
        if isinstance(step, Challenge):
            profile = SASL if self._request is None else SASL2
            self._write_data("challenge", profile, step.data or None)
            return []
        if isinstance(step, Done):
            return self._authenticated(step)
        self._waits = True
        return [step]

    def _write_data(self, name: str, ns: str, data: bytes | None) -> None:
        """Base64 needs no escapes, so it needs no tree either."""
        text = "" if data is None else encode(data)
        end = f">{text}</{name}>" if text else "/>"
        self.outgoing.append(f"<{name} xmlns='{ns}'{end}".encode())

    def keys(self, keys: ScramKeys) -> list[Event]:
        """The answer to `AskKeys`."""
        return self._answered(lambda exchange: exchange.keys(keys))

    def verdict(self, ok: bool) -> list[Event]:
        """The answer to `AskPassword`."""
        return self._answered(lambda exchange: exchange.verdict(ok))

    def token(self, token: bytes | None) -> list[Event]:
        """The answer to `AskToken`."""
        return self._answered(lambda exchange: exchange.token(token))

    def _answered(self, answer: Callable[[Exchange], Step]) -> list[Event]:
        exchange = self._exchange
        if exchange is None or not self._waits:
            return []  # the stream ended meanwhile
        self._waits = False
        try:
            events = self._try(lambda: answer(exchange))
        except StreamError as error:
            events = self.fail(error)
        return events + self._go_on()

    def refuse_login(
        self, condition: str = "temporary-auth-failure", text: str | None = None
    ) -> list[Event]:
        """In place of `keys`, `verdict`, `token`, `logged_in` or `task_data`: it is not possible
        now, or for the reason that `condition` names (§6.5).
        """
        if self._exchange is None or not self._waits:
            return []
        self._waits = False
        return self._auth_failed(condition, text) + self._go_on()

    def _auth_failed(self, condition: str, text: str | None = None) -> list[Event]:
        """§6.4.5: tell it, and after some of them let the client go."""
        self._move(Input.FAILURE)
        extensible = self._request is not None
        self._exchange = self._request = self._done = None
        self._write((sasl2.failure if extensible else _failure)(condition, text))
        self._sasl_failures += 1
        events: list[Event] = [AuthFailed(condition)]
        if self._sasl_failures >= self._policy.sasl_failures:
            events += self.fail(StreamError("policy-violation", "too many failed logins"))
        return events

    def _start_over(self, outdated: sasl2.Outdated) -> list[Event]:
        """XEP-0509 §2.2: the client has our features by now, and may try again with those."""
        self._move(Input.FAILURE)
        self._request = None
        mismatch = Element(IAP, "config-version-mismatch")
        self._write(sasl2.failure(outdated.condition, outdated.text, mismatch))
        return [AuthFailed(outdated.condition)]

    def _authenticated(self, done: Done) -> list[Event]:
        """§6.4.6. The client's header, if TLS protected it, must have named the same user."""
        user = make_jid(done.user, self.domain)
        foreign = self.secure and self._sender is not None and self._sender != user
        if self._request is not None:
            return self._log_in(user, done, self._request, foreign=foreign)
        if foreign:
            raise StreamError("invalid-from")
        self._write_data("success", SASL, done.data)
        self._move(Input.SUCCESS)
        self.user = user
        self._exchange = None
        self._restart()
        self._limit(self._policy.after_login)
        return [Authenticated(user)]

    def _log_in(
        self, user: JID, done: Done, request: Authenticate, *, foreign: bool
    ) -> list[Event]:
        """XEP-0388 §2.6.1: what was asked for inline comes before <success/>."""
        if foreign:  # §2.3
            return self._auth_failed("invalid-authzid", "the stream is from somebody else")
        self._done, self._waits = done, True
        said = (request.mechanism, request.agent, request.requests)
        shown = () if self._offered is None else self._offered.offered
        return [LoggingIn(user, *said, done.token, shown)]

    # Tasks between the exchange and its success (XEP-0388 §2.6.3)

    def ask_tasks(self, names: Sequence[str], text: str | None = None) -> list[Event]:
        """In place of `logged_in`, under TLS: one of these tasks has to be done first."""
        done = self._done
        if done is None or not self._waits:
            return []
        self._waits = False
        self._write(sasl2.continuing(done.data, names, text))
        self._done = replace(done, data=None)  # which is told once
        self._move(Input.CONTINUE)
        return self._go_on()

    def _task(self, element: Element) -> list[Event]:
        given = tuple(element.elements)
        if element.name == "next":
            self._move(Input.NEXT)
            self._waits = True
            return [TaskBegun(element.get("task") or "", given)]
        self._move(Input.TASK_DATA)
        self._waits = True
        return [TaskData(given)]

    def task_data(self, said: Iterable[Element]) -> list[Event]:
        """An answer to `TaskBegun` or `TaskData`: what the client is told within the task."""
        if self.state is not State.AT_TASK or not self._waits:
            return []
        self._waits = False
        self._write(Element(SASL2, "task-data", None, *said))
        return self._go_on()

    def logged_in(
        self, who: JID, answers: Iterable[Element] = (), *, resumed: bool = False
    ) -> list[Event]:
        """The answer to `LoggingIn`: authenticated as `who`, bound if that is a full JID.

        There is no new header; the features of what may follow come at once, unless an earlier
        session was `resumed` (XEP-0198 §9.2).
        """
        done = self._done
        if done is None or not self._waits:
            return []  # the stream ended meanwhile
        self._waits = False
        self._write(sasl2.success(who, done.data, answers))
        self._move(Input.SUCCESS)
        self.user = who.bare
        self._exchange = self._request = self._done = None
        self._limit(self._policy.after_login)
        if not resumed:
            self.outgoing.append(features.write_features(self._offer(bound=bool(who.resource))))
        if who.resource:
            self._move(Input.BIND)
            self._bind_to(who)
        return [Authenticated(self.user), *self._go_on()]


def _failure(condition: str, text: str | None) -> Element:
    """§6.4.5."""
    failure = Element(SASL, "failure", None, Element(SASL, condition))
    if text:
        failure.append(Element(SASL, "text", {XML_LANG: "en"}, text))
    return failure
