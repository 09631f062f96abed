"""Announcements to all who are online, and the message of the day."""

import pytest

from xmppd.admin.commands import CommandError
from xmppd.modules.announce import Announcements, boards
from xmppd.storage import DatabaseDown
from xmppd.testing import Client, Talk, error, message, result_of

SAY = "<message to='example.org/announce/{}' id='a1'>{}</message>"
NEWS = "<body>News!</body>"


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["announce"], admins=["prince@example.org"])


@pytest.fixture
def prince(talk: Talk) -> Client:
    return talk.bind("prince@example.org/palace")


def says(client: Client, place: str, inside: str = NEWS) -> None:
    client.sends(SAY.format(place, inside))


def restart(talk: Talk) -> None:
    options = talk.module(Announcements).options
    result_of(talk.host.modules.swap(["announce"], {Announcements: options}))


def test_all_who_are_online_are_told(talk: Talk, prince: Client) -> None:
    romeo, juliet = talk.online("romeo@example.org/a"), talk.online("juliet@example.org/b")
    chamber = talk.online("juliet@example.org/c", priority=1)
    away, silent = talk.online("nurse@example.org/d", -1), talk.bind("tybalt@example.org/e")
    says(prince, "online", "<subject>Verona</subject><body>News!</body>")
    for client in (romeo, juliet, chamber):
        client.receives(
            "<message type='headline' from='example.org'>"
            "<subject>Verona</subject><body>News!</body></message>"
        )
    for client in (away, silent, prince, romeo, juliet):
        client.receives_nothing()


def test_an_announcement_is_for_who_is_there_now(talk: Talk, prince: Client) -> None:
    says(prince, "online")
    talk.bind("romeo@example.org/a").sends("<presence/>")
    late = talk.bind("romeo@example.org/b")
    late.sends("<presence/>")
    late.receives_nothing()


@pytest.mark.parametrize("place", ["online", "motd", "motd/update", "motd/delete"])
def test_others_than_administrators_are_forbidden(talk: Talk, place: str) -> None:
    romeo, juliet = talk.online("romeo@example.org/a"), talk.online("juliet@example.org/b")
    says(romeo, place)
    romeo.receives(error("a1", "auth", "forbidden", "message"))
    juliet.receives_nothing()


@pytest.mark.parametrize("place", ["online", "motd", "motd/update"])
def test_an_announcement_without_text_is_refused(prince: Client, place: str) -> None:
    says(prince, place, "<x xmlns='a:b'/>")
    prince.receives(error("a1", "modify", "bad-request", "message"))


@pytest.mark.parametrize("place", ["", "offline", "motd/online"])
def test_other_addresses_of_the_host_stay_unavailable(prince: Client, place: str) -> None:
    says(prince, place)
    prince.receives(error("a1", "cancel", "service-unavailable", "message"))


def test_an_error_is_never_announced(talk: Talk, prince: Client) -> None:
    romeo = talk.online("romeo@example.org/a")
    prince.sends(f"<message type='error' to='example.org/announce/online'>{NEWS}</message>")
    romeo.receives_nothing()
    prince.receives_nothing()


def test_the_message_of_the_day_reaches_each_user_once(talk: Talk, prince: Client) -> None:
    romeo = talk.online("romeo@example.org/a")
    says(prince, "motd")
    romeo.receives(message("News!", type="headline", from_="example.org"))
    again = talk.bind("romeo@example.org/b")
    again.sends("<presence/>")
    again.receives_nothing()
    juliet = talk.bind("juliet@example.org/c")
    juliet.sends("<presence><priority>-1</priority></presence>")
    juliet.receives_nothing()
    juliet.sends("<presence/>")
    juliet.receives(message("News!", type="headline", from_="example.org"))
    second = talk.bind("juliet@example.org/d")
    second.sends("<presence/>")
    second.receives_nothing()


def test_an_update_is_shown_at_the_next_visit_only(talk: Talk, prince: Client) -> None:
    romeo = talk.online("romeo@example.org/a")
    says(prince, "motd")
    says(prince, "motd/update", "<body>Newer</body>")
    romeo.receives(message("News!"))
    romeo.receives_nothing()
    again = talk.bind("romeo@example.org/b")
    again.sends("<presence/>")
    again.receives(message("Newer"))


def test_a_deleted_message_of_the_day_is_shown_no_more(talk: Talk, prince: Client) -> None:
    says(prince, "motd")
    says(prince, "motd/delete", "")
    romeo = talk.bind("romeo@example.org/a")
    romeo.sends("<presence/>")
    romeo.receives_nothing()
    prince.receives_nothing()


def test_the_message_of_the_day_survives_a_restart(talk: Talk, prince: Client) -> None:
    talk.online("romeo@example.org/a")
    says(prince, "motd")
    restart(talk)
    romeo, juliet = talk.bind("romeo@example.org/b"), talk.bind("juliet@example.org/c")
    romeo.sends("<presence/>")
    juliet.sends("<presence/>")
    juliet.receives(message("News!"))
    romeo.receives_nothing()


def test_a_damaged_message_of_the_day_is_passed_over(talk: Talk, prince: Client) -> None:
    says(prince, "motd")
    result_of(talk.database.run(lambda tx: tx.execute(boards.update().values(xml="<mess"))))
    restart(talk)
    romeo = talk.bind("romeo@example.org/b")
    romeo.sends("<presence/>")
    romeo.receives_nothing()


def test_an_account_made_anew_reads_it_anew(talk: Talk, prince: Client) -> None:
    says(prince, "motd")
    talk.online("romeo@example.org/a").disconnect()
    result_of(talk.module(Announcements).forget(talk.account("romeo@example.org")))
    again = talk.bind("romeo@example.org/a")
    again.sends("<presence/>")
    again.receives(message("News!"))


def test_storage_that_fails_is_told_to_the_administrator(talk: Talk, prince: Client) -> None:
    talk.database.fail_with(DatabaseDown("away"))
    says(prince, "motd")
    prince.receives(error("a1", "wait", "internal-server-error", "message"))


def test_the_message_of_the_day_can_be_switched_off() -> None:
    talk = Talk(
        only=["announce"], admins=["prince@example.org"], options={"announce": {"motd": False}}
    )
    prince = talk.bind("prince@example.org/palace")
    says(prince, "motd")
    prince.receives(error("a1", "cancel", "service-unavailable", "message"))


def test_an_operator_announces_by_command(talk: Talk) -> None:
    romeo = talk.online("romeo@example.org/a")
    assert talk.run("announce", text="Back soon") == "told 1 users"
    romeo.receives("<message type='headline' from='example.org'><body>Back soon</body></message>")


def test_an_empty_command_is_refused(talk: Talk) -> None:
    with pytest.raises(CommandError):
        talk.run("announce", text=" ")
