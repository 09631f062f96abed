"""What can go wrong before there is a stream."""

from __future__ import annotations

from collections.abc import Sequence


class DialFailed(Exception):
    """No connection to a domain's server (RFC 6120 §8.3.3.16, §8.3.3.17).

    `text` is for the log, and `tried` has a sentence for each place that was tried. `told` is for
    the sender, who need not learn which address of a private network answers how.
    """

    def __init__(
        self, condition: str, text: str, tried: Sequence[str] = (), told: str = ""
    ) -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text
        self.tried = tuple(tried)
        self.told = told or text


class NotServed(Exception):
    """A server was reached, and it does not serve the domain, or not now; the next place may.

    `condition` is for the sender if none does, with the text. `other` is where the server says
    that it is done instead (RFC 6120 §4.9.3.19): it is tried next.
    """

    def __init__(self, condition: str, why: str, *, other: str = "") -> None:
        super().__init__(why)
        self.condition = condition
        self.other = other


class LookupFailed(Exception):
    """The DNS gave no usable answer: silence, SERVFAIL, REFUSED, or nonsense."""


class HandshakeFailed(Exception):
    """TLS from the first byte on did not come about; the next place may do better."""
