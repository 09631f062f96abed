"""Client state: who does not look at the screen is not bothered (XEP-0352 1.0.0).

While a client is inactive, presence, notes on typing, receipts and events of pubsub wait. Of
presence and of typing only the last of each sender is kept. The first stanza that matters to
somebody who does not look (a message, a call, an invitation) brings along what waits, in the order
in which it came; so does the client's return, or too much of it. An IQ is let through at once: it
brings only what another has said before (RFC 6120 §10.1), and an answer of the server nothing, so
that a client that keeps its connection alive is not bothered by that.

When the connection is lost or the session ends, what waits goes the way of all that the client has
not got (`modules/sm`): nothing is dropped because nobody looked.
"""

from collections.abc import Container
from datetime import UTC, datetime
from typing import Any

from xmppd.api import (
    JID,
    LATE,
    STOP,
    Binding,
    Element,
    Host,
    Kept,
    Message,
    Module,
    Options,
    Session,
    Size,
    Stanza,
    Stop,
    delay,
    events,
    lenient_jid,
    nonza,
    ns,
    on,
    option,
    uses_if,
)
from xmppd.modules.archive.rules import BODY, INVITING, JINGLE_MESSAGE, MARKERS
from xmppd.modules.offline import passing
from xmppd.modules.sm import StreamManagement

# What nobody needs to be called to the screen for, beside typing: a reaction (XEP-0444) and a
# retraction (XEP-0424) can be seen when one looks again.
PATIENT = frozenset(
    (
        ns.RECEIPTS,
        MARKERS,
        ns.PUBSUB_EVENT,
        "urn:xmpp:reactions:0",
        "urn:xmpp:message-retract:1",
        "urn:xmpp:fallback:0",
        ns.HINTS,  # and what only accompanies them
        ns.STANZA_IDS,
        ns.DELAY,
        ns.CHATSTATES,
        "urn:xmpp:eme:0",
    )
)


class CSIOptions(Options):
    max_stanzas: int = option(200, "Stanzas that wait for one client.", at_least=1)
    max_bytes: Size = option(262144, "Their size in all.", at_least=1024)


class Waiting:
    """What waits for one client, in order."""

    __slots__ = ("_count", "size", "stanzas")

    def __init__(self) -> None:
        self.stanzas: dict[tuple[str, str], Kept] = {}
        self.size = 0
        self._count = 0

    def add(self, kind: str, kept: Kept) -> None:
        """A newer one of the same `kind` and sender takes the place of the older; "" has none."""
        self._count += 1
        key = (kind, kept.stanza.from_) if kind else ("", str(self._count))
        older = self.stanzas.pop(key, None)
        self.size += kept.size - (0 if older is None else older.size)
        self.stanzas[key] = kept

    def take(self, sender: JID | None = None) -> list[Kept]:
        """What shall wait no longer: all, or what is from this bare JID."""
        taken = {
            key: kept
            for key, kept in self.stanzas.items()
            if sender is None or kept.stanza.from_.bare == sender
        }
        for key, kept in taken.items():
            del self.stanzas[key]
            self.size -= kept.size
        return list(taken.values())


