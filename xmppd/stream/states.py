"""The states of a client's stream, and what may be said in each (RFC 6120 §4.3, §5, §6, §7)."""

from enum import Enum

from xmppd.stream.rules import Rules


class State(Enum):
    """Where the negotiation of a client's stream stands."""

    CONNECTED = "in the clear, not authenticated"
    SECURING = "<proceed/> was sent: a TLS handshake is under way"
    SECURED = "under TLS, not authenticated"
    PROVING_IN_CLEAR = "a SASL exchange is under way, without TLS"
    PROVING = "a SASL exchange is under way"
    CHOOSING = "the exchange ended well; a task is to be begun before that counts"
    AT_TASK = "a task is under way"
    KNOWN = "authenticated, no resource bound"
    BINDING = "a resource was asked for"
    BOUND = "stanzas flow"
    CLOSED = "nothing is read or written any more"

    __hash__ = object.__hash__  # Enum's is written in Python, and a login asks for 18


class Input(Enum):
    """What moves a stream from one state to another: the peer's doing, or our answer to it."""

    STARTTLS = "the client sends <starttls/>"
    TLS_READY = "the handshake is done"
    AUTH = "the client begins a SASL exchange"
    RESPONSE = "the client answers a challenge"
    CONTINUE = "the exchange or a task ends well, and there is a task to do"
    NEXT = "the client begins a task"
    TASK_DATA = "the client says something within a task"
    SUCCESS = "the exchange ends well, and what tasks there were"
    FAILURE = "the exchange ends otherwise, or the client aborts it"
    BIND = "the client asks for a resource"
    BOUND = "the session is open"
    REFUSED = "the session is not opened"
    STANZA = "the client sends a stanza that is no part of the negotiation"
    CLOSE = "either side ends the stream"

    __hash__ = object.__hash__


# A new stream header follows upon TLS_READY and SUCCESS, and upon nothing else.
NEXT = {
    (State.CONNECTED, Input.STARTTLS): State.SECURING,
    (State.SECURING, Input.TLS_READY): State.SECURED,
    (State.CONNECTED, Input.AUTH): State.PROVING_IN_CLEAR,
    (State.SECURED, Input.AUTH): State.PROVING,
    (State.PROVING_IN_CLEAR, Input.AUTH): State.PROVING_IN_CLEAR,  # the first is dead (§6.4.2)
    (State.PROVING, Input.AUTH): State.PROVING,
    (State.PROVING_IN_CLEAR, Input.RESPONSE): State.PROVING_IN_CLEAR,
    (State.PROVING, Input.RESPONSE): State.PROVING,
    (State.PROVING_IN_CLEAR, Input.FAILURE): State.CONNECTED,
    (State.PROVING, Input.FAILURE): State.SECURED,
    (State.CONNECTED, Input.FAILURE): State.CONNECTED,  # <response/> or <abort/> to nothing
    (State.SECURED, Input.FAILURE): State.SECURED,
    (State.PROVING, Input.CONTINUE): State.CHOOSING,  # XEP-0388 §2.6.3
    (State.CHOOSING, Input.NEXT): State.AT_TASK,
    (State.CHOOSING, Input.FAILURE): State.SECURED,
    (State.AT_TASK, Input.TASK_DATA): State.AT_TASK,
    (State.AT_TASK, Input.CONTINUE): State.CHOOSING,
    (State.AT_TASK, Input.FAILURE): State.SECURED,
    (State.AT_TASK, Input.SUCCESS): State.KNOWN,
    (State.PROVING_IN_CLEAR, Input.SUCCESS): State.KNOWN,
    (State.PROVING, Input.SUCCESS): State.KNOWN,
    (State.KNOWN, Input.BIND): State.BINDING,
    (State.BINDING, Input.REFUSED): State.KNOWN,
    (State.BINDING, Input.BOUND): State.BOUND,
    (State.BOUND, Input.STANZA): State.BOUND,
    **{(state, Input.CLOSE): State.CLOSED for state in State},
}

BEFORE_LOGIN = frozenset(
    (
        State.CONNECTED,
        State.SECURED,
        State.PROVING_IN_CLEAR,
        State.PROVING,
        State.SECURING,
        State.CHOOSING,
        State.AT_TASK,
    )
)
AFTER_LOGIN = frozenset((State.KNOWN, State.BINDING, State.BOUND))

_UNAUTHORIZED = {
    *((state, said) for state in BEFORE_LOGIN for said in (Input.STANZA, Input.BIND)),
    *((state, Input.STANZA) for state in (State.KNOWN, State.BINDING)),
    *((state, said) for state in AFTER_LOGIN for said in (Input.AUTH, Input.RESPONSE)),
}

after = Rules(NEXT, _UNAUTHORIZED).after
