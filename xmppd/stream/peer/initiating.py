"""The end of a stream between servers that connected (RFC 6120 §4 to §6, XEP-0220 §2.1)."""

from xmppd.ns import SASL, SM, TLS
from xmppd.stanza import StanzaError
from xmppd.stream.dialback import Input as Moved
from xmppd.stream.dialback import Pair, Said, VerifyRequest
from xmppd.stream.events import StartTLS
from xmppd.stream.management import Management
from xmppd.stream.peer import features
from xmppd.stream.peer.base import KeyOf, PeerStream
from xmppd.stream.peer.events import (
    Enabled,
    Negotiated,
    PeerEvent,
    PeerMaySend,
    Verified,
    WeMaySend,
)
from xmppd.stream.peer.features import Offer, PeerPolicy
from xmppd.stream.peer.header import read_response, write_header
from xmppd.stream.peer.states import NEXT, TRUSTED, Input, State
from xmppd.stream.sasl.base64 import encode
from xmppd.xml import Element, StreamError, StreamOpen

NO_KEY = "0" * 64


class InitiatingStream(PeerStream):
    """From `ours` to `theirs`. Call `open` when there is a connection.

    Owner's part: `StartTLS` (then `tls_ready`); after `Negotiated` it may `ask` for pairs and
    `verify` keys. `authenticate` False: EXTERNAL is not tried, for a stream that only verifies.
    `external` False: it is not tried, and dialback has to do.
    """

    __slots__ = (
        "_authenticated",
        "_negotiated",
        "_verifying",
        "authenticate",
        "does_dialback",
        "external",
        "external_refused",
    )

    def __init__(
        self,
        ours: str,
        theirs: str,
        policy: PeerPolicy,
        key_of: KeyOf,
        *,
        secure: bool = False,
        authenticate: bool = True,
        external: bool = True,
    ) -> None:
        super().__init__(policy, key_of, secure=secure)
        self.ours, self.theirs = ours, theirs
        self.authenticate = authenticate
        self.external = external and authenticate
        self.external_refused = False
        self._authenticated = self._negotiated = False
        self.does_dialback = False  # the peer
        self._verifying: dict[tuple[str, str, str], VerifyRequest] = {}

    # Headers and features

    def open(self) -> None:
        """Send our header."""
        self.outgoing.append(write_header(self.ours, self.theirs))
        self._opened = True

    def _open(self, opened: StreamOpen) -> list[PeerEvent]:
        header = read_response(opened, self.ours, self.theirs)
        self.stream_id, self.lang = header.id, header.lang
        self.does_dialback = header.dialback
        if header.versioned:
            return []  # features follow (§4.3.2)
        if self.policy.tls_required and not self.secure:
            raise StreamError("unsupported-version", "TLS is required")
        return self._done()

    def _stream(self, element: Element) -> list[PeerEvent]:
        if element.name != "features" or self._negotiated:
            return super()._stream(element)
        offer = features.read_features(element)
        self.max_bytes = offer.max_bytes
        self.does_dialback = self.does_dialback or offer.dialback
        if self.state is State.CONNECTED:
            return self._begin(offer)
        if self.state is State.SECURED:
            return self._secured(offer)
        if self.state is State.TRUSTED:
            return self._trusted_offer(offer)
        raise StreamError("policy-violation")

    def _begin(self, offer: Offer) -> list[PeerEvent]:
        """TLS before all else, where it can be had (§5.3.1)."""
        if offer.starttls:
            self._write(Element(TLS, "starttls"))
            self._move(Input.STARTTLS)
            return []
        if self.policy.tls_required:
            raise StreamError("policy-violation", "TLS is required, and not offered")
        return self._secured(offer)

    def _secured(self, offer: Offer) -> list[PeerEvent]:
        if offer.bidi and self.policy.bidi and self.authenticate:
            self._write(features.bidi_request(self.policy))
            self.bidi = True
        if not (offer.external and self.secure and self.external):
            return self._done()
        # The identity is needless, and some servers want it nevertheless (XEP-0178 §3).
        auth = Element(SASL, "auth", {"mechanism": "EXTERNAL"}, encode(self.ours.encode()))
        self._write(auth)
        self._move(Input.AUTH)
        return []

    def _trusted_offer(self, offer: Offer) -> list[PeerEvent]:
        if offer.management and self.policy.unacked:
            self._write(Element(SM, "enable"))
            self.management = Management(self.policy.unacked)
        events = self._done()
        return [*self._granted(Pair(self.ours, self.theirs), "EXTERNAL"), *events]

    def _done(self, why: str = "") -> list[PeerEvent]:
        self._negotiated = True
        return [Negotiated(self._authenticated, self.does_dialback and bool(self.stream_id), why)]

    def _manage(self, element: Element) -> list[PeerEvent]:
        if self.management is None or element.name not in ("enabled", "failed"):
            return super()._manage(element)
        if element.name == "enabled":
            return [Enabled()]
        self.management = None
        return []

    # STARTTLS (§5)

    def _tls(self, answer: Element) -> list[PeerEvent]:
        if self.state is not State.ASKED_TLS or answer.name not in ("proceed", "failure"):
            raise StreamError("unsupported-stanza-type")
        if answer.name == "failure":
            raise StreamError("policy-violation", "TLS was offered and refused")
        self._move(Input.PROCEED)
        return [StartTLS()]

    def tls_ready(self) -> None:
        """The handshake is done, and the peer's certificate good enough to go on."""
        self._move(Input.TLS_READY)
        self.secure = True
        self._restart()
        self.open()

    # SASL EXTERNAL (§6, XEP-0178 §3)

    def _sasl(self, element: Element) -> list[PeerEvent]:
        if self.state is not State.PROVING:
            raise StreamError("unsupported-stanza-type")
        if element.name == "challenge":
            self._write(Element(SASL, "response", None, encode(self.ours.encode())))
            self._move(Input.RESPONSE)
            return []
        if element.name == "failure":
            return self._sasl_refused(element)
        if element.name != "success":
            raise StreamError("unsupported-stanza-type")
        self._move(Input.SUCCESS)
        self._authenticated = True
        self._restart()
        self._limit(self.policy.after_trust)
        self.open()
        return []

    def _sasl_refused(self, element: Element) -> list[PeerEvent]:
        """Dialback may do where the certificate did not."""
        self._move(Input.FAILURE)
        self.external_refused = True
        conditions = [child.name for child in element.all(SASL) if child.name != "text"]
        said = conditions[0][:100] if conditions else "no reason"
        return self._done(f"our certificate was refused: {said}")

    # Dialback (XEP-0220 §2.1)

    def ask(self, pair: Pair) -> bool:
        """Send a key for `pair`; `WeMaySend` or `Refused` follows. False where it cannot be sent:
        the peer does no dialback, or one is on its way.
        """
        possible = self._negotiated and self.does_dialback and self.stream_id
        if (
            not possible
            or (self.state, Input.KEY) not in NEXT
            or not self.our_pairs.may(pair, Moved.KEY)
        ):
            return False
        self._move(Input.KEY)
        self._send_key(pair)
        return True

    def verify(self, request: VerifyRequest) -> None:
        """Ask the authoritative server about a key (§2.1.2); `Verified` follows."""
        self._verifying[request[:3]] = request
        sender, target, id_, key = request
        self._say(Said("verify", target, sender, id_, "", key))

    def poke(self) -> bool:
        """Ask something that is answered on this very stream, if the peer does dialback: about a
        key that is nobody's. A ping's answer would need a stream of the peer's own.
        """
        if self.state not in TRUSTED or not (self.does_dialback and self.stream_id):
            return False
        self.verify(VerifyRequest(self.theirs, self.ours, self.stream_id, NO_KEY))
        return True

    @property
    def verifying(self) -> int:
        """Questions that are not answered."""
        return len(self._verifying)

    def _dialback(self, said: Said) -> list[PeerEvent]:
        if not said.type:
            return self._requested(said)
        if said.name == "verify":
            return self._verified(said)
        pair = Pair(said.to, said.from_)
        if not self.our_pairs.may(pair, Moved.VALID):
            return []  # late, or not asked for: nothing comes of it (§3.1)
        if said.type != "valid":
            return self._key_judged(said, pair)
        self._trusted()
        self._key_judged(said, pair)
        return self._granted(pair, "dialback")

    def _requested(self, said: Said) -> list[PeerEvent]:
        """Only a bidirectional stream brings requests back to us. Keys are not taken on it: they
        would be bound to an id that the peer itself has chosen. It may connect to us instead.
        """
        if not self.bidi:
            raise StreamError("policy-violation", "dialback in the wrong direction")
        if said.name == "result":
            self._refuse(said, StanzaError("not-acceptable"))
        elif said.to not in {self.ours, *(pair.sender for pair in self.our_pairs)}:
            self._refuse(said, StanzaError("item-not-found"))
        else:
            self._verify(said)
        return []

    def _verified(self, said: Said) -> list[PeerEvent]:
        request = self._verifying.pop((said.from_, said.to, said.id), None)
        if request is None:
            return []  # late, or not asked for
        error = said.error if said.type == "error" else None
        return [Verified(request, said.type == "valid", error)]

    def _granted(self, pair: Pair, how: str) -> list[PeerEvent]:
        """We may send for the pair; with bidi the peer may send for its inverse."""
        self.our_pairs.trust(pair)
        events: list[PeerEvent] = [WeMaySend(pair, how)]
        if self.bidi:
            self.peer_pairs.trust(pair.inverse)
            events.append(PeerMaySend(pair.inverse, "bidi"))
        return events
