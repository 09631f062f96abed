"""What a stream between servers tells its owner."""

from dataclasses import dataclass

from xmppd.stanza import Stanza, StanzaError
from xmppd.stream.dialback import Pair, VerifyRequest
from xmppd.stream.events import Closed, StartTLS


@dataclass(frozen=True, slots=True)
class AskProof:
    """Does the peer's certificate prove this domain? Nothing is read before `proof` answers."""

    domain: str


@dataclass(frozen=True, slots=True)
class JudgeKey:
    """The peer wants to send for this pair: find out whether it may, and tell by `judged`."""

    request: VerifyRequest

    @property
    def pair(self) -> Pair:
        return Pair(self.request.sender, self.request.target)


@dataclass(frozen=True, slots=True)
class Verified:
    """The answer to a `verify` of ours: `error` is None where the key was judged."""

    request: VerifyRequest
    valid: bool
    error: StanzaError | None = None


@dataclass(frozen=True, slots=True)
class PeerMaySend:
    """The peer may send for this pair from now on. `how`: EXTERNAL, dialback, bidi."""

    pair: Pair
    how: str


@dataclass(frozen=True, slots=True)
class WeMaySend:
    """We may send for this pair from now on."""

    pair: Pair
    how: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer does not let us send for this pair; `error` is for who waits to send."""

    pair: Pair
    error: StanzaError
    why: str


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What there is to negotiate is negotiated: keys may be sent if the peer does `dialback`.

    `authenticated`: by SASL, and `WeMaySend` came before.
    """

    authenticated: bool
    dialback: bool
    why: str = ""  # SASL failed, in words


@dataclass(frozen=True, slots=True)
class Enabled:
    """Stanzas that come after this are counted (XEP-0198): call `enabled`."""


@dataclass(frozen=True, slots=True)
class AckAsked:
    """The peer wants to know what we have handled: call `acknowledge` once all before is."""


@dataclass(frozen=True, slots=True)
class Acked:
    """The peer has handled so many of our stanzas more."""

    count: int


PeerEvent = (
    Stanza
    | StartTLS
    | AskProof
    | JudgeKey
    | Verified
    | PeerMaySend
    | WeMaySend
    | Refused
    | Negotiated
    | Enabled
    | AckAsked
    | Acked
    | Closed
)
