"""Does a certificate prove that its owner is the server of a domain?

RFC 6120 §13.7, RFC 9525. Nothing is enforced here: the answer comes with a sentence for the log,
and the policy of the stream decides what follows.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID
from service_identity.exceptions import CertificateError as BadPattern
from service_identity.hazmat import DNS_ID, SRV_ID, CertificatePattern, DNSPattern, SRVPattern

from xmppd.jid import JIDError, prepare_domain
from xmppd.transport.certificates import Names, ascii_domain, certificate_names

if TYPE_CHECKING:
    from xmppd.transport.tls import TLSEngine

SERVICE = "_xmpp-server"  # RFC 6120 §13.7.1.2.1
SHOWN = 5  # names of a certificate in a sentence
E = TypeVar("E", bound=x509.ExtensionType)


class Role(Enum):
    """What the owner of the certificate was in the handshake."""

    TLS_SERVER = "the TLS server"  # we connected to it
    TLS_CLIENT = "the TLS client"  # it connected to us


# RFC 5280 §4.2.1.12. A server's certificate serves it in both roles (RFC 6120 §13.7.1.2): public
# authorities sign for TLS servers only. One that is for clients alone may not stand for a server.
USAGES = {
    Role.TLS_SERVER: {ExtendedKeyUsageOID.SERVER_AUTH},
    Role.TLS_CLIENT: {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH},
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` is a sentence in words, for the log: what proves it, or what is wrong."""

    proves: bool
    why: str


def judge(engine: TLSEngine, domain: str, role: Role) -> Verdict:
    """Whether the certificate of an established `engine`'s peer proves that it is `domain`."""
    return judge_certificate(engine.peer_certificate, engine.peer_problem, domain, role)


def judge_certificate(
    certificate: x509.Certificate | None, problem: str, domain: str, role: Role
) -> Verdict:
    """The same, of a certificate and of what is wrong with its chain ("" for nothing)."""
    if certificate is None:
        return Verdict(False, f"{domain} shows no certificate that can be read")
    if problem:
        return Verdict(False, f"the certificate of {domain} proves nothing: {problem}")
    wrong = wrong_usage(certificate, role)
    if wrong:
        return Verdict(False, f"the certificate of {domain} proves nothing: {wrong}")
    names = certificate_names(certificate)
    found = matching_name(names, domain)
    if found:
        return Verdict(True, f"the certificate names {found}")
    return Verdict(False, f"the certificate is not for {domain}, {_shown(names)}")


def seconds_left(engine: TLSEngine) -> float | None:
    """How long the certificates of the peer are valid. Those that are not valid any more do not
    count: others, or none, have proven what was proven.
    """
    now = datetime.datetime.now(datetime.UTC)
    shown = [engine.peer_certificate, *engine.peer_chain]
    ends = [certificate.not_valid_after_utc for certificate in shown if certificate is not None]
    return min(((end - now).total_seconds() for end in ends if end > now), default=None)


def wrong_usage(certificate: x509.Certificate, role: Role) -> str:
    """What the extensions about usage forbid, "" for nothing. A missing one permits all."""
    try:
        extended = _extension(certificate, x509.ExtendedKeyUsage)
        plain = _extension(certificate, x509.KeyUsage)
    except (x509.DuplicateExtension, ValueError, UnsupportedAlgorithm):
        return "its extensions cannot be read"
    permitted = USAGES[role] | {ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if extended is not None and not permitted & set(extended):
        return f"it is without the right usage, it may not be used by {role.value}"
    if plain is not None and not plain.digital_signature:
        return "it is without the right usage, its key may not sign (keyUsage)"
    return ""


def matching_name(names: Names, domain: str) -> str:
    """The name in the certificate that is `domain`'s, in words; "" if there is none.

    DNS-ID and SRV-ID (RFC 9525 §6), and XmppAddr (RFC 6120 §13.7.1.4). Neither the common name
    nor an IP address counts.
    """
    if _is_address(domain):
        return ""
    try:
        dns, srv = DNS_ID(ascii_domain(domain)), SRV_ID(f"{SERVICE}.{ascii_domain(domain)}")
    except (ValueError, UnicodeError):
        return _address_of(names, domain)
    for kind, presented, pattern, reference in (
        ("dNSName", names.dns, DNSPattern.from_bytes, dns),
        ("SRVName", names.srv, SRVPattern.from_bytes, srv),
    ):
        for name, readable in _patterns(presented, pattern):
            if reference.verify(readable):
                return f"{name} ({kind})"
    return _address_of(names, domain)


def _patterns(
    names: Iterable[str], make: Callable[[bytes], CertificatePattern]
) -> Iterable[tuple[str, CertificatePattern]]:
    """One by one: a bad name must not spoil the good ones beside it."""
    for name in names:
        try:
            yield name, make(name.encode("ascii"))
        except (BadPattern, UnicodeError, ValueError):
            continue


def _address_of(names: Names, domain: str) -> str:
    """XmppAddr names a JID; a server's is a domain, prepared before it is compared."""
    for name in names.xmpp:
        try:
            if "@" not in name and "/" not in name and prepare_domain(name) == domain:
                return f"{name} (xmppAddr)"
        except JIDError:
            continue
    return ""


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _is_address(domain: str) -> bool:
    try:
        ipaddress.ip_address(domain.strip("[]"))
    except ValueError:
        return False
    return True


def _shown(names: Names) -> str:
    """Strangers' text: by repr, and cut."""
    known = list(dict.fromkeys([*names.dns, *names.srv, *names.xmpp]))
    if not known:
        return "it names no domain"
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return "it names " + ", ".join(repr(name[:100]) for name in known[:SHOWN]) + more
