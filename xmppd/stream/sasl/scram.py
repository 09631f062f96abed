"""SCRAM: proof of knowing the password on both sides, without telling it.

RFC 5802 and RFC 7677, channel binding by RFC 5929 and RFC 9266, and XEP-0474 0.5.0, which signs
what we announced, so that nobody between us can take the better mechanisms off the list.
"""

import hashlib
import hmac
import os
from binascii import b2a_base64
from collections.abc import Callable, Iterable
from functools import lru_cache

from xmppd.stream.sasl.identity import check_authzid, prepare_user
from xmppd.stream.sasl.keys import HASHES, ScramKeys, prove
from xmppd.stream.sasl.messages import ClientFirst, client_final, client_first
from xmppd.stream.sasl.steps import (
    AskKeys,
    Awaits,
    Challenge,
    Channel,
    Dialogue,
    Done,
    SASLFailure,
    Step,
)

PLUS = "-PLUS"


def make_nonce() -> str:
    return os.urandom(24).hex()


def announced_bindings(channel: Channel) -> tuple[str, ...]:
    """The channel binding types to announce (XEP-0440): none without a mechanism that binds, for
    clients take the one without the other for an attack.
    """
    return channel.binding_types if binds(channel) else ()


def binds(channel: Channel) -> bool:
    return _any_binds(channel.offered)


@lru_cache  # what is offered depends on the configuration and on what TLS has come to
def _any_binds(names: tuple[str, ...]) -> bool:
    return any(name.endswith(PLUS) for name in names)


def announcement_hash(hash_name: str, names: Iterable[str], bindings: Iterable[str]) -> str:
    """XEP-0474 §5.1: of all mechanisms and channel binding types that the client was shown."""
    shown = "\x1e".join(sorted(names))
    types = "\x1e".join(sorted(bindings))
    text = f"{shown}\x1f{types}" if types else shown
    return _b64(hashlib.new(HASHES[hash_name], text.encode()).digest())


# What we announce depends on the configuration and on the version of TLS.
_announced = lru_cache(announcement_hash)


class Scram(Dialogue):
    """One exchange, with or without channel binding; `name` tells hash and kind."""

    __slots__ = (
        "_channel",
        "_expected_binding",
        "_first_bare",
        "_hash",
        "_make_nonce",
        "_nonce",
        "_server_first",
        "_stored",
        "_user",
    )

    def __init__(
        self, name: str, channel: Channel, make_nonce: Callable[[], str] = make_nonce
    ) -> None:
        super().__init__(name)
        self._hash = name.removeprefix("SCRAM-").removesuffix(PLUS)
        self._channel = channel
        self._make_nonce = make_nonce
        self._user = self._nonce = self._first_bare = self._server_first = ""
        self._expected_binding = ""
        self._stored: ScramKeys | None = None

    def _first(self, data: bytes | None) -> Step:
        if data is None:
            return self._prompt()
        message = client_first(data)
        bound = message.gs2_header.encode() + self._binding(message)
        self._expected_binding = _b64(bound)
        self._user = prepare_user(message.name)
        if message.authzid is not None:
            check_authzid(message.authzid, self._user, self._channel.domain)
        self._nonce = message.nonce + self._make_nonce()
        self._first_bare = message.bare
        self._awaits = Awaits.KEYS
        return AskKeys(self._user, self._hash)

    def _binding(self, message: ClientFirst) -> bytes:
        """The data that the client has to prove it sees too (RFC 5802 §6)."""
        plus = self.name.endswith(PLUS)
        if plus != (message.flag == "p"):
            raise SASLFailure("not-authorized", "channel binding and mechanism do not match")
        if message.flag == "y" and binds(self._channel):
            raise SASLFailure("not-authorized", "the server does support channel binding")
        if message.binding_type is None:
            return b""
        known = message.binding_type in self._channel.binding_types
        data = self._channel.binding(message.binding_type) if known else None
        if not data:
            raise SASLFailure("not-authorized", "unsupported channel binding type")
        return data

    def _keys(self, keys: ScramKeys) -> Step:
        self._stored = keys
        first = f"r={self._nonce},s={_b64(keys.salt)},i={keys.iterations}"
        if self._channel.offered:
            shown, types = self._channel.offered, announced_bindings(self._channel)
            first += f",h={_announced(self._hash, shown, types)}"
        self._server_first = first
        self._awaits = Awaits.FINAL
        return Challenge(first.encode())

    def _final(self, data: bytes) -> Step:
        message, keys = client_final(data), self._stored
        seen = f"{message.binding},{message.nonce}".encode()
        expected = f"{self._expected_binding},{self._nonce}".encode()
        signed = f"{self._first_bare},{self._server_first},{message.unproven}".encode()
        signature = None if keys is None else prove(self._hash, keys, signed, message.proof)
        if not hmac.compare_digest(seen, expected) or keys is None or signature is None:
            raise SASLFailure("not-authorized")
        if keys.refusal is not None:
            raise SASLFailure(keys.refusal)
        return Done(self._user, f"v={_b64(signature)}".encode())


def _b64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")
