"""XEP-0199: pings to the server, with the examples of §4."""

import pytest

from xmppd.testing import Talk, error, result

PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["ping"])


def test_a_ping_of_the_domain_is_answered(talk: Talk) -> None:
    juliet = talk.bind("juliet@example.org/balcony")
    juliet.sends(f"<iq to='example.org' id='c2s1' type='get'>{PING}</iq>")
    juliet.receives(result("c2s1", ""))


@pytest.mark.parametrize("to", ["", "to='juliet@example.org'"])
def test_a_ping_of_ones_own_account_is_answered_by_the_server(talk: Talk, to: str) -> None:
    juliet = talk.bind("juliet@example.org/balcony")
    juliet.sends(f"<iq {to} id='c2s1' type='get'>{PING}</iq>")
    juliet.receives(result("c2s1", ""))


@pytest.mark.parametrize("user", ["romeo", "nobody"])
def test_a_ping_finds_no_accounts_of_others(talk: Talk, user: str) -> None:
    talk.account("romeo@example.org")
    juliet = talk.bind("juliet@example.org/balcony")
    juliet.sends(f"<iq to='{user}@example.org' id='p1' type='get'>{PING}</iq>")
    juliet.receives(error("p1", "cancel", "service-unavailable"))


def test_a_ping_of_a_resource_is_for_that_client_to_answer(talk: Talk) -> None:
    juliet = talk.bind("juliet@example.org/chamber")
    romeo = talk.bind("romeo@example.org/home")
    romeo.sends(f"<iq to='juliet@example.org/chamber' id='e2e1' type='get'>{PING}</iq>")
    juliet.receives(f"<iq from='romeo@example.org/home' id='e2e1' type='get'>{PING}</iq>")
    juliet.sends("<iq to='romeo@example.org/home' id='e2e1' type='result'/>")
    romeo.receives(result("e2e1", ""))


def test_ping_is_advertised(talk: Talk) -> None:
    from xmppd.api import HOST, ns

    assert ns.PING in talk.host.iqs.namespaces(HOST)
