"""Personal eventing: every account is a pubsub service (XEP-0163; XEP-0060 §9)."""

import hashlib
from base64 import b64encode

import pytest

from tests.conversations.pubsub import NS, OWNER, PAYLOAD, ask, done, event, form, refused
from xmppd.testing import Actor, Stage, like
from xmppd.xml import Element

OWNING, READING = "juliet@example.org/balcony", "romeo@example.net/orchard"
JULIET, ROMEO = "juliet@example.org", "romeo@example.net"
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
RSM = "http://jabber.org/protocol/rsm"
CLIENT = f"<query xmlns='{INFO}'><feature var='urn:example:entry+notify'/></query>"
VER = b64encode(hashlib.sha1(b"urn:example:entry+notify<").digest()).decode()
ITEM = f"<item id='current'>{PAYLOAD}</item>"
DONE = done("<publish/>")
CONFLICT = refused("cancel", "conflict", "precondition-not-met")


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    return talk.bind(OWNING)


def own(client: Actor, type_: str, inside: str, *, ns: str = NS) -> None:
    """A request without `to`: to one's own account."""
    client.sends(f"<iq type='{type_}' id='a'><pubsub xmlns='{ns}'>{inside}</pubsub></iq>")


def publish(client: Actor, node: str, item: str = ITEM, **options: str) -> None:
    given = f"<publish-options>{form('publish-options', **options)}</publish-options>"
    own(client, "set", f"<publish node='{node}'>{item}</publish>{given if options else ''}")


def test_publishing_creates_the_node(juliet: Actor) -> None:
    publish(juliet, "urn:example:entry")
    juliet.receives(done("<publish node='urn:example:entry'><item id='current'/></publish>"))
    own(juliet, "get", "<items node='urn:example:entry'/>")
    juliet.receives(done(f"<items node='urn:example:entry'>{ITEM}</items>"))
    own(juliet, "get", "<configure node='urn:example:entry'/>", ns=OWNER)
    juliet.receives(
        done(
            "<configure><x xmlns='jabber:x:data'>"
            "<field var='pubsub#access_model'><value>presence</value></field>"
            "<field var='pubsub#max_items'><value>1</value></field>"
            "<field var='pubsub#send_last_published_item'><value>on_sub_and_presence</value>"
            "</field></x></configure>",
            ns=OWNER,
        )
    )


def test_publish_options_configure_a_new_node_and_bind_later(juliet: Actor) -> None:
    private = {"access_model": "whitelist", "persist_items": "1", "max_items": "max"}
    publish(juliet, "urn:example:private", **private)
    juliet.receives(DONE)
    publish(juliet, "urn:example:private", **private)
    juliet.receives(DONE)
    publish(juliet, "urn:example:private", access_model="open")
    juliet.receives(CONFLICT)
    publish(juliet, "urn:example:other", nonsense="1")
    juliet.receives(CONFLICT)
    own(juliet, "get", "<items node='urn:example:other'/>")
    juliet.receives(refused("cancel", "item-not-found"))


@pytest.mark.parametrize(
    ("node", "options"),
    [
        (
            "urn:xmpp:bookmarks:1",
            {
                "persist_items": "true",
                "max_items": "max",
                "send_last_published_item": "never",
                "access_model": "whitelist",
            },
        ),
        ("urn:xmpp:omemo:2:devices", {"access_model": "open"}),
        ("urn:xmpp:omemo:2:bundles", {"access_model": "open", "max_items": "max"}),
        ("eu.siacs.conversations.axolotl.bundles:31415", {"access_model": "open"}),
        ("eu.siacs.conversations.axolotl.devicelist", {"access_model": "open"}),
        ("urn:xmpp:openpgp:0:public-keys", {"access_model": "open"}),
        ("urn:xmpp:openpgp:0:public-keys:1357", {"access_model": "open"}),
        (
            "urn:xmpp:openpgp:0:secret-key",
            {"access_model": "whitelist", "send_last_published_item": "never"},
        ),
        ("urn:xmpp:vcard4", {"access_model": "open", "deliver_payloads": "false"}),
        (
            "urn:xmpp:microblog:0",
            {
                "max_items": "max",
                "persist_items": "true",
                "notify_retract": "true",
                "send_last_published_item": "never",
            },
        ),
        ("urn:xmpp:microblog:0:comments/1", {"max_items": "max", "access_model": "open"}),
        ("http://jabber.org/protocol/nick", {"access_model": "presence", "max_items": "1"}),
        ("http://jabber.org/protocol/mood", {"access_model": "presence", "max_items": "1"}),
        ("http://jabber.org/protocol/activity", {"access_model": "presence", "max_items": "1"}),
        ("http://jabber.org/protocol/tune", {"access_model": "presence", "max_items": "1"}),
        (
            "urn:xmpp:mds:displayed:0",
            {"max_items": "max", "access_model": "whitelist", "persist_items": "true"},
        ),
    ],
)
def test_well_known_nodes_are_configured_as_their_specifications_want(
    juliet: Actor, node: str, options: dict[str, str]
) -> None:
    publish(juliet, node)
    juliet.receives(DONE)
    publish(juliet, node, **options)
    juliet.receives(DONE)


