"""Every hook that the core fires, with its contract: when, with what, what may change, what STOP
means.

`user` is a bare JID of the host. A StanzaError raised by a handler of a Filter or WaitingFilter is
the answer to whoever sent the stanza; any other exception is a bug in that module: it is logged
with the module's name and the sender gets internal-server-error. `docs/hooks.rst` is made of this.
"""

from typing import TYPE_CHECKING

from xmppd.hooks import Filter, Gather, Signal, WaitingFilter
from xmppd.jid import JID
from xmppd.stanza import IQ, Message, Presence, Stanza
from xmppd.xml import Element

if TYPE_CHECKING:  # this file names sessions in annotations only
    from collections.abc import AsyncIterator
    from typing import Any

    from xmppd.sessions import Binding, Kept, Login, Resumption, Session, TokenCheck
    from xmppd.storage import Load

# A session's life

stream_features: Gather[Element, [str]] = Gather(
    "The features of clients' streams are written; the argument is the state in which: "
    "`before_auth` or `before_bind`. Handlers give the elements to add (RFC 6120 §4.3.2). They "
    "are kept, and asked again when modules come, go or are reloaded."
)
sasl_mechanisms: Gather[str, []] = Gather(
    "A client's stream offers SASL mechanisms; handlers name those of the core that this host has "
    "beside the configured ones (RFC 6120 §6.3.3)."
)
inline_features: Gather[Element, [tuple[str, ...]]] = Gather(
    "What a client may ask for within its login is offered (XEP-0388 §2.1); the argument names "
    "the mechanisms for tokens that the connection can carry (XEP-0484)."
)
login_features: Gather[Element, [tuple[str, ...]]] = Gather(
    "The feature of XEP-0388 is written, under TLS; the argument names the mechanisms that the "
    "stream is offered. Handlers give what else it says (§2.1): the tasks of XEP-0480."
)
bind_features: Gather[str, []] = Gather(
    "What a client may have enabled within its bind is offered (XEP-0386 §3.1): handlers name it, "
    "and do it in `bind_extending`."
)
token_asked: WaitingFilter["TokenCheck", []] = WaitingFilter(
    "A client proves with a token who it is (XEP-0484 §3.4). Put the one that matches into "
    "`token`; where there is none, the login fails. Change nothing yet: the account may be "
    "disabled."
)
login_continuing: WaitingFilter["Login", []] = WaitingFilter(
    "A client has proved who it is, in the profile of XEP-0388 and under TLS. Handlers call "
    "`require` for tasks to be done before that counts (§2.6.3): a second factor, new keys. An "
    "error makes the login fail for the moment; STOP is not obeyed."
)
logging_in: WaitingFilter["Login", []] = WaitingFilter(
    "A client has proved who it is, in the profile of XEP-0388, has done its tasks, and is not "
    "told yet. Do what its `requests` ask for, and add to `answers`. A handler that resumes a "
    "session puts it into `resumed`: nothing is bound then. STOP or an error makes the login fail "
    "for the moment."
)
bind_extending: WaitingFilter["Binding", []] = WaitingFilter(
    "A resource was bound within the login (XEP-0386 §3.2): the session can be found already, "
    "and what it is sent follows upon the answer. Enable what `request` asks for, and add to "
    "`answers`."
)
session_loads: Gather["Load[Any]", ["Session"]] = Gather(
    "A session is about to open: what handlers have to read for it from the database. All of "
    "it is read in one visit, and each `Load` takes its own before `session_opening` is fired."
)
session_opening: WaitingFilter["Session", []] = WaitingFilter(
    "A client asks to bind a resource (RFC 6120 §7); what `session_loads` named is there. STOP or "
    "a StanzaError refuses the bind; nobody can see the session yet."
)
session_bound: Signal["Session"] = Signal(
    "The session can be found and gets stanzas from now on. Its client reads the result of the "
    "bind first, so do not send to it from here."
)
presence_changed: Signal["Session", Presence, Presence | None] = Signal(
    "The session sent presence without `to` (RFC 6121 §4.2, §4.4, §4.5), or is going and the core "
    "says so for it. `session.presence` and `.priority` are set already; the third argument is "
    "what they were before (None: not available). Nothing has been sent to anybody yet."
)
session_resuming: WaitingFilter["Resumption", []] = WaitingFilter(
    "A client that has logged in asks for an earlier session in place of a new one (XEP-0198 §5). "
    "Who finds it sets `session`, which must hibernate then, and `answer`."
)
session_hibernated: Signal["Session", str] = Signal(
    "The session has lost its connection, with the reason in words, and its client may resume it. "
    "It can be found, its presence stays, and what it is sent waits: `outlet` is None, "
    "`hibernating` is true. `session_resumed` or `session_closed` follows."
)
session_resumed: Signal["Session"] = Signal(
    "The client of a hibernating session is back: it was told so, and what waited was written."
)
session_restored: Signal["Session"] = Signal(
    "A session that was stored when the server stopped is known again, and hibernates. What "
    "`PerSession` keeps of it is there, if it was plain; `session_bound` is not fired."
)
session_expired: Signal["Session"] = Signal(
    "The client of a hibernating session did not come back in time. `session_closed` follows; "
    "what waited goes on its way then: to other resources, into the store, back to its sender."
)
session_overdue: Signal["Session"] = Signal(
    "More waits for the acknowledgement of this client than may (`session.managed`). Fired once, "
    "until it has acknowledged enough. Maybe in the middle of a broadcast: end nothing at once."
)
stanza_waiting: Signal["Session", "Kept"] = Signal(
    "A stanza was sent to a hibernating session, and waits. Who stores a message gives the "
    "Deferred of that to `host.delivery.owes`, so that its sender is not acknowledged before."
)
stanzas_acknowledged: Signal["Session", list["Kept"]] = Signal(
    "The client says that it has handled these (XEP-0198 §4), the oldest first."
)
session_closed: Signal["Session", str] = Signal(
    "The session is gone, with the reason in words: it cannot be found any more, its client gets "
    "nothing more. `presence_changed` came before if it had been available. CLOSED_BY_CLIENT is "
    "the reason if its client took all that was sent to it and then closed the stream."
)

