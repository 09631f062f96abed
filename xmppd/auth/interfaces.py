"""What the server asks of the accounts of a virtual host, whoever keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from xmppd.stream.sasl import ScramKeys


class AccountExists(Exception):
    """The name is taken; the account was not touched."""


class NoSuchAccount(Exception):
    """There is no account of this name."""


class PasswordRefused(ValueError):
    """Empty, or with characters that no password may have (RFC 8265 §4.2)."""


class AuthBusy(Exception):
    """Too many passwords wait to be checked: temporary-auth-failure (RFC 6120 §6.5.11)."""


@dataclass(frozen=True, slots=True)
class KeyUpgrade:
    """Keys that an account shall have beside those of now: its client computes the SaltedPassword
    of RFC 5802 with this salt and so many iterations. `seen` are the keys of now, by hash.
    """

    hash_name: str
    salt: bytes = field(repr=False)
    iterations: int
    seen: Mapping[str, ScramKeys] = field(repr=False)


class IAccounts(Protocol):
    """A backend of accounts. `user` is always a prepared local part.

    All but `known` and `recent_keys` may raise StorageError; what computes keys, AuthBusy.
    """

    def known(self, user: str) -> bool | None:
        """`exists` without waiting; None: ask `exists`."""

    async def exists(self, user: str) -> bool:
        """Whether there is such an account, disabled ones included."""

    def recent_keys(self, user: str, hash_name: str, address: str) -> ScramKeys | None:
        """`keys` without waiting, if they were asked for from there a moment ago."""

    async def keys(self, user: str, hash_name: str, address: str | None = None) -> ScramKeys:
        """Its keys for "SHA-1", "SHA-256" or "SHA-512". An unknown user gets fakes: always the
        same for the same name, and never to be met by a proof (RFC 5802 §9). `address` is who
        asks: only for it they may be kept in memory; None: they are not.
        """

    async def check_password(self, user: str, password: str) -> bool:
        """Whether this is the password, with the same work if there is no such user. A disabled
        account's is right too: `keys(...).refusal` tells.
        """

    async def create(self, user: str, password: str) -> None:
        """Raises AccountExists, PasswordRefused, and JIDError for a name that cannot be."""

    async def stored_keys(self, user: str) -> dict[str, ScramKeys]:
        """All keys that there are, by hash: for a copy of the account. Empty for none."""

    async def adopt(self, user: str) -> None:
        """Make an account that has no password yet: nobody can log in. Raises AccountExists."""

    async def set_keys(self, user: str, keys: Mapping[str, ScramKeys]) -> None:
        """Keys that were computed elsewhere, by hash. Raises NoSuchAccount."""

    async def wanted_upgrade(self, user: str, hash_name: str) -> KeyUpgrade | None:
        """What is needed for keys of this hash, in today's strength; None: there are such keys, or
        none at all that could be meant.
        """

    async def upgrade(self, user: str, wanted: KeyUpgrade, salted: bytes) -> bool:
        """Store the keys of this SaltedPassword. False, and nothing is stored, if the account has
        other keys by now than those `seen`. Raises ValueError for a wrong length.
        """

    async def set_password(self, user: str, password: str) -> None:
        """Raises NoSuchAccount, PasswordRefused."""

    async def delete(self, user: str) -> None:
        """Remove it with its keys; the caller tells the modules. Raises NoSuchAccount."""

    async def users(self) -> list[str]:
        """All accounts, in order."""

    async def disable(self, user: str, reason: str) -> None:
        """Let nobody log in as `user`; who is logged in stays. Raises NoSuchAccount."""

    async def enable(self, user: str) -> None:
        """Undo `disable`. Raises NoSuchAccount."""

    async def disabled(self, user: str) -> str | None:
        """Why it is disabled; None if it is not. Raises NoSuchAccount."""
