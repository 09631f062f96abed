"""What the server itself asks others: requests it sends, and the answers that come back."""

import secrets
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from xmppd.clock import Clock, Timer
from xmppd.routing.router import Router
from xmppd.stanza import IQ, Stanza, StanzaError

MOST = 5000  # that may wait for an answer at a time
TIMEOUT_S = 30.0


@dataclass(slots=True)
class _Question:
    iq: IQ
    answer: "Deferred[IQ]"
    timer: Timer


class Questions:
    """The requests of one virtual host and, on their behalf, of its accounts, which wait for an
    answer (RFC 6120 §8.2.3).
    """

    def __init__(self, router: Router, clock: Clock) -> None:
        self._router = router
        self._clock = clock
        self._asked: dict[str, _Question] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def ask(self, iq: IQ, timeout_s: float = TIMEOUT_S) -> "Deferred[IQ]":
        """Send a request, from the host or the bare JID of an account, under an id of our own.

        Fires with the answer, a result or an error, with the id that `iq` had. Fails with
        StanzaError: remote-server-timeout where none comes, resource-constraint where too many
        wait already.
        """
        answer: Deferred[IQ] = Deferred()
        if len(self._asked) >= MOST:
            answer.errback(StanzaError("resource-constraint", "too many requests wait"))
            return answer
        id_ = secrets.token_hex(12)
        timer = self._clock.callLater(timeout_s, self._late, id_)
        self._asked[id_] = _Question(iq, answer, timer)
        self._router.route(iq.copy(id=id_))
        return answer

    def _late(self, id_: str) -> None:
        question = self._asked.pop(id_)
        question.answer.errback(StanzaError("remote-server-timeout", "no answer came"))

    def take(self, stanza: Stanza) -> None:
        """An answer to the host or an account; what nobody asked for is dropped."""
        question = self._asked.get(stanza.id or "")
        if question is None or not isinstance(stanza, IQ):
            return
        asked = question.iq
        if (stanza.from_, stanza.to) != (asked.to, asked.from_):
            return  # somebody guessed an id
        del self._asked[stanza.id or ""]
        question.timer.cancel()
        question.answer.callback(stanza.copy(id=asked.id))
