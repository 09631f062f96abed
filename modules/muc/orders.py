"""IQs to a room: its lists, its configuration, its end, registration (XEP-0045 §7.10 to §10.9)."""

import secrets
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from xmppd.api import (
    IQ,
    JID,
    NODE,
    SERVICE,
    Done,
    Element,
    Form,
    FormType,
    Host,
    Options,
    Page,
    ResultSetRequest,
    Stanza,
    StanzaError,
    iq_get,
    ns,
    on,
)
from xmppd.modules.disco import Description, Item, disco_items
from xmppd.modules.muc import (
    configuring,
    discovery,
    extras,
    governing,
    graves,
    offered,
    registering,
    slow,
    store,
)
from xmppd.modules.muc.entering import Entry
from xmppd.modules.muc.names import (
    ADMIN,
    OWNER,
    REGISTER,
    RESERVED_NICK,
    UNIQUE,
    Affiliation,
)
from xmppd.modules.muc.room import Room
from xmppd.modules.muc.service import RoomService

Order = Callable[[IQ], Coroutine[Any, Any, None]]


class RoomOrders(RoomService):
    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        # Sets do not go by the table of IQs: others are told after the asker has its result.
        self._orders: dict[tuple[str, str], Order] = {
            (ADMIN, "query"): self._administer,
            (OWNER, "query"): self._own,
            (ns.REGISTER, "query"): self._register,
        }

    def route(self, stanza: Stanza) -> Done:
        if isinstance(stanza, IQ) and stanza.type == "set" and not stanza.to.resource:
            order = self._orders.get(stanza.payloads[0]) if stanza.payloads else None
            if order is not None and stanza.to.local and stanza.fault is None:
                return self.later(stanza, order(stanza))
        return super().route(stanza)

    async def _enter_absent(self, entry: Entry) -> None:
        """Where new rooms are not locked they are as the defaults say, at once (§10.1.2)."""
        await super()._enter_absent(entry)
        room = self.rooms.get(entry.presence.to.local)
        if room is not None and room.locked and not self.options.locking:
            await self.configure(room, Form(type=FormType.SUBMIT), by=entry.session)

    async def _unlocked(self, iq: IQ) -> Room:
        """The room, as far as the asker may know of it. Raises item-not-found."""
        room = await self.room(iq.to)
        if room.locked and room.affiliation(iq.from_.bare) is not Affiliation.OWNER:
            raise StanzaError("item-not-found", "there is no such room")
        return room

    # muc#admin

    @iq_get(ADMIN, "query", at=NODE)
    async def list_people(self, iq: IQ) -> Element:
        """A list of those in a role or with an affiliation."""
        room = await self._unlocked(iq)
        self.check_list(iq.from_, governing.length(room, iq.payload))
        return governing.listing(room, iq.from_, iq.payload)

    async def _administer(self, iq: IQ) -> None:
        room = await self._unlocked(iq)
        async with room.changing:
            self._check_alive(room)
            items = governing.items_of(iq.payload)
            for each in items:
                self.check_length(each.get("nick") or "")
            changes = governing.read_affiliations(room, iq.from_, items)
            roles = governing.read_roles(room, iq.from_, items)
            await self.stand(room, changes)
            outcome = governing.apply_affiliations(room, changes)
            outcome.add(governing.apply_roles(room, roles))
        if roles:
            self.remember(room, extras.VOICES)
        self.conclude(room, outcome, changes, iq.result())

    # muc#owner

    @iq_get(OWNER, "query", at=NODE)
    async def show_form(self, iq: IQ) -> Element:
        """The configuration, for owners (§10.2)."""
        room = await self._unlocked(iq)
        configuring.check_owner(room, iq.from_)
        return Element(OWNER, "query", None, slow.validated(configuring.form(room).element()))

    async def _own(self, iq: IQ) -> None:
        room = await self._unlocked(iq)
        configuring.check_owner(room, iq.from_)
        if iq.payload.child(OWNER, "destroy") is not None:
            await self.destroy(room, configuring.venue(iq.payload), iq.result())
            return
        form = configuring.submitted(iq.payload)
        if not configuring.is_cancel(form):
            await self._configure(room, iq, form)
        elif room.locked:  # §10.1.3: never mind
            await self.destroy(room, configuring.no_venue(), iq.result())
        else:
            self.deliver([iq.result()])

    async def _configure(self, room: Room, iq: IQ, form: Any) -> None:
        await self.configure(room, form, by=iq.from_, result=iq.result())

    async def configure(
        self, room: Room, form: Form, *, by: JID | None = None, result: IQ | None = None
    ) -> None:
        """What a submitted form wants, as an owner or the service itself."""
        async with room.changing:
            self._check_alive(room)
            if by is not None:  # while we waited, that may have changed
                configuring.check_owner(room, by)
            plan = configuring.read(room, form)
            await self._store(room, plan)
            outcome = configuring.apply(room, plan)
        self.conclude(room, outcome, plan.changes, result)
        self.fire(offered.room_configured, room)

    async def _store(self, room: Room, plan: configuring.Plan) -> None:
        was = room.config.persistent and not room.locked
        if was and not plan.config.persistent:
            await self.writer.flushed()
            self.writer.forget(room.name)
            await self.stored.drop(room.name)
        elif plan.config.persistent:
            row = store.record(room, plan.config)
            changed = [(str(change.user), change.new) for change in plan.changes]
            if was:
                await self.stored.configure(row, changed, self.counted(room, plan.changes))
            else:
                people = [*store.standings(room), *changed]
                archived = plan.config.archiving and self.archive is not None
                said = [] if archived else [store.kept(room, each) for each in room.tail]
                pieces = extras.pieces(room) | self.counted(room, plan.changes)
                await self.stored.put_whole(row, people, said, pieces)

    async def destroy(self, room: Room, venue: Element, result: IQ | None = None) -> None:
        """First what is stored, then the room (§10.9)."""
        async with room.changing:
            self._check_alive(room)
            if room.config.persistent and not room.locked:
                self.writer.forget(room.name)
                await self.writer.flushed()
                await self.stored.drop(room.name)
                if lasting := self.options.destroyed_names:
                    await self.graves.dig(room.name, graves.of(room, venue), lasting)
                if self.archive is not None:
                    await self.archive.drop(room.jid)
            self.end(room, venue)
        if result is not None:
            self.deliver([result])

    # Registration

    @iq_get(ns.REGISTER, "query", at=NODE)
    async def show_registration(self, iq: IQ) -> Element:
        """What is needed to register, or under which nickname one is (§7.10)."""
        room = await self._unlocked(iq)
        self._check_registration()
        return registering.requirements(room, iq.from_.bare)

    def _check_registration(self) -> None:
        if not self.options.registration:
            raise StanzaError("service-unavailable", "nicknames are not registered here")

    async def _register(self, iq: IQ) -> None:
        room = await self._unlocked(iq)
        self._check_registration()
        user = iq.from_.bare
        async with room.changing:
            self._check_alive(room)
            nick = registering.wish(room, user, iq.payload)
            self.check_length(nick or "")
            if nick is not None and registering.needs_approval(room, user):
                self.deliver([*registering.apply_for(room, user, nick), iq.result()])
                self.remember(room, extras.APPLICANTS)
                return
            change = registering.change(room, user, nick)
            governing.check_owners(room, [change])
            await self.stand(room, [change])
            outcome = governing.apply_affiliations(room, [change])
        self.conclude(room, outcome, [change], iq.result())

    # Disco, and names for new rooms

    async def about(self, entity: JID, node: str, asker: JID, known: Description) -> None:
        if not entity.local:
            if node:
                raise StanzaError("item-not-found")
            known.identities[:] = [self.identity._replace(name=self.options.name)]
            known.features |= self.service_features()
            return
        room = await self.room(entity)
        discovery.describe(room, node, asker, known)
        if not node:
            known.features |= self.room_features(room, asker)
            known.forms += self.room_forms(room)

    def service_features(self) -> set[str]:
        return set(discovery.OF_SERVICE)

    @on(disco_items)
    def list_service(self, entity: JID, node: str, asker: JID) -> Iterable[Item]:
        if entity == self.host.domain and not node:
            yield Item(self.domain, name=self.options.name)

    def room_features(self, room: Room, asker: JID) -> set[str]:
        """What a room can do beyond what all can."""
        mine = {ns.REGISTER, REGISTER} if self.options.registration else set()
        mine.add(ns.PING)
        return mine.union(self.host.hooks.of(offered.room_features).gather(room))

    def room_forms(self, room: Room) -> list[Form]:
        """What else is to be said of it; forms of one FORM_TYPE are made one."""
        return [slow.information(room), *self.host.hooks.of(offered.room_forms).gather(room)]

    @iq_get(ns.DISCO_INFO, "query", at=SERVICE)
    @iq_get(ns.DISCO_INFO, "query", at=NODE)
    async def service_info(self, iq: IQ) -> Element:
        """An empty answer is one too, where nothing is reserved (§7.12)."""
        node = iq.payload.get("node") or ""
        if node == RESERVED_NICK and iq.to.local:
            known = Description()
            discovery.describe(await self.room(iq.to), node, iq.from_, known)
            if not known.known:
                return Element(ns.DISCO_INFO, "query", {"node": node})
        return await super().service_info(iq)

    @iq_get(ns.DISCO_ITEMS, "query", at=SERVICE)
    @iq_get(ns.DISCO_ITEMS, "query", at=NODE)
    async def service_items(self, iq: IQ) -> Element:
        """The rooms of the service, in pages (§6.3); who is in a room, for those inside (§6.5)."""
        if iq.payload.get("node"):
            return await super().service_items(iq)
        request = ResultSetRequest.of(iq.payload)
        if iq.to.local:
            room = await self._unlocked(iq)
            there = discovery.occupants(room, iq.from_, request)
            return _paged(there.items, request, there)
        memory = discovery.temporary(self.rooms)
        page = await discovery.listing(self.stored, memory, request)
        lines = [Item(self._address(e.name), name=e.title or e.name) for e in page.items]
        return _paged(lines, request, page)

    def _address(self, name: str) -> JID:
        return JID(name, self.domain.domain, "")

    @iq_get(ns.PING, "ping", at=NODE)
    async def answer_ping_of_room(self, iq: IQ) -> None:
        """The room is there (XEP-0199 §4.3); who asks whether it is inside asks its own nickname
        (XEP-0410).
        """
        _ = await self._unlocked(iq)

    @iq_get(UNIQUE, "unique", at=SERVICE)
    def unique_name(self, iq: IQ) -> Element:
        """A name for a room that nobody has (XEP-0307 0.1)."""
        self.check_creator(iq.from_.bare)
        return Element(UNIQUE, "unique", None, secrets.token_hex(16))


def _paged(lines: list[Item], request: ResultSetRequest | None, page: Page[Any]) -> Element:
    """The list; with its place in the whole if somebody asked for a page or that is not all."""
    answer = Description(items=lines).listing()
    if request is not None or not page.complete:
        answer.append(page.element())
    return answer
