"""Which account a command is about."""

from xmppd.admin.commands import CommandError
from xmppd.host import Host
from xmppd.jid import JID


async def check_account(host: Host, user: JID) -> None:
    """`user` has to be the bare JID of an account of `host`; raises CommandError, which says why.

    For commands of modules: `await check_account(self.host, jid)`.
    """
    if not user.local or not user.is_bare:
        raise CommandError(f"{user} is not the bare JID of an account (user@domain)")
    if user.domain != host.name:
        raise CommandError(f"{user} is no account of {host.name}")
    if not await host.accounts.exists(user.local):
        raise CommandError(f"there is no account {user}")
