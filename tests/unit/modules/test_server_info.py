"""XEP-0485: what the server tells of its federation, and of whom it does not."""

from xmppd.api import IQ, Element, Rows, command, jid
from xmppd.modules.pubsub import Pubsub
from xmppd.modules.server_info import NS, ServerInfo, ServerInfoOptions
from xmppd.testing import Client, Talk, like, result, result_of

INFO = "http://jabber.org/protocol/disco#info"
PUBSUB = "http://jabber.org/protocol/pubsub"
SERVICE = "pubsub.example.org"
ROMEO = "romeo@example.org/orchard"


class Connections:
    """Stands for the federation, and for the servers elsewhere: those in `partaking` take part."""

    def __init__(self, talk: Talk, *partaking: str) -> None:
        self.rows = [
            ("both", "example.org", "montague.lit"),
            ("in", "example.org", "denmark.lit"),
            ("out", "example.org", "denmark.lit"),
            ("out", "example.net", "verona.lit"),
            ("none", "example.org", "nowhere.lit"),
        ]
        self.asked: list[str] = []
        self._talk, self._partaking = talk, partaking
        talk.commands.add_from(self)
        talk.router.elsewhere = self.hear

    @command("s2s", "Connections.")
    def s2s(self) -> Rows:
        return Rows(("direction", "here", "there"), list(self.rows))

    def hear(self, stanza: object) -> None:
        assert isinstance(stanza, IQ)
        server = stanza.to.domain
        self.asked.append(server)
        query = Element(INFO, "query")
        if server in self._partaking:
            query.append(Element(INFO, "feature", {"var": NS}))
        answer = IQ(stanza.from_, stanza.to, "result", stanza.id, query)
        self._talk.clock.callLater(0, self._talk.router.route, answer)


def reads(client: Client, inside: str) -> None:
    asked = f"<pubsub xmlns='{PUBSUB}'><items node='serverinfo'/></pubsub>"
    client.sends(f"<iq type='get' id='a' to='{SERVICE}'>{asked}</iq>")
    told = f"<serverinfo xmlns='{NS}'><domain name='example.org'>{inside}</domain></serverinfo>"
    items = f"<items node='serverinfo'><item id='current'>{told}</item></items>"
    client.receives(result("a", f"<pubsub xmlns='{PUBSUB}'>{items}</pubsub>"))


def passes(talk: Talk) -> None:
    for _ in range(10):
        talk.advance(0)


MONTAGUE = "<remote-domain name='montague.lit'><connection type='bidi'/></remote-domain>"
DENMARK = "<connection type='incoming'/><connection type='outgoing'/>"


def test_only_servers_that_take_part_are_named() -> None:
    talk = Talk(ServerInfo)
    elsewhere = Connections(talk, "montague.lit")
    passes(talk)
    anonymous = f"<remote-domain>{DENMARK}</remote-domain>"
    reads(talk.bind(ROMEO), f"<federation>{anonymous}{MONTAGUE}</federation>")
    assert sorted(elsewhere.asked) == ["denmark.lit", "montague.lit"]


def test_it_follows_the_federation_and_asks_once_a_day() -> None:
    talk = Talk(ServerInfo)
    elsewhere = Connections(talk, "montague.lit")
    passes(talk)
    del elsewhere.rows[1:]
    talk.advance(900)
    reads(talk.bind(ROMEO), f"<federation>{MONTAGUE}</federation>")
    assert elsewhere.asked.count("montague.lit") == 1


def test_the_federation_is_an_option() -> None:
    talk = Talk(ServerInfo, options={"server_info": {"federation": False}})
    elsewhere = Connections(talk, "montague.lit")
    passes(talk)
    reads(talk.bind(ROMEO), "")
    assert elsewhere.asked == []


def test_the_host_tells_where_it_is() -> None:
    talk = Talk(ServerInfo)
    passes(talk)
    romeo = talk.bind(ROMEO)
    romeo.sends(f"<iq type='get' id='d' to='example.org'><query xmlns='{INFO}'/></iq>")
    field = (
        "<field var='serverinfo-pubsub-node'>"
        "<value>xmpp:pubsub.example.org?;node=serverinfo</value></field>"
    )
    romeo.receives(
        like(
            f"<iq type='result'><query xmlns='{INFO}'><feature var='{NS}'/>"
            f"<x xmlns='jabber:x:data' type='result'>{field}</x></query></iq>"
        )
    )


def test_a_node_that_is_anothers_is_left_alone() -> None:
    talk = Talk()
    result_of(talk.module(Pubsub).engine.create(jid(SERVICE), "serverinfo", jid(ROMEO)))
    info = ServerInfo(talk.host, ServerInfoOptions())
    result_of(info.update())
    node = result_of(talk.module(Pubsub).engine.find(jid(SERVICE), "serverinfo"))
    assert node is not None
    assert result_of(talk.module(Pubsub).items.newest(node.id, 1, 0)) == []
