"""What makes ``twistd xmppd`` known to Twisted. No ``__init__.py`` may stand beside this file."""

from twisted.application.service import ServiceMaker

xmppd = ServiceMaker("xmppd", "xmppd.tap", "A federated XMPP chat server.", "xmppd")
