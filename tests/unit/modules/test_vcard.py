"""XEP-0054: vCards, their examples, errors and limits."""

import base64

import pytest

from xmppd.api import ACCOUNT, HOST, JID, Element, Module, on
from xmppd.modules.vcard import VCard, cards, vcard_published
from xmppd.testing import Client, Talk, error, result, result_of

CARD = (
    "<vCard xmlns='vcard-temp' version='3.0'><FN>Peter &amp; Saint-Andre</FN>"
    "<N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN><MIDDLE/></N></vCard>"
)
NONE = "<vCard xmlns='vcard-temp'/>"
OPTIONS = {"max_size": 4096, "max_photo": 300}


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["vcard"], options={"vcard": OPTIONS})


@pytest.fixture
def peter(talk: Talk) -> Client:
    return talk.bind("peter@example.org/roundabout")


def ask(client: Client, type: str, card: str, to: str = "") -> None:
    client.sends(f"<iq id='v' type='{type}' {to}>{card}</iq>")


def photo(size: int) -> str:
    binval = base64.encodebytes(b"x" * size).decode()  # with line breaks, as usual
    return f"<vCard xmlns='vcard-temp'><PHOTO><BINVAL>{binval}</BINVAL></PHOTO></vCard>"


def test_ones_own_card_is_read_as_it_was_published(peter: Client) -> None:
    ask(peter, "set", CARD)
    peter.receives(result("v", ""))
    ask(peter, "get", NONE)
    peter.receives(result("v", CARD))


def test_publishing_again_replaces_the_whole_card(peter: Client) -> None:
    ask(peter, "set", CARD)
    ask(peter, "set", "<vCard xmlns='vcard-temp'><FN>Pete</FN></vCard>")
    peter.forget()
    ask(peter, "get", NONE)
    peter.receives(result("v", "<vCard xmlns='vcard-temp'><FN>Pete</FN></vCard>"))


def test_others_read_the_card_from_the_bare_jid(talk: Talk, peter: Client) -> None:
    ask(peter, "set", CARD)
    jer = talk.bind("jer@example.org/home")
    ask(jer, "get", NONE, "to='peter@example.org'")
    assert jer.receives(result("v", CARD)).get("from") == "peter@example.org"


def test_ones_own_card_never_published_is_item_not_found(peter: Client) -> None:
    ask(peter, "get", NONE)
    peter.receives(error("v", "cancel", "item-not-found"))


@pytest.mark.parametrize("user", ["jer", "nobody"])
def test_no_card_and_no_account_look_the_same(talk: Talk, peter: Client, user: str) -> None:
    talk.account("jer@example.org")
    ask(peter, "get", NONE, f"to='{user}@example.org'")
    peter.receives(error("v", "cancel", "service-unavailable"))


@pytest.mark.parametrize("to", ["jer@example.org", "nobody@example.org", "example.org"])
def test_publishing_for_others_is_forbidden(talk: Talk, peter: Client, to: str) -> None:
    jer = talk.bind("jer@example.org/home")
    ask(peter, "set", CARD, f"to='{to}'")
    peter.receives(error("v", "auth", "forbidden"))
    ask(jer, "get", NONE)
    jer.receives(error("v", "cancel", "item-not-found"))


def test_an_empty_card_takes_the_old_one_away(peter: Client) -> None:
    ask(peter, "set", CARD)
    ask(peter, "set", NONE)
    peter.forget()
    ask(peter, "get", NONE)
    peter.receives(error("v", "cancel", "item-not-found"))


def test_a_card_that_is_too_large_is_refused(peter: Client) -> None:
    ask(peter, "set", CARD)
    ask(peter, "set", f"<vCard xmlns='vcard-temp'><DESC>{'x' * 4096}</DESC></vCard>")
    peter.receives(result("v", ""), error("v", "modify", "not-acceptable"))
    ask(peter, "get", NONE)
    peter.receives(result("v", CARD))


def test_a_picture_has_a_limit_of_its_own(peter: Client) -> None:
    ask(peter, "set", photo(301))
    peter.receives(error("v", "modify", "not-acceptable"))
    ask(peter, "set", photo(300))
    peter.receives(result("v", ""))


def test_the_host_has_the_card_of_its_configuration() -> None:
    said = {"name": "Capulets", "email": "nurse@example.org", "description": "Verona"}
    peter = Talk(only=["vcard"], options={"vcard": {"host": said}}).bind("peter@example.org/a")
    ask(peter, "get", NONE, "to='example.org'")
    peter.receives(
        result(
            "v",
            "<vCard xmlns='vcard-temp'><FN>Capulets</FN><EMAIL><INTERNET/>"
            "<USERID>nurse@example.org</USERID></EMAIL><DESC>Verona</DESC></vCard>",
        )
    )


def test_a_host_without_a_card_is_item_not_found(peter: Client) -> None:
    ask(peter, "get", NONE, "to='example.org'")
    peter.receives(error("v", "cancel", "item-not-found"))


def test_a_damaged_card_reads_as_none(talk: Talk, peter: Client) -> None:
    ask(peter, "set", CARD)
    result_of(talk.database.run(lambda tx: tx.execute(cards.update().values(xml="<vCard"))))
    peter.forget()
    ask(peter, "get", NONE)
    peter.receives(error("v", "cancel", "item-not-found"))


def test_modules_are_told_when_a_card_is_published() -> None:
    seen: list[tuple[JID, int]] = []

    class Avatars(Module):
        name = "watching"

        @on(vcard_published)
        def note(self, user: JID, card: Element) -> None:
            seen.append((user, len(card.elements)))

    peter = Talk(Avatars, only=["vcard"]).bind("peter@example.org/roundabout")
    ask(peter, "set", CARD)
    ask(peter, "set", NONE)
    assert seen == [("peter@example.org", 2), ("peter@example.org", 0)]


def test_the_card_goes_with_the_account(talk: Talk, peter: Client) -> None:
    ask(peter, "set", CARD)
    result_of(talk.module(VCard).forget(peter.jid.bare))
    assert result_of(talk.module(VCard).card(peter.jid.bare)) is None


def test_vcards_are_advertised(talk: Talk) -> None:
    assert "vcard-temp" in talk.host.iqs.namespaces(HOST)
    assert "vcard-temp" in talk.host.iqs.namespaces(ACCOUNT)
