"""Bookmarks of rooms, one item each, and what older clients keep instead (XEP-0402 1.2.0).

The items of the account's node are the truth. A list of them, as XEP-0048 has it, is kept in a
node of the account and put into what a client reads from private XML storage; a list that a client
writes to either of those changes the items (XEP-0402 §5.3, XEP-0411 1.1.0).
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial

from twisted.internet.defer import DeferredLock

from xmppd.api import (
    JID,
    Element,
    Host,
    JIDError,
    Module,
    Options,
    StanzaError,
    XMLError,
    jid,
    make_jid,
    on,
    option,
    parse,
    to_xml,
    uses,
    uses_if,
)
from xmppd.modules.disco import disco_features
from xmppd.modules.private import PrivateStorage, private_reading, private_storing
from xmppd.modules.pubsub import Change, Item, Pep, items_changing

NS = "urn:xmpp:bookmarks:1"
OLD = "storage:bookmarks"
CONVERSION = "urn:xmpp:bookmarks-conversion:0"  # XEP-0411: the list is one in both places
TRUE = ("1", "true")


class BookmarksOptions(Options):
    private_xml: bool = option(True, "Keep in step what clients store in private XML (XEP-0049).")
    list_node: bool = option(True, "Keep in step the list in a node of the account (XEP-0048).")


class Bookmarks(Module):
    name = "bookmarks"
    options: BookmarksOptions
    pep = uses(Pep)
    private = uses_if(PrivateStorage)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._locks: dict[JID, DeferredLock] = {}  # of those being changed now

    async def start(self) -> None:
        if self.options.private_xml:
            self.once_running(lambda: self.background(self._adopt()))

    async def _adopt(self) -> None:
        """What was stored in private XML before this module was there, or brought along."""
        if self.private is None:
            return
        for name in await self.private.fragments.users(OLD):
            user = make_jid(name, self.host.name)
            if not await self.pep.engine.find(user, NS):
                query = await self.private.stored(user, OLD)
                if query is not None:
                    await self._tried(user, partial(self._take, user, query))

    # Disco

    @on(disco_features)
    def tell_features(self, entity: JID, node: str, asker: JID) -> Iterable[str]:
        if entity.local and not node:
            if self.options.private_xml and self.private is not None:
                yield f"{NS}#compat"
            if self.options.list_node:
                yield f"{NS}#compat-pep"
                if self.options.private_xml and self.private is not None:
                    yield CONVERSION

    # Private XML

    @on(private_storing)
    def take_list(self, query: Element, user: JID) -> Awaitable[None] | None:
        if not self.options.private_xml or not query.all(OLD):
            return None
        return self._alone(user, lambda: self._take(user, query))

    @on(private_reading)
    def give_list(self, query: Element, user: JID) -> Awaitable[Element | None] | None:
        if not self.options.private_xml or not query.all(OLD):
            return None
        return self._given(query, user)

    async def _given(self, query: Element, user: JID) -> Element | None:
        """The list that the items make, with what else is stored (URLs)."""
        if await self.pep.engine.find(user, NS) is None:
            return None
        try:
            items = await self._items(user)
        except StanzaError:
            return None
        return Element(query.ns, query.name, None, _list(items, query.child(OLD, "storage")))

    # The nodes

    @on(items_changing)
    def follow(self, change: Change) -> Awaitable[None] | None:
        user = change.service
        if not user.local or not self.options.list_node:
            return None
        if change.node == NS:
            return self._tried(user, lambda: self._collate(user))
        if change.node == OLD and change.items:
            return self._tried(user, lambda: self._take_node(user, change.items[-1]))
        return None

    async def _take_node(self, user: JID, item: Item) -> None:
        storage = _parsed(item)
        if storage is not None:
            await self._take(user, Element(OLD, "query", None, storage))

    # Conversion

    async def _alone(self, user: JID, work: Callable[[], Awaitable[None]]) -> None:
        """One conversion of an account's bookmarks after the other: each looks at what is there.
        Raises StanzaError.
        """
        lock = self._locks.setdefault(user, DeferredLock())
        await lock.acquire()
        try:
            await work()
        finally:
            lock.release()
            if not lock.locked:
                self._locks.pop(user, None)

    async def _tried(self, user: JID, work: Callable[[], Awaitable[None]]) -> None:
        """As `_alone`; what cannot be (too many nodes, too long) leaves what is stored already."""
        try:
            await self._alone(user, work)
        except StanzaError as error:
            self.log.info("bookmarks of {user} not converted: {error}", user=user, error=error)

    async def _items(self, user: JID) -> dict[str, Element]:
        """Raises not-acceptable where they would never fit into one list."""
        items = await self.pep.latest(user, NS, self.pep.options.max_items)
        if sum(len(item.xml) for item in items) > self.pep.options.max_payload:
            raise StanzaError("not-acceptable", "the bookmarks are too long for one list")
        parsed = ((item.id, _parsed(item)) for item in items)
        return {id_: element for id_, element in parsed if element is not None}

    async def _take(self, user: JID, query: Element) -> None:
        """A client has replaced the list: change the items that are to be others (§5.3.2)."""
        storage = query.child(OLD, "storage")
        listed = dict(_conferences(storage)) if storage is not None else {}
        items = await self._items(user)
        ids = {room: id_ for id_ in items if (room := _address(id_)) is not None}
        changed = {}
        for room, conference in listed.items():
            id_ = ids.get(room, room)
            if id_ not in items or _told(conference) != _told(items[id_]):
                changed[id_] = _as_item(conference, items.get(id_))
        gone = [id_ for room, id_ in ids.items() if room not in listed]
        if changed:
            await self.pep.publish_items(user, NS, changed)
        if gone:
            await self.pep.retract(user, NS, *gone)
        if changed or gone:
            await self._collate(user)

    async def _collate(self, user: JID) -> None:
        """Make the list of the items (§5.3.1), if it would be as private as they are."""
        if not self.options.list_node:
            return
        old = await self.pep.latest(user, OLD)
        before = _parsed(old[0]) if old else None
        after = _list(await self._items(user), before)
        same = before is not None and to_xml(after) == to_xml(before)
        if not same and await self.pep.private(user, OLD):
            await self.pep.publish(user, OLD, after, old[0].id if old else "current")


def _parsed(item: Item) -> Element | None:
    try:
        return parse(item.xml) if item.xml else None
    except XMLError:
        return None


def _conferences(storage: Element) -> Iterator[tuple[str, Element]]:
    """The bookmarked rooms of a list, by their addresses."""
    for conference in storage.all(OLD, "conference"):
        room = _address(conference.get("jid") or "")
        if room is not None:
            yield room, conference


def _address(text: str) -> str | None:
    try:
        return str(jid(text))
    except JIDError:
        return None


def _told(conference: Element) -> tuple[str, bool, str, str]:
    """What both forms can say."""
    ns = conference.ns
    return (
        conference.get("name") or "",
        conference.get("autojoin") in TRUE,
        conference.child_text(ns, "nick") or "",
        conference.child_text(ns, "password") or "",
    )


def _as_item(conference: Element, before: Element | None) -> Element:
    """In the new form; what an older client could not know stays (§3.4)."""
    element = _cast(conference, NS)
    known = None if before is None else before.child(NS, "extensions")
    if known is not None and element.child(NS, "extensions") is None:
        element.append(known)
    return element


def _list(items: dict[str, Element], before: Element | None) -> Element:
    """In the old form, with what the old list has beside rooms."""
    kept: list[Element] = []
    if before is not None:
        rooms = {id(conference) for _, conference in _conferences(before)}
        kept = [each for each in before.elements if id(each) not in rooms]
    rooms_now = [_cast(element, OLD, room) for room, element in items.items()]
    return Element(OLD, "storage", None, *rooms_now, *kept)


def _cast(conference: Element, ns: str, room: str = "") -> Element:
    """`<conference/>` in the other namespace, with the address where that has it as attribute."""
    attrs = {"jid": room} if room else {}
    for name in ("name", "autojoin"):
        value = conference.get(name)
        if value is not None:
            attrs[name] = value
    inside = [
        Element(ns, child.name, None, *child.children)
        for child in conference.elements
        if child.ns == conference.ns and child.name in ("nick", "password", "extensions")
    ]
    return Element(ns, "conference", attrs, *inside)
