"""The tables of accounts, and their SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.auth.interfaces import AccountExists, NoSuchAccount
from xmppd.storage import Repository, insert_ignore, query, table, transaction, upsert
from xmppd.stream.sasl import ScramKeys

accounts = table(
    "accounts",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("disabled", sa.Text),  # why; NULL: it is not
)
credentials = table(
    "account_credentials",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("hash", sa.String, primary_key=True),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("iterations", sa.Integer, nullable=False),
    sa.Column("stored_key", sa.LargeBinary, nullable=False),
    sa.Column("server_key", sa.LargeBinary, nullable=False),
)
secrets = table("account_secrets", sa.Column("secret", sa.LargeBinary, nullable=False))
KeySet = Mapping[str, ScramKeys]  # by the name of the hash

_KEYS = (
    sa.select(credentials, accounts.c.disabled)
    .join(
        accounts,
        sa.and_(accounts.c.host == credentials.c.host, accounts.c.user == credentials.c.user),
    )
    .where(
        credentials.c.host == sa.bindparam("host"),
        credentials.c.user == sa.bindparam("user"),
    )
)


class AccountTable(Repository):
    """`user` is prepared. What changes an account raises NoSuchAccount where there is none."""

    @query
    def exists(self, tx: Tx, user: str) -> bool:
        found = sa.select(accounts.c.user).where(self.mine(accounts, user=user))
        return tx.scalar(found) is not None

    @query
    def users(self, tx: Tx) -> list[str]:
        return sorted(tx.scalars(sa.select(accounts.c.user).where(self.mine(accounts))))

    @query
    def keys(self, tx: Tx, user: str) -> dict[str, ScramKeys]:
        """All, by hash, with the refusal of an account that is disabled."""
        return {
            row.hash: _keys_of(row, None if row.disabled is None else "account-disabled")
            for row in tx.execute(_KEYS, {"host": self.host, "user": user})
        }

    @query
    def all_keys(self, tx: Tx, user: str) -> dict[str, ScramKeys]:
        return self._all_keys(tx, user)

    def _all_keys(self, tx: Tx, user: str) -> dict[str, ScramKeys]:
        found = sa.select(credentials).where(self.mine(credentials, user=user))
        return {row.hash: _keys_of(row) for row in tx.execute(found)}

    @transaction
    def create(self, tx: Tx, user: str, created: int, keys: KeySet) -> None:
        new = insert_ignore(accounts, host=self.host, user=user, created=created, disabled=None)
        if tx.execute(new).rowcount == 0:
            raise AccountExists(user)
        self._store(tx, user, keys)

    @transaction
    def set_keys(self, tx: Tx, user: str, keys: KeySet) -> None:
        self._must_exist(tx, user)
        self._store(tx, user, keys)

    @transaction
    def upgrade(self, tx: Tx, user: str, name: str, old: ScramKeys, keys: KeySet) -> None:
        """As `set_keys`, unless the keys for the hash `name` are not `old` any more."""
        mine = self.mine(credentials, user=user, hash=name)
        current = tx.scalar(sa.select(credentials.c.stored_key).where(mine))
        if current == old.stored_key:
            self._store(tx, user, keys)

    @transaction
    def add(self, tx: Tx, user: str, seen: KeySet, keys: KeySet) -> bool:
        """As `set_keys`, unless those of the account are not the ones `seen` any more."""
        unchanged = self._all_keys(tx, user) == dict(seen)
        if unchanged:
            self._store(tx, user, keys)
        return unchanged

    @transaction
    def delete(self, tx: Tx, user: str) -> None:
        self._must_exist(tx, user)
        for each in (credentials, accounts):
            tx.execute(each.delete().where(self.mine(each, user=user)))

    @transaction
    def disable(self, tx: Tx, user: str, reason: str | None) -> None:
        """None enables it again."""
        change = accounts.update().where(self.mine(accounts, user=user)).values(disabled=reason)
        if tx.execute(change).rowcount == 0:
            raise NoSuchAccount(user)

    @query
    def disabled(self, tx: Tx, user: str) -> str | None:
        row = tx.execute(sa.select(accounts.c.disabled).where(self.mine(accounts, user=user)))
        found: Sequence[str | None] | None = row.first()
        if found is None:
            raise NoSuchAccount(user)
        return found[0]

    @transaction
    def secret(self, tx: Tx, new: bytes) -> bytes:
        """The host's secret: `new` if it had none."""
        tx.execute(insert_ignore(secrets, host=self.host, secret=new))
        kept: bytes = tx.scalars(sa.select(secrets.c.secret).where(self.mine(secrets))).one()
        return kept

    def _must_exist(self, tx: Tx, user: str) -> None:
        found = sa.select(accounts.c.user).where(self.mine(accounts, user=user))
        if tx.scalar(found) is None:
            raise NoSuchAccount(user)

    def _store(self, tx: Tx, user: str, keys: KeySet) -> None:
        for name, each in keys.items():
            row = upsert(
                credentials,
                host=self.host,
                user=user,
                hash=name,
                salt=each.salt,
                iterations=each.iterations,
                stored_key=each.stored_key,
                server_key=each.server_key,
            )
            tx.execute(row)


def _keys_of(row: Any, refusal: str | None = None) -> ScramKeys:
    return ScramKeys(row.salt, row.iterations, row.stored_key, row.server_key, refusal)
