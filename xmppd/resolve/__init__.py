"""Finding and reaching other servers: DNS, SRV, Happy Eyeballs; DANE and POSH."""

from xmppd.resolve.dialer import Dialer
from xmppd.resolve.errors import DialFailed, NotServed
from xmppd.resolve.make import make_dialer, make_prover
from xmppd.resolve.prover import Prover
from xmppd.resolve.targets import Target

__all__ = ["DialFailed", "Dialer", "NotServed", "Prover", "Target", "make_dialer", "make_prover"]
