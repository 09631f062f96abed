"""Domains as the DNS writes them."""

from __future__ import annotations

import ipaddress
import re

import idna

LONGEST = 253  # RFC 1035 §2.3.4, written out
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def dns_name(domain: str) -> str | None:
    """`domain` in A-labels (RFC 5890), lower case; None where the DNS cannot have such a name."""
    name = domain.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii").lower()
        except idna.IDNAError:
            return None
    if not name or len(name) > LONGEST:
        return None
    return name if all(_LABEL.fullmatch(label) for label in name.split(".")) else None


def ip_literal(domain: str) -> str | None:
    """The address, where the domain is one: "192.0.2.1", "[2001:db8::1]" (RFC 7622 §3.2)."""
    try:
        return str(ipaddress.ip_address(domain.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None
