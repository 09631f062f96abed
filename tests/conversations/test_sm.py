"""Stream management (XEP-0198), as far as it needs one connection."""

from xmppd.testing import Actor, Stage, message

SM = "urn:xmpp:sm:3"
