"""Subscribing, options and retrieving items, with the error tables (XEP-0060 §5, §6)."""

import pytest

from tests.conversations.pubsub import (
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
from xmppd.testing import Actor, Stage, like, message

OWNING, READING = "juliet@example.org/balcony", "romeo@example.org/orchard"
JULIET, ROMEO = "juliet@example.org", "romeo@example.org"


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    """Owns the nodes."""
    return talk.online(OWNING)


@pytest.fixture
def romeo(talk: Stage[Actor], juliet: Actor) -> Actor:
    client = talk.online(READING)
    juliet.forget()
    return client


# §6.1


@pytest.mark.parametrize("jid", [ROMEO, READING])
def test_who_subscribes_is_told_of_what_is_published(
    juliet: Actor, romeo: Actor, jid: str
) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", jid)
    publish(juliet, "n")
    romeo.receives(event(f"<items node='n'><item id='i1'>{PAYLOAD}</item></items>"))


def test_a_new_subscriber_gets_the_last_item(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    publish(juliet, "n", "i1")
    publish(juliet, "n", "i2")
    ask(romeo, "set", f"<subscribe node='n' jid='{ROMEO}'/>")
    romeo.receives_in_any_order(
        done("<subscription subscription='subscribed'/>"),
        like(
            f"<message><event xmlns='{NS}#event'><items node='n'><item id='i2'/></items></event>"
            "<delay xmlns='urn:xmpp:delay'/></message>"
        ),
    )


def test_a_second_subscription_of_one_jid_is_the_first(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    ask(romeo, "get", "<subscriptions/>")
    answer = romeo.receives(done("<subscriptions><subscription node='n'/></subscriptions>"))
    subid = answer.elements[0].elements[0].elements[0].get("subid")
    ask(romeo, "set", f"<subscribe node='n' jid='{ROMEO}'/>")
    romeo.receives(done(f"<subscription subscription='subscribed' subid='{subid}'/>"))


SUBSCRIBE = f"<subscribe node='n' jid='{ROMEO}'/>"


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        (  # §6.1.3.1
            f"<subscribe node='n' jid='{JULIET}'/>",
            refused("modify", "bad-request", "invalid-jid"),
        ),
        ("<subscribe node='n' jid='@'/>", refused("modify", "bad-request", "invalid-jid")),
        ("<subscribe node='n'/>", refused("modify", "bad-request", "jid-required")),
        (f"<subscribe jid='{ROMEO}'/>", refused("modify", "bad-request", "nodeid-required")),
        (  # §6.1.3.12
            f"<subscribe node='other' jid='{ROMEO}'/>",
            refused("cancel", "item-not-found"),
        ),
        (  # §6.3.8
            f"<options>{form('subscribe_options', deliver='0')}</options>{SUBSCRIBE}",
            refused("modify", "bad-request"),
        ),
        (
            f"{SUBSCRIBE}<options node='n'>{form('subscribe_options', deliver='0')}</options>",
            refused("modify", "bad-request"),
        ),
        (
            f"{SUBSCRIBE}<options>{form('subscribe_options', deliver='maybe')}</options>",
            refused("modify", "bad-request", "invalid-options"),
        ),
    ],
)
def test_malformed_subscriptions_are_refused(
    juliet: Actor, romeo: Actor, inside: str, wanted: str
) -> None:
    create(juliet, "n")
    ask(romeo, "set", inside)
    romeo.receives(wanted)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (  # §6.1.3.2
            {"access_model": "presence"},
            refused("auth", "not-authorized", "presence-subscription-required"),
        ),
        (  # §6.1.3.3
            {"access_model": "roster", "roster_groups_allowed": ["Friends"]},
            refused("auth", "not-authorized", "not-in-roster-group"),
        ),
        (  # §6.1.3.4
            {"access_model": "whitelist"},
            refused("cancel", "not-allowed", "closed-node"),
        ),
        (  # §6.1.3.10
            {"subscribe": "0"},
            refused("cancel", "feature-not-implemented", "unsupported", "subscribe"),
        ),
    ],
)
def test_the_node_says_who_may_subscribe(
    juliet: Actor, romeo: Actor, fields: dict[str, str], wanted: str
) -> None:
    create(juliet, "n", **fields)
    ask(romeo, "set", SUBSCRIBE)
    romeo.receives(wanted)
    if "access_model" in fields:
        ask(romeo, "get", "<items node='n'/>")  # §6.5.9.7 to §6.5.9.9: the same
        romeo.receives(wanted)


