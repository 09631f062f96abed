"""What a DNS answer says to a question, taken from Twisted's messages.

Whatever comes in is a stranger's: names are checked, numbers of records bounded, and a record
that cannot be understood is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, TypeVar

from twisted.names import dns

from xmppd.resolve.errors import LookupFailed
from xmppd.resolve.names import dns_name
from xmppd.resolve.targets import Service

T = TypeVar("T")

MOST_RECORDS = 32
MOST_ALIASES = 8
LONGEST_TTL_S = 86400
LONGEST_NEGATIVE_TTL_S = 900  # RFC 2308 §5 permits more; a new server wants to be found
MALFORMED = (EOFError, ValueError, IndexError, KeyError, OverflowError, TypeError, struct.error)


class Kind(IntEnum):
    """Types of records."""

    A, AAAA, SRV, TLSA = 1, 28, 33, 52


CNAME = 5
SOA = 6


@dataclass(frozen=True, slots=True)
class Association:
    """A TLSA record (RFC 6698 §2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Records(Generic[T]):
    """All records of one kind at a name: addresses as text, `Service`s, `Association`s.

    None at all is an answer too. `secure`: checked by DNSSEC, says a server that can be believed.
    """

    values: tuple[T, ...] = ()
    ttl_s: int = 0
    secure: bool = False


def encode(identity: int, name: str, kind: Kind) -> bytes:
    """A question, that asks for recursion and for the AD bit (RFC 6840 §5.7)."""
    message: Any = dns.Message(id=identity, recDes=1, authenticData=1)
    message.addQuery(name.encode("ascii"), int(kind), dns.IN)
    data: bytes = message.toStr()
    return data


def decode(data: bytes) -> Any:  # a dns.Message, which has no types
    """A message, or LookupFailed."""
    message: Any = dns.Message()
    try:
        message.fromStr(data)
    except MALFORMED:
        raise LookupFailed("an answer that is no DNS message") from None
    counts = struct.unpack("!4H", data[4:12])  # Twisted forgets what is cut off
    found = (message.queries, message.answers, message.authority, message.additional)
    if counts != tuple(map(len, found)):
        raise LookupFailed("an answer that is incomplete")
    return message


def answers(message: Any, identity: int, name: str, kind: Kind) -> bool:
    """It is an answer to this question and to no other: what a spoofer does not know."""
    if message.id != identity or not message.answer or len(message.queries) != 1:
        return False
    query = message.queries[0]
    same_kind = query.type == kind and query.cls == dns.IN
    return same_kind and _text(query.name.name) == name


def read(message: Any, name: str, kind: Kind, *, believed: bool) -> Records[Any] | str:
    """The records; or the name to ask for next, where an alias leads out of the answer.

    Raises LookupFailed for an error of the server, and for aliases in a circle.
    """
    if message.rCode not in (dns.OK, dns.ENAME):
        raise LookupFailed(f"the name server answers {_rcode(message.rCode)}")
    secure = believed and bool(message.authenticData)
    last, ttls = _follow(message.answers, name)
    found = [r for r in message.answers if r.type == kind and _text(r.name.name) == last]
    values = [_value(record.payload, kind) for record in found[:MOST_RECORDS]]
    if found:
        ttl_s = min([*ttls, *(record.ttl for record in found), LONGEST_TTL_S])
        return Records(tuple(v for v in values if v is not None), max(0, ttl_s), secure)
    if last != name and message.rCode == dns.OK and not _has_soa(message):
        return last
    return Records((), _negative_ttl(message), secure)


def _follow(records: Sequence[Any], name: str) -> tuple[str, list[int]]:
    """The end of the chain of aliases, and the TTLs on the way."""
    aliases = {
        _text(record.name.name): (_text(record.payload.name.name), record.ttl)
        for record in records[: 4 * MOST_RECORDS]
        if record.type == CNAME
    }
    ttls: list[int] = []
    while name in aliases:
        name, ttl = aliases[name]
        ttls.append(ttl)
        if len(ttls) > MOST_ALIASES or not name:
            raise LookupFailed("too many aliases, or a circle of them")
    return name, ttls


def _has_soa(message: Any) -> bool:
    """The server is sure that there is nothing (RFC 2308 §2.2)."""
    return any(record.type == SOA for record in message.authority)


def _negative_ttl(message: Any) -> int:
    """RFC 2308 §5."""
    for record in message.authority:
        if record.type == SOA:
            return int(max(0, min(record.ttl, record.payload.minimum, LONGEST_NEGATIVE_TTL_S)))
    return 0


def _value(payload: Any, kind: Kind) -> object | None:
    if kind in (Kind.A, Kind.AAAA):
        return str(payload.dottedQuad() if kind is Kind.A else payload._address)
    if kind is Kind.SRV:
        return _service(payload)
    data: bytes = payload.data
    return Association(data[0], data[1], data[2], data[3:]) if len(data) > 3 else None


def _service(payload: Any) -> Service | None:
    target = payload.target.name
    name = "." if target in (b"", b".") else dns_name(_text(target))
    if name is None:
        return None
    return Service(payload.priority, payload.weight, payload.port, name)


def _text(name: bytes) -> str:
    """Lower case. What is no ASCII equals no name that we ask for."""
    return name.decode("ascii", "replace").lower().removesuffix(".")


def _rcode(number: int) -> str:
    names = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"}
    return names.get(number, f"error {number}")
