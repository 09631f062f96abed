"""From a domain to the places of its server: RFC 6120 §3.2, XEP-0368 §3."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from xmppd.config.outgoing import StaticRoute, read_route
from xmppd.hooks import spawn
from xmppd.resolve.errors import DialFailed, LookupFailed
from xmppd.resolve.names import dns_name, ip_literal
from xmppd.resolve.records import Kind, Records
from xmppd.resolve.resolver import Lookup
from xmppd.resolve.targets import Service, Target, in_order, to_targets
from xmppd.resolve.wire import Silence

MOST_TARGETS = 12
MOST_PLACE = 512  # characters, before anything is made of them
STARTTLS, DIRECT = "_xmpp-server._tcp", "_xmpps-server._tcp"

Found = Records[Service] | LookupFailed


def read_routes(routes: Sequence[str]) -> dict[str, StaticRoute]:
    """By prepared domain; the last of several wins."""
    return {route.domain: route for route in map(read_route, routes)}


async def find_targets(
    domain: str,
    resolver: Lookup,
    routes: Mapping[str, StaticRoute],
    randrange: Callable[[int], int] = random.randrange,
) -> list[Target]:
    """Where to connect to, in this order. Raises DialFailed."""
    route = routes.get(domain)
    if route is not None:
        return [Target(route.host, route.port, route.direct_tls, fixed=True)]
    address = ip_literal(domain)
    if address is not None or _is_localhost(domain):
        return [Target(address or domain, fallback=True)]
    name = dns_name(domain)
    if name is None or dns_name(f"{DIRECT}.{name}") is None:
        raise DialFailed("remote-server-not-found", f"{domain} is no name that the DNS can have")
    starttls, direct = await _both(resolver, name)
    return _decide(name, starttls, direct, randrange)


async def find_others(place: str, resolver: Lookup, target: Target) -> list[Target]:
    """Where a server at `target` sends us: a domain with or without a port (RFC 6120 §4.9.3.19).

    A port is taken as it is; without one the domain is looked up as any. The rules for addresses
    hold, whoever named the target. None for what is no place. Raises DialFailed.
    """
    if len(place) > MOST_PLACE:
        return []
    if ip_literal(place) is not None:
        return [Target(place.strip("[]"))]
    host, colon, port = place.rpartition(":")
    if not colon:
        same = dns_name(place) == target.host
        return [Target(target.host)] if same else await find_targets(place, resolver, {})
    name = ip_literal(host) or dns_name(host)
    if name is None or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        return []
    return [Target(name, int(port))]


async def _both(resolver: Lookup, name: str) -> list[Found]:
    lookups = [spawn(_services(resolver, f"{service}.{name}")) for service in (STARTTLS, DIRECT)]
    try:
        return [await lookup for lookup in lookups]
    finally:
        for lookup in lookups:  # where we are cancelled
            _ = lookup.addErrback(_ignore)
            lookup.cancel()


async def _services(resolver: Lookup, name: str) -> Found:
    try:
        return await resolver.lookup(name, Kind.SRV)
    except LookupFailed as error:
        return error


def _decide(
    name: str, starttls: Found, direct: Found, randrange: Callable[[int], int]
) -> list[Target]:
    services = [*_marked(starttls, direct=False), *_marked(direct, direct=True)]
    targets = to_targets(in_order(services, randrange))
    if targets:
        return targets[:MOST_TARGETS]
    if services:  # "." (RFC 2782): decidedly not available; XEP-0368 §3: no fallback either
        raise DialFailed("remote-server-not-found", f"{name} says that it has no XMPP server")
    if isinstance(starttls, LookupFailed) and not isinstance(starttls, Silence):
        raise DialFailed("remote-server-timeout", f"the DNS fails for {name}: {starttls}")
    return [Target(name, fallback=True)]  # also where there was no response (§3.2.1, 9.)


def _marked(found: Found, *, direct: bool) -> list[Service]:
    if isinstance(found, LookupFailed):
        return []
    return [
        dataclasses.replace(service, direct_tls=direct, secure=found.secure)
        for service in found.values
    ]


class Addresses:
    """The addresses of a name: both kinds asked for at once, told as they come.

    `come(addresses)` is called for each kind, IPv4 at most `RESOLUTION_DELAY_S` before IPv6 had
    its chance (RFC 8305 §3); then `complete(failure)`, with "" or what went wrong.
    """

    RESOLUTION_DELAY_S = 0.05

    def __init__(
        self,
        resolver: Lookup,
        call_later: Callable[..., Any],
        come: Callable[[list[str]], None],
        complete: Callable[[str], None],
    ) -> None:
        self._resolver = resolver
        self._call_later = call_later
        self._come = come
        self._complete = complete
        self._left = 0
        self._held: list[str] = []
        self._timer: Any = None
        self._failure = ""
        self._lookups: list[Deferred[None]] = []

    def start(self, host: str) -> None:
        fixed = ip_literal(host)
        if fixed is not None or _is_localhost(host):
            self._come([fixed] if fixed else ["::1", "127.0.0.1"])
            self._complete("")
            return
        self._left = 2
        self._lookups = [spawn(self._look(host, kind)) for kind in (Kind.AAAA, Kind.A)]

    def stop(self) -> None:
        self._come = self._complete = _ignore
        self._release()
        for lookup in self._lookups:
            _ = lookup.addErrback(_ignore)
            lookup.cancel()

    async def _look(self, host: str, kind: Kind) -> None:
        addresses: list[str] = []
        try:
            addresses = list((await self._resolver.lookup(host, kind)).values)
        except LookupFailed as error:
            self._failure = str(error)
        self._left -= 1
        if kind is Kind.A and self._left and addresses:
            self._held = addresses
            self._timer = self._call_later(self.RESOLUTION_DELAY_S, self._release)
        else:
            self._come([*addresses, *self._held])
            self._held = []
        if not self._left:
            self._release()
            self._complete(self._failure)

    def _release(self) -> None:
        held, self._held = self._held, []
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if held:
            self._come(held)


def _ignore(_: object) -> None:
    """Nobody wants to know any more."""


def _is_localhost(host: str) -> bool:
    """RFC 6761 §6.3: the DNS is not asked."""
    return host == "localhost" or host.endswith(".localhost")
