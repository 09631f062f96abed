"""vCard4: the profile in a node of the account, and the older vCard in step with it (XEP-0292
0.12.0).

What a client publishes one way is there the other way too, as far as both can say it
(XEP-0292 §11). The node decides who may see it: only one that is open to all changes the vCard,
which is.
"""

from collections.abc import Awaitable, Iterable

from xmppd.api import JID, Element, Module, StanzaError, XMLError, on, parse, uses
from xmppd.modules.disco import disco_features
from xmppd.modules.pubsub import Change, Pep, items_changing
from xmppd.modules.vcard import NS as TEMP
from xmppd.modules.vcard import VCard, vcard_storing
from xmppd.modules.vcard4.mapping import NS, from_temp, kept, to_temp

NODE = "urn:xmpp:vcard4"


class VCard4(Module):
    name = "vcard4"
    pep = uses(Pep)
    vcard = uses(VCard)

    @on(disco_features)
    def tell_features(self, entity: JID, node: str, asker: JID) -> Iterable[str]:
        return (NS,) if entity.local and not node else ()

    # From the older card

    @on(vcard_storing)
    async def publish(self, card: Element, user: JID) -> None:
        """What fails leaves the card as it is stored: too many nodes, too long."""
        try:
            await self._publish(user, card)
        except StanzaError as error:
            self.log.info("vcard4 of {user} not published: {error}", user=user, error=error)

    async def _publish(self, user: JID, card: Element) -> None:
        before = await self.pep.latest(user, NODE)
        if not card.elements:
            if before:
                await self.pep.retract(user, NODE, before[0].id)
            return
        id_ = before[0].id if before else "current"
        try:
            await self.pep.publish(user, NODE, from_temp(card), id_)
        except StanzaError as error:
            if error.condition != "not-acceptable":
                raise
            await self.pep.publish(user, NODE, from_temp(card, pictures=False), id_)

    # To the older card

    @on(items_changing)
    def follow(self, change: Change) -> Awaitable[None] | None:
        if change.node != NODE or not change.service.local:
            return None
        return self._store(change)

    async def _store(self, change: Change) -> None:
        user = change.service
        if change.items and not await self.pep.open(user, NODE):
            return
        before = await self.vcard.card(user) or Element(TEMP, "vCard")
        said = _vcard(change) if change.items else Element(NS, "vcard")
        if said is None:
            return
        stays = kept(before, said)
        try:
            await self.vcard.replace(user, Element(TEMP, "vCard", None, *to_temp(said), *stays))
        except StanzaError as error:
            self.log.info("vCard of {user} not stored: {error}", user=user, error=error)


def _vcard(change: Change) -> Element | None:
    """The card that was published; None if it is something else."""
    try:
        element = parse(change.items[-1].xml)
    except XMLError:
        return None
    return element if (element.ns, element.name) == (NS, "vcard") else None
