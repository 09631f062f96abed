"""Repositories on the inline database: what a module's author meets first."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from xmppd.storage import (
    DatabaseDown,
    DiskFull,
    InlineDatabase,
    Repository,
    StorageError,
    query,
    table,
    transaction,
    upsert,
)

cards = table("t_vcard", sa.Column("user", sa.String, primary_key=True), sa.Column("xml", sa.Text))


class Cards(Repository):
    @query
    def get(self, tx: Tx, user: str) -> str | None:
        """The card of `user`."""
        return tx.scalar(sa.select(cards.c.xml).where(self.mine(cards, user=user)))

    @transaction
    def put(self, tx: Tx, user: str, xml: str) -> None:
        tx.execute(upsert(cards, host=self.host, user=user, xml=xml))

    @transaction
    def put_twice(self, tx: Tx, user: str, xml: str) -> str | None:
        Cards.put.plain(self, tx, user, xml + xml)
        return Cards.get.plain(self, tx, user)

    @transaction
    def put_and_fail(self, tx: Tx, user: str) -> None:
        Cards.put.plain(self, tx, user, "<lost/>")
        raise LookupError(user)

    @query
    def write_while_reading(self, tx: Tx) -> None:
        tx.execute(cards.delete())

    @transaction
    def commit_itself(self, tx: Tx) -> None:
        tx.commit()

    @transaction
    def wait_for_itself(self, tx: Tx) -> object:
        return result(self.get("romeo"))


def result(deferred: Deferred[object]) -> object:
    out: list[object] = []
    deferred.addBoth(out.append)
    assert out, "an inline database has answered when it returns"
    if isinstance(out[0], Failure):
        out[0].raiseException()
    return out[0]


@pytest.fixture
def database() -> InlineDatabase:
    return InlineDatabase(cards)


@pytest.fixture
def repo(database: InlineDatabase) -> Cards:
    return Cards(database, "example.org")


def test_what_was_put_is_there(repo: Cards) -> None:
    result(repo.put("romeo", "<card/>"))
    assert result(repo.get("romeo")) == "<card/>"


def test_a_method_can_be_awaited(repo: Cards) -> None:
    async def conversation() -> str | None:
        await repo.put("romeo", "<card/>")
        return await repo.get(user="romeo")

    assert result(Deferred.fromCoroutine(conversation())) == "<card/>"


def test_an_upsert_replaces(repo: Cards) -> None:
    result(repo.put("romeo", "<old/>"))
    result(repo.put("romeo", "<new/>"))
    assert result(repo.get("romeo")) == "<new/>"


def test_a_host_does_not_see_another_hosts_rows(database: InlineDatabase, repo: Cards) -> None:
    result(repo.put("romeo", "<card/>"))
    assert result(Cards(database, "example.net").get("romeo")) is None


def test_plain_methods_make_up_one_transaction(repo: Cards) -> None:
    assert result(repo.put_twice("romeo", "<a/>")) == "<a/><a/>"


def test_an_exception_undoes_the_transaction_and_reaches_the_caller(repo: Cards) -> None:
    with pytest.raises(LookupError):
        result(repo.put_and_fail("romeo"))
    assert result(repo.get("romeo")) is None


def test_a_query_cannot_write(repo: Cards) -> None:
    with pytest.raises(StorageError, match="tried to write"):
        result(repo.write_while_reading())
    result(repo.put("romeo", "<card/>"))  # and a transaction can, afterwards


def test_a_transaction_that_commits_by_itself_is_an_error(repo: Cards) -> None:
    with pytest.raises(StorageError, match="ended its transaction"):
        result(repo.commit_itself())


def test_calling_the_awaitable_inside_of_a_transaction_is_an_error(repo: Cards) -> None:
    with pytest.raises(StorageError, match=r"\.plain"):
        result(repo.wait_for_itself())


def test_faults_can_be_ordered(database: InlineDatabase, repo: Cards) -> None:
    database.fail_with(DiskFull("no room"))
    with pytest.raises(DiskFull):
        result(repo.put("romeo", "<card/>"))
    assert not database.healthy
    database.fail_with(None)
    assert result(repo.get("romeo")) is None
    assert database.healthy


def test_a_stopped_database_refuses_work(database: InlineDatabase, repo: Cards) -> None:
    result(Deferred.fromCoroutine(database.stop()))
    with pytest.raises(DatabaseDown):
        result(repo.get("romeo"))


def test_the_docstring_stays_with_the_method() -> None:
    assert Cards.get.__doc__ == "The card of `user`."
