"""Message, Presence and IQ: records with slots; the tree of the children is built on demand.

A stanza keeps its inner XML as it was received (`raw`) and the names of its children
(`payloads`). Writing it to a stream splices `raw` behind a fresh start tag. In memory the content
namespace is always jabber:client: a child that came from a jabber:server stream in that stream's
content namespace reads as jabber:client, and follows the content namespace of the stream that it
is written to (RFC 6120 §4.8.2, §4.8.3).

Once routed, a stanza is read-only; `copy()` changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import ClassVar, Final, Self

from xmppd.jid import JID
from xmppd.ns import CLIENT, XML
from xmppd.stanza.copies import Copies
from xmppd.stanza.errors import StanzaError
from xmppd.xml import XML_LANG, Element, escape_attr, parse_fragment, to_xml

Names = tuple[tuple[str, str], ...]  # (namespace, name) of each child, in order

# What an attribute in single quotes needs escaped, CR, LF and TAB so that they are not normalised.
_unsafe = re.compile("[&<>'\"\r\n\t]").search
_PRIORITY = re.compile(r"\s*([+-]?[0-9]{1,9})\s*", re.ASCII)


class _Keep(Enum):
    KEEP = "as it is"


KEEP: Final = _Keep.KEEP


class Stanza:
    """Made from Elements, or (by `read_stanza`) from received bytes with their payload names.

    `to` and `from_` are resolved: no `to` means one's own account (RFC 6120 §10.3). `extra` holds
    attributes that RFC 6120 does not know, with expanded names. `directed` is False where the
    sender named no `to`: `to` is then the sender's own bare JID. `fault` is set where the received
    stanza is malformed: the dispatcher answers with `error_reply(stanza, stanza.fault)`, which
    keeps silent about errors and results, and drops the stanza.
    """

    __slots__ = (
        "_children",
        "_raw",
        "_tail",
        "directed",
        "extra",
        "fault",
        "from_",
        "id",
        "lang",
        "payloads",
        "to",
        "type",
    )
    kind: ClassVar[str]
    _end_tag: ClassVar[bytes]
    default_type: ClassVar[str] = ""  # the type of a stanza that has no such attribute

    def __init__(
        self,
        to: JID,
        from_: JID,
        type: str = "",
        id: str | None = None,
        *children: Element,
        lang: str | None = None,
        raw: bytes | None = None,
        payloads: Names = (),
        extra: dict[str, str] | None = None,
    ) -> None:
        self.to = to
        self.from_ = from_
        self.type = type or self.default_type
        self.id = id
        self.lang = lang
        self.extra = extra
        self.directed = True
        self.fault: StanzaError | None = None
        self._raw = raw
        self._tail: bytes | None = None  # what is written after `to`, in one of many `copies`
        if raw is None:
            self.payloads: Names = tuple([(child.ns, child.name) for child in children])
            self._children: list[Element] | None = list(children)
        else:
            self.payloads = payloads
            self._children = None

    @classmethod
    def received(
        cls, to: JID, from_: JID, type: str, attrs: dict[str, str], payloads: Names, raw: bytes
    ) -> Self:
        """One with these attributes of its start tag. The same as by `__init__`, in a third of
        the time: keywords and `*children` cost 0.2 µs.
        """
        new = cls.__new__(cls)
        new.to = to
        new.from_ = from_
        new.type = type or cls.default_type
        new.id = attrs.get("id")
        new.lang = attrs.get(XML_LANG)
        new.extra = None
        new.directed = "to" in attrs
        new.fault = None
        new._raw = raw
        new._tail = None
        new.payloads = payloads
        new._children = None
        return new

    def __repr__(self) -> str:
        what = " ".join(name for _, name in self.payloads)
        return (
            f"<{self.kind} {self.type or 'available'} {self.from_!s} -> {self.to!s}"
            f" id={self.id!r}: {what}>"
        )

    @property
    def raw(self) -> bytes:
        """The inner XML, self-contained when read in jabber:client as default namespace."""
        if self._raw is None:
            self._raw = _serialise(self.children)
        return self._raw

    @property
    def children(self) -> list[Element]:
        """The child elements, built once. Read-only, as the stanza is."""
        if self._children is None:
            nodes = parse_fragment(self.raw, CLIENT)
            self._children = [node for node in nodes if isinstance(node, Element)]
        return self._children

    def has(self, ns: str, name: str | None = None) -> bool:
        """Whether there is such a child; costs no parsing."""
        if name is not None:
            return (ns, name) in self.payloads
        return any(ns == of for of, _ in self.payloads)

    def child(self, ns: str, name: str | None = None) -> Element | None:
        """The first such child; without parsing None when there is none."""
        for position, (of, called) in enumerate(self.payloads):
            if of == ns and (name is None or called == name):
                return self.children[position]
        return None

    def children_of(self, ns: str | None = None) -> list[Element]:
        """The children of that namespace; all of them for None."""
        if ns is None:
            return list(self.children)
        if not self.has(ns):
            return []
        return [child for child in self.children if child.ns == ns]

    def _child_text(self, name: str) -> str | None:
        child = self.child(CLIENT, name)
        return None if child is None else child.text

    @property
    def error(self) -> StanzaError | None:
        """What went wrong, read from a stanza of type error; None for all other types."""
        if self.type != "error":
            return None
        error = self.child(CLIENT, "error")
        return (
            StanzaError("undefined-condition")
            if error is None
            else StanzaError.from_element(error)
        )

    def copy(
        self,
        *,
        to: JID | None = None,
        from_: JID | None = None,
        type: str | None = None,
        id: str | _Keep | None = KEEP,
        lang: str | _Keep | None = KEEP,
        children: Iterable[Element] | None = None,
        add: Iterable[Element] = (),
        without: Callable[[Element], bool] | None = None,
    ) -> Self:
        """A stanza that differs in what is named; what is not changed is shared.

        Of `children` (or of the present ones) those are left out for which `without` says True;
        then `add` is appended. Adding alone neither parses nor rewrites what was received.
        """
        new = self.__class__.__new__(self.__class__)
        new.to = self.to if to is None else to
        new.from_ = self.from_ if from_ is None else from_
        new.type = self.type if type is None else type
        new.id = self.id if id is KEEP else id
        new.lang = self.lang if lang is KEEP else lang
        new.extra = self.extra
        new.directed = self.directed
        new.fault = self.fault
        new.payloads = self.payloads
        new._raw = self._raw
        new._tail = None
        new._children = self._children
        if children is not None:
            new._set(list(children))
        if without is not None:
            kept = [child for child in new.children if not without(child)]
            if len(kept) != len(new.children):  # else the bytes as received are still the truth
                new._set(kept)
        if more := list(add):
            new._add(more)
        return new

    def copies(self, jids: Iterable[JID]) -> Copies[Self]:
        """A copy for each of these receivers. All but `to` is written once, for all of them."""
        return Copies(self, jids, self._after_to(CLIENT))

    def copy_written(self, to: JID, tail: bytes) -> Self:
        """A copy for `to`, of which the bytes after that are known: for `Copies`, in a third of
        the time that `copy` takes.
        """
        new = self.__class__.__new__(self.__class__)
        new.to = to
        new.from_ = self.from_
        new.type = self.type
        new.id = self.id
        new.lang = self.lang
        new.extra = self.extra
        new.directed = self.directed
        new.fault = self.fault
        new.payloads = self.payloads
        new._raw = self._raw
        new._tail = tail
        new._children = self._children
        return new

    def _set(self, children: list[Element]) -> None:
        self._children = children
        self._raw = None
        self.payloads = tuple([(child.ns, child.name) for child in children])

    def _add(self, more: list[Element]) -> None:
        if self._raw is not None:
            self._raw += _serialise(more)
        if self._children is not None:
            self._children = self._children + more  # a new list: the old one is the original's
        self.payloads += tuple([(child.ns, child.name) for child in more])

    def write(self, content_ns: str = CLIENT) -> bytes:
        """The stanza as bytes, for a stream whose content namespace is `content_ns`."""
        to: str = self.to
        if _unsafe(to):
            to = escape_attr(to)
        if self._tail is not None and content_ns == CLIENT:
            return f"<{self.kind} to='{to!s}'".encode() + self._tail
        raw = self._raw
        if raw is None or content_ns != CLIENT:
            raw = self._inner(content_ns)
        if not raw:
            return f"<{self.kind} to='{to!s}'{self._attributes()}/>".encode()
        # "!s": without it a JID, which is no plain str, is asked to format itself, for 0.05 µs
        return f"<{self.kind} to='{to!s}'{self._attributes()}>".encode() + raw + self._end_tag

    def write_to_many(self, jids: Iterable[JID], content_ns: str = CLIENT) -> list[bytes]:
        """The stanza as bytes for each of these receivers, in their order.

        All but `to` is written once; a receiver costs one joining of bytes.
        """
        return self.write_to_each(jids, self._after_to(content_ns))

    def write_to_each(self, jids: Iterable[JID], tail: bytes) -> list[bytes]:
        """As `write_to_many`, with what comes after `to`."""
        head, tail = f"<{self.kind} to='", b"'" + tail
        receivers: list[str] = list(jids)
        if _unsafe("".join(receivers)):
            receivers = [escape_attr(to) for to in receivers]
        return [(head + to).encode() + tail for to in receivers]

    def _after_to(self, content_ns: str) -> bytes:
        raw = self._inner(content_ns)
        start = self._attributes().encode()
        return start + b">" + raw + self._end_tag if raw else start + b"/>"

    def _attributes(self) -> str:
        """The start tag's attributes after `to`."""
        from_: str = self.from_
        type_ = self.type
        id_ = self.id
        if _unsafe(f"{from_!s}{id_}{type_}"):
            from_, type_ = escape_attr(from_), escape_attr(type_)
            id_ = None if id_ is None else escape_attr(id_)
        text = f" from='{from_!s}'"
        if type_ != self.default_type:
            text += f" type='{type_}'"
        if id_ is not None:
            text += f" id='{id_}'"
        if self.lang is not None:
            text += f" xml:lang='{escape_attr(self.lang)}'"
        return text if self.extra is None else text + _extra_attributes(self.extra)

    def _inner(self, content_ns: str) -> bytes:
        """`raw` for a stream of that content namespace."""
        if content_ns != CLIENT and b"jabber:client" in self.raw:
            # A child may name jabber:client itself and would not follow: write it anew without.
            return _serialise(self.children)
        return self.raw


