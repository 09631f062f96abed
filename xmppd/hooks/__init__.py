"""The hook bus: typed points in the server's work at which modules take part.

A hook is declared once, at the top of a file (`events.py`, or a module that offers hooks of its
own), and carries its types and its contract. `Hooks` keeps, for one virtual host, the chain of
handlers of each hook; a chain is a tuple that is replaced whole when a module comes or goes, so a
fire site finds its chain once and calls it for ever.

Four kinds, told apart by the grammar of their names: Filter (`user_sends`), Signal
(`session_bound`), Gather (`stream_features`), WaitingFilter (`session_opening`). `docs/hooks.rst`
is generated from the declarations.
"""

from xmppd.hooks.chains import (
    FilterChain,
    GatherChain,
    Handler,
    HandlerCrashed,
    Hooks,
    SignalChain,
    WaitingChain,
    spawn,
)
from xmppd.hooks.declared import (
    EARLY,
    LATE,
    NORMAL,
    STOP,
    Concerned,
    Filter,
    Gather,
    Hook,
    Order,
    Signal,
    Stop,
    Those,
    WaitingFilter,
)
from xmppd.hooks.marks import ON, on

__all__ = [
    "EARLY",
    "LATE",
    "NORMAL",
    "ON",
    "STOP",
    "Concerned",
    "Filter",
    "FilterChain",
    "Gather",
    "GatherChain",
    "Handler",
    "HandlerCrashed",
    "Hook",
    "Hooks",
    "Order",
    "Signal",
    "SignalChain",
    "Stop",
    "Those",
    "WaitingChain",
    "WaitingFilter",
    "on",
    "spawn",
]
