"""For clients that acknowledge (XEP-0198): what they have not is in the store as well."""

import time
from abc import abstractmethod
from collections.abc import Iterable

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from xmppd.api import (
    JID,
    Copy,
    Host,
    Kept,
    Message,
    Module,
    Options,
    Session,
    Size,
    Stanza,
    events,
    ns,
    on,
    option,
)
from xmppd.modules.offline.queue import Letter, Queue

# What alone is not worth reading later: notes on typing, and notes for servers
PASSING = frozenset(
    (ns.CHATSTATES, ns.HINTS, ns.STANZA_IDS, ns.DELAY, ns.CARBONS, "urn:xmpp:rtt:0")
)


class OfflineOptions(Options):
    limit: int = option(2000, "Messages kept for one account.", at_least=1)
    max_bytes: Size = option(8388608, "Their size in all.", at_least=10000)


class Parking(Module):
    options: OfflineOptions
    queue: Queue

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._latest = 0
        self._parked: tuple[Stanza | None, Copy] = None, Copy()  # the last one

    @abstractmethod
    def _go_on(self, user: JID) -> None:
        """Somebody may be there for what was stored meanwhile."""

    def _put(self, message: Stanza, user: JID) -> Deferred[int]:
        return self.queue.put(self._letter(message, user))

    def _letter(self, message: Stanza, user: JID) -> Letter:
        self._latest = max(self._latest + 1, int(time.time() * 1e6))  # clocks may jump back
        options = self.options
        return Letter(user.local, self._latest, message.write(), options.limit, options.max_bytes)

    def park(self, kept: Kept, message: Message, user: JID) -> Deferred[int] | None:
        """Store a message that waits for an acknowledgement, until that comes; None where there
        is nothing to store. Gives 0 where there is no room.
        """
        if kept.copy is not None or not self._is_parked(message):
            return None
        stanza, copy = self._parked
        if stanza is kept.stanza and copy.needed:  # another session of the account waits for it
            kept.copy = copy
            return None
        kept.copy = copy = Copy()
        self._parked = kept.stanza, copy
        return self._put(message, user).addCallbacks(
            self._is_stored, self._not_stored, callbackArgs=(copy, user), errbackArgs=(copy,)
        )

    def park_all(self, waiting: Iterable[tuple[Kept, Message, JID]]) -> "Deferred[list[int]]":
        """As `park`, for what waits when connections are lost or a session ends. Never fails."""
        parked = [
            (kept, self._letter(message, user), user)
            for kept, message, user in waiting
            if (kept.copy is None or kept.copy.place == 0) and self._is_parked(message)
        ]
        if not parked:
            return succeed([])
        copies: list[tuple[Copy, JID]] = []
        for kept, _, user in parked:
            kept.copy = Copy()
            copies.append((kept.copy, user))
        return self.queue.put_all([letter for _, letter, _ in parked]).addCallbacks(
            self._are_stored, self._none_stored, callbackArgs=(copies,), errbackArgs=(copies,)
        )

    def _are_stored(self, places: list[int], copies: list[tuple[Copy, JID]]) -> list[int]:
        return [
            self._is_stored(place, copy, user)
            for place, (copy, user) in zip(places, copies, strict=True)
        ]

    def _none_stored(self, failure: Failure, copies: list[tuple[Copy, JID]]) -> list[int]:
        return [self._not_stored(failure, copy) for copy, _ in copies]

    def _is_parked(self, message: Message) -> bool:
        """Copies and results are of messages that are stored elsewhere."""
        if message.type not in ("normal", "chat") or message.has(ns.MAM, "result"):
            return False
        if message.has(ns.CARBONS, "sent") or message.has(ns.CARBONS, "received"):
            return False
        if message.has(ns.HINTS, "no-store"):
            return False
        return message.has(ns.HINTS, "store") or not passing(message)

    def _is_stored(self, place: int, copy: Copy, user: JID) -> int:
        copy.place = place
        if place and not copy.needed:
            self.background(self.queue.drop_these(user.local, [place]))
        elif place and not any(
            kept.copy is copy
            for session in self.host.sessions.of(user)
            if session.managed is not None
            for kept in session.managed.unacked()
        ):
            self._go_on(user)  # who waited for it is gone
        return place

    def _not_stored(self, failure: Failure, copy: Copy) -> int:
        copy.place = 0
        return 0

    def holds(self, kept: Kept) -> bool:
        """Whether that stanza is in the store, or on its way there."""
        return kept.copy is not None and kept.copy.place != 0

    @on(events.stanzas_acknowledged)
    def let_go(self, session: Session, handled: list[Kept]) -> None:
        places = []
        for kept in handled:
            if kept.copy is not None:
                kept.copy.needed = False
                if kept.copy.place:
                    places.append(kept.copy.place)
        if places:
            self.background(self.queue.drop_these(session.user.local, places))


def passing(message: Message) -> bool:
    """Whether nothing in it is worth reading later: empty, or chat states alone (XEP-0085 §5.8,
    XEP-0160 §3) with what accompanies them.
    """
    return all(
        of in PASSING or (of, name) == (ns.CLIENT, "thread") for of, name in message.payloads
    )
