"""What is put into the database is what the server itself would have stored."""

from pathlib import Path

import sqlalchemy as sa

from bench.seed import Seed
from xmppd.auth.tables import accounts, credentials
from xmppd.modules.roster.store import items
from xmppd.stream.sasl.keys import derive


def test_accounts_and_contacts_are_as_the_server_stores_them(tmp_path: Path) -> None:
    path = tmp_path / "xmppd.sqlite"
    engine = sa.create_engine(f"sqlite:///{path}")
    for each in (accounts, credentials, items):
        each.create(engine)
    seed = Seed(path, "bench.example")
    seed.add_accounts(["romeo", "juliet"], "but soft", 10)
    seed.befriend("romeo", ["juliet"])
    seed.close()
    with engine.connect() as tx:
        assert set(tx.scalars(sa.select(accounts.c.user))) == {"romeo", "juliet"}
        key = tx.execute(sa.select(credentials).where(credentials.c.hash == "SHA-256")).first()
        pairs = tx.execute(sa.select(items.c.user, items.c.contact, items.c.to, items.c.from_))
        assert {tuple(row) for row in pairs} == {
            ("romeo", "juliet@bench.example", True, True),
            ("juliet", "romeo@bench.example", True, True),
        }
    engine.dispose()
    assert key is not None
    assert key.stored_key == derive("SHA-256", "but soft", key.salt, 10).stored_key
