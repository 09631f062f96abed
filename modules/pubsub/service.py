"""Publish-subscribe: a service where people and programs publish to nodes, and subscribers are
told (XEP-0060 1.30.0).

Leaf nodes with all access models; items are stored. Who may create nodes is an option; owners
decide on all else. Personal eventing, on every account, is the module `pep`.
"""

from collections.abc import Mapping

from xmppd.api import (
    EARLY,
    IQ,
    JID,
    SERVICE,
    Done,
    Element,
    Host,
    Message,
    Options,
    Presence,
    ResultSetRequest,
    ServiceOptions,
    Session,
    Stanza,
    StanzaError,
    events,
    iq_get,
    iq_set,
    ns,
    on,
    option,
    uses,
)
from xmppd.modules.disco import Description, Identity
from xmppd.modules.pubsub.commands import NodeCommands
from xmppd.modules.pubsub.config import AccessModel, Bounds, NodeConfig, SendLast
from xmppd.modules.pubsub.engine import Engine
from xmppd.modules.pubsub.face import Face, Limits, NodesOptions
from xmppd.modules.pubsub.items import Items
from xmppd.modules.pubsub.model import Node
from xmppd.modules.pubsub.owning import Owning
from xmppd.modules.pubsub.presences import Presences
from xmppd.modules.pubsub.publishing import Publishing
from xmppd.modules.pubsub.reading import Reading
from xmppd.modules.pubsub.requests import Requests
from xmppd.modules.pubsub.store import Store
from xmppd.modules.pubsub.subscribing import Subscribing
from xmppd.modules.roster import Item as Contact
from xmppd.modules.roster import (
    Roster,
    contact_edited,
    contact_removed,
    subscription_changed,
)
from xmppd.modules.roster.items import Outcome

NS = ns.PUBSUB
SWEEP_S = 600.0
PROBE_S, PROBES = 10.0, 100
MOST_AWAITED = 10_000
FEATURES = (
    *("config-node", "config-node-max", "create-and-configure", "create-nodes", "delete-items"),
    *("delete-nodes", "get-pending", "instant-nodes", "item-ids", "leased-subscription"),
    *("manage-subscriptions", "member-affiliation", "meta-data", "modify-affiliations"),
    *("multi-items", "outcast-affiliation", "persistent-items", "presence-notifications"),
    *("publish", "publish-node-full", "publish-only-affiliation", "publish-options"),
    *("publisher-affiliation", "purge-nodes", "retract-items", "retrieve-affiliations"),
    *("retrieve-default", "retrieve-default-sub", "retrieve-items", "retrieve-subscriptions"),
    *("rsm", "subscribe", "subscription-notifications", "subscription-options"),
)


class PubsubOptions(NodesOptions, ServiceOptions):
    create: str = option(
        "local",
        "Who may create nodes: `local` accounts of the host, `anyone`, or its `admins` only.",
        choices=("local", "anyone", "admins"),
    )
    access_model: str = option(
        "open",
        "The access model of nodes whose creator does not say otherwise.",
        choices=tuple(map(str, AccessModel)),
    )
    default_items: int = option(
        20, "Items that a node keeps if its owner does not say otherwise.", at_least=1
    )
    max_nodes_per_owner: int = option(100, "Nodes that one entity may have created.", at_least=1)
    max_nodes: int = option(10000, "Nodes of the service.", at_least=1)
    max_subscribers: int = option(10000, "Subscriptions of one node.", at_least=1)
    max_same_subscriptions: int = option(
        1,
        "Subscriptions of one address to one node. With more than one each is known by an"
        " identifier (`multi-subscribe`), which not all clients mind.",
        at_least=1,
        at_most=100,
    )


