"""XML namespaces that more than one room of the server speaks of; a module owns its own."""

# RFC 6120, RFC 6121
CLIENT = "jabber:client"
SERVER = "jabber:server"
STREAMS = "http://etherx.jabber.org/streams"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SESSION = "urn:ietf:params:xml:ns:xmpp-session"
ROSTER = "jabber:iq:roster"
ROSTER_VERSIONING = "urn:xmpp:features:rosterver"
PRE_APPROVAL = "urn:xmpp:features:pre-approval"

# XML itself
XML = "http://www.w3.org/XML/1998/namespace"
XMLNS = "http://www.w3.org/2000/xmlns/"

# Streams of other kinds and what is negotiated on them
COMPONENT = "jabber:component:accept"  # XEP-0114
DIALBACK = "jabber:server:dialback"  # XEP-0220
DIALBACK_FEATURE = "urn:xmpp:features:dialback"
BIDI = "urn:xmpp:bidi"  # XEP-0288
BIDI_FEATURE = "urn:xmpp:features:bidi"
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"  # RFC 7395
HTTPBIND = "http://jabber.org/protocol/httpbind"  # XEP-0124
XBOSH = "urn:xmpp:xbosh"  # XEP-0206
SASL2 = "urn:xmpp:sasl:2"  # XEP-0388
BIND2 = "urn:xmpp:bind:0"  # XEP-0386
FAST = "urn:xmpp:fast:0"  # XEP-0484
IAP = "urn:xmpp:iap:0"  # XEP-0509
CHANNEL_BINDING = "urn:xmpp:sasl-cb:0"  # XEP-0440
SM = "urn:xmpp:sm:3"  # XEP-0198
CSI = "urn:xmpp:csi:0"  # XEP-0352
IQ_AUTH = "jabber:iq:auth"  # XEP-0078
REGISTER = "jabber:iq:register"  # XEP-0077
REGISTER_FEATURE = "http://jabber.org/features/iq-register"

# Payloads
DISCO_INFO = "http://jabber.org/protocol/disco#info"  # XEP-0030
DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
CAPS = "http://jabber.org/protocol/caps"  # XEP-0115
FORMS = "jabber:x:data"  # XEP-0004
RSM = "http://jabber.org/protocol/rsm"  # XEP-0059
DELAY = "urn:xmpp:delay"  # XEP-0203
PING = "urn:xmpp:ping"  # XEP-0199
VERSION = "jabber:iq:version"  # XEP-0092
COMMANDS = "http://jabber.org/protocol/commands"  # XEP-0050
PUBSUB = "http://jabber.org/protocol/pubsub"  # XEP-0060
PUBSUB_EVENT = "http://jabber.org/protocol/pubsub#event"
PUBSUB_ERRORS = "http://jabber.org/protocol/pubsub#errors"
PUBSUB_OWNER = "http://jabber.org/protocol/pubsub#owner"
MUC = "http://jabber.org/protocol/muc"  # XEP-0045
MUC_USER = "http://jabber.org/protocol/muc#user"
FORWARD = "urn:xmpp:forward:0"  # XEP-0297
CARBONS = "urn:xmpp:carbons:2"  # XEP-0280
HINTS = "urn:xmpp:hints"  # XEP-0334
RECEIPTS = "urn:xmpp:receipts"  # XEP-0184
CHATSTATES = "http://jabber.org/protocol/chatstates"  # XEP-0085
STANZA_IDS = "urn:xmpp:sid:0"  # XEP-0359
MAM = "urn:xmpp:mam:2"  # XEP-0313
BLOCKING = "urn:xmpp:blocking"  # XEP-0191
BLOCKING_ERRORS = "urn:xmpp:blocking:errors"
PIE = "urn:xmpp:pie:0"  # XEP-0227
