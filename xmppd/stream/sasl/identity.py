"""Names that clients give: who they are (authcid) and as whom they want to act (authzid)."""

from xmppd.jid import JIDError, jid, prepare_local
from xmppd.stream.sasl.steps import SASLFailure


def prepare_user(name: str) -> str:
    """The account's local part. One that cannot be is refused as a wrong password is."""
    try:
        return prepare_local(name)
    except JIDError:
        raise SASLFailure("not-authorized") from None


def check_authzid(authzid: str, user: str, domain: str) -> None:
    """Nobody acts as another here: it must be one's own bare JID (RFC 6120 §6.3.8, §6.5.6)."""
    try:
        wanted = jid(authzid)
    except JIDError:
        raise SASLFailure("invalid-authzid") from None
    if wanted != f"{user}@{domain}":
        raise SASLFailure("invalid-authzid")


def utf8(data: bytes) -> str:
    """SASL messages are UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise SASLFailure("malformed-request", "not UTF-8") from None