class ServiceFace(Face):
    """A service that belongs to nobody in particular."""

    def __init__(self, service: "Pubsub") -> None:
        super().__init__(service.host, lambda: service.roster)
        self._options = options = service.options
        self._service = service
        self.impose = options.impose
        items = max(options.max_items, options.default_items)
        self.bounds = Bounds(items, options.max_payload)
        self.limits = Limits.of(
            options,
            nodes_per_owner=options.max_nodes_per_owner,
            nodes=options.max_nodes,
            items=items,
            subscribers=options.max_subscribers,
            same=options.max_same_subscriptions,
        )
        self._defaults = NodeConfig(
            access_model=AccessModel(options.access_model),
            max_items=options.default_items,
            max_payload_size=options.max_payload,
        )

    def serves(self, service: JID) -> bool:
        return service == self._service.domain

    def defaults(self, service: JID, name: str) -> NodeConfig:
        return self._defaults

    async def check_creator(self, service: JID, who: JID) -> None:
        if self._options.create == "anyone" or self.is_admin(who):
            return
        local = self._options.create == "local" and who.domain == self.host.name
        if local and await self.host.accounts.exists(who.local):
            return  # a guest has no account (XEP-0175)
        raise StanzaError("forbidden", "you may not create nodes here")

    def auto_creates(self, service: JID, who: JID) -> bool:
        return False

    def is_admin(self, who: JID) -> bool:
        return self.host.is_admin(who)

    async def implied(self, node: Node) -> list[JID]:
        return []

    def present(self, node: Node, who: JID) -> bool:
        return self._service.presences.available(who)

    def await_presence(self, who: JID) -> None:
        self._service.await_presence(who)

    def await_answers(self) -> None:
        """All that comes to the service is looked at anyway."""


