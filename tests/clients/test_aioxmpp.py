"""What users of aioxmpp do all day: each scenario is played once, each fact is a test."""

from collections.abc import Callable, Iterator

import pytest

from tests.clients.account import Account
from tests.clients.aio import AioxmppProcess, Facts

NewAccount = Callable[[str], Account]
NURSE = "nurse@example.org"
THEATRE = "theatre@conference.example.org"
GARDEN = ["garden@conference.example.org", "Garden", False, "R", None]


@pytest.fixture(scope="module")
def aioxmpp(aioxmpp_python: str) -> Iterator[AioxmppProcess]:
    with AioxmppProcess(aioxmpp_python) as process:
        yield process


def scenario(name: str, romeo: str = "romeo", juliet: str = "juliet") -> Callable[..., Facts]:
    """A fixture: what `name` told, played for this module once."""

    @pytest.fixture(scope="module", name=name)
    def played(aioxmpp: AioxmppProcess, new_account: NewAccount) -> Facts:
        aioxmpp.begin(name, new_account(romeo), new_account(juliet))
        return aioxmpp.facts()

    return played


login = scenario("login")
wrong_password = scenario("wrong_password")
roster = scenario("roster")
presence = scenario("presence", "presence-romeo", "presence-juliet")
chat = scenario("chat")
offline = scenario("offline")
resumption = scenario("resumption")
services = scenario("services")
devices = scenario("devices")
conflict = scenario("conflict")
registration = scenario("registration")
rooms = scenario("rooms")
nodes = scenario("nodes")
personal = scenario("personal")
bookmarks = scenario("bookmarks")


@pytest.mark.parametrize("way", ["starttls", "direct-tls"])
@pytest.mark.parametrize(
    "mechanism",
    ["SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"],
)
def test_logs_in(login: Facts, way: str, mechanism: str) -> None:
    used, jid = login[f"{way} {mechanism}"]
    assert used == mechanism
    assert jid.endswith("/orchard")


@pytest.mark.parametrize("way", ["starttls", "direct-tls"])
def test_logs_in_with_what_it_takes_for_best(login: Facts, way: str) -> None:
    assert login[f"{way} by its own choice"][0] == "SCRAM-SHA-256"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN"])
def test_a_wrong_password_is_told_as_such(wrong_password: Facts, mechanism: str) -> None:
    assert wrong_password[mechanism] == "not-authorized"


def test_adds_a_contact(roster: Facts) -> None:
    assert roster["added"] == {NURSE: ["Nurse", "none", ["Servants"]]}


def test_renames_a_contact(roster: Facts) -> None:
    assert roster["renamed"] == {NURSE: ["Angelica ♥", "none", ["Servants"]]}


def test_moves_a_contact_to_another_group(roster: Facts) -> None:
    assert roster["moved"] == {NURSE: ["Angelica ♥", "none", ["Ä"]]}


def test_another_resource_has_the_same_roster(roster: Facts) -> None:
    assert roster["found again"] == roster["moved"]


def test_removes_a_contact_from_all_resources(roster: Facts) -> None:
    assert roster["removed"] == [{}, {}]


def test_subscribes_both_ways(presence: Facts) -> None:
    one, other = presence["subscriptions"]
    assert [item[1] for item in (*one.values(), *other.values())] == ["both", "both"]


def test_sees_a_friend_away(presence: Facts) -> None:
    assert presence["away"] == ["away", "on the balcony"]


@pytest.mark.parametrize("fact", ["left", "came back", "is away again"])
def test_sees_that_a_friend(presence: Facts, fact: str) -> None:
    assert presence[fact]


@pytest.mark.parametrize("kind", ["unicode", "markup", "large"])
def test_chats_both_ways(chat: Facts, kind: str) -> None:
    assert chat[kind] == [[True, True], [True, True]]


def test_messages_keep_their_languages(chat: Facts) -> None:
    assert chat["languages"] == {"cs": "Ahoj", "en": "Hi"}


def test_a_message_to_nobody_is_told(chat: Facts) -> None:
    assert chat["to nobody"] == ["error", "service-unavailable"]


def test_messages_wait_for_who_is_away(offline: Facts) -> None:
    assert offline["bodies"] == ["first", "second"]


