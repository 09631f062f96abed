"""The stream parser under arbitrary bytes and arbitrary trees, and what it leaves in memory."""

import gc
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmppd.xml import (
    AFTER_LOGIN,
    BEFORE_LOGIN,
    Element,
    Limits,
    StreamError,
    StreamOpen,
    StreamParser,
    escape_attr,
    parse,
    parse_fragment,
    to_xml,
)

OPEN = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
NS = "jabber:client"
FLOOD_BYTES = int(os.environ.get("XMPPD_FUZZ_MB", "100")) * 1_000_000
EXAMPLES = int(os.environ.get("XMPPD_FUZZ_EXAMPLES", "200"))  # `make fuzz` asks for many
SCRAPS = [
    *(b"<", b">", b"/>", b"</", b"'", b'"', b"=", b"&", b";", b" ", b"\n", b":", b"a", b"\0"),
    *(b"<iq>", b"</iq>", b"<iq/>", b"<message to='a>b'>", b"</message>", b"<stream:x/>"),
    *(b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml version='1.0'?>", b"<?pi", b"?>"),
    *(b"<!DOCTYPE", b"&lt;", b"&#13;", b"xmlns", b"xmlns:p='u'", b"<p:a", b"xmlns=''", b"\xff"),
    *(b"\xc3\xa9", b"</stream:stream>", b"stream:", b"<a xmlns='u'>", b"</a>"),
]
xml_chars = st.characters(
    codec="utf-8", exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"
).filter(lambda c: c >= " " or c in "\t\r\n")
texts = st.text(xml_chars, max_size=12)
names = st.sampled_from(["a", "body", "x-y", "\u00e9", "stream", "a.1"])
uris = st.sampled_from(["", NS, "u", "http://etherx.jabber.org/streams", "a}b", "{", "a b'\n"])
attr_names = st.one_of(
    names, st.builds("{{{}}}{}".format, uris.filter(bool), names), st.just("{u}lang")
)
attrs = st.dictionaries(attr_names, texts, max_size=3)
leaves = st.builds(Element, uris, names, attrs)
trees = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda ns, name, attrs, children: Element(ns, name, attrs, *children),
        uris,
        names,
        attrs,
        st.lists(st.one_of(texts, inner), max_size=4),
    ),
    max_leaves=12,
)


def parser(limits: Limits = BEFORE_LOGIN) -> StreamParser[tuple[Any, ...]]:
    return StreamParser(lambda *stanza: stanza, limits=limits)


def outcome(writes: list[bytes]) -> tuple[list[Any], bool]:
    made = parser()
    events: list[Any] = []
    try:
        for data in writes:
            events += made.feed(data)
    except StreamError:
        return events + list(made.pending), True
    return events, False


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def resident_kb() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(SCRAPS), st.binary(max_size=4)), max_size=40), st.booleans()
)
def test_arbitrary_bytes_raise_nothing_but_stream_errors(scraps: list[bytes], late: bool) -> None:
    data = (OPEN if late else b"") + b"".join(scraps)
    whole = outcome([data])
    assert outcome(cut(data, 1)) == whole
    assert outcome(cut(data, 5)) == whole
    for event in whole[0]:
        if isinstance(event, tuple):
            parse_fragment(event[3], NS)


@settings(max_examples=EXAMPLES, deadline=None)
@given(trees, uris)
def test_what_is_written_reads_as_the_same_tree(tree: Element, default_ns: str) -> None:
    assert parse(to_xml(tree, default_ns), default_ns) == tree
    assert tree.copy() == tree


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.one_of(texts, trees), max_size=3), attrs, st.sampled_from(["u", "a}b", NS]))
def test_the_raw_of_a_stanza_has_its_meaning_anywhere(
    children: list[Element | str], attrs: dict[str, str], prefixed: str
) -> None:
    stanza = Element(NS, "message", attrs, *children)
    written = to_xml(stanza, NS)
    declared = f"<s xmlns='{NS}' xmlns:stream='{escape_attr(prefixed)}' xmlns:ns0='v'>"
    made = parser(AFTER_LOGIN)
    opened, message = made.feed((declared + written).encode())
    assert isinstance(opened, StreamOpen)
    kind, seen, _payloads, raw, _tree = message  # type: ignore[misc]
    assert Element(NS, kind, seen, *parse_fragment(raw, NS)) == stanza


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.sampled_from(["<p:a/>", "<a/>", "<q:b p:k='1'/>", "<c xmlns='w'><a/></c>"])))
def test_prefixes_from_outside_do_not_change_the_tree(parts: list[str]) -> None:
    header = f"<s xmlns='{NS}' xmlns:p='u' xmlns:q='v'>"
    xml = f"<iq>{''.join(parts)}</iq>"
    _opened, stanza = parser().feed((header + xml).encode())
    (sent,) = parse(f"{header}{xml}</s>").elements
    assert Element(NS, "iq", None, *parse_fragment(stanza[3], NS)) == sent  # type: ignore[index]


def names_flood(i: int) -> bytes:
    inner = b"".join(b"<e%d-%d a%d-%d=''/>" % (i, j, i, j) for j in range(500))
    return b"<message>" + inner + b"</message>"


def trailing_flood(i: int) -> bytes:
    """Each write ends with the first byte of the next stanza."""
    return names_flood(i)[min(i, 1) :] + b"<"


def half_open_flood(i: int) -> bytes:
    """Each write ends in the middle of a stanza."""
    start = b"" if i == 0 else b"</x></message>"
    return start + b"<message><body>" + b"x" * 5000 + b"</body><x xmlns:p%d='u%d'>" % (i, i)


def attributes_flood(i: int) -> bytes:
    inner = b"".join(b" a%d-%d='%d'" % (i, j, i) for j in range(250))
    return b"<nonza-%d%s/>" % (i, inner)


@pytest.mark.parametrize("flood", [names_flood, trailing_flood, half_open_flood, attributes_flood])
def test_a_flood_of_invented_names_leaves_nothing_behind(flood: Any) -> None:
    made = parser(AFTER_LOGIN)
    made.feed(OPEN)
    before = resident_kb()
    sent = i = 0
    while sent < FLOOD_BYTES // 4:
        data = flood(i)
        made.feed(data)
        sent += len(data)
        i += 1
    assert resident_kb() - before < 10_000
