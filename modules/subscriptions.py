"""Presence subscriptions: asking, approving, ending (RFC 6121 §3, Appendix A).

The roster says what a stanza changes; this module moves the stanzas. Pre-approval (§3.4) is
offered; requests are kept whole and delivered again until they are answered (§3.1.3).
"""

import secrets

from xmppd.api import (
    JID,
    STOP,
    XML_LANG,
    Element,
    Module,
    Options,
    Presence,
    Session,
    Stop,
    XMLError,
    events,
    jid,
    ns,
    on,
    option,
    parse,
    uses,
)
from xmppd.modules.presence import PresenceBroadcast
from xmppd.modules.roster import Item, Roster, contact_removed
from xmppd.modules.roster.items import INBOUND, OUTBOUND, Outcome, Transition

_OWN_ATTRIBUTES = frozenset(("to", "from", "type", "id", XML_LANG))


class SubscriptionOptions(Options):
    max_request: int = option(
        8192,
        "Largest subscription request that is kept, in bytes; larger ones are kept bare.",
        at_least=256,
    )


class Subscriptions(Module):
    name = "subscriptions"
    options: SubscriptionOptions
    roster = uses(Roster)
    presence = uses(PresenceBroadcast)

    @on(events.subscription_sending)
    async def send(self, presence: Presence, session: Session) -> Stop:
        """The user's client sends (§3.1.2, §3.1.5, §3.2.2, §3.3.2, §3.4.2)."""
        if session.user != presence.to:  # one sees one's own presence anyway
            await self.say(session.user, presence)
        return STOP

    async def say(
        self, user: JID, presence: Presence, transition: Transition | None = None
    ) -> Outcome:
        """What `user` says to the contact, its client or the server for it. `transition` takes
        the place of what such a stanza usually does to the roster.
        """
        contact = presence.to
        outcome = await self.roster.change(user, contact, transition or OUTBOUND[presence.type])
        self.roster.push(user, outcome)
        if _ends(outcome):
            self.presence.withdraw(user, contact)
        if outcome.passes:
            await self._route(presence)
        if outcome.after.from_ and not outcome.before.from_:
            self.presence.introduce(user, contact)
        return outcome

    @on(events.subscription_arriving)
    async def arrive(self, presence: Presence, user: JID) -> Stop:
        """A contact has sent (§3.1.3, §3.1.6, §3.2.3, §3.3.3)."""
        contact = presence.from_.bare
        if contact == user or not await self.host.accounts.exists(user.local):
            return STOP
        presence = presence.copy(to=user, from_=contact)
        await self.settle(presence, user, await self.store(presence, user))
        return STOP

    async def store(self, presence: Presence, user: JID) -> Outcome:
        """What has arrived is in the roster, or waits for an answer there; nobody is told yet.
        Both addresses are bare.
        """
        request = self._kept(presence) if presence.type == "subscribe" else b""
        return await self.roster.change(user, presence.from_, INBOUND[presence.type], request)

    async def settle(self, presence: Presence, user: JID, outcome: Outcome) -> None:
        """Tell those who are to be told of what was stored."""
        contact = presence.from_
        if outcome.passes:
            self._deliver(presence, user)
        self.roster.push(user, outcome)
        if _ends(outcome):
            self.presence.withdraw(user, contact)
        if outcome.reply:
            await self._route(Presence(contact, user, outcome.reply, presence.id))
        if outcome.reply == "subscribed":
            self.presence.introduce(user, contact)

    def _deliver(self, presence: Presence, user: JID) -> None:
        """Requests to available resources (§3.1.3); the rest to interested ones (§2.1.6)."""
        if presence.type == "subscribe":
            sessions = self.host.sessions.available(user)
        else:
            sessions = self.roster.interested_sessions(user)
        for session in sessions:
            session.send(presence)

    # Requests that wait

    def _kept(self, presence: Presence) -> bytes:
        """The request as it is stored: complete, unless it is unreasonably large."""
        written = presence.write()
        if len(written) <= self.options.max_request:
            return written
        return Presence(presence.to, presence.from_, "subscribe").write()

    @on(events.presence_changed)
    def remind(self, session: Session, presence: Presence, previous: Presence | None) -> None:
        """A resource became available: it gets the requests that wait for an answer (§3.1.3), and
        contacts that have not answered the user's are reminded (§3.1.2).
        """
        if previous is None and presence.type == "":
            self.background(self._remind(session))
            if self.host.sessions.available(session.user) == [session]:
                self._ask_again(session.user)

    async def _remind(self, session: Session) -> None:
        for stored in await self.roster.waiting(session.user):
            try:
                request = _presence(parse(stored, ns.CLIENT), session.user)
            except (KeyError, ValueError, XMLError):
                self.log.error("unreadable: a request to {user}", user=session.user)
            else:
                session.send(request)

    def _ask_again(self, user: JID) -> None:
        """Remote contacts only: what was asked of a local one is stored already."""
        self.presence.send_in_turn(
            Presence(item.contact, user, "subscribe", secrets.token_hex(8))
            for item in self.roster.contacts(user).values()
            if item.ask and item.contact.domain != self.host.name
        )

    # Ends that come with a contact or an account

    @on(contact_removed)
    def end(self, user: JID, item: Item) -> None:
        """The contact was taken out of the roster: both subscriptions end (§2.5.2)."""
        self.background(self._end(user, item))

    async def _end(self, user: JID, item: Item) -> None:
        if item.from_:
            self.presence.withdraw(user, item.contact)
        if item.to or item.ask:
            await self._route(Presence(item.contact, user, "unsubscribe", secrets.token_hex(8)))
        if item.from_ or item.pending:
            await self._route(Presence(item.contact, user, "unsubscribed", secrets.token_hex(8)))

    @on(events.account_deleting)
    async def leave(self, user: JID) -> None:
        """The account goes: nobody shall wait for its presence (§3.2, §3.3; XEP-0077 §3.2)."""
        for item in await self.roster.erase(user):
            await self._end(user, item)

    @on(events.stream_features)
    def offer(self, state: str) -> list[Element]:
        return [Element(ns.PRE_APPROVAL, "sub")] if state == "before_bind" else []

    async def _route(self, presence: Presence) -> None:
        done = self.host.router.route(presence)
        if done is not None:
            await done


def _ends(outcome: Outcome) -> bool:
    """The contact sees the user no more: it hears of that before "unsubscribed" (§3.2.2)."""
    return outcome.before.from_ and not outcome.after.from_


def _presence(request: Element, user: JID) -> Presence:
    """A stored request, as complete as it came in."""
    attrs = request.attrs
    extra = {name: value for name, value in attrs.items() if name not in _OWN_ATTRIBUTES}
    return Presence(
        user,
        jid(attrs["from"]),
        "subscribe",
        attrs.get("id"),
        *request.elements,
        lang=attrs.get(XML_LANG),
        extra=extra or None,
    )
