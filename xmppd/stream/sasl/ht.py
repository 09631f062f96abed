"""Hashed tokens: a proof of knowing a token that the server gave, in one message
(draft-schmaus-kitten-sasl-ht-09; used by XEP-0484).

The initiator sends its name, NUL and HMAC(token, "Initiator" || binding), and is answered with
HMAC(token, "Responder" || binding). The last part of a mechanism's name tells the binding.
"""

import hmac

from xmppd.stream.sasl.identity import prepare_user, utf8
from xmppd.stream.sasl.keys import ScramKeys
from xmppd.stream.sasl.steps import (
    AskKeys,
    AskToken,
    Awaits,
    Channel,
    Dialogue,
    Done,
    SASLFailure,
    Step,
)

# Channel binding types by the suffix of the mechanism's name (§2); NONE binds nothing.
BINDINGS = {"NONE": "", "ENDP": "tls-server-end-point", "EXPR": "tls-exporter"}
HASHES = {"SHA-256": "sha256", "SHA-512": "sha512"}


def binding_of(mechanism: str) -> str:
    """The channel binding type that it needs; "" for none."""
    return BINDINGS[mechanism.rpartition("-")[2]]


class HashedToken(Dialogue):
    """One exchange: a single message each way. Asks for the token, then for keys, which know of
    a disabled account.
    """

    __slots__ = ("_bound", "_hash", "_proof", "_token", "_user")

    def __init__(self, name: str, channel: Channel) -> None:
        super().__init__(name)
        self._hash = HASHES[name.removeprefix("HT-").rpartition("-")[0]]
        kind = binding_of(name)
        bound = channel.binding(kind) if kind else b""
        if bound is None:
            raise SASLFailure("not-authorized", "unsupported channel binding type")
        self._bound = bound
        self._user = ""
        self._proof = self._token = b""

    def _first(self, data: bytes | None) -> Step:
        if data is None:
            return self._prompt()
        name, _, self._proof = data.partition(b"\0")
        if not self._proof:
            raise SASLFailure("malformed-request")
        self._user = prepare_user(utf8(name))
        self._awaits = Awaits.TOKEN
        return AskToken(self._user, self.name, self.matches)

    def matches(self, token: bytes) -> bool:
        """Whether the initiator has this token; compared in constant time."""
        return hmac.compare_digest(self._mac(token, b"Initiator"), self._proof)

    def _known(self, token: bytes) -> Step:
        if not self.matches(token):
            raise SASLFailure("not-authorized")
        self._token = token
        self._awaits = Awaits.KEYS
        return AskKeys(self._user, "SHA-256")

    def _keys(self, keys: ScramKeys) -> Step:
        if keys.refusal is not None:
            raise SASLFailure(keys.refusal)
        return Done(self._user, self._mac(self._token, b"Responder"), self._token)

    def _mac(self, token: bytes, who: bytes) -> bytes:
        return hmac.digest(token, who + self._bound, self._hash)
