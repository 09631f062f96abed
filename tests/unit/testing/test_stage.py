"""The stage in memory: what its clients notice, and what is judged."""

import pytest

from xmppd.ns import CLIENT
from xmppd.testing import Client, Talk, anything, message
from xmppd.xml import Element, StreamError, parse

ODD = "<message xmlns='jabber:client' type='odd'/>"


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["presence", "subscriptions"])


@pytest.fixture
def romeo(talk: Talk) -> Client:
    return talk.bind("romeo@example.org/orchard")


def says(client: Client, *bodies: str) -> None:
    for body in bodies:
        client.sends(f"<message to='{client.jid}'><body>{body}</body></message>")


def test_stanzas_are_wanted_in_order(romeo: Client) -> None:
    says(romeo, "one", "two")
    with pytest.raises(AssertionError, match="its body is not 'two'"):
        romeo.receives(message("two"), message("one"))


def test_any_order_will_do_where_that_is_said(romeo: Client) -> None:
    says(romeo, "one", "two")
    romeo.receives_in_any_order(message("two"), message("one"))
    romeo.receives_nothing()


def test_one_stanza_does_not_count_twice(romeo: Client) -> None:
    says(romeo, "one", "two")
    with pytest.raises(AssertionError, match="but not"):
        romeo.receives_in_any_order(message("one"), message("one"))


def test_what_did_not_come_is_missed(romeo: Client) -> None:
    with pytest.raises(AssertionError, match="received nothing"):
        romeo.receives(message("one"))


def test_what_came_unexpectedly_is_shown(romeo: Client) -> None:
    says(romeo, "one")
    with pytest.raises(AssertionError, match="<body>one</body>"):
        romeo.receives_nothing()
    romeo.forget()
    romeo.receives_nothing()


def test_what_breaks_a_schema_is_raised_when_the_test_looks(romeo: Client) -> None:
    romeo.write(ODD.encode())
    with pytest.raises(AssertionError, match="breaks the schema of jabber:client"):
        romeo.receives(message())


def test_a_fault_is_not_passed_over_by_forgetting(romeo: Client) -> None:
    romeo.write(ODD.encode())
    with pytest.raises(AssertionError, match="breaks the schema of jabber:client"):
        romeo.forget()


def test_a_stage_may_have_another_judge_or_none() -> None:
    seen: list[Element] = []
    romeo = Talk(only=["presence"], check=seen.append).bind("romeo@example.org/orchard")
    romeo.write(ODD.encode())
    romeo.receives(message())
    assert seen == [parse(ODD, CLIENT)]
    juliet = Talk(only=["presence"], check=anything).bind("juliet@example.org/balcony")
    juliet.write(ODD.encode())
    juliet.receives(message())


def test_friends_are_subscribed_both_ways(talk: Talk) -> None:
    talk.befriend("romeo@example.org", "juliet@example.org")
    romeo = talk.online("romeo@example.org/orchard")
    juliet = talk.online("juliet@example.org/balcony")
    for client, other in ((romeo, juliet), (juliet, romeo)):
        client.forget()
        other.sends("<presence><show>away</show></presence>")
        client.receives(f"<presence from='{other.jid}'><show>away</show></presence>")
        other.forget()


def test_who_leaves_has_no_session_any_more(talk: Talk, romeo: Client) -> None:
    romeo.leaves()
    assert romeo.closed
    assert len(talk.host.sessions) == 0


def test_a_client_knows_what_its_stream_was_closed_with(talk: Talk, romeo: Client) -> None:
    talk.bind("romeo@example.org/orchard")
    assert isinstance(romeo.closed_with, StreamError)
    assert romeo.closed_with.condition == "conflict"
