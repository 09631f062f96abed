"""The states of a stream between servers, for both of its ends (RFC 6120 §4.3, XEP-0220 §2).

SASL or the first valid pair of domains makes a stream trusted; which pairs it may carry is told
by its tables of pairs (`xmppd.stream.dialback`).
"""

from enum import Enum

from xmppd.stream.rules import Rules


class State(Enum):
    """Where the negotiation of a stream between servers stands."""

    CONNECTED = "in the clear, nobody has proven anything"
    ASKED_TLS = "<starttls/> was sent, and not answered"
    SECURING = "<proceed/> was sent: a TLS handshake is under way"
    SECURED = "under TLS, nobody has proven anything"
    PROVING = "SASL EXTERNAL is under way"
    TRUSTED_IN_CLEAR = "stanzas flow for the valid pairs, without TLS"
    TRUSTED = "stanzas flow for the valid pairs"
    CLOSED = "nothing is read or written any more"


class Input(Enum):
    """What moves a stream from one state to another, whichever end does it."""

    STARTTLS = "the initiating server sends <starttls/>"
    PROCEED = "the receiving server sends <proceed/>"
    TLS_READY = "the handshake is done"
    AUTH = "the initiating server begins SASL EXTERNAL"
    RESPONSE = "it answers a challenge"
    SUCCESS = "the certificate proves it"
    FAILURE = "it does not, or the server asked for what was not offered"
    KEY = "the initiating server sends a dialback key"
    VALID = "a pair of domains is verified"
    STANZA = "a stanza for a valid pair"
    CLOSE = "either side ends the stream"


# A new stream header follows upon TLS_READY and SUCCESS, and upon nothing else.
NEXT = {
    (State.CONNECTED, Input.STARTTLS): State.ASKED_TLS,
    (State.ASKED_TLS, Input.PROCEED): State.SECURING,
    (State.SECURING, Input.TLS_READY): State.SECURED,
    (State.SECURED, Input.AUTH): State.PROVING,
    (State.PROVING, Input.AUTH): State.PROVING,  # the first is dead (§6.4.2)
    (State.PROVING, Input.RESPONSE): State.PROVING,
    (State.PROVING, Input.SUCCESS): State.TRUSTED,
    (State.PROVING, Input.FAILURE): State.SECURED,
    (State.SECURED, Input.FAILURE): State.SECURED,
    (State.CONNECTED, Input.FAILURE): State.CONNECTED,
    (State.CONNECTED, Input.KEY): State.CONNECTED,
    (State.SECURED, Input.KEY): State.SECURED,
    (State.CONNECTED, Input.VALID): State.TRUSTED_IN_CLEAR,
    (State.SECURED, Input.VALID): State.TRUSTED,
    # Other pairs of domains on the same stream (XEP-0220 §2.6)
    (State.TRUSTED_IN_CLEAR, Input.KEY): State.TRUSTED_IN_CLEAR,
    (State.TRUSTED, Input.KEY): State.TRUSTED,
    (State.TRUSTED_IN_CLEAR, Input.VALID): State.TRUSTED_IN_CLEAR,
    (State.TRUSTED, Input.VALID): State.TRUSTED,
    (State.TRUSTED_IN_CLEAR, Input.STANZA): State.TRUSTED_IN_CLEAR,
    (State.TRUSTED, Input.STANZA): State.TRUSTED,
    **{(state, Input.CLOSE): State.CLOSED for state in State},
}

BEFORE_TRUST = frozenset(
    (State.CONNECTED, State.ASKED_TLS, State.SECURING, State.SECURED, State.PROVING)
)
TRUSTED = frozenset((State.TRUSTED, State.TRUSTED_IN_CLEAR))

_UNAUTHORIZED = {
    *((state, Input.STANZA) for state in BEFORE_TRUST),
    *((state, said) for state in TRUSTED for said in (Input.AUTH, Input.RESPONSE)),
}

after = Rules(NEXT, _UNAUTHORIZED).after
