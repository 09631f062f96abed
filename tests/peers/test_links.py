"""Each kind of stream between two servers, and what becomes of it when one restarts."""

import pytest

from tests.peers.client import by_id
from tests.peers.pairs import Pair
from tests.peers.sites import Site
from tests.support.two import wait_until
from xmppd.testing import message

Sites = dict[str, Site]


@pytest.mark.parametrize(
    ("kind", "how"), [("", "EXTERNAL"), ("direct", "EXTERNAL"), ("dialback", "dialback")]
)
def test_each_proves_itself(ends: tuple[Site, Site], kind: str, how: str) -> None:
    """STARTTLS and EXTERNAL; TLS from the first byte on (the DNS knows nothing else, XEP-0368);
    dialback where the certificate is self-signed.
    """
    pair = Pair(*ends, kind)
    pair.exchange()
    own, peer = pair.domains
    assert how in pair.here.proofs(own, peer) | pair.there.proofs(peer, own)
    pair.close()


@pytest.mark.parametrize(
    ("here", "there", "kinds"),
    [
        pytest.param("ours", "theirs", ("", ""), id="ours-theirs"),
        pytest.param("theirs", "prosody", ("", "bidi"), id="theirs-prosody"),
        pytest.param("prosody", "ours", ("bidi", ""), id="prosody-ours"),
    ],
)
def test_one_stream_serves_both_directions(
    sites: Sites, here: str, there: str, kinds: tuple[str, str]
) -> None:
    """XEP-0288, whoever opens the stream."""
    pair = Pair(sites[here], sites[there], kinds[0], kinds[1])
    pair.exchange()
    own, peer = pair.domains
    assert "bidi" in pair.here.proofs(own, peer)
    assert "bidi" in pair.there.proofs(peer, own)
    pair.close()


@pytest.mark.parametrize("restarts", ["here", "there"])
def test_a_restart_in_the_middle_of_a_conversation(restarting: Pair, restarts: str) -> None:
    """Messages meanwhile arrive or are answered with an error; later all is as before."""
    romeo, juliet = restarting.exchange()
    site, left, away = (
        (restarting.here, juliet, romeo)
        if restarts == "here"
        else (restarting.there, romeo, juliet)
    )
    site.stop()
    left.sends(f"<message to='{away.jid.bare}' type='chat' id='down'><body>down</body></message>")
    site.start()
    back = restarting.login(site, away.jid)
    back.sends("<presence/>")
    left.sends(f"<message to='{away.jid.bare}' type='chat' id='up'><body>up</body></message>")
    wait_until(
        lambda: back.hears(message("down")) or left.hears(by_id("down")),
        "the message sent meanwhile, or an error",
    )
    restarting.repeats_until_heard(left, back)
    restarting.repeats_until_heard(back, left)
