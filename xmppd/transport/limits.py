"""What one stanza may cost, as a parser wants to know it."""

from xmppd.config.streams import StreamLimits
from xmppd.xml import Limits


def limits_of(options: StreamLimits) -> Limits:
    """What these options mean to a parser."""
    return Limits(
        stanza_bytes=options.stanza,
        elements=options.elements,
        depth=options.depth,
        attributes=options.attributes,
        uri_bytes=options.uri,
    )
