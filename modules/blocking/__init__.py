"""Blocking: nothing passes between an account and whom it has blocked (XEP-0191 1.3).

With reports to the operator (XEP-0377 0.4.1). Whom somebody has blocked sees what is seen of an
account that is not there; subscriptions stay as they are ("polite blocking", §4).

All lists of the host are in memory, about 100 bytes an address: a stanza must be judged without a
visit to the database, also where its receiver is away.
"""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from xmppd.api import (
    EARLY,
    IQ,
    JID,
    SELF,
    STOP,
    XML_LANG,
    Element,
    Host,
    JIDError,
    Module,
    Options,
    PerSession,
    Rows,
    Session,
    Signal,
    Stanza,
    StanzaError,
    Stop,
    Those,
    command,
    error_reply,
    events,
    iq_get,
    iq_set,
    jid,
    ns,
    on,
    option,
    uses_if,
)
from xmppd.modules.blocking import copies
from xmppd.modules.blocking.store import Report, Store, blocked, reports
from xmppd.modules.disco import Disco, disco_features
from xmppd.modules.pubsub.pep import Pep, pep_notifying

__all__ = ["Blocking", "addresses_blocked", "addresses_unblocked", "blocked", "reports"]

REPORTING = "urn:xmpp:reporting:1"
MOST_SHOWN = 100
MOST_REASON, MOST_TEXT, MOST_IDS = 256, 2000, 20
MAY_FORWARD = ("report-origin", "third-party")
REFUSED: Final = StanzaError(
    "not-acceptable",
    "you have blocked this address",
    type="cancel",
    app=Element(ns.BLOCKING_ERRORS, "blocked"),
)
SILENT_TYPES: Final = frozenset(("error", "groupchat", "headline"))

addresses_blocked: Signal[[JID, Callable[[JID], bool]]] = Signal(
    "`user` has blocked the addresses for which the function says True; it is stored."
)
addresses_unblocked: Signal[[JID, Callable[[JID], bool]]] = Signal(
    "`user` has unblocked the addresses for which the function says True; it is stored."
)


class BlockingOptions(Options):
    max_addresses: int = option(1000, "Addresses that one account may block.", at_least=1)
    reports: bool = option(True, "Users may report whom they block to the operator (XEP-0377).")


