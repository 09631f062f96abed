"""Between domains: a table of who serves which, and one way out for all others."""

from collections.abc import Callable
from typing import TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.stanza import Stanza, StanzaError, error_reply

log = Logger()

# None: done. A Deferred: it is being worked on, and fires (never fails) when done; whoever reads
# the stream it came from reads no further till then, so that order holds (RFC 6120 §10.1).
Done: TypeAlias = "Deferred[None] | None"
Destination: TypeAlias = Callable[[Stanza], Done]


class Router:
    """The domains served by this process: virtual hosts, subdomains of modules, components."""

    def __init__(self) -> None:
        self._destinations: dict[str, Destination] = {}
        self.elsewhere: Destination = self.refuse

    def claim(self, domain: str, destination: Destination) -> None:
        """Stanzas to `domain` go to `destination` from now on. ValueError if it is taken."""
        if domain in self._destinations:
            raise ValueError(f"the domain {domain} is served already")
        self._destinations[domain] = destination

    def release(self, domain: str) -> None:
        self._destinations.pop(domain, None)

    def serves(self, domain: str) -> bool:
        return domain in self._destinations

    def route(self, stanza: Stanza) -> Done:
        """Hand a stanza to whoever serves its `to`; never raises."""
        destination = self._destinations.get(stanza.to.domain, self.elsewhere)
        try:
            return destination(stanza)
        except StanzaError as error:
            return self.bounce(stanza, error)
        except Exception:
            log.failure("a {kind} to {to} was not routed", kind=stanza.kind, to=stanza.to.domain)
            return self.bounce(stanza, StanzaError("internal-server-error"))

    def bounce(self, stanza: Stanza, error: StanzaError) -> Done:
        """Answer with an error where the stanza may have one: never to errors and results."""
        reply = error_reply(stanza, error)
        if reply is None:
            return None
        destination = self._destinations.get(reply.to.domain, self._far)
        try:
            return destination(reply)
        except StanzaError:  # an error is not answered with another
            return None
        except Exception:
            log.failure("an error for {to} was not routed", to=reply.to.domain)
            return None

    def _far(self, reply: Stanza) -> Done:
        return None if self.elsewhere == self.refuse else self.elsewhere(reply)

    def refuse(self, stanza: Stanza) -> Done:
        """No way to other servers (RFC 6120 §10.4). For broadcast presence nobody waits."""
        if stanza.kind == "presence" and not stanza.directed:
            return None
        return self.bounce(stanza, StanzaError("remote-server-not-found"))
