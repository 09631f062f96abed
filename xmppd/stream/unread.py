"""Stanzas that are read later than parsed, or by the stream itself: those of the negotiation."""

import re
import secrets
from typing import Final, NamedTuple

from xmppd.jid import JID, JIDError, jid
from xmppd.ns import BIND
from xmppd.stanza import Stanza, StanzaError

# As all clients write it. What the parser let pass needs no tree, and no second expat, to be read:
# those were a twentieth of a login.
_USUAL: Final = re.compile(
    rb"<bind xmlns=(?:'%(ns)s'|\"%(ns)s\")(?:/>|>(?:<resource>([^<>&\r]*)</resource>)?</bind>)"
    % {b"ns": re.escape(BIND.encode())}
)


class Unread(NamedTuple):
    """A stanza that came before its sender was known, or that is meant for the stream itself."""

    kind: str
    attrs: dict[str, str]
    payloads: tuple[tuple[str, str], ...]
    raw: bytes


def is_own(claimed: str, full: JID) -> bool:
    """Whether a `from` names the client: its full or its bare JID, however written."""
    try:
        return jid(claimed) in (full, full.bare)
    except JIDError:
        return False


def first_payload(unread: Unread) -> tuple[str, str]:
    return unread.payloads[0] if unread.payloads else ("", "")


def wanted(iq: Stanza, user: JID) -> JID:
    """The full JID that a bind asks for; a random resource where it leaves that to us (§7.6)."""
    if iq.fault is not None:
        raise iq.fault
    usual = _USUAL.fullmatch(iq.raw) if iq.type == "set" else None
    resource = _asked(iq) if usual is None else (usual[1] or b"").decode()
    try:
        return user.with_resource(resource or secrets.token_urlsafe(16))
    except JIDError as error:
        raise StanzaError("bad-request", str(error)) from None


def _asked(iq: Stanza) -> str:
    """The resource in it, however it is written; "" for none."""
    command = iq.child(BIND, "bind")
    if iq.type != "set" or command is None:
        raise StanzaError("bad-request")
    asked = command.all(BIND, "resource")
    if len(asked) > 1 or any(resource.elements for resource in asked):
        raise StanzaError("bad-request")
    return asked[0].text if asked else ""