class Message(Stanza):
    """RFC 6121 §5. `type`: normal, chat, groupchat, headline or error."""

    __slots__ = ()
    kind = "message"
    _end_tag = b"</message>"
    default_type = "normal"

    @property
    def body(self) -> str | None:
        """The first body's text; None without a body."""
        return self._child_text("body")


class Presence(Stanza):
    """RFC 6121 §4. `type` "" is available; else unavailable, subscribe, ... (§4.7.1)."""

    __slots__ = ()
    kind = "presence"
    _end_tag = b"</presence>"

    @property
    def priority(self) -> int:
        """-128 to 127, 0 where none is given; StanzaError bad-request if malformed (§4.7.2.3)."""
        text = self._child_text("priority")
        if text is None:
            return 0
        number = int(text) if _PRIORITY.fullmatch(text) else None
        if number is None or not -128 <= number <= 127:
            raise StanzaError("bad-request", "priority must be an integer from -128 to 127")
        return number

    @property
    def show(self) -> str:
        """away, chat, dnd, xa (§4.7.2.1) as sent, unchecked; "" where there is none."""
        return self._child_text("show") or ""


class IQ(Stanza):
    """RFC 6120 §8.2.3. `type`: get, set, result or error."""

    __slots__ = ()
    kind = "iq"
    _end_tag = b"</iq>"

    @property
    def is_request(self) -> bool:
        """Whether it waits for an answer: get or set."""
        return self.type == "get" or self.type == "set"

    @property
    def payload(self) -> Element:
        """The child that says what it is about; a get or set from a stream has exactly one.

        StanzaError bad-request for an IQ without children: an empty result.
        """
        if not self.payloads:
            raise StanzaError("bad-request", "this IQ is empty")
        return self.children[0]

    def result(self, payload: Element | None = None) -> IQ:
        """The answer to this get or set; without payload an empty one."""
        if payload is None:
            return IQ(self.from_, self.to, "result", self.id, raw=b"")
        return IQ(self.from_, self.to, "result", self.id, payload)

    def written_result(self, ns: str, name: str, xml: str) -> IQ:
        """The answer to this get or set with a payload that is large and was written by hand:
        `xml` is the element `name` in `ns`. It must be well-formed, and nobody checks that.
        """
        names = ((ns, name),)
        return IQ(self.from_, self.to, "result", self.id, raw=xml.encode(), payloads=names)


def _serialise(children: Iterable[Element]) -> bytes:
    return "".join([to_xml(child, CLIENT) for child in children]).encode()


def _extra_attributes(extra: dict[str, str]) -> str:
    """Attributes with expanded names, each namespace declared under a prefix of its own."""
    text = ""
    for number, (name, value) in enumerate(extra.items()):
        if name[0] == "{":
            ns, _, local = name[1:].rpartition("}")
            prefix = "xml" if ns == XML else f"ns{number}"
            declared = "" if ns == XML else f" xmlns:{prefix}='{escape_attr(ns)}'"
            text += f"{declared} {prefix}:{local}='{escape_attr(value)}'"
        else:
            text += f" {name}='{escape_attr(value)}'"
    return text
