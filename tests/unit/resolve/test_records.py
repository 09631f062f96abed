"""Messages of name servers: whatever they are, a record, nothing, or LookupFailed comes out."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.names import dns

from xmppd.resolve.errors import LookupFailed
from xmppd.resolve.records import Association, Kind, Records, answers, decode, encode, read
from xmppd.resolve.targets import Service

NAME = "a.example"
PAYLOADS: dict[Kind, Any] = {
    Kind.A: dns.Record_A("192.0.2.1"),
    Kind.AAAA: dns.Record_AAAA("2001:db8::1"),
    Kind.SRV: dns.Record_SRV(1, 2, 3, b"b.example"),
    Kind.TLSA: dns.UnknownRecord(b"\3\1\1abc"),
}


def message(kind: Kind, payload: Any = None, **changes: Any) -> Any:
    message: Any = dns.Message(id=7, answer=1)
    message.addQuery(NAME.encode(), int(kind), dns.IN)
    payload = PAYLOADS[kind] if payload is None else payload
    message.answers = [dns.RRHeader(NAME.encode(), int(kind), ttl=60, payload=payload)]
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def taken(kind: Kind, data: bytes) -> Any:
    found = decode(data)
    assert answers(found, 7, NAME, kind)
    return read(found, NAME, kind, believed=True)


def test_each_kind_is_read() -> None:
    values = {kind: taken(kind, message(kind).toStr()).values for kind in Kind}
    assert values == {
        Kind.A: ("192.0.2.1",),
        Kind.AAAA: ("2001:db8::1",),
        Kind.SRV: (Service(1, 2, 3, "b.example"),),
        Kind.TLSA: (Association(3, 1, 1, b"abc"),),
    }


def test_a_question_asks_for_recursion_and_for_the_ad_bit() -> None:
    asked = decode(encode(7, NAME, Kind.SRV))
    assert (asked.id, asked.recDes, asked.authenticData, asked.answer) == (7, 1, 1, 0)


def test_the_ad_bit_counts_only_where_it_is_believed() -> None:
    found = message(Kind.A, authenticData=1)
    assert read(found, NAME, Kind.A, believed=True).secure  # type: ignore[union-attr]
    assert not read(found, NAME, Kind.A, believed=False).secure  # type: ignore[union-attr]


def test_a_target_that_is_no_host_is_left_out() -> None:
    odd = dns.Record_SRV(0, 0, 5269, b"a b.example")
    assert taken(Kind.SRV, message(Kind.SRV, odd).toStr()).values == ()


def test_records_of_other_names_and_kinds_are_not_heard() -> None:
    found = message(Kind.A)
    found.answers.append(dns.RRHeader(b"evil.example", dns.A, payload=dns.Record_A("203.0.113.1")))
    found.answers.append(
        dns.RRHeader(NAME.encode(), dns.SRV, payload=dns.Record_SRV(0, 0, 1, b"evil.example"))
    )
    assert taken(Kind.A, found.toStr()).values == ("192.0.2.1",)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(list(Kind)),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=6),
    st.integers(0, 100),
)
def test_damaged_messages_are_read_or_refused(
    kind: Kind, damage: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(message(kind).toStr())
    for position, byte in damage:
        data[position % len(data)] = byte
    with contextlib.suppress(LookupFailed):
        found = decode(bytes(data[:length]))
        answers(found, 7, NAME, kind)
        assert isinstance(read(found, NAME, kind, believed=True), Records | str)
