"""Logging in by a token instead of the password, in one round trip (XEP-0484 0.2.0).

A client has two tokens at most: the one that it uses, and a newer one that it may not have got
yet (§5.1). None of them is stored: a token is computed from the server's secret and what is
stored about it. TLS early data is not offered.
"""

import base64
import hmac
import secrets
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    JID,
    Duration,
    Element,
    Host,
    Login,
    Module,
    Options,
    Repository,
    TokenCheck,
    events,
    format_datetime,
    ns,
    on,
    option,
    query,
    table,
    transaction,
    upsert,
)

HOUR_S: Final = 3600.0
DAY_S: Final = 86400.0
CURRENT, NEW = "current", "new"  # the slots
_TRUE = ("1", "true")

tokens = table(
    "fast_tokens",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("agent", sa.String, primary_key=True),  # the client's UUID
    sa.Column("slot", sa.String, primary_key=True),
    sa.Column("mechanism", sa.String, nullable=False),
    sa.Column("nonce", sa.String, nullable=False),
    sa.Column("issued", sa.BigInteger, nullable=False),  # seconds since 1970
    sa.Column("expires", sa.BigInteger, nullable=False),
    sa.Column("uses", sa.BigInteger, nullable=False),  # the highest that its client has told
)


class FastOptions(Options):
    lifetime: Duration = option(
        21 * DAY_S, "How long a token is good for.", at_least=HOUR_S, at_most=366 * DAY_S
    )
    rotation: Duration = option(
        DAY_S, "A token of that age is replaced when it is used.", at_least=0
    )
    max_clients: int = option(
        50, "Clients of one account that have tokens; the oldest lose theirs.", at_least=1
    )


class Kept(NamedTuple):
    """What is stored of a token."""

    slot: str
    mechanism: str
    nonce: str
    issued: int
    expires: int
    uses: int


class Tokens(Repository):
    @query
    def of(self, tx: Tx, user: str, agent: str) -> list[Kept]:
        """The newer one first (§5.1)."""
        columns = [tokens.c[name] for name in Kept._fields]
        kept = sa.select(*columns).where(self.mine(tokens, user=user, agent=agent))
        return [Kept(*row) for row in tx.execute(kept.order_by(tokens.c.slot.desc()))]

    @transaction
    def used(self, tx: Tx, user: str, agent: str, token: Kept, uses: int) -> None:
        """A token was used: older ones of its client are gone (§3.5)."""
        if token.slot == NEW:
            tx.execute(self._drop(user=user, agent=agent, slot=CURRENT))
        row = self.mine(tokens, user=user, agent=agent, slot=token.slot)
        tx.execute(tokens.update().where(row).values(slot=CURRENT, uses=uses))

    @transaction
    def put(self, tx: Tx, user: str, agent: str, token: Kept, max_clients: int) -> None:
        known = sa.select(tokens.c.agent, sa.func.max(tokens.c.issued).label("last"))
        known = known.where(self.mine(tokens, user=user), tokens.c.agent != agent)
        known = known.group_by(tokens.c.agent).order_by(sa.desc("last"))
        for row in tx.execute(known).all()[max_clients - 1 :]:
            tx.execute(self._drop(user=user, agent=row.agent))
        tx.execute(upsert(tokens, host=self.host, user=user, agent=agent, **token._asdict()))

    @transaction
    def drop(self, tx: Tx, user: str, agent: str, slot: str) -> None:
        tx.execute(self._drop(user=user, agent=agent, slot=slot))

    @transaction
    def drop_all(self, tx: Tx, user: str) -> None:
        tx.execute(self._drop(user=user))

    @query
    def agents(self, tx: Tx, user: str, now: int) -> set[str]:
        live = self.mine(tokens, user=user), tokens.c.expires >= now
        return set(tx.scalars(sa.select(tokens.c.agent).where(*live).distinct()))

    @transaction
    def drop_agent(self, tx: Tx, user: str, agent: str) -> None:
        tx.execute(self._drop(user=user, agent=agent))

    @transaction
    def drop_expired(self, tx: Tx, now: int) -> None:
        tx.execute(self._drop().where(tokens.c.expires < now))

    def _drop(self, **which: object) -> sa.Delete:
        return tokens.delete().where(self.mine(tokens, **which))


