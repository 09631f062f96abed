"""Service discovery: what the host and its accounts are, can do and have (XEP-0030 2.5.0).

With extensions in data forms (XEP-0128 1.0.1), and long lists in pages (XEP-0059 1.0). What
modules answer and name as their `features` is found here by itself; for all else it offers hooks.
A node exists if a handler of one of them knows it.

An account is described only to those who may see its presence (§8). For all others, and for
accounts that do not exist, disco#info is service-unavailable and disco#items an empty list.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from xmppd.api import (
    ACCOUNT,
    HOST,
    IQ,
    JID,
    NODE,
    SELF,
    SERVICE,
    STOP,
    XML_LANG,
    BareJID,
    Element,
    Executor,
    Filter,
    Form,
    Gather,
    Host,
    Module,
    Options,
    ResultSetRequest,
    Service,
    StanzaError,
    WaitingFilter,
    forms,
    iq_get,
    ns,
    on,
    option,
    page,
    uses,
)
from xmppd.modules.roster import Roster

MOST_LISTED = 1000  # items in one answer


class Identity(NamedTuple):
    """What an entity is, by the registry of categories and types (§3.1)."""

    category: str
    type: str
    name: str = ""
    lang: str = ""

    def element(self) -> Element:
        identity = Element(
            ns.DISCO_INFO, "identity", {"category": self.category, "type": self.type}
        )
        if self.name:
            identity.attrs["name"] = self.name
        if self.lang:
            identity.attrs[XML_LANG] = self.lang
        return identity


class Item(NamedTuple):
    """Something that belongs to an entity; `node` where it has no JID of its own (§4.2)."""

    jid: JID
    node: str = ""
    name: str = ""

    def element(self) -> Element:
        item = Element(ns.DISCO_ITEMS, "item", {"jid": self.jid})
        item.attrs |= {key: value for key in ("node", "name") if (value := getattr(self, key))}
        return item

    def uid(self, entity: JID) -> str:
        """What pages of `entity`'s items go by: of its nodes their names, of published items,
        which have no node, their ids (XEP-0060 §5.5).
        """
        own = self.jid == entity and (self.node or self.name)
        return own or " ".join(filter(None, self))


@dataclass(slots=True)
class Description:
    """An entity (a JID, or a JID with a node), as far as it is known."""

    identities: list[Identity] = field(default_factory=list)
    features: set[str] = field(default_factory=set)
    forms: list[Form] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether anybody knows this entity."""
        return bool(self.identities or self.features or self.forms or self.items)

    def info(self, node: str = "") -> Element:
        """The answer to disco#info (§3.1): each identity, feature and kind of form once."""
        query = _query(ns.DISCO_INFO, node)
        by_kind = {(each.category, each.type, each.lang): each for each in self.identities[::-1]}
        query.append(*[each.element() for each in list(by_kind.values())[::-1]])
        for feature in sorted(self.features | {ns.DISCO_INFO}):
            query.append(Element(ns.DISCO_INFO, "feature", {"var": feature}))
        query.append(*[form.element() for form in _merged(self.forms)])
        return query

    def listing(self, node: str = "") -> Element:
        """The answer to disco#items (§4.1)."""
        query = _query(ns.DISCO_ITEMS, node)
        query.append(*[item.element() for item in dict.fromkeys(self.items)])
        return query

    def paged(self, iq: IQ) -> Element:
        """The answer to disco#items: a page where one is asked for, or where there is too much.

        Raises StanzaError, as `page`.
        """
        request = ResultSetRequest.of(iq.payload)
        known: dict[str, Item] = {}
        for each in self.items:
            known.setdefault(each.uid(iq.to), each)
        items, asked = list(known.values()), request or ResultSetRequest()
        found = page(items, asked, lambda item: item.uid(iq.to), at_most=MOST_LISTED)
        answer = Description(items=found.items).listing(_node(iq))
        if request is not None or not found.complete:
            answer.append(found.element())
        return answer


