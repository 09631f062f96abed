"""A client in a conversation: what it sends, and what it must receive.

`Actor` is what a test may rely on, whichever stage it plays on. `Client` is the one in memory;
others derive from `Recorder`, which does the matching, and bring the stanzas in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from xmppd.jid import JID, jid
from xmppd.ns import CLIENT
from xmppd.routing import Intake
from xmppd.sessions import CLOSED_BY_CLIENT, Session
from xmppd.stanza import Stanza, read_stanza
from xmppd.testing.matching import Matcher, matcher
from xmppd.xml import XML_LANG, Element, StreamError, escape_text, parse_fragment, to_xml

# Raises AssertionError for an element that the server must not send.
Checker = Callable[[Element], None]


def anything(element: Element) -> None:
    """The checker that finds no fault, for tests in which clients exchange strange things."""


class Actor(Protocol):
    """What a conversation may do with a client, whether in memory or over TLS."""

    jid: JID

    def sends(self, xml: str) -> None:
        """Send stanzas, written as in a XEP's example."""

    def receives(self, *wanted: str | Matcher) -> Element:
        """The next stanzas are these, in this order; returns the last. AssertionError if not."""

    def receives_in_any_order(self, *wanted: str | Matcher) -> None:
        """The next stanzas are these, in whatever order."""

    def receives_nothing(self) -> None:
        """No stanza has come that was not looked at."""

    def forget(self) -> None:
        """Pass over all that has come so far."""

    def disconnect(self) -> None:
        """The connection is lost, without a word."""

    def leaves(self) -> None:
        """End the stream in good order; when this returns, the session has ended."""


class Recorder:
    """Matches what came in, one stanza after another. `fetch` brings what is new.

    What `check` finds wrong is raised when the test looks at what came next, not in the middle
    of the server's work.
    """

    def __init__(self, name: str, check: Checker | None = None) -> None:
        self._name = name
        self._check = check
        self._fault: AssertionError | None = None
        self.inbox: list[Element] = []

    def record(self, stanza: Element) -> None:
        """Put a stanza that came into the inbox."""
        self.inbox.append(stanza)
        if self._check is not None and self._fault is None:
            try:
                self._check(stanza)
            except AssertionError as fault:
                self._fault = fault

    def _raise_fault(self) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise AssertionError(f"{self._name} received {fault}")

    def fetch(self, count: int) -> None:
        """Make sure that `inbox` has `count` stanzas, if they come at all."""

    def settle(self) -> None:
        """Make sure that all has come that will come."""

    def receives(self, *wanted: str | Matcher) -> Element:
        self.fetch(len(wanted))
        self._raise_fault()
        stanza = Element("", "nothing")
        for want in wanted:
            if not self.inbox:
                raise AssertionError(f"{self._name} received nothing; wanted: {_said(want)}")
            stanza = self.inbox.pop(0)
            problem = matcher(want)(stanza)
            if problem is not None:
                raise AssertionError(
                    f"{self._name} received {to_xml(stanza, CLIENT)}\n{problem};"
                    f" wanted: {_said(want)}"
                )
        return stanza

    def receives_in_any_order(self, *wanted: str | Matcher) -> None:
        self.fetch(len(wanted))
        self._raise_fault()
        stanzas = [self.inbox.pop(0) for _ in wanted[: len(self.inbox)]]
        for want in wanted:
            match = next((s for s in stanzas if matcher(want)(s) is None), None)
            if match is None:
                got = "\n".join(to_xml(stanza, CLIENT) for stanza in stanzas)
                raise AssertionError(f"{self._name} received\n{got}\nbut not: {_said(want)}")
            stanzas = [stanza for stanza in stanzas if stanza is not match]

    def receives_nothing(self) -> None:
        self.settle()
        self._raise_fault()
        if self.inbox:
            got = "\n".join(to_xml(stanza, CLIENT) for stanza in self.inbox)
            raise AssertionError(f"{self._name} should have received nothing, but received\n{got}")

    def forget(self) -> None:
        self.settle()
        self._raise_fault()
        self.inbox.clear()


