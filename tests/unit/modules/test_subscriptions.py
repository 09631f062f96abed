"""Subscriptions between accounts: of one host, of two, and of other servers (RFC 6121 §3)."""

import pytest

from xmppd.api import Element, Presence, Stanza, StanzaError, error_reply, events, jid, parse
from xmppd.modules.roster import Roster
from xmppd.modules.roster.items import gets_subscribe
from xmppd.modules.roster.store import requests
from xmppd.modules.subscriptions import Subscriptions
from xmppd.storage import DatabaseDown
from xmppd.testing import Client, Matcher, Talk, error, like, presence, result, result_of

ROMEO, JULIET, FAR = "romeo@example.org", "juliet@example.org", "juliet@elsewhere.example"
GET = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
HOSTS = ["example.org", "example.net"]


def item(contact: str, subscription: str, **more: str) -> str:
    attrs = "".join(f" {name}='{value}'" for name, value in more.items())
    shown = f"<item jid='{contact}' subscription='{subscription}'{attrs}/>"
    return f"<iq type='set'><query xmlns='jabber:iq:roster'>{shown}</query></iq>"


def pushed(contact: str, subscription: str, **more: str) -> Matcher:
    return like(item(contact, subscription, **more))


def ready(talk: Talk, address: str) -> Client:
    """Interested and available."""
    client = talk.bind(address)
    client.sends(GET + "<presence/>")
    client.forget()
    return client


def subscribe(client: Client, to: str, type_: str = "subscribe", inner: str = "") -> None:
    client.sends(f"<presence to='{to}' type='{type_}' id='{type_}1'>{inner}</presence>")


def subscription(talk: Talk, user: str, contact: str) -> str:
    roster = talk.module(Roster, jid(user).domain)
    return result_of(roster.item(jid(user), jid(contact))).subscription


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["subscriptions"])


@pytest.fixture
def away(talk: Talk) -> list[Stanza]:
    """What is routed to other servers."""
    routed: list[Stanza] = []
    talk.router.elsewhere = routed.append
    return routed


@pytest.mark.parametrize("domain", HOSTS)
def test_the_whole_way_to_a_mutual_subscription(domain: str) -> None:
    """§3.1, twice; on one host and across two."""
    talk = Talk(only=["subscriptions"], hosts=HOSTS)
    juliet_jid = f"juliet@{domain}"
    romeo = ready(talk, f"{ROMEO}/orchard")
    juliet = ready(talk, f"{juliet_jid}/balcony")
    subscribe(romeo, juliet_jid)
    romeo.receives(pushed(juliet_jid, "none", ask="subscribe"))
    juliet.receives(presence(type="subscribe", from_=ROMEO, to=juliet_jid, id="subscribe1"))
    juliet.receives_nothing()
    subscribe(juliet, ROMEO, "subscribed")
    juliet.receives(pushed(ROMEO, "from"))
    romeo.receives(
        presence(type="subscribed", from_=juliet_jid, to=ROMEO),
        pushed(juliet_jid, "to"),
        presence(from_=juliet.jid),
    )
    subscribe(juliet, ROMEO)
    juliet.receives(pushed(ROMEO, "from", ask="subscribe"))
    romeo.receives(presence(type="subscribe", from_=juliet_jid))
    subscribe(romeo, juliet_jid, "subscribed")
    romeo.receives(pushed(juliet_jid, "both"))
    juliet.receives(
        presence(type="subscribed", from_=ROMEO), pushed(ROMEO, "both"), presence(from_=romeo.jid)
    )
    romeo.receives_nothing()
    juliet.receives_nothing()


