"""Streams between servers, without sockets: one class for each end.

What is spoken beside RFC 6120: server dialback (XEP-0220) with keys by XEP-0185, SASL EXTERNAL
with certificates (XEP-0178), both directions on one stream (XEP-0288), acknowledgements
(XEP-0198), limits of stanzas (XEP-0478).
"""

from xmppd.stream.peer.events import (
    AckAsked,
    Acked,
    AskProof,
    Enabled,
    JudgeKey,
    Negotiated,
    PeerEvent,
    PeerMaySend,
    Refused,
    Verified,
    WeMaySend,
)
from xmppd.stream.peer.features import PeerPolicy
from xmppd.stream.peer.header import PeerHeaderError
from xmppd.stream.peer.initiating import InitiatingStream
from xmppd.stream.peer.receiving import ReceivingStream
from xmppd.stream.peer.states import State

__all__ = [
    "AckAsked",
    "Acked",
    "AskProof",
    "Enabled",
    "InitiatingStream",
    "JudgeKey",
    "Negotiated",
    "PeerEvent",
    "PeerHeaderError",
    "PeerMaySend",
    "PeerPolicy",
    "ReceivingStream",
    "Refused",
    "State",
    "Verified",
    "WeMaySend",
]