def test_only_the_account_itself_publishes_and_creates(talk: Stage[Actor], juliet: Actor) -> None:
    romeo = talk.bind(READING)
    ask(romeo, "set", f"<publish node='n'>{ITEM}</publish>", to=JULIET)
    romeo.receives(refused("auth", "forbidden"))
    ask(romeo, "set", "<create node='n'/>", to=JULIET)
    romeo.receives(refused("auth", "forbidden"))
    publish(juliet, "n", access_model="open")
    juliet.receives(DONE)
    ask(romeo, "set", f"<publish node='n'>{ITEM}</publish>", to=JULIET)
    romeo.receives(refused("auth", "forbidden"))
    ask(romeo, "set", "<delete node='n'/>", to=JULIET, ns=OWNER)
    romeo.receives(refused("auth", "forbidden"))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"access_model": "open"}, None),
        ({}, refused("auth", "not-authorized", "presence-subscription-required")),
        (
            {"access_model": "roster", "roster_groups_allowed": "Friends"},
            refused("auth", "not-authorized", "not-in-roster-group"),
        ),
        ({"access_model": "whitelist"}, refused("cancel", "not-allowed", "closed-node")),
    ],
)
def test_strangers_get_what_is_open(
    talk: Stage[Actor], juliet: Actor, options: dict[str, str], wanted: str
) -> None:
    publish(juliet, "n", **options)
    juliet.receives(DONE)
    romeo = talk.bind(READING)
    ask(romeo, "get", "<items node='n'/>", to=JULIET)
    romeo.receives(wanted or done(f"<items node='n'>{ITEM}</items>"))
    ask(romeo, "set", f"<subscribe node='n' jid='{ROMEO}'/>", to=JULIET)
    if wanted:
        romeo.receives(wanted)
    else:
        subscribed = done("<subscription subscription='subscribed'/>")
        romeo.receives(subscribed)  # it sent no presence, so no message can reach it


def test_contacts_get_what_presence_opens(talk: Stage[Actor], juliet: Actor) -> None:
    publish(juliet, "n")
    juliet.receives(DONE)
    talk.befriend(READING, OWNING)
    romeo = talk.bind(READING)
    ask(romeo, "get", "<items node='n'/>", to=JULIET)
    romeo.receives(done(f"<items node='n'>{ITEM}</items>"))


def test_an_explicit_subscriber_hears_without_capabilities(
    talk: Stage[Actor], juliet: Actor
) -> None:
    publish(juliet, "n", access_model="open", send_last_published_item="never")
    juliet.receives(DONE)
    romeo = talk.online(READING)
    ask(romeo, "set", f"<subscribe node='n' jid='{ROMEO}'/>", to=JULIET)
    romeo.receives(done("<subscription subscription='subscribed'/>"))
    publish(juliet, "n")
    juliet.receives(DONE)
    romeo.receives(event(f"<items node='n'>{ITEM}</items>", of=JULIET))


