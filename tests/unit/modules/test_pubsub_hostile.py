"""What some try with nodes: flooding others, asking again and again, odd names, and what is left
of an account that goes meanwhile.
"""

from typing import Any

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
from xmppd.api import remove_account
from xmppd.jid import jid
from xmppd.modules.pubsub import Pep
from xmppd.stanza import Message
from xmppd.testing import Client, Talk, result_of

JULIET, ROMEO = "juliet@example.org", "romeo@example.org"
VICTIM = "victim@montague.lit"


def imposes(client: Client, upon: str, to: str) -> None:
    inside = f"<subscription jid='{upon}' subscription='subscribed'/>"
    ask(client, "set", f"<subscriptions node='n'>{inside}</subscriptions>", ns=OWNER, to=to)


@pytest.mark.parametrize("to", [SERVICE, JULIET])
@pytest.mark.parametrize(
    ("impose", "upon", "taken"),
    [
        ("local", ROMEO, True),
        ("local", VICTIM, False),
        ("anyone", VICTIM, True),
        ("nobody", ROMEO, False),
    ],
)
def test_owners_subscribe_only_whom_they_may(to: str, impose: str, upon: str, taken: bool) -> None:
    talk = Talk(options={"pubsub": {"impose": impose}, "pep": {"impose": impose}})
    sent: list[Any] = []
    talk.router.elsewhere = sent.append
    juliet, romeo = talk.bind(f"{JULIET}/balcony"), talk.online(f"{ROMEO}/orchard")
    create(juliet, "n", to=to, access_model="open")
    imposes(juliet, upon, to)
    juliet.receives(done() if taken else refused("modify", "not-acceptable"))
    publish(juliet, "n", to=to)
    if upon == VICTIM:
        told = [stanza for stanza in sent if isinstance(stanza, Message)]
        assert bool(told) is taken
    elif taken:
        romeo.receives(event("<subscription/>", of=to), event("<items/>", of=to))
    else:
        romeo.receives_nothing()


def test_administrators_subscribe_anyone() -> None:
    talk = Talk(admins=["admin@example.org"])
    talk.router.elsewhere = lambda stanza: None
    admin = talk.bind("admin@example.org/desk")
    create(admin, "n")
    imposes(admin, VICTIM, SERVICE)
    admin.receives(done())


def test_an_owner_may_end_and_approve_what_others_began() -> None:
    talk = Talk(options={"pubsub": {"impose": "nobody"}})
    juliet, romeo = talk.online(f"{JULIET}/balcony"), talk.online(f"{ROMEO}/orchard")
    create(juliet, "n", access_model="authorize")
    ask(romeo, "set", f"<subscribe node='n' jid='{ROMEO}'/>")
    romeo.receives(done("<subscription subscription='pending'/>"))
    juliet.forget()
    imposes(juliet, ROMEO, SERVICE)
    juliet.receives(done())
    romeo.receives(event("<subscription subscription='subscribed'/>"))


def test_approval_is_asked_for_a_few_times_only() -> None:
    talk = Talk()
    juliet, romeo = talk.online(f"{JULIET}/balcony"), talk.online(f"{ROMEO}/orchard")
    create(juliet, "n", access_model="authorize")
    for number in range(5):  # as other resources, so as to look like others
        who = f"{ROMEO}/{number}"
        ask(romeo, "set", f"<subscribe node='n' jid='{who}'/>")
        romeo.receives(done("<subscription subscription='pending'/>"))
        juliet.receives(lambda stanza: None if stanza.name == "message" else "no request")
        ask(romeo, "set", f"<unsubscribe node='n' jid='{who}'/>")
        romeo.receives(done("<subscription subscription='none'/>"))
    ask(romeo, "set", f"<subscribe node='n' jid='{ROMEO}'/>")
    romeo.receives(refused("wait", "policy-violation", "too-many-subscriptions"))
    juliet.receives_nothing()
    nurse = talk.bind("nurse@example.org/chamber")  # others are asked for as ever
    ask(nurse, "set", "<subscribe node='n' jid='nurse@example.org'/>")
    nurse.receives(done("<subscription subscription='pending'/>"))


