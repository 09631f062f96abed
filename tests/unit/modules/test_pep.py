"""Personal eventing: whom an account's events reach, and when (XEP-0163; XEP-0060 §9)."""

import hashlib
from base64 import b64encode

import pytest

from xmppd.api import JID, Module, on, remove_account
from xmppd.jid import jid
from xmppd.modules.pubsub import Pep, pep_notifying
from xmppd.stanza import read_stanza
from xmppd.testing import Client, Talk, like, presence, result, result_of
from xmppd.xml import Element, parse

NS = "http://jabber.org/protocol/pubsub"
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
RSM = "http://jabber.org/protocol/rsm"
TUNE = "http://jabber.org/protocol/tune"
ROMEO, JULIET = "romeo@example.org/orchard", "juliet@example.org/balcony"
NURSE = "nurse@example.org/chamber"
REMOTE = "benvolio@montague.lit/street"


def features_of(*nodes: str) -> list[str]:
    return sorted([INFO, *(f"{node}+notify" for node in nodes)])


def ver_of(*nodes: str) -> str:
    text = "client/pc//Test<" + "".join(f"{feature}<" for feature in features_of(*nodes))
    return b64encode(hashlib.sha1(text.encode()).digest()).decode()


def caps(*nodes: str) -> str:
    return (
        "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test'"
        f" ver='{ver_of(*nodes)}'/>"
    )


def info(*nodes: str) -> str:
    features = "".join(f"<feature var='{each}'/>" for each in features_of(*nodes))
    return (
        f"<query xmlns='{INFO}' node='urn:test#{ver_of(*nodes)}'>"
        f"<identity category='client' type='pc' name='Test'/>{features}</query>"
    )


def drain(client: Client) -> list[Element]:
    """All that has come."""
    taken: list[Element] = []
    while True:
        try:
            taken.append(client.receives(lambda stanza: None))
        except AssertionError:
            return taken


def answers(client: Client, *nodes: str) -> list[Element]:
    """Tell its capabilities if it is asked for them; what else has come, then and before."""
    other = []
    for stanza in drain(client):
        asked = stanza.child(INFO, "query")
        if stanza.get("type") == "get" and asked is not None:
            to, id_ = stanza.get("from"), stanza.get("id")
            assert asked.get("node") == f"urn:test#{ver_of(*nodes)}"
            client.sends(f"<iq type='result' id='{id_}' to='{to}'>{info(*nodes)}</iq>")
        else:
            other.append(stanza)
    return other


def arrives(talk: Talk, address: str, *nodes: str) -> Client:
    """A client comes online that wants to hear of these nodes. What it gets for its presence is
    still to be looked at, but for presence.
    """
    client = talk.bind(address)
    client.sends(f"<presence>{caps(*nodes)}</presence>")
    assert {stanza.name for stanza in answers(client, *nodes)} <= {"presence", "message"}
    return client


def publishes(client: Client, node: str = TUNE, what: str = "x", options: str = "") -> None:
    client.sends(
        f"<iq type='set' id='pub'><pubsub xmlns='{NS}'><publish node='{node}'>"
        f"<item id='current'><tune xmlns='{TUNE}'>{what}</tune></item></publish>{options}"
        "</pubsub></iq>"
    )


def event(of: str, to: str, what: str = "x", node: str = TUNE, by: str = "") -> str:
    """`by`: the resource that published, for those that see its presence (§4.3.1)."""
    address = f"<address type='replyto' jid='{by}'/>"
    credit = f"<addresses xmlns='http://jabber.org/protocol/address'>{address}</addresses>"
    return (
        f"<message from='{of}' to='{to}' type='headline'><event xmlns='{NS}#event'>"
        f"<items node='{node}'><item id='current'><tune xmlns='{TUNE}'>{what}</tune></item>"
        "</items>"
        f"</event>{credit if by else ''}</message>"
    )


def late(of: str, to: str, what: str = "x", node: str = TUNE):  # type: ignore[no-untyped-def]
    """The last item, sent after the event (§4.3.4)."""
    return like(
        event(of, to, what, node).replace(
            "</message>", "<delay xmlns='urn:xmpp:delay'/></message>"
        )
    )


