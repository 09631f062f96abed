"""Connections of other servers to us."""

from typing import TYPE_CHECKING

from xmppd.hooks import spawn
from xmppd.s2s.connection import PeerConnection
from xmppd.stanza import StanzaError
from xmppd.stream.dialback import MAX_PAIRS
from xmppd.stream.peer import AskProof, JudgeKey, PeerEvent, ReceivingStream, Refused
from xmppd.transport.proof import Role

if TYPE_CHECKING:
    from xmppd.s2s.federation import Federation

FORGOTTEN_S = 3600.0  # an incoming connection that says nothing for so long is closed


class IncomingConnection(PeerConnection):
    """A peer that wants to send to us."""

    direction = "from"
    stream: ReceivingStream

    def __init__(self, federation: "Federation") -> None:
        super().__init__(federation, self._new_stream(federation, secure=False))
        self._proven: dict[str, bool] = {}  # by the peer's certificate

    def _new_stream(self, federation: "Federation", *, secure: bool) -> ReceivingStream:
        service = federation.service
        return ReceivingStream(
            service.domains,
            lambda ours, theirs: service.policy.stream(ours, theirs),
            service.key,
            secure=secure,
            served=service.served,
        )

    def opened(self) -> None:
        if self.direct_tls is not None:
            self.stream = self._new_stream(self.federation, secure=True)
        super().opened()

    def secured(self) -> None:
        if not self.stream.secure:  # else TLS was there from the first byte on
            self.stream.tls_ready()

    def _start_tls(self) -> None:
        self.flush_stream()
        self.start_tls(self.federation.service.contexts.server(self.stream.ours))

    def _negotiate(self, event: PeerEvent) -> None:
        if isinstance(event, AskProof):
            self._apart(self._prove(event.domain))
        elif isinstance(event, JudgeKey):
            _ = spawn(self._judge(event)).addCallbacks(self.later, self._crashed_apart)
        elif isinstance(event, Refused):
            self.federation.refused(self, event)

    async def _prove(self, domain: str) -> list[PeerEvent]:
        return self.stream.proof(await self._proves(domain))

    async def _proves(self, domain: str) -> bool:
        """Whether the peer's certificate proves the domain; the log has why not. One certificate
        of a stream says the same of a domain each time.
        """
        if self.engine is None:
            return False
        if domain in self._proven:
            return self._proven[domain]
        verdict = await self.federation.service.prover.judge(self.engine, domain, Role.TLS_CLIENT)
        self.judged(verdict)
        if not verdict.proves:
            self.say("its certificate does not prove it: {why}", why=verdict.why)
        if len(self._proven) < MAX_PAIRS:
            self._proven[domain] = verdict.proves
        return verdict.proves

    # Dialback (XEP-0220 §2.2.1)

    async def _judge(self, asked: JudgeKey) -> list[PeerEvent]:
        how = "dialback"
        error = await self._before_dialing(asked)
        if error is None:
            if self.secure and await self._proves(asked.pair.sender):
                how = "certificate"  # "dialback without dialing back" (§1.2)
            else:
                error = await self._dial_back(asked)
        if error is not None:
            self.say("{pair}: refused: {error}", pair=str(asked.pair), error=str(error))
        return self.stream.judged(asked.pair, error, how=how)

    async def _before_dialing(self, asked: JudgeKey) -> StanzaError | None:
        rules = self.federation.service.policy.rules(asked.pair.target, asked.pair.sender)
        if rules.refused:
            return StanzaError("policy-violation", rules.refused)
        if rules.tls_required and not self.secure:
            return StanzaError("policy-violation", "TLS is required")
        return None

    async def _dial_back(self, asked: JudgeKey) -> StanzaError | None:
        service = self.federation.service
        if service.policy.rules(asked.pair.target, asked.pair.sender).certificate_required:
            return StanzaError("not-authorized", "a valid certificate is required")
        return await self.federation.verifier.verify(asked.request, self.peer_address)

    def _crashed_apart(self, failure: object) -> None:
        self.pause()
        self._crashed(failure)  # type: ignore[arg-type]  # Twisted's Failure

    def _is_idle(self, now: float) -> bool:
        """Whoever began it ends it, when it is not needed any more; but not never."""
        return now - self.heard_at >= FORGOTTEN_S
