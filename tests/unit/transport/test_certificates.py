"""Certificates: made, checked, read for names, chosen and exchanged."""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from xmppd.transport.certificates import (
    SRV_NAME,
    XMPP_ADDR,
    CertificateError,
    Credentials,
    Names,
    certificate_jids,
    certificate_names,
    end_point_binding,
    self_signed,
)
from xmppd.transport.store import CertificateStore, TLSSettings

Pair = tuple[Path, Path]
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def _certificate(
    *names: x509.GeneralName, key: object = None, extension: x509.ExtensionType | None = None
) -> x509.Certificate:
    private = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), private.public_key())  # type: ignore[attr-defined]
    builder = builder.serial_number(1).not_valid_before(NOW)
    builder = builder.not_valid_after(NOW + datetime.timedelta(days=90))
    if names:
        extension = x509.SubjectAlternativeName(names)
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    plain = isinstance(private, ed25519.Ed25519PrivateKey)
    return builder.sign(private, None if plain else hashes.SHA384())  # type: ignore[arg-type]


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_self_signed_key_is_for_its_owner_only(tmp_path: Path, open_umask: None) -> None:
    _, key = self_signed(["example.org"], tmp_path / "new")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert sorted(path.name for path in key.parent.iterdir()) == [
        "example.org.crt",
        "example.org.key",
    ]


def test_a_self_signed_certificate_is_kept(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in self_signed(["example.org"], tmp_path)]
    assert [path.read_bytes() for path in self_signed(["example.org"], tmp_path)] == first


def test_a_self_signed_certificate_is_made_anew_for_another_domain(tmp_path: Path) -> None:
    before = self_signed(["example.org"], tmp_path)[0].read_bytes()
    domains = ["example.org", "rooms.example.org"]
    assert self_signed(domains, tmp_path)[0].read_bytes() != before
    names = certificate_names(Credentials.load(*self_signed(domains, tmp_path)).certificate)
    assert names.dns == ("example.org", "rooms.example.org")


def test_a_self_signed_certificate_names_its_domain_in_all_ways(tmp_path: Path) -> None:
    certificate = Credentials.load(*self_signed(["bücher.example"], tmp_path)).certificate
    names = certificate_names(certificate)
    assert names.dns == ("xn--bcher-kva.example",)
    assert names.srv[0] == "_xmpp-client.xn--bcher-kva.example"
    assert names.xmpp == ("bücher.example",)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_addresses_and_long_domains_get_certificates_too(tmp_path: Path) -> None:
    for domain in ("127.0.0.1", "[::1]", ".".join(["a" * 40] * 4), ".".join(["a" * 60] * 4)):
        certificate = Credentials.load(*self_signed([domain], tmp_path)).certificate
        assert certificate_names(certificate).xmpp == (domain,)


def test_names_are_those_of_the_extension_and_never_the_common_name() -> None:
    names = certificate_names(
        _certificate(
            x509.DNSName("Example.ORG"),
            x509.DNSName("*.example.net"),
            x509.OtherName(SRV_NAME, b"\x16\x18_xmpp-client.example.com"),
            x509.OtherName(XMPP_ADDR, b"\x0c\x0cRomeo@im.org"),
        )
    )
    assert names.dns == ("example.org", "*.example.net")
    assert names.srv == ("_xmpp-client.example.com",)
    assert names.xmpp == ("Romeo@im.org",)
    covered = ("example.org", "a.example.net", "example.com")
    assert all(names.cover(domain) for domain in covered)
    assert not any(names.cover(d) for d in ("example.net", "a.b.example.net", "org", "*"))
    assert certificate_names(_certificate()) == Names()


@pytest.mark.parametrize(
    "der",
    [b"\x0c\x03\xff\xfe\xfd", b"\x04\x01a", b"\x0c\x00", b"\x16\x01\xe4", b"\x05\x00"],
)
def test_malformed_addresses_are_left_out(der: bytes) -> None:
    certificate = _certificate(x509.OtherName(XMPP_ADDR, der), x509.DNSName("a.example"))
    assert certificate_names(certificate).xmpp == ()
    assert certificate_names(certificate).dns == ("a.example",)


@pytest.mark.parametrize("der", [b"", b"\x30\x05", b"\x30\x03\xa0\x01\x00", b"\x04\x01a"])
def test_a_malformed_extension_has_no_names(der: bytes) -> None:
    extension = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, der)
    assert certificate_names(_certificate(extension=extension)) == Names()


