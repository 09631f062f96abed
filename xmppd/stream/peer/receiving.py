"""The end of a stream between servers that was connected to (RFC 6120 §4 to §6, XEP-0220 §2.2)."""

from collections.abc import Callable, Container

from xmppd.jid import JIDError, lenient_jid
from xmppd.ns import SASL, SM, STREAMS, TLS
from xmppd.stanza import StanzaError
from xmppd.stream import management
from xmppd.stream.dialback import MAX_PAIRS, Pair, Said, VerifyRequest
from xmppd.stream.dialback import Input as Moved
from xmppd.stream.events import StartTLS
from xmppd.stream.features import write_features
from xmppd.stream.header import new_stream_id
from xmppd.stream.management import Management
from xmppd.stream.peer import features
from xmppd.stream.peer.base import KeyOf, PeerStream
from xmppd.stream.peer.events import (
    AskProof,
    Enabled,
    JudgeKey,
    PeerEvent,
    PeerMaySend,
    WeMaySend,
)
from xmppd.stream.peer.features import PeerPolicy
from xmppd.stream.peer.header import PeerHeader, PeerHeaderError, read_initial, write_header
from xmppd.stream.peer.states import BEFORE_TRUST, NEXT, TRUSTED, Input, State, after
from xmppd.stream.sasl import SASLFailure
from xmppd.stream.sasl.base64 import decode
from xmppd.xml import Element, StreamError, StreamOpen


