"""Presence: broadcast, probes, directed presence (RFC 6121 §4)."""

import pytest
from twisted.internet.defer import Deferred

from xmppd.api import (
    JID,
    STOP,
    Module,
    Presence,
    Stanza,
    StanzaError,
    Stop,
    events,
    jid,
    on,
)
from xmppd.modules.presence import PresenceBroadcast
from xmppd.modules.roster import Roster
from xmppd.modules.roster.items import Item, Outcome
from xmppd.storage import StorageError
from xmppd.testing import Client, Talk, error, like, presence, result_of

ROMEO, JULIET, FAR = "romeo@example.org", "juliet@example.org", "juliet@elsewhere.example"
HOSTS = ["example.org", "example.net"]
AWAY = "<presence><show>away</show><status>at the balcony</status></presence>"


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["subscriptions", "last"])


@pytest.fixture
def routed(talk: Talk) -> list[Stanza]:
    """What goes to other servers."""
    stanzas: list[Stanza] = []
    talk.router.elsewhere = stanzas.append
    return stanzas


def befriend_far(
    talk: Talk, user: str, contact: str, *, to: bool = True, from_: bool = True
) -> None:
    """Subscriptions with a contact whom nobody plays."""

    def become(item: Item) -> Outcome:
        return Outcome(item, Item(item.contact, to=to, from_=from_, listed=True))

    talk.account(user)
    result_of(talk.module(Roster).change(jid(user), jid(contact), become))


def said(stanzas: list[Stanza]) -> list[tuple[str, JID, JID]]:
    return [(s.type, s.from_, s.to) for s in stanzas]


# Initial presence (§4.2)


def test_initial_presence_goes_to_subscribers_and_to_oneself(talk: Talk) -> None:
    befriend_far(talk, JULIET, ROMEO, to=False)
    befriend_far(talk, JULIET, "nurse@example.org", from_=False)
    romeo, nurse = talk.online(f"{ROMEO}/orchard"), talk.online("nurse@example.org/kitchen")
    juliet = talk.bind(f"{JULIET}/balcony")
    juliet.sends(AWAY)
    full = AWAY.replace("<presence>", "<presence from='juliet@example.org/balcony' to='{}'>")
    romeo.receives(full.format(ROMEO))
    juliet.receives(full.format(JULIET))
    for client in (romeo, nurse, juliet):
        client.receives_nothing()


def test_initial_presence_goes_to_own_resources_and_theirs_comes_back(talk: Talk) -> None:
    balcony, quiet = talk.bind(f"{JULIET}/balcony"), talk.bind(f"{JULIET}/quiet")
    balcony.sends(AWAY)
    balcony.forget()
    chamber = talk.bind(f"{JULIET}/chamber")
    chamber.sends("<presence/>")
    balcony.receives(presence(from_=chamber.jid, to=JULIET))
    chamber.receives(presence(from_=chamber.jid), like(AWAY))
    for client in (balcony, quiet, chamber):
        client.receives_nothing()


@pytest.mark.parametrize("domain", HOSTS)
def test_a_new_session_sees_each_available_resource_of_its_contacts(domain: str) -> None:
    """§4.3.2 rule 4: as last sent, id and all."""
    talk = Talk(only=["subscriptions", "last"], hosts=HOSTS)
    contact = f"juliet@{domain}"
    talk.befriend(ROMEO, contact)
    balcony, chamber = talk.bind(f"{contact}/balcony"), talk.bind(f"{contact}/chamber")
    balcony.sends("<presence/>" + AWAY.replace("<presence>", "<presence id='p2'>"))
    chamber.sends("<presence id='p3'><priority>-1</priority></presence>")
    romeo = talk.bind(f"{ROMEO}/orchard")
    romeo.sends("<presence/>")
    romeo.receives_in_any_order(
        presence(from_=romeo.jid),
        AWAY.replace("<presence>", f"<presence from='{balcony.jid}' id='p2'>"),
        f"<presence from='{chamber.jid}' id='p3'><priority>-1</priority></presence>",
    )
    romeo.receives_nothing()


def test_what_a_new_session_asks_of_local_contacts_does_not_reach_the_older_ones(
    talk: Talk,
) -> None:
    talk.befriend(ROMEO, JULIET)
    talk.online(f"{JULIET}/balcony")
    old = talk.online(f"{ROMEO}/orchard")
    new = talk.bind(f"{ROMEO}/street")
    new.sends("<presence/>")
    old.receives(presence(from_=new.jid))
    old.receives_nothing()