def test_addresses_that_are_jids_are_prepared() -> None:
    certificate = _certificate(
        x509.OtherName(XMPP_ADDR, b"\x0c\x0cRomeo@im.org"),
        x509.OtherName(XMPP_ADDR, b"\x0c\x07@im.org"),
    )
    assert certificate_jids(certificate) == ("romeo@im.org",)


def test_end_point_binding_uses_the_hash_of_the_signature() -> None:
    certificate = _certificate()
    assert end_point_binding(certificate) == certificate.fingerprint(hashes.SHA384())
    assert end_point_binding(_certificate(key=ed25519.Ed25519PrivateKey.generate())) is None


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o666, 0o602])
def test_a_key_that_everybody_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    certificate, key = self_signed(["example.org"], tmp_path)
    key.chmod(mode)
    with pytest.raises(CertificateError, match=r"example.org.key can be read by everybody"):
        CertificateStore({"example.org": (certificate, key)})


def test_a_key_may_be_readable_by_a_group(tmp_path: Path) -> None:
    certificate, key = self_signed(["example.org"], tmp_path)
    key.chmod(0o640)
    assert CertificateStore({"example.org": (certificate, key)}).context()


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda crt, key: crt.unlink(), "example.org.crt cannot be read: No such file"),
        (lambda crt, key: key.unlink(), "example.org.key cannot be read: No such file"),
        (lambda crt, key: crt.write_text("hello"), "example.org.crt has no certificate"),
        (lambda crt, key: key.write_text("hello"), "example.org.key has no private key"),
        (
            lambda crt, key: crt.write_bytes(
                self_signed(["b.example"], crt.parent)[0].read_bytes()
            ),
            "example.org.key is not the key of",
        ),
    ],
)
def test_faults_are_told_in_sentences(tmp_path: Path, damage: object, sentence: str) -> None:
    pair = self_signed(["example.org"], tmp_path)
    assert callable(damage)
    damage(*pair)
    with pytest.raises(CertificateError, match=sentence):
        CertificateStore({"example.org": pair})


@pytest.mark.parametrize("engine", ["pyopenssl", "stdlib"])
def test_a_failed_reload_keeps_what_was_there(tmp_path: Path, engine: str) -> None:
    certificate, key = self_signed(["example.org"], tmp_path)
    settings = TLSSettings(engine=engine)  # type: ignore[arg-type]
    store = CertificateStore({"example.org": (certificate, key)}, settings)
    before = store.context()
    certificate.write_text("half a file")
    problem = store.reload()
    assert problem is not None
    assert "example.org.crt has no certificate" in problem
    assert store.context() is before


def test_reload_serves_the_new_certificate(tmp_path: Path) -> None:
    certificate, key = self_signed(["example.org"], tmp_path)
    store = CertificateStore({"example.org": (certificate, key)})
    before = store.context()
    other = self_signed(["example.net"], tmp_path)
    certificate.write_bytes(other[0].read_bytes())
    key.write_bytes(other[1].read_bytes())
    assert store.reload() is None
    assert store.context() is not before
    assert store.mismatched() == [f"the certificate {certificate} does not name example.org"]


def test_contexts_follow_domain_then_names_then_wildcards_then_the_default(
    tmp_path: Path,
) -> None:
    first = self_signed(["example.org", "*.example.org", "example.com"], tmp_path)
    second = self_signed(["example.com"], tmp_path)
    store = CertificateStore({"example.org": first, "example.com": second})
    default, other = store.context(), store.context("example.com")
    assert default is not other
    assert store.context("example.org") is default
    assert store.context("rooms.example.org") is default
    assert store.context("a.rooms.example.org") is default
    assert store.context("unknown.example") is default
    assert store.context("EXAMPLE.com") is other


@pytest.mark.parametrize(
    "days, warning",
    [(15, None), (13.9, "expires on"), (0.1, "expires on"), (-1, "expired on")],
)
def test_a_certificate_that_ends_soon_is_warned_of(
    tmp_path: Path, days: float, warning: str | None
) -> None:
    pair = self_signed(["example.org"], tmp_path)
    store = CertificateStore({"example.org": pair, "example.net": pair})
    end = Credentials.load(*pair).certificate.not_valid_after_utc
    warnings = store.expiring(end - datetime.timedelta(days=days))
    assert len(warnings) == (0 if warning is None else 1)
    assert all(warning in text for text in warnings if warning)
