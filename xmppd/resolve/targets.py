"""The places where a domain's server may be, in the order to try them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

S2S_PORT = 5269  # RFC 6120 §14.7


@dataclass(frozen=True, slots=True)
class Target:
    """A host and port; `host` is a name in A-labels or an IP address.

    `fallback`: there was no SRV record, and the domain's own addresses are tried. `fixed`: the
    operator said so.
    """

    host: str
    port: int = S2S_PORT
    direct_tls: bool = False  # the connection begins with TLS (XEP-0368)
    fallback: bool = False
    fixed: bool = False
    secure: bool = False  # the SRV record came by DNSSEC

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" + (" (direct TLS)" if self.direct_tls else "")


@dataclass(frozen=True, slots=True)
class Service:
    """An SRV record (RFC 2782). The target "." means: not available here."""

    priority: int
    weight: int
    port: int
    target: str
    direct_tls: bool = False
    secure: bool = False

    @property
    def is_refusal(self) -> bool:
        return self.target == "."


def in_order(
    services: Sequence[Service], randrange: Callable[[int], int] = random.randrange
) -> list[Service]:
    """Lowest priority first; by chance within one, in proportion to the weights (RFC 2782).

    `randrange(n)` gives 0 to n-1.
    """
    left = sorted(services, key=lambda s: (s.priority, s.weight))
    ordered: list[Service] = []
    while left:
        same = [service for service in left if service.priority == left[0].priority]
        chosen = _choose(same, randrange)
        left.remove(chosen)
        ordered.append(chosen)
    return ordered


def _choose(services: list[Service], randrange: Callable[[int], int]) -> Service:
    """Those of weight 0 stand first, so that they have a very small chance beside others."""
    point = randrange(sum(service.weight for service in services) + 1)
    running = 0
    for service in services:
        running += service.weight
        if running >= point:
            return service
    return services[-1]


def to_targets(services: Sequence[Service]) -> list[Target]:
    """What to connect to. Refusals are left out."""
    return [
        Target(s.target, s.port, s.direct_tls, secure=s.secure)
        for s in services
        if not s.is_refusal and s.port
    ]
