"""What all of the service has in common: the rooms it keeps, what it sends, what it stores."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from xmppd.api import (
    IQ,
    JID,
    Element,
    Host,
    Options,
    Stanza,
    StanzaError,
    StorageError,
    events,
    on,
)
from xmppd.modules.disco import DiscoService
from xmppd.modules.muc import entering, offered, reloading
from xmppd.modules.muc.governing import Change, Outcome
from xmppd.modules.muc.keeping import Keeper, Writer
from xmppd.modules.muc.limits import Rates
from xmppd.modules.muc.names import USER, Affiliation
from xmppd.modules.muc.options import MUCOptions
from xmppd.modules.muc.relaying import Relay
from xmppd.modules.muc.room import Occupant, Room, Standing
from xmppd.modules.muc.store import Rooms
from xmppd.modules.stanza_ids import clean_domains

TEND_S = 60.0


class RoomBase(DiscoService):
    options: MUCOptions
    stored: Rooms

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        mine = self.options
        self.writer = Writer(self.stored, self._history_lost)
        self.rooms = Keeper(self.domain, self.stored, self.writer, mine.idle_rooms)
        self.relay = Relay()
        self._queue: deque[Stanza] = deque()
        self._delivering = False
        self._messages = Rates(mine.messages_per_second, mine.messages_at_once)
        self._presences = Rates(mine.presences_per_second, mine.presences_at_once)
        self._joins = Rates(mine.joins_per_minute / 60, mine.joins_per_minute)
        self._room_joins = Rates(mine.room_joins_per_minute / 60, mine.room_joins_per_minute)
        self._made = Rates(mine.created_per_hour / 3600, mine.created_per_hour)
        self._hook_entering = host.hooks.of(offered.room_entering)
        self._hook_message = host.hooks.of(offered.room_message)
        self._hook_said = host.hooks.of(offered.room_said)

    async def start(self) -> None:
        """Where it takes another's place, what that one is storing comes first."""
        self.every(TEND_S, self._tend)
        before = self.host.modules.get(self.name)
        if isinstance(before, DiscoService):  # its class is of the time before the reload
            await before.quiet()  # type: ignore[attr-defined]

    async def quiet(self) -> None:
        """No room is being changed."""
        for room in self.rooms:
            async with room.changing:
                pass

    @property
    def _replaced(self) -> bool:
        """Whether a reload has put another in this one's place while something waited."""
        return self.host.modules.get(self.name) not in (None, self)

    async def stop(self) -> None:
        """Occupants are told of a shutdown (§12.2); after a reload a successor has them."""
        if not self._replaced:
            for room in self.rooms:
                self.deliver(entering.close(room))
        await self.writer.flushed()

    def save(self) -> dict[str, Any]:
        here = (room for room in self.rooms if not room.empty or not room.config.persistent)
        return {"rooms": [reloading.dump(room) for room in here]}

    def restore(self, saved: dict[str, Any]) -> None:
        for each in saved.get("rooms", ()):
            self.rooms.take(reloading.revived(each))

    def _history_lost(self, error: StorageError) -> None:
        words = "{name}: messages to rooms were not stored: {error}"
        self.log.error(words, name=self.name, error=error)

    def _now(self) -> float:
        return self.host.clock.seconds()

    # Sending

    def deliver(self, stanzas: Iterable[Stanza]) -> None:
        """Send these after all that is being sent: what comes of a stanza on its way (somebody is
        gone) must not overtake it, or occupants would see two orders.
        """
        self._queue.extend(stanzas)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._queue:
                self.send(self._queue.popleft())
        finally:
            self._delivering = False

    async def room(self, address: JID) -> Room:
        """Raises item-not-found."""
        room = await self.rooms.find(address.local)
        if self._replaced:
            raise StanzaError("resource-constraint", "the service was renewed", type="wait")
        if room is None:
            raise StanzaError("item-not-found", "there is no such room")
        return room

    @staticmethod
    def _check_alive(room: Room) -> None:
        """After waiting: it may have been destroyed."""
        if room.destroyed:
            raise StanzaError("item-not-found", "there is no such room any more")

    def left(self, room: Room, occupant: Occupant, session: JID) -> None:
        """A session is out: tell other modules; a temporary room ends with its last (§7.14)."""
        self.fire(offered.occupant_left, room, occupant, session)
        if room.destroyed:
            return
        if room.empty and (room.locked or not room.config.persistent):
            self.rooms.drop(room)
            self.fire(offered.room_destroyed, room)
        else:
            self.rooms.settle(room)

    def end(self, room: Room, venue: Element, first: Iterable[Stanza] = ()) -> None:
        """The room is destroyed; what was stored of it is gone already (§10.9)."""
        self.writer.forget(room.name)
        self.rooms.drop(room)
        self.deliver([*first, *entering.destroy(room, venue)])
        self.fire(offered.room_destroyed, room)

    # What the others share

    async def stand(self, room: Room, changes: list[Change]) -> None:
        """Store affiliations, if the room is stored at all. Raises resource-constraint."""
        new = sum(1 for change in changes if change.user not in room.standings)
        if new and len(room.standings) + new > self.options.max_affiliations:
            raise StanzaError("resource-constraint", "this room's lists are full")
        if changes and room.config.persistent and not room.locked:
            await self.stored.stand(room.name, [(str(c.user), c.new) for c in changes])

    def conclude(
        self, room: Room, outcome: Outcome, changes: Iterable[Change], result: IQ | None = None
    ) -> None:
        """Send in the order that §8.2 wants, and look after who is out."""
        answer = [] if result is None else [result]
        self.deliver([*outcome.first, *answer, *outcome.news])
        for change in changes:
            if change.new.affiliation is not change.old:
                self.fire(offered.affiliation_changed, room, change)
        for occupant, session in outcome.out:
            self.left(room, occupant, session)
        self.rooms.settle(room)

    @on(clean_domains)
    def name_domain(self) -> list[str]:
        return [self.domain.domain]

    # Time, and accounts that go

    def _tend(self) -> None:
        """Rooms that nobody configures are given up (§14.6)."""
        for room in self.rooms:
            if room.locked and self.rooms.age_s(room) > self.options.unconfigured:
                self.end(room, Element(USER, "destroy"))

    @on(events.account_deleting)
    async def forget(self, user: JID) -> None:
        """Who takes the name next has none of its rights."""
        await self.stored.forget(str(user))
        for room in self.rooms:
            room.voices.pop(user, None)
            if user in room.standings:
                room.stand(user, Standing(Affiliation.NONE))
