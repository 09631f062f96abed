"""Personal eventing across two servers: contacts hear by what their clients say (XEP-0163)."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.support.client import TLSClient
from tests.support.two import JULIET, TwoServers, hears
from xmppd.testing import like, result

INFO, CAPS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/caps"
NS = "http://jabber.org/protocol/pubsub"
TUNE, MOOD = "http://jabber.org/protocol/tune", "http://jabber.org/protocol/mood"
METADATA, DATA = "urn:xmpp:avatar:metadata", "urn:xmpp:avatar:data"
PNG = b"\x89PNG\r\n\x1a\n" + b"face" * 10


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoServers]:
    with TwoServers(tmp_path_factory.mktemp("two")) as servers:
        yield servers


def wants(client: TLSClient, *nodes: str) -> None:
    """Say by capabilities what to hear of; both servers ask what they stand for."""
    features = sorted([INFO, *(f"{node}+notify" for node in nodes)])
    text = "client/pc//Test<" + "".join(f"{feature}<" for feature in features)
    ver = b64encode(hashlib.sha1(text.encode()).digest()).decode()
    c = f"<c xmlns='{CAPS}' hash='sha-1' node='urn:test' ver='{ver}'/>"
    client.sends(f"<presence>{c}</presence>")
    for _ in range(2):
        asked = hears(client, like(f"<iq type='get'><query xmlns='{INFO}'/></iq>"))
        inside = "<identity category='client' type='pc' name='Test'/>"
        inside += "".join(f"<feature var='{each}'/>" for each in features)
        query = f"<query xmlns='{INFO}' node='urn:test#{ver}'>{inside}</query>"
        to, id_ = asked.get("from"), asked.get("id")
        client.sends(f"<iq type='result' id='{id_}' to='{to}'>{query}</iq>")


def publishes(client: TLSClient, node: str, payload: str, id_: str = "current") -> None:
    inside = f"<publish node='{node}'><item id='{id_}'>{payload}</item></publish>"
    client.sends(f"<iq type='set' id='pub'><pubsub xmlns='{NS}'>{inside}</pubsub></iq>")
    hears(client, result("pub"))


def event(node: str, of: str = "juliet@capulet.example") -> str:
    return (
        f"<message from='{of}'><event xmlns='{NS}#event'><items node='{node}'/></event></message>"
    )


def test_a_contact_elsewhere_hears_what_it_wants_and_gets_the_avatar(two: TwoServers) -> None:
    juliet, romeo = two.befriend()
    wants(romeo, TUNE, METADATA)
    publishes(juliet, MOOD, f"<mood xmlns='{MOOD}'/>")
    publishes(juliet, TUNE, f"<tune xmlns='{TUNE}'/>")
    told = hears(romeo, like(f"<message><event xmlns='{NS}#event'/></message>"))
    assert like(event(TUNE))(told) is None  # the first event that comes; none of the mood
    id_, data = hashlib.sha1(PNG).hexdigest(), b64encode(PNG).decode()
    publishes(juliet, DATA, f"<data xmlns='{DATA}'>{data}</data>", id_)
    info = f"<info bytes='{len(PNG)}' id='{id_}' type='image/png'/>"
    publishes(juliet, METADATA, f"<metadata xmlns='{METADATA}'>{info}</metadata>", id_)
    hears(romeo, like(event(METADATA)))
    romeo.sends(
        f"<iq type='get' id='v' to='{JULIET.partition('/')[0]}'><vCard xmlns='vcard-temp'/></iq>"
    )
    photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{data}</BINVAL></PHOTO>"
    hears(romeo, result("v", f"<vCard xmlns='vcard-temp'>{photo}</vCard>"))
    update = f"<x xmlns='vcard-temp:x:update'><photo>{id_}</photo></x>"
    juliet.sends("<presence><show>away</show></presence>")
    hears(romeo, like(f"<presence from='{JULIET}'><show>away</show>{update}</presence>"))
