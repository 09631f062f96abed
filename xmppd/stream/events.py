"""What a client's stream tells its owner. Who asks a question here waits for the answer."""

from dataclasses import dataclass, field

from xmppd.jid import JID
from xmppd.stanza import IQ, Stanza, StanzaError
from xmppd.stream.sasl import AskKeys, AskPassword, AskToken
from xmppd.stream.sasl2 import UserAgent
from xmppd.xml import Element, Nonza, StreamError


@dataclass(frozen=True, slots=True)
class StartTLS:
    """Send what there is to send, begin the handshake, then call `tls_ready`."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The exchange succeeded; the client opens a new stream next."""

    user: JID


@dataclass(frozen=True, slots=True)
class LoggingIn:
    """An exchange of XEP-0388 succeeded: do what the client asked for in the same breath, then
    call `logged_in`, or `ask_tasks`, or `refuse_login`. Nothing was told to the client yet.
    """

    user: JID
    mechanism: str
    agent: UserAgent
    requests: tuple[Element, ...]
    token: bytes | None = field(default=None, repr=False)
    offered: tuple[str, ...] = ()  # the mechanisms that this stream was offered


@dataclass(frozen=True, slots=True)
class TaskBegun:
    """The client begins a task, maybe none of those asked for (XEP-0388 §2.6.3). Call `task_data`
    with what it is to be told, or if the task is done, what `LoggingIn` asks for.
    """

    name: str
    given: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class TaskData:
    """What the client says within a task; to be answered as `TaskBegun`."""

    given: tuple[Element, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthFailed:
    """The exchange failed, by this condition of RFC 6120 §6.5; the client has been told."""

    condition: str


@dataclass(frozen=True, slots=True)
class EarlyIQ:
    """An IQ that is legal before authentication (XEP-0077); answer with `answer_early`.

    Nobody is logged in: `from_` and `to` are both the host.
    """

    iq: IQ


@dataclass(frozen=True, slots=True)
class BindRequest:
    """Open a session for this full JID, then call `bound` or `bind_refused`."""

    full: JID


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """An earlier session shall go on here in place of a bind (XEP-0198 §5): find it, then call
    `resumed`, or `not_resumed`, or `fail` if nobody knows how.
    """

    resume: Element


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """An IQ of the bound client that the stream answers by itself: send the answer, which is
    `written`. Where stanzas are counted, both count. `error` is None for an empty result.
    """

    iq: IQ
    error: StanzaError | None
    written: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Restarted:
    """The client has opened its stream anew, after TLS or SASL; the answer waits to be sent."""


@dataclass(frozen=True, slots=True)
class StreamNonza:
    """An element of an extension, after authentication; call `fail` if nobody knows it."""

    nonza: Nonza


@dataclass(frozen=True, slots=True)
class Closed:
    """The stream is over: send `farewell` after all else and close the connection.

    `error` is what we say in it, or None; `by_peer` whether the client ended the stream,
    `peer_error` with which stream error; `other` is where it says to go instead (see-other-host).
    """

    farewell: bytes = field(repr=False)
    error: StreamError | None = None
    by_peer: bool = False
    peer_error: str | None = None
    other: str = ""


Event = (
    Stanza
    | StartTLS
    | AskKeys
    | AskPassword
    | AskToken
    | Authenticated
    | LoggingIn
    | TaskBegun
    | TaskData
    | AuthFailed
    | EarlyIQ
    | BindRequest
    | ResumeRequest
    | OwnAnswer
    | Restarted
    | StreamNonza
    | Closed
)
