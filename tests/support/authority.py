"""A certificate authority for tests of servers, and certificates that prove less than they say."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

PEM = serialization.Encoding.PEM
XMPP_ADDR = ObjectIdentifier("1.3.6.1.5.5.7.8.5")  # RFC 6120 §13.7.1.4
SRV_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.7")  # RFC 4985
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
_UTF8, _IA5 = 0x0C, 0x16
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and of its key."""

    certificate: Path
    key: Path


class Authority:
    """`path` is its own certificate, to be trusted or not."""

    def __init__(self, folder: Path, name: str = "The authority of the tests") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        made = _builder(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        signed = made.add_extension(_may_sign(), critical=True).sign(self._key, hashes.SHA256())
        self.path = folder / f"authority-{signed.serial_number:x}.pem"
        self.path.write_bytes(signed.public_bytes(PEM))

    def issue(
        self,
        *names: str,
        common_name: str = "a server",
        srv: Sequence[str] = (),
        xmpp_addr: Sequence[str] = (),
        usage: Sequence[ObjectIdentifier] = (SERVER, CLIENT),
        expired: bool = False,
        future: bool = False,
        self_signed: bool = False,
    ) -> Pair:
        """For these DNS names, SRV names and xmppAddrs. `usage` empty: for any."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name)
        issuer = subject if self_signed else self._name
        made = _builder(subject, issuer, key.public_key(), expired=expired, future=future)
        alternatives = [
            *(x509.DNSName(name) for name in names),
            *_others(SRV_NAME, _IA5, srv),
            *_others(XMPP_ADDR, _UTF8, xmpp_addr),
        ]
        if alternatives:
            made = made.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        if usage:
            made = made.add_extension(x509.ExtendedKeyUsage(list(usage)), critical=False)
        signed = made.sign(key if self_signed else self._key, hashes.SHA256())
        return self._written(signed, key)

    def _written(self, signed: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
        stem = self._folder / f"server-{signed.serial_number:x}"
        pair = Pair(stem.with_suffix(".pem"), stem.with_suffix(".key"))
        pair.certificate.write_bytes(signed.public_bytes(PEM))
        none = serialization.NoEncryption()
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, none))
        return pair


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _others(kind: ObjectIdentifier, tag: int, names: Iterable[str]) -> Iterable[x509.OtherName]:
    for name in names:
        text = name.encode()
        yield x509.OtherName(kind, bytes((tag, len(text))) + text)


def _may_sign() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    expired: bool = False,
    future: bool = False,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    start = now + _DAY if future else now - 10 * _DAY
    return (
        x509.CertificateBuilder(issuer, subject, key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(now - _DAY if expired else now + 10 * _DAY)
    )
