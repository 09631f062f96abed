"""PLAIN: the password itself, for clients that know no better, under TLS (RFC 4616)."""

from xmppd.stream.sasl.identity import check_authzid, prepare_user, utf8
from xmppd.stream.sasl.keys import ScramKeys
from xmppd.stream.sasl.steps import (
    AskKeys,
    AskPassword,
    Awaits,
    Channel,
    Dialogue,
    Done,
    SASLFailure,
    Step,
)


class Plain(Dialogue):
    """Asks for the verdict on the password first, then for keys, which know of a disabled account:
    only who has the password shall learn that.
    """

    __slots__ = ("_domain", "_user")

    def __init__(self, name: str, channel: Channel) -> None:
        super().__init__(name)
        self._domain = channel.domain
        self._user = ""

    def _first(self, data: bytes | None) -> Step:
        if data is None:
            return self._prompt()
        parts = utf8(data).split("\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise SASLFailure("malformed-request")
        authzid, name, password = parts
        self._user = prepare_user(name)
        if authzid:
            check_authzid(authzid, self._user, self._domain)
        self._awaits = Awaits.VERDICT
        return AskPassword(self._user, password)

    def _verified(self) -> Step:
        self._awaits = Awaits.KEYS
        return AskKeys(self._user, "SHA-256")

    def _keys(self, keys: ScramKeys) -> Step:
        if keys.refusal is not None:
            raise SASLFailure(keys.refusal)
        return Done(self._user)