# A stanza's way

user_sends: Filter[Stanza, ["Session"]] = Filter(
    "A client's stanza came in, checked and stamped with its full JID. A new stanza replaces it; "
    "STOP swallows it: the handler has answered or there is nothing to answer."
)
user_receives: Filter[Stanza, [JID]] = Filter(
    "A stanza for the local account `user` or one of its resources, once, before it is decided "
    "who gets it (RFC 6121 §8.5). STOP swallows it; a StanzaError goes back to its sender."
)
account_bounced: Signal[[Message, JID]] = Signal(
    "A message of type error for the bare JID of the local account `user`, after `user_receives`: "
    "something that was sent in the account's name came back. It goes to no client (RFC 6121 "
    "§8.5.2.1.1)."
)
session_receives: Filter[Stanza, ["Session"]] = Filter(
    "A stanza is about to be written to this session, once per session. STOP: this session does "
    "not get it, or gets it later from whoever stopped it."
)
user_announces: Filter[Presence, ["Session"]] = Filter(
    "A client sends available presence without `to`, for all who may see it (RFC 6121 §4.2, "
    "§4.4), after `user_sends` and before `presence_changed`. STOP swallows it; a StanzaError "
    "goes back to the client."
)
user_directs: Filter[Presence, ["Session"]] = Filter(
    "A client sends presence to somebody, available or not (RFC 6121 §4.6), after `user_sends`. "
    "STOP swallows it; a StanzaError goes back to the client."
)
user_hears: Filter[Presence, [JID]] = Filter(
    "Presence for the local account `user` or a resource of it, available or not, after "
    "`user_receives`. STOP swallows it."
)
resource_asked: Filter[IQ, [JID]] = Filter(
    "A request for a resource of the local account `user`, connected or not, after "
    "`user_receives`. STOP swallows it; a StanzaError is the answer."
)
server_asked: Filter[IQ, []] = Filter(
    "A request that the server answers: to the host, or to the bare JID of an account of it, "
    "which may not exist. STOP: the handler answers it, now or later; a StanzaError is the "
    "answer. What comes out otherwise is not looked at."
)
message_storing: WaitingFilter[Message, [JID]] = WaitingFilter(
    "A message of type normal or chat for an existing account that has no resource to take it "
    "(RFC 6121 §8.5.2.2.1). STOP: a handler has stored it durably. Not stopped: the sender gets "
    "service-unavailable. A plain function that gives a Deferred has put its write in a line, "
    "where order is kept: the sender is read on meanwhile. For a coroutine it waits."
)
message_delivered: Signal[Message, JID] = Signal(
    "A message for the local account `user` was handed to the sessions that RFC 6121 §8.5 names, "
    "or was stored because there is none. Copies for others are made here."
)
subscription_sending: WaitingFilter[Presence, ["Session"]] = WaitingFilter(
    "A client sends presence of type subscribe, subscribed, unsubscribe or unsubscribed; `to` is "
    "the contact's bare JID (RFC 6121 §3). The stanza that comes out is routed, from the user's "
    "bare JID; STOP: it is not."
)
subscription_arriving: WaitingFilter[Presence, [JID]] = WaitingFilter(
    "Presence of those types for the local account `user`, which may not exist. What comes out is "
    "dropped: the handlers deliver what is to be delivered."
)
probe_arriving: WaitingFilter[Presence, [JID]] = WaitingFilter(
    "A presence probe for the local account `user`, which may not exist (RFC 6121 §4.3.2). What "
    "comes out is dropped: the handlers answer."
)
host_receives: Filter[Stanza, []] = Filter(
    "A message or presence for the host itself (`example.org`, `example.org/announce`). STOP: "
    "taken; else a message is answered with service-unavailable and presence is dropped."
)

