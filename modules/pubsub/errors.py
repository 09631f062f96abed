"""The errors of XEP-0060, each with its pubsub-specific condition."""

from xmppd.api import Element, StanzaError, ns


def refused(
    condition: str,
    special: str,
    text: str | None = None,
    *,
    type: str | None = None,
    payload: Element | None = None,
) -> StanzaError:
    """`condition` of RFC 6120 with `special` of the pubsub#errors namespace beside it."""
    app = Element(ns.PUBSUB_ERRORS, special)
    return StanzaError(condition, text, type=type, app=app, payload=payload)


def unsupported(feature: str, text: str | None = None) -> StanzaError:
    """feature-not-implemented, with the name of the feature that is meant."""
    app = Element(ns.PUBSUB_ERRORS, "unsupported", {"feature": feature})
    return StanzaError("feature-not-implemented", text, app=app)


def no_such_node() -> StanzaError:
    return StanzaError("item-not-found", "there is no such node")


def no_nodeid() -> StanzaError:
    return refused("bad-request", "nodeid-required")
