"""Strangers: what may come from addresses that an account does not know.

Their messages and subscription requests are limited, for each account and for each server that
they come from; who stands on a ban list that the operator follows is not let in at all: such a
list is a pubsub node (XEP-0060) whose items are named by SHA-256 hashes of addresses.

Known is who is in the roster, and to whom the account has sent something lately, rooms included.
"""

from collections import OrderedDict
from typing import Any

from xmppd.api import (
    EARLY,
    JID,
    STOP,
    Duration,
    Host,
    JIDError,
    Message,
    Module,
    ModuleFault,
    Options,
    Presence,
    Rows,
    Session,
    Stanza,
    StanzaError,
    Stop,
    command,
    events,
    jid,
    on,
    option,
    uses,
)
from xmppd.modules.muc import room_entering
from xmppd.modules.muc.limits import Rates
from xmppd.modules.roster import Roster
from xmppd.modules.strangers.lists import BanList

HOUR_S = 3600.0
RETRY_S = 300.0
MOST_KNOWN = 20_000  # pairs of accounts and whom they wrote to
LIMITED = ("normal", "chat")
BANNED = StanzaError("forbidden", "this address is on a ban list that is followed here")


class StrangersOptions(Options):
    messages_per_account: int = option(
        30, "Messages of strangers that one account takes in an hour.", at_least=1
    )
    messages_per_server: int = option(
        100, "Messages to strangers here that one other server may send in an hour.", at_least=1
    )
    requests_per_account: int = option(
        20, "Subscription requests that one account takes in an hour.", at_least=1
    )
    requests_per_server: int = option(
        60, "Subscription requests that one other server may send in an hour.", at_least=1
    )
    lists: list[str] = option(
        [],
        "Ban lists to follow: `service node`. Their items are named by SHA-256 hashes of bare "
        "addresses or domains.",
        example=["xmppbl.org muc_bans_sha256"],
    )
    refresh: Duration = option(
        24 * HOUR_S, "How often the lists are read anew.", at_least=60, at_most=30 * 24 * HOUR_S
    )


