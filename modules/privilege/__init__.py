"""Privileged entities: components that act for users (XEP-0356 0.4.1).

What each may do stands in the configuration; nothing is permitted otherwise. An entity is told
when it connects. Whatever it asks is checked here anew.
"""

import secrets
from collections.abc import Awaitable

from xmppd.api import (
    IQ,
    JID,
    STOP,
    Element,
    Host,
    JIDError,
    Message,
    Module,
    Options,
    Presence,
    Session,
    Stanza,
    StanzaError,
    Stop,
    events,
    forwarded,
    forwarded_in,
    jid,
    ns,
    on,
    option,
    stanza_of,
    uses,
)
from xmppd.modules.privilege.grants import NS, Grant, permits
from xmppd.modules.privilege.sightings import Sightings
from xmppd.modules.roster import Roster, roster_pushed

AT_ONCE = 1000  # requests of privileged entities that may be under way


class PrivilegeOptions(Options):
    grant: list[Grant] = option([], "What privileged entities may do, one table each.")


class Privilege(Module):
    name = "privilege"
    default_on = False
    features = (NS,)
    options: PrivilegeOptions
    roster = uses(Roster)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._grants = {grant.jid: grant for grant in self.options.grant}
        self._pushed = [grant.jid for grant in self.options.grant if grant.pushes]
        self._see = [g.jid for g in self.options.grant if g.presence != "none"]
        self._see_contacts = [g.jid for g in self.options.grant if g.presence == "roster"]
        self._seen = Sightings()
        self._working = 0

    async def start(self) -> None:
        """After a reload: who is connected is told what it may do now."""
        self.once_running(self._tell_connected)

    def _tell_connected(self) -> None:
        for entity in self._grants:
            if self._is_there(entity):
                self.advertise(entity)

    def _is_there(self, entity: JID) -> bool:
        external = self.host.router.external.get(entity.domain)
        return external is not None and external.connected

    def _granted(self, who: JID) -> Grant | None:
        """What this sender may do: the component itself, not the users at its domain."""
        grant = self._grants.get(who.bare)
        return grant if grant is not None and self._is_there(grant.jid) else None

    def _send(self, stanza: Stanza) -> None:
        done = self.host.router.route(stanza)
        if done is not None:
            self.background(done)

    # Who it is and what it may do (§4.2)

    @on(events.component_connected)
    def advertise(self, entity: JID) -> None:
        """Tell it, and show it who is there already (§8)."""
        grant = self._grants.get(entity)
        if grant is None:
            return
        told = Message(entity, self.host.domain, "", secrets.token_hex(8), grant.element())
        self._send(told)
        if entity in self._see:
            for session in self.host.sessions:
                if session.presence is not None:
                    self._send(_directed(session.presence, entity))
        if entity in self._see_contacts:
            for presence in self._seen.all():
                self._send(_directed(presence, entity))

    # Requests: rosters (§4.3) and those in the name of a user (§6.3)

    @on(events.server_asked)
    def take(self, iq: IQ) -> Stop | None:
        space, name = iq.payloads[0]
        if space == NS and name == "privileged_iq":
            self._work(iq, self._privileged(iq))
            return STOP
        if space == ns.ROSTER and iq.to.local and iq.from_.bare != iq.to:
            grant = self._granted(iq.from_)
            if grant is not None:
                self._work(iq, self._manage_roster(iq, grant))
                return STOP
        return None

    @on(events.resource_asked)
    def refuse(self, iq: IQ, user: JID) -> None:
        """It is for bare JIDs only (§6.3)."""
        if iq.payloads[0] == (NS, "privileged_iq"):
            raise StanzaError("forbidden")

    def _work(self, iq: IQ, work: Awaitable[Element | None]) -> None:
        """Answer later: the entity must be read meanwhile, for it may be asked itself."""
        self.background(self._answer(iq, work))

    async def _answer(self, iq: IQ, work: Awaitable[Element | None]) -> None:
        self._working += 1
        try:
            if self._working > AT_ONCE:
                raise StanzaError("resource-constraint")
            reply = iq.result(await work)
        except StanzaError as error:
            bounced = self.host.router.bounce(iq, error)
            if bounced is not None:
                await bounced
        except Exception:
            failed = StanzaError("internal-server-error")
            bounced = self.host.router.bounce(iq, failed)
            if bounced is not None:
                await bounced
            raise
        else:
            self._send(reply)
        finally:
            self._working -= 1

    async def _manage_roster(self, iq: IQ, grant: Grant) -> Element | None:
        if not permits(grant.roster, iq.type):
            raise StanzaError("forbidden")
        await self._check_managed(iq.to)
        if iq.type == "set":
            await self.roster.write(iq.copy(from_=iq.to))
            return None
        contacts = await self.roster.loaded(iq.to)
        items = [item.element() for item in contacts.values()]
        return Element(ns.ROSTER, "query", {"ver": str(contacts.version)}, *items)

    async def _check_managed(self, user: JID) -> None:
        if not user.local or not await self.host.accounts.exists(user.local):
            raise StanzaError("forbidden", f"{user} is no account here")

    async def _privileged(self, iq: IQ) -> Element:
        """Check all that §6.3 lists, ask as the user, and hand the answer back."""
        grant = self._granted(iq.from_)
        if grant is None:
            raise StanzaError("forbidden")
        asked = self._unwrapped(iq, grant)
        await self._check_managed(iq.to)
        answer = await self.host.questions.answer_to(asked)
        return Element(NS, "privilege", None, forwarded(answer))

    def _unwrapped(self, iq: IQ, grant: Grant) -> IQ:
        inner = iq.payload.elements
        if len(inner) != 1 or (inner[0].ns, inner[0].name) != (ns.CLIENT, "iq"):
            raise StanzaError("forbidden", "exactly one iq in jabber:client is expected")
        element = inner[0]
        claimed = element.get("from")
        if element.get("type") != iq.type or not _same(claimed, iq.to):
            raise StanzaError("forbidden", "type and from must fit the request around it")
        try:
            to = jid(element.get("to") or iq.to)
        except JIDError:
            raise StanzaError("jid-malformed") from None
        asked = stanza_of(element, to=to, from_=iq.to)
        assert isinstance(asked, IQ)
        if not grant.may_iq(asked.type, asked.payloads[0][0]):
            raise StanzaError("forbidden")
        return asked

    # Messages (§5)

    @on(events.host_receives)
    def pass_on(self, stanza: Stanza) -> Stop | None:
        """A message of the host or of a user, wrapped by a privileged entity (§5.3)."""
        wrapper = stanza.child(NS, "privilege")
        if wrapper is None or not isinstance(stanza, Message) or stanza.type == "error":
            return None
        grant = self._granted(stanza.from_)
        if grant is None or grant.message != "outgoing":
            raise StanzaError("forbidden")
        element = forwarded_in(wrapper, "message")
        try:
            from_, to = jid(element.get("from") or ""), jid(element.get("to") or "")
        except JIDError:
            raise StanzaError("jid-malformed") from None
        if from_.domain != self.host.name or from_.resource:
            raise StanzaError("forbidden", "it must be from a bare JID of the server")
        self._send(stanza_of(element, to=to, from_=from_))
        return STOP

    # Roster pushes (§4.3)

    @on(roster_pushed)
    def push(self, user: JID, item: Element, version: int) -> None:
        for entity in self._pushed:
            if self._is_there(entity):
                query = Element(ns.ROSTER, "query", {"ver": str(version)}, item)
                self._send(IQ(entity, user, "set", secrets.token_hex(8), query))

    # Presence (§7)

    @on(events.presence_changed)
    def show(self, session: Session, presence: Presence, previous: Presence | None) -> None:
        """Initial and unavailable presence only (§7.1)."""
        if (previous is None) == (presence.type == ""):
            for entity in self._see:
                if self._is_there(entity):
                    self._send(_directed(presence, entity))

    def _is_shown(self, presence: Presence) -> bool:
        return bool(self._see_contacts) and presence.from_.domain != self.host.name

    @on(events.user_hears, concerns=_is_shown)
    def show_contact(self, presence: Presence, user: JID) -> None:
        """What contacts of elsewhere say to users, whether these are available or not (§7.3)."""
        if not self._see_contacts or presence.type not in ("", "unavailable"):
            return
        if presence.from_.domain == self.host.name or not presence.from_.resource:
            return  # local users are shown once, by themselves
        if self.host.sessions.of(user):
            item = self.roster.contacts(user).get(presence.from_.bare)
            if item is not None and item.to:
                self._show_contact(presence)
        else:
            self.background(self._show_if_contact(presence, user))

    async def _show_if_contact(self, presence: Presence, user: JID) -> None:
        if (await self.roster.item(user, presence.from_.bare)).to:
            self._show_contact(presence)

    def _show_contact(self, presence: Presence) -> None:
        """Once, although many users may hear it (§8)."""
        if self._seen.is_news(presence):
            for entity in self._see_contacts:
                if self._is_there(entity):
                    self._send(_directed(presence, entity))


def _directed(presence: Presence, to: JID) -> Presence:
    return presence.copy(to=to)


def _same(claimed: str | None, user: JID) -> bool:
    """Whether the `from` of a wrapped stanza, if any, is the user (§6.3)."""
    if claimed is None:
        return True
    try:
        return jid(claimed) == user
    except JIDError:
        return False
