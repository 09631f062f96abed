"""Guests: clients that log in without an account (RFC 4505, XEP-0175 1.2).

Off unless enabled, best on a virtual host of its own. A guest gets an address that the server
makes up, is not known as an account (so nobody can write to it when it is gone, or subscribe to
it), and leaves nothing behind.
"""

from xmppd.api import (
    JID,
    STOP,
    Module,
    Options,
    Session,
    Stanza,
    StanzaError,
    Stop,
    events,
    on,
    option,
)


class GuestOptions(Options):
    elsewhere: bool = option(
        False, "Whether guests may write to other domains than that of their host."
    )
    max_guests: int = option(1000, "Guests that may be here at a time.", at_least=1)


class Guests(Module):
    name = "guests"
    default_on = False
    options: GuestOptions

    async def start(self) -> None:
        self._here: set[JID] = set()

    def save(self) -> dict[str, list[str]]:
        return {"here": [str(user) for user in self._here]}

    def restore(self, saved: dict[str, list[str]]) -> None:
        users = {str(user): user for user in self.host.sessions.users()}
        self._here = {users[name] for name in saved.get("here", ()) if name in users}

    @on(events.sasl_mechanisms)
    def offer(self) -> list[str]:
        return ["ANONYMOUS"]

    @on(events.session_opening)
    async def admit(self, session: Session) -> None:
        """Who has no account and got here nevertheless is a guest."""
        if await self.host.accounts.exists(session.user.local):
            return
        if len(self._here) >= self.options.max_guests:
            raise StanzaError("resource-constraint", "too many guests", type="wait")
        self._here.add(session.user)

    @on(events.user_sends)
    def confine(self, stanza: Stanza, session: Session) -> Stop | None:
        """A guest speaks to its host only, unless permitted (XEP-0175 §2)."""
        if session.user not in self._here or self.options.elsewhere:
            return None
        if stanza.to.domain == self.host.name:
            return None
        if stanza.type in ("error", "result"):
            return STOP
        raise StanzaError("not-allowed", "guests may not write to other servers")

    @on(events.session_closed)
    def forget(self, session: Session, why: str) -> None:
        user = session.user
        if user in self._here and not self.host.sessions.of(user):
            self._here.discard(user)
            self.background(self._erase(user))

    async def _erase(self, user: JID) -> None:
        """All modules forget it, as they do of an account that is removed."""
        await self.host.hooks.of(events.account_deleting).wait(user)
        self.fire(events.account_deleted, user)
