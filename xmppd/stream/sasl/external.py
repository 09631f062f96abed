"""EXTERNAL: the client certificate says who it is (RFC 4422 appendix A, XEP-0178 §2)."""

from xmppd.jid import JID, JIDError, jid
from xmppd.stream.sasl.identity import utf8
from xmppd.stream.sasl.keys import ScramKeys
from xmppd.stream.sasl.steps import AskKeys, Awaits, Channel, Dialogue, Done, SASLFailure, Step


def identities(channel: Channel) -> list[JID]:
    """The accounts of this domain that the certificate is good for."""
    return [
        each
        for each in channel.certificate_jids
        if each.local and each.is_bare and each.domain == channel.domain
    ]


class External(Dialogue):
    """Asks for keys only to learn that the account exists and is not disabled."""

    __slots__ = ("_identities", "_user")

    def __init__(self, name: str, channel: Channel) -> None:
        super().__init__(name)
        self._identities = identities(channel)
        self._user = ""

    def _first(self, data: bytes | None) -> Step:
        if data is None:
            return self._prompt()
        self._user = self._choose(utf8(data)).local
        self._awaits = Awaits.KEYS
        return AskKeys(self._user, "SHA-256")

    def _choose(self, authzid: str) -> JID:
        """XEP-0178 §2: one identity may go without an authzid, several may not."""
        if not self._identities:
            raise SASLFailure("not-authorized")
        if not authzid and len(set(self._identities)) == 1:
            return self._identities[0]
        try:
            wanted = jid(authzid)
        except JIDError:
            raise SASLFailure("invalid-authzid") from None
        if wanted not in self._identities:
            raise SASLFailure("invalid-authzid")
        return wanted

    def _keys(self, keys: ScramKeys) -> Step:
        if keys.refusal is not None:
            raise SASLFailure(keys.refusal)
        return Done(self._user)
