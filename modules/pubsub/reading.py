"""Retrieving items, and what disco tells of nodes (XEP-0060 §5, §6.5)."""

from collections.abc import Iterable, Mapping, Sequence

from xmppd.api import (
    JID,
    Element,
    FieldType,
    Form,
    FormType,
    Page,
    ResultSetRequest,
    StanzaError,
    format_datetime,
    forms,
    ns,
)
from xmppd.modules.disco import Description, Identity
from xmppd.modules.disco import Item as DiscoItem
from xmppd.modules.pubsub import events
from xmppd.modules.pubsub.config import META_DATA, AccessModel, ItemReply
from xmppd.modules.pubsub.engine import Engine
from xmppd.modules.pubsub.errors import refused, unsupported
from xmppd.modules.pubsub.model import READING, Affiliation, Item, Node
from xmppd.modules.pubsub.options import moment
from xmppd.modules.pubsub.publishing import Publishing
from xmppd.modules.pubsub.requests import Ask, request
from xmppd.modules.pubsub.store import Listed

NS = ns.PUBSUB
MOST_LISTED = 1000  # nodes or items that disco lists
BATCH = 100  # nodes that are looked at together, at least
STANZA = 200_000  # bytes of items that may go to another server at once


class Reading:
    def __init__(self, engine: Engine, publishing: Publishing) -> None:
        self.engine = engine
        self.publishing = publishing

    # §6.5

    @request("get", NS, "items")
    async def items_request(self, ask: Ask) -> Element:
        node = await self.engine.node(ask.service, ask.node)
        await self.engine.check_reader(node, ask.who)
        self._check_subid(node, ask)
        if not node.config.persist_items:
            raise unsupported("persistent-items")
        found, note = await self._found(node, ask)
        shown = [events.item_element(NS, node, item, payload=True) for item in found]
        answer = Element(NS, "pubsub", None, Element(NS, "items", {"node": node.name}, *shown))
        if note is not None:
            answer.append(note)
        return answer

    def _check_subid(self, node: Node, ask: Ask) -> None:
        """§6.5.9.1, §6.5.9.2: several of one JID must be told apart, though all say the same."""
        now, subid = self.engine.now(), ask.what.get("subid")
        known = [each for each in node.of(ask.who) if each.current(now)]
        if subid and known and subid not in [each.subid for each in known]:
            raise refused("not-acceptable", "invalid-subid")
        if not subid and len({each.jid for each in known}) < len(known):
            raise refused("bad-request", "subid-required")

    async def _found(self, node: Node, ask: Ask) -> tuple[Sequence[Item], Element | None]:
        """The items, and what says that there are more (§6.5.4)."""
        ids = [element.get("id") for element in ask.what.all(NS, "item")]
        since, most = self.publishing.since(node), self.engine.face.limits.items
        if ids:
            wanted = [id_ for id_ in ids if id_][:most]
            named = await self.engine.items.named(node.id, wanted, since)
            return self._fitting(named, ask.who), None
        page = self._page_asked(ask)
        if page is not None:
            return await self._page(node, page, ask.who)
        few = _max_items(ask.what)
        newest = await self.engine.items.newest(node.id, min(few or most, most), since)
        found = self._fitting(newest[::-1], ask.who)[::-1]
        if len(found) == len(newest):
            return found, None
        return found, Page(found, found[0].id, found[-1].id, None, None, False).element()

    @staticmethod
    def _page_asked(ask: Ask) -> ResultSetRequest | None:
        """`<set/>` stands beside `<items/>`; some put it within."""
        for element in (*ask.rest, *ask.what.elements):
            if (element.ns, element.name) == (ns.RSM, "set"):
                return ResultSetRequest.from_element(element)
        return None

    async def _page(
        self, node: Node, page: ResultSetRequest, who: JID
    ) -> tuple[Sequence[Item], Element | None]:
        since, most = self.publishing.since(node), self.engine.face.limits.items
        paged = await self.engine.items.page(node.id, page, most, since)
        index = paged.position
        if page.before is None:
            found = self._fitting(paged.items, who)
        else:
            found = self._fitting(paged.items[::-1], who)[::-1]
            index = None if index is None else index + len(paged.items) - len(found)
        if not paged.total:
            return found, None
        first, last = (found[0].id, found[-1].id) if found else (None, None)
        return found, Page(found, first, last, index, paged.total, False).element()

    def _fitting(self, items: Sequence[Item], who: JID) -> list[Item]:
        """As many of the first as one answer may hold; always one."""
        local = who.domain == self.engine.face.host.name
        room = self.engine.face.limits.answer if local else STANZA
        fitting: list[Item] = []
        for item in items:
            room -= len(item.xml) + len(item.id) + 64
            if room < 0 and fitting:
                break
            fitting.append(item)
        return fitting

    # Disco (§5.2 to §5.5)

    async def describe(
        self, service: JID, name: str, asker: JID, known: Description, *, features: Iterable[str]
    ) -> None:
        """A node, with its metadata (§5.3, §5.4), and its items (§5.5) for who may read them."""
        node = await self.engine.node(service, name)
        if not await self._shows(node, asker):
            raise StanzaError("item-not-found")
        known.identities.append(Identity("pubsub", "leaf", node.config.title))
        known.features.update((NS, *features))
        known.forms.append(_metadata(node, self.engine.now()))
        if node.config.persist_items and await self.engine.may_read(node, asker):
            since = self.publishing.since(node)
            for id_ in await self.engine.items.ids(node.id, MOST_LISTED, since):
                known.items.append(DiscoItem(service, name=id_))

    async def nodes(
        self, service: JID, asker: JID, request: ResultSetRequest | None = None
    ) -> Page[DiscoItem]:
        """The nodes that `asker` may know of (§5.2; XEP-0163 §6.2): so many at a time, by their
        age. What cannot be seen is passed over; the count is of all (XEP-0059 §2.6).
        """
        request = request or ResultSetRequest()
        if request.index is not None:
            raise StanzaError("feature-not-implemented", "pages go by nodes, not by index")
        most = MOST_LISTED if request.max is None else min(request.max, MOST_LISTED)
        after, before = request.after or "", request.before or ""
        backwards = request.before is not None
        its = dict(await self.engine.store.affiliations_of(service, asker, None))
        shown: list[DiscoItem] = []
        more = most > 0
        while more and len(shown) < most:
            rows = await self.engine.store.listed(
                service, max(BATCH, most), after=after, before=before, backwards=backwards
            )
            more = len(rows) == max(BATCH, most)
            seen = [row for row in rows if await self._may_know(service, row, asker, its)]
            found = [DiscoItem(service, row.name, row.title) for row in seen]
            shown = found + shown if backwards else shown + found
            if more:
                after, before = (after, rows[0].name) if backwards else (rows[-1].name, before)
        count = await self.engine.store.count(service)
        return _page_of(shown, most, count, more=more, backwards=backwards)

    async def all_nodes(self, service: JID, asker: JID) -> list[DiscoItem]:
        """As `nodes`, with all of them: of an account, which has not many."""
        found: list[DiscoItem] = []
        request = None
        while True:
            page = await self.nodes(service, asker, request)
            found += page.items
            if page.complete or page.last is None:
                return found
            request = ResultSetRequest(after=page.last)

    async def _may_know(
        self, service: JID, row: Listed, asker: JID, its: Mapping[str, Affiliation]
    ) -> bool:
        """`its`: what the asker is to nodes. A node is loaded only where a roster decides."""
        if self.engine.face.is_admin(asker) or asker.bare == service:
            return True
        affiliation, model = its.get(row.name), row.config.access_model
        if affiliation is not None:
            return affiliation in READING
        if model in (AccessModel.OPEN, AccessModel.AUTHORIZE, AccessModel.WHITELIST):
            return model is not AccessModel.WHITELIST
        node = await self.engine.find(service, row.name)
        return node is not None and await self._shows(node, asker)

    async def _shows(self, node: Node, asker: JID) -> bool:
        """A node can be seen by who may subscribe to it."""
        try:
            await self.engine.check_access(node, asker)
        except StanzaError:
            return False
        return True


