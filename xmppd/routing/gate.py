"""What must be durable before it is delivered, and what waits behind it (RFC 6120 §10.1)."""

from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeAlias

from twisted.internet.defer import Deferred, succeed

from xmppd.routing.iqs import refusal, settled
from xmppd.routing.router import Done, Storing
from xmppd.stanza import StanzaError

MOST_WAITING = 1000  # stanzas for one account
Act: TypeAlias = Callable[[], Done]
Refuse: TypeAlias = Callable[[StanzaError], Done]


class Commit:
    """Something on its way to the disk. Who makes it calls `end`, once, when it is there.

    `begin` is called when somebody waits for it, maybe more than once: until then more may join.
    """

    __slots__ = ("_begin", "_waiting", "over", "problem")

    def __init__(self, begin: Callable[[], object]) -> None:
        self._begin = begin
        self._waiting: list[Callable[[], object]] = []
        self.over = False
        self.problem: Exception | None = None  # why it is not durable, though it is over

    def want(self) -> None:
        """Somebody waits for it: it shall begin."""
        if not self.over:
            self._begin()

    def when_over(self, then: Callable[[], object]) -> None:
        """Call `then` when it has ended, well or not; at once if it has."""
        if self.over:
            then()
        else:
            self._waiting.append(then)

    def end(self, problem: Exception | None = None) -> None:
        """It is durable, or will never be."""
        self.over, self.problem = True, problem
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then()

    def done(self) -> Done:
        """For who reads a stream: fires when it has ended; None if it has."""
        self.want()
        if self.over:
            return None
        done: Deferred[None] = Deferred()
        self.when_over(lambda: done.callback(None))
        return done


class _Waiting:
    """One stanza in the line: what to do with it when its turn has come."""

    __slots__ = ("act", "commit", "done", "refuse")

    def __init__(self, act: Act, refuse: Refuse, commit: Commit | None, asks: bool) -> None:
        self.act = act
        self.refuse = refuse
        self.commit = commit
        self.done: Deferred[None] = Deferred() if asks else Storing()

    @property
    def waits(self) -> bool:
        return self.commit is not None and not self.commit.over

    def go(self) -> None:
        """Do it, and let the sender's stream go on when that is done."""
        problem = None if self.commit is None else self.commit.problem
        try:
            done = self.act() if problem is None else self._say_no(problem)
        except Exception as crash:
            done = self._say_no(crash)
        _ = (done or succeed(None)).addBoth(lambda _: self.done.callback(None))

    def _say_no(self, problem: Exception) -> Done:
        with self.done.ahead() if isinstance(self.done, Storing) else nullcontext():
            return self.refuse(refusal(problem))


class Gate:
    """The line of one account: each stanza waits for its own commit and for who came before."""

    __slots__ = ("_emptied", "_going", "_line", "coming")

    def __init__(self, emptied: Callable[[], object]) -> None:
        self._emptied = emptied
        self._line: deque[_Waiting] = deque()
        self._going = False
        self.coming: Commit | None = None  # what the next stanza in the line waits for

    def add(
        self, act: Act, refuse: Refuse, commit: Commit | None = None, *, asks: bool = False
    ) -> Done:
        """Act when its turn has come: the order is safe, and the sender's stream may be read on.

        Not so if it `asks`: then the sender is answered before anything else, and must not be
        kept silent until that is done. StanzaError resource-constraint where too much waits.
        """
        if commit is None:
            commit, self.coming = self.coming, None
        if len(self._line) >= MOST_WAITING:
            raise StanzaError("resource-constraint", "too much waits for this account")
        waiting = _Waiting(act, refuse, commit, asks)
        self._line.append(waiting)
        if commit is not None:
            commit.when_over(self._go_on)
        self._go_on()
        return settled(waiting.done)

    def _go_on(self) -> None:
        """What is done adds to the end of the line at most: it never goes on by itself."""
        if self._going:
            return
        self._going = True
        while self._line and not self._line[0].waits:
            self._line.popleft().go()
        self._going = False
        if not self._line and self.coming is None:
            self._emptied()
