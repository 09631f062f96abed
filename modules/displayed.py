"""What has been displayed up to where, in step on all devices of a user (XEP-0490 1.0.1).

Clients publish it to a private node of the account, or say it within a message to the contact:
then it is published here, and the contact does not get to see it (XEP-0490 §4.5.3).
"""

from collections.abc import Iterable

from xmppd.api import (
    EARLY,
    JID,
    Element,
    Module,
    Session,
    Stanza,
    StanzaError,
    events,
    on,
    spawn,
    uses,
)
from xmppd.modules.disco import disco_features
from xmppd.modules.pubsub import Pep

NS = "urn:xmpp:mds:displayed:0"
DISPLAYED = (NS, "displayed")
ASSIST = "urn:xmpp:mds:server-assist:0"


class Displayed(Module):
    name = "displayed"
    pep = uses(Pep)

    @on(disco_features)
    def tell_features(self, entity: JID, node: str, asker: JID) -> Iterable[str]:
        return (ASSIST,) if entity.local and not node else ()

    @on(events.user_sends, order=EARLY)  # before anybody stores or copies it
    def take(self, stanza: Stanza, session: Session) -> Stanza | None:
        if DISPLAYED not in stanza.payloads or stanza.kind != "message":
            return None
        displayed = stanza.child(*DISPLAYED)
        if displayed is not None and stanza.type != "error":
            # The message is not acknowledged (XEP-0198) before that is stored.
            session.hold_for(spawn(self._watch(self._publish(session, stanza, displayed))))
        return stanza.copy(without=lambda each: each.ns == NS)

    async def _publish(self, session: Session, message: Stanza, displayed: Element) -> None:
        """The item is called as the message is addressed (§4.5.3). A node that is created by it is
        private, as `pubsub.defaults` has it.
        """
        try:
            await self.pep.publish(session.user, NS, displayed, message.to)
        except StanzaError as error:
            self.log.info("{user}: not published: {error}", user=session.user, error=error)
