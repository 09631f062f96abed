"""What a session takes whose client has lost its connection, and each message that waits for it.

``python -m bench.hibernation`` makes sessions in this process, with the usual modules and without
a network, lets them hibernate, and looks at what Python has allocated for them since
(tracemalloc). Nothing else is left of them: sockets, TLS and parsers go with the connection.
"""

import argparse
import gc
import sys
import tracemalloc
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from twisted.logger import globalLogBeginner

from bench.inside import DOMAIN, discard
from bench.memory import table
from xmppd.jid import jid
from xmppd.modules.sm import StreamManagement
from xmppd.ns import CLIENT, SM
from xmppd.sessions import Session
from xmppd.stanza import Presence
from xmppd.testing import Talk, result_of
from xmppd.testing.actor import stanza_from
from xmppd.xml import Element, StreamError, parse

WARM: Final = 20  # sessions that come first: what is made once is not a session's
BODY: Final = "<body>Wherefore art thou, Romeo? Deny thy father and refuse thy name</body>"


class Found(NamedTuple):
    """In bytes."""

    session: float
    message: float


class Nothing:
    """A connection that takes what is written and keeps none of it."""

    buffered = 0

    def write(self, data: bytes) -> None:
        """It is gone."""

    def close(self, error: StreamError | None = None) -> None:
        """There is nothing to close."""

    detach = pause = resume = hold = release = close


class Sleepers:
    """Accounts with one session each, all of them without a connection."""

    def __init__(self) -> None:
        self._talk = Talk()
        self._host = self._talk.host
        self._sm = self._talk.module(StreamManagement)
        self.sessions: list[Session] = []

    def come(self, count: int) -> None:
        """So many more log in, become available, and lose their connections."""
        first = len(self.sessions)
        for number in range(first, first + count):
            user = self._talk.account(f"sleeper{number}@{DOMAIN}")
            self.sessions.append(self._session(f"{user}/phone"))

    def _session(self, full: str) -> Session:
        outlet: Any = Nothing()
        session = Session(jid(full), self._host.hooks, outlet)
        result_of(self._host.intake.open(session))
        self._sm.enable(session, Element(SM, "enable", {"resume": "true"}))
        presence = Presence(session.user, session.jid)
        presence.directed = False
        self._host.intake.accept(session, presence)
        acknowledged = Element(SM, "a", {"h": "1"})  # its own presence
        self._sm.take(session, acknowledged)
        self._host.intake.hibernate(session, "cut")
        if not session.hibernating:
            raise RuntimeError(f"{full} does not hibernate")
        return session

    def hear(self, sessions: Iterable[Session], each: int) -> None:
        """So many messages for each of them, which wait."""
        sender = jid(f"romeo@{DOMAIN}/orchard")
        for session in sessions:
            for number in range(each):
                said = f"<message to='{session.jid}' type='chat' id='m{number}'>{BODY}</message>"
                session.send(stanza_from(parse(said, CLIENT), sender))


def measure(count: int, messages: int) -> Found:
    """The means of `count` sessions, and of `messages` for each of them."""
    sleepers = Sleepers()
    sleepers.come(WARM)
    sleepers.hear(sleepers.sessions, messages)
    tracemalloc.start(1)
    try:
        before = _allocated()
        sleepers.come(count)
        asleep = _allocated()
        sleepers.hear(sleepers.sessions[WARM:], messages)
        waiting = _allocated()
    finally:
        tracemalloc.stop()
    return Found((asleep - before) / count, (waiting - asleep) / count / max(messages, 1))


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hibernation", description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=20)
    args = parser.parse_args(given)
    globalLogBeginner.beginLoggingTo([discard], redirectStandardIO=False)
    found = measure(args.sessions, args.messages)
    rows = [
        ["a session that hibernates", f"{found.session:.0f}"],
        ["each short message that waits", f"{found.message:.0f}"],
    ]
    print(table(["memory", "bytes"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
