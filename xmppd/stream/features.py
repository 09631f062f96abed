"""What a client may negotiate next (RFC 6120 §4.3.2), in the order of XEP-0170."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from xmppd.ns import BIND, CHANNEL_BINDING, CLIENT, IAP, SASL, SASL2, SESSION, TLS
from xmppd.xml import AFTER_LOGIN, BEFORE_LOGIN, Element, Limits, to_xml

STREAM_LIMITS = "urn:xmpp:stream-limits:0"  # XEP-0478


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """What a listener demands of its clients; one object for all of its streams.

    `sasl_failures` a stream, then policy-violation (RFC 6120 §6.4.5 wants 3 to 6 attempts);
    `bind_failures` likewise (§7.7.3: 5 to 10). `idle_s` is announced by XEP-0478, and
    before login `login_s`, after which the stream ends in any case; None: not.
    """

    tls_required: bool = True
    mechanisms: tuple[str, ...] = (
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-1",
        "PLAIN",
    )
    sasl_failures: int = 3
    bind_failures: int = 10
    before_login: Limits = BEFORE_LOGIN
    after_login: Limits = AFTER_LOGIN
    idle_s: int | None = None
    login_s: int | None = None


# What is written here depends on the configuration and on what TLS has come to, so there are few
# different ones: each is written once.


def written(features: Iterable[Element]) -> str:
    return "".join([to_xml(feature, CLIENT) for feature in features])


def write_features(offer: str) -> bytes:
    """§4.3.2."""
    return f"<stream:features>{offer}</stream:features>".encode()


@cache
def starttls(*, required: bool) -> str:
    """§5.4.1."""
    feature = Element(TLS, "starttls")
    if required:
        feature.append(Element(TLS, "required"))
    return written([feature])


@lru_cache
def mechanisms(names: tuple[str, ...]) -> str:
    """§6.4.1, in our order of preference."""
    each = (Element(SASL, "mechanism", None, name) for name in names)
    return written([Element(SASL, "mechanisms", None, *each)])


@lru_cache
def authentication(names: tuple[str, ...], inline: str, more: str = "") -> str:
    """XEP-0388 §2.1; `inline` and what is `more` than that are written already."""
    each = "".join([f"<mechanism>{name}</mechanism>" for name in names])
    if inline:
        inline = f"<inline>{inline}</inline>"
    return f"<authentication xmlns='{SASL2}'>{each}{inline}{more}</authentication>"


@lru_cache
def version_of(offer: str) -> str:
    """XEP-0509 §2.3: a name for these features, the same on all connections that see them."""
    return base64.b64encode(hashlib.sha256(offer.encode()).digest()[:18]).decode("ascii")


@lru_cache
def config_version(version: str) -> str:
    """XEP-0509 §2.1."""
    return written([Element(IAP, "config-version", {"scheme": "opaque", "value": version})])


@lru_cache
def channel_bindings(types: tuple[str, ...]) -> str:
    """XEP-0440."""
    bindings = (Element(CHANNEL_BINDING, "channel-binding", {"type": type_}) for type_ in types)
    return written([Element(CHANNEL_BINDING, "sasl-channel-binding", None, *bindings)])


@cache
def bind() -> str:
    """§7.4; and the session of RFC 3921, which is nothing any more but still asked for."""
    session = Element(SESSION, "session", None, Element(SESSION, "optional"))
    return written([Element(BIND, "bind"), session])


@lru_cache
def limits(stanza_bytes: int, idle_s: int | None) -> str:
    """XEP-0478."""
    return written([limits_element(stanza_bytes, idle_s)])


def limits_element(stanza_bytes: int, idle_s: int | None) -> Element:
    announced = Element(STREAM_LIMITS, "limits")
    announced.append(Element(STREAM_LIMITS, "max-bytes", None, str(stanza_bytes)))
    if idle_s is not None:
        announced.append(Element(STREAM_LIMITS, "idle-seconds", None, str(idle_s)))
    return announced
