"""Connections of ours to other servers."""

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from xmppd.resolve import Target
from xmppd.s2s.connection import UNUSED_S, PeerConnection
from xmppd.stanza import StanzaError
from xmppd.stream.events import Closed
from xmppd.stream.peer import InitiatingStream, Negotiated, PeerEvent, Refused, Verified
from xmppd.transport.proof import Role
from xmppd.xml import StreamError

if TYPE_CHECKING:
    from xmppd.s2s.federation import Federation

# What the senders are told when the peer ends the stream before it took anything.
_TOLD = {"host-gone": "gone", "host-unknown": "remote-server-not-found"}
# Stream errors (RFC 6120 §4.9.3) about us, or about what we say: each of the domain's servers
# would say the same.
_FINAL = frozenset(
    (
        "bad-format",
        "bad-namespace-prefix",
        "conflict",
        "improper-addressing",
        "invalid-from",
        "invalid-namespace",
        "invalid-xml",
        "not-authorized",
        "not-well-formed",
        "policy-violation",
        "restricted-xml",
        "unsupported-encoding",
        "unsupported-feature",
        "unsupported-stanza-type",
        "unsupported-version",
    )
)


class OutgoingConnection(PeerConnection):
    """From `ours` to `theirs`. `settled` fires when it is negotiated, or lost."""

    direction = "to"
    stream: InitiatingStream

    def __init__(
        self,
        federation: "Federation",
        ours: str,
        theirs: str,
        target: Target,
        *,
        external: bool = True,
    ) -> None:
        service = federation.service
        stream = InitiatingStream(
            ours,
            theirs,
            service.policy.stream(ours, theirs),
            service.key,
            secure=target.direct_tls,
            external=external,
        )
        super().__init__(federation, stream)
        self.target = target
        self.negotiated = False
        self.settled: Deferred[None] = Deferred()
        self.failure: StanzaError | None = None  # for who waits to send
        self.final = False  # another server of the domain would say the same
        self.proven = False  # the certificate proves who it is
        self.other = ""  # where it sends us instead
        if target.direct_tls:
            self.direct_tls = service.contexts.client(ours, theirs, direct=True)

    @property
    def ours(self) -> str:
        return self.stream.ours

    @property
    def theirs(self) -> str:
        return self.stream.theirs

    @property
    def hung_up_on_external(self) -> bool:
        return self.stream.external_refused and not self.how

    def opened(self) -> None:
        super().opened()
        if not self.federation.attempts.room.enter(self):
            self.abort("too many connections to that address")
        elif not self.target.direct_tls:
            self.stream.open()
            self.flush_stream()

    def _start_tls(self) -> None:
        self.flush_stream()
        self.start_tls(self.federation.service.contexts.client(self.ours, self.theirs))

    def secured(self) -> None:
        self._apart(self._check_certificate())

    async def _check_certificate(self) -> list[PeerEvent]:
        """Nothing is sent to a server that may be another (RFC 6120 §13.7.2.1)."""
        assert self.engine is not None
        service = self.federation.service
        verdict = await service.prover.judge(
            self.engine, self.theirs, Role.TLS_SERVER, self.target
        )
        self.judged(verdict)
        self.proven = verdict.proves
        if not verdict.proves and self._must_prove():
            text = f"its certificate does not prove that it is {self.theirs}: {verdict.why}"
            self.failure = StanzaError("remote-server-not-found", text)
            return self.stream.fail(StreamError("policy-violation", text))
        if not verdict.proves:
            self.say("its certificate does not prove it: {why}", why=verdict.why)
        if self.target.direct_tls:
            self.stream.open()
        else:
            self.stream.tls_ready()
        return []

    def _must_prove(self) -> bool:
        return self.federation.service.policy.rules(self.ours, self.theirs).certificate_required

    def _negotiate(self, event: PeerEvent) -> None:
        if isinstance(event, Negotiated):
            self._settle(event)
        elif isinstance(event, Refused):
            self.say("{pair}: refused: {why}", pair=str(event.pair), why=event.why)
            self.federation.refused(self, event)
        elif isinstance(event, Verified):
            self.federation.verifier.verified(event)

    def _settle(self, event: Negotiated) -> None:
        self.negotiated = True
        if event.why:
            self.say("{why}", why=event.why)
        self.failure = StanzaError(
            "remote-server-timeout", event.why or "it offers no way to authenticate that we have"
        )
        self.federation.negotiated(self)
        self._tell_settled()

    def _tell_settled(self) -> None:
        if not self.settled.called:
            self.settled.callback(None)

    def poke(self) -> bool:
        poked = self.stream.poke()
        self.flush_stream()
        return poked

    def _late(self) -> None:
        """What only answers questions about keys needs no valid pair, and may stay for a while."""
        if self.negotiated and not self._is_idle(self.clock.seconds()):
            self._timer = self._wheel.add(UNUSED_S, self._late)
        elif self.negotiated:
            self.end()
        else:
            super()._late()

    def ended(self, event: Closed) -> None:
        if self.how or not (event.error or event.peer_error):
            return
        if event.error is not None and self.failure is None:
            self.failure = StanzaError("remote-server-timeout", str(event.error))
        elif event.peer_error is not None:
            self._told(event.peer_error, event.other)

    def _told(self, error: str, other: str) -> None:
        """A stream error before it took anything. Only a server that has proven who it is may
        send us somewhere else (§4.9.3.19 b).
        """
        named = error.partition(" ")[0]
        condition = _TOLD.get(named, "remote-server-timeout")
        self.failure = StanzaError(condition, f"the server there says: {error}")
        self.final = named in _FINAL
        self.other = other if self.proven else ""

    def lost(self, why: str) -> None:
        if self.failure is None:
            self.failure = StanzaError("remote-server-timeout", f"connection lost: {why}")
        super().lost(why)
        self._tell_settled()

    @property
    def spare(self) -> bool:
        """Nothing is under way: it may be closed, and comes back when it is needed."""
        stream = self.stream
        busy = stream.finishing or not stream.idle or stream.verifying
        return self.negotiated and not busy and not self.federation.waits_for(self)

    def _is_idle(self, now: float) -> bool:
        if not self.spare:
            return False
        idle_s = self.federation.service.options.idle_timeout if self.how else UNUSED_S
        return now - max(self.used_at, self.opened_at) >= idle_s
