"""Offline messages: kept until a resource can take them (XEP-0160 1.0.1).

The sender's hints are obeyed (XEP-0334 1.0.0), and each message says since when it waited
(XEP-0203 2.0). A message leaves the store only when it was written to a session, the network took
all of it, and the client sent something afterwards. A connection that is lost before costs no
message: the next session gets it, maybe again.
"""

import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred

from xmppd.api import (
    CLOSED_BY_CLIENT,
    EARLY,
    JID,
    LATE,
    STOP,
    Delay,
    Element,
    Host,
    Message,
    Module,
    Options,
    Presence,
    Session,
    Size,
    Stanza,
    StanzaError,
    Stop,
    StorageError,
    events,
    ns,
    on,
    option,
    uses_if,
)
from xmppd.modules.archive import Archive
from xmppd.modules.offline import copies
from xmppd.modules.offline.delivery import MAX_HELD, MAX_HELD_BYTES, Delivery, takes
from xmppd.modules.offline.queue import BATCH, Letter, Queue, messages, read

__all__ = [
    "BATCH",
    "MAX_HELD",
    "MAX_HELD_BYTES",
    "MAX_UNREAD",
    "RETRY_S",
    "OfflineMessages",
    "messages",
]

MAX_UNREAD = 262144  # bytes a client may be behind before it gets more
PAUSE_S = 0.1
RETRY_S = 3.0  # after storage has failed
# What alone is not worth reading later: notes on typing, and notes for servers
PASSING = frozenset(
    (ns.CHATSTATES, ns.HINTS, ns.STANZA_IDS, ns.DELAY, ns.CARBONS, "urn:xmpp:rtt:0")
)


class OfflineOptions(Options):
    limit: int = option(2000, "Messages kept for one account.", at_least=1)
    max_bytes: Size = option(8388608, "Their size in all.", at_least=10000)


class OfflineMessages(Module):
    name = "offline"
    features = ("msgoffline",)
    options: OfflineOptions
    queue: Queue
    archive = uses_if(Archive)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._deliveries: dict[JID, Delivery] = {}
        self._unread: set[JID] = set()  # storage failed when their messages were to be read
        self._latest = 0
        self._over = False

    async def start(self) -> None:
        self.every(RETRY_S, self._try_again)

    async def stop(self) -> None:
        self._over = True

    def save(self) -> dict[str, Any]:
        known = [each for each in self._deliveries.values() if takes(each.session)]
        return {
            "deliveries": [(each.session.jid, each.given, each.confirmed) for each in known],
            "unread": [*self._unread, *(e.session.user for e in known if e.fetching)],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self._unread.update(saved.get("unread", ()))
        for full, given, confirmed in saved.get("deliveries", ()):
            session = self.host.sessions.get(full)
            if session is not None:
                self._deliveries[session.user] = Delivery(session, given, confirmed)

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

    def _put(self, message: Stanza, user: JID) -> Deferred[bool]:
        self._latest = max(self._latest + 1, int(time.time() * 1e6))  # clocks may jump back
        options = self.options
        return self.queue.put(
            Letter(user.local, self._latest, message.write(), options.limit, options.max_bytes)
        )

    def _stored(self, kept: bool, user: JID) -> Stop | None:
        if not kept:
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
        while session.outlet is not None and session.outlet.buffered > MAX_UNREAD:
            pause: Deferred[None] = Deferred()
            self.host.clock.callLater(PAUSE_S, pause.callback, None)
            await pause

    def _give(self, going: Delivery, at: int, xml: bytes) -> None:
        going.given = at
        if self.archive is not None and self._has(going.session, xml):
            return
        stamp = datetime.fromtimestamp(at // 1000 / 1000, UTC)
        delay = Delay(from_=self.host.domain, stamp=stamp, reason="Offline Storage")
        try:
            going.write(read(xml).copy(add=[delay.element()]))
        except Exception:  # damaged, or a module failed: the others must come through
            self.log.failure("offline: a message for {user} is lost", user=going.session.user)

    def _has(self, session: Session, xml: bytes) -> bool:
        """Whether the client has read it in its archive before it began to take messages."""
        assert self.archive is not None
        try:
            return self.archive.has_read(session, read(xml))
        except (ValueError, KeyError):
            return False  # damaged: `_give` says so

    def _release(self, going: Delivery) -> None:
        """Newer messages go on their way: to the session, or, if it is gone, into the store."""
        held = going.end()
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

    @on(events.session_receives, order=EARLY)
    def hold(self, stanza: Stanza, session: Session) -> Stop | None:
        """Nothing newer comes before what was sent earlier (RFC 6120 §10.1)."""
        if not self._deliveries or stanza.kind != "message":
            return None
        going = self._deliveries.get(session.user)
        if going is None or going.session is not session:
            return None
        if stanza.has(ns.MAM, "result"):  # it is older itself, and its query ends with an IQ
            return None
        return STOP if going.hold(stanza) else None

    # When the client has them

    @on(events.user_sends, order=EARLY)  # what others swallow is a sign of life as well
    def confirm(self, stanza: Stanza, session: Session) -> None:
        if not self._deliveries:
            return
        going = self._deliveries.get(session.user)
        if going is None or going.session is not session or not going.unconfirmed:
            return
        if session.outlet is None or session.outlet.buffered:
            return  # some may still be with us
        going.confirmed = going.given
        self.background(self._drop(going, going.given))
        self._forget_done(going)

    async def _drop(self, going: Delivery, until: int) -> None:
        user = going.session.user
        try:
            await self.queue.drop(user.local, until)
        except StorageError:
            going.confirmed = 0  # the next sign of life tries again
            if going.session.outlet is not None:
                self._deliveries.setdefault(user, going)
            raise

    def _forget_done(self, going: Delivery) -> None:
        user = going.session.user
        if going.done and self._deliveries.get(user) is going:
            del self._deliveries[user]

    @on(events.session_closed)
    def pass_on(self, session: Session, why: str) -> None:
        """What a lost session may not have got goes to another one, now or later."""
        going = self._deliveries.get(session.user)
        if going is None or going.session is not session:
            return
        del self._deliveries[session.user]
        if why == CLOSED_BY_CLIENT and going.unconfirmed:
            self.background(self._drop(going, going.given))  # a sign of life, the last one
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


def passing(message: Message) -> bool:
    """Whether nothing in it is worth reading later: empty, or chat states alone (XEP-0085 §5.8,
    XEP-0160 §3) with what accompanies them.
    """
    return all(
        of in PASSING or (of, name) == (ns.CLIENT, "thread") for of, name in message.payloads
    )
