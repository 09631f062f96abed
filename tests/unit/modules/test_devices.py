"""XEP-0494: what has access is listed, and what can be shut out is."""

import re

import pytest

from xmppd import events
from xmppd.admin.commands import CommandError
from xmppd.modules.devices import ClientAccess
from xmppd.modules.fast import Kept
from xmppd.sessions import Binding, Login
from xmppd.stream.sasl2 import UserAgent
from xmppd.testing import Client, Talk, error, like, result, result_of
from xmppd.xml import Element, to_xml

NS = "urn:xmpp:cam:0"
PHONE = UserAgent("d4565fa7-4d72-4749-b3d3-740edbf87770", "Gajim", "Juliet's phone")


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["devices", "fast"])


@pytest.fixture
def juliet(talk: Talk) -> Client:
    return talk.bind("juliet@example.org/balcony")


def logs_in(talk: Talk, who: Client, mechanism: str = "PLAIN", agent: UserAgent = PHONE) -> None:
    """As the stream would tell it."""
    user = who.jid.bare
    result_of(talk.host.hooks.of(events.logging_in).wait(Login(user, mechanism, agent, ())))
    session = talk.host.sessions.get(who.jid)
    assert session is not None
    binding = Binding(session, agent, Element("urn:xmpp:bind:0", "bind"))
    result_of(talk.host.hooks.of(events.bind_extending).wait(binding))


def gives_token(talk: Talk, agent: UserAgent = PHONE) -> None:
    made = Kept("new", "HT-SHA-256-NONE", "nonce", 1, 2**40, 0)
    fast = talk.host.modules.get("fast")
    result_of(fast.tokens.put("juliet", agent.id, made, 9))  # type: ignore[union-attr]


def listed(client: Client) -> Element:
    client.sends(f"<iq type='get' id='l'><list xmlns='{NS}'/></iq>")
    answer = client.receives(like("<iq type='result' id='l'/>"))
    clients = answer.child(NS, "clients")
    assert clients is not None
    return clients


def revoke(client: Client, id_: str) -> None:
    client.sends(f"<iq type='set' id='r'><revoke xmlns='{NS}' id='{id_}'/></iq>")


def test_a_client_that_names_itself_is_listed(talk: Talk, juliet: Client) -> None:
    logs_in(talk, juliet)
    gives_token(talk)
    (shown,) = listed(juliet).elements
    assert (shown.get("connected"), shown.get("type")) == ("true", "session")
    text = to_xml(shown)
    assert "<auth><password/><fast/></auth>" in text
    assert "<software>Gajim</software><device>Juliet" in text
    assert "<permission status='unrestricted'/>" in text
    assert PHONE.id not in text


def test_one_that_is_away_is_listed_and_one_that_is_silent_too(talk: Talk, juliet: Client) -> None:
    logs_in(talk, juliet)
    juliet.leaves()
    other = talk.bind("juliet@example.org/garden")
    shown = {each.get("connected"): each for each in listed(other).elements}
    assert shown.keys() == {"true", "false"}
    assert shown["true"].child(NS, "user-agent") is None


def test_it_stays_one_client_over_many_logins(talk: Talk, juliet: Client) -> None:
    for mechanism in ("PLAIN", "HT-SHA-256-NONE", "SCRAM-SHA-256"):
        logs_in(talk, juliet, mechanism)
    assert len(listed(juliet).elements) == 1


def test_who_knows_the_password_can_be_shut_out_by_another_only(
    talk: Talk, juliet: Client
) -> None:
    logs_in(talk, juliet)
    logs_in(talk, juliet, "HT-SHA-256-NONE")
    revoke(juliet, listed(juliet).elements[0].get("id") or "")
    answer = juliet.receives(error("r", "cancel", "service-unavailable"))
    assert "password-reset-required" in to_xml(answer)
    assert len(listed(juliet).elements) == 1


