"""Between domains: a table of who serves which, and one way out for all others."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.jid import JID
from xmppd.sessions import Outlet
from xmppd.stanza import Copies, Stanza, StanzaError, error_reply

log = Logger()

# None: done. A Deferred: it is being worked on, and fires (never fails) when done; whoever reads
# the stream it came from reads no further till then, so that order holds (RFC 6120 §10.1).
Done: TypeAlias = "Deferred[None] | None"
Destination: TypeAlias = Callable[[Stanza], Done]
Distribution: TypeAlias = Callable[[Copies[Any]], None]  # of copies to one domain


@dataclass(slots=True)
class External:
    """A domain that an external component serves (XEP-0114)."""

    domain: JID
    name: str = ""  # for people
    listed: bool = True  # among the services of its host
    connected: bool = False


class Storing(Deferred[None]):
    """A `Done` of which the order is safe already: its stanza waits in a line for the disk.

    The stream that it came from may be read on, as long as nothing is said on it that follows the
    stanza (`Session.hold_for`): that would acknowledge what is not durable. An error for the
    stanza itself is said before that, `ahead` of it.
    """

    outlet: Outlet | None = None  # of the stream that it came from

    def ahead(self) -> AbstractContextManager[None]:
        return nullcontext() if self.outlet is None else self.outlet.ahead()


class Router:
    """The domains served by this process: virtual hosts, subdomains of modules, components."""

    def __init__(self) -> None:
        self._destinations: dict[str, Destination] = {}
        self._owners: dict[str, str] = {}
        self.external: dict[str, External] = {}
        self._distributions: dict[str, Distribution] = {}
        self.elsewhere: Destination = self.refuse
        self.copies_elsewhere: Distribution = self._one_by_one

    def claim(
        self,
        domain: str,
        destination: Destination,
        owner: str = "",
        *,
        external: External | None = None,
        copies: Distribution | None = None,
    ) -> None:
        """Stanzas to `domain` go to `destination` from now on. ValueError if it is taken.

        `owner` is the virtual host that the domain belongs to, where that is another; `external`
        says that a component serves it. `copies` takes many at once, where there is a cheaper way.
        """
        if domain in self._destinations:
            raise ValueError(f"the domain {domain} is served already")
        self._destinations[domain] = destination
        self._owners[domain] = owner or domain
        if external is not None:
            self.external[domain] = external
        if copies is not None:
            self._distributions[domain] = copies

    def release(self, domain: str) -> None:
        self._destinations.pop(domain, None)
        self._owners.pop(domain, None)
        self.external.pop(domain, None)
        self._distributions.pop(domain, None)

    def swap(self, leaving: Iterable[str], coming: Mapping[str, Destination], owner: str) -> None:
        """Release and claim in one step, or nothing at all: ValueError names what is taken."""
        leaving = set(leaving)
        for domain in coming:
            if domain in self._destinations and domain not in leaving:
                raise ValueError(f"the domain {domain} is served already")
        for domain in leaving:
            self.release(domain)
        for domain, destination in coming.items():
            self.claim(domain, destination, owner)

    def serves(self, domain: str) -> bool:
        return domain in self._destinations

    def owner(self, domain: str) -> str:
        """The virtual host that a served domain belongs to; "" for a domain that is not served."""
        return self._owners.get(domain, "")

    def components_of(self, host: str) -> list[External]:
        """The domains of external components that belong to this virtual host."""
        return [each for name, each in self.external.items() if self._owners.get(name) == host]

    def domains(self) -> list[str]:
        """All that are served here: hosts, subdomains of modules, components."""
        return list(self._destinations)

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

    def route_copies(self, copies: Copies[Any]) -> None:
        """As `route` for each of them, in order for each receiver, and cheaper. Nobody waits for
        it; what goes wrong with a copy is answered to the sender, as ever.
        """
        domains = {to.domain for to in copies.jids}
        grouped = _by_domain(copies) if len(domains) > 1 else [(each, copies) for each in domains]
        for domain, those in grouped:
            try:
                self._distribution(domain)(those)
            except Exception:
                log.failure("copies for {to} were not routed", to=domain)

    def _distribution(self, domain: str) -> Distribution:
        if domain in self._destinations:
            return self._distributions.get(domain, self._one_by_one)
        return self.copies_elsewhere

    def _one_by_one(self, copies: Copies[Any]) -> None:
        for each in copies:
            _ = self.route(each)

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


def _by_domain(copies: Copies[Any]) -> list[tuple[str, Copies[Any]]]:
    domains: dict[str, list[JID]] = {}
    for to in copies.jids:
        domains.setdefault(to.domain, []).append(to)
    return [(domain, copies.among(jids)) for domain, jids in domains.items()]
