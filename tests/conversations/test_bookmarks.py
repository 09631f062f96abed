"""Bookmarks in the node of items, in the old list, and in private XML (XEP-0402, XEP-0048)."""

import pytest

from tests.conversations.pubsub import NS, done, event, form, refused
from xmppd.testing import Actor, Stage, like, result

OWNING, JULIET = "juliet@example.org/balcony", "juliet@example.org"
NEW, OLD = "urn:xmpp:bookmarks:1", "storage:bookmarks"
PLAY, ORCHARD = "theplay@conference.example.org", "orchard@conference.example.org"
INFO = "http://jabber.org/protocol/disco#info"
PRIVATE = "jabber:iq:private"


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    return talk.bind(OWNING)


def own(client: Actor, type_: str, inside: str) -> None:
    client.sends(f"<iq type='{type_}' id='a'><pubsub xmlns='{NS}'>{inside}</pubsub></iq>")


def item(room: str, attrs: str = "", inside: str = "") -> str:
    return f"<item id='{room}'><conference xmlns='{NEW}' {attrs}>{inside}</conference></item>"


def old(room: str, attrs: str = "", inside: str = "") -> str:
    return f"<conference jid='{room}' {attrs}>{inside}</conference>"


def adds(client: Actor, room: str, attrs: str = "", inside: str = "") -> None:
    options = form(
        "publish-options",
        persist_items="true",
        max_items="max",
        send_last_published_item="never",
        access_model="whitelist",
    )
    publish = f"<publish node='{NEW}'>{item(room, attrs, inside)}</publish>"
    own(client, "set", f"{publish}<publish-options>{options}</publish-options>")
    client.receives(done(f"<publish node='{NEW}'><item id='{room}'/></publish>"))


def lists(client: Actor, inside: str) -> None:
    """An old client publishes its list."""
    storage = f"<item id='current'><storage xmlns='{OLD}'>{inside}</storage></item>"
    own(client, "set", f"<publish node='{OLD}'>{storage}</publish>")
    client.receives(done("<publish/>"))


def stores(client: Actor, inside: str) -> None:
    """A still older client stores its list."""
    storage = f"<storage xmlns='{OLD}'>{inside}</storage>"
    client.sends(f"<iq type='set' id='p'><query xmlns='{PRIVATE}'>{storage}</query></iq>")
    client.receives(result("p", ""))


def reads_private(client: Actor, inside: str) -> None:
    asked = f"<query xmlns='{PRIVATE}'><storage xmlns='{OLD}'/></query>"
    client.sends(f"<iq type='get' id='p'>{asked}</iq>")
    stored = f"<storage xmlns='{OLD}'>{inside}</storage>"
    client.receives(result("p", f"<query xmlns='{PRIVATE}'>{stored}</query>"))


def reads(client: Actor, node: str, inside: str) -> None:
    own(client, "get", f"<items node='{node}'/>")
    client.receives(
        result("a", f"<pubsub xmlns='{NS}'><items node='{node}'>{inside}</items></pubsub>")
    )


def reads_list(client: Actor, inside: str) -> None:
    storage = f"<item id='current'><storage xmlns='{OLD}'>{inside}</storage></item>"
    reads(client, OLD, storage)


def test_the_account_says_that_bookmarks_are_unified(juliet: Actor) -> None:
    juliet.sends(f"<iq type='get' id='d' to='{JULIET}'><query xmlns='{INFO}'/></iq>")
    features = "".join(f"<feature var='{NEW}#{each}'/>" for each in ("compat", "compat-pep"))
    features += "<feature var='urn:xmpp:bookmarks-conversion:0'/>"  # XEP-0411 §2
    juliet.receives(
        like(f"<iq type='result' id='d'><query xmlns='{INFO}'>{features}</query></iq>")
    )


def test_items_are_collated_for_older_clients(juliet: Actor) -> None:
    adds(juliet, PLAY, "name='The Play' autojoin='true'", "<nick>JC</nick>")
    adds(juliet, ORCHARD, "", "<password>pw</password>")
    both = old(PLAY, "name='The Play' autojoin='true'", "<nick>JC</nick>")
    both += old(ORCHARD, "", "<password>pw</password>")
    reads_list(juliet, both)
    reads_private(juliet, both)


