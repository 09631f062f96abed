"""Repositories: the SQL of a module, as methods that its handlers await."""

from collections.abc import Callable, Sequence
from functools import partial
from types import MethodType
from typing import Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred

from xmppd.storage.database import Database
from xmppd.storage.visit import Load

P = ParamSpec("P")
A = TypeVar("A")
T = TypeVar("T")
R = TypeVar("R", bound="Repository")


class Repository:
    """The tables of one module for one virtual host.

    Writes of one repository, awaited or not, are committed in the order in which they were
    called; so are those of all repositories with the same `key`, here the module and its host.
    A query sees what was *awaited* before it.
    """

    def __init__(self, database: Database, host: str) -> None:
        self.database = database
        self.host = host
        self.key = (type(self).__module__, host)

    def mine(self, of: sa.Table, **equals: object) -> sa.ColumnElement[bool]:
        """The rows of `of` that belong to this host and have these values."""
        return sa.and_(of.c.host == self.host, *(of.c[name] == equals[name] for name in equals))


class Method(Generic[R, P, T]):
    """A repository's method: called with all but the connection, it gives a Deferred.

    `plain` is the function itself, to be a part of another's transaction:
    `Cards.get.plain(self.cards, tx, user)`.
    """

    def __init__(self, plain: Callable[Concatenate[R, Connection, P], T], *, reads: bool) -> None:
        self.plain = plain
        self._reads = reads
        self.__doc__ = plain.__doc__

    @overload
    def __get__(self, repository: None, owner: type[R]) -> Self: ...
    @overload
    def __get__(self, repository: R, owner: type[R]) -> Callable[P, Deferred[T]]: ...
    def __get__(self, repository: R | None, owner: type[R]) -> Self | Callable[P, Deferred[T]]:
        return self if repository is None else partial(self._run, repository)

    def _run(self, repository: R, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        plain = self.plain
        return repository.database.run(
            lambda tx: plain(repository, tx, *args, **kwargs),
            reads=self._reads,
            key=repository.key,
        )

    def load(
        self, repository: R, take: Callable[[T], object], /, *args: P.args, **kwargs: P.kwargs
    ) -> Load[T]:
        """The same as a part of a `visit`: `take` is called with the result."""
        plain = self.plain
        return Load(
            repository.database,
            repository.key,
            self._reads,
            lambda tx: plain(repository, tx, *args, **kwargs),
            take,
        )


class BatchMethod(Generic[R, A, T]):
    """A repository's method that `batch` has made. `plain` is the function itself."""

    def __init__(self, plain: Callable[[R, Connection, Sequence[A]], Sequence[T]]) -> None:
        self.plain = plain
        self.__doc__ = plain.__doc__

    @overload
    def __get__(self, repository: None, owner: type[R]) -> Self: ...
    @overload
    def __get__(self, repository: R, owner: type[R]) -> Callable[[A], Deferred[T]]: ...
    def __get__(self, repository: R | None, owner: type[R]) -> Self | Callable[[A], Deferred[T]]:
        return self if repository is None else partial(self._run, repository)

    def _run(self, repository: R, item: A) -> Deferred[T]:
        work = MethodType(self.plain, repository)  # equal to another of the same two
        return repository.database.run_in_batch(work, item, key=repository.key)


def batch(method: Callable[[R, Connection, Sequence[A]], Sequence[T]]) -> BatchMethod[R, A, T]:
    """A method that writes, as `transaction`: called with one item it gives one result, and what
    is called while the database is busy is done in one call, with all items in their order.

    It returns as many results as there are items. When it raises, it is called again with each
    item alone, and the exception reaches the callers of those with which it raises then.
    """
    return BatchMethod(method)


def transaction(method: Callable[Concatenate[R, Connection, P], T]) -> Method[R, P, T]:
    """A method that writes. Its result means: committed, on the disk.

    It runs in a thread, maybe more than once (a connection lost half-way, a deadlock): it shall
    touch nothing but `tx` and return plain values. An exception undoes it, and reaches the caller.
    It catches no database error but around a `with tx.begin_nested():`.
    """
    return Method(method, reads=False)


def query(method: Callable[Concatenate[R, Connection, P], T]) -> Method[R, P, T]:
    """A method that only reads, beside the writers; an attempt to write raises."""
    return Method(method, reads=True)