class ReceivingStream(PeerStream):
    """`domains` are those of ours that talk to others, `served` all of ours (None: the same);
    `choose(ours, theirs)` gives the policy of two domains, with "" for both before a header came.

    Owner's part: `StartTLS` (then `tls_ready`), `AskProof` (then `proof`), `JudgeKey` (then
    `judged`), `AckAsked` (then `acknowledge`).
    """

    __slots__ = ("_choose", "_domains", "_proven", "_sasl_failures", "_served", "_trusted_by_sasl")

    def __init__(
        self,
        domains: Container[str],
        choose: Callable[[str, str], PeerPolicy],
        key_of: KeyOf,
        *,
        secure: bool = False,
        served: Container[str] | None = None,
    ) -> None:
        super().__init__(choose("", ""), key_of, secure=secure)
        self._domains = domains
        self._served = domains if served is None else served
        self._choose = choose
        self._proven = False  # the certificate proves the domain of the header
        self._trusted_by_sasl = False
        self._sasl_failures = 0

    # Headers and features

    def _open(self, opened: StreamOpen) -> list[PeerEvent]:
        if opened.ns != STREAMS and opened.name != "stream" and self._trusted_by_sasl:
            raise StreamError("not-authorized")  # a stanza where the stream had to begin anew
        header = read_initial(opened, self._domains, self._served, secure=self.secure)
        self._check_again(header)
        self.ours, self.theirs, self.lang = header.ours, header.theirs, header.lang
        self.policy = self._choose(self.ours, self.theirs)
        if self.policy.refused:
            raise PeerHeaderError("policy-violation", ours=self.ours, theirs=self.theirs)
        self.stream_id = new_stream_id()
        self.outgoing.append(write_header(self.ours, self.theirs, self.stream_id))
        self._opened = True
        if not header.versioned:
            return self._no_features()
        if self.secure and not self._trusted_by_sasl:
            self._waits = True
            return [AskProof(self.theirs)]
        self._offer()
        return self._grant_inverse(Pair(self.theirs, self.ours)) if self._trusted_by_sasl else []

    def _no_features(self) -> list[PeerEvent]:
        """A server older than XMPP 1.0 knows dialback alone."""
        if self.policy.tls_required and not self.secure:
            raise StreamError("unsupported-version", "TLS is required")
        return []

    def _check_again(self, header: PeerHeader) -> None:
        """After SASL the header speaks of the domains that were authenticated."""
        if not self._trusted_by_sasl:
            return
        if header.theirs != self.theirs:
            raise PeerHeaderError("invalid-from", ours=self.ours)
        if header.ours != self.ours:
            raise PeerHeaderError("not-authorized", ours=self.ours)

    def proof(self, proven: bool) -> list[PeerEvent]:
        """The answer to `AskProof`."""
        if not self._waits or self.state is State.CLOSED:
            return []
        self._proven = proven
        self._offer()
        self._waits = False
        return self._go_on()

    def _offer(self) -> None:
        """Nothing but TLS to who has not said who it is."""
        policy = self.policy
        if self._trusted_by_sasl:
            offer = features.offer_trusted(policy)
        elif self.secure:
            offer = features.offer_secured(policy, external=self._proven)
        else:
            offer = features.offer_in_clear(policy)
        self.outgoing.append(write_features(offer))

    # STARTTLS (§5)

    def _tls(self, command: Element) -> list[PeerEvent]:
        if (self.state, Input.STARTTLS) not in NEXT or command.name != "starttls":
            self._write(Element(TLS, "failure"))
            return self.close()
        self._move(Input.STARTTLS)
        self._write(Element(TLS, "proceed"))
        self._move(Input.PROCEED)
        return [StartTLS()]

    def tls_ready(self) -> None:
        """The handshake is done: nothing that was said before counts any more (§5.4.3.3)."""
        self._move(Input.TLS_READY)
        self.secure = True
        self.bidi = False
        self.ours = self.theirs = ""
        self._restart()

    # SASL EXTERNAL (§6, XEP-0178 §3)

    def _sasl(self, element: Element) -> list[PeerEvent]:
        if self.state in TRUSTED:
            raise StreamError("not-authorized")
        try:
            return self._external(element)
        except SASLFailure as failure:
            return self._sasl_failed(failure)

    def _external(self, element: Element) -> list[PeerEvent]:
        if element.elements or element.name not in ("auth", "response"):
            raise SASLFailure("aborted" if element.name == "abort" else "malformed-request")
        if element.name == "auth":
            if element.get("mechanism") != "EXTERNAL" or not self.secure:
                raise SASLFailure("invalid-mechanism")
            after(self.state, Input.AUTH)
            self._move(Input.AUTH)
            if not element.text:
                self._write(Element(SASL, "challenge"))
                return []
        elif self.state is not State.PROVING:
            raise SASLFailure("malformed-request")
        return self._judge(decode(element.text) if element.text else b"")

    def _judge(self, authzid: bytes) -> list[PeerEvent]:
        """The header's `from` is who it is; an authorization identity may only repeat that."""
        if authzid:
            try:
                claimed = lenient_jid(authzid.decode())
            except (JIDError, UnicodeDecodeError):
                raise SASLFailure("invalid-authzid") from None
            if claimed != self.theirs:
                raise SASLFailure("invalid-authzid")
        if not self._proven:
            raise SASLFailure("not-authorized")
        self._write(Element(SASL, "success"))
        self._move(Input.SUCCESS)
        self._trusted_by_sasl = True
        self._restart()
        self._limit(self.policy.after_trust)
        return self._grant(Pair(self.theirs, self.ours), "EXTERNAL")

    def _sasl_failed(self, failure: SASLFailure) -> list[PeerEvent]:
        """Dialback may follow, or more tries, but not for ever (§6.4.5)."""
        self._move(Input.FAILURE)
        self._write(Element(SASL, "failure", None, Element(SASL, failure.condition)))
        self._sasl_failures += 1
        if self._sasl_failures >= self.policy.sasl_failures:
            return self.fail(StreamError("policy-violation", "too many failed authentications"))
        return []

    def _grant(self, pair: Pair, how: str) -> list[PeerEvent]:
        """The peer may send for the pair, and with bidi we for its inverse: after SASL not before
        our new header (RFC 6120 §6.4.6).
        """
        if how == "EXTERNAL":
            self.peer_pairs.trust(pair)
            return [PeerMaySend(pair, how)]
        return [PeerMaySend(pair, how), *self._grant_inverse(pair)]

    def _grant_inverse(self, pair: Pair) -> list[PeerEvent]:
        """XEP-0288 §2.2."""
        if not self.bidi:
            return []
        self.our_pairs.trust(pair.inverse)
        return [WeMaySend(pair.inverse, "bidi")]

    # Bidirectional streams (XEP-0288)

    def _bidi(self, element: Element) -> list[PeerEvent]:
        if not self.policy.bidi or self.state not in BEFORE_TRUST or element.name != "bidi":
            raise StreamError("policy-violation", "bidi was not offered")
        if self.policy.tls_required and not self.secure:
            raise StreamError("policy-violation", "TLS is required")
        self.bidi = True
        self.max_bytes = features.read_limit(element)
        return []

    # Dialback (XEP-0220 §2.2)

    def _dialback(self, said: Said) -> list[PeerEvent]:
        if not self._opened:
            raise StreamError("not-authorized")
        if said.type:
            return self._answered(said)
        refusal = self._refusal(said)
        if refusal is not None:
            self._refuse(said, refusal)
            return []
        if said.name == "verify":
            self._verify(said)
            return []
        return self._asked(said)

    def _answered(self, said: Said) -> list[PeerEvent]:
        """Only to what we asked on this stream, which takes a bidirectional one (§2.2, §3.1)."""
        pair = Pair(said.to, said.from_)
        if said.name != "result" or not self.our_pairs.may(pair, Moved.VALID):
            raise StreamError("policy-violation", "unsolicited dialback")
        return self._key_judged(said, pair)

    def _refusal(self, said: Said) -> StanzaError | None:
        """What needs no look at the key (§2.5)."""
        if self.policy.tls_required and not self.secure:
            return StanzaError("policy-violation", "TLS is required")
        if said.to not in self._domains:
            return StanzaError("item-not-found")
        if said.name == "result" and said.from_ in self._served:
            return StanzaError("not-acceptable")  # nobody outside is one of us
        if said.name == "result" and not said.key:
            return StanzaError("not-authorized")
        return None

    def _asked(self, said: Said) -> list[PeerEvent]:
        """§2.2.1. A key may come again, but not while the one before is looked at."""
        pair = Pair(said.from_, said.to)
        pairs = self.peer_pairs
        if (self.state, Input.KEY) not in NEXT or not pairs.may(pair, Moved.KEY):
            raise StreamError("policy-violation", "a dialback key out of turn")
        if pairs.asked >= self.policy.pending_keys or len(pairs) >= MAX_PAIRS:
            self._refuse(said, StanzaError("resource-constraint"))
            return []
        self._move(Input.KEY)
        pairs.move(pair, Moved.KEY)
        return [JudgeKey(VerifyRequest(said.from_, said.to, self.stream_id, said.key))]

    def judged(self, pair: Pair, error: StanzaError | None, *, how: str = "") -> list[PeerEvent]:
        """The answer to `JudgeKey`: `error` is None where the peer may send, `forbidden` where
        the key is wrong, and another where that could not be found out (§2.5).
        """
        if self.state is State.CLOSED or not self.peer_pairs.may(pair, Moved.VALID):
            return []
        said = Said("result", pair.target, pair.sender, "", "valid", "")
        if error is None:
            self._trusted()
            self.peer_pairs.move(pair, Moved.VALID)
            self._say(said)
            return self._grant(pair, how)
        self.peer_pairs.move(pair, Moved.REFUSED)
        if error.condition != "forbidden" or self.peer_pairs.valid:
            self._say(said._replace(type="error", error=error))
            return []
        self._say(said._replace(type="invalid"))
        return self.close()

    def ask(self, pair: Pair) -> bool:
        """On a bidirectional stream: ask to send for another pair to a domain that the peer has
        proven (XEP-0288 §2.2). False where that cannot be.
        """
        proven = {valid.sender for valid in self.peer_pairs}
        if not (self.bidi and self._opened) or self.state not in TRUSTED:
            return False
        if pair.target not in proven:
            return False
        if not self.our_pairs.may(pair, Moved.KEY):
            return False
        self._send_key(pair)
        return True

    # Stream management

    def _enable(self, element: Element) -> list[PeerEvent]:
        if self.state not in TRUSTED or not self.policy.unacked:
            self._write(management.failed("unexpected-request"))
            return []
        if self.management is not None:
            self._write(management.failed("unexpected-request"))
            raise StreamError("policy-violation", "stream management was enabled before")
        self._write(Element(SM, "enabled"))
        self.management = Management(self.policy.unacked)
        return [Enabled()]

    def _new_id(self) -> str:
        return self.stream_id or new_stream_id()
