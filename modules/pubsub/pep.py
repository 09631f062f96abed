"""Personal eventing: every account is a publish-subscribe service of its own (XEP-0163 1.2.2).

Publishing creates nodes. Who shares presence with the account is told without having subscribed,
by the nodes that their clients' capabilities name (XEP-0060 §9).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from xmppd.api import (
    ACCOUNT,
    IQ,
    JID,
    LATE,
    STOP,
    Element,
    Filter,
    Host,
    Message,
    Options,
    PerSession,
    Presence,
    Session,
    Stanza,
    StanzaError,
    Stop,
    events,
    iq_get,
    iq_set,
    ns,
    on,
    option,
    uses,
)
from xmppd.modules.disco import (
    Description,
    Disco,
    Identity,
    disco_answering,
    disco_features,
    disco_identities,
)
from xmppd.modules.entity_caps import EntityCaps, Key
from xmppd.modules.pubsub.account import DEAF, AccountFace, may_hear
from xmppd.modules.pubsub.config import AccessModel, SendLast
from xmppd.modules.pubsub.copies import Copies
from xmppd.modules.pubsub.face import NodesOptions
from xmppd.modules.pubsub.interest import NONE, Hearer, Sharing
from xmppd.modules.pubsub.items import Latest
from xmppd.modules.pubsub.model import READING, Node
from xmppd.modules.pubsub.personal import AccountNodes
from xmppd.modules.pubsub.subscribing import answers
from xmppd.modules.roster import Item as Contact
from xmppd.modules.roster import Roster, contact_edited, contact_removed, subscription_changed
from xmppd.modules.roster.items import Outcome

NS = ns.PUBSUB
NEWLY = (SendLast.ON_SUB, SendLast.ON_SUB_AND_PRESENCE)  # who has not been let in before
FORM = (ns.FORMS, "x")
SWEEP_S = 600.0
FEATURES = tuple(
    f"{NS}#{name}"
    for name in (
        *("access-presence", "auto-create", "auto-subscribe", "config-node", "config-node-max"),
        *("create-and-configure", "create-nodes", "delete-items", "delete-nodes"),
        *("filtered-notifications", "instant-nodes", "item-ids", "last-published"),
        *("leased-subscription", "manage-subscriptions", "member-affiliation", "meta-data"),
        *("modify-affiliations", "multi-items", "outcast-affiliation", "persistent-items"),
        *("presence-notifications", "presence-subscribe", "publish", "publish-node-full"),
        *("publish-only-affiliation", "publish-options", "publisher-affiliation"),
        *("pubsub-on-a-jid", "purge-nodes", "retract-items", "retrieve-affiliations"),
        *("retrieve-default", "retrieve-default-sub", "retrieve-items"),
        *("retrieve-subscriptions", "rsm", "subscribe", "subscription-notifications"),
        "subscription-options",
    )
)

pep_notifying: Filter[tuple[JID, ...], [JID]] = Filter(
    "The account is about to send a notification to these addresses. A smaller tuple takes its"
    " place: whom the account has blocked must not be told (XEP-0163 §4.3.3). STOP: to nobody."
)


class PepOptions(NodesOptions):
    max_nodes: int = option(100, "Nodes of one account.", at_least=1)
    max_subscribers: int = option(1000, "Explicit subscriptions of one node.", at_least=1)


class Pep(AccountNodes):
    name = "pep"
    options: PepOptions
    roster = uses(Roster)
    caps = uses(EntityCaps)
    disco = uses(Disco)
    # What the session's client wants to hear of, and the presence that said so.
    wants: PerSession[Hearer | None] = PerSession(None)
    directed: PerSession[set[JID]] = PerSession(set)  # accounts that it has sent presence to

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._sharing = Sharing()
        self._asked = 0  # how often owners were asked for approval
        self._here = host.name  # looked at for each presence
        self._notifying = host.hooks.of(pep_notifying)
        self.serve(AccountFace(self))

    async def start(self) -> None:
        """After a reload, or when it is enabled, there are sessions already."""
        self.every(SWEEP_S, self._sweep)
        self.listen(events.user_receives, await self.store.any_pending())
        for session in self.host.sessions:
            if session.presence is not None and session not in self.wants:
                self.hear_own(session, session.presence, None)

    def save(self) -> dict[str, Any]:
        return {"sharing": self._sharing.save()}

    def restore(self, saved: dict[str, Any]) -> None:
        self._sharing.restore(saved.get("sharing", []))

    async def _sweep(self) -> None:
        await self.items.expire(self.engine.now())
        asked = self._asked
        if not await self.store.any_pending() and asked == self._asked:
            self.listen(events.user_receives, False)

    # Requests

    @iq_get(NS, "pubsub", at=ACCOUNT)
    @iq_set(NS, "pubsub", at=ACCOUNT)
    @iq_get(ns.PUBSUB_OWNER, "pubsub", at=ACCOUNT)
    @iq_set(ns.PUBSUB_OWNER, "pubsub", at=ACCOUNT)
    async def answer(self, iq: IQ) -> Element | None:
        return await self.requests.answer(iq)

    # Disco (§6)

    @on(disco_identities)
    def tell_identity(self, entity: JID, node: str, asker: JID) -> Iterable[Identity]:
        if entity.local and not node:
            yield Identity("pubsub", "pep")

    @on(disco_features)
    def tell_features(self, entity: JID, node: str, asker: JID) -> Iterable[str]:
        return FEATURES if entity.local and not node else ()

    @on(disco_answering)
    async def tell_nodes(
        self, known: Description, entity: JID, node: str, asker: JID
    ) -> Description | None:
        """Nodes are told to who may subscribe to them (§6.2)."""
        if not entity.local:
            return None
        if not node:
            known.items += await self.reading.all_nodes(entity, asker)
        elif not known.known and await self.engine.find(entity, node) is not None:
            await self.reading.describe(entity, node, asker, known, features=())
        return known

    # Who is told (§4.1, §4.3)

    async def hearing(self, node: Node) -> list[JID]:
        """The available resources that want to hear of the node and may."""
        user = node.service
        found = [
            session.jid
            for session in self.host.sessions.available(user)
            if node.name in self._wanted(session)
        ]
        contacts = self.roster.contacts(user) or await self.roster.loaded(user)
        found += self._of_contacts(node, contacts.values())
        for who in self._sharing.hearing(user, node.name):
            if may_hear(node, contacts.get(who.bare), who, self.engine.now()):
                found.append(who)
        return list(dict.fromkeys(found))

    def _of_contacts(self, node: Node, contacts: Iterable[Contact]) -> list[JID]:
        """The resources of local contacts that want to hear of it, and may."""
        found: list[JID] = []
        now = self.engine.now()
        here, of, wants, name = self.host.name, self.host.sessions.lookup, self.wants, node.name
        # To who shares presence, unless an affiliation says otherwise (`may_hear`).
        open_ = node.config.access_model in (AccessModel.OPEN, AccessModel.PRESENCE)
        for contact in contacts:
            who = contact.contact
            if not (contact.from_ and contact.to and who.domain == here):
                continue
            for session in of(who, ()):
                hearer = None if session.priority is None else wants[session]
                if hearer is None or name not in hearer.notify:
                    continue
                if (open_ and who not in node.affiliations) or may_hear(node, contact, who, now):
                    found.append(session.jid)
        return found

    def _wanted(self, session: Session) -> frozenset[str]:
        hearer = self.wants[session]
        return NONE if hearer is None else hearer.notify

    def shares(self, user: JID, who: JID) -> bool:
        """Whether a remote entity is available, as far as it told the account."""
        those = self._sharing.of(user, who.bare)
        return bool(those) if who.is_bare else any(full == who for full, _ in those)

    def permitted(self, service: JID, to: tuple[JID, ...]) -> tuple[JID, ...]:
        """Those whom no module holds back."""
        if not self._notifying.handlers:
            return to
        passed = self._notifying.filter(to, service)
        return passed if isinstance(passed, tuple) else ()

    # Presence of local sessions

    @on(events.presence_changed, order=LATE)  # its own presence comes back to it first
    def hear_own(self, session: Session, presence: Presence, previous: Presence | None) -> None:
        if presence.type == "unavailable":
            del self.wants[session]
            self._undirect(session)
            return
        key, before = self.caps.key(presence), self.wants[session]
        if before is None or before.key != key:
            told = NONE if before is None else before.told
            hearer = self.wants[session] = Hearer(key, told=told)
            self.background(self._learn_own(session, hearer))

    @on(events.session_restored)
    def hear_again(self, session: Session) -> None:
        if session.presence is not None:
            self.hear_own(session, session.presence, None)

    async def _learn_own(self, session: Session, hearer: Hearer) -> None:
        """Send what the client has not been sent by now."""
        learnt = await self.caps.learn(hearer.key, session.jid, session.user)
        if self.wants[session] is not hearer:
            return  # it said something else meanwhile, or is gone
        new = hearer.learn(learnt.notify)
        if new:
            contacts = self.roster.contacts(session.user).values()
            here = self.host.name
            both = [c.contact for c in contacts if c.to and c.from_ and c.contact.domain == here]
            await self._send_last([session.user, *both], session.jid, new)

    async def _send_last(
        self,
        services: Sequence[JID],
        to: JID,
        names: frozenset[str],
        *,
        trusted: bool = True,
        when: Sequence[SendLast] = (SendLast.ON_SUB_AND_PRESENCE,),
    ) -> None:
        """The last items of the nodes of these accounts that are called so (§4.3.4). `trusted`:
        `to` is subscribed to their presence. `when`: for which configurations it is time.
        """
        for last in await self.items.latest(services, names, to):
            its = last.config.send_last_published_item
            if its in when and await self._gets_last(last, to, trusted):
                self.publishing.send_item(last.as_node(), [last.item], to)

    async def _gets_last(self, last: Latest, to: JID, trusted: bool) -> bool:
        config = last.config
        expire = config.item_expire
        if not config.deliver_notifications:
            return False
        if expire is not None and last.item.at < self.engine.now() - expire * 1_000_000:
            return False
        if last.service == to.bare:
            return True
        if last.affiliation in DEAF:
            return False
        if last.affiliation in READING or config.access_model is AccessModel.OPEN:
            return True
        if config.access_model is AccessModel.ROSTER:
            return await self.engine.face.in_groups(last.as_node(), to)
        if config.access_model is AccessModel.AUTHORIZE:
            node = await self.engine.find(last.service, last.node)
            return node is not None and node.subscribed(to, self.engine.now())
        return trusted and config.access_model is AccessModel.PRESENCE

    # Presence of others

    def _comes_from_afar(self, presence: Presence) -> bool:
        return presence.from_.domain != self._here

    @on(events.user_hears, concerns=_comes_from_afar)
    def hear(self, presence: Presence, user: JID) -> None:
        """From other servers; local contacts are known by their sessions."""
        if presence.from_.domain != self._here:
            self._hear(presence, user)

    @on(events.user_directs, order=LATE)  # after the limit on directed presence
    def hear_directed(self, presence: Presence, session: Session) -> None:
        """A local account shares its presence where it is no contact (XEP-0060 §9.1.3)."""
        to = presence.to.bare
        if to.domain != self.host.name or not to.local or to == session.user:
            return
        contact = self.roster.contacts(session.user).get(to)
        if contact is None or not (contact.to and contact.from_):
            self.directed[session].add(to)
            self._hear(presence, to)

    def _hear(self, presence: Presence, user: JID) -> None:
        who = presence.from_
        if presence.type == "unavailable":
            self._sharing.remove(user, who)
        elif presence.type == "" and who.is_full and not presence.has(ns.MUC_USER):
            # Occupants of a room share presence with the room (XEP-0045 §7.2).
            key, before = self.caps.key(presence), self._sharing.get(user, who)
            if key != (None if before is None else before.key):
                self.background(self._learn(user, who, key, before))

    async def _learn(self, user: JID, who: JID, key: Key | None, before: Hearer | None) -> None:
        """Strangers are remembered by those who are online only."""
        trusted = await self.roster.may_see(user, who)
        if not trusted and not self.host.sessions.of(user):
            return
        if before is not None:
            before.key = key
        hearer = before or self._sharing.add(user, who, key, stranger=not trusted)
        if hearer is None:
            return
        learnt = await self.caps.learn(key, who, user)
        if self._sharing.get(user, who) is not hearer or hearer.key != key:
            return
        new = hearer.learn(learnt.notify)
        if new:
            await self._send_last([user], who, new, trusted=trusted)

    @on(events.session_closed)
    def leave(self, session: Session, why: str) -> None:
        """Directed presence ends with the session that sent it."""
        self._undirect(session)

    def _undirect(self, session: Session) -> None:
        if session in self.directed:
            for to in self.directed[session]:
                self._sharing.remove(to, session.jid)
            del self.directed[session]

    # Rosters

    @on(subscription_changed)
    def admit(self, user: JID, outcome: Outcome) -> None:
        """A new contact is told what there is (§4.3.4); one that is none any more loses what
        that had opened (§7.1).
        """
        before, after = outcome.before, outcome.after
        if after.from_ and after.to and not (before.from_ and before.to):
            self.background(self._welcome(user, after.contact))
        if before.from_ and not after.from_:
            self.background(self.engine.recheck(user, after.contact))

    @on(contact_removed)
    def dismiss(self, user: JID, item: Contact) -> None:
        self.background(self.engine.recheck(user, item.contact))

    @on(contact_edited)
    def regroup(self, user: JID, before: Contact, after: Contact) -> None:
        """Groups may open nodes and close them (XEP-0060 §12.2)."""
        if set(before.groups).difference(after.groups):
            self.background(self.engine.recheck(user, after.contact))
        new = set(after.groups).difference(before.groups)
        if new and after.from_ and after.to:
            self.background(self._let_in(user, before, after))

    async def _let_in(self, user: JID, before: Contact, after: Contact) -> None:
        """The last items of nodes that the contact's new groups have opened."""
        had, has = set(before.groups), set(after.groups)
        for row in await self.store.listed(user, self.options.max_nodes):
            allowed = set(row.config.roster_groups_allowed)
            by_group = row.config.access_model is AccessModel.ROSTER
            if by_group and allowed & has and not allowed & had:
                await self._welcome(user, after.contact, frozenset((row.name,)))

    async def _welcome(self, user: JID, contact: JID, among: frozenset[str] | None = None) -> None:
        """Last items for all resources of a contact: of all nodes, or of some."""
        if contact.domain == self.host.name:
            sessions = self.host.sessions.available(contact)
            wanted = [(session.jid, self._wanted(session)) for session in sessions]
        else:
            wanted = [(who, it.notify) for who, it in self._sharing.of(user, contact)]
        for who, names in wanted:
            names = names if among is None else names & among
            if names:
                await self._send_last([user], who, names, when=NEWLY)

    # Errors come to the bare JID that notifications are from (§4.3.1)

    @on(events.account_bounced)
    def take_error(self, message: Message, user: JID) -> None:
        self.background(self.subscribing.bounced(user, message))

    # Owners' answers (XEP-0060 §8.6)

    def await_answers(self) -> None:
        self._asked += 1
        self.listen(events.user_receives, True)

    @on(events.user_receives)  # listened to while an owner was asked
    def take_answer(self, stanza: Stanza, user: JID) -> Stop | None:
        """An owner's answer comes to the account, and goes no further."""
        if FORM not in stanza.payloads or stanza.kind != "message" or stanza.to.resource:
            return None
        form = stanza.child(ns.FORMS, "x")
        if form is None or not answers(form):
            return None
        self.background(self._authorize(stanza, user, form))
        return STOP

    async def _authorize(self, stanza: Stanza, user: JID, form: Element) -> None:
        try:
            await self.subscribing.authorize(user, stanza.from_, form)
        except StanzaError as error:
            self.host.router.bounce(stanza, error)

    # Accounts

    @on(events.account_exporting)
    def export(self, user: JID) -> Iterable[AsyncIterator[Element]]:
        yield Copies(self.engine, self.store, self.items).written(user)

    @on(events.account_importing)
    async def take_over(self, element: Element, user: JID) -> Stop | None:
        copies = Copies(self.engine, self.store, self.items)
        return STOP if await copies.take(user, element) else None

    @on(events.account_deleting)
    async def forget(self, user: JID) -> None:
        concerned = await self.store.concerning(user)
        await self.store.erase(user)
        self._sharing.remove_user(user)
        self.engine.drop_service(user)
        for key in concerned:
            self.engine.drop(key)
