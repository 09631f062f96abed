"""Several subscriptions of one address to one node, where the service allows that (XEP-0060
§6.1.6, §7.1.2.4, §12.14).
"""

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
)
from xmppd.modules.pubsub import Pubsub
from xmppd.testing import Client, Talk, like

JULIET, ROMEO = "juliet@example.org", "romeo@example.org"
SUBSCRIBE = f"<subscribe node='n' jid='{ROMEO}'/>"
SHIM = "http://jabber.org/protocol/shim"
INFO = "http://jabber.org/protocol/disco#info"


@pytest.fixture
def talk() -> Talk:
    return Talk(options={"pubsub": {"max_same_subscriptions": 2}})


@pytest.fixture
def juliet(talk: Talk) -> Client:
    client = talk.online(f"{JULIET}/balcony")
    create(client, "n", send_last_published_item="never")
    return client


@pytest.fixture
def romeo(talk: Talk, juliet: Client) -> Client:
    return talk.online(f"{ROMEO}/orchard")


def subscribes(client: Client, inside: str = "") -> str:
    """The subid."""
    ask(client, "set", SUBSCRIBE + inside)
    answer = client.receives(done("<subscription subscription='subscribed'/>"))
    subid = answer.elements[0].elements[0].get("subid")
    assert subid
    return subid


def headers(*subids: str) -> str:
    inside = "".join(f"<header name='SubID'>{subid}</header>" for subid in subids)
    return f"<headers xmlns='{SHIM}'>{inside}</headers>"


def told(items: str, *subids: str):  # type: ignore[no-untyped-def]
    return like(
        f"<message from='{SERVICE}' to='{ROMEO}'><event xmlns='{NS}#event'><items node='n'>"
        f"{items}</items></event>{headers(*subids)}</message>"
    )


def test_the_service_says_that_it_allows_several(talk: Talk, romeo: Client) -> None:
    romeo.sends(f"<iq type='get' id='d' to='{SERVICE}'><query xmlns='{INFO}'/></iq>")
    romeo.receives(
        like(f"<iq><query xmlns='{INFO}'><feature var='{NS}#multi-subscribe'/></query></iq>")
    )


def test_one_event_names_all_subscriptions_that_it_is_for(juliet: Client, romeo: Client) -> None:
    one, other = subscribes(romeo), subscribes(romeo)
    assert one != other
    publish(juliet, "n")
    romeo.receives(told(f"<item id='i1'>{PAYLOAD}</item>", one, other))
    romeo.receives_nothing()
    ask(juliet, "set", "<retract node='n' notify='1'><item id='i1'/></retract>")
    juliet.receives(done())
    romeo.receives(told("<retract id='i1'/>", one, other))
    ask(juliet, "set", "<purge node='n'/>", ns=OWNER)
    juliet.receives(done())
    last = romeo.receives(event("<purge node='n'/>"))  # it is the same for all of them
    assert last.child(SHIM, "headers") is None


def test_a_silent_subscription_is_not_named(juliet: Client, romeo: Client) -> None:
    subscribes(romeo)
    options = f"<options>{form('subscribe_options', deliver='0')}</options>"
    subscribes(romeo, options)
    publish(juliet, "n")
    found = romeo.receives(event("<items node='n'/>"))
    assert found.child(SHIM, "headers") is None


def test_what_may_mean_either_is_refused(juliet: Client, romeo: Client) -> None:
    subid = subscribes(romeo)
    subscribes(romeo)
    for type_, inside in (
        ("set", f"<unsubscribe node='n' jid='{ROMEO}'{{}}/>"),  # §6.2.3.1, §6.2.3.5
        ("get", f"<options node='n' jid='{ROMEO}'{{}}/>"),  # §6.3.4.4, §6.3.4.5
        ("get", "<items node='n'{}/>"),  # §6.5.9.1, §6.5.9.2
    ):
        ask(romeo, type_, inside.format(""))
        romeo.receives(refused("modify", "bad-request", "subid-required"))
        ask(romeo, type_, inside.format(" subid='other'"))
        romeo.receives(refused("modify", "not-acceptable", "invalid-subid"))
    for inside in (
        f"<options node='n' jid='{ROMEO}' subid='{subid}'/>",
        f"<items node='n' subid='{subid}'/>",
    ):
        ask(romeo, "get", inside)
        romeo.receives(done())


def test_each_ends_by_itself(juliet: Client, romeo: Client) -> None:
    one, other = subscribes(romeo), subscribes(romeo)
    ask(romeo, "set", f"<unsubscribe node='n' jid='{ROMEO}' subid='{one}'/>")
    romeo.receives(done(f"<subscription subscription='none' subid='{one}'/>"))
    ask(romeo, "get", "<subscriptions/>")
    answer = romeo.receives(
        done(f"<subscriptions><subscription subid='{other}'/></subscriptions>")
    )
    assert len(answer.elements[0].elements[0].elements) == 1
    publish(juliet, "n")
    assert romeo.receives(event("<items node='n'/>")).child(SHIM, "headers") is None


def test_there_is_a_limit(romeo: Client) -> None:
    subscribes(romeo)
    subscribes(romeo)
    ask(romeo, "set", SUBSCRIBE)
    romeo.receives(refused("wait", "policy-violation", "too-many-subscriptions"))


def test_an_owner_sees_all_and_ends_one(juliet: Client, romeo: Client) -> None:
    one, other = subscribes(romeo), subscribes(romeo)
    ask(juliet, "get", "<subscriptions node='n'/>", ns=OWNER)
    both = "".join(
        f"<subscription jid='{ROMEO}' subscription='subscribed' subid='{subid}'/>"
        for subid in (one, other)
    )
    juliet.receives(done(f"<subscriptions node='n'>{both}</subscriptions>", ns=OWNER))
    ends = "<subscription jid='{}' subscription='none'{}/>"
    for subid, wanted in (("", refused("modify", "not-acceptable")), (f" subid='{one}'", done())):
        inside = ends.format(ROMEO, subid)
        ask(juliet, "set", f"<subscriptions node='n'>{inside}</subscriptions>", ns=OWNER)
        juliet.receives(wanted)
    romeo.receives(event(f"<subscription node='n' subscription='none' subid='{one}'/>"))
    romeo.receives_nothing()


def test_several_are_read_from_the_database(talk: Talk, juliet: Client, romeo: Client) -> None:
    one, other = subscribes(romeo), subscribes(romeo)
    service = talk.module(Pubsub)
    service.engine.drop((service.domain, "n"))
    publish(juliet, "n")
    romeo.receives(told(f"<item id='i1'>{PAYLOAD}</item>", one, other))


def test_a_lease_that_has_ended_makes_room(juliet: Client, romeo: Client) -> None:
    past = form("subscribe_options", expire="2001-01-01T00:00:00Z")
    for _ in range(5):
        ask(romeo, "set", f"{SUBSCRIBE}<options>{past}</options>")
        romeo.receives(done())
    ask(romeo, "get", "<subscriptions/>")
    answer = romeo.receives(done("<subscriptions/>"))
    assert answer.elements[0].elements[0].elements == []
    ask(romeo, "set", f"<unsubscribe node='n' jid='{ROMEO}'/>")
    romeo.receives(refused("cancel", "unexpected-request", "not-subscribed"))
