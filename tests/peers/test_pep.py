"""What people publish about themselves reaches contacts of other servers (XEP-0163 §4)."""

from base64 import b64encode
from hashlib import sha1

import pytest

from tests.peers.client import Guest
from tests.peers.pairs import Pair
from tests.peers.sites import Site
from tests.support.two import wait_until
from xmppd.testing import like
from xmppd.xml import Element

Sites = dict[str, Site]
CAPS, INFO = "http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#info"
TUNE = "http://jabber.org/protocol/tune"
FEATURES = sorted([CAPS, INFO, f"{TUNE}+notify"])
IDENTITY = "client/pc//Test<"
VER = b64encode(sha1((IDENTITY + "".join(f"{f}<" for f in FEATURES)).encode()).digest()).decode()
PUBLISH = (
    "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
    f"<publish node='{TUNE}'><item id='1'><tune xmlns='{TUNE}'><title>Nightingale</title>"
    "</tune></item></publish></pubsub></iq>"
)
DIRECTIONS = [
    ("ours", "prosody"),
    ("prosody", "ours"),
    ("ours", "ejabberd"),
    ("ejabberd", "ours"),
    ("ours", "theirs"),
]


def tells(guest: Guest, question: Element) -> None:
    """What its client can do (XEP-0115 §6.2)."""
    query = question.elements[0]
    node = query.get("node")
    named = f" node='{node}'" if node else ""
    guest.sends(
        f"<iq type='result' id='{question.get('id')}' to='{question.get('from')}'>"
        f"<query xmlns='{INFO}'{named}><identity category='client' type='pc' name='Test'/>"
        + "".join(f"<feature var='{feature}'/>" for feature in FEATURES)
        + "</query></iq>"
    )


def answers(guest: Guest) -> None:
    """All questions that have come, or come now."""
    guest.hears(like("<iq type='get'/>"))
    for stanza in list(guest.inbox):
        if stanza.name == "iq" and stanza.get("type") == "get":
            guest.inbox.remove(stanza)
            tells(guest, stanza)


@pytest.mark.parametrize(
    ("reads", "publishes"), DIRECTIONS, ids=["-".join(each) for each in DIRECTIONS]
)
def test_a_contact_elsewhere_hears_what_is_published(
    sites: Sites, reads: str, publishes: str
) -> None:
    pair = Pair(sites[reads], sites[publishes])
    romeo, juliet = pair.friends()
    romeo.sends(
        f"<presence><c xmlns='{CAPS}' hash='sha-1' node='urn:test' ver='{VER}'/></presence>"
    )

    def hears() -> bool:
        """Some servers tell nobody whose client they have not asked yet: she tries again."""
        juliet.sends(PUBLISH)
        juliet.awaits(like("<iq type='result' id='p'/>"))
        answers(romeo)
        return romeo.saw(
            like(
                f"<message from='{juliet.jid.bare}'>"
                "<event xmlns='http://jabber.org/protocol/pubsub#event'>"
                f"<items node='{TUNE}'><item><tune xmlns='{TUNE}'><title>Nightingale</title>"
                "</tune></item></items></event></message>"
            )
        )

    wait_until(hears, "the notification")
    pair.close()
