"""What the limits of clients and of servers have in common: who may connect, and stanzas."""

from xmppd.config.options import Options, option
from xmppd.config.types import Network, Size


class StreamLimits(Options):
    """How large a stanza may be."""

    stanza: Size = option(262144, "Bytes of one stanza.", at_least=10000)
    elements: int = option(16384, "Elements of one stanza.", at_least=16)
    depth: int = option(128, "Depth of nesting.", at_least=8, at_most=10000)
    attributes: int = option(256, "Attributes of one element.", at_least=16)
    uri: Size = option(1024, "Bytes of one namespace name.", at_least=256)


class LoginStreamLimits(StreamLimits):
    """How large a stanza may be from a peer that has not logged in."""

    stanza: Size = option(16384, "Bytes of one stanza.", at_least=10000)
    elements: int = option(64, "Elements of one stanza.", at_least=16)
    depth: int = option(16, "Depth of nesting.", at_least=8, at_most=10000)
    attributes: int = option(64, "Attributes of one element.", at_least=16)


class AdmissionLimits(Options):
    """Who may connect, before anybody has proved who he is."""

    unauthenticated_per_address: int = option(
        100,
        "Connections that have not authenticated, from one address (IPv4) or /64 (IPv6).",
        at_least=1,
    )
    connections_per_second: float = option(
        20.0, "New connections a second from one address (IPv4) or /64 (IPv6).", at_least=0.1
    )
    exempt: list[Network] = option(
        [],
        "Networks whose addresses have no limits of their own, as a proxy's or a test's.",
        example=["192.0.2.0/24"],
    )
