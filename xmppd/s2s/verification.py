"""Asking the authoritative server about dialback keys (XEP-0220 §2.1.2), within limits."""

from collections import Counter
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from xmppd.stanza import StanzaError
from xmppd.stream.dialback import VerifyRequest
from xmppd.stream.peer import Verified
from xmppd.transport.wheel import Timer

if TYPE_CHECKING:
    from xmppd.s2s.federation import Federation
    from xmppd.s2s.outgoing import OutgoingConnection

ANSWER_S = 30.0
UNREACHABLE_S = 60.0  # a server that was not reached is not asked again for so long
REMEMBERED = 4096  # of those


class _Question:
    """One key that is being looked into; fires with None where it is valid."""

    __slots__ = ("again", "answer", "link", "request", "source", "timer")

    def __init__(self, request: VerifyRequest, source: str, timer: Timer) -> None:
        self.request = request
        self.source = source  # whose limit it counts against
        self.timer = timer
        self.link: OutgoingConnection | None = None  # it was asked there
        self.again = False  # for the second time
        self.answer: Deferred[StanzaError | None] = Deferred()


class Verifier:
    """All questions that are under way. The federation tells it of connections and answers."""

    def __init__(self, federation: "Federation") -> None:
        self._federation = federation
        self._questions: dict[VerifyRequest, _Question] = {}
        self._unreachable: dict[str, float] = {}  # until when

    def __len__(self) -> int:
        return len(self._questions)

    def asks(self, domain: str) -> bool:
        """Whether there is a question for that server which was not put yet."""
        return any(q.link is None and q.request.sender == domain for q in self._questions.values())

    async def verify(self, request: VerifyRequest, address: str) -> StanzaError | None:
        """None: the key is valid. `forbidden`: it is not. Else it could not be found out.

        `address` is where the key came from: domains can be claimed without end, and nobody
        shall use up what another is entitled to by claiming its name.
        """
        source = self._federation.service.admission.group(address) or request.sender
        refusal = self._refusal(request, source)
        if refusal is not None:
            return refusal
        wheel = self._federation.service.wheel
        late = StanzaError("remote-server-timeout", "the authoritative server does not answer")
        timer = wheel.add(ANSWER_S, self._settle, request, late)
        question = self._questions[request] = _Question(request, source, timer)
        self._ask(question)
        return await question.answer

    def _ask(self, question: _Question) -> None:
        """On a connection that there is, or when there is one."""
        request = question.request
        link = self._federation.link_for_questions(request.sender, request.target)
        if link is not None:
            self._put(question, link)

    def _refusal(self, request: VerifyRequest, source: str) -> StanzaError | None:
        limits = self._federation.service.options.limits
        questions = self._questions.values()
        of_source = [each for each in questions if each.source == source]
        if request in self._questions or len(of_source) >= limits.verifications_per_peer:
            return StanzaError("resource-constraint")
        of_sender = [each for each in questions if each.request.sender == request.sender]
        for asked, most in (
            (of_sender, limits.verifications_per_peer),
            (list(questions), limits.verifications),
        ):
            if len(asked) >= most and not self._displace(asked, source):
                return StanzaError("resource-constraint")
        if self._federation.now < self._unreachable.get(request.sender, 0.0):
            return StanzaError("remote-server-not-found", "it was not reached a moment ago")
        return None

    def _displace(self, asked: list[_Question], source: str) -> bool:
        """Make room at the cost of who asks most, if that is more than the newcomer would."""
        counts = Counter(question.source for question in asked)
        greedy, count = counts.most_common(1)[0]
        if count <= counts[source] + 1:
            return False
        oldest = next(question for question in asked if question.source == greedy)
        self._settle(oldest.request, StanzaError("resource-constraint"))
        return True

    def _put(self, question: _Question, link: "OutgoingConnection") -> None:
        question.link = link
        link.stream.verify(question.request)
        link.flush_stream()

    def negotiated(self, link: "OutgoingConnection") -> None:
        """There is a connection now to ask on."""
        self._unreachable.pop(link.theirs, None)
        for question in list(self._questions.values()):
            if question.link is None and question.request.sender == link.theirs:
                self._put(question, link)

    def verified(self, event: Verified) -> None:
        """The authoritative server answers (§2.1.2, step 3)."""
        error = None
        if event.error is not None:
            error = StanzaError("remote-server-not-found", f"it answers: {event.error.condition}")
        elif not event.valid:
            error = StanzaError("forbidden", "the authoritative server does not know the key")
        self._settle(event.request, error)

    def unreachable(self, domain: str, error: StanzaError) -> None:
        """No connection came about."""
        waiting = [q for q in self._questions if q.sender == domain]
        for request in waiting:
            self._settle(request, StanzaError(error.condition, error.text))
        if waiting:
            if len(self._unreachable) >= REMEMBERED:
                self._unreachable.clear()
            self._unreachable[domain] = self._federation.now + UNREACHABLE_S

    def lost(self, link: "OutgoingConnection") -> None:
        """What was asked there is not answered any more. It may have been closed just then, for
        it was not in use: that is no answer, and another connection may bring one.
        """
        gone = StanzaError("remote-server-timeout", "the authoritative server hung up")
        for question in list(self._questions.values()):
            if question.link is not link:
                continue
            if question.again or self._federation.stopping:
                self._settle(question.request, gone)
            else:
                question.link, question.again = None, True
                self._ask(question)

    def _settle(self, request: VerifyRequest, error: StanzaError | None) -> None:
        question = self._questions.pop(request, None)
        if question is not None:
            question.timer.cancel()
            question.answer.callback(error)