def test_remote_contacts_are_probed_from_the_bare_jid(talk: Talk, routed: list[Stanza]) -> None:
    """§4.3.1."""
    befriend_far(talk, ROMEO, FAR)
    befriend_far(talk, ROMEO, "nurse@elsewhere.example", to=False)
    romeo = talk.bind(f"{ROMEO}/orchard")
    romeo.sends("<presence/>")
    assert said(routed) == [
        ("", romeo.jid, FAR),
        ("", romeo.jid, "nurse@elsewhere.example"),
        ("probe", ROMEO, FAR),
    ]


def test_a_domain_is_probed_no_faster_than_it_takes_the_probes(talk: Talk) -> None:
    """A login with many contacts on another host shall not flood it, nor wait for it."""
    probes: list[Stanza] = []
    taken: Deferred[None] = Deferred()

    def busy(stanza: Stanza) -> Deferred[None] | None:
        if stanza.type != "probe":
            return None
        probes.append(stanza)
        return taken if stanza.to.domain == "elsewhere.example" else None

    talk.router.elsewhere = busy
    for contact in (FAR, "nurse@elsewhere.example", "tybalt@away.example"):
        befriend_far(talk, ROMEO, contact, from_=False)
    talk.bind(f"{ROMEO}/orchard").sends("<presence/>")
    assert {s.to for s in probes} == {FAR, "tybalt@away.example"}
    taken.callback(None)
    assert len(probes) == 3


def test_presence_of_a_contact_goes_to_all_available_resources(talk: Talk) -> None:
    """§4.2.3, §4.4.3, §4.5.3."""
    one, two = talk.online(f"{ROMEO}/orchard"), talk.online(f"{ROMEO}/street", priority=-5)
    deaf = talk.bind(f"{ROMEO}/garden")
    one.forget()
    for type_ in ("", "unavailable"):
        talk.router.route(Presence(jid(ROMEO), jid(f"{FAR}/x"), type_))
        for client in (one, two):
            client.receives(presence(type=type_ or None, from_=f"{FAR}/x"))
    deaf.receives_nothing()


# Later presence (§4.4), its end (§4.5)


def test_later_presence_is_broadcast_whole_and_probes_nobody(
    talk: Talk, routed: list[Stanza]
) -> None:
    befriend_far(talk, ROMEO, FAR)
    romeo = talk.online(f"{ROMEO}/orchard")
    routed.clear()
    romeo.sends(AWAY)
    assert said(routed) == [("", romeo.jid, FAR)]
    assert b"<show>away</show>" in routed[0].raw
    romeo.receives(like(AWAY))


@pytest.mark.parametrize("priority", ["128", "-129", "high", "", "1.5", "0x1", "٣"])
def test_a_malformed_priority_is_a_bad_request_and_changes_nothing(
    talk: Talk, routed: list[Stanza], priority: str
) -> None:
    """§4.7.2.3."""
    befriend_far(talk, ROMEO, FAR)
    romeo = talk.online(f"{ROMEO}/orchard", priority=5)
    routed.clear()
    romeo.sends(f"<presence id='p'><priority>{priority}</priority></presence>")
    romeo.receives(error("p", "modify", "bad-request", "presence"))
    romeo.receives_nothing()
    assert routed == []
    assert romeo.session.priority == 5


def test_a_change_of_priority_is_broadcast_and_obeyed(talk: Talk, routed: list[Stanza]) -> None:
    befriend_far(talk, ROMEO, FAR)
    romeo = talk.online(f"{ROMEO}/orchard")
    romeo.sends("<presence><priority>-1</priority></presence>")
    assert b"<priority>-1</priority>" in routed[-1].raw
    assert romeo.session.priority == -1


def test_unavailable_presence_is_broadcast_whole_to_contacts_and_own_resources(
    talk: Talk,
) -> None:
    """§4.5.2: to the one that sends it as well."""
    talk.befriend(ROMEO, JULIET)
    juliet, romeo = talk.online(f"{JULIET}/balcony"), talk.online(f"{ROMEO}/orchard")
    street = talk.online(f"{ROMEO}/street")
    for client in (juliet, romeo):
        client.forget()
    gone = "<presence type='unavailable'><status>going</status></presence>"
    romeo.sends(gone)
    for client in (juliet, romeo, street):
        client.receives(like(gone))
        client.receives_nothing()


