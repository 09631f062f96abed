"""Where to reach those who run the server (XEP-0157 1.1.1).

The addresses stand in the host's answer to disco#info. None are published unless configured:
what is advertised is written to.
"""

import re
from collections.abc import Iterable
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator

from xmppd.api import JID, Form, FormType, JIDError, Module, Options, forms, jid, on, option, uses
from xmppd.modules.disco import Disco, disco_forms

SERVER_INFO = "http://jabber.org/network/serverinfo"
KINDS = ("abuse", "admin", "feedback", "sales", "security", "status", "support")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):([^\s\x00-\x1f\x7f<>\"{}|\\^`]+)")
_MAIL = re.compile(r"[^@/]+@[^@/]+")


def check_uri(text: str) -> str:
    """A URI, or an IRI as xs:anyURI permits; of the usual schemes also that it is complete.

    Raises ValueError.
    """
    found = _URI.fullmatch(text)
    if found is None:
        raise ValueError('must be a URI, like "mailto:abuse@example.org"')
    scheme, rest = found[1].lower(), found[2]
    path = unquote(rest.partition("?")[0])
    if scheme == "mailto" and not _MAIL.fullmatch(path):
        raise ValueError('must name a mailbox, like "mailto:abuse@example.org"')
    if scheme == "xmpp" and not _is_jid(path):
        raise ValueError('must name a JID, like "xmpp:admin@example.org"')
    if scheme in ("http", "https") and not re.match(r"//[^/?#]", rest):
        raise ValueError('must name a web page, like "https://example.org/contact"')
    return text


def _is_jid(path: str) -> bool:
    try:
        jid(path.rpartition("//")[2])
    except JIDError:
        return False
    return True


URI = Annotated[str, AfterValidator(check_uri)]


def _addresses(whose: str, example: str) -> list[URI]:
    doc = f"URIs for {whose}: mailto:, xmpp:, https: or others."
    return option([], doc, example=[example])


class ContactOptions(Options):
    abuse: list[URI] = _addresses("reports of abuse", "mailto:abuse@example.org")
    admin: list[URI] = _addresses("those who run the server", "xmpp:admin@example.org")
    feedback: list[URI] = _addresses("feedback of users", "https://example.org/feedback")
    sales: list[URI] = _addresses("sales and marketing", "mailto:sales@example.org")
    security: list[URI] = _addresses("security concerns", "mailto:security@example.org")
    status: list[URI] = _addresses("the status of the service", "https://status.example.org")
    support: list[URI] = _addresses("users who need help", "xmpp:support@example.org")


class Contact(Module):
    name = "contact"
    options: ContactOptions
    disco = uses(Disco)  # which asks for the form

    @on(disco_forms)
    def publish(self, entity: JID, node: str, asker: JID) -> Iterable[Form]:
        """§3, to whoever asks about the host."""
        if entity != self.host.domain or node:
            return []
        fields = [
            forms.field(f"{kind}-addresses", addresses)
            for kind in KINDS
            if (addresses := getattr(self.options, kind))
        ]
        if not fields:
            return []
        return [Form(type=FormType.RESULT, fields=[forms.form_type(SERVER_INFO), *fields])]
