"""Bound resources: one `Session` each, found by address in a host's `SessionTable`."""

from xmppd.sessions.login import Binding, Login, Resumption, Task, TokenCheck
from xmppd.sessions.managed import Copy, Kept, Managed, stamped
from xmppd.sessions.session import CLOSED_BY_CLIENT, Outlet, PerSession, Session
from xmppd.sessions.table import SessionTable

__all__ = [
    "CLOSED_BY_CLIENT",
    "Binding",
    "Copy",
    "Kept",
    "Login",
    "Managed",
    "Outlet",
    "PerSession",
    "Resumption",
    "Session",
    "SessionTable",
    "Task",
    "TokenCheck",
    "stamped",
]