def test_after_unavailable_presence_the_next_is_initial_again(
    talk: Talk, routed: list[Stanza]
) -> None:
    befriend_far(talk, ROMEO, FAR)
    romeo = talk.online(f"{ROMEO}/orchard")
    romeo.sends("<presence type='unavailable'/>")
    routed.clear()
    romeo.sends("<presence/>")
    assert [s.type for s in routed] == ["", "probe"]


def test_unavailable_presence_of_who_was_not_available_is_not_broadcast(
    talk: Talk, routed: list[Stanza]
) -> None:
    befriend_far(talk, ROMEO, FAR)
    romeo = talk.bind(f"{ROMEO}/orchard")
    romeo.sends("<presence type='unavailable'/>")
    romeo.receives_nothing()
    assert routed == []


def test_a_lost_connection_is_unavailable_presence(talk: Talk, routed: list[Stanza]) -> None:
    befriend_far(talk, ROMEO, FAR)
    romeo, street = talk.online(f"{ROMEO}/orchard"), talk.online(f"{ROMEO}/street")
    routed.clear()
    romeo.disconnect()
    assert said(routed) == [("unavailable", romeo.jid, FAR)]
    street.receives(presence(type="unavailable", from_=romeo.jid))
    street.receives_nothing()


def test_a_replaced_session_is_unavailable_before_the_new_one_is_there(
    talk: Talk, routed: list[Stanza]
) -> None:
    befriend_far(talk, ROMEO, FAR)
    talk.online(f"{ROMEO}/orchard")
    routed.clear()
    new = talk.bind(f"{ROMEO}/orchard")
    new.sends("<presence/>")
    assert [s.type for s in routed] == ["unavailable", "", "probe"]
    new.receives(presence(from_=new.jid))
    new.receives_nothing()


@pytest.mark.parametrize("type_", ["probe", "subscribe", "subscribed", "unsubscribe"])
def test_presence_of_other_types_needs_an_address(talk: Talk, type_: str) -> None:
    romeo = talk.bind(f"{ROMEO}/orchard")
    romeo.sends(f"<presence type='{type_}' id='p'/>")
    romeo.receives(error("p", "modify", "bad-request", "presence"))


def test_presence_of_an_unknown_type_is_a_bad_request(talk: Talk) -> None:
    """§4.7.1."""
    romeo = talk.bind(f"{ROMEO}/orchard")
    romeo.sends("<presence type='available' id='p'/>")
    romeo.receives(error("p", "modify", "bad-request", "presence"))


def test_presence_of_type_error_without_address_is_not_answered(talk: Talk) -> None:
    romeo = talk.bind(f"{ROMEO}/orchard")
    romeo.sends(
        "<presence type='error' id='p'><error type='cancel'>"
        "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
    )
    romeo.receives_nothing()


class Lobby(Module):
    """Takes what is for the host itself."""

    name = "lobby"

    async def start(self) -> None:
        self.came: list[Stanza] = []

    @on(events.host_receives)
    def take(self, stanza: Stanza) -> Stop:
        self.came.append(stanza)
        return STOP


def test_the_host_itself_may_be_a_contact() -> None:
    talk = Talk(Lobby, only=["subscriptions"])
    befriend_far(talk, ROMEO, "example.org", to=False)
    romeo = talk.bind(f"{ROMEO}/orchard")
    romeo.sends("<presence/>")
    assert said(talk.module(Lobby).came) == [("", romeo.jid, "example.org")]
    romeo.receives(presence(from_=romeo.jid))
    romeo.receives_nothing()


# Probes (§4.3.2)


def probe(talk: Talk, to: str, from_: str = FAR) -> None:
    talk.router.route(Presence(jid(to), jid(from_), "probe", "probe1"))


@pytest.mark.parametrize("state", ["a stranger", "a contact that is not subscribed", "nobody"])
@pytest.mark.parametrize("resource", ["", "/orchard"])
def test_who_may_not_see_is_answered_unsubscribed_whether_there_is_an_account_or_not(
    talk: Talk, routed: list[Stanza], state: str, resource: str
) -> None:
    if state != "nobody":
        talk.online(f"{ROMEO}/orchard")
    if state == "a contact that is not subscribed":
        befriend_far(talk, ROMEO, FAR, from_=False)
    routed.clear()
    probe(talk, ROMEO + resource)
    answer = f"<presence to='{FAR}' from='{ROMEO}' type='unsubscribed' id='probe1'/>"
    assert [s.write() for s in routed] == [answer.encode()]


