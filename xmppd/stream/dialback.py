"""Server dialback without sockets (XEP-0220): its keys, its elements, and its pairs.

A pair is (sender domain, target domain). Each stream has two tables of them: those that we asked
to send for, and those that the peer asked to send for.
"""

import hashlib
import hmac
from collections.abc import Iterator
from enum import Enum
from typing import Literal, NamedTuple

from xmppd.jid import JIDError, lenient_jid
from xmppd.ns import DIALBACK, DIALBACK_FEATURE, SERVER, STANZAS
from xmppd.stanza import StanzaError
from xmppd.xml import Element, StreamError, escape_attr, escape_text, to_xml

MAX_PAIRS = 1000  # on one stream
MAX_KEY = 1024  # characters; ours have 64
MAX_ID = 1024  # of a stream: as long as one that we make a key of


class Pair(NamedTuple):
    """Who wants to send to whom: two domains, prepared."""

    sender: str
    target: str

    @property
    def inverse(self) -> "Pair":
        return Pair(self.target, self.sender)

    def __str__(self) -> str:
        return f"{self.sender} to {self.target}"


def key(secret: bytes, receiving: str, originating: str, stream_id: str) -> str:
    """The key of a stream that `receiving` gave that id (XEP-0185 §2)."""
    hashed = hashlib.sha256(secret).hexdigest().encode()
    text = f"{receiving} {originating} {stream_id}".encode()
    return hmac.new(hashed, text, hashlib.sha256).hexdigest()


def is_key(claimed: str, expected: str) -> bool:
    """Compared in constant time, whatever a peer has sent."""
    return hmac.compare_digest(claimed.encode(), expected.encode())


# The pairs of a stream


class State(Enum):
    """How far a pair has come."""

    UNKNOWN = "nobody asked for it"
    ASKED = "a key was sent, and not judged"
    VALID = "its stanzas flow"
    ASKED_AGAIN = "its stanzas flow; another key was sent, and not judged"


class Input(Enum):
    """What moves a pair."""

    KEY = "the initiating side sends a key"
    VALID = "the receiving side says that it may send"
    REFUSED = "the receiving side says that it may not, or that it cannot tell"


NEXT = {
    (State.UNKNOWN, Input.KEY): State.ASKED,
    (State.ASKED, Input.VALID): State.VALID,
    (State.ASKED, Input.REFUSED): State.UNKNOWN,
    (State.VALID, Input.KEY): State.ASKED_AGAIN,
    (State.ASKED_AGAIN, Input.VALID): State.VALID,
    (State.ASKED_AGAIN, Input.REFUSED): State.UNKNOWN,
}


class Pairs:
    """The pairs of one direction of a stream. A pair in `valid` may be sent for."""

    __slots__ = ("_states", "asked", "valid")

    def __init__(self) -> None:
        self._states: dict[Pair, State] = {}
        self.valid: set[tuple[str, str]] = set()
        self.asked = 0  # keys that are not judged

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[Pair]:
        """The valid ones."""
        return (pair for pair in self._states if pair in self.valid)

    def state(self, pair: Pair) -> State:
        return self._states.get(pair, State.UNKNOWN)

    def may(self, pair: Pair, said: Input) -> bool:
        """Whether this can be said now."""
        return (self.state(pair), said) in NEXT

    def move(self, pair: Pair, said: Input) -> None:
        """StreamError for what may not be said now: an answer that nobody asked for (§3.1)."""
        before = self.state(pair)
        after = NEXT.get((before, said))
        if after is None:
            raise StreamError("policy-violation", "unsolicited dialback")
        self.asked += 1 if said is Input.KEY else -1
        self._set(pair, after)

    def trust(self, pair: Pair) -> None:
        """Valid without a key: proven by a certificate, or the inverse of one that is valid."""
        again = self.state(pair) in (State.ASKED, State.ASKED_AGAIN)
        self._set(pair, State.ASKED_AGAIN if again else State.VALID)

    def _set(self, pair: Pair, state: State) -> None:
        if state is State.UNKNOWN:
            self._states.pop(pair, None)
        else:
            self._states[pair] = state
        if state in (State.VALID, State.ASKED_AGAIN):
            self.valid.add(pair)
        else:
            self.valid.discard(pair)


# Its elements

Type = Literal["", "valid", "invalid", "error"]


class Said(NamedTuple):
    """A `<db:result/>` or `<db:verify/>`, read. `type` is "" for a request, which has a `key`."""

    name: str
    from_: str
    to: str
    id: str
    type: Type
    key: str
    error: StanzaError | None = None


class VerifyRequest(NamedTuple):
    """Is this the key that `sender` made for the stream `id`, which `target` has given it?"""

    sender: str
    target: str
    id: str
    key: str


def read(element: Element) -> Said:
    """StreamError improper-addressing for bad addresses, bad-format for the rest (§2)."""
    from_, to = (_domain(element.get(name)) for name in ("from", "to"))
    type_ = element.get("type") or ""
    if type_ not in ("", "valid", "invalid", "error") or element.name not in ("result", "verify"):
        raise StreamError("bad-format", "no dialback that is known")
    id_, text = element.get("id") or "", "".join(element.text.split())
    if len(text) > MAX_KEY or len(id_) > MAX_ID or (element.name == "verify" and not id_):
        raise StreamError("bad-format", "no dialback key or id")
    error = element.child(SERVER, "error") if type_ == "error" else None
    refusal = None
    if type_ == "error":
        refusal = _error(error)
    return Said(element.name, from_, to, id_, type_, text, refusal)  # type: ignore[arg-type]  # as just seen


def _error(error: Element | None) -> StanzaError:
    return StanzaError("undefined-condition") if error is None else StanzaError.from_element(error)


def _domain(text: str | None) -> str:
    try:
        said = lenient_jid(text or "")
    except JIDError:
        raise StreamError("improper-addressing") from None
    if said != said.domain:
        raise StreamError("improper-addressing")
    return said.domain


def write(said: Said) -> bytes:
    """With the prefix of the stream's header, which some servers insist on (§2.4.1)."""
    attrs = f" from='{escape_attr(said.from_)}' to='{escape_attr(said.to)}'"
    if said.id:
        attrs += f" id='{escape_attr(said.id)}'"
    if said.type:
        attrs += f" type='{said.type}'"
    inner = escape_text(said.key)
    if said.error is not None:
        condition = Element(STANZAS, said.error.condition)
        error = Element(SERVER, "error", {"type": said.error.type}, condition)
        inner = to_xml(error, SERVER)
    return f"<db:{said.name}{attrs}>{inner}</db:{said.name}>".encode()


def feature() -> Element:
    """Errors of dialback are understood (§2.4.2)."""
    errors = Element(DIALBACK_FEATURE, "errors")
    return Element(DIALBACK_FEATURE, "dialback", None, errors)


def is_dialback(element: Element) -> bool:
    return element.ns == DIALBACK