class Fast(Module):
    name = "fast"
    options: FastOptions
    tokens: Tokens

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._key = host.derive("fast")

    async def start(self) -> None:
        self.every(HOUR_S, lambda: self.tokens.drop_expired(int(time.time())))

    # For other modules

    async def agents(self, user: JID) -> set[str]:
        """The installations of an account that have tokens."""
        return await self.tokens.agents(user.local, int(time.time()))

    async def revoke_client(self, user: JID, agent: str) -> None:
        """Take the tokens of one installation away."""
        await self.tokens.drop_agent(user.local, agent)

    @on(events.inline_features)
    def offer(self, mechanisms: tuple[str, ...]) -> Iterable[Element]:
        """§3.1."""
        if mechanisms:
            named = [Element(ns.FAST, "mechanism", None, name) for name in mechanisms]
            yield Element(ns.FAST, "fast", None, *named)

    @on(events.token_asked)
    async def find(self, check: TokenCheck) -> None:
        """§3.4: which token of this client it is, if any. All are tried, found or not."""
        kept = await self.tokens.of(check.user.local, check.agent.id)
        matching = [
            (each, token)
            for each, token in self._computed(check.user, check.agent.id, kept)
            if check.matches(token) and each.mechanism == check.mechanism
        ]
        for each, token in matching:
            if each.expires >= time.time():
                check.token = token
                return
            check.refusal = "credentials-expired"

    @on(events.logging_in)
    async def issue(self, login: Login) -> None:
        """§3.3, §3.5, §3.6: what the token was used for, and whether there is a new one."""
        mechanism = await self._use(login)
        asked = login.request(ns.FAST, "request-token")
        if asked is not None:
            mechanism = asked.get("mechanism") or ""
        if mechanism.startswith("HT-") and login.agent.id:
            login.answers.append(await self._make(login.user, login.agent.id, mechanism))

    async def _use(self, login: Login) -> str:
        """Gives the mechanism for which the client shall have a new token; "" for none."""
        fast = login.request(ns.FAST, "fast")
        if fast is None or login.token is None:
            return ""
        user, agent = login.user.local, login.agent.id
        kept = await self.tokens.of(user, agent)
        for each, token in self._computed(login.user, agent, kept):
            if not hmac.compare_digest(token, login.token):
                continue
            await self.tokens.used(user, agent, each, max(each.uses, _count(fast)))
            if fast.get("invalidate") in _TRUE:
                await self.tokens.drop(user, agent, CURRENT)
                return ""
            old = time.time() - each.issued >= self.options.rotation
            return each.mechanism if old else ""
        return ""  # taken away meanwhile

    async def _make(self, user: JID, agent: str, mechanism: str) -> Element:
        now = int(time.time())
        expires = now + int(self.options.lifetime)
        made = Kept(NEW, mechanism, secrets.token_hex(16), now, expires, 0)
        await self.tokens.put(user.local, agent, made, self.options.max_clients)
        given = Element(ns.FAST, "token")
        given.attrs["expiry"] = format_datetime(datetime.fromtimestamp(expires, UTC))
        given.attrs["token"] = self._compute(user, agent, made).decode("ascii")
        return given

    def _computed(self, user: JID, agent: str, kept: list[Kept]) -> Iterator[tuple[Kept, bytes]]:
        return ((each, self._compute(user, agent, each)) for each in kept)

    def _compute(self, user: JID, agent: str, kept: Kept) -> bytes:
        about = "\0".join((user.local, agent, kept.mechanism, kept.nonce))
        return base64.urlsafe_b64encode(hmac.digest(self._key, about.encode(), "sha256"))

    @on(events.password_changed)
    def revoke(self, user: JID) -> None:
        """Who changes a password wants others out."""
        self.background(self.tokens.drop_all(user.local))

    @on(events.account_deleting)
    async def forget(self, user: JID) -> None:
        await self.tokens.drop_all(user.local)


def _count(fast: Element) -> int:
    text = fast.get("count") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
