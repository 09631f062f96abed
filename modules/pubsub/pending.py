"""The ad-hoc command for pending subscriptions (XEP-0060 §8.7, XEP-0050)."""

import secrets

from xmppd.api import (
    IQ,
    JID,
    Element,
    FieldType,
    Form,
    FormType,
    StanzaError,
    forms,
    ns,
)
from xmppd.modules.disco import Description, Identity, Item
from xmppd.modules.pubsub.engine import Engine
from xmppd.modules.pubsub.model import Affiliation, Node, State
from xmppd.modules.pubsub.subscribing import AUTHORIZATION, Subscribing


class Pending:
    """Two steps: which node, then its requests. Nothing is remembered in between."""

    node = f"{ns.PUBSUB}#get-pending"
    title = "Get pending subscription requests"

    def __init__(self, engine: Engine, subscribing: Subscribing) -> None:
        self.engine = engine
        self.subscribing = subscribing

    def item(self, service: JID) -> Item:
        return Item(service, self.node, self.title)

    def describe(self, known: Description) -> None:
        known.identities.append(Identity("automation", "command-node", self.title))
        known.features.update((ns.COMMANDS, ns.FORMS))

    async def run(self, iq: IQ) -> Element:
        """Raises StanzaError."""
        asked = iq.payload
        if asked.get("node") != self.node:
            raise StanzaError("item-not-found", "there is no such command")
        action, session = asked.get("action", "execute"), asked.get("sessionid")
        if action == "cancel":
            return self._reply("canceled", session)
        if action not in ("execute", "next", "complete"):
            raise StanzaError("bad-request", "that action is not offered")
        form = asked.child(ns.FORMS, "x")
        if form is None:
            return await self._offer(iq)
        name = forms.submission(form).get("pubsub#node", str)
        await self._send(iq, name or "")
        return self._reply("completed", session)

    async def _offer(self, iq: IQ) -> Element:
        nodes = [node.name for node in await self._owned(iq)]
        form = Form(
            type=FormType.FORM,
            title=self.title,
            fields=[
                forms.form_type(AUTHORIZATION),
                forms.field("pubsub#node", None, FieldType.LIST_SINGLE, options=nodes),
            ],
        )
        actions = Element(ns.COMMANDS, "actions", {"execute": "complete"})
        actions.append(Element(ns.COMMANDS, "complete"))
        return self._reply("executing", None, actions, form.element())

    async def _owned(self, iq: IQ) -> list[Node]:
        """The asker's nodes with requests. Raises forbidden for who owns none."""
        service, who = iq.to, iq.from_
        affiliations = await self.engine.store.affiliations_of(service, who, None)
        names = [name for name, its in affiliations if its is Affiliation.OWNER]
        if not names:
            raise StanzaError("forbidden", "you own no node here", type="cancel")
        found = [await self.engine.find(service, name) for name in names]
        return [node for node in found if node is not None and _waiting(node)]

    async def _send(self, iq: IQ, name: str) -> None:
        """One message for each request; they come to all owners, so to this one too."""
        node = await self.engine.node(iq.to, name)
        self.engine.check_owner(node, iq.from_)
        for it in node.subscriptions.values():
            if it.state is State.PENDING:
                self.subscribing.ask_owners(node, it)

    def _reply(self, status: str, session: str | None, *inside: Element) -> Element:
        attrs = {"node": self.node, "status": status}
        attrs["sessionid"] = session or secrets.token_hex(8)
        return Element(ns.COMMANDS, "command", attrs, *inside)


def _waiting(node: Node) -> bool:
    return any(it.state is State.PENDING for it in node.subscriptions.values())
