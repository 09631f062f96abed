"""Accounts in the server's own database."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Self, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.auth.interfaces import AuthBusy, IAccounts, KeyUpgrade, PasswordRefused
from xmppd.auth.pool import InlinePool, Pool
from xmppd.auth.recent import RecentKeys
from xmppd.auth.tables import AccountTable
from xmppd.config.server import AuthOptions
from xmppd.jid import JIDError, prepare_local, prepare_password
from xmppd.storage import Database, StorageError
from xmppd.stream.sasl import HASHES, ScramKeys, derive, from_salted

SALT_BYTES = 16
CHECKED = "SHA-256"  # the keys that a password of PLAIN is checked against
log = Logger()
T = TypeVar("T")


def derive_all(password: str, iterations: int) -> dict[str, ScramKeys]:
    """Keys for all hashes, of one fresh salt: clients choose their mechanism, we cannot."""
    salt = secrets.token_bytes(SALT_BYTES)
    return {name: derive(name, password, salt, iterations) for name in HASHES}


class Known:
    """Whether accounts exist, of those that were asked for lately. Anybody may ask for any name,
    so it is bounded, and forgets the one that was not asked for longest.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[str, bool] = OrderedDict()
        self.changes = 0  # an answer from before a change must not be remembered after it

    def get(self, user: str) -> bool | None:
        found = self._known.get(user)
        if found is not None:
            self._known.move_to_end(user)
        return found

    def put(self, user: str, exists: bool) -> None:
        self._known[user] = exists
        self._known.move_to_end(user)
        if len(self._known) > self._size:
            self._known.popitem(last=False)

    def changed(self, user: str, exists: bool) -> None:
        self.changes += 1
        self.put(user, exists)