def _said(wanted: str | Matcher) -> str:
    return wanted if isinstance(wanted, str) else wanted.__qualname__.partition(".")[0]


def _nobody(ns: str, name: str) -> None:
    """For clients that only say stanzas."""


class Client(Recorder):
    """A client in memory, with a session that is bound already."""

    session: Session  # set by who makes the client, since a session needs its outlet first

    def __init__(self, full: JID, intake: Intake, check: Checker | None = None) -> None:
        super().__init__(full, check)
        self.jid = full
        self.closed_with: StreamError | None = None
        self.closed = False
        self._intake = intake
        self._waiting: list[Stanza | Element] = []
        self._busy = False
        # Who takes a child of the stream that is no stanza, by namespace and name
        self.nonza: Callable[[str, str], Callable[[Session, Element], object] | None] = _nobody
        self._holds = 0
        self._kept: list[bytes] = []
        self._ahead = 0

    # Outlet: what the session writes to

    def hold(self) -> None:
        self._holds += 1

    @contextmanager
    def ahead(self) -> Iterator[None]:
        kept = self._kept[self._ahead :]
        del self._kept[self._ahead :]
        try:
            yield
        finally:
            self._ahead = len(self._kept)
            self._kept += kept

    def release(self) -> None:
        self._holds -= 1
        if self._holds:
            return
        kept, self._kept, self._ahead = self._kept, [], 0
        for data in kept:
            self.write(data)

    def write(self, data: bytes) -> None:
        if self._holds:
            self._kept.append(data)
            return
        for node in parse_fragment(data, CLIENT):
            assert isinstance(node, Element)
            self.record(node)

    def close(self, error: StreamError | None = None) -> None:
        if not self.closed:
            self.closed = True
            self.closed_with = error
            self._intake.close(self.session, f"closed: {error}")

    def detach(self) -> None:
        self.closed = True
        self._intake.hibernate(self.session, "resumed elsewhere")

    def pause(self) -> None:
        """Reading is paused by holding stanzas back here."""

    def resume(self) -> None:
        """See `pause`."""

    @property
    def buffered(self) -> int:
        return 0

    # Actor

    def sends(self, xml: str) -> None:
        for node in parse_fragment(xml.encode(), CLIENT):
            if isinstance(node, Element):
                self._waiting.append(stanza_from(node, self.jid) if node.ns == CLIENT else node)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and not self._busy and not self.closed:
            said = self._waiting.pop(0)
            if isinstance(said, Element):
                self._says(said)
                continue
            done = self._intake.accept(self.session, said)
            if done is not None:
                self._busy = True
                _ = done.addBoth(self._done)

    def _says(self, nonza: Element) -> None:
        handler = self.nonza(nonza.ns, nonza.name)
        assert handler is not None, f"nobody takes {to_xml(nonza)}"
        answer = handler(self.session, nonza)
        if isinstance(answer, Element):
            self.write(to_xml(answer).encode())

    def _done(self, outcome: object) -> None:
        self._busy = False
        self._go_on()

    def disconnect(self) -> None:
        self.closed = True
        managed = self.session.managed
        if managed is not None and managed.id:
            self._intake.hibernate(self.session, "connection lost")
        else:
            self._intake.close(self.session, "connection lost")

    def leaves(self) -> None:
        self.closed = True
        self._intake.close(self.session, CLOSED_BY_CLIENT)


def stanza_from(element: Element, sender: JID) -> Stanza:
    """What a stream makes of a client's stanza: `from_` is the client's full JID."""
    inner = "".join(
        [
            to_xml(node, CLIENT) if isinstance(node, Element) else escape_text(node)
            for node in element.children
            if isinstance(node, Element) or node.strip()
        ]
    )
    payloads = tuple((child.ns, child.name) for child in element.elements)
    to = element.get("to")
    stanza = read_stanza(
        element.name,
        dict(element.attrs),
        payloads,
        inner.encode(),
        to=jid(to) if to else sender.bare,
        from_=sender,
    )
    stanza.lang = element.get(XML_LANG)
    return stanza
