"""Clients' connections: the glue between sockets, streams, accounts and sessions."""

from xmppd.c2s.connection import ClientConnection
from xmppd.c2s.factory import ClientFactory
from xmppd.c2s.service import EarlyHandler, Extensions, NonzaHandler, Service, policy_of

__all__ = [
    "ClientConnection",
    "ClientFactory",
    "EarlyHandler",
    "Extensions",
    "NonzaHandler",
    "Service",
    "policy_of",
]
