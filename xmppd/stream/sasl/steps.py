"""What a SASL exchange is told, and what it asks for and answers.

Payloads carry secrets: no repr() of these objects shows one, and nobody logs them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from xmppd.jid import JID
from xmppd.stream.sasl.keys import ScramKeys

MAX_MESSAGE_BYTES = 10 * 1024

CONDITIONS = frozenset(  # RFC 6120 §6.5
    (
        "aborted",
        "account-disabled",
        "credentials-expired",
        "encryption-required",
        "incorrect-encoding",
        "invalid-authzid",
        "invalid-mechanism",
        "malformed-request",
        "mechanism-too-weak",
        "not-authorized",
        "temporary-auth-failure",
    )
)


class SASLFailure(Exception):
    """The exchange is over; `condition` is a name from RFC 6120 §6.5. `text` tells no secret."""

    def __init__(self, condition: str, text: str | None = None) -> None:
        if condition not in CONDITIONS:
            raise ValueError(f"{condition!r} is no SASL condition of RFC 6120")
        super().__init__(condition, text)
        self.condition = condition
        self.text = text


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send <challenge/> with this data."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskKeys:
    """Call `keys` with those of this account, which are convincing fakes if there is none.

    `hash_name` is "SHA-1", "SHA-256" or "SHA-512".
    """

    user: str
    hash_name: str


@dataclass(frozen=True, slots=True)
class AskPassword:
    """Call `verdict` with whether this is the account's password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskToken:
    """Call `token` with the one that the client was given and `matches`; None: there is none."""

    user: str
    mechanism: str
    matches: Callable[[bytes], bool] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """Authenticated as the local part `user`. `data` goes with <success/>; None: there is none.
    `token` is the one that was proved, if it was one.
    """

    user: str
    data: bytes | None = field(default=None, repr=False)
    token: bytes | None = field(default=None, repr=False)


Step = Challenge | AskKeys | AskPassword | AskToken | Done


def no_binding(_type: str) -> bytes | None:
    """The channel binding of a connection that has none."""
    return None


@dataclass(frozen=True, slots=True)
class Channel:
    """What a mechanism may know of the stream it runs on.

    `binding` gives the data of a channel binding type, `binding_types` those that it knows, best
    first. `certificate_jids` are the xmppAddr identities of a client certificate that was
    *verified*. `more` are mechanisms that this host has beside those configured for all.
    `offered` is what we announced on this stream: nothing else can be begun.
    """

    domain: str
    secure: bool = False
    binding: Callable[[str], bytes | None] = field(default=no_binding, repr=False)
    binding_types: tuple[str, ...] = ()
    certificate_jids: tuple[JID, ...] = ()
    offered: tuple[str, ...] = ()
    more: tuple[str, ...] = ()

    def offering(self, names: tuple[str, ...]) -> "Channel":
        """The same, when these mechanisms are announced on it."""
        return Channel(
            self.domain,
            self.secure,
            self.binding,
            self.binding_types,
            self.certificate_jids,
            names,
            self.more,
        )


class Exchange(Protocol):
    """One attempt to authenticate. All methods raise SASLFailure, and are dead afterwards."""

    name: str

    def respond(self, data: bytes | None) -> Step:
        """Take a decoded message. None: <auth/> came without an initial response, which is not
        the same as an empty one, "=" (RFC 6120 §6.4.2).
        """

    def keys(self, keys: ScramKeys) -> Step:
        """Take what AskKeys asked for."""

    def verdict(self, ok: bool) -> Step:
        """Take what AskPassword asked for."""

    def token(self, token: bytes | None) -> Step:
        """Take what AskToken asked for."""


class Awaits(Enum):
    """What may come next in an exchange."""

    INITIAL = "the initial response, or its absence"
    FIRST = "the first message"
    FINAL = "the last message"
    KEYS = "the answer to AskKeys"
    VERDICT = "the answer to AskPassword"
    TOKEN = "the answer to AskToken"  # noqa: S105  # no secret
    NOTHING = "over, or being worked on"


class Dialogue:
    """What exchanges have in common: each input is legal at one stage only.

    A client that answers while we wait for the database, or after the end, finds itself refused.
    """

    __slots__ = ("_awaits", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._awaits = Awaits.INITIAL

    def respond(self, data: bytes | None) -> Step:
        if data is not None and len(data) > MAX_MESSAGE_BYTES:
            self._awaits = Awaits.NOTHING
            raise SASLFailure("malformed-request", "the message is too long")
        stage, self._awaits = self._awaits, Awaits.NOTHING
        if stage == Awaits.INITIAL or (stage == Awaits.FIRST and data is not None):
            return self._first(data)
        if stage == Awaits.FINAL and data is not None:
            return self._final(data)
        raise SASLFailure("malformed-request", "nothing was asked for")

    def keys(self, keys: ScramKeys) -> Step:
        if self._take(Awaits.KEYS):
            return self._keys(keys)
        raise SASLFailure("malformed-request")

    def verdict(self, ok: bool) -> Step:
        if not self._take(Awaits.VERDICT):
            raise SASLFailure("malformed-request")
        if not ok:
            raise SASLFailure("not-authorized")
        return self._verified()

    def token(self, token: bytes | None) -> Step:
        if not self._take(Awaits.TOKEN):
            raise SASLFailure("malformed-request")
        if token is None:
            raise SASLFailure("not-authorized")
        return self._known(token)

    def _take(self, what: Awaits) -> bool:
        stage, self._awaits = self._awaits, Awaits.NOTHING
        return stage == what

    def _prompt(self) -> Step:
        """An empty challenge, for a client that sent no initial response (RFC 4422 §5)."""
        self._awaits = Awaits.FIRST
        return Challenge(b"")

    def _first(self, data: bytes | None) -> Step:
        raise SASLFailure("malformed-request")

    def _final(self, data: bytes) -> Step:
        raise SASLFailure("malformed-request")

    def _keys(self, keys: ScramKeys) -> Step:
        raise SASLFailure("malformed-request")

    def _verified(self) -> Step:
        raise SASLFailure("malformed-request")

    def _known(self, token: bytes) -> Step:
        raise SASLFailure("malformed-request")
