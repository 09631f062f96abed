"""Ping: is the server there, and the way to it (XEP-0199 2.0.1).

Answered for the domain and for one's own bare JID, which stands for the server (§4.2). Of another
account's bare JID nothing is told, so that pings find no accounts.
"""

from xmppd.api import ACCOUNT, IQ, Module, StanzaError, iq_get, ns


class Ping(Module):
    name = "ping"

    @iq_get(ns.PING, "ping")
    def answer(self, iq: IQ) -> None:
        """The empty result is all (§4.2, §4.3)."""

    @iq_get(ns.PING, "ping", at=ACCOUNT)
    def answer_for_account(self, iq: IQ) -> None:
        if iq.from_.bare != iq.to:
            raise StanzaError("service-unavailable")
