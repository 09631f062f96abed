"""Publishing, and what owners do, with the error tables (XEP-0060 §7, §8); disco (§5)."""

import pytest

from tests.conversations.pubsub import (
    EVENT,
    NS,
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
from xmppd.xml import to_xml

OWNING, READING = "juliet@example.org/balcony", "romeo@example.org/orchard"
JULIET, ROMEO = "juliet@example.org", "romeo@example.org"
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
MET = done("<publish/>")
TWICE = f"<item id='a'>{PAYLOAD}</item>" * 2


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    """Owns the nodes."""
    return talk.online(OWNING)


@pytest.fixture
def romeo(talk: Stage[Actor], juliet: Actor) -> Actor:
    client = talk.online(READING)
    juliet.forget()
    return client


def affiliate(owner: Actor, who: str, its: str, node: str = "n") -> None:
    inside = f"<affiliation jid='{who}' affiliation='{its}'/>"
    ask(owner, "set", f"<affiliations node='{node}'>{inside}</affiliations>", ns=OWNER)
    owner.receives(done())


def configure(owner: Actor, **fields: str | list[str]) -> None:
    ask(owner, "set", f"<configure node='n'>{form(**fields)}</configure>", ns=OWNER)
    owner.receives(done())


# §7.1


def test_an_item_published_again_is_overwritten_and_the_newest(juliet: Actor) -> None:
    create(juliet, "n")
    publish(juliet, "n", "a")
    publish(juliet, "n", "b")
    publish(juliet, "n", "a", "<e xmlns='urn:example:e'>again</e>")
    ask(juliet, "get", "<items node='n'/>")
    answer = juliet.receives(done("<items><item id='a'><e xmlns='urn:example:e'/></item></items>"))
    items = answer.elements[0].elements[0].elements
    assert [item.get("id") for item in items] == ["b", "a"]


def test_an_item_without_id_is_given_one(juliet: Actor) -> None:
    create(juliet, "n")
    ask(juliet, "set", f"<publish node='n'><item>{PAYLOAD}</item></publish>")
    answer = juliet.receives(done("<publish node='n'><item/></publish>"))
    id_ = answer.elements[0].elements[0].elements[0].get("id")
    ask(juliet, "get", f"<items node='n'><item id='{id_}'/></items>")
    juliet.receives(done(f"<items><item id='{id_}'>{PAYLOAD}</item></items>"))


def test_several_items_are_published_at_once_or_none(juliet: Actor) -> None:
    create(juliet, "n", max_items="2")
    two = f"<item id='a'>{PAYLOAD}</item><item id='b'>{PAYLOAD}</item>"
    ask(juliet, "set", f"<publish node='n'>{two}</publish>")
    juliet.receives(done("<publish><item id='a'/><item id='b'/></publish>"))
    ask(juliet, "set", f"<publish node='n'>{two}<item id='c'>{PAYLOAD}</item></publish>")
    juliet.receives(refused("cancel", "not-allowed", "max-items-exceeded"))  # §12.9


def test_payloads_are_left_out_where_the_node_says_so(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", deliver_payloads="0")
    subscribe(romeo, "n", ROMEO)
    publish(juliet, "n")
    romeo.receives(
        f"<message><event xmlns='{EVENT}'><items node='n'><item id='i1'/></items></event>"
        "</message>"
    )


def test_a_transient_notification_is_an_event_alone(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", deliver_payloads="0", persist_items="0")
    subscribe(romeo, "n", ROMEO)
    ask(juliet, "set", "<publish node='n'/>")
    juliet.receives(done("<publish node='n'/>"))
    romeo.receives(f"<message><event xmlns='{EVENT}'><items node='n'/></event></message>")


@pytest.mark.parametrize(
    ("fields", "inside", "wanted"),
    [
        ({}, "<publish node='other'/>", refused("cancel", "item-not-found")),  # §7.1.3.3
        ({}, "<publish/>", refused("modify", "bad-request", "nodeid-required")),
        (  # §7.1.3.5
            {"max_payload_size": "10"},
            f"<publish node='n'><item>{PAYLOAD}</item></publish>",
            refused("modify", "not-acceptable", "payload-too-big"),
        ),
        (  # §7.1.3.6
            {},
            f"<publish node='n'><item>{PAYLOAD}{PAYLOAD}</item></publish>",
            refused("modify", "bad-request", "invalid-payload"),
        ),
        (
            {"type": "urn:example:other"},
            f"<publish node='n'><item>{PAYLOAD}</item></publish>",
            refused("modify", "bad-request", "invalid-payload"),
        ),
        (  # §7.1.3.7
            {},
            "<publish node='n'/>",
            refused("modify", "bad-request", "item-required"),
        ),
        (
            {},
            "<publish node='n'><item id='a'/></publish>",
            refused("modify", "bad-request", "payload-required"),
        ),
        (
            {"persist_items": "0", "deliver_payloads": "0"},
            "<publish node='n'><item id='a'/></publish>",
            refused("modify", "bad-request", "item-forbidden"),
        ),
        (
            {},
            f"<publish node='n'><item id='{'x' * 1024}'>{PAYLOAD}</item></publish>",
            refused("modify", "not-acceptable"),
        ),
        (
            {},
            f"<publish node='n'>{TWICE}</publish>",
            refused("modify", "bad-request"),
        ),
    ],
)
def test_what_cannot_be_published_is_refused(
    juliet: Actor, fields: dict[str, str], inside: str, wanted: str
) -> None:
    create(juliet, "n", **fields)
    ask(juliet, "set", inside)
    juliet.receives(wanted)


def test_a_full_node_retracts_the_oldest(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", max_items="2")
    subscribe(romeo, "n", ROMEO)
    for id_ in ("a", "b", "c"):
        publish(juliet, "n", id_)
    romeo.receives(
        event("<items><item id='a'/></items>"),
        event("<items><item id='b'/></items>"),
        event("<items node='n'><retract id='a'/></items>"),
        event("<items><item id='c'/></items>"),
    )


def test_a_full_node_may_discard_in_silence(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", max_items="1", publish_node_full="discard-oldest")
    subscribe(romeo, "n", ROMEO)
    publish(juliet, "n", "a")
    publish(juliet, "n", "b")
    romeo.receives(event("<items><item id='a'/></items>"), event("<items><item id='b'/></items>"))
    romeo.receives_nothing()


def test_a_full_node_may_reject(juliet: Actor) -> None:
    create(juliet, "n", max_items="1", publish_node_full="reject")
    publish(juliet, "n", "a")
    ask(juliet, "set", f"<publish node='n'><item id='b'>{PAYLOAD}</item></publish>")  # §7.1.3.4
    juliet.receives(refused("cancel", "conflict", "node-full"))
    publish(juliet, "n", "a")  # re-publishing is no addition


@pytest.mark.parametrize(
    ("fields", "affiliation", "may"),
    [
        ({}, "none", False),
        ({}, "member", False),
        ({}, "publisher", True),
        ({}, "publish-only", True),
        ({"publish_model": "open"}, "none", True),
        ({"publish_model": "open"}, "outcast", False),
        ({"publish_model": "subscribers"}, "none", False),
    ],
)
def test_affiliation_and_publish_model_say_who_may_publish(
    juliet: Actor, romeo: Actor, fields: dict[str, str], affiliation: str, may: bool
) -> None:
    create(juliet, "n", **fields)
    affiliate(juliet, ROMEO, affiliation)
    ask(romeo, "set", f"<publish node='n'><item id='a'>{PAYLOAD}</item></publish>")
    romeo.receives(done("<publish/>") if may else refused("auth", "forbidden"))  # §7.1.3.1


def test_subscribers_publish_where_the_node_says_so(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", publish_model="subscribers")
    subscribe(romeo, "n", ROMEO)
    ask(romeo, "set", f"<publish node='n'><item id='a'>{PAYLOAD}</item></publish>")
    romeo.receives_in_any_order(event("<items/>"), done("<publish/>"))


def test_who_may_only_publish_reads_nothing(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    affiliate(juliet, ROMEO, "publish-only")
    for type_, inside in (
        ("get", "<items node='n'/>"),
        ("set", f"<subscribe node='n' jid='{ROMEO}'/>"),
    ):
        ask(romeo, type_, inside)
        romeo.receives(refused("auth", "forbidden"))


def test_the_publisher_is_told_where_the_node_says_so(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", itemreply="publisher")
    subscribe(romeo, "n", ROMEO)
    item = f"<item id='a' publisher='forged@example.org'>{PAYLOAD}</item>"
    ask(juliet, "set", f"<publish node='n'>{item}</publish>")
    juliet.receives(done("<publish/>"))
    romeo.receives(event(f"<items><item id='a' publisher='{JULIET}'/></items>"))
    ask(romeo, "get", "<items node='n'/>")
    romeo.receives(done(f"<items><item id='a' publisher='{JULIET}'/></items>"))


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"access_model": "open"}, MET),
        ({"max_items": "20", "persist_items": "true"}, MET),
        ({"access_model": "whitelist"}, refused("cancel", "conflict", "precondition-not-met")),
        ({"max_items": "7"}, refused("cancel", "conflict", "precondition-not-met")),
        ({"nonsense": "7"}, refused("cancel", "conflict", "precondition-not-met")),
    ],
)
def test_publish_options_are_preconditions(
    juliet: Actor, fields: dict[str, str], wanted: str
) -> None:
    create(juliet, "n")
    options = f"<publish-options>{form('publish-options', **fields)}</publish-options>"
    ask(juliet, "set", f"<publish node='n'><item id='a'>{PAYLOAD}</item></publish>{options}")
    juliet.receives(wanted)  # §7.1.5
    ask(juliet, "get", "<items node='n'/>")
    answer = juliet.receives(done("<items/>"))
    published = len(answer.elements[0].elements[0].elements)
    assert published == (wanted is MET)


# §7.2


@pytest.mark.parametrize(
    ("notify_retract", "notify", "told"), [("0", "", False), ("0", "1", True), ("1", "", True)]
)
def test_a_retracted_item_is_gone_and_subscribers_are_told(
    juliet: Actor, romeo: Actor, notify_retract: str, notify: str, told: bool
) -> None:
    create(juliet, "n", notify_retract=notify_retract)
    subscribe(romeo, "n", ROMEO)
    publish(juliet, "n", "a")
    romeo.forget()
    attr = f" notify='{notify}'" if notify else ""
    ask(juliet, "set", f"<retract node='n'{attr}><item id='a'/></retract>")
    juliet.receives(done())
    if told:
        romeo.receives(event("<items node='n'><retract id='a'/></items>"))
    romeo.receives_nothing()
    ask(juliet, "get", "<items node='n'/>")
    assert juliet.receives(done("<items/>")).elements[0].elements[0].elements == []


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        (  # §7.2.3.2
            "<retract node='other'><item id='a'/></retract>",
            refused("cancel", "item-not-found"),
        ),
        ("<retract node='n'><item id='no'/></retract>", refused("cancel", "item-not-found")),
        (
            "<retract node='n'><item id='a'/><item id='no'/></retract>",
            refused("cancel", "item-not-found"),
        ),
        (  # §7.2.3.3
            "<retract><item id='a'/></retract>",
            refused("modify", "bad-request", "nodeid-required"),
        ),
        ("<retract node='n'/>", refused("modify", "bad-request", "item-required")),  # §7.2.3.4
        (
            "<retract node='n'><item/></retract>",
            refused("modify", "bad-request", "item-required"),
        ),
        (
            "<retract node='n' notify='maybe'><item id='a'/></retract>",
            refused("modify", "bad-request"),
        ),
    ],
)
def test_what_cannot_be_retracted_is_refused(juliet: Actor, inside: str, wanted: str) -> None:
    create(juliet, "n")
    publish(juliet, "n", "a")
    ask(juliet, "set", inside)
    juliet.receives(wanted)
    ask(juliet, "get", "<items node='n'/>")
    juliet.receives(done("<items><item id='a'/></items>"))


def test_publishers_retract_their_own_items_only(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    publish(juliet, "n", "a")
    ask(romeo, "set", "<retract node='n'><item id='a'/></retract>")  # §7.2.3.1
    romeo.receives(refused("auth", "forbidden"))
    affiliate(juliet, ROMEO, "publisher")
    ask(romeo, "set", "<retract node='n'><item id='a'/></retract>")
    romeo.receives(refused("auth", "forbidden"))
    publish(romeo, "n", "b")
    ask(romeo, "set", "<retract node='n'><item id='b'/></retract>")
    romeo.receives(done())


def test_a_transient_node_has_nothing_to_retract_or_purge(juliet: Actor) -> None:
    create(juliet, "n", persist_items="0")
    unsupported = refused("cancel", "feature-not-implemented", "unsupported", "persistent-items")
    ask(juliet, "set", "<retract node='n'><item id='a'/></retract>")  # §7.2.3.5
    juliet.receives(unsupported)
    ask(juliet, "set", "<purge node='n'/>", ns=OWNER)  # §8.5.3.3
    juliet.receives(unsupported)


# §8.1


def test_a_node_without_a_name_is_given_one(juliet: Actor) -> None:
    ask(juliet, "set", "<create/><configure/>")
    answer = juliet.receives(done("<create/>"))
    node = answer.elements[0].elements[0].get("node")
    assert node
    publish(juliet, node)


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        ("<create node='taken'/>", refused("cancel", "conflict")),
        (
            f"<create node='n'/><configure>{form(access_model='closed')}</configure>",
            refused("modify", "not-acceptable", "unsupported-access-model"),
        ),
        (
            f"<create node='n'/><configure>{form(max_items='-1')}</configure>",
            refused("modify", "not-acceptable"),
        ),
        (
            f"<create node='n'/><configure>{form(max_items='1000000')}</configure>",
            refused("modify", "not-acceptable"),
        ),
        (
            f"<configure>{form(max_items='1')}</configure><create node='n'/>",
            refused("modify", "bad-request"),
        ),
        (
            f"<create node='n'/><configure node='n'>{form(max_items='1')}</configure>",
            refused("modify", "bad-request"),
        ),
        ("<create node='n'/><subscribe node='n'/>", refused("modify", "bad-request")),
        (f"<create node='{'x' * 1024}'/>", refused("modify", "not-acceptable")),
        (f"<create node='{'ä' * 512}'/>", refused("modify", "not-acceptable")),
        ("<nonsense/>", refused("cancel", "feature-not-implemented")),
        ("", refused("modify", "bad-request")),
    ],
)
def test_what_cannot_be_created_is_refused(juliet: Actor, inside: str, wanted: str) -> None:
    create(juliet, "taken")
    ask(juliet, "set", inside)
    juliet.receives(wanted)


def test_accounts_of_the_host_create_nodes(talk: Stage[Actor]) -> None:
    other = talk.bind("mercutio@example.net/square")
    ask(other, "set", "<create node='n'/>")  # §8.1.1: another host's
    other.receives(refused("auth", "forbidden"))


# §8.2, §8.3


def test_owners_configure_a_node(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    configure(juliet, title="Musings", notify_config="1", max_items="max")
    romeo.receives(
        event(
            "<configuration node='n'><x xmlns='jabber:x:data' type='result'>"
            "<field var='pubsub#title'><value>Musings</value></field></x></configuration>"
        )
    )
    ask(juliet, "get", "<configure node='n'/>", ns=OWNER)
    juliet.receives(
        done(
            "<configure node='n'><x xmlns='jabber:x:data' type='form'>"
            "<field var='pubsub#title'><value>Musings</value></field>"
            "<field var='pubsub#max_items'><value>max</value></field>"
            "<field var='pubsub#access_model'><value>open</value></field></x></configure>",
            ns=OWNER,
        )
    )


def test_a_node_without_payloads_tells_of_its_configuration_briefly(
    juliet: Actor, romeo: Actor
) -> None:
    create(juliet, "n", deliver_payloads="0", notify_config="1")
    subscribe(romeo, "n", ROMEO)
    configure(juliet, title="Musings")
    romeo.receives(f"<message><event xmlns='{EVENT}'><configuration node='n'/></event></message>")


def test_fewer_items_are_kept_at_once(juliet: Actor) -> None:
    create(juliet, "n")
    for id_ in "abc":
        publish(juliet, "n", id_)
    configure(juliet, max_items="1")
    ask(juliet, "get", "<items node='n'/>")
    answer = juliet.receives(done("<items><item id='c'/></items>"))
    assert len(answer.elements[0].elements[0].elements) == 1


def test_a_cancelled_configuration_changes_nothing(juliet: Actor) -> None:
    create(juliet, "n", title="Musings")
    cancel = "<x xmlns='jabber:x:data' type='cancel'/>"
    ask(juliet, "set", f"<configure node='n'>{cancel}</configure>", ns=OWNER)
    juliet.receives(done())
    ask(juliet, "get", "<configure node='n'/>", ns=OWNER)
    juliet.receives(
        done(
            "<configure><x xmlns='jabber:x:data'><field var='pubsub#title'>"
            "<value>Musings</value></field></x></configure>",
            ns=OWNER,
        )
    )


@pytest.mark.parametrize("kind", ["configure", "subscriptions", "affiliations"])
def test_what_is_for_owners_is_forbidden_to_others(juliet: Actor, romeo: Actor, kind: str) -> None:
    create(juliet, "n")
    ask(romeo, "get", f"<{kind} node='n'/>", ns=OWNER)  # §8.2.3.2, §8.8.1.3.2, §8.9.1.3.2
    romeo.receives(refused("auth", "forbidden"))
    ask(romeo, "set", f"<{kind} node='n'/>", ns=OWNER)
    romeo.receives(refused("auth", "forbidden"))
    ask(juliet, "get", f"<{kind} node='other'/>", ns=OWNER)
    juliet.receives(refused("cancel", "item-not-found"))
    ask(juliet, "get", f"<{kind}/>", ns=OWNER)
    juliet.receives(refused("modify", "bad-request", "nodeid-required"))


@pytest.mark.parametrize("kind", ["delete", "purge"])
def test_deleting_and_purging_is_for_owners(juliet: Actor, romeo: Actor, kind: str) -> None:
    create(juliet, "n")
    ask(romeo, "set", f"<{kind} node='n'/>", ns=OWNER)  # §8.4.3.1, §8.5.3.2
    romeo.receives(refused("auth", "forbidden"))
    ask(juliet, "set", f"<{kind} node='other'/>", ns=OWNER)  # §8.4.3.3, §8.5.3.4
    juliet.receives(refused("cancel", "item-not-found"))
    ask(juliet, "set", f"<{kind}/>", ns=OWNER)
    juliet.receives(refused("modify", "bad-request", "nodeid-required"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"access_model": "closed"},
        {"publish_model": "nobody"},
        {"max_items": "many"},
        {"max_payload_size": "0"},
        {"item_expire": "-5"},
        {"deliver_payloads": "perhaps"},
        {"contact": "@"},
        {"title": "x" * 3000},
    ],
)
def test_a_configuration_that_cannot_be_is_not_acceptable(
    juliet: Actor, wrong: dict[str, str]
) -> None:
    create(juliet, "n")
    ask(juliet, "set", f"<configure node='n'>{form(**wrong)}</configure>", ns=OWNER)
    juliet.receives(like("<iq type='error' id='a'><error type='modify'/></iq>"))


@pytest.mark.parametrize(
    "var", ["access_model", "publish_model", "send_last_published_item", "notification_type"]
)
def test_a_field_without_a_value_chooses_nothing(juliet: Actor, var: str) -> None:
    create(juliet, "n")
    empty = f"<field var='pubsub#{var}'/></x>"
    filled = form(title="T").replace("</x>", empty)
    ask(juliet, "set", f"<configure node='n'>{filled}</configure>", ns=OWNER)
    juliet.receives(like("<iq type='result' id='a'/>"))
    ask(juliet, "get", "<configure node='n'/>", ns=OWNER)
    answer = juliet.receives(like("<iq type='result' id='a'/>"))
    assert "<value>publishers</value>" in to_xml(answer)


def test_the_default_configuration_is_told(juliet: Actor) -> None:
    ask(juliet, "get", "<default/>", ns=OWNER)
    juliet.receives(
        done(
            "<default><x xmlns='jabber:x:data' type='form'><field var='pubsub#access_model'>"
            "<value>open</value></field></x></default>",
            ns=OWNER,
        )
    )


# §8.4, §8.5


def test_a_deleted_node_is_gone_and_subscribers_are_told(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    publish(juliet, "n")
    ask(romeo, "set", f"<subscribe node='n' jid='{ROMEO}'/>")
    romeo.forget()
    ask(juliet, "set", "<delete node='n'/>", ns=OWNER)
    juliet.receives(done())
    romeo.receives(event("<delete node='n'/>"))
    ask(romeo, "get", "<items node='n'/>")
    romeo.receives(refused("cancel", "item-not-found"))
    ask(romeo, "get", "<subscriptions/>")
    assert romeo.receives(done("<subscriptions/>")).elements[0].elements[0].elements == []
    create(juliet, "n")
    ask(juliet, "get", "<items node='n'/>")
    assert juliet.receives(done("<items/>")).elements[0].elements[0].elements == []


def test_a_purged_node_is_empty_and_says_so_once(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    publish(juliet, "n", "a")
    publish(juliet, "n", "b")
    romeo.forget()
    ask(juliet, "set", "<purge node='n'/>", ns=OWNER)
    juliet.receives(done())
    romeo.receives(event("<purge node='n'/>"))
    romeo.receives_nothing()
    ask(juliet, "get", "<items node='n'/>")
    assert juliet.receives(done("<items/>")).elements[0].elements[0].elements == []


# §8.8


def test_owners_manage_subscriptions(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    inside = f"<subscription jid='{ROMEO}' subscription='subscribed'/>"
    ask(juliet, "set", f"<subscriptions node='n'>{inside}</subscriptions>", ns=OWNER)
    juliet.receives(done())
    romeo.receives(event(f"<subscription node='n' jid='{ROMEO}' subscription='subscribed'/>"))
    ask(juliet, "get", "<subscriptions node='n'/>", ns=OWNER)
    juliet.receives(done(f"<subscriptions node='n'>{inside}</subscriptions>", ns=OWNER))
    none = f"<subscription jid='{ROMEO}' subscription='none'/>"
    ask(juliet, "set", f"<subscriptions node='n'>{none}</subscriptions>", ns=OWNER)
    juliet.receives(done())
    romeo.receives(event(f"<subscription node='n' jid='{ROMEO}' subscription='none'/>"))
    publish(juliet, "n")
    romeo.receives_nothing()


def test_what_could_not_be_modified_comes_back_as_it_is(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    ask(
        juliet,
        "set",
        f"<subscriptions node='n'><subscription jid='{ROMEO}' subscription='nonsense'/>"
        "<subscription jid='nurse@example.org' subscription='subscribed'/></subscriptions>",
        ns=OWNER,
    )
    juliet.receives(  # §8.8.2.4
        like(
            f"<iq type='error'><pubsub xmlns='{OWNER}'><subscriptions node='n'>"
            f"<subscription jid='{ROMEO}' subscription='subscribed'/></subscriptions></pubsub>"
            "<error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            "</error></iq>"
        )
    )
    ask(juliet, "get", "<subscriptions node='n'/>", ns=OWNER)
    juliet.receives(
        done("<subscriptions><subscription jid='nurse@example.org'/></subscriptions>", ns=OWNER)
    )


# §8.9


def test_owners_manage_affiliations(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    affiliate(juliet, ROMEO, "member")
    ask(juliet, "get", "<affiliations node='n'/>", ns=OWNER)
    juliet.receives(
        done(
            f"<affiliations node='n'><affiliation jid='{JULIET}' affiliation='owner'/>"
            f"<affiliation jid='{ROMEO}' affiliation='member'/></affiliations>",
            ns=OWNER,
        )
    )
    affiliate(juliet, ROMEO, "owner")
    affiliate(juliet, JULIET, "none")
    ask(juliet, "get", "<affiliations node='n'/>", ns=OWNER)
    juliet.receives(refused("auth", "forbidden"))


def test_a_node_keeps_an_owner(juliet: Actor) -> None:
    create(juliet, "n")
    ask(
        juliet,
        "set",
        f"<affiliations node='n'><affiliation jid='{JULIET}' affiliation='none'/>"
        f"<affiliation jid='{ROMEO}' affiliation='publisher'/></affiliations>",
        ns=OWNER,
    )
    juliet.receives(  # §8.9.2.4
        like(
            f"<iq type='error'><pubsub xmlns='{OWNER}'><affiliations node='n'>"
            f"<affiliation jid='{JULIET}' affiliation='owner'/></affiliations></pubsub>"
            "<error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            "</error></iq>"
        )
    )
    ask(juliet, "get", "<affiliations node='n'/>", ns=OWNER)
    juliet.receives(
        done(
            f"<affiliations><affiliation jid='{JULIET}' affiliation='owner'/>"
            f"<affiliation jid='{ROMEO}' affiliation='publisher'/></affiliations>",
            ns=OWNER,
        )
    )


def test_one_entity_is_affiliated_once_in_a_request(juliet: Actor) -> None:
    create(juliet, "n")
    twice = f"<affiliation jid='{ROMEO}' affiliation='member'/>" * 2
    ask(juliet, "set", f"<affiliations node='n'>{twice}</affiliations>", ns=OWNER)
    juliet.receives(refused("modify", "bad-request"))


def test_members_come_in_without_approval(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", access_model="whitelist")
    affiliate(juliet, ROMEO, "member")
    subscribe(romeo, "n", ROMEO)
    publish(juliet, "n")
    romeo.receives(event("<items/>"))
    affiliate(juliet, ROMEO, "none")
    romeo.receives(event("<subscription subscription='none'/>"))  # §12.13
    publish(juliet, "n")
    romeo.receives_nothing()


def test_an_outcasts_subscription_ends(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    affiliate(juliet, ROMEO, "outcast")
    romeo.receives(event(f"<subscription node='n' jid='{ROMEO}' subscription='none'/>"))
    publish(juliet, "n")
    romeo.receives_nothing()


def test_owners_hear_of_subscribers_where_the_node_says_so(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", notify_sub="1")
    subscribe(romeo, "n", ROMEO)
    juliet.receives(event(f"<subscription jid='{ROMEO}' subscription='subscribed'/>"))
    ask(romeo, "set", f"<unsubscribe node='n' jid='{ROMEO}'/>")
    romeo.receives(done("<subscription subscription='none'/>"))
    juliet.receives(event(f"<subscription jid='{ROMEO}' subscription='none'/>"))


# §5, §12


def test_the_service_tells_what_it_is_and_which_nodes_there_are(
    juliet: Actor, romeo: Actor
) -> None:
    create(juliet, "n", title="Musings")
    create(juliet, "secret", access_model="whitelist")
    romeo.sends(f"<iq type='get' id='d' to='{SERVICE}'><query xmlns='{INFO}'/></iq>")
    told = romeo.receives(
        like(
            f"<iq id='d'><query xmlns='{INFO}'><identity category='pubsub' type='service'/>"
            f"<feature var='{NS}'/><feature var='{NS}#publish'/></query></iq>"
        )
    )
    assert told
    romeo.sends(f"<iq type='get' id='d' to='{SERVICE}'><query xmlns='{ITEMS}'/></iq>")
    answer = romeo.receives(
        like(
            f"<iq id='d'><query xmlns='{ITEMS}'>"
            f"<item jid='{SERVICE}' node='n' name='Musings'/></query></iq>"
        )
    )
    nodes = {item.get("node") for item in answer.elements[0].elements}
    assert "secret" not in nodes


def test_a_node_tells_its_metadata_and_items(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", title="Musings")
    publish(juliet, "n", "a")
    romeo.sends(f"<iq type='get' id='d' to='{SERVICE}'><query xmlns='{INFO}' node='n'/></iq>")
    romeo.receives(
        like(
            f"<iq id='d'><query xmlns='{INFO}' node='n'><identity category='pubsub' type='leaf'/>"
            f"<feature var='{NS}'/><x xmlns='jabber:x:data' type='result'>"
            "<field var='pubsub#title'><value>Musings</value></field>"
            f"<field var='pubsub#owner'><value>{JULIET}</value></field>"
            "<field var='pubsub#num_subscribers'><value>0</value></field></x></query></iq>"
        )
    )
    romeo.sends(f"<iq type='get' id='d' to='{SERVICE}'><query xmlns='{ITEMS}' node='n'/></iq>")
    romeo.receives(
        like(
            f"<iq id='d'><query xmlns='{ITEMS}' node='n'><item jid='{SERVICE}' name='a'/>"
            "</query></iq>"
        )
    )
    romeo.sends(f"<iq type='get' id='a' to='{SERVICE}'><query xmlns='{INFO}' node='x'/></iq>")
    romeo.receives(refused("cancel", "item-not-found"))


def test_nobody_is_told_who_is_away_where_presence_decides(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", presence_based_delivery="1", notification_type="normal")
    subscribe(romeo, "n", ROMEO)
    publish(juliet, "n", "a")
    romeo.receives(event("<items><item id='a'/></items>"))
    romeo.sends("<presence type='unavailable'/>")
    romeo.forget()
    publish(juliet, "n", "b")
    romeo.sends("<presence/>")
    romeo.receives(like("<presence/>"))
    romeo.receives_nothing()


def test_who_comes_online_gets_the_last_item_where_the_node_says_so(
    juliet: Actor, romeo: Actor
) -> None:
    create(juliet, "n", send_last_published_item="on_sub_and_presence")
    subscribe(romeo, "n", ROMEO)
    publish(juliet, "n", "a")
    romeo.sends("<presence type='unavailable'/>")
    romeo.forget()
    romeo.sends("<presence/>")
    romeo.receives_in_any_order(like("<presence/>"), event("<items><item id='a'/></items>"))
