"""Who may see what an account publishes, when that changes, and approval by its owner (XEP-0163
§4, §7.1; XEP-0060 §4.5, §8.6, §12.2, §12.13).
"""

import hashlib
from base64 import b64encode
from uuid import uuid4

import pytest

from tests.conversations.pubsub import (
    NS,
    OWNER,
    PAYLOAD,
    STANZAS,
    ask,
    done,
    event,
    form,
    refused,
)
from xmppd.testing import Actor, Stage, like
from xmppd.xml import Element

OWNING = "juliet@example.org/balcony"
JULIET, BENVOLIO = "juliet@example.org", "benvolio@example.net"
CAPS = "http://jabber.org/protocol/caps"
INFO = "http://jabber.org/protocol/disco#info"
ITEM = f"<item id='current'>{PAYLOAD}</item>"
TOLD = f"<items node='n'>{ITEM}</items>"
DONE = done("<publish/>")
HERE, ELSEWHERE = "romeo@example.org/orchard", f"{BENVOLIO}/street"
both_hosts = pytest.mark.parametrize("reading", [HERE, ELSEWHERE])


def own(client: Actor, type_: str, inside: str, *, ns: str = NS) -> None:
    client.sends(f"<iq type='{type_}' id='a'><pubsub xmlns='{ns}'>{inside}</pubsub></iq>")


def publish(client: Actor, **options: str) -> None:
    given = f"<publish-options>{form('publish-options', **options)}</publish-options>"
    own(client, "set", f"<publish node='n'>{ITEM}</publish>{given if options else ''}")
    client.receives(DONE)


def bare(full: str) -> str:
    return full.partition("/")[0]


def comes(client: Actor, full: str, juliet: Actor) -> str:
    """It comes online and wants to hear of the node; that it gets the last item of another one
    says that this is known. Its capabilities are new to all servers; what presence says of them.
    """
    features = ["m+notify", "n+notify", f"urn:example:{uuid4()}"]
    ver = b64encode(hashlib.sha1("".join(f"{it}<" for it in features).encode()).digest()).decode()
    told = "".join(f"<feature var='{it}'/>" for it in features)
    caps = f"<c xmlns='{CAPS}' hash='sha-1' node='urn:client' ver='{ver}'/>"
    own(juliet, "set", f"<publish node='m'>{ITEM}</publish>")
    juliet.receives(DONE)
    client.sends(f"<presence>{caps}</presence>")
    awaited = {"message", JULIET.partition("@")[2], bare(full).partition("@")[2]}
    while awaited:
        stanza = client.receives(lambda stanza: None)
        if stanza.name == "iq":
            to, id_ = stanza.get("from") or "", stanza.get("id")
            client.sends(
                f"<iq type='result' id='{id_}' to='{to}'><query xmlns='{INFO}'>{told}</query></iq>"
            )
            awaited.remove(to.partition("@")[2])
        elif stanza.name == "message":
            awaited.remove("message")
    juliet.forget()
    return caps


def subscribe(client: Actor, full: str, state: str = "subscribed") -> None:
    ask(client, "set", f"<subscribe node='n' jid='{bare(full)}'/>", to=JULIET)
    client.receives(done(f"<subscription node='n' subscription='{state}'/>"))


def puts_into(client: Actor, contact: str, *groups: str) -> None:
    inside = "".join(f"<group>{group}</group>" for group in groups)
    client.sends(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
        f"<item jid='{contact}'>{inside}</item></query></iq>"
    )
    client.receives(like("<iq type='result' id='r'/>"))


def subscribers(client: Actor) -> list[str | None]:
    own(client, "get", "<subscriptions node='n'/>", ns=OWNER)
    answer = client.receives(done("<subscriptions/>", ns=OWNER))
    return [it.get("jid") for it in answer.elements[0].elements[0].elements]


def next_of(client: Actor, kind: str) -> Element:
    """The next stanza that is no presence; it must be of that kind."""
    while (stanza := client.receives(lambda stanza: None)).name == "presence":
        pass
    assert stanza.name == kind
    return stanza


ENDED = event("<subscription node='n' subscription='none'/>", of=JULIET)


# What rosters open and close


@both_hosts
def test_a_removed_contact_loses_its_subscription_and_is_told(
    talk: Stage[Actor], reading: str
) -> None:
    talk.befriend(reading, OWNING)
    juliet, reader = talk.bind(OWNING), talk.online(reading)
    publish(juliet, send_last_published_item="never")
    subscribe(reader, reading)
    juliet.sends(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
        f"<item jid='{bare(reading)}' subscription='remove'/></query></iq>"
    )
    juliet.receives(like("<iq type='result' id='r'/>"))
    assert ENDED(next_of(reader, "message")) is None
    juliet.forget()
    assert subscribers(juliet) == []
    publish(juliet)
    ask(reader, "get", "<items node='n'/>", to=JULIET)
    refusal = refused("auth", "not-authorized", "presence-subscription-required")
    assert refusal(next_of(reader, "iq")) is None


