"""Keys kept for a moment: for whom, for how long, and what a stranger can learn of it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from twisted.internet.defer import Deferred, ensureDeferred

from xmppd.auth import SQLAccounts
from xmppd.auth.pool import InlinePool
from xmppd.auth.recent import ASKERS, RecentKeys
from xmppd.auth.tables import accounts as accounts_table
from xmppd.auth.tables import credentials, secrets
from xmppd.config.server import AuthOptions
from xmppd.storage import DatabaseDown, InlineDatabase
from xmppd.stream.sasl import ScramKeys

T = TypeVar("T")
ASKED = ("SHA-256", "192.0.2.1")
KEYS = ScramKeys(b"salt", 1, b"stored", b"server")


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def done(waiting: Awaitable[T]) -> T:
    """The result of what does not really wait."""
    results: list[T] = []
    _ = ensureDeferred(waiting).addCallback(results.append)  # type: ignore[arg-type]
    return results[0]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def accounts(time: Time) -> SQLAccounts:
    database = InlineDatabase(accounts_table, credentials, secrets)
    options = AuthOptions.model_construct(scram_iterations=1)
    made = SQLAccounts(database, "example.org", InlinePool(), options, monotonic=time)
    done(made.create("romeo", "secret"))
    return made


@pytest.mark.parametrize("user", ["romeo", "nobody"])
def test_who_asked_a_moment_ago_is_answered_at_once(accounts: SQLAccounts, user: str) -> None:
    assert accounts.recent_keys(user, *ASKED) is None
    keys = done(accounts.keys(user, *ASKED))
    assert accounts.recent_keys(user, *ASKED) == keys
    assert accounts.recent_keys(user, "SHA-1", ASKED[1]) is None


def test_others_wait_as_long_as_if_nobody_had_asked(accounts: SQLAccounts) -> None:
    done(accounts.keys("romeo", "SHA-256", "2001:db8:1:2::3"))
    assert accounts.recent_keys("romeo", "SHA-256", "2001:db8:1:2::4") is not None
    for stranger in ("2001:db8:1:3::3", "192.0.2.1", ""):
        assert accounts.recent_keys("romeo", "SHA-256", stranger) is None


def test_keys_are_kept_for_a_minute(accounts: SQLAccounts, time: Time) -> None:
    done(accounts.keys("romeo", *ASKED))
    time.now = 59.9
    assert accounts.recent_keys("romeo", *ASKED) is not None
    time.now = 60.0
    assert accounts.recent_keys("romeo", *ASKED) is None


def test_that_can_be_switched_off(accounts: SQLAccounts) -> None:
    accounts.options = AuthOptions.model_construct(scram_iterations=1, keys_kept=0.0)
    done(accounts.keys("romeo", *ASKED))
    assert accounts.recent_keys("romeo", *ASKED) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda accounts: accounts.set_password("romeo", "other"),
        lambda accounts: accounts.set_keys("romeo", {"SHA-256": KEYS}),
        lambda accounts: accounts.disable("romeo", "spam"),
        lambda accounts: accounts.enable("romeo"),
        lambda accounts: accounts.delete("romeo"),
    ],
)
def test_a_change_counts_at_once(
    accounts: SQLAccounts, change: Callable[[SQLAccounts], Awaitable[None]]
) -> None:
    done(accounts.keys("romeo", *ASKED))
    done(change(accounts))
    assert accounts.recent_keys("romeo", *ASKED) is None


def test_an_account_that_comes_to_exist_is_no_fake_any_more(accounts: SQLAccounts) -> None:
    fake = done(accounts.keys("juliet", *ASKED))
    done(accounts.create("juliet", "secret"))
    assert accounts.recent_keys("juliet", *ASKED) is None
    assert done(accounts.keys("juliet", *ASKED)) != fake


class Slow(InlineDatabase):
    """Answers reads when it is told to."""

    answer: Deferred[None] | None = None

    def run(self, work, *, reads=False, key=None):  # type: ignore[no-untyped-def]
        result = super().run(work, reads=reads, key=key)
        if not reads or self.answer is None:
            return result
        answer: Deferred[object] = Deferred()
        _ = self.answer.addCallback(lambda _: result.addCallback(answer.callback))
        return answer


def test_what_was_read_before_a_change_is_not_kept_after_it() -> None:
    database = Slow(accounts_table, credentials, secrets)
    options = AuthOptions.model_construct(scram_iterations=1)
    accounts = SQLAccounts(database, "example.org", InlinePool(), options)
    done(accounts.create("romeo", "secret"))
    done(accounts.keys("romeo", *ASKED))  # the secret of fakes is known from now on
    done(accounts.enable("romeo"))
    database.answer = Deferred()
    reading = ensureDeferred(accounts.keys("romeo", *ASKED))
    done(accounts.set_password("romeo", "other"))
    database.answer.callback(None)
    assert done(reading) is not None
    assert accounts.recent_keys("romeo", *ASKED) is None


def test_a_change_that_may_still_be_committed_counts_too() -> None:
    database = InlineDatabase(accounts_table, credentials, secrets)
    accounts = SQLAccounts.inline(database, "example.org")
    done(accounts.create("romeo", "secret"))
    done(accounts.keys("romeo", *ASKED))
    assert accounts.recent_keys("romeo", *ASKED) is not None
    database.fail_with(DatabaseDown("no answer in time"))
    changing = ensureDeferred(accounts.set_password("romeo", "other"))
    _ = changing.addErrback(lambda failure: failure.trap(DatabaseDown))
    assert accounts.recent_keys("romeo", *ASKED) is None


def test_names_and_networks_are_bounded() -> None:
    recent = RecentKeys(lambda: 0.0, users=2)
    for network in range(ASKERS + 1):
        recent.put("romeo", "SHA-1", f"192.0.2.{network}", KEYS, 60)
    assert recent.get("romeo", "SHA-1", "192.0.2.0") is None
    assert recent.get("romeo", "SHA-1", "192.0.2.1") is KEYS
    recent.put("juliet", "SHA-1", "", KEYS, 60)
    recent.put("nurse", "SHA-1", "", KEYS, 60)
    assert recent.get("romeo", "SHA-1", "192.0.2.1") is None
    assert recent.get("juliet", "SHA-1", "") is KEYS
