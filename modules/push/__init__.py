"""Push: devices that are not connected are told of what there is for them (XEP-0357 0.4.1).

An account names services of its clients' makers, and for each message that its device does not get
at once the server publishes a notification there. What it tells beyond "there is
something" is the operator's choice: what is published passes through third parties (§9).
Chats that the account wants to hear nothing of stay silent (XEP-0492).
"""

import secrets
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    IQ,
    JID,
    SELF,
    STOP,
    Element,
    Form,
    FormType,
    Host,
    JIDError,
    Message,
    Module,
    Options,
    Repository,
    Session,
    Stanza,
    StanzaError,
    Stop,
    events,
    forms,
    iq_set,
    jid,
    ns,
    on,
    option,
    parse,
    query,
    table,
    to_xml,
    transaction,
    upsert,
    uses_if,
)
from xmppd.modules.archive.rules import BODY, JINGLE_MESSAGE, lasting
from xmppd.modules.muc import Room, member_missed
from xmppd.modules.pubsub import Pep
from xmppd.modules.push import settings

NS = "urn:xmpp:push:0"
SUMMARY = "urn:xmpp:push:summary"
PUBLISH_OPTIONS = f"{ns.PUBSUB}#publish-options"
MOST_NODE, MOST_OPTIONS = 1023, 4096
ANSWER_S = 60.0  # a service that has not answered by then is counted as failing
TRIES = 5  # failures in a row that may pass by themselves
# What is to be told at once, beside bodies; not receipts, markers, reactions.
CALLING = frozenset(
    (
        BODY,
        (JINGLE_MESSAGE, "propose"),
        ("urn:xmpp:omemo:2", "encrypted"),
        ("eu.siacs.conversations.axolotl", "encrypted"),
        ("urn:xmpp:openpgp:0", "openpgp"),
        ("jabber:x:conference", "x"),
        (ns.MUC_USER, "x"),
    )
)

services = table(
    "push_services",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("jid", sa.String, primary_key=True),
    sa.Column("node", sa.String, primary_key=True),
    sa.Column("resource", sa.String, nullable=False),  # of the client that enabled it
    sa.Column("options", sa.Text, nullable=False),  # XML of the form, "" without one
)


@dataclass(slots=True, eq=False)
class Service:
    """Where one device of an account is notified."""

    user: JID
    jid: JID
    node: str
    resource: str
    options: str
    waiting: int = field(default=0)  # messages since the device was here
    failures: int = field(default=0)
    asked: bool = field(default=False)  # the last publish is not answered yet
    newer: Message | None = field(default=None)  # to be published then


class Store(Repository):
    @query
    def load(self, tx: Tx) -> list[tuple[str, str, str, str, str]]:
        """All of the host: user, JID, node, resource, options."""
        c = services.c
        of = sa.select(c.user, c.jid, c.node, c.resource, c.options)
        return [tuple(row) for row in tx.execute(of.where(self.mine(services)))]

    @transaction
    def put(self, tx: Tx, one: Service, limit: int) -> None:
        """StanzaError resource-constraint where the account has too many."""
        values = {"jid": one.jid, "node": one.node, "resource": one.resource}
        values |= {"user": one.user.local, "options": one.options}
        tx.execute(upsert(services, host=self.host, **values))
        mine = self.mine(services, user=one.user.local)
        if (tx.scalar(sa.select(sa.func.count()).where(mine)) or 0) > limit:
            raise StanzaError("resource-constraint", f"at most {limit} services", type="cancel")

    @transaction
    def drop(self, tx: Tx, user: str, keys: list[tuple[str, str]]) -> None:
        for service, node in keys:
            mine = self.mine(services, user=user, jid=service, node=node)
            tx.execute(services.delete().where(mine))

    @transaction
    def drop_all(self, tx: Tx, user: str) -> None:
        tx.execute(services.delete().where(self.mine(services, user=user)))


class PushOptions(Options):
    content: Literal["nothing", "sender", "all"] = option(
        "nothing", "What a notification tells of the message: who sent it, and its body too?"
    )
    placeholder: str = option(
        "New message", 'What stands in the place of a body that is not told; "" leaves it out.'
    )
    max_services: int = option(10, "Services that one account may have enabled.", at_least=1)


