"""Keys for hashes that an account lacks, computed by its client at login (XEP-0480 0.2.0).

An account that was brought from elsewhere may have keys for SCRAM-SHA-1 alone, or of few
iterations, and the password itself is stored nowhere. A client that has proved that it knows the
password, and has asked for it, computes what is missing. Who logs in by a token or a certificate
is not asked: a token that was stolen must not become a password.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from xmppd.api import (
    HASHES,
    JID,
    Element,
    Host,
    KeyUpgrade,
    Login,
    Module,
    SASLFailure,
    events,
    on,
)

NS: Final = "urn:xmpp:sasl:upgrade:0"
SCRAM_NS: Final = "urn:xmpp:scram-upgrade:0"
_PREFIX: Final = "UPGR-SCRAM-"
_BY_PASSWORD: Final = ("SCRAM-", "PLAIN")


def tasks_for(mechanisms: Iterable[str]) -> tuple[str, ...]:
    """The tasks to offer (§2.1): one for each hash that can be used on this stream."""
    return tuple(f"{_PREFIX}{name}" for name in HASHES if f"SCRAM-{name}" in mechanisms)


class SaslUpgrade(Module):
    name = "sasl_upgrade"

    @on(events.login_features)
    def offer(self, mechanisms: tuple[str, ...]) -> Iterator[Element]:
        """§2.1. The same for all accounts: what one lacks is nobody else's business."""
        for task in tasks_for(mechanisms):
            yield Element(NS, "upgrade", None, task)

    @on(events.login_continuing)
    async def ask(self, login: Login) -> None:
        """§2.2: what the client wants to do and the account needs."""
        if not login.mechanism.startswith(_BY_PASSWORD):
            return
        wanted = {e.text for e in login.requests if (e.ns, e.name) == (NS, "upgrade")}
        for task in tasks_for(login.offered):
            if task in wanted:
                upgrade = ScramUpgrade(task, self.host, login.user)
                if await upgrade.needed() is not None:
                    login.require(upgrade)


class ScramUpgrade:
    """One such task (§3): the server gives salt and iterations, the client the SaltedPassword."""

    def __init__(self, name: str, host: Host, user: JID) -> None:
        self.name = name
        self._accounts = host.accounts
        self._user = user.local
        self._wanted: KeyUpgrade | None = None

    async def needed(self) -> KeyUpgrade | None:
        """What the account needs at the moment."""
        return await self._accounts.wanted_upgrade(self._user, self.name.removeprefix(_PREFIX))

    async def begin(self, given: tuple[Element, ...]) -> Sequence[Element] | None:
        wanted = self._wanted = await self.needed()
        if wanted is None:
            return None  # another client of the account was faster
        salt = Element(SCRAM_NS, "salt", {"iterations": str(wanted.iterations)})
        salt.append(base64.b64encode(wanted.salt).decode("ascii"))
        return (salt,)

    async def go_on(self, given: tuple[Element, ...]) -> None:
        wanted = self._wanted
        assert wanted is not None
        try:
            stored = await self._accounts.upgrade(self._user, wanted, _hash_in(given))
        except ValueError:
            raise SASLFailure("malformed-request", "no SaltedPassword of this hash") from None
        if not stored:
            raise SASLFailure("credentials-expired", "the password was changed meanwhile")


def _hash_in(given: tuple[Element, ...]) -> bytes:
    """§3. Raises SASLFailure malformed-request or incorrect-encoding."""
    if len(given) != 1 or (given[0].ns, given[0].name) != (SCRAM_NS, "hash"):
        raise SASLFailure("malformed-request", "exactly one hash was asked for")
    text = "".join(given[0].text.split())
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise SASLFailure("incorrect-encoding") from None
