"""A module that serves a domain of its own beside its host's: rooms, pubsub, a file store."""

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from xmppd.config import Options, option
from xmppd.hooks import spawn
from xmppd.jid import JID, JIDError, jid
from xmppd.module.adhoc import Adhoc, declared_adhoc
from xmppd.module.base import Module, claims_of
from xmppd.module.catalogue import ModuleFault
from xmppd.module.executing import Executor
from xmppd.ns import COMMANDS
from xmppd.routing import SERVICE, Claim, IQTable
from xmppd.routing.iqs import OWN_DOMAIN, answer, refusal, settled
from xmppd.routing.router import Destination, Done
from xmppd.stanza import IQ, Message, Stanza, StanzaError

if TYPE_CHECKING:
    from xmppd.host import Host


class ServiceOptions(Options):
    """What all services are asked."""

    domain: str = option(
        "",
        "The domain of the service. Empty: its usual name before that of the host, such as "
        "`conference.example.org`.",
        example="chat.example.org",
        reloads=False,
    )


class Service(Module):
    """What such modules have in common.

    IQs to the domain go to the methods marked `@iq_get(ns, name, at=SERVICE)`, those to a local
    part of it to those `at=NODE`; everything else to `take`. Methods marked `@adhoc(node, name,
    at=SERVICE)` are ad-hoc commands of the domain. The domain is claimed and released
    with the module, also over a reload.
    """

    subdomain: ClassVar[str]  # "conference"
    options: ServiceOptions

    def __init__(self, host: "Host", options: Options) -> None:
        super().__init__(host, options)
        named = self.options.domain or f"{self.subdomain}.{host.name}"
        try:
            self.domain: JID = jid(named)
        except JIDError as problem:
            raise ModuleFault(f"{self.name}: domain is {named!r}: {problem}") from None
        if self.domain != self.domain.domain:
            raise ModuleFault(f"{self.name}: domain is {named!r}, must be a domain alone")
        self.adhoc = Executor(host.clock, self.adhoc_commands)
        self._acquired.append(self.adhoc.stop)
        self.iqs = IQTable()
        self.iqs.swap((), [claim for claim in claims_of(self) if claim.scope in OWN_DOMAIN])
        if self.adhoc_commands():
            execute = Claim(SERVICE, "set", COMMANDS, "command", self.adhoc.execute, self.name)
            self.iqs.swap((), [execute])

    def adhoc_commands(self) -> list[Adhoc]:
        """The ad-hoc commands of the domain (XEP-0050)."""
        return declared_adhoc(self, self.host, SERVICE)

    def domains(self) -> Mapping[str, Destination]:
        return {self.domain.domain: self.route}

    def route(self, stanza: Stanza) -> Done:
        """Take a stanza for the domain or anything at it. Raises StanzaError for its sender."""
        if stanza.fault is not None:  # of a peer server: clients' are refused at the intake
            raise stanza.fault
        if isinstance(stanza, IQ) and stanza.is_request and not stanza.to.resource:
            return answer(self.host.router, stanza, self.iqs.at_service(stanza))
        try:
            return self.take(stanza)
        except Exception as problem:
            raise refusal(problem) from None

    def take(self, stanza: Stanza) -> Done:
        """Messages, presence, answers, and whatever goes to a resource. Raises StanzaError."""
        if isinstance(stanza, IQ) or (isinstance(stanza, Message) and stanza.type != "headline"):
            raise StanzaError("service-unavailable")
        return None

    def send(self, stanza: Stanza) -> None:
        """Route a stanza from this service on its way; nobody waits for it."""
        self.host.router.route(stanza)

    def later(self, stanza: Stanza, work: Coroutine[Any, Any, None]) -> Done:
        """Go on with a stanza in a coroutine; what it raises is the sender's answer. Give what
        this returns to the router: the sender's stream is not read meanwhile.
        """
        return settled(spawn(self._finish(stanza, work)))

    async def _finish(self, stanza: Stanza, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as problem:
            waiting = self.host.router.bounce(stanza, refusal(problem))
            if waiting is not None:
                await waiting
