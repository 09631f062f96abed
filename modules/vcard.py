"""vCards: the public profile that an account may publish (XEP-0054 1.3.0).

The host has a card too, written in the configuration (§3.3).
"""

from collections.abc import AsyncIterator, Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    ACCOUNT,
    IQ,
    JID,
    SELF,
    STOP,
    Element,
    Module,
    Options,
    Repository,
    Signal,
    Size,
    StanzaError,
    Stop,
    WaitingFilter,
    XMLError,
    events,
    iq_get,
    iq_set,
    on,
    option,
    parse,
    query,
    table,
    to_xml,
    transaction,
    upsert,
)

NS = "vcard-temp"
vcard_published: Signal[[JID, Element]] = Signal(
    "`user` published this vCard, and it is stored; one without children took the old one away."
)
vcard_storing: WaitingFilter[Element, [JID]] = WaitingFilter(
    "`user` publishes this vCard, which is well-formed and small enough; it is stored when all"
    " handlers are through. One without children takes the old one away. STOP: nothing is stored;"
    " an error is the answer."
)
vcard_reading: WaitingFilter[Element, [JID, JID]] = WaitingFilter(
    "The vCard of `user` is asked for by somebody (the last argument). What comes out is sent; one"
    " without children stands for none."
)
cards = table(
    "vcard",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("xml", sa.Text, nullable=False),
)


class HostCard(Options):
    """The host's own vCard; where all is empty it has none."""

    name: str = option("", "Name of the service (FN).", example="Capulet & Sons")
    url: str = option("", "Its web page.", example="https://example.org/")
    email: str = option("", "Whom to write to.", example="admin@example.org")
    jabber_id: str = option("", "Whom to chat with.", example="admin@example.org")
    organization: str = option("", "Who runs it.")
    description: str = option("", "What users should know.")


class VCardOptions(Options):
    max_size: Size = option(131072, "Largest vCard accepted, in bytes of XML.", at_least=1024)
    max_photo: Size = option(98304, "Largest picture in it, in bytes; 0: none.", at_least=0)
    host: HostCard = option(HostCard(), "The vCard of the host itself.")


class Cards(Repository):
    @query
    def get(self, tx: Tx, user: str) -> str | None:
        return tx.scalar(sa.select(cards.c.xml).where(self.mine(cards, user=user)))

    @transaction
    def put(self, tx: Tx, user: str, xml: str) -> None:
        tx.execute(upsert(cards, host=self.host, user=user, xml=xml))

    @transaction
    def drop(self, tx: Tx, user: str) -> None:
        tx.execute(cards.delete().where(self.mine(cards, user=user)))


class VCard(Module):
    name = "vcard"
    options: VCardOptions
    cards: Cards

    async def card(self, user: JID) -> Element | None:
        """The account's vCard; None if it has none (or no such account is there)."""
        xml = await self.cards.get(user.local)
        try:
            return None if xml is None else parse(xml)
        except XMLError:
            self.log.failure("vcard: the card of {user} is damaged", user=user)
            return None

    @iq_get(NS, "vCard", at=ACCOUNT)
    async def read(self, iq: IQ) -> Element:
        stored = await self.card(iq.to) or Element(NS, "vCard")
        card = await self.host.hooks.of(vcard_reading).wait(stored, iq.to, iq.from_)
        if (
            isinstance(card, Stop) or not card.children
        ):  # of another: no card and no such account must look the same (§3.3)
            own = iq.from_.bare == iq.to
            raise StanzaError("item-not-found" if own else "service-unavailable")
        return card

    @iq_get(NS, "vCard")
    def read_hosts(self, iq: IQ) -> Element:
        card = host_card(self.options.host)
        if not card.children:
            raise StanzaError("item-not-found")
        return card

    @iq_set(NS, "vCard", at=SELF)
    async def publish(self, iq: IQ) -> None:
        """The whole card, each time (§3.2); one without children takes it away."""
        card, user = iq.payload, iq.from_.bare
        self._check(card)
        passed = await self.host.hooks.of(vcard_storing).wait(card, user)
        if not isinstance(passed, Stop):
            await self.replace(user, passed)

    async def replace(self, user: JID, card: Element) -> None:
        """Store a card for an account. Raises not-acceptable."""
        self._check(card)
        if card.elements:
            await self.cards.put(user.local, to_xml(card))
        else:
            await self.cards.drop(user.local)
        self.fire(vcard_published, user, card)

    def _check(self, card: Element) -> None:
        self._check_photos(card)
        if card.elements and len(to_xml(card).encode()) > self.options.max_size:
            raise StanzaError("not-acceptable", f"over {self.options.max_size} bytes")

    @iq_set(NS, "vCard")
    def refuse(self, iq: IQ) -> None:
        """The host's card is another entity's, whoever asks (§3.2)."""
        raise StanzaError("forbidden", "the card of the host is in its configuration")

    def _check_photos(self, card: Element) -> None:
        for name in ("PHOTO", "LOGO"):
            for picture in card.all(NS, name):
                size = _decoded(picture.child_text(NS, "BINVAL") or "")
                if size > self.options.max_photo:
                    raise StanzaError(
                        "not-acceptable", f"a picture over {self.options.max_photo} bytes"
                    )

    # Copies of accounts (XEP-0227 §4.7)

    @on(events.account_exporting)
    def export(self, user: JID) -> Iterable[AsyncIterator[Element]]:
        yield self._exported(user)

    async def _exported(self, user: JID) -> AsyncIterator[Element]:
        card = await self.card(user)
        if card is not None:
            yield card

    @on(events.account_importing)
    async def take_over(self, element: Element, user: JID) -> Stop | None:
        if (element.ns, element.name) != (NS, "vCard"):
            return None
        await self.replace(user, element)
        return STOP

    @on(events.account_deleting)
    async def forget(self, user: JID) -> None:
        await self.cards.drop(user.local)


def _decoded(base64: str) -> int:
    """How many bytes Base64 text stands for; line breaks in it are usual."""
    return len("".join(base64.split()).rstrip("=")) * 3 // 4


def host_card(said: HostCard) -> Element:
    """The vCard for what the configuration says; without children if it says nothing."""
    card = Element(NS, "vCard")
    for name, value in (("FN", said.name), ("URL", said.url)):
        if value:
            card.append(Element(NS, name, None, value))
    if said.email:
        inside = Element(NS, "INTERNET"), Element(NS, "USERID", None, said.email)
        card.append(Element(NS, "EMAIL", None, *inside))
    if said.organization:
        card.append(Element(NS, "ORG", None, Element(NS, "ORGNAME", None, said.organization)))
    for name, value in (("JABBERID", said.jabber_id), ("DESC", said.description)):
        if value:
            card.append(Element(NS, name, None, value))
    return card
