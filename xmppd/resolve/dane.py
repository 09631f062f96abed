"""DANE: certificates named by TLSA records of the target, under DNSSEC (RFC 6698, RFC 7673)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import crypto

from xmppd.resolve.errors import LookupFailed
from xmppd.resolve.names import ip_literal
from xmppd.resolve.records import Association, Kind
from xmppd.transport.certificates import certificate_names
from xmppd.transport.proof import Role, Verdict, matching_name, wrong_usage

if TYPE_CHECKING:
    from xmppd.resolve.resolver import Lookup
    from xmppd.resolve.targets import Target

MATCHING: dict[int, Callable[[bytes], bytes]] = {
    0: lambda data: data,
    1: lambda data: hashlib.sha256(data).digest(),
    2: lambda data: hashlib.sha512(data).digest(),
}


class Usage(IntEnum):
    """RFC 7218 §2.1."""

    PKIX_TA, PKIX_EE, DANE_TA, DANE_EE = range(4)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the peer showed, and what the usual check of its chain says ("" for nothing)."""

    certificate: x509.Certificate
    chain: Sequence[x509.Certificate]
    problem: str


async def associations(resolver: Lookup, target: Target) -> tuple[Association, ...]:
    """The usable TLSA records of a target, () where DNSSEC says nothing about it.

    Raises LookupFailed where there may be some that cannot be had: nobody must get around DANE
    by making lookups fail (RFC 7673 §3.4).
    """
    if not target.secure or ip_literal(target.host) is not None:
        return ()
    if not await _has_secure_address(resolver, target.host):  # RFC 7673 §3.2
        return ()
    records = await resolver.lookup(f"_{target.port}._tcp.{target.host}", Kind.TLSA)
    return tuple(one for one in records.values if records.secure and _is_usable(one))


async def _has_secure_address(resolver: Lookup, host: str) -> bool:
    for kind in (Kind.AAAA, Kind.A):
        found = await resolver.lookup(host, kind)
        if found.values and found.secure:
            return True
    return False


def _is_usable(one: Association) -> bool:
    return one.usage in list(Usage) and one.selector in (0, 1) and one.matching in MATCHING


async def judge_by_dane(
    resolver: Lookup, target: Target, shown: Shown, domain: str
) -> Verdict | None:
    """None where DANE says nothing. Records that name other certificates are a no."""
    try:
        found = await associations(resolver, target)
    except LookupFailed as error:
        return Verdict(False, f"the TLSA records of {target} cannot be had: {error}")
    if not found:
        return None
    names = (domain, target.host)
    for one in found:
        if _matches(one, shown, names):
            return Verdict(True, f"DANE: TLSA {one.usage} {one.selector} {one.matching} names it")
    return Verdict(False, f"DANE: no TLSA record of {target} names the certificate")


def _matches(one: Association, shown: Shown, names: Sequence[str]) -> bool:
    """RFC 6698 §2.1.1. DANE-EE asks for nothing but the key (RFC 7673 §4.2)."""
    if one.usage == Usage.DANE_EE:
        return _selects(one, shown.certificate)
    if wrong_usage(shown.certificate, Role.TLS_SERVER) or not _is_named(shown, names):
        return False
    if one.usage == Usage.PKIX_EE:
        return not shown.problem and _selects(one, shown.certificate)
    above = [authority for authority in shown.chain if _selects(one, authority)]
    if one.usage == Usage.PKIX_TA and shown.problem:
        return False
    return any(_leads_to(authority, shown) for authority in above)


def _selects(one: Association, certificate: x509.Certificate) -> bool:
    if one.selector == 0:
        data = certificate.public_bytes(Encoding.DER)
    else:
        key = certificate.public_key()
        data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return MATCHING[one.matching](data) == one.data


def _is_named(shown: Shown, names: Sequence[str]) -> bool:
    """RFC 7673 §4.1: a secure SRV record makes its target as good a name as the domain."""
    presented = certificate_names(shown.certificate)
    return any(matching_name(presented, name) for name in names)


def _leads_to(authority: x509.Certificate, shown: Shown) -> bool:
    """The chain up to `authority` is in order."""
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(authority))
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    chain = [crypto.X509.from_cryptography(one) for one in shown.chain]
    leaf = crypto.X509.from_cryptography(shown.certificate)
    try:
        crypto.X509StoreContext(store, leaf, chain).verify_certificate()
    except crypto.X509StoreContextError:
        return False
    return True
