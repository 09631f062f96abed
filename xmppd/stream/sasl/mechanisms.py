"""Which mechanisms there are, which of them a stream is offered, and how one begins."""

from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType

from xmppd.stream.sasl.anonymous import Anonymous
from xmppd.stream.sasl.external import External, identities
from xmppd.stream.sasl.ht import HASHES, HashedToken, binding_of
from xmppd.stream.sasl.plain import Plain
from xmppd.stream.sasl.scram import PLUS, Scram, announced_bindings
from xmppd.stream.sasl.steps import Channel, Exchange, SASLFailure

__all__ = [
    "MECHANISMS",
    "announced_bindings",
    "begin",
    "begin_token",
    "offered",
    "token_mechanisms",
]

# In order of preference (RFC 6120 §6.3.3).
MECHANISMS: MappingProxyType[str, Callable[[str, Channel], Exchange]] = MappingProxyType(
    {
        "EXTERNAL": External,
        "SCRAM-SHA-512-PLUS": Scram,
        "SCRAM-SHA-256-PLUS": Scram,
        "SCRAM-SHA-1-PLUS": Scram,
        "SCRAM-SHA-512": Scram,
        "SCRAM-SHA-256": Scram,
        "SCRAM-SHA-1": Scram,
        "PLAIN": Plain,
        "ANONYMOUS": Anonymous,
    }
)


# Of tokens, not of passwords: offered by XEP-0484, best first, and begun by its <fast/> only.
TOKEN_MECHANISMS = tuple(
    f"HT-{hash_name}-{binding}" for binding in ("EXPR", "ENDP", "NONE") for hash_name in HASHES
)


def token_mechanisms(channel: Channel) -> tuple[str, ...]:
    """Those that this channel can carry: none without TLS (XEP-0484 §7)."""
    return _token_mechanisms(channel.binding_types) if channel.secure else ()


@lru_cache  # there are as many as there are versions of TLS
def _token_mechanisms(binding_types: tuple[str, ...]) -> tuple[str, ...]:
    types = ("", *binding_types)
    return tuple(name for name in TOKEN_MECHANISMS if binding_of(name) in types)


def begin_token(mechanism: str, channel: Channel) -> Exchange:
    """Begin an exchange with a token. Raises SASLFailure invalid-mechanism."""
    if mechanism not in token_mechanisms(channel):
        raise SASLFailure("invalid-mechanism")
    return HashedToken(mechanism, channel)


def offered(
    channel: Channel, enabled: tuple[str, ...], *, plain_in_clear: bool = False
) -> tuple[str, ...]:
    """Of the `enabled` mechanisms those that this channel can carry, best first.

    `channel.offered` is what this is about to become, and is not looked at.
    """
    secure = channel.secure
    lacking = (
        "" if secure and channel.binding_types else PLUS,
        "" if secure or plain_in_clear else "PLAIN",
        "" if secure and identities(channel) else "EXTERNAL",
    )
    return _others(enabled, lacking)


@lru_cache  # of configurations and kinds of channels there are few
def _others(enabled: tuple[str, ...], lacking: tuple[str, ...]) -> tuple[str, ...]:
    """The `enabled` mechanisms that end with none of `lacking`."""
    ends = tuple(filter(None, lacking))
    return tuple(name for name in MECHANISMS if name in enabled and not name.endswith(ends))


def begin(mechanism: str, channel: Channel) -> Exchange:
    """Begin an exchange by a mechanism that was offered; its name counts to the letter.

    Raises SASLFailure invalid-mechanism; encryption-required where TLS is what is missing
    (RFC 6120 §6.5.4).
    """
    if mechanism in channel.offered and mechanism in MECHANISMS:
        return MECHANISMS[mechanism](mechanism, channel)
    if mechanism in MECHANISMS and not channel.secure:
        raise SASLFailure("encryption-required")
    raise SASLFailure("invalid-mechanism")
