"""For tests, of this server and of modules: a virtual host in memory, and clients that talk to it.

A conversation reads like the examples in the XEPs::

    def test_a_ping_is_answered(talk: Talk) -> None:
        romeo = talk.bind("romeo@example.org/orchard")
        romeo.sends("<iq type='get' id='p1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        romeo.receives(result("p1"))

Nothing here needs a reactor or a socket: time is a `Clock`, the database is in memory and
answers at once. With `pytest_plugins = ["xmppd.testing.plugin"]` pytest has the fixture `talk`.

A module of one's own is tested beside the usual ones, or alone with what it uses, and with any
options::

    talk = Talk(Weather)
    talk = Talk(only=[Weather], options={"weather": {"interval": 60}})
    talk.module(Weather).reports      # the running instance
    talk.advance(60)                  # its timers run

- `talk.bind("romeo@example.org/orchard")` is a client with a session and no presence yet,
  `talk.online(...)` one that is available. Accounts are made as they are needed.
- `romeo.sends(xml)` sends stanzas, as a stream would pass them on: with the full JID as `from`.
- `romeo.receives(...)` wants the next stanzas to be these: XML, which must have at least these
  attributes and exactly these children, or a matcher: `like(xml)` (at least this, at every
  depth), `result(id, payload)`, `error(id, type, condition)`, `message(body)`, `presence()`.
- `romeo.receives_nothing()` wants nothing else to have come; `forget()` passes over it.
- `talk.befriend(a, b)` subscribes them to each other; `talk.run("command", ...)` runs an
  administrative command; `result_of(awaitable)` is what a coroutine returns.
- `Talk(check=...)` judges every stanza that the server sends, for example by an XML schema.
"""

from xmppd.testing.actor import Actor, Checker, Client, Recorder, anything
from xmppd.testing.matching import Matcher, error, like, message, presence, result
from xmppd.testing.stage import PASSWORD, Stage, Talk, result_of

__all__ = [
    "PASSWORD",
    "Actor",
    "Checker",
    "Client",
    "Matcher",
    "Recorder",
    "Stage",
    "Talk",
    "anything",
    "error",
    "like",
    "message",
    "presence",
    "result",
    "result_of",
]
