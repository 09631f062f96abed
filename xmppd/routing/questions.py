"""Questions that the server itself asks of others by IQ, and who waits for the answers."""

import secrets

from twisted.internet.defer import Deferred

from xmppd.clock import Clock
from xmppd.jid import JID
from xmppd.routing.router import Router
from xmppd.stanza import IQ, StanzaError
from xmppd.xml import Element

MOST_OPEN = 10_000


class Questions:
    """Those of one virtual host, from its domain or its accounts' bare JIDs."""

    def __init__(self, router: Router, clock: Clock) -> None:
        self._router = router
        self._clock = clock
        self._open: dict[tuple[str, JID], Deferred[IQ]] = {}

    async def ask(
        self, of: JID, from_: JID, type_: str, payload: Element, timeout_s: float = 30.0
    ) -> IQ:
        """Ask, and wait for the result. Raises StanzaError: the answer is an error; nobody has
        answered in time (remote-server-timeout); too many wait already (resource-constraint).
        """
        if len(self._open) >= MOST_OPEN:
            raise StanzaError("resource-constraint", "too many questions are open")
        id_ = secrets.token_hex(16)
        answered: Deferred[IQ] = Deferred()
        self._open[id_, of] = answered
        timer = self._clock.callLater(timeout_s, self._give_up, (id_, of))
        try:
            self._router.route(IQ(of, from_, type_, id_, payload))
            answer = await answered
        finally:
            self._open.pop((id_, of), None)
            if timer.active():
                timer.cancel()
        if (problem := answer.error) is not None:
            raise problem
        return answer

    def take(self, answer: IQ) -> bool:
        """A result or error for this host: False where nobody waits for it."""
        waiting = self._open.pop((answer.id or "", answer.from_), None)
        if waiting is None:
            return False
        waiting.callback(answer)
        return True

    def _give_up(self, question: tuple[str, JID]) -> None:
        waiting = self._open.pop(question, None)
        if waiting is not None:
            waiting.errback(StanzaError("remote-server-timeout", "no answer came"))