def options(**fields: str) -> str:
    inside = "".join(
        f"<field var='pubsub#{name}'><value>{value}</value></field>"
        for name, value in fields.items()
    )
    return (
        "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        f"<value>{NS}#publish-options</value></field>{inside}</x></publish-options>"
    )


def test_own_resources_hear_what_they_want_to_hear(talk: Talk) -> None:
    balcony = arrives(talk, JULIET, TUNE)
    chamber = arrives(talk, "juliet@example.org/chamber", TUNE)
    deaf = arrives(talk, "juliet@example.org/deaf", "urn:other")
    for client in (balcony, chamber, deaf):
        client.forget()
    publishes(balcony)
    balcony.receives(event("juliet@example.org", JULIET, by=JULIET), result("pub"))
    chamber.receives(event("juliet@example.org", "juliet@example.org/chamber", by=JULIET))
    deaf.receives_nothing()


def test_contacts_hear_what_their_client_wants(talk: Talk) -> None:
    talk.befriend(ROMEO, JULIET)
    juliet, romeo = talk.online(JULIET), arrives(talk, ROMEO, TUNE)
    juliet.forget()
    publishes(juliet)
    juliet.receives(result("pub"))
    romeo.receives(event("juliet@example.org", ROMEO, by=JULIET))
    publishes(juliet, "urn:other")
    romeo.receives_nothing()


def test_who_shares_no_presence_hears_nothing(talk: Talk) -> None:
    juliet, romeo = talk.online(JULIET), arrives(talk, ROMEO, TUNE)
    publishes(juliet)
    romeo.receives_nothing()


def test_the_last_item_is_sent_once_to_who_comes_online(talk: Talk) -> None:
    talk.befriend(ROMEO, JULIET)
    juliet = talk.online(JULIET)
    publishes(juliet)
    juliet.leaves()  # the publisher's presence does not matter
    romeo = arrives(talk, ROMEO, TUNE)
    romeo.receives(late("juliet@example.org", ROMEO))
    romeo.sends(f"<presence><show>away</show>{caps(TUNE)}</presence>")
    romeo.receives(presence(from_=ROMEO))
    romeo.receives_nothing()
    romeo.sends("<presence type='unavailable'/>")
    romeo.sends(f"<presence>{caps(TUNE)}</presence>")
    assert [s for s in drain(romeo) if s.name == "message"]


def test_the_last_items_come_to_ones_own_resource_too(talk: Talk) -> None:
    juliet = talk.online(JULIET)
    publishes(juliet)
    chamber = arrives(talk, "juliet@example.org/chamber", TUNE)
    chamber.receives(late("juliet@example.org", "juliet@example.org/chamber"))


def test_what_a_client_wants_newly_is_sent_to_it(talk: Talk) -> None:
    juliet = talk.online(JULIET)
    publishes(juliet)
    publishes(juliet, "urn:other")
    chamber = arrives(talk, "juliet@example.org/chamber", TUNE)
    chamber.receives(late("juliet@example.org", "juliet@example.org/chamber"))
    chamber.sends(f"<presence>{caps(TUNE, 'urn:other')}</presence>")
    answers(chamber, TUNE, "urn:other")
    chamber.receives(late("juliet@example.org", "juliet@example.org/chamber", node="urn:other"))
    chamber.receives_nothing()


def test_a_new_contact_gets_the_last_items(talk: Talk) -> None:
    juliet, romeo = talk.online(JULIET), arrives(talk, ROMEO, TUNE)
    publishes(juliet)
    romeo.forget()
    talk.befriend(ROMEO, JULIET)
    messages = [stanza for stanza in drain(romeo) if stanza.name == "message"]
    assert [stanza.get("from") for stanza in messages] == ["juliet@example.org"]