class Blocking(Module):
    name = "blocking"
    options: BlockingOptions
    store: Store
    disco = uses_if(Disco)
    pep = uses_if(Pep)
    interested = PerSession(False)  # asked for the list: gets pushes (§3.2)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._lists: dict[JID, frozenset[str]] = {}  # of those who have blocked somebody
        self._named: Counter[str] = Counter()  # in how many of them an address is

    async def start(self) -> None:
        lists = await self.store.load()
        self._take({jid(f"{user}@{self.host.name}"): jids for user, jids in lists.items()})

    def _take(self, lists: Mapping[JID, frozenset[str]]) -> None:
        """These are all that there are."""
        self._lists, self._named = dict(lists), Counter()
        for jids in lists.values():
            self._named.update(jids)
        self._listen()

    def _put(self, user: JID, jids: frozenset[str]) -> None:
        """The list of one account; empty, it is forgotten."""
        before = self._lists.pop(user, frozenset())
        if jids:
            self._lists[user] = jids
        self._named.update(jids - before)
        for gone in before - jids:
            self._named[gone] -= 1
            if not self._named[gone]:
                del self._named[gone]
        self._listen()

    def _listen(self) -> None:
        """As long as nobody has blocked anybody, no stanza comes by here."""
        for hook in (events.user_sends, events.user_receives):
            self.listen(hook, bool(self._lists))

    def save(self) -> dict[str, Any]:
        return {"lists": self._lists}

    def restore(self, saved: dict[str, Any]) -> None:
        self._take(saved.get("lists", self._lists))

    # For other modules

    def is_blocked(self, user: JID, peer: JID) -> bool:
        """Whether the account has blocked this address."""
        jids = self._lists.get(user)
        return jids is not None and self._matches(jids, user, peer)

    def allowed(self, user: JID, peers: list[JID]) -> list[JID]:
        """Those of them whom the account has not blocked."""
        if user not in self._lists:
            return peers
        return [peer for peer in peers if not self.is_blocked(user, peer)]

    def _matches(self, jids: Iterable[str], user: JID, peer: JID) -> bool:
        """§5. The account itself and its server are never blocked, whatever the list says."""
        bare = peer.bare
        if bare == user or peer == self.host.domain:
            return False
        return peer in jids or bare in jids or peer.domain in jids

    # Copies of accounts (XEP-0227 §4.8): as itself, and for others as a privacy list

    @on(events.account_exporting)
    def export(self, user: JID) -> Iterable[AsyncIterator[Element]]:
        yield self._exported(user)

    async def _exported(self, user: JID) -> AsyncIterator[Element]:
        jids = sorted(self._lists.get(user, ()))
        if jids:
            yield _with_items("blocklist", jids)
            yield copies.privacy_list(jids)

    @on(events.account_importing)
    async def take_over(self, element: Element, user: JID) -> Stop | None:
        texts = copies.denied(element)
        if texts is None:
            return None
        jids = [jid(text) for text in copies.addresses(texts)]
        if jids:
            most = self.options.max_addresses
            self._put(user, await self.store.add(user.local, jids, (), most))
        return STOP

    # What passes

    @on(events.user_sends, order=EARLY)
    def guard_sent(self, stanza: Stanza, session: Session) -> Stop | None:
        """§3.3: what is said to a blocked address is not-acceptable."""
        jids = self._lists.get(session.user) if self._lists else None
        if jids is None or not self._matches(jids, session.user, stanza.to):
            return None
        reply = error_reply(stanza, REFUSED)
        if reply is not None:
            session.send(reply)  # routed, it would be what the blocked address says
        return STOP

    def _guards(self, stanza: Stanza) -> Container[JID] | bool:
        """Who has blocked the sender: for most senders, nobody."""
        sender = stanza.from_
        names = {sender, sender.bare, sender.domain}
        if self._named.keys().isdisjoint(names):
            return False
        return Those(lambda user: not names.isdisjoint(self._lists.get(user, ())))

    @on(events.user_receives, order=EARLY, concerns=_guards)
    def guard_received(self, stanza: Stanza, user: JID) -> Stop | None:
        """§3.3: presence is dropped; the rest meets what it would meet if nobody were there."""
        jids = self._lists.get(user) if self._lists else None
        if jids is None or not self._matches(jids, user, stanza.from_):
            return None
        if stanza.kind == "presence" or stanza.type in SILENT_TYPES or stanza.type == "result":
            return STOP
        raise StanzaError("service-unavailable")

    @on(pep_notifying, order=EARLY)
    def hold_back(self, to: tuple[JID, ...], user: JID) -> tuple[JID, ...]:
        """What the account publishes is said to nobody whom it has blocked."""
        return tuple(self.allowed(user, list(to)))

    # The list (§3.2 to §3.5)

    @iq_get(ns.BLOCKING, "blocklist", at=SELF)
    def read(self, iq: IQ) -> Element:
        session = self.host.sessions.get(iq.from_)
        if session is None:
            raise StanzaError("service-unavailable")
        self.interested[session] = True
        jids = self._lists.get(session.user, frozenset())
        return _with_items("blocklist", sorted(jids))

    @iq_set(ns.BLOCKING, "block", at=SELF)
    async def block(self, iq: IQ) -> None:
        items = iq.payload.all(ns.BLOCKING, "item")
        if not items:
            raise StanzaError("bad-request", "whom to block?")
        user, jids = iq.from_.bare, _addresses(items)
        told = [report for item in items if (report := self._report(item)) is not None]
        before = self._lists.get(user, frozenset())
        self._put(user, await self.store.add(user.local, jids, told, self.options.max_addresses))
        new = frozenset(jids) - before
        self.fire(addresses_blocked, user, lambda peer: self._matches(new, user, peer))
        self._push(user, _with_items("block", jids))

    @iq_set(ns.BLOCKING, "unblock", at=SELF)
    async def unblock(self, iq: IQ) -> None:
        """Without items: everybody (§3.5)."""
        user, jids = iq.from_.bare, _addresses(iq.payload.all(ns.BLOCKING, "item"))
        before = self._lists.get(user, frozenset())
        if jids:
            left = await self.store.remove(user.local, jids)
        else:
            await self.store.clear(user.local)
            left = frozenset()
        self._put(user, left)

        def freed(peer: JID) -> bool:
            return self._matches(before, user, peer) and not self._matches(left, user, peer)

        self.fire(addresses_unblocked, user, freed)
        self._push(user, _with_items("unblock", jids))

    def _push(self, user: JID, change: Element) -> None:
        """To all resources that have asked for the list."""
        for session in self.host.sessions.of(user):
            if self.interested[session]:
                session.send(IQ(session.jid, user, "set", secrets.token_hex(8), change))

    @on(events.account_deleting)
    async def erase(self, user: JID) -> None:
        await self.store.clear(user.local)

    @on(events.account_deleted)
    def forget(self, user: JID) -> None:
        self._put(user, frozenset())
        self.background(self.store.clear(user.local))

    # Reports (XEP-0377)

    @on(disco_features)
    def offer(self, entity: JID, node: str, asker: JID) -> Iterable[str]:
        return [REPORTING] if self.options.reports and not entity.local and not node else []

    def _report(self, item: Element) -> Report | None:
        """The report in an item, where they are taken. StanzaError bad-request without reason."""
        report = item.child(REPORTING, "report")
        if report is None or not self.options.reports:
            return None
        reason = report.get("reason")
        if not reason or len(reason) > MOST_REASON:
            raise StanzaError("bad-request", "a report has a reason")
        texts = [
            f"[{lang}] {each.text.strip()}" if (lang := each.get(XML_LANG)) else each.text.strip()
            for each in report.all(REPORTING, "text")
        ]
        ids = [each.get("id") or "" for each in report.all(ns.STANZA_IDS, "stanza-id")]
        return Report(
            jid(item.get("jid") or ""),
            reason,
            "\n".join(texts)[:MOST_TEXT],
            " ".join(ids[:MOST_IDS])[:MOST_TEXT],
            " ".join(name for name in MAY_FORWARD if report.child(REPORTING, name) is not None),
        )

    @command("reports", "What users have reported as spam or abuse, the newest first.")
    async def show_reports(self) -> Rows:
        found = await self.store.reported(MOST_SHOWN)
        rows: list[tuple[str | int | float | bool | None, ...]] = [
            (row[0], str(datetime.fromtimestamp(row[1] // 1000000, UTC)), *row[2:])
            for row in found
        ]
        return Rows(("number", "at", "user", "address", "reason", "text", "stanza ids"), rows)

    @command(
        "reports-close", "Remove reports that are dealt with.", until="The last one's number."
    )
    async def close_reports(self, until: int) -> str:
        return f"{await self.store.close(until)} reports are gone"


def _addresses(items: Iterable[Element]) -> list[JID]:
    """Each once. StanzaError bad-request, jid-malformed."""
    found = []
    for item in items:
        text = item.get("jid")
        if not text:
            raise StanzaError("bad-request", "an item has a 'jid'")
        try:
            found.append(jid(text))
        except JIDError as problem:
            raise StanzaError("jid-malformed", str(problem)) from None
    return list(dict.fromkeys(found))


def _with_items(name: str, jids: Iterable[str]) -> Element:
    items = [Element(ns.BLOCKING, "item", {"jid": each}) for each in jids]
    return Element(ns.BLOCKING, name, None, *items)
