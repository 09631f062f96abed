"""What this server tells of itself and of its federation, in a node of the pubsub service
(XEP-0485 1.0.0).

Off unless it is enabled: that publishes which servers this one talks with. Another server is
named only if it takes part itself (XEP-0485 §7).
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace

from xmppd.api import (
    JID,
    Duration,
    Element,
    Form,
    FormType,
    Host,
    JIDError,
    Module,
    Options,
    Rows,
    StanzaError,
    forms,
    jid,
    ns,
    on,
    option,
    to_xml,
    uses,
)
from xmppd.modules.disco import Disco, disco_features, disco_forms
from xmppd.modules.pubsub import Pubsub
from xmppd.modules.pubsub.config import AccessModel
from xmppd.modules.pubsub.model import Affiliation, Node

NS = "urn:xmpp:serverinfo:0"
SERVER_INFO = "http://jabber.org/network/serverinfo"
NODE = "serverinfo"
KINDS = {"in": "incoming", "out": "outgoing", "both": "bidi"}
MOST_SERVERS = 1000
ASKED_AT_ONCE = 50  # servers that are asked in one round whether they take part
ASKED_AGAIN_S = 86_400.0
ANSWER_S = 10.0


class ServerInfoOptions(Options):
    federation: bool = option(True, "Tell of the connections with other servers.")
    update: Duration = option(900.0, "How often it is brought up to date.", at_least=60)


class ServerInfo(Module):
    name = "server_info"
    default_on = False
    options: ServerInfoOptions
    disco = uses(Disco)
    pubsub = uses(Pubsub)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._published = ""  # what the node has, as far as we know; "": it is not ours
        self._partakes: dict[str, tuple[bool, float]] = {}  # servers, and when they were asked

    async def start(self) -> None:
        self.once_running(lambda: self.background(self.update()))
        self.every(self.options.update, self.update)

    # Discovery (§3)

    @on(disco_features)
    def tell_features(self, entity: JID, node: str, asker: JID) -> Iterable[str]:
        return (NS,) if entity == self.host.domain and not node and self._published else ()

    @on(disco_forms)
    def tell_where(self, entity: JID, node: str, asker: JID) -> Iterable[Form]:
        if entity != self.host.domain or node or not self._published:
            return
        where = forms.field("serverinfo-pubsub-node", f"xmpp:{self.pubsub.domain}?;node={NODE}")
        yield Form(type=FormType.RESULT, fields=[forms.form_type(SERVER_INFO), where])

    # Publication (§4, §5)

    async def update(self) -> None:
        """Publish what is, if it is not what was published last."""
        domain = Element(NS, "domain", {"name": self.host.name})
        if self.options.federation:
            servers = [each async for each in self._servers()]
            domain.append(Element(NS, "federation", None, *servers))
        info = Element(NS, "serverinfo", None, domain)
        xml = to_xml(info)
        if xml != self._published and await self._publish(info):
            self._published = xml

    async def _publish(self, info: Element) -> bool:
        service, name = self.pubsub.domain, self.host.domain
        node = await self._node()
        if node.affiliation(name) is not Affiliation.OWNER:
            self.log.error("{host}: the node {node!r} is another's", host=name, node=NODE)
            return False
        item = Element(ns.PUBSUB, "item", {"id": "current"}, info)
        await self.pubsub.publishing.publish(service, NODE, name, [item])
        return True

    async def _node(self) -> Node:
        """The node, which is the host's own; open to all, with one item."""
        engine, service = self.pubsub.engine, self.pubsub.domain
        node = await engine.find(service, NODE)
        if node is not None:
            return node
        config = engine.face.defaults(service, NODE)
        config = replace(config, access_model=AccessModel.OPEN, max_items=1)
        return await engine.create(service, NODE, self.host.domain, config)

    # The federation

    async def _servers(self) -> AsyncIterator[Element]:
        """A `<remote-domain/>` for each server, with a name if it takes part itself."""
        connections: dict[str, list[str]] = {}
        for server, kind in await self._connections():
            if server in connections or len(connections) < MOST_SERVERS:
                connections.setdefault(server, []).append(kind)
        await self._ask(connections)
        for server, kinds in sorted(connections.items()):
            partakes, _ = self._partakes.get(server, (False, 0.0))
            inside = [Element(NS, "connection", {"type": kind}) for kind in sorted(kinds)]
            yield Element(NS, "remote-domain", {"name": server} if partakes else None, *inside)

    async def _connections(self) -> list[tuple[str, str]]:
        """Other servers that this host is connected with, and in which direction."""
        commands = self.host.modules.commands
        if commands is None or "s2s" not in [each.name for each in commands]:
            return []
        rows = await commands.run("s2s", {})
        return list(self._of_host(rows)) if isinstance(rows, Rows) else []

    def _of_host(self, rows: Rows) -> Iterator[tuple[str, str]]:
        direction, here, there = map(rows.columns.index, ("direction", "here", "there"))
        for row in rows.rows:
            kind = KINDS.get(str(row[direction]))
            if kind is not None and self.host.name in str(row[here]).split():
                yield from ((server, kind) for server in str(row[there]).split())

    async def _ask(self, servers: Iterable[str]) -> None:
        """Find out who takes part; those that are gone are forgotten."""
        now, known = self.host.clock.seconds(), self._partakes
        self._partakes = {server: known[server] for server in servers if server in known}
        due = [server for server in servers if self._asked(server) + ASKED_AGAIN_S <= now]
        for server in due[:ASKED_AT_ONCE]:
            self._partakes[server] = await self._takes_part(server), now

    def _asked(self, server: str) -> float:
        return self._partakes.get(server, (False, -ASKED_AGAIN_S))[1]

    async def _takes_part(self, server: str) -> bool:
        query = Element(ns.DISCO_INFO, "query")
        try:
            to, ask = jid(server), self.host.questions.ask
            answer = await ask(to, self.host.domain, "get", query, ANSWER_S)
            features = answer.payload.all(ns.DISCO_INFO, "feature")
        except (StanzaError, JIDError):
            return False
        return any(feature.get("var") == NS for feature in features)
