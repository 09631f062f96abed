"""Offline messages: kept until a resource can take them (XEP-0160 1.0.1).

The sender's hints are obeyed (XEP-0334 1.0.0), and each message says since when it waited
(XEP-0203 2.0). A message leaves the store only when it was written to a session, the network took
all of it, and the client sent something afterwards. A connection that is lost before costs no
message: the next session gets it, maybe again.
"""

import time
from collections.abc import AsyncIterator, Container, Iterable
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred

from xmppd.api import (
    CLOSED_BY_CLIENT,
    EARLY,
    JID,
    LATE,
    STOP,
    Binding,
    Element,
    Host,
    Message,
    Options,
    PerSession,
    Presence,
    Session,
    Stanza,
    StanzaError,
    StanzaReader,
    Stop,
    StorageError,
    Those,
    delay,
    events,
    ns,
    on,
    uses_if,
)
from xmppd.modules.archive import Archive
from xmppd.modules.offline import copies
from xmppd.modules.offline.delivery import MAX_HELD, MAX_HELD_BYTES, Delivery, takes
from xmppd.modules.offline.parking import Parking, passing
from xmppd.modules.offline.queue import BATCH, Letter, messages
from xmppd.modules.stanza_ids import id_given

__all__ = [
    "BATCH",
    "MAX_HELD",
    "MAX_HELD_BYTES",
    "MAX_UNREAD",
    "RETRY_S",
    "OfflineMessages",
    "messages",
    "passing",
]

MAX_UNREAD = 262144  # bytes a client may be behind before it gets more
PAUSE_S = 0.1
RETRY_S = 3.0  # after storage has failed


