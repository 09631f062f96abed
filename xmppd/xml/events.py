"""What the stream parser tells, and what it allows one stanza to cost."""

from dataclasses import dataclass, field
from math import isqrt
from typing import Final

from xmppd.xml.element import Element


@dataclass(frozen=True, slots=True)
class Limits:
    """What one stanza (or the stream header) may cost; more is policy-violation. The stanza itself
    is the first of its `elements` and at `depth` 1; `attributes` are those of one element.
    """

    stanza_bytes: int
    elements: int
    depth: int
    attributes: int
    uri_bytes: int = 1024
    expanded_factor: int = 4
    expanded: int = field(init=False)
    suspect: int = field(init=False)
    harmless: int = field(init=False)

    def __post_init__(self) -> None:
        """`expanded`: characters of all names in a stanza, with their namespaces spelt out;
        `suspect`: names up to this length cannot have a URI over the limit; `harmless`: so few
        bytes with `depth` tags at most need no counting, they are within every limit. n bytes
        have no URI above n, n/5 attributes, and n/3 names in a namespace of the header or theirs.
        """
        object.__setattr__(self, "expanded", self.stanza_bytes * self.expanded_factor)
        object.__setattr__(self, "suspect", self.uri_bytes // 4)
        names = (isqrt(self.uri_bytes**2 + 12 * self.expanded) - self.uri_bytes) // 2
        harmless = min(names, self.uri_bytes, 4 * self.attributes)
        object.__setattr__(self, "harmless", harmless if self.depth <= self.elements else 0)


BEFORE_LOGIN: Final = Limits(16384, 64, 16, 64)
AFTER_LOGIN: Final = Limits(262144, 16384, 128, 256)


@dataclass(slots=True)
class StreamOpen:
    """A stream header. `default_ns` is the default namespace that it declares ("" for none),
    `prefixes` what else it declares.
    """

    ns: str
    name: str
    attrs: dict[str, str]
    default_ns: str
    prefixes: dict[str, str]


@dataclass(slots=True)
class StreamClose:
    """The stream was closed; bytes that follow are ignored (RFC 6120 §4.4)."""


@dataclass(slots=True)
class Nonza:
    """A child of the stream that is no stanza of its content namespace."""

    element: Element
