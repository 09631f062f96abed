"""Accounts and rosters straight into a database of ours: thousands in a second."""

from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa

from xmppd.auth.tables import accounts, credentials
from xmppd.modules.roster.store import items
from xmppd.stream.sasl.keys import ScramKeys, derive

HASHES = ("SHA-1", "SHA-256")
CHUNK = 5000


class Seed:
    """The database of a server that has run: its tables are there."""

    def __init__(self, path: Path, host: str) -> None:
        self._engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 60})
        self._host = host

    def add_accounts(self, users: Iterable[str], password: str, iterations: int) -> None:
        """All with the same keys, which nobody outside of a bench should have."""
        keys = {name: derive(name, password, b"bench salt", iterations) for name in HASHES}
        names = list(users)
        self._insert(accounts, [self._row(user, created=0, disabled=None) for user in names])
        for name, each in keys.items():
            self._insert(credentials, [self._keys(user, name, each) for user in names])

    def befriend(self, user: str, contacts: Iterable[str]) -> None:
        """Both see each other."""
        rows = []
        for contact in contacts:
            rows += [self._item(user, contact), self._item(contact, user)]
        self._insert(items, rows)

    def close(self) -> None:
        self._engine.dispose()

    def _row(self, user: str, **values: object) -> dict[str, object]:
        return {"host": self._host, "user": user, **values}

    def _keys(self, user: str, name: str, keys: ScramKeys) -> dict[str, object]:
        return self._row(
            user,
            hash=name,
            salt=keys.salt,
            iterations=keys.iterations,
            stored_key=keys.stored_key,
            server_key=keys.server_key,
        )

    def _item(self, user: str, contact: str) -> dict[str, object]:
        facts = {"to": True, "from_": True, "ask": False, "approved": False}
        address = f"{contact}@{self._host}"
        return self._row(user, contact=address, name="", groups="[]", version=1, **facts)

    def _insert(self, into: sa.Table, rows: list[dict[str, object]]) -> None:
        for start in range(0, len(rows), CHUNK):
            with self._engine.begin() as connection:
                connection.execute(into.insert(), rows[start : start + CHUNK])