# In all of these: the entity asked about (a domain or bare JID of the host), the node ("" for
# none), and who asks. That is the host itself where the question is what anybody may see.
disco_identities: Gather[Identity, [JID, str, JID]] = Gather(
    "What else is it? Without a node the host is `server/im` and an account `account/registered`"
    " already."
)
disco_features: Gather[str, [JID, str, JID]] = Gather(
    "What can it do, beside the namespaces of the IQs that it answers and the `features` of"
    " modules?"
)
disco_forms: Gather[Form, [JID, str, JID]] = Gather(
    "What else is to be said of it, in forms of type result with a FORM_TYPE (XEP-0128)? Forms of"
    " the same FORM_TYPE are made one."
)
disco_items: Gather[Item, [JID, str, JID]] = Gather(
    "What belongs to it? For an account, only those who may see its presence are asking."
)
disco_describing: Filter[Description, [JID, str, JID]] = Filter(
    "What is known without waiting was gathered: also what caps are made of. Change it, or put"
    " another description in its place."
)
disco_answering: WaitingFilter[Description, [JID, str, JID]] = WaitingFilter(
    "All of the above is gathered, to answer disco#info or disco#items. Add what must be waited"
    " for, or put another description in its place. STOP: there is no such node."
)


class DiscoOptions(Options):
    name: str = option("xmppd", "Name of the server as clients show it.")
    extra_items: list[BareJID] = option(
        [],
        "Services of elsewhere that are listed among those of the host.",
        example=["conference.example.org"],
    )


class Disco(Module):
    name = "disco"
    options: DiscoOptions
    roster = uses(Roster)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._identities = host.hooks.of(disco_identities)
        self._features = host.hooks.of(disco_features)
        self._forms = host.hooks.of(disco_forms)
        self._items = host.hooks.of(disco_items)
        self._describing = host.hooks.of(disco_describing)
        self._answering = host.hooks.of(disco_answering)

    # For other modules

    def describe(self, entity: JID, node: str, asker: JID) -> Description:
        """What is known without waiting: all but what handlers of `disco_answering` add."""
        known = Description() if node else self._plain(entity, asker)
        known.identities += self._identities.gather(entity, node, asker)
        known.features.update(self._features.gather(entity, node, asker))
        known.forms += self._forms.gather(entity, node, asker)
        known.items += self._items.gather(entity, node, asker)
        described = self._describing.filter(known, entity, node, asker)
        return known if described is STOP else described

    def _plain(self, entity: JID, asker: JID) -> Description:
        """The host or an account, before other modules are asked."""
        iqs = self.host.iqs
        if not entity.local:
            return Description(
                [Identity("server", "im", self.options.name)],
                iqs.namespaces(HOST, SELF) | self.host.modules.features() | {ns.RSM},
                items=[*self._components(), *map(Item, self.options.extra_items)],
            )
        own = asker.bare == entity
        return Description(
            [Identity("account", "registered")],
            (iqs.namespaces(ACCOUNT, SELF) if own else iqs.namespaces(ACCOUNT)) | {ns.RSM},
            items=[Item(session.jid) for session in self.host.sessions.available(entity)],
        )

    def _components(self) -> Iterable[Item]:
        """The external components of the host (XEP-0114)."""
        for component in self.host.router.components_of(self.host.name):
            if component.listed:
                yield Item(component.domain, name=component.name)

    # Questions

    @iq_get(ns.DISCO_INFO, "query")
    async def host_info(self, iq: IQ) -> Element:
        return await self._info(iq)

    @iq_get(ns.DISCO_ITEMS, "query")
    async def host_items(self, iq: IQ) -> Element:
        return await self._list(iq)

    @iq_get(ns.DISCO_INFO, "query", at=ACCOUNT)
    async def account_info(self, iq: IQ) -> Element:
        if not await self.roster.may_see(iq.to, iq.from_):
            raise StanzaError("service-unavailable")  # §8 rule 1, with or without a node
        return await self._info(iq)

    @iq_get(ns.DISCO_ITEMS, "query", at=ACCOUNT)
    async def account_items(self, iq: IQ) -> Element:
        if not await self.roster.may_see(iq.to, iq.from_):
            return Description().paged(iq)  # §8 rule 2
        return await self._list(iq)

    async def _info(self, iq: IQ) -> Element:
        return (await self._known(iq)).info(_node(iq))

    async def _list(self, iq: IQ) -> Element:
        return (await self._known(iq)).paged(iq)

    async def _known(self, iq: IQ) -> Description:
        """Raises item-not-found for a node that nobody knows (§7)."""
        gathered = self.describe(iq.to, _node(iq), iq.from_)
        known = await self._answering.wait(gathered, iq.to, _node(iq), iq.from_)
        if not isinstance(known, Description) or not known.known:
            raise StanzaError("item-not-found")
        return known