@pytest.mark.parametrize(
    ("when", "comes", "is_new"),
    [("never", False, False), ("on_sub", False, True), ("on_sub_and_presence", True, True)],
)
def test_the_node_says_when_the_last_item_is_sent(
    talk: Talk, when: str, comes: bool, is_new: bool
) -> None:
    """To who comes online, and to who becomes a contact (XEP-0060 §4.3, §6.1.7)."""
    talk.befriend(ROMEO, JULIET)
    juliet = talk.online(JULIET)
    publishes(juliet, options=options(send_last_published_item=when))
    romeo = arrives(talk, ROMEO, TUNE)
    assert ("message" in [stanza.name for stanza in drain(romeo)]) is comes
    nurse = arrives(talk, NURSE, TUNE)
    talk.befriend(NURSE, JULIET)
    assert ("message" in [stanza.name for stanza in drain(nurse)]) is is_new


def remote(talk: Talk, inside: str, type_: str = "") -> None:
    """Presence from another server to juliet."""
    raw = inside.encode()
    stanza = read_stanza(
        "presence",
        {"type": type_} if type_ else {},
        (("http://jabber.org/protocol/caps", "c"),) if inside else (),
        raw,
        to=jid("juliet@example.org"),
        from_=jid(REMOTE),
    )
    talk.router.route(stanza)


@pytest.fixture
def sent(talk: Talk) -> list[Element]:
    """What goes to other servers."""
    found: list[Element] = []

    def keep(stanza):  # type: ignore[no-untyped-def]
        found.append(parse(stanza.write().decode(), "jabber:client"))

    talk.router.elsewhere = keep
    return found


def befriend_remote(talk: Talk) -> None:
    juliet = talk.bind("juliet@example.org/befriending")
    juliet.sends("<presence to='benvolio@montague.lit' type='subscribe'/>")
    for type_ in ("subscribe", "subscribed"):
        talk.router.route(
            read_stanza(
                "presence",
                {"type": type_},
                (),
                b"",
                to=jid("juliet@example.org"),
                from_=jid("benvolio@montague.lit"),
            )
        )
    juliet.sends("<presence to='benvolio@montague.lit' type='subscribed'/>")
    juliet.leaves()


def tell_remote(talk: Talk, sent: list[Element], *nodes: str) -> None:
    """Answer the question for capabilities as another server's client does."""
    asked = [stanza for stanza in sent if stanza.name == "iq"][-1]
    answer = read_stanza(
        "iq",
        {"type": "result", "id": asked.get("id") or ""},
        ((INFO, "query"),),
        info(*nodes).encode(),
        to=jid(asked.get("from") or ""),
        from_=jid(asked.get("to") or ""),
    )
    talk.router.route(answer)


def test_a_contact_elsewhere_hears_by_what_its_presence_says(
    talk: Talk, sent: list[Element]
) -> None:
    befriend_remote(talk)
    juliet = talk.online(JULIET)
    publishes(juliet, what="before")
    sent.clear()
    remote(talk, caps(TUNE))
    tell_remote(talk, sent, TUNE)
    assert late("juliet@example.org", REMOTE, "before")(sent[-1]) is None
    sent.clear()
    publishes(juliet)
    assert [stanza.get("to") for stanza in sent] == [REMOTE]
    remote(talk, "", "unavailable")
    publishes(juliet)
    assert len(sent) == 1


def test_a_contact_elsewhere_gets_the_last_item_of_who_is_offline(
    talk: Talk, sent: list[Element]
) -> None:
    befriend_remote(talk)
    juliet = talk.bind(JULIET)
    publishes(juliet)
    juliet.leaves()
    remote(talk, caps(TUNE))
    tell_remote(talk, sent, TUNE)
    assert late("juliet@example.org", REMOTE)(sent[-1]) is None


def test_a_stranger_that_shares_presence_hears_of_open_nodes_only(
    talk: Talk, sent: list[Element]
) -> None:
    juliet = talk.online(JULIET)
    remote(talk, caps(TUNE, "urn:open"))
    tell_remote(talk, sent, TUNE, "urn:open")
    sent.clear()
    publishes(juliet)
    assert sent == []
    publishes(juliet, "urn:open", options=options(access_model="open"))
    assert [stanza.get("to") for stanza in sent] == [REMOTE]


