"""For tests, of this server and of modules: a virtual host in memory, and clients that talk to it.

A conversation reads like the examples in the XEPs::

    def test_a_ping_is_answered(talk: Talk) -> None:
        romeo = talk.bind("romeo@example.org/orchard")
        romeo.sends("<iq type='get' id='p1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        romeo.receives(result("p1"))

Nothing here needs a reactor or a socket: time is a `Clock`, the database is in memory and
answers at once. With `pytest_plugins = ["xmppd.testing.plugin"]` pytest has the fixture `talk`.
"""

from xmppd.testing.actor import Actor, Client
from xmppd.testing.matching import Matcher, error, like, message, presence, result
from xmppd.testing.stage import Talk, result_of

__all__ = [
    "Actor",
    "Client",
    "Matcher",
    "Talk",
    "error",
    "like",
    "message",
    "presence",
    "result",
    "result_of",
]
