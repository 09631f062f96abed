"""Last activity: since when an account has been away, the server been up (XEP-0012 2.0).

When a session that was available ends, the time and its last status are kept. Only who may see
the presence of an account may ask for it (§8); idle times of connected resources are asked of
those resources themselves (§4).
"""

import time
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    ACCOUNT,
    IQ,
    JID,
    STOP,
    Element,
    Host,
    Module,
    Options,
    Presence,
    Repository,
    Session,
    Stanza,
    StanzaError,
    Stop,
    events,
    iq_get,
    ns,
    on,
    query,
    table,
    transaction,
    upsert,
    uses,
)
from xmppd.modules.roster import Roster

NS = "jabber:iq:last"
MAX_STATUS = 1023  # characters of a status that are kept
seen = table(
    "last_seen",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970
    sa.Column("status", sa.Text, nullable=False),
)


class LastSeen(Repository):
    @query
    def get(self, tx: Tx, user: str) -> tuple[int, str] | None:
        found = sa.select(seen.c.at, seen.c.status).where(self.mine(seen, user=user))
        row = tx.execute(found).one_or_none()
        return None if row is None else (row.at, row.status)

    @transaction
    def put(self, tx: Tx, user: str, at: int, status: str) -> None:
        tx.execute(upsert(seen, host=self.host, user=user, at=at, status=status))

    @transaction
    def drop(self, tx: Tx, user: str) -> None:
        tx.execute(seen.delete().where(self.mine(seen, user=user)))


class LastActivity(Module):
    name = "last"
    last_seen: LastSeen
    roster = uses(Roster)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._up_since = time.monotonic()

    def save(self) -> dict[str, float]:
        return {"up_since": self._up_since}

    def restore(self, saved: dict[str, float]) -> None:
        self._up_since = saved.get("up_since", self._up_since)

    async def seen(self, user: JID) -> datetime | None:
        """When the account was last available; None if never, or not known."""
        kept = await self.last_seen.get(user.local)
        return None if kept is None else datetime.fromtimestamp(kept[0] / 1e6, UTC)

    @iq_get(NS, "query")
    def uptime(self, iq: IQ) -> Element:
        """How long the server has been up (§5)."""
        return _answer(time.monotonic() - self._up_since)

    @iq_get(NS, "query", at=ACCOUNT)
    async def away(self, iq: IQ) -> Element:
        """Since when the account has been away; 0 while it is connected (§3)."""
        if not await self.roster.may_see(iq.to, iq.from_):
            raise StanzaError("forbidden")
        if self.host.sessions.of(iq.to):
            return _answer(0)
        kept = await self.last_seen.get(iq.to.local)
        if kept is None:
            raise StanzaError("service-unavailable")
        return _answer(time.time() - kept[0] / 1e6, kept[1])

    @on(events.resource_asked)
    def guard(self, iq: IQ, user: JID) -> Stop | None:
        """A resource is asked by those only who may see it; whether it exists is not told (§4)."""
        if iq.type != "get" or not iq.has(NS) or self.roster.may_see_now(user, iq.from_):
            return None
        if self.host.sessions.of(user):
            raise StanzaError("forbidden")
        self.background(self._refuse(iq, user))
        return STOP

    async def _refuse(self, stanza: Stanza, user: JID) -> None:
        """Nobody is there: who may see that is told so (RFC 6121 §8.5.3.2.3)."""
        seen = await self.roster.may_see(user, stanza.from_)
        refusal = StanzaError("service-unavailable" if seen else "forbidden")
        waiting = self.host.router.bounce(stanza, refusal)
        if waiting is not None:
            await waiting

    @on(events.presence_changed)
    def remember(self, session: Session, presence: Presence, previous: Presence | None) -> None:
        """The last resource of the account is going."""
        if previous is None or presence.type == "" or self.host.sessions.available(session.user):
            return
        status = presence.child(ns.CLIENT, "status")
        text = "" if status is None else status.text[:MAX_STATUS]
        at = int(time.time() * 1e6)
        self.background(self.last_seen.put(session.user.local, at, text))

    @on(events.account_deleted)
    def forget(self, user: JID) -> None:
        self.background(self.last_seen.drop(user.local))


def _answer(seconds: float, status: str = "") -> Element:
    return Element(NS, "query", {"seconds": str(max(0, int(seconds)))}, *([status] * bool(status)))