def test_a_local_stranger_hears_while_it_directs_presence(talk: Talk) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.sends(f"<presence to='juliet@example.org'>{caps('urn:open')}</presence>")
    answers(romeo, "urn:open")
    publishes(juliet, "urn:open", options=options(access_model="open"))
    romeo.receives(event("juliet@example.org", ROMEO, node="urn:open"))
    romeo.sends("<presence to='juliet@example.org' type='unavailable'/>")
    publishes(juliet, "urn:open")
    romeo.receives_nothing()


@pytest.mark.parametrize(
    ("fields", "hears"),
    [
        ({"access_model": "open"}, True),
        ({"access_model": "presence"}, True),
        ({"access_model": "whitelist"}, False),
        ({"access_model": "roster", "roster_groups_allowed": "Friends"}, True),
        ({"access_model": "roster", "roster_groups_allowed": "Servants"}, False),
    ],
)
def test_the_access_model_says_which_contacts_hear(
    talk: Talk, fields: dict[str, str], hears: bool
) -> None:
    talk.befriend(ROMEO, JULIET)
    juliet, romeo = talk.online(JULIET), arrives(talk, ROMEO, TUNE)
    juliet.sends(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
        "<item jid='romeo@example.org'><group>Friends</group></item></query></iq>"
    )
    romeo.forget()
    publishes(juliet, options=options(**fields))
    assert bool(drain(romeo)) == hears
    again = talk.bind("romeo@example.org/again")
    again.sends(f"<presence>{caps(TUNE)}</presence>")
    assert bool([s for s in drain(again) if s.name == "message"]) == hears


def test_modules_may_hold_notifications_back() -> None:
    class Guard(Module):
        name = "guard"

        @on(pep_notifying)
        def hold(self, to: tuple[JID, ...], user: JID) -> tuple[JID, ...]:
            return tuple(each for each in to if each.bare != "romeo@example.org")

    talk = Talk(Guard)
    talk.befriend(ROMEO, JULIET)
    talk.befriend(NURSE, JULIET)
    juliet = talk.online(JULIET)
    romeo, nurse = arrives(talk, ROMEO, TUNE), arrives(talk, NURSE, TUNE)
    publishes(juliet)
    romeo.receives_nothing()
    nurse.receives(event("juliet@example.org", NURSE, by=JULIET))


def test_occupants_of_rooms_are_not_asked_what_they_can_do(
    talk: Talk, sent: list[Element]
) -> None:
    talk.online(JULIET)
    room = f"<x xmlns='http://jabber.org/protocol/muc#user'/>{caps('urn:open')}"
    stanza = read_stanza(
        "presence",
        {},
        (("http://jabber.org/protocol/muc#user", "x"), ("http://jabber.org/protocol/caps", "c")),
        room.encode(),
        to=jid(JULIET),
        from_=jid("room@conference.montague.lit/nick"),
    )
    talk.router.route(stanza)
    assert sent == []


def test_who_hears_is_known_after_a_reload(talk: Talk, sent: list[Element]) -> None:
    befriend_remote(talk)
    juliet = arrives(talk, JULIET, TUNE)
    remote(talk, caps(TUNE, "urn:other"))
    tell_remote(talk, sent, TUNE, "urn:other")
    options_now = talk.module(Pep).options
    result_of(talk.host.modules.swap(["pep"], {Pep: options_now}))
    sent.clear()
    juliet.forget()
    publishes(juliet)
    juliet.receives(event("juliet@example.org", JULIET, by=JULIET), result("pub"))
    assert [stanza.get("to") for stanza in sent] == [REMOTE]


def test_an_account_that_goes_takes_its_nodes_along(talk: Talk) -> None:
    juliet = talk.online(JULIET)
    publishes(juliet)
    pep = talk.module(Pep)
    result_of(remove_account(talk.host, jid("juliet@example.org")))
    talk.account("juliet@example.org")
    assert result_of(pep.latest(jid("juliet@example.org"), TUNE)) == []


def test_an_item_that_expired_is_not_sent_again(talk: Talk) -> None:
    juliet = talk.online(JULIET)
    publishes(juliet, options=options(item_expire="1"))
    pep, user = talk.module(Pep), jid("juliet@example.org")
    node = result_of(pep.engine.find(user, TUNE))
    assert node is not None
    (item,) = result_of(pep.latest(user, TUNE))
    old = item._replace(at=item.at - 5_000_000)
    result_of(pep.items.publish(node.id, [old], 1, reject=False))
    chamber = arrives(talk, "juliet@example.org/chamber", TUNE)
    chamber.receives_nothing()
    assert result_of(pep.latest(user, TUNE)) == []


