"""Those who guess wait; the owner, elsewhere, does not (L4)."""

import pytest
from twisted.internet.task import Clock

from xmppd.auth import Attempts
from xmppd.auth.attempts import network_of

EVIL, HOME = "203.0.113.66", "198.51.100.1"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock.seconds, failures=3, backoff_s=10, window_s=100, entries=50)


def fail(attempts: Attempts, times: int, address: str = EVIL, user: str | None = "romeo") -> None:
    for _ in range(times):
        attempts.failed(address, user)


def test_a_few_failures_are_free(attempts: Attempts) -> None:
    fail(attempts, 2)
    assert attempts.blocked(EVIL, "romeo") == 0


def test_then_each_failure_doubles_the_wait_up_to_a_limit(attempts: Attempts) -> None:
    fail(attempts, 2)
    waits = []
    for _ in range(6):
        fail(attempts, 1)
        waits.append(attempts.blocked(EVIL, "romeo"))
    assert waits == [1, 2, 4, 8, 10, 10]


def test_waiting_ends(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, 5)
    clock.advance(3)
    assert attempts.blocked(EVIL, "romeo") == 1
    clock.advance(1)
    assert attempts.blocked(EVIL, "romeo") == 0


def test_the_owner_elsewhere_is_not_locked_out(attempts: Attempts) -> None:
    fail(attempts, 1000)
    assert attempts.blocked(HOME, "romeo") == 0


def test_other_accounts_of_the_address_are_free_for_longer(attempts: Attempts) -> None:
    fail(attempts, 5)
    assert attempts.blocked(EVIL, "juliet") == 0
    assert attempts.blocked(EVIL) == 0


def test_trying_many_accounts_blocks_the_address(attempts: Attempts) -> None:
    for number in range(15):
        assert attempts.blocked(EVIL, "juliet") == 0
        attempts.failed(EVIL, f"user{number}")
    assert attempts.blocked(EVIL, "juliet") == 1
    assert attempts.blocked(EVIL) == 1
    assert attempts.blocked(HOME) == 0


def test_failures_without_an_account_count_for_the_address(attempts: Attempts) -> None:
    fail(attempts, 15, user=None)
    assert attempts.blocked(EVIL) == 1


def test_success_forgives_the_pair(attempts: Attempts) -> None:
    fail(attempts, 5)
    attempts.succeeded(EVIL, "romeo")
    assert attempts.blocked(EVIL, "romeo") == 0


def test_success_does_not_wash_the_address_clean(attempts: Attempts) -> None:
    for number in range(15):
        attempts.failed(EVIL, f"user{number}")
        attempts.succeeded(EVIL, "mallory")
    assert attempts.blocked(EVIL, "juliet") == 1


def test_what_was_quiet_for_long_is_forgotten(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, 5)
    clock.advance(101)
    fail(attempts, 1)
    assert attempts.blocked(EVIL, "romeo") == 0


def test_the_tables_are_bounded(attempts: Attempts) -> None:
    fail(attempts, 5)
    for number in range(50):
        attempts.failed(f"192.0.2.{number}", "romeo")
    assert attempts.blocked(EVIL, "romeo") == 0
    assert len(attempts._pairs._failures) == len(attempts._addresses._failures) == 50


def test_counting_never_overflows(attempts: Attempts) -> None:
    fail(attempts, 2000)
    assert attempts.blocked(EVIL, "romeo") == 10


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_address_stands_for_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
