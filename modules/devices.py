"""Client access management: users see what has access to their account (XEP-0494 0.1.0).

A client that names its installation (XEP-0388 §2.2) is remembered; others are listed while they
are connected. What a password was given to can only be shut out by another password; all else is
shut out at once, with its tokens (XEP-0484).
"""

import base64
import hmac
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    IQ,
    JID,
    LATE,
    SELF,
    Binding,
    CommandError,
    Duration,
    Element,
    Host,
    Login,
    Module,
    Options,
    PerSession,
    Repository,
    Rows,
    Session,
    StanzaError,
    StreamError,
    check_account,
    command,
    events,
    format_datetime,
    iq_get,
    iq_set,
    on,
    option,
    query,
    table,
    transaction,
    upsert,
    uses_if,
)
from xmppd.modules.fast import Fast

NS: Final = "urn:xmpp:cam:0"
DAY_S: Final = 86400.0
SWEEP_S: Final = 3600.0
MAX_NAME: Final = 200  # characters of what a client calls itself or its device
PASSWORDS: Final = ("PLAIN", "SCRAM-")
TOKENS: Final = "HT-"
devices = table(
    "devices",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("agent", sa.String, nullable=False),  # the client's UUID
    sa.Column("software", sa.Text, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("password", sa.Boolean, nullable=False),  # the present one was given to it
    sa.Column("first_seen", sa.BigInteger, nullable=False),  # seconds since 1970
    sa.Column("last_seen", sa.BigInteger, nullable=False),
)


class DevicesOptions(Options):
    keep: Duration = option(
        90 * DAY_S, "A client that was not seen for so long is forgotten.", at_least=DAY_S
    )
    names: bool = option(True, "Keep what clients say that they and their devices are called.")
    max_clients: int = option(
        50, "Clients that are kept of one account; the oldest are forgotten.", at_least=1
    )


class Client(NamedTuple):
    """What is known of an installation."""

    id: str
    agent: str
    software: str
    device: str
    password: bool
    first_seen: int
    last_seen: int


class Devices(Repository):
    @query
    def of(self, tx: Tx, user: str) -> list[Client]:
        """The one that was here last comes first."""
        columns = [devices.c[name] for name in Client._fields]
        found = sa.select(*columns).where(self.mine(devices, user=user))
        return [Client(*row) for row in tx.execute(found.order_by(devices.c.last_seen.desc()))]

    @transaction
    def saw(self, tx: Tx, user: str, seen: Client, most: int) -> None:
        """`seen` logged in."""
        mine = self.mine(devices, user=user, id=seen.id)
        old = tx.execute(
            sa.select(devices.c.first_seen, devices.c.password).where(mine)
        ).one_or_none()
        if old is not None:
            seen = seen._replace(first_seen=old.first_seen, password=seen.password or old.password)
        tx.execute(upsert(devices, host=self.host, user=user, **seen._asdict()))
        ids = sa.select(devices.c.id).where(self.mine(devices, user=user))
        beyond = ids.order_by(devices.c.last_seen.desc(), devices.c.id).offset(most).limit(1000)
        for id_ in list(tx.scalars(beyond)):
            tx.execute(devices.delete().where(self.mine(devices, user=user, id=id_)))

    @transaction
    def left(self, tx: Tx, user: str, id_: str, now: int) -> None:
        mine = self.mine(devices, user=user, id=id_)
        tx.execute(devices.update().where(mine).values(last_seen=now))

    @transaction
    def lose_password(self, tx: Tx, user: str) -> None:
        """It is another now, that none of them knows."""
        mine = self.mine(devices, user=user)
        tx.execute(devices.update().where(mine).values(password=False))

    @transaction
    def drop(self, tx: Tx, user: str, id_: str) -> None:
        tx.execute(devices.delete().where(self.mine(devices, user=user, id=id_)))

    @transaction
    def drop_all(self, tx: Tx, user: str) -> None:
        tx.execute(devices.delete().where(self.mine(devices, user=user)))

    @transaction
    def drop_old(self, tx: Tx, before: int) -> None:
        tx.execute(devices.delete().where(self.mine(devices), devices.c.last_seen < before))


class ClientAccess(Module):
    name = "devices"
    options: DevicesOptions
    devices: Devices
    fast = uses_if(Fast)
    known: PerSession[str] = PerSession("")  # the id of the session's installation

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._key = host.derive("devices")

    async def start(self) -> None:
        self.every(SWEEP_S, self._sweep)

    async def _sweep(self) -> None:
        await self.devices.drop_old(int(time.time() - self.options.keep))

    # What is seen

    @on(events.logging_in, order=LATE)  # what others refuse does not count
    async def note(self, login: Login) -> None:
        if not login.agent.id:
            return
        kept = self.options.names
        now = int(time.time())
        seen = Client(
            self._id(login.user, login.agent.id),
            login.agent.id,
            (login.agent.software if kept else "")[:MAX_NAME],
            (login.agent.device if kept else "")[:MAX_NAME],
            login.mechanism.startswith(PASSWORDS),
            now,
            now,
        )
        await self.devices.saw(login.user.local, seen, self.options.max_clients)
        if login.resumed is not None:
            self.known[login.resumed] = seen.id

    @on(events.bind_extending)
    def connect(self, binding: Binding) -> None:
        if binding.agent.id:
            session = binding.session
            self.known[session] = self._id(session.user, binding.agent.id)

    @on(events.session_closed)
    def leave(self, session: Session, why: str) -> None:
        if self.known[session]:
            now = int(time.time())
            self.background(self.devices.left(session.user.local, self.known[session], now))

    def _id(self, user: JID, what: str) -> str:
        """Tells others nothing of what it stands for."""
        made = hmac.digest(self._key, f"{user}\0{what}".encode(), "sha256")
        return base64.urlsafe_b64encode(made[:12]).decode()

    # What is told (§3.1)

    @iq_get(NS, "list", at=SELF)
    async def read(self, iq: IQ) -> Element:
        user = iq.from_.bare
        tokens = set() if self.fast is None else await self.fast.agents(user)
        known = await self.devices.of(user.local)
        here = {self.known[session] for session in self.host.sessions.of(user)}
        shown = [_shown(each, each.id in here, each.agent in tokens) for each in known]
        listed = {each.id for each in known}
        shown += [
            self._shown_session(session)
            for session in self.host.sessions.of(user)
            if self.known[session] not in listed
        ]
        return Element(NS, "clients", None, *shown)

    def _shown_session(self, session: Session) -> Element:
        """A client that said nothing of itself: how it logged in is not known, and so taken for
        the stronger.
        """
        began = int(time.time() - (self.host.clock.seconds() - session.opened_at))
        unnamed = self._id(session.user, session.jid)
        return _shown(Client(unnamed, "", "", "", True, began, int(time.time())), True, False)

    # What is taken away (§3.2)

    @iq_set(NS, "revoke", at=SELF)
    async def revoke(self, iq: IQ) -> None:
        """Raises item-not-found; service-unavailable where only another password helps."""
        user, id_ = iq.from_.bare, iq.payload.get("id")
        if not id_:
            raise StanzaError("bad-request", "which client?")
        found = next((each for each in await self.devices.of(user.local) if each.id == id_), None)
        unnamed = any(self._id(user, each.jid) == id_ for each in self.host.sessions.of(user))
        if found is None and not unnamed:
            raise StanzaError("item-not-found")
        if found is None or found.password:
            app = Element(NS, "password-reset-required")
            raise StanzaError("service-unavailable", "it knows the password", app=app)
        await self._shut_out(user, found, spared=iq.from_)

    async def _shut_out(self, user: JID, found: Client, spared: JID | None = None) -> None:
        """Its tokens, its sessions, and what is known of it; an answer must still reach
        `spared`.
        """
        if self.fast is not None:
            await self.fast.revoke_client(user, found.agent)
        await self.devices.drop(user.local, found.id)
        for session in self.host.sessions.of(user):
            if self.known[session] != found.id:
                continue
            if session.jid == spared:
                self.host.clock.callLater(0, self._end, session)
            else:
                self._end(session)

    def _end(self, session: Session) -> None:
        session.close(StreamError("not-authorized", "access was revoked"))
        self.host.intake.close(session, "access was revoked")

    @on(events.password_changed)
    def lose_password(self, user: JID) -> None:
        self.background(self.devices.lose_password(user.local))

    @on(events.account_deleting)
    async def forget(self, user: JID) -> None:
        await self.devices.drop_all(user.local)

    # For the operator (§5)

    @command("devices", "List the clients that have access to an account.", jid="Its bare JID.")
    async def show(self, jid: JID) -> Rows:
        await check_account(self.host, jid)
        heads = ("id", "software", "device", "password", "first seen", "last seen")
        known = await self.devices.of(jid.local)
        return Rows(heads, [_row(each) for each in known])

    @command(
        "devices-revoke",
        "Take a client's tokens away and end its sessions; the password stays as it is.",
        jid="The bare JID of the account.",
        id="The client, as `devices` lists it.",
    )
    async def revoke_by_hand(self, jid: JID, id: str) -> str:
        await check_account(self.host, jid)
        for each in await self.devices.of(jid.local):
            if each.id == id:
                await self._shut_out(jid, each)
                return f"{id} of {jid} is shut out"
        raise CommandError(f"{jid} has no client {id}")


def _shown(client: Client, connected: bool, has_tokens: bool) -> Element:
    shown = Element(NS, "client")
    shown.attrs.update(connected="true" if connected else "false", id=client.id, type="session")
    ways = [("password", client.password), ("fast", has_tokens)]
    auth = Element(NS, "auth", None, *(Element(NS, name) for name, used in ways if used))
    shown.append(
        Element(NS, "first-seen", None, _stamp(client.first_seen)),
        Element(NS, "last-seen", None, _stamp(client.last_seen)),
        auth,
        Element(NS, "permission", {"status": "unrestricted"}),
        *_agent(client),
    )
    return shown


def _agent(client: Client) -> Iterable[Element]:
    told = [
        Element(NS, name, None, text)
        for name, text in (("software", client.software), ("device", client.device))
        if text
    ]
    if told:
        yield Element(NS, "user-agent", None, *told)


def _row(client: Client) -> tuple[str | bool, ...]:
    seen = _stamp(client.first_seen), _stamp(client.last_seen)
    return client.id, client.software, client.device, client.password, *seen


def _stamp(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))