@pytest.mark.parametrize("domain", HOSTS)
def test_cancelling_a_subscription(domain: str) -> None:
    """§3.2: unavailable first, then unsubscribed, then the push."""
    talk = Talk(only=["subscriptions"], hosts=HOSTS)
    juliet_jid = f"juliet@{domain}"
    talk.befriend(ROMEO, juliet_jid)
    romeo = ready(talk, f"{ROMEO}/orchard")
    juliet = ready(talk, f"{juliet_jid}/balcony")
    romeo.forget()
    subscribe(juliet, ROMEO, "unsubscribed")
    juliet.receives(pushed(ROMEO, "to"))
    romeo.receives(
        presence(type="unavailable", from_=juliet.jid),
        presence(type="unsubscribed", from_=juliet_jid),
        pushed(juliet_jid, "from"),
    )
    romeo.receives_nothing()


def test_unsubscribing(talk: Talk) -> None:
    """§3.3."""
    talk.befriend(ROMEO, JULIET)
    romeo, juliet = ready(talk, f"{ROMEO}/orchard"), ready(talk, f"{JULIET}/balcony")
    romeo.forget()
    subscribe(romeo, JULIET, "unsubscribe")
    romeo.receives(pushed(JULIET, "from"), presence(type="unavailable", from_=juliet.jid))
    romeo.receives_nothing()
    juliet.receives(presence(type="unsubscribe", from_=ROMEO), pushed(ROMEO, "to"))
    juliet.receives_nothing()


def test_requests_go_to_available_resources_and_approvals_to_interested_ones(talk: Talk) -> None:
    romeo, quiet = talk.bind(f"{ROMEO}/orchard"), talk.online(f"{ROMEO}/street")
    romeo.sends(GET)
    romeo.forget()
    juliet, deaf = talk.online(f"{JULIET}/balcony"), talk.bind(f"{JULIET}/chamber")
    subscribe(romeo, JULIET)
    juliet.receives(presence(type="subscribe"))
    deaf.receives_nothing()
    romeo.forget()
    subscribe(juliet, ROMEO, "subscribed")
    romeo.receives(presence(type="subscribed"), pushed(JULIET, "to"))
    quiet.receives(presence(from_=juliet.jid))
    quiet.receives_nothing()


@pytest.mark.parametrize("type_", ["subscribe", "subscribed", "unsubscribe", "unsubscribed"])
def test_all_go_out_from_the_bare_jid_to_the_bare_jid(
    talk: Talk, away: list[Stanza], type_: str
) -> None:
    """§3, §3.1.2 rule 1: whatever resource was named."""
    romeo = ready(talk, f"{ROMEO}/orchard")
    roster = talk.module(Roster)
    result_of(roster.change(jid(ROMEO), jid(FAR), gets_subscribe, b"<presence/>"))
    subscribe(romeo, f"{FAR}/balcony", type_, "<status>Hi</status>")
    stanza = next(s for s in away if s.type == type_)
    assert (stanza.from_, stanza.to, stanza.id) == (ROMEO, FAR, f"{type_}1")
    assert stanza.raw == b"<status>Hi</status>"


def test_a_request_that_came_to_a_full_jid_is_for_the_account(talk: Talk) -> None:
    """§3.1.3."""
    juliet = talk.online(f"{JULIET}/balcony")
    talk.router.route(Presence(juliet.jid, jid(f"{FAR}/x"), "subscribe"))
    juliet.receives(presence(type="subscribe", from_=FAR, to=JULIET))


@pytest.mark.parametrize("type_", ["subscribe", "subscribed", "unsubscribe", "unsubscribed"])
@pytest.mark.parametrize("to", [ROMEO, f"{ROMEO}/orchard"])
def test_a_subscription_to_oneself_does_nothing(talk: Talk, type_: str, to: str) -> None:
    romeo = ready(talk, f"{ROMEO}/orchard")
    subscribe(romeo, to, type_)
    romeo.receives_nothing()
    assert not talk.module(Roster).contacts(jid(ROMEO))