class OfflineMessages(Parking):
    name = "offline"
    features = ("msgoffline",)
    archive = uses_if(Archive)
    catches_up = PerSession(0)  # by the archive, with all that came up to that place

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._deliveries: dict[JID, Delivery] = {}
        self._unread: set[JID] = set()  # storage failed when their messages were to be read
        self._reader = StanzaReader()
        self._over = False

    async def start(self) -> None:
        self.every(RETRY_S, self._try_again)
        if self.name not in self.host.modules:  # else the old one still serves: see `restore`
            self._listen()

    async def stop(self) -> None:
        self._over = True

    def _listen(self) -> None:
        """As long as nothing stored is on its way to anybody, no stanza comes by here."""
        if not self._over:  # else the new instance has the say
            for hook in (events.session_receives, events.user_sends):
                self.listen(hook, bool(self._deliveries))

    def save(self) -> dict[str, Any]:
        known = [each for each in self._deliveries.values() if takes(each.session)]
        return {
            "deliveries": [(e.session.jid, e.given, e.confirmed, e.plain) for e in known],
            "unread": [*self._unread, *(e.session.user for e in known if e.fetching)],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self._unread.update(saved.get("unread", ()))
        for full, *places in saved.get("deliveries", ()):
            session = self.host.sessions.get(full)
            if session is not None:
                self._deliveries[session.user] = Delivery(session, *places)
        self._listen()

    # Into the store

    @on(events.message_storing)
    def store(self, message: Message, user: JID) -> Deferred[Stop | None] | Stop | None:
        """A full queue, and what must not be stored but says something, is answered with
        service-unavailable (XEP-0160 §2; RFC 6121 §8.5.2.2.1).
        """
        if message.type not in ("normal", "chat"):
            return None
        if message.has(ns.HINTS, "no-store"):
            return STOP if passing(message) else None
        if passing(message) and not message.has(ns.HINTS, "store"):
            return STOP
        return self._put(message, user).addCallback(self._stored, user)

    def _stored(self, place: int, user: JID) -> Stop | None:
        if not place:
            return None
        self._go_on(user)
        return STOP

    def _go_on(self, user: JID) -> None:
        """Somebody may have come online while a message was being stored, or a session gone
        with messages that it got no hold of.
        """
        if self._over:  # reloaded meanwhile: the new instance looks after what is left
            unread = getattr(self.host.modules.get(self.name), "_unread", None)
            if unread is not None:
                unread.add(user)
            return
        for session in self.host.sessions.of(user):
            if takes(session):
                self._deliver(session)
                return

    def _try_again(self) -> None:
        users, self._unread = self._unread, set()
        for user in users:
            self._go_on(user)

    # Out of the store

    @on(events.presence_changed, order=LATE)  # the session's own presence comes first
    def deliver(self, session: Session, presence: Presence, previous: Presence | None) -> None:
        """When a session begins to take messages (XEP-0160 §2)."""
        if takes(session) and (previous is None or previous.priority < 0):
            self._deliver(session)

    def _deliver(self, session: Session) -> None:
        going = self._deliveries.get(session.user)
        if going is None or not takes(going.session):
            going = self._deliveries[session.user] = Delivery(session)
            self._listen()
        if going.fetching:
            going.again = True
        else:
            self.background(self._hand_over(going))

    async def _hand_over(self, going: Delivery) -> None:
        """Write all there is to the session, while newer messages wait."""
        going.begin()
        try:
            more = True
            while more and takes(going.session):
                going.again = False
                batch = await self.queue.after(going.session.user.local, going.given)
                going.skip = _waiting_for(going.session)
                for at, xml in batch:
                    await self._room(going.session)
                    if self._over or not takes(going.session):
                        return  # after a reload the new instance goes on
                    self._give(going, at, xml)
                more = going.again or len(batch) == BATCH
        except StorageError:
            self._unread.add(going.session.user)
            raise
        finally:
            self._release(going)

    async def _room(self, session: Session) -> None:
        """Wait while the client is far behind with reading: too much would cost it its stream."""
        while session.outlet is not None and _far_behind(session):
            await self.pause(PAUSE_S)

    def _give(self, going: Delivery, at: int, xml: bytes) -> None:
        going.given = at
        if at in going.skip:
            return
        try:
            message = self._reader.read(xml)
            assert isinstance(message, Message)
            if self._has(going.session, message, at):
                self._pass_over(going, at)
            else:
                going.write(message if self._says_when(message) else self._late(message, at))
        except Exception:  # damaged, or a module failed: the others must come through
            self.log.failure("offline: a message for {user} is lost", user=going.session.user)

    def _has(self, session: Session, message: Message, at: int) -> bool:
        """Whether the client has read it in its archive before it began to take messages, or will
        do so (XEP-0386 §3.2).
        """
        if self.archive is None:
            return False
        will_read = at <= self.catches_up[session] and id_given(message, session.user)
        return bool(will_read) or self.archive.has_read(session, message)

    def _pass_over(self, going: Delivery, at: int) -> None:
        """Its client has it already, or knows where to find it."""
        if going.session.managed is None:
            going.plain = at
        else:
            self.background(self.queue.drop_these(going.session.user.local, [at]))

    def _says_when(self, message: Message) -> bool:
        """Whether it bears a stamp of ours already (forged ones do not come as far as here)."""
        stamps = (e.get("from") for e in message.children_of(ns.DELAY) if e.name == "delay")
        return self.host.domain in stamps

    def _late(self, message: Message, at: int) -> Message:
        stamp = datetime.fromtimestamp(at // 1000 / 1000, UTC)
        return message.copy(add=[delay(stamp, self.host.domain, copies.REASON)])

    def _release(self, going: Delivery) -> None:
        """Newer messages go on their way: to the session, or, if it is gone, into the store."""
        held = going.end()
        if not going.session.hibernating:
            self._forget_done(going)
        if self._over:
            self._go_on(going.session.user)
        for message in held:
            if going.session.outlet is not None:
                going.session.send(message)
            else:
                self.background(self._keep(message, going.session.user))

    async def _keep(self, message: Stanza, user: JID) -> None:
        assert isinstance(message, Message)
        if message.type == "headline":
            return
        kept = self.store(message, user)
        if isinstance(kept, Deferred):
            kept = await kept
        if kept is None:
            done = self.host.router.bounce(message, StanzaError("service-unavailable"))
            if done is not None:
                await done

    def _holds(self, stanza: Stanza) -> bool | Container[Session]:
        return stanza.kind == "message" and Those(self._gives)

    def _gives(self, session: Session) -> bool:
        going = self._deliveries.get(session.user)
        return going is not None and going.session is session

    @on(events.session_receives, order=EARLY, concerns=_holds)
    def hold(self, stanza: Stanza, session: Session) -> Stop | None:
        """Nothing newer comes before what was sent earlier (RFC 6120 §10.1)."""
        if stanza.kind != "message":
            return None
        going = self._deliveries.get(session.user)
        if going is None or going.session is not session:
            return None
        if stanza.has(ns.MAM, "result"):  # it is older itself, and its query ends with an IQ
            return None
        if session.hibernating and not going.fetching:  # the older ones go on when it is back
            self._queue_up(stanza, session.user)
            return STOP
        return STOP if going.hold(stanza) else None

    def _queue_up(self, message: Stanza, user: JID) -> None:
        assert isinstance(message, Message)
        if self._is_parked(message):
            self.host.delivery.owes(self._put(message, user))

    @on(events.session_resumed)
    def go_on_with(self, session: Session) -> None:
        """What was on its way from the store when the connection was lost."""
        going = self._deliveries.get(session.user)
        if going is not None and going.session is session:
            self._deliver(session)

    @on(events.bind_extending)
    def note_archive(self, binding: Binding) -> None:
        """Its client reads the archive: what is there need not come twice (XEP-0386 §3.2)."""
        if self.archive is not None:
            self.catches_up[binding.session] = max(self._latest, int(time.time() * 1e6))

    # When the client has them

    @on(events.user_sends, order=EARLY)  # what others swallow is a sign of life as well
    def confirm(self, stanza: Stanza, session: Session) -> None:
        going = self._deliveries.get(session.user)
        if going is None or going.session is not session or not going.unconfirmed:
            return
        if session.outlet is None or session.outlet.buffered:
            return  # some may still be with us
        going.confirmed = going.plain
        self.background(self._drop(going, going.plain))
        self._forget_done(going)

    async def _drop(self, going: Delivery, until: int) -> None:
        user = going.session.user
        try:
            await self.queue.drop(user.local, until)
        except StorageError:
            going.confirmed = 0  # the next sign of life tries again
            if going.session.outlet is not None:
                self._deliveries.setdefault(user, going)
                self._listen()
            raise

    def _forget_done(self, going: Delivery) -> None:
        user = going.session.user
        if going.done and self._deliveries.get(user) is going:
            del self._deliveries[user]
            self._listen()

    @on(events.session_closed)
    def pass_on(self, session: Session, why: str) -> None:
        """What a lost session may not have got goes to another one, now or later."""
        going = self._deliveries.get(session.user)
        if going is None or going.session is not session:
            if session.managed is not None:
                self._go_on(session.user)
            return
        del self._deliveries[session.user]
        self._listen()
        if why == CLOSED_BY_CLIENT and going.unconfirmed:
            self.background(self._drop(going, going.plain))  # a sign of life, the last one
        self._go_on(session.user)

    # Accounts

    @on(events.account_exporting)
    def export(self, user: JID) -> Iterable[AsyncIterator[Element]]:
        """XEP-0227 §4.5."""
        yield self._exported(user)

    async def _exported(self, user: JID) -> AsyncIterator[Element]:
        batch, last = await self.queue.after(user.local, 0), 0
        while batch:
            yield copies.written(batch, self.host.domain)
            last = batch[-1][0]
            batch = await self.queue.after(user.local, last)

    @on(events.account_importing)
    async def take_over(self, element: Element, user: JID) -> Stop | None:
        if (element.ns, element.name) != (ns.PIE, "offline-messages"):
            return None
        limits = self.options.limit, self.options.max_bytes
        for at, message in copies.messages(element, user, self.host.domain):
            letter = Letter(user.local, at, message.write(), *limits)
            if not await self.queue.put(letter):
                raise StanzaError("resource-constraint", "too many messages")
        return STOP

    @on(events.account_deleting)
    async def erase(self, user: JID) -> None:
        await self.queue.drop_all(user.local)

    @on(events.account_deleted)
    def erase_rest(self, user: JID) -> None:
        """What came in meanwhile."""
        self.background(self.queue.drop_all(user.local))


def _far_behind(session: Session) -> bool:
    assert session.outlet is not None
    managed = session.managed
    unacked = 0 if managed is None else len(managed) * 2 > managed.max_unacked
    return bool(unacked) or session.outlet.buffered > MAX_UNREAD


def _waiting_for(session: Session) -> frozenset[int]:
    """The places of messages that this client was sent, and has not acknowledged."""
    if session.managed is None:
        return frozenset()
    copies = [kept.copy for kept in session.managed.unacked() if kept.copy is not None]
    return frozenset(copy.place for copy in copies if copy.place)
