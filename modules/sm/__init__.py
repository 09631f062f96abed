"""Stream management: stanzas are acknowledged, and a lost connection costs none (XEP-0198 1.6.3).

A session whose connection is lost hibernates: it can be found, its presence stays, and what it is
sent waits for its client. Messages that wait are in the store for offline messages as well, until
the client has acknowledged them: so neither `kill -9` nor a client that never comes back costs
one. When a session ends with stanzas that its client has not acknowledged, they go on their way:
messages to another resource or into the store, requests back to their senders (§4).

Sessions survive a restart of the server: they are stored when it stops (`snapshot`).
"""

import hmac
import secrets
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import succeed

from xmppd.api import (
    IQ,
    JID,
    LATE,
    Binding,
    DatabaseBusy,
    Duration,
    Element,
    Host,
    Kept,
    Login,
    Managed,
    Message,
    Module,
    Options,
    Resumption,
    Session,
    Size,
    Stanza,
    StanzaError,
    StreamError,
    events,
    management,
    nonza,
    ns,
    on,
    option,
    stamped,
    to_xml,
    uses_if,
)
from xmppd.modules.carbons import Carbons
from xmppd.modules.offline import OfflineMessages
from xmppd.modules.sm.lost import TOGETHER, Lost
from xmppd.modules.sm.snapshot import dump, revive
from xmppd.modules.sm.store import Ended, Store, sessions
from xmppd.modules.stanza_ids import id_given

__all__ = ["StreamManagement", "sessions"]

ID_BYTES = 16
BUSY_S = 0.05  # before the database is asked again that has too much to do
QUIET_S = 2.0  # between looks at who was asked for no acknowledgement yet
SWEEP_S = 3600.0
GRACE = 4  # times the bound that a client may be behind which is answering
_TRUE = ("1", "true")


class SMOptions(Options):
    resume: bool = option(True, "Clients may resume a session whose connection was lost.")
    max_resume: Duration = option(
        600, "How long a session waits for its client.", at_least=1, at_most=86400
    )
    max_unacked: int = option(
        500,
        "Stanzas that may wait for one client. A client that is connected and more behind must "
        "acknowledge within `ack_timeout`; a session without a connection ends then.",
        at_least=20,
    )
    max_bytes: Size = option(1048576, "Their size in all.", at_least=65536)
    ack_timeout: Duration = option(
        15, "How long a client that is too far behind may take to acknowledge.", at_least=1
    )
    location: str = option(
        "",
        "Where clients shall reconnect to resume, where it is not where they found this server.",
        example="xmpp1.example.org:5222",
    )
    remember: Duration = option(
        86400,
        "How long it is remembered what was received in a session that cannot be resumed any "
        "more, so that its client need not send it again.",
        at_least=0,
    )


