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
        self._open: dict[tuple[str, JID, JID], Deferred[IQ]] = {}

    async def ask(
        self, of: JID, from_: JID, type_: str, payload: Element, timeout_s: float = 30.0
    ) -> IQ:
        """Ask, and wait for the result. Raises StanzaError as `answer_to`, and the one that is
        the answer.
        """
        answer = await self.answer_to(IQ(of, from_, type_, "", payload), timeout_s)
        if (problem := answer.error) is not None:
            raise problem
        return answer

    async def answer_to(self, iq: IQ, timeout_s: float = 30.0) -> IQ:
        """Send a request under an id of our own, and wait for the answer, a result or an error;
        it has the id that `iq` had. Raises StanzaError: nobody has answered in time
        (remote-server-timeout); too many wait already (resource-constraint).
        """
        if len(self._open) >= MOST_OPEN:
            raise StanzaError("resource-constraint", "too many questions are open")
        id_ = secrets.token_hex(16)
        answered: Deferred[IQ] = Deferred()
        question = id_, iq.to, iq.from_
        self._open[question] = answered
        timer = self._clock.callLater(timeout_s, self._give_up, question)
        try:
            self._router.route(iq.copy(id=id_))
            answer = await answered
        finally:
            self._open.pop(question, None)
            if timer.active():
                timer.cancel()
        return answer.copy(id=iq.id)

    def take(self, answer: IQ) -> bool:
        """A result or error for this host: False where nobody waits for it."""
        waiting = self._open.pop((answer.id or "", answer.from_, answer.to), None)
        if waiting is None:
            return False
        waiting.callback(answer)
        return True

    def _give_up(self, question: tuple[str, JID, JID]) -> None:
        waiting = self._open.pop(question, None)
        if waiting is not None:
            waiting.errback(StanzaError("remote-server-timeout", "no answer came"))
