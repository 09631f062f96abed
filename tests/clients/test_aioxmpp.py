"""What users of aioxmpp do all day: each scenario is played once, each fact is a test."""

from collections.abc import Callable, Iterator

import pytest

from tests.clients.account import Account
from tests.clients.aio import AioxmppProcess, Facts

NewAccount = Callable[[str], Account]
NURSE = "nurse@example.org"


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
