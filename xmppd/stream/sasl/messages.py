"""The messages of a SCRAM client, taken apart by the grammar of RFC 5802 §7 and nothing else."""

import re
from dataclasses import dataclass, field

from xmppd.stream.sasl.base64 import strict
from xmppd.stream.sasl.identity import utf8
from xmppd.stream.sasl.steps import SASLFailure

_GS2 = re.compile(r"(?:p=(?P<type>[A-Za-z0-9.-]+)|n|y),(?:a=(?P<authzid>[^,]+))?,")
_ATTRIBUTE = re.compile(r"([A-Za-z])=([^,]+)", re.DOTALL)
_NONCE = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # printable
_ESCAPE = re.compile(r"=(2C|3D)?")
_DEFINED = frozenset("anrmcsipve")  # none of these is an extension


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """client-first-message. `flag` is n, y or p; `binding_type` is set with p. `name` is as sent,
    `bare` the part that is signed.
    """

    gs2_header: str
    flag: str
    binding_type: str | None
    authzid: str | None
    name: str
    nonce: str = field(repr=False)
    bare: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientFinal:
    """client-final-message. `binding` is the c= as sent, `unproven` the part that is signed."""

    binding: str = field(repr=False)
    nonce: str = field(repr=False)
    proof: bytes = field(repr=False)
    unproven: str = field(repr=False)


def client_first(data: bytes) -> ClientFirst:
    """Raises SASLFailure malformed-request; not-authorized for an extension that is mandatory."""
    text = _text(data)
    header = _GS2.match(text)
    if header is None:
        raise SASLFailure("malformed-request")
    bare = text[header.end() :]
    (first, name), (second, nonce) = _attributes(bare, "n", "r")[:2]
    if (first, second) != ("n", "r") or not _NONCE.fullmatch(nonce):
        raise SASLFailure("malformed-request")
    authzid = header["authzid"]
    return ClientFirst(
        gs2_header=header[0],
        flag=text[0],
        binding_type=header["type"],
        authzid=None if authzid is None else saslname(authzid),
        name=saslname(name),
        nonce=nonce,
        bare=bare,
    )


def client_final(data: bytes) -> ClientFinal:
    """Raises SASLFailure like client_first."""
    text = _text(data)
    found = _attributes(text, "c", "r", "p")
    if len(found) < 3 or [found[0][0], found[1][0], found[-1][0]] != ["c", "r", "p"]:
        raise SASLFailure("malformed-request")
    binding, nonce, proof = found[0][1], found[1][1], strict(found[-1][1])
    if proof is None or strict(binding) is None or not _NONCE.fullmatch(nonce):
        raise SASLFailure("malformed-request")
    return ClientFinal(binding, nonce, proof, text[: text.rindex(",p=")])


def saslname(text: str) -> str:
    """Undo the escapes for comma and equals sign; any other "=" is malformed (§5.1)."""

    def plain(escape: re.Match[str]) -> str:
        if escape[1] is None:
            raise SASLFailure("malformed-request")
        return "," if escape[1] == "2C" else "="

    return _ESCAPE.sub(plain, text)


def _text(data: bytes) -> str:
    text = utf8(data)
    if "\0" in text:
        raise SASLFailure("malformed-request")
    return text


def _attributes(text: str, *expected: str) -> list[tuple[str, str]]:
    """The attributes in order: at least two, none twice, no known one that is not `expected`."""
    found = [_ATTRIBUTE.fullmatch(part) for part in text.split(",")]
    pairs = [(each[1], each[2]) for each in found if each is not None]
    names = [name for name, _ in pairs]
    if "m" in names:  # reserved for extensions that must be understood: none is (§5.1)
        raise SASLFailure("not-authorized", "a mandatory extension is not supported")
    strays = _DEFINED.intersection(names).difference(expected)
    if strays or len(pairs) != len(found) or len(set(names)) != len(names) or len(names) < 2:
        raise SASLFailure("malformed-request")
    return pairs
