"""A client whose server talks to others: what comes from afar comes when it comes."""

import time

from tests.support.client import StreamEnded, TLSClient
from xmppd.ns import CLIENT
from xmppd.testing import Matcher
from xmppd.testing.matching import matcher
from xmppd.xml import Element, to_xml

PATIENCE_S = 20.0  # two servers may look each other up, connect and prove themselves meanwhile


class Guest(TLSClient):
    """Waits for one stanza among all that come; the others stay for later."""

    def awaits(self, wanted: str | Matcher, timeout_s: float = PATIENCE_S) -> Element:
        """The first stanza that is like this, now or when it comes."""
        judge = matcher(wanted)
        deadline = time.monotonic() + timeout_s
        seen = 0
        while True:
            for place, stanza in enumerate(self.inbox[seen:], seen):
                if judge(stanza) is None:
                    return self.inbox.pop(place)
            seen = len(self.inbox)
            assert self._comes(deadline), self._in_vain(judge, wanted)

    def _comes(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        self.socket.settimeout(left)
        try:
            self.record(self.reads())
        except (TimeoutError, StreamEnded):
            return False
        return True

    def _in_vain(self, judge: Matcher, wanted: str | Matcher) -> str:
        came = "\n".join(f"{to_xml(s, CLIENT)}  ({judge(s)})" for s in self.inbox)
        return f"{self.jid} waited in vain for {wanted}; it has\n{came or 'nothing'}"

    def hears(self, wanted: str | Matcher) -> bool:
        """Whether one like this has come, or comes now; it stays."""
        self._comes(time.monotonic() + 0.05)
        return self.saw(wanted)

    def saw(self, wanted: str | Matcher) -> bool:
        """Whether one like this has come; it stays."""
        return any(matcher(wanted)(stanza) is None for stanza in self.inbox)

    def asks(self, to: str, payload: str, id: str) -> Element:
        """An IQ get, and its answer."""
        self.sends(f"<iq type='get' id='{id}' to='{to}'>{payload}</iq>")
        return self.awaits(answer_to(id, to))


def by_id(id: str) -> Matcher:
    """A stanza with this id, whatever it is."""
    return lambda stanza: None if stanza.get("id") == id else f"its id is not {id}"


def answer_to(id: str, from_: str) -> Matcher:
    """An IQ that answers, whether by a result or by an error."""

    def judge(stanza: Element) -> str | None:
        return None if stanza.get("id") == id and stanza.get("from") == from_ else "no answer"

    return judge