class Push(Module):
    name = "push"
    options: PushOptions
    store: Store
    pep = uses_if(Pep)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._services: dict[JID, list[Service]] = {}  # of those accounts that have any
        self._asked: dict[str, tuple[Service, float]] = {}  # publishes without answer, by IQ id

    async def start(self) -> None:
        for user, service, node, resource, options in await self.store.load():
            owner = jid(f"{user}@{self.host.name}")
            self._add(Service(owner, jid(service), node, resource, options))
        self._listen()
        self.every(ANSWER_S, self._give_up)

    def save(self) -> dict[str, Any]:
        known = [one for each in self._services.values() for one in each]
        return {"counts": {(o.user, o.jid, o.node): (o.waiting, o.failures) for o in known}}

    def restore(self, saved: dict[str, Any]) -> None:
        for each in self._services.values():
            for one in each:
                found = saved.get("counts", {}).get((one.user, one.jid, one.node))
                one.waiting, one.failures = found or (0, 0)

    def _listen(self) -> None:
        """Messages come by here as long as somebody wants to be notified."""
        self.listen(events.message_delivered, bool(self._services))
        self.listen(events.user_receives, bool(self._asked))

    # Who wants it (§5, §6)

    @iq_set(NS, "enable", at=SELF)
    async def enable(self, iq: IQ) -> None:
        one = Service(
            iq.from_.bare, _service(iq.payload), _node(iq.payload), iq.from_.resource, _form(iq)
        )
        await self.store.put(one, self.options.max_services)
        self._forget(one.user, [(one.jid, one.node)])
        self._add(one)
        self._listen()

    @iq_set(NS, "disable", at=SELF)
    async def disable(self, iq: IQ) -> None:
        """Without a node, all of that service."""
        service, user = _service(iq.payload), iq.from_.bare
        node = iq.payload.get("node")
        await self._disable(
            user,
            [
                (one.jid, one.node)
                for one in self._services.get(user, ())
                if one.jid == service and node in (None, one.node)
            ],
        )

    async def _disable(self, user: JID, keys: list[tuple[JID, str]]) -> None:
        self._forget(user, keys)
        self._listen()
        await self.store.drop(user.local, [(str(service), node) for service, node in keys])

    def _add(self, one: Service) -> None:
        self._services.setdefault(one.user, []).append(one)

    def _forget(self, user: JID, keys: list[tuple[JID, str]]) -> None:
        left = [one for one in self._services.get(user, ()) if (one.jid, one.node) not in keys]
        self._services.pop(user, None)
        if left:
            self._services[user] = left

    @on(events.session_bound)
    def welcome(self, session: Session) -> None:
        """The device is here: what waited for it is counted anew."""
        for one in self._services.get(session.user, ()):
            if one.resource == session.jid.resource:
                one.waiting = 0

    # What is told (§7)

    def _notifies(self, message: Message) -> bool | Container[JID]:
        if message.has(ns.PUBSUB, "pubsub") or _calls(message):
            return self._services
        return False

    @on(events.message_delivered, concerns=_notifies)
    def notify(self, message: Message, user: JID) -> None:
        """Each device that is not connected; a client that is asleep gets messages at once."""
        if user not in self._services:
            return
        if message.has(ns.PUBSUB, "pubsub"):
            self._obey(message, user)
        if message.from_.bare == user or not _calls(message):
            return
        away = self._away(user, self._services.get(user, ()))
        if message.type == "groupchat":  # it is that occupant's alone
            away = [one for one in away if one.resource == message.to.resource]
        if away:
            self.background(self._tell(user, away, message))

    @on(member_missed)
    def notify_of_room(self, user: JID, room: Room, message: Message) -> None:
        """Of a room in which the user is not just now: only what speaks to it."""
        away = self._away(user, self._services.get(user, ()))
        if away and _calls(message):
            self.background(self._tell(user, away, message, mentioned=True))

    def _away(self, user: JID, mine: Iterable[Service]) -> list[Service]:
        here = {s.jid.resource for s in self.host.sessions.of(user) if s.outlet is not None}
        return [one for one in mine if one.resource not in here]

    async def _tell(
        self, user: JID, away: list[Service], message: Message, *, mentioned: bool = False
    ) -> None:
        """Those that still want it, if the account wants to be told of this chat (XEP-0492)."""
        bookmark = None
        if self.pep is not None:
            chat = message.from_.bare
            bookmark = await self.pep.item(user, settings.BOOKMARKS, chat)
        xml = None if bookmark is None else bookmark.xml
        if not settings.wanted(xml, message, mentioned=mentioned):
            return
        for one in away:
            if one in self._services.get(user, ()):
                one.waiting += 1
                self._publish(one, message)

    def _publish(self, one: Service, message: Message) -> None:
        """One at a time: of what comes until it is answered, the last is published then."""
        if one.asked:
            one.newer = message
            return
        one.asked = True
        id_ = secrets.token_hex(8)
        self._asked[id_] = one, self.host.clock.seconds()
        self._listen()
        done = self.host.router.route(IQ(one.jid, one.user, "set", id_, self._item(one, message)))
        if done is not None:
            self.background(done)

    def _item(self, one: Service, message: Message) -> Element:
        notification = Element(NS, "notification", None, self._summary(one, message).element())
        item = Element(ns.PUBSUB, "item", None, notification)
        publish = Element(ns.PUBSUB, "publish", {"node": one.node} if one.node else None, item)
        pubsub = Element(ns.PUBSUB, "pubsub", None, publish)
        if one.options:
            pubsub.append(Element(ns.PUBSUB, "publish-options", None, parse(one.options)))
        return pubsub

    def _summary(self, one: Service, message: Message) -> Form:
        content = self.options.content
        fields = [forms.form_type(SUMMARY), forms.field("message-count", str(one.waiting))]
        if content != "nothing":
            fields.append(forms.field("last-message-sender", message.from_))
        body = message.body if content == "all" else self.options.placeholder
        if body:
            fields.append(forms.field("last-message-body", body))
        return Form(type=FormType.SUBMIT, fields=fields)

    # What services answer (§7.1, §8)

    def _hears(self, stanza: Stanza) -> bool:
        return stanza.kind == "iq"

    @on(events.user_receives, concerns=_hears)
    def hear(self, stanza: Stanza, user: JID) -> Stop | None:
        if stanza.kind != "iq" or stanza.id is None or stanza.type in ("get", "set"):
            return None
        one, _ = self._asked.get(stanza.id, (None, 0.0))
        if one is None or (one.user, one.jid) != (user, stanza.from_):
            return None
        del self._asked[stanza.id]
        self._judge(one, stanza.error)
        self._listen()
        return STOP

    def _judge(self, one: Service, problem: StanzaError | None) -> None:
        """An error ends it; one that may pass by itself does so when it comes again and again."""
        one.failures = 0 if problem is None else one.failures + 1
        if problem is not None and (problem.type != "wait" or one.failures >= TRIES):
            self.log.info("push to {jid} is disabled: {why}", jid=one.jid, why=problem.condition)
            self.background(self._disable(one.user, [(one.jid, one.node)]))
            return
        one.asked = False
        newer, one.newer = one.newer, None
        if newer is not None:
            self._publish(one, newer)

    def _give_up(self) -> None:
        """On answers that are overdue."""
        before = self.host.clock.seconds() - ANSWER_S
        for id_, (one, at) in list(self._asked.items()):
            if at <= before:
                del self._asked[id_]
                self._judge(one, StanzaError("remote-server-timeout"))
        self._listen()

    def _obey(self, message: Message, user: JID) -> None:
        """A service that takes the right to publish away (§8)."""
        pubsub = message.child(ns.PUBSUB, "pubsub")
        right = None if pubsub is None else pubsub.child(ns.PUBSUB, "affiliation")
        if pubsub is None or right is None or right.get("affiliation") != "none":
            return
        key = message.from_, pubsub.get("node") or ""
        if any((one.jid, one.node) == key for one in self._services[user]):
            self.background(self._disable(user, [key]))

    @on(events.account_deleting)
    async def erase(self, user: JID) -> None:
        await self.store.drop_all(user.local)

    @on(events.account_deleted)
    def forget(self, user: JID) -> None:
        self._services.pop(user, None)
        self._listen()
        self.background(self.store.drop_all(user.local))


def _calls(message: Message) -> bool:
    """Whether it is to be told at once. What rooms say comes to sessions that sleep, too."""
    if message.type == "groupchat":
        return BODY in message.payloads and not message.has(ns.DELAY, "delay")
    return lasting(message) and not CALLING.isdisjoint(message.payloads)


def _service(payload: Element) -> JID:
    """StanzaError bad-request, jid-malformed."""
    text = payload.get("jid")
    if not text:
        raise StanzaError("bad-request", "a service has a 'jid'")
    try:
        return jid(text)
    except JIDError as problem:
        raise StanzaError("jid-malformed", str(problem)) from None


def _node(payload: Element) -> str:
    node = payload.get("node") or ""
    if len(node.encode()) > MOST_NODE:
        raise StanzaError("not-acceptable", "the node is too long")
    return node


def _form(iq: IQ) -> str:
    """The publish options, checked (§5)."""
    element = iq.payload.child(ns.FORMS, "x")
    if element is None:
        return ""
    forms.submission(element, PUBLISH_OPTIONS)
    text = to_xml(element)
    if len(text) > MOST_OPTIONS:
        raise StanzaError("not-acceptable", "the publish options are too long")
    return text