def test_a_subscription_ends_with_the_presence_it_rests_on(talk: Stage[Actor]) -> None:
    talk.befriend(READING, OWNING)
    juliet, romeo = talk.bind(OWNING), talk.online(READING)
    publish(juliet, "n", send_last_published_item="never")
    juliet.receives(DONE)
    ask(romeo, "set", f"<subscribe node='n' jid='{ROMEO}'/>", to=JULIET)
    romeo.receives(done("<subscription subscription='subscribed'/>"))
    juliet.sends(f"<presence type='unsubscribed' to='{ROMEO}'/>")
    juliet.forget()
    romeo.forget()
    publish(juliet, "n")
    juliet.receives(DONE)
    romeo.receives_nothing()
    own(juliet, "get", "<subscriptions node='n'/>", ns=OWNER)
    answer = juliet.receives(done("<subscriptions/>", ns=OWNER))
    assert answer.elements[0].elements[0].elements == []


def test_accounts_that_are_not_there_look_like_empty_ones(
    talk: Stage[Actor], juliet: Actor
) -> None:
    romeo = talk.bind(READING)
    for to in (JULIET, "nobody@example.org"):
        ask(romeo, "get", "<items node='n'/>", to=to)
        romeo.receives(refused("cancel", "item-not-found"))
        ask(romeo, "set", f"<subscribe node='n' jid='{ROMEO}'/>", to=to)
        romeo.receives(refused("cancel", "item-not-found"))
        ask(romeo, "set", "<create node='n'/>", to=to)
        romeo.receives(refused("auth", "forbidden"))
        ask(romeo, "get", "<subscriptions/>", to=to)
        romeo.receives(done("<subscriptions/>"))


# §6


def test_an_account_tells_that_it_is_a_pubsub_service(juliet: Actor) -> None:
    juliet.sends(f"<iq type='get' id='d'><query xmlns='{INFO}'/></iq>")
    features = ("auto-create", "auto-subscribe", "filtered-notifications", "publish-options")
    told = "".join(f"<feature var='{NS}#{name}'/>" for name in features)
    juliet.receives(
        like(
            f"<iq id='d'><query xmlns='{INFO}'><identity category='pubsub' type='pep'/>{told}"
            "</query></iq>"
        )
    )


def test_nodes_are_told_to_who_may_subscribe(talk: Stage[Actor]) -> None:
    talk.befriend(READING, OWNING)
    juliet, romeo = talk.bind(OWNING), talk.bind(READING)
    for node, model in (("open", "open"), ("near", "presence"), ("mine", "whitelist")):
        publish(juliet, node, access_model=model)
        juliet.receives(DONE)
    for client, wanted in ((romeo, {"open", "near"}), (juliet, {"open", "near", "mine"})):
        client.sends(f"<iq type='get' id='d' to='{JULIET}'><query xmlns='{ITEMS}'/></iq>")
        answer = client.receives(like(f"<iq type='result' id='d'><query xmlns='{ITEMS}'/></iq>"))
        items = answer.elements[0].elements
        assert {item.get("node") for item in items if item.get("node")} == wanted
    for node in ("mine", "none"):
        query = f"<query xmlns='{INFO}' node='{node}'/>"
        romeo.sends(f"<iq type='get' id='a' to='{JULIET}'>{query}</iq>")
        romeo.receives(refused("cancel", "item-not-found"))
    query = f"<query xmlns='{INFO}' node='near'/>"
    romeo.sends(f"<iq type='get' id='d' to='{JULIET}'>{query}</iq>")
    romeo.receives(
        like(
            f"<iq id='d'><query xmlns='{INFO}' node='near'>"
            "<identity category='pubsub' type='leaf'/></query></iq>"
        )
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("<max>2</max>", ["n1", "n2"]),
        ("<max>2</max><after>n2</after>", ["n3"]),
        ("<max>2</max><before/>", ["n2", "n3"]),
        ("<max>1</max><before>n3</before>", ["n2"]),
        ("<max>5</max><after>n1</after><before>n3</before>", ["n2"]),
        ("<max>1</max><index>1</index>", ["n2"]),
    ],
)
def test_the_nodes_of_an_account_come_in_pages(
    talk: Stage[Actor], asked: str, found: list[str]
) -> None:
    """XEP-0060 §5.2; those that may not be seen leave no gap."""
    talk.befriend(READING, OWNING)
    juliet, romeo = talk.bind(OWNING), talk.bind(READING)  # no presence: her items are nodes
    for node in ("n1", "hidden", "n2", "n3"):
        publish(juliet, node, access_model="whitelist" if node == "hidden" else "open")
        juliet.receives(DONE)
    nodes, page = listed(romeo, asked)
    assert nodes == found
    assert [page.child_text(RSM, name) for name in ("first", "last", "count")] == [
        found[0],
        found[-1],
        "3",
    ]