class StreamManagement(Module):
    name = "sm"
    options: SMOptions
    store: Store
    offline = uses_if(OfflineMessages)
    carbons = uses_if(Carbons)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._stored_all = False
        self._connected: set[Session] = set()
        self._expiring: dict[Session, Any] = {}  # IDelayedCall, of which mypy knows too little
        self._lost = Lost(self.store, self._park_all, self._count)
        self._parking = 0  # messages on their way into the store

    async def start(self) -> None:
        self.every(QUIET_S, self.ask_quiet)
        self.every(SWEEP_S, self.sweep)
        for session in self.host.sessions:  # a reload
            self._look_after(session)

    async def stop(self) -> None:
        for waiting in self._expiring.values():
            if waiting.active():
                waiting.cancel()
        self._expiring.clear()
        if not self._stored_all and self.host.modules.get(self.name) is None:
            self._end_all()

    def _end_all(self) -> None:
        """It is disabled: nobody acknowledges any more, and nobody can resume."""
        for session in list(self.host.sessions):
            if session.managed is not None:
                session.close(StreamError("reset", "stream management is disabled"))
                self.pass_on(session, "stream management is disabled")

    def _look_after(self, session: Session) -> None:
        managed = session.managed
        if managed is None:
            return
        if session.outlet is not None:
            self._connected.add(session)
            return
        passed = self.host.clock.seconds() - managed.hibernated_at
        self._expire_later(session, max(managed.max_s - passed, 0.0))

    # What is offered (§2, §9)

    @on(events.stream_features)
    def offer(self, state: str) -> list[Element]:
        return [Element(ns.SM, "sm")] if state == "before_bind" else []

    @on(events.inline_features)
    def offer_within(self, tokens: tuple[str, ...]) -> list[Element]:
        return [Element(ns.SM, "sm")]

    @on(events.bind_features)
    def offer_in_bind(self) -> list[str]:
        return [ns.SM]

    # Enabling (§3)

    @nonza(ns.SM, "enable")
    def enable(self, session: Session | None, element: Element) -> Element | None:
        if session is None:
            return management.failed("unexpected-request")
        if session.managed is not None:  # at most once: a stream error it SHOULD be
            session.send_bytes(to_xml(management.failed("unexpected-request")).encode())
            session.close(StreamError("policy-violation", "stream management is enabled already"))
            return None
        return self._enable(session, element)

    @on(events.bind_extending)
    def enable_at_once(self, binding: Binding) -> None:
        request = binding.request.child(ns.SM, "enable")
        if request is not None and binding.session.managed is None:
            binding.answers.append(self._enable(binding.session, request))

    def _enable(self, session: Session, request: Element) -> Element:
        resumes = self.options.resume and (request.get("resume") or "").strip() in _TRUE
        max_s = self._max(request.get("max")) if resumes else 0.0
        session.managed = self._managed(secrets.token_urlsafe(ID_BYTES) if resumes else "", max_s)
        self._connected.add(session)
        enabled = Element(ns.SM, "enabled")
        if resumes:
            attrs = {"id": session.managed.id, "resume": "true", "max": str(int(max_s))}
            enabled.attrs.update(attrs)
            if self.options.location:
                enabled.attrs["location"] = self.options.location
        return enabled

    def _max(self, wanted: str | None) -> float:
        """The client's wish, where it is less than we would grant."""
        ours = self.options.max_resume
        if wanted is None or not wanted.isascii() or not wanted.isdigit() or len(wanted) > 9:
            return ours
        return min(float(wanted), ours) or ours

    def _managed(self, id_: str, max_s: float) -> Managed:
        hooks, options = self.host.hooks, self.options
        return Managed(
            id_,
            seconds=self.host.clock.seconds,
            waits=hooks.of(events.stanza_waiting),
            overdue=hooks.of(events.session_overdue),
            max_s=max_s,
            max_unacked=options.max_unacked,
            max_bytes=options.max_bytes,
        )

    # Acknowledgements (§4)

    @nonza(ns.SM, "r")
    def answer(self, session: Session | None, element: Element) -> Element | None:
        """What is not durable yet keeps the answer back (`Session.hold_for`)."""
        if session is None or session.managed is None:
            return management.failed("unexpected-request")
        return session.managed.answer()

    @nonza(ns.SM, "a")
    def take(self, session: Session | None, element: Element) -> Element | None:
        if session is None or session.managed is None:
            return management.failed("unexpected-request")
        try:
            self._take(session, session.managed, element)
        except StreamError as error:
            session.close(error)
        return None

    def _take(self, session: Session, managed: Managed, a: Element) -> None:
        handled = managed.acknowledge(a)
        if handled:
            self.fire(events.stanzas_acknowledged, session, handled)
        if len(managed) >= management.REQUEST_EVERY and session.outlet is not None:
            managed.ask(session.outlet)

    def ask_quiet(self) -> None:
        """Ask those who got less than was worth a question at once."""
        for session in list(self._connected):
            managed, outlet = session.managed, session.outlet
            if managed is None or outlet is None:
                self._connected.discard(session)
            elif len(managed) and not managed.asked:
                managed.ask(outlet)

    # Who does not acknowledge

    @on(events.session_overdue)
    def limit(self, session: Session) -> None:
        managed = session.managed
        if managed is not None and session.outlet is not None and not managed.asked:
            managed.ask(session.outlet)
        self.host.clock.callLater(0, self._relieve, session)

    def _relieve(self, session: Session) -> None:
        if session.hibernating:
            self.host.intake.close(session, "too much waits for its client")
        elif session.managed is not None:
            self._check_late(session, session.managed)

    def _check_late(self, session: Session, managed: Managed) -> None:
        behind = len(managed) / managed.max_unacked, managed.size / managed.max_bytes
        waited = self.host.clock.seconds() - managed.asked_at
        if managed.late and (max(behind) > GRACE or waited >= self.options.ack_timeout):
            error = StreamError("policy-violation", "stanzas are not acknowledged")
            session.close(error)
        elif managed.late and max(behind) > 1:
            self.host.clock.callLater(0.1, self._look_again, session)

    def _look_again(self, session: Session) -> None:
        """Too much may come before the time is over."""
        managed = session.managed
        if managed is not None and managed.late and session.outlet is not None:
            self._check_late(session, managed)

    # Hibernation (§5)

    @on(events.session_hibernated)
    def keep(self, session: Session, why: str) -> None:
        managed = session.managed
        assert managed is not None
        self._connected.discard(session)
        self._expire_later(session, managed.max_s)
        if managed.late:
            self.host.clock.callLater(0, self._relieve, session)
        if self._lost.add(session):
            self.background(self._lost.work())

    def _park_all(self, lost: Sequence[Session]) -> Awaitable[object]:
        """What waits for sessions that have lost their connections is stored."""
        if self.offline is None:
            return succeed(None)
        return self.offline.park_all(
            (kept, message, session.user)
            for session in lost
            if session.managed is not None and session.hibernating
            for kept, message in self._left(session, session.managed.unacked())
        )

    def _count(self, session: Session) -> Ended | None:
        """What was handled, for a client that comes back to another process."""
        managed = session.managed
        if managed is None or not session.hibernating:
            return None
        until = time.time() + managed.max_s + self.options.remember
        return Ended(managed.id, session.user.local, managed.handled, int(until))

    def _expire_later(self, session: Session, in_s: float) -> None:
        self._cancel(session)
        self._expiring[session] = self.host.clock.callLater(in_s, self._expire, session)

    def _cancel(self, session: Session) -> None:
        waiting = self._expiring.pop(session, None)
        if waiting is not None and waiting.active():
            waiting.cancel()

    def _expire(self, session: Session) -> None:
        self._expiring.pop(session, None)
        if session.hibernating:
            self.fire(events.session_expired, session)
            self.host.intake.close(session, "its client did not come back")

    @on(events.stanza_waiting)
    def park(self, session: Session, kept: Kept) -> None:
        """Nobody is there to take it: a message is stored before its sender is acknowledged."""
        if (older := self._lost.before_more(session)) is not None:
            self.background(older)
        stored = self._park(session, kept)
        if stored is not None:
            self._parking += 1
            self.host.delivery.owes(stored.addBoth(self._parked))

    def _parked(self, place: object) -> object:
        self._parking -= 1
        return place

    def _park(self, session: Session, kept: Kept) -> Any:
        managed, message = session.managed, kept.stanza
        if managed is None or self.offline is None or not isinstance(message, Message):
            return None
        if self._has_another(session, kept):
            return None
        letter = stamped(kept, self.host.domain, self.host.clock.seconds())
        assert isinstance(letter, Message)
        return self.offline.park(kept, letter, session.user)

    def _has_another(self, session: Session, kept: Kept) -> bool:
        """Whether another session, which is connected, got that message or a copy of it."""
        return any(
            other is not session
            and other.outlet is not None
            and other.opened_at <= kept.at
            and self._got(other, kept.stanza)
            for other in self.host.sessions.of(session.user)
        )

    def _got(self, other: Session, message: Stanza) -> bool:
        if message.to.is_bare and other.priority is not None and other.priority >= 0:
            return True
        carbons = self.carbons
        if carbons is None or not carbons.wanted[other] or not isinstance(message, Message):
            return False
        return carbons.copies(message, other.user)

    # Resumption (§5)

    @on(events.session_resuming)
    async def resume(self, resumption: Resumption) -> None:
        user, request = resumption.user, resumption.request
        try:
            resumption.session = await self._wake(user, request)
        except StreamError as error:
            resumption.error = error
            return
        resumption.answer = await self._answer(user, request, resumption.session)

    @on(events.logging_in)
    async def resume_at_once(self, login: Login) -> None:
        """XEP-0198 §9.2: before anything is bound."""
        request = login.request(ns.SM, "resume")
        if request is None:
            return
        try:
            login.resumed = await self._wake(login.user, request)
        except StreamError:
            login.answers.append(management.failed("bad-request"))
            return
        login.answers.append(await self._answer(login.user, request, login.resumed))

    async def _wake(self, user: JID, request: Element) -> Session | None:
        """The session asked for, hibernating, with all that it was sent made durable; None where
        there is none. StreamError for an impossible count.
        """
        session = self._find(user, request.get("previd") or "")
        if session is None or session.managed is None:
            return None
        session.managed.covered(request)
        if session.outlet is not None:  # half-open: the client knows better
            session.outlet.detach()
        while session.undurable is not None:
            await session.undurable.over()
        await self.store.drop(session.managed.id)  # the count is about to move on
        managed = session.managed
        if not session.hibernating or managed is None:
            return None  # resumed by another, or ended meanwhile
        handled = managed.acknowledge(request)
        if handled:
            self.fire(events.stanzas_acknowledged, session, handled)
        return session

    def _find(self, user: JID, id_: str) -> Session | None:
        """Of that account's sessions alone."""
        wanted = id_.encode()
        found = None
        for session in self.host.sessions.of(user):
            managed = session.managed
            if managed is not None and managed.id:
                same = hmac.compare_digest(managed.id.encode(), wanted)
                found = session if same else found
        return found

    async def _answer(self, user: JID, request: Element, session: Session | None) -> Element:
        id_ = request.get("previd")
        if session is not None and session.managed is not None:
            managed = session.managed
            return Element(ns.SM, "resumed", {"previd": managed.id, "h": str(managed.handled)})
        if id_ is None or request.get("h") is None:
            return management.failed("bad-request")
        if not self.options.resume:
            return management.failed("feature-not-implemented")
        return management.failed("item-not-found", await self.store.count(id_, user.local))

    @nonza(ns.SM, "resume")
    def refuse(self, session: Session | None, element: Element) -> Element:
        """A session is bound already (before that, the stream asks `resume` above)."""
        return management.failed("unexpected-request")

    @on(events.session_resumed)
    def go_on(self, session: Session) -> None:
        self._cancel(session)
        self._connected.add(session)

    # The end

    @on(events.session_closed, order=LATE)  # others look at what waits
    def pass_on(self, session: Session, why: str) -> None:
        """What the client has not acknowledged goes on its way (§4)."""
        self._cancel(session)
        self._connected.discard(session)
        managed, session.managed = session.managed, None
        if managed is None:
            return
        unacked = managed.drain()
        for kept in unacked:
            if isinstance(kept.stanza, IQ) and kept.stanza.is_request:
                self.host.router.bounce(kept.stanza, StanzaError("service-unavailable"))
        self.entrust(session, unacked)

    def entrust(self, session: Session, unread: Iterable[Kept]) -> None:
        """What the client of a session that is over has not got, for who comes next."""
        left = self._left(session, unread)
        stored = None
        if self.offline is not None:
            stored = self.offline.park_all((*each, session.user) for each in left)
        self.background(self._refuse_rest(stored, left, session.user))

    def _left(self, session: Session, unacked: Iterable[Kept]) -> list[tuple[Kept, Message]]:
        """The messages that nobody has but this session, with the time since when they wait."""
        left = []
        for kept in unacked:
            message = stamped(kept, self.host.domain, self.host.clock.seconds())
            if (
                isinstance(message, Message)
                and message.type in ("normal", "chat")
                and not is_copy(message)
                and not self._has_another(session, kept)
            ):
                left.append((kept, message))
        return left

    async def _refuse_rest(
        self, stored: Awaitable[object] | None, left: list[tuple[Kept, Message]], user: JID
    ) -> None:
        """What is neither in the store nor in the archive is stored elsewhere, or refused."""
        if stored is not None:
            await stored
        for kept, message in left:
            held = self.offline is not None and self.offline.holds(kept)
            if not held and not id_given(message, user):
                await (self.host.delivery.store(message, user) or succeed(None))

    @on(events.account_deleted)
    def erase(self, user: JID) -> None:
        self.background(self.store.drop_all(user.local))

    async def sweep(self) -> None:
        await self.store.drop_older(int(time.time()))

    # Over a restart

    @on(events.host_stopping)
    async def store_all(self, host: JID) -> None:
        """Sessions that hibernate, all connections being closed, shall outlive the process."""
        self._stored_all = True
        await self._lost.over()
        await self._quiet()
        whole = [session for session in self.host.sessions if session.hibernating]
        for first in range(0, len(whole), TOGETHER):
            ended = map(self._whole, whole[first : first + TOGETHER])
            await self._store_patiently([each for each in ended if each is not None])

    async def _quiet(self) -> None:
        """Until nothing more comes for sessions, and of all that has come it is known where it is:
        that is a part of what is stored here. What takes longer than the server has fails.
        """
        while (
            self._parking
            or self.host.delivery.waits
            or any(session.undurable is not None for session in self.host.sessions)
        ):
            await self.pause(BUSY_S)

    def _whole(self, session: Session) -> Ended | None:
        ended = self._count(session)
        if ended is None or session.managed is None:
            return None
        until = int(time.time() + session.managed.max_s)
        return ended._replace(snapshot=dump(session), resumable_until=until)

    async def _store_patiently(self, ended: list[Ended]) -> None:
        """Others store as well when the server stops; it says when there is no more time."""
        while True:
            try:
                await self.store.put_all(ended)
            except DatabaseBusy:
                await self.pause(BUSY_S)
            else:
                return

    @on(events.host_started)
    async def revive_all(self, host: JID) -> None:
        for saved in await self.store.take_all(int(time.time())):
            try:
                await self._revive(saved)
            except Exception:
                self.log.failure("sm: a session of {user} is lost", user=saved.user)

    async def _revive(self, saved: Any) -> None:
        session = revive(saved, self.host, self._managed)
        await self.host.intake.restore(session)
        self._expire_later(session, max(saved.until - time.time(), 1.0))
        self.fire(events.session_restored, session)


def is_copy(message: Message) -> bool:
    """Of a message that has its own way: carbons, and what was read in an archive."""
    carbon = message.has(ns.CARBONS, "sent") or message.has(ns.CARBONS, "received")
    return carbon or message.has(ns.MAM, "result")