@pytest.mark.parametrize("to", [SERVICE, JULIET])
@pytest.mark.parametrize("name", ["x" * 1024, "\U0001f339" * 256])
def test_names_are_short(to: str, name: str) -> None:
    juliet = Talk().bind(f"{JULIET}/balcony")
    ask(juliet, "set", f"<create node='{name}'/>", to=to)
    juliet.receives(refused("modify", "not-acceptable"))
    create(juliet, "n", to=to)
    item = f"<item id='{name}'>{PAYLOAD}</item>"
    ask(juliet, "set", f"<publish node='n'>{item}</publish>", to=to)
    juliet.receives(refused("modify", "not-acceptable"))
    ask(juliet, "get", f"<items node='{name}'/>", to=to)
    juliet.receives(refused("cancel", "item-not-found"))
    ask(juliet, "get", f"<items node='n'><item id='{name}'/></items>", to=to)
    juliet.receives(done("<items node='n'/>"))


@pytest.mark.parametrize(
    "name", ["n &amp;&lt;&gt;&apos;&quot;", "../../etc/passwd", "%s%n", " ", "n\u202em"]
)
def test_any_name_is_a_name(name: str) -> None:
    talk = Talk()
    juliet, romeo = talk.bind(f"{JULIET}/balcony"), talk.online(f"{ROMEO}/orchard")
    create(juliet, name)
    subscribe(romeo, name, ROMEO)
    publish(juliet, name, name)
    romeo.receives(event(f"<items node='{name}'><item id='{name}'>{PAYLOAD}</item></items>"))
    ask(romeo, "get", f"<items node='{name}'><item id='{name}'/></items>")
    romeo.receives(done(f"<items node='{name}'><item id='{name}'>{PAYLOAD}</item></items>"))


def test_an_account_that_is_gone_publishes_no_more() -> None:
    """What was under way when it was removed leaves no node for the next of that name."""
    talk = Talk()
    juliet = talk.bind(f"{JULIET}/balcony")
    publish(juliet, "n", to=JULIET)
    pep, owner = talk.module(Pep), jid(JULIET)
    result_of(remove_account(talk.host, owner))
    with pytest.raises(Exception, match="no such account"):
        result_of(pep.publishing.publish(owner, "late", owner, []))
    assert result_of(pep.engine.find(owner, "n")) is None
    assert result_of(pep.engine.find(owner, "late")) is None


def test_a_lot_of_configuration_is_too_long() -> None:
    juliet = Talk().bind(f"{JULIET}/balcony")
    create(juliet, "n")
    for fields in (
        {"title": "x" * 3000},
        {"roster_groups_allowed": [f"g{number}" for number in range(60)]},
        {"contact": [f"c{number}@h" for number in range(60)]},
        {"item_expire": "9" * 40},
        {"max_items": "-1"},
    ):
        configured = form(**fields)  # type: ignore[arg-type]
        ask(juliet, "set", f"<configure node='n'>{configured}</configure>", ns=OWNER)
        juliet.receives(refused("modify", "not-acceptable"))


@pytest.mark.parametrize("to", [SERVICE, JULIET])
def test_what_one_entity_stores_is_limited(to: str) -> None:
    limit = {"max_stored": 65536}
    juliet = Talk(options={"pubsub": limit, "pep": limit}).bind(f"{JULIET}/balcony")
    big = f"<entry xmlns='urn:example:entry'>{'x' * 20000}</entry>"
    for node in ("a", "b", "c", "d"):
        create(juliet, node, to=to)
    for node in ("a", "b", "c"):
        publish(juliet, node, "i1", big, to=to)
    ask(juliet, "set", f"<publish node='d'><item>{big}</item></publish>", to=to)
    juliet.receives(refused("wait", "resource-constraint"))
    publish(juliet, "a", "i1", big, to=to)  # the same again is no more
    ask(juliet, "set", "<retract node='a'><item id='i1'/></retract>", to=to)
    juliet.receives(done())
    publish(juliet, "d", "i1", big, to=to)


def test_an_account_remains_the_owner_of_its_nodes() -> None:
    juliet = Talk().bind(f"{JULIET}/balcony")
    create(juliet, "n", to=JULIET)
    for who, its, taken in (
        (ROMEO, "owner", True),
        (JULIET, "none", False),
        (JULIET, "outcast", False),
        (ROMEO, "none", True),
    ):
        inside = f"<affiliation jid='{who}' affiliation='{its}'/>"
        ask(juliet, "set", f"<affiliations node='n'>{inside}</affiliations>", ns=OWNER, to=JULIET)
        juliet.receives(done() if taken else refused("modify", "not-acceptable"))
