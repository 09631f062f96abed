"""The options of external components (XEP-0114): of all, `[components]`, and of each,
`[components."gateway.example.org"]`.
"""

from typing import Literal

from xmppd.config.options import Options, option
from xmppd.config.streams import LoginStreamLimits, StreamLimits
from xmppd.config.types import Domain, Duration, Endpoint, Secret, Size


class PeerStreamLimits(StreamLimits):
    """How large a stanza may be from a component."""

    stanza: Size = option(512 * 1024, "Bytes of one stanza.", at_least=10000)


class ComponentsOptions(Options):
    """External components. Each has a table of its own, `[components."gateway.example.org"]`."""

    listen: list[Endpoint] = option(
        ["tcp:5347:interface=127.0.0.1"],
        "Endpoints for components; nothing listens unless a component is configured. The "
        "connection is not encrypted.",
    )
    direct_tls: list[Endpoint] = option(
        [],
        "Endpoints for components that begin with TLS.",
        example=["tcp:5348"],
    )
    login_timeout: Duration = option(
        30.0, "From the connection to the handshake.", at_least=1, at_most=600
    )
    stalled: Duration = option(
        30.0,
        "A component that does not read what waits for it in this time is closed. Those who "
        "write to it are held back meanwhile.",
        at_least=1,
        at_most=600,
    )
    outbound_bytes: Size = option(
        8 * 1024 * 1024,
        "Bytes that may wait for a component that does not read; then it is closed.",
        at_least=65536,
    )
    outbound_stanzas: int = option(
        20_000, "Writes that may wait for a component that does not read.", at_least=10
    )
    before_login: LoginStreamLimits = option(LoginStreamLimits(), "Before the handshake.")
    after_login: PeerStreamLimits = option(PeerStreamLimits(), "After the handshake.")


class ComponentOptions(Options):
    """An external component, one table each."""

    secret: Secret = option(
        Secret(""), "What the component proves itself with; there is no default.", secret=True
    )
    host: str = option(
        "",
        "The virtual host it belongs to, which lists it. Empty: the one whose name the domain "
        "ends with, or the only one.",
        example="example.org",
    )
    domains: list[Domain] = option(
        [],
        "Domains that it serves over the same connection, beside its own.",
        example=["sms.example.org"],
    )
    name: str = option("", "Its name in the host's list of services.", example="Gateway")
    listed: bool = option(True, "List it among the host's services.")
    conflict: Literal["replace", "refuse"] = option(
        "replace",
        "What happens when it connects a second time: the new connection replaces the old one, "
        "or is refused with `conflict`.",
    )
    when_away: Literal["bounce", "queue"] = option(
        "bounce",
        "What happens to stanzas while it is not connected: they go back to their senders with "
        "an error, or wait in memory.",
    )
    queue_bytes: Size = option(1024 * 1024, "Bytes that may wait.", at_least=1024)
    queue_stanzas: int = option(1000, "Stanzas that may wait.", at_least=1)
    queue_time: Duration = option(
        60.0, "How long a stanza waits before its sender gets an error.", at_least=1, at_most=3600
    )
