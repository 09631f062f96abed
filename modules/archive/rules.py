"""Which messages are worth keeping (XEP-0313 §6.1.1, XEP-0334 §4)."""

from xmppd.api import Stanza, ns

BODY = (ns.CLIENT, "body")
INVITING = (ns.MUC_USER, "x")
MARKERS = "urn:xmpp:chat-markers:0"
JINGLE_MESSAGE = "urn:xmpp:jingle-message:0"
KEPT_TYPES = ("chat", "normal")
# Whoever sent it does not want it kept; and what is a copy of something that is kept already.
PASSING = frozenset(
    (
        (ns.HINTS, "no-store"),
        (ns.HINTS, "no-permanent-store"),
        (ns.CARBONS, "sent"),
        (ns.CARBONS, "received"),
        (ns.MAM, "result"),
    )
)
LASTING = frozenset(
    (
        BODY,  # and with it corrections (XEP-0308), which have one
        (ns.HINTS, "store"),
        (ns.RECEIPTS, "received"),  # XEP-0184
        *((MARKERS, name) for name in ("received", "displayed", "acknowledged")),  # XEP-0333
        ("urn:xmpp:message-retract:1", "retract"),  # XEP-0424
        ("urn:xmpp:reactions:0", "reactions"),  # XEP-0444
        *(  # XEP-0353: a call that was missed
            (JINGLE_MESSAGE, name)
            for name in ("propose", "retract", "accept", "proceed", "ringing", "reject", "finish")
        ),
        ("jabber:x:conference", "x"),  # XEP-0249
        # Encrypted bodies: XEP-0384 in both its generations, XEP-0373
        ("urn:xmpp:omemo:2", "encrypted"),
        ("eu.siacs.conversations.axolotl", "encrypted"),
        ("urn:xmpp:openpgp:0", "openpgp"),
    )
)


def lasting(message: Stanza) -> bool:
    """Whether a message belongs into the archive of an account.

    Rooms keep their own messages (type groupchat); errors and headlines are not conversation;
    states of typing alone (XEP-0085) are passing.
    """
    if message.type not in KEPT_TYPES:
        return False
    payloads = message.payloads
    if not PASSING.isdisjoint(payloads):
        return False
    if not LASTING.isdisjoint(payloads):
        return True
    return INVITING in payloads and _invites(message)


def _invites(message: Stanza) -> bool:
    """A mediated invitation (XEP-0045 §7.8.2) goes without a body sometimes."""
    room = message.child(*INVITING)
    return room is not None and room.child(ns.MUC_USER, "invite") is not None