class Pubsub(NodeCommands):
    name = "pubsub"
    subdomain = "pubsub"
    identity = Identity("pubsub", "service", "Publish-Subscribe")
    options: PubsubOptions
    store: Store
    items: Items
    roster = uses(Roster)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self.presences = Presences(host)
        self._awaited: set[JID] = set()  # whose presence matters
        self._unasked: set[JID] = set()
        self.engine = Engine(ServiceFace(self), self.store, self.items)
        self.publishing = Publishing(self.engine)
        self.subscribing = Subscribing(self.engine, self.publishing)
        self.owning = Owning(self.engine, self.subscribing)
        self.reading = Reading(self.engine, self.publishing)
        self._requests = Requests(self.publishing, self.subscribing, self.owning, self.reading)

    async def start(self) -> None:
        self._awaited = set(await self.store.by_presence(self.domain, MOST_AWAITED))
        self._unasked = {who for who in self._awaited if who.domain != self.host.name}
        self.every(SWEEP_S, self._sweep)
        self.every(PROBE_S, self._probe)

    def _probe(self) -> None:
        """After a start, ask for the presence of those for whom it matters, a few at a time
        (RFC 6121 §4.3).
        """
        for _ in range(min(PROBES, len(self._unasked))):
            self.send(Presence(self._unasked.pop(), self.domain, "probe"))

    def save(self) -> Mapping[str, object]:  # type: ignore[override]  # plain values all the same
        return {"presences": self.presences.save()}

    def restore(self, saved: Mapping[str, object]) -> None:
        self.presences.restore(saved.get("presences"))

    async def _sweep(self) -> None:
        await self.items.expire(self.engine.now())

    # Requests

    @iq_get(NS, "pubsub", at=SERVICE)
    @iq_set(NS, "pubsub", at=SERVICE)
    @iq_get(ns.PUBSUB_OWNER, "pubsub", at=SERVICE)
    @iq_set(ns.PUBSUB_OWNER, "pubsub", at=SERVICE)
    async def answer(self, iq: IQ) -> Element | None:
        return await self._requests.answer(iq)

    # Disco (§5)

    async def about(self, entity: JID, node: str, asker: JID, known: Description) -> None:
        if entity != self.domain:
            return
        if not node:
            known.features.update(f"{NS}#{name}" for name in FEATURES)
            known.features.add(f"{NS}#access-{self.options.access_model}")
            if self.options.max_same_subscriptions > 1:
                known.features.add(f"{NS}#multi-subscribe")
        else:
            await self.reading.describe(self.domain, node, asker, known, features=())

    @iq_get(ns.DISCO_ITEMS, "query", at=SERVICE)
    async def service_items(self, iq: IQ) -> Element:
        """Without a node, the nodes there are (§5.2), in pages where there are many."""
        if iq.payload.get("node"):
            return (await self._about(iq)).paged(iq)
        request = ResultSetRequest.of(iq.payload)
        page = await self.reading.nodes(self.domain, iq.from_, request)
        answer = Description(items=page.items).listing()
        if request is not None or not page.complete:
            answer.append(page.element())
        return answer

    # Messages and presence

    def take(self, stanza: Stanza) -> Done:
        if isinstance(stanza, Presence):
            self._hear(stanza)
            return None
        if isinstance(stanza, Message) and stanza.to == self.domain:
            if stanza.type == "error":
                self.background(self.subscribing.bounced(self.domain, stanza))
                return None
            form = stanza.child(ns.FORMS, "x")
            if form is not None:
                self.background(self._authorize(stanza, form))
                return None
        return super().take(stanza)

    async def _authorize(self, message: Message, form: Element) -> None:
        """An owner's answer to a request (§8.6)."""
        try:
            await self.subscribing.authorize(self.domain, message.from_, form)
        except StanzaError as error:
            self.host.router.bounce(message, error)

    # Rosters of owners

    @on(subscription_changed)
    def settle(self, user: JID, outcome: Outcome) -> None:
        """Who sees the presence of an owner no more may not see its nodes either (§12.13)."""
        if outcome.before.from_ and not outcome.after.from_:
            self.background(self.engine.recheck(user, outcome.after.contact))

    @on(contact_removed)
    def settle_removed(self, user: JID, item: Contact) -> None:
        self.background(self.engine.recheck(user, item.contact))

    @on(contact_edited)
    def settle_edited(self, user: JID, before: Contact, after: Contact) -> None:
        if set(before.groups).difference(after.groups):
            self.background(self.engine.recheck(user, after.contact))

    # Presence of subscribers (§12.5)

    def await_presence(self, who: JID) -> None:
        """What local accounts do is known; others are asked."""
        bare = who.bare
        if bare in self._awaited or len(self._awaited) >= MOST_AWAITED:
            return
        self._awaited.add(bare)
        if bare.domain != self.host.name:
            self.send(Presence(bare, self.domain, "subscribe"))

    def _hear(self, presence: Presence) -> None:
        if presence.from_.bare in self._awaited and self.presences.hear(presence):
            self.background(self._came(presence.from_))

    @on(events.presence_changed)
    def notice(self, session: Session, presence: Presence, previous: Presence | None) -> None:
        if previous is None and presence.type == "" and session.user in self._awaited:
            self.background(self._came(session.jid))

    async def _came(self, who: JID) -> None:
        """Who came online gets the last items of nodes that are configured so."""
        now = self.engine.now()
        names = [
            name
            for name, it in await self.store.subscriptions_of(self.domain, who, None)
            if it.jid in (who, who.bare) and it.options.deliver and it.current(now)
        ]
        for name in dict.fromkeys(names):
            node = await self.engine.find(self.domain, name)
            if node is None or not await self.engine.may_read(node, who):
                continue
            if node.config.send_last_published_item is SendLast.ON_SUB_AND_PRESENCE:
                await self.publishing.send_last(node, who)

    # Accounts

    @on(events.account_deleting, order=EARLY)  # `pep` erases what the account is to all nodes
    async def forget(self, user: JID) -> None:
        """Subscriptions and affiliations end with the account, and nodes that nobody else owns."""
        concerned = await self.store.concerning(user)
        for service, name in concerned:
            node = await self.engine.find(service, name) if service == self.domain else None
            if node is not None and node.owners() == [user]:
                await self.owning.delete(node)
        await self.store.erase(user)
        for key in concerned:
            self.engine.drop(key)
        self._awaited.discard(user)
