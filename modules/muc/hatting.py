"""Ad-hoc commands of a room: its hats are made, given and listed (XEP-0317 0.3.1 §3)."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from xmppd.api import (
    IQ,
    JID,
    NODE,
    Adhoc,
    CommandError,
    Element,
    Executor,
    Field,
    FieldType,
    Form,
    FormType,
    Host,
    Options,
    Outcome,
    Rows,
    StanzaError,
    forms,
    iq_set,
    ns,
    on,
)
from xmppd.modules.disco import Description, commands_at
from xmppd.modules.muc import extras, hats, offered
from xmppd.modules.muc.hats import FORM, Hat, Hats
from xmppd.modules.muc.moderating import RoomModeration
from xmppd.modules.muc.names import USER, Affiliation
from xmppd.modules.muc.presences import announce, status
from xmppd.modules.muc.room import Room

TITLE, URI, HUE, WHO = "hats#title", "hats#uri", "hats#hue", "hats#jid"
HASH = "hats#hash"
MOST_EXECUTORS: Final = 1000
MOST_TEXT: Final = 500
_uri = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+").fullmatch


class Asking(Protocol):
    """A command that is being executed, or one that came with its form filled in."""

    @property
    def user(self) -> JID: ...

    async def ask(self, form: Form, *, more: bool = False) -> Mapping[str, Any]: ...


class Given:
    """Who knows the form sends it filled in at once (§3.3)."""

    def __init__(self, user: JID, given: Form) -> None:
        self.user = user
        self._given = given

    async def ask(self, form: Form, *, more: bool = False) -> Mapping[str, Any]:
        return form.check(self._given)


class RoomHats(RoomModeration):
    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._executors: dict[str, Executor] = {}

    def executor(self, room: Room) -> Executor:
        """Of the commands of one room."""
        known = self._executors
        if room.name not in known:
            while len(known) >= MOST_EXECUTORS:
                known.pop(next(iter(known))).stop()
            known[room.name] = Executor(self.host.clock, partial(self._commands, room.name))
        return known[room.name]

    async def stop(self) -> None:
        for each in self._executors.values():
            each.stop()
        await super().stop()

    @on(offered.room_destroyed)
    def forget_commands(self, room: Room) -> None:
        gone = self._executors.pop(room.name, None)
        if gone is not None:
            gone.stop()

    def _commands(self, name: str) -> list[Adhoc]:
        def may(user: JID) -> bool:
            room = self.rooms.get(name)
            return room is not None and room.affiliation(user.bare) >= Affiliation.ADMIN

        def may_see(user: JID) -> bool:
            room = self.rooms.get(name)
            return may(user) or (room is not None and user in room.sessions)

        calls: list[tuple[str, str, Callable[..., Awaitable[Outcome]], Callable[[JID], bool]]] = [
            ("create", "Make or change a hat", self._create_hat, may),
            ("destroy", "Remove a hat", self._destroy_hat, may),
            ("list", "List the hats", self._list_hats, may_see),
            ("assign", "Give somebody a hat", self._assign_hat, may),
            ("unassign", "Take a hat from somebody", self._unassign_hat, may),
            ("list-assigned", "List who wears which hat", self._list_assigned, may),
        ]
        return [Adhoc(f"{FORM}:{n}", title, partial(f, name), who) for n, title, f, who in calls]

    @iq_set(ns.COMMANDS, "command", at=NODE)
    async def execute_at_room(self, iq: IQ) -> Element:
        room = await self._unlocked(iq)
        executor = self.executor(room)
        asked, given = iq.payload, iq.payload.child(ns.FORMS, "x")
        if asked.get("sessionid") is not None or given is None or given.get("type") != "submit":
            return await executor.execute(iq)
        node = asked.get("node") or ""
        command: Any = executor.find(node, iq.from_)
        try:
            await command.call(Given(iq.from_, forms.submission(given)))
        except CommandError as problem:
            raise StanzaError("bad-request", str(problem)) from None
        attrs = {"node": node, "sessionid": iq.id or node, "status": "completed"}
        return Element(ns.COMMANDS, "command", attrs)

    async def _about_commands(self, room: Room, node: str, asker: JID) -> Description | None:
        executor = self.executor(room)
        if node == ns.COMMANDS or executor.has(node):
            return commands_at(executor, room.jid, node, asker)
        return None

    async def about(self, entity: JID, node: str, asker: JID, known: Description) -> None:
        if entity.local and (node == ns.COMMANDS or node.startswith(FORM)):
            found = await self._about_commands(await self.room(entity), node, asker)
            if found is not None:
                known.identities += found.identities
                known.features |= found.features
                known.items += found.items
                return
        await super().about(entity, node, asker, known)

    def room_features(self, room: Room, asker: JID) -> set[str]:
        return {*super().room_features(room, asker), hats.NS, ns.COMMANDS}

    def room_forms(self, room: Room) -> list[Form]:
        made = super().room_forms(room)
        if room.hats:
            made[0].fields.append(forms.field(HASH, room.hats.hash, FieldType.TEXT_SINGLE))
        return made

    # The commands

    async def _create_hat(self, name: str, run: Asking) -> Outcome:
        fields = [
            forms.field(TITLE, None, FieldType.TEXT_SINGLE, label="Title", required=True),
            forms.field(URI, None, FieldType.TEXT_SINGLE, label="URI", required=True),
            forms.field(HUE, None, FieldType.TEXT_SINGLE, label="Hue, an angle"),
        ]
        given = await run.ask(_form("Make or change a hat", fields))
        title, uri, hue = (str(given.get(each) or "").strip() for each in (TITLE, URI, HUE))
        if not title or len(title) > MOST_TEXT or not _uri(uri) or len(uri) > MOST_TEXT:
            raise CommandError("a hat has a title and a URI")
        if hue and not _is_angle(hue):
            raise CommandError("the hue is an angle from 0 to 360")
        hat = Hat(uri, title, hue)
        await self._wear(name, run, lambda known: known.with_hat(hat), (uri,))
        return None

    async def _destroy_hat(self, name: str, run: Asking) -> Outcome:
        fields = [self._choice(name)]
        uri = str((await run.ask(_form("Remove a hat", fields)))[URI])
        await self._wear(name, run, lambda known: known.without_hat(uri), (uri,))
        return None

    async def _assign_hat(self, name: str, run: Asking) -> Outcome:
        user, uri = await self._who_and_which(name, run, "Give somebody a hat")
        await self._wear(name, run, lambda known: known.given(user, uri), (), user)
        return None

    async def _unassign_hat(self, name: str, run: Asking) -> Outcome:
        user, uri = await self._who_and_which(name, run, "Take a hat from somebody")
        await self._wear(name, run, lambda known: known.taken(user, uri), (), user)
        return None

    async def _who_and_which(self, name: str, run: Asking, title: str) -> tuple[JID, str]:
        who = forms.field(WHO, None, FieldType.JID_SINGLE, label="User", required=True)
        given = await run.ask(_form(title, [who, self._choice(name)]))
        user = given[WHO]
        assert isinstance(user, JID)
        return user.bare, str(given[URI])

    def _choice(self, name: str) -> Field:
        known = self._present(name).hats.known.values()
        options = [(hat.uri, hat.title) for hat in known]
        return forms.field(
            URI, None, FieldType.LIST_SINGLE, label="Hat", required=True, options=options
        )

    async def _list_hats(self, name: str, run: Asking) -> Outcome:
        known = self._present(name).hats.known.values()
        return Rows((TITLE, URI, HUE), [(hat.title, hat.uri, hat.hue) for hat in known])

    async def _list_assigned(self, name: str, run: Asking) -> Outcome:
        worn = self._present(name).hats
        lines: list[tuple[str | int | float | bool | None, ...]] = [
            (str(user), uri, worn.known[uri].title, worn.known[uri].hue)
            for user, uris in worn.worn.items()
            for uri in uris
        ]
        return Rows((WHO, URI, TITLE, HUE), lines)

    def _present(self, name: str) -> Room:
        room = self.rooms.get(name)
        if room is None:
            raise CommandError("the room is gone")
        return room

    async def _wear(
        self,
        name: str,
        run: Asking,
        change: Callable[[Hats], Hats],
        list_changed: tuple[str, ...],
        user: JID | None = None,
    ) -> None:
        """Store other hats, and show them to all. Raises forbidden: while the form was filled in
        that may have changed.
        """
        room = self._present(name)
        async with room.changing:
            self._check_alive(room)
            if room.affiliation(run.user.bare) < Affiliation.ADMIN:
                raise StanzaError("forbidden", "only admins may do this")
            shown = [w for uri in list_changed for w in room.hats.wearers(uri)]
            try:
                made = change(room.hats)
            except KeyError:
                raise CommandError("there is no such hat") from None
            old, room.hats = room.hats, made
            text = extras.piece(room, extras.HATS)
            room.hats = old
            if room.config.persistent and not room.locked:
                await self.stored.put_extra(room.name, extras.HATS, text)
            room.hats = made
        self._show(room, [*shown, *([] if user is None else [user])])
        if list_changed:
            x = Element(USER, "x", None, *status("104"))
            self.deliver(self.news(room, x))

    def _show(self, room: Room, users: list[JID]) -> None:
        for user in users:
            for occupant in room.present(user):
                occupant.changed()
                self.deliver(announce(room, occupant))


def _form(title: str, fields: list[Field]) -> Form:
    return Form(type=FormType.FORM, title=title, fields=[forms.form_type(FORM), *fields])


def _is_angle(text: str) -> bool:
    try:
        return 0 <= float(text) <= 360 and len(text) < 20
    except ValueError:
        return False
