"""Other servers: the glue between sockets, streams of servers, and the router."""

from xmppd.s2s.commands import FederationCommands
from xmppd.s2s.factory import PeerFactory
from xmppd.s2s.federation import Federation
from xmppd.s2s.service import Service

__all__ = ["Federation", "FederationCommands", "PeerFactory", "Service"]