def listed(client: Actor, asked: str) -> tuple[list[str | None], Element]:
    """The nodes on a page of Juliet's, and what says where it stands."""
    query = f"<query xmlns='{ITEMS}'><set xmlns='{RSM}'>{asked}</set></query>"
    client.sends(f"<iq type='get' id='d' to='{JULIET}'>{query}</iq>")
    answer = client.receives(like(f"<iq type='result' id='d'><query xmlns='{ITEMS}'/></iq>"))
    told = answer.elements[0]
    page = told.child(RSM, "set")
    assert page is not None
    return [item.get("node") for item in told.all(ITEMS, "item")], page


def test_a_page_behind_what_is_no_node_of_an_account_is_not_found(juliet: Actor) -> None:
    page = f"<set xmlns='{RSM}'><after>never</after></set>"
    juliet.sends(f"<iq type='get' id='a' to='{JULIET}'><query xmlns='{ITEMS}'>{page}</query></iq>")
    juliet.receives(refused("cancel", "item-not-found"))


def test_who_may_not_see_an_account_sees_an_empty_page(talk: Stage[Actor]) -> None:
    """The same of an account that is not there (XEP-0030 §8)."""
    romeo = talk.bind(READING)
    juliet = talk.bind(OWNING)
    publish(juliet, "open", access_model="open")
    juliet.receives(DONE)
    assert listed(romeo, "<max>2</max>")[0] == []


def test_the_items_of_a_node_come_in_pages(juliet: Actor) -> None:
    for id_ in ("a", "b", "c"):
        publish(juliet, "n", f"<item id='{id_}'>{PAYLOAD}</item>", max_items="5")
        juliet.receives(DONE)
    page = f"<set xmlns='{RSM}'><max>1</max><after>b</after></set>"
    query = f"<query xmlns='{ITEMS}' node='n'>{page}</query>"
    juliet.sends(f"<iq type='get' id='d' to='{JULIET}'>{query}</iq>")
    told = juliet.receives(like("<iq type='result' id='d'/>")).elements[0]
    assert told.get("node") == "n"
    assert [item.get("name") for item in told.all(ITEMS, "item")] == ["c"]
    assert told.child(RSM, "set") is not None


def test_owners_delete_and_configure_their_nodes(juliet: Actor) -> None:
    publish(juliet, "n")
    juliet.receives(DONE)
    model = form(access_model="open")
    own(juliet, "set", f"<configure node='n'>{model}</configure>", ns=OWNER)
    juliet.receives(done())
    publish(juliet, "n", access_model="open")
    juliet.receives(DONE)
    own(juliet, "set", "<retract node='n' notify='1'><item id='current'/></retract>")
    juliet.receives(done())
    own(juliet, "set", "<delete node='n'/>", ns=OWNER)
    juliet.receives(done())
    own(juliet, "get", "<items node='n'/>")
    juliet.receives(refused("cancel", "item-not-found"))


def test_a_contact_of_another_host_hears_what_its_client_wants(talk: Stage[Actor]) -> None:
    talk.befriend(READING, OWNING)
    juliet, romeo = talk.online(OWNING), talk.bind(READING)
    romeo.sends(
        f"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client'"
        f" ver='{VER}'/></presence>"
    )
    came: list[Element] = []
    for _ in range(4):  # both hosts ask; and two are available
        romeo.receives(lambda stanza: came.append(stanza))
    for stanza in came:
        if stanza.name == "iq":
            to, id_ = stanza.get("from"), stanza.get("id")
            romeo.sends(f"<iq type='result' id='{id_}' to='{to}'>{CLIENT}</iq>")
    juliet.forget()
    publish(juliet, "urn:example:entry")
    juliet.receives(DONE)
    romeo.receives(event(f"<items node='urn:example:entry'>{ITEM}</items>", of=JULIET))