def test_very_many_nodes_come_in_pages_without_being_asked_for() -> None:
    talk = Talk(Pep, options={"pep": {"max_nodes": 2000}})
    juliet = talk.bind(JULIET)
    engine, user = talk.module(Pep).engine, juliet.jid.bare
    for number in range(1005):
        result_of(engine.create(user, f"n{number}", user))
    pages = [listed(juliet, ""), listed(juliet, f"<set xmlns='{RSM}'><after>n999</after></set>")]
    assert [len(page.all(ITEMS, "item")) for page in pages] == [1000, 5]
    told = pages[0].child(RSM, "set")
    assert told is not None
    assert (told.child_text(RSM, "last"), told.child_text(RSM, "count")) == ("n999", "1005")


def listed(client: Client, asked: str) -> Element:
    client.sends(f"<iq type='get' id='l'><query xmlns='{ITEMS}'>{asked}</query></iq>")
    return client.receives(result("l")).elements[0]


# Errors (XEP-0060 §12.3)

FAR, STANZAS = "benvolio@montague.lit", "urn:ietf:params:xml:ns:xmpp-stanzas"


def bounces(
    talk: Talk, id_: str, condition: str, who: str = FAR, to: str = "juliet@example.org"
) -> list[str]:
    """`who` answers a notification with an error; the explicit subscribers that are left."""
    error = f"<error type='cancel'><{condition} xmlns='{STANZAS}'/></error>"
    attributes = {"type": "error", "id": id_}
    children = (("jabber:client", "error"),)
    stanza = read_stanza(
        "message", attributes, children, error.encode(), to=jid(to), from_=jid(who)
    )
    talk.router.route(stanza)
    node = result_of(talk.module(Pep).engine.find(jid("juliet@example.org"), "n"))
    assert node is not None
    return [str(it.jid) for it in node.subscriptions.values()]


@pytest.fixture
def followed(talk: Talk) -> str:
    """The id of a notification that Juliet's node has sent to two addresses far away."""
    juliet, sent = talk.bind(JULIET), []
    talk.router.elsewhere = sent.append  # type: ignore[assignment]
    publishes(juliet, "n", options=options(access_model="open"))
    for who in (FAR, REMOTE):
        ask = f"<pubsub xmlns='{NS}'><subscribe node='n' jid='{who}'/></pubsub>"
        talk.router.route(
            read_stanza(
                "iq",
                {"type": "set", "id": "s"},
                ((NS, "pubsub"),),
                ask.encode(),
                to=jid("juliet@example.org"),
                from_=jid(who),
            )
        )
    sent.clear()
    publishes(juliet, "n", "y")
    assert {str(each.to) for each in sent} == {FAR, REMOTE}
    return str(sent[-1].id)


@pytest.mark.parametrize("condition", ["gone", "item-not-found", "jid-malformed"])
def test_the_subscription_of_who_is_gone_ends(talk: Talk, followed: str, condition: str) -> None:
    """Of the JID that was told; the other is of a resource."""
    assert bounces(talk, followed, condition) == [REMOTE]


@pytest.mark.parametrize("condition", ["service-unavailable", "remote-server-timeout"])
def test_who_is_merely_away_stays_subscribed(talk: Talk, followed: str, condition: str) -> None:
    assert bounces(talk, followed, condition) == [FAR, REMOTE]


@pytest.mark.parametrize(
    ("id_", "who", "to"),
    [
        ("", "romeo@example.org", "juliet@example.org"),  # who has not subscribed
        ("never-sent", FAR, "juliet@example.org"),
        ("", FAR, "romeo@example.org"),  # whose node it is not
        ("", FAR, JULIET),  # to a client, which has sent nothing
    ],
)
def test_other_errors_end_nothing(talk: Talk, followed: str, id_: str, who: str, to: str) -> None:
    assert bounces(talk, id_ or followed, "gone", who, to) == [FAR, REMOTE]
