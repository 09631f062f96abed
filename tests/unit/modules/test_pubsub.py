"""The pubsub service: limits, administration, reloads, and what odd requests get."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from xmppd.admin.commands import CommandError
from xmppd.api import JID, Module, on
from xmppd.jid import jid
from xmppd.modules.pubsub import (
    Item,
    Pep,
    Pubsub,
    item_published,
    item_retracted,
    node_created,
    node_deleted,
    node_purged,
)
from xmppd.modules.pubsub.pep import PepOptions
from xmppd.stanza import read_stanza
from xmppd.testing import Client, Talk, like, result_of
from xmppd.xml import Element, parse, to_xml

NS = "http://jabber.org/protocol/pubsub"
OWNER = f"{NS}#owner"
ERRORS = f"{NS}#errors"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
SERVICE = "pubsub.example.org"
ROMEO, JULIET = "romeo@example.org/orchard", "juliet@example.org/balcony"
PAYLOAD = "<entry xmlns='urn:example:entry'>To be</entry>"


def ask(client: Client, type_: str, inside: str, *, ns: str = NS, to: str = SERVICE) -> Element:
    """The answer to a request."""
    client.sends(
        f"<iq type='{type_}' id='a' to='{to}'><pubsub xmlns='{ns}'>{inside}</pubsub></iq>"
    )
    found = [stanza for stanza in drain(client) if stanza.name == "iq"]
    assert len(found) == 1
    return found[0]


def drain(client: Client) -> list[Element]:
    taken: list[Element] = []
    while True:
        try:
            taken.append(client.receives(lambda stanza: None))
        except AssertionError:
            return taken


def condition(answer: Element) -> str:
    """What is wrong, "" for a result."""
    error = answer.child("jabber:client", "error")
    return "" if error is None else error.elements[0].name


def special(answer: Element) -> str:
    error = answer.child("jabber:client", "error")
    found = None if error is None else error.child(ERRORS)
    return "" if found is None else found.name


# Limits


def test_an_entity_has_a_limited_number_of_nodes() -> None:
    talk = Talk(options={"pubsub": {"max_nodes_per_owner": 2}})
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    assert [condition(ask(romeo, "set", f"<create node='{n}'/>")) for n in "abc"] == [
        "",
        "",
        "resource-constraint",
    ]
    assert condition(ask(juliet, "set", "<create node='c'/>")) == ""
    assert condition(ask(romeo, "set", "<delete node='a'/>", ns=OWNER)) == ""
    assert condition(ask(romeo, "set", "<create node='d'/>")) == ""


def test_a_service_has_a_limited_number_of_nodes() -> None:
    talk = Talk(options={"pubsub": {"max_nodes": 1}})
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    assert condition(ask(romeo, "set", "<create node='a'/>")) == ""
    answer = ask(juliet, "set", "<create node='b'/>")
    assert (condition(answer), special(answer)) == ("resource-constraint", "max-nodes-exceeded")


def test_an_account_has_a_limited_number_of_nodes_and_items() -> None:
    talk = Talk(options={"pep": {"max_nodes": 2, "max_items": 3}})
    romeo = talk.bind(ROMEO)
    own = "romeo@example.org"
    found = [
        condition(
            ask(romeo, "set", f"<publish node='{n}'><item>{PAYLOAD}</item></publish>", to=own)
        )
        for n in "abc"
    ]
    assert found == ["", "", "resource-constraint"]
    all_items = "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
    assert condition(ask(romeo, "set", "<delete node='a'/>", ns=OWNER, to=own)) == ""
    all_items += f"<value>{NS}#publish-options</value></field><field var='pubsub#max_items'>"
    all_items += "<value>max</value></field></x></publish-options>"
    for number in range(5):
        item = f"<item id='i{number}'>{PAYLOAD}</item>"
        publish = f"<publish node='m'>{item}</publish>{all_items}"
        assert condition(ask(romeo, "set", publish, to=own)) == ""
    answer = ask(romeo, "get", "<items node='m'/>", to=own)
    kept = [item.get("id") for item in answer.elements[0].elements[0].elements]
    assert kept == ["i2", "i3", "i4"]


def test_a_node_has_a_limited_number_of_subscribers_and_affiliations() -> None:
    talk = Talk(options={"pubsub": {"max_subscribers": 1, "max_affiliations": 2}})
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    ask(romeo, "set", "<create node='a'/>")
    first = ask(romeo, "set", "<subscribe node='a' jid='romeo@example.org'/>")
    second = ask(juliet, "set", "<subscribe node='a' jid='juliet@example.org'/>")
    assert condition(first) == ""
    assert (condition(second), special(second)) == ("policy-violation", "too-many-subscriptions")
    people = "".join(
        f"<affiliation jid='{name}@example.org' affiliation='member'/>" for name in ("b", "c")
    )
    answer = ask(romeo, "set", f"<affiliations node='a'>{people}</affiliations>", ns=OWNER)
    assert condition(answer) == "not-acceptable"
    told = ask(romeo, "get", "<affiliations node='a'/>", ns=OWNER)
    assert len(told.elements[0].elements[0].elements) == 2


def test_an_entity_has_a_limited_number_of_subscriptions() -> None:
    talk = Talk(options={"pubsub": {"max_subscriptions": 1}})
    romeo = talk.bind(ROMEO)
    ask(romeo, "set", "<create node='a'/>")
    found = [
        special(ask(romeo, "set", f"<subscribe node='a' jid='{who}'/>"))
        for who in ("romeo@example.org", ROMEO)
    ]
    assert found == ["", "too-many-subscriptions"]


@pytest.mark.parametrize(
    ("create", "who", "wanted"),
    [
        ("local", ROMEO, ""),
        ("admins", ROMEO, "forbidden"),
        ("admins", "admin@example.org/x", ""),
        ("anyone", ROMEO, ""),
    ],
)
def test_who_may_create_nodes_is_an_option(create: str, who: str, wanted: str) -> None:
    talk = Talk(options={"pubsub": {"create": create}}, admins=["admin@example.org"])
    assert condition(ask(talk.bind(who), "set", "<create node='a'/>")) == wanted


def test_guests_create_no_nodes() -> None:
    talk = Talk(hosts=["example.org"], options={"pubsub": {"create": "local"}})
    service = talk.module(Pubsub)
    with pytest.raises(Exception, match="forbidden"):
        result_of(service.engine.face.check_creator(service.domain, jid("ghost@example.org/x")))


def test_much_is_told_in_parts() -> None:
    talk = Talk(options={"pubsub": {"max_answer": 65536}})
    romeo = talk.bind(ROMEO)
    ask(romeo, "set", "<create node='a'/>")
    for number in range(4):
        payload = f"<e xmlns='urn:e'>{'x' * 30000}</e>"
        ask(romeo, "set", f"<publish node='a'><item id='i{number}'>{payload}</item></publish>")
    items, note = ask(romeo, "get", "<items node='a'/>").elements[0].elements
    assert [item.get("id") for item in items.elements] == ["i2", "i3"]
    assert note.child_text("http://jabber.org/protocol/rsm", "first") == "i2"
    before = (
        "<items node='a'/><set xmlns='http://jabber.org/protocol/rsm'><before>i2</before></set>"
    )
    items = ask(romeo, "get", before).elements[0].elements[0]
    assert [item.get("id") for item in items.elements] == ["i0", "i1"]


def test_a_payload_of_200_kb_is_too_big() -> None:
    talk = Talk()
    romeo = talk.bind(ROMEO)
    huge = f"<item><e xmlns='urn:e'>{'x' * 200_000}</e></item>"
    answer = ask(romeo, "set", f"<publish node='n'>{huge}</publish>", to="romeo@example.org")
    assert (condition(answer), special(answer)) == ("not-acceptable", "payload-too-big")


def test_the_quota_of_an_account_is_100_nodes_of_1000_items() -> None:
    options = PepOptions()
    assert (options.max_nodes, options.max_items) == (100, 1000)


# Signals, for other modules


class Witness(Module):
    name = "witness"

    async def start(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    @on(item_published)
    def publishes(self, service: JID, node: str, item: Item) -> None:
        self.seen.append(("published", service, node, item.id, item.publisher))

    @on(item_retracted)
    def retracts(self, service: JID, node: str, id_: str) -> None:
        self.seen.append(("retracted", service, node, id_))

    @on(node_created)
    def creates(self, service: JID, node: str) -> None:
        self.seen.append(("created", service, node))

    @on(node_deleted)
    def deletes(self, service: JID, node: str) -> None:
        self.seen.append(("deleted", service, node))

    @on(node_purged)
    def purges(self, service: JID, node: str) -> None:
        self.seen.append(("purged", service, node))


def test_modules_publish_read_and_retract_for_an_account() -> None:
    talk = Talk(Witness)
    user, pep = talk.account("romeo@example.org"), talk.module(Pep)
    payload = parse(PAYLOAD)
    assert result_of(pep.latest(user, "n")) == []
    result_of(pep.publish(user, "n", payload, "i1", max_items=None))
    result_of(pep.publish(user, "n", payload, "i2"))
    assert [item.id for item in result_of(pep.latest(user, "n", 9))] == ["i1", "i2"]
    item = result_of(pep.item(user, "n", "i1"))
    assert item is not None
    assert parse(item.xml) == payload
    assert not result_of(pep.readable(user, "n", jid(JULIET)))
    result_of(pep.configure(user, "n", access_model="open"))
    assert result_of(pep.readable(user, "n", jid(JULIET)))
    result_of(pep.retract(user, "n", "i1"))
    result_of(pep.delete(user, "n"))
    assert [what[0] for what in talk.module(Witness).seen] == [
        "created",
        "published",
        "published",
        "retracted",
        "deleted",
    ]


# Administration


def test_administrators_list_show_create_and_delete_nodes() -> None:
    talk = Talk()
    talk.account("juliet@example.org")
    talk.run("pubsub-create", node="n", owner="juliet@example.org")
    juliet = talk.bind(JULIET)
    ask(juliet, "set", f"<publish node='n'><item>{PAYLOAD}</item></publish>")
    listed = talk.run("pubsub-list")
    assert [(row[0], row[2], row[4]) for row in listed.rows] == [("n", "juliet@example.org", 1)]
    shown = talk.run("pubsub-show", node="n")
    assert (shown["owner"], shown["access_model"]) == ("juliet@example.org", "open")
    with pytest.raises(CommandError, match="there is such a node already"):
        talk.run("pubsub-create", node="n", owner="juliet@example.org")
    talk.run("pubsub-delete", node="n")
    with pytest.raises(CommandError, match="there is no node 'n'"):
        talk.run("pubsub-show", node="n")


def test_no_node_is_made_for_who_is_not_there() -> None:
    with pytest.raises(CommandError, match="there is no account"):
        Talk().run("pubsub-create", node="n", owner="nobody@example.org")


def test_a_node_is_made_for_a_user_of_another_server() -> None:
    talk = Talk()
    talk.run("pubsub-create", node="n", owner="juliet@example.com", host="example.org")
    assert talk.run("pubsub-show", node="n")["owner"] == "juliet@example.com"


def test_administrators_own_all_nodes() -> None:
    talk = Talk(admins=["admin@example.org"])
    romeo, admin = talk.bind(ROMEO), talk.bind("admin@example.org/x")
    ask(romeo, "set", "<create node='n'/>")
    assert condition(ask(admin, "set", "<delete node='n'/>", ns=OWNER)) == ""


def test_all_survives_a_reload() -> None:
    talk = Talk()
    romeo, juliet = talk.online(ROMEO), talk.online(JULIET)
    ask(romeo, "set", "<create node='n'/>")
    ask(juliet, "set", "<subscribe node='n' jid='juliet@example.org'/>")
    options = talk.module(Pubsub).options
    result_of(talk.host.modules.swap(["pubsub"], {Pubsub: options}))
    juliet.forget()
    ask(romeo, "set", f"<publish node='n'><item id='a'>{PAYLOAD}</item></publish>")
    juliet.receives(like(f"<message from='{SERVICE}'/>"))


def test_what_an_account_was_goes_with_it() -> None:
    talk = Talk()
    romeo, juliet = talk.online(ROMEO), talk.online(JULIET)
    ask(romeo, "set", "<create node='n'/>")
    ask(juliet, "set", "<create node='m'/>")
    ask(romeo, "set", "<subscribe node='m' jid='romeo@example.org'/>")
    own = f"<publish node='p'><item>{PAYLOAD}</item></publish>"
    ask(romeo, "set", own, to="romeo@example.org")
    from xmppd.host import remove_account

    result_of(remove_account(talk.host, jid("romeo@example.org")))
    service, pep = talk.module(Pubsub), talk.module(Pep)
    assert result_of(service.engine.find(service.domain, "n")) is None
    node = result_of(service.engine.find(service.domain, "m"))
    assert node is not None
    assert node.subscriptions == {}
    assert result_of(pep.engine.find(jid("romeo@example.org"), "p")) is None


def test_a_subscriber_that_is_gone_is_dropped() -> None:
    talk = Talk(options={"pubsub": {"impose": "anyone"}})
    romeo = talk.bind(ROMEO)
    ask(romeo, "set", "<create node='n'/>")
    service, sent = talk.module(Pubsub), []
    talk.router.elsewhere = sent.append  # type: ignore[assignment]
    far = "benvolio@montague.lit"
    inside = f"<subscription jid='{far}' subscription='subscribed'/>"
    ask(romeo, "set", f"<subscriptions node='n'>{inside}</subscriptions>", ns=OWNER)
    ask(romeo, "set", f"<publish node='n'><item>{PAYLOAD}</item></publish>")
    for bounced, left in (("service-unavailable", 1), ("item-not-found", 0)):
        error = f"<error type='cancel'><{bounced} xmlns='{STANZAS}'/></error>"
        stanza = read_stanza(
            "message",
            {"type": "error", "id": sent[-1].id},
            (("jabber:client", "error"),),
            error.encode(),
            to=jid(SERVICE),
            from_=jid(far),
        )
        talk.router.route(stanza)
        node = result_of(service.engine.find(service.domain, "n"))
        assert node is not None
        assert len(node.subscriptions) == left


# Presence of subscribers elsewhere (§12.5)

FAR = "benvolio@montague.lit"


def from_afar(talk: Talk, type_: str = "") -> None:
    attrs = {"type": type_} if type_ else {}
    to, from_ = jid(SERVICE), jid(f"{FAR}/street")
    talk.router.route(read_stanza("presence", attrs, (), b"", to=to, from_=from_))


def presence_matters(client: Client) -> None:
    """A node that tells available subscribers only, with one elsewhere."""
    ask(client, "set", "<create node='n'/>")
    fields = "".join(
        f"<field var='pubsub#{name}'><value>{value}</value></field>"
        for name, value in (
            ("presence_based_delivery", "1"),
            ("send_last_published_item", "on_sub_and_presence"),
        )
    )
    form = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        f"<value>{NS}#node_config</value></field>{fields}</x>"
    )
    ask(client, "set", f"<configure node='n'>{form}</configure>", ns=OWNER)
    inside = f"<subscription jid='{FAR}' subscription='subscribed'/>"
    ask(client, "set", f"<subscriptions node='n'>{inside}</subscriptions>", ns=OWNER)


def test_a_subscriber_elsewhere_is_told_while_it_is_available() -> None:
    talk = Talk(options={"pubsub": {"impose": "anyone"}})
    romeo = talk.bind(ROMEO)
    sent: list[Any] = []
    talk.router.elsewhere = sent.append
    presence_matters(romeo)
    assert [(it.kind, it.type) for it in sent if it.kind == "presence"] == [
        ("presence", "subscribe")
    ]
    publish = f"<publish node='n'><item id='a'>{PAYLOAD}</item></publish>"
    sent.clear()
    ask(romeo, "set", publish)
    assert sent == []
    from_afar(talk)
    assert [str(it.to) for it in sent] == [f"{FAR}/street"]  # the last item
    ask(romeo, "set", publish)
    assert [str(it.to) for it in sent[1:]] == [FAR]
    from_afar(talk, "unavailable")
    ask(romeo, "set", publish)
    assert len(sent) == 2


def test_after_a_start_the_service_asks_for_the_presence_that_matters() -> None:
    talk = Talk(options={"pubsub": {"impose": "anyone"}})
    romeo = talk.bind(ROMEO)
    sent: list[Any] = []
    talk.router.elsewhere = sent.append
    presence_matters(romeo)
    options = talk.module(Pubsub).options
    result_of(talk.host.modules.swap(["pubsub"], {Pubsub: options}))
    sent.clear()
    talk.advance(11)
    assert [(it.type, str(it.to)) for it in sent] == [("probe", FAR)]
    talk.advance(60)
    assert len(sent) == 1


# Odd requests


def mutations(seed: int) -> Iterator[tuple[str, str, str]]:
    """Requests as nobody would write them."""
    chance = random.Random(seed)
    names = ["create", "configure", "subscribe", "options", "unsubscribe", "publish", "retract"]
    names += ["publish-options", "items", "item", "affiliations", "subscriptions", "default"]
    names += ["delete", "purge", "redirect", "affiliation", "subscription", "x", "field", "set"]
    attrs = ["node", "jid", "id", "subid", "max_items", "notify", "subscription", "affiliation"]
    values = ["", "n", "x" * 1500, "\u00e4" * 600, "juliet@example.org", "@", "-1", "0", "'\"<&"]
    values += ["99999999999999999999", "owner", "subscribed", "none", "true", "%s", "\U0001f339"]
    namespaces = [NS, OWNER, "jabber:x:data", "http://jabber.org/protocol/rsm", "urn:x"]

    def element(depth: int) -> Element:
        made = Element(chance.choice(namespaces), chance.choice(names))
        for attr in chance.sample(attrs, chance.randrange(4)):
            made.attrs[attr] = chance.choice(values)
        if depth:
            made.children += [element(depth - 1) for _ in range(chance.randrange(3))]
        elif chance.random() < 0.3:
            made.append(chance.choice(values))
        return made

    for _ in range(150):
        of = chance.choice((NS, OWNER))
        inside = element(3)
        if chance.random() < 0.9:
            inside.ns = of
        to = chance.choice((SERVICE, "romeo@example.org", "juliet@example.org", "no@example.org"))
        yield chance.choice(("get", "set")), to, to_xml(Element(of, "pubsub", None, inside))


@pytest.mark.parametrize("seed", range(8))
def test_odd_requests_get_an_answer_and_never_a_crash(seed: int) -> None:
    talk = Talk(check=lambda stanza: None)
    romeo = talk.bind(ROMEO)
    ask(romeo, "set", "<create node='n'/>")
    publish = f"<publish node='n'><item>{PAYLOAD}</item></publish>"
    ask(romeo, "set", publish, to="romeo@example.org")
    for type_, to, payload in mutations(seed):
        romeo.sends(f"<iq type='{type_}' id='a' to='{to}'>{payload}</iq>")
        answers = [stanza for stanza in drain(romeo) if stanza.name == "iq"]
        assert len(answers) == 1, payload
        assert condition(answers[0]) != "internal-server-error", payload