# External components

component_connected: Signal[JID] = Signal(
    "The external component of this domain has connected and proven itself (XEP-0114). All hosts "
    "hear it, whichever it belongs to."
)
component_gone: Signal[JID] = Signal("The connection of the component of this domain is lost.")

# The host itself

host_started: WaitingFilter[JID, []] = WaitingFilter(
    "All modules run, and no client is accepted yet. Bring back here what was stored when the "
    "server stopped. STOP is not obeyed."
)
host_stopping: WaitingFilter[JID, []] = WaitingFilter(
    "The server stops: all connections of clients are closed, no module is yet. Store here what "
    "shall survive. STOP is not obeyed."
)

# Accounts

account_created: Signal[JID] = Signal("The account `user` exists from now on.")
password_changed: Signal[JID] = Signal("The password of `user` is another from now on.")
account_deleting: WaitingFilter[JID, []] = WaitingFilter(
    "The account `user` is about to be removed; its sessions are closed already. Tell others what "
    "they must be told (unsubscriptions) and remove what belongs to it. STOP is not obeyed."
)
account_exporting: Gather["AsyncIterator[Element]", [JID]] = Gather(
    "The account `user` is written into a file (XEP-0227). Handlers give what yields the elements "
    "that go into its `<user/>`: those of the same name and attributes that follow each other "
    "become one, so much can be given in pieces."
)
account_importing: WaitingFilter[Element, [JID]] = WaitingFilter(
    "A child of an account's `<user/>` in such a file, or a piece of it with the same name; the "
    "account is new, and nobody can log in yet. STOP: it is taken, and stored durably. An error "
    "is told to the operator, as is what nobody takes."
)
account_deleted: Signal[JID] = Signal("The account `user` is gone, and its credentials with it.")
