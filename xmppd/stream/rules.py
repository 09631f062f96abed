"""What may be said in which state of a stream, and what comes of it (RFC 6120 §4.3)."""

from collections.abc import Container, Mapping
from typing import Generic, TypeVar

from xmppd.xml import StreamError

S = TypeVar("S")
Said = TypeVar("Said")


class Rules(Generic[S, Said]):
    """`following` has the states that follow; nothing else may be said.

    Who says `unauthorized` has no right to it at that time (§4.9.3.12); all else that may not be
    said is against our policy.
    """

    def __init__(
        self, following: Mapping[tuple[S, Said], S], unauthorized: Container[tuple[S, Said]]
    ) -> None:
        self._following = following
        self._unauthorized = unauthorized

    def after(self, state: S, said: Said) -> S:
        """The state that follows; StreamError when this may not be said now."""
        following = self._following.get((state, said))
        if following is None:
            unauthorized = (state, said) in self._unauthorized
            raise StreamError("not-authorized" if unauthorized else "policy-violation")
        return following
