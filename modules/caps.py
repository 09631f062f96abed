"""The server's capabilities in its stream features (XEP-0115 1.6.0).

A client that has seen the verification string before need not ask what the server can do. The
string is computed anew whenever modules have come or gone.
"""

import hashlib
from base64 import b64encode

from xmppd.api import (
    JID,
    XML_LANG,
    Element,
    FieldType,
    Form,
    Module,
    Options,
    StanzaError,
    events,
    ns,
    on,
    option,
    uses,
)
from xmppd.modules.disco import Description, Disco, disco_answering


class CapsOptions(Options):
    node: str = option(
        "https://pypi.org/project/xmppd",
        "URI that tells what software this is; the same on all servers of the same make.",
    )


class Caps(Module):
    name = "caps"
    features = (ns.CAPS,)
    options: CapsOptions
    disco = uses(Disco)

    def verification(self) -> str:
        """The verification string of the host at this moment."""
        return verification(self._public().info())

    def _public(self) -> Description:
        """The host as anybody sees it."""
        host = self.host.domain
        return self.disco.describe(host, "", host)

    @on(events.stream_features)
    def offer(self, state: str) -> list[Element]:
        """§6.3, once the client is known: what a stranger may learn is asked by disco."""
        if state != "before_bind":
            return []
        attrs = {"hash": "sha-1", "node": self.options.node, "ver": self.verification()}
        return [Element(ns.CAPS, "c", attrs)]

    @on(disco_answering)
    def answer(self, known: Description, entity: JID, node: str, asker: JID) -> Description | None:
        """The node `node#ver` stands for what was hashed (§6.2)."""
        if entity != self.host.domain or not node.startswith(f"{self.options.node}#"):
            return None
        public = self._public()
        if node != f"{self.options.node}#{verification(public.info())}":
            return None
        public.items = []  # it is a virtual node: nothing belongs to it
        return public


def verification(info: Element) -> str:
    """The verification string of an answer to disco#info, by SHA-1 (§5.1)."""
    return b64encode(hashlib.sha1(hash_input(info), usedforsecurity=False).digest()).decode()


def hash_input(info: Element) -> bytes:
    """What is hashed of an answer to disco#info (§5.1).

    Sorting text by code point is the same as its UTF-8 by octets ("i;octet").
    """
    pieces = _identities(info) + sorted(
        feature.get("var") or "" for feature in info.all(info.ns, "feature")
    )
    for form in sorted(_forms(info), key=lambda form: form.form_type or ""):
        pieces += _form(form)
    return "".join(f"{piece}<" for piece in pieces).encode()


def _identities(info: Element) -> list[str]:
    found = sorted(
        tuple(each.get(key) or "" for key in ("category", "type", XML_LANG, "name"))
        for each in info.all(info.ns, "identity")
    )
    return ["/".join(identity) for identity in found]


def _forms(info: Element) -> list[Form]:
    """Forms without a hidden FORM_TYPE do not count (§5.4 rule 3.6)."""
    read: list[Form] = []
    for element in info.all(ns.FORMS, "x"):
        try:
            form = Form.from_element(element)
        except StanzaError:
            continue
        kind = form.field("FORM_TYPE")
        if kind is not None and kind.kind is FieldType.HIDDEN and kind.value:
            read.append(form)
    return read


def _form(form: Form) -> list[str]:
    pieces = [form.form_type or ""]
    for each in sorted(form.fields, key=lambda each: each.var or ""):
        if each.var and each.var != "FORM_TYPE":
            pieces += [each.var, *sorted(each.values)]
    return pieces
