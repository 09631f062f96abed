"""Ad-hoc commands of the service: to make, configure and destroy rooms (XEP-0050 1.3.0)."""

from collections.abc import Mapping
from typing import Any

from xmppd.api import (
    JID,
    SERVICE,
    CommandError,
    FieldType,
    Form,
    FormType,
    JIDError,
    Outcome,
    Run,
    adhoc,
    forms,
    make_jid,
)
from xmppd.modules.muc import configuring, offered
from xmppd.modules.muc.names import Affiliation
from xmppd.modules.muc.room import Room, Standing
from xmppd.modules.muc.searching import RoomSearch

NODE = "xmppd#rooms"
NAME, TITLE, PERSISTENT, REASON = "name", "title", "persistent", "reason"


class RoomWizards(RoomSearch):
    @adhoc(f"{NODE}-create", "Make a room", at=SERVICE, who="anybody")
    async def make_by_form(self, run: Run) -> Outcome:
        user = run.user.bare
        self.check_creator(user)
        given = await run.ask(_asking("Make a room"), more=True)
        name = self._local(given)
        if await self.rooms.find(name) is not None:
            raise CommandError(f"there is a room {name} already")
        form = configuring.form(self._draft(name, user))
        filled = await run.ask(form)
        await self.check_free(name, user)
        if await self.rooms.find(name) is not None:
            raise CommandError(f"there is a room {name} already")
        room = self.make(name, user)
        try:
            await self.configure(room, _submission(form, filled))
        except BaseException:
            self.rooms.drop(room)
            raise
        self.fire(offered.room_created, room, user)
        if not room.config.persistent:
            return f"{room.jid} is there until nobody is inside any more"
        return f"{room.jid} is yours"

    def _draft(self, name: str, user: JID) -> Room:
        """What its form is made from, before it exists."""
        room = Room(JID(name, self.domain.domain, ""), b"", self.new_config())
        room.config = configuring.persistent(room.config)
        room.stand(user, Standing(Affiliation.OWNER))
        return room

    @adhoc(f"{NODE}-configure", "Configure a room", at=SERVICE, who="anybody")
    async def configure_by_form(self, run: Run) -> Outcome:
        room = await self._own_room(run, "Configure a room")
        form = configuring.form(room)
        filled = await run.ask(form)
        await self.configure(room, _submission(form, filled), by=run.user)
        return f"{room.jid} is configured"

    @adhoc(f"{NODE}-destroy", "Destroy a room", at=SERVICE, who="anybody")
    async def destroy_by_form(self, run: Run) -> Outcome:
        room = await self._own_room(run, "Destroy a room")
        why = forms.field(REASON, None, FieldType.TEXT_SINGLE, label="Reason")
        title = f"Destroy {room.jid} with all that was said there"
        given = await run.ask(Form(type=FormType.FORM, title=title, fields=[why]))
        configuring.check_owner(room, run.user)
        await self.destroy(room, configuring.no_venue(str(given.get(REASON) or "")))
        return f"{room.jid} is gone"

    async def _own_room(self, run: Run, title: str) -> Room:
        """Which room? Raises CommandError: others' rooms and none look the same."""
        name = self._local(await run.ask(_asking(title), more=True))
        room = await self.rooms.find(name)
        if room is None or room.affiliation(run.user.bare) is not Affiliation.OWNER:
            raise CommandError(f"you own no room {name}")
        return room

    def _local(self, given: Mapping[str, Any]) -> str:
        local, _, domain = str(given[NAME]).strip().partition("@")
        if domain not in ("", self.domain):
            raise CommandError(f"rooms of this service are at {self.domain}")
        try:
            return make_jid(local, self.domain.domain).local
        except JIDError as fault:
            raise CommandError(str(fault)) from None


def _asking(title: str) -> Form:
    label = "Name of the room: the part before the @"
    name = forms.field(NAME, None, FieldType.TEXT_SINGLE, label=label, required=True)
    return Form(type=FormType.FORM, title=title, fields=[name])


def _submission(form: Form, filled: Mapping[str, Any]) -> Form:
    """The answers as the owner's form holds them."""
    kinds = {field.var: field for field in form.fields}
    fields = []
    for var, value in filled.items():
        if var in kinds and value is not None:
            several = [str(v) for v in value] if isinstance(value, list) else value
            fields.append(forms.field(var, several))
    return Form(type=FormType.SUBMIT, fields=fields)
