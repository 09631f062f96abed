"""In a semi-anonymous room only moderators learn real addresses (XEP-0045 §4.2, §15.4)."""

import pytest

from tests.support.rooms import (
    HAG,
    HAG_NICK,
    ROOM,
    WICCA,
    WICCA_NICK,
    affiliate,
    enter,
    give,
    joins,
    made,
    say,
)
from xmppd.jid import jid
from xmppd.modules.muc.hiding import without_addresses
from xmppd.testing import Client, Talk, error, like, message, presence, result
from xmppd.xml import Element, parse, to_xml

STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
ADDRESS = "hag66@example.org"
TELLING = [
    f"<error type='cancel'><gone xmlns='{STANZAS}'>xmpp:{ADDRESS}</gone></error>",
    f"<error type='modify'><redirect xmlns='{STANZAS}'>xmpp:{ADDRESS}/x</redirect></error>",
    f"<error type='cancel' by='{ADDRESS}'><conflict xmlns='{STANZAS}'/></error>",
    f"<error type='wait'><conflict xmlns='{STANZAS}'/>"
    f"<text xmlns='{STANZAS}'>Hag66@example.org sleeps</text></error>",
]


@pytest.fixture
def wicca(talk: Talk, crone: Client, hag: Client) -> Client:
    return joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)


def text(stanza: Element) -> str:
    return to_xml(stanza, "jabber:client").casefold()


@pytest.mark.parametrize("problem", TELLING)
def test_an_error_of_an_occupant_does_not_tell_who_it_is(
    problem: str, hag: Client, wicca: Client
) -> None:
    wicca.sends(f"<message type='chat' id='p' to='{ROOM}/{HAG_NICK}'><body>Hey</body></message>")
    hag.receives(message("Hey"))
    wicca.sends(f"<iq type='get' id='q' to='{ROOM}/{HAG_NICK}'><time xmlns='urn:xmpp:time'/></iq>")
    asked = hag.receives(like("<iq type='get'/>"))
    hag.sends(f"<iq type='error' id='{asked.get('id')}' to='{ROOM}/{WICCA_NICK}'>{problem}</iq>")
    hag.sends(f"<message type='error' id='p' to='{ROOM}/{WICCA_NICK}'>{problem}</message>")
    wicca.settle()
    errors = [each for each in wicca.inbox if each.get("type") == "error"]
    assert [each.get("id") for each in errors] == ["q", "p"]
    assert "hag66" not in "".join(map(text, wicca.inbox))


def test_to_moderators_such_an_error_may_say_it(crone: Client, hag: Client) -> None:
    crone.sends(f"<iq type='get' id='q' to='{ROOM}/{HAG_NICK}'><time xmlns='urn:xmpp:time'/></iq>")
    asked = hag.receives(like("<iq type='get'/>"))
    hag.sends(f"<iq type='error' id='{asked.get('id')}' to='{ROOM}/x'>{TELLING[0]}</iq>")
    assert ADDRESS in text(crone.receives(error("q", "cancel", "gone")))


def test_an_item_does_not_name_who_has_published_it() -> None:
    items = "<items node='n'><item id='1' publisher='hag66@example.org/pda'><a/></item></items>"
    answer = parse(f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{items}</pubsub>")
    (hidden,) = without_addresses([answer], jid(HAG))
    assert "hag66" not in text(hidden)
    assert hidden == parse(to_xml(answer).replace(" publisher='hag66@example.org/pda'", ""))
    assert without_addresses([answer], None) == [answer]


def test_what_a_server_adds_on_the_way_is_removed(crone: Client, wicca: Client) -> None:
    traces = (
        f"<delay xmlns='urn:xmpp:delay' from='{ADDRESS}/pda' stamp='2026-01-01T00:00:00Z'/>"
        f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ADDRESS}' id='1'/>"
    )
    wicca.sends(
        f"<presence to='{ROOM}/{WICCA_NICK}'>{traces.replace('hag66', 'wicca')}</presence>"
    )
    shown = crone.receives(presence(from_=f"{ROOM}/{WICCA_NICK}"))
    assert [child.name for child in shown.elements] == ["x", "occupant-id"]
    own = "<stanza-id xmlns='urn:xmpp:sid:0' by='wicca@example.org' id='1'/>"
    other = "<stanza-id xmlns='urn:xmpp:sid:0' by='other@example.net' id='2'/>"
    wicca.sends(f"<message type='groupchat' to='{ROOM}'><body>Hey</body>{own}{other}</message>")
    said = crone.receives(message("Hey"))
    assert [each.get("by") for each in said.all("urn:xmpp:sid:0")] == ["other@example.net", ROOM]


