"""What servers negotiate with each other: our offer, and the reading of a peer's."""

from dataclasses import dataclass

from xmppd.ns import BIDI, BIDI_FEATURE, DIALBACK_FEATURE, SASL, SM, TLS
from xmppd.stream import features
from xmppd.stream.dialback import feature as dialback_feature
from xmppd.stream.features import STREAM_LIMITS
from xmppd.xml import BEFORE_LOGIN, Element, Limits

AFTER_TRUST = Limits(524288, 16384, 128, 256)  # L2; announced by XEP-0478
SMALLEST_LIMIT = 10000  # that a peer may announce (RFC 6120 §13.12)


@dataclass(frozen=True, slots=True)
class PeerPolicy:
    """What we demand of a peer, and offer.

    `refused`: why we have nothing to do with it, in words. `unacked` is how many stanzas may wait
    for an acknowledgement; 0: XEP-0198 is not offered.
    """

    refused: str = ""
    tls_required: bool = True
    bidi: bool = True
    unacked: int = 500
    pending_keys: int = 20
    sasl_failures: int = 3
    before_trust: Limits = BEFORE_LOGIN
    after_trust: Limits = AFTER_TRUST
    idle_s: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a peer's features offer. `max_bytes`: its limit of a stanza, None: not told."""

    starttls: bool = False
    external: bool = False
    dialback: bool = False
    errors: bool = False
    bidi: bool = False
    management: bool = False
    max_bytes: int | None = None


def read_features(element: Element) -> Offer:
    dialback = element.child(DIALBACK_FEATURE, "dialback")
    mechanisms = element.child(SASL, "mechanisms")
    names = [] if mechanisms is None else [m.text.strip() for m in mechanisms.elements]
    return Offer(
        starttls=element.child(TLS, "starttls") is not None,
        external="EXTERNAL" in names,
        dialback=dialback is not None,
        errors=dialback is not None and dialback.child(DIALBACK_FEATURE, "errors") is not None,
        bidi=element.child(BIDI_FEATURE, "bidi") is not None,
        management=element.child(SM, "sm") is not None,
        max_bytes=read_limit(element),
    )


def read_limit(holder: Element) -> int | None:
    """XEP-0478: the largest stanza that the peer takes. None where it does not say so well."""
    limits = holder.child(STREAM_LIMITS, "limits")
    text = "" if limits is None else (limits.child_text(STREAM_LIMITS, "max-bytes") or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return max(int(text), SMALLEST_LIMIT)


def offer_in_clear(policy: PeerPolicy, *, tls: bool = True) -> str:
    """§5.4.1; all else may wait for TLS, if that must come first."""
    offer = features.starttls(required=policy.tls_required) if tls else ""
    if policy.tls_required:
        return offer + features.limits(policy.before_trust.stanza_bytes, policy.idle_s)
    return offer + offer_secured(policy, external=False)


def offer_secured(policy: PeerPolicy, *, external: bool) -> str:
    """XEP-0178 §3: EXTERNAL where the certificate proves who it is."""
    offer = features.mechanisms(("EXTERNAL",)) if external else ""
    offer += features.written([dialback_feature()])
    offer += features.written([bidi_feature()]) if policy.bidi else ""
    # Of stanzas after dialback: no features follow upon that.
    return offer + features.limits(policy.after_trust.stanza_bytes, policy.idle_s)


def offer_trusted(policy: PeerPolicy) -> str:
    """After SASL. Keys for other pairs of domains are still taken (XEP-0220 §2.6)."""
    offer = [Element(SM, "sm")] if policy.unacked else []
    offer.append(dialback_feature())
    limits = features.limits(policy.after_trust.stanza_bytes, policy.idle_s)
    return features.written(offer) + limits


def bidi_feature() -> Element:
    """XEP-0288 §2.1."""
    return Element(BIDI_FEATURE, "bidi")


def bidi_request(policy: PeerPolicy) -> Element:
    """§2.2, with the limits that XEP-0478 §3.2 puts there."""
    limits = features.limits_element(policy.after_trust.stanza_bytes, policy.idle_s)
    return Element(BIDI, "bidi", None, limits)
