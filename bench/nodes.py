"""Publish-subscribe: what a notification costs, at a service and on an account."""

import base64
import hashlib
import re
import selectors
from collections.abc import Iterable, Sequence
from typing import Final

from bench.load import Client, Fan
from bench.servers import DOMAIN, Server
from bench.units import CONTACTS, Done, Load, Step, Unit

READERS: Final = [f"reader{number}" for number in range(1000)]
PUBSUB = Unit("notification of a pubsub node, 1000 subscribers, TLS", goals=(("ejabberd", 0.25),))
PEP = Unit("notification of an account's node, 100 contacts, TLS", goals=(("ejabberd", 0.25),))
NS: Final = "http://jabber.org/protocol/pubsub"
INFO: Final = "http://jabber.org/protocol/disco#info"
SERVICE: Final = f"pubsub.{DOMAIN}"
FEED: Final = "urn:bench:feed"
QUIET_S: Final = 0.5
ASKED: Final = re.compile(rb"<iq [^>]*>\s*<query [^>]*disco#info[^>]*>")
_ATTR: Final = re.compile(rb"(from|id)=['\"]([^'\"]*)['\"]")


def iq(id_: str, inside: str, to: str = "") -> bytes:
    address = f" to='{to}'" if to else ""
    pubsub = f"<pubsub xmlns='{NS}'>{inside}</pubsub>"
    return f"<iq type='set' id='{id_}'{address}>{pubsub}</iq>".encode()


def publication(node: str, to: str = "") -> bytes:
    """Numbered; what the publisher is answered has no number."""
    entry = "<entry xmlns='urn:bench:feed'><title>Soliloquy%s</title></entry>"
    item = f"<item id='current'>{entry}</item>"
    return iq("pub", f"<publish node='{node}'>{item}</publish>", to)


class PubsubLoad(Load):
    """A service, and subscribers who are all there."""

    unit = PUBSUB

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, max(count // 200, 3))
        sender = self.client("hub")
        sender.ask(iq("node", "<create node='bench'/>", SERVICE), b"id='node'", b'id="node"')
        receivers = [self._subscriber(user) for user in READERS]
        self._fan = Fan(sender, receivers, publication("bench", SERVICE))
        self._receivers = receivers

    def _subscriber(self, user: str) -> Client:
        client = self.client(user)
        client.be_available()
        subscribe = f"<subscribe node='bench' jid='{client.jid}'/>"
        client.ask(iq("sub", subscribe, SERVICE), b"subscribed")
        client.sync()
        return client

    def steps(self) -> Sequence[Step]:
        return [Step(self.unit, self._run)]

    def _run(self) -> Done:
        self._fan.run(self.count)
        return Done(self.count * len(self._receivers))

    def finish(self) -> None:
        self._fan.run(1)

    def close(self) -> None:
        self._fan.close()


class PepLoad(PubsubLoad):
    """An account, and contacts whose clients say by their capabilities what they want."""

    unit = PEP

    def __init__(self, server: Server, count: int) -> None:
        Load.__init__(self, server, max(count // 50, 5))
        self._receivers = [self.client(user) for user in CONTACTS]
        sender = self.client("hub")
        sender.be_available()
        for client in self._receivers:
            client.send(presence())
        tell(self._receivers)
        sender.sync()
        # Prosody tells contacts twice: by bare and by full JID.
        self._fan = Fan(sender, self._receivers, publication(FEED), repeated=True)


# What clients say of themselves (XEP-0115 §5)


FEATURES: Final = (INFO, f"{FEED}+notify")


def version() -> str:
    text = "client/pc//bench<" + "".join(f"{feature}<" for feature in FEATURES)
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


def presence() -> bytes:
    caps = "http://jabber.org/protocol/caps"
    said = f"<c xmlns='{caps}' hash='sha-1' node='urn:bench' ver='{version()}'/>"
    return f"<presence>{said}</presence>".encode()


def description(asked: bytes) -> bytes:
    """The answer to a question for the capabilities."""
    attrs = {name.decode(): value.decode() for name, value in _ATTR.findall(asked)}
    features = "".join(f"<feature var='{each}'/>" for each in FEATURES)
    inside = f"<identity category='client' type='pc' name='bench'/>{features}"
    query = f"<query xmlns='{INFO}' node='urn:bench#{version()}'>{inside}</query>"
    to, id_ = attrs.get("from", ""), attrs.get("id", "")
    return f"<iq type='result' id='{id_}' to='{to}'>{query}</iq>".encode()


def tell(clients: Iterable[Client]) -> None:
    """Answer for all of them, until nobody has asked for a while."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ, client)
        while ready := selector.select(QUIET_S):
            for key, _ in ready:
                client = key.data
                for asked in ASKED.findall(client.receive_all()):
                    client.send(description(asked))


NODES: Final[tuple[type[Load], ...]] = (PubsubLoad, PepLoad)