@both_hosts
def test_who_leaves_the_group_hears_no_more(talk: Stage[Actor], reading: str) -> None:
    talk.befriend(reading, OWNING)
    juliet, reader = talk.bind(OWNING), talk.online(reading)
    puts_into(juliet, bare(reading), "Friends")
    publish(
        juliet,
        access_model="roster",
        roster_groups_allowed="Friends",
        send_last_published_item="never",
    )
    subscribe(reader, reading)
    puts_into(juliet, bare(reading), "Servants")
    reader.receives(ENDED)
    assert subscribers(juliet) == []
    publish(juliet)
    ask(reader, "get", "<items node='n'/>", to=JULIET)
    reader.receives(refused("auth", "not-authorized", "not-in-roster-group"))


@both_hosts
def test_who_enters_the_group_gets_the_last_item(talk: Stage[Actor], reading: str) -> None:
    talk.befriend(reading, OWNING)
    juliet, reader = talk.online(OWNING), talk.bind(reading)
    comes(reader, reading, juliet)
    publish(juliet, access_model="roster", roster_groups_allowed="Friends")
    puts_into(juliet, bare(reading), "Friends")
    reader.receives(event(TOLD, of=JULIET))
    puts_into(juliet, bare(reading), "Friends", "Lovers")  # nothing new
    publish(juliet)
    reader.receives(event(TOLD, of=JULIET))
    reader.receives_nothing()


@both_hosts
def test_who_is_let_in_by_a_new_access_model_gets_the_last_item(
    talk: Stage[Actor], reading: str
) -> None:
    talk.befriend(reading, OWNING)
    juliet, reader = talk.online(OWNING), talk.bind(reading)
    comes(reader, reading, juliet)
    publish(juliet, access_model="whitelist")
    for model in ("presence", "open"):  # the second lets in nobody new
        configured = form(access_model=model)
        own(juliet, "set", f"<configure node='n'>{configured}</configure>", ns=OWNER)
        juliet.receives(done())
    reader.receives(event(TOLD, of=JULIET))
    reader.receives_nothing()


def test_members_of_a_node_read_it_without_presence(talk: Stage[Actor]) -> None:
    """§4.1: the table gives members what the access model would not."""
    juliet, romeo = talk.bind(OWNING), talk.bind(HERE)
    publish(juliet, send_last_published_item="never")
    member = f"<affiliation jid='{bare(HERE)}' affiliation='member'/>"
    own(juliet, "set", f"<affiliations node='n'>{member}</affiliations>", ns=OWNER)
    juliet.receives(done())
    ask(romeo, "get", "<items node='n'/>", to=JULIET)
    romeo.receives(done(TOLD))
    subscribe(romeo, HERE)


# Approval (XEP-0060 §4.5, §6.1.4, §8.6)


def decision(node: str, who: str, allow: str, kind: str = "submit") -> str:
    fields = (("subid", ""), ("node", node), ("subscriber_jid", who), ("allow", allow))
    inside = "".join(
        f"<field var='pubsub#{name}'><value>{value}</value></field>"
        for name, value in fields
        if value
    )
    return (
        f"<message to='{JULIET}' id='reply'><x xmlns='jabber:x:data' type='{kind}'>"
        "<field var='FORM_TYPE' type='hidden'>"
        f"<value>{NS}#subscribe_authorization</value></field>{inside}</x></message>"
    )


def asked_about(reading: str):  # type: ignore[no-untyped-def]
    return like(
        f"<message from='{JULIET}' to='{JULIET}'><x xmlns='jabber:x:data' type='form'>"
        f"<field var='pubsub#subscriber_jid'><value>{bare(reading)}</value></field>"
        "<field var='pubsub#allow' type='boolean'/></x></message>"
    )


@both_hosts
def test_the_owner_approves_and_the_subscriber_reads_and_hears(
    talk: Stage[Actor], reading: str
) -> None:
    juliet, reader = talk.online(OWNING), talk.online(reading)
    publish(juliet, access_model="authorize", send_last_published_item="on_sub")
    ask(reader, "get", "<items node='n'/>", to=JULIET)
    reader.receives(refused("auth", "not-authorized", "not-subscribed"))
    subscribe(reader, reading, "pending")
    juliet.receives(asked_about(reading))
    publish(juliet)  # who waits hears nothing
    ask(reader, "set", f"<subscribe node='n' jid='{bare(reading)}'/>", to=JULIET)
    reader.receives(refused("auth", "not-authorized", "pending-subscription"))
    juliet.sends(decision("n", bare(reading), "1"))
    juliet.receives_nothing()  # the answer is for the account
    reader.receives(event("<subscription node='n' subscription='subscribed'/>", of=JULIET))
    reader.receives(event(TOLD, of=JULIET))  # §6.1.7
    ask(reader, "get", "<items node='n'/>", to=JULIET)
    reader.receives(done(TOLD))
    publish(juliet)
    reader.receives(event(TOLD, of=JULIET))


