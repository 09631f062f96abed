"""Streams between servers, without sockets: one class for each end."""

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
