"""Certificates: read, checked, made where there are none, and chosen by name."""

from __future__ import annotations

import datetime
import ipaddress
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import idna
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xmppd.jid import JID, JIDError, jid

XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")  # RFC 6120 §13.7.1.4
SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")  # RFC 4985
WARN_BEFORE = datetime.timedelta(days=14)
LIFETIME = datetime.timedelta(days=3650)


ServerKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)


class CertificateError(Exception):
    """A sentence for the operator: which file, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Names:
    """Who a certificate speaks for (RFC 6120 §13.7.1.2); the common name is never looked at."""

    dns: tuple[str, ...] = ()  # A-labels, may begin with "*."
    srv: tuple[str, ...] = ()  # as "_xmpp-client.example.org"
    xmpp: tuple[str, ...] = ()  # as written; for prepared ones see `certificate_jids`

    def cover(self, domain: str) -> bool:
        """A client that connects to `domain` will accept the certificate (RFC 6125 §6.4)."""
        name = ascii_domain(domain)
        wildcard = "*." + name.partition(".")[2]
        services = (f"_xmpp-client.{name}", f"_xmpp-server.{name}")
        return (
            name in self.dns
            or wildcard in self.dns
            or domain in self.xmpp
            or any(service in self.srv for service in services)
        )


def certificate_names(certificate: x509.Certificate) -> Names:
    """The names in `certificate`; those that cannot be read are left out, nothing is raised."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value
        dns = tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
        others = names.get_values_for_type(x509.OtherName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError, UnsupportedAlgorithm):
        return Names()
    texts = [(other.type_id, _der_text(other.value)) for other in others]
    return Names(
        dns,
        tuple(text.lower() for kind, text in texts if kind == SRV_NAME and text),
        tuple(text for kind, text in texts if kind == XMPP_ADDR and text),
    )


def certificate_jids(certificate: x509.Certificate) -> tuple[JID, ...]:
    """The xmppAddr names that are JIDs, prepared (XEP-0178 §3)."""
    found = []
    for text in certificate_names(certificate).xmpp:
        try:
            found.append(jid(text))
        except JIDError:
            continue
    return tuple(found)


def end_point_binding(certificate: x509.Certificate) -> bytes | None:
    """Channel binding data tls-server-end-point (RFC 5929 §4.1).

    None where the signature has no hash of its own (Ed25519): the binding is undefined there.
    """
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    if algorithm is None:
        return None
    weak = isinstance(algorithm, hashes.MD5 | hashes.SHA1)
    return certificate.fingerprint(hashes.SHA256() if weak else algorithm)


@lru_cache(1000)  # each STARTTLS asks for the same few
def ascii_domain(domain: str) -> str:
    """`domain` as certificates and SNI write it: A-labels, lower case."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        return domain.lower()


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate with its chain and key, read and checked."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: ServerKey
    certificate_path: Path
    key_path: Path

    @classmethod
    def load(cls, certificate_path: Path, key_path: Path) -> Credentials:
        """Read PEM files; CertificateError says what is wrong with them."""
        key_bytes = _read_key(key_path)
        try:
            chain = x509.load_pem_x509_certificates(_read(certificate_path))
        except ValueError as error:
            raise CertificateError(f"{certificate_path} has no certificate: {error}") from None
        try:
            key = serialization.load_pem_private_key(key_bytes, None)
        except TypeError:
            raise CertificateError(f"{key_path} is encrypted; store it decrypted") from None
        except (ValueError, UnsupportedAlgorithm):
            raise CertificateError(f"{key_path} has no private key in PEM format") from None
        if not isinstance(key, ServerKey):
            raise CertificateError(f"{key_path}: TLS wants an RSA, ECDSA or EdDSA key")
        if chain[0].public_key() != key.public_key():
            raise CertificateError(
                f"{key_path} is not the key of {certificate_path}; is the server's own"
                " certificate the first one in the file?"
            )
        return cls(chain[0], tuple(chain[1:]), key, certificate_path, key_path)

    def expiry(self, now: datetime.datetime) -> str | None:
        """A warning when the certificate ends in less than 14 days, or has ended."""
        end = self.certificate.not_valid_after_utc
        if end - now > WARN_BEFORE:
            return None
        verb = "expired" if end <= now else "expires"
        return f"the certificate {self.certificate_path} {verb} on {end:%Y-%m-%d %H:%M} UTC"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror}") from None


def _read_key(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror}") from None
    if mode & 0o007:
        raise CertificateError(
            f"{path} can be read by everybody (mode {mode:04o}): chmod 600 it, and replace the"
            " key if others have accounts on this machine"
        )
    return _read(path)


def self_signed(domains: Sequence[str], directory: Path) -> tuple[Path, Path]:
    """Paths of a certificate and key for `domains` in `directory`, made if there are none.

    ECDSA P-256, ten years. Made anew when it is about to expire or misses a domain. The key has
    mode 0600 from its first byte on.
    """
    stem = ascii_domain(domains[0]).replace("/", "_")
    paths = directory / f"{stem}.crt", directory / f"{stem}.key"
    now = datetime.datetime.now(datetime.UTC)
    try:
        old = Credentials.load(*paths)
    except CertificateError:
        old = None
    if old is not None and old.expiry(now) is None:
        names = certificate_names(old.certificate)
        if all(names.cover(domain) for domain in domains):
            return paths
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _build(domains, key, now)
    pem = serialization.Encoding.PEM
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(paths[1], key.private_bytes(pem, pkcs8, plain), 0o600)
    _write(paths[0], certificate.public_bytes(pem), 0o644)
    return paths


def _build(
    domains: Sequence[str], key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ascii_domain(domains[0])[:64])])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    alternatives = [name for domain in domains for name in _names_of(domain)]
    return (
        x509.CertificateBuilder(subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .sign(key, hashes.SHA256())
    )


def _names_of(domain: str) -> list[x509.GeneralName]:
    others: list[x509.GeneralName] = [x509.OtherName(XMPP_ADDR, _der(0x0C, domain.encode()))]
    try:
        return [x509.IPAddress(ipaddress.ip_address(domain.strip("[]"))), *others]
    except ValueError:
        name = ascii_domain(domain)
    services = [f"_xmpp-client.{name}", f"_xmpp-server.{name}"]
    others += [x509.OtherName(SRV_NAME, _der(0x16, service.encode())) for service in services]
    return [x509.DNSName(name), *others]


def _der(tag: int, value: bytes) -> bytes:
    """A DER string of less than 64 KiB."""
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    length = size.to_bytes(1 if size < 0x100 else 2, "big")
    return bytes((tag, 0x80 | len(length))) + length + value


def _der_text(der: bytes) -> str:
    """The text of a DER UTF8String or IA5String; "" for anything else."""
    if len(der) < 2 or der[0] not in (0x0C, 0x16):
        return ""
    start = 2 + (der[1] & 0x7F) if der[1] & 0x80 else 2
    size = int.from_bytes(der[2:start], "big") if start > 2 else der[1]
    if start > 4 or start + size != len(der):
        return ""
    try:
        return der[start:].decode("utf-8" if der[0] == 0x0C else "ascii")
    except UnicodeDecodeError:
        return ""


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all; never readable by more than `mode` says."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask is
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
