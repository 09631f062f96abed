"""What a connection offers to SASL: channel bindings, addresses in the client's certificate."""

from xmppd.stream.sasl import Channel
from xmppd.transport.certificates import certificate_jids
from xmppd.transport.connection import StreamTransport

# Best first. Below TLS 1.3 tls-unique is what clients take for granted (RFC 5802 §6.1).
BINDING_TYPES = ("tls-exporter", "tls-unique", "tls-server-end-point")


def channel_of(connection: StreamTransport, domain: str) -> Channel:
    """The channel as it is now; `offered` is for the stream to fill in."""
    engine = connection.engine
    if engine is None or not connection.secure:
        return Channel(domain)
    certificate = engine.peer_certificate if engine.peer_verified else None
    return Channel(
        domain,
        secure=True,
        binding=engine.channel_binding,
        binding_types=tuple(name for name in BINDING_TYPES if engine.channel_binding(name)),
        certificate_jids=() if certificate is None else certificate_jids(certificate),
    )
