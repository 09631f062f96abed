"""From what the parser saw to a stanza, with the checks that any server makes at its edge."""

from xmppd.jid import JID
from xmppd.ns import CLIENT
from xmppd.stanza.errors import StanzaError
from xmppd.stanza.stanza import IQ, Message, Names, Presence, Stanza
from xmppd.xml import XML_LANG, Element, parse_fragment, to_xml

MESSAGE_TYPES = frozenset(("normal", "chat", "groupchat", "headline", "error"))
PRESENCE_TYPES = frozenset(
    (
        "",
        "unavailable",
        "subscribe",
        "subscribed",
        "unsubscribe",
        "unsubscribed",
        "probe",
        "error",
    )
)
_KNOWN_ATTRIBUTES = frozenset(("to", "from", "type", "id", XML_LANG))
_ERROR = (CLIENT, "error")


def read_stanza(
    kind: str,
    attrs: dict[str, str],
    payloads: Names,
    raw: bytes,
    *,
    to: JID,
    from_: JID,
    content_ns: str = CLIENT,
) -> Stanza:
    """The Message, Presence or IQ for what a StreamParser reports; never raises.

    A stanza that breaks the rules of its kind has its `fault` set: bad-request for an unknown
    presence type (RFC 6121 §4.7.1) and for an IQ against RFC 6120 §8.2.3. An unknown message type
    is normal (RFC 6121 §5.2.2). `to` and `from_` are the resolved addresses; `content_ns` is that
    of the stream, whose children read as jabber:client in any case.
    """
    if content_ns != CLIENT:
        payloads, raw = _as_client(payloads, raw, content_ns)
    type_ = attrs.get("type", "")
    stanza: Stanza
    if kind == "message":
        if type_ not in MESSAGE_TYPES:
            type_ = "normal"
        stanza = Message.received(to, from_, type_, attrs, payloads, raw)
    elif kind == "iq":
        stanza = IQ.received(to, from_, type_, attrs, payloads, raw)
        stanza.fault = _iq_fault(type_, stanza.id, payloads)
    else:
        stanza = Presence.received(to, from_, type_, attrs, payloads, raw)
        if type_ not in PRESENCE_TYPES:
            stanza.fault = StanzaError("bad-request", "unknown type of presence")
    if not _KNOWN_ATTRIBUTES.issuperset(attrs):
        stanza.extra = {k: v for k, v in attrs.items() if k not in _KNOWN_ATTRIBUTES}
    return stanza


def _iq_fault(type_: str, id_: str | None, payloads: Names) -> StanzaError | None:
    """What RFC 6120 §8.2.3 has against an IQ."""
    if id_ is None:
        return StanzaError("bad-request", "an IQ needs an id")
    if type_ == "get" or type_ == "set":
        if len(payloads) != 1:
            return StanzaError("bad-request", "a get or set has exactly one child element")
    elif type_ == "result":
        if len(payloads) > 1:
            return StanzaError("bad-request", "a result has one child element at most")
    elif type_ != "error":
        return StanzaError("bad-request", "the type of an IQ is get, set, result or error")
    elif _ERROR not in payloads:
        return StanzaError("bad-request", "an IQ of type error has an error child")
    return None


def _as_client(payloads: Names, raw: bytes, content_ns: str) -> tuple[Names, bytes]:
    """Children in jabber:server, or another stream's content namespace, read as jabber:client,
    as everywhere in this server.
    """
    if content_ns.encode() in raw:  # perhaps one that names its namespace and would not follow
        nodes = parse_fragment(raw, CLIENT)
        children = [node for node in nodes if isinstance(node, Element)]
        read_as_client(children, content_ns)
        raw = "".join([to_xml(child, CLIENT) for child in children]).encode()
    names = [(CLIENT if ns == content_ns else ns, name) for ns, name in payloads]
    return tuple(names), raw


def read_as_client(children: list[Element], content_ns: str) -> None:
    """`content_ns` to jabber:client, down from the stanza until another namespace begins."""
    below = [child for child in children if child.ns == content_ns]
    while below:
        element = below.pop()
        element.ns = CLIENT
        below.extend(child for child in element.elements if child.ns == content_ns)
