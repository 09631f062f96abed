"""Addresses that strangers must not make us connect to, whatever name they give them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052 §2.1
COMPATIBLE = ipaddress.ip_network("::/96")  # RFC 4291 §2.5.5.1; the kernel may still take them


def is_own(address: str) -> bool:
    """An address of this machine: the kernel would send from what it sends to. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return bool(probe.getsockname()[0] == address)
    except OSError:
        return False  # no way there: the connection will say so


class AddressRules:
    """By default nothing but public addresses of other machines.

    `allow_private` permits all others too, `networks` those in them; never multicast and
    unspecified ones, of which the latter are this machine.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        networks: Sequence[str] = (),
        is_own: Callable[[str], bool] = is_own,
    ) -> None:
        self._allow_private = allow_private
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self._is_own = is_own

    def refusal(self, text: str) -> str:
        """Why not to connect to this address, in words; "" for one that is fine."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return f"{text} is no address"
        inner = _inner(address)
        for one in (address, inner):
            if one.is_unspecified or one.is_multicast:
                return f"{text} is no address of a server"
        if self._allow_private or any(_in(inner, network) for network in self._networks):
            return ""
        kind = _kind(address) or _kind(inner)
        if kind:
            return f"{text} is a {kind} address"
        return f"{text} is an address of this machine" if self._is_own(str(inner)) else ""


def _in(address: Address, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return address.version == network.version and address in network


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to by mapping, 6to4, Teredo, NAT64; else itself."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return address
    if address in NAT64 or address in COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _kind(address: Address) -> str:
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_private or (address.version == 6 and _is_site_local(address)):
        return "private"
    # NAT64's own prefix is global by definition, and judged by what is inside
    return "" if address.is_global or _in(address, NAT64) else "reserved"


def _is_site_local(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.is_site_local
