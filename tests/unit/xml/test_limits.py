"""What a peer may cost: limits that hold while bytes come in (RFC 6120 §13.12)."""

from typing import Any, TypeAlias

import pytest

from xmppd.xml import AFTER_LOGIN, BEFORE_LOGIN, Limits, StreamError, StreamParser, to_xml

OPEN = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
SMALL = Limits(stanza_bytes=1000, elements=8, depth=5, attributes=4, uri_bytes=100)
Parser: TypeAlias = StreamParser[tuple[Any, ...]]


def opened(limits: Limits = SMALL, header: bytes = OPEN) -> Parser:
    made: Parser = StreamParser(lambda *stanza: stanza, limits=limits)
    made.feed(header)
    return made


def refusal(made: Parser, *writes: bytes) -> str | None:
    try:
        for data in writes:
            made.feed(data)
    except StreamError as e:
        return e.condition
    return None


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def body(size: int) -> bytes:
    return b"<iq><b>" + b"x" * (size - 16) + b"</b></iq>"


def nested(depth: int) -> bytes:
    return b"<iq>" + b"<a>" * (depth - 1) + b"</a>" * (depth - 1) + b"</iq>"


def attributes(count: int) -> bytes:
    return b"<a" + b"".join(b" a%d=''" % i for i in range(count)) + b"/>"


