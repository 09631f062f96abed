"""Who has an account, and how a claim to be its owner is checked.

Only SCRAM's keys are stored, never a password. `IAccounts` is what a backend offers; `SQLAccounts`
is ours. `Attempts` slows down those who guess.
"""

from xmppd.auth.accounts import SQLAccounts
from xmppd.auth.attempts import Attempts, network_of
from xmppd.auth.interfaces import (
    AccountExists,
    AuthBusy,
    IAccounts,
    KeyUpgrade,
    NoSuchAccount,
    PasswordRefused,
)
from xmppd.auth.pool import HashPool, InlinePool, Pool
from xmppd.stream.sasl import ScramKeys

__all__ = [
    "AccountExists",
    "Attempts",
    "AuthBusy",
    "HashPool",
    "IAccounts",
    "InlinePool",
    "KeyUpgrade",
    "NoSuchAccount",
    "PasswordRefused",
    "Pool",
    "SQLAccounts",
    "ScramKeys",
    "network_of",
]
