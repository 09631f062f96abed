"""Which certificate a host has, and what is wrong with it."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from xmppd.config import ConfigErrors, HostConfig, load

Files = tuple[bytes, bytes]


def make() -> Files:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.org")])
    start = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


@pytest.fixture(scope="module")
def pem() -> Files:
    return make()


def write(path: Path, *content: bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"".join(content))
    path.chmod(mode)
    return path


def host(folder: Path, options: str = "", name: str = "a.org") -> HostConfig:
    text = f'tls.certificates = "certs"\n[hosts."{name}"]\n{options}'
    (found,) = load(folder / "xmppd.toml", {}, text=text).hosts.values()
    return found


def fault(folder: Path, options: str = "") -> str:
    with pytest.raises(ConfigErrors) as caught:
        host(folder, options)
    (found,) = caught.value.faults
    return str(found).removeprefix(f"{folder}/xmppd.toml:").replace(f"{folder}/", "")


@pytest.mark.parametrize(
    "certificate, key",
    [
        ("a.org.pem", "a.org.pem"),
        ("a.org.crt", "a.org.key"),
        ("a.org/fullchain.pem", "a.org/privkey.pem"),
    ],
)
def test_a_certificate_is_found_by_the_hosts_name(
    tmp_path: Path, pem: Files, certificate: str, key: str
) -> None:
    folder = tmp_path / "certs"
    if certificate == key:
        write(folder / certificate, *pem)
    else:
        write(folder / certificate, pem[0])
        write(folder / key, pem[1])
    found = host(tmp_path)
    assert (found.certificate, found.key) == (folder / certificate, folder / key)


def test_an_international_name_is_found_in_its_ascii_form(tmp_path: Path, pem: Files) -> None:
    path = write(tmp_path / "certs" / "xn--bcher-kva.example.pem", *pem)
    assert host(tmp_path, name="bücher.example").certificate == path


def test_files_that_are_named_are_used(tmp_path: Path, pem: Files) -> None:
    write(tmp_path / "c.pem", pem[0])
    write(tmp_path / "k.pem", pem[1])
    found = host(tmp_path, 'certificate = "c.pem"\nkey = "k.pem"')
    assert (found.certificate, found.key) == (tmp_path / "c.pem", tmp_path / "k.pem")


def test_a_public_host_without_a_certificate_is_told_how_to_get_one(tmp_path: Path) -> None:
    assert fault(tmp_path) == (
        '2: hosts."a.org": has no certificate: set `certificate` and `key`, or put a.org.pem '
        "into certs (an ACME client such as certbot gets one for nothing), or set "
        "tls.self_signed = true for a trial"
    )


@pytest.mark.parametrize("name", ["localhost", "test.localhost"])
def test_a_local_host_needs_no_certificate(tmp_path: Path, name: str) -> None:
    assert (host(tmp_path, name=name).certificate, host(tmp_path, name=name).key) == (None, None)


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    assert fault(tmp_path, 'certificate = "c.pem"') == (
        '3: hosts."a.org".certificate: c.pem cannot be read: No such file or directory'
    )


def test_a_missing_key_is_a_fault(tmp_path: Path, pem: Files) -> None:
    write(tmp_path / "c.pem", pem[0])
    assert fault(tmp_path, 'certificate = "c.pem"\nkey = "k.pem"') == (
        '4: hosts."a.org".key: k.pem cannot be read: No such file or directory'
    )


def test_a_key_without_a_certificate_is_a_fault(tmp_path: Path) -> None:
    assert fault(tmp_path, 'key = "k.pem"') == (
        '3: hosts."a.org".key: is set without `certificate`'
    )


def test_a_certificate_whose_key_lies_elsewhere_is_a_fault(tmp_path: Path, pem: Files) -> None:
    write(tmp_path / "c.pem", pem[0], mode=0o644)
    assert fault(tmp_path, 'certificate = "c.pem"') == (
        '3: hosts."a.org".certificate: c.pem holds no private key: set `key` as well'
    )


def test_a_key_that_everyone_may_read_is_a_fault(tmp_path: Path, pem: Files) -> None:
    write(tmp_path / "c.pem", *pem, mode=0o644)
    assert fault(tmp_path, 'certificate = "c.pem"') == (
        '3: hosts."a.org".certificate: c.pem is open to everyone: chmod o= c.pem'
    )


def test_the_key_of_another_certificate_is_a_fault(tmp_path: Path, pem: Files) -> None:
    write(tmp_path / "c.pem", pem[0])
    write(tmp_path / "k.pem", make()[1])
    assert fault(tmp_path, 'certificate = "c.pem"\nkey = "k.pem"') == (
        '4: hosts."a.org".key: k.pem does not belong to c.pem'
    )


def test_a_file_that_holds_no_certificate_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path / "c.pem", b"hello")
    assert fault(tmp_path, 'certificate = "c.pem"\nkey = "c.pem"').startswith(
        '3: hosts."a.org".certificate: c.pem and c.pem hold no certificate and unencrypted key'
    )
