"""Within a virtual host: who gets a stanza addressed to it or to its accounts (RFC 6121 §8).

The rules of §8.5, one function for each kind of stanza and of address. Presence between accounts
that needs a roster (subscriptions, probes) goes to modules by the `-ing` hooks.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from xmppd import events
from xmppd.hooks import STOP, Hooks, Stop, spawn
from xmppd.jid import JID
from xmppd.routing.iqs import IQTable, answer, refusal, settled
from xmppd.routing.questions import Questions
from xmppd.routing.router import Done, Router
from xmppd.sessions import SessionTable
from xmppd.stanza import IQ, Message, Presence, Stanza, StanzaError

SUBSCRIPTIONS = frozenset(("subscribe", "subscribed", "unsubscribe", "unsubscribed"))


class Accounts(Protocol):
    """What delivery asks of the accounts."""

    async def exists(self, user: str) -> bool:
        """Whether there is an account with this local part."""


class Delivery:
    """The router's destination for one virtual host."""

    def __init__(
        self,
        router: Router,
        hooks: Hooks,
        iqs: IQTable,
        sessions: SessionTable,
        accounts: Accounts,
        questions: Questions | None = None,
    ) -> None:
        self._router = router
        self._iqs = iqs
        self._sessions = sessions
        self._accounts = accounts
        self._questions = questions
        self._receives = hooks.of(events.user_receives)
        self._hears = hooks.of(events.user_hears)
        self._asked = hooks.of(events.resource_asked)
        self._server_asked = hooks.of(events.server_asked)
        self._host_receives = hooks.of(events.host_receives)
        self._storing = hooks.of(events.message_storing)
        self._subscribing = hooks.of(events.subscription_arriving)
        self._probing = hooks.of(events.probe_arriving)
        self._by_kind: dict[str, Callable[[Stanza, JID], Done]] = {
            "message": self._message,
            "presence": self._presence,
            "iq": self._iq,
        }

    def route(self, stanza: Stanza) -> Done:
        """Deliver, answer, store or refuse. Raises StanzaError for the router to bounce."""
        to = stanza.to
        if not to.local:
            return self._to_host(stanza)
        user = to.bare
        try:
            if self._receives.handlers:
                passed = self._receives.filter(stanza, user)
                if passed is STOP:
                    return None
                stanza = passed
            return self._by_kind[stanza.kind](stanza, user)
        except Exception as problem:
            raise refusal(problem) from None

    def _to_host(self, stanza: Stanza) -> Done:
        """To the domain itself, or a resource of it (RFC 6120 §10.5.1, §10.5.2)."""
        if isinstance(stanza, IQ):
            if not stanza.is_request:
                return self._answered(stanza)
            if stanza.to.resource:
                raise StanzaError("service-unavailable")
            if self._server_asked.handlers and self._is_taken(stanza):
                return None
            return answer(self._router, stanza, self._iqs.at_host(stanza))
        try:
            passed = self._host_receives.filter(stanza)
        except Exception as problem:
            raise refusal(problem) from None
        if passed is not STOP and isinstance(stanza, Message) and stanza.type != "headline":
            raise StanzaError("service-unavailable")
        return None

    # Messages (RFC 6121 §8.5.2.1.1, §8.5.2.2.1, §8.5.3.1, §8.5.3.2.1)

    def _message(self, message: Stanza, user: JID) -> Done:
        if message.to.resource:
            session = self._sessions.get(message.to)
            if session is not None:
                session.send(message)
                return None
            if message.type != "chat":
                return self._to_nobody(message)
        return self._message_to_account(message, user)

    @staticmethod
    def _to_nobody(message: Stanza) -> Done:
        """No such resource: other resources must not get what was not meant for them."""
        if message.type in ("normal", "groupchat"):
            raise StanzaError("service-unavailable")
        return None

    def _message_to_account(self, message: Stanza, user: JID) -> Done:
        """To all resources of non-negative priority; where there is none, keep or refuse it."""
        if message.type == "error":
            return None
        if message.type == "groupchat":
            raise StanzaError("service-unavailable")
        taken = False
        for session in self._sessions.of(user):
            if session.priority is not None and session.priority >= 0:
                taken = session.send(message) or taken
        if taken or message.type == "headline":
            return None
        assert isinstance(message, Message)
        return settled(spawn(self._store(message, user)))

    async def _store(self, message: Message, user: JID) -> None:
        try:
            kept = await self._accounts.exists(user.local) and (
                await self._storing.wait(message, user) is STOP
            )
            problem = None if kept else StanzaError("service-unavailable")
        except Exception as crash:
            problem = refusal(crash)
        waiting = None if problem is None else self._router.bounce(message, problem)
        if waiting is not None:
            await waiting

    # Presence (RFC 6121 §8.5.2.1.2, §8.5.2.2.2, §8.5.3.1, §8.5.3.2.2)

    def _presence(self, presence: Stanza, user: JID) -> Done:
        assert isinstance(presence, Presence)
        if presence.type in SUBSCRIPTIONS:
            return settled(spawn(self._hand(self._subscribing.wait, presence, user)))
        if presence.type == "probe":
            return settled(spawn(self._hand(self._probing.wait, presence, user)))
        heard = self._hears.filter(presence, user)
        if heard is STOP:
            return None
        presence = heard
        if presence.to.resource:
            session = self._sessions.get(presence.to)
            if session is not None:
                session.send(presence)
            return None
        for session in self._sessions.of(user):
            if session.priority is not None:
                session.send(presence)
        return None

    async def _hand(
        self,
        handlers: Callable[[Presence, JID], Awaitable[Presence | Stop]],
        presence: Presence,
        user: JID,
    ) -> None:
        try:
            await handlers(presence, user)
        except Exception as problem:
            waiting = self._router.bounce(presence, refusal(problem))
            if waiting is not None:
                await waiting

    # IQs (RFC 6121 §8.5.1, §8.5.2.1.3, §8.5.3)

    def _iq(self, iq: Stanza, user: JID) -> Done:
        assert isinstance(iq, IQ)
        if iq.to.resource:
            if iq.is_request:
                passed = self._asked.filter(iq, user)
                if passed is STOP:
                    return None
                iq = passed
            session = self._sessions.get(iq.to)
            if session is not None:
                session.send(iq)
            elif iq.is_request:
                raise StanzaError("service-unavailable")
            return None
        if not iq.is_request:
            return self._answered(iq)
        if self._server_asked.handlers and self._is_taken(iq):
            return None
        return answer(self._router, iq, self._iqs.at_account(iq))

    def _answered(self, iq: IQ) -> Done:
        if self._questions is not None:
            self._questions.take(iq)
        return None

    def _is_taken(self, iq: IQ) -> bool:
        try:
            return self._server_asked.filter(iq) is STOP
        except Exception as problem:
            raise refusal(problem) from None
