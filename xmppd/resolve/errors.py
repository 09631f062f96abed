"""What can go wrong before there is a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Condition = Literal["remote-server-not-found", "remote-server-timeout"]


class DialFailed(Exception):
    """No connection to a domain's server (RFC 6120 §8.3.3.16, §8.3.3.17).

    `text` is for the log, and `tried` has a sentence for each place that was tried. `told` is for
    the sender, who need not learn which address of a private network answers how.
    """

    def __init__(
        self, condition: Condition, text: str, tried: Sequence[str] = (), told: str = ""
    ) -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text
        self.tried = tuple(tried)
        self.told = told or text


class LookupFailed(Exception):
    """The DNS gave no usable answer: silence, SERVFAIL, REFUSED, or nonsense."""


class HandshakeFailed(Exception):
    """TLS from the first byte on did not come about; the next place may do better."""