def _page_of(
    shown: list[DiscoItem], most: int, count: int, *, more: bool, backwards: bool
) -> Page[DiscoItem]:
    complete = not more and len(shown) <= most
    few = shown[max(0, len(shown) - most) :] if backwards else shown[:most]
    first, last = (few[0].node, few[-1].node) if few else (None, None)
    return Page(few, first, last, None, count, complete)


def _max_items(element: Element) -> int | None:
    text = element.get("max_items")
    if text is None:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if number < 1:
        raise StanzaError("bad-request", "max_items is a positive number")
    return number


def _metadata(node: Node, now: int) -> Form:
    config = node.config
    subscribers = len({it.jid for it in node.subscriptions.values() if it.current(now)})
    most = "max" if config.max_items is None else str(config.max_items)
    text, jids = FieldType.TEXT_SINGLE, FieldType.JID_MULTI
    shown = [
        forms.form_type(META_DATA),
        forms.field("pubsub#type", config.type, text),
        forms.field("pubsub#creator", node.creator, FieldType.JID_SINGLE),
        forms.field("pubsub#creation_date", format_datetime(moment(node.created)), text),
        forms.field("pubsub#title", config.title, text),
        forms.field("pubsub#description", config.description, text),
        forms.field("pubsub#language", config.language, text),
        forms.field("pubsub#contact", config.contact, jids),
        forms.field("pubsub#access_model", config.access_model, FieldType.LIST_SINGLE),
        forms.field("pubsub#publish_model", config.publish_model, FieldType.LIST_SINGLE),
        forms.field("pubsub#max_items", most, text),
        forms.field("pubsub#owner", node.owners(), jids),
        forms.field("pubsub#num_subscribers", subscribers, text),
    ]
    if config.itemreply is ItemReply.PUBLISHER:
        shown.append(forms.field("pubsub#publisher", node.publishers(), jids))
    return Form(type=FormType.RESULT, fields=shown)