def test_a_subscriber_sees_each_resource_as_it_was_last_sent(
    talk: Talk, routed: list[Stanza]
) -> None:
    befriend_far(talk, ROMEO, FAR, to=False)
    orchard, street = talk.bind(f"{ROMEO}/orchard"), talk.bind(f"{ROMEO}/street")
    orchard.sends(AWAY.replace("<presence>", "<presence id='p1'>"))
    street.sends("<presence id='p2'/><presence to='nurse@example.org' id='p3'/>")
    routed.clear()
    probe(talk, ROMEO)
    assert [(s.from_, s.to, s.id) for s in routed] == [
        (orchard.jid, FAR, "p1"),
        (street.jid, FAR, "p2"),
    ]
    assert b"<show>away</show>" in routed[0].raw


def test_of_a_full_jid_a_subscriber_learns_only_that_it_is_there(
    talk: Talk, routed: list[Stanza]
) -> None:
    befriend_far(talk, ROMEO, FAR, to=False)
    orchard, street = talk.bind(f"{ROMEO}/orchard"), talk.bind(f"{ROMEO}/street")
    for client in (orchard, street):
        client.sends(AWAY)
    routed.clear()
    probe(talk, f"{ROMEO}/orchard")
    assert [(s.type, s.from_, s.raw) for s in routed] == [("", orchard.jid, b"")]
    probe(talk, f"{ROMEO}/nowhere")
    assert said(routed[1:]) == [("unavailable", f"{ROMEO}/nowhere", FAR)]


def test_a_subscriber_learns_since_when_the_account_is_away(
    talk: Talk, routed: list[Stanza]
) -> None:
    """§4.3.2 rule 3; the id is the probe's (§4.3.2.1)."""
    befriend_far(talk, ROMEO, FAR, to=False)
    talk.online(f"{ROMEO}/orchard").disconnect()
    talk.bind(f"{ROMEO}/street")  # connected, not available
    routed.clear()
    probe(talk, ROMEO)
    assert [(s.type, s.from_, s.to, s.id) for s in routed] == [
        ("unavailable", ROMEO, FAR, "probe1")
    ]
    stamp = routed[0].children[0]
    assert (stamp.ns, stamp.get("from")) == ("urn:xmpp:delay", ROMEO)
    assert (stamp.get("stamp") or "").endswith("Z")


def test_an_account_that_was_never_available_is_unavailable_without_a_time(
    talk: Talk, routed: list[Stanza]
) -> None:
    befriend_far(talk, ROMEO, FAR, to=False)
    probe(talk, ROMEO)
    assert [(s.type, s.raw) for s in routed] == [("unavailable", b"")]


def test_a_client_may_probe_itself_and_its_contacts(talk: Talk) -> None:
    """§4.3: no error for a probe from a client."""
    talk.befriend(ROMEO, JULIET)
    juliet, romeo = talk.online(f"{JULIET}/balcony"), talk.online(f"{ROMEO}/orchard")
    romeo.forget()
    romeo.sends(f"<presence type='probe' to='{JULIET}'/><presence type='probe' to='{ROMEO}'/>")
    romeo.receives(presence(from_=juliet.jid), presence(from_=romeo.jid))
    romeo.receives_nothing()


def test_a_lost_subscription_is_repaired_by_the_answer_to_a_probe() -> None:
    """§4.3.2 rule 1, across hosts: the item no longer says "to"."""
    talk = Talk(only=["subscriptions"], hosts=HOSTS)
    befriend_far(talk, ROMEO, "juliet@example.net", from_=False)
    romeo = talk.bind(f"{ROMEO}/orchard")
    romeo.sends("<presence/>")
    contacts = talk.module(Roster).contacts(jid(ROMEO))
    assert contacts[jid("juliet@example.net")].subscription == "none"


# Directed presence (§4.6)


def leave(client: Client, how: str) -> None:
    if how == "the connection is lost":
        client.disconnect()
    else:
        client.sends("<presence type='unavailable'/>")


LEAVING = pytest.mark.parametrize("how", ["the connection is lost", "it says so"])
ROOM = "room@muc.elsewhere.example/R"


