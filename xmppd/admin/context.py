"""What commands and the manhole are given: the parts of this process, in one plain record."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from xmppd.admin.commands import CommandError, Commands, prepared_host
from xmppd.admin.reactor import Clock
from xmppd.config import Config
from xmppd.host import Host
from xmppd.jid import JID
from xmppd.storage import Database


@dataclass(slots=True, eq=False)
class Server:
    """Filled by the file that builds the process; nothing but administration sees it."""

    hosts: Mapping[str, Host]
    database: Database
    clock: Clock
    config: Callable[[], Config]
    reload_config: Callable[[], Awaitable[str]]
    reload_module: Callable[[str], Awaitable[str]]
    stop: Callable[[], None]
    started: float
    commands: Commands = field(default_factory=Commands)

    def host(self, name: str) -> Host:
        """Raises CommandError for a domain that is not served here."""
        found = self.hosts.get(prepared_host(name))
        if found is None:
            raise CommandError(f"{name} is not served here: {', '.join(sorted(self.hosts))}")
        return found

    def host_of(self, user: JID) -> Host:
        """The virtual host of an account's bare JID; raises CommandError for anything else."""
        if not user.local or not user.is_bare:
            raise CommandError(f"{user} is not the bare JID of an account (user@domain)")
        return self.host(user.domain)