class DiscoService(Service):
    """A service that tells what it is: its own domain, and what lies at local parts of it.

    The host lists it among its items. A subclass says `identity`, and `about` where there is more
    to say; `features` are those beside the IQs that it answers.
    """

    identity: ClassVar[Identity]
    disco = uses(Disco)

    async def about(self, entity: JID, node: str, asker: JID, known: Description) -> None:
        """Complete what is `known` of the domain or of an address at it; where nothing is added
        to an empty description, it is item-not-found. Raises StanzaError.
        """

    @on(disco_items)
    def list_service(self, entity: JID, node: str, asker: JID) -> Iterable[Item]:
        if entity == self.host.domain and not node:
            yield Item(self.domain, name=self.identity.name)

    @iq_get(ns.DISCO_INFO, "query", at=SERVICE)
    @iq_get(ns.DISCO_INFO, "query", at=NODE)
    async def service_info(self, iq: IQ) -> Element:
        return (await self._about(iq)).info(_node(iq))

    @iq_get(ns.DISCO_ITEMS, "query", at=SERVICE)
    @iq_get(ns.DISCO_ITEMS, "query", at=NODE)
    async def service_items(self, iq: IQ) -> Element:
        return (await self._about(iq)).paged(iq)

    async def _about(self, iq: IQ) -> Description:
        if iq.to == self.domain and (_node(iq) == ns.COMMANDS or self.adhoc.has(_node(iq))):
            return commands_at(self.adhoc, self.domain, _node(iq), iq.from_)
        known = Description()
        if iq.to == self.domain and not _node(iq):
            known.identities.append(self.identity)
            known.features.update(self.iqs.namespaces(SERVICE), self.features, (ns.RSM,))
        await self.about(iq.to, _node(iq), iq.from_, known)
        if not known.known:
            raise StanzaError("item-not-found")
        return known

    @iq_get(ns.PING, "ping", at=SERVICE)
    def answer_ping(self, iq: IQ) -> None:
        """The service is there (XEP-0199 §4.3)."""


def commands_at(adhoc: Executor, entity: JID, node: str, asker: JID) -> Description:
    """The list of ad-hoc commands that `asker` may execute, or one of them (XEP-0050 §2.2).

    Raises item-not-found, and forbidden for a command of others.
    """
    if node == ns.COMMANDS:
        items = [Item(entity, each.node, each.name) for each in adhoc.available(asker)]
        return Description([Identity("automation", "command-list", "Commands")], items=items)
    command = adhoc.find(node, asker)
    kind = Identity("automation", "command-node", command.name)
    return Description([kind], {ns.COMMANDS, ns.FORMS})


def _node(iq: IQ) -> str:
    return iq.payload.get("node") or ""


def _query(of: str, node: str) -> Element:
    """The node that was asked for is mirrored (§3.2)."""
    return Element(of, "query", {"node": node} if node else None)


def _merged(gathered: Iterable[Form]) -> list[Form]:
    """Two forms of one FORM_TYPE would make the whole answer ill-formed (XEP-0115 §5.4)."""
    merged: dict[str, Form] = {}
    for form in gathered:
        kind = form.form_type or ""
        if kind in merged:
            more = [each for each in form.fields if each.var != forms.FORM_TYPE]
            form = Form(type=form.type, fields=[*merged[kind].fields, *more])
        merged[kind] = form
    return list(merged.values())
