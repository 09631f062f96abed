"""XEP-0160: messages for who is not there; RFC 6121 §8.5.2.2.1; XEP-0334's hints."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from xmppd.api import Message, jid, ns, parse, parse_datetime
from xmppd.modules.offline import (
    BATCH,
    MAX_HELD,
    MAX_HELD_BYTES,
    MAX_UNREAD,
    RETRY_S,
    OfflineMessages,
    messages,
)
from xmppd.storage import DatabaseDown
from xmppd.testing import Client, Talk, error, like, message, presence, result_of

CHAT = "<message to='juliet@example.org' type='chat' id='m{0}'><body>{0}</body></message>"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
HINT = "<{} xmlns='urn:xmpp:hints'/>"


@pytest.fixture
def talk() -> Talk:
    talk = Talk(only=["offline"])
    talk.account("juliet@example.org")
    return talk


@pytest.fixture
def romeo(talk: Talk) -> Client:
    return talk.bind("romeo@example.org/orchard")


def says(romeo: Client, *bodies: object) -> None:
    for body in bodies:
        romeo.sends(CHAT.format(body))


def appears(talk: Talk, resource: str = "balcony", priority: int = 0) -> Client:
    juliet = talk.bind(f"juliet@example.org/{resource}")
    shows(juliet, priority)
    return juliet


def shows(client: Client, priority: int = 0) -> None:
    client.sends(f"<presence><priority>{priority}</priority></presence>")


def is_alive(client: Client) -> None:
    """Sends a stanza that has no other effect."""
    client.sends("<iq type='result' id='r' to='example.org'/>")


def kept(talk: Talk) -> int:
    rows = result_of(talk.database.run(lambda tx: list(tx.execute(messages.select()))))
    return len(rows)


# The flow of §2


def test_a_message_waits_until_the_recipient_becomes_available(talk: Talk, romeo: Client) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    romeo.sends(
        "<message to='juliet@example.org' id='m1' xml:lang='en'><subject>Night</subject>"
        "<body>O blessed, blessed night!</body><x xmlns='a:b' c='&apos;'/></message>"
    )
    romeo.receives_nothing()
    got = appears(talk).receives(
        like(
            "<message from='romeo@example.org/orchard' to='juliet@example.org' id='m1'"
            " xml:lang='en'><subject>Night</subject><body>O blessed, blessed night!</body>"
            "<x xmlns='a:b' c='&apos;'/>"
            "<delay xmlns='urn:xmpp:delay' from='example.org'>Offline Storage</delay></message>"
        )
    )
    (delay,) = got.all(ns.DELAY)
    assert before <= parse_datetime(delay.get("stamp") or "") <= datetime.now(UTC)


def test_messages_come_in_the_order_in_which_they_were_sent(talk: Talk, romeo: Client) -> None:
    says(romeo, *range(BATCH + 5))
    juliet = appears(talk)
    juliet.receives(*[message(str(number)) for number in range(BATCH + 5)])
    juliet.receives_nothing()


@pytest.mark.parametrize("priority", [-1, -128])
def test_a_resource_of_negative_priority_gets_none(
    talk: Talk, romeo: Client, priority: int
) -> None:
    juliet = appears(talk, priority=priority)
    says(romeo, 1)
    juliet.receives_nothing()
    shows(juliet, 0)
    juliet.receives(message("1"))


def test_a_session_without_presence_gets_none(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    talk.bind("juliet@example.org/balcony").receives_nothing()
    assert kept(talk) == 1


def test_later_presence_brings_no_message_twice(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    juliet = appears(talk)
    juliet.receives(message("1"))
    shows(juliet, 5)
    shows(juliet, -1)
    shows(juliet, 1)
    juliet.receives_nothing()


def test_a_chat_message_for_a_resource_that_is_gone_is_stored(talk: Talk, romeo: Client) -> None:
    romeo.sends("<message to='juliet@example.org/gone' type='chat'><body>hi</body></message>")
    appears(talk).receives(message("hi", to="juliet@example.org/gone"))


def test_presence_of_the_session_itself_comes_before_old_messages(talk: Talk) -> None:
    talk = Talk(only=["offline", "presence"])
    talk.account("juliet@example.org")
    says(talk.bind("romeo@example.org/orchard"), 1)
    appears(talk).receives(presence(from_="juliet@example.org/balcony"), message("1"))


def test_a_message_for_no_account_is_refused(talk: Talk, romeo: Client) -> None:
    romeo.sends("<message to='nobody@example.org' id='n'><body>hi</body></message>")
    romeo.receives(error("n", "cancel", "service-unavailable", "message"))


# What is stored (§3)


@pytest.mark.parametrize(
    ("type", "inside"),
    [
        ("chat", "<body>hi</body>"),
        ("chat", f"<body>hi</body>{STATE}"),
        ("normal", "<subject>hi</subject>"),
        ("normal", "<x xmlns='jabber:x:conference' jid='room@muc.example.net'/>"),
        ("chat", "<received xmlns='urn:xmpp:receipts' id='m1'/>"),
        ("chat", f"{STATE}{HINT.format('store')}"),
        ("chat", f"<body>hi</body>{HINT.format('no-permanent-store')}"),
        ("chat", f"<body>hi</body>{HINT.format('no-copy')}"),
    ],
)
def test_what_says_something_is_stored(talk: Talk, romeo: Client, type: str, inside: str) -> None:
    romeo.sends(f"<message to='juliet@example.org' type='{type}'>{inside}</message>")
    romeo.receives_nothing()
    appears(talk).receives(like(f"<message>{inside}</message>"))


@pytest.mark.parametrize("type", ["chat", "normal"])
@pytest.mark.parametrize(
    "inside",
    [
        STATE,
        f"{STATE}<thread>t1</thread>",
        f"{STATE}{HINT.format('no-store')}",
        f"{STATE}<origin-id xmlns='urn:xmpp:sid:0' id='o'/>",
        "<rtt xmlns='urn:xmpp:rtt:0'/>",
        "",
    ],
)
def test_chat_states_alone_are_dropped_without_a_word(
    talk: Talk, romeo: Client, type: str, inside: str
) -> None:
    romeo.sends(f"<message to='juliet@example.org' type='{type}'>{inside}</message>")
    romeo.receives_nothing()
    assert kept(talk) == 0


@pytest.mark.parametrize("also", ["", HINT.format("store")])
def test_what_must_not_be_stored_goes_back_to_its_sender(
    talk: Talk, romeo: Client, also: str
) -> None:
    romeo.sends(
        "<message to='juliet@example.org' type='chat' id='s'><body>psst</body>"
        f"{HINT.format('no-store')}{also}</message>"
    )
    romeo.receives(error("s", "cancel", "service-unavailable", "message"))
    assert kept(talk) == 0


@pytest.mark.parametrize(
    ("type", "refused"), [("groupchat", True), ("headline", False), ("error", False)]
)
def test_other_types_are_not_stored(talk: Talk, romeo: Client, type: str, refused: bool) -> None:
    romeo.sends(
        f"<message to='juliet@example.org' type='{type}' id='t'><body>hi</body>"
        f"{HINT.format('store')}</message>"
    )
    if refused:
        romeo.receives(error("t", "cancel", "service-unavailable", "message"))
    romeo.receives_nothing()
    assert kept(talk) == 0


# Limits


def limited(**options: int) -> Talk:
    talk = Talk(only=["offline"], options={"offline": options})
    talk.account("juliet@example.org")
    return talk


def test_when_the_queue_is_full_the_sender_is_told() -> None:
    talk = limited(limit=2)
    talk.account("nurse@example.org")
    romeo = talk.bind("romeo@example.org/orchard")
    says(romeo, 1, 2, 3)
    romeo.receives(error("m3", "cancel", "service-unavailable", "message"))
    romeo.sends("<message to='nurse@example.org'><body>others have room</body></message>")
    romeo.receives_nothing()
    appears(talk).receives(message("1"), message("2"))


def test_bytes_are_limited_as_well_as_messages() -> None:
    talk = limited(max_bytes=10000)
    romeo = talk.bind("romeo@example.org/orchard")
    large = "<message to='juliet@example.org' id='{0}'><body>" + "x" * 4500 + "</body></message>"
    for number in range(3):
        romeo.sends(large.format(number))
    romeo.receives(error("2", "cancel", "service-unavailable", "message"))
    says(romeo, "short")
    appears(talk).receives(message(id="0"), message(id="1"), message("short"))


def test_there_is_room_again_when_messages_are_delivered() -> None:
    talk = limited(limit=2)
    romeo = talk.bind("romeo@example.org/orchard")
    for _ in range(3):
        says(romeo, 1, 2)
        juliet = appears(talk)
        juliet.receives(message("1"), message("2"))
        juliet.sends("<presence type='unavailable'/>")
        juliet.disconnect()
    romeo.receives_nothing()


def test_storage_that_fails_is_told_to_the_sender(talk: Talk, romeo: Client) -> None:
    talk.account("juliet@example.org")
    result_of(talk.host.accounts.exists("juliet"))
    talk.database.fail_with(DatabaseDown("away"))
    says(romeo, 1)
    talk.database.fail_with(None)
    assert romeo.receives(like("<message type='error'/>")).get("id") == "m1"
    assert kept(talk) == 0


# Nothing is lost when a connection is


def test_messages_are_kept_until_the_client_sends_something(talk: Talk, romeo: Client) -> None:
    says(romeo, 1, 2)
    juliet = appears(talk)
    assert kept(talk) == 2
    is_alive(juliet)
    assert kept(talk) == 0
    assert list(talk.module(OfflineMessages)._deliveries) == []


def test_a_connection_lost_half_way_costs_no_message(talk: Talk, romeo: Client) -> None:
    says(romeo, 1, 2)
    appears(talk).disconnect()
    appears(talk).receives(message("1"), message("2"))


def test_bytes_that_are_still_waiting_confirm_nothing(
    talk: Talk, romeo: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(romeo, 1)
    juliet = appears(talk)
    with monkeypatch.context() as slow:
        slow.setattr(Client, "buffered", 1)
        is_alive(juliet)
        assert kept(talk) == 1
    is_alive(juliet)
    assert kept(talk) == 0


def test_two_resources_do_not_get_the_same_messages(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    balcony = appears(talk, "balcony")
    chamber = appears(talk, "chamber")
    balcony.receives(message("1"))
    chamber.receives_nothing()
    is_alive(chamber)
    assert kept(talk) == 1  # it is not for the chamber to confirm
    is_alive(balcony)
    assert kept(talk) == 0


def test_what_a_lost_session_did_not_confirm_goes_to_another(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    balcony, chamber = appears(talk, "balcony"), appears(talk, "chamber")
    balcony.disconnect()
    chamber.receives(message("1"))
    is_alive(chamber)
    assert kept(talk) == 0


def test_a_session_that_went_away_leaves_the_rest_to_the_next(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    balcony = appears(talk, "balcony")
    balcony.sends("<presence type='unavailable'/>")
    says(romeo, 2)
    appears(talk, "chamber").receives(message("2"))
    balcony.receives(message("1"))
    balcony.receives_nothing()


def test_what_a_session_leaves_unread_goes_to_the_next(
    talk: Talk, romeo: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(romeo, 1)
    balcony = appears(talk, "balcony")
    with monkeypatch.context() as slow:
        slow.setattr(Client, "buffered", 1)
        balcony.sends("<presence type='unavailable'/>")
    chamber = appears(talk, "chamber")
    chamber.receives(message("1"))
    is_alive(balcony)
    assert kept(talk) == 1  # now the chamber's to confirm


# With a database that takes its time


class Slow:
    """Lets reads of the queue wait until they are told to go on."""

    def __init__(self, talk: Talk) -> None:
        self.waiting: list[Deferred[None]] = []
        queue = talk.module(OfflineMessages).queue
        after = queue.after

        async def wait(user: str, at: int) -> list[tuple[int, bytes]]:
            turn: Deferred[None] = Deferred()
            self.waiting.append(turn)
            await turn
            return await after(user, at)

        queue.after = wait  # type: ignore[assignment]

    def go_on(self) -> None:
        while self.waiting:
            self.waiting.pop(0).callback(None)


class Line:
    """The queue's database answers, and stores, when it is told to: all in the order of calls."""

    def __init__(self, talk: Talk) -> None:
        self._waiting: list[Callable[[], None]] = []
        queue = talk.module(OfflineMessages).queue
        queue.put = partial(self._later, queue.put)  # type: ignore[assignment]
        queue.after = partial(self._later, queue.after)  # type: ignore[assignment]

    def _later(self, method: Callable[..., Deferred[Any]], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self._waiting.append(lambda: done.callback(result_of(method(*args))))
        return done

    def moves(self) -> None:
        while self._waiting:
            self._waiting.pop(0)()


def test_newer_messages_wait_for_older_ones(talk: Talk, romeo: Client) -> None:
    says(romeo, 1, 2)
    slow = Slow(talk)
    juliet = appears(talk)
    says(romeo, 3)
    romeo.sends("<presence to='juliet@example.org/balcony'/>")
    juliet.receives(presence())
    juliet.receives_nothing()
    slow.go_on()
    juliet.receives(message("1"), message("2"), message("3"))
    assert juliet.inbox == []


def test_who_sends_too_much_to_a_waiting_session_is_told(talk: Talk, romeo: Client) -> None:
    says(romeo, "old")
    slow = Slow(talk)
    juliet = appears(talk)
    says(romeo, *range(MAX_HELD + 1))
    romeo.receives(error(f"m{MAX_HELD}", "wait", "resource-constraint", "message"))
    slow.go_on()
    juliet.receives(message("old"), *[message(str(number)) for number in range(MAX_HELD)])
    juliet.receives_nothing()


def test_what_waits_for_a_session_is_bounded_in_bytes(talk: Talk, romeo: Client) -> None:
    says(romeo, "old")
    slow = Slow(talk)
    juliet = appears(talk)
    large = "x" * (MAX_HELD_BYTES // 2 - 100)
    says(romeo, large, large, large, "small")
    romeo.receives(error(f"m{large}", "wait", "resource-constraint", "message"))
    slow.go_on()
    juliet.receives(message("old"), message(large), message(large), message("small"))


def test_other_resources_do_not_wait(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    slow = Slow(talk)
    balcony, chamber = appears(talk, "balcony"), appears(talk, "chamber")
    says(romeo, 2)
    chamber.receives(message("2"))
    slow.go_on()
    balcony.receives(message("1"), message("2"))
    chamber.receives_nothing()


def test_what_waited_for_a_lost_session_is_stored(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    slow = Slow(talk)
    juliet = appears(talk)
    says(romeo, 2)
    juliet.disconnect()
    slow.go_on()
    again = appears(talk)
    slow.go_on()
    again.receives(message("1"), message("2"))


def test_a_headline_that_waited_for_a_lost_session_is_dropped(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    slow = Slow(talk)
    juliet = appears(talk)
    romeo.sends("<message to='juliet@example.org' type='headline'><body>now</body></message>")
    juliet.disconnect()
    slow.go_on()
    romeo.receives_nothing()
    assert kept(talk) == 1


def test_a_stanza_sent_before_the_messages_were_written_confirms_none(
    talk: Talk, romeo: Client
) -> None:
    says(romeo, 1)
    slow = Slow(talk)
    juliet = appears(talk)
    is_alive(juliet)
    slow.go_on()
    juliet.receives(message("1"))
    assert kept(talk) == 1


def test_a_message_stored_while_its_recipient_comes_online_is_delivered(
    talk: Talk, romeo: Client
) -> None:
    juliet = appears(talk)
    late = Message(jid("juliet@example.org"), romeo.jid, "chat", None, parse("<a xmlns='b:c'/>"))
    module = talk.module(OfflineMessages)
    result_of(module.store(late, juliet.jid.bare))
    juliet.receives(like("<message><a xmlns='b:c'/></message>"))
    is_alive(juliet)
    assert kept(talk) == 0


def test_order_holds_when_the_recipient_comes_online_while_a_message_is_stored(
    talk: Talk, romeo: Client
) -> None:
    """The sender is read on meanwhile; the next message finds the recipient there."""
    result_of(talk.host.accounts.exists("juliet"))
    line = Line(talk)
    says(romeo, 1)
    juliet = appears(talk)
    says(romeo, 2, 3)
    juliet.receives_nothing()
    line.moves()
    juliet.receives(message("1"), message("2"), message("3"))
    juliet.receives_nothing()
    romeo.receives_nothing()


def test_a_client_that_does_not_read_gets_more_when_it_does(
    talk: Talk, romeo: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(romeo, 1)
    with monkeypatch.context() as slow:
        slow.setattr(Client, "buffered", MAX_UNREAD + 1)
        juliet = appears(talk)
        talk.advance(1)
        juliet.receives_nothing()
    talk.advance(1)
    juliet.receives(message("1"))


# Operation


def test_a_damaged_message_is_passed_over(talk: Talk, romeo: Client) -> None:
    says(romeo, 1, 2, 3)

    second = messages.update().where(messages.c.number == 2).values(stanza=b"<mess")
    result_of(talk.database.run(lambda tx: tx.execute(second)))
    juliet = appears(talk)
    juliet.receives(message("1"), message("3"))
    is_alive(juliet)
    assert kept(talk) == 0


def test_a_clock_that_jumps_back_does_not_change_the_order(
    talk: Talk, romeo: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(romeo, 1)
    module = talk.module(OfflineMessages)
    module._latest = 0  # as after a restart
    monkeypatch.setattr("xmppd.modules.offline.time.time", lambda: 1.0)
    says(romeo, 2)
    appears(talk).receives(message("1"), message("2"))


def test_messages_go_with_the_account(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    talk.account("nurse@example.org")
    romeo.sends("<message to='nurse@example.org'><body>stay</body></message>")
    result_of(talk.module(OfflineMessages).erase(jid("juliet@example.org")))
    appears(talk).receives_nothing()
    assert kept(talk) == 1


def test_offline_messages_are_advertised(talk: Talk) -> None:
    assert "msgoffline" in talk.host.modules.features()


def test_who_closes_the_stream_in_good_order_does_not_get_them_again(
    talk: Talk, romeo: Client
) -> None:
    juliet = appears(talk)
    juliet.disconnect()
    romeo.sends("<message to='juliet@example.org'><body>one</body></message>")
    juliet = appears(talk)
    juliet.receives(message("one"))
    juliet.leaves()
    appears(talk).receives_nothing()


def test_messages_that_storage_could_not_read_come_when_it_works_again(
    talk: Talk, romeo: Client
) -> None:
    says(romeo, 1)
    talk.database.fail_with(DatabaseDown("away"))
    juliet = appears(talk)
    talk.advance(RETRY_S)
    juliet.receives_nothing()
    talk.database.fail_with(None)
    talk.advance(RETRY_S)
    juliet.receives(message("1"))


def test_messages_that_storage_could_not_drop_go_with_the_next_sign_of_life(
    talk: Talk, romeo: Client
) -> None:
    says(romeo, 1)
    juliet = appears(talk)
    talk.database.fail_with(DatabaseDown("away"))
    is_alive(juliet)
    talk.database.fail_with(None)
    assert kept(talk) == 1
    is_alive(juliet)
    assert kept(talk) == 0


def test_what_is_not_confirmed_yet_is_known_after_a_reload(talk: Talk, romeo: Client) -> None:
    says(romeo, 1)
    juliet = appears(talk)
    juliet.receives(message("1"))
    module = talk.module(OfflineMessages)
    result_of(talk.host.modules.swap(["offline"], {OfflineMessages: module.options}))
    shows(juliet, 5)
    juliet.receives_nothing()
    assert kept(talk) == 0