def test_a_silent_one_too(juliet: Client) -> None:
    revoke(juliet, listed(juliet).elements[0].get("id") or "")
    juliet.receives(error("r", "cancel", "service-unavailable"))


def test_after_a_new_password_it_is_shut_out_with_its_tokens(talk: Talk, juliet: Client) -> None:
    garden = talk.bind("juliet@example.org/garden")
    logs_in(talk, garden)
    talk.host.hooks.of(events.password_changed).signal(juliet.jid.bare)
    gives_token(talk)
    ids = [
        each.get("id") or "" for each in listed(juliet).elements if each.child(NS, "user-agent")
    ]
    revoke(juliet, ids[0])
    juliet.receives(result("r"))
    assert talk.host.sessions.get(garden.jid) is None
    fast = talk.host.modules.get("fast")
    assert result_of(fast.agents(juliet.jid.bare)) == set()  # type: ignore[union-attr]
    assert len(listed(juliet).elements) == 1


def test_one_that_shuts_itself_out_hears_so_first(talk: Talk, juliet: Client) -> None:
    logs_in(talk, juliet, "HT-SHA-256-NONE")
    revoke(juliet, listed(juliet).elements[0].get("id") or "")
    juliet.receives(result("r"))
    talk.advance(1)
    assert talk.host.sessions.get(juliet.jid) is None


@pytest.mark.parametrize(
    ("id_", "condition", "type_"),
    [("", "bad-request", "modify"), ("unknown", "item-not-found", "cancel")],
)
def test_what_is_not_there_cannot_be_shut_out(
    juliet: Client, id_: str, condition: str, type_: str
) -> None:
    revoke(juliet, id_)
    juliet.receives(error("r", type_, condition))


def test_others_clients_are_nobodys_business(talk: Talk, juliet: Client) -> None:
    logs_in(talk, juliet)
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(f"<iq type='get' id='x' to='juliet@example.org'><list xmlns='{NS}'/></iq>")
    answer = romeo.receives(like("<iq type='error' id='x'/>"))
    assert "Gajim" not in to_xml(answer)
    revoke(romeo, listed(juliet).elements[0].get("id") or "")
    romeo.receives(error("r", "cancel", "item-not-found"))


def test_the_operator_may_forbid_names_and_bound_the_list() -> None:
    talk = Talk(only=["devices"], options={"devices": {"names": False, "max_clients": 2}})
    juliet = talk.bind("juliet@example.org/balcony")
    for number in range(5):
        logs_in(talk, juliet, agent=UserAgent(f"agent{number}", "Gajim", "phone"))
    assert "Gajim" not in to_xml(listed(juliet))
    said = talk.run("devices", jid="juliet@example.org")
    assert len(said.rows) == 2  # type: ignore[attr-defined]


def test_who_has_no_account_has_no_clients_either(talk: Talk) -> None:
    with pytest.raises(CommandError, match=r"there is no account nobody@example\.org"):
        talk.run("devices", jid="nobody@example.org")
    with pytest.raises(CommandError, match="there is no account"):
        talk.run("devices-revoke", jid="nobody@example.org", id="x")
    with pytest.raises(CommandError, match="not the bare JID"):
        talk.run("devices", jid="juliet@example.org/balcony")


def test_the_operator_shuts_out_whom_they_like(talk: Talk, juliet: Client) -> None:
    logs_in(talk, juliet)
    gives_token(talk)
    id_ = re.search("id='([^']+)'", to_xml(listed(juliet)))
    assert id_
    talk.run("devices-revoke", jid="juliet@example.org", id=id_[1])
    assert talk.host.sessions.get(juliet.jid) is None
    assert result_of(talk.module(ClientAccess).devices.of("juliet")) == []


def test_it_goes_with_the_account(talk: Talk, juliet: Client) -> None:
    logs_in(talk, juliet)
    result_of(talk.host.hooks.of(events.account_deleting).wait(juliet.jid.bare))
    assert result_of(talk.module(ClientAccess).devices.of("juliet")) == []