def test_a_retracted_bookmark_leaves_the_list(juliet: Actor) -> None:
    adds(juliet, PLAY)
    adds(juliet, ORCHARD)
    own(juliet, "set", f"<retract node='{NEW}' notify='true'><item id='{PLAY}'/></retract>")
    juliet.receives(result("a", ""))
    reads_list(juliet, old(ORCHARD))
    reads_private(juliet, old(ORCHARD))


def test_a_list_stored_in_private_xml_becomes_items(juliet: Actor) -> None:
    stores(juliet, old(PLAY, "autojoin='1'", "<nick>JC</nick>"))
    reads(juliet, NEW, item(PLAY, "autojoin='1'", "<nick>JC</nick>"))
    reads_list(juliet, old(PLAY, "autojoin='1'", "<nick>JC</nick>"))
    stores(juliet, "")
    reads(juliet, NEW, "")
    reads_private(juliet, "")


def test_a_published_list_becomes_items(juliet: Actor) -> None:
    lists(juliet, old(PLAY) + old(ORCHARD))
    reads(juliet, NEW, item(PLAY) + item(ORCHARD))
    lists(juliet, old(ORCHARD))
    reads(juliet, NEW, item(ORCHARD))
    reads_private(juliet, old(ORCHARD))


def test_what_an_older_client_cannot_know_stays(juliet: Actor) -> None:
    extensions = "<extensions><state xmlns='urn:example:state' minimized='true'/></extensions>"
    adds(juliet, PLAY, "name='The Paly'", extensions)
    lists(juliet, old(PLAY, "name='The Play'"))
    reads(juliet, NEW, item(PLAY, "name='The Play'", extensions))


def test_urls_and_what_is_no_room_stay_in_the_lists(juliet: Actor) -> None:
    url = "<url name='Complete Works' url='http://the-tech.mit.edu/Shakespeare/'/>"
    stores(juliet, old("@not a jid@") + url)
    adds(juliet, PLAY)
    reads_private(juliet, old(PLAY) + old("@not a jid@") + url)
    lists(juliet, old(PLAY) + url)
    adds(juliet, ORCHARD)
    reads_list(juliet, old(PLAY) + old(ORCHARD) + url)


def test_only_what_changed_is_told(talk: Stage[Actor], juliet: Actor) -> None:
    stores(juliet, old(PLAY) + old(ORCHARD))
    own(juliet, "set", f"<subscribe node='{NEW}' jid='{OWNING}'/>")
    juliet.receives(done("<subscription/>"))
    juliet.sends("<presence/>")
    juliet.receives(like("<presence/>"))
    stores_again = old(PLAY, "name='New'") + old(ORCHARD)
    storage = f"<storage xmlns='{OLD}'>{stores_again}</storage>"
    juliet.sends(f"<iq type='set' id='p'><query xmlns='{PRIVATE}'>{storage}</query></iq>")
    renamed = item(PLAY, "name='New'")
    told = juliet.receives(event(f"<items node='{NEW}'>{renamed}</items>", of=JULIET))
    assert len(told.children[0].children[0].children) == 1  # type: ignore[union-attr]
    juliet.receives(result("p", ""))
    stores(juliet, stores_again)


def test_a_list_that_others_may_read_gets_nothing_private(juliet: Actor) -> None:
    options = form("publish-options", access_model="open")
    storage = f"<item id='current'><storage xmlns='{OLD}'/></item>"
    own(
        juliet,
        "set",
        f"<publish node='{OLD}'>{storage}</publish><publish-options>{options}</publish-options>",
    )
    juliet.receives(done("<publish/>"))
    adds(juliet, PLAY, "", "<password>pw</password>")
    reads_list(juliet, "")


def test_bookmarks_are_nobody_elses(talk: Stage[Actor], juliet: Actor) -> None:
    stores(juliet, old(PLAY))
    romeo = talk.bind("romeo@example.net/orchard")
    for node in (NEW, OLD):
        inside = f"<pubsub xmlns='{NS}'><items node='{node}'/></pubsub>"
        romeo.sends(f"<iq type='get' id='a' to='{JULIET}'>{inside}</iq>")
        romeo.receives(refused("cancel", "not-allowed", "closed-node"))