def test_waiting_messages_tell_when_they_were_sent(offline: Facts) -> None:
    assert offline["stamps are from then"] == [True, True]


def test_discovers_the_server(services: Facts) -> None:
    assert ["server", "im"] in services["server identities"]
    assert {"urn:xmpp:ping", "vcard-temp", "jabber:iq:private"} <= set(services["server features"])


def test_discovers_its_account(services: Facts) -> None:
    assert ["account", "registered"] in services["account identities"]


def test_finds_the_services_of_the_server(services: Facts) -> None:
    assert {"conference.example.org", "pubsub.example.org"} <= set(services["items"])


@pytest.mark.parametrize("whom", ["server", "account", "friend"])
def test_pings(services: Facts, whom: str) -> None:
    assert services[f"{whom} ponged"]


def test_learns_what_the_server_is(services: Facts) -> None:
    assert services["version"] == "xmppd"


def test_a_vcard_that_was_never_published_is_empty(services: Facts) -> None:
    assert services["empty vcard"] == 0


def test_publishes_a_vcard_that_others_read(services: Facts) -> None:
    assert services["vcard"] == ["Romeo ♥"]


def test_keeps_private_data(services: Facts) -> None:
    assert services["private"] == "under the balcony <3"


def test_the_same_resource_replaces_the_older_session(conflict: Facts) -> None:
    assert "conflict" in " ".join(conflict["older"]).lower()
    assert conflict["newer is alive"]


def test_sees_what_to_fill_in_to_register(registration: Facts) -> None:
    assert registration["fields"] == ["", ""]


@pytest.mark.parametrize("fact", ["logged in", "logged in with the second password", "removed"])
def test_registers_and_has(registration: Facts, fact: str) -> None:
    assert registration[fact]


def test_resumes_after_its_connection_was_cut(resumption: Facts) -> None:
    assert resumption["managed"] == [True, True]
    told = [resumption[fact] for fact in ("before", "meanwhile", "afterwards")]
    assert told == ["one", "two", "three"]
    assert resumption["more"] == 0


def test_carbons_bring_both_sides_to_another_device(devices: Facts) -> None:
    assert devices["sent"] == ["But soft", True]
    assert devices["received"] == ["Ay me", True]


def test_whom_one_blocks_meets_nobody_and_is_not_spoken_to(devices: Facts) -> None:
    assert devices["pings the blocker"] == "service-unavailable"
    assert devices["pings the blocked"] == "not-acceptable"
    assert devices["pings when unblocked"] == "answered"


def test_talks_in_a_room(rooms: Facts) -> None:
    assert {"muc#roomconfig_roomname", "muc#roomconfig_slow_mode_duration"} <= set(rooms["form"])
    assert rooms["members"] == ["Juliet", "Romeo"]
    assert rooms["heard"] == ["Ay me!", "Juliet"]
    assert rooms["left"] == "Juliet"


def test_sees_what_the_pubsub_service_can_do(nodes: Facts) -> None:
    can = {"CREATE_NODES", "PUBLISH", "SUBSCRIBE", "RETRIEVE_ITEMS", "PURGE_NODES"}
    assert can <= set(nodes["features"])


def test_creates_a_node_once(nodes: Facts) -> None:
    assert nodes["created"]
    assert nodes["created again"] == "conflict"


def test_finds_a_node(nodes: Facts) -> None:
    assert nodes["listed"]


def test_configures_a_node(nodes: Facts) -> None:
    assert nodes["configured"] == ["News of Verona"]


def test_subscribes_to_a_node(nodes: Facts) -> None:
    assert nodes["subscribed"] == "subscribed"
    assert nodes["is subscribed"] == [True]


@pytest.mark.parametrize(("id_", "title"), [("i1", "To be"), ("i2", "Not to be ♥")])
def test_a_subscriber_hears_what_is_published(nodes: Facts, id_: str, title: str) -> None:
    heard = nodes[f"heard {id_}"]
    assert heard[:3] == ["published", id_, title]
    assert heard[3].startswith("aio-news-romeo")


def test_an_item_without_an_id_gets_one(nodes: Facts) -> None:
    assert nodes["generates an id"]


def test_reads_an_item(nodes: Facts) -> None:
    assert nodes["read"] == [["i2", "Not to be ♥"]]