@LEAVING
def test_who_got_directed_presence_is_told_of_the_end_and_of_nothing_between(
    talk: Talk, routed: list[Stanza], how: str
) -> None:
    """§4.6.3 rule 2."""
    romeo = talk.online(f"{ROMEO}/orchard")
    romeo.sends(f"<presence to='{ROOM}'><status>here</status></presence>{AWAY}")
    leave(romeo, how)
    assert said(routed) == [("", romeo.jid, ROOM), ("unavailable", romeo.jid, ROOM)]
    romeo.disconnect()
    assert len(routed) == 2


@LEAVING
@pytest.mark.parametrize("to", [FAR, f"{FAR}/balcony"])
def test_a_subscriber_that_got_directed_presence_is_told_once(
    talk: Talk, routed: list[Stanza], how: str, to: str
) -> None:
    """§4.6.3 rule 1: it stays in the broadcast."""
    befriend_far(talk, ROMEO, FAR, to=False)
    romeo = talk.online(f"{ROMEO}/orchard")
    romeo.sends(f"<presence to='{to}'/><presence/>")
    routed.clear()
    leave(romeo, how)
    assert said(routed) == [("unavailable", romeo.jid, FAR)]


@LEAVING
@pytest.mark.parametrize("before", ["", "<presence/><presence type='unavailable'/>"])
def test_a_session_that_is_not_available_owes_its_directed_presence_an_end_too(
    talk: Talk, routed: list[Stanza], how: str, before: str
) -> None:
    """§4.6.3 rule 3: also to a subscriber, whom no broadcast tells."""
    befriend_far(talk, ROMEO, FAR, to=False)
    romeo = talk.bind(f"{ROMEO}/orchard")
    romeo.sends(f"{before}<presence to='{FAR}'/>")
    routed.clear()
    leave(romeo, how)
    assert said(routed) == [("unavailable", romeo.jid, FAR)]


def test_who_got_directed_unavailable_presence_is_told_nothing_more(
    talk: Talk, routed: list[Stanza]
) -> None:
    romeo = talk.online(f"{ROMEO}/orchard")
    romeo.sends(f"<presence to='{ROOM}'/><presence to='{ROOM}' type='unavailable'/>")
    romeo.disconnect()
    assert [s.type for s in routed] == ["", "unavailable"]


@pytest.mark.parametrize(
    ("gone", "to", "told"),
    [
        (ROOM, f"{ROMEO}/orchard", False),
        (ROOM, ROMEO, False),
        ("room@muc.elsewhere.example", f"{ROMEO}/orchard", False),
        ("room@muc.elsewhere.example/other", f"{ROMEO}/orchard", True),
        (ROOM, f"{ROMEO}/street", True),
    ],
)
def test_who_has_said_that_it_is_gone_need_not_be_told(
    talk: Talk, routed: list[Stanza], gone: str, to: str, told: bool
) -> None:
    """§4.6.1."""
    romeo = talk.online(f"{ROMEO}/orchard")
    talk.online(f"{ROMEO}/street")
    romeo.sends(f"<presence to='{ROOM}'/>")
    talk.router.route(Presence(jid(to), jid(gone), "unavailable"))
    romeo.disconnect()
    assert [s.type for s in routed] == ["", *["unavailable"] * told]


def test_a_contact_that_becomes_a_subscriber_and_ceases_to_be_one_is_told_once(
    talk: Talk, routed: list[Stanza]
) -> None:
    """§4.6.1: subscriptions take precedence."""
    romeo = talk.online(f"{ROMEO}/orchard")
    romeo.sends(f"<presence to='{FAR}'/>")
    talk.router.route(Presence(jid(ROMEO), jid(FAR), "subscribe"))
    romeo.sends(f"<presence to='{FAR}' type='subscribed'/>")
    romeo.sends(f"<presence to='{FAR}' type='unsubscribed'/>")
    romeo.disconnect()
    types = ["", "subscribed", "", "unavailable", "unsubscribed"]
    assert [s.type for s in routed] == types


