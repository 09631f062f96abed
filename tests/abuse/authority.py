"""A certificate authority for users, and certificates as forgers make them."""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from xmppd.transport.certificates import XMPP_ADDR

PEM = serialization.Encoding.PEM


class Authority:
    """`path` is its own certificate; `issue` gives the paths of a certificate and its key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("An authority")
        made = _builder(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.path = folder / "authority.pem"
        self.path.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(PEM))

    def issue(
        self,
        address: str | None,
        *,
        common_name: str = "a user",
        self_signed: bool = False,
        expired: bool = False,
    ) -> tuple[Path, Path]:
        """For the xmppAddr `address`; None: there is a common name and nothing else."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name)
        issuer = subject if self_signed else self._name
        made = _builder(subject, issuer, key.public_key(), expired=expired)
        if address is not None:
            text = address.encode()
            other = x509.OtherName(XMPP_ADDR, bytes((0x0C, len(text))) + text)
            made = made.add_extension(x509.SubjectAlternativeName([other]), critical=False)
        signed = made.sign(key if self_signed else self._key, hashes.SHA256())
        stem = self._folder / f"user-{signed.serial_number}"
        paths = stem.with_suffix(".pem"), stem.with_suffix(".key")
        paths[0].write_bytes(signed.public_bytes(PEM))
        none = serialization.NoEncryption()
        paths[1].write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, none))
        return paths


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    expired: bool = False,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder(issuer, subject, key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 10 * day)
        .not_valid_after(now - day if expired else now + 10 * day)
    )
