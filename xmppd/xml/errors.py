"""What goes wrong with XML: the errors of a stream, and documents that are refused."""

from typing import Final

from xmppd.xml.element import Element

STREAMS: Final = "http://etherx.jabber.org/streams"
STREAM_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-streams"

CONDITIONS: Final = frozenset(
    (
        "bad-format",
        "bad-namespace-prefix",
        "conflict",
        "connection-timeout",
        "host-gone",
        "host-unknown",
        "improper-addressing",
        "internal-server-error",
        "invalid-from",
        "invalid-namespace",
        "invalid-xml",
        "not-authorized",
        "not-well-formed",
        "policy-violation",
        "remote-connection-failed",
        "reset",
        "resource-constraint",
        "restricted-xml",
        "see-other-host",
        "system-shutdown",
        "undefined-condition",
        "unsupported-encoding",
        "unsupported-feature",
        "unsupported-stanza-type",
        "unsupported-version",
    )
)


class StreamError(Exception):
    """Ends the stream (RFC 6120 §4.9): `condition` is a name from §4.9.3 (ValueError otherwise),
    `text` a sentence for the peer's operator, `app` an application-specific condition (§4.9.4).
    """

    def __init__(self, condition: str, text: str | None = None, app: Element | None = None):
        if condition not in CONDITIONS:
            raise ValueError(f"no stream error condition: {condition!r}")
        super().__init__(condition, text)
        self.condition = condition
        self.text = text
        self.app = app

    def __str__(self) -> str:
        return f"{self.condition}: {self.text}" if self.text else self.condition

    def element(self) -> Element:
        """The `<stream:error/>` that tells the peer."""
        error = Element(STREAMS, "error", None, Element(STREAM_ERRORS, self.condition))
        if self.text:
            error.append(Element(STREAM_ERRORS, "text", None, self.text))
        if self.app is not None:
            error.append(self.app)
        return error


class XMLError(ValueError):
    """XML that `parse` refuses, or a tree that cannot be written as XML."""