@pytest.mark.parametrize(
    "xml_of, limit",
    [
        (body, SMALL.stanza_bytes),
        (lambda n: b"<r>" + b"x" * (n - 7) + b"</r>", SMALL.stanza_bytes),  # nonzas too
        (lambda n: b"<iq id='" + b"x" * (n - 11) + b"'/>", SMALL.stanza_bytes),
        (lambda n: b"<iq>" + b"<a/>" * (n - 1) + b"</iq>", SMALL.elements),
        (nested, SMALL.depth),
        (lambda n: b"<iq>" + attributes(n) + b"</iq>", SMALL.attributes),
        (lambda n: attributes(n).replace(b"<a", b"<iq"), SMALL.attributes),
        (lambda n: b"<iq><a xmlns='%s'/></iq>" % (b"u" * n), SMALL.uri_bytes),
        (lambda n: b"<iq><a xmlns:p='%s' p:k=''/></iq>" % (b"u" * n), SMALL.uri_bytes),
        (
            lambda n: b"<a xmlns='%s'/>" % ("\u00e9".encode() * (n // 2) + b"u" * (n % 2)),
            SMALL.uri_bytes,
        ),
    ],
)
def test_a_stanza_at_its_limit_passes_and_one_beyond_does_not(xml_of: Any, limit: int) -> None:
    for size, expected in [(limit - 1, None), (limit, None), (limit + 1, "policy-violation")]:
        xml = xml_of(size)
        assert refusal(opened(), b" <iq/>" + xml + b"<iq/>") == expected
        assert refusal(opened(), b" <iq/>", *bytewise(xml + b"<iq/>")) == expected


def padded(start: bytes, end: bytes, size: int) -> bytes:
    return start + b"u" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize(
    "limits",
    [
        BEFORE_LOGIN,
        AFTER_LOGIN,
        SMALL,
        Limits(65536, 4096, 64, 64),
        Limits(20000, 100, 100, 10, uri_bytes=4096),
        Limits(20000, 100, 100, 1000, uri_bytes=300, expanded_factor=1),
    ],
)
@pytest.mark.parametrize(
    "worst",
    [
        lambda n: padded(b"<iq xmlns:a='", b"'/>", n),
        lambda n: padded(b"<iq a='", b"'/>", n),
        lambda n: b"<r>" + b"<p:a/>" * ((n - 7) // 6) + b"</r>",
        lambda n: padded(b"<iq><a xmlns='", b"'>" + b"<a/>" * (n // 8) + b"</a></iq>", n),
        lambda n: attributes((n - 5) // 8).replace(b"<a", b"<iq"),
        lambda n: attributes((n - 5) // 10).replace(b"<a", b"<iq").replace(b" a", b" p:a"),
    ],
)
def test_what_is_not_counted_is_within_every_limit(limits: Limits, worst: Any) -> None:
    header = OPEN.replace(b">", b" xmlns:p='%s'>" % (b"u" * limits.uri_bytes))
    xml = worst(max(limits.harmless, 60))
    assert len(xml) <= max(limits.harmless, 60)
    if len(xml) <= limits.harmless and xml.count(b"<") <= limits.depth:
        assert refusal(opened(limits, header), xml[:4], xml[4:], b"<iq/>") is None  # counted
        assert refusal(opened(limits, header), xml + b"<iq/>") is None


@pytest.mark.parametrize("first", [4, 10, 100])
def test_a_stanza_that_goes_on_is_counted_from_its_start(first: int) -> None:
    for depth, expected in [(128, None), (129, "policy-violation")]:
        xml = nested(depth)
        assert refusal(opened(AFTER_LOGIN), xml[:first], xml[first:]) == expected


@pytest.mark.parametrize(
    "start, endless",
    [
        (b"<iq id='", b"x"),
        (b"<iq id='", b">"),
        (b"<iq id='x' ", b" "),
        (b"<iq", b"x"),
        (b"<iq>", b"x"),
        (b"<iq>", b">"),
        (b"<iq>", b" "),
        (b"<iq><![CDATA[", b"x"),
        (b"<iq><![CDATA[", b">"),
        (b"<iq>&", b"x"),
        (b"<iq><!--", b"x"),
        (b"<iq><?x ", b"x"),
        (b"<iq xmlns:a", b"a"),
        (b"<iq xmlns='", b"u"),
        (b"<iq></iq", b" "),
        (b"<", b"x"),
    ],
)
@pytest.mark.parametrize("write", [1, 64, 4096])
def test_what_has_no_end_is_cut_off_at_the_limit(start: bytes, endless: bytes, write: int) -> None:
    made = opened()
    made.feed(start)
    sent = len(start)
    while refusal(made, endless * write) is None:
        sent += write
        assert sent <= SMALL.stanza_bytes
    assert sent + write > SMALL.stanza_bytes


@pytest.mark.parametrize("write", [1, 1000])
@pytest.mark.parametrize(
    "start, endless", [(b"<", b"a"), (b"<a b='", b">"), (b"<a ", b" "), (b"<a xmlns:a", b"a")]
)
def test_an_endless_header_is_cut_off_too(start: bytes, endless: bytes, write: int) -> None:
    made: Parser = StreamParser(lambda *stanza: stanza, limits=SMALL)
    made.feed(start)
    for _ in range(SMALL.stanza_bytes // write + 1):
        error = refusal(made, endless * write)
        if error:
            break
    assert error == "policy-violation"


@pytest.mark.parametrize(
    "attrs",
    [
        " ".join(f"a{i}=''" for i in range(5)),
        " ".join(f"xmlns:a{i}='u'" for i in range(5)),
        "xmlns='" + "u" * 101 + "'",
        "a='" + "x" * 1000 + "'",
    ],
)
def test_a_costly_header_is_refused(attrs: str) -> None:
    made: Parser = StreamParser(lambda *stanza: stanza, limits=SMALL)
    assert refusal(made, f"<s {attrs}>".encode()) == "policy-violation"


@pytest.mark.parametrize("write", [1, 999])
def test_whitespace_between_stanzas_counts_for_nothing_and_is_not_kept(write: int) -> None:
    made = opened()
    for _ in range(5000):
        made.feed(b" \n\t\r"[write % 4 :] * write)
        assert made.idle
    assert len(made.feed(b"  " + body(SMALL.stanza_bytes))) == 1


def test_whitespace_before_the_header_is_not_kept() -> None:
    made: Parser = StreamParser(lambda *stanza: stanza, limits=SMALL)
    for _ in range(100):
        made.feed(b" " * 100)
        assert made.idle
    assert len(made.feed(OPEN)) == 1


def test_a_long_namespace_on_many_names_is_counted_expanded() -> None:
    uri = b"u" * 1024
    limits = Limits(16384, 64, 16, 64)
    within = b"<iq><x xmlns='%s'>" % uri + b"<a/>" * 62 + b"</x></iq>"
    assert refusal(opened(limits), within) is None
    beyond = b"<iq xmlns:p='%s'>" % uri + b"<p:a p:b='' />" * 62 + b"</iq>"
    assert refusal(opened(limits), beyond) == "policy-violation"


def test_rewriting_gives_at_most_twice_the_input() -> None:
    header = b"<s xmlns='jabber:client' xmlns:p='%s'>" % (b"u" * 500)
    few = b"<iq>" + b"<p:a/>" + b"</iq>"
    (stanza,) = opened(AFTER_LOGIN, header).feed(few)
    assert isinstance(stanza, tuple)
    assert stanza[3] == b"<a xmlns='%s'/>" % (b"u" * 500)
    assert refusal(opened(AFTER_LOGIN, header), b"<iq>" + b"<p:a/>" * 50 + b"</iq>") == (
        "policy-violation"
    )


class Counting(StreamParser[tuple[Any, ...]]):
    """Notes how often expat is given bytes."""

    given = 0

    def _parse(self, chunk: bytes) -> None:
        self.given += 1
        super()._parse(chunk)


@pytest.mark.parametrize("start", [b"<iq a='", b"<iq a=\"'", b"<iq>", b"<iq><a b='x>y'><![CDATA["])
@pytest.mark.parametrize("byte", [b"x", b">", b" "])
def test_expat_never_sees_an_unfinished_tag_twice(start: bytes, byte: bytes) -> None:
    made = Counting(lambda *stanza: stanza, limits=AFTER_LOGIN)
    made.feed(OPEN)
    made.feed(start)
    begun = made.given
    for _ in range(1000):
        made.feed(byte)
    in_tag = start.startswith(b"<iq a")
    assert made.given - begun <= (1 if in_tag or byte != b">" else 1000)


def test_limits_can_be_widened_at_login() -> None:
    made = opened(BEFORE_LOGIN)
    made.limits = AFTER_LOGIN
    (stanza,) = made.feed(body(60_000))
    assert isinstance(stanza, tuple)
    assert refusal(made, body(AFTER_LOGIN.stanza_bytes + 1)) == "policy-violation"


def test_the_deepest_nonza_is_written_without_recursion() -> None:
    wide = Limits(1_000_000, 100_000, 100_000, 4)
    (nonza,) = opened(wide).feed(b"<a>" * 50_000 + b"</a>" * 50_000)
    assert to_xml(nonza.element).count("<a") == 50_000  # type: ignore[union-attr]
