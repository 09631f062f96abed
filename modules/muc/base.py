"""What all of the service has in common: the rooms it keeps, what it sends, what it stores."""

import json
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Any

from xmppd.api import (
    IQ,
    JID,
    Commit,
    Copies,
    Done,
    Element,
    Host,
    Message,
    Options,
    StanzaError,
    StorageError,
    events,
    on,
    uses_if,
)
from xmppd.modules.archive import Archive
from xmppd.modules.disco import DiscoService
from xmppd.modules.muc import (
    archiving,
    entering,
    extras,
    missing,
    offered,
    reloading,
    speaking,
    store,
)
from xmppd.modules.muc.config import Config
from xmppd.modules.muc.governing import Change, Outcome
from xmppd.modules.muc.graves import Graves
from xmppd.modules.muc.history import Said, Tail, new_id
from xmppd.modules.muc.keeping import Keeper, Writer
from xmppd.modules.muc.lanes import Lanes
from xmppd.modules.muc.limits import Rates, UserRates
from xmppd.modules.muc.names import USER, Affiliation, Outgoing
from xmppd.modules.muc.options import MUCOptions, new_config
from xmppd.modules.muc.relaying import Relay
from xmppd.modules.muc.room import Occupant, Room, Standing
from xmppd.modules.muc.store import Rooms
from xmppd.modules.stanza_ids import clean_domains

TEND_S = 60.0
VOICE_REQUESTS_PER_S, VOICE_REQUESTS = 1 / 60, 3  # of one user


