"""Accounts in the database: what is stored, and what a stranger can learn of it."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail

from xmppd.auth import AccountExists, AuthBusy, NoSuchAccount, PasswordRefused, SQLAccounts
from xmppd.auth.accounts import Known
from xmppd.auth.tables import accounts as accounts_table
from xmppd.auth.tables import credentials, secrets
from xmppd.config.server import AuthOptions
from xmppd.jid import JIDError
from xmppd.storage import DatabaseBusy, InlineDatabase
from xmppd.stream.sasl import HASHES, derive

T = TypeVar("T")


class CountingPool:
    """An inline pool that knows how much it was given to do, and can be full."""

    def __init__(self) -> None:
        self.jobs = 0
        self.full = False

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        if self.full:
            return fail(AuthBusy())
        self.jobs += 1
        result: Deferred[T] = Deferred()
        result.callback(work())
        return result


def now(waiting: Awaitable[T]) -> T:
    """The result of what does not really wait."""
    results: list[T] = []
    failures: list[BaseException] = []
    ensureDeferred(waiting).addCallbacks(  # type: ignore[arg-type, unused-awaitable]  # a coroutine
        results.append, lambda failure: failures.append(failure.value)
    )
    if failures:
        raise failures[0]
    return results[0]


def rounds(iterations: int) -> AuthOptions:
    return AuthOptions.model_construct(scram_iterations=iterations)


@pytest.fixture
def database() -> InlineDatabase:
    return InlineDatabase(accounts_table, credentials, secrets)


@pytest.fixture
def pool() -> CountingPool:
    return CountingPool()


@pytest.fixture
def accounts(database: InlineDatabase, pool: CountingPool) -> SQLAccounts:
    made = SQLAccounts(database, "example.org", pool, rounds(2))
    now(made.create("romeo", "pencil"))
    return made


def test_keys_are_those_of_the_password_for_all_hashes(accounts: SQLAccounts) -> None:
    found = {name: now(accounts.keys("romeo", name)) for name in HASHES}
    assert len({keys.salt for keys in found.values()}) == 1
    for name, keys in found.items():
        assert keys == derive(name, "pencil", keys.salt, 2)


def test_salts_are_sixteen_bytes_and_never_the_same(accounts: SQLAccounts) -> None:
    now(accounts.create("juliet", "pencil"))
    first, second = now(accounts.keys("romeo", "SHA-1")), now(accounts.keys("juliet", "SHA-1"))
    assert len(first.salt) == len(second.salt) == 16
    assert first.salt != second.salt


def test_iterations_are_100_000_by_default() -> None:
    assert AuthOptions().scram_iterations == 100_000


@pytest.mark.parametrize(
    ("user", "password", "right"),
    [
        ("romeo", "pencil", True),
        ("romeo", "Pencil", False),
        ("romeo", "", False),
        ("romeo", "pen\0cil", False),
        ("juliet", "pencil", False),
    ],
)
def test_passwords_are_checked(
    accounts: SQLAccounts, user: str, password: str, right: bool
) -> None:
    assert now(accounts.check_password(user, password)) is right


def test_passwords_are_prepared_before_they_are_hashed(accounts: SQLAccounts) -> None:
    now(accounts.create("juliet", "\u00e9\u2003a"))  # em space: mapped to a space (RFC 8265 §4.2)
    assert now(accounts.check_password("juliet", "e\u0301 a"))


@pytest.mark.parametrize("password", ["", "a\0b", "a\nb"])
def test_a_password_that_cannot_be_is_refused(accounts: SQLAccounts, password: str) -> None:
    with pytest.raises(PasswordRefused):
        now(accounts.create("juliet", password))
    with pytest.raises(PasswordRefused):
        now(accounts.set_password("romeo", password))
    assert now(accounts.users()) == ["romeo"]


def test_an_account_is_not_created_twice(accounts: SQLAccounts) -> None:
    with pytest.raises(AccountExists):
        now(accounts.create("Romeo", "other"))
    assert now(accounts.check_password("romeo", "pencil"))


def test_a_name_that_cannot_be_is_no_account(accounts: SQLAccounts) -> None:
    with pytest.raises(JIDError):
        now(accounts.create("ro@meo", "pencil"))


def test_a_new_password_replaces_the_old_one(accounts: SQLAccounts) -> None:
    now(accounts.set_password("romeo", "paper"))
    assert now(accounts.check_password("romeo", "paper"))
    assert not now(accounts.check_password("romeo", "pencil"))


def test_delete_leaves_nothing(accounts: SQLAccounts, database: InlineDatabase) -> None:
    now(accounts.delete("romeo"))
    assert not now(accounts.exists("romeo"))
    assert not now(accounts.check_password("romeo", "pencil"))
    left = database.run(
        lambda tx: [tx.execute(each.select()).all() for each in (accounts_table, credentials)]
    )
    assert now(left) == [[], []]


@pytest.mark.parametrize(
    "change",
    [
        lambda accounts: accounts.set_password("juliet", "pencil"),
        lambda accounts: accounts.delete("juliet"),
        lambda accounts: accounts.disable("juliet", "spam"),
        lambda accounts: accounts.enable("juliet"),
        lambda accounts: accounts.disabled("juliet"),
    ],
)
def test_an_unknown_account_cannot_be_changed(
    accounts: SQLAccounts, change: Callable[[SQLAccounts], Awaitable[object]]
) -> None:
    with pytest.raises(NoSuchAccount):
        now(change(accounts))
    assert now(accounts.users()) == ["romeo"]


def test_hosts_do_not_share_accounts(accounts: SQLAccounts, database: InlineDatabase) -> None:
    other = SQLAccounts.inline(database, "example.com")
    assert not now(other.exists("romeo"))
    now(other.create("romeo", "other"))
    assert now(accounts.check_password("romeo", "pencil"))
    assert now(other.users()) == ["romeo"]


def test_users_come_in_order(accounts: SQLAccounts) -> None:
    for user in ("tybalt", "benvolio"):
        now(accounts.create(user, "pencil"))
    assert now(accounts.users()) == ["benvolio", "romeo", "tybalt"]


# Disabled accounts


def test_a_disabled_account_keeps_its_keys_and_says_so(accounts: SQLAccounts) -> None:
    now(accounts.disable("romeo", "spam"))
    assert now(accounts.disabled("romeo")) == "spam"
    assert now(accounts.keys("romeo", "SHA-1")).refusal == "account-disabled"
    assert now(accounts.check_password("romeo", "pencil"))
    assert now(accounts.exists("romeo"))


def test_an_enabled_account_is_in_order_again(accounts: SQLAccounts) -> None:
    now(accounts.disable("romeo", ""))
    now(accounts.enable("romeo"))
    assert now(accounts.disabled("romeo")) is None
    assert now(accounts.keys("romeo", "SHA-1")).refusal is None


# What strangers learn


@pytest.mark.parametrize("name", sorted(HASHES))
def test_an_unknown_user_looks_like_a_known_one(accounts: SQLAccounts, name: str) -> None:
    real, fake = now(accounts.keys("romeo", name)), now(accounts.keys("juliet", name))
    assert len(fake.salt) == len(real.salt)
    assert fake.iterations == real.iterations
    assert len(fake.stored_key) == len(real.stored_key)
    assert len(fake.server_key) == len(real.server_key)
    assert fake.refusal == "not-authorized"


def test_fakes_are_the_same_after_a_restart_and_for_all_hashes(
    accounts: SQLAccounts, database: InlineDatabase
) -> None:
    again = SQLAccounts(database, "example.org", CountingPool(), rounds(2))
    salts = {now(each.keys("juliet", name)).salt for each in (accounts, again) for name in HASHES}
    assert len(salts) == 1


def test_fakes_differ_by_user_and_by_host(accounts: SQLAccounts, database: InlineDatabase) -> None:
    other = SQLAccounts.inline(database, "example.com")
    asked = [(accounts, "juliet"), (accounts, "tybalt"), (other, "juliet")]
    assert len({now(each.keys(user, "SHA-1")).salt for each, user in asked}) == 3


def test_a_wrong_password_is_as_much_work_for_an_unknown_user(
    accounts: SQLAccounts, pool: CountingPool
) -> None:
    work = []
    for user in ("romeo", "juliet"):
        before = pool.jobs
        assert not now(accounts.check_password(user, "wrong"))
        work.append(pool.jobs - before)
    assert work == [1, 1]


def test_no_key_is_shown(accounts: SQLAccounts) -> None:
    keys = now(accounts.keys("romeo", "SHA-256"))
    for secret in (keys.salt, keys.stored_key, keys.server_key):
        assert repr(secret) not in repr(keys)


# Upgrades


def test_old_keys_are_upgraded_at_a_login_with_the_password(accounts: SQLAccounts) -> None:
    accounts.options = rounds(3)
    assert not now(accounts.check_password("romeo", "wrong"))
    assert now(accounts.keys("romeo", "SHA-1")).iterations == 2
    assert now(accounts.check_password("romeo", "pencil"))
    assert {now(accounts.keys("romeo", name)).iterations for name in HASHES} == {3}
    assert now(accounts.check_password("romeo", "pencil"))


def test_an_upgrade_does_not_undo_a_new_password(accounts: SQLAccounts) -> None:
    old = now(accounts.keys("romeo", "SHA-256"))
    now(accounts.set_password("romeo", "paper"))
    late = {name: derive(name, "pencil", b"salt", 3) for name in HASHES}
    now(accounts._table.upgrade("romeo", "SHA-256", old, late))
    assert now(accounts.check_password("romeo", "paper"))


def test_missing_keys_are_made_at_a_login_with_the_password(accounts: SQLAccounts) -> None:
    now(accounts.adopt("mercutio"))
    now(accounts.set_keys("mercutio", {"SHA-256": derive("SHA-256", "pencil", b"salt", 2)}))
    assert now(accounts.check_password("mercutio", "pencil"))
    assert set(now(accounts.stored_keys("mercutio"))) == set(HASHES)


def test_keys_of_a_client_have_the_salt_that_the_account_has(accounts: SQLAccounts) -> None:
    now(accounts.adopt("mercutio"))
    now(accounts.set_keys("mercutio", {"SHA-1": derive("SHA-1", "pencil", b"salt", 2)}))
    wanted = now(accounts.wanted_upgrade("mercutio", "SHA-256"))
    assert wanted is not None
    assert (wanted.salt, wanted.iterations) == (b"salt", 2)
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", b"salt", 2)
    assert now(accounts.upgrade("mercutio", wanted, salted))
    assert now(accounts.keys("mercutio", "SHA-256")) == derive("SHA-256", "pencil", b"salt", 2)
    assert now(accounts.wanted_upgrade("mercutio", "SHA-256")) is None


def test_who_has_other_keys_only_is_in_order_but_cannot_be_met(accounts: SQLAccounts) -> None:
    """A login by a token or a certificate asks for nothing but that."""
    now(accounts.adopt("mercutio"))
    assert now(accounts.keys("mercutio", "SHA-256")).refusal == "not-authorized"
    now(accounts.set_keys("mercutio", {"SHA-1": derive("SHA-1", "pencil", b"salt", 2)}))
    keys = now(accounts.keys("mercutio", "SHA-256"))
    assert keys.refusal is None
    assert keys.stored_key != derive("SHA-256", "pencil", keys.salt, 2).stored_key
    now(accounts.disable("mercutio", "spam"))
    assert now(accounts.keys("mercutio", "SHA-256")).refusal == "account-disabled"


def test_weaker_keys_are_wanted_anew_and_none_where_there_are_none(accounts: SQLAccounts) -> None:
    assert now(accounts.wanted_upgrade("romeo", "SHA-512")) is None
    accounts.options = rounds(3)
    wanted = now(accounts.wanted_upgrade("romeo", "SHA-512"))
    assert wanted is not None
    assert wanted.iterations == 3
    now(accounts.adopt("mercutio"))
    assert now(accounts.wanted_upgrade("mercutio", "SHA-512")) is None


def test_keys_of_a_client_do_not_undo_a_new_password(accounts: SQLAccounts) -> None:
    accounts.options = rounds(3)
    wanted = now(accounts.wanted_upgrade("romeo", "SHA-256"))
    assert wanted is not None
    now(accounts.set_password("romeo", "paper"))
    assert not now(accounts.upgrade("romeo", wanted, b"x" * 32))
    assert now(accounts.check_password("romeo", "paper"))


def test_a_salted_password_is_as_long_as_the_hash(accounts: SQLAccounts) -> None:
    accounts.options = rounds(3)
    wanted = now(accounts.wanted_upgrade("romeo", "SHA-256"))
    assert wanted is not None
    with pytest.raises(ValueError, match="31 bytes"):
        now(accounts.upgrade("romeo", wanted, b"x" * 31))


def test_stronger_keys_are_left_alone(accounts: SQLAccounts, pool: CountingPool) -> None:
    accounts.options = rounds(1)
    before = pool.jobs
    assert now(accounts.check_password("romeo", "pencil"))
    assert pool.jobs == before + 1


# Faults


def test_a_full_pool_is_busy(accounts: SQLAccounts, pool: CountingPool) -> None:
    pool.full = True
    with pytest.raises(AuthBusy):
        now(accounts.check_password("romeo", "pencil"))


def test_a_fault_of_the_database_reaches_the_caller(
    accounts: SQLAccounts, database: InlineDatabase
) -> None:
    database.fail_with(DatabaseBusy("later"))
    with pytest.raises(DatabaseBusy):
        now(accounts.keys("romeo", "SHA-1"))


# The cache


def test_known_answers_without_waiting_what_was_asked_before(
    database: InlineDatabase, accounts: SQLAccounts
) -> None:
    fresh = SQLAccounts.inline(database, "example.org")
    assert fresh.known("romeo") is None
    assert now(fresh.exists("romeo"))
    assert fresh.known("romeo") is True
    assert not now(fresh.exists("juliet"))
    assert fresh.known("juliet") is False


def test_known_follows_changes(accounts: SQLAccounts) -> None:
    assert not now(accounts.exists("juliet"))
    now(accounts.create("juliet", "pencil"))
    assert accounts.known("juliet") is True
    now(accounts.delete("juliet"))
    assert accounts.known("juliet") is False


def test_an_answer_from_before_a_change_is_not_remembered(database: InlineDatabase) -> None:
    accounts = SQLAccounts.inline(database, "example.org")
    held: Deferred[None] = Deferred()
    run = database.run

    def late(work, *, reads=False, key=None):  # type: ignore[no-untyped-def]
        result = run(work, reads=reads, key=key)
        return held.addCallback(lambda _: result) if reads else result

    database.run = late  # type: ignore[method-assign]
    asking = ensureDeferred(accounts.exists("juliet"))
    now(accounts.create("juliet", "pencil"))
    held.callback(None)
    assert asking.called
    assert accounts.known("juliet") is True


def test_the_cache_is_bounded_and_keeps_what_is_asked_for() -> None:
    known = Known(2)
    known.put("a", True)
    known.put("b", False)
    assert known.get("a") is True
    known.put("c", True)
    assert [known.get(user) for user in "abc"] == [True, None, True]
