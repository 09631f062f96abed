"""One avatar in nodes, vCard and presence (XEP-0084, XEP-0153, XEP-0398)."""

import base64
import hashlib

import pytest

from tests.conversations.pubsub import NS, done, form
from xmppd.testing import Actor, Stage, like, result

OWNING, READING = "juliet@example.org/balcony", "romeo@example.net/orchard"
JULIET = "juliet@example.org"
DATA, METADATA = "urn:xmpp:avatar:data", "urn:xmpp:avatar:metadata"
UPDATE = "vcard-temp:x:update"
INFO = "http://jabber.org/protocol/disco#info"
PNG = b"\x89PNG\r\n\x1a\n" + b"face" * 10
GIF = b"GIF89a" + b"other" * 10
DONE = result("a", "")


def coded(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def sha1(picture: bytes) -> str:
    return hashlib.sha1(picture).hexdigest()


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    return talk.bind(OWNING)


def publish(client: Actor, node: str, id_: str, payload: str, **options: str) -> None:
    given = f"<publish-options>{form('publish-options', **options)}</publish-options>"
    inside = f"<publish node='{node}'><item id='{id_}'>{payload}</item></publish>"
    inside += given if options else ""
    client.sends(f"<iq type='set' id='a'><pubsub xmlns='{NS}'>{inside}</pubsub></iq>")
    client.receives(done(f"<publish node='{node}'><item id='{id_}'/></publish>"))


def info(picture: bytes, type_: str = "image/png") -> str:
    return f"<info bytes='{len(picture)}' id='{sha1(picture)}' type='{type_}'/>"


def shows(client: Actor, picture: bytes, **options: str) -> None:
    """The avatar by XEP-0084."""
    data = f"<data xmlns='{DATA}'>{coded(picture)}</data>"
    publish(client, DATA, sha1(picture), data, **options)
    metadata = f"<metadata xmlns='{METADATA}'>{info(picture)}</metadata>"
    publish(client, METADATA, sha1(picture), metadata, **options)


def hides(client: Actor) -> None:
    publish(client, METADATA, "none", f"<metadata xmlns='{METADATA}'/>")


def photo(picture: bytes, type_: str = "image/png") -> str:
    return f"<PHOTO><TYPE>{type_}</TYPE><BINVAL>{coded(picture)}</BINVAL></PHOTO>"


def writes_card(client: Actor, inside: str) -> None:
    client.sends(f"<iq type='set' id='v'><vCard xmlns='vcard-temp'>{inside}</vCard></iq>")
    client.receives(result("v", ""))


def reads_card(client: Actor, inside: str) -> bool:
    client.sends(f"<iq type='get' id='v' to='{JULIET}'><vCard xmlns='vcard-temp'/></iq>")
    answer = client.receives(result("v", f"<vCard xmlns='vcard-temp'>{inside}</vCard>"))
    return answer.get("type") == "result"


def finds_no_card(client: Actor, condition: str = "service-unavailable") -> bool:
    client.sends(f"<iq type='get' id='v' to='{JULIET}'><vCard xmlns='vcard-temp'/></iq>")
    answer = client.receives(
        like(
            f"<iq type='error' id='v'><error><{condition}"
            " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
    )
    return answer.get("type") == "error"


def named(picture: bytes | None, of: str = OWNING) -> str:
    inside = "" if picture is None else sha1(picture)
    return f"<presence from='{of}'><x xmlns='{UPDATE}'><photo>{inside}</photo></x></presence>"


def test_the_account_says_that_it_converts(juliet: Actor) -> None:
    juliet.sends(f"<iq type='get' id='d' to='{JULIET}'><query xmlns='{INFO}'/></iq>")
    feature = "<feature var='urn:xmpp:pep-vcard-conversion:0'/>"
    juliet.receives(like(f"<iq type='result'><query xmlns='{INFO}'>{feature}</query></iq>"))


def test_a_published_avatar_is_in_the_vcard(talk: Stage[Actor], juliet: Actor) -> None:
    writes_card(juliet, "<FN>Juliet</FN>")
    shows(juliet, PNG, access_model="open")
    assert reads_card(juliet, "<FN>Juliet</FN>" + photo(PNG))
    assert reads_card(talk.bind(READING), "<FN>Juliet</FN>" + photo(PNG))


def test_it_makes_a_vcard_where_there_was_none(juliet: Actor) -> None:
    shows(juliet, PNG)
    assert reads_card(juliet, photo(PNG))
    hides(juliet)
    assert finds_no_card(juliet, "item-not-found")


def test_the_vcard_shows_it_to_who_may_see_it(talk: Stage[Actor], juliet: Actor) -> None:
    shows(juliet, PNG)
    romeo = talk.bind(READING)
    assert finds_no_card(romeo)
    talk.befriend("romeo@example.net", JULIET)
    assert reads_card(romeo, photo(PNG))


def test_metadata_without_their_data_change_nothing(juliet: Actor) -> None:
    shows(juliet, PNG)
    for inside in (
        info(GIF),
        f"<info bytes='1' id='{sha1(GIF)}' type='image/gif' url='http://example.org/a.gif'/>",
        "<info/>",
    ):
        publish(juliet, METADATA, "other", f"<metadata xmlns='{METADATA}'>{inside}</metadata>")
        assert reads_card(juliet, photo(PNG))


def test_data_that_are_not_what_their_id_says_are_not_shown(juliet: Actor) -> None:
    publish(juliet, DATA, sha1(PNG), f"<data xmlns='{DATA}'>{coded(GIF)}</data>")
    publish(juliet, METADATA, sha1(PNG), f"<metadata xmlns='{METADATA}'>{info(PNG)}</metadata>")
    assert finds_no_card(juliet, "item-not-found")


def test_of_several_formats_the_one_without_url_is_taken(juliet: Actor) -> None:
    publish(juliet, DATA, sha1(PNG), f"<data xmlns='{DATA}'>{coded(PNG)}</data>")
    elsewhere = f"<info bytes='9' id='{sha1(GIF)}' type='image/gif' url='http://example.org/a'/>"
    publish(
        juliet,
        METADATA,
        sha1(PNG),
        f"<metadata xmlns='{METADATA}'>{elsewhere}{info(PNG)}</metadata>",
    )
    assert reads_card(juliet, photo(PNG))


def test_a_photo_in_the_vcard_is_published(talk: Stage[Actor], juliet: Actor) -> None:
    writes_card(juliet, photo(GIF, "image/png"))
    romeo = talk.bind(READING)
    for node, payload in (
        (DATA, f"<data xmlns='{DATA}'>{coded(GIF)}</data>"),
        (METADATA, f"<metadata xmlns='{METADATA}'>{info(GIF, 'image/gif')}</metadata>"),
    ):
        asked = f"<pubsub xmlns='{NS}'><items node='{node}'/></pubsub>"
        romeo.sends(f"<iq type='get' id='a' to='{JULIET}'>{asked}</iq>")
        item = f"<item id='{sha1(GIF)}'>{payload}</item>"
        romeo.receives(
            result("a", f"<pubsub xmlns='{NS}'><items node='{node}'>{item}</items></pubsub>")
        )


@pytest.mark.parametrize("card", ["<FN>Juliet</FN>", "<FN>Juliet</FN><PHOTO/>", ""])
def test_a_photo_taken_out_of_the_vcard_is_taken_back(juliet: Actor, card: str) -> None:
    writes_card(juliet, photo(PNG))
    writes_card(juliet, card)
    juliet.sends(
        f"<iq type='get' id='a'><pubsub xmlns='{NS}'><items node='{METADATA}'/></pubsub></iq>"
    )
    item = f"<item id='current'><metadata xmlns='{METADATA}'/></item>"
    juliet.receives(
        result("a", f"<pubsub xmlns='{NS}'><items node='{METADATA}'>{item}</items></pubsub>")
    )


def test_a_card_without_photo_leaves_the_avatar_of_who_publishes_it(juliet: Actor) -> None:
    shows(juliet, PNG)
    writes_card(juliet, "<FN>Juliet</FN>")
    assert reads_card(juliet, "<FN>Juliet</FN>" + photo(PNG))


@pytest.mark.parametrize("binval", ["", "no base64!", "AAAA"])
def test_a_photo_that_is_none_is_not_published(juliet: Actor, binval: str) -> None:
    writes_card(juliet, f"<PHOTO><BINVAL>{binval}</BINVAL></PHOTO>")
    juliet.sends(
        f"<iq type='get' id='a'><pubsub xmlns='{NS}'><items node='{DATA}'/></pubsub></iq>"
    )
    juliet.receives(like("<iq type='error' id='a'/>"))


def test_presence_names_the_avatar(talk: Stage[Actor], juliet: Actor) -> None:
    talk.befriend("romeo@example.net", JULIET)
    shows(juliet, PNG)
    romeo = talk.online(READING)
    for sent in ("<presence/>", f"<presence><x xmlns='{UPDATE}'/></presence>"):
        juliet.sends(sent)
        romeo.receives(like(named(PNG)))


def test_presence_that_says_there_is_none_is_left_alone(juliet: Actor) -> None:
    shows(juliet, PNG)
    juliet.sends(f"<presence><x xmlns='{UPDATE}'><photo/></x></presence>")
    juliet.receives(like(named(None)))


def test_a_hash_that_is_not_the_avatars_is_replaced(juliet: Actor) -> None:
    shows(juliet, PNG)
    juliet.sends(f"<presence><x xmlns='{UPDATE}'><photo>{sha1(GIF)}</photo></x></presence>")
    juliet.receives(like(named(PNG)))


def test_directed_presence_names_it_too(talk: Stage[Actor], juliet: Actor) -> None:
    shows(juliet, PNG)
    romeo = talk.online(READING)
    juliet.sends(f"<presence to='{READING}'/>")
    romeo.receives(like(named(PNG)))


def test_a_later_session_names_it(talk: Stage[Actor], juliet: Actor) -> None:
    shows(juliet, PNG)
    juliet.leaves()
    juliet = talk.bind(OWNING)
    juliet.sends("<presence/>")
    juliet.receives(like(named(PNG)))


def test_who_comes_back_names_the_avatar_that_is_published_now(talk: Stage[Actor]) -> None:
    for picture in (None, PNG, GIF):
        juliet = talk.bind(OWNING)
        if picture is not None:
            shows(juliet, picture)
        juliet.leaves()
    for _ in range(2):  # found in the database or remembered
        juliet = talk.bind(OWNING)
        juliet.sends("<presence/>")
        juliet.receives(like(named(GIF)))
        juliet.leaves()


def test_a_new_avatar_is_told_by_presence(talk: Stage[Actor], juliet: Actor) -> None:
    talk.befriend("romeo@example.net", JULIET)
    romeo = talk.online(READING)
    juliet.sends("<presence><status>Hi</status></presence>")
    romeo.receives(like(f"<presence from='{OWNING}'/>"))
    silent = talk.bind("juliet@example.org/chamber")  # it hears of nobody
    shows(silent, PNG)
    romeo.receives(like(named(PNG)))
    writes_card(silent, photo(GIF))
    romeo.receives(like(named(GIF)))
    hides(silent)
    romeo.receives(like(named(None)))
    shows(silent, PNG)
    romeo.receives(like(named(PNG)))