def test_the_owner_denies(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.online(OWNING), talk.online(HERE)
    publish(juliet, access_model="authorize")
    subscribe(romeo, HERE, "pending")
    juliet.receives(asked_about(HERE))
    juliet.sends(decision("n", bare(HERE), "1", "cancel"))  # it stays pending
    romeo.receives_nothing()
    juliet.sends(decision("n", bare(HERE), "0"))
    romeo.receives(ENDED)
    ask(romeo, "get", "<subscriptions/>", to=JULIET)
    answer = romeo.receives(done("<subscriptions/>"))
    assert answer.elements[0].elements[0].elements == []


@both_hosts
def test_nobody_else_decides(talk: Stage[Actor], reading: str) -> None:
    juliet, reader = talk.online(OWNING), talk.online(reading)
    publish(juliet, access_model="authorize")
    subscribe(reader, reading, "pending")
    juliet.receives(asked_about(reading))
    reader.sends(decision("n", bare(reading), "1"))
    reader.receives(
        like(f"<message type='error'><error><forbidden xmlns='{STANZAS}'/></error></message>")
    )
    juliet.receives_nothing()


def test_an_owner_who_is_away_finds_the_request_later(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.bind(OWNING), talk.online(HERE)
    publish(juliet, access_model="authorize", send_last_published_item="never")
    juliet.leaves()
    subscribe(romeo, HERE, "pending")
    juliet = talk.bind(OWNING)
    juliet.sends("<presence/>")
    juliet.receives_in_any_order(like("<presence/>"), asked_about(HERE))
    juliet.sends(decision("n", bare(HERE), "true"))
    romeo.receives(event("<subscription node='n' subscription='subscribed'/>", of=JULIET))


def test_contacts_hear_of_such_a_node_only_when_approved(talk: Stage[Actor]) -> None:
    talk.befriend(HERE, OWNING)
    juliet, romeo = talk.online(OWNING), talk.bind(HERE)
    comes(romeo, HERE, juliet)
    publish(juliet, access_model="authorize", send_last_published_item="never")
    romeo.receives_nothing()
    subscribe(romeo, HERE, "pending")
    juliet.receives(asked_about(HERE))
    juliet.sends(decision("n", bare(HERE), "1"))
    romeo.receives(event("<subscription subscription='subscribed'/>", of=JULIET))
    publish(juliet)
    romeo.receives(
        like(f"<message to='{HERE}'><event xmlns='{NS}#event'>{TOLD}</event></message>")
    )
    romeo.receives_nothing()


# Presence that changes (XEP-0163 §4.3.3)


@both_hosts
def test_presence_that_comes_again_brings_the_last_item_once(
    talk: Stage[Actor], reading: str
) -> None:
    talk.befriend(reading, OWNING)
    juliet, reader = talk.online(OWNING), talk.bind(reading)
    caps = comes(reader, reading, juliet)
    publish(juliet)
    reader.receives(event(TOLD, of=JULIET))
    for _ in range(3):
        reader.sends("<presence><show>away</show></presence>")  # without capabilities
        reader.sends(f"<presence>{caps}</presence>")
    reader.sends("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert next_of(reader, "iq").get("id") == "p"


# What the owner closes


@both_hosts
def test_who_is_no_member_any_more_loses_its_subscription(
    talk: Stage[Actor], reading: str
) -> None:
    juliet, reader = talk.bind(OWNING), talk.online(reading)
    publish(juliet, access_model="whitelist", send_last_published_item="never")
    for affiliation in ("member", "none"):
        his = f"<affiliation jid='{bare(reading)}' affiliation='{affiliation}'/>"
        own(juliet, "set", f"<affiliations node='n'>{his}</affiliations>", ns=OWNER)
        juliet.receives(done())
        if affiliation == "member":
            subscribe(reader, reading)
    reader.receives(ENDED)
    assert subscribers(juliet) == []


@pytest.mark.parametrize("model", ["whitelist", "presence", "roster"])
def test_a_node_that_is_closed_loses_its_subscribers(talk: Stage[Actor], model: str) -> None:
    juliet, romeo = talk.bind(OWNING), talk.online(HERE)
    publish(juliet, access_model="open", send_last_published_item="never")
    subscribe(romeo, HERE)
    own(juliet, "set", f"<configure node='n'>{form(access_model=model)}</configure>", ns=OWNER)
    juliet.receives(done())
    romeo.receives(ENDED)
    assert subscribers(juliet) == []
    publish(juliet)
    romeo.receives_nothing()
