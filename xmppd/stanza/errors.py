"""Stanza errors: what a handler raises, and the reply that the sender gets (RFC 6120 §8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from xmppd.jid import JID, JIDError, jid
from xmppd.ns import CLIENT, STANZAS
from xmppd.xml import XML_LANG, Element

if TYPE_CHECKING:
    from xmppd.stanza.stanza import Stanza

S = TypeVar("S", bound="Stanza")

# The type that RFC 6120 §8.3.3 recommends for each condition. Where it names two, the one of its
# example; undefined-condition may have any.
DEFAULT_TYPES = {
    "bad-request": "modify",
    "conflict": "cancel",
    "feature-not-implemented": "cancel",
    "forbidden": "auth",
    "gone": "cancel",
    "internal-server-error": "cancel",
    "item-not-found": "cancel",
    "jid-malformed": "modify",
    "not-acceptable": "modify",
    "not-allowed": "cancel",
    "not-authorized": "auth",
    "policy-violation": "modify",
    "recipient-unavailable": "wait",
    "redirect": "modify",
    "registration-required": "auth",
    "remote-server-not-found": "cancel",
    "remote-server-timeout": "wait",
    "resource-constraint": "wait",
    "service-unavailable": "cancel",
    "subscription-required": "auth",
    "undefined-condition": "cancel",
    "unexpected-request": "wait",
}
ERROR_TYPES = frozenset(("auth", "cancel", "continue", "modify", "wait"))


class StanzaError(Exception):
    """Raised by whoever refuses a stanza; the dispatcher answers with `error_reply`.

    `type` defaults to what RFC 6120 §8.3.3 recommends. `text` is English, for people; `app` an
    application-specific condition; `by` the entity that found the error; `uri` the new address,
    for `gone` and `redirect` only; `payload` what the reply carries beside the error, where a
    specification wants that. ValueError for a condition or type that RFC 6120 lacks.
    """

    def __init__(
        self,
        condition: str,
        text: str | None = None,
        *,
        type: str | None = None,
        app: Element | None = None,
        by: JID | None = None,
        uri: str | None = None,
        payload: Element | None = None,
    ) -> None:
        if condition not in DEFAULT_TYPES:
            raise ValueError(f"no such stanza error condition: {condition!r}")
        if type is not None and type not in ERROR_TYPES:
            raise ValueError(f"no such stanza error type: {type!r}")
        if uri is not None and condition not in ("gone", "redirect"):
            raise ValueError(f"{condition} carries no address")
        super().__init__(condition, text)
        self.condition = condition
        self.text = text
        self.type = type or DEFAULT_TYPES[condition]
        self.app = app
        self.by = by
        self.uri = uri
        self.payload = payload

    def __str__(self) -> str:
        return f"{self.condition}: {self.text}" if self.text else self.condition

    def element(self) -> Element:
        """The `<error/>` child (§8.3.2)."""
        condition = Element(STANZAS, self.condition)
        if self.uri:
            condition.append(self.uri)
        error = Element(CLIENT, "error", {"type": self.type}, condition)
        if self.by:
            error.attrs["by"] = self.by
        if self.text:
            error.append(Element(STANZAS, "text", {XML_LANG: "en"}, self.text))
        if self.app is not None:
            error.append(self.app)
        return error

    @classmethod
    def from_element(cls, error: Element) -> StanzaError:
        """Read an `<error/>` that somebody sent; never fails.

        A condition that is missing or not understood is undefined-condition (§8.3.2).
        """
        condition = next(
            (child for child in error.all(STANZAS) if child.name in DEFAULT_TYPES),
            Element(STANZAS, "undefined-condition"),
        )
        type_ = error.get("type")
        moved = condition.name in ("gone", "redirect")
        return cls(
            condition.name,
            error.child_text(STANZAS, "text"),
            type=type_ if type_ in ERROR_TYPES else None,
            app=next((child for child in error.elements if child.ns != STANZAS), None),
            by=_address(error.get("by")),
            uri=(condition.text.strip() or None) if moved else None,
        )


def _address(text: str | None) -> JID | None:
    try:
        return jid(text) if text else None
    except JIDError:
        return None


def error_reply(stanza: S, error: StanzaError) -> S | None:
    """The answer to a refused stanza, or None where there must be none: to errors and results.

    Same kind, addresses swapped, `id` kept, for an IQ empty if it had none (§8.3.1). It does not
    bring the original payload back: that is a courtesy nobody may depend on, and twice the bytes.
    An error's own `payload` goes first, as the original's would (§8.3.1).
    """
    if stanza.type == "error" or (stanza.type == "result" and stanza.kind == "iq"):
        return None
    id_ = "" if stanza.id is None and stanza.kind == "iq" else stanza.id
    inside = [error.element()] if error.payload is None else [error.payload, error.element()]
    return type(stanza)(stanza.from_, stanza.to, "error", id_, *inside)
