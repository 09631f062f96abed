"""ANONYMOUS: a guest with a name that the server makes up (RFC 4505, XEP-0175)."""

from uuid import uuid4

from xmppd.stream.sasl.steps import Channel, Dialogue, Done, Step


class Anonymous(Dialogue):
    """Trace data of the client is read by nobody (XEP-0175 §3), so it may be absent at once."""

    __slots__ = ()

    def __init__(self, name: str, _channel: Channel) -> None:
        super().__init__(name)

    def _first(self, data: bytes | None) -> Step:
        return Done(str(uuid4()))
