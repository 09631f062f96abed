"""What a connection offers to SASL: channel bindings, addresses in the client's certificate."""

from xmppd.stream.sasl import Channel
from xmppd.transport.certificates import certificate_jids
from xmppd.transport.connection import StreamTransport


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
        binding_types=engine.binding_types,
        certificate_jids=() if certificate is None else certificate_jids(certificate),
    )
