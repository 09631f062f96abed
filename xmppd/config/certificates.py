"""The certificate of a host: where it is, and whether it can be used."""

import os
import ssl
from pathlib import Path

from xmppd.config.server import HostOptions, ServerOptions

Pair = tuple[Path | None, Path | None]


class Unusable(Exception):
    """A certificate is missing or cannot serve. `option` is the one to blame, if any."""

    def __init__(self, message: str, option: str = "") -> None:
        super().__init__(message)
        self.option = option


def find(domain: str, options: HostOptions, server: ServerOptions) -> Pair:
    """The files of certificate and key; (None, None): make a self-signed one.

    Raises Unusable.
    """
    if options.key is not None and options.certificate is None:
        raise Unusable("is set without `certificate`", "key")
    if options.certificate is not None:
        certificate, key = options.certificate, options.key or options.certificate
        if options.key is None and not _holds_key(certificate):
            raise Unusable(f"{certificate} holds no private key: set `key` as well", "certificate")
        _check(certificate, key, "certificate", "key" if options.key else "certificate")
        return certificate, key
    for certificate, key in _candidates(domain, server.certificates):
        if certificate.exists():
            _check(certificate, key)
            return certificate, key
    if server.tls.self_signed or is_local(domain):
        return None, None
    raise Unusable(
        f"has no certificate: set `certificate` and `key`, or put {domain}.pem into "
        f"{server.certificates} (an ACME client such as certbot gets one for nothing), or set "
        "tls.self_signed = true for a trial"
    )


def is_local(domain: str) -> bool:
    """Names that never leave the machine (RFC 6761 §6.3); no authority certifies them."""
    return domain == "localhost" or domain.endswith(".localhost")


def unreadable(path: Path) -> str | None:
    """Why a file cannot be read, as a message; None where it can."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as wrong:
        return f"{path} cannot be read: {wrong.strerror}"
    return None


def _holds_key(path: Path) -> bool:
    """Also where it cannot be read: that is told elsewhere."""
    try:
        return b"PRIVATE KEY-----" in path.read_bytes()
    except OSError:
        return True


def _candidates(domain: str, folder: Path) -> list[tuple[Path, Path]]:
    pairs: list[tuple[Path, Path]] = []
    for name in dict.fromkeys((domain, _ascii(domain))):
        whole = folder / f"{name}.pem"
        pairs.append((whole, whole))
        pairs.append((folder / f"{name}.crt", folder / f"{name}.key"))
        pairs.append((folder / name / "fullchain.pem", folder / name / "privkey.pem"))
    return pairs


def _ascii(domain: str) -> str:
    """The name as ACME clients write it."""
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def _check(
    certificate: Path, key: Path, certificate_option: str = "", key_option: str = ""
) -> None:
    for path, option in ((certificate, certificate_option), (key, key_option)):
        wrong = unreadable(path)
        if wrong:
            raise Unusable(wrong, option)
    if os.stat(key).st_mode & 0o007:
        raise Unusable(f"{key} is open to everyone: chmod o= {key}", key_option)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # an encrypted key must not make the server ask on its terminal
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as wrong:
        reason = getattr(wrong, "reason", None) or ""
        if reason == "KEY_VALUES_MISMATCH":
            raise Unusable(f"{key} does not belong to {certificate}", key_option) from None
        text = f"{certificate} and {key} hold no certificate and unencrypted key in PEM"
        raise Unusable(f"{text} ({reason or wrong})", certificate_option) from None
