"""SASL mechanisms as exchanges without sockets, clock or database (RFC 4422, RFC 6120 §6).

`begin` gives an `Exchange`; feed it with what the client sends and do what its steps ask for.
Where a step asks (`AskKeys`, `AskPassword`), the answer goes to `keys` or `verdict`, which give
the next step, maybe another question. Whatever raises SASLFailure is over.
"""

from xmppd.stream.sasl.keys import HASHES, ScramKeys, derive, from_salted, prove
from xmppd.stream.sasl.mechanisms import (
    MECHANISMS,
    announced_bindings,
    begin,
    begin_token,
    offered,
    token_mechanisms,
)
from xmppd.stream.sasl.steps import (
    MAX_MESSAGE_BYTES,
    AskKeys,
    AskPassword,
    AskToken,
    Challenge,
    Channel,
    Done,
    Exchange,
    SASLFailure,
    Step,
)

__all__ = [
    "HASHES",
    "MAX_MESSAGE_BYTES",
    "MECHANISMS",
    "AskKeys",
    "AskPassword",
    "AskToken",
    "Challenge",
    "Channel",
    "Done",
    "Exchange",
    "SASLFailure",
    "ScramKeys",
    "Step",
    "announced_bindings",
    "begin",
    "begin_token",
    "derive",
    "from_salted",
    "offered",
    "prove",
    "token_mechanisms",
]