class ClientState(Module):
    name = "csi"
    options: CSIOptions
    sm = uses_if(StreamManagement)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._inactive: dict[Session, Waiting] = {}
        self._laden: dict[Session, Waiting] = {}  # those for whom something waits
        # The last payloads, what they were said in, and their kind
        self._seen: tuple[object, tuple[str, str], str | None] = (None, ("", ""), None)
        self._given: Session | None = None  # who is being given what waited
        self._seconds = host.clock.seconds

    async def start(self) -> None:
        if self.name not in self.host.modules:  # else the old one still serves: see `restore`
            self._listen()

    def _listen(self) -> None:
        """As long as all clients are active, no stanza comes by here."""
        self.listen(events.session_receives, bool(self._inactive))

    def save(self) -> dict[str, Any]:
        kept = self._inactive.items()
        return {
            "inactive": [
                (s.jid, [(kind, k.stanza, k.at) for (kind, _), k in w.stanzas.items()])
                for s, w in kept
            ]
        }

    def restore(self, saved: dict[str, Any]) -> None:
        for full, stanzas in saved.get("inactive", ()):
            session = self.host.sessions.get(full)
            if session is not None:
                self._inactive[session] = waiting = Waiting()
                for kind, stanza, at in stanzas:
                    waiting.add(kind, Kept(stanza, at))
                    self._laden[session] = waiting
        self._listen()

    @on(events.stream_features)
    def offer(self, state: str) -> list[Element]:
        return [Element(ns.CSI, "csi")] if state == "before_bind" else []

    @nonza(ns.CSI, "inactive")
    def sleep(self, session: Session | None, element: Element) -> None:
        if session is not None:
            self._inactive.setdefault(session, Waiting())
            self._listen()

    @nonza(ns.CSI, "active")
    def wake(self, session: Session | None, element: Element) -> None:
        """All that waits is written before anything else that the client asks for (§5.1)."""
        if session is not None and session in self._inactive:
            self._give(session)
            self.forget(session)

    @on(events.bind_features)
    def offer_within(self) -> list[str]:
        return [ns.CSI]

    @on(events.bind_extending)
    def begin(self, binding: Binding) -> None:
        """XEP-0386 §3.2: the session begins in that state."""
        inactive = binding.request.child(ns.CSI, "inactive")
        if inactive is not None:
            self.sleep(binding.session, inactive)

    @on(events.session_hibernated)  # "csi" comes before "sm", which stores what waits
    @on(events.session_closed)  # "sm" comes late, and passes on what waits
    def hand_over(self, session: Session, why: str) -> None:
        """The connection is lost. A stream that is resumed is active (§5.2)."""
        waiting = self._inactive.get(session)
        if waiting is None:
            return
        self.forget(session)
        unread = waiting.take()
        if session.managed is not None:
            for kept in unread:
                session.managed.take_over(kept, session)
        elif self.sm is not None:
            self.sm.entrust(session, unread)

    def forget(self, session: Session) -> None:
        self._laden.pop(session, None)
        if self._inactive.pop(session, None) is not None:
            self._listen()

    def _holds(self, stanza: Stanza) -> Container[Session]:
        """What matters now waits for nobody, and brings along what does."""
        if stanza.kind != "iq" and self._kind(stanza) is None:
            return self._laden
        return self._inactive

    @on(events.session_receives, order=LATE, concerns=_holds)
    def hold(self, stanza: Stanza, session: Session) -> Stop | None:
        if not self._inactive or session not in self._inactive or self._given is session:
            return None
        if stanza.kind == "iq":
            if stanza.from_ not in (session.user, self.host.domain):
                self._give(session, stanza.from_.bare)
            return None
        kind = self._kind(stanza)
        if kind is None:
            self._give(session)
            return None
        waiting = self._laden[session] = self._inactive[session]
        waiting.add(kind, Kept(stanza if kind else self._stamped(stanza), self._seconds()))
        options = self.options
        if len(waiting.stanzas) > options.max_stanzas or waiting.size > options.max_bytes:
            self._give(session)
        return STOP

    def _kind(self, stanza: Stanza) -> str | None:
        """None: it matters now. Else it waits, and of those with the same kind that is not "" and
        the same sender only the last. What is said to many has one answer: copies share payloads.
        """
        payloads, said_in = stanza.payloads, (stanza.kind, stanza.type)
        seen, seen_in, kind = self._seen
        if seen is not payloads or seen_in != said_in:
            kind = _presence_kind(stanza) if stanza.kind == "presence" else _message_kind(stanza)
            if INVITING not in payloads and not stanza.has(ns.CARBONS):  # else they tell not all
                self._seen = payloads, said_in, kind
        return kind

    def _stamped(self, stanza: Stanza) -> Stanza:
        """With the time from which on it waits (XEP-0203)."""
        if stanza.has(ns.DELAY, "delay"):
            return stanza
        return stanza.copy(add=[delay(datetime.now(UTC), self.host.domain)])

    def _give(self, session: Session, sender: JID | None = None) -> None:
        waiting = self._laden.get(session)
        if waiting is None:
            return
        taken = waiting.take(sender)
        if not waiting.stanzas:
            del self._laden[session]
        before, self._given = self._given, session
        try:
            for kept in taken:
                session.send(kept.stanza)
        finally:
            self._given = before


def _message_kind(stanza: Stanza) -> str | None:
    if not isinstance(stanza, Message) or stanza.type == "error":
        return None
    copied = _copied(stanza) if stanza.has(ns.CARBONS) else None
    if copied is not None:
        return None if _said_kind(copied) is None else ""
    return _said_kind(stanza)


def _said_kind(stanza: Message) -> str | None:
    if passing(stanza):
        return "typing"
    if BODY in stanza.payloads or stanza.has(JINGLE_MESSAGE) or INVITING in stanza.payloads:
        return None
    return "" if all(of in PATIENT for of, _ in stanza.payloads) else None


def _presence_kind(presence: Stanza) -> str | None:
    """Subscriptions, errors, and what a room says of the client itself (XEP-0045 §17.3) matter."""
    if presence.type not in ("", "unavailable"):
        return None
    if INVITING not in presence.payloads:
        return "presence"
    room = presence.child(*INVITING)
    own = room is not None and room.child(ns.MUC_USER, "status") is not None
    return None if own else "presence"


def _copied(carbon: Message) -> Message | None:
    """The message in a carbon copy, as far as it matters here."""
    for way in carbon.children_of(ns.CARBONS):
        forwarded = way.child(ns.FORWARD, "forwarded")
        message = None if forwarded is None else forwarded.child(ns.CLIENT, "message")
        if message is not None:
            sender = lenient_jid(message.get("from") or carbon.from_)
            type_ = message.get("type") or ""
            return Message(carbon.to, sender, type_, None, *message.elements)
    return None
