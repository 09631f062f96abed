"""Stream management (XEP-0198), as far as it needs one connection."""

SM = "urn:xmpp:sm:3"
