"""Guests: no account, nothing left behind (XEP-0175)."""

import pytest

from xmppd.api import events
from xmppd.jid import jid
from xmppd.modules.guests import Guests
from xmppd.sessions import Session
from xmppd.testing import Client, Talk, error, message, result, result_of

NAME = "guest-1@example.org/x"


@pytest.fixture
def talk() -> Talk:
    return Talk(
        Guests, hosts=["example.org", "example.net"], options={"guests": {"max_guests": 2}}
    )


def guest(talk: Talk, address: str = NAME) -> Client:
    """A client whose stream authenticated it by ANONYMOUS: there is no account."""
    client = Client(jid(address), talk.host.intake, talk.check)
    client.session = Session(jid(address), talk.host.hooks, client)
    result_of(talk.host.intake.open(client.session))
    return client


def test_the_mechanism_is_offered_only_where_guests_are_welcome(talk: Talk) -> None:
    assert talk.host.hooks.of(events.sasl_mechanisms).gather() == ["ANONYMOUS"]
    assert Talk().host.hooks.of(events.sasl_mechanisms).gather() == []


def test_a_guest_chats_with_users_of_its_host(talk: Talk) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    visitor = guest(talk)
    visitor.sends("<message to='romeo@example.org'><body>hello</body></message>")
    romeo.receives(message("hello", from_=NAME))
    romeo.sends(f"<message to='{NAME}'><body>welcome</body></message>")
    visitor.receives(message("welcome"))


def test_a_guest_may_not_write_to_other_domains(talk: Talk) -> None:
    talk.online("romeo@example.net/orchard")
    visitor = guest(talk)
    visitor.sends("<message to='romeo@example.net' id='m'><body>hello</body></message>")
    visitor.receives(error("m", "cancel", "not-allowed", "message"))


def test_a_guest_that_is_gone_cannot_be_written_to(talk: Talk) -> None:
    guest(talk).disconnect()
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends("<message to='guest-1@example.org' id='m'><body>still there?</body></message>")
    romeo.receives(error("m", "cancel", "service-unavailable", "message"))


def test_what_a_guest_stored_is_gone_with_it(talk: Talk) -> None:
    visitor = guest(talk)
    visitor.sends(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
        "<item jid='romeo@example.org'/></query></iq>"
    )
    visitor.receives(result("r"))
    visitor.disconnect()
    again = guest(talk)
    again.sends("<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>")
    assert again.receives(result("g")).elements[0].elements == []


def test_there_are_only_so_many_guests(talk: Talk) -> None:
    first, _ = guest(talk, "a@example.org/x"), guest(talk, "b@example.org/x")
    with pytest.raises(Exception, match="resource-constraint"):
        guest(talk, "c@example.org/x")
    first.disconnect()
    guest(talk, "c@example.org/x")
    assert len(talk.host.sessions) == 2


def test_users_with_accounts_are_no_guests(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends("<message to='x@example.net' id='m'><body>hello</body></message>")
    romeo.receives(error("m", "cancel", "service-unavailable", "message"))
