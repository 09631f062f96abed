"""A certificate authority for tests: certificates as they should be, and all that can be wrong.

ca = Authority.make("Verona")
pair = ca.certify(tmp_path, "example.org")          # PEM files: chain, key
pair = ca.certify(tmp_path, "old", dns=["example.org"], days=(-10, -1))
ca.write(tmp_path / "ca.pem")
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
Pair = tuple[Path, Path]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _der(tag: int, text: str) -> bytes:
    value = text.encode()
    assert len(value) < 128
    return bytes((tag, len(value))) + value


def _builder(
    subject: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: tuple[float, float]
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(issuer, _name(subject), key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
    )


@dataclass
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()  # what comes after a certificate that it signs

    @classmethod
    def make(cls, name: str = "Test authority") -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(cls._sign(name, _name(name), key, key), key)

    def intermediate(self, name: str, usages: Sequence[x509.ObjectIdentifier] = ()) -> Self:
        """An authority that this one has signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(name, self.certificate.subject, key, self.key, usages)
        return type(self)(certificate, key, (certificate, *self.chain))

    @staticmethod
    def _sign(
        name: str,
        issuer: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        signer: ec.EllipticCurvePrivateKey,
        usages: Sequence[x509.ObjectIdentifier] = (),
    ) -> x509.Certificate:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = _builder(name, issuer, key.public_key(), (-1, 365))
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(signer, hashes.SHA256())

    def issue(
        self,
        common_name: str = "server",
        *,
        dns: Sequence[str] = (),
        srv: Sequence[str] = (),
        xmpp: Sequence[str] = (),
        ip: Sequence[str] = (),
        days: tuple[float, float] = (-1, 90),
        usages: Sequence[x509.ObjectIdentifier] = (SERVER, CLIENT),
        signs: bool = True,
        self_signed: bool = False,
        is_authority: bool = False,
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """`signs`: keyUsage has digitalSignature."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
        names += [x509.OtherName(SRV_NAME, _der(0x16, name)) for name in srv]
        names += [x509.OtherName(XMPP_ADDR, _der(0x0C, name)) for name in xmpp]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ip]
        issuer = _name(common_name) if self_signed else self.certificate.subject
        usage = x509.KeyUsage(signs, False, False, False, True, False, False, False, False)
        builder = _builder(common_name, issuer, key.public_key(), days)
        basic = x509.BasicConstraints(is_authority, None)
        builder = builder.add_extension(basic, critical=True)
        builder = builder.add_extension(usage, critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(key if self_signed else self.key, hashes.SHA256()), key

    def certify(
        self, folder: Path, name: str, *, with_chain: bool = True, **wishes: object
    ) -> Pair:
        """PEM files of a certificate with its chain, and of its key, as `issue` makes them.

        Without wishes about names it is for the DNS name `name`.
        """
        if not wishes.keys() & {"dns", "srv", "xmpp", "ip"}:
            wishes["dns"] = [name]
        certificate, key = self.issue(name[:64], **wishes)  # type: ignore[arg-type]
        chain = (certificate, *(self.chain if with_chain else ()))
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        pem = serialization.Encoding.PEM
        paths[0].write_bytes(b"".join(one.public_bytes(pem) for one in chain))
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        paths[1].write_bytes(key.private_bytes(pem, pkcs8, plain))
        paths[1].chmod(0o600)
        return paths

    def revoke(self, path: Path, *certificates: x509.Certificate) -> Path:
        """A list of revoked certificates."""
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject)
        builder = builder.last_update(now - datetime.timedelta(days=9))
        builder = builder.next_update(now - datetime.timedelta(days=1))  # and old
        for one in certificates:
            entry = x509.RevokedCertificateBuilder(one.serial_number, now)
            builder = builder.add_revoked_certificate(entry.build())
        crl = builder.sign(self.key, hashes.SHA256())
        path.write_bytes(crl.public_bytes(serialization.Encoding.PEM))
        return path

    def write(self, path: Path) -> Path:
        """The authority's own certificate, as `s2s.trust` takes it."""
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path
