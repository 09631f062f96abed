"""Carbons: all devices of an account see both sides of a conversation (XEP-0280 1.0.1).

Copies are made of the messages that §6.1 names, exactly (`urn:xmpp:carbons:rules:0`), but of those
whose sender does not want it (§9; XEP-0334 1.0.0 §4.2). Nobody can forge one: what others send
keeps its `from`, and is not copied if it looks like a copy itself.
"""

from collections.abc import Container, Iterable
from functools import partial

from xmppd.api import (
    ACCOUNT,
    IQ,
    JID,
    LATE,
    Binding,
    Host,
    Message,
    Module,
    Options,
    PerSession,
    Session,
    Stanza,
    StanzaError,
    events,
    iq_set,
    ns,
    on,
    uses_if,
)
from xmppd.modules.archive import Archive
from xmppd.modules.archive.rules import BODY, INVITING, MARKERS
from xmppd.modules.stanza_ids import with_id

RULES = "urn:xmpp:carbons:rules:0"
CONFERENCE = ("jabber:x:conference", "x")  # XEP-0249
# Not wanted, and copies of copies.
PRIVATE = frozenset(
    (
        (ns.CARBONS, "private"),
        (ns.HINTS, "no-copy"),
        (ns.CARBONS, "sent"),
        (ns.CARBONS, "received"),
        (ns.MAM, "result"),
    )
)
CONVERSING = frozenset((ns.RECEIPTS, ns.CHATSTATES, MARKERS))
MOST_SENT = 100  # messages of an account of which an error would be copied as well


