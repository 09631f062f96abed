"""The parser of XML streams (RFC 6120 §4, §11): bytes in, events out, limits while bytes come in.

expat validates every byte; a stanza is cut out of the received bytes and no tree is built for it.
What expat cannot do is done here: whole tags only are handed to it (it would scan an unfinished
tag again with each write), sizes are counted at the socket, and the expat object, which keeps
every name it ever saw, is replaced between stanzas.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Generic, TypeAlias, TypeVar
from xml.parsers.expat import ExpatError, XMLParserType

from xmppd.xml.document import build
from xmppd.xml.element import Element
from xmppd.xml.errors import STREAMS, StreamError
from xmppd.xml.events import BEFORE_LOGIN, Limits, Nonza, StreamClose, StreamOpen
from xmppd.xml.expat import SEPARATOR, create, expand, not_well_formed, split
from xmppd.xml.prolog import WHITESPACE, skip_declaration, skip_whitespace
from xmppd.xml.writer import escape_attr, escape_text, to_xml

S = TypeVar("S")
Payloads: TypeAlias = tuple[tuple[str, str], ...]
MakeStanza: TypeAlias = Callable[[str, dict[str, str], Payloads, bytes, Element | None], S]
# What a stream's header has settled; most streams share it
Context: TypeAlias = tuple[bytes, tuple[bytes, ...]]

KINDS: Final = ("message", "presence", "iq")
_RENEW_BYTES: Final = 65536  # expat keeps names for ever: a new one after so many bytes
_SMALL: Final = 1024  # rewritten stanzas up to this size may exceed twice their input
_FRESH, _PROLOG, _DOCUMENT, _OVER = range(4)
_TAG: Final = re.compile(rb"<[^\"'>]*+(?:(?:\"[^\"]*+\"|'[^']*+')[^\"'>]*+)*+>")
_MARKUP: Final = re.compile(rb"[<&\r]")  # or what expat makes something else of
_TAG_STOP: Final = re.compile(rb"[>\"']")
_CDATA: Final = b"<![CDATA["
_NEVER: Final = bytes([*range(9), 11, 12, *range(14, 32), 0xC0, 0xC1, *range(0xF5, 0x100)])
_COLON, _GT, _LT, _SLASH = b":><\57"
_QNAME: Final = re.compile(rb"<([^ \t\r\n/>]+)")


class StreamParser(Generic[S]):
    """One direction of one stream. `make_stanza(kind, attrs, payloads, raw, tree)` makes what
    `feed` returns for a stanza; `tree` is the stanza as an element if it had to be built.
    """

    __slots__ = (
        "_base",
        "_cdata",
        "_context",
        "_counts",
        "_depth",
        "_elements_left",
        "_events",
        "_expanded_left",
        "_expat",
        "_fed",
        "_head",
        "_header",
        "_held",
        "_kinds",
        "_make_stanza",
        "_mark",
        "_names",
        "_quote",
        "_start_at",
        "_state",
        "_suspects",
        "_view",
        "content_ns",
        "limits",
    )

    def __init__(
        self,
        make_stanza: MakeStanza[S],
        *,
        content_ns: str = "jabber:client",
        limits: Limits = BEFORE_LOGIN,
    ) -> None:
        self.limits = limits
        self.content_ns = content_ns
        self._make_stanza = make_stanza
        self._kinds = _kinds(content_ns)
        self._names: list[str] = []
        self.reset()

    def reset(self) -> None:
        """A stream restart (RFC 6120 §4.3.3): a new document; buffered bytes are dropped."""
        self._state = _FRESH
        self._expat: XMLParserType | None = None
        self._events: list[StreamOpen | StreamClose | Nonza | S] = []
        self._context: Context | None = None
        self._header = b""  # a start tag with the header's name and namespaces
        self._suspects: tuple[bytes, ...] = ()  # what a stanza's inside must not contain to be raw
        self._head: tuple[str, dict[str, str]] | None = None  # of the stanza that is being read
        self._names.clear()  # of its children
        self._cdata = False  # expat is within a CDATA section, where markup is text
        self._depth = 0
        self._counts = True  # False: what is read is too short to be over a limit
        self._elements_left = self._expanded_left = 0
        # Bytes that expat has seen and a stanza may still be cut from, and bytes that it has not
        self._view: bytes | bytearray | None = None
        self._held: bytearray | None = None
        self._quote: bytes | None = None  # within a tag: the quote to come, or b""
        # Positions in the bytes given to this expat object
        self._base = 0  # where _view begins
        self._fed = 0  # where it ends
        self._mark = 0  # the end of the header or of the last child of the stream
        self._start_at = 0  # the start of the child that is being read

    @property
    def pending(self) -> list[StreamOpen | StreamClose | Nonza | S]:
        """After a StreamError: the events before the error."""
        return self._events

    @property
    def idle(self) -> bool:
        """Between stanzas (or before all): nothing is buffered."""
        return self._view is None and not self._held

    def drop(self) -> None:
        """Gives back the memory of an idle parser (about 10 kB); the next bytes get it anew."""
        if self.idle:
            self._expat = None

    def rest(self) -> Context | None:
        """All that another parser needs to go on in the place of this one, which takes 10 kB;
        None while anything is buffered, or there was no header.
        """
        between = self._state == _DOCUMENT and self._depth == 1 and self.idle
        return self._context if between else None

    def go_on(self, context: Context) -> None:
        """In the place of a parser that gave this `rest`; nothing was fed yet."""
        self._state = _DOCUMENT
        self._depth = 1
        self._context = context
        self._header, self._suspects = context

    def close(self) -> None:
        """The connection is gone: frees all, and ignores what may still be fed."""
        self._state = _OVER
        self._expat = self._view = self._held = self._head = None
        self._names.clear()

    def feed(self, data: bytes) -> list[StreamOpen | StreamClose | Nonza | S]:
        """The events that these bytes complete. Raises StreamError; what came before the error is
        then in `pending`, and the parser is dead: it ignores what follows.
        """
        try:
            if self._state != _DOCUMENT:
                if self._state == _OVER:
                    return []
                data = self._begin(data) if data else b""
            if self._held or self._quote is not None or not data or data[-1] != _GT:
                data = self._whole_tags(data)
            if data:
                self._parse(data)
                if self._held and self._state == _DOCUMENT:
                    self._check_held(len(self._held))
            if self._depth == 1 and self._mark == self._fed:
                self._view = None
                if self._fed > _RENEW_BYTES:
                    self._expat = None
                if self._held:
                    self._settle()
            else:
                self._settle()
        except BaseException:
            self.close()
            raise
        events = self._events
        self._events = []
        return events

    # Bytes on their way to expat

    def _begin(self, data: bytes) -> bytes:
        """Reads what may precede the header; gives what follows, b"" to wait for more."""
        if self._held:
            data = bytes(self._held) + data
            self._held = None
        if self._state == _FRESH:
            rest = skip_declaration(data)
            if rest is None:
                self._held = bytearray(data)
                return b""
            self._state = _PROLOG
            data = rest
        rest = skip_whitespace(data)
        if rest is None:
            self._held = bytearray(data.lstrip(WHITESPACE))
            return b""
        self._state = _DOCUMENT
        return rest

    def _whole_tags(self, data: bytes) -> bytes:
        """Holds back what follows the last ">", or all while a tag is known to be unfinished."""
        held = self._held
        if held is None:
            held = self._held = bytearray()
        unfinished = self._quote is not None and not self._tag_ends(data)
        cut = 0 if unfinished else data.rfind(b">") + 1
        if not cut:
            held += data
            self._check_held(len(data))
            return b""
        self._held = bytearray(data[cut:]) if cut < len(data) else None
        return bytes(held) + data[:cut] if held else data[:cut]

    def _check_held(self, new: int) -> None:
        """What no stream may contain ends it at once, not when its token is complete, if ever.
        `new`: how many of the bytes that are held back came last.
        """
        held = self._held
        if not held or not new:
            return
        late = held[-new:]
        if len(late.translate(None, _NEVER)) != len(late):
            raise StreamError("not-well-formed", "a byte that XML in UTF-8 never contains")
        if self._quote is None and not self._cdata and b"!" in held[-new - len(_CDATA) :]:
            _refuse_declaration(held)

    def _tag_ends(self, data: bytes) -> bool:
        """Follows the quotes of an unfinished tag through more bytes: is its end among them?"""
        quote, at = self._quote, 0
        while True:
            if quote:
                at = data.find(quote, at) + 1
                if not at:
                    break
                quote = b""
            stop = _TAG_STOP.search(data, at)
            if stop is None:
                break
            at, quote = stop.end(), stop[0]
            if quote == b">":
                self._quote = None
                return True
        self._quote = quote
        return False

    def _parse(self, chunk: bytes) -> None:
        limits = self.limits
        in_parts = self._view is not None
        if in_parts and not self._counts:
            chunk = self._begin_again(chunk)
        while chunk:
            expat = self._expat or self._make_expat()
            if self._view is None:
                self._view = chunk
                self._base = self._fed
                self._counts = (
                    in_parts or len(chunk) > limits.harmless or chunk.count(b"<") > limits.depth
                )
            else:
                self._view += chunk
            self._fed += len(chunk)
            try:
                expat.Parse(chunk, False)
            except ExpatError as e:
                if self._state != _OVER:
                    raise not_well_formed(e) from None
            except _RenewError:
                chunk = bytes(self._view[self._mark - self._base :])
                self._expat = self._view = None
                continue
            break
        if expat.CurrentByteIndex != self._fed and self._state == _DOCUMENT:
            self._unfinished(expat.CurrentByteIndex)

    def _begin_again(self, more: bytes) -> bytes:
        """The beginning of a stanza was too short to be counted, but it goes on: gives the whole,
        for another expat object. Once a stanza at most.
        """
        whole = bytes(self._view or b"") + more
        self._expat = self._view = self._head = None
        self._names.clear()
        self._cdata = False
        self._depth = min(self._depth, 1)
        return whole

    def _unfinished(self, at: int) -> None:
        """Although they end with ">", expat has not consumed the bytes from `at` on."""
        assert self._view is not None
        token = bytes(self._view[at - self._base :])
        if token[:2] in (b"<!", b"<?"):
            raise StreamError("restricted-xml", "comment or processing instruction")
        self._quote = b""
        self._tag_ends(token[1:] + bytes(self._held or b""))

    def _make_expat(self) -> XMLParserType:
        expat = self._expat = create()
        if self._header:  # the replacement continues within the same stream
            expat.Parse(self._header, False)
        else:
            declared: dict[str, str] = {}
            expat.StartNamespaceDeclHandler = lambda prefix, uri: declared.__setitem__(
                prefix or "", uri or ""
            )
            self._head = ("", declared)
        self._fed = self._mark = len(self._header)
        expat.StartElementHandler = self._start
        expat.EndElementHandler = self._end
        expat.StartCdataSectionHandler = self._start_cdata
        expat.EndCdataSectionHandler = self._end_cdata
        return expat

    def _start_cdata(self) -> None:
        self._cdata = True

    def _end_cdata(self) -> None:
        self._cdata = False

    def _settle(self) -> None:
        """In the middle of something: keeps the bytes that are still needed, and counts them."""
        if self._state != _DOCUMENT:
            if self._state == _OVER:
                self.close()
            return
        if self._depth == 1:
            self._between_stanzas()
            start = self._mark
        else:
            start = self._start_at
        view = self._view
        if view is not None and (start != self._base or not isinstance(view, bytearray)):
            self._view = bytearray(view[start - self._base :])
            self._base = start
        held = len(self._held) if self._held else 0
        if (self._fed - start if view is not None else 0) + held > self.limits.stanza_bytes:
            raise _too_much("bytes")

    def _between_stanzas(self) -> None:
        """Only a tag may begin here; whitespace (RFC 6120 §4.6.1) is dropped and not counted."""
        if self._view is not None:
            rest = bytes(self._view[self._mark - self._base :]).lstrip(WHITESPACE)
            self._mark = self._fed - len(rest)
            if rest[:1] != b"<":
                raise _stray_text()
        elif self._held and self._held[0] != _LT:  # "<"
            self._held = self._held.lstrip(WHITESPACE)
            if self._held and self._held[0] != _LT:
                raise _stray_text()

    # What expat reports

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        depth = self._depth
        self._depth = depth + 1
        if depth == 2:
            self._names.append(name)
        elif depth == 1:
            self._start_stanza(name, attrs)
        elif depth == 0:
            self._open(name, attrs)
            return
        if self._counts:
            self._count(name, attrs, depth)

    def _count(self, name: str, attrs: dict[str, str], depth: int) -> None:
        """What this element adds to the cost of its stanza."""
        left = self._elements_left = self._elements_left - 1
        size = self._expanded_left - len(name)
        limits = self.limits
        if attrs:
            for attr in attrs:
                size -= len(attr)
                if len(attr) > limits.suspect:
                    _check_uri(attr, limits)
            if len(attrs) > limits.attributes:
                raise _too_much("attributes")
        self._expanded_left = size
        if left < 0 or size < 0 or depth > limits.depth:
            raise _too_much("elements, depth or names")
        if len(name) > limits.suspect:
            _check_uri(name, limits)

    def _end(self, name: str) -> None:
        depth = self._depth = self._depth - 1
        if depth == 1:
            self._end_stanza()
        elif depth == 0:
            assert self._expat is not None
            assert self._view is not None
            at = self._expat.CurrentByteIndex
            if self._view[self._mark - self._base : at - self._base].strip(WHITESPACE):
                raise _stray_text()
            self._events.append(StreamClose())
            self._state = _OVER

    def _open(self, name: str, attrs: dict[str, str]) -> None:
        assert self._expat is not None
        assert self._view is not None
        assert self._head is not None
        self._expat.StartNamespaceDeclHandler = None
        declared = self._head[1]
        limits = self.limits
        tag = _TAG.match(self._view)
        qname = _QNAME.match(self._view)
        assert tag
        assert qname
        if tag.end() > limits.stanza_bytes or len(attrs) + len(declared) > limits.attributes:
            raise _too_much("bytes or attributes")
        for uri in declared.values():
            if len(uri) > limits.suspect:
                _check_uri(uri + SEPARATOR, limits)
        self._mark = tag.end()
        context = self._context = _context(
            bytes(qname[1]).decode(), tuple(sorted(declared.items())), self.content_ns
        )
        self._header, self._suspects = context
        self._head = None
        default_ns = declared.pop("", "")
        self._events.append(StreamOpen(*split(name), expand(attrs), default_ns, declared))

    def _start_stanza(self, name: str, attrs: dict[str, str]) -> None:
        assert self._expat is not None
        assert self._view is not None
        at = self._start_at = self._expat.CurrentByteIndex
        if at != self._mark:
            base = self._base
            if self._view[self._mark - base : at - base].strip(WHITESPACE):
                raise _stray_text()
        self._head = (name, attrs)
        if self._counts:
            limits = self.limits
            self._elements_left = limits.elements
            self._expanded_left = limits.expanded
        if name == _HEADER:
            raise StreamError("bad-format", "a second stream header without a restart")

    def _end_stanza(self) -> None:
        """Cuts the stanza out of the bytes."""
        expat, view, head, base = self._expat, self._view, self._head, self._base
        assert expat is not None
        assert view is not None
        assert head is not None
        name, attrs = head
        self._head = None
        start = self._start_at - base
        # Where the end tag begins or, of an empty element, where its tag ends
        at = expat.CurrentByteIndex - base
        tag_end = _TAG.match(view, start).end()  # type: ignore[union-attr]  # expat saw the tag
        empty = at == tag_end and view[at - 2] == _SLASH
        end = at if empty else view.find(b">", at) + 1
        if end - start > self.limits.stanza_bytes:
            raise _too_much("bytes")
        mark = self._mark = base + end
        tag = view[start:tag_end]
        raw = bytes(view[tag_end:at])
        # A byte is looked for by its number: bytes for which it is asked with `in` cost six times
        # as much, for they are first tried as a number, and that fails.
        if _COLON in tag:  # perhaps of a prefix
            attrs = expand(attrs)
        kind = self._kinds.get(name)
        names = self._names
        if kind is None:
            self._events.append(Nonza(self._nonza(name, attrs, raw, view[start:end])))
            names.clear()
        else:
            tree: Element | None = None
            if raw and not self._self_contained(kind[1], tag, raw):
                tree = self._tree(bytes(view[start:end]))
                raw = self._rewritten(tree, end - start)
            payloads = tuple(map(split, names))
            names.clear()
            self._events.append(self._make_stanza(kind[0], attrs, payloads, raw, tree))
        if mark > _RENEW_BYTES and mark != self._fed:
            raise _RenewError

    def _self_contained(self, plain: bytes, tag: bytes | bytearray, raw: bytes) -> bool:
        """Whether `raw` means the same wherever the content namespace is the default one. A tag
        without a prefix says that it is the default here. Errs on the safe side.
        """
        if not tag.startswith(plain) or (_COLON in tag and tag.find(b"xmlns:") >= 0):
            return False
        suspects = self._suspects
        if _COLON in raw or not suspects[0]:
            for suspect in suspects:
                if raw.find(suspect) >= 0:
                    return False
        return True

    def _nonza(
        self, name: str, attrs: dict[str, str], raw: bytes, whole: bytes | bytearray
    ) -> Element:
        """With nothing but text in it, as those of SASL are, it needs no second expat."""
        if not raw:
            return Element(*split(name), attrs)
        if not self._names and not _MARKUP.search(raw):
            return Element(*split(name), attrs, raw.decode())
        return self._tree(bytes(whole))

    def _tree(self, whole: bytes) -> Element:
        """The tree of a child of the stream, with the header's namespaces in force."""
        qname = _QNAME.match(self._header)
        assert qname
        (child,) = build(self._header, whole, b"</" + qname[1] + b">").children
        assert isinstance(child, Element)
        return child

    def _rewritten(self, stanza: Element, size: int) -> bytes:
        """The inside of a stanza, written so that it is self-contained. A namespace whose prefix
        was declared once and used often is spelt out with each use: that may double the size.
        """
        ns = self.content_ns
        raw = "".join(
            [escape_text(c) if isinstance(c, str) else to_xml(c, ns) for c in stanza.children]
        ).encode()
        if len(raw) > max(2 * size, _SMALL):
            raise _too_much("namespaces")
        return raw


