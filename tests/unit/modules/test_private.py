"""XEP-0049: private XML, with its examples and every error of §2.3."""

import pytest

from xmppd.api import SELF
from xmppd.modules.private import NS, PrivateStorage, fragments
from xmppd.testing import Client, Talk, error, result, result_of

PREFS = "<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>"
EMPTY = "<exodus xmlns='exodus:prefs'/>"
SMALL = {"max_size": 1024, "max_total": 2048, "max_namespaces": 3}


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["private"], options={"private": SMALL})


@pytest.fixture
def hamlet(talk: Talk) -> Client:
    return talk.bind("hamlet@example.org/denmark")


def ask(client: Client, type: str, inside: str, to: str = "") -> None:
    client.sends(f"<iq type='{type}' {to} id='x'><query xmlns='{NS}'>{inside}</query></iq>")


def query(inside: str) -> str:
    return f"<query xmlns='{NS}'>{inside}</query>"


def test_what_was_stored_is_read_again(hamlet: Client) -> None:
    ask(hamlet, "set", PREFS)
    hamlet.receives(result("x", ""))
    ask(hamlet, "get", EMPTY)
    hamlet.receives(result("x", query(PREFS)))


def test_another_session_reads_it_too(talk: Talk, hamlet: Client) -> None:
    ask(hamlet, "set", PREFS)
    other = talk.bind("hamlet@example.org/england")
    ask(other, "get", EMPTY, "to='hamlet@example.org'")
    other.receives(result("x", query(PREFS)))


def test_what_was_never_stored_reads_as_the_empty_element(hamlet: Client) -> None:
    ask(hamlet, "get", EMPTY)
    hamlet.receives(result("x", query(EMPTY)))


def test_a_set_replaces_all_of_its_namespace_and_nothing_else(hamlet: Client) -> None:
    ask(hamlet, "set", PREFS)
    ask(hamlet, "set", "<a xmlns='other:ns'>1</a><b xmlns='other:ns'>2</b>")
    ask(hamlet, "set", "<a xmlns='other:ns'>3</a>")
    hamlet.forget()
    ask(hamlet, "get", "<a xmlns='other:ns'/>")
    hamlet.receives(result("x", query("<a xmlns='other:ns'>3</a>")))
    ask(hamlet, "get", EMPTY)
    hamlet.receives(result("x", query(PREFS)))


def test_several_elements_of_one_namespace_are_kept_together(hamlet: Client) -> None:
    both = "<a xmlns='other:ns'>1</a><b xmlns='other:ns'>2</b>"
    ask(hamlet, "set", both)
    hamlet.forget()
    ask(hamlet, "get", "<b xmlns='other:ns'/>")
    hamlet.receives(result("x", query(both)))


def test_an_empty_element_takes_away_what_was_stored(talk: Talk, hamlet: Client) -> None:
    ask(hamlet, "set", PREFS)
    ask(hamlet, "set", EMPTY)
    hamlet.receives(result("x", ""), result("x", ""))
    ask(hamlet, "get", EMPTY)
    hamlet.receives(result("x", query(EMPTY)))


@pytest.mark.parametrize("type", ["get", "set"])
@pytest.mark.parametrize("user", ["hamlet", "nobody"])
def test_the_data_of_others_is_forbidden(talk: Talk, hamlet: Client, type: str, user: str) -> None:
    ask(hamlet, "set", PREFS)
    macbeth = talk.bind("macbeth@example.org/castle")
    ask(macbeth, type, PREFS, f"to='{user}@example.org'")
    macbeth.receives(error("x", "auth", "forbidden"))
    hamlet.forget()
    ask(hamlet, "get", EMPTY)
    hamlet.receives(result("x", query(PREFS)))


@pytest.mark.parametrize(
    ("type", "inside", "condition"),
    [
        ("get", "", "bad-request"),
        ("set", "", "not-acceptable"),
        ("get", "<a xmlns='one:ns'/><a xmlns='two:ns'/>", "bad-request"),
        ("set", "<a xmlns='one:ns'>1</a><a xmlns='two:ns'>1</a>", "not-acceptable"),
        ("set", "<a xmlns=''>1</a>", "not-acceptable"),
        ("set", "<a>1</a>", "not-acceptable"),
        ("get", "<a/>", "not-acceptable"),
        ("set", "<vCard xmlns='vcard-temp'><FN>Hamlet</FN></vCard>", "not-acceptable"),
        ("get", "<vCard xmlns='vcard-temp'/>", "not-acceptable"),
        ("set", "<query xmlns='jabber:iq:roster'>1</query>", "not-acceptable"),
        ("set", "<x xmlns='http://jabber.org/protocol/muc'>1</x>", "not-acceptable"),
    ],
)
def test_what_has_no_namespace_of_its_own_is_refused(
    hamlet: Client, type: str, inside: str, condition: str
) -> None:
    ask(hamlet, type, inside)
    hamlet.receives(error("x", "modify", condition))


def test_a_fragment_that_is_too_large_is_refused_and_the_old_one_stays(hamlet: Client) -> None:
    ask(hamlet, "set", PREFS)
    ask(hamlet, "set", f"<exodus xmlns='exodus:prefs'>{'x' * 1000}</exodus>")
    hamlet.receives(result("x", ""), error("x", "modify", "not-acceptable"))
    ask(hamlet, "get", EMPTY)
    hamlet.receives(result("x", query(PREFS)))


def test_an_account_has_a_limited_number_of_namespaces(hamlet: Client) -> None:
    for number in range(4):
        ask(hamlet, "set", f"<a xmlns='ns:{number}'>1</a>")
    hamlet.receives(*[result("x", "")] * 3, error("x", "wait", "resource-constraint"))
    ask(hamlet, "set", "<a xmlns='ns:0'>2</a>")
    hamlet.receives(result("x", ""))


def test_an_account_stores_a_limited_number_of_bytes(hamlet: Client) -> None:
    for number in range(3):
        ask(hamlet, "set", f"<a xmlns='ns:{number}'>{'x' * 800}</a>")
    hamlet.receives(*[result("x", "")] * 2, error("x", "wait", "resource-constraint"))


def test_a_damaged_row_reads_as_empty(talk: Talk, hamlet: Client) -> None:
    ask(hamlet, "set", PREFS)
    result_of(talk.database.run(lambda tx: tx.execute(fragments.update().values(xml="<query"))))
    hamlet.forget()
    ask(hamlet, "get", EMPTY)
    hamlet.receives(result("x", query(EMPTY)))


def test_the_data_goes_with_the_account(talk: Talk, hamlet: Client) -> None:
    ask(hamlet, "set", PREFS)
    hamlet.forget()
    result_of(talk.module(PrivateStorage).forget(hamlet.jid.bare))
    ask(hamlet, "get", EMPTY)
    hamlet.receives(result("x", query(EMPTY)))


def test_private_storage_is_advertised(talk: Talk) -> None:
    assert NS in talk.host.iqs.namespaces(SELF)