class Carbons(Module):
    name = "carbons"
    features = (ns.CARBONS, RULES)
    archive = uses_if(Archive)
    wanted = PerSession(False)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._copied_to: dict[JID, tuple[Session, ...]] = {}  # who wants them, by account
        self._sent: dict[JID, dict[tuple[JID, str], None]] = {}  # addressee and id, the last ones

    async def start(self) -> None:
        if self.name not in self.host.modules:  # else the old one still serves: see `restore`
            self._listen()

    def restore(self, saved: dict[str, object]) -> None:
        for session in self.host.sessions:
            if self.wanted[session]:
                self._add(session)
        self._listen()

    def _listen(self) -> None:
        """As long as nobody wants copies, no message comes by here."""
        for hook in (events.user_sends, events.message_delivered):
            self.listen(hook, bool(self._copied_to))

    # Who wants them (§4, §5)

    @iq_set(ns.CARBONS, "enable", at=ACCOUNT)
    def enable(self, iq: IQ) -> None:
        self._enable(self._own(iq))

    def _enable(self, session: Session) -> None:
        if not self.wanted[session]:
            self.wanted[session] = True
            self._add(session)

    @iq_set(ns.CARBONS, "disable", at=ACCOUNT)
    def disable(self, iq: IQ) -> None:
        self._remove(self._own(iq))

    @on(events.bind_features)
    def offer(self) -> list[str]:
        return [ns.CARBONS]

    @on(events.bind_extending)
    def enable_at_once(self, binding: Binding) -> None:
        """XEP-0386 §3.2: no answer is needed."""
        if binding.request.child(ns.CARBONS, "enable") is not None:
            self._enable(binding.session)

    @on(events.session_restored)
    def enable_again(self, session: Session) -> None:
        if self.wanted[session]:
            self._add(session)

    def _own(self, iq: IQ) -> Session:
        session = self.host.sessions.get(iq.from_)
        if session is None or iq.to != session.user:
            raise StanzaError("not-allowed")
        return session

    def _add(self, session: Session) -> None:
        self._copied_to[session.user] = (*self._copied_to.get(session.user, ()), session)
        self._listen()

    def _remove(self, session: Session) -> None:
        if not self.wanted[session]:
            return
        self.wanted[session] = False
        left = tuple(each for each in self._copied_to[session.user] if each is not session)
        if left:
            self._copied_to[session.user] = left
        else:
            del self._copied_to[session.user]
            self._sent.pop(session.user, None)
        self._listen()

    @on(events.session_closed)
    def forget(self, session: Session, why: str) -> None:
        self._remove(session)

    # What was sent (§8)

    @on(events.user_sends, order=LATE)  # what guards let through, after the archive numbered it
    def copy_sent(self, stanza: Stanza, session: Session) -> None:
        if stanza.kind != "message" or not self._copied_to:
            return
        others = self._copied_to.get(session.user)
        if others is None or not is_conversation(stanza):
            return
        self._remember(session.user, stanza)
        others = tuple(each for each in others if each is not session)
        if not others or stanza.to.bare == session.user:  # to oneself: received is enough
            return
        archive = self.archive
        id_ = "" if archive is None else archive.sent_id(stanza)
        copied = with_id(stanza, session.user, id_) if id_ else stanza
        commit = archive.journal.commit if archive is not None and id_ else None
        send = partial(self._send, "sent", copied, others)
        self.host.delivery.later(session.user, send, commit)

    def _remember(self, user: JID, message: Stanza) -> None:
        if message.id is not None and message.type != "error":
            sent = self._sent.setdefault(user, {})
            sent[message.to, message.id] = None
            if len(sent) > MOST_SENT:
                del sent[next(iter(sent))]

    # What was received (§7)

    def _copies(self, message: Message) -> bool | Container[JID]:
        return (message.type == "error" or is_conversation(message)) and self._copied_to

    @on(events.message_delivered, concerns=_copies)
    def copy_received(self, message: Message, user: JID) -> None:
        wanting = self._copied_to.get(user)
        if wanting is None:
            return
        others = tuple(self._without(wanting, message))
        if others and self.copies(message, user):
            self._send("received", message, others)

    def _without(self, sessions: Iterable[Session], message: Message) -> Iterable[Session]:
        """Those that did not get the message itself, nor sent it."""
        only = self.host.sessions.get(message.to) if message.to.resource else None
        for each in sessions:
            if only is None:
                got = each.priority is not None and each.priority >= 0
            else:
                got = each is only
            if not got and each.jid != message.from_:
                yield each

    def copies(self, message: Message, user: JID) -> bool:
        """Whether sessions that want copies got one of a message that `user` received."""
        if message.type == "error":
            answered = (message.from_, message.id or "")
            return answered in self._sent.get(user, ())
        if not is_conversation(message):
            return False
        # Private messages of a room come to all clients that are in it, from the room itself.
        in_room = message.from_.resource and INVITING in message.payloads
        return not in_room or is_invitation(message)

    def _send(self, way: str, message: Stanza, to: Iterable[Session]) -> None:
        """A forwarded copy for each of these sessions (XEP-0297), by joining bytes."""
        inner = message.write()[len(b"<message") :]
        head = f"<{way} xmlns='{ns.CARBONS}'><forwarded xmlns='{ns.FORWARD}'>".encode()
        tail = f"</forwarded></{way}>".encode()
        raw = head + b"<message xmlns='jabber:client'" + inner + tail
        names = ((ns.CARBONS, way),)
        for session in to:
            user = session.user
            session.send(Message(session.jid, user, message.type, raw=raw, payloads=names))


def is_conversation(message: Stanza) -> bool:
    """Whether copies are made of it (§6.1), but for errors and what comes from rooms."""
    payloads = message.payloads
    if message.type == "groupchat" or not PRIVATE.isdisjoint(payloads):
        return False
    if message.type == "chat" or (message.type == "normal" and BODY in payloads):
        return True
    if message.type == "error":
        return False
    conversing = any(of in CONVERSING for of, _ in payloads)
    return conversing or CONFERENCE in payloads or is_invitation(message)


def is_invitation(message: Stanza) -> bool:
    """A mediated one (XEP-0045 §7.8.2)."""
    if INVITING not in message.payloads:
        return False
    room = message.child(*INVITING)
    return room is not None and room.child(ns.MUC_USER, "invite") is not None
