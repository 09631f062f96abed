"""Features that nobody uses are passed over, and are there when somebody begins, also reloaded."""

import pytest

from xmppd.api import Module, events
from xmppd.hooks import Filter, Signal
from xmppd.jid import jid
from xmppd.modules.blocking import Blocking
from xmppd.modules.carbons import Carbons
from xmppd.modules.csi import ClientState
from xmppd.modules.pubsub.pep import pep_notifying
from xmppd.testing import Client, Talk, error, like, message, result_of

ROMEO, JULIET = "romeo@example.org/orchard", "juliet@example.org/balcony"
BLOCK = "<block xmlns='urn:xmpp:blocking'><item jid='romeo@example.org'/></block>"


def heard(talk: Talk, name: str) -> int:
    """How many hooks of the stanza path call this module."""
    hooks: list[Filter | Signal] = [  # type: ignore[type-arg]
        events.user_sends,
        events.user_receives,
        events.session_receives,
        events.message_delivered,
    ]
    chains = [talk.host.hooks.of(hook) for hook in hooks]
    return sum(handler.owner == name for chain in chains for handler in chain.handlers)


def reload(talk: Talk, kind: type[Module]) -> None:
    result_of(talk.host.modules.swap([kind.name], {kind: talk.module(kind).options}))


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["carbons", "blocking", "csi", "offline"])


@pytest.fixture
def juliet(talk: Talk) -> Client:
    return talk.online(JULIET)


def test_carbons_listen_while_somebody_wants_them(talk: Talk, juliet: Client) -> None:
    assert heard(talk, "carbons") == 0
    juliet.sends("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
    assert heard(talk, "carbons") == 2
    reload(talk, Carbons)
    assert heard(talk, "carbons") == 2
    other = talk.online("juliet@example.org/chamber")
    juliet.forget()
    other.sends(f"<message to='{ROMEO}' type='chat'><body>x</body></message>")
    juliet.receives(like("<message><sent xmlns='urn:xmpp:carbons:2'/></message>"))
    juliet.leaves()
    assert heard(talk, "carbons") == 0


def test_blocking_listens_while_somebody_is_blocked(talk: Talk, juliet: Client) -> None:
    assert heard(talk, "blocking") == 0
    juliet.sends(f"<iq type='set' id='b'>{BLOCK}</iq>")
    assert heard(talk, "blocking") == 2
    reload(talk, Blocking)
    romeo = talk.online(ROMEO)
    romeo.sends(f"<message to='{JULIET}' id='m'><body>x</body></message>")
    romeo.receives(error("m", "cancel", "service-unavailable", "message"))
    juliet.sends("<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>")
    assert heard(talk, "blocking") == 0
    juliet.forget()
    romeo.sends(f"<message to='{JULIET}' id='m'><body>x</body></message>")
    juliet.receives(message("x"))


def test_csi_listens_while_a_client_is_inactive(talk: Talk, juliet: Client) -> None:
    assert heard(talk, "csi") == 0
    juliet.sends("<inactive xmlns='urn:xmpp:csi:0'/>")
    romeo = talk.online(ROMEO)
    romeo.sends(f"<presence to='{JULIET}'/>")
    juliet.receives_nothing()
    reload(talk, ClientState)
    assert heard(talk, "csi") == 1
    juliet.receives_nothing()
    juliet.sends("<active xmlns='urn:xmpp:csi:0'/>")
    juliet.receives(like(f"<presence from='{ROMEO}'/>"))
    assert heard(talk, "csi") == 0


def test_too_much_that_waits_for_an_inactive_client_is_written() -> None:
    talk = Talk(only=["csi"], options={"csi": {"max_stanzas": 3}})
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    juliet.sends("<inactive xmlns='urn:xmpp:csi:0'/>")
    receipt = f"<message to='{JULIET}'><received xmlns='urn:xmpp:receipts' id='1'/></message>"
    romeo.sends(receipt * 3)
    juliet.receives_nothing()
    romeo.sends(receipt)
    juliet.receives(*[message()] * 4)
    romeo.sends(receipt)
    juliet.receives_nothing()


def test_the_block_list_has_a_limit() -> None:
    talk = Talk(only=["blocking"], options={"blocking": {"max_addresses": 2}})
    juliet = talk.online(JULIET)
    for number in range(3):
        item = f"<item jid='{number}@example.net'/>"
        juliet.sends(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>{item}</block></iq>")
    juliet.receives(like("<iq type='result'/>"), like("<iq type='result'/>"))
    juliet.receives(error("b", "cancel", "resource-constraint"))
    juliet.sends("<iq type='get' id='l'><blocklist xmlns='urn:xmpp:blocking'/></iq>")
    assert len(juliet.receives(like("<iq id='l'/>")).elements[0].elements) == 2


def test_reports_are_shown_to_the_operator_and_closed(talk: Talk, juliet: Client) -> None:
    report = (
        "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>"
        "<text>Never came trouble</text></report>"
    )
    block = BLOCK.replace("/></block>", f">{report}</item></block>")
    juliet.sends(f"<iq type='set' id='b'>{block}</iq>")
    rows = talk.run("reports").rows  # type: ignore[attr-defined]
    assert rows[0][2:6] == (
        "juliet",
        "romeo@example.org",
        "urn:xmpp:reporting:spam",
        "Never came trouble",
    )
    assert "1 reports" in str(talk.run("reports-close", until=str(rows[0][0])))
    assert talk.run("reports").rows == []  # type: ignore[attr-defined]


def test_blocks_go_with_the_account(talk: Talk, juliet: Client) -> None:
    juliet.sends(f"<iq type='set' id='b'>{BLOCK}</iq>")
    blocking = talk.module(Blocking)
    result_of(blocking.erase(juliet.jid.bare))
    blocking.forget(juliet.jid.bare)
    assert result_of(blocking.store.load()) == {}
    assert heard(talk, "blocking") == 0


def test_the_blocked_are_not_told_what_the_account_publishes(talk: Talk, juliet: Client) -> None:
    chain = talk.host.hooks.of(pep_notifying)
    told = (jid(ROMEO), jid("nurse@example.org/kitchen"))
    assert chain.filter(told, juliet.jid.bare) == told
    juliet.sends(f"<iq type='set' id='b'>{BLOCK}</iq>")
    assert chain.filter(told, juliet.jid.bare) == told[1:]
    assert chain.filter(told, jid("nurse@example.org")) == told