_HEADER = f"{STREAMS}{SEPARATOR}stream"


class _RenewError(Exception):
    """Leaves expat after a stanza so that a new one can go on with the bytes that follow."""


@lru_cache(maxsize=16)
def _kinds(content_ns: str) -> dict[str, tuple[str, bytes]]:
    """Stanzas as expat names them: what we call them, and how a tag without prefix begins."""
    return {content_ns + SEPARATOR + kind: (kind, b"<" + kind.encode()) for kind in KINDS}


@lru_cache(maxsize=64)
def _context(qname: str, declared: tuple[tuple[str, str], ...], content_ns: str) -> Context:
    """A start tag that declares the same, and what makes a stanza suspect of not being
    self-contained: the prefixes as they look in use, and the content namespace spelt out, which
    another stream would take for a foreign one (RFC 6120 §4.8.3). Sessions share both, for most
    headers declare the same.
    """
    tag = f"<{qname}"
    suspects = [content_ns.encode()]
    for prefix, uri in declared:
        tag += f" xmlns{':' if prefix else ''}{prefix}='{escape_attr(uri)}'"
        if prefix in KINDS:  # "<message:message" looks like a tag without a prefix
            suspects.insert(0, b"")  # which is in every stanza
        elif prefix not in ("", "xml"):
            suspects.append(f"{prefix}:".encode())
    return f"{tag}>".encode(), tuple(suspects)


def _refuse_declaration(held: bytearray) -> None:
    """A `<!DOCTYPE` within the stream ends it by its first bytes: it may be long in coming."""
    at = held.find(b"<!")
    token = held[at : at + len(_CDATA)]
    if at >= 0 and not _CDATA.startswith(token) and not token.startswith(b"<!-"):
        raise StreamError("not-well-formed", "declaration within the stream")


def _check_uri(name: str, limits: Limits) -> None:
    ns = name.rpartition(SEPARATOR)[0]
    if len(ns.encode()) > limits.uri_bytes:
        raise _too_much("namespace URI")


def _too_much(what: str) -> StreamError:
    return StreamError("policy-violation", f"over the limit: {what}")


def _stray_text() -> StreamError:
    """RFC 6120 §4.9.3.1: XML that cannot be processed, though it is well-formed."""
    return StreamError("bad-format", "text between stanzas")
