"""One virtual host: a plain record of the rooms that serve a domain."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xmppd import events
from xmppd.auth import IAccounts
from xmppd.clock import Clock
from xmppd.config import HostOptions
from xmppd.hooks import Hooks
from xmppd.jid import JID, jid
from xmppd.routing import Delivery, Intake, IQTable, Questions, Router, SessionPolicy
from xmppd.sessions import Outlet, SessionTable
from xmppd.stanza import StanzaError
from xmppd.storage import Database, StorageError
from xmppd.xml import StreamError

if TYPE_CHECKING:
    from xmppd.module import ModuleHost


@dataclass(slots=True, eq=False)
class Host:
    """What serves one domain. Who needs a part of it gets that part, not this record."""

    domain: JID
    options: HostOptions
    accounts: IAccounts
    database: Database
    router: Router
    clock: Clock
    hooks: Hooks
    iqs: IQTable
    sessions: SessionTable
    intake: Intake
    delivery: Delivery
    secret: bytes = field(repr=False)
    questions: Questions
    folder: Path  # of all that the server writes: `data_dir`
    modules: "ModuleHost" = field(init=False)

    @property
    def name(self) -> str:
        return self.domain.domain

    def is_admin(self, who: JID) -> bool:
        """Whether this bare or full JID may administer the host."""
        return who.bare in self.options.admins

    def derive(self, purpose: str) -> bytes:
        """32 bytes that only this host knows, the same after a restart, others for each purpose.

        They come from a file beside the database, not from the database: who reads a backup of
        that cannot forge what is made with them.
        """
        return hmac.digest(self.secret, f"{self.name}\0{purpose}".encode(), "sha256")

    def __repr__(self) -> str:
        return f"<Host {self.name}: {len(self.sessions)} sessions>"


def make_host(
    name: str,
    options: HostOptions,
    *,
    accounts: IAccounts,
    database: Database,
    router: Router,
    clock: Clock,
    policy: Callable[[], SessionPolicy] = SessionPolicy,
    secret: bytes | None = None,
    folder: Path = Path("var"),
) -> Host:
    """Build the rooms of one virtual host and connect them; modules come later.

    `secret` is the process's (32 random bytes); None: one of its own, for tests.
    """
    hooks = Hooks(expected=(StanzaError, StorageError))
    iqs = IQTable()
    sessions = SessionTable()
    questions = Questions(router, clock)
    return Host(
        domain=jid(name),
        options=options,
        accounts=accounts,
        database=database,
        router=router,
        clock=clock,
        hooks=hooks,
        iqs=iqs,
        sessions=sessions,
        intake=Intake(router, hooks, sessions, policy),
        secret=secret or secrets.token_bytes(32),
        delivery=Delivery(router, hooks, iqs, sessions, accounts, questions),
        questions=questions,
        folder=folder,
    )


async def remove_account(host: Host, user: JID, *, spared: Outlet | None = None) -> None:
    """Remove an account and all that belongs to it: its sessions end, the modules tell others and
    erase what they keep, its credentials go. Raises NoSuchAccount, StorageError.

    `spared` is the stream of a client that waits for an answer to this: its session ends with the
    others, but the stream stays open, and the caller closes it.
    """
    _end_sessions(host, user, spared)
    await host.hooks.of(events.account_deleting).wait(user)
    await host.accounts.delete(user.local)
    _end_sessions(host, user, spared)  # who logged in meanwhile
    host.hooks.of(events.account_deleted).signal(user)


def _end_sessions(host: Host, user: JID, spared: Outlet | None) -> None:
    for session in host.sessions.of(user):
        if session.outlet is not spared:
            session.close(StreamError("not-authorized"))
        host.intake.close(session, "the account is removed")
