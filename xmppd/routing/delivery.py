"""Within a virtual host: who gets a stanza addressed to it or to its accounts (RFC 6121 §8).

The rules of §8.5, one function for each kind of stanza and of address. Presence between accounts
that needs a roster (subscriptions, probes) goes to modules by the `-ing` hooks.
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.python.failure import Failure

from xmppd import events
from xmppd.hooks import STOP, Hooks, Stop, spawn
from xmppd.jid import JID
from xmppd.routing.fanout import FanOut
from xmppd.routing.gate import Act, Commit, Gate
from xmppd.routing.iqs import IQTable, answer, refusal, settled
from xmppd.routing.questions import Questions
from xmppd.routing.router import Done, Router, Storing
from xmppd.sessions import SessionTable
from xmppd.stanza import IQ, Message, Presence, Stanza, StanzaError

SUBSCRIPTIONS = frozenset(("subscribe", "subscribed", "unsubscribe", "unsubscribed"))


class Accounts(Protocol):
    """What delivery asks of the accounts."""

    def known(self, user: str) -> bool | None:
        """`exists` without waiting; None: ask `exists`."""

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
        questions: Questions,
    ) -> None:
        self._router = router
        self._questions = questions
        self._iqs = iqs
        self._sessions = sessions
        self._accounts = accounts
        self._receives = hooks.of(events.user_receives)
        self._hears = hooks.of(events.user_hears)
        self._asked = hooks.of(events.resource_asked)
        self._server_asked = hooks.of(events.server_asked)
        self._host_receives = hooks.of(events.host_receives)
        self._storing = hooks.of(events.message_storing)
        self._delivered = hooks.of(events.message_delivered)
        self._bounced = hooks.of(events.account_bounced)
        self._subscribing = hooks.of(events.subscription_arriving)
        self._probing = hooks.of(events.probe_arriving)
        self._by_kind: dict[str, Callable[[Stanza, JID], Done]] = {
            "message": self._message,
            "presence": self._presence,
            "iq": self._iq,
        }
        self._owed: list[Deferred[Any]] = []  # see `owes`
        self._gates: dict[JID, Gate] = {}  # of accounts for which something is not durable yet
        self.fan_out = FanOut(router, hooks, sessions, self._gates, self._when_stored)

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
            if self._gates and user in self._gates:
                return self._in_turn(stanza, user)
            return self._by_kind[stanza.kind](stanza, user)
        except Exception as problem:
            raise refusal(problem) from None

    # What must be durable before it is delivered

    def hold(self, user: JID, commit: Commit) -> None:
        """For a handler of `user_receives`: the stanza that it has in hand is delivered when
        `commit` is durable, and refused if that fails; what comes later waits behind it.
        """
        commit.want()
        if not commit.over or commit.problem is not None:
            self._gate(user).coming = commit

    @property
    def waits(self) -> bool:
        """Whether anything is held back until it is durable, for whomever."""
        return bool(self._gates)

    def later(self, user: JID, act: Act, commit: Commit | None = None) -> None:
        """Do something for `user` behind all that waits now and, with `commit`, when that is
        durable; never if it fails.
        """
        if commit is not None:
            commit.want()
            if commit.over and commit.problem is None:
                commit = None
        if commit is None and user not in self._gates:
            act()
        else:
            self._gate(user).add(act, _forget, commit)

    def owes(self, stored: "Deferred[Any]") -> None:
        """For handlers of `stanza_waiting`: the message that is being delivered is durable when
        this has fired, and is acknowledged to its sender then.
        """
        self._owed.append(stored)

    def _when_stored(self) -> Done:
        if not self._owed:
            return None
        owed, self._owed = self._owed, []
        storing = Storing()
        _ = DeferredList(owed, consumeErrors=True).addBoth(lambda _: storing.callback(None))
        return settled(storing)

    def _gate(self, user: JID) -> Gate:
        gate = self._gates.get(user)
        if gate is None:
            gate = self._gates[user] = Gate(partial(self._gates.pop, user, None))
        return gate

    def _in_turn(self, stanza: Stanza, user: JID) -> Done:
        deliver = partial(self._by_kind[stanza.kind], stanza, user)
        refuse = partial(self._router.bounce, stanza)
        return self._gates[user].add(deliver, refuse, asks=stanza.kind == "iq")

    def _to_host(self, stanza: Stanza) -> Done:
        """To the domain itself, or a resource of it (RFC 6120 §10.5.1, §10.5.2)."""
        if isinstance(stanza, IQ):
            if not stanza.is_request:
                self._questions.take(stanza)
                return None
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
                if self._delivered.handlers:
                    self._tell_delivered(message, user)
                return self._when_stored() if self._owed else None
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
            assert isinstance(message, Message)
            self._bounced.signal(message, user)
            return None
        if message.type == "groupchat":
            raise StanzaError("service-unavailable")
        taken = False
        for session in self._sessions.of(user):
            if session.priority is not None and session.priority >= 0:
                taken = session.send(message) or taken
        if taken and self._delivered.handlers:
            self._tell_delivered(message, user)
        if taken or message.type == "headline":
            return self._when_stored() if self._owed else None
        assert isinstance(message, Message)
        known = self._accounts.known(user.local)
        if known is None:
            return settled(spawn(self._look_up_and_keep(message, user)))
        return self._keep(message, user, exists=known)

    def store(self, message: Message, user: JID) -> Done:
        """Keep a message that was on its way to a session which is no more, or refuse it."""
        try:
            return self._keep(message, user, exists=True, again=True)
        except StanzaError as error:
            return self._router.bounce(message, error)

    def _tell_delivered(self, message: Stanza, user: JID) -> None:
        assert isinstance(message, Message)
        self._delivered.signal(message, user)

    async def _look_up_and_keep(self, message: Message, user: JID) -> None:
        try:
            kept = self._keep(message, user, exists=await self._accounts.exists(user.local))
        except Exception as problem:
            kept = self._router.bounce(message, refusal(problem))
        await (kept or succeed(None))

    def _keep(self, message: Message, user: JID, *, exists: bool, again: bool = False) -> Done:
        """Have it stored; raises for who may not know whether there is such an account. With
        `again` it was delivered once already, and nobody is told so.
        """
        if not exists:
            raise StanzaError("service-unavailable")
        kept = self._storing.begin(message, user)
        if isinstance(kept, Deferred):
            storing = Storing()
            _ = kept.addBoth(self._kept, message, user, storing, again=again)
            return settled(storing)
        if isinstance(kept, Coroutine):
            return settled(spawn(kept).addBoth(self._kept, message, user, again=again))
        return self._kept(kept, message, user, again=again)

    def _kept(
        self,
        kept: object,
        message: Message,
        user: JID,
        storing: Storing | None = None,
        *,
        again: bool,
    ) -> Done:
        """Whether it was stored is known now: if not, the sender is told. Then `storing` fires."""
        done = None
        if kept is not STOP:
            with nullcontext() if storing is None else storing.ahead():
                done = self._router.bounce(message, _why_not(kept))
        elif not again:
            self._delivered.signal(message, user)
        if storing is None:
            return done
        if done is None:
            storing.callback(None)
        else:
            _ = done.addBoth(storing.callback)
        return None

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
            self._questions.take(iq)
            return None
        if self._server_asked.handlers and self._is_taken(iq):
            return None
        return answer(self._router, iq, self._iqs.at_account(iq))

    def _is_taken(self, iq: IQ) -> bool:
        try:
            return self._server_asked.filter(iq) is STOP
        except Exception as problem:
            raise refusal(problem) from None


def _why_not(kept: object) -> StanzaError:
    """What a sender is told whose message was not stored; `kept` is what came of it."""
    if isinstance(kept, Failure) and isinstance(kept.value, Exception):
        return refusal(kept.value)
    return StanzaError("service-unavailable")


def _forget(_: StanzaError) -> None:
    """What nobody waits for is dropped when it cannot be done."""
