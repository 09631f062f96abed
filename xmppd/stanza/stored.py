"""Stanzas that were written to a store, and are read again."""

from typing import Final

from xmppd.jid import JIDError, lenient_jid
from xmppd.ns import CLIENT
from xmppd.stanza.read import read_stanza
from xmppd.stanza.stanza import Names, Stanza
from xmppd.xml import Element, Limits, StreamError, StreamParser

# What was stored was within the limits of its time.
_NO_LIMITS: Final = Limits(*[2**40] * 5)
_HEADER: Final = (
    f"<stream:stream xmlns='{CLIENT}' xmlns:stream='http://etherx.jabber.org/streams'>".encode()
)


class StanzaReader:
    """Reads what `Stanza.write` has written. As on a stream no tree is built, which took four
    times as long; the parser is kept for the next one.
    """

    __slots__ = ("_parser",)

    def __init__(self) -> None:
        self._parser: StreamParser[Stanza] | None = None

    def read(self, xml: bytes) -> Stanza:
        """The stanza, with both of its addresses. Raises ValueError for one that is damaged."""
        parser = self._parser or self._begin()
        self._parser = None  # what fails leaves it somewhere in the middle
        try:
            (stanza,) = parser.feed(xml)
        except (StreamError, KeyError, JIDError) as e:
            raise ValueError(f"not a stored stanza: {e}") from None
        if not isinstance(stanza, Stanza) or not parser.idle:
            raise ValueError("not one whole stanza")
        self._parser = parser
        return stanza

    def _begin(self) -> StreamParser[Stanza]:
        parser = StreamParser(_stored, limits=_NO_LIMITS)
        parser.feed(_HEADER)
        return parser


def _stored(
    kind: str, attrs: dict[str, str], payloads: Names, raw: bytes, _tree: Element | None
) -> Stanza:
    """Addresses that were prepared by the rules of an earlier release are still good."""
    to, from_ = lenient_jid(attrs["to"]), lenient_jid(attrs["from"])
    return read_stanza(kind, attrs, payloads, raw, to=to, from_=from_)
