"""The face that an account shows: it owns its nodes, its roster says who is told (XEP-0163)."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from xmppd.api import JID, Element, StanzaError
from xmppd.modules.pubsub.config import AccessModel, Bounds, NodeConfig
from xmppd.modules.pubsub.defaults import defaults
from xmppd.modules.pubsub.face import Face, Limits
from xmppd.modules.pubsub.model import READING, Affiliation, Node
from xmppd.modules.roster import Item as Contact

if TYPE_CHECKING:
    from xmppd.modules.pubsub.pep import Pep

ADDRESSES = "http://jabber.org/protocol/address"  # XEP-0033
DEAF = (Affiliation.OUTCAST, Affiliation.PUBLISH_ONLY)


class AccountFace(Face):
    """The service is an account, and its owner that account."""

    def __init__(self, pep: "Pep") -> None:
        super().__init__(pep.host, lambda: pep.roster)
        self._pep = pep
        self.impose = pep.options.impose
        options = pep.options
        self.bounds = Bounds(options.max_items, options.max_payload)
        self.limits = Limits.of(
            options,
            nodes_per_owner=options.max_nodes,
            nodes=options.max_nodes,
            items=options.max_items,
            subscribers=options.max_subscribers,
        )

    def defaults(self, service: JID, name: str) -> NodeConfig:
        return defaults(name, self.bounds.max_payload)

    async def check_creator(self, service: JID, who: JID) -> None:
        if who.bare != service:
            raise StanzaError("forbidden", "nodes of an account are made by itself")
        known = bool(self.host.sessions.of(who)) or await self.host.accounts.exists(who.local)
        if not known:  # what it asked for while it was removed
            raise StanzaError("forbidden", "there is no such account any more")

    def auto_creates(self, service: JID, who: JID) -> bool:
        return who.bare == service

    async def implied(self, node: Node) -> list[JID]:
        return await self._pep.hearing(node)

    def present(self, node: Node, who: JID) -> bool:
        if who.domain == self.host.name:
            sessions = self.host.sessions.available(who.bare)
            return any(who in (session.jid, session.user) for session in sessions)
        return self._pep.shares(node.service, who)

    def await_presence(self, who: JID) -> None:
        """Rosters see to it."""

    def may_affiliate(self, node: Node, who: JID, its: Affiliation) -> bool:
        """The account remains an owner of its nodes (§3.2)."""
        return who != node.service or its is Affiliation.OWNER

    def await_answers(self) -> None:
        self._pep.await_answers()

    def credited(
        self, node: Node, who: JID, to: Sequence[JID]
    ) -> Iterable[tuple[Sequence[JID], Sequence[Element]]]:
        """Those that see the resource are told which one it was (§4.3.1)."""
        if who.bare != node.service or not who.resource:
            return ((to, ()),)
        contacts = self._pep.roster.contacts(who.bare)
        shown = {user for user, contact in contacts.items() if contact.from_} | {who.bare}
        seeing = [each for each in to if each.bare in shown]
        rest = [] if len(seeing) == len(to) else [each for each in to if each.bare not in shown]
        return (seeing, (_reply_to(who),)), (rest, ())

    def permitted(self, service: JID, to: Iterable[JID]) -> tuple[JID, ...]:
        return self._pep.permitted(service, tuple(to))


def _reply_to(who: JID) -> Element:
    address = Element(ADDRESSES, "address", {"type": "replyto", "jid": who})
    return Element(ADDRESSES, "addresses", None, address)


def may_hear(node: Node, contact: Contact | None, who: JID, now: int) -> bool:
    """Whether the access model lets a resource hear of the node that shares presence (§9.1)."""
    if who.bare == node.service:
        return True
    affiliation = node.affiliation(who)
    if affiliation in DEAF:
        return False
    model = node.config.access_model
    if model is AccessModel.OPEN or affiliation in READING:
        return True
    if model is AccessModel.AUTHORIZE:
        return node.subscribed(who, now)
    if model is AccessModel.WHITELIST or contact is None or not contact.from_:
        return False
    if model is AccessModel.ROSTER:
        return bool(set(node.config.roster_groups_allowed).intersection(contact.groups))
    return True