def test_contacts_subscribe_where_presence_is_asked_for(talk: Stage[Actor]) -> None:
    talk.befriend(OWNING, READING)
    juliet, romeo = talk.bind(OWNING), talk.bind(READING)
    create(juliet, "n", access_model="presence")
    subscribe(romeo, "n", ROMEO)
    ask(romeo, "get", "<items node='n'/>")
    romeo.receives(done("<items node='n'/>"))


def test_groups_of_the_owners_roster_open_a_node(talk: Stage[Actor]) -> None:
    talk.befriend(OWNING, READING)
    juliet, romeo = talk.bind(OWNING), talk.bind(READING)
    create(juliet, "n", access_model="roster", roster_groups_allowed=["Friends", "Lovers"])
    ask(romeo, "set", SUBSCRIBE)
    romeo.receives(refused("auth", "not-authorized", "not-in-roster-group"))
    juliet.sends(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
        f"<item jid='{ROMEO}'><group>Lovers</group></item></query></iq>"
    )
    juliet.receives(like("<iq type='result' id='r'/>"))
    subscribe(romeo, "n", ROMEO)


def test_an_outcast_is_forbidden(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    outcast = f"<affiliation jid='{ROMEO}' affiliation='outcast'/>"
    ask(juliet, "set", f"<affiliations node='n'>{outcast}</affiliations>", ns=OWNER)
    juliet.receives(done())
    for type_, inside in (("set", SUBSCRIBE), ("get", "<items node='n'/>")):  # §6.1.3.8, §6.5.9.11
        ask(romeo, type_, inside)
        romeo.receives(refused("auth", "forbidden"))


def test_a_node_that_has_moved_tells_where(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    uri = f"xmpp:{SERVICE}?;node=new"
    ask(juliet, "set", f"<delete node='n'><redirect uri='{uri}'/></delete>", ns=OWNER)
    juliet.receives(done())
    ask(romeo, "set", SUBSCRIBE)  # §6.1.3.11
    romeo.receives(
        like(
            "<iq type='error'><error type='modify'>"
            f"<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>{uri}</gone></error></iq>"
        )
    )
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)


def test_owners_approve_where_the_node_is_configured_so(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", access_model="authorize")
    ask(romeo, "set", SUBSCRIBE)
    romeo.receives(done("<subscription subscription='pending'/>"))
    asked = juliet.receives(like("<message><x xmlns='jabber:x:data' type='form'/></message>"))
    ask(romeo, "set", SUBSCRIBE)  # §6.1.3.7
    romeo.receives(refused("auth", "not-authorized", "pending-subscription"))
    ask(romeo, "get", "<items node='n'/>")  # §6.5.9.4
    romeo.receives(refused("auth", "not-authorized", "not-subscribed"))
    publish(juliet, "n")
    romeo.receives_nothing()
    approve(juliet, asked.get("id"), ROMEO, "1")
    romeo.receives(event(f"<subscription node='n' jid='{ROMEO}' subscription='subscribed'/>"))
    romeo.receives(event("<items node='n'><item id='i1'/></items>"))
    ask(romeo, "get", "<items node='n'/>")
    romeo.receives(done("<items node='n'><item id='i1'/></items>"))


def approve(owner: Actor, id_: str | None, who: str, allow: str, type_: str = "submit") -> None:
    answer = form("subscribe_authorization", node="n", subscriber_jid=who, allow=allow)
    answer = answer.replace("type='submit'", f"type='{type_}'")
    owner.sends(f"<message id='{id_}' to='{SERVICE}'>{answer}</message>")


def test_owners_deny_too_and_others_cannot_decide(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", access_model="authorize")
    ask(romeo, "set", SUBSCRIBE)
    romeo.receives(done("<subscription subscription='pending'/>"))
    juliet.forget()
    approve(romeo, "x", ROMEO, "1")
    romeo.receives(like("<message type='error'><error type='auth'/></message>"))
    approve(juliet, "x", ROMEO, "1", "cancel")  # it stays pending (§8.6)
    ask(romeo, "set", SUBSCRIBE)
    romeo.receives(refused("auth", "not-authorized", "pending-subscription"))
    approve(juliet, "x", ROMEO, "0")
    romeo.receives(event(f"<subscription node='n' jid='{ROMEO}' subscription='none'/>"))
    approve(juliet, "x", ROMEO, "1")
    juliet.receives(like("<message type='error' id='x'/>"))


def test_pending_requests_can_be_asked_for(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", access_model="authorize")
    ask(romeo, "set", SUBSCRIBE)
    romeo.receives(done("<subscription subscription='pending'/>"))
    juliet.forget()
    command = f"<command xmlns='http://jabber.org/protocol/commands' node='{NS}#get-pending'"
    juliet.sends(f"<iq type='set' id='c' to='{SERVICE}'>{command} action='execute'/></iq>")
    offered = juliet.receives(
        like(
            f"<iq type='result' id='c'>{command} status='executing'><x xmlns='jabber:x:data'>"
            "<field var='pubsub#node'><option><value>n</value></option></field></x></command></iq>"
        )
    )
    chosen, session = form("subscribe_authorization", node="n"), offered.elements[0]
    going_on = f"{command} sessionid='{session.get('sessionid')}'>{chosen}</command>"
    juliet.sends(f"<iq type='set' id='d' to='{SERVICE}'>{going_on}</iq>")
    juliet.receives_in_any_order(
        like(f"<iq type='result' id='d'>{command} status='completed'/></iq>"),
        like("<message><x xmlns='jabber:x:data' type='form'/></message>"),
    )
    romeo.sends(f"<iq type='set' id='a' to='{SERVICE}'>{command}/></iq>")  # §8.7.3.3
    romeo.receives(refused("cancel", "forbidden"))


# §6.2


def test_who_unsubscribes_hears_no_more(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    ask(romeo, "set", f"<unsubscribe node='n' jid='{ROMEO}'/>")
    romeo.receives(done(f"<subscription node='n' jid='{ROMEO}' subscription='none'/>"))
    publish(juliet, "n")
    romeo.receives_nothing()


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        (  # §6.2.3.2
            f"<unsubscribe node='n' jid='{READING}'/>",
            refused("cancel", "unexpected-request", "not-subscribed"),
        ),
        (f"<unsubscribe node='n' jid='{JULIET}'/>", refused("auth", "forbidden")),  # §6.2.3.3
        (  # §6.2.3.4
            f"<unsubscribe node='other' jid='{ROMEO}'/>",
            refused("cancel", "item-not-found"),
        ),
        (  # §6.2.3.5
            f"<unsubscribe node='n' jid='{ROMEO}' subid='wrong'/>",
            refused("modify", "not-acceptable", "invalid-subid"),
        ),
    ],
)
def test_unsubscribing_what_is_not_is_refused(
    juliet: Actor, romeo: Actor, inside: str, wanted: str
) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    ask(romeo, "set", inside)
    romeo.receives(wanted)


# §6.3, §6.4


def test_options_silence_a_subscription(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    options = f"<options node='n' jid='{ROMEO}'>"
    ask(romeo, "set", f"{options}{form('subscribe_options', deliver='0')}</options>")
    romeo.receives(done())
    publish(juliet, "n")
    romeo.receives_nothing()
    ask(romeo, "get", f"{options}</options>")
    romeo.receives(
        done(
            f"{options}<x xmlns='jabber:x:data' type='form'>"
            "<field var='pubsub#deliver'><value>0</value></field></x></options>"
        )
    )


def test_options_may_come_with_the_subscription(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    ask(
        romeo,
        "set",
        f"{SUBSCRIBE}<options>{form('subscribe_options', deliver='false')}</options>",
    )
    romeo.receives(
        done(
            "<subscription subscription='subscribed'/><options><x xmlns='jabber:x:data'"
            " type='result'><field var='pubsub#deliver'><value>0</value></field></x></options>"
        )
    )
    publish(juliet, "n")
    romeo.receives_nothing()


def test_a_lease_ends(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n")
    past = form("subscribe_options", expire="2001-01-01T00:00:00Z")
    ask(romeo, "set", f"{SUBSCRIBE}<options>{past}</options>")
    romeo.receives(done("<subscription/>"))
    publish(juliet, "n")
    romeo.receives_nothing()
    ask(romeo, "set", SUBSCRIBE)
    romeo.receives_in_any_order(
        done("<subscription subscription='subscribed'/>"), message(from_=SERVICE)
    )


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        (f"<options node='n' jid='{JULIET}'/>", refused("auth", "forbidden")),  # §6.3.4.1
        (  # §6.3.4.2
            f"<options node='n' jid='{READING}'/>",
            refused("modify", "unexpected-request", "not-subscribed"),
        ),
        ("<options node='n'/>", refused("modify", "bad-request", "jid-required")),  # §6.3.4.3
        (  # §6.3.4.5
            f"<options node='n' jid='{ROMEO}' subid='wrong'/>",
            refused("modify", "not-acceptable", "invalid-subid"),
        ),
        (  # §6.3.4.7
            f"<options node='other' jid='{ROMEO}'/>",
            refused("cancel", "item-not-found"),
        ),
        (f"<options jid='{ROMEO}'/>", refused("modify", "bad-request", "nodeid-required")),
    ],
)
def test_options_of_what_is_not_are_refused(
    juliet: Actor, romeo: Actor, inside: str, wanted: str
) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    ask(romeo, "get", inside)
    romeo.receives(wanted)


@pytest.mark.parametrize("field", [{"deliver": "perhaps"}, {"expire": "soon"}])
def test_options_that_cannot_be_are_refused(
    juliet: Actor, romeo: Actor, field: dict[str, str]
) -> None:
    create(juliet, "n")
    subscribe(romeo, "n", ROMEO)
    wrong = form("subscribe_options", **field)
    ask(romeo, "set", f"<options node='n' jid='{ROMEO}'>{wrong}</options>")
    romeo.receives(refused("modify", "bad-request", "invalid-options"))


@pytest.mark.parametrize("node", ["", " node='n'"])
def test_the_default_options_are_told(juliet: Actor, romeo: Actor, node: str) -> None:
    create(juliet, "n")
    ask(romeo, "get", f"<default{node}/>")
    romeo.receives(
        done(
            f"<default{node}><x xmlns='jabber:x:data' type='form'>"
            "<field var='pubsub#deliver'><value>1</value></field></x></default>"
        )
    )


# §5.6, §5.7


def test_an_entity_is_told_its_subscriptions_and_affiliations(juliet: Actor, romeo: Actor) -> None:
    ask(romeo, "get", "<subscriptions/>")
    romeo.receives(done("<subscriptions/>"))
    create(juliet, "n")
    create(juliet, "m")
    subscribe(romeo, "n", ROMEO)
    subscribe(romeo, "m", READING)
    ask(romeo, "get", "<subscriptions/>")
    romeo.receives(
        done(
            f"<subscriptions><subscription node='n' jid='{ROMEO}' subscription='subscribed'/>"
            f"<subscription node='m' jid='{READING}' subscription='subscribed'/></subscriptions>"
        )
    )
    ask(romeo, "get", "<subscriptions node='m'/>")
    answer = romeo.receives(done("<subscriptions node='m'/>"))
    assert len(answer.elements[0].elements[0].elements) == 1
    ask(juliet, "get", "<affiliations/>")
    juliet.receives(
        done(
            "<affiliations><affiliation node='n' affiliation='owner'/>"
            "<affiliation node='m' affiliation='owner'/></affiliations>"
        )
    )
    ask(romeo, "get", "<affiliations node='n'/>")
    romeo.receives(done("<affiliations node='n'/>"))


# §6.5


@pytest.fixture
def three(juliet: Actor) -> None:
    create(juliet, "n")
    for number in (1, 2, 3):
        publish(juliet, "n", f"i{number}", f"<e xmlns='urn:example:e'>{number}</e>")


def ids(client: Actor) -> list[str | None]:
    answer = client.receives(done("<items node='n'/>"))
    items = answer.elements[0].elements[0].elements
    return [item.get("id") for item in items]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("<items node='n'/>", ["i1", "i2", "i3"]),
        ("<items node='n' max_items='2'/>", ["i2", "i3"]),  # the most recent ones
        ("<items node='n' max_items='200'/>", ["i1", "i2", "i3"]),
        ("<items node='n'><item id='i2'/></items>", ["i2"]),
        ("<items node='n'><item id='i3'/><item id='no'/><item id='i1'/></items>", ["i3", "i1"]),
        ("<items node='n'><item id='no'/></items>", []),  # §6.5.9.13
    ],
)
def test_items_are_retrieved(romeo: Actor, asked: str, found: list[str]) -> None:
    ask(romeo, "get", asked)
    assert ids(romeo) == found


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("page", "found", "first", "last"),
    [
        ("<max>2</max>", ["i1", "i2"], "<first index='0'>i1</first>", "i2"),
        ("<max>2</max><after>i2</after>", ["i3"], "<first index='2'>i3</first>", "i3"),
        ("<max>2</max><before/>", ["i2", "i3"], "<first index='1'>i2</first>", "i3"),
        ("<max>1</max><before>i3</before>", ["i2"], "<first index='1'>i2</first>", "i2"),
        ("<max>1</max><index>1</index>", ["i2"], "<first index='1'>i2</first>", "i2"),
        ("<max>0</max>", [], "", ""),
    ],
)
def test_items_come_in_pages(
    romeo: Actor, page: str, found: list[str], first: str, last: str
) -> None:
    ask(romeo, "get", f"<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>{page}</set>")
    told = f"{first}<last>{last}</last>" if last else ""
    answer = romeo.receives(
        done(
            f"<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>{told}"
            "<count>3</count></set>"
        )
    )
    items = answer.elements[0].elements[0].elements
    assert [item.get("id") for item in items] == found


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        ("<items node='other'/>", refused("cancel", "item-not-found")),  # §6.5.9.12
        ("<items/>", refused("modify", "bad-request", "nodeid-required")),
        ("<items node='n' max_items='0'/>", refused("modify", "bad-request")),
        ("<items node='n' max_items='x'/>", refused("modify", "bad-request")),
        (
            "<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'><after>no</after></set>",
            refused("cancel", "item-not-found"),
        ),
        (
            "<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'><max>-1</max></set>",
            refused("modify", "bad-request"),
        ),
    ],
)
def test_items_that_are_not_are_refused(romeo: Actor, inside: str, wanted: str) -> None:
    ask(romeo, "get", inside)
    romeo.receives(wanted)


@pytest.mark.usefixtures("three")
def test_a_wrong_subid_is_refused(romeo: Actor) -> None:
    ask(romeo, "set", SUBSCRIBE)
    romeo.receives_in_any_order(done("<subscription/>"), message(from_=SERVICE))
    ask(romeo, "get", "<items node='n' subid='wrong'/>")  # §6.5.9.2
    romeo.receives(refused("modify", "not-acceptable", "invalid-subid"))


def test_a_transient_node_has_no_items(juliet: Actor, romeo: Actor) -> None:
    create(juliet, "n", persist_items="0")
    ask(romeo, "get", "<items node='n'/>")  # §6.5.9.5
    romeo.receives(refused("cancel", "feature-not-implemented", "unsupported", "persistent-items"))
