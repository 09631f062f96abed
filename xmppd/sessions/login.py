"""A login in one round trip, as modules see it (XEP-0388, XEP-0386, XEP-0484)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from xmppd.jid import JID
from xmppd.sessions.session import Session
from xmppd.stream.sasl2 import UserAgent
from xmppd.xml import Element, StreamError


@dataclass(slots=True)
class TokenCheck:
    """A client says that it has a token for `mechanism`; `matches` tells whether it is this one.

    Where there is none, `refusal` is what the client is told.
    """

    user: JID
    mechanism: str
    agent: UserAgent
    requests: tuple[Element, ...]
    matches: Callable[[bytes], bool] = field(repr=False)
    token: bytes | None = field(default=None, repr=False)
    refusal: str = "not-authorized"


class Task(Protocol):
    """What a client does between its proof and its success (XEP-0388 §2.6.3), for one login.

    Both methods take what the client says, the elements in its <next/> or <task-data/>, and give
    those to answer with, or None: the task is done. SASLFailure ends the login by its condition;
    not-authorized counts as a wrong password does.
    """

    name: str

    async def begin(self, given: tuple[Element, ...]) -> Sequence[Element] | None:
        """The client begins it."""

    async def go_on(self, given: tuple[Element, ...]) -> Sequence[Element] | None:
        """The client answers what it was told last."""


@dataclass(slots=True)
class Login:
    """A client that has proved to be `user`, and what it asks for in the same breath."""

    user: JID
    mechanism: str
    agent: UserAgent
    requests: tuple[Element, ...]
    token: bytes | None = field(default=None, repr=False)  # that was proved, if it was one
    address: str = ""
    answers: list[Element] = field(default_factory=list)
    resumed: Session | None = None
    offered: tuple[str, ...] = ()  # the mechanisms that this stream was offered
    tasks: list[tuple[Task, ...]] = field(default_factory=list)

    def require(self, *tasks: Task) -> None:
        """One of these tasks has to be done before the login counts; the client chooses."""
        self.tasks.append(tasks)

    def request(self, ns: str, name: str) -> Element | None:
        """That one of the requests."""
        return next((each for each in self.requests if (each.ns, each.name) == (ns, name)), None)


@dataclass(slots=True)
class Resumption:
    """A client that has logged in as `user` asks for an earlier session (XEP-0198 §5).

    Where it is found, `session` is set, and `answer` is <resumed/>; else `answer` is <failed/>,
    or `error` ends the stream.
    """

    user: JID
    request: Element
    answer: Element | None = None
    session: Session | None = None
    error: StreamError | None = None


@dataclass(slots=True)
class Binding:
    """A session that was bound by the <bind/> of XEP-0386, which is `request`."""

    session: Session
    agent: UserAgent
    request: Element
    answers: list[Element] = field(default_factory=list)
