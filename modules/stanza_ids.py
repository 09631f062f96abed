"""Stanza ids: forged ones are taken out, new ones may be put in (XEP-0359 0.7.0).

Only we say what we have numbered and when we have delayed something: from what users send, and
from what others send to users, every `<stanza-id/>` and `<delay/>` goes whose author would be a
domain, account or room of this server that did not send the stanza (§3 rule 2; XEP-0203 §5).

Ids for the messages of accounts are off by default. Only an archive makes them useful: clients
must not take them for archive ids where there is none (XEP-0313 §3.5), and nothing else can be
asked with them. The archive gives its own; what it gave is left alone here.
"""

import re
import secrets
from xml.sax.saxutils import escape

from xmppd.api import (
    EARLY,
    JID,
    Element,
    Gather,
    Host,
    JIDError,
    Message,
    Module,
    Options,
    Session,
    Stanza,
    events,
    jid,
    ns,
    on,
    option,
)

STANZA_ID = (ns.STANZA_IDS, "stanza-id")
FORGEABLE = frozenset((STANZA_ID, (ns.DELAY, "delay")))
NUMBERED = ("chat", "normal")  # a room numbers its own messages (§3 rule 7)
_unsafe = re.compile("[&<>']").search
clean_domains: Gather[str, []] = Gather(
    "Domains of services of this host that have removed what is forged: their stanzas to users are"
    " not looked at, of which a large room makes thousands."
)


class StanzaIdsOptions(Options):
    assign: bool = option(
        False, "Give each message to an account an id, also where no archive does."
    )


class StanzaIds(Module):
    name = "stanza_ids"
    features = (ns.STANZA_IDS,)
    options: StanzaIdsOptions

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._assign = self.options.assign  # asked for each message
        self._clean = host.hooks.of(clean_domains)
        self._asked: object = None
        self._trusted: frozenset[str] = frozenset()

    @on(events.user_sends, order=EARLY)  # before anybody reads them
    def clean_sent(self, stanza: Stanza, session: Session) -> Stanza | None:
        if FORGEABLE.isdisjoint(stanza.payloads):
            return None
        return self._cleaned(stanza, session.user)

    def _may_be_forged(self, stanza: Stanza) -> bool:
        if FORGEABLE.isdisjoint(stanza.payloads):
            return False
        return not self._is_clean(stanza.from_.domain)

    @on(events.user_receives, order=EARLY, concerns=_may_be_forged)
    def clean_received(self, stanza: Stanza, user: JID) -> Stanza | None:
        if FORGEABLE.isdisjoint(stanza.payloads) or self._is_clean(stanza.from_.domain):
            return None
        return self._cleaned(stanza, user)

    def _is_clean(self, domain: str) -> bool:
        if self._asked is not self._clean.handlers:  # replaced whole when a module comes or goes
            self._asked = self._clean.handlers
            self._trusted = frozenset(self._clean.gather())
        return domain in self._trusted

    def _cleaned(self, stanza: Stanza, user: JID) -> Stanza | None:
        if stanza.kind == "iq":
            return None
        sender = stanza.from_.bare
        cleaned = stanza.copy(without=lambda child: self._forged(child, sender, user))
        return None if cleaned.payloads == stanza.payloads else cleaned

    def _forged(self, child: Element, sender: JID, user: JID) -> bool:
        """Whether it speaks for an entity of this server other than `sender`.

        A stanza-id of `user` is ours to give, so it is forged also in what `user` sends.
        """
        numbers = (child.ns, child.name) == STANZA_ID
        if not numbers and (child.ns, child.name) not in FORGEABLE:
            return False
        try:
            author = jid(child.get("by" if numbers else "from") or "").bare
        except JIDError:
            return False  # none of ours
        if not self.host.router.serves(author.domain):
            return False
        return author != sender or (numbers and author == user)

    def _numbers(self, stanza: Stanza) -> bool:
        return self._assign and stanza.kind == "message" and stanza.type in NUMBERED

    @on(events.user_receives, concerns=_numbers)  # after the guards, before the copies
    def number(self, stanza: Stanza, user: JID) -> Stanza | None:
        if not self._assign or stanza.kind != "message" or stanza.type not in NUMBERED:
            return None
        if id_given(stanza, user) or "archive" in self.host.modules:
            return None  # where there is an archive, an id is the archive's (XEP-0313 §3.5)
        return with_id(stanza, user, secrets.token_hex(16))


def id_given(stanza: Stanza, user: JID) -> str:
    """The id that the account has given the message, one of ours: forged ones are out; ""."""
    if STANZA_ID not in stanza.payloads:
        return ""
    ours = (each for each in stanza.children_of(ns.STANZA_IDS) if each.get("by") == user)
    return next((each.get("id") or "" for each in ours if each.name == "stanza-id"), "")


def with_id(stanza: Stanza, by: JID, id_: str) -> Message:
    """The message and its id, by joining bytes: nothing is parsed or written anew."""
    author = escape(by, {"'": "&apos;"}) if _unsafe(by) else by
    added = f"<stanza-id xmlns='{ns.STANZA_IDS}' id='{id_}' by='{author}'/>"
    message = Message(
        stanza.to,
        stanza.from_,
        stanza.type,
        stanza.id,
        lang=stanza.lang,
        raw=stanza.raw + added.encode(),
        payloads=(*stanza.payloads, STANZA_ID),
        extra=stanza.extra,
    )
    message.directed = stanza.directed
    return message
