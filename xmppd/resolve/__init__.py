"""Finding and reaching other servers: DNS, SRV, Happy Eyeballs; DANE and POSH."""

from xmppd.resolve.dialer import Dialer
from xmppd.resolve.errors import DialFailed
from xmppd.resolve.targets import Target

__all__ = ["DialFailed", "Dialer", "Target"]
