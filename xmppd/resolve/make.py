"""The parts put together as the options say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xmppd.resolve.dialer import Dialer
from xmppd.resolve.nameservers import Nameservers
from xmppd.resolve.prover import Prover
from xmppd.resolve.resolver import Resolver

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol

    from xmppd.config.outgoing import OutgoingOptions


def make_dialer(reactor: Any, options: OutgoingOptions) -> Dialer:
    nameservers = Nameservers(options.nameservers)
    resolver = Resolver(reactor, nameservers, timeout_s=options.dns_timeout)
    return Dialer(reactor, resolver, options)


def make_prover(reactor: Any, dialer: Dialer, options: OutgoingOptions) -> Prover:
    """Make a new one when the options are reloaded. CertificateError for a bad `trust`."""
    dane = dialer.resolver if options.dane else None
    if not options.posh:
        return Prover(dane)
    from xmppd.resolve.https import Fetcher  # twisted.web is large, and few switch this on
    from xmppd.resolve.posh import Posh

    async def connect(host: str, port: int, factory: Any) -> IProtocol:
        return await dialer.reach(host, port, lambda: factory.buildProtocol(None))

    return Prover(dane, Posh(Fetcher(reactor, connect, options.trust).fetch, reactor))