class RoomBase(DiscoService):
    options: MUCOptions
    stored: Rooms
    graves: Graves
    archive = uses_if(Archive)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        mine = self.options
        self.writer = Writer(self.stored, self._history_lost)
        self.rooms = Keeper(self.domain, self.stored, self.writer, mine.idle_rooms, self.recall)
        self.lanes = Lanes(self._send_all)
        self.relay = Relay()
        self._queue: deque[Outgoing] = deque()
        self._delivering = False
        served, factor = host.router.serves, mine.remote_domain_factor
        rates = partial(UserRates, served=served, factor=factor)
        self._messages = rates(mine.messages_per_second, mine.messages_at_once)
        self._presences = rates(mine.presences_per_second, mine.presences_at_once)
        self._joins = rates(mine.joins_per_minute / 60, mine.joins_per_minute)
        self._room_joins = Rates(mine.room_joins_per_minute / 60, mine.room_joins_per_minute)
        self._made = rates(mine.created_per_hour / 3600, mine.created_per_hour)
        self._outside = rates(mine.invitations_per_minute / 60, mine.invitations_at_once)
        self._voices = Rates(VOICE_REQUESTS_PER_S, VOICE_REQUESTS)
        self._hook_missed = host.hooks.of(offered.member_missed)
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
        await self._settled()

    async def _settled(self) -> None:
        """Nothing waits for the archive any more."""
        if self.archive is not None and self.lanes:
            await self.archive.journal.settle()

    @property
    def _replaced(self) -> bool:
        """Whether a reload has put another in this one's place while something waited."""
        return self.host.modules.get(self.name) not in (None, self)

    async def stop(self) -> None:
        """Occupants are told of a shutdown (§12.2); after a reload a successor has them."""
        if not self._replaced:
            for room in self.rooms:
                self.deliver(entering.close(room))
        await self._settled()
        await self.writer.flushed()

    def save(self) -> dict[str, Any]:
        here = (room for room in self.rooms if not room.empty or not room.config.persistent)
        return {"rooms": [reloading.dump(room) for room in here], "relay": self.relay.save()}

    def restore(self, saved: dict[str, Any]) -> None:
        for each in saved.get("rooms", ()):
            self.rooms.take(reloading.revived(each))
        self.relay.restore(saved.get("relay", ()))

    def _history_lost(self, error: StorageError) -> None:
        words = "{name}: messages to rooms were not stored: {error}"
        self.log.error(words, name=self.name, error=error)

    def _now(self) -> float:
        return self.host.clock.seconds()

    # Sending

    def deliver(self, stanzas: Iterable[Outgoing]) -> None:
        """Send these after all that is being sent: what comes of a stanza on its way (somebody is
        gone) must not overtake it, or occupants would see two orders.
        """
        if self.lanes:
            stanzas = [stanza for stanza in stanzas if not self.lanes.follow(stanza)]
        self._send_all(stanzas)

    def _send_all(self, stanzas: Iterable[Outgoing]) -> None:
        self._queue.extend(stanzas)
        if self._delivering:
            return
        self._delivering = True
        try:
            router = self.host.router
            while self._queue:
                following = self._queue.popleft()
                if isinstance(following, Copies):
                    router.route_copies(following)
                else:
                    router.route(following)  # nobody waits for it
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
            self.erase(room)
            self.fire(offered.room_destroyed, room)
        else:
            self.rooms.settle(room)

    def end(self, room: Room, venue: Element, first: Iterable[Outgoing] = ()) -> None:
        """The room is destroyed; what was stored of it is gone already (§10.9)."""
        self.writer.forget(room.name)
        self.rooms.drop(room)
        self.erase(room)
        self.deliver([*first, *entering.destroy(room, venue)])
        self.fire(offered.room_destroyed, room)

    # What is said

    def archives(self, room: Room) -> bool:
        """Whether what is said there goes into an archive."""
        return room.config.archiving and not room.locked and self.archive is not None

    def utter(
        self, room: Room, clean: Message, occupant: Occupant | None, *, seen: bool = True
    ) -> Done:
        """A message goes to all, into the history if it is to be `seen` later, and into the
        archive, with the id that it has there.
        """
        self.lanes.check(room.name)
        id_, commit = self._record(room, clean, occupant)
        said = speaking.said(room, clean, occupant, id_)
        kept = seen and speaking.keep(room, said)
        if self._hook_said.handlers:
            self._hook_said.signal(room, said)
        if self._hook_missed.handlers:
            for user in missing.missed_by(room, said.message):
                self._hook_missed.signal(user, room, said.message)
        copies = said.message.copies(room.sessions)
        if commit is not None:
            return self._when_stored(room, clean, said, commit, copies)
        stored = kept and room.config.persistent
        done = self.writer.append(store.kept(room, said)) if stored else None
        self.deliver([copies])
        return done

    def _record(
        self, room: Room, clean: Message, occupant: Occupant | None
    ) -> tuple[str, Commit | None]:
        """The id of a message, and when it is in the archive if it goes there."""
        archive = self.archive
        if archive is None or not self.archives(room) or not archiving.is_archived(clean):
            return new_id(), None
        peer = room.jid if occupant is None else occupant.jid
        id_ = archive.keep(room.jid, peer, archiving.entry(room, clean, occupant))
        return id_, archive.journal.commit

    def _when_stored(
        self, room: Room, clean: Message, said: Said, commit: Commit, copies: Copies[Message]
    ) -> Done:
        def refuse(problem: StanzaError) -> None:
            room.tail.remove(said)
            if clean.from_ != room.jid:
                self.host.router.bounce(clean, problem)

        return self.lanes.hold(room.name, commit, [copies], refuse)

    async def recall(self, room: Room) -> None:
        """The history of a room that is loaded, from its archive if it has one."""
        if self.archive is None or not room.config.archiving or not room.config.history:
            return
        rows = await self.archive.newest(room.jid, room.config.history, room.created)
        found = [said for row in rows if (said := archiving.said(room, row)) is not None]
        if found:
            room.tail = Tail()
            for said in found:
                _ = speaking.keep(room, said)

    def new_config(self) -> Config:
        return new_config(self.options.defaults)

    @staticmethod
    def news(room: Room, x: Element) -> list[Outgoing]:
        """To all: something is true of the room from now on."""
        return [Message(room.jid, room.jid, "groupchat", None, x).copies(room.sessions)]

    def greet(self, room: Room, session: JID, occupant: Occupant) -> None:
        """A session has entered, and was told all that XEP-0045 wants."""

    def new_room(self, name: str) -> Room:
        """In memory and locked; of what older rooms of that name archived it sees nothing."""
        latest = 0 if self.archive is None else self.archive.journal.latest
        room = self.rooms.create(name, self.new_config(), latest)
        if self.archive is not None:  # there is something left where the server was killed
            self.background(self.archive.drop(room.jid, room.created - 1))
        return room

    def erase(self, room: Room) -> None:
        """The room is no more, or nobody's archive any more."""
        if self.archive is not None:
            self.background(self.archive.drop(room.jid, self.archive.journal.latest))

    # What the others share

    async def stand(self, room: Room, changes: list[Change]) -> None:
        """Store affiliations, if the room is stored at all. Raises resource-constraint."""
        new = sum(1 for change in changes if change.user not in room.standings)
        if new and len(room.standings) + new > self.options.max_affiliations:
            raise StanzaError("resource-constraint", "this room's lists are full")
        if changes and room.config.persistent and not room.locked:
            people = [(str(change.user), change.new) for change in changes]
            await self.stored.stand(room.name, people, self.counted(room, changes))

    @staticmethod
    def counted(room: Room, changes: Iterable[Change]) -> dict[str, str]:
        """The versions of affiliations as they are after these changes, to be stored with them."""
        versions = room.versions.copy()
        for change in changes:
            if change.new.affiliation is not change.old:
                versions.bump(change.user)
        return {extras.VERSIONS: json.dumps(versions.dump())}

    def remember(self, room: Room, *names: str) -> None:
        """Store what else is remembered of the room, beside the stanzas' way."""
        if room.config.persistent and not room.locked:
            for name in names:
                self.background(self.stored.put_extra(room.name, name, extras.piece(room, name)))

    def may_write_outside(self, user: JID, messages: int) -> bool:
        """Whether so many more may get an invitation or a notice because of this user, who are
        not in the room and have not asked for it.
        """
        mine = self.options
        if not messages or not mine.invitations_per_minute:
            return True
        few = messages <= mine.invitations_at_once
        return few and self._outside.take(user.bare, self._now(), messages)

    def conclude(
        self, room: Room, outcome: Outcome, changes: Iterable[Change], result: IQ | None = None
    ) -> None:
        """Send in the order that §8.2 wants, and look after who is out. Who is told outside is
        told out of courtesy (§17.1.1): of long lists nobody is.
        """
        answer = [] if result is None else [result]
        outside = outcome.outside
        if result is not None and not self.may_write_outside(result.to, len(outside)):
            outside = []
        self.deliver([*outcome.first, *answer, *outcome.news, *outside])
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
        await self.graves.forget(str(user))
        for room in self.rooms:
            for known in (room.voices, room.invited, room.applicants, room.hats.worn):
                known.pop(user, None)
            if user in room.standings:
                room.stand(user, Standing(Affiliation.NONE))