def test_a_subscriber_hears_what_is_retracted(nodes: Facts) -> None:
    assert nodes["retracted"][:2] == ["retracted", "i1"]


def test_what_is_retracted_is_gone(nodes: Facts) -> None:
    assert nodes["left"] == [False, 2]
    assert nodes["retracts again"] == "item-not-found"


def test_an_owner_sees_the_people_of_a_node(nodes: Facts) -> None:
    (affiliation,), (subscription,) = nodes["affiliations"], nodes["subscriptions"]
    assert affiliation[0].startswith("romeo")
    assert subscription[0].startswith("juliet")
    assert [affiliation[1], subscription[1]] == ["owner", "subscribed"]


def test_empties_a_node(nodes: Facts) -> None:
    assert nodes["purged"] == []


@pytest.mark.parametrize("what", ["publishes", "deletes"])
def test_a_subscriber_may_only_read(nodes: Facts, what: str) -> None:
    assert nodes[f"{what} as a reader"] == "forbidden"


def test_a_subscriber_hears_that_a_node_is_deleted(nodes: Facts) -> None:
    assert nodes["deleted"][0] == "deleted"
    assert nodes["reads what is deleted"] == "item-not-found"


def test_finds_that_its_account_keeps_nodes(personal: Facts) -> None:
    assert personal["available"]


@pytest.mark.parametrize("who", ["heard", "heard by itself", "heard on arrival"])
def test_what_an_account_publishes_is_heard_by_who_wants_to(personal: Facts, who: str) -> None:
    publisher, artist = personal[who]
    assert publisher.startswith("romeo")
    assert artist == "Yes"


def test_a_contact_reads_what_an_account_publishes(personal: Facts) -> None:
    assert personal["read"] == ["current", "Yes"]


def test_publishes_for_itself_alone(personal: Facts) -> None:
    assert personal["kept for itself"] == "Ay me"
    assert personal["read what is hidden"] == "not-allowed"


def test_a_contact_is_told_of_an_avatar(personal: Facts) -> None:
    assert personal["avatar"] == ["image/png", 10248, 64, 64]
    assert personal["avatar has the right id"]


def test_a_contact_fetches_an_avatar(personal: Facts) -> None:
    assert personal["avatar data"]


def test_a_contact_asks_for_an_avatar(personal: Facts) -> None:
    assert personal["avatar when asked"] == [True]


def test_an_avatar_is_in_the_vcard_too(personal: Facts) -> None:
    assert personal["avatar in the vcard"]


def test_presence_names_an_avatar(personal: Facts) -> None:
    assert personal["avatar in presence"]


def test_a_contact_is_told_that_an_avatar_is_disabled(personal: Facts) -> None:
    assert personal["avatar disabled"]


def test_has_no_bookmarks_at_first(bookmarks: Facts) -> None:
    assert bookmarks["at first"] == []


@pytest.mark.parametrize("fact", ["added", "added, natively"])
def test_keeps_a_bookmark_in_both_forms(bookmarks: Facts, fact: str) -> None:
    assert bookmarks[fact] == [[THEATRE, "Théâtre", True, "Romeo", "<3"]]


def test_a_changed_bookmark_changes_natively(bookmarks: Facts) -> None:
    assert bookmarks["renamed, natively"] == [[THEATRE, "Stage", False, "Mercutio", None]]


def test_a_bookmark_that_a_newer_client_publishes_is_in_the_list(bookmarks: Facts) -> None:
    assert GARDEN in bookmarks["published natively"]
    assert len(bookmarks["published natively"]) == 2


def test_a_discarded_bookmark_goes_natively(bookmarks: Facts) -> None:
    assert bookmarks["discarded, natively"] == [GARDEN]


def test_another_resource_has_the_same_bookmarks(bookmarks: Facts) -> None:
    assert bookmarks["found again"] == [GARDEN]


def test_nobody_else_reads_bookmarks(bookmarks: Facts) -> None:
    assert bookmarks["read by another"] == "not-allowed"


def test_a_bookmark_that_a_newer_client_retracts_leaves_the_list(bookmarks: Facts) -> None:
    assert bookmarks["retracted natively"] == []
    assert bookmarks["keeps what is no room"]