@pytest.mark.parametrize(("whois", "kept"), [("moderators", False), ("anyone", True)])
def test_a_chat_of_two_goes_on_where_they_are_known(talk: Talk, whois: str, kept: bool) -> None:
    """§7.9; else who says when it was said would say who it is."""
    crone = made(talk, whois=whois)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    when = f"<delay xmlns='urn:xmpp:delay' from='{ADDRESS}/pda' stamp='2026-01-01T00:00:00Z'/>"
    hag.sends(f"<message type='groupchat' to='{ROOM}'><body>Hey</body>{when}</message>")
    said = crone.receives(message("Hey"))
    assert (said.child("urn:xmpp:delay", "delay") is not None) is kept


def test_nobody_says_who_has_said_something(crone: Client, hag: Client) -> None:
    forged = (
        "<addresses xmlns='http://jabber.org/protocol/address'>"
        "<address type='ofrom' jid='crone1@example.org/desktop'/></addresses>"
    )
    hag.sends(f"<message type='groupchat' to='{ROOM}'><body>Hey</body>{forged}</message>")
    said = crone.receives(message("Hey"))
    assert said.child("http://jabber.org/protocol/address", "addresses") is None


def test_through_a_whole_evening_no_address_is_told(
    talk: Talk, crone: Client, hag: Client, wicca: Client
) -> None:
    """All that wicca, a participant, is sent, whatever the others do."""
    hag.sends(f"<presence to='{ROOM}/{HAG_NICK}'><show>away</show></presence>")
    say(hag, "Bubble")
    crone.sends(f"<message type='groupchat' to='{ROOM}'><subject>Fire</subject></message>")
    hag.sends(f"<message type='chat' to='{ROOM}/{WICCA_NICK}'><body>Psst</body></message>")
    hag.sends(f"<presence to='{ROOM}/oldhag'/>")
    give(crone, "oldhag", "visitor")
    give(crone, "oldhag", "participant")
    for word in ("member", "admin", "none"):
        affiliate(crone, ADDRESS, word)
    affiliate(crone, "absent@example.org", "member")
    for payload in (
        "<vCard xmlns='vcard-temp'/>",
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        "<query xmlns='http://jabber.org/protocol/disco#items'/>",
        "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner'/></query>",
        "<query xmlns='http://jabber.org/protocol/muc#admin'><item role='moderator'/></query>",
        "<query xmlns='http://jabber.org/protocol/muc#owner'/>",
    ):
        wicca.sends(f"<iq type='get' id='i' to='{ROOM}'>{payload}</iq>")
    wicca.sends(f"<iq type='set' id='m' to='{ROOM}'><query xmlns='urn:xmpp:mam:2'/></iq>")
    affiliate(crone, ADDRESS, "outcast")
    say(wicca, "the end")
    wicca.sends(f"<presence type='unavailable' to='{ROOM}/{WICCA_NICK}'/>")
    enter(wicca, WICCA_NICK)
    wicca.settle()
    assert len(wicca.inbox) > 25
    told = [text(stanza) for stanza in wicca.inbox]
    assert [t for t in told if "hag66" in t or "crone1" in t or "absent" in t] == []


def test_a_question_to_an_account_changes_nothing_there(hag: Client, wicca: Client) -> None:
    """Only what is read goes to the account (XEP-0045 §15.4 leaves it to the service)."""
    node = "<subscribe node='n' jid='x@example.org'/>"
    wicca.sends(
        f"<iq type='set' id='s' to='{ROOM}/{HAG_NICK}'>"
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{node}</pubsub></iq>"
    )
    asked = hag.receives(like(f"<iq type='set' from='{ROOM}/{WICCA_NICK}'/>"))
    hag.sends(f"<iq type='result' id='{asked.get('id')}' to='{ROOM}/{WICCA_NICK}'/>")
    wicca.receives(result("s", ""))
