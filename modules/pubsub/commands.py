"""Nodes of the service from outside: for operators (`xmppctl`), administrators and owners
(XEP-0050).
"""

from collections.abc import Mapping

from xmppd.api import (
    JID,
    SERVICE,
    CommandError,
    Field,
    FieldType,
    Form,
    FormType,
    Rows,
    Run,
    StanzaError,
    adhoc,
    check_account,
    command,
    forms,
    jid,
    ns,
)
from xmppd.modules.disco import DiscoService
from xmppd.modules.pubsub import config
from xmppd.modules.pubsub.engine import Engine
from xmppd.modules.pubsub.model import Affiliation, Node, State, Subscription
from xmppd.modules.pubsub.owning import Owning
from xmppd.modules.pubsub.store import Store
from xmppd.modules.pubsub.subscribing import AUTHORIZATION, Subscribing

MOST_LISTED = 10_000
PENDING = f"{ns.PUBSUB}#get-pending"


class NodeCommands(DiscoService):
    engine: Engine
    store: Store
    owning: Owning
    subscribing: Subscribing

    # For owners (XEP-0060 §8.7)

    @adhoc(PENDING, "Get pending subscription requests", at=SERVICE, who="anybody")
    async def send_pending(self, run: Run) -> None:
        """One message for each request; they come to all owners, so to this one too."""
        waiting = [node.name for node in await self._owned(run.user) if any(_pending(node))]
        choice = forms.field("pubsub#node", None, FieldType.LIST_SINGLE, options=waiting)
        form = Form(type=FormType.FORM, fields=[forms.form_type(AUTHORIZATION), choice])
        answers = await run.ask(form)
        node = await self.engine.node(self.domain, str(answers.get("pubsub#node") or ""))
        self.engine.check_owner(node, run.user)
        for it in _pending(node):
            self.subscribing.ask_owners(node, it)

    async def _owned(self, who: JID) -> list[Node]:
        """Raises forbidden for who owns no node."""
        affiliations = await self.store.affiliations_of(self.domain, who, None)
        names = [name for name, its in affiliations if its is Affiliation.OWNER]
        if not names:
            raise StanzaError("forbidden", "you own no node here", type="cancel")
        found = [await self.engine.find(self.domain, name) for name in names]
        return [node for node in found if node is not None]

    # For administrators of the host

    @adhoc("list-nodes", "List the nodes", at=SERVICE, who="admins")
    async def show_list(self, run: Run) -> Rows:
        return await self.list_nodes()

    @adhoc("show-node", "Show a node", at=SERVICE, who="admins")
    async def show_one(self, run: Run) -> Mapping[str, str | int]:
        return await self.show_node(await _asked_node(run))

    @adhoc("create-node", "Create a node", at=SERVICE, who="admins")
    async def create_for(self, run: Run) -> str:
        owner = forms.field("owner", None, FieldType.JID_SINGLE, label="Owner", required=True)
        answers = await run.ask(_form("Create a node", _node_field(), owner))
        return await self.create_node(str(answers["node"]), jid(str(answers["owner"])))

    @adhoc("delete-node", "Delete a node", at=SERVICE, who="admins")
    async def delete_one(self, run: Run) -> str:
        return await self.delete_node(await _asked_node(run))

    # For operators

    @command("pubsub-list", "List the nodes of the pubsub service.")
    async def list_nodes(self) -> Rows:
        listed = await self.store.listed(self.domain, MOST_LISTED)
        columns = ("node", "title", "creator", "access", "items")
        return Rows(
            columns,
            [
                (row.name, row.title, row.creator, str(row.config.access_model), row.size)
                for row in listed
            ],
        )

    @command("pubsub-show", "Show a node of the pubsub service.", node="Its name.")
    async def show_node(self, node: str) -> Mapping[str, str | int]:
        found = await self._named(node)
        shown: dict[str, str | int] = {"node": found.name, "creator": found.creator}
        for affiliation in found.affiliations.values():
            which = [who for who, its in found.affiliations.items() if its is affiliation]
            shown[str(affiliation)] = ", ".join(which)
        shown["subscriptions"] = len(found.subscriptions)
        for field in config.form(found.config, self.engine.face.bounds).fields[1:]:
            shown[(field.var or "").removeprefix("pubsub#")] = ", ".join(field.values)
        return shown

    @command(
        "pubsub-create",
        "Create a node at the pubsub service.",
        node="Its name.",
        owner="Bare JID of its owner.",
    )
    async def create_node(self, node: str, owner: JID) -> str:
        if owner.domain == self.host.name:
            await check_account(self.host, owner)
        try:
            await self.engine.create(self.domain, node, owner)
        except StanzaError as error:
            raise CommandError(f"{node!r} was not created: {error}") from None
        return f"{node} is created and belongs to {owner.bare}"

    @command(
        "pubsub-delete",
        "Delete a node of the pubsub service, with its items; subscribers are told.",
        node="Its name.",
    )
    async def delete_node(self, node: str) -> str:
        await self.owning.delete(await self._named(node))
        return f"{node} is deleted"

    async def _named(self, name: str) -> Node:
        node = await self.engine.find(self.domain, name)
        if node is None:
            raise CommandError(f"there is no node {name!r}")
        return node


def _pending(node: Node) -> list[Subscription]:
    return [it for it in node.subscriptions.values() if it.state is State.PENDING]


async def _asked_node(run: Run) -> str:
    return str((await run.ask(_form("Which node?", _node_field())))["node"])


def _node_field() -> Field:
    return forms.field("node", None, FieldType.TEXT_SINGLE, label="Its name", required=True)


def _form(title: str, *fields: Field) -> Form:
    return Form(type=FormType.FORM, title=title, fields=list(fields))