@pytest.mark.parametrize("type_", ["subscribe", "subscribed", "unsubscribe", "unsubscribed"])
def test_accounts_that_do_not_exist_are_silent(talk: Talk, away: list[Stanza], type_: str) -> None:
    talk.router.route(Presence(jid("nobody@example.org"), jid(FAR), type_))
    assert away == []
    count = requests.select()
    assert result_of(talk.database.run(lambda tx: tx.execute(count).all())) == []


def test_a_request_to_another_server_that_cannot_be_reached_is_answered(talk: Talk) -> None:
    """§3.1.2: an error, and yet the item asks."""
    romeo = ready(talk, f"{ROMEO}/orchard")
    subscribe(romeo, FAR)
    romeo.receives(
        pushed(FAR, "none", ask="subscribe"),
        error("subscribe1", "cancel", "remote-server-not-found", "presence"),
    )


# Requests that wait (§3.1.3)


def test_a_request_is_delivered_whole_at_each_login_until_it_is_answered(talk: Talk) -> None:
    text = "<status>I am Romeo</status><nick xmlns='http://jabber.org/protocol/nick'>R</nick>"
    talk.account(JULIET)
    romeo = talk.online(f"{ROMEO}/orchard")
    romeo.sends(
        f"<presence to='{JULIET}' type='subscribe' id='q'"
        f" xml:lang='it' xmlns:e='urn:t' e:mood='x'>{text}</presence>"
    )
    wanted = parse(
        f"<presence xmlns='jabber:client' from='{ROMEO}' to='{JULIET}' type='subscribe' id='q'"
        f" xml:lang='it' xmlns:e='urn:t' e:mood='x'>{text}</presence>"
    )
    for _ in range(2):
        juliet = talk.bind(f"{JULIET}/balcony")
        juliet.receives_nothing()
        juliet.sends("<presence/>")
        juliet.receives(presence(from_=juliet.jid))
        assert juliet.receives(presence(type="subscribe")) == wanted
        juliet.sends("<presence><show>away</show></presence>")
        juliet.receives(presence(from_=juliet.jid))
        juliet.receives_nothing()
        juliet.disconnect()


@pytest.mark.parametrize("answer", ["subscribed", "unsubscribed"])
def test_an_answered_request_is_not_delivered_again(talk: Talk, answer: str) -> None:
    talk.account(JULIET)
    subscribe(talk.online(f"{ROMEO}/orchard"), JULIET)
    juliet = talk.online(f"{JULIET}/balcony")
    subscribe(juliet, ROMEO, answer)
    again = talk.bind(f"{JULIET}/chamber")
    again.sends("<presence/>")
    assert "subscribe" not in [s.get("type") for s in again.inbox]


def test_of_several_requests_of_one_contact_one_is_delivered(talk: Talk) -> None:
    talk.account(JULIET)
    romeo = talk.online(f"{ROMEO}/orchard")
    for _ in range(3):
        subscribe(romeo, JULIET)
    juliet = talk.bind(f"{JULIET}/balcony")
    juliet.sends("<presence/>")
    assert [s.get("type") for s in juliet.inbox] == [None, "subscribe"]


def test_a_request_that_was_taken_back_is_not_delivered(talk: Talk) -> None:
    talk.account(JULIET)
    romeo = talk.online(f"{ROMEO}/orchard")
    subscribe(romeo, JULIET)
    subscribe(romeo, JULIET, "unsubscribe")
    juliet = talk.bind(f"{JULIET}/balcony")
    juliet.sends("<presence/>")
    assert [s.get("type") for s in juliet.inbox] == [None]


def test_a_huge_request_is_kept_without_its_content() -> None:
    talk = Talk(only=["subscriptions"], options={"subscriptions": {"max_request": 300}})
    talk.account(JULIET)
    subscribe(talk.online(f"{ROMEO}/orchard"), JULIET, inner=f"<status>{'x' * 300}</status>")
    juliet = talk.bind(f"{JULIET}/balcony")
    juliet.sends("<presence/>")
    juliet.receives(presence(from_=juliet.jid))
    assert juliet.receives(presence(type="subscribe", from_=ROMEO)).elements == []


