"""The options of streams with other servers: `[s2s]`, and `[hosts."example.org".s2s]`."""

from typing import Literal

from xmppd.config.options import Options, option
from xmppd.config.outgoing import OutgoingOptions
from xmppd.config.streams import AdmissionLimits, LoginStreamLimits, StreamLimits
from xmppd.config.types import Domain, Duration, Endpoint, Secret, Size

Proof = Literal["required", "dialback"]
Encryption = Literal["required", "optional"]


class PeerStreamLimits(StreamLimits):
    """How large a stanza of another server may be, once it is authenticated."""

    stanza: Size = option(524288, "Bytes of one stanza; announced by XEP-0478.", at_least=10000)


class S2SLimits(AdmissionLimits):
    """What other servers may ask of this one."""

    before_auth: LoginStreamLimits = option(LoginStreamLimits(), "Before authentication.")
    after_auth: PeerStreamLimits = option(PeerStreamLimits(), "After authentication.")
    unauthenticated_share: float = option(
        0.25,
        "Share of all file descriptors that connections without authentication may hold.",
        at_least=0.01,
        at_most=0.95,
    )
    verifications_per_peer: int = option(
        20,
        "Dialback keys that are looked into at a time: of one domain, and for one address (IPv4) "
        "or /64 (IPv6).",
        at_least=1,
    )
    verifications: int = option(
        200, "Dialback keys of all servers that are looked into at a time.", at_least=1
    )
    attempts: int = option(
        50,
        "Servers that are being connected to at a time for stanzas; connections for "
        "`verifications` come on top.",
        at_least=1,
    )
    connections_per_address: int = option(
        100,
        "Connections of ours to one address (IPv4) or /64 (IPv6), whatever domains are there; "
        "near it, the one unused for longest is closed for a new one.",
        at_least=4,
    )
    outgoing_share: float = option(
        0.25,
        "Share of all file descriptors that connections of ours to other servers may hold; near "
        "it, the one unused for longest is closed for a new one.",
        at_least=0.01,
        at_most=0.95,
    )
    queue_stanzas: int = option(
        1000, "Stanzas that may wait for one server that cannot be reached yet.", at_least=1
    )
    queue_bytes: Size = option(
        4 * 1024 * 1024, "Bytes of stanzas that may wait for one server.", at_least=65536
    )
    queue_total: Size = option(
        64 * 1024 * 1024,
        "Bytes of stanzas that may wait for all servers together; a quarter of them, where they "
        "are of one sender.",
        at_least=1024 * 1024,
    )
    unacknowledged: int = option(
        500,
        "Stanzas that may be under way to a server that has not acknowledged them (XEP-0198). "
        "0: acknowledgements are not used.",
        at_most=10000,
    )


class PeerOptions(Options):
    """What is agreed with one server and those below it; the longest `domain` counts."""

    domain: Domain = option("example.net", "The server's domain; covers its subdomains too.")
    certificates: Proof | None = option(
        None, "Overrides `s2s.certificates` for it.", example="dialback"
    )
    tls: Encryption | None = option(None, "Overrides `s2s.tls` for it.", example="optional")


class S2SOptions(OutgoingOptions):
    """Connections with other servers."""

    enabled: bool = option(
        True,
        "Exchange stanzas with other servers. False: nothing listens, and nobody is called.",
        reloads=False,
    )
    listen: list[Endpoint] = option(
        ["tcp:5269"],
        "Endpoints for connections that begin in the clear and turn to TLS (STARTTLS). "
        '"tcp6:5269" takes IPv4 and IPv6 on Linux.',
        reloads=False,
    )
    direct_tls: list[Endpoint] = option(
        ["tcp:5270"],
        "Endpoints for connections that begin with TLS (XEP-0368); they are found only by an SRV "
        "record `_xmpps-server._tcp`.",
        reloads=False,
    )
    tls: Encryption = option(
        "required",
        'TLS with other servers. "optional" lets stanzas cross the network in the clear where the '
        "other server does not do TLS: anyone on the way can read and change them.",
    )
    certificates: Proof = option(
        "required",
        'What proves who another server is. "required": a valid certificate alone, whoever '
        'connects. "dialback": where the certificate does not prove it, server dialback '
        "(XEP-0220) may, which is as safe as the DNS and the network are.",
    )
    bidi: bool = option(
        True, "Use one connection for both directions where the other server can (XEP-0288)."
    )
    dialback_secret: Secret = option(
        Secret(""),
        "What dialback keys are made of (XEP-0185). Empty: made anew at each start, which is "
        "right unless several processes serve one domain.",
        secret=True,
        reloads=False,
    )
    allow: list[Domain] = option(
        [],
        "Domains to exchange stanzas with, with those below them; all others are refused. "
        "Empty: all.",
        example=["example.net"],
    )
    deny: list[Domain] = option(
        [],
        "Domains not to exchange stanzas with, with those below them.",
        example=["spam.example"],
    )
    peers: list[PeerOptions] = option([], "What is agreed with single servers: `[[s2s.peers]]`.")
    negotiation_timeout: Duration = option(
        30.0, "From the connection to the first authenticated domain.", at_least=1, at_most=600
    )
    queue_timeout: Duration = option(
        60.0,
        "How long a stanza waits for a server that cannot be reached, until its sender is told.",
        at_least=1,
        at_most=600,
    )
    idle_timeout: Duration = option(
        600.0, "A connection of ours that carried nothing for so long is closed.", at_least=10
    )
    limits: S2SLimits = option(S2SLimits(), "Limits of other servers.")


class HostS2SOptions(Options):
    """What a virtual host, with the services below it, wants otherwise than `[s2s]` says."""

    enabled: bool = option(True, "Exchange stanzas with other servers.")
    certificates: Proof | None = option(
        None, "Overrides `s2s.certificates`, for all servers.", example="dialback"
    )
    tls: Encryption | None = option(
        None, "Overrides `s2s.tls`, for all servers.", example="optional"
    )
    allow: list[Domain] = option(
        [], "As `s2s.allow`: a domain must be in both lists that are not empty."
    )
    deny: list[Domain] = option([], "As `s2s.deny`, and added to it.")
