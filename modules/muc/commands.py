"""Rooms from the operator's side: `xmppctl` and the manhole."""

import time
from datetime import UTC, datetime

from xmppd.api import (
    JID,
    CommandError,
    JIDError,
    Rows,
    StanzaError,
    check_account,
    command,
    jid,
    make_jid,
)
from xmppd.modules.muc import config, configuring, governing, offered, store
from xmppd.modules.muc.governing import Change
from xmppd.modules.muc.names import AFFILIATIONS, Affiliation
from xmppd.modules.muc.presences import Why
from xmppd.modules.muc.room import Room, Standing
from xmppd.modules.muc.store import Listed
from xmppd.modules.muc.wizards import RoomWizards

MOST_LISTED = 1000
DAY_S = 86400
ROOM = "Its name: the part before the @."


class RoomCommands(RoomWizards):
    @command("rooms", "List the rooms of a host.", after="The last name of the page before.")
    async def list_rooms(self, *, after: str = "") -> Rows:
        """Those in memory and those that are stored, 1000 at a time."""
        begin = (await self._named(after)).created if after else -1
        stored = await self.stored.all(begin, MOST_LISTED)
        names = {each.name: (each.created, each.title) for each in stored}
        for room in self.rooms:
            if room.created > begin:
                names[room.name] = (room.created, room.config.name)
        order = sorted(names, key=lambda name: names[name][0])[:MOST_LISTED]
        return Rows(
            ("room", "name", "occupants"), [(n, names[n][1], self._there(n)) for n in order]
        )

    @command(
        "rooms-unused",
        "List the stored rooms in which nobody is and nothing was said for some days.",
        days="How many days.",
        after="The last name of the page before.",
    )
    async def list_unused(self, days: int, *, after: str = "") -> Rows:
        """Of 1000 rooms at a time those that may go, for room-destroy."""
        begin = (await self._named(after)).created if after else -1
        if days < 0:
            raise CommandError("days is 0 or more")
        old = time.time() - days * DAY_S
        lines: list[tuple[str | int | float | bool | None, ...]] = []
        for each in await self.stored.all(begin, MOST_LISTED):
            last = await self._last_used(each)
            if last < old and not self._there(each.name):
                lines.append((each.name, each.title, _date(last)))
        return Rows(("room", "name", "last used"), lines)

    async def _last_used(self, listed: Listed) -> float:
        """When something was said, in seconds since 1970, or when the room was made."""
        said = await self.stored.last_said(listed.name)
        if self.archive is not None:
            address = JID(listed.name, self.domain.domain, "")
            for row in await self.archive.newest(address, 1, listed.created):
                said = max(said, store.micros(row.id.stamp))
        return max(said, listed.created) / 1e6

    def _there(self, name: str) -> int:
        room = self.rooms.get(name)
        return 0 if room is None else len(room.occupants)

    @command("room", "Show a room: its configuration, who is in it and on its lists.", room=ROOM)
    async def show_room(self, room: str) -> Rows:
        found = await self._named(room)
        config = [(key, _shown(getattr(found.config, key))) for key in _plain(found)]
        people = [
            (standing.affiliation.word, str(user)) for user, standing in found.standings.items()
        ]
        there = [
            (f"{each.role.word} {each.nick}", ", ".join(each.sessions))
            for each in found.occupants.values()
        ]
        return Rows(("what", "value"), [*config, *people, *there])

    @command(
        "room-create",
        "Make a room that stays.",
        room=ROOM,
        owner="Bare JID of who shall own it.",
    )
    async def create_room(self, room: str, owner: str) -> str:
        name, user = self._prepared(room), _bare(owner)
        await self._check_member(user)
        if await self.rooms.find(name) is not None:
            raise CommandError(f"there is a room {name} already")
        made = self.new_room(name)
        made.stand(user, Standing(Affiliation.OWNER))
        async with made.changing:
            plan = configuring.Plan(configuring.persistent(made.config), [])
            try:
                await self._store(made, plan)
            except Exception:
                self.rooms.drop(made)
                raise
            _ = configuring.apply(made, plan)
        self.rooms.settle(made)
        self.fire(offered.room_created, made, user)
        return f"{made.jid} belongs to {user}"

    @command(
        "room-configure",
        "Change one setting of a room.",
        room=ROOM,
        setting="Its name, as `room` shows it.",
        value="What it shall be: true, false, a number, a text, or several with commas.",
    )
    async def configure_room(self, room: str, setting: str, value: str) -> str:
        found = await self._named(room)
        try:
            await self.configure(found, config.change(setting, value))
        except StanzaError as refused:
            raise CommandError(f"{setting}: {refused.text or refused.condition}") from None
        return f"{found.jid}: {setting} is changed"

    @command("room-destroy", "Destroy a room.", room=ROOM, reason="What its occupants are told.")
    async def destroy_room(self, room: str, *, reason: str = "") -> str:
        found = await self._named(room)
        await self.destroy(found, configuring.no_venue(reason))
        return f"{found.jid} is gone"

    @command(
        "room-affiliation",
        "Change somebody's affiliation with a room.",
        room=ROOM,
        user="Bare JID, or a domain for a ban.",
        affiliation="owner, admin, member, none or outcast.",
        reason="What is told of it.",
    )
    async def affiliate(self, room: str, user: str, affiliation: str, *, reason: str = "") -> str:
        found, who = await self._named(room), _bare(user)
        if affiliation not in AFFILIATIONS:
            raise CommandError(f"an affiliation is one of {', '.join(AFFILIATIONS)}")
        new = AFFILIATIONS[affiliation]
        if new > Affiliation.NONE:
            await self._check_member(who)
        async with found.changing:
            nick = found.nick_of(who) if new > Affiliation.NONE else ""
            standing = Standing(new, nick, reason)
            change = Change(who, found.affiliation(who), standing, Why(reason=reason))
            try:
                await self.stand(found, [change])
            except StanzaError as refused:
                raise CommandError(refused.text or refused.condition) from None
            outcome = governing.apply_affiliations(found, [change])
        self.conclude(found, outcome, [change])
        return f"{who} is {affiliation} of {found.jid}"

    @command(
        "room-kick",
        "Put an occupant out of a room.",
        room=ROOM,
        nick="Nickname of the occupant.",
        reason="What is told of it.",
    )
    async def kick(self, room: str, nick: str, *, reason: str = "") -> str:
        found = await self._named(room)
        occupant = found.occupant(nick)
        if occupant is None:
            raise CommandError(f"nobody is {nick} in {found.jid}")
        self.conclude(found, governing.kick(found, occupant, Why(reason=reason)), ())
        return f"{nick} is out of {found.jid}"

    async def _check_member(self, user: JID) -> None:
        """Others' users are known to others only."""
        if not user.local or user.domain == self.host.name:
            await check_account(self.host, user)

    async def _named(self, room: str) -> Room:
        name = self._prepared(room)
        found = await self.rooms.find(name)
        if found is None:
            raise CommandError(f"there is no room {name} at {self.domain}")
        return found

    def _prepared(self, room: str) -> str:
        """A name, also written as the room's whole address."""
        local, _, domain = room.partition("@")
        if domain and domain != self.domain:
            raise CommandError(f"rooms of this host are at {self.domain}")
        try:
            return make_jid(local, self.domain.domain).local
        except JIDError as fault:
            raise CommandError(str(fault)) from None


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _bare(text: str) -> JID:
    """Of whichever server, so it does not say which host is meant."""
    try:
        return jid(text).bare
    except JIDError as fault:
        raise CommandError(str(fault)) from None


def _plain(room: Room) -> list[str]:
    """What of the configuration is shown: not the password."""
    return [name for name in type(room.config).__dataclass_fields__ if name != "password"]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()  # as it is written in room-configure
    return ", ".join(value) if isinstance(value, tuple) else str(value)
