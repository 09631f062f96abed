"""Does a certificate prove that its owner is the server of a domain?

RFC 6120 §13.7, RFC 9525. Nothing is enforced here: the answer comes with a sentence for the log,
and the policy of the stream decides what follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

    from xmppd.transport.tls import TLSEngine


class Role(Enum):
    """What the owner of the certificate was in the handshake."""

    TLS_SERVER = "the TLS server"  # we connected to it
    TLS_CLIENT = "the TLS client"  # it connected to us


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` is a sentence in words, for the log: what proves it, or what is wrong."""

    proves: bool
    why: str


def judge(engine: TLSEngine, domain: str, role: Role) -> Verdict:
    """Whether the certificate of an established `engine`'s peer proves that it is `domain`."""
    return judge_certificate(engine.peer_certificate, engine.peer_problem, domain, role)


def judge_certificate(
    certificate: x509.Certificate | None, problem: str, domain: str, role: Role
) -> Verdict:
    """The same, of a certificate and of what is wrong with its chain ("" for nothing)."""
    raise NotImplementedError
