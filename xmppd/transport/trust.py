"""The authorities that other servers' certificates are checked by, and what the check says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto

from xmppd.transport.certificates import CertificateError
from xmppd.transport.openssl_binding import LIB
from xmppd.transport.openssl_engine import Verdict

SHARING = ("SSL_CTX_get_cert_store", "SSL_CTX_set_cert_store", "X509_STORE_up_ref")
SUFFIXES = (".pem", ".crt", ".cer", ".crl")
INVALID_PURPOSE = SSL.X509VerificationCodes.ERR_INVALID_PURPOSE
# Lists of revoked certificates are heeded where there are any: that an authority has none here,
# or that it is old, is no reason to refuse what it signed.
HARMLESS = (
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_CRL,
    SSL.X509VerificationCodes.ERR_CRL_HAS_EXPIRED,
)
_CRL = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)

# What OpenSSL's codes mean for who reads the log: of the peer's certificate, of one above it.
SELF_SIGNED = "it is self-signed"
UNKNOWN_ISSUER = "its issuer is not trusted, or an intermediate certificate is missing"
WORDS = {
    SSL.X509VerificationCodes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: SELF_SIGNED,
    SSL.X509VerificationCodes.ERR_SELF_SIGNED_CERT_IN_CHAIN: (
        "the authority that signed its chain is not trusted"
    ),
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
    SSL.X509VerificationCodes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
    SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED: "it has expired",
    SSL.X509VerificationCodes.ERR_CERT_NOT_YET_VALID: "it is not valid yet",
    SSL.X509VerificationCodes.ERR_CERT_SIGNATURE_FAILURE: "its signature is wrong",
    SSL.X509VerificationCodes.ERR_CERT_REVOKED: "it has been revoked",
    SSL.X509VerificationCodes.ERR_INVALID_CA: "it is signed by what is no authority",
    SSL.X509VerificationCodes.ERR_PERMITTED_VIOLATION: "its authority may not sign this name",
    SSL.X509VerificationCodes.ERR_EXCLUDED_VIOLATION: "its authority may not sign this name",
    INVALID_PURPOSE: "it is not meant for servers",
}


class Trust:
    """A set of authorities, which all contexts share: that of the system takes a megabyte.

    `path`: a file in PEM, or a folder of such; None: the system's. CertificateError if unusable.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if path is None:
            self._context.set_default_verify_paths()
        else:
            _load(self._context, path)
        _expect_servers(self._context)

    def give(self, context: SSL.Context) -> None:
        """Let `context` ask for certificates, check them by these, and accept whatever it finds.

        The verdict is left with the connection (see `peer_problem`).
        """
        if not _share(self._context, context):
            if self._path is None:
                context.set_default_verify_paths()
            else:
                _load(context, self._path)
            _expect_servers(context)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE, note_peer_verdict)


def note_peer_verdict(
    connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
) -> bool:
    """Keep the first problem, in words. Whether the peer's own certificate has the right usage is
    judged later, by its role (see `proof`).
    """
    verdict: Verdict = connection.get_app_data()
    if ok or error in HARMLESS or (error == INVALID_PURPOSE and depth == 0):
        verdict.good(depth)
    else:
        verdict.bad(problem_in_words(error, depth))
    return True


def problem_in_words(error: int, depth: int) -> str:
    """A part of a sentence, as "it has expired"."""
    words = WORDS.get(error, f"OpenSSL refuses it with error {error}")
    if depth == 0 or not words.startswith("it "):
        return words
    return f"a certificate above it is bad: {words}"


def _load(context: SSL.Context, path: Path) -> None:
    store: Any = context.get_cert_store()
    for certificate in read_authorities(path):
        store.add_cert(crypto.X509.from_cryptography(certificate))
    revoked = [one for file in _files(path) for one in _revoked(file)]
    for one in revoked:
        store.add_crl(one)
    if revoked:
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)


def _revoked(file: Path) -> list[x509.CertificateRevocationList]:
    """RFC 5280 §5, in PEM, beside the certificates or in files of their own."""
    try:
        return [x509.load_pem_x509_crl(found) for found in _CRL.findall(file.read_bytes())]
    except (OSError, ValueError) as error:
        raise CertificateError(f"{file} has no list of revoked certificates: {error}") from None


def read_authorities(path: Path) -> list[x509.Certificate]:
    """The certificates in a file, or in the files of a folder; CertificateError for none."""
    certificates = [one for file in _files(path) for one in _read(file)]
    if not certificates:
        raise CertificateError(f"there is no certificate of an authority in {path}")
    return certificates


def _files(path: Path) -> list[Path]:
    """A folder often has each certificate twice, the second time under the name of its hash."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)


def _read(file: Path) -> list[x509.Certificate]:
    try:
        data = file.read_bytes()
        if b"BEGIN CERTIFICATE" not in data and _CRL.search(data):
            return []
        return x509.load_pem_x509_certificates(data)
    except OSError as error:
        raise CertificateError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CertificateError(f"{file} has no certificate: {error}") from None


def _expect_servers(context: SSL.Context) -> None:
    """Of a TLS client that is an XMPP server, OpenSSL would want a chain for clients.

    Public authorities sign for servers only. Where the call is missing, such chains are refused.
    """
    set_purpose = getattr(LIB, "X509_STORE_set_purpose", None)
    store: Any = context.get_cert_store()
    if set_purpose is not None and store is not None:
        set_purpose(store._store, LIB.X509_PURPOSE_SSL_SERVER)


def _share(source: SSL.Context, context: SSL.Context) -> bool:
    """Whether it can be done: by the names that pyOpenSSL keeps private, as the engine's."""
    mine, other = getattr(source, "_context", None), getattr(context, "_context", None)
    if None in (mine, other) or not all(callable(getattr(LIB, n, None)) for n in SHARING):
        return False
    store = LIB.SSL_CTX_get_cert_store(mine)
    LIB.X509_STORE_up_ref(store)  # the context takes one reference over
    LIB.SSL_CTX_set_cert_store(other, store)
    return True