def test_no_more_requests_are_kept_than_the_limit_allows() -> None:
    talk = Talk(only=["subscriptions"], options={"roster": {"max_requests": 2}})
    juliet = talk.online(f"{JULIET}/balcony")
    for name in "abc":
        sender = talk.online(f"{name}@example.org/x")
        subscribe(sender, JULIET)
    sender.receives(error(None, "wait", "resource-constraint", "presence"))
    assert len(juliet.inbox) == 2


def test_an_unreadable_request_does_not_keep_the_others_back(talk: Talk) -> None:
    talk.account(JULIET)
    for name in "ab":
        subscribe(talk.online(f"{name}@example.org/x"), JULIET)
    flip = requests.update().where(requests.c.contact == "a@example.org").values(stanza=b"<x")
    result_of(talk.database.run(lambda tx: tx.execute(flip)))
    juliet = talk.bind(f"{JULIET}/balcony")
    juliet.sends("<presence/>")
    juliet.receives(presence(), presence(type="subscribe", from_="b@example.org"))


def test_a_remote_contact_is_asked_again_by_the_first_resource_that_becomes_available(
    talk: Talk, away: list[Stanza]
) -> None:
    """§3.1.2, the last paragraph."""
    romeo = talk.online(f"{ROMEO}/orchard")
    subscribe(romeo, FAR)
    talk.online(f"{ROMEO}/street")
    assert [s.type for s in away] == ["subscribe"]
    again = talk.bind(f"{ROMEO}/garden")
    romeo.disconnect()
    talk.host.sessions.of(jid(ROMEO))[0].close()
    again.sends("<presence/>")
    assert [(s.type, s.from_, s.to) for s in away] == [("subscribe", ROMEO, FAR)] * 2
    assert away[1].id


def test_a_local_contact_is_not_asked_again(talk: Talk) -> None:
    """Its request is stored on this server."""
    talk.account(JULIET)
    subscribe(talk.online(f"{ROMEO}/orchard"), JULIET)
    talk.host.sessions.of(jid(ROMEO))[0].close()
    passed: list[str] = []
    talk.router.release("example.org")
    talk.router.claim("example.org", lambda stanza: passed.append(stanza.type))
    talk.bind(f"{ROMEO}/street").sends("<presence/>")
    assert "subscribe" not in passed


# Contacts and accounts that go (§2.5.2)


def test_removing_a_contact_ends_both_subscriptions(talk: Talk) -> None:
    talk.befriend(ROMEO, JULIET)
    romeo, juliet = ready(talk, f"{ROMEO}/orchard"), ready(talk, f"{JULIET}/balcony")
    romeo.forget()
    gone = f"<item jid='{JULIET}' subscription='remove'/>"
    removal = f"<query xmlns='jabber:iq:roster'>{gone}</query>"
    romeo.sends(f"<iq type='set' id='d'>{removal}</iq>")
    juliet.receives(
        presence(type="unavailable", from_=romeo.jid),
        presence(type="unsubscribe", from_=ROMEO),
        pushed(ROMEO, "to"),
        presence(type="unsubscribed", from_=ROMEO),
        pushed(ROMEO, "none"),
    )
    juliet.receives_nothing()
    romeo.receives(
        like(f"<iq type='set'>{removal}</iq>"),
        presence(type="unavailable", from_=juliet.jid),
        result("d"),
    )
    romeo.receives_nothing()