class Strangers(Module):
    name = "strangers"
    default_on = False
    options: StrangersOptions
    roster = uses(Roster)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        mine = self.options
        self._lists = [_named(host, text) for text in mine.lists]
        self._known: OrderedDict[tuple[JID, JID], None] = OrderedDict()
        self._messages = _hourly(mine.messages_per_account), _hourly(mine.messages_per_server)
        self._requests = _hourly(mine.requests_per_account), _hourly(mine.requests_per_server)
        self._unread: set[BanList] = set()  # to be read, or read again
        self._refused = 0

    async def start(self) -> None:
        self.listen(events.host_receives, bool(self._lists))
        self.listen(room_entering, bool(self._lists))
        if self._lists:
            self.once_running(lambda: self.background(self._refresh()))
            self.every(self.options.refresh, self._refresh)
            self.every(RETRY_S, self._read_unread)

    def save(self) -> dict[str, Any]:
        """The lists hold over a reload, until they are read again."""
        known = {(each.service, each.node): sorted(each.hashes) for each in self._lists}
        return {"lists": known, "known": list(self._known)}

    def restore(self, saved: dict[str, Any]) -> None:
        for each in self._lists:
            each.hashes.update(saved.get("lists", {}).get((each.service, each.node), ()))
        self._known.update(dict.fromkeys(saved.get("known", ())))

    # Ban lists

    def is_banned(self, who: JID) -> bool:
        return any(each.names(who) for each in self._lists)

    async def _follow(self, one: BanList) -> None:
        try:
            await one.refresh()
        except StanzaError as problem:
            self.log.warn(
                "the ban list {node} of {service} cannot be read: {why}",
                node=one.node,
                service=one.service,
                why=str(problem),
            )
        else:
            self._unread.discard(one)

    async def _read_unread(self) -> None:
        for each in self._lists:
            if each in self._unread:
                await self._follow(each)

    async def _refresh(self) -> None:
        self._unread.update(self._lists)
        await self._read_unread()

    @on(events.host_receives)
    def hear(self, stanza: Stanza) -> Stop | None:
        """What a list tells."""
        if not isinstance(stanza, Message):
            return None
        heard = sum(each.hear(stanza) for each in self._lists)  # all of them
        return STOP if heard else None

    @on(room_entering, order=EARLY)
    def guard_rooms(self, presence: Presence) -> None:
        if self.is_banned(presence.from_):
            raise BANNED

    # Who is known

    @on(events.user_sends)
    def note(self, stanza: Stanza, session: Session) -> None:
        """Whom the account writes to, asks or joins may answer."""
        if stanza.to.bare != session.user and stanza.kind != "iq":
            key = session.user, stanza.to.bare
            self._known[key] = None
            self._known.move_to_end(key)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)

    def _is_known(self, user: JID, peer: JID) -> bool | None:
        """None: only the stored roster can tell."""
        if peer.bare in (user, self.host.name) or (user, peer.bare) in self._known:
            return True
        contacts = self.roster.contacts(user)
        if peer.bare in contacts:
            return True
        return False if self.host.sessions.of(user) else None

    # What comes in

    def _guards(self, stanza: Stanza) -> bool:
        if stanza.kind == "message" and stanza.type in LIMITED:
            return True
        return bool(self._lists) and self.is_banned(stanza.from_)

    @on(events.user_receives, order=EARLY, concerns=_guards)
    def guard(self, stanza: Stanza, user: JID) -> Stop | None:
        """Messages to who is online; others are looked at when they are stored."""
        if stanza.kind == "iq" or stanza.type in ("error", "unavailable", "unsubscribe"):
            return None
        if self._lists and self.is_banned(stanza.from_):
            self._refused += 1
            if stanza.kind == "presence":
                return STOP
            raise BANNED
        limited = stanza.kind == "message" and stanza.type in LIMITED
        if limited and self._is_known(user, stanza.from_) is False:
            self._limit(stanza, user)
        return None

    @on(events.message_storing, order=EARLY)
    async def guard_stored(self, message: Message, user: JID) -> None:
        if self._is_known(user, message.from_) is not None:
            return
        if not (await self.roster.item(user, message.from_.bare)).listed:
            self._limit(message, user)

    def _limit(self, message: Stanza, user: JID) -> None:
        if not self._take(self._messages, user, message.from_):
            raise StanzaError("resource-constraint", "too much from strangers", type="wait")

    @on(events.subscription_arriving, order=EARLY)
    async def guard_requests(self, presence: Presence, user: JID) -> Stop | None:
        """A request too many is dropped: an answer would be one to each of a flood."""
        peer = presence.from_.bare
        if presence.type != "subscribe" or self._is_known(user, peer):
            return None
        if (await self.roster.item(user, peer)).listed:
            return None
        return None if self._take(self._requests, user, peer) else STOP

    def _take(self, rates: tuple[Rates, Rates], user: JID, peer: JID) -> bool:
        """Users of this host answer for themselves, others with their server."""
        now = self.host.clock.seconds()
        origin = peer.bare if peer.domain == self.host.name else peer.domain
        per_account, per_server = rates
        taken = per_server.take(origin, now) and per_account.take(user, now)
        self._refused += not taken
        return taken

    @command("strangers", "How many strangers were refused, and the ban lists that are followed.")
    async def show(self) -> Rows:
        rows = [("refused", self._refused)]
        rows += [(f"{each.service} {each.node}", len(each.hashes)) for each in self._lists]
        return Rows(("what", "count"), [*rows])


def _hourly(count: int) -> Rates:
    return Rates(count / HOUR_S, count)


def _named(host: Host, text: str) -> BanList:
    service, _, node = text.strip().partition(" ")
    try:
        if not node.strip():
            raise ModuleFault(f"strangers: lists has {text!r}, must be `service node`")
        return BanList(host, jid(service), node.strip())
    except JIDError as problem:
        raise ModuleFault(f"strangers: lists has {text!r}: {problem}") from None
