"""Bound resources: one `Session` each, found by address in a host's `SessionTable`."""

from xmppd.sessions.session import Outlet, PerSession, Session
from xmppd.sessions.table import SessionTable

__all__ = ["Outlet", "PerSession", "Session", "SessionTable"]
