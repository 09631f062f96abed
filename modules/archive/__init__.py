"""Message archives: what an account sent and received, to be read again (XEP-0313 1.1.3).

With preferences (XEP-0441 0.2.0), search by words (XEP-0431 0.2.0), and the ids of the archive in
the messages that are delivered (XEP-0359 0.7.0). The hints of the sender are obeyed (XEP-0334).

A message is delivered when it is in the archive of its receiver, so nobody ever sees an id that a
later query lacks; and its sender's server counts it as handled when it is in the sender's archive.
Other modules keep archives of other owners here (rooms): see `keep`, `answer` and `drop`.
"""

import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from xmppd.api import (
    EARLY,
    IQ,
    JID,
    LATE,
    SELF,
    STOP,
    Binding,
    CommandError,
    Element,
    Host,
    Message,
    Options,
    PerSession,
    Rows,
    Session,
    Stanza,
    StanzaError,
    Stop,
    check_account,
    command,
    events,
    iq_get,
    iq_set,
    ns,
    on,
    uses,
    visit,
)
from xmppd.modules.archive import answers, copies
from xmppd.modules.archive.answers import Show, Turns, as_sent
from xmppd.modules.archive.ids import parse_id
from xmppd.modules.archive.journal import Journal
from xmppd.modules.archive.options import ArchiveOptions
from xmppd.modules.archive.preferences import preferences, read_preferences
from xmppd.modules.archive.query import (
    EXTENDED,
    FIELDS,
    FULL_TEXT,
    FULL_TEXT_FIELD,
    GROUPCHAT_FIELD,
    Query,
    blank_form,
    read_query,
)
from xmppd.modules.archive.rules import lasting
from xmppd.modules.archive.search import indexed, words
from xmppd.modules.archive.store import Found, Row, Store, messages
from xmppd.modules.archive.wishes import Wishes
from xmppd.modules.disco import Disco, disco_features
from xmppd.modules.stanza_ids import StanzaIds, id_given, with_id

__all__ = ["Archive", "Row", "indexed", "messages", "preferences", "words"]

SWEEP_S = 3600.0
MAX_UNREAD = 262144  # bytes a client may be behind before it gets more
LOOK_S = 0.02  # between looks at whether it has read
PAUSE_S = 0.1  # between pieces of what is removed
MOST_RANGES = 16  # of what a session has read