@pytest.mark.parametrize(
    ("start", "sent"),
    [
        ((), []),
        (("subscribe",), ["unsubscribe"]),
        (("subscribed",), []),
    ],
)
def test_removing_a_contact_tells_it_what_it_must_know_and_no_more(
    talk: Talk, away: list[Stanza], start: tuple[str, ...], sent: list[str]
) -> None:
    romeo = ready(talk, f"{ROMEO}/orchard")
    entry = f"<query xmlns='jabber:iq:roster'><item jid='{FAR}'{{}}/></query>"
    romeo.sends(f"<iq type='set' id='a'>{entry.format('')}</iq>")
    for type_ in start:
        subscribe(romeo, FAR, type_)
    away.clear()
    removed = entry.format(" subscription='remove'")
    romeo.sends(f"<iq type='set' id='d'>{removed}</iq>")
    assert [s.type for s in away] == sent


def test_removing_a_contact_denies_its_request(talk: Talk, away: list[Stanza]) -> None:
    romeo = ready(talk, f"{ROMEO}/orchard")
    entry = f"<query xmlns='jabber:iq:roster'><item jid='{FAR}'{{}}/></query>"
    romeo.sends(f"<iq type='set' id='a'>{entry.format('')}</iq>")
    talk.router.route(Presence(jid(ROMEO), jid(FAR), "subscribe"))
    removed = entry.format(" subscription='remove'")
    romeo.sends(f"<iq type='set' id='d'>{removed}</iq>")
    assert [s.type for s in away] == ["unsubscribed"]
    assert result_of(talk.module(Roster).store.waiting("romeo")) == []


def test_an_account_that_is_removed_ends_its_subscriptions_and_leaves_nothing(talk: Talk) -> None:
    talk.befriend(ROMEO, JULIET)
    subscribe(talk.online("tybalt@example.org/x"), ROMEO)
    juliet = ready(talk, f"{JULIET}/balcony")
    tybalt = ready(talk, "tybalt@example.org/y")
    hooks = talk.host.hooks
    result_of(hooks.of(events.account_deleting).wait(jid(ROMEO)))
    result_of(talk.host.accounts.delete("romeo"))
    hooks.of(events.account_deleted).signal(jid(ROMEO))
    types = [s.get("type") for s in juliet.inbox if s.name == "presence"]
    assert types == ["unsubscribe", "unsubscribed"]
    tybalt.receives(presence(type="unsubscribed", from_=ROMEO), pushed(ROMEO, "none"))
    assert subscription(talk, JULIET, ROMEO) == "none"
    assert result_of(talk.module(Roster).store.erase("romeo")) == []


def test_the_stream_offers_pre_approval(talk: Talk) -> None:
    offered = talk.module(Subscriptions).offer("before_bind")
    assert offered == [Element("urn:xmpp:features:pre-approval", "sub")]
    assert talk.module(Subscriptions).offer("before_auth") == []


# Faults


def test_without_the_database_a_request_fails_and_nothing_has_changed(
    talk: Talk, away: list[Stanza]
) -> None:
    romeo = ready(talk, f"{ROMEO}/orchard")
    talk.database.fail_with(DatabaseDown("away"))
    subscribe(romeo, FAR)
    romeo.receives(error("subscribe1", "wait", "internal-server-error", "presence"))
    romeo.receives_nothing()
    assert away == []
    assert not talk.module(Roster).contacts(jid(ROMEO))
    talk.database.fail_with(None)
    subscribe(romeo, FAR)
    romeo.receives(pushed(FAR, "none", ask="subscribe"))


def test_presence_of_type_error_is_delivered_and_never_answered(
    talk: Talk, away: list[Stanza]
) -> None:
    juliet = talk.online(f"{JULIET}/balcony")
    refused = error_reply(
        Presence(jid(FAR), jid(JULIET), "subscribe"), StanzaError("remote-server-timeout")
    )
    assert refused is not None
    talk.router.route(refused)
    juliet.receives(error(None, "wait", "remote-server-timeout", "presence"))
    talk.router.route(refused.copy(to=jid("nobody@example.org")))
    juliet.sends(
        "<presence to='nobody@example.org/x' type='error'><error type='cancel'>"
        "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
    )
    juliet.receives_nothing()
    assert away == []