class SQLAccounts(IAccounts):
    """`options` may be replaced while it runs. `clock` gives seconds since 1970.

    Unknown users are given the iterations of new passwords, so as long as older passwords have
    not been upgraded, they can be told from those who never were.
    """

    def __init__(
        self,
        database: Database,
        host: str,
        pool: Pool,
        options: AuthOptions | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        cached: int = 10_000,
    ) -> None:
        self.options = options or AuthOptions()
        self._table = AccountTable(database, host)
        self._pool = pool
        self._clock = clock
        self._known = Known(cached)
        self._recent = RecentKeys(monotonic, cached // 2)
        self._secret: bytes | None = None

    @classmethod
    def inline(cls, database: Database, host: str, iterations: int = 1) -> Self:
        """For tests: computes in the calling thread, and not for long."""
        options = AuthOptions.model_construct(scram_iterations=iterations)
        return cls(database, host, InlinePool(), options)

    def known(self, user: str) -> bool | None:
        return self._known.get(user)

    async def exists(self, user: str) -> bool:
        known = self._known.get(user)
        if known is not None:
            return known
        before = self._known.changes
        exists = await self._table.exists(user)
        if self._known.changes == before:
            self._known.put(user, exists)
        return exists

    async def users(self) -> list[str]:
        return await self._table.users()

    def recent_keys(self, user: str, hash_name: str, address: str) -> ScramKeys | None:
        return self._recent.get(user, hash_name, address)

    async def keys(self, user: str, hash_name: str, address: str | None = None) -> ScramKeys:
        before = self._recent.changes
        keys = await self._read_keys(user, hash_name)
        kept_s = self.options.keys_kept
        if address is not None and kept_s and self._recent.changes == before:
            self._recent.put(user, hash_name, address, keys, kept_s)
        return keys

    async def _read_keys(self, user: str, hash_name: str) -> ScramKeys:
        stored, secret = await self._table.keys(user), await self._fake_secret()
        fake = self._fake(secret, user, hash_name)  # at no time only for unknown users
        if stored and hash_name not in stored:  # who logs in otherwise asks for the refusal alone
            return replace(fake, refusal=next(iter(stored.values())).refusal)
        return stored.get(hash_name, fake)

    async def check_password(self, user: str, password: str) -> bool:
        try:
            prepared = prepare_password(password)
        except JIDError:
            return False
        checked, keys, complete = await self._checked(user)
        found = await self._pool.run(
            partial(derive, checked, prepared, keys.salt, keys.iterations)
        )
        right = hmac.compare_digest(found.stored_key, keys.stored_key)
        if right and (keys.iterations < self.options.scram_iterations or not complete):
            await self._upgrade(user, prepared, checked, keys)
        return right

    async def _checked(self, user: str) -> tuple[str, ScramKeys, bool]:
        """The keys that a password is checked against, and whether there are keys for all hashes:
        accounts that came from elsewhere may have none for the usual one.
        """
        stored = await self._table.all_keys(user)
        name = next((each for each in (CHECKED, *HASHES) if each in stored), CHECKED)
        keys = stored.get(name) or self._fake(await self._fake_secret(), user, name)
        return name, keys, len(stored) == len(HASHES)

    async def _upgrade(self, user: str, password: str, checked: str, old: ScramKeys) -> None:
        """Of old keys the password is seen now, and maybe not again. Can fail: next time, then."""
        try:
            keys = await self._pool.run(
                partial(derive_all, password, self.options.scram_iterations)
            )
            await self._changing(user, self._table.upgrade(user, checked, old, keys))
        except (AuthBusy, StorageError) as e:
            log.info("The keys of {user!r} stay weaker than configured: {e!r}", user=user, e=e)

    async def create(self, user: str, password: str) -> None:
        name, prepared = prepare_local(user), _prepared(password)
        keys = await self._pool.run(partial(derive_all, prepared, self.options.scram_iterations))
        now = int(self._clock() * 1_000_000)
        await self._changing(name, self._table.create(name, now, keys))
        self._known.changed(name, True)

    async def stored_keys(self, user: str) -> dict[str, ScramKeys]:
        return await self._table.all_keys(user)

    async def adopt(self, user: str) -> None:
        name = prepare_local(user)
        now = int(self._clock() * 1_000_000)
        await self._changing(name, self._table.create(name, now, {}))
        self._known.changed(name, True)

    async def set_keys(self, user: str, keys: Mapping[str, ScramKeys]) -> None:
        await self._changing(user, self._table.set_keys(user, keys))

    async def wanted_upgrade(self, user: str, hash_name: str) -> KeyUpgrade | None:
        """The salt is the one that the account has: with different ones for different hashes it
        could be told from an account that does not exist.
        """
        stored = await self._table.all_keys(user)
        salts = [stored[name].salt for name in HASHES if name in stored]
        kept, wanted = stored.get(hash_name), self.options.scram_iterations
        if not salts or (kept is not None and kept.iterations >= wanted):
            return None
        return KeyUpgrade(hash_name, salts[0], wanted, stored)

    async def upgrade(self, user: str, wanted: KeyUpgrade, salted: bytes) -> bool:
        keys = from_salted(wanted.hash_name, salted, wanted.salt, wanted.iterations)
        added = self._table.add(user, wanted.seen, {wanted.hash_name: keys})
        return await self._changing(user, added)

    async def set_password(self, user: str, password: str) -> None:
        prepared = _prepared(password)
        keys = await self._pool.run(partial(derive_all, prepared, self.options.scram_iterations))
        await self._changing(user, self._table.set_keys(user, keys))

    async def delete(self, user: str) -> None:
        await self._changing(user, self._table.delete(user))
        self._known.changed(user, False)

    async def disable(self, user: str, reason: str) -> None:
        await self._changing(user, self._table.disable(user, reason))

    async def enable(self, user: str) -> None:
        await self._changing(user, self._table.disable(user, None))

    async def disabled(self, user: str) -> str | None:
        return await self._table.disabled(user)

    async def _changing(self, user: str, change: Deferred[T]) -> T:
        """Keys from before it count no more: nor if it fails, for then it may be under way."""
        try:
            return await change
        finally:
            self._recent.forget(user)

    async def _fake_secret(self) -> bytes:
        if self._secret is None:
            self._secret = await self._table.secret(secrets.token_bytes(32))
        return self._secret

    def _fake(self, secret: bytes, user: str, hash_name: str) -> ScramKeys:
        """Keys that nobody can meet; the salt is one for all hashes, as with real ones."""

        def made_up(what: str, algorithm: str = "sha256") -> bytes:
            return hmac.digest(secret, f"{what}\0{user}".encode(), algorithm)

        algorithm = HASHES[hash_name]
        return ScramKeys(
            made_up("salt")[:SALT_BYTES],
            self.options.scram_iterations,
            hashlib.new(algorithm, made_up("stored", algorithm)).digest(),
            made_up("server", algorithm),
            refusal="not-authorized",
        )


def _prepared(password: str) -> str:
    try:
        return prepare_password(password)
    except JIDError as e:
        raise PasswordRefused(str(e)) from None