class Archive(Wishes):
    name = "archive"
    options: ArchiveOptions
    store: Store
    disco = uses(Disco)
    stanza_ids = uses(StanzaIds)  # nobody else may say what we have numbered
    # Of its own archive: from the first to the last number of pages that left nothing out.
    read_ranges: PerSession[list[tuple[int, int]]] = PerSession(list)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self.journal = Journal(host.name, self.store)
        self._turns = Turns()
        self._sent: tuple[Stanza | None, str] = None, ""
        self._fields = frozenset(FIELDS) - (set() if self.options.search else {FULL_TEXT_FIELD})
        self._started = time.time() - host.clock.seconds()

    async def start(self) -> None:
        self.journal.latest = max(self.journal.latest, await self.store.latest())
        for session in self.host.sessions:  # it was enabled while they were online
            await visit(self.load(session))
        self.every(SWEEP_S, self.sweep)

    async def stop(self) -> None:
        await self.journal.settle()

    def save(self) -> dict[str, Any]:
        return {"latest": self.journal.latest, "grown": dict(self.journal.grown)}

    def restore(self, saved: dict[str, Any]) -> None:
        self.journal.latest = max(self.journal.latest, saved.get("latest", 0))
        self.journal.grown |= saved.get("grown", {})

    # For other modules

    def keep(self, owner: JID, peer: JID, stanza: Stanza) -> str:
        """Put a message into the archive of `owner`, which may be a room; the id that it has
        there. It is durable when `self.journal.commit`, taken now, is over.
        """
        return str(self.journal.add(owner, peer, stanza))

    async def answer(
        self,
        iq: IQ,
        owner: JID,
        show: Show = as_sent,
        fields: frozenset[str] | None = None,
        since: int = 0,
    ) -> Element:
        """Answer a query of the archive of `owner` (§4) that its asker may see: the messages are
        on their way when this returns what goes into the result. `show` makes of what is stored
        what the asker gets; `fields` are those of the form that may be used. What is older than
        `since` (microseconds since 1970) was another owner's of the same name.
        """
        asked = read_query(iq.payload, self._fields if fields is None else fields)
        if since:
            asked = replace(asked, start=max(asked.start or 0, since))
        await self._turns.enter(iq.from_)
        try:
            found = await self._find(owner, asked)
            await self._give(iq.from_, owner, asked, found, show)
        finally:
            self._turns.leave(iq.from_)
        session = self.host.sessions.get(iq.from_)
        if session is not None and owner == session.user and asked.is_whole:
            self._note_read(session, found)
        return answers.fin(found)

    async def metadata(self, owner: JID, since: int = 0) -> Element:
        """What there is in the archive of `owner` (§5)."""
        await self.journal.settle()
        return answers.metadata(await self.store.ends(owner, since))

    async def newest(self, owner: JID, most: int, since: int = 0) -> list[Row]:
        """The last messages in the archive of `owner`, the oldest of them first."""
        await self.journal.settle()
        return (await self.store.find(owner, Query(start=since, max=most, backwards=True))).rows

    async def one(self, owner: JID, id_: str) -> bytes | None:
        """A message in the archive of `owner`, as it is stored; None if there is none."""
        known = parse_id(id_)
        await self.journal.settle()
        return None if known is None else await self.store.one(owner, known)

    async def rewrite(self, owner: JID, id_: str, stanza: bytes) -> None:
        """Put something else in the place of a message: a tombstone (XEP-0424 §5)."""
        known = parse_id(id_)
        await self.journal.settle()
        if known is not None:
            await self.store.rewrite(owner, known, stanza)

    def form(self, fields: frozenset[str] | None = None) -> Element:
        """The fields that a query may have (§4.1.5)."""
        return blank_form(self._fields if fields is None else fields)

    async def drop(self, owner: JID, until: int | None = None) -> None:
        """Remove the archive of `owner`, or what it has `until` then (microseconds since 1970)."""
        await self.journal.settle()
        if until is not None:
            await self._trim(owner, until)
            return
        await self.store.drop(owner)
        self.journal.grown.pop(owner, None)

    def sent_id(self, stanza: Stanza) -> str:
        """The id of the message that a client is just sending, in its sender's archive; ""."""
        return self._sent[1] if self._sent[0] is stanza else ""

    def has_read(self, session: Session, message: Message) -> bool:
        """Whether the session got this message out of its archive already."""
        if session not in self.read_ranges:
            return False
        id_ = parse_id(id_given(message, session.user))
        ranges = self.read_ranges[session]
        return id_ is not None and any(low <= id_.number <= high for low, high in ranges)

    # Into the archive

    @on(events.user_sends, order=LATE)  # what guards let through
    def note_sent(self, stanza: Stanza, session: Session) -> None:
        if stanza.kind != "message" or not lasting(stanza):
            return
        user, peer = session.user, stanza.to
        if peer.bare == user or not self._wants(user, peer):  # to oneself: received is enough
            return
        self._sent = stanza, str(self.journal.add(user, peer, stanza))
        self.host.intake.owes(self.journal.commit)

    def _notes(self, stanza: Stanza) -> bool:
        return stanza.kind == "message" and lasting(stanza)

    @on(events.user_receives, order=LATE, concerns=_notes)
    def note_received(self, stanza: Stanza, user: JID) -> Stanza | None:
        """Whoever is not there gets it by way of `message_storing`."""
        if stanza.kind != "message" or not lasting(stanza) or not self._is_taken(stanza, user):
            return None
        if not self._wants(user, stanza.from_):
            return None
        numbered = with_id(stanza, user, str(self.journal.add(user, stanza.from_, stanza)))
        self.host.delivery.hold(user, self.journal.commit)
        return numbered

    def _is_taken(self, message: Stanza, user: JID) -> bool:
        """Whether it is about to be delivered: what is refused is not archived (§6.1)."""
        sessions = self.host.sessions.of(user)
        if message.to.resource:
            if any(session.jid == message.to for session in sessions):
                return True
            if message.type != "chat":
                return False
        return any(each.priority is not None and each.priority >= 0 for each in sessions)

    @on(events.message_storing, order=EARLY)
    def note_stored(
        self, message: Message, user: JID
    ) -> Deferred[Message | None] | Coroutine[Any, Any, Message | None] | None:
        """Before others store it, so that what they deliver later has its id."""
        if not lasting(message) or id_given(message, user):
            return None
        wanted = self._wanted.get(user) or self._absent.get(user)
        judged = None if wanted is None else wanted.judge(message.from_)
        if judged is None:
            return self._note_if_wanted(message, user)
        return self._note(message, user) if judged else None

    async def _note_if_wanted(self, message: Message, user: JID) -> Message | None:
        if not await self._would_want(user, message.from_):
            return None
        return await self._note(message, user)

    def _note(self, message: Message, user: JID) -> "Deferred[Message | None]":
        """The message with its id, when it is in the archive."""
        numbered = with_id(message, user, str(self.journal.add(user, message.from_, message)))
        commit = self.journal.commit

        def noted(_: object) -> Message:
            if commit.problem is not None:
                raise commit.problem
            return numbered

        return (commit.done() or succeed(None)).addCallback(noted)

    @on(events.message_storing, order=LATE)
    def is_kept(self, message: Message, user: JID) -> Stop | None:
        """In the archive it is stored, also where there is no room in the offline store."""
        return STOP if lasting(message) and id_given(message, user) else None

    # Out of the archive

    @on(events.bind_extending)
    async def tell(self, binding: Binding) -> None:
        """The state of the archive when the resource was bound (XEP-0386 §3.2)."""
        binding.answers.append(await self.metadata(binding.session.user))

    @iq_get(ns.MAM, "query", at=SELF)
    def fields(self, iq: IQ) -> Element:
        return self.form()

    @iq_set(ns.MAM, "query", at=SELF)
    async def read(self, iq: IQ) -> Element:
        return await self.answer(iq, iq.from_.bare)

    @iq_get(ns.MAM, "metadata", at=SELF)
    async def describe(self, iq: IQ) -> Element:
        return await self.metadata(iq.from_.bare)

    async def _find(self, owner: JID, asked: Query) -> Found:
        await self.journal.settle()  # what was delivered before the query is in its answer
        while asked.text and await self.store.bring_up(owner):
            pass
        return await self.store.find(owner, asked)

    async def _give(self, to: JID, owner: JID, asked: Query, found: Found, show: Show) -> None:
        rows = found.rows[::-1] if asked.flipped else found.rows
        for row in rows:
            message = answers.result(to, owner, asked, row, show(row))
            session = self.host.sessions.get(to) if to.domain == self.host.name else None
            if session is None:
                done = self.host.router.route(message)
                if done is not None:
                    await done
                continue
            session.send(message)
            while session.outlet is not None and session.outlet.buffered > MAX_UNREAD:
                await self.pause(LOOK_S)  # too much would cost it its stream

    def _note_read(self, session: Session, found: Found) -> None:
        if found.rows:
            ranges = self.read_ranges[session]
            ranges.append((found.rows[0].id.number, found.rows[-1].id.number))
            del ranges[:-MOST_RANGES]

    @on(disco_features)
    def offer(self, entity: JID, node: str, asker: JID) -> Iterable[str]:
        """§7: on the account, for its owner; and on the host, where some look."""
        if node or (entity.local and asker.bare != entity):
            return ()
        offered = [ns.MAM, EXTENDED, GROUPCHAT_FIELD, ns.STANZA_IDS]
        return [*offered, FULL_TEXT] if self.options.search else offered

    # What goes

    async def sweep(self) -> None:
        """Remove what is too old, and what is too much (§3.2): always the oldest."""
        for owner in self._much_grown():
            self.journal.grown.pop(owner, None)
            limits = self.options.max_messages, self.options.max_bytes
            await self._trim(owner, await self.store.surplus(owner, *limits))
        if self.options.expire_after is not None:
            # The clock that does not jump: one that is set wrong for a while costs no archive.
            now = self._started + self.host.clock.seconds()
            await self._expire(int((now - self.options.expire_after) * 1e6))

    def _much_grown(self) -> list[str]:
        """To look at an archive costs reading it: so it is done when it has grown by a hundredth
        of what it may have. A message has 100 bytes at the least.
        """
        much = min(self.options.max_bytes // 100, self.options.max_messages)
        return [owner for owner, size in self.journal.grown.items() if size >= much]

    async def _expire(self, until: int) -> None:
        after = ""
        while owners := await self.store.owners(after):
            for after in owners:
                await self._trim(after, until)

    async def _trim(self, owner: str, until: int) -> None:
        while until and await self.store.trim(owner, until):
            await self.pause(PAUSE_S)

    @on(events.account_deleting)
    async def erase(self, user: JID) -> None:
        await self.drop(user)
        await self.preference_store.drop(user.local)

    @on(events.account_deleted)
    def erase_rest(self, user: JID) -> None:
        """What came in meanwhile."""
        self._forget_wishes(user)
        self.background(self.drop(user))

    # Copies of accounts (XEP-0227 §4.11)

    @on(events.account_exporting)
    def export(self, user: JID) -> Iterable[AsyncIterator[Element]]:
        yield self._exported(user)

    async def _exported(self, user: JID) -> AsyncIterator[Element]:
        await self.journal.settle()
        wanted = await self.preference_store.get(user.local)
        if wanted is not None:
            yield wanted.element()
        rows = await self.store.after(user, 0, copies.AT_ONCE)
        while rows:
            yield copies.written(rows)
            rows = await self.store.after(user, rows[-1].id.number, copies.AT_ONCE)

    @on(events.account_importing)
    async def take_over(self, element: Element, user: JID) -> Stop | None:
        if (element.ns, element.name) == (ns.MAM, "prefs"):
            await self.preference_store.put(user.local, read_preferences(element))
            self._absent.pop(user, None)
        elif (element.ns, element.name) == (copies.NS, "archive"):
            ends = await self.store.ends(user)
            arriving = copies.Arriving(self.host.name, user, 0 if ends is None else ends[1].number)
            await self.store.adopt(user, arriving.rows(element))
            if arriving.unreadable:
                raise StanzaError("bad-request", f"{arriving.unreadable} cannot be read")
        else:
            return None
        return STOP

    # For the operator

    @command(
        "archive-size", "How large the archive of an account or room is.", jid="Its bare JID."
    )
    async def show_size(self, jid: JID) -> Rows:
        count, size = await self._measured(jid)
        return Rows(("archive", "messages", "bytes"), [(jid, count, size)])

    @command("archive-erase", "Remove the archive of an account or room.", jid="Its bare JID.")
    async def erase_by_hand(self, jid: JID) -> str:
        count, _ = await self._measured(jid)
        await self.drop(jid)
        return f"{count} messages of {jid} are gone"

    async def _measured(self, owner: JID) -> tuple[int, int]:
        """Messages and bytes. Raises CommandError where there is neither account nor archive."""
        if owner.domain == self.host.name or not owner.local or not owner.is_bare:
            await check_account(self.host, owner)
        await self.journal.settle()
        count, size = await self.store.size(owner)
        if not count and owner.domain != self.host.name:  # which rooms there are, others know
            raise CommandError(f"there is no archive of {owner}")
        return count, size
