"""Last activity (XEP-0012)."""

import time

import pytest

from xmppd.api import ACCOUNT, HOST, events, jid
from xmppd.modules.last import MAX_STATUS, LastActivity
from xmppd.testing import Client, Talk, error, like, result, result_of
from xmppd.testing.stage import bundled

ROMEO, JULIET = "romeo@example.org", "juliet@example.org"


def ask(client: Client, to: str) -> None:
    client.sends(f"<iq type='get' id='last1' to='{to}'><query xmlns='jabber:iq:last'/></iq>")


def answer(seconds: int, status: str = "") -> str:
    return f"<query xmlns='jabber:iq:last' seconds='{seconds}'>{status}</query>"


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["subscriptions", "last"])


@pytest.fixture
def romeo(talk: Talk) -> Client:
    """A friend of Juliet's who is online."""
    talk.befriend(ROMEO, JULIET)
    return talk.online(f"{ROMEO}/orchard")


def been_away(talk: Talk, seconds: int, status: str) -> None:
    at = int((time.time() - seconds) * 1e6)
    result_of(talk.module(LastActivity).last_seen.put("juliet", at, status))


def test_a_subscriber_learns_how_long_ago_the_account_left_and_with_what_status(
    talk: Talk, romeo: Client
) -> None:
    """§3."""
    juliet = talk.online(f"{JULIET}/balcony")
    juliet.sends("<presence type='unavailable'><status>Heading Home</status></presence>")
    juliet.disconnect()
    romeo.forget()
    ask(romeo, JULIET)
    romeo.receives(result("last1", answer(0, "Heading Home")))


def test_the_seconds_are_those_since_the_account_left(talk: Talk, romeo: Client) -> None:
    been_away(talk, 903, "")
    ask(romeo, JULIET)
    found = romeo.receives(result("last1")).elements[0]
    assert 903 <= int(found.get("seconds") or 0) <= 905


@pytest.mark.parametrize("available", [True, False])
def test_an_account_that_is_connected_was_active_now(
    talk: Talk, romeo: Client, available: bool
) -> None:
    been_away(talk, 903, "gone")
    juliet = talk.bind(f"{JULIET}/balcony")
    if available:
        juliet.sends("<presence/>")
        romeo.forget()
    ask(romeo, JULIET)
    romeo.receives(result("last1", answer(0)))


def test_one_may_ask_of_oneself(talk: Talk) -> None:
    romeo = talk.online(f"{ROMEO}/orchard")
    ask(romeo, ROMEO)
    romeo.receives(result("last1", answer(0)))


@pytest.mark.parametrize("to", [JULIET, f"{JULIET}/balcony", f"{JULIET}/nowhere"])
@pytest.mark.parametrize("state", ["online", "offline", "no account"])
def test_who_may_not_see_the_presence_is_forbidden_to_ask_whatever_there_is(
    talk: Talk, to: str, state: str
) -> None:
    """§3, §4, §8: nothing is delivered, nothing is told."""
    tybalt = talk.online("tybalt@example.org/street")
    juliet = talk.online(f"{JULIET}/balcony") if state == "online" else None
    if state == "offline":
        talk.account(JULIET)
    ask(tybalt, to)
    tybalt.receives(error("last1", "auth", "forbidden"))
    if juliet is not None:
        juliet.receives_nothing()


def test_a_resource_answers_a_subscriber_itself(talk: Talk, romeo: Client) -> None:
    """§4."""
    juliet = talk.online(f"{JULIET}/balcony")
    romeo.forget()
    ask(romeo, juliet.jid)
    juliet.receives(like("<iq type='get' id='last1'><query xmlns='jabber:iq:last'/></iq>"))
    juliet.sends(f"<iq type='result' id='last1' to='{romeo.jid}'>{answer(123)}</iq>")
    romeo.receives(result("last1", answer(123)))


@pytest.mark.parametrize("online", [True, False])
def test_of_a_resource_that_is_not_there_a_subscriber_gets_service_unavailable(
    talk: Talk, romeo: Client, online: bool
) -> None:
    if online:
        talk.online(f"{JULIET}/balcony")
        romeo.forget()
    else:
        talk.advance(60)
        talk.advance(60)  # her roster is no longer in memory
    ask(romeo, f"{JULIET}/nowhere")
    romeo.receives(error("last1", "cancel", "service-unavailable"))


def test_other_requests_to_a_resource_pass(talk: Talk) -> None:
    juliet = talk.online(f"{JULIET}/balcony")
    talk.bind("tybalt@example.org/street").sends(
        f"<iq type='get' id='v' to='{juliet.jid}'><query xmlns='jabber:iq:version'/></iq>"
    )
    juliet.receives(like("<iq type='get' id='v'/>"))


def test_an_account_that_was_never_available_has_no_answer(talk: Talk) -> None:
    tybalt = talk.online("tybalt@example.org/street")
    for one, other in ((tybalt, JULIET), (talk.bind(f"{JULIET}/x"), tybalt.jid.bare)):
        one.sends(f"<presence to='{other}' type='subscribe'/>")
        one.sends(f"<presence to='{other}' type='subscribed'/>")
    talk.host.sessions.of(jid(JULIET))[0].close()
    tybalt.sends(f"<presence to='{JULIET}' type='subscribe'/>")
    tybalt.forget()
    ask(tybalt, JULIET)
    tybalt.receives(error("last1", "cancel", "service-unavailable"))


def test_the_time_is_kept_when_the_last_resource_leaves(talk: Talk) -> None:
    last = talk.module(LastActivity)
    one, two = talk.online(f"{JULIET}/balcony"), talk.online(f"{JULIET}/chamber")
    one.disconnect()
    assert result_of(last.seen(jid(JULIET))) is None
    two.disconnect()
    assert result_of(last.seen(jid(JULIET))) is not None


def test_of_a_long_status_only_a_part_is_kept(talk: Talk) -> None:
    juliet = talk.online(f"{JULIET}/balcony")
    juliet.sends(f"<presence type='unavailable'><status>{'x' * 5000}</status></presence>")
    kept = result_of(talk.module(LastActivity).last_seen.get("juliet"))
    assert kept is not None
    assert len(kept[1]) == MAX_STATUS


def test_the_host_tells_its_uptime_and_a_reload_does_not_begin_it_anew(talk: Talk) -> None:
    """§5."""
    romeo = talk.bind(f"{ROMEO}/orchard")
    ask(romeo, "example.org")
    romeo.receives(result("last1", answer(0)))
    last = talk.module(LastActivity)
    last.restore({"up_since": time.monotonic() - 1000.5})
    result_of(talk.host.modules.swap(["last"], {bundled().get("last"): last.options}))
    ask(romeo, "example.org")
    romeo.receives(result("last1", answer(1000)))


def test_it_is_announced_as_a_feature(talk: Talk) -> None:
    assert "jabber:iq:last" in talk.host.iqs.namespaces(HOST)
    assert "jabber:iq:last" in talk.host.iqs.namespaces(ACCOUNT)


def test_an_account_that_is_removed_leaves_nothing(talk: Talk) -> None:
    talk.online(f"{JULIET}/balcony").disconnect()
    talk.host.hooks.of(events.account_deleted).signal(jid(JULIET))
    assert result_of(talk.module(LastActivity).seen(jid(JULIET))) is None
