"""Rosters: the contacts of an account (RFC 6121 §2, with versions §2.6).

The roster of an account is in memory while it has a session. Every change is computed and stored
in one transaction and taken over into memory when it is committed.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from xmppd.api import (
    IQ,
    JID,
    SELF,
    STOP,
    Element,
    Host,
    JIDError,
    Load,
    Module,
    Options,
    PerSession,
    Session,
    Signal,
    StanzaError,
    Stop,
    StorageError,
    events,
    iq_get,
    iq_set,
    jid,
    ns,
    on,
    option,
)
from xmppd.modules.roster import copies
from xmppd.modules.roster.items import Item, Outcome, Transition, written
from xmppd.modules.roster.store import (
    Change,
    Loaded,
    RosterFull,
    Store,
    items,
    removals,
    requests,
    versions,
)

__all__ = [
    "Item",
    "Roster",
    "contact_edited",
    "contact_removed",
    "items",
    "removals",
    "requests",
    "roster_pushed",
    "subscription_changed",
    "versions",
]

T = TypeVar("T")
NS = ns.ROSTER
TEND_S = 60.0
contact_removed: Signal[[JID, Item]] = Signal(
    "`user` took the contact out of the roster; the item says what there was (RFC 6121 §2.5.2)."
)
contact_edited: Signal[[JID, Item, Item]] = Signal(
    "A client of `user` has named a contact or put it into groups (RFC 6121 §2.3, §2.4): what it"
    " was, and what it is now. It is stored, and the pushes are sent."
)
roster_pushed: Signal[[JID, Element, int]] = Signal(
    "The roster of `user` has changed: the item as clients see it (§2.1.6), and the version."
)
subscription_changed: Signal[[JID, Outcome]] = Signal(
    "What `user` and a contact are to each other was changed by a subscription stanza; it is"
    " stored, and the pushes are sent."
)


class RosterOptions(Options):
    max_contacts: int = option(1000, "Contacts in one roster.", at_least=1)
    max_requests: int = option(
        1000, "Subscription requests that may wait for one account's answer.", at_least=1
    )
    max_name: int = option(256, "Longest name of a contact or group, in characters.", at_least=1)
    max_groups: int = option(20, "Groups that one contact may be in.", at_least=1)


class Contacts(dict[JID, Item]):
    """A roster in memory, its version, and those whose requests wait for an answer."""

    __slots__ = ("asking", "version")

    def __init__(self, loaded: Loaded) -> None:
        super().__init__((item.contact, item) for item in loaded.items)
        self.version = loaded.version
        self.asking = loaded.asking  # frozen, for nearly all share the empty one

    def take_over(self, item: Item) -> None:
        """What is stored by now; a contact that only asks is not in the roster (§3.1.3)."""
        if item.pending:
            self.asking |= {item.contact}
        else:
            self._answered(item.contact)
        if item.listed:
            self[item.contact] = item
            self.version = max(self.version, item.version)

    def drop(self, contact: JID, version: int) -> None:
        self.pop(contact, None)
        self._answered(contact)
        self.version = max(self.version, version)

    def _answered(self, contact: JID) -> None:
        if contact in self.asking:
            self.asking -= {contact}


class Roster(Module):
    name = "roster"
    options: RosterOptions
    store: Store
    interested = PerSession(False)  # asked for the roster: gets pushes (§2.1.6)
    # Pushes that wait until the empty result has gone, for a session that caught up (§2.6.3).
    held: PerSession[list[tuple[Element, int]]] = PerSession(list)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._loaded: dict[JID, Contacts] = {}
        self._idle: set[JID] = set()  # had no session when last looked at
        self._doubtful: set[JID] = set()  # memory and storage may differ

    # For other modules

    def contacts(self, user: JID) -> Mapping[JID, Item]:
        """The roster of an account that has a session (from `session_loads` on); else empty."""
        return self._loaded.get(user, {})

    async def loaded(self, user: JID) -> Contacts:
        """The roster of an account, kept in memory for as long as it has a session."""
        if user not in self._loaded:
            self._keep(user, await self.store.load(user.local))
        self._idle.discard(user)
        return self._loaded[user]

    async def item(self, user: JID, contact: JID) -> Item:
        """What the account knows of a contact; not `listed` where it is not in the roster."""
        loaded = self._loaded.get(user)
        if loaded is None:
            return await self.store.get(user.local, contact)
        return loaded.get(contact) or Item(contact, pending=contact in loaded.asking)

    async def may_see(self, user: JID, contact: JID) -> bool:
        """Whether `contact` gets the presence of `user`: itself, or subscribed to it."""
        contact = contact.bare
        return contact == user or (await self.item(user, contact)).from_

    def may_see_now(self, user: JID, contact: JID) -> bool | None:
        """As `may_see`, without waiting; None: only `may_see` can tell. An account that has a
        session is always known.
        """
        contact, loaded = contact.bare, self._loaded.get(user)
        if contact == user:
            return True
        if loaded is None:
            return None
        return contact in loaded and loaded[contact].from_

    async def change(
        self, user: JID, contact: JID, transition: Transition, request: bytes = b""
    ) -> Outcome:
        """Do to the roster what a subscription stanza does; push nothing yet (see `push`)."""
        limit = self.options.max_requests if request else self.options.max_contacts
        outcome = await self._stored(
            user,
            self.store.change(user.local, contact, transition, request=request, limit=limit),
        )
        self._take_over(user, outcome.after)
        return outcome

    async def waiting(self, user: JID) -> list[bytes]:
        """The subscription requests the user has not answered, as stanzas."""
        loaded = self._loaded.get(user)
        if loaded is not None and not loaded.asking:
            return []  # as it is nearly always: that saves a login the visit to the database
        return await self.store.waiting(user.local)

    def push(self, user: JID, outcome: Outcome) -> None:
        """Tell interested resources what became of an item, if they can see a difference.

        To be called before anything else waits: pushes go in the order of versions (§2.6.3).
        """
        before, after = outcome.before, outcome.after
        if after.listed and replace(after, pending=before.pending) != before:
            self._push(user, after.element(), after.version)
        if before.subscription != after.subscription:
            self.fire(subscription_changed, user, outcome)

    def interested_sessions(self, user: JID) -> list[Session]:
        """Those that asked for the roster (§2.1.6)."""
        return [s for s in self.host.sessions.of(user) if self.interested[s]]

    async def erase(self, user: JID) -> list[Item]:
        """Remove the roster of an account that goes; what was in it, requests included."""
        had = await self.store.erase(user.local)
        self._loaded.pop(user, None)
        return had

    # Reading (§2.1.3, §2.2, §2.6)

    @iq_get(NS, "query", at=SELF)
    async def read(self, iq: IQ) -> IQ | None:
        """The whole roster, or an empty result and then what the client has missed (§2.6.3)."""
        if iq.payload.elements:
            raise StanzaError("bad-request", "a roster get is empty")
        session = self.host.sessions.get(iq.from_)
        if session is None:
            raise StanzaError("service-unavailable")
        missed = await self._missed(session.user, iq.payload.get("ver"))
        contacts = await self.loaded(session.user)
        self.interested[session] = True
        if missed is None:
            whole = written(contacts.values())
            query = f"<query xmlns='{NS}' ver='{contacts.version}'>{whole}</query>"
            return iq.written_result(NS, "query", query)
        if missed:
            self.held[session] = [(_shown(change), change.version) for change in missed]
            self.host.clock.callLater(0, self._catch_up, session)  # after the result is sent
        return None

    async def _missed(self, user: JID, has: str | None) -> list[Change] | None:
        """What a client lacks that `has` a version; None: it needs the whole roster."""
        if not has or not (has.isascii() and has.isdigit() and len(has) < 19):
            return None
        if int(has) == (await self.loaded(user)).version:
            return []
        return await self.store.missed(user.local, int(has))

    def _catch_up(self, session: Session) -> None:
        held = self.held[session]
        del self.held[session]
        for item, version in held:
            self._push_to(session, item, version)

    # Changing (§2.1.5, §2.3 to §2.5)

    @iq_set(NS, "query", at=SELF)
    async def write(self, iq: IQ) -> None:
        """Checks of §2.3.3, then a change or a removal; the pushes go out before the result."""
        asked = iq.payload.elements
        if len(asked) != 1 or (asked[0].ns, asked[0].name) != (NS, "item"):
            raise StanzaError("bad-request", "a roster set has exactly one item")
        item, user = asked[0], iq.from_.bare
        contact = _contact(item)
        if item.get("subscription") == "remove":
            await self._remove(user, contact)
            return
        name, groups = self._checked_name(item), self._checked_groups(item)
        before = await self.item(user, contact)
        stored = await self._stored(
            user,
            self.store.put(user.local, contact, name, groups, self.options.max_contacts),
        )
        self._take_over(user, stored)
        self._push(user, stored.element(), stored.version)
        self.fire(contact_edited, user, before, stored)

    def _checked_name(self, item: Element) -> str:
        name = item.get("name") or ""
        if len(name) > self.options.max_name:
            raise StanzaError("not-acceptable", "the name is too long")
        return name

    def _checked_groups(self, item: Element) -> tuple[str, ...]:
        groups = tuple(group.text for group in item.all(NS, "group"))
        if len(set(groups)) != len(groups):
            raise StanzaError("bad-request", "a group is named twice")
        if any(not group or len(group) > self.options.max_name for group in groups):
            raise StanzaError("not-acceptable", "a group's name is empty or too long")
        if len(groups) > self.options.max_groups:
            raise StanzaError("not-acceptable", "too many groups")
        return groups

    async def _remove(self, user: JID, contact: JID) -> None:
        removed = await self._stored(user, self.store.remove(user.local, contact))
        if removed is None:
            raise StanzaError("item-not-found")
        item, version = removed
        loaded = self._loaded.get(user)
        if loaded is not None:
            loaded.drop(contact, version)
        self._push(user, _removal(contact), version)
        self.fire(contact_removed, user, item)

    async def _stored(self, user: JID, work: Awaitable[T]) -> T:
        try:
            return await work
        except RosterFull:
            raise StanzaError("resource-constraint", "no more contacts fit in") from None
        except StorageError:
            self._doubtful.add(user)  # it may have been committed in the end
            raise

    # Pushes (§2.1.6)

    def _push(self, user: JID, item: Element, version: int) -> None:
        self.fire(roster_pushed, user, item, version)
        for session in self.interested_sessions(user):
            self._push_to(session, item, version)

    def _push_to(self, session: Session, item: Element, version: int) -> None:
        if session in self.held:
            self.held[session].append((item, version))
            return
        query = Element(NS, "query", {"ver": str(version)}, item)
        session.send(IQ(session.jid, session.user, "set", secrets.token_hex(8), query))

    # In memory while there are sessions

    @on(events.session_loads)
    def load(self, session: Session) -> Iterable[Load[Loaded]]:
        user = session.user
        self._idle.discard(user)
        if user not in self._loaded:
            yield Store.load.load(self.store, partial(self._keep, user), user.local)

    def _keep(self, user: JID, loaded: Loaded) -> None:
        self._loaded.setdefault(user, Contacts(loaded))

    def _take_over(self, user: JID, item: Item) -> None:
        loaded = self._loaded.get(user)
        if loaded is not None:
            loaded.take_over(item)

    async def start(self) -> None:
        """After a reload there are sessions already. What they change until this instance serves
        is read again a little later.
        """
        for user in self.host.sessions.users():
            await self.loaded(user)
        self._doubtful.update(self._loaded)
        self.every(TEND_S, self._tend)

    async def _tend(self) -> None:
        """Forget rosters that were not needed for a whole interval, which is longer than any
        login takes; read those again of which storage did not say how a change ended.
        """
        idle = {user for user in self._loaded if not self.host.sessions.of(user)}
        for user in idle & self._idle:
            del self._loaded[user]
        self._idle = idle & self._loaded.keys()
        for user in list(self._doubtful):
            loaded = await self.store.load(user.local)
            if user in self._loaded:
                self._loaded[user] = Contacts(loaded)
            self._doubtful.discard(user)

    @on(events.account_deleted)
    def forget(self, user: JID) -> None:
        """Once more: requests that came in while the account was going."""
        self.background(self.erase(user))

    # Features

    @on(events.stream_features)
    def offer(self, state: str) -> list[Element]:
        """Versions (§2.6.1) are offered once the client is known."""
        return [Element(ns.ROSTER_VERSIONING, "ver")] if state == "before_bind" else []

    # Copies of accounts (XEP-0227 §4.4, §4.9)

    @on(events.account_exporting)
    def export(self, user: JID) -> Iterable[AsyncIterator[Element]]:
        yield self._exported(user)

    async def _exported(self, user: JID) -> AsyncIterator[Element]:
        loaded = await self.store.load(user.local)
        yield Element(NS, "query", None, *(item.element() for item in loaded.items))
        for request in await self.store.waiting(user.local):
            yield copies.request_of(request)

    @on(events.account_importing)
    async def take_over(self, element: Element, user: JID) -> Stop | None:
        most = self.options.max_contacts
        if (element.ns, element.name) == (NS, "query"):
            items = [copies.item_of(each) for each in element.all(NS, "item")]
            await self._stored(user, self.store.adopt(user.local, items, most))
        elif (element.ns, element.name, element.get("type")) == copies.REQUEST:
            contact, xml = copies.kept_request(element, user)
            await self._stored(user, self.store.adopt_request(user.local, contact, xml, most))
        else:
            return None
        self._loaded.pop(user, None)  # it is new: nobody is logged in
        return STOP


def _contact(item: Element) -> JID:
    """Whom an item is about; subscriptions are between bare JIDs (§3.1.1)."""
    try:
        return jid(item.get("jid") or "").bare
    except JIDError:
        raise StanzaError("bad-request", "the item needs a valid 'jid'") from None


def _removal(contact: JID) -> Element:
    return Element(NS, "item", {"jid": contact, "subscription": "remove"})


def _shown(change: Change) -> Element:
    return _removal(change.contact) if change.item is None else change.item.element()
