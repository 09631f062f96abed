"""Contacts that have moved to another address are followed there (XEP-0283 0.2.0).

A request for a subscription may say whose new address it comes from. If the user lets the old
address see its presence, and the old account itself states that it has moved there, the server
gives the new address what the old one had, and the user has nothing to decide.

The request is stored before the old account is asked: should the server be stopped meanwhile, it
waits for the user's answer like any other.
"""

import secrets
from urllib.parse import unquote

from xmppd.api import (
    JID,
    STOP,
    Duration,
    Element,
    Host,
    JIDError,
    Module,
    Options,
    Presence,
    StanzaError,
    Stop,
    events,
    jid,
    ns,
    on,
    option,
    uses,
    uses_if,
)
from xmppd.modules.blocking import Blocking
from xmppd.modules.roster import Roster
from xmppd.modules.roster.items import Item, Outcome, sends_subscribed
from xmppd.modules.subscriptions import Subscriptions

NS = "urn:xmpp:moved:1"
ITEM = "current"


class MovedOptions(Options):
    timeout: Duration = option(
        30.0, "How long an old account's server may take to confirm the move.", at_least=1
    )
    max_checks: int = option(
        100,
        "Moves that are checked at a time; beyond that, a request is shown to the user as any "
        "other.",
        at_least=1,
    )


class Moved(Module):
    name = "moved"
    options: MovedOptions
    roster = uses(Roster)
    subscriptions = uses(Subscriptions)
    blocking = uses_if(Blocking)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._checking: set[tuple[JID, JID]] = set()  # of these users, these new addresses

    @on(events.subscription_arriving)  # "moved" comes before "subscriptions"
    async def arrive(self, presence: Presence, user: JID) -> Stop | None:
        """§4.4: what cannot be a move is left to the usual way, and nobody is asked."""
        old, new = _old_address(presence), presence.from_.bare
        if old is None or old in (user, new) or not await self._follows(user, old):
            return None
        if (user, new) in self._checking or len(self._checking) >= self.options.max_checks:
            return None
        presence = presence.copy(to=user, from_=new)
        stored = await self.subscriptions.store(presence, user)
        if stored.after.pending:
            self.background(self._check(presence, user, old, stored))
        else:
            await self.subscriptions.settle(presence, user, stored)
        return STOP

    async def _follows(self, user: JID, old: JID) -> bool:
        """Whether the user lets the old address see its presence, and has not blocked it since."""
        if self.blocking is not None and self.blocking.is_blocked(user, old):
            return False
        return (await self.roster.item(user, old)).from_

    async def _check(self, request: Presence, user: JID, old: JID, stored: Outcome) -> None:
        """Ask the old account, and follow or show the request."""
        checked = user, request.from_
        self._checking.add(checked)
        try:
            moved = await self._statement(user, old) == request.from_
        finally:
            self._checking.discard(checked)
        if moved and await self._follows(user, old):
            await self._follow(user, old, request)
        elif (await self.roster.item(user, request.from_)).pending:
            await self.subscriptions.settle(request, user, stored)

    async def _statement(self, user: JID, old: JID) -> JID | None:
        """Where the account at the old address says that it went (§4.3)."""
        wanted = Element(ns.PUBSUB, "item", {"id": ITEM})
        items = Element(ns.PUBSUB, "items", {"node": NS}, wanted)
        asked = Element(ns.PUBSUB, "pubsub", None, items)
        try:
            answer = await self.host.questions.ask(old, user, "get", asked, self.options.timeout)
        except StanzaError as error:
            return _address_in(error.uri) if error.condition == "gone" else None
        return _new_address(answer.payload) if answer.payloads else None

    async def _follow(self, user: JID, old: JID, request: Presence) -> None:
        """§4.4: in this order. The old address loses what it had, so it moves once."""
        new = request.from_
        approved = await self.subscriptions.say(user, _say(new, user, "subscribed"), _approve)
        if not approved.passes:
            return  # the user was faster, and may have refused
        ended = await self.subscriptions.say(user, _say(old, user, "unsubscribed"))
        if ended.before.to:
            await self.subscriptions.say(user, _say(new, user, "subscribe"))
        self.log.info("{user}: {old} has moved to {new}", user=user, old=old, new=new)


def _say(to: JID, user: JID, type_: str) -> Presence:
    return Presence(to, user, type_, secrets.token_hex(8))


def _approve(item: Item) -> Outcome:
    """Only what waits for an answer still: else it would be approved for ever (RFC 6121 §3.4)."""
    return sends_subscribed(item) if item.pending else Outcome(item, item)


def _old_address(presence: Presence) -> JID | None:
    """Of whom this is said to be the new address; None where nothing usable is said (§4.3)."""
    moved = presence.child(NS, "moved") if presence.type == "subscribe" else None
    return None if moved is None else _bare(moved.child_text(NS, "old-jid"))


def _new_address(answer: Element) -> JID | None:
    """§4.1. What does not look like that states nothing."""
    items = answer.child(ns.PUBSUB, "items")
    found = [] if items is None else items.all(ns.PUBSUB, "item")
    moved = found[0].child(NS, "moved") if len(found) == 1 else None
    return None if moved is None else _bare(moved.child_text(NS, "new-jid"))


def _address_in(uri: str | None) -> JID | None:
    """The address in an XMPP URI (RFC 5122 §2.2), without a query or a resource."""
    scheme, _, rest = (uri or "").partition(":")
    path = rest.partition("#")[0].partition("?")[0]
    if scheme.lower() != "xmpp" or path.startswith("/"):
        return None  # with an authority it is the account to act from, not an address
    return _bare(unquote(path))


def _bare(text: str | None) -> JID | None:
    try:
        address = jid((text or "").strip())
    except JIDError:
        return None
    return None if address.resource else address
