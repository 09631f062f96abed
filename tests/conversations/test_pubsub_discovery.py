"""Finding nodes at a service with many, and what nodes say of their items (XEP-0060 §5.2,
§7.1.3.6, §12.16; XEP-0059; XEP-0248 §7.1.2; XEP-0472 §7).
"""

import pytest

from tests.conversations.pubsub import (
    OWNER,
    PAYLOAD,
    SERVICE,
    ask,
    create,
    done,
    event,
    form,
    publish,
    refused,
    subscribe,
)
from xmppd.testing import Actor, Stage, like
from xmppd.xml import Element

JULIET, ROMEO = "juliet@example.org", "romeo@example.org"
ITEMS = "http://jabber.org/protocol/disco#items"
RSM = "http://jabber.org/protocol/rsm"
ATOM = "<entry xmlns='http://www.w3.org/2005/Atom'><title>Soliloquy</title></entry>"
NODES = ("n1", "n2", "hidden", "n3", "n4", "n5")


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    return talk.bind(f"{JULIET}/balcony")


@pytest.fixture
def romeo(talk: Stage[Actor], juliet: Actor) -> Actor:
    return talk.online(f"{ROMEO}/orchard")


def listed(client: Actor, asked: str) -> tuple[list[str | None], Element | None]:
    """The nodes on a page, and what says where it stands."""
    page = f"<set xmlns='{RSM}'>{asked}</set>"
    client.sends(
        f"<iq type='get' id='d' to='{SERVICE}'><query xmlns='{ITEMS}'>{page}</query></iq>"
    )
    answer = client.receives(like(f"<iq type='result' id='d'><query xmlns='{ITEMS}'/></iq>"))
    told = answer.elements[0]
    return [item.get("node") for item in told.all(ITEMS, "item")], told.child(RSM, "set")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("<max>2</max>", ["n1", "n2"]),
        ("<max>2</max><after>n2</after>", ["n3", "n4"]),  # what is hidden leaves no gap
        ("<max>2</max><after>n4</after>", ["n5"]),
        ("<max>2</max><before/>", ["n4", "n5"]),
        ("<max>2</max><before>n4</before>", ["n2", "n3"]),
        ("<max>9</max><after>n1</after><before>n4</before>", ["n2", "n3"]),
    ],
)
def test_nodes_come_in_pages(juliet: Actor, romeo: Actor, asked: str, found: list[str]) -> None:
    for node in NODES:
        create(juliet, node, access_model="whitelist" if node == "hidden" else "open")
    nodes, page = listed(romeo, asked)
    assert [node for node in nodes if node in NODES] == found
    assert page is not None
    ends = [page.child(RSM, end) for end in ("first", "last")]
    assert [end.text for end in ends if end is not None] == [found[0], found[-1]]


def test_a_page_behind_a_node_that_is_not_is_not_found(romeo: Actor) -> None:
    page = f"<set xmlns='{RSM}'><after>never</after></set>"
    romeo.sends(f"<iq type='get' id='a' to='{SERVICE}'><query xmlns='{ITEMS}'>{page}</query></iq>")
    romeo.receives(refused("cancel", "item-not-found"))


def test_the_number_of_nodes_is_told_without_them(juliet: Actor) -> None:
    _, before = listed(juliet, "<max>0</max>")
    create(juliet, "n")
    nodes, after = listed(juliet, "<max>0</max>")
    assert nodes == []
    counts = [page.child(RSM, "count") for page in (before, after) if page is not None]
    numbers = [int(count.text) for count in counts if count is not None]
    assert numbers == [numbers[0], numbers[0] + 1]


def test_whoever_may_not_subscribe_is_shown_nothing(juliet: Actor, romeo: Actor) -> None:
    for node, affiliation in (("a", "outcast"), ("b", "publish-only"), ("c", "member")):
        create(juliet, node)
        his = f"<affiliation jid='{ROMEO}' affiliation='{affiliation}'/>"
        ask(juliet, "set", f"<affiliations node='{node}'>{his}</affiliations>", ns=OWNER)
        juliet.receives(done())
    nodes, _ = listed(romeo, "")
    assert [node for node in nodes if node in ("a", "b", "c")] == ["c"]


@pytest.mark.parametrize(
    ("type_", "payload", "taken"),
    [
        ("urn:example:entry", PAYLOAD, True),
        ("urn:example:entry", ATOM, False),
        ("http://www.w3.org/2005/Atom", ATOM, True),
        ("urn:xmpp:microblog:0", ATOM, True),
        ("urn:xmpp:pubsub-social-feed:1", ATOM, True),
        ("urn:xmpp:pubsub-social-feed:gallery:1", ATOM, True),
        ("urn:xmpp:pubsub-social-feed:1", PAYLOAD, False),
        ("urn:xmpp:openpgp:pubsub:0", PAYLOAD, True),
        ("", PAYLOAD, True),
    ],
)
def test_payloads_are_of_the_type_of_the_node(
    juliet: Actor, type_: str, payload: str, taken: bool
) -> None:
    create(juliet, "n", type=type_)
    ask(juliet, "set", f"<publish node='n'><item id='i1'>{payload}</item></publish>")
    juliet.receives(
        done("<publish/>") if taken else refused("modify", "bad-request", "invalid-payload")
    )


@pytest.mark.parametrize("reply", ["owner", "publisher"])
def test_items_tell_whom_replies_go_to(juliet: Actor, romeo: Actor, reply: str) -> None:
    create(juliet, "n", itemreply=reply, publish_model="open")
    subscribe(romeo, "n", ROMEO)
    ask(romeo, "set", f"<publish node='n'><item id='i1'>{PAYLOAD}</item></publish>")
    whom = JULIET if reply == "owner" else ROMEO
    item = f"<item id='i1' publisher='{whom}'>{PAYLOAD}</item>"
    romeo.receives_in_any_order(done("<publish/>"), event(f"<items node='n'>{item}</items>"))
    ask(romeo, "get", "<items node='n'/>")
    romeo.receives(done(f"<items node='n'>{item}</items>"))


def test_nobody_asserts_who_published(juliet: Actor) -> None:
    """§7.1.2.3: the service says it."""
    create(juliet, "n", itemreply="publisher")
    forged = f"<item id='i1' publisher='{ROMEO}'>{PAYLOAD}</item>"
    ask(juliet, "set", f"<publish node='n'>{forged}</publish>")
    juliet.receives(done("<publish/>"))
    ask(juliet, "get", "<items node='n'/>")
    juliet.receives(done(f"<items node='n'><item id='i1' publisher='{JULIET}'/></items>"))


def test_collections_are_not_supported(juliet: Actor) -> None:
    refusal = refused("cancel", "feature-not-implemented", "unsupported", "collections")
    wanted = form(node_type="collection")
    ask(juliet, "set", f"<create node='n'/><configure>{wanted}</configure>")
    juliet.receives(refusal)
    ask(juliet, "get", "<default type='collection'/>", ns=OWNER)
    juliet.receives(refusal)
    create(juliet, "n", node_type="leaf")
    publish(juliet, "n")
