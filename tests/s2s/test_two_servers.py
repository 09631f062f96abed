"""Two processes of ours talk to each other: all that people do, over every kind of stream."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.two import (
    CAPULET,
    JULIET,
    MONTAGUE,
    ROMEO,
    ROOMS,
    TwoServers,
    hears,
    wait_until,
)
from xmppd.testing import error, message, presence, result

DISCO = "http://jabber.org/protocol/disco#info"
DIALBACK = 'certificates = "dialback"\n'
KINDS = pytest.mark.parametrize(
    ("direct_tls", "directions"),
    [(False, {"both"}), (True, {"both"}), (False, {"in", "out"}), (True, {"in", "out"})],
    ids=["STARTTLS", "direct TLS", "STARTTLS, one way", "direct TLS, one way"],
)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoServers]:
    """They prove themselves by EXTERNAL: what people do does not depend on the kind of stream."""
    with TwoServers(tmp_path_factory.mktemp("two")) as servers:
        servers.kind = "EXTERNAL"
        yield servers


@pytest.fixture(scope="module")
def unproven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoServers]:
    """Their certificates are self-signed."""
    with TwoServers(tmp_path_factory.mktemp("unproven"), certified=False, s2s=DIALBACK) as servers:
        servers.kind = "dialback"
        yield servers


def authenticated(two: TwoServers) -> list[dict[str, Any]]:
    """The links of capulet.example that may carry stanzas."""
    return [link for link in two.links(two.capulet) if link["how"]]


def close(two: TwoServers, *clients: object) -> None:
    for client in clients:
        client.leaves()  # type: ignore[attr-defined]


def chats(two: TwoServers, directions: set[str]) -> None:
    """A chat goes both ways, and the links are authenticated as they should be."""
    juliet, romeo = two.online(JULIET), two.online(ROMEO)
    juliet.sends(f"<message to='{ROMEO}' type='chat' id='a'><body>Wherefore?</body></message>")
    heard = hears(romeo, message("Wherefore?"))
    assert heard.attrs["from"] == JULIET
    romeo.sends(f"<message to='{JULIET}' type='chat' id='b'><body>Neither.</body></message>")
    hears(juliet, message("Neither."))
    links = authenticated(two)
    assert {link["how"] for link in links} <= {two.kind, "certificate", "bidi"}
    assert all(link["tls"] == "TLSv1.3" for link in links)
    assert {link["direction"] for link in links} == directions
    close(two, juliet, romeo)


def shares(two: TwoServers) -> bool:
    """Two domains of one server write; whether they do so on one stream (XEP-0220 §2.6.1)."""
    juliet, romeo = two.online(JULIET), two.online(ROMEO)
    juliet.sends(f"<message to='{ROMEO}' type='chat'><body>one</body></message>")
    hears(romeo, message("one"))
    rosaline = two.online(f"rosaline@{ROOMS}/hall")
    rosaline.sends(f"<message to='{ROMEO}' type='chat'><body>two</body></message>")
    hears(romeo, message("two"))
    romeo.sends(f"<message to='rosaline@{ROOMS}/hall' type='chat'><body>three</body></message>")
    hears(rosaline, message("three"))
    close(two, juliet, romeo, rosaline)
    return any(link["here"] == f"{CAPULET} {ROOMS}" for link in two.links(two.capulet))


def restarts(two: TwoServers) -> None:
    """One side, in the middle of a conversation, which goes on afterwards."""
    juliet, romeo = two.online(JULIET), two.online(ROMEO)
    juliet.sends(f"<message to='{ROMEO}' type='chat'><body>before</body></message>")
    hears(romeo, message("before"))
    romeo.socket.close()  # or it would be waited for
    two.montague.stop()
    wait_until(lambda: not authenticated(two), "the links are gone")
    juliet.sends(f"<message to='{ROMEO}' type='chat' id='lost'><body>lost</body></message>")
    heard = hears(juliet, message(id="lost"))
    assert heard.attrs["type"] == "error"
    two.montague.start()
    romeo = two.online(ROMEO)
    romeo.sends(f"<message to='{JULIET}' type='chat'><body>back</body></message>")
    hears(juliet, message("back"))
    juliet.sends(f"<message to='{ROMEO}' type='chat'><body>after</body></message>")
    hears(romeo, message("after"))
    close(two, juliet, romeo)


@KINDS
def test_each_kind_of_stream_carries_a_chat_by_external(
    two: TwoServers, direct_tls: bool, directions: set[str]
) -> None:
    bidi = str(directions == {"both"}).lower()
    with two.told(f"bidi = {bidi}", direct_tls=direct_tls):
        chats(two, directions)
        assert not shares(two)  # the certificate of one domain is not that of another


@KINDS
def test_each_kind_of_stream_carries_a_chat_by_dialback(
    unproven: TwoServers, direct_tls: bool, directions: set[str]
) -> None:
    bidi = str(directions == {"both"}).lower()
    with unproven.told(f"bidi = {bidi}", direct_tls=direct_tls):
        chats(unproven, directions)
        assert shares(unproven)


def test_after_a_restart_the_conversation_goes_on(two: TwoServers) -> None:
    restarts(two)


def test_after_a_restart_it_goes_on_with_another_secret_for_keys(unproven: TwoServers) -> None:
    restarts(unproven)


def test_subscriptions_presence_and_its_end(two: TwoServers) -> None:
    juliet, romeo = two.befriend()
    juliet.sends("<presence><show>dnd</show></presence>")
    heard = hears(romeo, presence(from_=JULIET))
    assert heard.child_text("jabber:client", "show") == "dnd"
    romeo.leaves()
    hears(juliet, presence(from_=ROMEO, type="unavailable"))
    romeo = two.online(ROMEO)  # who probes, and is seen
    hears(romeo, presence(from_=JULIET))
    hears(juliet, presence(from_=ROMEO))
    romeo.disconnect()
    hears(juliet, presence(from_=ROMEO, type="unavailable"))
    juliet.sends(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
        "<item jid='romeo@montague.example' subscription='remove'/></query></iq>"
    )
    hears(juliet, result("r"))
    romeo = two.online(ROMEO)
    romeo.sends("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
    wait_until(lambda: not _subscribed(romeo), "romeo sees juliet no more")
    close(two, juliet, romeo)


def _subscribed(romeo: object) -> bool:
    romeo.sends("<iq type='get' id='again'><query xmlns='jabber:iq:roster'/></iq>")  # type: ignore[attr-defined]
    answer = hears(romeo, result("again"))  # type: ignore[arg-type]
    items = answer.elements[0].elements
    return any(item.get("subscription") != "none" for item in items)


def test_iqs_are_answered_across(two: TwoServers) -> None:
    juliet = two.bind(JULIET)
    juliet.sends(f"<iq type='get' id='d' to='{MONTAGUE}'><query xmlns='{DISCO}'/></iq>")
    answer = hears(juliet, result("d"))
    assert answer.elements[0].child(DISCO, "identity") is not None
    juliet.sends(f"<iq type='get' id='p' to='{MONTAGUE}'><ping xmlns='urn:xmpp:ping'/></iq>")
    hears(juliet, result("p"))
    close(two, juliet)


def test_what_nobody_takes_comes_back_as_an_error(two: TwoServers) -> None:
    juliet = two.bind(JULIET)
    juliet.sends(f"<message to='nobody@{MONTAGUE}' id='n' type='chat'><body>?</body></message>")
    hears(juliet, error("n", "cancel", "service-unavailable", kind="message"))
    juliet.sends("<iq type='get' id='x' to='x@127.0.0.1'><ping xmlns='urn:xmpp:ping'/></iq>")
    hears(juliet, error("x", "cancel", "remote-server-not-found"))
    close(two, juliet)


def test_a_message_for_somebody_away_is_kept(two: TwoServers) -> None:
    two.bind(ROMEO).leaves()
    juliet = two.bind(JULIET)
    juliet.sends(f"<message to='romeo@{MONTAGUE}' type='chat'><body>later</body></message>")
    romeo = two.bind(ROMEO)
    romeo.sends("<presence/>")
    hears(romeo, message("later"))
    close(two, juliet, romeo)


def test_an_operator_closes_a_link_and_it_comes_back(two: TwoServers) -> None:
    juliet, romeo = two.online(JULIET), two.online(ROMEO)
    juliet.sends(f"<message to='{ROMEO}' type='chat'><body>one</body></message>")
    hears(romeo, message("one"))
    assert "closed" in two.capulet.run("s2s-close", domain=MONTAGUE)
    wait_until(lambda: not authenticated(two), "it is closed")
    juliet.sends(f"<message to='{ROMEO}' type='chat'><body>two</body></message>")
    hears(romeo, message("two"))
    close(two, juliet, romeo)


def test_who_is_denied_at_a_reload_is_not_talked_to_any_more(two: TwoServers) -> None:
    juliet, romeo = two.online(JULIET), two.online(ROMEO)
    juliet.sends(f"<message to='{ROMEO}' type='chat'><body>one</body></message>")
    hears(romeo, message("one"))
    config = two.capulet.config
    before = config.read_text()
    config.write_text(before.replace("[s2s]", f'[s2s]\ndeny = ["{MONTAGUE}"]', 1))
    two.capulet.run("reload", config=True)
    wait_until(lambda: not authenticated(two), "the links are closed")
    juliet.sends(f"<message to='{ROMEO}' type='chat' id='no'><body>two</body></message>")
    hears(juliet, error("no", "cancel", "not-allowed", kind="message"))
    config.write_text(before)
    two.capulet.run("reload", config=True)
    juliet.sends(f"<message to='{ROMEO}' type='chat'><body>three</body></message>")
    hears(romeo, message("three"))
    close(two, juliet, romeo)
