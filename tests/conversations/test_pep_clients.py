"""What clients do with an account's nodes, step by step as they do it: keys, bookmarks, comments
(XEP-0384, XEP-0402, XEP-0277), and events that are not what they seem.
"""

import pytest

from tests.conversations.pubsub import NS, OWNER, SERVICE, ask, create, done, form, refused
from tests.support.stages import ProcessStage
from xmppd.testing import Actor, Stage, like

JULIET, ROMEO = "juliet@example.org", "romeo@example.net"
NURSE = "nurse@example.org/chamber"
DEVICES = "eu.siacs.conversations.axolotl.devicelist"
BUNDLE = "eu.siacs.conversations.axolotl.bundles:1"
BOOKMARKS = "urn:xmpp:bookmarks:1"
COMMENTS = "urn:xmpp:microblog:0:comments/1"
LIST = "<list xmlns='eu.siacs.conversations.axolotl'><device id='1'/></list>"
ATOM = "<entry xmlns='http://www.w3.org/2005/Atom'><title>Soliloquy</title></entry>"
ALL_MAY_READ = {"access_model": "open", "persist_items": "true", "max_items": "max"}
PRIVATE = {
    "access_model": "whitelist",
    "persist_items": "true",
    "max_items": "max",
    "send_last_published_item": "never",
    "notify_delete": "true",
    "notify_retract": "true",
}


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    return talk.bind(f"{JULIET}/balcony")


@pytest.fixture
def romeo(talk: Stage[Actor], juliet: Actor) -> Actor:
    return talk.bind(f"{ROMEO}/orchard")


def publish(client: Actor, node: str, item: str, **options: str) -> None:
    given = f"<publish-options>{form('publish-options', **options)}</publish-options>"
    ask(client, "set", f"<publish node='{node}'>{item}</publish>{given}", to=JULIET)


def field(name: str, value: str) -> str:
    return f"<field var='pubsub#{name}'><value>{value}</value></field>"


@pytest.mark.parametrize("node", [DEVICES, BUNDLE])
def test_a_node_of_keys_is_opened_and_published_to_again(
    juliet: Actor, romeo: Actor, node: str
) -> None:
    """Conversations configures a node that is not as it must be, and tries once more."""
    create(juliet, node, to=JULIET, access_model="presence")
    item = f"<item id='current'>{LIST}</item>"
    publish(juliet, node, item, **ALL_MAY_READ)
    juliet.receives(refused("cancel", "conflict", "precondition-not-met"))
    ask(juliet, "get", f"<configure node='{node}'/>", ns=OWNER, to=JULIET)
    shown = f"<x xmlns='jabber:x:data'>{field('access_model', 'presence')}</x>"
    juliet.receives(done(f"<configure node='{node}'>{shown}</configure>", ns=OWNER))
    wanted = f"<configure node='{node}'>{form(**ALL_MAY_READ)}</configure>"
    ask(juliet, "set", wanted, ns=OWNER, to=JULIET)
    juliet.receives(done())
    for _ in range(2):
        publish(juliet, node, item, **ALL_MAY_READ)
        juliet.receives(done(f"<publish node='{node}'><item id='current'/></publish>"))
    ask(romeo, "get", f"<items node='{node}'/>", to=JULIET)
    romeo.receives(done(f"<items node='{node}'>{item}</items>"))


def test_bookmarks_are_added_and_removed_and_nobodys_business(juliet: Actor, romeo: Actor) -> None:
    for room in ("a@rooms", "b@rooms"):
        item = f"<item id='{room}'><conference xmlns='{BOOKMARKS}' autojoin='true'/></item>"
        publish(juliet, BOOKMARKS, item, **PRIVATE)
        juliet.receives(done("<publish/>"))
    gone = f"<retract node='{BOOKMARKS}' notify='true'><item id='a@rooms'/></retract>"
    ask(juliet, "set", gone, to=JULIET)
    juliet.receives(done())
    ask(juliet, "get", f"<items node='{BOOKMARKS}'/>", to=JULIET)
    answer = juliet.receives(done("<items><item id='b@rooms'/></items>"))
    assert len(answer.elements[0].elements[0].elements) == 1
    ask(romeo, "get", f"<items node='{BOOKMARKS}'/>", to=JULIET)
    romeo.receives(refused("cancel", "not-allowed", "closed-node"))


def test_strangers_comment_and_take_back_their_own(juliet: Actor, romeo: Actor) -> None:
    """Movim makes a node for the comments on a post, where everybody publishes."""
    create(
        juliet,
        COMMENTS,
        to=JULIET,
        access_model="open",
        publish_model="open",
        itemreply="publisher",
        max_items="max",
        type="urn:xmpp:microblog:0",
    )
    for client, id_ in ((romeo, "his"), (juliet, "hers")):
        item = f"<item id='{id_}'>{ATOM}</item>"
        ask(client, "set", f"<publish node='{COMMENTS}'>{item}</publish>", to=JULIET)
        client.receives(done("<publish/>"))
    ask(romeo, "get", f"<items node='{COMMENTS}'/>", to=JULIET)
    both = (
        f"<item id='his' publisher='{ROMEO}'>{ATOM}</item>"
        f"<item id='hers' publisher='{JULIET}'>{ATOM}</item>"
    )
    romeo.receives(done(f"<items node='{COMMENTS}'>{both}</items>"))
    for id_, wanted in (("hers", refused("auth", "forbidden")), ("his", done())):
        ask(romeo, "set", f"<retract node='{COMMENTS}'><item id='{id_}'/></retract>", to=JULIET)
        romeo.receives(wanted)


def test_who_overwrites_anothers_item_is_its_publisher_then(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", to=JULIET, access_model="open", publish_model="open", max_items="max")
    for client in (juliet, romeo):
        ask(client, "set", f"<publish node='n'><item id='i'>{ATOM}</item></publish>", to=JULIET)
        client.receives(done("<publish/>"))
    ask(romeo, "set", "<retract node='n'><item id='i'/></retract>", to=JULIET)
    romeo.receives(done())


@pytest.mark.parametrize("of", [JULIET, SERVICE, "example.org"])
def test_nobody_sends_events_in_anothers_name(process: ProcessStage, of: str) -> None:
    """RFC 6120 §8.1.2.1: the stream ends, and the account hears nothing."""
    juliet, nurse = process.online(f"{JULIET}/balcony"), process.bind(NURSE)
    nurse.sends(forged(of))
    juliet.receives_nothing()


def test_an_event_of_a_contact_names_its_resource(talk: Stage[Actor], juliet: Actor) -> None:
    """So it cannot pass for one of the contact's account, which has none."""
    juliet.sends("<presence/>")
    juliet.receives(like("<presence/>"))
    nurse = talk.bind(NURSE)
    nurse.sends(forged(NURSE.partition("/")[0]))
    juliet.receives(like(f"<message from='{NURSE}'/>"))


def forged(of: str) -> str:
    return (
        f"<message from='{of}' to='{JULIET}' type='headline'><event xmlns='{NS}#event'>"
        f"<items node='{DEVICES}'><item id='current'>{LIST}</item></items></event></message>"
    )
