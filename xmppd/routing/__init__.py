"""Who gets a stanza: between domains (`Router`), within one (`Delivery`), and the table of IQs."""

from xmppd.routing.delivery import Delivery
from xmppd.routing.intake import Intake, SessionPolicy
from xmppd.routing.iqs import (
    ACCOUNT,
    HOST,
    NODE,
    SELF,
    SERVICE,
    Claim,
    ClaimedTwice,
    IQTable,
    Scope,
)
from xmppd.routing.questions import Questions
from xmppd.routing.router import Router

__all__ = [
    "ACCOUNT",
    "HOST",
    "NODE",
    "SELF",
    "SERVICE",
    "Claim",
    "ClaimedTwice",
    "Delivery",
    "IQTable",
    "Intake",
    "Questions",
    "Router",
    "Scope",
    "SessionPolicy",
]
