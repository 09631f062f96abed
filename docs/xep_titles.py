"""Titles of XEPs for the table in xeps.rst, and what the core does that no docstring claims.

A module claims what it does in its docstring, "(XEP-0054 1.3.0)"; its title must stand here.
"""

from typing import NamedTuple

TITLES = {
    "0004": "Data Forms",
    "0012": "Last Activity",
    "0030": "Service Discovery",
    "0045": "Multi-User Chat",
    "0048": "Bookmarks",
    "0049": "Private XML Storage",
    "0050": "Ad-Hoc Commands",
    "0054": "vcard-temp",
    "0059": "Result Set Management",
    "0060": "Publish-Subscribe",
    "0066": "Out of Band Data",
    "0068": "Field Standardization for Data Forms",
    "0077": "In-Band Registration",
    "0078": "Non-SASL Authentication",
    "0082": "XMPP Date and Time Profiles",
    "0085": "Chat State Notifications",
    "0092": "Software Version",
    "0114": "Jabber Component Protocol",
    "0115": "Entity Capabilities",
    "0124": "Bidirectional-streams Over Synchronous HTTP (BOSH)",
    "0128": "Service Discovery Extensions",
    "0133": "Service Administration",
    "0156": "Discovering Alternative XMPP Connection Methods",
    "0157": "Contact Addresses for XMPP Services",
    "0160": "Best Practices for Handling Offline Messages",
    "0163": "Personal Eventing Protocol",
    "0170": "Recommended Order of Stream Feature Negotiation",
    "0175": "Best Practices for Use of SASL ANONYMOUS",
    "0178": "Best Practices for Use of SASL EXTERNAL with Certificates",
    "0184": "Message Delivery Receipts",
    "0185": "Dialback Key Generation and Validation",
    "0191": "Blocking Command",
    "0198": "Stream Management",
    "0199": "XMPP Ping",
    "0202": "Entity Time",
    "0203": "Delayed Delivery",
    "0206": "XMPP Over BOSH",
    "0220": "Server Dialback",
    "0227": "Portable Import/Export Format for XMPP-IM Servers",
    "0237": "Roster Versioning",
    "0249": "Direct MUC Invitations",
    "0256": "Last Activity in Presence",
    "0277": "Microblogging over XMPP",
    "0280": "Message Carbons",
    "0288": "Bidirectional Server-to-Server Connections",
    "0292": "vCard4 Over XMPP",
    "0297": "Stanza Forwarding",
    "0300": "Use of Cryptographic Hash Functions in XMPP",
    "0307": "Unique Room Names for Multi-User Chat",
    "0308": "Last Message Correction",
    "0313": "Message Archive Management",
    "0333": "Displayed Markers",
    "0334": "Message Processing Hints",
    "0352": "Client State Indication",
    "0353": "Jingle Message Initiation",
    "0357": "Push Notifications",
    "0359": "Unique and Stable Stanza IDs",
    "0363": "HTTP File Upload",
    "0368": "SRV records for XMPP over TLS",
    "0373": "OpenPGP for XMPP",
    "0377": "Blocking Command Reports",
    "0384": "OMEMO Encryption",
    "0386": "Bind 2",
    "0388": "Extensible SASL Profile",
    "0390": "Entity Capabilities 2.0",
    "0398": "User Avatar to vCard-Based Avatars Conversion",
    "0402": "PEP Native Bookmarks",
    "0410": "MUC Self-Ping (Schrödinger's Chat)",
    "0421": "Occupant identifiers for semi-anonymous MUCs",
    "0424": "Message Retraction",
    "0431": "Full Text Search in MAM",
    "0440": "SASL Channel-Binding Type Capability",
    "0441": "Message Archive Management Preferences",
    "0444": "Message Reactions",
    "0474": "SASL SCRAM Downgrade Protection",
    "0478": "Stream Limits Advertisement",
    "0484": "Fast Authentication Streamlining Tokens",
    "0490": "Message Displayed Synchronization",
}


class Core(NamedTuple):
    """An extension of the core: (number, version), the file that does it, and its switch."""

    claim: tuple[str, str]
    file: str
    switch: str


CORE = (
    Core(("0170", "1.0"), "xmppd/stream/features.py", "always"),
    Core(("0178", "1.2"), "xmppd/stream/sasl/external.py", "``tls.client_ca``, off by default"),
    Core(("0185", "1.0"), "xmppd/stream/dialback.py", "with XEP-0220"),
    Core(("0198", "1.6.3"), "xmppd/stream/management.py", "``s2s.limits.unacknowledged``"),
    Core(("0220", "1.1.1"), "xmppd/stream/dialback.py", "``s2s.certificates``"),
    Core(("0288", "1.0.1"), "xmppd/stream/peer/receiving.py", "``s2s.bidi``, on by default"),
    Core(("0368", "1.1.0"), "xmppd/transport/listeners.py", "``c2s.direct_tls``, on by default"),
    Core(("0440", "1.0.0"), "xmppd/stream/features.py", "always"),
    Core(("0478", "0.2.0"), "xmppd/stream/features.py", "always"),
)
