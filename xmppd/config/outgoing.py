"""The options of connections to other servers: where they are, and what proves who they are.

`[s2s]` inherits these: its class derives from `OutgoingOptions`.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from xmppd.config.options import Options, option
from xmppd.config.types import Duration, Kind, Network, parse_domain


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """Where a domain's server is, whatever the DNS says (RFC 6120 §3.2.3)."""

    domain: str
    host: str
    port: int
    direct_tls: bool


def read_route(text: str) -> StaticRoute:
    """Take "example.net=192.0.2.1:5269" apart; "tls:" before the host begins with TLS.

    Raises ValueError.
    """
    wanted = 'must be like "example.net=192.0.2.1:5269" or "example.net=tls:host.example:5270"'
    name, _, place = text.partition("=")
    direct = place.startswith("tls:")
    host, colon, port = place.removeprefix("tls:").rpartition(":")
    if not (name and host and colon and port.isascii() and port.isdigit()):
        raise ValueError(wanted)
    if not 0 < int(port) < 65536:
        raise ValueError("must name a port from 1 to 65535")
    return StaticRoute(
        parse_domain(name.strip()), host.removeprefix("[").removesuffix("]"), int(port), direct
    )


def check_route(text: str) -> str:
    read_route(text)
    return text


def read_nameserver(text: str) -> tuple[str, int]:
    """ "192.0.2.53", "192.0.2.53:5353" or "[2001:db8::53]:53" as (address, port)."""
    host, port = text, "53"
    if text.startswith("[") or text.count(":") == 1:
        host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "53")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(
            'must be an IP address, with a port if it is not 53: "[::1]:53"'
        ) from None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("must name a port from 1 to 65535")
    return str(address), int(port)


def check_nameserver(text: str) -> str:
    read_nameserver(text)
    return text


Route = Annotated[str, AfterValidator(check_route), Kind("route")]
Nameserver = Annotated[str, AfterValidator(check_nameserver), Kind("name server")]


class OutgoingOptions(Options):
    """Where other servers are, and what proves who they are."""

    nameservers: list[Nameserver] = option(
        [],
        "Addresses of the DNS servers to ask. Empty: those of `/etc/resolv.conf`, read again when "
        "it changes.",
        example=["127.0.0.1", "[2001:db8::53]:53"],
    )
    dns_timeout: Duration = option(
        10.0, "How long an answer of the DNS may take, retries included.", at_least=0.5, at_most=60
    )
    connect_timeout: Duration = option(
        30.0,
        "How long it may take to reach a server: DNS and all its addresses together.",
        at_least=1,
        at_most=300,
    )
    routes: list[Route] = option(
        [],
        "Servers of domains that are not looked up in the DNS, for tests and private networks. "
        "With `tls:` before the host the connection begins with TLS. The address may be private.",
        example=["example.net=192.0.2.1:5269", "example.com=tls:xmpp.example.com:5270"],
    )
    allow_private: bool = option(
        False,
        "Connect to servers whose address is private, loopback, link-local or this machine's "
        "own. Otherwise a message to `x@127.0.0.1`, or a name that somebody points there, would "
        "reach services that the firewall hides from the world.",
    )
    networks: list[Network] = option(
        [],
        "Networks that are not public and may be connected to all the same.",
        example=["10.20.0.0/16"],
    )
    trust: Path | None = option(
        None,
        "The certificate authorities that other servers' certificates are checked against: a "
        "file in PEM, or a folder of such files. Lists of revoked certificates (CRL) in them are "
        "heeded. None: those that the system trusts.",
        example="/etc/xmppd/authorities.pem",
    )
    dane: bool = option(
        False,
        "Take TLSA records as a proof of certificates too (RFC 7673). The DNS server asked must "
        "check DNSSEC, and run on this machine: only then can its word be believed.",
    )
    posh: bool = option(
        False, "Take fingerprints published over HTTPS as a proof of certificates too (RFC 7711)."
    )
