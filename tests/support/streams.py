"""Both ends of a stream between servers, tied together or each alone: no sockets, no TLS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xmppd.stream import dialback
from xmppd.stream.events import Closed, StartTLS
from xmppd.stream.peer import (
    AskProof,
    Enabled,
    InitiatingStream,
    JudgeKey,
    PeerEvent,
    PeerPolicy,
    ReceivingStream,
)

HOSTS = frozenset(("montague.example", "chat.montague.example"))
OURS = frozenset(("capulet.example", "rooms.capulet.example"))
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
OPEN = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server'"
    " xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'"
)
HEADER = f"{OPEN} from='capulet.example' to='montague.example' version='1.0'>"
EXTERNAL = f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"
MESSAGE = (
    "<message from='juliet@capulet.example/b' to='romeo@montague.example'>"
    "<body>hi</body></message>"
)
KEY = "<db:result from='capulet.example' to='montague.example'>0123456789abcdef</db:result>"


def key_of(secret: bytes) -> Callable[[str, str, str], str]:
    return lambda receiving, originating, id_: dialback.key(secret, receiving, originating, id_)


def policy(**wishes: Any) -> PeerPolicy:
    return PeerPolicy(**wishes)


class Receiver:
    """montague.example, to which a test speaks as capulet.example. `proven`: what the certificate
    proves; `judge` answers keys at once with that error (None: valid), "later" leaves them open.
    """

    def __init__(
        self,
        *,
        secure: bool = True,
        proven: tuple[str, ...] = (),
        judge: Any = "later",
        **wishes: Any,
    ) -> None:
        self.stream = ReceivingStream(
            HOSTS, lambda ours, theirs: policy(**wishes), key_of(b"montague"), secure=secure
        )
        self.proven = proven
        self.judge = judge
        self.events: list[PeerEvent] = []

    def sends(self, text: str | bytes) -> str:
        """What the stream answers."""
        self._happened(self.stream.receive(text.encode() if isinstance(text, str) else text))
        return self.stream.take().decode() + self.farewell

    def _happened(self, events: list[PeerEvent]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, AskProof):
                self._happened(self.stream.proof(event.domain in self.proven))
            elif isinstance(event, Enabled):
                self.stream.enabled()
            elif isinstance(event, StartTLS):
                self.stream.tls_ready()
            elif isinstance(event, JudgeKey) and self.judge != "later":
                self._happened(self.stream.judged(event.pair, self.judge, how="dialback"))

    def judges(self, pair: dialback.Pair, error: Any) -> str:
        self._happened(self.stream.judged(pair, error, how="dialback"))
        return self.stream.take().decode() + self.farewell

    def authenticates(self) -> None:
        """By EXTERNAL."""
        self.sends(HEADER)
        assert "<success" in self.sends(EXTERNAL)
        self.sends(HEADER)

    @property
    def closed(self) -> Closed | None:
        return next((event for event in self.events if isinstance(event, Closed)), None)

    @property
    def farewell(self) -> str:
        return self.closed.farewell.decode() if self.closed is not None else ""

    @property
    def error(self) -> str | None:
        """The stream error that we sent."""
        return self.closed.error.condition if self.closed and self.closed.error else None

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Initiator(Receiver):
    """capulet.example, which connects to montague.example; the test is montague.example."""

    def __init__(self, *, secure: bool = True, **wishes: Any) -> None:
        self.stream = InitiatingStream(  # type: ignore[assignment]  # the same for what is used
            "capulet.example",
            "montague.example",
            policy(**wishes),
            key_of(b"capulet"),
            secure=secure,
        )
        self.proven, self.judge = (), "later"
        self.events = []
        self.stream.open()  # type: ignore[attr-defined]
        self.said = self.stream.take().decode()

    def hears_header(self, features: str = "", more: str = " id='s1'") -> str:
        return self.sends(
            f"{OPEN} from='montague.example' to='capulet.example' version='1.0'{more}>"
            f"<stream:features>{features}</stream:features>"
        )


def talk(
    initiating: InitiatingStream, receiving: ReceivingStream, *, proven: bool, judge: Any
) -> tuple[list[PeerEvent], list[PeerEvent]]:
    """Carry bytes to and fro until nobody says anything; the events of both."""
    mine, its = Receiver(), Receiver(judge=judge)
    mine.stream = initiating  # type: ignore[assignment]
    its.stream = receiving
    its.proven = ("capulet.example",) if proven else ()
    initiating.open()
    while data := initiating.take():
        answer = its.sends(data)
        mine._happened(initiating.receive(answer.encode()))
    return mine.events, its.events
