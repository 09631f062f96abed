"""One stanza to many: the server sends it to each of its addresses (XEP-0033 1.2.1).

The host is the multicast service, for its own users alone: others would have it send in their
name (§8). Each receiver gets a stanza of its own; other servers are not asked whether they would
spread it.
"""

from typing import Final

from xmppd.api import (
    EARLY,
    JID,
    STOP,
    Element,
    JIDError,
    Message,
    Module,
    Options,
    Presence,
    Session,
    Stanza,
    StanzaError,
    Stop,
    events,
    jid,
    on,
    option,
)

NS: Final = "http://jabber.org/protocol/address"
SENT_TO: Final = ("to", "cc", "bcc")
TYPES: Final = (*SENT_TO, "replyto", "replyroom", "noreply", "ofrom")
TRUE: Final = ("true", "1")


class MulticastOptions(Options):
    max_addresses: int = option(
        50, "Addresses that one stanza may be sent to.", at_least=1, at_most=1000
    )


class Multicast(Module):
    name = "multicast"
    features = (NS,)
    options: MulticastOptions

    @on(events.host_receives, order=EARLY)
    def spread(self, stanza: Stanza) -> Stop | None:
        """§8. Raises jid-malformed, bad-request, forbidden, not-acceptable."""
        if stanza.to != self.host.domain or not stanza.has(NS, "addresses"):
            return None
        if not isinstance(stanza, Message | Presence) or stanza.type == "error":
            return None
        header = stanza.child(NS, "addresses")
        session = self.host.sessions.get(stanza.from_)
        if header is None or session is None:
            raise StanzaError("forbidden", "this is for users of the host")
        if stanza.kind == "presence" and stanza.type not in ("", "unavailable"):
            raise StanzaError("bad-request", "requests are sent one by one")
        for copy in self._copies(stanza, header):
            self._send(copy, session)
        return STOP

    def _copies(self, stanza: Stanza, header: Element) -> list[Stanza]:
        addresses = header.all(NS, "address")
        for each in addresses:
            _check(each)
        todo = [(each, _receiver(each)) for each in addresses if _is_due(each)]
        if len(todo) > self.options.max_addresses:
            most = self.options.max_addresses
            raise StanzaError("not-acceptable", f"at most {most} addresses")
        if any(to == self.host.domain for _, to in todo):
            raise StanzaError("bad-request", "the host cannot be one of them")
        open_ = [_delivered(each) for each in addresses if each.get("type") != "bcc"]
        plain = stanza.copy(without=lambda each: (each.ns, each.name) == (NS, "addresses"))
        return [plain.copy(to=to, add=[_header(open_, each)]) for each, to in todo]

    def _send(self, copy: Stanza, session: Session) -> None:
        """As if the client had sent each itself: what guards it guards these."""
        if self.host.sessions.get(session.jid) is session:
            done = self.host.intake.accept(session, copy)
            if done is not None:
                self.background(done)


def _check(address: Element) -> None:
    """§6."""
    type_ = address.get("type")
    if type_ not in TYPES:
        raise StanzaError("bad-request", "an address has a type")
    if type_ != "noreply" and address.get("uri") is not None:
        raise StanzaError("jid-malformed", "addresses of other systems are not known here")
    if type_ in SENT_TO and not address.get("jid"):
        raise StanzaError("bad-request", "an address has a JID")


def _is_due(address: Element) -> bool:
    return address.get("type") in SENT_TO and address.get("delivered") not in TRUE


def _receiver(address: Element) -> JID:
    try:
        return jid(address.get("jid") or "")
    except JIDError as problem:
        raise StanzaError("jid-malformed", str(problem)) from None


def _delivered(address: Element) -> Element:
    if address.get("type") not in SENT_TO:
        return address
    return Element(NS, "address", {**address.attrs, "delivered": "true"}, *address.children)


def _header(open_: list[Element], address: Element) -> Element:
    """Who is told of whom: a blind copy of itself alone (§6.6.3)."""
    own = [address] if address.get("type") == "bcc" else []
    return Element(NS, "addresses", None, *open_, *own)