@pytest.mark.parametrize("asker", [ROOM, "room@muc.elsewhere.example"])
def test_who_got_directed_presence_may_ask_for_that_resource_and_no_other(
    talk: Talk, routed: list[Stanza], asker: str
) -> None:
    """§4.6.6."""
    romeo = talk.bind(f"{ROMEO}/orchard")
    talk.online(f"{ROMEO}/street")
    romeo.sends(f"<presence to='{ROOM}'><status>here</status></presence>{AWAY}")
    routed.clear()
    for to in (romeo.jid, f"{ROMEO}/street", ROMEO):
        probe(talk, to, asker)
    assert [(s.type, s.from_, s.raw) for s in routed] == [
        ("", romeo.jid, b""),
        ("unsubscribed", ROMEO, b""),
        ("unsubscribed", ROMEO, b""),
    ]


def test_directed_presence_is_not_what_a_probe_is_answered_with(
    talk: Talk, routed: list[Stanza]
) -> None:
    befriend_far(talk, ROMEO, FAR, to=False)
    romeo = talk.online(f"{ROMEO}/orchard")
    romeo.sends(f"<presence to='{FAR}'><status>only for you</status></presence>")
    routed.clear()
    probe(talk, ROMEO)
    assert b"only for you" not in routed[0].raw


def test_the_list_of_directed_presence_is_limited() -> None:
    talk = Talk(only=["subscriptions"], options={"presence": {"max_directed": 10}})
    romeo = talk.online(f"{ROMEO}/orchard")
    talk.router.elsewhere = lambda stanza: None
    for n in range(11):
        romeo.sends(f"<presence to='{ROOM}{n}' id='p{n}'/>")
    romeo.receives(error("p10", "wait", "resource-constraint", "presence"))
    romeo.sends(f"<presence to='{ROOM}0' id='p0'/>")
    romeo.receives_nothing()


# Large rosters


class Counted:
    """How often the database was asked."""

    def __init__(self, talk: Talk) -> None:
        self.count, self._run = 0, talk.database.run
        talk.database.run = self.run  # type: ignore[method-assign]

    def run(self, *args: object, **kwargs: object) -> object:
        self.count += 1
        return self._run(*args, **kwargs)  # type: ignore[arg-type]


def test_a_login_with_many_contacts_asks_the_database_no_more_than_one_with_few(
    talk: Talk,
) -> None:
    visits = []
    for user, contacts in ((ROMEO, 3), (JULIET, 200)):
        for n in range(contacts):
            befriend_far(talk, user, f"contact{n}@example.org")
        counted = Counted(talk)
        client = talk.bind(f"{user}/x")
        client.sends("<presence/>" + AWAY)
        client.disconnect()
        visits.append(counted.count)
    assert visits[0] == visits[1]


def test_a_broadcast_makes_one_copy_for_each_contact_that_is_there(talk: Talk) -> None:
    befriend_far(talk, ROMEO, JULIET)
    for n in range(20):
        befriend_far(talk, ROMEO, f"contact{n}@example.org")
    sessions = [talk.online(f"{JULIET}/{n}") for n in range(3)]
    for session in sessions:
        session.forget()
    passed: list[Stanza] = []
    talk.router.release("example.org")
    talk.router.claim("example.org", lambda s: passed.append(s) or talk.host.delivery.route(s))
    talk.bind(f"{ROMEO}/orchard").sends(AWAY)
    assert [s.to for s in passed if s.type == ""] == [JULIET]
    for session in sessions:
        session.receives(like(AWAY))


def test_without_the_database_presence_of_local_contacts_still_works(talk: Talk) -> None:
    talk.befriend(ROMEO, JULIET)
    romeo, juliet = talk.bind(f"{ROMEO}/orchard"), talk.online(f"{JULIET}/balcony")
    talk.database.fail_with(StorageError("away"))
    romeo.sends("<presence/>")
    juliet.receives(presence(from_=romeo.jid))
    romeo.receives(presence(from_=romeo.jid), presence(from_=juliet.jid))


def test_without_the_database_a_bind_is_refused(talk: Talk) -> None:
    talk.account(ROMEO)
    talk.database.fail_with(StorageError("away"))
    with pytest.raises(StanzaError, match="internal-server-error"):
        talk.bind(f"{ROMEO}/orchard")


def test_introductions_and_farewells_can_be_made_by_other_modules(
    talk: Talk, routed: list[Stanza]
) -> None:
    romeo = talk.online(f"{ROMEO}/orchard")
    module = talk.module(PresenceBroadcast)
    module.introduce(jid(ROMEO), jid(FAR))
    module.withdraw(jid(ROMEO), jid(FAR))
    assert said(routed) == [("", romeo.jid, FAR), ("unavailable", romeo.jid, FAR)]
