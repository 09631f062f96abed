"""Whether subscribers are available: local ones are known, remote ones tell the service."""

from typing import Final

from xmppd.api import JID, Host, Presence

MOST_RESOURCES: Final = 20  # of one subscriber


class Presences:
    """The available resources of remote entities, as far as they told."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._resources: dict[JID, set[JID]] = {}

    def available(self, who: JID) -> bool:
        """A full JID: this resource; a bare one: any."""
        if who.domain == self._host.name:
            sessions = self._host.sessions.available(who.bare)
            return any(who in (session.jid, session.user) for session in sessions)
        resources = self._resources.get(who.bare, set())
        return who in resources if who.is_full else bool(resources)

    def hear(self, presence: Presence) -> bool:
        """Note it; True where a resource has become available."""
        who = presence.from_
        if who.domain == self._host.name or presence.type not in ("", "unavailable"):
            return False
        resources = self._resources.setdefault(who.bare, set())
        new = presence.type == "" and who not in resources
        if new and len(resources) < MOST_RESOURCES:
            resources.add(who)
        elif presence.type == "unavailable":
            resources.discard(who)
            if who.is_bare or not resources:
                del self._resources[who.bare]
        return new

    def save(self) -> list[JID]:
        return [who for resources in self._resources.values() for who in resources]

    def restore(self, saved: object) -> None:
        for who in saved if isinstance(saved, list) else ():
            self._resources.setdefault(who.bare, set()).add(who)
